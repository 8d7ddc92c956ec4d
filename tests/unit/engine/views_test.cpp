#include "arrows.h"

using namespace xsv;
using namespace xsv::test;

TEST_CASE("Supervisor's clients see Supervisor's states", "[engine][views]")
{
    struct Row {
        State state;
        int code;
        const char* name;
        bool running, stopped, signallable;
    };
    Stopping unreachable{.pid = 7};
    unreachable.unreachable = true;
    const std::vector<Row> rows{
        {Stopped{}, 0, "STOPPED", false, true, false},    {Listening{}, 20, "RUNNING", true, false, true},
        {Spawning{}, 10, "STARTING", true, false, true},  {Starting{}, 10, "STARTING", true, false, true},
        {Running{}, 20, "RUNNING", true, false, true},    {Backoff{}, 30, "BACKOFF", true, false, false},
        {Stopping{}, 40, "STOPPING", false, false, true}, {unreachable, 1000, "UNKNOWN", false, true, false},
        {Ended{}, 100, "EXITED", false, true, false},     {Fatal{}, 200, "FATAL", false, true, false},
    };
    for (const Row& row : rows) {
        INFO(row.name << ", " << state_name(row.state));
        const SupervisorState view = supervisor_view(row.state);
        CHECK(static_cast<int>(view) == row.code);
        CHECK(supervisor_name(view) == row.name);
        CHECK(is_in_running_set(view) == row.running);
        CHECK(is_in_stopped_set(view) == row.stopped);
        CHECK(is_signallable(view) == row.signallable);
    }
    CHECK(supervisor_view(Stopped{}, 3) == SupervisorState::Stopping);
}

TEST_CASE("a service without a process can still be stopped where something is open or pending", "[engine][views]")
{
    const Policy sockets = with_sockets(config::Activation::Always);
    CHECK(stop_acts(plain(), Backoff{}));
    CHECK_FALSE(stop_acts(plain(), Fatal{}));
    CHECK(stop_acts(plain(), Fatal{kNow}));
    CHECK(stop_acts(sockets, Fatal{}));
    CHECK_FALSE(stop_acts(plain(), Ended{}));
    CHECK(stop_acts(sockets, Ended{}));
    CHECK_FALSE(stop_acts(sockets, Stopped{}));
    CHECK_FALSE(stop_acts(sockets, Stopping{}));
    CHECK(stop_acts(sockets, Stopping{.after = After::Listen}));
}

TEST_CASE("exit statuses read as Supervisor's do", "[engine][views]")
{
    CHECK(kBad.exit_code() == 1);
    CHECK(kTermed.exit_code() == -1);
    CHECK(ExitStatus{}.exit_code() == -1);
}

TEST_CASE("a policy is what the spec says, and a program with sockets gives up only when asked to", "[engine][views]")
{
    config::ServiceSpec spec;
    spec.policy.change().stop_as_group = true;
    CHECK(make_policy(spec).gives_up);
    CHECK(make_policy(spec).kill_as_group);
    CHECK_FALSE(make_policy(spec).has_sockets);
    spec.sockets.endpoints.emplace_back();
    spec.exec.activation = config::Activation::OnDemand;
    CHECK_FALSE(make_policy(spec).gives_up);
    CHECK(make_policy(spec).has_sockets);
    CHECK(make_policy(spec).activation == config::Activation::OnDemand);
    spec.policy.change().start_retries_set = true;
    CHECK(make_policy(spec).gives_up);
}
