#include <catch2/catch.hpp>

#include "engine/context.h"
#include "engine/deny_list.h"

using namespace xsv;
using namespace xsv::engine;
using namespace std::chrono_literals;

namespace {

/// The guardian: the last descriptor of that name.
class Guardian : public net::Keeper {
public:
    void hold(const std::string&, net::Held, int fd) override { kept = sys::UniqueFd(::dup(fd)); }
    void drop(const std::string&) override { kept.reset(); }
    sys::UniqueFd kept;
};

sys::Peer caller(std::uint32_t number, bool six = false)
{
    sys::Peer peer;
    peer.kind = sys::Peer::Inet;
    peer.mapped = !six;
    if (!six) peer.address[10] = peer.address[11] = 0xff;
    for (std::size_t i = 0; i < 4; ++i) peer.address[(six ? 4 : 12) + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    return peer;
}

const Time kNow = Time(100s);

}  // namespace

TEST_CASE("an address is denied until its time is over, and an IPv6 caller with his /64", "[engine][deny]")
{
    Guardian guardian;
    Inherited inherited;
    DenyList list(inherited, guardian);
    CHECK_FALSE(list.has(caller(1), kNow));
    REQUIRE(list.add(caller(1), 10s, kNow));
    REQUIRE(list.add(caller(2), std::nullopt, kNow));
    REQUIRE(list.add(caller(3, true), 10s, kNow));
    CHECK(list.has(caller(1), kNow + 9s));
    CHECK_FALSE(list.has(caller(1), kNow + 10s));
    CHECK(list.has(caller(2), kNow + 24h * 10'000));
    sys::Peer neighbour = caller(3, true);
    neighbour.address[15] = 9;
    CHECK(list.has(neighbour, kNow));
    CHECK_FALSE(list.has(caller(4), kNow));
    REQUIRE(list.add(caller(1), 5s, kNow));   // shorter: the longer one holds
    CHECK(list.has(caller(1), kNow + 9s));
    CHECK(list.size(kNow) == 3);
}

TEST_CASE("a full deny list forgets whose time is over first", "[engine][deny]")
{
    Guardian guardian;
    Inherited inherited;
    DenyList list(inherited, guardian);
    for (std::uint32_t n = 0; n < DenyList::kMost; ++n) REQUIRE(list.add(caller(n), 10s + std::chrono::seconds(n), kNow));
    REQUIRE(list.add(caller(1'000'000), 24h, kNow));
    CHECK_FALSE(list.has(caller(0), kNow));
    CHECK(list.has(caller(1), kNow));
    CHECK(list.has(caller(1'000'000), kNow));
    CHECK(list.size(kNow) == DenyList::kMost);
}

TEST_CASE("the next engine has the deny list of the last one", "[engine][deny]")
{
    Guardian guardian;
    Inherited none;
    DenyList before(none, guardian);
    REQUIRE(before.add(caller(7), std::nullopt, kNow));
    Inherited inherited;
    std::map<std::string, sys::UniqueFd> kept;
    kept.emplace(DenyList::kKey, std::move(guardian.kept));
    inherited.add(std::move(kept));
    DenyList after(inherited, guardian);
    after.recover();
    CHECK(after.has(caller(7), kNow));
    REQUIRE(after.add(caller(8), 10s, kNow));
    CHECK(after.size(kNow) == 2);
}
