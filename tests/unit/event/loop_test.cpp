#include "event/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>

#include "base/log.h"
#include "base/progress.h"
#include "event/spin.h"
#include "sys/fd.h"

using namespace xsv;
using namespace xsv::event;
using namespace std::chrono_literals;

namespace {

/// A descriptor that is readable for ever, and the log's lines.
struct Spinning {
    std::vector<std::string> lines;
    sys::UniqueFd fd{::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::unique_ptr<Loop> loop = make_loop();
    Spinning() { log::divert([this](log::Level, std::string_view line) { lines.emplace_back(line); }); }
    ~Spinning() { log::divert(nullptr); }
    /// Runs the loop for that long, or until the condition holds.
    void run(Duration time, const std::function<bool()>& enough = [] { return false; })
    {
        const WatchPtr end = loop->after(time, "end", [this] { loop->stop(); });
        const WatchPtr look = loop->every(10ms, "look", [&] {
            if (enough()) loop->stop();
        });
        loop->run();
    }
    bool said(const std::string& text) const
    {
        for (const std::string& line : lines)
            if (line.find(text) != std::string::npos) return true;
        return false;
    }
};

}  // namespace

TEST_CASE("a watch that wakes the loop for nothing pauses, is named, and comes back", "[event][spin]")
{
    Spinning world;
    long calls = 0, others = 0;
    const WatchPtr watch = world.loop->readable(world.fd.get(), "culprit", [&] { ++calls; });
    const WatchPtr other = world.loop->every(10ms, "bystander", [&] { ++others; });

    world.run(20s, [&] { return !world.loop->alarms().empty(); });

    REQUIRE(world.loop->alarms().size() == 1);
    const std::string label = "culprit (descriptor " + std::to_string(world.fd.get()) + ")";
    CHECK(world.loop->alarms().front().find(label) == 0);
    CHECK(world.said(label));
    CHECK(world.said("eventfd"));
    // It goes on spinning: from now on it costs a tenth of a second for each pause, which doubles.
    world.run(20s, [&] { return world.said("looking away for 800ms"); });
    REQUIRE(world.said("looking away for 200ms"));
    REQUIRE(world.said("looking away for 800ms"));
    const long before = calls, others_before = others;
    world.run(100ms);
    CHECK(calls == before);
    CHECK(others > others_before);
    world.run(20s, [&] { return calls > before; });
    CHECK(calls > before);  // nothing stays off for ever
}

TEST_CASE("a busy watch that achieves something is left alone", "[event][spin]")
{
    Spinning world;
    long calls = 0;
    const WatchPtr watch = world.loop->readable(world.fd.get(), "worker", [&] {
        ++calls;
        note_progress();
    });
    world.run(3s);
    CHECK(calls > SpinDetector::kCallsPerSecond);
    CHECK(world.loop->alarms().empty());
    CHECK(world.lines.empty());
}

TEST_CASE("ten exceptions within a second pause a watch, which comes back", "[event][spin]")
{
    Spinning world;
    int calls = 0;
    const WatchPtr watch = world.loop->readable(world.fd.get(), "failing", [&] {
        ++calls;
        if (calls <= 10) throw std::runtime_error("no luck");
        world.loop->stop();
    });
    world.run(10s, [&] { return !world.loop->alarms().empty(); });
    CHECK(calls == 10);
    CHECK(world.said("failing: no luck"));
    CHECK(world.said("fails again and again"));
    world.run(10s);
    CHECK(calls == 11);
}

TEST_CASE("a watch may be destroyed by its own callback while it is suspected", "[event][spin]")
{
    Spinning world;
    WatchPtr watch;
    int calls = 0;
    watch = world.loop->readable(world.fd.get(), "suicidal", [&] {
        if (++calls == 10) watch.reset();
        throw std::runtime_error("no luck");
    });
    world.run(50ms);
    CHECK(calls == 10);
    CHECK(world.loop->alarms().empty());
}

TEST_CASE("the detector counts calls and what they achieve per second", "[event][spin]")
{
    // `rate` calls a second for so many seconds, of which each `useful`-th achieves something.
    const auto first_pause = [](int rate, int useful, int seconds) {
        SpinDetector detector;
        Time now{std::chrono::hours(1)};
        for (int i = 0; i < rate * seconds; ++i, now += Duration(1s) / rate)
            if (const Duration pause = detector.called(now, useful != 0 && i % useful == 0, false); pause > 0s) return pause;
        return Duration::zero();
    };
    CHECK(first_pause(20'000, 0, 3) == 100ms);
    CHECK(first_pause(20'000, 0, 1) == 0s);      // a second is not enough
    CHECK(first_pause(9'000, 0, 10) == 0s);
    CHECK(first_pause(20'000, 100, 10) == 0s);   // 200 a second achieve something
    CHECK(first_pause(20'000, 1000, 3) == 100ms);
}

TEST_CASE("pauses of a watch double from 100 ms to 5 s, and 10 s of calm forget them", "[event][spin]")
{
    SpinDetector detector;
    Time now{std::chrono::hours(1)};
    std::vector<Duration> pauses;
    const auto spin_until_pause = [&] {
        for (;; now += 20us)
            if (const Duration pause = detector.called(now, false, false); pause > 0s) {
                now += pause;
                return pause;
            }
    };
    for (int i = 0; i < 8; ++i) pauses.push_back(spin_until_pause());
    CHECK(pauses == std::vector<Duration>{100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5s, 5s});
    CHECK_FALSE(detector.is_calm(now));
    now += 11s;
    CHECK(detector.is_calm(now));
    CHECK(spin_until_pause() == 100ms);
}
