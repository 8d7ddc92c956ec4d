#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"

namespace xsv::event {

/// A registration that ends when it is destroyed. Destroy it before its descriptor closes (rule F3).
class Watch {
public:
    virtual ~Watch() = default;
};
using WatchPtr = std::unique_ptr<Watch>;

/// What is served first when much is ready at once: ends of children and commands before new callers, so that a flood of
/// callers delays neither. After a few arrivals the loop looks whether something more urgent has come.
enum class Urgency { Normal, Arrival };

/// Time and readiness. Code that needs either takes a Loop, so tests can bring their own.
///
/// A callback may destroy any watch, its own included. An exception that leaves a callback is logged under the
/// watch's name, and the loop goes on. A watch whose callback is called all the time without any progress
/// (base/progress.h), or fails again and again, pauses for a while; spin.h has the numbers.
class Loop {
public:
    using Call = std::function<void()>;
    virtual ~Loop() = default;

    virtual Time now() const = 0;  ///< of this wake-up
    virtual WatchPtr readable(int fd, std::string name, Call call, Urgency urgency = Urgency::Normal) = 0;
    virtual WatchPtr writable(int fd, std::string name, Call call) = 0;
    virtual WatchPtr after(Duration delay, std::string name, Call call) = 0;  ///< once
    virtual WatchPtr every(Duration period, std::string name, Call call) = 0;
    /// Once, in this turn, after the callbacks that are due now.
    virtual void soon(Call call) = 0;
    /// A sentence for each watch that pauses, or did so just now.
    virtual std::vector<std::string> alarms() const { return {}; }
    virtual void run() = 0;   ///< until stop()
    virtual void stop() = 0;
};

/// On libevent: epoll, one base per process.
std::unique_ptr<Loop> make_loop();

}  // namespace xsv::event
