#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace xsv::xsvctl {

/// The script that teaches a shell our commands and the names of programs.
Result<std::string> completion_script(std::string_view shell);

}  // namespace xsv::xsvctl
