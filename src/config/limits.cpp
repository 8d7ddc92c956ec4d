#include <sys/resource.h>

#include <algorithm>

#include "base/text.h"
#include "config/values.h"

/// Values that bound a program: rates, hours, resource limits.
namespace xsv::config {
namespace {

constexpr int kWholeDay = 24 * 60;
constexpr Word<int> kDays[] = {{"sun", 0}, {"mon", 1}, {"tue", 2}, {"wed", 3}, {"thu", 4}, {"fri", 5}, {"sat", 6}};

constexpr Word<int> kResources[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

std::optional<int> parse_clock(std::string_view written)
{
    const auto colon = written.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon > 2 || written.size() != colon + 3) return std::nullopt;
    const auto hour = parse_integer(written.substr(0, colon)), minute = parse_integer(written.substr(colon + 1));
    if (!hour || !minute || *hour < 0 || *minute < 0 || *minute > 59) return std::nullopt;
    const auto time = *hour * 60 + *minute;
    if (time > kWholeDay) return std::nullopt;
    return static_cast<int>(time);
}

std::optional<int> parse_day(std::string_view written)
{
    // "Mon", "Monday": three letters decide.
    const std::string word = text::lower(written);
    for (const std::string_view name : {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"})
        if (word.size() >= 3 && name.starts_with(word)) return parse_word(kDays, word.substr(0, 3)).value();
    return std::nullopt;
}

std::optional<std::uint8_t> parse_days(std::string_view written)
{
    const auto dash = written.find('-');
    const auto first = parse_day(written.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_day(written.substr(dash + 1));
    if (!first || !last) return std::nullopt;
    unsigned days = 0;
    for (int day = *first;; day = (day + 1) % 7) {
        days |= 1U << day;
        if (day == *last) return static_cast<std::uint8_t>(days);
    }
}

std::optional<Hours> parse_span(std::string_view written, std::uint8_t days)
{
    const auto dash = written.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto from = parse_clock(written.substr(0, dash)), until = parse_clock(written.substr(dash + 1));
    if (!from || !until || *from == *until) return std::nullopt;
    return Hours{*from % kWholeDay, *until, days};
}

Result<rlim_t> parse_limit_value(std::string_view written)
{
    const std::string word = text::lower(written);
    if (word == "unlimited" || word == "infinity") return RLIM_INFINITY;
    const auto size = parse_byte_size(word);
    if (!size || *size < 0)
        return fail("expected a number, optionally with KB, MB or GB, or 'unlimited', got '{}'", written);
    return static_cast<rlim_t>(*size);
}

Result<sys::ResourceLimit> parse_limit(std::string_view written)
{
    const auto equals = written.find('=');
    if (equals == std::string_view::npos) return fail("expected name=value or name=soft:hard, got '{}'", written);
    const auto resource = parse_word(kResources, written.substr(0, equals));
    if (!resource) return tl::unexpected<Error>(resource.error());
    const std::string_view values = written.substr(equals + 1);
    const auto colon = values.find(':');
    const auto soft = parse_limit_value(values.substr(0, colon));
    const auto hard = colon == std::string_view::npos ? soft : parse_limit_value(values.substr(colon + 1));
    if (!soft) return tl::unexpected<Error>(soft.error());
    if (!hard) return tl::unexpected<Error>(hard.error());
    if (*soft > *hard) return fail("the soft limit is above the hard one in '{}'", written);
    return sys::ResourceLimit{*resource, *soft, *hard};
}

}  // namespace

Result<Rate> parse_rate(std::string_view written)
{
    constexpr std::string_view kExpected = "expected NUMBER/TIME such as 50/1s or '120/1m per source', got '{}'";
    const auto words = text::words(written);
    Rate rate;
    rate.per_source = words.size() == 3 && text::iequals(words[1], "per") && text::iequals(words[2], "source");
    if (words.size() != 1 && !rate.per_source) return fail(kExpected, written);
    const auto slash = words[0].find('/');
    if (slash == std::string::npos) return fail(kExpected, written);
    std::string time = words[0].substr(slash + 1);
    if (time.empty()) return fail(kExpected, written);
    if (time[0] < '0' || time[0] > '9') time.insert(0, "1");  // "50/s"
    const auto count = parse_integer(words[0].substr(0, slash));
    const auto per = parse_duration(time);
    if (!count || !per || *count < 1 || *per <= Duration{}) return fail(kExpected, written);
    rate.count = *count;
    rate.per = *per;
    return rate;
}

Result<std::vector<Hours>> parse_hours(std::string_view written)
{
    std::vector<Hours> hours;
    std::uint8_t days = 0;
    bool pending = false;  // days were named, their hours are still to come: "Mon, Wed 09:00-17:00"
    for (const std::string& item : parse_list(written)) {
        if (!pending) days = 0;
        for (const std::string& word : text::words(item)) {
            if (const auto named = parse_days(word)) {
                days = static_cast<std::uint8_t>((pending ? days : 0) | *named);
                pending = true;
                continue;
            }
            const auto span = parse_span(word, days == 0 ? std::uint8_t{0x7f} : days);
            if (!span) return fail("expected hours such as 08:00-18:00 or 'Mon-Fri 09:00-17:00', got '{}'", word);
            hours.push_back(*span);
            pending = false;
        }
    }
    if (pending) return fail("expected hours after the days in '{}'", written);
    return hours;
}

Result<std::vector<sys::ResourceLimit>> parse_limits(std::string_view written)
{
    std::vector<sys::ResourceLimit> limits;
    for (const std::string& item : parse_list(written)) {
        for (const std::string& word : text::words(item)) {
            const auto limit = parse_limit(word);
            if (!limit) return tl::unexpected<Error>(limit.error());
            std::erase_if(limits, [&](const auto& before) { return before.resource == limit->resource; });
            limits.push_back(*limit);
        }
    }
    return limits;
}

}  // namespace xsv::config
