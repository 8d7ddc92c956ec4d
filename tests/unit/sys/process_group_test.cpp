#include <csignal>

#include "sys/process_group.h"
#include "unit/sys/spawn_help.h"

using namespace test;

TEST_CASE("without group signals in the kernel every member is found in /proc", "[sys][signal]")
{
    auto processes = sys::kernel_processes(false);
    SharedReport report;
    Pipe out;
    sys::ChildPlan plan;
    plan.path = "/bin/sh";
    plan.argv = {"sh", "-c", "sleep 1000 & sleep 1000 & echo ready; wait"};
    plan.environment = {"PATH=/usr/bin:/bin"};
    plan.moves = {{out.writer.get(), 1}};
    auto prepared = processes->prepare(plan);
    auto child = processes->spawn(*prepared, *report);
    REQUIRE(child);
    out.writer.reset();
    char line[16];
    REQUIRE(::read(out.reader.get(), line, sizeof line) == 6);
    CHECK(sys::signal_members(child->pid, SIGKILL).value_or(false));
    CHECK(WTERMSIG(status_of(*child)) == SIGKILL);
    CHECK(read_all(out.reader.get()).empty());
}

TEST_CASE("a process's state is read past a name full of blanks and brackets", "[sys][signal]")
{
    TemporaryFolder folder;
    const std::string program = folder / "a) R 1 (";
    REQUIRE(::system(("cp /bin/sleep '" + program + "'").c_str()) == 0);
    auto processes = sys::kernel_processes(false);
    SharedReport report;
    sys::ChildPlan plan;
    plan.path = program;
    plan.argv = {"sleep", "1000"};
    auto prepared = processes->prepare(plan);
    auto child = processes->spawn(*prepared, *report);
    REQUIRE(child);
    const auto stat = sys::read_stat(child->pid);
    REQUIRE(stat);
    CHECK(stat->group == child->pid);
    CHECK(stat->session == child->pid);
    CHECK(stat->start_ticks > 0);
    processes->signal(child->pidfd, SIGKILL).value();
    status_of(*child);
}
