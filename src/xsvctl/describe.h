#pragma once

#include <string>

#include "wire/value.h"

namespace xsv::xsvctl {

/// One row of xsv.show as paragraphs for people: the status line, then a line per member that says something. Members
/// this client has never heard of are printed as they come, so a newer daemon loses nothing.
std::string describe_program(const wire::Value& row);

/// "1.5 GiB", "12 KiB", "900 B"
std::string format_bytes(std::int64_t bytes);

}  // namespace xsv::xsvctl
