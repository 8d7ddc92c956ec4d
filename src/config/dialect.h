#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/ini.h"
#include "config/surroundings.h"

/// Files of other daemons, told in our own words: each entry becomes the [program:x] section that somebody would have
/// written for it by hand, and is read like any other from there on. What is printed by `xsvctl import` is the same
/// sections, so both lead to the same Config.
namespace xsv::config {

enum class Dialect : std::uint8_t { Xinetd, Inetd, Systemd };
std::string_view dialect_name(Dialect dialect);   ///< the key of [include]: "xinetd"

/// What a translation has to say about a line.
struct Remark {
    enum class Weight : std::uint8_t {
        Note,      ///< works, but differently from the old daemon; shown by `check` and `import`
        Warning,   ///< ignored, without harm
        Mistake    ///< the entry is not started: ignoring the line would open or break something
    };
    Weight weight = Weight::Warning;
    Place place;
    std::string section;   ///< "program:x"; empty: the file
    std::string key;       ///< the word of the dialect
    std::string text;
};

struct Translation {
    std::vector<IniSection> sections;   ///< all named "program:x", no name twice; values as in a file ("%" is "%%")
    std::vector<Remark> remarks;        ///< in the order of the files
    std::vector<std::string> files;     ///< all that were read, also those that a file includes

    void note(const Place& place, std::string section, std::string key, std::string text);
    void warning(const Place& place, std::string section, std::string key, std::string text);
    void mistake(const Place& place, std::string section, std::string key, std::string text);
};

/// One section in the making: every key with the place of the line it comes from.
class NativeSection {
public:
    NativeSection(std::string program, Place place);
    const std::string& name() const { return section_.name; }           ///< "program:x"
    void set(std::string_view key, std::string_view value, const Place& place);   ///< replaces; `value` is plain text
    void set(std::string_view key, std::string_view value) { set(key, value, section_.place); }
    bool has(std::string_view key) const { return find(key) != nullptr; }
    const std::string* find(std::string_view key) const;   ///< the value as in a file, nullptr: not set
    IniSection take() { return std::move(section_); }

private:
    IniSection section_;
};

/// One word of a command line or an environment value, quoted so that `command` and `environment` read it back unchanged.
std::string quoted_word(std::string_view word);
std::string command_line(std::span<const std::string> words);
/// Error: a name cannot be written there.
Result<std::string> environment_line(const Environment& environment);

/// `unsafe`: import_unsafe of [include]; words that limit a program's rights are then ignored with a warning.
struct TranslationRules {
    bool unsafe = false;
};

Translation translate_xinetd(const std::vector<std::string>& files, const Surroundings& surroundings, const TranslationRules& rules);
Translation translate_inetd(const std::vector<std::string>& files, const Surroundings& surroundings, const TranslationRules& rules);
Translation translate_systemd(const std::vector<std::string>& files, const Surroundings& surroundings, const TranslationRules& rules);
Translation translate(Dialect dialect, const std::vector<std::string>& files, const Surroundings& surroundings, const TranslationRules& rules);

}  // namespace xsv::config
