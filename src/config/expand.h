#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "config/spec.h"

namespace xsv::config {

/// The names that "%(name)s" may use. Numbers stay numbers, so that "%(process_num)02d" works.
using Names = std::map<std::string, std::variant<std::string, std::int64_t>, std::less<>>;

/// Adds every variable as ENV_NAME.
void add_environment(Names& names, const Environment& environment);

/// Python's "%" formatting with a mapping, as Supervisor applies it to values. `names` is searched first, then `more`.
/// The error is Supervisor's sentence; `label` is what it calls the place ("program:x.command").
Result<std::string> expand(std::string_view format, const Names& names, const Names& more, std::string_view label);

}  // namespace xsv::config
