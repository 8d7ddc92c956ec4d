#include "proxy/relay.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xsv::proxy {
namespace {

constexpr int kRounds = 8;                        // of one direction before others have their turn
constexpr std::size_t kBuffer = 16 * 1024;
constexpr std::size_t kSplice = 512 * 1024;
char buffer[kBuffer];                             // everybody's: nothing stays in it

bool would_block() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

Relay::~Relay()
{
    for (Flow& flow : flows_)
        if (flow.pipe != nullptr) pipes_.give(std::move(flow.pipe));
}

void Relay::note(End& end, std::uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) end.readable = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) end.writable = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0) end.thorough = true;
}

void Relay::reset()
{
    const linger at_once{1, 0};
    for (End& end : ends_) ::setsockopt(end.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

Relay::State Relay::proceed()
{
    const State there = proceed(flows_[0], ends_[0], ends_[1]);
    const State back = there == State::Failed ? State::Failed : proceed(flows_[1], ends_[1], ends_[0]);
    if (back == State::Failed) return State::Failed;
    if (there == State::Again || back == State::Again) return State::Again;
    return flows_[0].closed && flows_[1].closed ? State::Over : State::Waits;
}

Relay::State Relay::proceed(Flow& flow, End& from, End& to)
{
    for (int round = 0; round < kRounds; ++round) {
        if (flow.closed) return State::Waits;
        if (!flow.is_empty()) {
            if (!to.writable) return State::Waits;
            if (!deliver(flow, to)) return State::Failed;
            continue;
        }
        if (flow.ended) {
            const Flow& other = flows_[&flow == &flows_[0] ? 1 : 0];
            if (!other.closed) ::shutdown(to.fd.get(), SHUT_WR);  // else the close says it
            flow.closed = true;
            if (flow.pipe != nullptr) pipes_.give(std::move(flow.pipe));
            return State::Waits;
        }
        if (!from.readable) {
            if (flow.pipe != nullptr) pipes_.give(std::move(flow.pipe));
            return State::Waits;
        }
        if (!take(flow, from, to)) return State::Failed;
    }
    return State::Again;
}

bool Relay::take(Flow& flow, End& from, End& to)
{
    if (flow.bulk && flow.pipe == nullptr) flow.pipe = pipes_.take();
    if (!flow.bulk || flow.pipe == nullptr) return take_copy(flow, from, to);
    const ssize_t got = ::splice(from.fd.get(), nullptr, flow.pipe->in.get(), nullptr, kSplice, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got <= 0) return take_nothing(flow, from, got);
    flow.bulk = static_cast<std::size_t>(got) >= kBuffer;
    flow.pipe->held += static_cast<std::size_t>(got);
    from.received += static_cast<std::uint64_t>(got);
    return true;
}

/// After a read that has brought nothing: the end, a pause, or a failure (false).
bool Relay::take_nothing(Flow& flow, End& from, ssize_t got)
{
    if (got == 0) flow.ended = true;
    if (got < 0 && !would_block()) return false;
    if (got < 0 && errno == EAGAIN) from.readable = false;
    return true;
}

bool Relay::take_copy(Flow& flow, End& from, End& to)
{
    const ssize_t got = ::recv(from.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) return take_nothing(flow, from, got);
    const auto length = static_cast<std::size_t>(got);
    from.received += length;
    flow.bulk = length == sizeof buffer;
    // A short read has emptied the queue: another one would only say so. What comes later is a new event.
    if (!flow.bulk && !from.thorough) from.readable = false;
    std::size_t sent = 0;
    if (to.writable) {
        const ssize_t took = ::send(to.fd.get(), buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (took < 0 && !would_block()) return false;
        if (took < 0 && errno == EAGAIN) to.writable = false;
        sent = took < 0 ? 0 : static_cast<std::size_t>(took);
    }
    if (sent < length) flow.copied.assign(buffer + sent, length - sent);
    return true;
}

/// False: nobody is there any more who could take it.
bool Relay::deliver(Flow& flow, End& to)
{
    const bool piped = flow.copied.empty();
    const ssize_t sent = piped ? ::splice(flow.pipe->out.get(), nullptr, to.fd.get(), nullptr, flow.pipe->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
                               : ::send(to.fd.get(), flow.copied.data(), flow.copied.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno == EAGAIN) to.writable = false;
        return would_block();
    }
    const auto length = static_cast<std::size_t>(sent);
    if (piped) flow.pipe->held -= length;
    else if (length == flow.copied.size()) std::string().swap(flow.copied);
    else flow.copied.erase(0, length);
    return true;
}

}  // namespace xsv::proxy
