#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace xsv::wire {

std::string base64_encode(std::string_view bytes);
/// White space is skipped, as in mail; nullopt when anything else is no base64 or the end is missing.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace xsv::wire
