#pragma once

#include <cstdint>
#include <string>

namespace xsv {

/// Local time by strftime's rules, in English as the C locale has it.
std::string format_local(std::int64_t wall_seconds, const char* format);

}  // namespace xsv
