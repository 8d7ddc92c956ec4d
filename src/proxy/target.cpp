#include "proxy/target.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

namespace xsv::proxy {
namespace {

/// Without the brackets of an IPv6 address.
std::string host_of(std::string_view rest)
{
    const auto colon = rest.rfind(':');
    if (colon == std::string_view::npos) return {};
    std::string_view host = rest.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return std::string(host);
}

bool set_inet4(sys::SocketAddress& address, const std::string& host, in_port_t port)
{
    auto& four = reinterpret_cast<sockaddr_in&>(address.storage);
    four.sin_family = AF_INET;
    four.sin_port = port;
    address.length = sizeof four;
    return ::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1;
}

bool set_inet6(sys::SocketAddress& address, const std::string& host, in_port_t port)
{
    auto& six = reinterpret_cast<sockaddr_in6&>(address.storage);
    const auto zone = host.find('%');
    six.sin6_family = AF_INET6;
    six.sin6_port = port;
    if (zone != std::string::npos) six.sin6_scope_id = ::if_nametoindex(host.c_str() + zone + 1);
    address.length = sizeof six;
    return ::inet_pton(AF_INET6, host.substr(0, zone).c_str(), &six.sin6_addr) == 1;
}

}  // namespace

Target::Target(std::string text) : text_(std::move(text))
{
    const std::string_view all = text_;
    const auto colon = all.find(':');
    if (colon == std::string_view::npos) return;
    const std::string_view kind = all.substr(0, colon), rest = all.substr(colon + 1);
    is_unix_ = kind == "unix";
    is_datagram_ = kind.starts_with("udp");
    if (is_unix_) add_unix(rest);
    else if (kind.starts_with("tcp") || is_datagram_) add_inet(rest, kind.ends_with('4') ? AF_INET : kind.ends_with('6') ? AF_INET6 : AF_UNSPEC);
}

void Target::add_unix(std::string_view path)
{
    sys::SocketAddress address;
    auto& name = reinterpret_cast<sockaddr_un&>(address.storage);
    if (path.empty() || path.size() >= sizeof name.sun_path) return;
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.data(), path.size());
    const bool is_abstract = path.front() == '@';
    if (is_abstract) name.sun_path[0] = '\0';
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
    addresses_.push_back(address);
}

void Target::add_inet(std::string_view rest, int only)
{
    const std::string host = host_of(rest), number(rest.substr(rest.rfind(':') + 1));
    const in_port_t port = htons(static_cast<std::uint16_t>(std::atoi(number.c_str())));
    if (port == 0) return;
    sys::SocketAddress four, six;
    const bool any = host.empty() || host == "*";
    if (only != AF_INET6 && set_inet4(four, any ? "127.0.0.1" : host, port)) addresses_.push_back(four);
    if (only != AF_INET && set_inet6(six, any ? "::1" : host, port)) addresses_.push_back(six);
}

sys::UniqueFd Target::connect(std::size_t candidate, int& error) const
{
    const sys::SocketAddress& address = addresses_[(first_ + candidate) % addresses_.size()];
    sys::UniqueFd fd(::socket(address.family(), (is_datagram_ ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        error = errno;
        return fd;
    }
    if (!is_unix_ && !is_datagram_) {
        const int yes = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    if (::connect(fd.get(), address.get(), address.length) == 0 || errno == EINPROGRESS) return fd;
    error = errno;
    return {};
}

bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EADDRNOTAVAIL || error == EAGAIN;
}

bool may_pass(int error) { return error == ECONNREFUSED || error == ENOENT || error == ECONNRESET || is_shortage(error); }

}  // namespace xsv::proxy
