#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace xsv::config {

/// One key that a configuration may contain, for the man pages, `check` and the fuzzers.
struct DirectiveInfo {
    std::string section;  ///< "supervisord", "program:x", …
    std::string_view key;
    std::string_view expected;  ///< "yes or no", "a time such as 5, 500ms or 2m", …
    std::string_view initial;   ///< the value when the key is absent
    std::string_view help;
};

/// All of them, section by section, in the order people read them.
std::vector<DirectiveInfo> all_directives();

/// The keys of one kind of section ("program:web", "unix_http_server:two"); empty for kinds we do not know.
std::vector<std::string> keys_of(std::string_view section);

}  // namespace xsv::config
