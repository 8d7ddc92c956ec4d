#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/dialect.h"

/// What units say about each other, told when all of them are known: After= and Before= become `priority`.
namespace xsv::config::systemd {

class StartOrder {
public:
    /// This unit is part of that section ("program:x").
    void stands_for(const std::string& unit, const std::string& section) { sections_.emplace(unit, section); }
    /// A line of the section names these units. `key`: "After", "Wants" …
    void names(const std::string& section, const std::string& key, const Place& place, std::vector<std::string> units);

    /// A program that comes after others gets a higher `priority` than they have; a line that contradicts those before it is
    /// ignored with a warning, and so are units that nobody has imported.
    void apply(Translation& translation) const;

private:
    struct Line {
        std::string section, key;
        Place place;
        std::vector<std::string> units;
    };
    using Followers = std::map<std::string, std::set<std::string>>;   ///< section -> those that come after it

    void order(const Line& line, const std::string& unit, Followers& followers, Translation& translation) const;

    std::map<std::string, std::string> sections_;   // unit -> section
    std::vector<Line> lines_;
};

}  // namespace xsv::config::systemd
