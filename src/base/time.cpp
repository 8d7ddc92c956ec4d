#include "base/time.h"

#include <ctime>

#include <array>
#include <charconv>

#include "base/text.h"

namespace xsv {
namespace {

struct Unit {
    std::string_view name;
    double seconds;
};
constexpr std::array<Unit, 6> kUnits{{{"ms", 0.001}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}}};
constexpr double kLongest = 100.0 * 365 * 86400;  // a century: beyond it nanoseconds overflow

}  // namespace

BootClock::time_point BootClock::now() noexcept
{
    timespec t{};
    ::clock_gettime(CLOCK_BOOTTIME, &t);
    return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

Result<Duration> parse_duration(std::string_view written)
{
    const std::string_view text = text::trim(written);
    double total = 0;
    std::string_view rest = text;
    while (!rest.empty()) {
        double number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
        if (error != std::errc{} || number < 0) break;
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        std::size_t letters = 0;
        while (letters < rest.size() && (rest[letters] | 0x20) >= 'a' && (rest[letters] | 0x20) <= 'z') ++letters;
        const std::string unit = text::lower(rest.substr(0, letters));
        rest = text::trim(rest.substr(letters));
        double scale = -1;
        if (unit.empty() && rest.empty()) scale = 1;
        for (const Unit& known : kUnits)
            if (known.name == unit) scale = known.seconds;
        if (scale < 0) return fail("expected a time such as 5, 500ms, 5m or 2h, got '{}'", written);
        total += number * scale;
        if (rest.empty() && total <= kLongest) return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(total));
    }
    return fail("expected a time such as 5, 500ms, 5m or 2h, got '{}'", written);
}

std::string format_duration(Duration duration)
{
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    if (ms % 1000 != 0 && ms < 10'000) return fmt::format("{}ms", ms);
    auto seconds = ms / 1000;
    std::string text;
    for (const auto& [unit, length] : {std::pair{'d', 86400L}, std::pair{'h', 3600L}, std::pair{'m', 60L}}) {
        if (seconds >= length) text += fmt::format("{}{}", seconds / length, unit);
        seconds %= length;
    }
    if (seconds != 0 || text.empty()) text += fmt::format("{}s", seconds);
    return text;
}

std::int64_t wall_seconds() noexcept
{
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

std::string local_time(std::int64_t seconds, const char* format)
{
    const std::time_t when = seconds;
    std::tm parts{};
    ::localtime_r(&when, &parts);
    std::array<char, 64> text{};
    return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

std::string format_uptime(std::int64_t seconds)
{
    if (seconds < 0) seconds = 0;
    const auto days = seconds / 86400;
    const std::string clock = fmt::format("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    if (days == 0) return clock;
    return fmt::format("{} day{}, {}", days, days == 1 ? "" : "s", clock);
}

}  // namespace xsv
