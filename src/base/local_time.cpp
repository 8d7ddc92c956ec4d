#include "base/local_time.h"

#include <ctime>

namespace xsv {

std::string format_local(std::int64_t wall_seconds, const char* format)
{
    const std::time_t time = wall_seconds;
    std::tm parts{};
    ::localtime_r(&time, &parts);
    char text[64];
    return {text, std::strftime(text, sizeof text, format, &parts)};
}

}  // namespace xsv
