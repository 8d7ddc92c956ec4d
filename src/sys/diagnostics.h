#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// The kernel's socket diagnostics (netlink): what sockets exist and in which state, without asking any process.
namespace xsv::sys::diagnostics {

/// Sockets of one inet family and protocol with this local port, in one of `states` (a bit for each TCP state).
struct InetSocket {
    std::uint8_t state = 0;
    std::uint8_t source[16] = {};   ///< local address, network order; 4 bytes of it for AF_INET
    std::uint32_t inode = 0;        ///< 0: nobody has accepted it yet (or nobody has it any more)
    std::uint64_t cookie = 0;       ///< the socket's identity, as SO_COOKIE says it
};
Result<std::vector<InetSocket>> inet_sockets(int family, int protocol, std::uint16_t port, std::uint32_t states);

struct UnixSocket {
    std::string name;               ///< as bound; abstract names begin with a NUL
    std::uint32_t receive_queue = 0, send_queue = 0;   ///< of a listener: callers waiting, and how many may
    std::uint32_t file_inode = 0, file_device = 0;     ///< of the bound path; 0 without one
    bool peer_alive = false;
    std::vector<std::uint32_t> callers;   ///< of a listener: inodes of the sockets that wait to be accepted
};
/// Connected sockets that carry this name: the accepted ends have the listener's.
Result<std::vector<UnixSocket>> connected_unix_sockets(std::string_view name);
/// The unix socket with this inode (of the socket itself, as fstat gives it).
Result<UnixSocket> unix_socket(std::uint32_t inode);

/// "nginx, pid 17": a process that has one of these sockets open, as far as /proc shows it; empty: none seen.
std::string holder(const std::vector<std::uint32_t>& inodes);
std::string process_text(int pid);

}  // namespace xsv::sys::diagnostics
