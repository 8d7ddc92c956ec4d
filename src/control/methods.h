#pragma once

#include <string_view>
#include <vector>

namespace xsv::control {

/// One method that clients may call, for the manual pages.
struct MethodInfo {
    std::string_view name;
    std::string_view signature;  ///< types, the result's first
    int least;                   ///< parameters; further ones may be absent
    std::string_view help;
};

/// All of them, sorted by name.
std::vector<MethodInfo> all_methods();

}  // namespace xsv::control
