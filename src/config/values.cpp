#include "config/values.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <iterator>

#include "base/log.h"
#include "base/text.h"
#include "config/words.h"

namespace xsv::config {
namespace detail {

std::string lower_trimmed(std::string_view text)
{
    return text::lower(text::trim(text));
}

std::string expected_words(std::span<const std::string_view> words, std::string_view got)
{
    std::string list;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) list += i + 1 == words.size() ? " or " : ", ";
        list += words[i];
    }
    return fmt::format("expected {}, got '{}'", list, got);
}

}  // namespace detail

namespace {

constexpr std::string_view kDigits = "0123456789";

/// The digits of a number as Python's int() takes them: an underscore may stand between two digits.
std::optional<std::string> digits_of(std::string_view text, std::string_view allowed)
{
    std::string digits;
    char before = '_';
    for (const char c : text) {
        if (c == '_' && before == '_') return std::nullopt;
        if (c != '_' && allowed.find(c) == std::string_view::npos) return std::nullopt;
        if (c != '_') digits += c;
        before = c;
    }
    if (before == '_') return std::nullopt;  // also when nothing was written
    return digits;
}

}  // namespace

Result<bool> parse_boolean(std::string_view written)
{
    const std::string word = detail::lower_trimmed(written);
    for (const std::string_view yes : {"true", "yes", "on", "1"})
        if (word == yes) return true;
    for (const std::string_view no : {"false", "no", "off", "0"})
        if (word == no) return false;
    return fail("not a valid boolean value: {}", text::repr(written));
}

Result<std::int64_t> parse_integer(std::string_view written)
{
    std::string_view number = text::trim(written);
    const bool negative = number.starts_with('-');
    if (negative || number.starts_with('+')) number.remove_prefix(1);
    const auto digits = digits_of(number, kDigits);
    if (!digits) return fail("invalid literal for int() with base 10: {}", text::repr(written));
    const auto value = text::to_int((negative ? "-" : "") + *digits);
    if (!value) return fail("{} is out of range", written);
    return *value;
}

Result<std::int64_t> parse_byte_size(std::string_view written)
{
    const std::string lowered = text::lower(written);
    std::string_view number = lowered;
    std::int64_t unit = 1;
    for (const auto& [suffix, size] :
         {std::pair{"kb", 1LL << 10}, std::pair{"mb", 1LL << 20}, std::pair{"gb", 1LL << 30}}) {
        if (!number.ends_with(suffix)) continue;
        number.remove_suffix(2);
        unit = size;
        break;
    }
    auto count = parse_integer(number);
    std::int64_t bytes = 0;
    if (count && __builtin_mul_overflow(*count, unit, &bytes)) return fail("{} is out of range", written);
    if (count) return bytes;
    return count;
}

Result<std::uint32_t> parse_octal(std::string_view written)
{
    std::string_view number = text::trim(written);
    if (number.starts_with('+')) number.remove_prefix(1);
    if (number.starts_with("0o") || number.starts_with("0O")) number.remove_prefix(2);
    const auto digits = digits_of(number, "01234567");
    std::uint32_t mode = 0;
    if (digits) {
        const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), mode, 8);
        if (error == std::errc{} && mode <= 07777) return mode;
    }
    return fail("{} can not be converted to an octal type", written);
}

Result<double> parse_real(std::string_view written)
{
    const std::string_view number = text::trim(written);
    double value = 0;
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || end != number.data() + number.size() || !std::isfinite(value) || value < 0)
        return fail("expected a number such as 2.5, got '{}'", written);
    return value;
}

Result<Duration> parse_time(std::string_view written)
{
    // Supervisor's files say "-1" or "1_000" where it takes any integer; a negative time has always passed.
    if (const auto seconds = parse_integer(written); seconds && *seconds < 0) return Duration{};
    if (const auto seconds = parse_integer(written); seconds) return parse_duration(std::to_string(*seconds));
    return parse_duration(text::trim(written));
}

Result<Duration> parse_seconds(std::string_view written)
{
    auto time = parse_time(written);
    if (!time) return fail("invalid literal for int() with base 10: {}", text::repr(written));
    return time;
}

Result<std::vector<int>> parse_exit_codes(std::string_view written)
{
    std::vector<int> codes;
    if (text::trim(written).empty()) return codes;
    for (const std::string& item : text::split(written, ',')) {
        const auto code = parse_integer(item);
        if (!code || *code < 0 || *code > 255) return fail("not a valid list of exit codes: {}", text::repr(written));
        codes.push_back(static_cast<int>(*code));
    }
    return codes;
}

Result<ExitWays> parse_exit_ways(std::string_view written)
{
    ExitWays ways;
    for (const std::string& item : parse_list(written)) {
        if (const auto code = parse_integer(item)) {
            if (*code < 0 || *code > 255) return fail("expected an exit code from 0 to 255, got {}", *code);
            ways.codes.push_back(static_cast<int>(*code));
        } else if (const auto signal = parse_signal(item)) {
            ways.signals.push_back(*signal);
        } else {
            return fail("expected exit codes and names of signals, got '{}'", item);
        }
    }
    return ways;
}

Result<Autorestart> parse_autorestart(std::string_view written)
{
    constexpr std::pair<std::string_view, Autorestart> kWords[] = {
        {"unexpected", Autorestart::Unexpected}, {"on_success", Autorestart::OnSuccess},   {"on_failure", Autorestart::OnFailure},
        {"on_abnormal", Autorestart::OnAbnormal}, {"on_abort", Autorestart::OnAbort}, {"on_watchdog", Autorestart::OnWatchdog},
    };
    for (const auto& [word, value] : kWords)
        if (detail::lower_trimmed(written) == word) return value;
    const auto flag = parse_boolean(written);
    if (!flag) return fail("invalid 'autorestart' value '{}'", written);
    return *flag ? Autorestart::Always : Autorestart::Never;
}

Result<int> parse_log_level(std::string_view written)
{
    constexpr Word<log::Level> kLevels[] = {
        {"critical", log::Level::critical}, {"error", log::Level::error}, {"warn", log::Level::warn},
        {"info", log::Level::info},         {"debug", log::Level::debug}, {"trace", log::Level::trace},
        {"blather", log::Level::blather},
    };
    const auto level = parse_word(kLevels, written);
    if (!level) return fail("bad logging level name {}", text::repr(written));
    return static_cast<int>(*level);
}

Result<std::vector<sys::AddressRule>> parse_address_rules(
    std::string_view written, const std::function<Result<std::vector<std::string>>(const std::string& host)>& find,
    std::vector<std::string>* unknown)
{
    std::vector<sys::AddressRule> rules;
    for (const std::string& item : parse_list(written)) {
        for (const std::string& word : text::words(item)) {
            if (sys::is_host_name(word)) {
                const bool is_known = std::any_of(rules.begin(), rules.end(), [&](const sys::AddressRule& rule) { return rule.named && rule.text == word; });
                if (is_known) continue;
                const auto addresses = find(word);
                if (!addresses && (addresses.error().code != EAGAIN || unknown == nullptr)) return tl::unexpected(addresses.error());
                if (!addresses) {
                    unknown->push_back(addresses.error().message + "; nobody comes in under this name until it is known");
                    rules.push_back(sys::rule_of_unknown_host(word));
                    continue;
                }
                auto named = sys::rules_of_host(word, *addresses);
                if (named.empty()) return fail("the host name '{}' has no address", word);
                rules.insert(rules.end(), std::make_move_iterator(named.begin()), std::make_move_iterator(named.end()));
                continue;
            }
            auto rule = sys::parse_address_rule(word);
            if (!rule) return tl::unexpected<Error>(std::move(rule).error());
            rules.push_back(*std::move(rule));
        }
    }
    return rules;
}

std::vector<std::string> parse_list(std::string_view written)
{
    std::vector<std::string> items;
    for (const std::string& line : text::split(written, '\n'))
        for (std::string& item : text::split(line, ','))
            if (!item.empty()) items.push_back(std::move(item));
    return items;
}

Status check_name_letters(std::string_view name)
{
    if (const auto bad = name.find_first_of(" :/"); bad != std::string_view::npos)
        return fail("Invalid name: '{}' because of character: '{}'", text::escape_control(name), name[bad]);
    return {};
}

Status check_name(std::string_view name)
{
    if (name.empty()) return fail("Invalid name: '' is empty");
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= ' ' || byte == 0x7f || c == ':' || c == '/')
            return fail("Invalid name: '{}' because of character: '{}'", text::escape_control(name),
                        text::escape_control({&c, 1}));
    }
    if (name.size() > 64) return fail("Invalid name: '{}' is longer than 64 bytes", text::escape_control(name));
    if (!text::is_utf8(name)) return fail("Invalid name: '{}' is not valid UTF-8", text::escape_control(name));
    return {};
}

void set_variable(Environment& environment, std::string_view name, std::string_view value)
{
    const auto found =
        std::find_if(environment.begin(), environment.end(), [&](const auto& entry) { return entry.first == name; });
    if (found != environment.end())
        found->second = value;
    else
        environment.emplace_back(name, value);
}

}  // namespace xsv::config
