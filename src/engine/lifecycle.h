#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include <sys/types.h>

#include "base/time.h"
#include "config/spec.h"

/// What follows what, in one place where one process may live. Pure: policy, state and event go in; the next state and
/// the actions to perform come out. `connection.h` has the small life of one per-connection process.
///
/// What the one who acts (engine/service) can count on and has to keep:
///  - Publish what a step Passed, then enter its state, then perform the other actions in their order.
///  - Spawn is always the last action of a step, and leads to Spawning. Answer it with Spawned or SpawnFailed before
///    handing over any other event.
///  - One timer per place. SetTimer replaces it; ClearTimer drops it; TimerFired comes once per SetTimer.
///  - Demand is watched between AwaitDemand and IgnoreDemand or CloseSockets. Both Open and Close are idempotent.
///  - An event that means nothing in a state changes nothing and yields no action.
namespace xsv::engine {

/// How a process ended, as waitid says it.
struct ExitStatus {
    int code = 0;    ///< CLD_EXITED, CLD_KILLED, CLD_DUMPED; anything else: unknown, which counts as a failure
    int status = 0;  ///< exit code, or signal
    bool operator==(const ExitStatus&) const = default;
    /// The exit code; -1 after a signal and when unknown, as Supervisor's clients see it.
    int exit_code() const noexcept;
};

/// What the decisions need of a ServiceSpec.
struct Policy {
    config::Activation activation = config::Activation::Always;
    bool has_sockets = false;       ///< that a start opens and a stop closes; standing ones are none of its business
    bool autostart = true;          ///< for whoever sends the first Start
    bool ending = false;            ///< the daemon shuts down, nothing starts any more (set by the engine)
    bool gives_up = true;           ///< Fatal after start_retries: no sockets, or asked for by name
    int start_retries = 3;          ///< N retries make N + 1 attempts
    Duration start_time = std::chrono::seconds(1);
    Duration stop_time = std::chrono::seconds(10);
    Duration backoff_max = std::chrono::seconds(60);
    std::optional<Duration> fatal_retry;
    config::Autorestart autorestart = config::Autorestart::Unexpected;
    std::vector<int> exit_codes{0};
    Shared<config::Restarts> restarts;
    int stop_signal = 15;
    bool stop_as_group = false, kill_as_group = false;
    config::ReadyWhen ready = config::ReadyWhen::StartSecs;
    Duration start_timeout{};       ///< 0: no limit; not for StartSecs
    bool before_start = false;      ///< start_pre commands, or a stop_post that a start has to wait for
    bool after_start = false;       ///< start_post
    bool before_stop = false;       ///< stop_command
    bool operator==(const Policy&) const = default;
};
Policy make_policy(const config::ServiceSpec& spec);

// ---- States -------------------------------------------------------------------------------------------------------
// A pid exists exactly where a process exists. `failures` counts starts in a row that failed; `pauses` counts failed
// clones in a row for want of processes, memory or descriptors, which are nobody's fault.

/// Sockets closed, no process. The initial state.
struct Stopped {
    bool operator==(const Stopped&) const = default;
};
/// Sockets open and watched, no process (per connection: processes are elsewhere).
struct Listening {
    int failures = 0, pauses = 0;
    bool operator==(const Listening&) const = default;
};
/// Spawn was asked for and not answered yet.
struct Spawning {
    int failures = 0, pauses = 0;
    bool operator==(const Spawning&) const = default;
};
/// The process lives, but not yet for start_time; with another `ready`, it was not ready yet.
struct Starting {
    pid_t pid = 0;         ///< ready = fork: 0 between the first process and the one that stays
    Time since{};
    int failures = 0;
    Time until{};          ///< ready by then, or it is a failed start; none: no limit
    bool posting = false;  ///< it is ready, and its start_post commands run
    bool operator==(const Starting&) const = default;
};
struct Running {
    pid_t pid = 0;
    Time since{};
    Time until{};          ///< run_time_max; none: no limit
    int failures = 0;      ///< ready before start_time: of the starts before; an end before start_time is one more
    bool operator==(const Running&) const = default;
};
/// No process; sockets open and unwatched until the next try.
struct Backoff {
    int failures = 0, pauses = 0;
    Time until{};  ///< before jitter; the one who acts may store the jittered time here
    bool operator==(const Backoff&) const = default;
};
/// What a stop leads to once the process has ended.
enum class After : std::uint8_t {
    Stop,      ///< Stopped, sockets are closed already
    Restart,   ///< Spawning, sockets stay open
    Listen,    ///< Listening, callers have queued meanwhile
    Shutdown,  ///< Stopped, because the daemon ends
    Judge,     ///< what the policy says of an end for this cause
};
/// Why a process ends; of what it does by itself, the exit status says the rest.
enum class Cause : std::uint8_t {
    Exit,
    StartTimeout,  ///< not ready in start_timeout
    Protocol,      ///< it can never become ready
    RunTimeout,    ///< up for run_time_max
    Watchdog,      ///< no sign of life in time
    Hook,          ///< a command of start_post failed
};
/// Commands that run beside the program's own.
enum class Hook : std::uint8_t { StartPre, StartPost, StopCommand, StopPost, Reload };
/// The process was told to end and still lives.
struct Stopping {
    pid_t pid = 0;
    Time deadline{};           ///< next SIGKILL
    bool killed = false;       ///< SIGKILL was sent at least once
    bool unreachable = false;  ///< the kernel refused the signal (Supervisor's UNKNOWN); tried again at the deadline
    After after = After::Stop;
    Cause cause = Cause::Exit;  ///< with Judge
    int failures = 0;           ///< with Judge, of a start that failed: of those before
    bool asked = false;         ///< stop_command runs, the stop signal is still to come; there is no deadline yet
    bool operator==(const Stopping&) const = default;
};
/// It ended after having been up, and the policy leaves it so. Sockets stay open, unwatched.
struct Ended {
    ExitStatus status;
    bool operator==(const Ended&) const = default;
};
/// Gave up, or was in Backoff when the daemon shut down. Sockets stay open, unwatched.
struct Fatal {
    std::optional<Time> until;  ///< next try, with fatal_retry
    bool operator==(const Fatal&) const = default;
};
/// ready = exit with remain_after_exit: its work is done, and counts until it is stopped. No process.
struct Done {
    ExitStatus status;
    bool operator==(const Done&) const = default;
};
/// start_pre commands run before the spawn. No process.
struct Preparing {
    int failures = 0, pauses = 0;
    bool operator==(const Preparing&) const = default;
};
using State = std::variant<Stopped, Listening, Spawning, Starting, Running, Backoff, Stopping, Ended, Fatal, Done, Preparing>;

// ---- Events; `now` is always the time at which the event is handed over -------------------------------------------

/// A request to start, or the autostart. Retries at once from Backoff where there are sockets; a plain program in
/// Backoff counts as started already.
struct Start { Time now; };
/// A request to stop: sockets close at once. Per connection the engine hands Stop to the connections too.
struct Stop { Time now; };
/// A graceful restart, e.g. after a reload that changed how the program is run: sockets stay open. Stopped and ended
/// programs stay as they are.
struct Restart { Time now; };
/// A caller waits on a watched socket of an on-demand program.
struct Demand { Time now; };
/// idle_timeout has passed without a connection.
struct Idle { Time now; };
/// The answer to Spawn. Per connection: a handler was started (clears what SpawnFailed has counted).
struct Spawned {
    Time now;
    pid_t pid = 0;
};
/// The other answer to Spawn. Per connection: a handler could not be started, or all of the last ones failed at once
/// (HandlerRecord in connection.h).
struct SpawnFailed {
    Time now;
    bool resource = false;  ///< EAGAIN, ENOMEM, EMFILE, ENFILE: with sockets a pause, not a failure
};
/// The process has ended (its status is known; the guardian has reaped or will).
struct Exited {
    Time now;
    ExitStatus status;
    bool progress = false;       ///< on demand: it took something off the queue
    bool demand_waiting = true;  ///< on demand: somebody is waiting still; where nobody is, nobody was failed
};
struct TimerFired { Time now; };
/// The kernel refused to deliver a signal this machine asked for (EPERM); ESRCH is not a failure.
struct SignalFailed { Time now; };
/// The daemon ends and this service's turn has come. Policy::ending is set for every service before the first one.
struct Shutdown { Time now; };
/// After a crash of the engine: the process that the table shows in this place lives.
struct Adopted {
    Time now;
    pid_t pid = 0;
    Time since{};
};
/// The program is ready, as `ready` of the policy wants it told. Means nothing with StartSecs.
struct BecameReady { Time now; };
/// It never will be.
struct NeverReady { Time now; };
/// Another process is the main one from now on; 0 (ready = fork, while starting): there is none at the moment.
struct MainPid {
    Time now;
    pid_t pid = 0;
};
/// The limit of this start, run or stop is to be `by` from now at least.
struct Extend {
    Time now;
    Duration by{};
};
/// No sign of life in time.
struct WatchdogMissed { Time now; };
/// The answer to RunHooks; it comes for certain, since every command has a time limit, unless EndHooks forbids it.
struct HooksDone {
    Time now;
    Hook hook{};
    bool good = true;
};
using Event = std::variant<Start, Stop, Restart, Demand, Idle, Spawned, SpawnFailed, Exited, TimerFired, SignalFailed,
                           Shutdown, Adopted, BecameReady, NeverReady, MainPid, Extend, WatchdogMissed,
                           HooksDone>;

// ---- Actions ------------------------------------------------------------------------------------------------------

struct Spawn {
    bool operator==(const Spawn&) const = default;
};
struct Signal {
    int signal = 0;
    bool group = false;
    bool operator==(const Signal&) const = default;
};
struct SetTimer {
    Duration after{};
    bool jitter = false;  ///< spread by up to 10 % either way
    bool operator==(const SetTimer&) const = default;
};
struct ClearTimer {
    bool operator==(const ClearTimer&) const = default;
};
/// Open those of the spec that are not open. One that cannot be opened is the service's to try again.
struct OpenSockets {
    bool operator==(const OpenSockets&) const = default;
};
struct CloseSockets {
    bool operator==(const CloseSockets&) const = default;
};
struct AwaitDemand {
    bool operator==(const AwaitDemand&) const = default;
};
struct IgnoreDemand {
    bool operator==(const IgnoreDemand&) const = default;
};
/// SIGKILL for whatever is left of the ended process's group.
struct SweepGroup {
    bool operator==(const SweepGroup&) const = default;
};
/// Start these commands, one after the other, behind those that still run.
struct RunHooks {
    Hook hook{};
    bool operator==(const RunHooks&) const = default;
};
/// Commands of a start that is over: they end at once.
struct EndHooks {
    bool operator==(const EndHooks&) const = default;
};
/// A line for the activity log, in Supervisor's words.
struct Note {
    enum class Kind : std::uint8_t {
        Spawned,         ///< INFO "spawned: 'x' with pid N"
        SpawnError,      ///< INFO "spawnerr: TEXT"; the text is the spawner's
        EnteredRunning,  ///< INFO "success: x entered RUNNING state, ..."
        Exited,          ///< INFO or, unless expected, WARN "exited: x (...)"; unexpected: spawnerr "Bad exit code N"
        TooQuick,        ///< WARN "exited: x (...; not expected)", spawnerr "Exited too quickly ..."
        Stopped,         ///< INFO or, unless expected, WARN "stopped: x (...)"
        GaveUp,          ///< INFO "gave up: x entered FATAL state, too many start retries too quickly"
        Signalling,      ///< DEBG "killing x (pid N) with signal ..."; `signal`, `group`
        Killing,         ///< WARN "killing 'x' (N) with SIGKILL"
        Ready,           ///< INFO "success: x entered RUNNING state, ..."; how it was told
        Failing,         ///< WARN: it is made to end because of `cause`
    };
    Kind kind{};
    pid_t pid = 0;
    ExitStatus status{};    ///< Exited, TooQuick, Stopped
    bool expected = false;  ///< Exited, Stopped: the status is one of exit_codes
    int signal = 0;         ///< Signalling, Killing
    bool group = false;     ///< Signalling, Killing
    Cause cause = Cause::Exit;  ///< Failing
    bool operator==(const Note&) const = default;
};
/// A state gone through on the way to the step's own, for those who follow every change (Supervisor's events): publish
/// it as if it had been entered, before the step's state is.
struct Passed {
    State state;
    bool operator==(const Passed&) const = default;
};
using Action = std::variant<Spawn, Signal, SetTimer, ClearTimer, OpenSockets, CloseSockets, AwaitDemand, IgnoreDemand,
                            SweepGroup, Note, Passed, RunHooks, EndHooks>;

struct Step {
    State state;
    std::vector<Action> actions;
    bool operator==(const Step&) const = default;
};

Step step(const Policy& policy, const State& state, const Event& event);

/// The timer and the watch a state needs, after the engine was started again with the state as the table shows it
/// (sockets are held already). For Spawning there are none: look at the slot and hand over Adopted or SpawnFailed.
std::vector<Action> resume(const Policy& policy, const State& state, Time now);

/// The wait before the next try after `failures` failures in a row (>= 1): k seconds without sockets; with sockets
/// 1 s doubling to backoff_max, where an on-demand program's first retry comes at once (0).
Duration retry_delay(const Policy& policy, int failures);
/// The wait after `pauses` clones in a row that failed for want of resources: 100 ms doubling to 5 s.
Duration pause_delay(int pauses);
/// Is this end what exit_codes and exit_signals name?
bool is_expected(const Policy& policy, const ExitStatus& status);
/// Does an always-on program that has ended so start again by itself?
bool restarts_after(const Policy& policy, Cause cause, const ExitStatus& status);

// ---- Views --------------------------------------------------------------------------------------------------------

/// Supervisor's process states; clients throw on any other.
enum class SupervisorState : std::int32_t {
    Stopped = 0, Starting = 10, Running = 20, Backoff = 30, Stopping = 40, Exited = 100, Fatal = 200, Unknown = 1000
};
std::string_view supervisor_name(SupervisorState state);  ///< "STOPPED"
std::string_view state_name(const State& state);          ///< our own words: "listening"

/// `connections`: live per-connection processes; a stopped service is STOPPING until the last of them is gone.
SupervisorState supervisor_view(const State& state, int connections = 0);
bool is_in_running_set(SupervisorState state);  ///< start answers ALREADY_STARTED, stop acts
bool is_in_stopped_set(SupervisorState state);  ///< may be removed; shutdown waits for it
bool is_signallable(SupervisorState state);     ///< a Listening service is: the signal succeeds without effect
/// Would Stop change anything? True beyond the running set where sockets are open or a retry is pending.
bool stop_acts(const Policy& policy, const State& state);

std::optional<pid_t> live_pid(const State& state);  ///< of the process in this place

}  // namespace xsv::engine
