#pragma once

#include "engine/lifecycle.h"

/// The ways that several arrows of the state machine (lifecycle.cpp) share: back to life, into a stop, after an end. For it alone.
/// `actions` are those that come first.
namespace xsv::engine::ways {

using Actions = std::vector<Action>;

bool is_on_demand(const Policy& p);
bool is_told(const Policy& p);
/// Supervisor wants "longer than", not "as long as": the timer ends one tick later.
Duration start_timer(const Policy& p);
/// The end of a limit; none where there is no limit.
Time limit(Time now, Duration longest);
void set_timer(Time now, Time until, Actions& actions);

Note note(Note::Kind kind, pid_t pid);
Note end_note(const Policy& p, Note::Kind kind, pid_t pid, const ExitStatus& status);
void close_sockets(const Policy& p, Actions& actions);
Actions after_exit(const Policy& p);
/// Whoever served a caller did what it was there for, however quickly; where nobody waits, nobody was failed.
bool was_useful(const Policy& p, const Exited& e);

/// Where a place goes that should be up: an always-on program's demand never ends, the others wait for theirs.
Step wake(const Policy& p, int failures, int pauses, Actions actions);
Step start(const Policy& p, Actions actions);
/// `failures` counts the one that has just happened.
Step try_again(const Policy& p, Time now, int failures, Actions actions);
Step not_spawned(const Policy& p, int failures, int pauses, const SpawnFailed& e, Actions actions);
Step adopt(const Policy& p, const Adopted& e, int failures, Actions actions);

/// From here on run_time_max counts.
Step come_up(const Policy& p, Time now, Running next, Actions actions);
Step never_ready(const Policy& p, const Starting& s, Time now, Cause cause);
/// The process is made to end for a cause that it did not choose.
Step fail_it(const Policy& p, Time now, pid_t pid, Cause cause, int failures);
Step begin_stop(const Policy& p, Time now, pid_t pid, After after, std::optional<int> signal = {});
/// A stop that was to lead back to life becomes one that does not.
Step stop_for_good(const Policy& p, Stopping s, After after);

Step too_quick(const Policy& p, const Starting& s, const Exited& e, Actions actions);
/// ready = exit: the end is what the start was for.
Step job_ended(const Policy& p, const Starting& s, const Exited& e, Actions actions);
Step ended(const Policy& p, pid_t pid, const Exited& e, std::optional<int> failures, Actions actions);
/// What follows the end of a program that had been up. `failures`: of the starts before, where this end is one more.
Step go_on(const Policy& p, Time now, Cause cause, const ExitStatus& status, std::optional<int> failures, Actions actions);

}  // namespace xsv::engine::ways
