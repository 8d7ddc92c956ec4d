#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/dialect.h"

/// Unit files as written: names, lines, drop-ins. Nothing is expanded or understood here.
namespace xsv::config::systemd {

/// "git@10.socket": prefix "git", instance "10", suffix "socket".
struct UnitName {
    std::string full, prefix, instance, suffix;
    bool has_at = false;
    bool is_template() const { return has_at && instance.empty(); }
    std::string stem() const { return full.substr(0, full.size() - suffix.size() - 1); }
    std::string of_template() const { return prefix + "@." + suffix; }

    /// Of the last part of a path; nullopt: no such name.
    static std::optional<UnitName> parse(std::string_view path);
};

struct Assignment {
    std::string section, key, value;   ///< continuation lines joined, blanks around it gone; may be empty
    Place place;
};

struct BadLine {
    Place place;
    std::string text;
};

struct Unit {
    UnitName name;             ///< with its instance, whatever file it was read from
    Place place;               ///< the line of [Socket] or [Service] in its file; line 0: the file is empty or cannot be read
    std::vector<Assignment> lines;   ///< of the file, then of its drop-ins
    std::vector<BadLine> bad;
};

/// Appends the lines of one file. The first time it notes where the unit's own section begins.
void parse_unit(std::string_view text, const std::string& file, Unit& unit);

/// The units that can be had: those listed, their templates, and what lies beside them.
class UnitFiles {
public:
    UnitFiles(const std::vector<std::string>& files, const Surroundings& surroundings, Translation& translation);
    /// In the order of the list; units of other kinds than .socket and .service are left out with a warning.
    const std::vector<UnitName>& listed() const { return listed_; }
    /// Reads it with its drop-ins. nullptr: there is none. Masked ones (empty files) have no line.
    const Unit* find(const std::string& name);

private:
    std::string file_of(const UnitName& name);
    void add_drop_ins(Unit& unit);
    void read_into(Unit& unit, const std::string& file);

    const Surroundings& surroundings_;
    Translation& translation_;
    std::vector<UnitName> listed_;
    std::map<std::string, std::string> files_;        // name -> path, the first one listed
    std::vector<std::string> folders_;
    std::map<std::string, std::optional<Unit>> units_;
};

}  // namespace xsv::config::systemd
