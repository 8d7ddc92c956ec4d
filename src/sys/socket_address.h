#pragma once

#include <string>

#include <sys/socket.h>
#include <sys/stat.h>

#include "base/result.h"
#include "sys/endpoint.h"
#include "sys/fd.h"

namespace xsv::sys {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    int family() const noexcept { return storage.ss_family; }
    bool operator==(const SocketAddress& other) const noexcept;
};

/// The address to bind. Dual: [::], or 0.0.0.0 when `four`.
Result<SocketAddress> socket_address(const Endpoint& endpoint, bool four = false);
/// Where a socket is bound, or an address of length 0.
SocketAddress bound_address(int fd);
/// Of a unix socket: the path, or an abstract name with its leading NUL.
std::string unix_name(const SocketAddress& address);

int kernel_type(SocketType type);
/// The third argument of socket(2).
int kernel_protocol(const Endpoint& endpoint);

/// What stands at the endpoint's path, without following a link.
bool stat_path(const std::string& path, struct stat& status);
/// Is the file at `path` the one this socket (or FIFO) was bound to?
bool is_own_path(int fd, const Endpoint& endpoint);

/// Of the links that were made to the path, those that still lead there.
void remove_symlinks(const Endpoint& endpoint, const SocketOptions& options);

/// Opens and binds a unix socket or a FIFO: folders, leftovers, mode, owner.
Result<UniqueFd> open_unix(const Endpoint& endpoint, const SocketOptions& options);
Result<UniqueFd> open_fifo(const Endpoint& endpoint, const SocketOptions& options);
/// A device or a file of the kernel, a message queue, a vsock or netlink socket.
Result<UniqueFd> open_special(const Endpoint& endpoint, const SocketOptions& options);
/// Is `fd` this file or queue?
bool is_special_file(int fd, const Endpoint& endpoint);
/// Mode and owner of the path, if it is still ours.
Status set_path_owner(int fd, const Endpoint& endpoint, const SocketOptions& options);

/// The options an open socket can still take.
Status apply_options(int fd, const Endpoint& endpoint, const SocketOptions& options);
/// Those that count only before bind.
Status apply_bind_options(int fd, int family, const Endpoint& endpoint, const SocketOptions& options);

}  // namespace xsv::sys
