#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace xsv::engine {

enum Said : std::uint32_t { kNothing, kReady, kReloading, kStopping };

/// Shared with the engine that comes after us, which may be a newer one: new fields go to the end, and 0 is their default.
struct NoticeMemory {
    static constexpr std::size_t kMostStored = 128;
    struct Stored {
        std::uint32_t used, poll;
        char name[72];
    };
    std::uint32_t access;              ///< of NOTIFYACCESS, plus one; 0: the configured one
    std::uint32_t said;                ///< Said
    std::int32_t error, exit_status;
    std::int64_t watchdog_ns;          ///< of WATCHDOG_USEC, plus one; 0: the configured one
    std::int64_t last_ping;            ///< ns of the boot clock
    char status[1024];
    Stored stored[kMostStored];
    std::int64_t reload_asked;         ///< reload_signal was sent, and no reload begun since: usec of the monotonic clock; 0: no
    std::int64_t reload_until;         ///< a reload is to be over by then: ns of the boot clock; 0: no limit
    char bus_error[128], varlink_error[128];
};

inline void copy_text(char* target, std::size_t room, std::string_view text)
{
    const std::size_t length = std::min(text.size(), room - 1);
    if (length > 0) std::memcpy(target, text.data(), length);
    target[length] = '\0';
}

}  // namespace xsv::engine
