#include <algorithm>

#include "base/text.h"
#include "config/values.h"

namespace xsv::config {
namespace {

/// The tokens of Python's shlex.shlex in its non-POSIX mode with Supervisor's additional word characters. Its habits
/// are part of the file format: quotes stay in the token, a quote inside a word is a letter, '#' starts a comment.
class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}

    Result<std::vector<std::string>> run()
    {
        std::vector<std::string> tokens;
        for (;;) {
            skip_blanks();
            if (next_ >= text_.size()) return tokens;
            const char c = text_[next_];
            if (is_quote(c)) {
                const auto end = text_.find(c, next_ + 1);
                if (end == std::string_view::npos) return fail("No closing quotation");
                tokens.emplace_back(text_.substr(next_, end + 1 - next_));
                next_ = end + 1;
            } else if (is_word(c)) {
                tokens.push_back(take_word());
            } else {
                tokens.emplace_back(1, c);
                ++next_;
            }
        }
    }

private:
    static bool is_quote(char c) { return c == '"' || c == '\''; }
    static bool is_word(char c)
    {
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
               std::string_view("_/.+-():").find(c) != std::string_view::npos;
    }

    void skip_line() { next_ = std::min(text_.find('\n', next_), text_.size()); }

    void skip_blanks()
    {
        for (; next_ < text_.size(); ++next_) {
            if (text_[next_] == '#') skip_line();
            if (next_ >= text_.size() || std::string_view(" \t\r\n").find(text_[next_]) == std::string_view::npos)
                return;
        }
    }

    std::string take_word()
    {
        std::string word;
        for (; next_ < text_.size(); ++next_) {
            const char c = text_[next_];
            if (c == '#') {
                skip_line();
                if (next_ >= text_.size()) break;
            } else if (is_word(c) || is_quote(c)) {
                word += c;
            } else {
                break;
            }
        }
        return word;
    }

    std::string_view text_;
    std::size_t next_ = 0;
};

std::string strip_quotes(std::string_view token)
{
    const auto first = token.find_first_not_of("'\"");
    if (first == std::string_view::npos) return {};
    return std::string(token.substr(first, token.find_last_not_of("'\"") + 1 - first));
}

}  // namespace

Result<Environment> parse_environment(std::string_view written, std::string& ignored)
{
    const auto tokens = Lexer(written).run();
    if (!tokens) return tl::unexpected<Error>(tokens.error());
    Environment environment;
    // Groups of four: key, '=', value, separator. What stands in the separator's place has never been looked at.
    for (std::size_t i = 0; i < tokens->size(); i += 4) {
        if (i + 2 >= tokens->size() || (*tokens)[i + 1] != "=")
            return fail("Unexpected end of key/value pairs in value '{}'", written);
        const std::string name = strip_quotes((*tokens)[i]);
        if (name.empty() || name.find('=') != std::string::npos)
            return fail("'{}' cannot be the name of a variable", (*tokens)[i]);
        set_variable(environment, name, strip_quotes((*tokens)[i + 2]));
        if (i + 3 >= tokens->size()) break;
        const std::string& separator = (*tokens)[i + 3];
        if (separator != "," && separator != ";" && ignored.empty()) ignored = separator;
    }
    return environment;
}

}  // namespace xsv::config
