#pragma once

#include <cstddef>
#include <string>

namespace xsv::builtin {

/// Space to tilde, round and round, 72 to a line: each line begins one character later than the one before.
class CharacterRing {
public:
    static constexpr std::size_t kLine = 72 + 2;   ///< with CR LF
    void append_line(std::string& text);

private:
    std::size_t start_ = 0;
};

std::string daytime();         ///< "Sat Nov 21 15:04:05 2026\r\n", local time
std::string time_of_rfc868();  ///< seconds since 1900, four bytes, most significant first

}  // namespace xsv::builtin
