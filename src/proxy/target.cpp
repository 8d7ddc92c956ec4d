#include "proxy/target.h"

#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace xsv::proxy {

Result<Target> Target::parse(const std::string& text)
{
    auto endpoint = sys::Endpoint::parse(text);
    if (!endpoint) return tl::unexpected(std::move(endpoint).error());
    Target target;
    target.text_ = text;
    target.endpoint_ = *endpoint;
    std::vector<sys::Endpoint> written{*endpoint};
    if (endpoint->host.empty() && !target.is_unix()) {
        written.clear();
        for (const auto& [family, host] : {std::pair(sys::Family::Inet4, "127.0.0.1"), std::pair(sys::Family::Inet6, "::1")}) {
            if (endpoint->family != sys::Family::Dual && endpoint->family != family) continue;
            written.push_back(*endpoint);
            written.back().family = family;
            written.back().host = host;
        }
    }
    for (const sys::Endpoint& one : written) {
        auto address = sys::socket_address(one);
        if (!address) return tl::unexpected(std::move(address).error());
        target.addresses_.push_back(*address);
    }
    return target;
}

Result<sys::UniqueFd> Target::connect(std::size_t candidate) const
{
    const sys::SocketAddress& address = addresses_[(first_ + candidate) % addresses_.size()];
    sys::UniqueFd fd(::socket(address.family(), sys::kernel_type(endpoint_.type) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno("socket", errno);
    if (!is_unix() && !is_datagram()) {
        const int yes = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    if (::connect(fd.get(), address.get(), address.length) != 0 && errno != EINPROGRESS) return fail_errno(text_, errno);
    return fd;
}

bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EADDRNOTAVAIL || error == EAGAIN;
}

bool may_pass(int error) { return error == ECONNREFUSED || error == ENOENT || error == ECONNRESET || is_shortage(error); }

}  // namespace xsv::proxy
