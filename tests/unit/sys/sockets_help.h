#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "sys/endpoint.h"
#include "sys/fd.h"

namespace test {

using namespace xsv;

inline sockaddr_storage address_of(int fd)
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return address;
}

inline std::uint16_t port_of(int fd)
{
    const auto address = address_of(fd);
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);  // at the same place in both families
}

/// Connects over loopback; `four`: an IPv4 caller on a dual-stack socket.
inline sys::UniqueFd call(int listener, bool four = false)
{
    const auto bound = address_of(listener);
    const bool use_four = four || bound.ss_family == AF_INET;
    sys::UniqueFd fd(::socket(use_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to4{};
    to4.sin_family = AF_INET;
    to4.sin_port = htons(port_of(listener));
    to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    to6.sin6_port = htons(port_of(listener));
    to6.sin6_addr = in6addr_loopback;
    const bool done = use_four ? ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to4), sizeof to4) == 0
                               : ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to6), sizeof to6) == 0;
    if (!done) fd.reset();
    return fd;
}

inline socklen_t unix_address(sockaddr_un& address, const std::string& path)
{
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@') address.sun_path[0] = '\0';
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
}

/// An abstract name is the whole machine's, and another test run may be going on.
inline std::string only_ours(const std::string& name) { return name + "-" + std::to_string(::getpid()); }

inline sys::UniqueFd call_unix(const sys::Endpoint& endpoint, const std::string& own_name = "")
{
    const int type = endpoint.type == sys::SocketType::Stream ? SOCK_STREAM : endpoint.type == sys::SocketType::Datagram ? SOCK_DGRAM : SOCK_SEQPACKET;
    sys::UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un own{}, to{};
    if (!own_name.empty()) {
        const auto size = unix_address(own, own_name);
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&own), size) == 0);
    }
    const auto size = unix_address(to, endpoint.path);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), size) < 0) fd.reset();
    return fd;
}

}  // namespace test
