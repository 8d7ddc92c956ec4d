#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/json.h"

using namespace xsv::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto value = json::parse(text)) {
        // Not the value itself: what XML forbids in text (U+FFFF) is U+FFFD afterwards.
        const std::string once = json::render(*value, size % 2 == 0);
        const auto again = json::parse(once);
        if (!again || json::render(*again, size % 2 == 0) != once) std::abort();
    }
    if (const auto requests = json::parse_requests(text)) {
        if (requests->items.empty()) std::abort();
        for (const auto& request : requests->items)
            if (!json::parse(json::render_error(request.id.empty() ? "null" : request.id, request.error))) std::abort();
    }
    (void)json::transcode(text);
    return 0;
}
