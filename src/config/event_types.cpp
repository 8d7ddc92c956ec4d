#include "config/event_types.h"

#include <algorithm>

namespace xsv::config {

EventSet events_of(std::string_view name)
{
    const bool is_parent = std::find(kEventParents.begin(), kEventParents.end(), name) != kEventParents.end();
    EventSet set = 0;
    for (std::size_t i = 0; i < kEventNames.size(); ++i) {
        const std::string_view one = kEventNames[i];
        const bool below = one.starts_with(name) && one.size() > name.size() && one[name.size()] == '_';
        if (one == name || name == "EVENT" || (is_parent && below)) set |= event_bit(static_cast<EventType>(i));
    }
    return set;
}

}  // namespace xsv::config
