#include "event/loop.h"

#include <event2/event.h>

#include <exception>
#include <stdexcept>
#include <vector>

#include "base/log.h"
#include "event/native.h"

namespace xsv::event {
namespace {

struct BaseFree {
    void operator()(::event_base* base) const noexcept { ::event_base_free(base); }
};
struct ConfigFree {
    void operator()(::event_config* config) const noexcept { ::event_config_free(config); }
};
constexpr Duration kLongTurn = std::chrono::milliseconds(50);
constexpr int kArrivalsPerTurn = 4;  // listeners served before the loop looks for exits and commands again

struct EventFree {
    void operator()(::event* event) const noexcept { ::event_free(event); }
};

timeval to_timeval(Duration delay)
{
    const auto us = std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::microseconds>(delay).count());
    return {us / 1'000'000, us % 1'000'000};
}

/// What a callback needs outlives the watch while the callback runs: a callback may destroy its own watch.
struct Registration {
    std::string name;
    Loop::Call call;
};

/// An exception must not pass through libevent's C frames: afterwards the base refuses to run.
void guarded(const std::shared_ptr<Registration>& registration) noexcept
{
    try {
        const Time begun = BootClock::now();
        registration->call();
        const Duration took = BootClock::now() - begun;
        if (took > kLongTurn) log::warn("{} kept everybody else waiting for {}", registration->name, format_duration(took));
    } catch (const std::exception& error) {
        log::error("{}: {}", registration->name, error.what());
    } catch (...) {
        log::error("{}: unknown exception", registration->name);
    }
}

class EventWatch final : public Watch {
public:
    EventWatch(::event_base* base, int fd, short what, std::string name, Loop::Call call, const timeval* timeout,
               Urgency urgency = Urgency::Normal)
        : registration_(std::make_shared<Registration>(Registration{std::move(name), std::move(call)})),
          event_(::event_new(base, fd, what, &EventWatch::on_event, this))
    {
        if (event_ != nullptr) ::event_priority_set(event_.get(), static_cast<int>(urgency));
        if (event_ == nullptr || ::event_add(event_.get(), timeout) != 0)
            throw std::runtime_error("cannot watch descriptor " + std::to_string(fd) + " for " + registration_->name);
    }

private:
    static void on_event(int, short, void* self)
    {
        guarded(std::shared_ptr<Registration>(static_cast<EventWatch*>(self)->registration_));
    }

    std::shared_ptr<Registration> registration_;
    std::unique_ptr<::event, EventFree> event_;
};

class EventLoop final : public Loop {
public:
    EventLoop()
    {
        const std::unique_ptr<::event_config, ConfigFree> config(::event_config_new());
        ::event_config_set_max_dispatch_interval(config.get(), nullptr, kArrivalsPerTurn, static_cast<int>(Urgency::Arrival));
        base_.reset(::event_base_new_with_config(config.get()));
        if (base_ == nullptr) throw std::runtime_error("cannot create an event base");
        ::event_base_priority_init(base_.get(), 2);
    }

    Time now() const override { return BootClock::now(); }
    WatchPtr readable(int fd, std::string name, Call call, Urgency urgency) override
    {
        return std::make_unique<EventWatch>(base_.get(), fd, EV_READ | EV_PERSIST, std::move(name), std::move(call), nullptr, urgency);
    }
    WatchPtr writable(int fd, std::string name, Call call) override
    {
        return std::make_unique<EventWatch>(base_.get(), fd, EV_WRITE | EV_PERSIST, std::move(name), std::move(call), nullptr);
    }
    WatchPtr after(Duration delay, std::string name, Call call) override
    {
        const timeval timeout = to_timeval(delay);
        return std::make_unique<EventWatch>(base_.get(), -1, 0, std::move(name), std::move(call), &timeout);
    }
    WatchPtr every(Duration period, std::string name, Call call) override
    {
        const timeval timeout = to_timeval(period);
        return std::make_unique<EventWatch>(base_.get(), -1, EV_PERSIST, std::move(name), std::move(call), &timeout);
    }
    void soon(Call call) override
    {
        soon_.push_back(std::move(call));
        if (soon_watch_ == nullptr) soon_watch_ = after(Duration::zero(), "deferred work", [this] { run_soon(); });
    }
    void run() override { ::event_base_loop(base_.get(), EVLOOP_NO_EXIT_ON_EMPTY); }
    void stop() override { ::event_base_loopbreak(base_.get()); }

    ::event_base* base() { return base_.get(); }

private:
    void run_soon()
    {
        soon_watch_.reset();
        const std::vector<Call> calls = std::exchange(soon_, {});
        for (const Call& call : calls) guarded(std::make_shared<Registration>(Registration{"deferred work", call}));
    }

    std::unique_ptr<::event_base, BaseFree> base_;
    std::vector<Call> soon_;
    WatchPtr soon_watch_;
};

void log_libevent(int severity, const char* message)
{
    if (severity >= EVENT_LOG_WARN) log::warn("libevent: {}", message);
}

}  // namespace

std::unique_ptr<Loop> make_loop()
{
    ::event_set_log_callback(log_libevent);
    ::event_set_fatal_callback([](int code) { log::critical("libevent gave up with code {}", code); });
    return std::make_unique<EventLoop>();
}

::event_base* native_base(Loop& loop) { return static_cast<EventLoop&>(loop).base(); }

}  // namespace xsv::event
