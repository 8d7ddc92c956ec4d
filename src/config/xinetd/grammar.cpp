#include "config/xinetd/grammar.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace xsv::config::xinetd {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kSpace = " \t\v\f\r";

std::string_view without_leading_space(std::string_view line)
{
    line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
    return line;
}

/// Only blanks and tabs separate; there are no quotes and no escapes.
std::vector<std::string> words_of(std::string_view line)
{
    std::vector<std::string> words;
    while (true) {
        line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
        if (line.empty()) return words;
        const auto end = std::min(line.find_first_of(kBlanks), line.size());
        words.emplace_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

bool is_only(std::string_view line, char brace)
{
    line = without_leading_space(line);
    return !line.empty() && line.front() == brace && without_leading_space(line.substr(1)).empty();
}

std::optional<Operator> parse_operator(std::string_view word)
{
    if (word == "=") return Operator::Set;
    if (word == "+=") return Operator::Add;
    if (word == "-=") return Operator::Remove;
    return std::nullopt;
}

class Parser {
public:
    Parser(std::string_view text, const std::string& file, Translation& translation) : text_(text), file_(file), translation_(translation) {}

    std::vector<Statement> run()
    {
        if (const auto nul = text_.find('\0'); nul != std::string_view::npos) {
            line_ = 1 + static_cast<int>(std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(nul), '\n'));
            translation_.mistake(here(), "", "", "NUL byte: this is not a text file");
            return {};
        }
        while (next()) read_statement();
        if (carriage_returns_ > 0)
            translation_.warning({file_, carriage_returns_}, "", "", "lines end in CR LF; xinetd would take the CR for a part of the last value");
        return std::move(statements_);
    }

private:
    Place here() const { return {file_, line_}; }

    /// The next line that is neither empty nor a comment.
    bool next()
    {
        while (position_ < text_.size()) {
            const auto end = std::min(text_.find('\n', position_), text_.size());
            current_ = text_.substr(position_, end - position_);
            position_ = end + 1;
            ++line_;
            if (current_.ends_with('\r')) {
                current_.remove_suffix(1);
                if (carriage_returns_ == 0) carriage_returns_ = line_;
            }
            const auto content = without_leading_space(current_);
            if (!content.empty() && content.front() != '#') return true;
        }
        return false;
    }

    void read_statement()
    {
        const auto words = words_of(current_);
        const std::string keyword = words.empty() ? "" : text::lower(words[0]);
        if (keyword == "defaults") return read_entry(Statement::Kind::Defaults, "");
        const bool is_include = keyword == "include" || keyword == "includedir";
        if (!is_include && keyword != "service") return skip_junk();
        if (words.size() < 2) {
            translation_.mistake(here(), "", keyword, is_include ? "expected a path behind it" : "expected a name behind it");
            return skip("an entry without a name");
        }
        if (!is_include) return read_entry(Statement::Kind::Service, words[1]);
        if (words.size() > 2)
            translation_.warning(here(), "", keyword, fmt::format("'{}' is ignored: expected one path", text::escape_control(words[2])));
        statements_.push_back({keyword == "include" ? Statement::Kind::Include : Statement::Kind::IncludeDirectory, here(), words[1], {}, {}});
    }

    /// A '}' too many at the end of a file does no harm; elsewhere xinetd skips to the next one, and the entry before it.
    void skip_junk()
    {
        const Place place = here();
        const bool is_brace = is_only(current_, '}');
        const auto line = text::escape_control(text::trim(current_));
        lost_ = false;
        skip(is_brace ? "a '}' too many" : fmt::format("'{}'", line));
        if (is_brace && !lost_)
            translation_.warning(place, "", "", "a '}' too many");
        else if (!is_brace)
            translation_.mistake(place, "", "", fmt::format("expected service, defaults, include or includedir, got '{}'; all up to the next '}}' is skipped", line));
    }

    /// To the line of the next '}'. What begins before it is lost to xinetd, so it is reported.
    void skip(const std::string& reason)
    {
        while (next()) {
            if (is_only(current_, '}')) return;
            const auto words = words_of(current_);
            const std::string keyword = words.empty() ? "" : text::lower(words[0]);
            if (keyword == "defaults" || (words.size() == 2 && (keyword == "include" || keyword == "includedir"))) {
                lost_ = true;
                translation_.mistake(here(), "", keyword, fmt::format("xinetd skips this because of {} before it", reason));
            }
            if (begins_service()) return read_body(begin(Statement::Kind::Service, words_of(current_)[1], lost(reason)));
        }
    }

    Fault lost(const std::string& reason)
    {
        lost_ = true;
        return {here(), fmt::format("xinetd skips this entry because of {} before it", reason)};
    }

    bool begins_service() const
    {
        const auto words = words_of(current_);
        return words.size() == 2 && text::iequals(words[0], "service") && !parse_operator(words[1]);
    }

    Statement begin(Statement::Kind kind, const std::string& name, std::optional<Fault> fault = {})
    {
        Statement entry{kind, here(), name, {}, {}};
        if (fault) entry.faults.push_back(std::move(*fault));
        return entry;
    }

    void read_entry(Statement::Kind kind, const std::string& name)
    {
        Statement entry = begin(kind, name);
        if (!next()) {
            entry.faults.push_back({entry.place, "expected '{' in the next line, the file ends"});
            statements_.push_back(std::move(entry));
            return;
        }
        // The line in question is gone, even where it was the '}'.
        if (!is_only(current_, '{'))
            entry.faults.push_back({here(), fmt::format("expected '{{' alone in the line below '{}'", kind == Statement::Kind::Service ? "service " + text::escape_control(name) : "defaults")});
        read_body(std::move(entry));
    }

    /// xinetd gives up at the first bad line. Reading on finds the other mistakes, and the id.
    void read_body(Statement entry)
    {
        while (next()) {
            if (is_only(current_, '}')) {
                statements_.push_back(std::move(entry));
                return;
            }
            if (begins_service()) {
                entry.faults.push_back({here(), "expected '}' before the next entry"});
                const std::string reason = fmt::format("the missing '}}' of '{}'", text::escape_control(entry.name));
                statements_.push_back(std::move(entry));
                entry = begin(Statement::Kind::Service, words_of(current_)[1], lost(reason));
            } else {
                read_attribute(entry);
            }
        }
        entry.faults.push_back({here(), "the file ends before the '}' of the entry"});
        statements_.push_back(std::move(entry));
    }

    void read_attribute(Statement& entry)
    {
        auto words = words_of(current_);
        const auto op = words.size() > 1 ? parse_operator(words[1]) : std::nullopt;
        if (op) {
            Attribute attribute{here(), text::lower(words[0]), *op, {}};
            attribute.values.assign(std::make_move_iterator(words.begin() + 2), std::make_move_iterator(words.end()));
            entry.attributes.push_back(std::move(attribute));
            return;
        }
        // Behind a fault the line of a '{' is no news.
        if (entry.faults.size() >= kMostFaults || (is_only(current_, '{') && !entry.faults.empty())) return;
        entry.faults.push_back({here(), fmt::format("expected 'attribute = value' with blanks around the '=', got '{}'", text::escape_control(text::trim(current_)))});
    }

    static constexpr std::size_t kMostFaults = 10;

    std::string_view text_, current_;
    const std::string& file_;
    Translation& translation_;
    std::vector<Statement> statements_;
    std::size_t position_ = 0;
    int line_ = 0, carriage_returns_ = 0;
    bool lost_ = false;   // what stands behind a '}' too many
};

}  // namespace

std::vector<Statement> parse(std::string_view text, const std::string& file, Translation& translation)
{
    return Parser(text, file, translation).run();
}

}  // namespace xsv::config::xinetd
