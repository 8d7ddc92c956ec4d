#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace xsv::config::inetd {

/// One "key = value …" of NetBSD's definitions.
struct Option {
    int line = 0;
    std::string key;
    std::vector<std::string> values;
};

/// Where the reading of a text is.
struct Cursor {
    std::string_view text;
    std::size_t position = 0;
    int line = 1;
};

/// From behind "service on" to the ';' that ends the definition, over as many lines as it has; comments are skipped, quotes and
/// escapes read. Error: what is wrong in the cursor's line.
Result<std::vector<Option>> read_definition(Cursor& cursor);
/// To where reading can go on after an error: behind the next ';' or to the next empty line.
void skip_definition(Cursor& cursor);

/// The fields of an entry in one line that says the same: service, type, protocol, wait, user, server, arguments. What cannot
/// be said there stands beside them.
struct Fields {
    std::vector<std::string> words;
    std::string accept_max, ip_max;
    std::vector<std::pair<std::string, std::string>> mistakes, warnings;   ///< option, text
};
Fields fields_of(const std::string& service, const std::vector<Option>& options);

}  // namespace xsv::config::inetd
