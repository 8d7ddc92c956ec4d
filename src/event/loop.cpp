#include "event/loop.h"

#include <event2/event.h>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include "base/log.h"
#include "base/progress.h"
#include "base/result.h"
#include "event/native.h"
#include "event/spin.h"

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

class EventWatch;

/// What a callback needs outlives the watch while the callback runs: a callback may destroy its own watch.
struct Registration {
    std::string name;
    Loop::Call call;
    EventWatch* watch = nullptr;  ///< while it lives
    SpinDetector detector{};
};

/// An exception must not pass through libevent's C frames: afterwards the base refuses to run. False: there was one.
bool guarded(const Registration& registration, Time begun) noexcept
{
    try {
        registration.call();
        const Duration took = BootClock::now() - begun;
        if (took > kLongTurn) log::warn("{} kept everybody else waiting for {}", registration.name, format_duration(took));
        return true;
    } catch (const std::exception& error) {
        log::error("{}: {}", registration.name, error.what());
    } catch (...) {
        log::error("{}: unknown exception", registration.name);
    }
    return false;
}

/// "socket:[123]": what a descriptor is, for a line in the log.
std::string descriptor_text(int fd)
{
    std::array<char, 128> target{};
    const ssize_t length = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
    return length < 0 ? errno_text(errno) : std::string(target.data(), static_cast<std::size_t>(length));
}

class EventWatch final : public Watch {
public:
    EventWatch(::event_base* base, std::set<const EventWatch*>& suspects, int fd, short what, std::string name, Loop::Call call,
               const timeval* timeout, Urgency urgency = Urgency::Normal)
        : registration_(std::make_shared<Registration>(Registration{std::move(name), std::move(call), this})),
          base_(base),
          suspects_(suspects),
          fd_(fd),
          repeats_((what & EV_PERSIST) != 0),
          timeout_(timeout != nullptr ? std::optional(*timeout) : std::nullopt),
          event_(::event_new(base, fd, what, &EventWatch::on_event, this))
    {
        if (event_ != nullptr) ::event_priority_set(event_.get(), static_cast<int>(urgency));
        if (event_ == nullptr || ::event_add(event_.get(), timeout) != 0)
            throw std::runtime_error("cannot watch descriptor " + std::to_string(fd) + " for " + registration_->name);
    }
    ~EventWatch() override
    {
        registration_->watch = nullptr;
        suspects_.erase(this);
    }
    EventWatch(const EventWatch&) = delete;
    EventWatch& operator=(const EventWatch&) = delete;

    std::string label() const { return fd_ < 0 ? registration_->name : fmt::format("{} (descriptor {})", registration_->name, fd_); }
    bool is_calm(Time now) const { return registration_->detector.is_calm(now); }

private:
    static void on_event(int, short, void* self)
    {
        const std::shared_ptr<Registration> registration = static_cast<EventWatch*>(self)->registration_;
        const std::uint64_t before = progress_count;
        const Time begun = BootClock::now();
        const bool worked = guarded(*registration, begun);
        if (EventWatch* const watch = registration->watch; watch != nullptr && watch->repeats_)
            watch->judge(begun, progress_count != before, !worked);
    }

    void judge(Time now, bool achieved, bool failed)
    {
        // A timer is called as often as it was asked to be; only its failures count.
        const Duration pause = registration_->detector.called(now, achieved || fd_ < 0, failed);
        if (pause == Duration::zero()) return;
        if (std::exchange(longest_pause_, std::max(pause, longest_pause_)) < pause)  // once for each step, not every 5 s for ever
            log::error("{}{} {}; looking away for {}", label(), fd_ < 0 ? "" : ", " + descriptor_text(fd_) + ",",
                       failed ? "fails again and again" : "is ready all the time and nobody makes progress with it", format_duration(pause));
        suspects_.insert(this);
        ::event_del(event_.get());
        const timeval delay = to_timeval(pause);
        resume_.reset(::event_new(base_, -1, 0, &EventWatch::on_resume, this));
        if (resume_ == nullptr || ::event_add(resume_.get(), &delay) != 0) on_resume(-1, 0, this);
    }

    static void on_resume(int, short, void* self)
    {
        const auto* watch = static_cast<EventWatch*>(self);
        if (::event_add(watch->event_.get(), watch->timeout_ ? &*watch->timeout_ : nullptr) != 0)
            log::critical("{} cannot be watched again", watch->label());
    }

    std::shared_ptr<Registration> registration_;
    ::event_base* base_;
    std::set<const EventWatch*>& suspects_;
    int fd_;
    bool repeats_;
    std::optional<timeval> timeout_;
    Duration longest_pause_{};
    std::unique_ptr<::event, EventFree> event_, resume_;
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
        return std::make_unique<EventWatch>(base_.get(), suspects_, fd, EV_READ | EV_PERSIST, std::move(name), std::move(call), nullptr, urgency);
    }
    WatchPtr writable(int fd, std::string name, Call call) override
    {
        return std::make_unique<EventWatch>(base_.get(), suspects_, fd, EV_WRITE | EV_PERSIST, std::move(name), std::move(call), nullptr);
    }
    WatchPtr after(Duration delay, std::string name, Call call) override
    {
        const timeval timeout = to_timeval(delay);
        return std::make_unique<EventWatch>(base_.get(), suspects_, -1, 0, std::move(name), std::move(call), &timeout);
    }
    WatchPtr every(Duration period, std::string name, Call call) override
    {
        const timeval timeout = to_timeval(period);
        return std::make_unique<EventWatch>(base_.get(), suspects_, -1, EV_PERSIST, std::move(name), std::move(call), &timeout);
    }
    void soon(Call call) override
    {
        soon_.push_back(std::move(call));
        if (soon_watch_ == nullptr) soon_watch_ = after(Duration::zero(), "deferred work", [this] { run_soon(); });
    }
    std::vector<std::string> alarms() const override
    {
        std::vector<std::string> texts;
        for (const EventWatch* watch : suspects_)
            if (!watch->is_calm(now())) texts.push_back(watch->label() + " is paused: it was ready all the time without progress, or failed");
        return texts;
    }
    void run() override { ::event_base_loop(base_.get(), EVLOOP_NO_EXIT_ON_EMPTY); }
    void stop() override { ::event_base_loopbreak(base_.get()); }

    ::event_base* base() { return base_.get(); }

private:
    void run_soon()
    {
        soon_watch_.reset();
        const std::vector<Call> calls = std::exchange(soon_, {});
        for (const Call& call : calls) guarded(Registration{"deferred work", call}, BootClock::now());
    }

    std::unique_ptr<::event_base, BaseFree> base_;
    std::set<const EventWatch*> suspects_;  // those that have had to pause
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
