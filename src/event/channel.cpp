#include "event/channel.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>

#include "base/progress.h"

namespace xsv::event {
namespace {

// A packet: this, then a piece of the message. What a program writes at once (64 KiB) fits into one.
struct Head {
    std::uint64_t number;
    std::uint32_t flags, unused;
};
constexpr std::uint32_t kFirst = 1;
constexpr std::uint32_t kLast = 2;
constexpr std::size_t kPiece = 80 * 1024;
constexpr int kPacketsPerWake = 64;  // so that a flood on one channel does not delay the rest

struct Ancillary {
    alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

Channel::Channel(Loop& loop, sys::UniqueFd socket, std::string name, OnMessage on_message, OnClosed on_closed)
    : loop_(loop), socket_(std::move(socket)), name_(std::move(name)), on_message_(std::move(on_message)),
      on_closed_(std::move(on_closed))
{
    readable_ = loop_.readable(socket_.get(), name_, [this] { on_readable(); });
}

bool Channel::send(std::string message, sys::UniqueFd fd, std::function<void()> sent)
{
    if (!socket_ || queued_bytes_ + message.size() > kMaxQueue || message.size() > kMaxMessage) return false;
    ++sent_;
    std::size_t at = 0;
    do {
        const std::size_t length = std::min(kPiece, message.size() - at);
        Head head{sent_, 0, 0};
        if (at == 0) head.flags |= kFirst;
        if (at + length == message.size()) head.flags |= kLast;
        std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
        bytes.append(message, at, length);
        queued_bytes_ += bytes.size();
        out_.push_back({std::move(bytes), at == 0 ? std::move(fd) : sys::UniqueFd(), {}});
        at += length;
    } while (at < message.size());
    out_.back().sent = std::move(sent);
    if (writable_ == nullptr) flush();
    return true;
}

bool Channel::send_copy_of(std::string message, int fd)
{
    sys::UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return copy && send(std::move(message), std::move(copy));
}

void Channel::flush()
{
    while (!out_.empty()) {
        Packet& packet = out_.front();
        iovec piece{packet.bytes.data(), packet.bytes.size()};
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        Ancillary ancillary{};
        if (packet.fd) {
            header.msg_control = ancillary.bytes;
            header.msg_controllen = sizeof ancillary.bytes;
            cmsghdr* control = CMSG_FIRSTHDR(&header);
            control->cmsg_level = SOL_SOCKET;
            control->cmsg_type = SCM_RIGHTS;
            control->cmsg_len = CMSG_LEN(sizeof(int));
            const int fd = packet.fd.get();
            std::memcpy(CMSG_DATA(control), &fd, sizeof fd);
        }
        if (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            if (errno == EINTR) continue;
            // ETOOMANYREFS: the peer has not yet taken the descriptors that are on their way
            if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS) {
                if (writable_ == nullptr) writable_ = loop_.writable(socket_.get(), name_, [this] { flush(); });
                return;
            }
            break;  // the peer is gone: on_readable() sees it too and reports it
        }
        note_progress();
        queued_bytes_ -= packet.bytes.size();
        if (packet.sent) packet.sent();
        out_.pop_front();
    }
    if (!out_.empty()) {
        out_.clear();
        queued_bytes_ = 0;
    }
    writable_.reset();
}

void Channel::on_readable()
{
    const std::shared_ptr<bool> alive = alive_;
    static thread_local std::string buffer(sizeof(Head) + kPiece, '\0');
    for (int n = 0; n < kPacketsPerWake; ++n) {
        iovec piece{buffer.data(), buffer.size()};
        msghdr header{};
        Ancillary ancillary{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        if (!peeks_) {
            header.msg_control = ancillary.bytes;
            header.msg_controllen = CMSG_LEN(sizeof(int));  // with the padding there would be room for a second one
        }
        const ssize_t length = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | (peeks_ ? MSG_PEEK : 0));
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (length <= 0) return closed();
        note_progress();

        sys::UniqueFd fd;
        for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
            if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
            int received = -1;
            std::memcpy(&received, CMSG_DATA(control), sizeof received);
            fd.reset(received);
        }
        try {
            if ((header.msg_flags & MSG_TRUNC) == 0) handle({buffer.data(), static_cast<std::size_t>(length)}, std::move(fd));
        } catch (...) {
            if (*alive) take_peeked();  // it would only fail again, and hold up all behind it
            throw;
        }
        if (!*alive || !take_peeked()) return;
    }
}

/// What was handled leaves the socket.
bool Channel::take_peeked()
{
    char byte = 0;
    return !peeks_ || ::recv(socket_.get(), &byte, sizeof byte, MSG_DONTWAIT) >= 0;
}

void Channel::drain()
{
    const std::shared_ptr<bool> alive = alive_;
    constexpr int kMost = 1000;
    for (int n = 0; n < kMost && *alive && readable_ != nullptr; ++n) on_readable();
}

void Channel::handle(std::string_view packet, sys::UniqueFd fd)
{
    Head head{};
    if (packet.size() < sizeof head) return;
    std::memcpy(&head, packet.data(), sizeof head);
    if ((head.flags & kFirst) != 0) {
        partial_.clear();
        partial_fd_ = std::move(fd);
        assembling_ = true;
    }
    if (!assembling_) return;  // the rest of a message whose beginning nobody has
    partial_.append(packet.substr(sizeof head));
    if (partial_.size() > kMaxMessage) {
        assembling_ = false;
        partial_.clear();
        partial_fd_.reset();
        return;
    }
    if ((head.flags & kLast) == 0) return;
    assembling_ = false;
    delivering_ = head.number;
    const std::string message = std::exchange(partial_, {});
    on_message_(message, std::move(partial_fd_));
}

void Channel::closed()
{
    readable_.reset();
    writable_.reset();
    out_.clear();
    queued_bytes_ = 0;
    if (on_closed_) {
        const OnClosed call = on_closed_;
        call();
    }
}

Channel::~Channel() { *alive_ = false; }

Result<std::pair<sys::UniqueFd, sys::UniqueFd>> Channel::make_pair()
{
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return fail_errno("socketpair", errno);
    return std::pair{sys::UniqueFd(ends[0]), sys::UniqueFd(ends[1])};
}

}  // namespace xsv::event
