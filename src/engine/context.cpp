#include "engine/context.h"

namespace xsv::engine {

void PidIndex::remove(pid_t pid, std::uint32_t slot)
{
    const auto [first, last] = slots_.equal_range(pid);
    for (auto at = first; at != last; ++at) {
        if (at->second != slot) continue;
        slots_.erase(at);
        return;
    }
}

std::optional<std::uint32_t> PidIndex::oldest(pid_t pid, const Table& table) const
{
    std::optional<std::uint32_t> best;
    const auto [first, last] = slots_.equal_range(pid);
    for (auto at = first; at != last; ++at)
        if (!best || table.at(at->second).sequence < table.at(*best).sequence) best = at->second;
    return best;
}

}  // namespace xsv::engine
