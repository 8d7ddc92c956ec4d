#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// How systemd writes words, times and sizes.
namespace xsv::config::systemd {

/// Words between blanks; quotes of either kind anywhere, and C's escapes outside and inside of them ("\s" is a blank).
Result<std::vector<std::string>> split_words(std::string_view text);

constexpr std::int64_t kForever = -1;
/// Milliseconds of "5", "1min 30s", "250ms"; kForever for "infinity".
Result<std::int64_t> parse_span(std::string_view text);
/// The same in our own words: "90", "250ms". What never ends is a year.
std::string native_time(std::int64_t milliseconds);

/// Bytes of "64K", "1.5G"; kForever for "infinity".
Result<std::int64_t> parse_size(std::string_view text);
Result<bool> parse_flag(std::string_view text);   ///< 1 yes y true t on, and their contraries

/// "srv-git\x2dhub" -> "srv/git-hub": what an escaped unit name stands for.
std::string unescape_name(std::string_view text);

}  // namespace xsv::config::systemd
