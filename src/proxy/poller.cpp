#include "proxy/poller.h"

#include <algorithm>
#include <utility>

#include <sys/epoll.h>

#include "base/progress.h"

namespace xsv::proxy {
namespace {

void control(int epoll, int how, int fd, std::uint32_t events, Handler* handler)
{
    epoll_event event{};
    event.events = events;
    event.data.ptr = handler;
    ::epoll_ctl(epoll, how, fd, &event);
}

}  // namespace

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void Poller::add(int fd, std::uint32_t events, Handler& handler) { control(epoll_.get(), EPOLL_CTL_ADD, fd, events, &handler); }
void Poller::change(int fd, std::uint32_t events, Handler& handler) { control(epoll_.get(), EPOLL_CTL_MOD, fd, events, &handler); }
void Poller::remove(int fd) { control(epoll_.get(), EPOLL_CTL_DEL, fd, 0, nullptr); }
void Poller::again(Handler& handler)
{
    turns_.push_back(&handler);
    if (on_turn_) on_turn_();
}

void Poller::forget(Handler& handler)
{
    for (auto* turns : {&turns_, &running_}) std::replace(turns->begin(), turns->end(), &handler, static_cast<Handler*>(nullptr));
}

int Poller::wait(int milliseconds)
{
    constexpr int kMost = 256;
    epoll_event events[kMost];
    running_.swap(turns_);
    const int ready = ::epoll_wait(epoll_.get(), events, kMost, running_.empty() ? milliseconds : 0);
    for (std::size_t i = 0; i < running_.size(); ++i) {
        if (running_[i] == nullptr) continue;
        note_progress();
        running_[i]->on_events(0);
    }
    const auto turns = static_cast<int>(running_.size());
    running_.clear();
    for (int i = 0; i < ready; ++i) {
        note_progress();
        static_cast<Handler*>(events[i].data.ptr)->on_events(events[i].events);
    }
    dead_.clear();
    return turns + std::max(ready, 0);
}

}  // namespace xsv::proxy
