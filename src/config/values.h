#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/spec.h"

/// Text -> value, one function for each type a key can have. Errors are Supervisor's texts where it has the type, else
/// "expected …, got …"; they do not name the key.
namespace xsv::config {

Result<bool> parse_boolean(std::string_view text);
Result<std::int64_t> parse_integer(std::string_view text);
Result<std::int64_t> parse_byte_size(std::string_view text);  ///< "50MB"; KB, MB, GB of 1024
Result<std::uint32_t> parse_octal(std::string_view text);     ///< at most 07777
Result<double> parse_real(std::string_view text);
Result<Duration> parse_time(std::string_view text);  ///< whole seconds as Python reads them, or with units
Result<Duration> parse_seconds(std::string_view text);  ///< the same, for the keys where Supervisor expects an integer
Result<std::vector<int>> parse_exit_codes(std::string_view text);
/// "75, SIGKILL": numbers are exit codes, names are signals.
Result<ExitWays> parse_exit_ways(std::string_view text);
Result<Autorestart> parse_autorestart(std::string_view text);
Result<Rate> parse_rate(std::string_view text);                 ///< "50/1s", "120/m per source"
Result<RpcProgram> parse_rpc(std::string_view text);            ///< "rstatd/1-3", "100001/2"; names from /etc/rpc
Result<std::vector<Hours>> parse_hours(std::string_view text);  ///< "Mon-Fri 09:00-17:00, Sat 10:00-12:00"
Result<std::vector<sys::ResourceLimit>> parse_limits(
    std::string_view text);  ///< "nofile=1024:4096 core=0 as=unlimited"
/// `find` answers with all addresses of a host. With `unknown`, one that is not known yet (EAGAIN) is no error but a rule that
/// matches nobody, and a sentence there.
Result<std::vector<sys::AddressRule>> parse_address_rules(
    std::string_view text, const std::function<Result<std::vector<std::string>>(const std::string& host)>& find,
    std::vector<std::string>* unknown = nullptr);
Result<int> parse_log_level(std::string_view text);
/// `KEY=value,KEY2="a, b"` as Supervisor's lexer reads it. Text it silently drops is reported in `ignored`.
Result<Environment> parse_environment(std::string_view text, std::string& ignored);

/// Items separated by commas or line ends, trimmed, empty ones left out.
std::vector<std::string> parse_list(std::string_view text);

/// Rule P6. The error is Supervisor's where it has one.
Status check_name(std::string_view name);
/// What Supervisor checks of a process_name before it is expanded.
Status check_name_letters(std::string_view name);

/// Sets the variable, in its place if it stands there already.
void set_variable(Environment& environment, std::string_view name, std::string_view value);

/// What a key with a fixed set of words may say.
template <class E>
struct Word {
    std::string_view word;
    E value;
};

/// "expected queue or refuse, got 'x'"
template <class E, std::size_t N>
Result<E> parse_word(const Word<E> (&words)[N], std::string_view text);

/// A whole number that fits T; the type picks the limits.
template <class T>
Result<T> parse_number(std::string_view text);

// ---------------------------------------------------------------------------------------------------------------------

namespace detail {
std::string lower_trimmed(std::string_view text);
std::string expected_words(std::span<const std::string_view> words, std::string_view got);
}  // namespace detail

template <class E, std::size_t N>
Result<E> parse_word(const Word<E> (&words)[N], std::string_view text)
{
    const std::string wanted = detail::lower_trimmed(text);
    std::string_view all[N];
    for (std::size_t i = 0; i < N; ++i) {
        if (words[i].word == wanted) return words[i].value;
        all[i] = words[i].word;
    }
    return fail("{}", detail::expected_words(all, text));
}

template <class T>
Result<T> parse_number(std::string_view text)
{
    auto number = parse_integer(text);
    if (!number) return tl::unexpected<Error>(std::move(number).error());
    if (!std::in_range<T>(*number)) return fail("{} is out of range", *number);
    return static_cast<T>(*number);
}

}  // namespace xsv::config
