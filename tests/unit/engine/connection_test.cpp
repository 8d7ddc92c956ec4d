#include "engine/connection.h"

#include "arrows.h"

using namespace xsv::test;
using Stage = ConnectionStopping::Stage;
using Kind = Note::Kind;

TEST_CASE("a handler gets stop_time to finish, then a signal, then SIGKILL", "[engine][connection]")
{
    const Policy p = with_sockets(xsv::config::Activation::PerConnection);
    const ConnectionRunning running{7, kNow - 5s};
    const auto stopping = [](Stage stage, Time deadline) { return ConnectionStopping{7, kNow - 5s, deadline, stage}; };
    const std::vector<Action> tell{signal_line(Kind::Signalling, 7, SIGTERM), Signal{SIGTERM}, SetTimer{10s}};
    const std::vector<Action> kill{signal_line(Kind::Killing, 7, SIGKILL), Signal{SIGKILL}, SetTimer{10s}};
    const Exited exited{.now = kNow, .status = kGood};

    struct Row {
        const char* name;
        ConnectionState from;
        ConnectionEvent event;
        ConnectionState to;
        std::vector<Action> actions;
    };
    const std::vector<Row> rows{
        {"spawned", ConnectionSpawning{}, Spawned{kNow, 7}, ConnectionRunning{7, kNow}, {}},
        {"found by a new engine", ConnectionSpawning{}, Adopted{kNow, 7, kNow - 5s}, running, {}},
        {"not spawned", ConnectionSpawning{}, SpawnFailed{kNow}, ConnectionGone{}, {}},
        {"done", running, exited, ConnectionGone{}, {}},
        {"stop lets it finish", running, Stop{kNow}, stopping(Stage::Finishing, kNow + 10s), {SetTimer{10s}}},
        {"then it is told", stopping(Stage::Finishing, kNow), TimerFired{kNow}, stopping(Stage::Told, kNow + 10s),
         tell},
        {"then killed", stopping(Stage::Told, kNow), TimerFired{kNow}, stopping(Stage::Killed, kNow + 10s), kill},
        {"and again", stopping(Stage::Killed, kNow), TimerFired{kNow}, stopping(Stage::Killed, kNow + 10s), kill},
        {"an early timer is set again",
         stopping(Stage::Told, kNow + 1s),
         TimerFired{kNow},
         stopping(Stage::Told, kNow + 1s),
         {SetTimer{1s}}},
        {"stop --now tells at once", running, StopNow{kNow}, stopping(Stage::Told, kNow + 10s), tell},
        {"also after a stop", stopping(Stage::Finishing, kNow + 9s), StopNow{kNow}, stopping(Stage::Told, kNow + 10s),
         tell},
        {"but not twice", stopping(Stage::Told, kNow + 9s), StopNow{kNow}, stopping(Stage::Told, kNow + 9s), {}},
        {"the end of the daemon tells at once", running, Shutdown{kNow}, stopping(Stage::Told, kNow + 10s), tell},
        {"whoever finished leaves what it likes",
         stopping(Stage::Finishing, kNow),
         exited,
         ConnectionGone{},
         {ClearTimer{}}},
        {"whoever was told leaves nothing",
         stopping(Stage::Told, kNow),
         exited,
         ConnectionGone{},
         {ClearTimer{}, SweepGroup{}}},
        {"gone is gone", ConnectionGone{}, Stop{kNow}, ConnectionGone{}, {}},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        CHECK(step(p, row.from, row.event) == ConnectionStep{row.to, row.actions});
    }
    CHECK(resume(ConnectionState{stopping(Stage::Told, kNow + 1s)}, kNow) == std::vector<Action>{SetTimer{1s}});
    CHECK(resume(ConnectionState{running}, kNow).empty());
}

TEST_CASE("a listener is held back only when all of the last handlers died at once", "[engine][connection]")
{
    const ExitStatus crash{CLD_DUMPED, SIGSEGV}, missing{CLD_EXITED, 127};
    HandlerRecord record;
    for (int i = 1; i < HandlerRecord::kAllBad; ++i) CHECK_FALSE(record.ended(i % 2 ? crash : missing, 10ms));
    CHECK(record.ended(crash, 10ms));
    CHECK(record.ended(crash, 10ms));
    SECTION("a failure with a code is nothing special")
    {
        CHECK_FALSE(record.ended({CLD_EXITED, 1}, 10ms));
    }
    SECTION("nor is a crash after a second")
    {
        CHECK_FALSE(record.ended(crash, 1s));
    }
    CHECK_FALSE(record.ended(crash, 10ms));
}
