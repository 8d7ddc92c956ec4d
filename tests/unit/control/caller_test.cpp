#include "control/caller.h"

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/audit.h"

using namespace xsv;
using config::PeerRole;
using config::Role;
using control::Caller;

namespace {

/// A listening unix socket, and both ends of one connection to it.
struct Connection {
    sys::UniqueFd listener, client, accepted;

    Connection() : listener(make()), client(make())
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string name = "xsvd-caller-test-" + std::to_string(::getpid());
        name.copy(address.sun_path + 1, name.size());
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        const auto* raw = reinterpret_cast<const sockaddr*>(&address);
        REQUIRE(::bind(listener.get(), raw, size) == 0);
        REQUIRE(::listen(listener.get(), 1) == 0);
        REQUIRE(::connect(client.get(), raw, size) == 0);
        accepted.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        REQUIRE(accepted);
    }
    static sys::UniqueFd make() { return sys::UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
};

Caller caller_of(uid_t uid, std::vector<gid_t> groups)
{
    Caller caller;
    caller.uid = uid;
    caller.groups = std::move(groups);
    return caller;
}

}  // namespace

TEST_CASE("the kernel tells whose a connection is", "[control]")
{
    Connection connection;
    const std::string address = control::bound_address(connection.listener.get());
    const auto caller = control::identify(std::move(connection.accepted));
    REQUIRE(caller);
    CHECK(caller->uid == ::geteuid());
    CHECK(caller->groups.at(0) == ::getegid());
    CHECK(caller->address == address);
    CHECK(caller->text.starts_with("uid " + std::to_string(::geteuid()) + " pid " + std::to_string(::getpid()) + " (unit_control"));

    CHECK_FALSE(caller->has_left());
    ::shutdown(connection.client.get(), SHUT_WR);  // he still waits for his answer
    CHECK_FALSE(caller->has_left());
    connection.client.reset();
    CHECK(caller->has_left());
}

TEST_CASE("what no listening unix socket has accepted is nobody's", "[control]")
{
    Connection connection;
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK_FALSE(control::identify(sys::UniqueFd(pair[0])));
    CHECK_FALSE(control::identify(sys::UniqueFd(pair[1])));
    CHECK_FALSE(control::identify(std::move(connection.listener)));
    CHECK_FALSE(control::identify(std::move(connection.client)));  // our own end of a call to somebody has no address
    CHECK_FALSE(control::identify(sys::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))));
    CHECK_FALSE(control::identify({}));
    int pipe[2];
    REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    CHECK_FALSE(control::identify(sys::UniqueFd(pipe[0])));
    ::close(pipe[1]);
}

TEST_CASE("peers have the roles they are given, and at most the server's", "[control]")
{
    config::ServerSpec server;
    CHECK(control::role_of(caller_of(61001, {61001}), server) == Role::Admin);  // the file's mode has let him in
    server.role = Role::Operator;
    CHECK(control::role_of(caller_of(61001, {61001}), server) == Role::Operator);

    server.peers = {{61001, {}, Role::Admin}, {{}, 61010, Role::Viewer}, {{}, 61011, Role::Operator}};
    CHECK(control::role_of(caller_of(61001, {61001}), server) == Role::Operator);
    CHECK(control::role_of(caller_of(61002, {61002, 61010}), server) == Role::Viewer);
    CHECK(control::role_of(caller_of(61002, {61002, 61010, 61011}), server) == Role::Operator);  // the higher one
    CHECK(control::role_of(caller_of(61002, {61010}), server) == Role::Viewer);
    CHECK_FALSE(control::role_of(caller_of(61002, {61002}), server));
    CHECK_FALSE(control::role_of(caller_of(61010, {61002}), server));  // a user is not the group of his number
    CHECK(control::role_of(caller_of(0, {0}), server) == Role::Operator);

    server.peers.push_back({{}, {}, Role::Viewer});
    CHECK(control::role_of(caller_of(61002, {61002}), server) == Role::Viewer);
}

TEST_CASE("the audit tells names and signals, and nothing that is sent to a program", "[control]")
{
    const auto text = [](std::string method, wire::Value::Array params) {
        return control::audit_text({std::move(method), std::move(params), "uid 0 pid 7", Role::Admin});
    };
    CHECK(text("supervisor.stopProcess", {"a:b", true}) == "audit: uid 0 pid 7: supervisor.stopProcess('a:b', True)");
    CHECK(text("supervisor.signalProcess", {"a", "HUP"}) == "audit: uid 0 pid 7: supervisor.signalProcess('a', 'HUP')");
    CHECK(text("supervisor.sendProcessStdin", {"a", "password"}) == "audit: uid 0 pid 7: supervisor.sendProcessStdin('a')");
    CHECK(text("supervisor.sendRemoteCommEvent", {"type", "password"}) == "audit: uid 0 pid 7: supervisor.sendRemoteCommEvent('type')");
    CHECK(text("supervisor.shutdown", {}) == "audit: uid 0 pid 7: supervisor.shutdown()");
    CHECK(text("xsv.keepSockets", {wire::Value::Array{"a", "b"}}) == "audit: uid 0 pid 7: xsv.keepSockets(['a', 'b'])");
    CHECK(text("supervisor.stopProcess", {"a\nb"}) == "audit: uid 0 pid 7: supervisor.stopProcess('a\\nb')");
}
