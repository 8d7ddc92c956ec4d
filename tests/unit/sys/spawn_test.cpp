#include <algorithm>
#include <csignal>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "unit/sys/spawn_help.h"

using namespace test;
using sys::ChildPlan;
using sys::ChildStage;
using sys::ChildStep;

namespace {

/// Both ways to make a process: on our memory, and on a copy because the identity changes.
struct Form {
    const char* name;
    bool copies;
};
const Form kForms[] = {{"sharing", false}, {"copying", true}};

void change_identity(ChildPlan& plan)
{
    plan.uid = 12345;
    plan.gid = 23456;
    plan.groups = {23456, 777};
}

bool is_root() { return ::geteuid() == 0; }

std::vector<std::string> keys(const json& object)
{
    std::vector<std::string> names;
    for (const auto& [name, value] : object.items()) names.push_back(name);
    return names;
}

}  // namespace

TEST_CASE("a program finds exactly what its plan says", "[sys][spawn]")
{
    auto processes = sys::kernel_processes(false);
    for (const Form& form : kForms) {
        if (form.copies && !is_root()) continue;
        DYNAMIC_SECTION(form.name)
        {
            Pipe out;
            SharedReport report;
            ChildPlan plan = probe_plan(out.writer.get());
            if (form.copies) change_identity(plan);
            plan.argv = {"probe", "1", "two words"};
            plan.nice = 7;
            plan.umask = 027;
            plan.directory = "/usr";
            plan.oom_score_adj = 300;
            plan.limits = {{RLIMIT_NOFILE, 100, 200}, {RLIMIT_CORE, 0, RLIM_INFINITY}};
            const ProbeRun run = run_probe(*processes, std::move(plan), out, report);

            REQUIRE(run.status == 0);
            CHECK(report.stage() == ChildStage::Executing);
            CHECK(report->pid.load() == run.child.pid);
            CHECK(run.seen["pid"] == run.child.pid);
            CHECK(run.seen["sid"] == run.child.pid);
            CHECK(run.seen["pgid"] == run.child.pid);
            CHECK(run.seen["argv"] == json({"probe", "1", "two words"}));
            CHECK(run.seen["env"] == json({"A=1", "PATH=/usr/bin:/bin"}));
            CHECK(keys(run.seen["fds"]) == std::vector<std::string>{"0", "1", "2"});
            CHECK(run.seen["fds"]["0"] == "/dev/null");
            CHECK(run.seen["fds"]["2"] == "/dev/null");
            CHECK(run.seen["nice"] == 7);
            CHECK(run.seen["umask"] == 027);
            CHECK(run.seen["cwd"] == "/usr");
            CHECK(run.seen["oom_score_adj"] == 300);
            CHECK(run.seen["limits"][std::to_string(RLIMIT_NOFILE)] == json({100, 200}));
            CHECK(run.seen["ignored"].empty());
            CHECK(run.seen["handled"].empty());
            CHECK(run.seen["blocked"].empty());
            if (form.copies) {
                CHECK(run.seen["uid"] == json({12345, 12345, 12345}));
                CHECK(run.seen["gid"] == json({23456, 23456, 23456}));
                CHECK(run.seen["groups"] == json({777, 23456}));
            }
        }
    }
}

TEST_CASE("handlers, ignored signals and our mask do not reach the program", "[sys][spawn]")
{
    auto processes = sys::kernel_processes(false);
    const auto before_pipe = std::signal(SIGPIPE, SIG_IGN), before_hup = std::signal(SIGHUP, SIG_IGN);
    const auto before_usr = std::signal(SIGUSR1, [](int) {});
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &mask, &before);
    for (const Form& form : kForms) {
        if (form.copies && !is_root()) continue;
        Pipe out;
        SharedReport report;
        ChildPlan plan = probe_plan(out.writer.get());
        if (form.copies) change_identity(plan);
        const ProbeRun run = run_probe(*processes, std::move(plan), out, report);
        CHECK(run.seen["ignored"].empty());
        CHECK(run.seen["handled"].empty());
        CHECK(run.seen["blocked"].empty());
        sigset_t now;
        ::sigprocmask(SIG_BLOCK, nullptr, &now);
        CHECK(sigismember(&now, SIGTERM) == 1);  // ours is as it was
        CHECK(sigismember(&now, SIGUSR1) == 0);
        struct sigaction action{};
        ::sigaction(SIGHUP, nullptr, &action);
        CHECK(action.sa_handler == SIG_IGN);
    }
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    std::signal(SIGPIPE, before_pipe);
    std::signal(SIGHUP, before_hup);
    std::signal(SIGUSR1, before_usr);
}

TEST_CASE("descriptors arrive under every order of six numbers", "[sys][spawn]")
{
    auto processes = sys::kernel_processes(false);
    // Sources stand on the very numbers that are targets, so each order is a different set of cycles.
    constexpr int kFirst = 20;
    std::vector<std::string> names;
    std::vector<sys::UniqueFd> files;
    TemporaryFolder folder;
    for (int i = 0; i < 6; ++i) {
        names.push_back(folder / std::to_string(i));
        sys::UniqueFd file(::open(names.back().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        REQUIRE(::dup3(file.get(), kFirst + i, O_CLOEXEC) == kFirst + i);
        files.emplace_back(kFirst + i);
    }
    std::vector<int> order{0, 1, 2, 3, 4, 5};
    int wrong = 0, runs = 0;
    do {
        Pipe out;
        SharedReport report;
        ChildPlan plan = probe_plan(out.writer.get());
        for (int i = 0; i < 6; ++i) plan.moves.emplace_back(kFirst + i, kFirst + order[static_cast<std::size_t>(i)]);
        const ProbeRun run = run_probe(*processes, std::move(plan), out, report);
        ++runs;
        if (run.seen["fds"].size() != 9) ++wrong;
        for (int i = 0; i < 6; ++i) {
            const std::string target = std::to_string(kFirst + order[static_cast<std::size_t>(i)]);
            if (run.seen["fds"].value(target, "") != names[static_cast<std::size_t>(i)]) ++wrong;
        }
    } while (std::next_permutation(order.begin(), order.end()));
    CHECK(runs == 720);
    CHECK(wrong == 0);
}

TEST_CASE("one descriptor may go to several numbers, standard ones included", "[sys][spawn]")
{
    auto processes = sys::kernel_processes(false);
    Pipe out;
    SharedReport report;
    ChildPlan plan = probe_plan(out.writer.get());
    const int source = out.writer.get();
    plan.moves = {{source, 1}, {source, 2}, {source, source}, {source, 50}};
    const ProbeRun run = run_probe(*processes, std::move(plan), out, report);
    REQUIRE(run.status == 0);
    CHECK(run.seen["fds"]["1"] == run.seen["fds"]["2"]);
    CHECK(run.seen["fds"]["1"] == run.seen["fds"]["50"]);
    CHECK(run.seen["fds"]["1"] == run.seen["fds"][std::to_string(source)]);
    CHECK(run.seen["fds"].size() == 5);
}

TEST_CASE("thousands of open descriptors stay behind, also without close-on-exec", "[sys][spawn]")   // B41
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t before = sys::raise_nofile();
    auto processes = sys::kernel_processes(false);
    std::vector<sys::UniqueFd> many;
    for (int i = 0; i < 5000; ++i) many.emplace_back(::open("/dev/zero", O_RDONLY));
    if (!many.back()) WARN("only as many descriptors as RLIMIT_NOFILE allows");
    for (int round = 0; round < 2; ++round) {   // from the second on it is known that there are many
        for (const Form& form : kForms) {
            if (form.copies && !is_root()) continue;
            Pipe out;
            SharedReport report;
            ChildPlan plan = probe_plan(out.writer.get());
            if (form.copies) change_identity(plan);
            plan.limits = {{RLIMIT_NOFILE, before, limit.rlim_max}};
            const ProbeRun run = run_probe(*processes, std::move(plan), out, report);
            CHECK(run.seen["fds"].size() == 3);
            CHECK(run.seen["limits"][std::to_string(RLIMIT_NOFILE)][0] == before);
        }
    }
    many.clear();
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_CASE("a step that fails is named with its errno, and nothing is executed", "[sys][spawn]")
{
    auto processes = sys::kernel_processes(false);
    Pipe out, log;
    SharedReport report;
    ChildPlan plan = probe_plan(out.writer.get());
    plan.moves.emplace_back(log.writer.get(), 2);
    std::string text;
    ChildStep step = ChildStep::None;
    int error = 0;
    SECTION("no such directory")
    {
        plan.directory = "/nowhere/at/all";
        step = ChildStep::Directory;
        error = ENOENT;
        text = "supervisor: couldn't chdir to /nowhere/at/all: ENOENT\nsupervisor: child process was not spawned\n";
    }
    SECTION("no such program")
    {
        plan.path = "/nowhere/program";
        plan.argv = {"/nowhere/program", "x"};
        step = ChildStep::Exec;
        error = ENOENT;
        text = "supervisor: couldn't exec /nowhere/program: ENOENT\nsupervisor: child process was not spawned\n";
    }
    SECTION("not a program")
    {
        plan.path = "/etc/passwd";
        plan.argv = {"/etc/passwd"};
        step = ChildStep::Exec;
        error = EACCES;
        text = "supervisor: couldn't exec /etc/passwd: EACCES\nsupervisor: child process was not spawned\n";
    }
    SECTION("a limit whose soft value is above the hard one")
    {
        plan.limits = {{RLIMIT_NOFILE, 200, 100}};
        step = ChildStep::Limits;
        error = EINVAL;
        text = "supervisor: couldn't set the limits: EINVAL\nsupervisor: child process was not spawned\n";
    }
    SECTION("a descriptor that is not open")
    {
        plan.moves.emplace_back(9999, 5);
        step = ChildStep::Descriptors;
        error = EBADF;
    }
    SECTION("a listener that is none")
    {
        plan.listener = out.reader.get();
        plan.connection_targets = {0};
        step = ChildStep::Accept;
        error = ENOTSOCK;
    }
    const ProbeRun run = run_probe(*processes, std::move(plan), out, report);
    log.writer.reset();
    CHECK(run.seen.is_null());
    CHECK(WIFEXITED(run.status));
    CHECK(WEXITSTATUS(run.status) == 127);
    CHECK(report.stage() == ChildStage::Failed);
    CHECK(report.step() == step);
    CHECK(report->error == error);
    CHECK(read_all(log.reader.get()) == text);
    CHECK_FALSE(std::string(sys::step_text(step)).empty());
}

TEST_CASE("an ordinary user cannot become somebody else, and says which step refused", "[sys][spawn]")
{
    if (!is_root()) return;
    // In a process of its own, because it gives up root for good.
    Pipe result;
    const pid_t child = ::fork();
    if (child == 0) {
        std::string said = "none";
        if (sys::become(61000, 61000, {})) {
            auto processes = sys::kernel_processes(false);
            SharedReport report;
            Pipe log;
            ChildPlan plan = probe_plan(log.writer.get());
            plan.moves.emplace_back(log.writer.get(), 2);
            plan.uid = 61001;
            plan.gid = 61001;
            auto prepared = processes->prepare(plan);
            auto spawned = processes->spawn(*prepared, *report);
            log.writer.reset();
            const int status = spawned ? status_of(*spawned) : -1;
            said = fmt::format("{} {} {} {}", WEXITSTATUS(status), report->step, report->error, read_all(log.reader.get()));
        }
        ::_exit(::write(result.writer.get(), said.data(), said.size()) > 0 ? 0 : 1);
    }
    result.writer.reset();
    const std::string expected = fmt::format("127 {} {} supervisor: couldn't setuid to 61001: Can't drop privilege as nonroot user\n"
                                             "supervisor: child process was not spawned\n",
                                             static_cast<int>(ChildStep::Groups), EPERM);
    CHECK(read_all(result.reader.get()) == expected);
    ::waitpid(child, nullptr, 0);
}

TEST_CASE("a change of the group alone drops the supplementary groups too", "[sys][spawn]")
{
    if (!is_root()) return;
    auto processes = sys::kernel_processes(false);
    Pipe out;
    SharedReport report;
    ChildPlan plan = probe_plan(out.writer.get());
    plan.gid = 4242;
    const ProbeRun run = run_probe(*processes, std::move(plan), out, report);
    CHECK(run.seen["gid"] == json({4242, 4242, 4242}));
    CHECK(run.seen["uid"] == json({0, 0, 0}));
    CHECK(run.seen["groups"].empty());
}

TEST_CASE("LISTEN_PID is the program's own pid, whatever was inherited", "[sys][spawn]")
{
    auto processes = sys::kernel_processes(false);
    for (const Form& form : kForms) {
        if (form.copies && !is_root()) continue;
        Pipe out;
        SharedReport report;
        ChildPlan plan = probe_plan(out.writer.get());
        if (form.copies) change_identity(plan);
        plan.environment = {"LISTEN_PID=1", "LISTEN_PIDFDID=7", "LISTEN_FDS=1"};
        plan.listen_pid = true;
        const ProbeRun run = run_probe(*processes, std::move(plan), out, report);
        json expected = {"LISTEN_PID=" + std::to_string(run.child.pid), "LISTEN_FDS=1"};
        // On old kernels all pidfds have one inode, and nothing is said.
        struct statfs system{};
        struct stat status{};
        REQUIRE(::fstatfs(run.child.pidfd.get(), &system) == 0);
        REQUIRE(::fstat(run.child.pidfd.get(), &status) == 0);
        if (system.f_type == 0x50494446) expected.insert(expected.begin(), "LISTEN_PIDFDID=" + std::to_string(status.st_ino));
        CHECK(run.seen["env"] == expected);
    }
}

TEST_CASE("a prepared child can be spawned again and again", "[sys][spawn]")
{
    auto processes = sys::kernel_processes(false);
    ChildPlan plan;
    plan.path = XSV_HELLO;
    plan.listen_pid = true;
    auto prepared = processes->prepare(plan);
    SharedReport report;
    for (int i = 0; i < 50; ++i) {
        auto child = processes->spawn(*prepared, *report);
        REQUIRE(child);
        CHECK(report->pid.load() == child->pid);
        CHECK(WIFEXITED(status_of(*child)));
    }
}

TEST_CASE("signals reach a process through its pidfd, and a group also after its leader", "[sys][signal]")
{
    auto processes = sys::kernel_processes(false);
    SharedReport report;
    Pipe out;
    ChildPlan plan;
    plan.path = "/bin/sh";
    plan.argv = {"sh", "-c", "sleep 1000 & echo $!; exec sleep 1000"};
    plan.environment = {"PATH=/usr/bin:/bin"};
    plan.moves = {{out.writer.get(), 1}};
    auto prepared = processes->prepare(plan);
    auto child = processes->spawn(*prepared, *report);
    REQUIRE(child);
    out.writer.reset();
    char digits[32] = {};
    REQUIRE(::read(out.reader.get(), digits, sizeof digits - 1) > 0);
    const pid_t member = std::atoi(digits);
    CHECK(processes->start_ticks(child->pid) > 0);
    auto second = processes->open(child->pid);
    REQUIRE(second);
    CHECK(processes->signal(*second, SIGKILL).value_or(false));
    CHECK(WTERMSIG(status_of(*child)) == SIGKILL);
    CHECK(processes->signal(child->pidfd, SIGKILL) == false);
    CHECK(processes->start_ticks(child->pid) == 0);
    CHECK(processes->start_ticks(member) > 0);
    CHECK(processes->signal_group(child->pidfd, child->pid, SIGKILL).value_or(false));
    CHECK(read_all(out.reader.get()).empty());  // end of file: the member had it open
    CHECK(processes->signal_group(child->pidfd, 1, -5).has_value() == false);
}
