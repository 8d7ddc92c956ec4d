#include "sys/socket_address.h"

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <sys/un.h>

#include "base/text.h"

namespace xsv::sys {
namespace {

Result<SocketAddress> unix_address(const Endpoint& endpoint)
{
    SocketAddress address;
    auto& name = reinterpret_cast<sockaddr_un&>(address.storage);
    if (endpoint.path.empty() || endpoint.path.size() >= sizeof name.sun_path) {
        return fail("'{}': a unix path has 1 to {} bytes", endpoint.path, sizeof name.sun_path - 1);
    }
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, endpoint.path.data(), endpoint.path.size());
    const bool is_abstract = endpoint.path.front() == '@';
    if (is_abstract) name.sun_path[0] = '\0';
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + endpoint.path.size() + (is_abstract ? 0 : 1));
    return address;
}

Result<std::uint32_t> scope_of(const std::string& zone)
{
    if (const std::uint32_t index = ::if_nametoindex(zone.c_str())) return index;
    if (const auto number = text::to_int(zone); number && *number > 0 && *number < INT32_MAX) return static_cast<std::uint32_t>(*number);
    auto failure = fail("there is no interface '{}'", zone);
    failure.value().code = ENODEV;
    return failure;
}

}  // namespace

bool SocketAddress::operator==(const SocketAddress& other) const noexcept
{
    if (family() != other.family()) return false;
    if (family() == AF_INET) {
        const auto &a = reinterpret_cast<const sockaddr_in&>(storage), &b = reinterpret_cast<const sockaddr_in&>(other.storage);
        return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
    }
    if (family() == AF_INET6) {
        const auto &a = reinterpret_cast<const sockaddr_in6&>(storage), &b = reinterpret_cast<const sockaddr_in6&>(other.storage);
        return a.sin6_port == b.sin6_port && a.sin6_scope_id == b.sin6_scope_id && std::memcmp(&a.sin6_addr, &b.sin6_addr, 16) == 0;
    }
    if (family() == AF_VSOCK) {
        const auto &a = reinterpret_cast<const sockaddr_vm&>(storage), &b = reinterpret_cast<const sockaddr_vm&>(other.storage);
        return a.svm_cid == b.svm_cid && a.svm_port == b.svm_port;
    }
    if (family() == AF_NETLINK)
        return reinterpret_cast<const sockaddr_nl&>(storage).nl_groups == reinterpret_cast<const sockaddr_nl&>(other.storage).nl_groups;
    return family() == AF_UNIX && unix_name(*this) == unix_name(other);
}

Result<SocketAddress> socket_address(const Endpoint& endpoint, bool four)
{
    if (endpoint.family == Family::Unix) return unix_address(endpoint);
    SocketAddress address;
    if (endpoint.family == Family::Vsock) {
        auto& vsock = reinterpret_cast<sockaddr_vm&>(address.storage);
        vsock.svm_family = AF_VSOCK;
        vsock.svm_cid = endpoint.host.empty() ? VMADDR_CID_ANY : static_cast<unsigned>(text::to_int(endpoint.host).value_or(0));
        vsock.svm_port = endpoint.number;
        address.length = sizeof vsock;
        return address;
    }
    if (endpoint.family == Family::Netlink) {
        auto& netlink = reinterpret_cast<sockaddr_nl&>(address.storage);
        netlink.nl_family = AF_NETLINK;
        netlink.nl_groups = endpoint.number;
        address.length = sizeof netlink;
        return address;
    }
    if (endpoint.family == Family::Inet4 || four) {
        auto& inet = reinterpret_cast<sockaddr_in&>(address.storage);
        inet.sin_family = AF_INET;
        inet.sin_port = htons(endpoint.port);
        address.length = sizeof inet;
        if (!endpoint.host.empty() && ::inet_pton(AF_INET, endpoint.host.c_str(), &inet.sin_addr) != 1) {
            return fail("'{}' is not an IPv4 address", endpoint.host);
        }
        return address;
    }
    auto& inet = reinterpret_cast<sockaddr_in6&>(address.storage);
    inet.sin6_family = AF_INET6;
    inet.sin6_port = htons(endpoint.port);
    address.length = sizeof inet;
    if (endpoint.host.empty()) return address;
    const auto percent = endpoint.host.find('%');
    if (::inet_pton(AF_INET6, endpoint.host.substr(0, percent).c_str(), &inet.sin6_addr) != 1) {
        return fail("'{}' is not an IPv6 address", endpoint.host);
    }
    if (percent == std::string::npos) return address;
    auto scope = scope_of(endpoint.host.substr(percent + 1));
    if (!scope) return tl::unexpected(std::move(scope).error());
    inet.sin6_scope_id = *scope;
    return address;
}

SocketAddress bound_address(int fd)
{
    SocketAddress address;
    address.length = sizeof address.storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length) < 0) return {};
    return address;
}

std::string unix_name(const SocketAddress& address)
{
    constexpr socklen_t kOffset = offsetof(sockaddr_un, sun_path);
    if (address.family() != AF_UNIX || address.length <= kOffset) return {};
    const auto& name = reinterpret_cast<const sockaddr_un&>(address.storage);
    const std::string_view bytes(name.sun_path, address.length - kOffset);
    if (bytes.front() == '\0') return std::string(bytes);
    return std::string(bytes.substr(0, bytes.find('\0')));
}

int kernel_protocol(const Endpoint& endpoint)
{
    if (endpoint.family == Family::Netlink) return netlink_protocol(endpoint.host).value_or(-1);
    switch (endpoint.protocol) {
    case Protocol::Sctp: return IPPROTO_SCTP;
    case Protocol::Mptcp: return IPPROTO_MPTCP;
    case Protocol::UdpLite: return IPPROTO_UDPLITE;
    case Protocol::Usual: break;
    }
    return 0;
}

int kernel_type(SocketType type)
{
    switch (type) {
    case SocketType::Stream: return SOCK_STREAM;
    case SocketType::Datagram: case SocketType::Passed: return SOCK_DGRAM;
    case SocketType::SeqPacket: return SOCK_SEQPACKET;
    case SocketType::Raw: return SOCK_RAW;
    case SocketType::Fifo: case SocketType::File: case SocketType::Queue: break;
    }
    return -1;
}

}  // namespace xsv::sys
