#pragma once

#include <charconv>
#include <string>
#include <string_view>

namespace xsv::wire {

inline void append_integer(std::string& out, std::int64_t n)
{
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
}

/// The shortest text that reads back as the same number; always recognizable as a real one ("1.0").
void append_real(std::string& out, double d);

}  // namespace xsv::wire
