#include "sys/sockets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/text.h"
#include "sys/accept_errors.h"
#include "sys/child.h"
#include "sys/diagnostics.h"
#include "sys/address_filter.h"
#include "sys/socket_address.h"

namespace xsv::sys {
namespace {

constexpr int kLargeBacklog = 4096;  // the kernel takes the smaller of this and its own limit
constexpr int kAcceptTries = 16;
constexpr int kDrainReads = 16;
// A caller who has ended his side may still be waiting for the answer.
constexpr std::uint32_t kConnectedStates = 1U << TCP_ESTABLISHED | 1U << TCP_SYN_RECV | 1U << TCP_CLOSE_WAIT;

bool has_queue(const Endpoint& endpoint) { return endpoint.type == SocketType::Stream || endpoint.type == SocketType::SeqPacket; }
bool is_inet(const Endpoint& endpoint)
{
    return endpoint.family == Family::Dual || endpoint.family == Family::Inet4 || endpoint.family == Family::Inet6;
}
bool is_special(const Endpoint& endpoint) { return !is_inet(endpoint) && endpoint.family != Family::Unix && endpoint.family != Family::Fifo; }
bool is_file(const Endpoint& endpoint) { return endpoint.family == Family::File || endpoint.family == Family::Queue; }

int option_of(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

std::uint16_t port_of(const SocketAddress& address)
{
    const bool six = address.family() == AF_INET6;
    return ntohs(six ? reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);
}

/// The bytes of the address, or null for "any".
const void* specific_address(const SocketAddress& address)
{
    if (address.family() == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr;
        return four.s_addr == INADDR_ANY ? nullptr : &four;
    }
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr;
    return IN6_IS_ADDR_UNSPECIFIED(&six) ? nullptr : &six;
}

std::string port_holder(const Endpoint& endpoint)
{
    const bool is_tcp = endpoint.type == SocketType::Stream;
    std::vector<std::uint32_t> inodes;
    for (const int family : {AF_INET, AF_INET6}) {
        const auto found = diagnostics::inet_sockets(family, is_tcp ? IPPROTO_TCP : IPPROTO_UDP, endpoint.port,
                                                     1U << (is_tcp ? TCP_LISTEN : TCP_CLOSE));
        if (!found) continue;
        for (const auto& socket : *found) inodes.push_back(socket.inode);
    }
    return inodes.empty() ? std::string() : diagnostics::holder(inodes);
}

tl::unexpected<Error> bind_failure(const Endpoint& endpoint, int error)
{
    if (error == EADDRINUSE) {
        const std::string by = port_holder(endpoint);
        return tl::unexpected(Error{"is in use" + (by.empty() ? "" : " by " + by), error});
    }
    auto failure = fail_errno("bind", error);
    if (error == EACCES && endpoint.port < 1024) failure.value().message += " (ports below 1024 need root)";
    if (error == EADDRNOTAVAIL) failure.value().message += " (no interface has this address now; socket_options = freebind does not wait for it)";
    return failure;
}

Result<UniqueFd> open_inet(const Endpoint& endpoint, const SocketOptions& options)
{
    for (const bool four : {endpoint.family == Family::Inet4, true}) {
        const bool has_alternative = !four && endpoint.family == Family::Dual && !options.v6only.value_or(false);
        auto address = socket_address(endpoint, four);
        if (!address) return tl::unexpected(std::move(address).error());
        UniqueFd fd(::socket(address->family(), kernel_type(endpoint.type) | SOCK_NONBLOCK | SOCK_CLOEXEC, kernel_protocol(endpoint)));
        if (!fd && errno == EAFNOSUPPORT && has_alternative) continue;
        if (!fd && endpoint.protocol != Protocol::Usual && (errno == EPROTONOSUPPORT || errno == ENOPROTOOPT || errno == ESOCKTNOSUPPORT))
            return fail_errno("this kernel has no such sockets", errno);
        if (!fd) return fail_errno("socket", errno);
        if (auto set = apply_bind_options(fd.get(), address->family(), endpoint, options); !set) return tl::unexpected(std::move(set).error());
        if (::bind(fd.get(), address->get(), address->length) == 0) return fd;
        // IPv6 is there but switched off.
        if ((errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) && has_alternative) continue;
        return bind_failure(endpoint, errno);
    }
    return fail_errno("socket", EAFNOSUPPORT);
}

Result<UniqueFd> open(const Endpoint& endpoint, const SocketOptions& options)
{
    if (endpoint.family == Family::Fifo) return open_fifo(endpoint, options);
    if (endpoint.family == Family::Inherited) return fail("our parent passed on no socket of this name");
    if (endpoint.family == Family::Unix) return open_unix(endpoint, options);
    return is_special(endpoint) ? open_special(endpoint, options) : open_inet(endpoint, options);
}

/// The one place where errors get the endpoint: "tcp:80: bind: Permission denied", "tcp:80 is in use by nginx, pid 7".
tl::unexpected<Error> named(const Endpoint& endpoint, Error error)
{
    const char* const join = error.message.starts_with("is in use") ? " " : ": ";
    return tl::unexpected(Error{endpoint.text() + join + error.message, error.code});
}

/// Says a last word, ends our side, reads away what has arrived: closing with unread input would send a reset.
void say_and_close(const UniqueFd& connection, std::string_view text)
{
    if (!text.empty()) ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(connection.get(), SHUT_WR);
    std::array<char, 4096> buffer;
    for (int i = 0; i < kDrainReads; ++i) {
        if (::recv(connection.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) <= 0) break;
    }
}

bool is_shut_down(int fd)
{
    pollfd state{fd, POLLRDHUP, 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

bool is_connected(int fd)
{
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

Result<int> inet_connections(int fd, const Endpoint& endpoint)
{
    const SocketAddress address = bound_address(fd);
    if (address.family() != AF_INET && address.family() != AF_INET6) return fail("{}: not an internet socket", endpoint.text());
    const bool is_tcp = endpoint.type == SocketType::Stream;
    const auto states = is_tcp ? kConnectedStates : 1U << TCP_ESTABLISHED;
    auto found = diagnostics::inet_sockets(address.family(), is_tcp ? IPPROTO_TCP : IPPROTO_UDP, port_of(address), states);
    if (!found) return tl::unexpected(std::move(found).error());
    const void* own = specific_address(address);
    const std::size_t size = address.family() == AF_INET ? 4 : 16;
    return static_cast<int>(std::count_if(found->begin(), found->end(), [&](const diagnostics::InetSocket& socket) {
        return !own || std::memcmp(own, socket.source, size) == 0;
    }));
}

/// The first datagram that waits, by its sender and beginning; nobody else is visible.
std::vector<std::uint64_t> first_datagram(int fd)
{
    char bytes[512];
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const auto count = ::recvfrom(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &length);
    if (count < 0) return {};
    const std::string_view sender(reinterpret_cast<const char*>(&from), std::min<std::size_t>(length, sizeof from));
    return {text::hash(std::string(sender) + std::string(bytes, static_cast<std::size_t>(count)))};
}

/// A connection that another program has accepted. What is none is closed (rule F7).
Result<UniqueFd> receive_connection(int fd, Peer& peer)
{
    for (int tries = 0; tries < kAcceptTries; ++tries) {
        char name[64];
        iovec bytes{name, sizeof name};
        alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = space;
        message.msg_controllen = sizeof space;
        if (::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0) {
            if (errno == EAGAIN) break;
            return fail_errno("receiving a connection", errno);
        }
        const cmsghdr* control = CMSG_FIRSTHDR(&message);
        if (control == nullptr || control->cmsg_type != SCM_RIGHTS || control->cmsg_len != CMSG_LEN(sizeof(int))) continue;
        int received = -1;
        std::memcpy(&received, CMSG_DATA(control), sizeof received);
        UniqueFd connection(received);
        if (option_of(received, SO_TYPE) != SOCK_STREAM || option_of(received, SO_ACCEPTCONN) != 0) continue;
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        if (::getpeername(received, reinterpret_cast<sockaddr*>(&from), &length) < 0) continue;
        PeerPath path{};
        note_peer(peer, path, received, &from, length);
        note_progress();
        return connection;
    }
    return UniqueFd();
}

class KernelSockets final : public Sockets {
public:
    Result<UniqueFd> listen(const Endpoint& endpoint, const SocketOptions& options) override
    {
        auto fd = open(endpoint, options);
        if (!fd) return named(endpoint, fd.error());
        if (endpoint.family == Family::Fifo) return fd;
        Status ready = apply_options(fd->get(), endpoint, options);
        if (ready) ready = start_listening(fd->get(), endpoint, options);
        if (ready) return fd;
        remove_path(fd->get(), endpoint, options);
        return named(endpoint, ready.error());
    }

    Status adjust(int fd, const Endpoint& endpoint, const SocketOptions& options) override
    {
        Status done = apply_options(fd, endpoint, options);
        if (done && is_inet(endpoint)) done = set_address_filter(fd, options.allow, options.deny, options.access_order);
        if (done) done = start_listening(fd, endpoint, options);
        if (done && !is_inet(endpoint) && !is_special(endpoint)) done = set_path_owner(fd, endpoint, options);
        if (!done) return named(endpoint, done.error());
        return {};
    }

    void remove_path(int fd, const Endpoint& endpoint, const SocketOptions& options) override
    {
        if (options.keep_path) return;
        if (endpoint.family == Family::Queue) {
            if (is_special_file(fd, endpoint)) ::mq_unlink(endpoint.path.c_str());
        } else if ((endpoint.family == Family::Unix || endpoint.family == Family::Fifo) && is_own_path(fd, endpoint)) {
            ::unlink(endpoint.path.c_str());
            remove_symlinks(endpoint, options);
        }
    }

    Status set_nonblocking(int fd, bool on) override
    {
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags < 0) return fail_errno("fcntl", errno);
        const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        if (wanted != flags && ::fcntl(fd, F_SETFL, wanted) < 0) return fail_errno("fcntl", errno);
        return {};
    }

    std::string repair(int fd, const Endpoint& endpoint, const SocketOptions& options) override
    {
        if (endpoint.family == Family::Fifo || is_file(endpoint) || endpoint.family == Family::Netlink) return {};
        if (!has_queue(endpoint)) {
            option_of(fd, SO_ERROR);  // reading it clears it
            if (!is_connected(fd)) return {};
            sockaddr none{};
            none.sa_family = AF_UNSPEC;
            ::connect(fd, &none, sizeof none);
            return "the program had connected " + endpoint.text() + " to one caller; it is open to all again";
        }
        if (option_of(fd, SO_ACCEPTCONN) == 1 && !is_shut_down(fd)) return {};
        if (Status listening = start_listening(fd, endpoint, options); !listening) {
            return "the program had shut " + endpoint.text() + " down, and it cannot listen again: " + listening.error().message;
        }
        // A unix socket never gets over it; the next is_bound_to() says no.
        if (is_shut_down(fd)) return "the program had shut " + endpoint.text() + " down for good; it has to be opened anew";
        return "the program had shut " + endpoint.text() + " down; it listens again";
    }

    Result<int> connections(int fd, const Endpoint& endpoint) override
    {
        if (is_inet(endpoint)) return inet_connections(fd, endpoint);
        if (endpoint.family != Family::Unix || !has_queue(endpoint)) return has_arrival(fd) ? 1 : 0;
        // The diagnostics leave out what nobody has accepted yet.
        auto waiting = queue(fd, endpoint);
        if (!waiting) return tl::unexpected(std::move(waiting).error());
        auto found = diagnostics::connected_unix_sockets(unix_name(bound_address(fd)));
        if (!found) return tl::unexpected(std::move(found).error());
        const auto alive = std::count_if(found->begin(), found->end(), [](const auto& socket) { return socket.peer_alive; });
        return waiting->waiting + static_cast<int>(alive);
    }

    Result<QueueLength> queue(int fd, const Endpoint& endpoint) override
    {
        const bool is_countable = has_queue(endpoint) && endpoint.family != Family::Vsock && endpoint.protocol != Protocol::Sctp;
        if (!is_countable) return QueueLength{has_arrival(fd) ? 1 : 0, 0};
        if (is_inet(endpoint)) {
            tcp_info info{};
            socklen_t size = sizeof info;
            if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) return fail_errno("TCP_INFO", errno);
            return QueueLength{static_cast<int>(info.tcpi_unacked), static_cast<int>(info.tcpi_sacked)};
        }
        struct stat status{};
        if (::fstat(fd, &status) < 0) return fail_errno("fstat", errno);
        auto socket = diagnostics::unix_socket(static_cast<std::uint32_t>(status.st_ino));
        if (!socket) return tl::unexpected(std::move(socket).error());
        return QueueLength{static_cast<int>(socket->receive_queue), static_cast<int>(socket->send_queue)};
    }

    std::vector<std::uint64_t> callers(int fd, const Endpoint& endpoint) override
    {
        if (endpoint.family == Family::Vsock && has_queue(endpoint)) return {};   // nothing tells who waits there
        if (!has_queue(endpoint)) return first_datagram(fd);
        std::vector<std::uint64_t> found;
        if (is_inet(endpoint)) {
            for (const int family : {AF_INET, AF_INET6}) {
                auto sockets = diagnostics::inet_sockets(family, IPPROTO_TCP, endpoint.port, 1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT);
                if (!sockets) continue;
                for (const auto& socket : *sockets)
                    if (socket.inode == 0) found.push_back(socket.cookie);
            }
            return found;
        }
        struct stat status{};
        if (::fstat(fd, &status) < 0) return found;
        if (auto socket = diagnostics::unix_socket(static_cast<std::uint32_t>(status.st_ino)))
            found.assign(socket->callers.begin(), socket->callers.end());
        return found;
    }

    Result<UniqueFd> accept(int fd, Peer& peer) override
    {
        if (option_of(fd, SO_TYPE) == SOCK_DGRAM) return receive_connection(fd, peer);
        for (int tries = 0; tries < kAcceptTries; ++tries) {
            sockaddr_storage from{};
            socklen_t length = sizeof from;
            UniqueFd connection(::accept4(fd, reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC));
            if (connection) {
                PeerPath path{};
                note_peer(peer, path, connection.get(), &from, length);
                note_progress();
                return connection;
            }
            if (errno == EAGAIN) break;
            if (!is_callers_trouble(errno)) return fail_errno("accept", errno);
        }
        return UniqueFd();
    }

    void refuse(UniqueFd connection, std::string_view text) override { say_and_close(connection, text); }

    bool discard_one(int fd) override
    {
        char byte = 0;
        if (::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0) return true;
        if (errno != ENOTSOCK) return false;
        struct stat status{};
        if (::fstat(fd, &status) < 0) return false;
        std::array<char, 4096> buffer;
        if (S_ISFIFO(status.st_mode)) return ::read(fd, buffer.data(), buffer.size()) > 0;
        mq_attr queue{};
        if (::mq_getattr(fd, &queue) < 0) return false;   // a file has nothing that could be taken off
        std::vector<char> message(static_cast<std::size_t>(queue.mq_msgsize));
        return ::mq_receive(fd, message.data(), message.size(), nullptr) >= 0;
    }

    bool has_arrival(int fd) override
    {
        pollfd state{fd, POLLIN, 0};
        return ::poll(&state, 1, 0) > 0 && (state.revents & POLLIN);
    }

    Result<Endpoint> describe(int fd) override
    {
        const SocketAddress bound = bound_address(fd);
        const int type = option_of(fd, SO_TYPE);
        Endpoint endpoint;
        endpoint.type = type == SOCK_STREAM ? SocketType::Stream : type == SOCK_SEQPACKET ? SocketType::SeqPacket : SocketType::Datagram;
        std::array<char, INET6_ADDRSTRLEN> text{};
        const bool six = bound.family() == AF_INET6;
        if (bound.family() == AF_UNIX) {
            endpoint.family = Family::Unix;
            endpoint.path = unix_name(bound);
            if (!endpoint.path.empty() && endpoint.path.front() == '\0') endpoint.path.front() = '@';
        } else if (six || bound.family() == AF_INET) {
            endpoint.family = six ? Family::Inet6 : Family::Inet4;
            endpoint.port = port_of(bound);
            const void* address = specific_address(bound);
            if (address != nullptr) endpoint.host = ::inet_ntop(bound.family(), address, text.data(), text.size());
            int v6only = 0;
            socklen_t size = sizeof v6only;
            if (six && address == nullptr && ::getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &size) == 0 && v6only == 0) endpoint.family = Family::Dual;
        } else {
            return fail("it is no socket of a kind that can be served");
        }
        if (has_queue(endpoint) && option_of(fd, SO_ACCEPTCONN) != 1) return fail("it does not listen");
        return endpoint;
    }

    bool is_bound_to(int fd, const Endpoint& endpoint) override
    {
        if (endpoint.family == Family::Fifo) {
            struct stat status{};
            return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && is_own_path(fd, endpoint);
        }
        if (is_file(endpoint)) return is_special_file(fd, endpoint);
        if (endpoint.family == Family::Inherited) return false;
        if (option_of(fd, SO_TYPE) != kernel_type(endpoint.type)) return false;
        const bool has_protocol = endpoint.protocol != Protocol::Usual || endpoint.family == Family::Netlink;
        if (has_protocol && option_of(fd, SO_PROTOCOL) != kernel_protocol(endpoint)) return false;
        if (endpoint.family == Family::Unix && has_queue(endpoint) && is_shut_down(fd)) return false;
        if (has_queue(endpoint) && is_connected(fd)) return false;  // an accepted connection has the same local address
        const SocketAddress bound = bound_address(fd);
        for (const bool four : {false, true}) {
            if (four && endpoint.family != Family::Dual) break;
            Endpoint wanted = endpoint;
            if (wanted.port == 0 && is_inet(endpoint) && bound.length > 0) wanted.port = port_of(bound);
            auto address = socket_address(wanted, four);
            if (address && *address == bound) return true;
        }
        return false;
    }

private:
    static Status start_listening(int fd, const Endpoint& endpoint, const SocketOptions& options)
    {
        if (!has_queue(endpoint)) return {};
        if (::listen(fd, options.backlog > 0 ? options.backlog : kLargeBacklog) == 0) return {};
        if (errno == EADDRINUSE && is_inet(endpoint)) return bind_failure(endpoint, errno);
        return fail_errno("listen", errno);
    }
};

}  // namespace

std::unique_ptr<Sockets> kernel_sockets() { return std::make_unique<KernelSockets>(); }

}  // namespace xsv::sys
