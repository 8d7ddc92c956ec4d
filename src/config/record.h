#pragma once

#include <string>
#include <string_view>

#include "config/spec.h"

namespace xsv::config {

/// The configuration of record (rule G6): a Config as bytes, with resolved ids, versioned and length-delimited.
/// decode() treats its input as hostile: it returns an error, it never crashes.
std::string encode(const Config& config);
Result<Config> decode(std::string_view bytes);

}  // namespace xsv::config
