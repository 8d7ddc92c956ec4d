#include "arrows.h"

// Programs with sockets: callers wait in the kernel's queue, and nothing but a stop closes it.

using namespace xsv::test;
using xsv::config::Activation;
using Kind = Note::Kind;

TEST_CASE("an always-on program with sockets never closes them and never gives up", "[engine][lifecycle]")
{
    const Policy p = with_sockets(Activation::Always);
    check_arrows(p, {
                        {"the sockets come first", Stopped{}, Start{kNow}, Spawning{}, {OpenSockets{}, Spawn{}}},
                        {"a failure waits a second, spread out",
                         Starting{7, kNow, 0},
                         Exited{.now = kNow, .status = kBad},
                         Backoff{.failures = 1, .until = kNow + 1s},
                         {ClearTimer{}, end_line(Kind::TooQuick, 7, kBad, false), SetTimer{1s, true}}},
                        {"the hundredth a minute",
                         Starting{7, kNow, 99},
                         Exited{.now = kNow, .status = kBad},
                         Backoff{.failures = 100, .until = kNow + 60s},
                         {ClearTimer{}, end_line(Kind::TooQuick, 7, kBad, false), SetTimer{60s, true}}},
                        {"a want of resources is a pause and no failure",
                         Spawning{2, 0},
                         SpawnFailed{kNow, true},
                         Backoff{.failures = 2, .pauses = 1, .until = kNow + 100ms},
                         {line(Kind::SpawnError), SetTimer{100ms, true}}},
                        {"a longer one is the same trouble still",
                         Spawning{2, 6},
                         SpawnFailed{kNow, true},
                         Backoff{.failures = 2, .pauses = 7, .until = kNow + 5s},
                         {SetTimer{5s, true}}},
                        {"then it tries again",
                         Backoff{.failures = 2, .pauses = 7, .until = kNow},
                         TimerFired{kNow},
                         Spawning{2, 7},
                         {Spawn{}}},
                        {"start retries now",
                         Backoff{.failures = 9, .until = kNow + 60s},
                         Start{kNow},
                         Spawning{},
                         {ClearTimer{}, OpenSockets{}, Spawn{}}},
                        {"an end that stays keeps the queue",
                         Running{7, kNow},
                         Exited{.now = kNow, .status = kGood},
                         Ended{kGood},
                         {end_line(Kind::Exited, 7, kGood, true)}},
                        {"until a stop", Ended{kGood}, Stop{kNow}, Stopped{}, {CloseSockets{}}},
                        {"a stop refuses callers at once",
                         Running{7, kNow},
                         Stop{kNow},
                         Stopping{.pid = 7, .deadline = kNow + 10s},
                         {CloseSockets{}, signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}},
                        {"a restart keeps them waiting",
                         Running{7, kNow},
                         Restart{kNow},
                         Stopping{.pid = 7, .deadline = kNow + 10s, .after = After::Restart},
                         {signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}},
                        {"a stop of a restart closes them",
                         Stopping{.pid = 7, .deadline = kNow, .after = After::Restart},
                         Stop{kNow},
                         Stopping{.pid = 7, .deadline = kNow},
                         {CloseSockets{}}},
                        {"and so does the end of the daemon",
                         Backoff{.failures = 1, .until = kNow},
                         Shutdown{kNow},
                         Fatal{},
                         {ClearTimer{}, CloseSockets{}}},
                    });
}

TEST_CASE("a program with sockets gives up where it was asked to, with its sockets open", "[engine][lifecycle]")
{
    Policy p = with_sockets(Activation::OnDemand);
    p.gives_up = true;
    p.start_retries = 0;
    check_arrows(p, {
                        {"at the first failure",
                         Starting{7, kNow},
                         Exited{.now = kNow, .status = kBad},
                         Fatal{},
                         {ClearTimer{}, end_line(Kind::TooQuick, 7, kBad, false),
                          Passed{Backoff{.failures = 1, .until = kNow}}, line(Kind::GaveUp)}},
                        {"a pause is not counted",
                         Spawning{},
                         SpawnFailed{kNow, true},
                         Backoff{.pauses = 1, .until = kNow + 100ms},
                         {line(Kind::SpawnError), SetTimer{100ms, true}}},
                        {"start listens again", Fatal{}, Start{kNow}, Listening{}, {OpenSockets{}, AwaitDemand{}}},
                        {"stop closes", Fatal{}, Stop{kNow}, Stopped{}, {CloseSockets{}}},
                    });
}

TEST_CASE("the first caller starts an on-demand program", "[engine][lifecycle]")
{
    const Policy p = with_sockets(Activation::OnDemand);
    check_arrows(p, {
                        {"start listens", Stopped{}, Start{kNow}, Listening{}, {OpenSockets{}, AwaitDemand{}}},
                        {"a caller starts it, and the program watches from then on",
                         Listening{1, 2},
                         Demand{kNow},
                         Spawning{1, 2},
                         {IgnoreDemand{}, Spawn{}}},
                        {"its end listens again",
                         Running{7, kNow - 60s},
                         Exited{.now = kNow, .status = kBad},
                         Listening{},
                         {end_line(Kind::Exited, 7, kBad, false), Passed{Ended{kBad}}, AwaitDemand{}}},
                        {"a stop closes at once", Listening{}, Stop{kNow}, Stopped{}, {IgnoreDemand{}, CloseSockets{}}},
                        {"demand at the end of the daemon is left alone", Stopped{}, Demand{kNow}, Stopped{}, {}},
                        {"a new program is taken at the next start", Listening{3, 1}, Restart{kNow}, Listening{}, {}},
                        {"a running one is restarted, and callers queue",
                         Running{7, kNow},
                         Restart{kNow},
                         Stopping{.pid = 7, .deadline = kNow + 10s, .after = After::Listen},
                         {signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}}},
                        {"an answer nobody waits for", Listening{}, SpawnFailed{kNow}, Listening{}, {}},
                    });
    check_arrows(ending(p),
                 {
                     {"no caller starts anything at the end", Listening{}, Demand{kNow}, Listening{}, {IgnoreDemand{}}},
                     {"an end is an end",
                      Running{7, kNow},
                      Exited{.now = kNow, .status = kGood},
                      Stopped{},
                      {end_line(Kind::Exited, 7, kGood, true), Passed{Ended{kGood}}, CloseSockets{}}},
                 });
}

TEST_CASE("an on-demand program that dies at once is tried again at once, then after 1, 2, 4 seconds",
          "[engine][lifecycle]")
{
    Policy p = with_sockets(Activation::OnDemand);
    p.backoff_max = 5s;
    State state = Listening{};
    std::vector<Duration> waits;
    for (int i = 0; i < 7; ++i) {
        state = step(p, state, Demand{kNow}).state;
        state = step(p, state, Spawned{kNow, 7}).state;
        state = step(p, state, Exited{.now = kNow, .status = kBad}).state;
        const auto* backoff = std::get_if<Backoff>(&state);
        waits.push_back(backoff ? backoff->until - kNow : Duration(0));
        if (backoff) state = step(p, state, TimerFired{backoff->until}).state;
        REQUIRE(std::holds_alternative<Listening>(state));
    }
    CHECK(waits == std::vector<Duration>{0s, 1s, 2s, 4s, 5s, 5s, 5s});

    const Starting young{7, kNow, 5};
    check_arrows(p, {
                        {"whoever took something off the queue did not fail",
                         young,
                         Exited{.now = kNow, .status = kGood, .progress = true},
                         Listening{},
                         {ClearTimer{}, Passed{Running{7, kNow}}, end_line(Kind::Exited, 7, kGood, true),
                          Passed{Ended{kGood}}, AwaitDemand{}}},
                        {"and where nobody waits, nobody was failed",
                         young,
                         Exited{.now = kNow, .status = kGood, .demand_waiting = false},
                         Listening{},
                         {ClearTimer{}, Passed{Running{7, kNow}}, end_line(Kind::Exited, 7, kGood, true),
                          Passed{Ended{kGood}}, AwaitDemand{}}},
                        {"start retries now",
                         Backoff{.failures = 4, .until = kNow + 4s},
                         Start{kNow},
                         Listening{},
                         {ClearTimer{}, OpenSockets{}, AwaitDemand{}}},
                        {"a missing program is tried again in the same way",
                         Spawning{1},
                         SpawnFailed{kNow},
                         Backoff{.failures = 2, .until = kNow + 1s},
                         {line(Kind::SpawnError), SetTimer{1s, true}}},
                    });
}

TEST_CASE("startsecs 0 does not let a program on demand spin that leaves its caller waiting", "[engine][lifecycle]")   // N8
{
    Policy p = with_sockets(Activation::OnDemand);
    p.start_time = 0s;
    std::vector<Duration> waits;
    State state = Listening{};
    Time now = kNow;
    for (int i = 0; i < 5; ++i) {
        state = step(p, step(p, state, Demand{}).state, Spawned{now, 7}).state;
        state = step(p, state, TimerFired{now}).state;
        REQUIRE(std::holds_alternative<Running>(state));
        state = step(p, state, Exited{.now = now, .status = kGood}).state;
        const auto* backoff = std::get_if<Backoff>(&state);
        waits.push_back(backoff != nullptr ? backoff->until - now : 0s);
        if (backoff != nullptr) now = backoff->until, state = step(p, state, TimerFired{now}).state;
        REQUIRE(std::holds_alternative<Listening>(state));
    }
    CHECK(waits == std::vector<Duration>{0s, 1s, 2s, 4s, 8s});
    state = Running{.pid = 7, .since = now, .failures = 5};
    CHECK(std::holds_alternative<Listening>(step(p, state, Exited{.now = now + 1s, .status = kGood}).state));
    CHECK(std::holds_alternative<Listening>(step(p, state, Exited{.now = now, .status = kGood, .progress = true}).state));
}

TEST_CASE("an idle program is stopped, and a caller that comes meanwhile starts it again", "[engine][lifecycle]")
{
    const Policy p = with_sockets(Activation::OnDemand);
    const Stopping leaving{.pid = 7, .deadline = kNow + 10s, .after = After::Listen};
    Stopping stopped = leaving;
    stopped.after = After::Stop;
    const std::vector<Action> begin{signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}};
    check_arrows(p, {
                        {"the sockets stay open", Running{7, kNow - 60s}, Idle{kNow}, leaving, begin},
                        {"also while it starts", Starting{7, kNow}, Idle{kNow}, leaving, begin},
                        {"the queue is looked at when it is gone",
                         leaving,
                         Exited{.now = kNow, .status = kTermed},
                         Listening{},
                         {SweepGroup{}, ClearTimer{}, end_line(Kind::Stopped, 7, kTermed, false), Passed{Stopped{}},
                          AwaitDemand{}}},
                        {"a stop meanwhile closes them", leaving, Stop{kNow}, stopped, {CloseSockets{}}},
                    });
}

TEST_CASE("a per-connection service listens, its processes are elsewhere", "[engine][lifecycle]")
{
    const Policy p = with_sockets(Activation::PerConnection);
    check_arrows(
        p, {
               {"start", Stopped{}, Start{kNow}, Listening{}, {OpenSockets{}, AwaitDemand{}}},
               {"callers are the engine's", Listening{}, Demand{kNow}, Listening{}, {}},
               {"a program that cannot be started waits",
                Listening{1},
                SpawnFailed{kNow},
                Backoff{.failures = 2, .until = kNow + 2s},
                {IgnoreDemand{}, line(Kind::SpawnError), SetTimer{2s, true}}},
               {"a want of resources pauses",
                Listening{},
                SpawnFailed{kNow, true},
                Backoff{.pauses = 1, .until = kNow + 100ms},
                {IgnoreDemand{}, line(Kind::SpawnError), SetTimer{100ms, true}}},
               {"and listens again",
                Backoff{.failures = 2, .until = kNow},
                TimerFired{kNow},
                Listening{2},
                {AwaitDemand{}}},
               {"a handler that starts clears the count", Listening{2, 3}, Spawned{kNow, 9}, Listening{}, {}},
               {"stop", Listening{}, Stop{kNow}, Stopped{}, {IgnoreDemand{}, CloseSockets{}}},
               {"the end of the daemon", Listening{}, Shutdown{kNow}, Stopped{}, {IgnoreDemand{}, CloseSockets{}}},
           });
}

TEST_CASE("waits grow as promised", "[engine][lifecycle]")
{
    Policy p = with_sockets(Activation::Always);
    CHECK(retry_delay(p, 1) == 1s);
    CHECK(retry_delay(p, 6) == 32s);
    CHECK(retry_delay(p, 7) == 60s);
    CHECK(retry_delay(p, 2'000'000'000) == 60s);
    p.backoff_max = 0s;
    CHECK(retry_delay(p, 3) == 100ms);  // never a tight loop
    CHECK(retry_delay(plain(), 17) == 17s);
    CHECK(pause_delay(1) == 100ms);
    CHECK(pause_delay(6) == 3200ms);
    CHECK(pause_delay(7) == 5s);
    CHECK(pause_delay(2'000'000'000) == 5s);
}
