#include "proxy/proxy_header.h"

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace xsv::proxy {
namespace {

/// One end in the form the protocol wants.
struct End {
    int family = AF_UNSPEC;
    std::string address;   ///< in network order
    in_port_t port = 0;    ///< likewise

    explicit End(const sockaddr_storage& storage)
    {
        if (storage.ss_family == AF_INET) {
            const auto& four = reinterpret_cast<const sockaddr_in&>(storage);
            set(AF_INET, &four.sin_addr, 4, four.sin_port);
        } else if (storage.ss_family == AF_INET6) {
            const auto& six = reinterpret_cast<const sockaddr_in6&>(storage);
            if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) set(AF_INET, six.sin6_addr.s6_addr + 12, 4, six.sin6_port);
            else set(AF_INET6, &six.sin6_addr, 16, six.sin6_port);
        }
    }
    void set(int of, const void* bytes, std::size_t length, in_port_t number)
    {
        family = of;
        address.assign(static_cast<const char*>(bytes), length);
        port = number;
    }
    std::string text() const
    {
        char buffer[INET6_ADDRSTRLEN] = {};
        ::inet_ntop(family, address.data(), buffer, sizeof buffer);
        return buffer;
    }
    std::string port_bytes() const { return {reinterpret_cast<const char*>(&port), sizeof port}; }
};

std::string version_1(const End& from, const End& to, bool known)
{
    if (!known) return "PROXY UNKNOWN\r\n";
    return std::string("PROXY ") + (from.family == AF_INET ? "TCP4 " : "TCP6 ") + from.text() + " " + to.text() + " " + std::to_string(ntohs(from.port)) +
           " " + std::to_string(ntohs(to.port)) + "\r\n";
}

std::string version_2(const End& from, const End& to, bool known)
{
    constexpr char kProxied = 0x21, kUnknown = 0x00, kTcp4 = 0x11, kTcp6 = 0x21;
    std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
    header += kProxied;
    header += !known ? kUnknown : from.family == AF_INET ? kTcp4 : kTcp6;
    const std::string addresses = known ? from.address + to.address + from.port_bytes() + to.port_bytes() : std::string();
    header += '\0';
    header += static_cast<char>(addresses.size());
    return header + addresses;
}

}  // namespace

std::string proxy_header(Protocol protocol, int caller)
{
    if (protocol == Protocol::None) return {};
    sockaddr_storage from{}, to{};
    socklen_t length = sizeof from;
    ::getpeername(caller, reinterpret_cast<sockaddr*>(&from), &length);
    length = sizeof to;
    ::getsockname(caller, reinterpret_cast<sockaddr*>(&to), &length);
    const End source(from), destination(to);
    const bool known = source.family != AF_UNSPEC && source.family == destination.family;
    return protocol == Protocol::V1 ? version_1(source, destination, known) : version_2(source, destination, known);
}

}  // namespace xsv::proxy
