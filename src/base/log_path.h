#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace xsv::log {

/// 1 or 2 for the names of this process's own stdout and stderr ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"), else -1.
int standard_stream(std::string_view path);

/// Where the link `name` leads, which stands in `directory`; `path` is the whole of its path. Nothing: it is no link.
/// Error: somebody else than root and this process's user could have placed it there, so it is not followed (rule L2).
Result<std::optional<std::string>> own_link(int directory, const std::string& name, const std::string& path);

}  // namespace xsv::log
