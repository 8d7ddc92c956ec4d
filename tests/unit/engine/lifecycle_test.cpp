#include "arrows.h"

// A program without sockets: Supervisor to the letter.

using namespace xsv::test;
using xsv::config::Autorestart;
using Kind = Note::Kind;

TEST_CASE("a plain program starts, comes up and ends as Supervisor's do", "[engine][lifecycle]")
{
    const Running up{7, kNow - 60s};
    check_arrows(
        plain(),
        {
            {"a start request spawns at once", Stopped{}, Start{kNow}, Spawning{}, {Spawn{}}},
            {"from EXITED too", Ended{kGood}, Start{kNow}, Spawning{}, {Spawn{}}},
            {"from FATAL with a fresh count", Fatal{}, Start{kNow}, Spawning{}, {Spawn{}}},
            {"spawned is STARTING",
             Spawning{2},
             Spawned{kNow, 7},
             Starting{7, kNow, 2},
             {line(Kind::Spawned, 7), SetTimer{1s + 1ns}}},
            {"longer than startsecs is RUNNING",
             Starting{7, kNow - 1s - 1ns, 2},
             TimerFired{kNow},
             Running{7, kNow - 1s - 1ns},
             {line(Kind::EnteredRunning, 7)}},
            {"just as long is not", Starting{7, kNow - 1s}, TimerFired{kNow}, Starting{7, kNow - 1s}, {SetTimer{1ns}}},
            {"an expected end stays",
             up,
             Exited{.now = kNow, .status = kGood},
             Ended{kGood},
             {end_line(Kind::Exited, 7, kGood, true)}},
            {"an unexpected one starts again without delay",
             up,
             Exited{.now = kNow, .status = kBad},
             Spawning{},
             {end_line(Kind::Exited, 7, kBad, false), Passed{Ended{kBad}}, Spawn{}}},
            {"death by a signal is never expected",
             up,
             Exited{.now = kNow, .status = kTermed},
             Spawning{},
             {end_line(Kind::Exited, 7, kTermed, false), Passed{Ended{kTermed}}, Spawn{}}},
            {"an unknown end counts as failure",
             up,
             Exited{.now = kNow, .status = {}},
             Spawning{},
             {end_line(Kind::Exited, 7, {}, false), Passed{Ended{}}, Spawn{}}},
            {"a start request while it runs means nothing", up, Start{kNow}, up, {}},
            {"nor while it is being stopped", Stopping{.pid = 7}, Start{kNow}, Stopping{.pid = 7}, {}},
            {"nor in BACKOFF, which counts as started",
             Backoff{.failures = 2, .until = kNow + 1s},
             Start{kNow},
             Backoff{.failures = 2, .until = kNow + 1s},
             {}},
            {"it has no idle time", up, Idle{kNow}, up, {}},
        });
}

TEST_CASE("dying before startsecs is a failure, whatever the exit code", "[engine][lifecycle]")
{
    const Starting young{7, kNow - 999ms, 0};
    const auto died = [](Starting s, ExitStatus status) {
        return std::pair<State, Event>{s, Exited{.now = kNow, .status = status}};
    };
    for (const ExitStatus& status : {kGood, kBad, kTermed}) {
        const auto [from, event] = died(young, status);
        check_arrows(plain(), {{"first failure",
                                from,
                                event,
                                Backoff{.failures = 1, .until = kNow + 1s},
                                {ClearTimer{}, end_line(Kind::TooQuick, 7, status, false), SetTimer{1s}}}});
    }
    check_arrows(plain(), {
                              {"the third failure waits three seconds",
                               Starting{7, kNow, 2},
                               Exited{.now = kNow, .status = kBad},
                               Backoff{.failures = 3, .until = kNow + 3s},
                               {ClearTimer{}, end_line(Kind::TooQuick, 7, kBad, false), SetTimer{3s}}},
                              {"the fourth is one too many",
                               Starting{7, kNow, 3},
                               Exited{.now = kNow, .status = kBad},
                               Fatal{},
                               {ClearTimer{}, end_line(Kind::TooQuick, 7, kBad, false),
                                Passed{Backoff{.failures = 4, .until = kNow}}, line(Kind::GaveUp)}},
                              {"the wait over, it tries again and keeps the count",
                               Backoff{.failures = 2, .until = kNow},
                               TimerFired{kNow},
                               Spawning{2},
                               {Spawn{}}},
                              {"a clone that fails is a failure too",
                               Spawning{1},
                               SpawnFailed{kNow, true},
                               Backoff{.failures = 2, .until = kNow + 2s},
                               {line(Kind::SpawnError), SetTimer{2s}}},
                              {"a death at startsecs counts as up, by its true life time",
                               Starting{7, kNow - 1s, 2},
                               Exited{.now = kNow, .status = kGood},
                               Ended{kGood},
                               {ClearTimer{}, Passed{Running{7, kNow - 1s}}, end_line(Kind::Exited, 7, kGood, true)}},
                          });
}

TEST_CASE("startsecs 0 passes through STARTING and RUNNING, and never backs off", "[engine][lifecycle]")
{
    Policy p = plain();
    p.start_time = 0s;
    check_arrows(
        p,
        {
            {"STARTING first", Spawning{}, Spawned{kNow, 7}, Starting{7, kNow}, {line(Kind::Spawned, 7), SetTimer{0s}}},
            {"RUNNING at once", Starting{7, kNow}, TimerFired{kNow}, Running{7, kNow}, {line(Kind::EnteredRunning, 7)}},
            {"a death in between was RUNNING, then EXITED",
             Starting{7, kNow},
             Exited{.now = kNow, .status = kBad},
             Spawning{},
             {ClearTimer{}, Passed{Running{7, kNow}}, end_line(Kind::Exited, 7, kBad, false), Passed{Ended{kBad}},
              Spawn{}}},
        });
}

TEST_CASE("startretries = N makes N + 1 attempts and N(N+1)/2 seconds of waiting", "[engine][lifecycle]")
{
    for (int retries = 0; retries <= 6; ++retries) {
        Policy p = plain();
        p.start_retries = retries;
        State state = Stopped{};
        Time now = kNow;
        int attempts = 0;
        state = step(p, state, Start{now}).state;
        while (!std::holds_alternative<Fatal>(state)) {
            REQUIRE(++attempts < 20);
            state = step(p, step(p, state, Spawned{now, 7}).state, Exited{.now = now, .status = kGood}).state;
            if (const auto* b = std::get_if<Backoff>(&state)) {
                now = b->until;
                state = step(p, state, TimerFired{now}).state;
            }
        }
        CHECK(attempts == retries + 1);
        CHECK(now - kNow == std::chrono::seconds(retries * (retries + 1) / 2));
    }
}

TEST_CASE("autorestart and exitcodes decide about the end of a running program", "[engine][lifecycle]")
{
    struct Row {
        Autorestart autorestart;
        std::vector<int> codes;
        ExitStatus status;
        bool again;
    };
    const std::vector<Row> rows{
        {Autorestart::Never, {0}, kBad, false},         {Autorestart::Never, {0}, kTermed, false},
        {Autorestart::Always, {0}, kGood, true},        {Autorestart::Always, {0}, kBad, true},
        {Autorestart::Unexpected, {0}, kGood, false},   {Autorestart::Unexpected, {0}, kBad, true},
        {Autorestart::Unexpected, {0, 1}, kBad, false}, {Autorestart::Unexpected, {1}, kGood, true},
        {Autorestart::Unexpected, {15}, kTermed, true},
    };
    for (const Row& row : rows) {
        Policy p = plain();
        p.autorestart = row.autorestart;
        p.exit_codes = row.codes;
        const Step got = step(p, Running{7, kNow}, Exited{.now = kNow, .status = row.status});
        CHECK(got.state == (row.again ? State{Spawning{}} : State{Ended{row.status}}));
    }
}

TEST_CASE("a stop signals, waits, and kills for as long as it takes", "[engine][lifecycle]")
{
    Policy p = plain();
    p.stop_signal = SIGINT;
    p.stop_time = 5s;
    const Stopping told{.pid = 7, .deadline = kNow + 5s};
    const Stopping due{.pid = 7, .deadline = kNow};
    const std::vector<Action> begin{signal_line(Kind::Signalling, 7, SIGINT), Signal{SIGINT}, SetTimer{5s}};
    const std::vector<Action> kill{signal_line(Kind::Killing, 7, SIGKILL), Signal{SIGKILL}, SetTimer{5s}};
    Stopping killed{.pid = 7, .deadline = kNow + 5s, .killed = true};
    check_arrows(
        p, {
               {"from RUNNING", Running{7, kNow - 60s}, Stop{kNow}, told, begin},
               {"from STARTING", Starting{7, kNow, 2}, Stop{kNow}, told, begin},
               {"in BACKOFF at once, and the count is gone",
                Backoff{.failures = 2, .until = kNow + 2s},
                Stop{kNow},
                Stopped{},
                {ClearTimer{}}},
               {"a second stop changes nothing", told, Stop{kNow}, told, {}},
               {"at the deadline SIGKILL", due, TimerFired{kNow}, killed, kill},
               {"and again", Stopping{.pid = 7, .deadline = kNow, .killed = true}, TimerFired{kNow}, killed, kill},
               {"a timer that fires early is set again", told, TimerFired{kNow}, told, {SetTimer{5s}}},
               {"the end is STOPPED, and nothing is left of the group",
                told,
                Exited{.now = kNow, .status = kTermed},
                Stopped{},
                {SweepGroup{}, ClearTimer{}, end_line(Kind::Stopped, 7, kTermed, false)}},
               {"EXITED stays what it is", Ended{kBad}, Stop{kNow}, Ended{kBad}, {}},
               {"and so does FATAL", Fatal{}, Stop{kNow}, Fatal{}, {}},
           });
    p.stop_time = 0s;
    const Step again = step(p, due, TimerFired{kNow});
    CHECK(std::get<Stopping>(again.state).deadline == kNow + 1s);  // never in a tight loop
}

TEST_CASE("stopasgroup and killasgroup reach the whole group", "[engine][lifecycle]")
{
    const Stopping due{.pid = 7, .deadline = kNow};
    const auto first = [](const Policy& p) {
        return std::get<Signal>(step(p, Running{7, kNow}, Stop{kNow}).actions.at(1));
    };
    const auto later = [&](const Policy& p) { return std::get<Signal>(step(p, due, TimerFired{kNow}).actions.at(1)); };
    Policy p = plain();
    CHECK_FALSE(first(p).group);
    CHECK_FALSE(later(p).group);
    p.kill_as_group = true;
    CHECK_FALSE(first(p).group);
    CHECK(later(p).group);
    CHECK(step(p, Running{7, kNow}, Exited{.now = kNow, .status = kGood}).actions.front() == Action{SweepGroup{}});
    p.stop_as_group = true;
    CHECK(first(p).group);
    CHECK(later(p).group);
}

TEST_CASE("a process that cannot be signalled is UNKNOWN until it ends", "[engine][lifecycle]")   // B36
{
    const State state = step(plain(), Stopping{.pid = 7, .deadline = kNow}, SignalFailed{kNow}).state;
    CHECK(supervisor_view(state) == SupervisorState::Unknown);
    CHECK(supervisor_view(step(plain(), state, TimerFired{kNow}).state) == SupervisorState::Stopping);
    CHECK(step(plain(), state, Exited{.now = kNow, .status = kGood}).state == State{Stopped{}});
}

TEST_CASE("a restart is a stop that leads to a start", "[engine][lifecycle]")
{
    const Stopping restarting{.pid = 7, .deadline = kNow + 10s, .after = After::Restart};
    Stopping stopping = restarting;
    stopping.after = After::Stop;
    check_arrows(
        plain(),
        {
            {"of a running program",
             Running{7, kNow - 60s},
             Restart{kNow},
             restarting,
             {signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}},
            {"the end starts it again",
             restarting,
             Exited{.now = kNow, .status = kGood},
             Spawning{},
             {SweepGroup{}, ClearTimer{}, end_line(Kind::Stopped, 7, kGood, true), Passed{Stopped{}}, Spawn{}}},
            {"a stop meanwhile wins", restarting, Stop{kNow}, stopping, {}},
            {"a restart of a stop does not", stopping, Restart{kNow}, stopping, {}},
            {"BACKOFF tries the new program at once",
             Backoff{.failures = 3, .until = kNow + 3s},
             Restart{kNow},
             Spawning{},
             {ClearTimer{}, Spawn{}}},
            {"FATAL too", Fatal{}, Restart{kNow}, Spawning{}, {Spawn{}}},
            {"stopped stays stopped", Stopped{}, Restart{kNow}, Stopped{}, {}},
            {"and EXITED stays EXITED", Ended{kGood}, Restart{kNow}, Ended{kGood}, {}},
        });
}

TEST_CASE("fatal_retry goes on for ever", "[engine][lifecycle]")
{
    Policy p = plain();
    p.fatal_retry = 30s;
    const Fatal waiting{kNow + 30s};
    check_arrows(p, {
                        {"giving up for a while",
                         Spawning{3},
                         SpawnFailed{kNow},
                         waiting,
                         {line(Kind::SpawnError), Passed{Backoff{.failures = 4, .until = kNow}}, line(Kind::GaveUp),
                          SetTimer{30s}}},
                        {"then anew", waiting, TimerFired{kNow + 30s}, Spawning{}, {Spawn{}}},
                        {"a request does not wait", waiting, Start{kNow}, Spawning{}, {ClearTimer{}, Spawn{}}},
                        {"a stop ends it", waiting, Stop{kNow}, Stopped{}, {ClearTimer{}}},
                    });
}

TEST_CASE("at the end of the daemon nothing starts any more", "[engine][lifecycle]")
{
    const Backoff backoff{.failures = 1, .until = kNow};
    check_arrows(ending(plain()),
                 {
                     {"no request", Stopped{}, Start{kNow}, Stopped{}, {}},
                     {"no retry", backoff, TimerFired{kNow}, backoff, {}},
                     {"no autorestart",
                      Running{7, kNow - 60s},
                      Exited{.now = kNow, .status = kBad},
                      Ended{kBad},
                      {end_line(Kind::Exited, 7, kBad, false)}},
                     {"no end of a restart",
                      Stopping{.pid = 7, .after = After::Restart},
                      Exited{.now = kNow, .status = kGood},
                      Stopped{},
                      {SweepGroup{}, ClearTimer{}, end_line(Kind::Stopped, 7, kGood, true)}},
                     {"BACKOFF becomes FATAL", backoff, Shutdown{kNow}, Fatal{}, {ClearTimer{}}},
                     {"who runs is stopped",
                      Running{7, kNow},
                      Shutdown{kNow},
                      Stopping{.pid = 7, .deadline = kNow + 10s, .after = After::Shutdown},
                      {signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}},
                     {"EXITED stays", Ended{kGood}, Shutdown{kNow}, Ended{kGood}, {}},
                     {"a waiting FATAL waits no more", Fatal{kNow + 5s}, Shutdown{kNow}, Fatal{}, {ClearTimer{}}},
                 });
}

TEST_CASE("a new engine takes up each state with the timer it needs", "[engine][lifecycle]")
{
    using Actions = std::vector<Action>;
    const Policy p = plain();
    CHECK(resume(p, Starting{7, kNow - 400ms}, kNow) == Actions{SetTimer{600ms + 1ns}});
    CHECK(resume(p, Starting{7, kNow - 60s}, kNow) == Actions{SetTimer{0s}});
    CHECK(resume(p, Backoff{.failures = 1, .until = kNow + 2s}, kNow) == Actions{SetTimer{2s}});
    CHECK(resume(p, Stopping{.pid = 7, .deadline = kNow - 1s}, kNow) == Actions{SetTimer{0s}});
    CHECK(resume(p, Fatal{kNow + 3s}, kNow) == Actions{SetTimer{3s}});
    CHECK(resume(p, Listening{}, kNow) == Actions{AwaitDemand{}});
    for (const State& quiet :
         {State{Stopped{}}, State{Running{7, kNow}}, State{Ended{}}, State{Fatal{}}, State{Spawning{}}})
        CHECK(resume(p, quiet, kNow).empty());
    check_arrows(p, {
                        {"a young process goes on starting",
                         Spawning{2},
                         Adopted{kNow, 7, kNow - 400ms},
                         Starting{7, kNow - 400ms, 2},
                         {SetTimer{600ms + 1ns}}},
                        {"an old one runs", Spawning{2}, Adopted{kNow, 7, kNow - 2s}, Running{7, kNow - 2s}, {}},
                        {"whatever the table said",
                         Backoff{.failures = 1, .until = kNow},
                         Adopted{kNow, 7, kNow - 2s},
                         Running{7, kNow - 2s},
                         {ClearTimer{}}},
                        {"stopped", Stopped{}, Adopted{kNow, 7, kNow - 2s}, Running{7, kNow - 2s}, {}},
                        {"ended", Ended{}, Adopted{kNow, 7, kNow - 2s}, Running{7, kNow - 2s}, {}},
                        {"given up", Fatal{kNow}, Adopted{kNow, 7, kNow - 2s}, Running{7, kNow - 2s}, {ClearTimer{}}},
                        {"listening",
                         Listening{1},
                         Adopted{kNow, 7, kNow},
                         Starting{7, kNow, 1},
                         {IgnoreDemand{}, SetTimer{1s + 1ns}}},
                    });
}
