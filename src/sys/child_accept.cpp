// The first part of a per-connection child: it takes the caller itself, so that a crash of the daemon loses nobody.

#include "sys/child.h"

#include <cerrno>
#include <cstddef>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "sys/accept_errors.h"

namespace xsv::sys {
namespace {

constexpr int kAcceptTries = 16;   // accept reports what happened to callers that are gone already
constexpr int kDrainReads = 16;

XSV_IN_CHILD void copy_bytes(void* to, const void* from, std::size_t count) noexcept
{
    auto* target = static_cast<volatile char*>(to);
    const auto* source = static_cast<const char*>(from);
    for (std::size_t i = 0; i < count; ++i) target[i] = source[i];
}

/// Writes an IPv4 address in its mapped form.
XSV_IN_CHILD void map_address(std::array<std::uint8_t, 16>& to, const in_addr& four) noexcept
{
    std::uint8_t* bytes = to.data();
    for (int i = 0; i < 10; ++i) bytes[i] = 0;
    bytes[10] = bytes[11] = 0xff;
    copy_bytes(bytes + 12, &four, 4);
}

/// Address and port of one end; true for IPv4, also where it comes through an IPv6 socket.
XSV_IN_CHILD bool note_end(const sockaddr_storage& end, std::array<std::uint8_t, 16>& address, std::uint16_t& port, std::uint32_t* scope) noexcept
{
    if (end.ss_family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(end);
        map_address(address, four.sin_addr);
        port = static_cast<std::uint16_t>(four.sin_port << 8 | four.sin_port >> 8);
        return true;
    }
    const auto& six = reinterpret_cast<const sockaddr_in6&>(end);
    copy_bytes(address.data(), &six.sin6_addr, 16);
    port = static_cast<std::uint16_t>(six.sin6_port << 8 | six.sin6_port >> 8);
    if (scope) *scope = six.sin6_scope_id;
    const std::uint8_t* bytes = address.data();
    for (int i = 0; i < 10; ++i) {
        if (bytes[i] != 0) return false;
    }
    return bytes[10] == 0xff && bytes[11] == 0xff;
}

}  // namespace

XSV_IN_CHILD void Child::accept_caller() noexcept
{
    const ChildPlan& plan = prepared_.plan_;
    sockaddr_storage address;
    socklen_t length = sizeof address;
    if (connection_ >= 0) {  // our parent has accepted him and asked every question
        if (call(SYS_getpeername, connection_, &address, &length) < 0) length = 0;
        const Peer known = report_.peer;
        note_peer(report_.peer, path_, connection_, &address, length);
        if (length == 0) report_.peer = known;
        return accepted();
    }
    for (int tries = 0; connection_ < 0; ++tries) {
        length = sizeof address;
        connection_ = static_cast<int>(call(SYS_accept4, number_of(plan.listener), &address, &length, SOCK_CLOEXEC));
        if (connection_ >= 0) break;
        const int error = errno;
        if (error == EAGAIN || (is_callers_trouble(error) && tries >= kAcceptTries)) {
            set_stage(ChildStage::NothingToAccept);
            call(SYS_exit_group, 0);
        }
        if (!is_callers_trouble(error)) fail(ChildStep::Accept, error);
    }
    note_peer(report_.peer, path_, connection_, &address, length);
    if (!is_allowed(report_.peer, plan.allow, plan.deny, plan.access_order)) refuse(connection_);
    if (plan.why_not != nullptr) report_.error = plan.why_not(report_.peer, plan.why_not_context);
    if (report_.error != 0) refuse(connection_);
    accepted();
}

/// The number is taken before our parent may go on and count this caller.
XSV_IN_CHILD void Child::accepted() noexcept
{
    if (prepared_.plan_.connection_count != nullptr) number_ = *prepared_.plan_.connection_count;
    set_stage(ChildStage::Accepted);
    greet();
}

XSV_IN_CHILD void Child::greet() noexcept
{
    const std::string& text = prepared_.plan_.greeting;
    if (!text.empty()) call(SYS_sendto, connection_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
}

XSV_IN_CHILD void note_peer(Peer& peer, PeerPath& path, int connection, const void* from, unsigned length) noexcept
{
    const auto& address = *static_cast<const sockaddr_storage*>(from);
    if (length >= sizeof(sa_family_t) && (address.ss_family == AF_INET || address.ss_family == AF_INET6)) {
        peer.mapped = note_end(address, peer.address, peer.port, &peer.scope);
        sockaddr_storage local;
        socklen_t size = sizeof local;
        if (call(SYS_getsockname, connection, &local, &size) == 0) note_end(local, peer.local, peer.local_port, nullptr);
        peer.kind = Peer::Inet;
        return;
    }
    if (length >= sizeof(sockaddr_vm) && address.ss_family == AF_VSOCK) {
        const auto& machine = reinterpret_cast<const sockaddr_vm&>(address);
        peer.uid = machine.svm_cid;
        peer.gid = machine.svm_port;
        peer.kind = Peer::Vsock;
        return;
    }
    ucred credentials{};
    socklen_t size = sizeof credentials;
    peer.uid = peer.gid = ~0U;  // nobody, should the kernel not say
    if (call(SYS_getsockopt, connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
        peer.uid = credentials.uid;
        peer.gid = credentials.gid;
        peer.pid = credentials.pid;
    }
    peer.kind = Peer::Unix;
    constexpr unsigned kPathOffset = offsetof(sockaddr_un, sun_path);
    if (length <= kPathOffset) return;  // a caller without a name of its own
    const unsigned count = length - kPathOffset < sizeof path - 1 ? length - kPathOffset : sizeof path - 1;
    copy_bytes(path, reinterpret_cast<const sockaddr_un&>(address).sun_path, count);
    path[count] = '\0';
    if (path[0] == '\0') path[0] = '@';
}

XSV_IN_CHILD void Child::refuse(int connection) noexcept
{
    const std::string& text = prepared_.plan_.refusal;
    report_.step = static_cast<std::int32_t>(ChildStep::Refused);
    set_stage(ChildStage::Refused);
    if (!text.empty()) call(SYS_sendto, connection, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
    // Closing with unread input sends a reset, and the caller would not see our last words.
    call(SYS_shutdown, connection, SHUT_WR);
    char buffer[4096];
    for (int i = 0; i < kDrainReads; ++i) {
        if (call(SYS_recvfrom, connection, buffer, sizeof buffer, MSG_DONTWAIT, nullptr, nullptr) <= 0) break;
    }
    call(SYS_close, connection);
    call(SYS_exit_group, 0);
}

}  // namespace xsv::sys
