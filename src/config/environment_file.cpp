#include <algorithm>

#include "base/text.h"
#include "config/values.h"
#include "config/words.h"
#include "sys/files.h"

namespace xsv::config {
namespace {

constexpr std::size_t kLongestFile = std::size_t{1} << 20;

bool is_padding(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/// systemd's grammar: NAME=value to the end of the line, quotes anywhere in the value, backslash escapes, and at the
/// end of a line continues it; lines that begin with '#' or ';' are comments.
class EnvironmentReader {
public:
    explicit EnvironmentReader(std::string_view text) : text_(text) {}

    Result<Environment> run()
    {
        for (skip_blank_lines(); next_ < text_.size(); skip_blank_lines()) {
            if (auto done = take_assignment(); !done) return tl::unexpected<Error>(std::move(done).error());
        }
        return std::move(environment_);
    }

private:
    void skip_blank_lines()
    {
        for (; next_ < text_.size(); ++next_) {
            if (text_[next_] == '#' || text_[next_] == ';') next_ = std::min(text_.find('\n', next_), text_.size());
            if (next_ == text_.size()) return;
            if (!is_padding(text_[next_]) && text_[next_] != '\n') return;
            if (text_[next_] == '\n') ++line_;
        }
    }

    Status take_assignment()
    {
        const int line = line_;
        const auto end = std::min(text_.find('\n', next_), text_.size());
        const auto equals = text_.find('=', next_);
        if (equals == std::string_view::npos || equals > end) return fail("line {}: expected NAME=value", line);
        std::string_view name = text::trim(text_.substr(next_, equals - next_));
        if (name.starts_with("export ")) name = text::trim(name.substr(7));
        if (!is_name(name))
            return fail("line {}: '{}' is not the name of a variable", line, text::escape_control(name));
        next_ = equals + 1;
        while (next_ < text_.size() && is_padding(text_[next_])) ++next_;
        std::string value;
        if (auto done = take_value(value, line); !done) return done;
        if (value.find('\0') != std::string::npos) return fail("line {}: the value contains a NUL byte", line);
        set_variable(environment_, name, value);
        return {};
    }

    Status take_value(std::string& value, int line)
    {
        std::size_t kept = 0;  // blanks at the end do not belong to the value, unless they were quoted
        while (next_ < text_.size()) {
            const char c = text_[next_++];
            if (c == '\n') {
                ++line_;
                break;
            }
            if (c == '\'' || c == '"') {
                if (!take_quoted(c, value)) return fail("line {}: no closing quotation", line);
                kept = value.size();
            } else if (c == '\\') {
                take_escaped(value);
                kept = value.size();
            } else {
                value += c;
                if (!is_padding(c)) kept = value.size();
            }
        }
        value.resize(kept);
        return {};
    }

    void take_escaped(std::string& value)
    {
        if (next_ == text_.size()) return;
        const char c = text_[next_++];
        if (c == '\n')
            ++line_;
        else
            value += c;
    }

    bool take_quoted(char quote, std::string& value)
    {
        while (next_ < text_.size()) {
            const char c = text_[next_++];
            if (c == quote) return true;
            if (c == '\n') ++line_;
            const bool escapes = c == '\\' && quote == '"' && next_ < text_.size() &&
                                 std::string_view("\"\\`$\n").find(text_[next_]) != std::string_view::npos;
            if (escapes)
                take_escaped(value);
            else
                value += c;
        }
        return false;
    }

    static bool is_name(std::string_view name)
    {
        if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
        for (const char c : name)
            if (c != '_' && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return false;
        return true;
    }

    std::string_view text_;
    std::size_t next_ = 0;
    int line_ = 1;
    Environment environment_;
};

}  // namespace

Result<Environment> read_environment_file(const std::string& path)
{
    auto text = sys::read_file(path, kLongestFile);
    if (!text) return tl::unexpected<Error>(std::move(text).error());
    auto environment = EnvironmentReader(*text).run();
    if (!environment) return wrap(environment, path);
    return environment;
}

}  // namespace xsv::config
