#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/address.h"
#include "sys/endpoint.h"
#include "sys/fd.h"

namespace xsv::sys {

struct QueueLength { int waiting = 0, maximum = 0; };

/// The kernel's sockets. Virtual so that tests can stand in for it.
class Sockets {
public:
    virtual ~Sockets() = default;

    /// Opens, binds and listens: non-blocking, close-on-exec, SO_REUSEADDR, IPV6_V6ONLY set explicitly.
    /// Unix paths: a stale one is removed after a refused connect (on-demand.md row 19); the mode is right from the
    /// first moment (rule C1). An address in use names the holder where /proc shows it.
    /// An error begins with the endpoint.
    virtual Result<UniqueFd> listen(const Endpoint& endpoint, const SocketOptions& options) = 0;
    /// Applies what can change on an open socket (backlog, keepalive, mode, owner …; row 14).
    virtual Status adjust(int fd, const Endpoint& endpoint, const SocketOptions& options) = 0;
    /// Removes the unix path, fifo or queue if it is still the one this socket was bound to (row 20), with the links that were
    /// made to it; not with keep_path.
    virtual void remove_path(int fd, const Endpoint& endpoint, const SocketOptions& options) = 0;
    /// Sets or clears O_NONBLOCK on the open file, shared with every child that has it (row 24).
    virtual Status set_nonblocking(int fd, bool on) = 0;
    /// After a program ended: listen() again if it was shut down (row 22), connect(AF_UNSPEC) on datagram sockets (row 23).
    /// Returns a sentence about what the program had done to the socket, or empty. A unix listener that was shut down stays
    /// so for ever (the kernel offers no way back): then is_bound_to() is false afterwards, and the caller opens a new one.
    virtual std::string repair(int fd, const Endpoint& endpoint, const SocketOptions& options) = 0;
    /// Established connections whose local end is this endpoint, by socket diagnostics (netlink), so not counting
    /// closed ones; those still waiting in the queue count.
    virtual Result<int> connections(int fd, const Endpoint& endpoint) = 0;
    virtual Result<QueueLength> queue(int fd, const Endpoint& endpoint) = 0;
    /// Identities of those who wait in the queue (for datagrams: of the first one). Who is no longer among them was taken.
    virtual std::vector<std::uint64_t> callers(int fd, const Endpoint& endpoint) = 0;
    /// Takes one caller off the queue; an empty descriptor: nobody was waiting. `peer` says who it is.
    virtual Result<UniqueFd> accept(int fd, Peer& peer) = 0;
    /// Last words for an accepted caller, sent before the end so that he can read them.
    virtual void refuse(UniqueFd connection, std::string_view text) = 0;
    /// Reads one waiting datagram away. False: none.
    virtual bool discard_one(int fd) = 0;
    /// Is somebody waiting? (poll with no time-out)
    virtual bool has_arrival(int fd) = 0;
    /// Which endpoint a socket from elsewhere is.
    virtual Result<Endpoint> describe(int fd) = 0;
    /// What is bound at `fd`, as Endpoint::text() would say it; for checking received descriptors (rule F7).
    virtual bool is_bound_to(int fd, const Endpoint& endpoint) = 0;
};

std::unique_ptr<Sockets> kernel_sockets();

}  // namespace xsv::sys
