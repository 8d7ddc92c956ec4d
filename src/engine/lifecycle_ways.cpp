#include "engine/lifecycle_ways.h"

#include <algorithm>

namespace xsv::engine::ways {
namespace {

using config::Activation;
using namespace std::chrono_literals;

constexpr Duration kJobPause = 1s;

Step back_off(const Policy& p, Time now, Backoff next, Duration delay, Actions actions)
{
    next.until = now + delay;
    actions.push_back(SetTimer{delay, p.has_sockets});
    return {next, std::move(actions)};
}

Step give_up(const Policy& p, Time now, int failures, Actions actions)
{
    actions.push_back(Passed{Backoff{.failures = failures, .until = now}});
    actions.push_back(note(Note::Kind::GaveUp, 0));
    if (!p.fatal_retry) return {Fatal{}, std::move(actions)};
    actions.push_back(SetTimer{*p.fatal_retry, false});
    return {Fatal{now + *p.fatal_retry}, std::move(actions)};
}

}  // namespace

bool is_on_demand(const Policy& p) { return p.activation == Activation::OnDemand; }

Duration start_timer(const Policy& p) { return p.start_time > 0s ? p.start_time + 1ns : 0ns; }

bool is_told(const Policy& p) { return p.ready != config::ReadyWhen::StartSecs; }

Time limit(Time now, Duration longest) { return longest > 0s ? now + longest : Time{}; }

void set_timer(Time now, Time until, Actions& actions)
{
    if (until != Time{}) actions.push_back(SetTimer{std::max<Duration>(until - now, 0ns), false});
}

Note note(Note::Kind kind, pid_t pid) { return {.kind = kind, .pid = pid}; }

Note end_note(const Policy& p, Note::Kind kind, pid_t pid, const ExitStatus& status)
{
    return {.kind = kind, .pid = pid, .status = status, .expected = is_expected(p, status)};
}

void close_sockets(const Policy& p, Actions& actions)
{
    if (p.has_sockets) actions.push_back(CloseSockets{});
}

Step wake(const Policy& p, int failures, int pauses, Actions actions)
{
    if (p.ending) {
        close_sockets(p, actions);
        return {Stopped{}, std::move(actions)};
    }
    if (p.activation == Activation::Always) {
        actions.push_back(Spawn{});
        return {Spawning{failures, pauses}, std::move(actions)};
    }
    actions.push_back(AwaitDemand{});
    return {Listening{failures, pauses}, std::move(actions)};
}

Step start(const Policy& p, Actions actions)
{
    if (p.has_sockets) actions.push_back(OpenSockets{});
    return wake(p, 0, 0, std::move(actions));
}

Step try_again(const Policy& p, Time now, int failures, Actions actions)
{
    if (p.gives_up && failures > p.start_retries) return give_up(p, now, failures, std::move(actions));
    const Duration delay = retry_delay(p, failures);
    if (delay == 0s) return wake(p, failures, 0, std::move(actions));
    return back_off(p, now, {.failures = failures}, delay, std::move(actions));
}

Step not_spawned(const Policy& p, int failures, int pauses, const SpawnFailed& e, Actions actions)
{
    const bool pause = e.resource && p.has_sockets;
    // One line per trouble: a pause that is repeated is the same trouble still.
    if (!pause || pauses == 0) actions.push_back(note(Note::Kind::SpawnError, 0));
    if (!pause) return try_again(p, e.now, failures + 1, std::move(actions));
    const Backoff next{.failures = failures, .pauses = pauses + 1};
    return back_off(p, e.now, next, pause_delay(next.pauses), std::move(actions));
}

Step go_on(const Policy& p, Time now, Cause cause, const ExitStatus& status, std::optional<int> failures, Actions actions)
{
    const bool again = is_on_demand(p) || restarts_after(p, cause, status);
    if (!again || (p.ending && !is_on_demand(p))) return {Ended{status}, std::move(actions)};
    actions.push_back(Passed{Ended{status}});
    // A job that is done again and again must not keep us busy with starting it.
    const Duration pause = p.ready == config::ReadyWhen::Exit ? std::max<Duration>(p.restarts->pause, kJobPause) : p.restarts->pause;
    if (failures && pause == 0s && !p.ending) return try_again(p, now, *failures + 1, std::move(actions));
    if (pause == 0s || is_on_demand(p)) return wake(p, 0, 0, std::move(actions));
    return back_off(p, now, {}, pause, std::move(actions));
}

Step ended(const Policy& p, pid_t pid, const Exited& e, std::optional<int> failures, Actions actions)
{
    actions.push_back(end_note(p, Note::Kind::Exited, pid, e.status));
    return go_on(p, e.now, Cause::Exit, e.status, failures, std::move(actions));
}

Actions after_exit(const Policy& p)
{
    return p.kill_as_group ? Actions{SweepGroup{}} : Actions{};
}

Step begin_stop(const Policy& p, Time now, pid_t pid, After after, std::optional<int> signal)
{
    Actions actions;
    // First the sockets, so that no caller gets in line behind a stop.
    if (after == After::Stop || after == After::Shutdown) close_sockets(p, actions);
    Note line = note(Note::Kind::Signalling, pid);
    line.signal = signal.value_or(p.stop_signal);
    line.group = p.stop_as_group;
    actions.push_back(line);
    actions.push_back(Signal{line.signal, p.stop_as_group});
    actions.push_back(SetTimer{p.stop_time, false});
    return {Stopping{.pid = pid, .deadline = now + p.stop_time, .after = after}, std::move(actions)};
}

Step stop_for_good(const Policy& p, Stopping s, After after)
{
    Actions actions;
    if (s.after != After::Stop && s.after != After::Shutdown) close_sockets(p, actions);
    s.after = after;
    return {s, std::move(actions)};
}

Step come_up(const Policy& p, Time now, Running next, Actions actions)
{
    next.until = limit(now, p.restarts->run_time_max.value_or(0s));
    set_timer(now, next.until, actions);
    return {next, std::move(actions)};
}

Step fail_it(const Policy& p, Time now, pid_t pid, Cause cause, int failures)
{
    Step next = begin_stop(p, now, pid, After::Judge, cause == Cause::Watchdog ? p.restarts->watchdog_signal : p.stop_signal);
    Stopping& stopping = std::get<Stopping>(next.state);
    stopping.cause = cause;
    stopping.failures = failures;
    next.actions.insert(next.actions.begin(), Note{.kind = Note::Kind::Failing, .pid = pid, .cause = cause});
    return next;
}

Step adopt(const Policy& p, const Adopted& e, int failures, Actions actions)
{
    if (is_told(p)) {
        const Time until = limit(e.since, p.start_timeout);
        set_timer(e.now, until, actions);
        return {Starting{e.pid, e.since, failures, until}, std::move(actions)};
    }
    const Time up = e.since + start_timer(p);
    if (e.now >= up) return come_up(p, e.now, {e.pid, e.since}, std::move(actions));
    actions.push_back(SetTimer{up - e.now, false});
    return {Starting{e.pid, e.since, failures}, std::move(actions)};
}

bool was_useful(const Policy& p, const Exited& e) { return is_on_demand(p) && (e.progress || !e.demand_waiting); }

Step too_quick(const Policy& p, const Starting& s, const Exited& e, Actions actions)
{
    actions.push_back(Note{.kind = Note::Kind::TooQuick, .pid = s.pid, .status = e.status});  // expected in no case
    return try_again(p, e.now, s.failures + 1, std::move(actions));
}

Step job_ended(const Policy& p, const Starting& s, const Exited& e, Actions actions)
{
    const bool good = is_expected(p, e.status);
    if (!good && restarts_after(p, Cause::Exit, e.status)) return too_quick(p, s, e, std::move(actions));
    if (good && p.restarts->remain_after_exit) {
        actions.push_back(end_note(p, Note::Kind::Exited, s.pid, e.status));
        return {Done{e.status}, std::move(actions)};
    }
    actions.push_back(Passed{Running{s.pid, s.since}});
    return ended(p, s.pid, e, {}, std::move(actions));
}

Step never_ready(const Policy& p, const Starting& s, Time now, Cause cause)
{
    if (s.pid != 0) return fail_it(p, now, s.pid, cause, s.failures);
    return try_again(p, now, s.failures + 1, {ClearTimer{}, Note{.kind = Note::Kind::Failing, .cause = cause}});
}

}  // namespace xsv::engine::ways
