#pragma once

#include <string>
#include <vector>

#include "config/dialect.h"
#include "config/inetd/definition.h"

namespace xsv::config::inetd {

/// One entry's words, continuation lines joined.
struct Line {
    Place place;
    std::vector<std::string> words;
    bool off = false;   ///< Debian's "#<off># ", NetBSD's "service off": an entry that is switched off
    bool is_definition = false;      ///< NetBSD's "service on key = value, …;": its service is the only word
    std::vector<Option> options;
};

/// The entries of a file. What only looks like a comment, or like an entry, is remarked upon.
std::vector<Line> read_lines(std::string_view text, const std::string& file, Translation& translation);

}  // namespace xsv::config::inetd
