#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace xsv {

using Duration = std::chrono::nanoseconds;

/// CLOCK_BOOTTIME: goes on while the machine sleeps and never jumps (rule K6).
struct BootClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<BootClock>;
    static constexpr bool is_steady = true;
    static time_point now() noexcept;
};
using Time = BootClock::time_point;

/// "5" and "5s" are seconds; also ms, m, h, d; fractions allowed ("1.5s"). Never negative.
Result<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);  ///< "500ms", "5s", "2m30s"
inline double to_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// Wall time, for people only.
std::int64_t wall_seconds() noexcept;
/// Of wall_seconds(), by strftime's rules, in English as the C locale has it: "2026-11-21 03:25:00".
std::string local_time(std::int64_t seconds, const char* format = "%Y-%m-%d %H:%M:%S");
/// Supervisor's "H:MM:SS", "1 day, H:MM:SS".
std::string format_uptime(std::int64_t seconds);

}  // namespace xsv
