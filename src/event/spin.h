#pragma once

#include <cstdint>

#include "base/time.h"

namespace xsv::event {

/// Watches one watch (rules N10 and M4): is it called all the time without achieving anything, or does it fail again and
/// again? Then it has to pause: 100 ms, doubling to 5 s, and small again after 10 s of calm (N5). Pure.
class SpinDetector {
public:
    static constexpr std::int64_t kCallsPerSecond = 10'000;  ///< more of them …
    static constexpr std::int64_t kWorkPerSecond = 100;      ///< … with less achieved is spinning, after
    static constexpr int kWindows = 2;                       ///< so many seconds in a row
    static constexpr int kFailures = 10;                     ///< exceptions in one second
    static constexpr Duration kWindow = std::chrono::seconds(1);
    /// Just back from a pause, a tenth of a second is enough: trying again may not cost a core.
    static constexpr Duration kProbation = std::chrono::milliseconds(100);
    static constexpr Duration kShortest = std::chrono::milliseconds(100), kLongest = std::chrono::seconds(5);
    static constexpr Duration kCalm = std::chrono::seconds(10);

    /// A callback has ended. The pause that is due now, or zero.
    Duration called(Time now, bool achieved, bool failed)
    {
        if (now - begun_ >= 2 * kWindow) start_window(now);  // nothing happened for a while
        ++calls_;
        work_ += achieved ? 1 : 0;
        failures_ += failed ? 1 : 0;
        if (failures_ >= kFailures) return pause(now);
        const bool suspected = !is_calm(now);
        const Duration span = now - begun_;
        if (span < (suspected ? kProbation : kWindow)) return Duration::zero();
        const double seconds = std::chrono::duration<double>(span).count();
        const bool spins = static_cast<double>(calls_) > static_cast<double>(kCallsPerSecond) * seconds &&
                           static_cast<double>(work_) < static_cast<double>(kWorkPerSecond) * seconds;
        windows_ = spins ? windows_ + 1 : 0;
        start_window(now);
        return windows_ >= (suspected ? 1 : kWindows) ? pause(now) : Duration::zero();
    }
    /// No pause now, and none in the last 10 s.
    bool is_calm(Time now) const { return pause_ == Duration::zero() || now - resumes_ >= kCalm; }

private:
    void start_window(Time now)
    {
        begun_ = now;
        calls_ = work_ = 0;
        failures_ = 0;
    }
    Duration pause(Time now)
    {
        pause_ = is_calm(now) ? kShortest : pause_ * 2 < kLongest ? pause_ * 2 : kLongest;
        resumes_ = now + pause_;
        windows_ = 0;
        start_window(resumes_);
        return pause_;
    }

    Time begun_{}, resumes_{};
    Duration pause_{};
    std::int64_t calls_ = 0, work_ = 0;
    int failures_ = 0, windows_ = 0;
};

}  // namespace xsv::event
