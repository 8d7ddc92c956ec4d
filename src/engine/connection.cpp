#include "engine/connection.h"

#include <algorithm>
#include <csignal>
#include <utility>

namespace xsv::engine {

namespace {

using namespace std::chrono_literals;
using Actions = std::vector<Action>;
using Stage = ConnectionStopping::Stage;

ConnectionStep tell(const Policy& p, ConnectionStopping s, Time now, Stage stage)
{
    const bool kill = stage == Stage::Killed;
    const int signal = kill ? SIGKILL : p.stop_signal;
    const bool group = kill ? p.kill_as_group || p.stop_as_group : p.stop_as_group;
    const Duration wait = kill ? std::max<Duration>(p.stop_time, 1s) : p.stop_time;
    s.stage = stage;
    s.deadline = now + wait;
    Note line{.kind = kill ? Note::Kind::Killing : Note::Kind::Signalling, .pid = s.pid};
    line.signal = signal;
    line.group = group;
    return {s, {line, Signal{signal, group}, SetTimer{wait, false}}};
}

ConnectionStep on(const Policy&, const ConnectionSpawning&, const Spawned& e)
{
    return {ConnectionRunning{e.pid, e.now}, {}};
}
ConnectionStep on(const Policy&, const ConnectionSpawning&, const Adopted& e)
{
    return {ConnectionRunning{e.pid, e.since}, {}};
}
ConnectionStep on(const Policy&, const ConnectionSpawning&, const SpawnFailed&) { return {ConnectionGone{}, {}}; }

ConnectionStep on(const Policy& p, const ConnectionRunning&, const Exited&)
{
    return {ConnectionGone{}, p.kill_as_group ? Actions{SweepGroup{}} : Actions{}};
}
ConnectionStep on(const Policy& p, const ConnectionRunning& s, const Stop& e)
{
    return {ConnectionStopping{s.pid, s.since, e.now + p.stop_time, Stage::Finishing}, {SetTimer{p.stop_time, false}}};
}
ConnectionStep on(const Policy& p, const ConnectionRunning& s, const StopNow& e)
{
    return tell(p, {.pid = s.pid, .since = s.since}, e.now, Stage::Told);
}
ConnectionStep on(const Policy& p, const ConnectionRunning& s, const Shutdown& e) { return on(p, s, StopNow{e.now}); }

ConnectionStep on(const Policy& p, const ConnectionStopping& s, const TimerFired& e)
{
    if (e.now < s.deadline) return {s, {SetTimer{s.deadline - e.now, false}}};
    return tell(p, s, e.now, s.stage == Stage::Finishing ? Stage::Told : Stage::Killed);
}
ConnectionStep on(const Policy& p, const ConnectionStopping& s, const StopNow& e)
{
    // Whoever was told already keeps its time.
    return s.stage == Stage::Finishing ? tell(p, s, e.now, Stage::Told) : ConnectionStep{s, {}};
}
ConnectionStep on(const Policy& p, const ConnectionStopping& s, const Shutdown& e) { return on(p, s, StopNow{e.now}); }
ConnectionStep on(const Policy& p, const ConnectionStopping& s, const Exited&)
{
    // A handler that finished by itself may have left a helper with a purpose; after a signal nothing stays.
    Actions actions{ClearTimer{}};
    if (s.stage != Stage::Finishing || p.kill_as_group) actions.push_back(SweepGroup{});
    return {ConnectionGone{}, std::move(actions)};
}

/// Every other pair: it happened, and nothing changes.
template <class S, class E>
ConnectionStep on(const Policy&, const S& state, const E&)
{
    return {state, {}};
}

}  // namespace

ConnectionStep step(const Policy& policy, const ConnectionState& state, const ConnectionEvent& event)
{
    return std::visit([&](const auto& s, const auto& e) { return on(policy, s, e); }, state, event);
}

std::vector<Action> resume(const ConnectionState& state, Time now)
{
    const auto* s = std::get_if<ConnectionStopping>(&state);
    if (!s) return {};
    return {SetTimer{std::max<Duration>(s->deadline - now, 0ns), false}};
}

bool HandlerRecord::ended(const ExitStatus& status, Duration life)
{
    const bool by_signal = status.code == CLD_KILLED || status.code == CLD_DUMPED;
    const bool not_run = status.code == CLD_EXITED && status.status == 127;
    bad_in_a_row = life < 1s && (by_signal || not_run) ? std::min(bad_in_a_row + 1, kAllBad) : 0;
    return bad_in_a_row >= kAllBad;
}

}  // namespace xsv::engine
