#include "engine/lifecycle.h"

#include <algorithm>
#include <concepts>
#include <csignal>
#include <utility>

#include "engine/lifecycle_ways.h"

namespace xsv::engine {

namespace {

using config::Activation;
using namespace std::chrono_literals;
using namespace ways;

// SIGKILL is repeated because a process may be out of reach for a while; stop_time = 0 must not make that a tight loop.
constexpr Duration kShortestRepeat = 1s;
constexpr Duration kLeastService = 1s;   // of a program on demand, whatever startsecs says

Step on(const Policy& p, const Running& s, const Exited& e);

// ---- The arrows, state by state. -----------------------------------------------------------------------------------

Step on(const Policy& p, const Stopped& s, const Start&) { return p.ending ? Step{s, {}} : start(p, {}); }
Step on(const Policy& p, const Stopped&, const Adopted& e)
{
    return adopt(p, e, 0, p.has_sockets ? Actions{OpenSockets{}} : Actions{});
}

Step on(const Policy& p, const Listening& s, const Demand&)
{
    if (p.ending) return {s, {IgnoreDemand{}}};
    if (!is_on_demand(p)) return {s, {}};
    return {Spawning{s.failures, s.pauses}, {IgnoreDemand{}, Spawn{}}};
}
Step on(const Policy&, const Listening&, const Restart&) { return {Listening{}, {}}; }
Step on(const Policy& p, const Listening&, const Stop&)
{
    Actions actions{IgnoreDemand{}};
    close_sockets(p, actions);
    return {Stopped{}, std::move(actions)};
}
Step on(const Policy& p, const Listening& s, const Shutdown& e) { return on(p, s, Stop{e.now}); }
Step on(const Policy&, const Listening&, const Spawned&) { return {Listening{}, {}}; }
Step on(const Policy& p, const Listening& s, const SpawnFailed& e)
{
    if (p.activation != Activation::PerConnection) return {s, {}};
    return not_spawned(p, s.failures, s.pauses, e, {IgnoreDemand{}});
}
Step on(const Policy& p, const Listening& s, const Adopted& e) { return adopt(p, e, s.failures, {IgnoreDemand{}}); }

Step on(const Policy& p, const Spawning& s, const Spawned& e)
{
    if (is_told(p)) {
        const Time until = limit(e.now, p.start_timeout);
        Actions actions{note(Note::Kind::Spawned, e.pid)};
        set_timer(e.now, until, actions);
        return {Starting{e.pid, e.now, s.failures, until}, std::move(actions)};
    }
    return {Starting{e.pid, e.now, s.failures}, {note(Note::Kind::Spawned, e.pid), SetTimer{start_timer(p), false}}};
}
Step on(const Policy& p, const Spawning& s, const SpawnFailed& e)
{
    return not_spawned(p, s.failures, s.pauses, e, {});
}
Step on(const Policy& p, const Spawning& s, const Adopted& e) { return adopt(p, e, s.failures, {}); }

Step on(const Policy& p, const Starting& s, const TimerFired& e)
{
    if (s.posting) return {s, {}};
    if (is_told(p)) {
        if (s.until == Time{}) return {s, {}};
        if (e.now < s.until) return {s, {SetTimer{s.until - e.now, false}}};
        return never_ready(p, s, e.now, Cause::StartTimeout);
    }
    const Time up = s.since + start_timer(p);
    if (e.now < up) return {s, {SetTimer{up - e.now, false}}};
    return come_up(p, e.now, {.pid = s.pid, .since = s.since, .failures = is_on_demand(p) ? s.failures : 0},
                   {note(Note::Kind::EnteredRunning, s.pid)});
}
Step on(const Policy& p, const Starting& s, const BecameReady& e)
{
    if (!is_told(p) || s.posting || s.pid == 0 || p.ready == config::ReadyWhen::Exit) return {s, {}};
    const int failures = e.now - s.since < p.start_time ? s.failures : 0;
    return come_up(p, e.now, {.pid = s.pid, .since = s.since, .failures = failures},
                   {ClearTimer{}, note(Note::Kind::Ready, s.pid)});
}
Step on(const Policy& p, const Starting& s, const NeverReady& e)
{
    return is_told(p) && !s.posting ? never_ready(p, s, e.now, Cause::Protocol) : Step{s, {}};
}
Step on(const Policy& p, const Starting& s, const HooksDone& e)
{
    if (!s.posting || e.hook != Hook::StartPost) return {s, {}};
    if (!e.good) return fail_it(p, e.now, s.pid, Cause::Hook, s.failures);
    const int failures = is_told(p) && e.now - s.since < p.start_time ? s.failures : 0;
    return come_up(p, e.now, {.pid = s.pid, .since = s.since, .failures = failures}, {});
}
Step on(const Policy& p, const Starting& s, const Exited& e)
{
    if (s.posting) {
        Step next = on(p, Running{.pid = s.pid, .since = s.since, .failures = s.failures}, e);
        next.actions.insert(next.actions.begin(), Passed{Running{s.pid, s.since}});
        return next;
    }
    Actions actions = after_exit(p);
    actions.push_back(ClearTimer{});
    if (p.ready == config::ReadyWhen::Exit) return job_ended(p, s, e, std::move(actions));
    const bool was_up = !is_told(p) && e.now - s.since >= std::max(p.start_time, is_on_demand(p) ? kLeastService : 0s);
    if (was_up || was_useful(p, e)) {
        actions.push_back(Passed{Running{s.pid, s.since}});
        return ended(p, s.pid, e, {}, std::move(actions));
    }
    return too_quick(p, s, e, std::move(actions));
}

Step on(const Policy& p, const Running& s, const Exited& e)
{
    Actions actions = after_exit(p);
    if (s.until != Time{}) actions.push_back(ClearTimer{});
    // Whoever calls itself ready and dies at once must not keep us busy with starting it; nor who leaves his caller waiting (N8).
    const Duration least = is_told(p) ? p.start_time : is_on_demand(p) ? kLeastService : 0s;
    const bool young = e.now - s.since < least && !was_useful(p, e);
    return ended(p, s.pid, e, young ? std::optional(s.failures) : std::nullopt, std::move(actions));
}
Step on(const Policy& p, const Running& s, const TimerFired& e)
{
    if (s.until == Time{}) return {s, {}};
    if (e.now < s.until) return {s, {SetTimer{s.until - e.now, false}}};
    return fail_it(p, e.now, s.pid, Cause::RunTimeout, 0);
}

template <class S>
concept Up = std::same_as<S, Starting> || std::same_as<S, Running>;

/// Between the process that was started and the one that stays there is nobody to be told.
Step leave_start(const Policy& p, After after)
{
    Actions actions{ClearTimer{}};
    if (after == After::Restart || after == After::Listen) return wake(p, 0, 0, std::move(actions));
    close_sockets(p, actions);
    return {Stopped{}, std::move(actions)};
}

template <Up S>
Step on(const Policy& p, const S& s, const Stop& e)
{
    return s.pid == 0 ? leave_start(p, After::Stop) : begin_stop(p, e.now, s.pid, After::Stop);
}
template <Up S>
Step on(const Policy& p, const S& s, const Shutdown& e)
{
    return s.pid == 0 ? leave_start(p, After::Shutdown) : begin_stop(p, e.now, s.pid, After::Shutdown);
}
template <Up S>
Step on(const Policy&, S s, const MainPid& e)
{
    if (e.pid != 0 || std::same_as<S, Starting>) s.pid = e.pid;
    return {s, {}};
}
template <Up S>
Step on(const Policy& p, S s, const Extend& e)
{
    bool counts = s.until != Time{};
    if constexpr (std::same_as<S, Starting>) counts = counts && is_told(p) && !s.posting;
    if (!counts || s.until >= e.now + e.by) return {s, {}};
    s.until = e.now + e.by;
    return {s, {SetTimer{e.by, false}}};
}
template <Up S>
Step on(const Policy& p, const S& s, const WatchdogMissed& e)
{
    return s.pid == 0 ? Step{s, {}} : fail_it(p, e.now, s.pid, Cause::Watchdog, s.failures);
}
template <Up S>
Step on(const Policy& p, const S& s, const Restart& e)
{
    if (p.ending) return {s, {}};
    if (s.pid == 0) return leave_start(p, is_on_demand(p) ? After::Listen : After::Restart);
    return begin_stop(p, e.now, s.pid, is_on_demand(p) ? After::Listen : After::Restart);
}
template <Up S>
Step on(const Policy& p, const S& s, const Idle& e)
{
    return is_on_demand(p) && s.pid != 0 ? begin_stop(p, e.now, s.pid, After::Listen) : Step{s, {}};
}

Step on(const Policy& p, const Backoff& s, const TimerFired&)
{
    return p.ending ? Step{s, {}} : wake(p, s.failures, s.pauses, {});
}
Step on(const Policy& p, const Backoff& s, const Start&)
{
    return p.ending || !p.has_sockets ? Step{s, {}} : start(p, {ClearTimer{}});
}
Step on(const Policy& p, const Backoff& s, const Restart&) { return p.ending ? Step{s, {}} : start(p, {ClearTimer{}}); }
Step on(const Policy& p, const Backoff&, const Stop&)
{
    Actions actions{ClearTimer{}};
    close_sockets(p, actions);
    return {Stopped{}, std::move(actions)};
}
Step on(const Policy& p, const Backoff&, const Shutdown&)
{
    Actions actions{ClearTimer{}};
    close_sockets(p, actions);
    return {Fatal{}, std::move(actions)};
}
Step on(const Policy& p, const Backoff& s, const Adopted& e) { return adopt(p, e, s.failures, {ClearTimer{}}); }

/// Now it is asked with a signal.
Step signal_stop(const Policy& p, Stopping s, Time now)
{
    Step next = begin_stop(p, now, s.pid, s.after);
    std::erase_if(next.actions, [](const Action& action) { return std::holds_alternative<CloseSockets>(action); });
    s.asked = false;
    s.deadline = now + p.stop_time;
    return {s, std::move(next.actions)};
}
Step on(const Policy& p, const Stopping& s, const HooksDone& e)
{
    return s.asked && e.hook == Hook::StopCommand ? signal_stop(p, s, e.now) : Step{s, {}};
}
Step on(const Policy& p, Stopping s, const TimerFired& e)
{
    if (s.asked) return {s, {}};
    if (e.now < s.deadline) return {s, {SetTimer{s.deadline - e.now, false}}};
    const bool group = p.kill_as_group || p.stop_as_group;
    const Duration repeat = std::max(p.stop_time, kShortestRepeat);
    Note line = note(Note::Kind::Killing, s.pid);
    line.signal = SIGKILL;
    line.group = group;
    s.killed = true;
    s.unreachable = false;
    s.deadline = e.now + repeat;
    return {s, {line, Signal{SIGKILL, group}, SetTimer{repeat, false}}};
}
Step judge(const Policy& p, const Stopping& s, const Exited& e, Actions actions)
{
    if (p.ending) {
        close_sockets(p, actions);
        return {Stopped{}, std::move(actions)};
    }
    const bool failed_start = s.cause == Cause::StartTimeout || s.cause == Cause::Protocol || s.cause == Cause::Hook;
    if (failed_start) return try_again(p, e.now, s.failures + 1, std::move(actions));
    return go_on(p, e.now, s.cause, e.status, {}, std::move(actions));
}
Step on(const Policy& p, const Stopping& s, const Exited& e)
{
    // A stop leaves nothing behind, whatever the program has started in its session.
    Actions actions{SweepGroup{}, ClearTimer{}, end_note(p, Note::Kind::Stopped, s.pid, e.status)};
    if (s.after == After::Stop || s.after == After::Shutdown) return {Stopped{}, std::move(actions)};
    if (s.after == After::Judge) return judge(p, s, e, std::move(actions));
    if (!p.ending) actions.push_back(Passed{Stopped{}});
    return wake(p, 0, 0, std::move(actions));
}
Step on(const Policy&, Stopping s, const MainPid& e)
{
    if (e.pid != 0) s.pid = e.pid;
    return {s, {}};
}
Step on(const Policy&, Stopping s, const Extend& e)
{
    if (s.killed || s.asked || s.deadline >= e.now + e.by) return {s, {}};
    s.deadline = e.now + e.by;
    return {s, {SetTimer{e.by, false}}};
}
Step on(const Policy& p, const Stopping& s, const Stop&)
{
    return s.after == After::Shutdown ? Step{s, {}} : stop_for_good(p, s, After::Stop);
}
Step on(const Policy& p, const Stopping& s, const Shutdown&) { return stop_for_good(p, s, After::Shutdown); }
Step on(const Policy&, Stopping s, const SignalFailed&)
{
    s.unreachable = true;
    return {s, {}};
}

Step on(const Policy& p, const Ended& s, const Start&) { return p.ending ? Step{s, {}} : start(p, {}); }
Step on(const Policy& p, const Ended& s, const Stop&)
{
    // Without sockets there is nothing to stop: Supervisor's clients go on seeing EXITED.
    return p.has_sockets ? Step{Stopped{}, {CloseSockets{}}} : Step{s, {}};
}
Step on(const Policy& p, const Ended& s, const Shutdown&)
{
    return p.has_sockets ? Step{s, {CloseSockets{}}} : Step{s, {}};
}
Step on(const Policy& p, const Ended&, const Adopted& e) { return adopt(p, e, 0, {}); }

Step on(const Policy& p, const Done&, const Stop&)
{
    Actions actions;
    close_sockets(p, actions);
    return {Stopped{}, std::move(actions)};
}
Step on(const Policy& p, const Done& s, const Shutdown& e) { return on(p, s, Stop{e.now}); }
Step on(const Policy& p, const Done& s, const Restart&) { return p.ending ? Step{s, {}} : start(p, {}); }
Step on(const Policy& p, const Done&, const Adopted& e) { return adopt(p, e, 0, {}); }

Step on(const Policy& p, const Preparing&, const Stop&)
{
    Actions actions{EndHooks{}};
    close_sockets(p, actions);
    return {Stopped{}, std::move(actions)};
}
Step on(const Policy& p, const Preparing& s, const Shutdown& e) { return on(p, s, Stop{e.now}); }
Step on(const Policy& p, const Preparing& s, const HooksDone& e)
{
    if (e.hook != Hook::StartPre) return {s, {}};
    if (p.ending) {
        Actions actions;
        close_sockets(p, actions);
        return {Stopped{}, std::move(actions)};
    }
    if (e.good) return {Spawning{s.failures, s.pauses}, {Spawn{}}};
    return try_again(p, e.now, s.failures + 1, {note(Note::Kind::SpawnError, 0)});
}

Actions leave(const Fatal& s)
{
    return s.until ? Actions{ClearTimer{}} : Actions{};
}
Step on(const Policy& p, const Fatal& s, const Start&) { return p.ending ? Step{s, {}} : start(p, leave(s)); }
Step on(const Policy& p, const Fatal& s, const Restart&) { return p.ending ? Step{s, {}} : start(p, leave(s)); }
Step on(const Policy& p, const Fatal& s, const TimerFired&) { return p.ending ? Step{s, {}} : start(p, {}); }
Step on(const Policy& p, const Fatal& s, const Stop&)
{
    if (!stop_acts(p, s)) return {s, {}};
    Actions actions = leave(s);
    close_sockets(p, actions);
    return {Stopped{}, std::move(actions)};
}
Step on(const Policy& p, const Fatal& s, const Shutdown&)
{
    Actions actions = leave(s);
    close_sockets(p, actions);
    return {Fatal{}, std::move(actions)};
}
Step on(const Policy& p, const Fatal& s, const Adopted& e) { return adopt(p, e, 0, leave(s)); }

/// Every other pair: it happened, and nothing changes.
template <class S, class E>
Step on(const Policy&, const S& state, const E&)
{
    return {state, {}};
}

Time time_of(const Event& event)
{
    return std::visit([](const auto& e) { return e.now; }, event);
}

/// Where commands stand between two states, the way leads through them.
void insert_hooks(const Policy& p, const State& before, const Event& event, Step& next)
{
    const auto* spawning = std::get_if<Spawning>(&next.state);
    if (p.before_start && spawning != nullptr && !next.actions.empty() && std::holds_alternative<Spawn>(next.actions.back()) &&
        !std::holds_alternative<Preparing>(before)) {
        next.actions.back() = RunHooks{Hook::StartPre};
        next.state = Preparing{spawning->failures, spawning->pauses};
    }
    const auto* starting = std::get_if<Starting>(&before);
    const auto* running = std::get_if<Running>(&next.state);
    if (p.after_start && starting != nullptr && !starting->posting && running != nullptr) {
        next.state = Starting{.pid = running->pid, .since = running->since, .failures = running->failures, .posting = true};
        std::erase_if(next.actions, [](const Action& action) { return std::holds_alternative<SetTimer>(action); });
        next.actions.push_back(RunHooks{Hook::StartPost});
    }
    const bool posts = std::holds_alternative<Starting>(next.state);
    if (starting != nullptr && starting->posting && !posts && !std::holds_alternative<HooksDone>(event))
        next.actions.insert(next.actions.begin(), EndHooks{});
    auto* stopping = std::get_if<Stopping>(&next.state);
    if (p.before_stop && stopping != nullptr && std::holds_alternative<Running>(before) && stopping->cause != Cause::Watchdog) {
        std::erase_if(next.actions, [](const Action& action) {
            const auto* line = std::get_if<Note>(&action);
            return std::holds_alternative<Signal>(action) || std::holds_alternative<SetTimer>(action) ||
                   (line != nullptr && line->kind == Note::Kind::Signalling);
        });
        stopping->asked = true;
        stopping->deadline = time_of(event);
        next.actions.push_back(ClearTimer{});
        next.actions.push_back(RunHooks{Hook::StopCommand});
    }
}

}  // namespace

Step step(const Policy& policy, const State& state, const Event& event)
{
    Step next = std::visit([&](const auto& s, const auto& e) { return on(policy, s, e); }, state, event);
    insert_hooks(policy, state, event, next);
    return next;
}

std::vector<Action> resume(const Policy& policy, const State& state, Time now)
{
    const auto timer = [now](Time at) { return Actions{SetTimer{std::max<Duration>(at - now, 0ns), false}}; };
    if (std::holds_alternative<Listening>(state) && !policy.ending) return {AwaitDemand{}};
    if (const auto* s = std::get_if<Starting>(&state); s && s->posting) return {};
    if (const auto* s = std::get_if<Starting>(&state); s && !is_told(policy)) return timer(s->since + start_timer(policy));
    if (const auto* s = std::get_if<Starting>(&state)) return s->until == Time{} ? Actions{} : timer(s->until);
    if (const auto* s = std::get_if<Running>(&state); s && s->until != Time{}) return timer(s->until);
    if (const auto* s = std::get_if<Backoff>(&state)) return timer(s->until);
    if (const auto* s = std::get_if<Stopping>(&state)) return s->asked ? Actions{} : timer(s->deadline);
    if (const auto* s = std::get_if<Fatal>(&state); s && s->until) return timer(*s->until);
    return {};
}

}  // namespace xsv::engine
