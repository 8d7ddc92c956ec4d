#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/core.h>

namespace xsv::text {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

/// Length of the valid UTF-8 sequence at the start, or 0. Surrogates, overlong forms and beyond U+10FFFF are invalid.
std::size_t sequence_length(std::string_view s)
{
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || s.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    const unsigned second = byte(1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    return length;
}

std::size_t edit_distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

}  // namespace

std::string_view trim(std::string_view text)
{
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string lower(std::string_view text)
{
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return result;
}

bool iequals(std::string_view a, std::string_view b) { return a.size() == b.size() && lower(a) == lower(b); }

std::vector<std::string> split(std::string_view text, char separator)
{
    std::vector<std::string> items;
    for (;;) {
        const auto at = text.find(separator);
        items.emplace_back(trim(text.substr(0, at)));
        if (at == std::string_view::npos) return items;
        text.remove_prefix(at + 1);
    }
}

std::vector<std::string> words(std::string_view text)
{
    std::vector<std::string> items;
    for (;;) {
        const auto first = text.find_first_not_of(kBlanks);
        if (first == std::string_view::npos) return items;
        const auto last = text.find_first_of(kBlanks, first);
        items.emplace_back(text.substr(first, last - first));
        if (last == std::string_view::npos) return items;
        text.remove_prefix(last);
    }
}

std::string join(std::span<const std::string> items, std::string_view separator)
{
    std::string result;
    for (const std::string& item : items) {
        if (&item != items.data()) result += separator;
        result += item;
    }
    return result;
}

std::string replace_all(std::string text, std::string_view from, std::string_view to)
{
    for (std::size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

std::optional<std::int64_t> to_int(std::string_view text)
{
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::string escape_control(std::string_view text)
{
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        const auto c = static_cast<unsigned char>(text[0]);
        const bool is_c1 = length == 2 && c == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
        if (length == 0 || c < 0x20 || c == 0x7f) {
            result += fmt::format("\\x{:02x}", c);
            text.remove_prefix(1);
        } else if (is_c1) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[1]));
            text.remove_prefix(2);
        } else {
            result += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    return result;
}

std::string replace_invalid(std::string_view text)
{
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        const auto c = static_cast<unsigned char>(text[0]);
        const bool forbidden = c < 0x20 && c != '\t' && c != '\n' && c != '\r';
        const bool noncharacter = length == 3 && text.substr(0, 2) == "\xef\xbf" && static_cast<unsigned char>(text[2]) >= 0xbe;
        if (length == 0 || forbidden || noncharacter) {
            result += "\xef\xbf\xbd";
            text.remove_prefix(length == 0 ? 1 : length);
        } else {
            result += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    return result;
}

bool is_utf8(std::string_view text)
{
    while (!text.empty()) {
        std::uint64_t eight = 0;  // most text is ASCII
        if (text.size() >= sizeof eight && (std::memcpy(&eight, text.data(), sizeof eight), (eight & 0x8080808080808080u) == 0)) {
            text.remove_prefix(sizeof eight);
            continue;
        }
        const std::size_t length = sequence_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates)
{
    std::optional<std::string> best;
    std::size_t best_distance = word.size() >= 10 ? 4 : word.size() >= 4 ? 3 : 2;  // one more than what is accepted
    for (const std::string& candidate : candidates) {
        if (candidate.size() > word.size() + 4 || word.size() > candidate.size() + 4) continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::uint64_t hash(std::string_view text) noexcept
{
    std::uint64_t h = 14695981039346656037u;
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return h;
}

std::string repr(std::string_view text)
{
    const char quote = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
    std::string result(1, quote);
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        const auto c = static_cast<unsigned char>(text[0]);
        if (c == '\\' || c == static_cast<unsigned char>(quote)) {
            result += '\\';
            result += text[0];
        } else if (c == '\n' || c == '\r' || c == '\t') {
            result += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
        } else if (length == 0 || c < 0x20 || c == 0x7f) {
            result += fmt::format("\\x{:02x}", c);
        } else {
            result += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return result + quote;
}

std::string bytes_repr(std::string_view bytes)
{
    const char quote = bytes.find('\'') != std::string_view::npos && bytes.find('"') == std::string_view::npos ? '"' : '\'';
    std::string result = std::string("b") + quote;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\\' || c == quote) result += std::string("\\") + c;
        else if (c == '\n' || c == '\r' || c == '\t') result += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
        else if (byte < 0x20 || byte >= 0x7f) result += fmt::format("\\x{:02x}", byte);
        else result += c;
    }
    return result + quote;
}

}  // namespace xsv::text
