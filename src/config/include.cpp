#include <algorithm>
#include <cerrno>
#include <set>

#include "base/text.h"
#include "config/dialect.h"
#include "config/sections.h"
#include "config/systemd/unit.h"
#include "config/values.h"

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
        static const std::vector<std::string> kKeys = {"files", "xinetd", "inetd", "systemd", "import_unsafe"};
        for (const auto& [name, key] : include.keys)
            if (std::find(kKeys.begin(), kKeys.end(), name) == kKeys.end())
                report_.warning(key.place, "include", name, "unknown key" + suggestion(name, kKeys));
        if (const IniKey* files = include.find("files")) {
            for (const std::string& pattern : words_of(*files)) include_pattern(pattern, files->place);
        } else if (!include.has("xinetd") && !include.has("inetd") && !include.has("systemd")) {
            return report_.fatal(include.place, "include", "", ".ini file has [include] section, but no files setting");
        }
        TranslationRules rules;
        if (const IniKey* unsafe = include.find("import_unsafe")) {
            const auto flag = parse_boolean(unsafe->value);
            if (!flag) report_.mistake(unsafe->place, "include", "import_unsafe", flag.error().message);
            rules.unsafe = flag.value_or(false);
        }
        for (const Dialect dialect : {Dialect::Xinetd, Dialect::Inetd, Dialect::Systemd})
            if (const IniKey* key = include.find(dialect_name(dialect))) include_dialect(dialect, *key, rules);
    }

    std::vector<std::string> words_of(const IniKey& key)
    {
        Names here = names_;
        here["host_node_name"] = surroundings_.host;
        here["here"] = Surroundings::folder_of(key.place.file);
        const auto patterns = expand(key.value, here, {}, "include." + key.name);
        if (!patterns) report_.fatal(key.place, "include", key.name, patterns.error().message);
        return patterns ? text::words(*patterns) : std::vector<std::string>();
    }

    std::vector<std::string> match(const std::string& pattern) const
    {
        const std::string folder = pattern.starts_with('/') ? "" : Surroundings::folder_of(file_) + "/";
        return surroundings_.match(literal(folder) + pattern);
    }

    /// All files of a dialect at once: units of one pair may match different patterns.
    void include_dialect(Dialect dialect, const IniKey& key, const TranslationRules& rules)
    {
        std::vector<std::string> files;
        for (const std::string& pattern : words_of(key)) {
            auto found = match(pattern);
            // "foo@x.socket" of foo@.socket: an instance has no file of its own.
            if (const auto unit = systemd::UnitName::parse(pattern); found.empty() && dialect == Dialect::Systemd && unit && !unit->instance.empty()) {
                const std::string folder = pattern.substr(0, pattern.size() - unit->full.size());
                for (const std::string& file : match(folder + unit->of_template()))
                    found.push_back(Surroundings::folder_of(file) + "/" + unit->full);
            }
            if (found.empty()) {
                const bool is_pattern = pattern.find_first_of("*?[") != std::string::npos;
                if (is_pattern) report_.warning(key.place, "include", key.name, fmt::format("no file matches \"{}\"", pattern));
                else report_.mistake(key.place, "include", key.name, fmt::format("there is no file \"{}\"", pattern));
            }
            for (const std::string& file : found)
                if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
        }
        Translation translation = translate(dialect, files, surroundings_, rules);
        for (const std::string& file : translation.files) report_.imported(file);
        for (Remark& remark : translation.remarks) report_.add(std::move(remark));
        for (IniSection& section : translation.sections) {
            if (const Section* known = sections_.find(section.name))
                report_.mistake(section.place, section.name, "",
                                fmt::format("[{}] is already defined at {}:{}", section.name, known->place.file, known->place.line));
            else
                sections_.add_translated(section);
        }
    }

    void include_pattern(const std::string& pattern, const Place& place)
    {
        const std::string folder = pattern.starts_with('/') ? "" : Surroundings::folder_of(file_) + "/";
        const auto found = match(pattern);
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
