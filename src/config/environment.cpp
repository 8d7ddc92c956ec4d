#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "config/values.h"

namespace xsv::config {
namespace {

/// A character of UTF-8 that is no letter of a word is one token, however many bytes it has.
std::size_t size_of_character(std::string_view text)
{
    std::size_t size = 1;
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) ++size;
    return size;
}

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
                const auto size = size_of_character(text_.substr(next_));
                tokens.emplace_back(text_.substr(next_, size));
                next_ += size;
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

/// The tokens of shlex.shlex in its POSIX mode, as Supervisor reads them since 4.4: quotes are taken off, also inside a
/// word, and a backslash takes the meaning from a quote or from itself.
class PosixLexer {
public:
    explicit PosixLexer(std::string_view text) : text_(text) {}

    Result<std::vector<std::string>> run()
    {
        std::vector<std::string> tokens;
        while (next_ < text_.size()) {
            const char c = text_[next_];
            if (is_blank(c)) {
                ++next_;
            } else if (c == '#') {
                next_ = std::min(text_.find('\n', next_), text_.size());
            } else if (is_part(c)) {
                auto word = take_word();
                if (!word) return tl::unexpected<Error>(std::move(word).error());
                tokens.push_back(*std::move(word));
            } else {
                tokens.emplace_back(1, c);
                ++next_;
            }
        }
        return tokens;
    }

private:
    static bool is_blank(char c) { return std::string_view(" \t\r\n").find(c) != std::string_view::npos; }
    static bool is_part(char c)
    {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x80 || std::isalnum(byte) != 0 || std::string_view("_/.+-():\\'\"").find(c) != std::string_view::npos;
    }

    Result<std::string> take_word()
    {
        std::string word;
        while (next_ < text_.size() && is_part(text_[next_])) {
            const char c = text_[next_++];
            if (c == '\\') {
                if (next_ == text_.size()) return fail("No escaped character");
                word += text_[next_++];
            } else if (c == '"' || c == '\'') {
                if (auto done = take_quoted(c, word); !done) return tl::unexpected<Error>(std::move(done).error());
            } else {
                word += c;
            }
        }
        return word;
    }

    Status take_quoted(char quote, std::string& word)
    {
        for (; next_ < text_.size(); ++next_) {
            const char c = text_[next_];
            const bool escapes = c == '\\' && quote == '"' && next_ + 1 < text_.size() && (text_[next_ + 1] == '"' || text_[next_ + 1] == '\\');
            if (c == quote) return ++next_, Status{};
            word += escapes ? text_[++next_] : c;
        }
        return fail("No closing quotation");
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

/// What was written between quotes, in either mode.
std::string unquoted(const std::string& token, bool posix)
{
    return posix ? token : strip_quotes(token);
}

Result<Environment> read_pairs(std::string_view written, const Result<std::vector<std::string>>& tokens, bool posix, std::string& ignored)
{
    if (!tokens) return tl::unexpected<Error>(tokens.error());
    Environment environment;
    // Groups of four: key, '=', value, separator. What stands in the separator's place has never been looked at.
    for (std::size_t i = 0; i < tokens->size(); i += 4) {
        if (i + 2 >= tokens->size() || (*tokens)[i + 1] != "=")
            return fail("Unexpected end of key/value pairs in value '{}'", written);
        const std::string name = unquoted((*tokens)[i], posix);
        if (name.empty() || name.find('=') != std::string::npos)
            return fail("'{}' cannot be the name of a variable", (*tokens)[i]);
        set_variable(environment, name, unquoted((*tokens)[i + 2], posix));
        if (i + 3 >= tokens->size()) break;
        const std::string& separator = (*tokens)[i + 3];
        if (separator != "," && separator != ";" && ignored.empty()) ignored = separator;
    }
    return environment;
}

}  // namespace

Result<Environment> parse_environment(std::string_view written, std::string& ignored)
{
    std::string dropped, dropped_too;
    auto environment = read_pairs(written, Lexer(written).run(), false, dropped);
    if (environment && dropped.empty()) return environment;
    // What Supervisor 4.2.5 refuses or cuts short, as A="a\"b", may be whole to its successor.
    auto whole = read_pairs(written, PosixLexer(written).run(), true, dropped_too);
    if (whole && dropped_too.empty()) return whole;
    ignored = dropped;
    return environment;
}

}  // namespace xsv::config
