#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace xsv::text {

std::string_view trim(std::string_view text);
std::string lower(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
std::vector<std::string> split(std::string_view text, char separator);      ///< items trimmed, empty ones kept
std::vector<std::string> words(std::string_view text);                      ///< split at white space
std::string join(std::span<const std::string> items, std::string_view separator);
std::string replace_all(std::string text, std::string_view from, std::string_view to);

/// Decimal with optional sign; the whole text must be the number.
std::optional<std::int64_t> to_int(std::string_view text);

/// Control bytes and invalid UTF-8 as \xNN, so that one event stays one line (rule L8).
std::string escape_control(std::string_view text);
/// Invalid UTF-8 and what XML 1.0 forbids become U+FFFD; the result is valid UTF-8.
std::string replace_invalid(std::string_view text);
bool is_utf8(std::string_view text);

/// The candidate a user most likely meant (edit distance at most 2, or 3 for long words), or nullopt.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

/// FNV-1a, 64 bits: for keys and names, not for secrets.
std::uint64_t hash(std::string_view text) noexcept;

/// Python's repr(): 'x', "it's", backslash escapes; Supervisor's messages quote with it.
std::string repr(std::string_view text);
/// The same of bytes: b'\xff'.
std::string bytes_repr(std::string_view bytes);

}  // namespace xsv::text
