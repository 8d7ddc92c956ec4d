#include "arrows.h"

// When a program counts as ready, and what follows its end beside Supervisor's words.

using namespace xsv::test;
using xsv::config::Autorestart;
using xsv::config::ReadyWhen;
using Kind = Note::Kind;

namespace {

Policy told(ReadyWhen when = ReadyWhen::Notify)
{
    Policy policy = plain();
    policy.ready = when;
    policy.start_timeout = 90s;
    return policy;
}

Note failing(pid_t pid, Cause cause)
{
    Note note{.kind = Kind::Failing, .pid = pid};
    note.cause = cause;
    return note;
}

}  // namespace

TEST_CASE("a program that tells is STARTING until it has, or its time is up", "[engine][ready]")
{
    const Starting young{7, kNow - 5s, 2, kNow + 85s};
    check_arrows(
        told(),
        {
            {"the limit is start_timeout", Spawning{2}, Spawned{kNow, 7}, Starting{7, kNow, 2, kNow + 90s}, {line(Kind::Spawned, 7), SetTimer{90s}}},
            {"startsecs mean nothing", young, TimerFired{kNow}, young, {SetTimer{85s}}},
            {"ready is RUNNING", young, BecameReady{kNow}, Running{7, kNow - 5s}, {ClearTimer{}, line(Kind::Ready, 7)}},
            {"ready within startsecs: its end may be one more failure",
             Starting{7, kNow - 500ms, 2, kNow + 85s},
             BecameReady{kNow},
             Running{7, kNow - 500ms, {}, 2},
             {ClearTimer{}, line(Kind::Ready, 7)}},
            {"and it is, where the program would start again at once",
             Running{7, kNow - 500ms, {}, 2},
             Exited{.now = kNow, .status = kBad},
             Backoff{.failures = 3, .until = kNow + 3s},
             {end_line(Kind::Exited, 7, kBad, false), Passed{Ended{kBad}}, SetTimer{3s}}},
            {"a good end stays one", Running{7, kNow - 500ms}, Exited{.now = kNow, .status = kGood}, Ended{kGood}, {end_line(Kind::Exited, 7, kGood, true)}},
            {"even a good end before ready is a failed start",
             young,
             Exited{.now = kNow, .status = kGood},
             Backoff{.failures = 3, .until = kNow + 3s},
             {ClearTimer{}, end_line(Kind::TooQuick, 7, kGood, false), SetTimer{3s}}},
            {"the time is up: it is stopped",
             Starting{7, kNow - 90s, 2, kNow},
             TimerFired{kNow},
             Stopping{.pid = 7, .deadline = kNow + 10s, .after = After::Judge, .cause = Cause::StartTimeout, .failures = 2},
             {failing(7, Cause::StartTimeout), signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}},
            {"and has failed",
             Stopping{.pid = 7, .deadline = kNow, .after = After::Judge, .cause = Cause::StartTimeout, .failures = 2},
             Exited{.now = kNow, .status = kGood},
             Backoff{.failures = 3, .until = kNow + 3s},
             {SweepGroup{}, ClearTimer{}, end_line(Kind::Stopped, 7, kGood, true), SetTimer{3s}}},
            {"a stop request meanwhile is for good",
             Stopping{.pid = 7, .after = After::Judge, .cause = Cause::StartTimeout},
             Stop{kNow},
             Stopping{.pid = 7, .after = After::Stop, .cause = Cause::StartTimeout},
             {}},
            {"more time on request", young, Extend{kNow, 200s}, Starting{7, kNow - 5s, 2, kNow + 200s}, {SetTimer{200s}}},
            {"never less", young, Extend{kNow, 1s}, young, {}},
            {"another main process", young, MainPid{kNow, 8}, Starting{8, kNow - 5s, 2, kNow + 85s}, {}},
        });
    const Running up{7, kNow - 60s};
    check_arrows(plain(), {{"startsecs does not listen to it", Starting{7, kNow}, BecameReady{kNow}, Starting{7, kNow}, {}},
                           {"a missed sign of life",
                            up,
                            WatchdogMissed{kNow},
                            Stopping{.pid = 7, .deadline = kNow + 10s, .after = After::Judge, .cause = Cause::Watchdog},
                            {failing(7, Cause::Watchdog), signal_line(Kind::Signalling, 7, SIGABRT), Signal{SIGABRT}, SetTimer{10s}}}});
}

TEST_CASE("between the process that was started and the one that stays", "[engine][ready]")
{
    const Starting between{0, kNow - 1s, 1, kNow + 89s};
    CHECK_FALSE(live_pid(State{between}));
    check_arrows(told(ReadyWhen::Fork),
                 {
                     {"the first one has gone", Starting{7, kNow - 1s, 1, kNow + 89s}, MainPid{kNow, 0}, between, {}},
                     {"a stop has nobody to wait for", between, Stop{kNow}, Stopped{}, {ClearTimer{}}},
                     {"nobody comes: a failed start",
                      Starting{0, kNow - 90s, 1, kNow},
                      TimerFired{kNow},
                      Backoff{.failures = 2, .until = kNow + 2s},
                      {ClearTimer{}, failing(0, Cause::StartTimeout), SetTimer{2s}}},
                     {"the other one comes", between, MainPid{kNow, 9}, Starting{9, kNow - 1s, 1, kNow + 89s}, {}},
                 });
}

TEST_CASE("a job is done when it has ended well", "[engine][ready]")
{
    Policy p = told(ReadyWhen::Exit);
    p.start_timeout = 0s;
    const Starting at_work{7, kNow, 0};
    check_arrows(p, {{"no limit, no timer", Spawning{}, Spawned{kNow, 7}, at_work, {line(Kind::Spawned, 7)}},
                     {"done",
                      at_work,
                      Exited{.now = kNow, .status = kGood},
                      Ended{kGood},
                      {ClearTimer{}, Passed{Running{7, kNow}}, end_line(Kind::Exited, 7, kGood, true)}},
                     {"failed",
                      at_work,
                      Exited{.now = kNow, .status = kBad},
                      Backoff{.failures = 1, .until = kNow + 1s},
                      {ClearTimer{}, end_line(Kind::TooQuick, 7, kBad, false), SetTimer{1s}}}});
    p.restarts.change().remain_after_exit = true;
    check_arrows(p, {{"done, and counts as up", at_work, Exited{.now = kNow, .status = kGood}, Done{kGood}, {ClearTimer{}, end_line(Kind::Exited, 7, kGood, true)}},
                     {"a start request means nothing", Done{kGood}, Start{kNow}, Done{kGood}, {}},
                     {"a stop ends it", Done{kGood}, Stop{kNow}, Stopped{}, {}}});
    CHECK(supervisor_view(State{Done{}}) == SupervisorState::Running);
    p.autorestart = Autorestart::Never;
    check_arrows(p, {{"a failed job without autorestart is not tried again",
                      at_work,
                      Exited{.now = kNow, .status = kBad},
                      Ended{kBad},
                      {ClearTimer{}, Passed{Running{7, kNow}}, end_line(Kind::Exited, 7, kBad, false)}}});
    p.autorestart = Autorestart::Always;
    p.restarts.change().remain_after_exit = false;
    check_arrows(p, {{"again and again, but not without a pause",
                      at_work,
                      Exited{.now = kNow, .status = kGood},
                      Backoff{.until = kNow + 1s},
                      {ClearTimer{}, Passed{Running{7, kNow}}, end_line(Kind::Exited, 7, kGood, true), Passed{Ended{kGood}}, SetTimer{1s}}}});
}

TEST_CASE("which ends are followed by a start", "[engine][ready]")
{
    const ExitStatus crash{CLD_DUMPED, SIGSEGV}, hangup{CLD_KILLED, SIGHUP}, killed{CLD_KILLED, SIGKILL};
    struct Row {
        Autorestart autorestart;
        bool good, code, asked, signal, timeout, watchdog;
    };
    const Row rows[] = {
        //                         0      3      HUP    SEGV   limit  watchdog
        {Autorestart::Never,      false, false, false, false, false, false},
        {Autorestart::Always,     true,  true,  true,  true,  true,  true},
        {Autorestart::Unexpected, false, true,  true,  true,  true,  true},
        {Autorestart::OnSuccess,  true,  false, true,  false, false, false},
        {Autorestart::OnFailure,  false, true,  false, true,  true,  true},
        {Autorestart::OnAbnormal, false, false, false, true,  true,  true},
        {Autorestart::OnAbort,    false, false, false, true,  false, false},
        {Autorestart::OnWatchdog, false, false, false, false, false, true},
    };
    for (const Row& row : rows) {
        Policy p = plain();
        p.autorestart = row.autorestart;
        INFO("autorestart " << static_cast<int>(row.autorestart));
        CHECK(restarts_after(p, Cause::Exit, kGood) == row.good);
        CHECK(restarts_after(p, Cause::Exit, {CLD_EXITED, 3}) == row.code);
        CHECK(restarts_after(p, Cause::Exit, hangup) == row.asked);
        CHECK(restarts_after(p, Cause::Exit, crash) == row.signal);
        CHECK(restarts_after(p, Cause::RunTimeout, kTermed) == row.timeout);
        CHECK(restarts_after(p, Cause::Watchdog, crash) == row.watchdog);
        p.restarts.change().force = {{0}, {}};
        p.restarts.change().prevent = {{3}, {SIGSEGV}};
        CHECK(restarts_after(p, Cause::Exit, kGood));
        CHECK_FALSE(restarts_after(p, Cause::Exit, {CLD_EXITED, 3}));
        CHECK_FALSE(restarts_after(p, Cause::Watchdog, crash));
    }
    Policy p = plain();
    p.restarts.change().exit_signals = {SIGKILL};
    CHECK(is_expected(p, killed));
    CHECK_FALSE(restarts_after(p, Cause::Exit, killed));
    p.autorestart = Autorestart::OnFailure;
    p.ready = ReadyWhen::Exit;
    CHECK(restarts_after(p, Cause::Exit, hangup));  // a job that was interrupted is not done
}

TEST_CASE("restart_pause and run_time_max", "[engine][ready]")
{
    Policy p = plain();
    p.restarts.change().pause = 5s;
    p.restarts.change().run_time_max = 60s;
    check_arrows(p, {{"the limit begins with RUNNING",
                      Starting{7, kNow - 2s},
                      TimerFired{kNow},
                      Running{7, kNow - 2s, kNow + 60s},
                      {line(Kind::EnteredRunning, 7), SetTimer{60s}}},
                     {"a pause before the start that follows",
                      Running{7, kNow - 9s, kNow + 60s},
                      Exited{.now = kNow, .status = kBad},
                      Backoff{.until = kNow + 5s},
                      {ClearTimer{}, end_line(Kind::Exited, 7, kBad, false), Passed{Ended{kBad}}, SetTimer{5s}}},
                     {"the limit",
                      Running{7, kNow - 60s, kNow},
                      TimerFired{kNow},
                      Stopping{.pid = 7, .deadline = kNow + 10s, .after = After::Judge, .cause = Cause::RunTimeout},
                      {failing(7, Cause::RunTimeout), signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}}});
}

TEST_CASE("commands stand between two states", "[engine][ready]")
{
    Policy p = plain();
    p.before_start = p.after_start = p.before_stop = true;
    const Starting posting{.pid = 7, .since = kNow - 2s, .posting = true};
    const Stopping asked{.pid = 7, .deadline = kNow, .asked = true};
    check_arrows(p, {{"start_pre", Stopped{}, Start{kNow}, Preparing{}, {RunHooks{Hook::StartPre}}},
                     {"went well", Preparing{2}, HooksDone{kNow, Hook::StartPre, true}, Spawning{2}, {Spawn{}}},
                     {"went badly", Preparing{1}, HooksDone{kNow, Hook::StartPre, false}, Backoff{.failures = 2, .until = kNow + 2s}, {line(Kind::SpawnError), SetTimer{2s}}},
                     {"of another's end it does not hear", Preparing{1}, HooksDone{kNow, Hook::StopPost, true}, Preparing{1}, {}},
                     {"a stop meanwhile", Preparing{}, Stop{kNow}, Stopped{}, {EndHooks{}}},
                     {"start_post", Starting{7, kNow - 2s}, TimerFired{kNow}, posting, {line(Kind::EnteredRunning, 7), RunHooks{Hook::StartPost}}},
                     {"and up", posting, HooksDone{kNow, Hook::StartPost, true}, Running{7, kNow - 2s}, {}},
                     {"or stopped",
                      posting,
                      HooksDone{kNow, Hook::StartPost, false},
                      Stopping{.pid = 7, .deadline = kNow + 10s, .after = After::Judge, .cause = Cause::Hook},
                      {failing(7, Cause::Hook), signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}},
                     {"stop_command instead of the signal", Running{7, kNow - 9s}, Stop{kNow}, asked, {ClearTimer{}, RunHooks{Hook::StopCommand}}},
                     {"then the signal",
                      asked,
                      HooksDone{kNow, Hook::StopCommand, false},
                      Stopping{.pid = 7, .deadline = kNow + 10s},
                      {signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}},
                     {"unless it has ended", asked, Exited{.now = kNow, .status = kGood}, Stopped{}, {SweepGroup{}, ClearTimer{}, end_line(Kind::Stopped, 7, kGood, true)}}});
}
