#include "event/channel.h"

#include <catch2/catch.hpp>

#include <fcntl.h>

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
