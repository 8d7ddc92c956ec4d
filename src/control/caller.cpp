#include "control/caller.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/files.h"

namespace xsv::control {
namespace {

int option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/// For people only: by the time it is read the number may have a second life.
std::string program_of(pid_t pid)
{
    const auto name = sys::read_file(fmt::format("/proc/{}/comm", pid), 64);
    return name ? fmt::format(" ({})", text::escape_control(text::trim(*name))) : std::string();
}

/// The supplementary ones as they were when he connected.
std::vector<gid_t> groups_of(int fd, gid_t primary)
{
    std::vector<gid_t> groups{primary};
    std::array<gid_t, 1024> more{};
    socklen_t size = sizeof more;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, more.data(), &size) == 0)
        groups.insert(groups.end(), more.begin(), more.begin() + size / sizeof(gid_t));
    return groups;
}

bool matches(const config::PeerRole& peer, const Caller& caller)
{
    if (peer.uid) return *peer.uid == caller.uid;
    if (peer.gid) return std::find(caller.groups.begin(), caller.groups.end(), *peer.gid) != caller.groups.end();
    return true;
}

}  // namespace

bool Caller::has_left() const
{
    pollfd state{connection.get(), 0, 0};
    return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

std::string bound_address(int fd)
{
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.sun_family != AF_UNIX) return {};
    return {address.sun_path, size - std::min<std::size_t>(size, offsetof(sockaddr_un, sun_path))};
}

Result<Caller> identify(sys::UniqueFd connection)
{
    const int fd = connection.get();
    if (!connection || option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM || option(fd, SO_ACCEPTCONN) != 0)
        return fail("no connection of a unix server");
    Caller caller;
    caller.address = bound_address(fd);
    if (caller.address.empty()) return fail("no connection of a unix server");  // one end of a pair has no address
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return fail_errno("SO_PEERCRED", errno);
    caller.uid = peer.uid;
    caller.groups = groups_of(fd, peer.gid);
    caller.text = fmt::format("uid {} pid {}{}", peer.uid, peer.pid, program_of(peer.pid));
    caller.connection = std::move(connection);
    return caller;
}

std::optional<config::Role> role_of(const Caller& caller, const config::ServerSpec& server)
{
    if (server.peers.empty()) return server.role;
    if (caller.uid == 0 || caller.uid == ::geteuid()) return server.role;
    std::optional<config::Role> role;
    for (const config::PeerRole& peer : server.peers)
        if (matches(peer, caller)) role = std::max(role.value_or(peer.role), peer.role);
    if (role) role = std::min(*role, server.role);
    return role;
}

}  // namespace xsv::control
