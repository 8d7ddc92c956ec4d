#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/expand.h"
#include "config/ini.h"
#include "config/report.h"
#include "config/surroundings.h"

namespace xsv::config {

/// All sections of one name, from every file, merged key by key: the later one wins.
struct Section {
    std::string name;
    Place place;  ///< of its first header
    std::map<std::string, IniKey, std::less<>> keys;
    const Section* defaults = nullptr;  ///< [DEFAULT]

    const IniKey* find(std::string_view key) const;
    bool has(std::string_view key) const { return find(key) != nullptr; }
};

/// The sections of a configuration, in the order of their first appearance.
class Sections {
public:
    /// Appends a file's sections.
    void merge(const IniDocument& document);
    /// A section of another dialect's file: [DEFAULT] is not meant for it, and its name is not there yet.
    void add_translated(const IniSection& section);
    const std::deque<Section>& all() const { return sections_; }
    const Section* find(std::string_view name) const;

private:
    Section& section(const IniSection& from);

    std::deque<Section> sections_;  // a deque: pointers to them stay valid
    std::map<std::string, Section*, std::less<>> by_name_;
    Section* defaults_ = nullptr;
};

/// Reads the main file and what its [include] names. Faults go to the report.
Sections read_files(const std::string& file, const Names& names, const Surroundings& surroundings, Report& report);

/// "; did you mean [program:x]?" and its like for keys.
std::string suggestion(std::string_view word, const std::vector<std::string>& known, std::string_view before = "'",
                       std::string_view after = "'");

}  // namespace xsv::config
