#include "engine/admission.h"

#include <array>

#include <catch2/catch.hpp>

using namespace xsv;
using namespace xsv::engine;
using namespace std::chrono_literals;

namespace {

constexpr Time kNow = Time{} + 1000s;

config::Policy unlimited()
{
    config::Policy limits;
    limits.max_instances = 0;
    return limits;
}
Situation situation(int instances = 0)
{
    Situation s;
    s.now = kNow;
    s.instances = instances;
    s.free_descriptors = 1000;
    return s;
}
Verdict ask(const config::Policy& limits, const Situation& s)
{
    return admit(limits, {}, s).verdict;
}

sys::Peer inet(std::array<std::uint8_t, 16> address, bool mapped)
{
    sys::Peer peer;
    peer.kind = sys::Peer::Inet;
    peer.mapped = mapped ? 1 : 0;
    peer.address = address;
    return peer;
}
sys::Peer v4(std::uint8_t last)
{
    return inet({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last}, true);
}
sys::Peer v6(std::uint8_t net, std::uint8_t host)
{
    return inet({0x20, 1, 0xd, 0xb8, 0, 0, 0, net, 0, 0, 0, 0, 0, 0, 0, host}, false);
}
sys::Peer local(std::uint32_t uid)
{
    sys::Peer peer;
    peer.kind = sys::Peer::Unix;
    peer.uid = uid;
    return peer;
}

}  // namespace

TEST_CASE("too many instances wait for an end, or are refused where that was asked for", "[engine][admission]")
{
    config::Policy limits;
    limits.max_instances = 2;
    CHECK(ask(limits, situation(1)) == Verdict{Admit{}});
    CHECK(ask(limits, situation(2)) == Verdict{Wait{Reason::Instances, std::nullopt}});
    limits.overload = config::Overload::Refuse;
    CHECK(ask(limits, situation(2)) == Verdict{Refuse{Reason::Instances}});
    CHECK(ask(unlimited(), situation(9999)) == Verdict{Admit{}});
}

TEST_CASE("a flood falls to exactly the rate that was allowed", "[engine][admission]")
{
    config::Policy limits = unlimited();
    limits.max_rate = {5, 1s, false};
    Gate gate;
    Situation s = situation();
    int admitted = 0, burst = 0;
    const Time end = kNow + 60s;
    while (s.now < end) {
        const Admission admission = admit(limits, gate, s);
        if (const auto* wait = std::get_if<Wait>(&admission.verdict)) {
            REQUIRE(wait->reason == Reason::Rate);
            REQUIRE(wait->until > s.now);
            if (burst == 0) burst = admitted;
            s.now = *wait->until;
        } else {
            ++admitted;
        }
        gate = admission.gate;
    }
    CHECK(burst == 5);
    CHECK(admitted == 5 + 5 * 60 - 1);

    INFO("after a calm time the whole burst is there again, and not more");
    s.now = end + 1h;
    for (int i = 0; i < 5; ++i) {
        const Admission admission = admit(limits, gate, s);
        CHECK(admission.verdict == Verdict{Admit{}});
        gate = admission.gate;
    }
    CHECK(std::holds_alternative<Wait>(admit(limits, gate, s).verdict));
}

TEST_CASE("pauses double from 100 ms to 5 s, and 10 s of calm forget them", "[engine][admission]")
{
    Pause pause;
    Time now = kNow;
    std::vector<Duration> lengths;
    for (int i = 0; i < 8; ++i) {
        pause = lengthen(pause, now);
        lengths.push_back(pause.until - now);
        CHECK(lengthen(pause, now) == pause);  // the same trouble still
        now = pause.until;
    }
    CHECK(lengths == std::vector<Duration>{100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5s, 5s});
    CHECK(lengthen(pause, now + 10s - 1ns).length == 5s);
    CHECK(lengthen(pause, now + 10s).length == 100ms);
}

TEST_CASE("while a pause lasts, and while descriptors are short, everybody waits", "[engine][admission]")
{
    config::Policy limits = unlimited();
    limits.overload = config::Overload::Refuse;  // a refusal would take a descriptor too
    Gate gate;
    gate.pause = lengthen(gate.pause, kNow);
    CHECK(admit(limits, gate, situation()) == Admission{Wait{Reason::Resources, kNow + 100ms}, gate});
    Situation later = situation();
    later.now = kNow + 100ms;
    CHECK(admit(limits, gate, later).verdict == Verdict{Admit{}});

    Situation poor = situation();
    poor.free_descriptors = kSpareDescriptors;
    const Admission first = admit(limits, {}, poor);
    CHECK(first.verdict == Verdict{Wait{Reason::Descriptors, kNow + 100ms}});
    poor.now += 100ms;
    const Admission second = admit(limits, first.gate, poor);
    CHECK(second.verdict == Verdict{Wait{Reason::Descriptors, kNow + 300ms}});
    poor.now += 1ms;
    CHECK(admit(limits, second.gate, poor).verdict == Verdict{Wait{Reason::Descriptors, kNow + 300ms}});
}

TEST_CASE("load holds callers back, or refuses them", "[engine][admission]")
{
    config::Policy limits = unlimited();
    limits.max_load = 2.5;
    Situation s = situation();
    s.load = 2.5;
    CHECK(ask(limits, s) == Verdict{Admit{}});
    s.load = 2.6;
    CHECK(ask(limits, s) == Verdict{Wait{Reason::Load, kNow + 100ms}});
    limits.overload = config::Overload::Refuse;
    CHECK(ask(limits, s) == Verdict{Refuse{Reason::Load}});
}

TEST_CASE("access_hours refuse, also over midnight", "[engine][admission]")
{
    constexpr int kMonday = 1, kTuesday = 2, kSunday = 0;
    const auto at = [](int day, int hour, int minute) { return LocalTime{day, hour * 60 + minute}; };
    const config::Hours day{9 * 60, 17 * 60, 0x7f};
    const config::Hours night{22 * 60, 6 * 60, 1 << kMonday};
    const config::Hours all{0, 24 * 60, 1 << kTuesday};
    struct Row {
        std::vector<config::Hours> hours;
        LocalTime time;
        bool within;
    };
    const std::vector<Row> rows{
        {{}, at(kMonday, 3, 0), true},
        {{day}, at(kMonday, 9, 0), true},
        {{day}, at(kMonday, 8, 59), false},
        {{day}, at(kMonday, 17, 0), false},
        {{night}, at(kMonday, 23, 0), true},
        {{night}, at(kTuesday, 5, 59), true},
        {{night}, at(kTuesday, 6, 0), false},
        {{night}, at(kMonday, 5, 0), false},
        {{night}, at(kTuesday, 23, 0), false},
        {{all}, at(kTuesday, 23, 59), true},
        {{all}, at(kSunday, 0, 0), false},
        {{day, night}, at(kTuesday, 1, 0), true},
        {{{0, 60, 1}}, at(kSunday, 0, 30), true},
        {{{23 * 60, 60, 1 << 6}}, at(kSunday, 0, 30), true},
    };
    for (const Row& row : rows) {
        INFO("day " << row.time.weekday << ", minute " << row.time.minute);
        CHECK(is_within(row.hours, row.time) == row.within);
    }
    config::Policy limits = unlimited();
    limits.access_hours = {day};
    CHECK(ask(limits, situation()) == Verdict{Refuse{Reason::Hours}});
}

TEST_CASE("one source is counted from the live handlers, and refused", "[engine][admission]")
{
    config::Policy limits = unlimited();
    limits.max_per_source = 2;
    SourceRates rates;
    const std::vector<sys::Peer> live{v4(1), v4(2), v4(1), v6(7, 1), local(1000)};
    const auto verdict = [&](const sys::Peer& peer) {
        return admit_peer(limits, peer, count_same_source(peer, live), rates, kNow);
    };
    CHECK(count_same_source(v4(1), live) == 2);
    CHECK(count_same_source(v6(7, 99), live) == 1);  // the same /64
    CHECK(count_same_source(v6(8, 1), live) == 0);
    CHECK(count_same_source(local(1000), live) == 1);
    CHECK(verdict(v4(1)) == Verdict{Refuse{Reason::Source}});
    CHECK(verdict(v4(2)) == Verdict{Admit{}});
    CHECK(verdict(local(0)) == Verdict{Admit{}});
}

TEST_CASE("address rules come first", "[engine][admission]")
{
    config::Policy limits = unlimited();
    limits.deny = {sys::parse_address_rule("192.0.2.1").value()};
    limits.max_per_source = 1;
    SourceRates rates;
    CHECK(admit_peer(limits, v4(1), 9, rates, kNow) == Verdict{Refuse{Reason::Address}});
    CHECK(admit_peer(limits, v4(2), 0, rates, kNow) == Verdict{Admit{}});
}

TEST_CASE("a rate per source holds each source back and no other", "[engine][admission]")
{
    config::Policy limits = unlimited();
    limits.max_rate = {2, 10s, true};
    SourceRates rates;
    const auto call = [&](const sys::Peer& peer, Time now) { return admit_peer(limits, peer, 0, rates, now); };
    CHECK(ask(limits, situation()) == Verdict{Admit{}});  // the rate of the whole service is not limited
    CHECK(call(v4(1), kNow) == Verdict{Admit{}});
    CHECK(call(v4(1), kNow) == Verdict{Admit{}});
    CHECK(call(v4(1), kNow) == Verdict{Refuse{Reason::SourceRate}});
    CHECK_FALSE(rates.has_token(v4(1), limits.max_rate, kNow));
    CHECK(rates.has_token(v4(2), limits.max_rate, kNow));
    CHECK(call(v4(2), kNow) == Verdict{Admit{}});
    CHECK(call(v6(1, 1), kNow) == Verdict{Admit{}});
    CHECK(call(v6(1, 2), kNow) == Verdict{Admit{}});
    CHECK(call(v6(1, 3), kNow) == Verdict{Refuse{Reason::SourceRate}});
    CHECK(call(v4(1), kNow + 5s) == Verdict{Admit{}});
    CHECK(call(v4(1), kNow + 5s) == Verdict{Refuse{Reason::SourceRate}});
}

TEST_CASE("the memory of sources is bounded", "[engine][admission]")
{
    const config::Rate rate{1, 10s, true};
    SourceRates rates;
    for (std::uint32_t uid = 0; uid < 3 * SourceRates::kMost; ++uid) {
        CHECK(rates.take(local(uid), rate, kNow));
        REQUIRE(rates.size() <= SourceRates::kMost);
    }
    CHECK(rates.take(local(1), rate, kNow + 1h));
    CHECK_FALSE(rates.take(local(1), rate, kNow + 1h));
}
