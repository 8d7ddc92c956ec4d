#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/json.h"

using namespace xsv::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto value = json::parse(text)) {
        const auto again = json::parse(json::render(*value, size % 2 == 0));
        if (!again || encode(*again) != encode(*value)) std::abort();
    }
    if (const auto requests = json::parse_requests(text)) {
        if (requests->items.empty()) std::abort();
        for (const auto& request : requests->items)
            if (!json::parse(json::render_error(request.id.empty() ? "null" : request.id, request.error))) std::abort();
    }
    (void)json::transcode(text);
    return 0;
}
