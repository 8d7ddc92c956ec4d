#include <cerrno>
#include <set>

#include "base/text.h"
#include "config/sections.h"

namespace xsv::config {
namespace {

/// Python's glob.escape(): the folder of the main file is a name and no pattern.
std::string literal(std::string_view folder)
{
    std::string pattern;
    for (const char c : folder) {
        if (c == '*' || c == '?' || c == '[')
            pattern += std::string("[") + c + "]";
        else
            pattern += c;
    }
    return pattern;
}

/// Supervisor's sentence with the reason behind it; a reason that begins with the file's name would name it twice.
std::string could_not_read(const std::string& file, const Error& error)
{
    std::string_view why = error.message;
    if (why.starts_with("could not")) return error.message;
    if (why.starts_with(file + ": ")) why.remove_prefix(file.size() + 2);
    return fmt::format("could not read config file {}: {}", file, error.code != 0 ? errno_text(error.code) : why);
}

class IncludeReader {
public:
    IncludeReader(std::string file, const Names& names, const Surroundings& surroundings, Report& report)
        : file_(std::move(file)),
          names_(names),
          surroundings_(surroundings),
          report_(report)
    {
    }

    Sections run()
    {
        const auto text = surroundings_.read(file_);
        if (!text) {
            report_.fatal({}, "", "", could_not_read(file_, text.error()));
            return std::move(sections_);
        }
        const IniDocument document = parse_ini(*text, file_);
        if (document.sections.empty() && !document.mistakes.empty()) {
            for (const Mistake& mistake : document.mistakes) report_.fatal(mistake.place, "", "", mistake.text);
            return std::move(sections_);
        }
        for (const Mistake& mistake : document.mistakes) {
            if (mistake.section.empty() && !mistake.warning)
                report_.fatal(mistake.place, "", "", mistake.text);
            else
                report_.add(mistake);
        }
        sections_.merge(document);
        // A copy: merging the included files must not move it, and an [include] in one of them has no say.
        if (const Section* include = sections_.find("include")) include_all(Section(*include));
        return std::move(sections_);
    }

private:
    void include_all(const Section& include)
    {
        for (const auto& [name, key] : include.keys) {
            if (name == "files") continue;
            if (name == "xinetd" || name == "inetd" || name == "systemd")
                report_.mistake(key.place, "include", name, "files of this dialect are not supported by this version");
            else
                report_.warning(key.place, "include", name,
                                "unknown key" + suggestion(name, {"files", "xinetd", "inetd", "systemd"}));
        }
        const IniKey* files = include.find("files");
        if (files == nullptr) {
            const bool has_dialect = include.has("xinetd") || include.has("inetd") || include.has("systemd");
            if (!has_dialect)
                report_.fatal(include.place, "include", "", ".ini file has [include] section, but no files setting");
            return;
        }
        Names here = names_;
        here["host_node_name"] = surroundings_.host;
        here["here"] = Surroundings::folder_of(files->place.file);
        const auto patterns = expand(files->value, here, {}, "include.files");
        if (!patterns) return report_.fatal(files->place, "include", "files", patterns.error().message);
        for (const std::string& pattern : text::words(*patterns)) include_pattern(pattern, files->place);
    }

    void include_pattern(const std::string& pattern, const Place& place)
    {
        const bool is_absolute = pattern.starts_with('/');
        const std::string folder = is_absolute ? "" : Surroundings::folder_of(file_) + "/";
        const auto found = surroundings_.match(literal(folder) + pattern);
        if (found.empty())
            report_.warning(place, "include", "files", fmt::format("No file matches via include \"{}{}\"", folder, pattern));
        for (const std::string& name : found) {
            if (is_main(name))
                report_.mistake(place, "include", "files",
                                fmt::format("\"{}\" makes the file include itself", pattern));
            else
                include_file(name);
        }
    }

    bool is_main(const std::string& name) const { return canonical(name) == canonical(file_); }
    static std::string canonical(const std::string& name);

    void include_file(const std::string& name)
    {
        const auto text = surroundings_.read(name);
        report_.included(name);
        // The rest of the configuration can do without this file; a reload is refused all the same.
        if (!text) return report_.mistake({name, 0}, "", "", text.error().message);
        const IniDocument document = parse_ini(*text, name);
        for (const Mistake& mistake : document.mistakes) report_.add(mistake);
        IniDocument kept;
        for (const IniSection& section : document.sections) {
            if (section.name != "include")
                kept.sections.push_back(section);
            else
                report_.warning(section.place, "include", "", "ignored: only the main file can include others");
        }
        sections_.merge(kept);
    }

    std::string file_;
    const Names& names_;
    const Surroundings& surroundings_;
    Report& report_;
    Sections sections_;
};

std::string IncludeReader::canonical(const std::string& name)
{
    char* const path = ::realpath(name.c_str(), nullptr);
    std::string result = path != nullptr ? path : name;
    std::free(path);
    return result;
}

}  // namespace

Sections read_files(const std::string& file, const Names& names, const Surroundings& surroundings, Report& report)
{
    return IncludeReader(file, names, surroundings, report).run();
}

}  // namespace xsv::config
