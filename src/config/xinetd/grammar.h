#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/dialect.h"

/// The files of xinetd as written: nothing merged, nothing understood but the grammar, everything with its place.
namespace xsv::config::xinetd {

enum class Operator : std::uint8_t { Set, Add, Remove };

struct Attribute {
    Place place;
    std::string name;   ///< lower case
    Operator op = Operator::Set;
    std::vector<std::string> values;
};

/// Why xinetd drops a whole entry, and where.
struct Fault {
    Place place;
    std::string text;
};

struct Statement {
    enum class Kind : std::uint8_t { Service, Defaults, Include, IncludeDirectory };
    Kind kind = Kind::Service;
    Place place;
    std::string name;   ///< of the service, the file or the folder
    std::vector<Attribute> attributes;
    std::vector<Fault> faults;   ///< none: the entry is sound
};

/// Reads the text of one file. What belongs to no entry is remarked in `translation`.
std::vector<Statement> parse(std::string_view text, const std::string& file, Translation& translation);

}  // namespace xsv::config::xinetd
