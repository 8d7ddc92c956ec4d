#include "builtin/contents.h"

#include <cstdint>
#include <ctime>

namespace xsv::builtin {
namespace {

constexpr std::size_t kCharacters = '~' - ' ' + 1;

}  // namespace

void CharacterRing::append_line(std::string& text)
{
    for (std::size_t i = 0; i < kLine - 2; ++i) text += static_cast<char>(' ' + (start_ + i) % kCharacters);
    text += "\r\n";
    start_ = (start_ + 1) % kCharacters;
}

std::string daytime()
{
    const std::time_t now = std::time(nullptr);
    char text[32] = {};
    constexpr std::size_t kWithoutLineFeed = 24;
    if (::ctime_r(&now, text) == nullptr) return "\r\n";
    return std::string(text).substr(0, kWithoutLineFeed) + "\r\n";
}

std::string time_of_rfc868()
{
    constexpr std::uint64_t kFrom1900To1970 = 2'208'988'800;
    const auto seconds = static_cast<std::uint32_t>(static_cast<std::uint64_t>(std::time(nullptr)) + kFrom1900To1970);
    std::string bytes;
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(seconds >> shift & 0xff);
    return bytes;
}

}  // namespace xsv::builtin
