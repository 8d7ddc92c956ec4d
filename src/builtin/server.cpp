#include "builtin/server.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xsv::builtin {
namespace {

constexpr int kAcceptsAtOnce = 16;
constexpr std::int64_t kPause = 100;         // ms, when descriptors are short
constexpr std::size_t kSpareDescriptors = 8;

std::int64_t milliseconds()
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

int option(int fd, int name)
{
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

void change(int epoll, int how, int fd, std::uint32_t events)
{
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll, how, fd, &event);
}

}  // namespace

Server::Server(Service service, Tcpmux tcpmux) : service_(service), tcpmux_(std::move(tcpmux)), epoll_(::epoll_create1(EPOLL_CLOEXEC))
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < kMostConnections + 2 * kSpareDescriptors)
        room_ = std::max<std::size_t>(limit.rlim_cur, 3 * kSpareDescriptors) - 2 * kSpareDescriptors;
}

bool Server::add(int fd)
{
    const int type = option(fd, SO_TYPE);
    if (type == SOCK_DGRAM) {
        datagrams_.push_back(std::make_unique<Datagrams>(service_, fd));
        change(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN);
    } else if (type >= 0 && option(fd, SO_ACCEPTCONN) == 1) {
        // Another process of ours may take the caller first.
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        listeners_.push_back(fd);
        change(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN);
    } else if (type >= 0) {
        add_connection(fd);
    }
    return type >= 0;
}

int Server::run()
{
    while (!listeners_.empty() || !datagrams_.empty() || !connections_.empty()) {
        epoll_event events[64];
        const int ready = ::epoll_wait(epoll_, events, 64, time_out());
        if (ready < 0 && errno != EINTR) return 1;
        for (int i = 0; i < ready; ++i) {
            const int fd = events[i].data.fd;
            const auto datagram = std::find_if(datagrams_.begin(), datagrams_.end(), [&](const auto& d) { return d->fd() == fd; });
            if (datagram != datagrams_.end()) (*datagram)->serve();
            else if (std::find(listeners_.begin(), listeners_.end(), fd) != listeners_.end()) accept_from(fd);
            else if ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0 && (events[i].events & EPOLLIN) == 0) end(fd);
            else proceed(fd);
        }
        end_overdue();
        watch_listeners(connections_.size() < room_ && (pause_until_ == 0 || milliseconds() >= pause_until_));
    }
    return 0;
}

void Server::accept_from(int listener)
{
    for (int n = 0; n < kAcceptsAtOnce && connections_.size() < room_; ++n) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            add_connection(fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_until_ = milliseconds() + kPause;
            watch_listeners(false);
        }
        return;
    }
}

void Server::add_connection(int fd)
{
    Served served{std::make_unique<Connection>(service_, fd, tcpmux_), 0};
    served.connection->begin_at(milliseconds() / 1000);
    connections_.emplace(fd, std::move(served));
    change(epoll_, EPOLL_CTL_ADD, fd, 0);
    proceed(fd);
}

void Server::proceed(int fd)
{
    const auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    Served& served = found->second;
    if (!served.connection->proceed()) return end(fd);
    const std::uint32_t wanted = served.connection->wanted();
    if (std::exchange(served.events, wanted) != wanted) change(epoll_, EPOLL_CTL_MOD, fd, wanted);
}

void Server::end(int fd)
{
    change(epoll_, EPOLL_CTL_DEL, fd, 0);  // the open file may be in other hands: closing is not enough
    connections_.erase(fd);
}

void Server::watch_listeners(bool on)
{
    if (std::exchange(accepting_, on) == on) return;
    if (on) pause_until_ = 0;
    for (const int fd : listeners_) change(epoll_, EPOLL_CTL_MOD, fd, on ? EPOLLIN : 0u);
}

void Server::end_overdue()
{
    if (service_ != Service::Tcpmux) return;
    const std::int64_t now = milliseconds() / 1000;
    std::vector<int> overdue;
    for (const auto& [fd, served] : connections_)
        if (served.connection->is_overdue(now)) overdue.push_back(fd);
    for (const int fd : overdue) end(fd);
}

int Server::time_out() const
{
    constexpr int kOverdueEvery = 1000;
    if (pause_until_ != 0) return static_cast<int>(kPause);
    return service_ == Service::Tcpmux && !connections_.empty() ? kOverdueEvery : -1;
}

}  // namespace xsv::builtin
