#pragma once

#include <list>
#include <map>
#include <memory>
#include <vector>

#include "event/loop.h"

namespace xsv::fakes {

/// A loop whose time only the test moves.
class FakeLoop final : public event::Loop {
public:
    Time now() const override { return now_; }
    event::WatchPtr readable(int fd, std::string name, Call call, event::Urgency) override { return add({fd, {}, {}, std::move(name), std::move(call)}); }
    event::WatchPtr writable(int, std::string name, Call call) override { return add({-2, {}, {}, std::move(name), std::move(call)}); }
    event::WatchPtr after(Duration delay, std::string name, Call call) override { return add({-1, now_ + delay, {}, std::move(name), std::move(call)}); }
    event::WatchPtr every(Duration period, std::string name, Call call) override { return add({-1, now_ + period, period, std::move(name), std::move(call)}); }
    void soon(Call call) override { soon_.push_back(std::move(call)); }
    void run() override {}
    void stop() override {}

    /// Is anybody looking at that descriptor?
    bool watches(int fd) const
    {
        for (const auto& entry : entries_) if (entry->fd == fd) return true;
        return false;
    }
    /// The descriptor is readable: its watch is served. False: nobody looks.
    bool fire(int fd)
    {
        for (const auto& entry : std::list(entries_)) {
            if (entry->fd != fd || entry->gone) continue;
            entry->call();
            settle();
            return true;
        }
        return false;
    }
    bool fire(const std::string& name)
    {
        for (const auto& entry : entries_)
            if (entry->name == name && entry->fd >= 0) return fire(entry->fd);
        return false;
    }
    /// Time passes; timers fire in their order, each at its moment.
    void advance(Duration duration)
    {
        settle();
        const Time end = now_ + duration;
        for (;;) {
            std::shared_ptr<Entry> next;
            for (const auto& entry : entries_)
                if (entry->due != Time{} && entry->due <= end && (next == nullptr || entry->due < next->due)) next = entry;
            if (next == nullptr) break;
            now_ = std::max(now_, next->due);
            next->due = next->period == Duration{} ? Time{} : next->due + next->period;
            next->call();
            settle();
        }
        now_ = end;
    }
    void settle()
    {
        while (!soon_.empty()) {
            auto calls = std::exchange(soon_, {});
            for (auto& call : calls) call();
        }
    }

private:
    struct Entry {
        int fd;
        Time due;
        Duration period;
        std::string name;
        Call call;
        bool gone = false;
    };
    struct FakeWatch final : event::Watch {
        FakeWatch(FakeLoop& l, std::shared_ptr<Entry> e) : loop(l), entry(std::move(e)) {}
        ~FakeWatch() override
        {
            entry->gone = true;
            loop.entries_.remove(entry);
        }
        FakeLoop& loop;
        std::shared_ptr<Entry> entry;
    };
    event::WatchPtr add(Entry entry)
    {
        auto shared = std::make_shared<Entry>(std::move(entry));
        entries_.push_back(shared);
        return std::make_unique<FakeWatch>(*this, shared);
    }

    Time now_{std::chrono::hours(1)};
    std::list<std::shared_ptr<Entry>> entries_;
    std::vector<Call> soon_;
};

}  // namespace xsv::fakes
