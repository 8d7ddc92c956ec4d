#include "sys/connect.h"

#include <cerrno>

#include <sys/socket.h>

#include "sys/socket_address.h"

namespace xsv::sys {

Result<UniqueFd> begin_connect(const Endpoint& endpoint)
{
    Endpoint target = endpoint;
    if (target.family == Family::Dual) target.family = Family::Inet4;
    if (target.family == Family::Inet4 && target.host.empty()) target.host = "127.0.0.1";
    if (target.family == Family::Inet6 && target.host.empty()) target.host = "::1";
    auto address = socket_address(target);
    if (!address) return tl::unexpected(std::move(address).error());
    UniqueFd fd(::socket(address->family(), kernel_type(target.type) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("socket", errno);
    if (::connect(fd.get(), address->get(), address->length) < 0 && errno != EINPROGRESS)
        return fail_errno("connecting to " + endpoint.text(), errno);
    return fd;
}

bool is_connected(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

}  // namespace xsv::sys
