#include "proxy/session.h"

#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace xsv::proxy {
namespace {

constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

int error_of(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

bool is_inet(int family) { return family == AF_INET || family == AF_INET6; }

}  // namespace

Session::Session(Poller& poller, Pipes& pipes, SessionOwner& owner, sys::UniqueFd caller, const sys::SocketAddress& from)
    : poller_(poller), owner_(owner), relay_(pipes), from_(from)
{
    Relay::End& end = relay_.end(Relay::Side::Caller);
    end.fd = std::move(caller);
    end.thorough = !is_inet(from.family());
    const int yes = 1;
    if (!end.thorough) ::setsockopt(end.fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    poller_.add(end.fd.get(), kEvents, caller_);
}

Session::~Session()
{
    if (has_turn_) poller_.forget(caller_);
}

void Session::connect(std::shared_ptr<Target> target)
{
    where_ = std::move(target);
    candidate_ = 0;
    try_next(0);
}

/// The candidate at hand, and the next ones after it where they can be told at once to be no good.
void Session::try_next(int error)
{
    for (; candidate_ < where_->candidates(); ++candidate_) {
        sys::UniqueFd fd = where_->connect(candidate_, error);
        if (!fd) continue;
        Relay::End& end = relay_.end(Relay::Side::Target);
        end = {};
        end.readable = false;  // an event says so
        end.thorough = where_->is_unix();
        end.fd = std::move(fd);
        phase_ = Phase::Connecting;
        poller_.add(end.fd.get(), kEvents, target_);
        if (where_->is_unix()) check_connection(0);  // there at once, or not at all
        return;
    }
    phase_ = Phase::Waiting;
    where_.reset();
    owner_.unconnected(*this, error);
}

void Session::check_connection(std::uint32_t events)
{
    Relay::End& end = relay_.end(Relay::Side::Target);
    if (const int error = (events & (EPOLLERR | EPOLLHUP)) != 0 ? error_of(end.fd.get()) : 0; error != 0) {
        poller_.remove(end.fd.get());
        end.fd.reset();
        ++candidate_;
        return try_next(error);
    }
    where_->answered(candidate_);
    begin_relay();
}

void Session::use(sys::UniqueFd target)
{
    Relay::End& end = relay_.end(Relay::Side::Target);
    end = {};
    end.thorough = true;
    end.fd = std::move(target);
    poller_.add(end.fd.get(), kEvents, target_);
    begin_relay();
}

void Session::begin_relay()
{
    phase_ = Phase::Relaying;
    where_.reset();
    owner_.connected(*this);
    if (phase_ == Phase::Relaying) proceed();
}

void Session::on_events(Relay::Side side, std::uint32_t events)
{
    if (phase_ == Phase::Over) return;
    if (events == 0) has_turn_ = false;
    else Relay::note(relay_.end(side), events);
    if (phase_ == Phase::Relaying) return proceed();
    if (side == Relay::Side::Caller) {
        if ((events & (EPOLLHUP | EPOLLERR)) != 0) end(true);  // nobody waits any more
    } else if (phase_ == Phase::Connecting && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
        check_connection(events);
    }
}

void Session::proceed()
{
    switch (relay_.proceed()) {
        case Relay::State::Waits: return;
        case Relay::State::Again:
            if (!std::exchange(has_turn_, true)) poller_.again(caller_);
            return;
        case Relay::State::Over: return end(false);
        case Relay::State::Failed: return end(true);
    }
}

void Session::end(bool failed)
{
    if (phase_ == Phase::Over) return;
    if (failed && phase_ == Phase::Relaying) relay_.reset();
    phase_ = Phase::Over;
    if (has_turn_) poller_.forget(caller_);
    owner_.ended(*this, failed);
    // Nobody else has these descriptors: closed, they are off the poller.
    for (const Relay::Side side : {Relay::Side::Caller, Relay::Side::Target}) relay_.end(side).fd.reset();
}

}  // namespace xsv::proxy
