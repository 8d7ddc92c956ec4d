#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "config/spec.h"

namespace xsv::engine {

/// What one notification says, as systemd's sd_notify(3) has it. Unknown names are ignored.
struct NotifyMessage {
    bool ready = false, reloading = false, stopping = false;
    bool watchdog = false, watchdog_trigger = false;
    bool restart_reset = false;
    bool store = false, store_remove = false, poll = true;
    bool barrier = false;              ///< stands alone
    bool main_pidfd = false;           ///< the new main process came as a descriptor
    std::optional<std::string> status, bus_error, varlink_error;
    std::optional<pid_t> main_pid;
    std::optional<int> error, exit_status;
    std::optional<std::uint64_t> watchdog_usec, extend_usec, monotonic_usec;
    std::optional<config::NotifyAccess> access;
    std::string fd_name;               ///< empty: none was said
};

/// Nothing: it holds a NUL, is too long, or is no list of NAME=VALUE lines.
std::optional<NotifyMessage> parse_notification(std::string_view text);

}  // namespace xsv::engine
