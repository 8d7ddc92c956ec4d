#include "sys/diagnostics.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/fd.h"

namespace xsv::sys::diagnostics {
namespace {

constexpr std::size_t kBufferSize = 32 << 10;

template <class Body>
struct Request {
    nlmsghdr header;
    Body body;
};

template <class Body>
Status exchange(Request<Body>& request, const std::function<void(const nlmsghdr&)>& each)
{
    const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!fd) return fail_errno("socket diagnostics", errno);
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags |= NLM_F_REQUEST;
    const bool is_dump = request.header.nlmsg_flags & NLM_F_DUMP;
    if (::send(fd.get(), &request, sizeof request, 0) < 0) return fail_errno("socket diagnostics", errno);
    std::vector<char> buffer(kBufferSize);
    for (;;) {
        auto left = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (left < 0 && errno == EINTR) continue;
        if (left <= 0) return fail_errno("socket diagnostics", left < 0 ? errno : EIO);
        for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
            if (message->nlmsg_type == NLMSG_DONE) return {};
            if (message->nlmsg_type == NLMSG_ERROR) {
                const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(message));
                return fail_errno("socket diagnostics", -error->error);
            }
            each(*message);
            if (!is_dump) return {};
        }
    }
}

UnixSocket parse_unix(const nlmsghdr& message)
{
    UnixSocket found;
    const auto* body = static_cast<const unix_diag_msg*>(NLMSG_DATA(&message));
    auto* attribute = reinterpret_cast<const rtattr*>(body + 1);
    int left = static_cast<int>(message.nlmsg_len - NLMSG_LENGTH(sizeof *body));
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        const auto* data = static_cast<const char*>(RTA_DATA(attribute));
        const std::size_t size = RTA_PAYLOAD(attribute);
        if (attribute->rta_type == UNIX_DIAG_NAME) {
            found.name.assign(data, size);
        } else if (attribute->rta_type == UNIX_DIAG_PEER && size >= 4) {
            std::uint32_t inode = 0;
            std::memcpy(&inode, data, 4);
            found.peer_alive = inode != 0;  // an ended peer keeps its place but has no inode
        } else if (attribute->rta_type == UNIX_DIAG_RQLEN && size >= sizeof(unix_diag_rqlen)) {
            unix_diag_rqlen queue{};
            std::memcpy(&queue, data, sizeof queue);
            found.receive_queue = queue.udiag_rqueue;
            found.send_queue = queue.udiag_wqueue;
        } else if (attribute->rta_type == UNIX_DIAG_ICONS) {
            found.callers.resize(size / sizeof(std::uint32_t));
            if (!found.callers.empty()) std::memcpy(found.callers.data(), data, found.callers.size() * sizeof(std::uint32_t));
        } else if (attribute->rta_type == UNIX_DIAG_VFS && size >= sizeof(unix_diag_vfs)) {
            unix_diag_vfs file{};
            std::memcpy(&file, data, sizeof file);
            found.file_inode = file.udiag_vfs_ino;
            found.file_device = file.udiag_vfs_dev;
        }
    }
    // The kernel counts the final NUL of a path as part of the name, of an abstract name there is none.
    if (!found.name.empty() && found.name.front() != '\0') found.name.resize(std::strlen(found.name.c_str()));
    return found;
}

}  // namespace

Result<std::vector<InetSocket>> inet_sockets(int family, int protocol, std::uint16_t port, std::uint32_t states)
{
    Request<inet_diag_req_v2> request{};
    request.header.nlmsg_flags = NLM_F_DUMP;
    request.body.sdiag_family = static_cast<std::uint8_t>(family);
    request.body.sdiag_protocol = static_cast<std::uint8_t>(protocol);
    request.body.idiag_states = states;
    request.body.id.idiag_sport = htons(port);
    std::vector<InetSocket> found;
    Status done = exchange(request, [&](const nlmsghdr& message) {
        if (message.nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) return;
        const auto* body = static_cast<const inet_diag_msg*>(NLMSG_DATA(&message));
        if (body->id.idiag_sport != htons(port)) return;  // not every kernel filters for us
        InetSocket socket;
        socket.state = body->idiag_state;
        std::memcpy(socket.source, body->id.idiag_src, sizeof socket.source);
        socket.inode = body->idiag_inode;
        socket.cookie = std::uint64_t{body->id.idiag_cookie[1]} << 32 | body->id.idiag_cookie[0];
        found.push_back(socket);
    });
    if (!done) return tl::unexpected(std::move(done).error());
    return found;
}

Result<std::vector<UnixSocket>> connected_unix_sockets(std::string_view name)
{
    Request<unix_diag_req> request{};
    request.header.nlmsg_flags = NLM_F_DUMP;
    request.body.sdiag_family = AF_UNIX;
    request.body.udiag_states = 1U << TCP_ESTABLISHED;
    request.body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
    std::vector<UnixSocket> found;
    Status done = exchange(request, [&](const nlmsghdr& message) {
        UnixSocket socket = parse_unix(message);
        if (socket.name == name) found.push_back(std::move(socket));
    });
    if (!done) return tl::unexpected(std::move(done).error());
    return found;
}

Result<UnixSocket> unix_socket(std::uint32_t inode)
{
    Request<unix_diag_req> request{};
    request.body.sdiag_family = AF_UNIX;
    request.body.udiag_states = ~0U;
    request.body.udiag_ino = inode;
    request.body.udiag_cookie[0] = request.body.udiag_cookie[1] = ~0U;  // INET_DIAG_NOCOOKIE
    request.body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN | UDIAG_SHOW_ICONS;
    UnixSocket found;
    Status done = exchange(request, [&](const nlmsghdr& message) { found = parse_unix(message); });
    if (!done) return tl::unexpected(std::move(done).error());
    return found;
}

}  // namespace xsv::sys::diagnostics
