#include "web/server.h"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xsv::web {

namespace {

/// Asked before this process becomes another user, and before it may ask no more.
const uid_t kOwner = ::geteuid();

Peer inet4_peer(const in_addr& address, in_port_t port)
{
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, &address, text.data(), text.size());
    return {fmt::format("{}:{}", text.data(), ntohs(port)), text.data()};
}

Peer inet6_peer(const sockaddr_in6& from)
{
    if (IN6_IS_ADDR_V4MAPPED(&from.sin6_addr)) {
        in_addr address{};
        std::memcpy(&address, from.sin6_addr.s6_addr + 12, sizeof address);
        return inet4_peer(address, from.sin6_port);
    }
    std::array<char, INET6_ADDRSTRLEN> text{}, network{};
    in6_addr prefix = from.sin6_addr;
    std::memset(prefix.s6_addr + 8, 0, 8);  // whoever has one address of a /64 has them all
    ::inet_ntop(AF_INET6, &from.sin6_addr, text.data(), text.size());
    ::inet_ntop(AF_INET6, &prefix, network.data(), network.size());
    return {fmt::format("[{}]:{}", text.data(), ntohs(from.sin6_port)), fmt::format("{}/64", network.data())};
}

}  // namespace

Peer peer_of(int fd)
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {"unknown", "unknown"};
    if (address.ss_family == AF_INET) {
        const auto& from = reinterpret_cast<const sockaddr_in&>(address);
        return inet4_peer(from.sin_addr, from.sin_port);
    }
    if (address.ss_family == AF_INET6) return inet6_peer(reinterpret_cast<const sockaddr_in6&>(address));
    ucred credentials{};
    socklen_t length = sizeof credentials;
    // Only on unix sockets: on TCP the call succeeds too, and says uid -1.
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return {"unknown", "unknown"};
    return {fmt::format("uid {} pid {}", credentials.uid, credentials.pid), fmt::format("uid:{}", credentials.uid),
            credentials.uid == 0 || credentials.uid == kOwner};
}

}  // namespace xsv::web
