// SocketOptions -> setsockopt.

#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "sys/address_filter.h"
#include "sys/socket_address.h"

namespace xsv::sys {
namespace {

// Not in every libc's headers.
constexpr int kIpv6Transparent = 75, kIpv6Freebind = 78, kPassPidfd = 76, kPassRights = 83;

/// Collects the first failure, so that a list of options reads as one.
class Setter {
public:
    explicit Setter(int fd) : fd_(fd) {}

    void number(const char* name, int level, int option, int value) { bytes(name, level, option, &value, sizeof value); }
    void text(const char* name, int level, int option, const std::string& value) { bytes(name, level, option, value.data(), value.size()); }
    /// Beyond the system's limit where we are allowed to.
    void buffer(const char* name, int forced, int option, int value)
    {
        if (::setsockopt(fd_, SOL_SOCKET, forced, &value, sizeof value) < 0) number(name, SOL_SOCKET, option, value);
    }
    Status result() && { return std::move(result_); }

private:
    void bytes(const char* name, int level, int option, const void* value, std::size_t size)
    {
        if (::setsockopt(fd_, level, option, value, static_cast<socklen_t>(size)) < 0 && result_) {
            result_ = fail_errno(fmt::format("socket option '{}'", name), errno);
        }
    }

    int fd_;
    Status result_;
};

void apply_tcp(Setter& set, const SocketOptions& options)
{
    set.number("nodelay", IPPROTO_TCP, TCP_NODELAY, options.nodelay);
    set.number("keepalive", SOL_SOCKET, SO_KEEPALIVE, options.keepalive);
    if (options.keepalive_idle > 0) set.number("keepalive", IPPROTO_TCP, TCP_KEEPIDLE, options.keepalive_idle);
    if (options.keepalive_interval > 0) set.number("keepalive", IPPROTO_TCP, TCP_KEEPINTVL, options.keepalive_interval);
    if (options.keepalive_probes > 0) set.number("keepalive", IPPROTO_TCP, TCP_KEEPCNT, options.keepalive_probes);
    set.number("defer_accept", IPPROTO_TCP, TCP_DEFER_ACCEPT, options.defer_accept);
    if (!options.congestion.empty()) set.text("congestion", IPPROTO_TCP, TCP_CONGESTION, options.congestion);
}

void apply_inet(Setter& set, bool six, const SocketOptions& options)
{
    if (options.tos >= 0) {
        set.number("tos", IPPROTO_IP, IP_TOS, options.tos);
        if (six) set.number("tos", IPPROTO_IPV6, IPV6_TCLASS, options.tos);
    }
    if (options.ttl > 0) {
        set.number("ttl", IPPROTO_IP, IP_TTL, options.ttl);
        if (six) set.number("ttl", IPPROTO_IPV6, IPV6_UNICAST_HOPS, options.ttl);
    }
    if (options.pktinfo) {
        if (six) set.number("pktinfo", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        else set.number("pktinfo", IPPROTO_IP, IP_PKTINFO, 1);
    }
    if (options.broadcast) set.number("broadcast", SOL_SOCKET, SO_BROADCAST, 1);
}

}  // namespace

Status apply_options(int fd, const Endpoint& endpoint, const SocketOptions& options)
{
    if (endpoint.family == Family::Fifo || endpoint.family == Family::File || endpoint.family == Family::Queue) return {};
    Setter set(fd);
    if (endpoint.family == Family::Dual || endpoint.family == Family::Inet4 || endpoint.family == Family::Inet6) {
        apply_inet(set, bound_address(fd).family() == AF_INET6, options);
        if (endpoint.type == SocketType::Stream && endpoint.protocol != Protocol::Sctp) apply_tcp(set, options);
    }
    if (options.receive_buffer > 0) set.buffer("rcvbuf", SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer);
    if (options.send_buffer > 0) set.buffer("sndbuf", SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer);
    if (options.priority >= 0) set.number("priority", SOL_SOCKET, SO_PRIORITY, options.priority);
    if (options.mark > 0) set.number("mark", SOL_SOCKET, SO_MARK, options.mark);
    if (options.timestamp == SocketOptions::Stamps::Micro) set.number("timestamp", SOL_SOCKET, SO_TIMESTAMP, 1);
    if (options.timestamp == SocketOptions::Stamps::Nano) set.number("timestamp", SOL_SOCKET, SO_TIMESTAMPNS, 1);
    const bool is_unix = endpoint.family == Family::Unix;
    if ((is_unix || endpoint.family == Family::Netlink) && options.passcred) set.number("passcred", SOL_SOCKET, SO_PASSCRED, 1);
    if (is_unix && options.passpidfd) set.number("passpidfd", SOL_SOCKET, kPassPidfd, 1);
    if (is_unix && options.no_passrights) set.number("no_passrights", SOL_SOCKET, kPassRights, 0);
    if (is_unix && options.passsec) set.number("passsec", SOL_SOCKET, SO_PASSSEC, 1);
    return std::move(set).result();
}

Status apply_bind_options(int fd, int family, const Endpoint& endpoint, const SocketOptions& options)
{
    if (!options.allow.empty() || !options.deny.empty())
        if (auto filtered = set_address_filter(fd, options.allow, options.deny, options.access_order); !filtered) return filtered;
    Setter set(fd);
    // Not for datagrams: there it lets a second daemon take a port silently.
    if (endpoint.type == SocketType::Stream) set.number("reuseaddr", SOL_SOCKET, SO_REUSEADDR, 1);
    if (family == AF_INET6) {
        const bool v6only = options.v6only.value_or(endpoint.family == Family::Inet6);
        set.number("v6only", IPPROTO_IPV6, IPV6_V6ONLY, v6only);
    }
    if (options.reuseport) set.number("reuseport", SOL_SOCKET, SO_REUSEPORT, 1);
    if (!options.device.empty()) set.text("device", SOL_SOCKET, SO_BINDTODEVICE, options.device);
    if (options.freebind) {
        if (family == AF_INET6) set.number("freebind", IPPROTO_IPV6, kIpv6Freebind, 1);
        else set.number("freebind", IPPROTO_IP, IP_FREEBIND, 1);
    }
    if (options.transparent) {
        if (family == AF_INET6) set.number("transparent", IPPROTO_IPV6, kIpv6Transparent, 1);
        else set.number("transparent", IPPROTO_IP, IP_TRANSPARENT, 1);
    }
    return std::move(set).result();
}

}  // namespace xsv::sys
