#include "config/inetd/lines.h"

#include <algorithm>

#include "base/text.h"

namespace xsv::config::inetd {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";
constexpr std::string_view kOff = "#<off>#";
constexpr std::size_t kMostMistakes = 100;  // per file; a file of another kind would otherwise fill the log

/// An indented line is read as OpenBSD's inetd does, as more arguments of the entry above it; to inetutils it is an entry.
bool looks_like_entry(const std::vector<std::string>& words)
{
    constexpr std::string_view kTypes[] = {"stream", "dgram", "raw", "rdm", "seqpacket"};
    return words.size() >= 6 && std::find(std::begin(kTypes), std::end(kTypes), words[1]) != std::end(kTypes);
}

class LineReader {
public:
    LineReader(std::string_view text, const std::string& file, Translation& translation)
        : text_(text),
          file_(file),
          translation_(translation)
    {
    }

    std::vector<Line> run()
    {
        if (text_.find('\0') != std::string_view::npos) {
            translation_.mistake({file_, 0}, "", "", "NUL byte: this is not a text file");
            return {};
        }
        while (position_ < text_.size() && mistakes_ <= kMostMistakes) next();
        return std::move(lines_);
    }

private:
    Place here() const { return {file_, number_}; }

    void mistake(std::string text)
    {
        if (++mistakes_ > kMostMistakes) text = "too many mistakes, the rest of the file is not read";
        translation_.mistake(here(), "", "", std::move(text));
    }

    void next()
    {
        const auto end = std::min(text_.find('\n', position_), text_.size());
        const std::string_view line = text_.substr(position_, end - position_);
        position_ = end + 1;
        ++number_;
        if (line.size() > kLongestLine) return mistake("line longer than 1 MiB");
        const auto indent = line.find_first_not_of(kBlanks);
        const bool follows = std::exchange(follows_, false);
        if (indent == std::string_view::npos) return;
        if (line[indent] == '#') return comment(line, indent, follows);
        Line entry{here(), text::words(line), false, false, {}};
        if (indent > 0 && follows) return continuation(std::move(entry.words));
        if (entry.words.size() >= 2 && is_switch(entry.words[1])) return definition(std::move(entry), line);
        add(std::move(entry));
    }

    /// "on", "off", and a comment may follow at once.
    static bool is_switch(std::string_view word)
    {
        const std::string_view name = word.substr(0, word.find('#'));
        return name == "on" || name == "off";
    }

    /// NetBSD's form may go over many lines, and another entry may follow its ';' in the same line.
    void definition(Line entry, std::string_view line)
    {
        const auto service = line.find(entry.words[0]);
        const auto word = line.find(entry.words[1], service + entry.words[0].size());
        entry.off = entry.words[1].starts_with("off");
        entry.is_definition = true;
        entry.words.resize(1);
        Cursor cursor{text_, static_cast<std::size_t>(line.data() - text_.data()) + word + (entry.off ? 3 : 2), number_};
        auto options = read_definition(cursor);
        if (options) entry.options = *std::move(options);
        number_ = cursor.line;
        if (!options) {
            mistake(fmt::format("{}: {}", text::escape_control(entry.words[0].substr(0, 128)), options.error().message));
            skip_definition(cursor);
        } else {
            lines_.push_back(std::move(entry));
        }
        // What is left of the line is read as a line of its own; its number is counted again.
        position_ = cursor.position;
        number_ = cursor.line - 1;
        if (const auto end = std::min(text_.find('\n', position_), text_.size()); text_.substr(position_, end - position_).find_first_not_of(kBlanks) == std::string_view::npos) {
            position_ = end + 1;
            number_ = cursor.line;
        }
    }

    void add(Line line)
    {
        lines_.push_back(std::move(line));
        follows_ = true;
    }

    void comment(std::string_view line, std::size_t indent, bool follows)
    {
        if (indent > 0) {
            if (!follows) return;
            translation_.warning(here(), "", "", "an indented comment, skipped; openbsd-inetd makes it arguments of the entry above");
            follows_ = true;
            return;
        }
        if (line.starts_with(kOff)) {
            Line entry{here(), text::words(line.substr(kOff.size())), true, false, {}};
            if (!entry.words.empty()) add(std::move(entry));
        } else if (line.starts_with("#@") && line.find("ipsec") != std::string_view::npos) {
            mistake("an IPsec policy for the entries below, which is not supported: set it with the kernel's tools and remove the line");
        }
    }

    void continuation(std::vector<std::string> words)
    {
        follows_ = true;
        if (looks_like_entry(words))
            return mistake("an indented line that looks like an entry: openbsd-inetd reads arguments of the entry above, inetutils an entry; "
                           "expected it at the beginning of the line, or in one line with the entry it belongs to");
        auto& all = lines_.back().words;
        all.insert(all.end(), std::make_move_iterator(words.begin()), std::make_move_iterator(words.end()));
    }

    std::string_view text_;
    const std::string& file_;
    Translation& translation_;
    std::vector<Line> lines_;
    std::size_t position_ = 0, mistakes_ = 0;
    int number_ = 0;
    bool follows_ = false;  // the line above is part of an entry
};

}  // namespace

std::vector<Line> read_lines(std::string_view text, const std::string& file, Translation& translation)
{
    return LineReader(text, file, translation).run();
}

}  // namespace xsv::config::inetd
