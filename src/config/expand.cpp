#include "config/expand.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "base/text.h"

namespace xsv::config {
namespace {

constexpr int kWidest = 4096;  // a width is written by hand; beyond this it is an attempt to use up memory

using NameValue = std::variant<std::string, std::int64_t>;

/// One conversion: flags, width, precision and the letter after them.
struct Conversion {
    std::string flags;
    int width = 0, precision = -1;
    char letter = 0;
    std::size_t at = 0;  // index of the letter, for messages
};

class Expansion {
public:
    Expansion(std::string_view format, const Names& names, const Names& more)
        : format_(format),
          names_(names),
          more_(more)
    {
    }

    Result<std::string> run()
    {
        std::string out;
        while (next_ < format_.size()) {
            const auto percent = std::min(format_.find('%', next_), format_.size());
            out.append(format_.substr(next_, percent - next_));
            if (percent == format_.size()) break;
            next_ = percent + 1;
            if (auto done = convert(out); !done) return wrap_error(done);
        }
        return out;
    }

    bool unknown_name() const { return unknown_; }

private:
    static tl::unexpected<Error> wrap_error(Status& failed) { return tl::unexpected<Error>(std::move(failed).error()); }

    bool at_end() const { return next_ >= format_.size(); }

    Status convert(std::string& out)
    {
        if (!at_end() && format_[next_] == '%') {
            ++next_;
            out += '%';
            return {};
        }
        const NameValue* value = nullptr;
        if (!at_end() && format_[next_] == '(') {
            auto name = take_name();
            if (!name) return tl::unexpected<Error>(std::move(name).error());
            value = find(*name);
            if (value == nullptr) {
                unknown_ = true;
                return fail("{}", *name);
            }
        }
        auto conversion = take_conversion();
        if (!conversion) return tl::unexpected<Error>(std::move(conversion).error());
        return render(*conversion, value, out);
    }

    /// Names may contain pairs of brackets, as in Python.
    Result<std::string_view> take_name()
    {
        const std::size_t start = next_ + 1;
        int depth = 0;
        for (; !at_end(); ++next_) {
            if (format_[next_] == '(') ++depth;
            if (format_[next_] == ')' && --depth == 0) return format_.substr(start, next_++ - start);
        }
        return fail("incomplete format key");
    }

    Result<Conversion> take_conversion()
    {
        Conversion conversion;
        while (!at_end() && std::string_view("-+ #0").find(format_[next_]) != std::string_view::npos)
            conversion.flags += format_[next_++];
        if (!at_end() && format_[next_] == '*') return fail("not enough arguments for format string");
        if (auto width = take_number(); !width)
            return fail("width too big");
        else
            conversion.width = *width;
        if (!at_end() && format_[next_] == '.') {
            ++next_;
            if (auto precision = take_number(); !precision)
                return fail("precision too big");
            else
                conversion.precision = *precision;
        }
        // C's length letters mean nothing and are skipped.
        if (!at_end() && std::string_view("hlL").find(format_[next_]) != std::string_view::npos) ++next_;
        if (at_end()) return fail("incomplete format");
        conversion.at = next_;
        conversion.letter = format_[next_++];
        return conversion;
    }

    std::optional<int> take_number()
    {
        int number = 0;
        while (!at_end() && format_[next_] >= '0' && format_[next_] <= '9') {
            number = number * 10 + (format_[next_++] - '0');
            if (number > kWidest) return std::nullopt;
        }
        return number;
    }

    const NameValue* find(std::string_view name) const
    {
        for (const Names* names : {&names_, &more_})
            if (const auto found = names->find(name); found != names->end()) return &found->second;
        return nullptr;
    }

    static Status render(const Conversion& conversion, const NameValue* value, std::string& out)
    {
        const char letter = conversion.letter;
        if (std::string_view("diuoxXeEfFgGcsra").find(letter) == std::string_view::npos) {
            const auto code = static_cast<unsigned>(static_cast<unsigned char>(letter));
            return fail("unsupported format character '{}' (0x{:x}) at index {}", code >= ' ' && code < 0x7f ? letter : '?',
                        code, conversion.at);
        }
        if (value == nullptr) return fail("a name is missing: write %(name){}, or %% for a percent sign", letter);
        if (std::string_view("sra").find(letter) != std::string_view::npos) {
            render_text(conversion, *value, out);
            return {};
        }
        const auto* number = std::get_if<std::int64_t>(value);
        if (letter == 'c' && number == nullptr && std::get<std::string>(*value).size() == 1) {
            render_text(conversion, *value, out);
            return {};
        }
        if (number == nullptr && letter == 'c') return fail("%c requires int or char");
        if (number == nullptr && std::string_view("oxX").find(letter) != std::string_view::npos)
            return fail("%{} format: an integer is required, not str", letter);
        if (number == nullptr && std::string_view("diu").find(letter) != std::string_view::npos)
            return fail("%{} format: a real number is required, not str", letter);
        if (number == nullptr) return fail("must be real number, not str");
        render_number(conversion, *number, out);
        return {};
    }

    static void render_text(const Conversion& conversion, const NameValue& value, std::string& out)
    {
        const auto* number = std::get_if<std::int64_t>(&value);
        std::string shown = number != nullptr ? std::to_string(*number) : std::get<std::string>(value);
        const bool quoted = conversion.letter == 'r' || conversion.letter == 'a';
        if (quoted && number == nullptr) shown = text::repr(shown);
        if (conversion.precision >= 0) shown.resize(bytes_of(shown, static_cast<std::size_t>(conversion.precision)));
        pad(conversion, characters_in(shown), shown, out);
    }

    static bool has_flag(const Conversion& conversion, char flag) { return conversion.flags.find(flag) != std::string::npos; }

    static void pad(const Conversion& conversion, std::size_t size, const std::string& shown, std::string& out)
    {
        const auto width = static_cast<std::size_t>(conversion.width);
        const std::string padding(width > size ? width - size : 0, ' ');
        out += has_flag(conversion, '-') ? shown + padding : padding + shown;
    }

    /// Python counts characters and not bytes.
    static bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }
    static std::size_t characters_in(std::string_view text)
    {
        return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
    }
    static std::size_t bytes_of(std::string_view text, std::size_t characters)
    {
        std::size_t bytes = 0;
        while (bytes < text.size() && (!begins_character(text[bytes]) || characters-- > 0)) ++bytes;
        return bytes;
    }

    /// As Python does it, which differs from C: hexadecimal numbers have a sign, zeros fill also beside a precision.
    static void render_integer(const Conversion& conversion, std::int64_t number, std::string& out)
    {
        const char letter = conversion.letter;
        const auto magnitude = number < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
        std::string digits = letter == 'x'   ? fmt::format("{:x}", magnitude)
                             : letter == 'X' ? fmt::format("{:X}", magnitude)
                             : letter == 'o' ? fmt::format("{:o}", magnitude)
                                             : std::to_string(magnitude);
        std::string sign = number < 0 ? "-" : has_flag(conversion, '+') ? "+" : has_flag(conversion, ' ') ? " " : "";
        if (has_flag(conversion, '#') && std::string_view("xXo").find(letter) != std::string_view::npos) sign += std::string("0") + letter;
        const auto fill = [&](int wanted, std::size_t used) {
            if (wanted > 0 && static_cast<std::size_t>(wanted) > used) digits.insert(0, static_cast<std::size_t>(wanted) - used, '0');
        };
        fill(conversion.precision, digits.size());
        if (has_flag(conversion, '0') && !has_flag(conversion, '-')) fill(conversion.width, sign.size() + digits.size());
        pad(conversion, sign.size() + digits.size(), sign + digits, out);
    }

    static void render_number(const Conversion& conversion, std::int64_t number, std::string& out)
    {
        const bool is_char = conversion.letter == 'c';
        if (std::string_view("diuoxX").find(conversion.letter) != std::string_view::npos)
            return render_integer(conversion, number, out);
        std::string format = "%" + conversion.flags;
        if (conversion.width > 0) format += std::to_string(conversion.width);
        if (conversion.precision >= 0 && !is_char) format += "." + std::to_string(conversion.precision);
        format += conversion.letter;
        std::array<char, 2 * kWidest + 64> buffer{};
        const auto size = is_char ? std::snprintf(buffer.data(), buffer.size(), format.c_str(), static_cast<int>(number))
                                  : std::snprintf(buffer.data(), buffer.size(), format.c_str(), static_cast<double>(number));
        if (size > 0) out.append(buffer.data(), std::min(static_cast<std::size_t>(size), buffer.size() - 1));
    }

    std::string_view format_;
    const Names& names_;
    const Names& more_;
    std::size_t next_ = 0;
    bool unknown_ = false;
};

std::string available(const Names& names, const Names& more)
{
    std::set<std::string> all;
    for (const Names* part : {&names, &more})
        for (const auto& [name, value] : *part) all.insert(name);
    const std::vector<std::string> sorted(all.begin(), all.end());
    return text::join(sorted, ", ");
}

}  // namespace

void add_environment(Names& names, const Environment& environment)
{
    for (const auto& [name, value] : environment) names["ENV_" + name] = value;
}

Result<std::string> expand(std::string_view format, const Names& names, const Names& more, std::string_view label)
{
    if (format.find('%') == std::string_view::npos) return std::string(format);
    Expansion expansion(format, names, more);
    auto result = expansion.run();
    if (result) return result;
    const std::string& reason = result.error().message;
    if (expansion.unknown_name())
        return fail("Format string '{}' for '{}' contains names ({}) which cannot be expanded. Available names: {}",
                    format, label, text::repr(reason), available(names, more));
    return fail("Format string '{}' for '{}' is badly formatted: {}", format, label, reason);
}

}  // namespace xsv::config
