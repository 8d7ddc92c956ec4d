#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "sys/fd.h"

namespace xsv::proxy {

/// Whoever waits for a descriptor.
class Handler {
public:
    virtual ~Handler() = default;
    virtual void on_events(std::uint32_t events) = 0;   ///< EPOLLIN and so on; 0: its turn, see again()
};

/// Readiness for a great many descriptors that seldom change what they wait for: each is registered once, edge-triggered,
/// which spares two of three system calls of a short exchange.
class Poller {
public:
    Poller();
    int fd() const { return epoll_.get(); }   ///< readable: wait(0) has something to do

    void add(int fd, std::uint32_t events, Handler& handler);
    void change(int fd, std::uint32_t events, Handler& handler);
    void remove(int fd);
    /// `call`: somebody wants a turn.
    void when_turns(std::function<void()> call) { on_turn_ = std::move(call); }
    /// A turn in the next wait(): it has more to do than its share.
    void again(Handler& handler);
    void forget(Handler& handler);            ///< no turn any more
    bool has_turns() const { return !turns_.empty(); }
    /// Destroyed when nobody can have it in hand any more.
    void bury(std::shared_ptr<void> dead) { dead_.push_back(std::move(dead)); }

    /// Calls whoever is ready; -1: waits until somebody is.
    int wait(int milliseconds);   ///< how many

private:
    sys::UniqueFd epoll_;
    std::function<void()> on_turn_;
    std::vector<Handler*> turns_, running_;
    std::vector<std::shared_ptr<void>> dead_;
};

}  // namespace xsv::proxy
