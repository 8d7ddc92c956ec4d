#include "config/systemd/text.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "base/text.h"

namespace xsv::config::systemd {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

void append_utf8(std::string& to, std::uint32_t point)
{
    if (point < 0x80) {
        to += static_cast<char>(point);
        return;
    }
    const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    constexpr unsigned kLead[] = {0, 0xc0, 0xe0, 0xf0};
    to += static_cast<char>(kLead[more] | point >> (6 * more));
    for (int i = more - 1; i >= 0; --i) to += static_cast<char>(0x80 | (point >> (6 * i) & 0x3f));
}

class Splitter {
public:
    explicit Splitter(std::string_view text) : text_(text) {}

    Result<std::vector<std::string>> run()
    {
        std::vector<std::string> words;
        while (skip_blanks()) {
            std::string word;
            if (auto done = take_word(word); !done) return tl::unexpected<Error>(std::move(done).error());
            words.push_back(std::move(word));
        }
        return words;
    }

private:
    bool skip_blanks()
    {
        next_ = std::min(text_.find_first_not_of(kBlanks, next_), text_.size());
        return next_ < text_.size();
    }

    Status take_word(std::string& word)
    {
        char quote = 0;
        while (next_ < text_.size()) {
            const char c = text_[next_];
            if (quote == 0 && kBlanks.find(c) != std::string_view::npos) return {};
            ++next_;
            if (c == '\\') {
                if (auto done = take_escape(word); !done) return done;
            } else if (quote == 0 && (c == '"' || c == '\'')) {
                quote = c;
            } else if (c == quote && quote != 0) {
                quote = 0;
            } else {
                word += c;
            }
        }
        if (quote != 0) return fail("the quote {} is not closed", quote);
        return {};
    }

    Status take_escape(std::string& word)
    {
        if (next_ == text_.size()) return fail("there is nothing after the last '\\'");
        constexpr std::string_view kLetters = "abfnrtv\\\"'s", kMeaning = "\a\b\f\n\r\t\v\\\"' ";
        const char c = text_[next_];
        if (const auto letter = kLetters.find(c); letter != std::string_view::npos) {
            word += kMeaning[letter];
            ++next_;
            return {};
        }
        if (c == ';') return keep(word);   // "\;" is told from the separator ";" by whoever asked for words
        ++next_;
        if (c == 'x') return take_number(word, 2, 16, c);
        if (c == 'u') return take_number(word, 4, 16, c);
        if (c == 'U') return take_number(word, 8, 16, c);
        --next_;
        return take_number(word, 3, 8, c);
    }

    Status keep(std::string& word)
    {
        word += "\\";
        word += text_[next_++];
        return {};
    }

    Status take_number(std::string& word, std::size_t digits, int base, char kind)
    {
        std::uint32_t number = 0;
        const std::string_view written = text_.substr(next_, digits);
        const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), number, base);
        if (error != std::errc{} || end != written.data() + digits || written.size() != digits || number == 0 || number > 0x10ffff)
            return fail("unknown escape '\\{}'", kind);
        next_ += digits;
        if (kind == 'u' || kind == 'U') append_utf8(word, number);
        else if (number > 0xff) return fail("unknown escape '\\{}'", written);
        else word += static_cast<char>(number);
        return {};
    }

    std::string_view text_;
    std::size_t next_ = 0;
};

struct Unit {
    std::string_view name;
    double factor;
};

// Milliseconds.
constexpr Unit kTimes[] = {
    {"us", 1e-3}, {"usec", 1e-3}, {"µs", 1e-3},
    {"ms", 1}, {"msec", 1},
    {"", 1e3}, {"s", 1e3}, {"sec", 1e3}, {"second", 1e3}, {"seconds", 1e3},
    {"m", 6e4}, {"min", 6e4}, {"minute", 6e4}, {"minutes", 6e4},
    {"h", 36e5}, {"hr", 36e5}, {"hour", 36e5}, {"hours", 36e5},
    {"d", 864e5}, {"day", 864e5}, {"days", 864e5},
    {"w", 6048e5}, {"week", 6048e5}, {"weeks", 6048e5},
    {"M", 2629800e3}, {"month", 2629800e3}, {"months", 2629800e3},
    {"y", 31557600e3}, {"year", 31557600e3}, {"years", 31557600e3},
};
constexpr Unit kSizes[] = {{"", 1}, {"B", 1}, {"K", 0x1p10}, {"M", 0x1p20}, {"G", 0x1p30}, {"T", 0x1p40}, {"P", 0x1p50}, {"E", 0x1p60}};

/// The sum of "1min 30s". Empty: not in this form.
template <std::size_t N>
std::optional<double> sum(std::string_view text, const Unit (&units)[N])
{
    double total = 0;
    text = text::trim(text);
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        double number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
        if (error != std::errc{} || number < 0) return std::nullopt;
        text = text::trim(text.substr(static_cast<std::size_t>(end - text.data())));
        const std::string_view name = text.substr(0, std::min(text.find_first_of("0123456789 \t"), text.size()));
        const Unit* unit = nullptr;
        for (const Unit& candidate : units)
            if (candidate.name == name) unit = &candidate;
        if (unit == nullptr) return std::nullopt;
        total += number * unit->factor;
        text = text::trim(text.substr(name.size()));
    }
    return total < 1e18 ? std::optional(total) : std::nullopt;
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view text)
{
    return Splitter(text).run();
}

Result<std::int64_t> parse_span(std::string_view text)
{
    if (text::trim(text) == "infinity") return kForever;
    const auto milliseconds = sum(text, kTimes);
    if (!milliseconds) return fail("expected a time such as 5, 1min 30s or infinity, got '{}'", text);
    return static_cast<std::int64_t>(std::ceil(*milliseconds));
}

std::string native_time(std::int64_t milliseconds)
{
    constexpr std::int64_t kYear = 365LL * 24 * 3600;
    if (milliseconds == kForever || milliseconds > kYear * 1000) return std::to_string(kYear);
    if (milliseconds % 1000 == 0) return std::to_string(milliseconds / 1000);
    return fmt::format("{}ms", milliseconds);
}

Result<std::int64_t> parse_size(std::string_view text)
{
    if (text::trim(text) == "infinity") return kForever;
    const auto bytes = sum(text, kSizes);
    if (!bytes) return fail("expected a size such as 4096, 64K or infinity, got '{}'", text);
    return static_cast<std::int64_t>(*bytes);
}

Result<bool> parse_flag(std::string_view text)
{
    const std::string word = text::lower(text::trim(text));
    for (const std::string_view yes : {"1", "yes", "y", "true", "t", "on"})
        if (word == yes) return true;
    for (const std::string_view no : {"0", "no", "n", "false", "f", "off"})
        if (word == no) return false;
    return fail("expected yes or no, got '{}'", text);
}

std::string unescape_name(std::string_view text)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned byte = 0;
        const char* const digits = text.data() + i + 2;
        if (text.substr(i, 2) == "\\x" && i + 4 <= text.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
            plain += static_cast<char>(byte);
            i += 3;
        } else {
            plain += text[i] == '-' ? '/' : text[i];
        }
    }
    return plain;
}

}  // namespace xsv::config::systemd
