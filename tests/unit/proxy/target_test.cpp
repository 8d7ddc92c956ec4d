#include <catch2/catch.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/proxy_header.h"
#include "proxy/relay.h"
#include "proxy/target.h"
#include "sys/endpoint.h"

using namespace xsv;
using namespace xsv::proxy;

TEST_CASE("every canonical endpoint has its candidates", "[proxy]")
{
    struct Row {
        const char* written;
        std::size_t candidates;
    };
    for (const auto& [written, candidates] : {Row{"tcp:8080", 2}, Row{"tcp4:8080", 1}, Row{"tcp6:8080", 1}, Row{"tcp:127.0.0.1:80", 1},
                                              Row{"tcp4:127.0.0.1:80", 1}, Row{"tcp:[::1]:80", 1}, Row{"tcp:[fe80::1%lo]:80", 1}, Row{"udp:53", 2},
                                              Row{"udp:10.0.0.1:53", 1}, Row{"unix:/run/x", 1}, Row{"unix:@x", 1}}) {
        CAPTURE(written);
        const auto endpoint = sys::Endpoint::parse(written);
        REQUIRE(endpoint);
        CHECK(Target(endpoint->text()).candidates() == candidates);
    }
    for (const char* written : {"", "tcp", "tcp:", "tcp:0", "tcp:nowhere:80", "unix:", "ftp:80"}) {
        CAPTURE(written);
        CHECK(Target(written).candidates() == 0);
    }
    CHECK(Target("unix:/" + std::string(200, 'x')).candidates() == 0);
}

TEST_CASE("what nobody knows the caller of says so", "[proxy]")
{
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const sys::UniqueFd one(ends[0]), other(ends[1]);
    CHECK(proxy_header(Protocol::None, one.get()).empty());
    CHECK(proxy_header(Protocol::V1, one.get()) == "PROXY UNKNOWN\r\n");
    CHECK(proxy_header(Protocol::V2, one.get()) == std::string("\r\n\r\n\0\r\nQUIT\n\x21\0\0\0", 16));
}

namespace {

/// Two connections of which the relay has the inner ends.
struct Bench {
    Pipes pipes;
    Relay relay{pipes};
    sys::UniqueFd caller, target;

    Bench()
    {
        for (auto [side, outer] : {std::pair(Relay::Side::Caller, &caller), std::pair(Relay::Side::Target, &target)}) {
            int ends[2];
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
            outer->reset(ends[0]);
            relay.end(side).fd.reset(ends[1]);
            relay.end(side).thorough = true;
        }
    }
    /// As the poller would.
    Relay::State go()
    {
        auto state = Relay::State::Again;
        while (state == Relay::State::Again) {
            for (const Relay::Side side : {Relay::Side::Caller, Relay::Side::Target}) relay.end(side).readable = relay.end(side).writable = true;
            state = relay.proceed();
        }
        return state;
    }
    static std::string take(const sys::UniqueFd& fd)
    {
        std::string all(4 << 20, '\0');
        const ssize_t got = ::recv(fd.get(), all.data(), all.size(), 0);
        all.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return all;
    }
};

}  // namespace

TEST_CASE("one direction ends while the other goes on", "[proxy]")
{
    Bench bench;
    REQUIRE(::send(bench.caller.get(), "question", 8, 0) == 8);
    ::shutdown(bench.caller.get(), SHUT_WR);
    CHECK(bench.go() == Relay::State::Waits);
    CHECK(Bench::take(bench.target) == "question");
    CHECK(::recv(bench.target.get(), nullptr, 0, MSG_PEEK) == 0);
    REQUIRE(::send(bench.target.get(), "answer", 6, 0) == 6);
    CHECK(bench.go() == Relay::State::Waits);
    CHECK(Bench::take(bench.caller) == "answer");
    bench.target.reset();
    CHECK(bench.go() == Relay::State::Over);
}

TEST_CASE("the header goes first, and nothing is lost when nobody reads", "[proxy]")
{
    Bench bench;
    bench.relay.send_first("HEADER");
    std::string sent, arrived;
    for (int n = 0; n < 200; ++n) {
        const std::string part(1 + static_cast<std::size_t>(n) * 997 % 60000, static_cast<char>('a' + n % 26));
        const ssize_t took = ::send(bench.caller.get(), part.data(), part.size(), MSG_DONTWAIT);
        if (took > 0) sent += part.substr(0, static_cast<std::size_t>(took));
        CHECK(bench.go() == Relay::State::Waits);
        if (n % 5 == 4) arrived += Bench::take(bench.target);  // now and then
    }
    ::shutdown(bench.caller.get(), SHUT_WR);
    for (int n = 0; n < 1000 && arrived.size() < sent.size() + 6; ++n) {
        CHECK(bench.go() == Relay::State::Waits);
        arrived += Bench::take(bench.target);
    }
    CHECK(arrived.substr(0, 6) == "HEADER");
    CHECK(arrived.substr(6) == sent);
}

TEST_CASE("a caller who is gone is a failure while something is on its way to him", "[proxy]")
{
    Bench bench;
    bench.caller.reset();
    REQUIRE(::send(bench.target.get(), "answer", 6, 0) == 6);
    CHECK(bench.go() == Relay::State::Failed);
}
