#include "engine/usage.h"

#include <algorithm>

#include <unistd.h>

#include "base/text.h"
#include "sys/files.h"

namespace xsv::engine {

Usage usage_of(pid_t pid)
{
    constexpr std::size_t kUserTicks = 11, kSystemTicks = 12, kPages = 21;  // fields after the name in parentheses
    const auto stat = sys::read_file(fmt::format("/proc/{}/stat", pid), 4096);
    if (!stat) return {};
    const auto fields = text::words(std::string_view(*stat).substr(std::min(stat->rfind(')') + 1, stat->size())));
    if (fields.size() <= kPages) return {};
    const auto number = [&](std::size_t at) { return text::to_int(fields[at]).value_or(0); };
    return {static_cast<double>(number(kUserTicks) + number(kSystemTicks)) / static_cast<double>(::sysconf(_SC_CLK_TCK)),
            number(kPages) * ::sysconf(_SC_PAGESIZE) / 1024};
}

}  // namespace xsv::engine
