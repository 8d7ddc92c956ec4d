#include "config/ini.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/core.h>
#include <ini.h>

#include "base/text.h"

namespace xsv::config {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";
constexpr std::size_t kMostMistakes = 100;  // per file; a file of another kind would otherwise fill the log

bool is_blank(char c)
{
    return kBlanks.find(c) != std::string_view::npos;
}

/// Where Python's parser sees a comment begin: at a ';' or '#' that follows white space. It looks at the first ';' and the
/// first '#', then at the second of each, and so on, and the first round that finds one decides: "a;b ;c #d" is cut at '#'.
std::size_t comment_start(std::string_view line)
{
    const auto begins = [&](std::size_t at) { return at != std::string_view::npos && (at == 0 || is_blank(line[at - 1])); };
    std::size_t semicolon = line.find(';'), hash = line.find('#');
    while (semicolon != std::string_view::npos || hash != std::string_view::npos) {
        const auto first = std::min(begins(semicolon) ? semicolon : std::string_view::npos, begins(hash) ? hash : std::string_view::npos);
        if (first != std::string_view::npos) return first;
        if (semicolon != std::string_view::npos) semicolon = line.find(';', semicolon + 1);
        if (hash != std::string_view::npos) hash = line.find('#', hash + 1);
    }
    return std::string_view::npos;
}

void cut_comment(std::string& line)
{
    if (const auto start = comment_start(line); start != std::string::npos) line.resize(start);
}

/// Stands between the text and inih. inih asks for lines and gets them without what it would read wrongly: long section
/// names go through as numbers, lines without their comments. It only ever sees one line at a time, so whatever
/// it reports belongs to the line handed out last.
class IniReader {
public:
    IniReader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

    IniDocument run()
    {
        if (const auto nul = text_.find('\0'); nul != std::string_view::npos) {
            line_ =
                1 + static_cast<int>(std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(nul), '\n'));
            mistake("NUL byte: this is not a text file");
            return std::move(document_);
        }
        if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
        set_up_inih();
        if (ini_parse_stream(&IniReader::read, this, &IniReader::handle, this) == -2) mistake("out of memory");
        look_back();
        return std::move(document_);
    }

private:
    enum class Kind { Blank, Header, Key, More };

    static void set_up_inih()
    {
        ini_use_stack = false;
        ini_allow_realloc = true;
        ini_initial_alloc = 4096;
        ini_max_line = static_cast<int>(kLongestLine) + 16;
        ini_allow_multiline = true;
        ini_allow_bom = false;
        ini_allow_inline_comments = false;
        ini_allow_no_value = false;
        ini_stop_on_first_error = false;
    }

    void mistake(std::string text, bool warning = false)
    {
        if (document_.mistakes.size() == kMostMistakes)
            text = "too many mistakes, the rest of them is not listed", warning = false;
        if (document_.mistakes.size() > kMostMistakes) return;
        const auto& sections = document_.sections;
        document_.mistakes.push_back(
            {{file_, line_}, sections.empty() ? "" : sections.back().name, "", std::move(text), warning});
    }

    /// A key line that handle() never saw has no separator.
    void look_back()
    {
        if (kind_ != Kind::Key || answered_) return;
        mistake("expected 'key = value'");
        have_key_ = false;
        kind_ = Kind::Blank;
    }

    std::string take_line()
    {
        // A line ends in "\n", "\r\n" or "\r".
        const auto end = std::min(text_.find_first_of("\r\n", position_), text_.size());
        std::string line(text_.substr(position_, end - position_));
        position_ = end + (text_.substr(end, 2) == "\r\n" ? 2 : 1);
        ++line_;
        if (line.size() > kLongestLine) {
            mistake("line longer than 1 MiB");
            line.clear();
        }
        return line;
    }

    void next_line()
    {
        look_back();
        std::string line = take_line();
        answered_ = false;
        out_ = "\n";
        const auto indent = line.find_first_not_of(kBlanks);
        if (indent != std::string::npos && line[indent] != ';' && line[indent] != '#') cut_comment(line);
        if (indent == std::string::npos || line[indent] == ';' || line[indent] == '#') {
            kind_ = Kind::Blank;
            if (indent == std::string::npos) ++blank_lines_;
        } else if (have_key_ && indent > key_indent_) {
            kind_ = Kind::More;
            // One blank in front is what makes it a continuation for inih.
            out_ = " " + line.substr(indent) + "\n";
        } else if (line[indent] == '[') {
            key_indent_ = indent;
            open_section(line.substr(indent));
        } else {
            kind_ = Kind::Key;
            key_indent_ = indent;
            out_ = line.substr(indent) + "\n";
        }
    }

    void open_section(std::string line)
    {
        kind_ = Kind::Header;
        have_key_ = false;
        // The last bracket ends the name, as in Python. A header without one still opens a section: its keys must not
        // fall into the one before.
        const auto close = line.rfind(']');
        const auto name = close == std::string::npos ? text::trim(std::string_view(line).substr(1))
                                                     : std::string_view(line).substr(1, close - 1);
        document_.sections.push_back({std::string(name), {file_, line_}, {}});
        if (close == std::string::npos) {
            mistake("section header without ']'");
        } else {
            if (name.empty()) mistake("section without a name");
            if (!text::trim(std::string_view(line).substr(close + 1)).empty())
                mistake("text after ']' is ignored", true);
        }
        out_ = fmt::format("[{}]\n", document_.sections.size() - 1);
    }

    /// fgets' contract; called again for the rest of a line that is longer than inih's buffer.
    static char* read(char* buffer, int room, void* self)
    {
        auto& reader = *static_cast<IniReader*>(self);
        if (reader.out_.empty()) {
            if (reader.position_ >= reader.text_.size()) return nullptr;
            reader.next_line();
            reader.handed_ = 0;
        }
        const auto size = std::min(reader.out_.size() - reader.handed_, static_cast<std::size_t>(room - 1));
        std::memcpy(buffer, reader.out_.data() + reader.handed_, size);
        buffer[size] = '\0';
        reader.handed_ += size;
        if (reader.handed_ == reader.out_.size()) reader.out_.clear();
        return buffer;
    }

    /// Always 1: inih's own list of errors knows only the first.
    static int handle(void* self, const char* section, const char* key, const char* value)
    {
        auto& reader = *static_cast<IniReader*>(self);
        reader.answered_ = true;
        reader.take(section, key, value);
        return 1;
    }

    void take(const char* section, const char* key, const char* value)
    {
        if (*section == '\0') {
            mistake(fmt::format("'{}' stands before any [section]", kind_ == Kind::More ? value : key));
            have_key_ = *key != '\0';
            return;
        }
        auto& keys = document_.sections[static_cast<std::size_t>(std::atoi(section))].keys;
        if (kind_ == Kind::More && !keys.empty()) {
            // Blank lines inside a value stay, comment lines vanish.
            keys.back().value.append(static_cast<std::size_t>(blank_lines_) + 1, '\n').append(value);
            blank_lines_ = 0;
            return;
        }
        have_key_ = *key != '\0';
        if (!have_key_) return mistake("expected 'key = value', the key is missing");
        keys.push_back({text::lower(key), value, {file_, line_}});
        blank_lines_ = 0;
    }

    std::string_view text_;
    std::string file_;
    IniDocument document_;
    std::string out_;  // the line inih is being given, its first handed_ bytes are with it already
    std::size_t handed_ = 0, position_ = 0, key_indent_ = 0;
    int line_ = 0, blank_lines_ = 0;
    Kind kind_ = Kind::Blank;
    bool have_key_ = false, answered_ = false;
};

}  // namespace

IniDocument parse_ini(std::string_view text, const std::string& file)
{
    return IniReader(text, file).run();
}

}  // namespace xsv::config
