#include <algorithm>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sys/child.h"
#include "sys/sockets.h"
#include "unit/sys/sockets_help.h"
#include "unit/sys/spawn_help.h"

using namespace test;
using sys::ChildPlan;
using sys::ChildStage;
using sys::ChildStep;

namespace {

/// Only the variables that were not in the plan, without the connection's cookie, which must be there.
std::vector<std::string> added(const json& environment)
{
    std::vector<std::string> names;
    bool has_cookie = false;
    for (const auto& item : environment) {
        const std::string variable = item;
        if (variable.starts_with("SO_COOKIE=") && std::stoul(variable.substr(10)) > 0) has_cookie = true;
        else if (variable != "A=1") names.push_back(variable);
    }
    CHECK(has_cookie);
    std::sort(names.begin(), names.end());
    return names;
}

struct Served {
    json seen;
    ChildStage stage = ChildStage::Cloning;
    ChildStep step = ChildStep::None;
    sys::Peer peer;
    std::string local_port, remote_port;
    bool executed = false;
};

ChildPlan connection_plan(int listener)
{
    ChildPlan plan;
    plan.path = XSV_PROBE;
    plan.argv = {"probe"};
    plan.environment = {"A=1", "REMOTE_ADDR=of somebody else", "TCPREMOTEINFO=liar"};
    plan.listener = listener;
    plan.connection_targets = {0, 1};
    plan.connection_environment = true;
    return plan;
}

/// So many descriptors that a child gets only the low ones, and everything that it needs has a high number.
struct Crowd {
    Crowd()
    {
        for (int i = 0; i < 300; ++i) files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
    std::vector<sys::UniqueFd> files;
};

/// One caller, one child; what the caller reads is what the probe wrote.
Served serve(sys::UniqueFd caller, ChildPlan plan, bool in_crowd = false)
{
    auto processes = sys::kernel_processes(false);
    if (in_crowd) {   // which the first child tells it
        Pipe out;
        SharedReport report;
        REQUIRE(run_probe(*processes, probe_plan(out.writer.get()), out, report).child.pidfd.get() > 256);
    }
    auto prepared = processes->prepare(std::move(plan));
    SharedReport report;
    auto child = processes->spawn(*prepared, *report);
    REQUIRE(child);
    Served served;
    served.stage = report.stage();
    served.peer = report->peer;
    const std::string text = read_all(caller.get());
    const int status = status_of(*child);
    served.executed = WIFEXITED(status) && !text.empty();
    if (served.executed) served.seen = json::parse(text, nullptr, false);
    served.step = report.step();
    return served;
}

}  // namespace

TEST_CASE("the child accepts and its program gets the connection and all three vocabularies", "[sys][accept]")
{
    auto sockets = sys::kernel_sockets();
    for (const auto& [copies, crowded] : {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
        if (copies && ::geteuid() != 0) continue;
        for (const std::string text : {"tcp:127.0.0.1:1", "tcp:[::1]:1", "tcp:1"}) {
            DYNAMIC_SECTION(text << (copies ? " copying" : " sharing") << (crowded ? " in a crowd" : ""))
            {
                const std::optional<Crowd> crowd = crowded ? std::optional<Crowd>(std::in_place) : std::nullopt;
                auto endpoint = *sys::Endpoint::parse(text);
                endpoint.port = 0;
                auto listener = sockets->listen(endpoint, {});
                REQUIRE(listener);
                sys::UniqueFd caller = call(listener->get(), text == "tcp:1");
                const std::string port = std::to_string(port_of(listener->get())), from = std::to_string(port_of(caller.get()));
                ChildPlan plan = connection_plan(listener->get());
                const std::uint64_t count = 7;
                plan.connection_count = &count;
                if (copies) {
                    plan.uid = 4711;
                    plan.gid = 4711;
                }
                const Served served = serve(std::move(caller), plan, crowded);
                REQUIRE(served.executed);
                CHECK((served.stage == ChildStage::Accepted || served.stage == ChildStage::Executing));
                const std::string address = text == "tcp:[::1]:1" ? "::1" : "127.0.0.1";
                CHECK(added(served.seen["env"]) == std::vector<std::string>{"PROTO=TCP", "REMOTE_ADDR=" + address, "REMOTE_HOST=" + address,
                                                                            "REMOTE_PORT=" + from, "TCPLOCALIP=" + address, "TCPLOCALPORT=" + port,
                                                                            "TCPREMOTEIP=" + address, "TCPREMOTEPORT=" + from, "XSVD_CONNECTION=7"});
                CHECK(served.peer.kind == sys::Peer::Inet);
                CHECK(served.peer.mapped == (address == "127.0.0.1"));
                CHECK(served.peer.text() == (address == "::1" ? "[::1]:" : "127.0.0.1:") + from);
                CHECK(std::to_string(served.peer.local_port) == port);
                CHECK(served.seen["fds"].size() == 3);
                CHECK(served.seen["fds"]["0"] == served.seen["fds"]["1"]);
                CHECK(served.seen["fds"]["1"].get<std::string>().find(" stream") != std::string::npos);
                CHECK(served.seen["fds"]["1"].get<std::string>().find("nonblocking") == std::string::npos);
                CHECK(served.seen["fds"]["2"] == "/dev/null");
                if (copies) CHECK(served.seen["uid"] == json({4711, 4711, 4711}));
            }
        }
    }
}

TEST_CASE("the child writes addresses as inet_ntop does, though it may not call it", "[sys][accept]")
{
    std::vector<std::string> texts{"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1::8", "0:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:0", "1:0:0:4::8", "1::4:0:0:8",
                                   "fe80::fc:ff:fe00:1", "2001:db8::a0b:0:0:1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0:0:1::", "1:0:2:0:3:0:4:0"};
    std::uint64_t random = 88172645463325252ULL;
    for (int i = 0; i < 2000; ++i) {
        std::string text;
        for (int group = 0; group < 8; ++group) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            text += (group ? ":" : "") + fmt::format("{:x}", random % 3 ? 0 : random >> 48);
        }
        texts.push_back(text);
    }
    int wrong = 0;
    for (const std::string& text : texts) {
        sys::Peer peer;
        peer.kind = sys::Peer::Inet;
        REQUIRE(::inet_pton(AF_INET6, text.c_str(), peer.address.data()) == 1);
        // The library writes the last four bytes of "::a.b.c.d" in dots; such addresses left the Internet in 2006.
        if (std::all_of(peer.address.begin(), peer.address.begin() + 12, [](auto byte) { return byte == 0; }) && text != "::" && text != "::1") continue;
        sys::ChildVariables variables;
        variables.clear();
        variables.add_connection(peer, nullptr);
        char expected[INET6_ADDRSTRLEN];
        ::inet_ntop(AF_INET6, peer.address.data(), expected, sizeof expected);
        if (std::string(variables[1]) != std::string("REMOTE_ADDR=") + expected) {
            ++wrong;
            UNSCOPED_INFO(variables[1] << " instead of " << expected);
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("a caller on a unix socket is known by pid, uid and gid, and by name if he has one", "[sys][accept]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    for (const std::string& text : {"unix:" + folder / "s", only_ours("unix:@xsv-accept-test"), "unix-seqpacket:" + folder / "q"}) {
        const auto endpoint = *sys::Endpoint::parse(text);
        auto listener = sockets->listen(endpoint, {});
        REQUIRE(listener);
        const auto pid = std::to_string(::getpid()), uid = std::to_string(::getuid()), gid = std::to_string(::getgid());
        for (const std::string& name : {std::string(), folder / "caller", only_ours("@caller")}) {
            sys::UniqueFd caller = call_unix(endpoint, name);
            const Served served = serve(std::move(caller), connection_plan(listener->get()));
            std::vector<std::string> expected{"IPCREMOTEEGID=" + gid, "IPCREMOTEEUID=" + uid};
            if (!name.empty()) expected.push_back("IPCREMOTEPATH=" + name);
            expected.push_back("IPCREMOTEPID=" + pid);
            expected.push_back("PROTO=IPC");
            if (!name.empty()) expected.push_back("REMOTE_ADDR=" + name);
            CHECK(added(served.seen["env"]) == expected);
            CHECK(served.peer.kind == sys::Peer::Unix);
            CHECK(served.peer.text() == "uid " + uid + " pid " + pid);
            if (name.starts_with("/")) ::unlink(name.c_str());
        }
    }
}

TEST_CASE("the connection may have any number, and other descriptors go along", "[sys][accept]")
{
    auto sockets = sys::kernel_sockets();
    auto endpoint = *sys::Endpoint::parse("tcp:127.0.0.1:1");
    endpoint.port = 0;
    auto listener = sockets->listen(endpoint, {});
    REQUIRE(listener);
    sys::UniqueFd caller = call(listener->get());
    // The lowest free number, which accept will take, is also where a move goes.
    const int lowest = ::fcntl(caller.get(), F_DUPFD_CLOEXEC, 0);
    ::close(lowest);
    ChildPlan plan = connection_plan(listener->get());
    plan.argv = {"probe", "9"};
    plan.connection_targets = {9};
    const sys::UniqueFd other(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
    plan.moves = {{other.get(), lowest + 1}, {other.get(), lowest}, {other.get(), 2}};
    ::fcntl(lowest, F_GETFD);
    const Served served = serve(std::move(caller), plan);
    REQUIRE(served.executed);
    CHECK(served.seen["fds"]["2"] == "/etc/passwd");
    CHECK(served.seen["fds"]["9"].get<std::string>().find("socket:") == 0);
    CHECK(served.seen["fds"][std::to_string(lowest)] == "/etc/passwd");
    CHECK(served.seen["fds"]["0"] == "/dev/null");
}

TEST_CASE("a refused caller reads the refusal and a clean end, and nothing is executed", "[sys][accept]")
{
    auto sockets = sys::kernel_sockets();
    auto endpoint = *sys::Endpoint::parse("tcp:127.0.0.1:1");
    endpoint.port = 0;
    auto listener = sockets->listen(endpoint, {});
    REQUIRE(listener);
    auto processes = sys::kernel_processes(false);
    for (const bool copies : {false, true}) {
        if (copies && ::geteuid() != 0) continue;
        ChildPlan plan = connection_plan(listener->get());
        plan.allow = {*sys::parse_address_rule("10.0.0.0/8")};
        plan.refusal = "go away\n";
        if (copies) plan.uid = plan.gid = 4711;
        auto prepared = processes->prepare(plan);
        sys::UniqueFd caller = call(listener->get());
        REQUIRE(::send(caller.get(), "unread input", 12, 0) == 12);
        SharedReport report;
        auto child = processes->spawn(*prepared, *report);
        REQUIRE(child);
        CHECK(report.stage() == ChildStage::Refused);
        CHECK(report.step() == ChildStep::Refused);
        CHECK(report->peer.host() == "127.0.0.1");
        CHECK(read_all(caller.get()) == "go away\n");  // and then the end, not a reset
        int error = -1;
        socklen_t size = sizeof error;
        ::getsockopt(caller.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        CHECK(error == 0);
        const int status = status_of(*child);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
}

TEST_CASE("a child that finds nobody says so and ends well", "[sys][accept]")
{
    auto sockets = sys::kernel_sockets();
    auto endpoint = *sys::Endpoint::parse("tcp:127.0.0.1:1");
    endpoint.port = 0;
    auto listener = sockets->listen(endpoint, {});
    REQUIRE(listener);
    auto processes = sys::kernel_processes(false);
    for (const bool copies : {false, true}) {
        if (copies && ::geteuid() != 0) continue;
        ChildPlan plan = connection_plan(listener->get());
        if (copies) plan.uid = plan.gid = 4711;
        auto prepared = processes->prepare(plan);
        SharedReport report;
        auto child = processes->spawn(*prepared, *report);
        REQUIRE(child);
        CHECK(report.stage() == ChildStage::NothingToAccept);
        CHECK(status_of(*child) == 0);
    }
}

TEST_CASE("a caller who was gone before the accept is still served with his address", "[sys][accept]")
{
    auto sockets = sys::kernel_sockets();
    auto endpoint = *sys::Endpoint::parse("tcp:127.0.0.1:1");
    endpoint.port = 0;
    auto listener = sockets->listen(endpoint, {});
    REQUIRE(listener);
    {
        sys::UniqueFd caller = call(listener->get());
        const linger reset{1, 0};
        ::setsockopt(caller.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    auto processes = sys::kernel_processes(false);
    ChildPlan plan = connection_plan(listener->get());
    plan.path = "/bin/true";
    auto prepared = processes->prepare(plan);
    SharedReport report;
    auto child = processes->spawn(*prepared, *report);
    REQUIRE(child);
    CHECK(report.stage() == ChildStage::Executing);
    CHECK(report->peer.host() == "127.0.0.1");
    CHECK(status_of(*child) == 0);
}
