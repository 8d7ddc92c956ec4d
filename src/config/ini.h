#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/spec.h"

namespace xsv::config {

/// One file in Supervisor's grammar, exactly as written: nothing expanded, nothing merged, everything with its place.
struct IniKey {
    std::string name;   ///< lower case
    std::string value;  ///< continuation lines joined with '\n', comments gone
    Place place;
};

struct IniSection {
    std::string name;  ///< as written between the brackets
    Place place;
    std::vector<IniKey> keys;  ///< duplicates included, in order
};

struct IniDocument {
    std::vector<IniSection> sections;  ///< duplicates included, in order
    std::vector<Mistake> mistakes;     ///< every bad line, with the section it stands in
};

/// Reads the text of one file. Never fails as a whole, unless the text cannot be a configuration at all (NUL bytes):
/// then there is one mistake and no section. `file` is the name for places.
IniDocument parse_ini(std::string_view text, const std::string& file);

/// Longer lines are refused: nobody writes them, and they cost memory in every process that reads the file.
constexpr std::size_t kLongestLine = std::size_t{1} << 20;

}  // namespace xsv::config
