#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "engine/notify_message.h"

/// A notification, as hostile bytes: dropped, or values that are fit to be shown and passed on.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto message = xsv::engine::parse_notification({reinterpret_cast<const char*>(data), size});
    if (!message) return 0;
    for (const auto& shown : {message->status, message->bus_error, message->varlink_error})
        if (shown && (!xsv::text::is_utf8(*shown) || shown->find('\n') != std::string::npos)) std::abort();
    if (message->fd_name.find_first_of(": \n") != std::string::npos) std::abort();
    return 0;
}
