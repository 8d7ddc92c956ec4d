#include <csignal>
#include <map>
#include <optional>

#include "engine/admission.h"
#include "engine/connection.h"
#include "history.h"

// A per-connection service with its handlers and its gate, in a world that does its worst.

using namespace xsv;
using namespace xsv::engine;
using namespace std::chrono_literals;
using test::hold;
using Stage = ConnectionStopping::Stage;

namespace {

struct Handler {
    ConnectionState state = ConnectionSpawning{};
    std::optional<Time> timer, told, stopped;
    Time dies = Time::max();
    bool alive = false, hears_term = true;
};

class World {
public:
    World(std::uint64_t seed, test::Trace& trace) : dice_(seed), trace_(trace)
    {
        p_.activation = config::Activation::PerConnection;
        p_.has_sockets = true;
        p_.stop_time = dice_.one_of<Duration>({0s, 1s, 10s});
        p_.kill_as_group = dice_.chance(20);
        limits_.max_instances = 1 + dice_.below(4);
        limits_.overload = dice_.chance(30) ? config::Overload::Refuse : config::Overload::Queue;
        if (dice_.chance(40)) limits_.max_rate = {1 + dice_.below(4), dice_.one_of<Duration>({100ms, 1s, 10s}), false};
        sickness_ = dice_.one_of({0, 10, 60});
    }

    void play()
    {
        open_ = true;
        for (int i = 0, end = 10 + dice_.below(50); i < end; ++i) {
            something();
            check();
        }
        if (dice_.chance(50)) drain();
        finish();
    }

private:
    void something()
    {
        const int what = dice_.below(100);
        if (what < 35)
            callers_ += 1 + dice_.below(3), arrivals();
        else if (what < 85)
            next();
        else if (what < 90)
            now_ += dice_.upto(2s), due();
        else if (what < 93)
            crash();
        else if (what < 95 && !handlers_.empty())
            handlers_.begin()->second.dies = now_;
        else if (what < 97)
            spares_ = dice_.chance(50) ? kSpareDescriptors + 1 : kSpareDescriptors;
    }

    /// The engine's part, as short as it can be: look while watched, ask the gate, start handlers.
    void arrivals()
    {
        for (int n = 0; open_ && !waiting_ && callers_ > 0 && n < kSpawnsPerListener; ++n) {
            const Situation situation{
                .now = now_, .instances = live(), .free_descriptors = spares_, .load = 0, .local = {}};
            const Admission admission = admit(limits_, gate_, situation);
            if (const auto* wait = std::get_if<Wait>(&admission.verdict)) {
                hold(!wait->until || *wait->until > now_, "a wait lies ahead");
                hold(wait->until || live() > 0, "who waits without a time waits for somebody's end");
                hold(limits_.overload == config::Overload::Queue || wait->reason != Reason::Instances,
                     "refuse refuses");
                gate_ = admission.gate;
                waiting_ = *wait;
                trace_.say(now_, fmt::format("wait: {}", reason_text(wait->reason)));
                return;
            }
            --callers_;
            gate_ = admission.gate;
            if (std::holds_alternative<Refuse>(admission.verdict)) {
                hold(live() >= limits_.max_instances && limits_.overload == config::Overload::Refuse,
                     "no refusal without cause");
                continue;
            }
            admitted_.push_back(now_);
            spawn();
        }
    }

    void spawn()
    {
        const int id = ++last_id_;
        handlers_.emplace(id, Handler{});
        if (dice_.chance(sickness_ / 2)) {
            ++callers_;  // the child accepts; without a child the caller is in the queue still
            feed(id, SpawnFailed{now_, true}, "SpawnFailed");
            const Pause before = gate_.pause;
            gate_.pause = lengthen(gate_.pause, now_);
            hold(gate_.pause.length >= 100ms && gate_.pause.length <= 5s, "pauses last from 100 ms to 5 s");
            hold(before.length == 0s || now_ - before.until >= 10s || gate_.pause.length >= before.length, "and grow");
            waiting_ = Wait{Reason::Resources, gate_.pause.until};
            return;
        }
        Handler& handler = handlers_.at(id);
        handler.alive = true;
        handler.hears_term = dice_.chance(70);
        if (dice_.chance(80)) handler.dies = now_ + dice_.upto(dice_.chance(50) ? 100ms : 15s);
        feed(id, Spawned{now_, 1000 + id}, "Spawned");
    }

    int live() const { return static_cast<int>(handlers_.size()); }

    void crash()
    {
        trace_.say(now_, "a new engine");
        waiting_.reset();
        gate_ = {};
        admitted_.clear();
        for (auto& [id, handler] : handlers_) {
            handler.timer.reset();
            perform(id, resume(handler.state, now_));
        }
        arrivals();
    }

    Time soonest() const
    {
        if (open_ && !waiting_ && callers_ > 0) return now_;  // the listener is readable still
        Time at = waiting_ && waiting_->until ? *waiting_->until : Time::max();
        for (const auto& [id, handler] : handlers_)
            at = std::min({at, handler.dies, handler.timer.value_or(Time::max())});
        return at;
    }

    bool next()
    {
        const Time at = soonest();
        if (at == Time::max()) return false;
        now_ = std::max(now_, at);
        due();
        return true;
    }

    void due()
    {
        std::vector<int> ids;
        for (const auto& [id, handler] : handlers_) ids.push_back(id);
        for (const int id : ids) {
            if (Handler& handler = handlers_.at(id); handler.dies <= now_) {
                handler.alive = false;
                handler.dies = Time::max();
                feed(id, Exited{.now = now_, .status = {CLD_EXITED, 0}}, "Exited");
                if (waiting_ && !waiting_->until) waiting_.reset();
            } else if (handler.timer && *handler.timer <= now_) {
                handler.timer.reset();
                feed(id, TimerFired{now_}, "TimerFired");
            }
        }
        if (waiting_ && waiting_->until && *waiting_->until <= now_) waiting_.reset();
        arrivals();
    }

    void feed(int id, const ConnectionEvent& event, const char* name)
    {
        const ConnectionStep result = step(p_, handlers_.at(id).state, event);
        trace_.say(now_,
                   fmt::format("{} for {}: {} -> {}", name, id, handlers_.at(id).state.index(), result.state.index()));
        handlers_.at(id).state = result.state;
        perform(id, result.actions);
        if (std::holds_alternative<ConnectionGone>(result.state)) {
            hold(!handlers_.at(id).alive && !handlers_.at(id).timer, "a place is given back when its process is gone");
            handlers_.erase(id);
        }
    }

    void perform(int id, const std::vector<Action>& actions)
    {
        Handler& handler = handlers_.at(id);
        for (const Action& action : actions) {
            if (const auto* t = std::get_if<SetTimer>(&action))
                handler.timer = now_ + t->after;
            else if (std::holds_alternative<ClearTimer>(action))
                handler.timer.reset();
            else if (std::holds_alternative<SweepGroup>(action))
                hold(!handler.alive, "only what is left is swept");
            else if (const auto* s = std::get_if<Signal>(&action))
                signal(handler, s->signal);
            else
                hold(std::holds_alternative<Note>(action), "handlers have few actions");
        }
    }

    void signal(Handler& handler, int signal)
    {
        hold(handler.alive, "signals go to a process that is there");
        hold(handler.stopped.has_value(), "nobody is signalled without a stop");
        if (signal == SIGKILL) {
            hold(handler.told && now_ - *handler.told >= p_.stop_time, "SIGKILL comes stop_time after the stop signal");
            if (dice_.chance(80)) handler.dies = std::min(handler.dies, now_ + 5ms);
            return;
        }
        hold(at_once_ || now_ - *handler.stopped >= p_.stop_time, "handlers have stop_time to finish");
        handler.told = now_;
        if (handler.hears_term) handler.dies = std::min(handler.dies, now_ + dice_.upto(3s));
    }

    void check()
    {
        hold(live() <= limits_.max_instances, "never more than max_instances");
        for (const auto& [id, handler] : handlers_) {
            hold(!std::holds_alternative<ConnectionSpawning>(handler.state), "every spawn is answered");
            hold(handler.alive, "a place has a process");
            hold(handler.timer.has_value() == std::holds_alternative<ConnectionStopping>(handler.state),
                 "only who was stopped has a timer");
        }
        if (waiting_ && !waiting_->until) hold(live() > 0, "who waits for somebody's end is woken by the last one");
        if (limits_.max_rate.count == 0) return;
        const auto recent =
            std::ranges::count_if(admitted_, [this](Time at) { return at > now_ - limits_.max_rate.per; });
        hold(recent <= 2 * limits_.max_rate.count, "the rate is kept");
        const auto all = static_cast<std::int64_t>(admitted_.size());
        if (all > 0) {
            const std::int64_t periods = (now_ - admitted_.front()) / limits_.max_rate.per + 2;
            hold(all <= periods * limits_.max_rate.count, "and in the long run it is exact");
        }
    }

    void run_until(Time end)
    {
        for (int i = 0; i < 5000 && soonest() <= end && next(); ++i) check();
        now_ = std::max(now_, end);
    }

    /// All is well again: whoever waits is served without anybody's help.
    void drain()
    {
        sickness_ = 0;
        spares_ = kSpareDescriptors + 10;
        for (auto& [id, handler] : handlers_) handler.dies = std::min(handler.dies, now_ + 1s);
        for (int i = 0; i < 5000 && callers_ > 0; ++i) {
            hold(next(), "a queue has something that wakes it");
            for (auto& [id, handler] : handlers_) handler.dies = std::min(handler.dies, now_ + 100ms);
            check();
        }
        hold(callers_ == 0, "every caller is served in the end");
    }

    void finish()
    {
        at_once_ = dice_.chance(50);
        open_ = false;
        waiting_.reset();
        trace_.say(now_, at_once_ ? "stop --now, or the end" : "stop");
        std::vector<int> ids;
        for (const auto& [id, handler] : handlers_) ids.push_back(id);
        for (const int id : ids) {
            handlers_.at(id).stopped = now_;
            if (!at_once_)
                feed(id, Stop{now_}, "Stop");
            else if (dice_.chance(50))
                feed(id, StopNow{now_}, "StopNow");
            else
                feed(id, Shutdown{now_}, "Shutdown");
            hold(handlers_.at(id).told.has_value() == at_once_,
                 "handlers are told at once exactly where that was asked for");
            if (dice_.chance(10)) feed(id, Stop{now_}, "Stop again");
        }
        check();
        if (dice_.chance(20)) crash();
        run_until(now_ + 2 * p_.stop_time + 5min);
        hold(handlers_.empty(), "a stop ends every handler");
    }

    test::Dice dice_;
    test::Trace& trace_;
    Policy p_;
    config::Policy limits_;
    int sickness_ = 0, spares_ = kSpareDescriptors + 10;
    Time now_ = Time{} + 1000s;
    bool open_ = false, at_once_ = false;
    int callers_ = 0, last_id_ = 0;
    Gate gate_;
    std::optional<Wait> waiting_;
    std::vector<Time> admitted_;
    std::map<int, Handler> handlers_;
};

}  // namespace

TEST_CASE("handlers and their gate keep every promise in any history", "[engine][walk]")
{
    test::play_histories<World>("connections", 10'000);
}
