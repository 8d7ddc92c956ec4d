#include "config/import.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.h"

namespace xsv::config {
namespace {

constexpr Dialect kDialects[] = {Dialect::Xinetd, Dialect::Inetd, Dialect::Systemd};
constexpr std::string_view kMain = "/import/xsvd.conf";   // exists only in the surroundings we make up

bool is_word(std::string_view word, std::initializer_list<std::string_view> words)
{
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// "[Socket]" -> "Socket"; no header: nothing.
std::string_view header_of(std::string_view line)
{
    const auto close = line.find(']');
    return line.starts_with('[') && close != std::string_view::npos ? line.substr(1, close - 1) : std::string_view();
}

bool is_own_header(std::string_view header)
{
    const auto kind = header.substr(0, header.find(':'));
    return header == "include" || is_word(kind, {"program", "supervisord", "group", "eventlistener", "fcgi-program", "unix_http_server",
                                                 "inet_http_server", "supervisorctl", "rpcinterface", "ctlplugin"});
}

bool is_inetd_entry(const std::vector<std::string>& words)
{
    return (words.size() >= 6 && is_word(std::string_view(words[1]).substr(0, words[1].find_first_of(",:")), {"stream", "dgram", "raw", "rdm", "seqpacket"})) ||
           (words.size() == 1 && words[0].size() > 1 && words[0].ends_with(':')) ||
           (words.size() >= 2 && (is_word(words[1], {"on", "off"}) || words[0] == ".include"));   // NetBSD's
}

bool is_xinetd_line(const std::vector<std::string>& words)
{
    const bool opens = words.size() == 1 || words[1].starts_with('{');
    return (words[0] == "defaults" && opens) || (words.size() == 2 && is_word(words[0], {"include", "includedir"})) ||
           (words[0] == "service" && words.size() >= 2 && (words.size() == 2 || words[2] == "{"));
}

/// What one line tells, if anything.
std::optional<Dialect> telling(std::string_view line)
{
    const std::string_view trimmed = text::trim(line);
    if (is_word(header_of(trimmed), {"Unit", "Socket", "Service", "Install", "Timer", "Path", "Mount", "Slice"})) return Dialect::Systemd;
    if (trimmed.empty() || trimmed.starts_with('#') || trimmed.starts_with(';')) return std::nullopt;
    const auto words = text::words(trimmed);
    if (is_xinetd_line(words)) return Dialect::Xinetd;
    if (is_inetd_entry(words)) return Dialect::Inetd;
    return std::nullopt;
}

std::optional<Dialect> by_name(const std::string& file)
{
    const std::string name = file.substr(file.rfind('/') + 1);
    for (const std::string_view suffix : {".socket", ".service", ".timer", ".target", ".path", ".mount", ".slice"})
        if (name.ends_with(suffix)) return Dialect::Systemd;
    if (file.find("xinetd") != std::string::npos) return Dialect::Xinetd;
    if (file.find("inetd") != std::string::npos) return Dialect::Inetd;
    return std::nullopt;
}

/// The files behind a main file that consists of one [include].
Surroundings with_main_file(const ForeignFiles& files, const Surroundings& surroundings, const TranslationRules& rules)
{
    std::string main = "[include]\n";
    for (const auto& [dialect, names] : files) main += fmt::format("{0} = /import/{0}\n", dialect_name(dialect));
    if (rules.unsafe) main += "import_unsafe = yes\n";
    Surroundings made_up = surroundings;
    made_up.read = [main, read = surroundings.read](const std::string& path) { return path == kMain ? Result<std::string>(main) : read(path); };
    made_up.match = [files, match = surroundings.match](const std::string& pattern) {
        for (const auto& [dialect, names] : files)
            if (pattern == fmt::format("/import/{}", dialect_name(dialect))) return names;
        return match(pattern);
    };
    return made_up;
}

class Printer {
public:
    Printer(const ForeignFiles& files, const Surroundings& surroundings, const TranslationRules& rules)
        : loaded_(load_foreign(files, surroundings, rules))
    {
        for (const auto& [dialect, names] : files) {
            Translation translation = translate(dialect, names, surroundings, rules);
            for (IniSection& section : translation.sections)
                if (names_.insert(section.name).second) sections_.push_back(std::move(section));
            for (const Remark& remark : translation.remarks)
                if (remark.weight == Remark::Weight::Mistake) spoiled_.insert(remark.section);
        }
    }

    Import run(const ForeignFiles& files)
    {
        for (const auto& [dialect, names] : files)
            for (const std::string& name : names) comment("Imported from " + name);
        remarks([this](const Mistake& mistake) { return !names_.contains(mistake.section); }, true);
        for (const IniSection& section : sections_) print(section);
        return std::move(import_);
    }

private:
    void line(std::string_view text) { import_.text.append(text).append("\n"); }
    void comment(const std::string& text) { line("; " + text::escape_control(text)); }

    template <class Wanted>
    void remarks(const Wanted& wanted, bool count)
    {
        const auto all = [&](const std::vector<Mistake>& list, std::string_view word) {
            for (const Mistake& each : list) {
                if (!wanted(each)) continue;
                const bool stands = names_.contains(each.section) && !spoiled_.contains(each.section);
                comment(fmt::format("{}: {}", place_text(each.place), remark(each, &list == &loaded_.mistakes && stands ? "mistake" : word)));
                if (count && &list == &loaded_.mistakes) ++import_.left;
            }
        };
        all(loaded_.mistakes, "not carried over");
        all(loaded_.warnings, "warning");
        all(loaded_.notes, "different");
    }

    static std::string place_text(const Place& place) { return place.line > 0 ? fmt::format("{}:{}", place.file, place.line) : place.file; }

    /// "ignored: After: …" for a warning that After is ignored.
    static std::string remark(const Mistake& each, std::string_view word)
    {
        constexpr std::string_view kIgnored = "ignored";
        std::string_view text = each.text;
        const bool is_ignored = word == "warning" && !each.key.empty() && text.starts_with(kIgnored);
        if (is_ignored) text.remove_prefix(kIgnored.size());
        return fmt::format("{}: {}{}{}", is_ignored ? kIgnored : word, each.key, each.key.empty() || is_ignored ? "" : ": ", text);
    }

    void print(const IniSection& section)
    {
        line("");
        remarks([&](const Mistake& mistake) { return mistake.section == section.name; }, false);
        std::string body = fmt::format("[{}]\n", section.name);
        bool whole = !spoiled_.contains(section.name);
        for (const IniKey& key : section.keys) {
            const std::string written = fmt::format("{} = {}\n", key.name, text::replace_all(key.value, "\n", "\n    "));
            if (!is_read_back(key, written)) {
                comment(fmt::format("{}: not carried over: {}: a file cannot say this value (a ';' or '#' after a blank begins a comment)",
                                    place_text(key.place), key.name));
                whole = false;
            }
            body += written;
        }
        // What would start without one of its settings does not stand there as a program.
        if (whole) ++import_.carried;
        else ++import_.left, body = commented(body);
        import_.text += body;
    }

    /// A line end of another kind would end the comment too.
    static std::string commented(const std::string& body)
    {
        std::string lines;
        for (const std::string& one : text::split(body, '\n'))
            if (!one.empty()) lines += "; " + text::escape_control(one) + "\n";
        return lines;
    }

    static bool is_read_back(const IniKey& key, const std::string& written)
    {
        const IniDocument document = parse_ini("[program:x]\n" + written, "");
        if (!document.mistakes.empty() || document.sections.size() != 1 || document.sections[0].keys.size() != 1) return false;
        const IniKey& read = document.sections[0].keys[0];
        return read.name == key.name && read.value == key.value;
    }

    Loaded loaded_;
    std::vector<IniSection> sections_;
    std::set<std::string> names_, spoiled_;
    Import import_;
};

}  // namespace

Result<Dialect> dialect_of(std::string_view name)
{
    for (const Dialect dialect : kDialects)
        if (name == dialect_name(dialect)) return dialect;
    return fail("expected xinetd, inetd or systemd, got '{}'", text::escape_control(name));
}

Result<Dialect> guess_dialect(const std::string& file, std::string_view text)
{
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        if (is_own_header(header_of(text::trim(line)))) return fail("{}: this is a file of xsvd or Supervisor already", file);
        if (const auto told = telling(line)) return *told;
        at = end + 1;
    }
    if (const auto named = by_name(file)) return *named;
    return fail("{}: expected a file of xinetd, inetd or systemd (--from says which)", file);
}

Loaded load_foreign(const ForeignFiles& files, const Surroundings& surroundings, const TranslationRules& rules)
{
    Loaded loaded = load(std::string(kMain), {}, with_main_file(files, surroundings, rules));
    loaded.config.file = files.empty() || files.begin()->second.empty() ? "" : files.begin()->second.front();
    return loaded;
}

Loaded load_any(const std::string& file, const Overrides& overrides)
{
    Surroundings machine = Surroundings::real();
    if (!overrides.directory.empty()) machine.directory = overrides.directory;
    const std::string path = machine.absolute(file);
    const auto text = machine.read(path);
    const auto dialect = text ? guess_dialect(path, *text) : Result<Dialect>(tl::unexpected(text.error()));
    return dialect ? load_foreign({{*dialect, {path}}}, machine) : load(file, overrides);
}

Import import_files(const ForeignFiles& files, const Surroundings& surroundings, const TranslationRules& rules)
{
    return Printer(files, surroundings, rules).run(files);
}

}  // namespace xsv::config
