#include "event/channel.h"

#include <catch2/catch.hpp>

#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <sys/socket.h>

#include "fakes/fake_loop.h"

using namespace xsv;
using namespace xsv::fakes;

TEST_CASE("a message that was not handled to its end is the successor's, under the same number", "[channel]")
{
    FakeLoop loop;
    auto pair = event::Channel::make_pair();
    REQUIRE(pair);
    const sys::UniqueFd kept(::fcntl(pair->second.get(), F_DUPFD_CLOEXEC, 0));  // at the guardian
    event::Channel sender(loop, std::move(pair->first), "sender", [](std::string_view, sys::UniqueFd) {}, {});
    std::vector<std::pair<std::uint64_t, std::string>> got;
    std::unique_ptr<event::Channel> receiver;
    const auto engine = [&](bool dies_at_two) {
        const int fd = ::fcntl(kept.get(), F_DUPFD_CLOEXEC, 0);
        receiver = std::make_unique<event::Channel>(
            loop, sys::UniqueFd(fd), "receiver",
            [&, dies_at_two](std::string_view message, sys::UniqueFd) {
                got.emplace_back(receiver->delivering(), message.substr(0, 8));
                if (dies_at_two && receiver->delivering() == 2) receiver.reset();
            },
            [] {});
        receiver->leave_until_handled();
        loop.fire(fd);
    };
    REQUIRE(sender.send("one"));
    REQUIRE(sender.send("two"));
    REQUIRE(sender.send("three"));

    engine(true);
    CHECK(got.size() == 2);
    engine(false);

    CHECK(got == std::vector<std::pair<std::uint64_t, std::string>>{{1, "one"}, {2, "two"}, {2, "two"}, {3, "three"}});
}

TEST_CASE("what a peer had sent before it ended can be had still", "[channel]")
{
    FakeLoop loop;
    auto pair = event::Channel::make_pair();
    REQUIRE(pair);
    auto sender = std::make_unique<event::Channel>(loop, std::move(pair->first), "sender", [](std::string_view, sys::UniqueFd) {}, [] {});
    int got = 0;
    bool closed = false;
    event::Channel receiver(loop, std::move(pair->second), "receiver", [&](std::string_view, sys::UniqueFd) { ++got; }, [&] { closed = true; });
    for (int i = 0; i < 200; ++i) REQUIRE(sender->send("message"));
    sender.reset();
    receiver.drain();
    CHECK(got == 200);
    CHECK(closed);
}

TEST_CASE("messages of any length arrive whole, each with its descriptor", "[channel]")
{
    FakeLoop loop;
    auto pair = event::Channel::make_pair();
    REQUIRE(pair);
    const int fd = pair->second.get();
    event::Channel sender(loop, std::move(pair->first), "sender", [](std::string_view, sys::UniqueFd) {}, [] {});
    std::vector<std::pair<std::size_t, bool>> got;
    event::Channel receiver(loop, std::move(pair->second), "receiver",
                            [&](std::string_view message, sys::UniqueFd with) { got.emplace_back(message.size(), static_cast<bool>(with)); }, [] {});
    REQUIRE(sender.send(""));
    REQUIRE(sender.send(std::string(100'000, 'x'), sys::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))));
    REQUIRE(sender.send("last"));
    loop.fire(fd);
    CHECK(got == std::vector<std::pair<std::size_t, bool>>{{0, false}, {100'000, true}, {4, false}});
}

TEST_CASE("a message whose handler throws is not handled again, and holds up nobody behind it", "[channel]")
{
    FakeLoop loop;
    auto pair = event::Channel::make_pair();
    REQUIRE(pair);
    const int fd = pair->second.get();
    event::Channel sender(loop, std::move(pair->first), "sender", [](std::string_view, sys::UniqueFd) {}, [] {});
    std::vector<std::string> got;
    event::Channel receiver(
        loop, std::move(pair->second), "receiver",
        [&](std::string_view message, sys::UniqueFd) {
            got.emplace_back(message);
            if (message == "bad") throw std::runtime_error("bad");
        },
        [] {});
    receiver.leave_until_handled();
    REQUIRE(sender.send("bad"));
    REQUIRE(sender.send("good"));
    CHECK_THROWS(loop.fire(fd));
    loop.fire(fd);
    CHECK(got == std::vector<std::string>{"bad", "good"});
}

TEST_CASE("a peer that sends more descriptors than one cannot fill our table", "[channel]")
{
    FakeLoop loop;
    auto pair = event::Channel::make_pair();
    REQUIRE(pair);
    const int fd = pair->second.get();
    event::Channel receiver(loop, std::move(pair->second), "receiver", [](std::string_view, sys::UniqueFd) {}, [] {});
    const auto open_now = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
    const auto before = open_now();
    const int sent[] = {0, 0};
    alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof sent)] = {};
    char byte = 'x';
    iovec piece{&byte, 1};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = ancillary;
    header.msg_controllen = sizeof ancillary;
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof sent);
    std::memcpy(CMSG_DATA(control), sent, sizeof sent);
    REQUIRE(::sendmsg(pair->first.get(), &header, 0) == 1);
    loop.fire(fd);
    CHECK(open_now() == before);
}
