#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "sys/fd.h"

namespace xsv::sys {

/// One datagram of a notification socket, and who the kernel says has sent it.
struct Notification {
    std::string text;
    pid_t pid = 0;                 ///< 0: the kernel does not say
    uid_t uid = 0;
    std::vector<UniqueFd> fds;
    bool whole = true;             ///< false: longer than kLongestNotification, or descriptors were lost
};
constexpr std::size_t kLongestNotification = 4096;

/// A datagram socket whose senders are known. `path` empty: an abstract name of the kernel's choice. With an owner only
/// that user (and root) may send to the path; without, everybody may where we are root, since a program of root's may
/// become anybody, and the kernel says who has sent. A file that stands at the path is replaced.
Result<UniqueFd> open_notify_socket(const std::string& path, std::optional<uid_t> owner);
/// What programs find in NOTIFY_SOCKET: the path, or "@name".
std::string notify_address(int socket);
/// The next datagram; nothing when there is none. Never blocks.
std::optional<Notification> receive_notification(int socket);

/// The process that a pidfd stands for; 0: it is none, or its process has ended.
pid_t pid_of(int pidfd);

/// What is known of a process by its number.
struct ProcessFacts {
    pid_t parent = 0, group = 0, session = 0;
    char state = '?';
    std::uint64_t start_ticks = 0;
};
std::optional<ProcessFacts> process_facts(pid_t pid);

}  // namespace xsv::sys
