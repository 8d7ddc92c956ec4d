#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/time.h"

/// Random histories: each has a seed of its own, and XSV_SEED=N plays the history with that seed first.
namespace xsv::test {

/// A promise that did not hold.
struct Broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};
inline void hold(bool promise, const char* what)
{
    if (!promise) throw Broken(what);
}

class Dice {
public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}
    int below(int n) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(n)); }
    bool chance(int percent) { return below(100) < percent; }
    Duration upto(Duration longest)
    {
        return Duration(static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(longest.count() + 1)));
    }
    template <class T>
    T one_of(std::initializer_list<T> items)
    {
        return items.begin()[below(static_cast<int>(items.size()))];
    }

private:
    std::mt19937_64 engine_;
};

/// What happened, for a history that is told again after it broke a promise.
class Trace {
public:
    bool wanted = false;
    void say(Time now, const std::string& what)
    {
        if (wanted) text_ += fmt::format("{:>12.6f}  {}\n", to_seconds(now.time_since_epoch()), what);
    }
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

inline std::uint64_t first_seed()
{
    if (const char* given = std::getenv("XSV_SEED")) return std::strtoull(given, nullptr, 10);
    std::random_device device;
    return device() % 1'000'000'000;
}

/// World: constructible from (seed, Trace&), with play(), which throws Broken.
template <class World, class... A>
void play_histories(const char* name, int count, const A&... arguments)
{
    const std::uint64_t first = first_seed();
    std::printf("%s: %d histories from XSV_SEED=%llu\n", name, count, static_cast<unsigned long long>(first));
    for (std::uint64_t seed = first; seed < first + static_cast<std::uint64_t>(count); ++seed) {
        Trace silent;
        try {
            World(seed, silent, arguments...).play();
        } catch (const Broken& broken) {
            Trace trace;
            trace.wanted = true;
            try {
                World(seed, trace, arguments...).play();
            } catch (const Broken&) {
            }
            FAIL(name << ": " << broken.what() << "\nXSV_SEED=" << seed << " plays it again:\n" << trace.text());
        }
    }
    SUCCEED();
}

}  // namespace xsv::test
