#include <csignal>
#include <optional>

#include "place.h"

// One place in a world that does its worst: programs die at any time, clones fail, callers come, administrators start,
// stop and reload, the engine is killed, and at some time the daemon ends. What is promised holds at every moment.

using namespace xsv;
using namespace xsv::engine;
using namespace std::chrono_literals;
using config::Activation;
using config::Autorestart;
using test::hold;

namespace {

enum class Kind { Always, AlwaysWithSockets, OnDemand, PerConnection };

struct Process {
    pid_t pid = 0;
    Time born{}, dies = Time::max(), takes = Time::max();
    ExitStatus status{CLD_EXITED, 0};
    bool took = false;
    bool hears_term = true;
};

class World : test::Place {
public:
    World(std::uint64_t seed, test::Trace& trace, Kind kind) : dice_(seed), trace_(trace), kind_(kind)
    {
        const bool plain = kind == Kind::Always;
        p_.activation = plain || kind == Kind::AlwaysWithSockets ? Activation::Always
                        : kind == Kind::OnDemand                 ? Activation::OnDemand
                                                                 : Activation::PerConnection;
        p_.has_sockets = !plain;
        p_.gives_up = plain || dice_.chance(30);
        p_.start_retries = dice_.below(5);
        p_.start_time = dice_.one_of<Duration>({0s, 200ms, 1s, 5s});
        p_.stop_time = dice_.one_of<Duration>({0s, 1s, 10s});
        p_.backoff_max = dice_.one_of<Duration>({1s, 7s, 60s});
        if (dice_.chance(20)) p_.fatal_retry = dice_.one_of<Duration>({1s, 30s});
        p_.autorestart = dice_.one_of({Autorestart::Never, Autorestart::Unexpected, Autorestart::Always});
        p_.kill_as_group = dice_.chance(20);
        sickness_ = dice_.one_of({0, 10, 50, 95});
    }

    void play()
    {
        for (int i = 0, end = 10 + dice_.below(40); i < end; ++i) {
            something();
            check();
        }
        if (dice_.chance(50))
            shut_down();
        else
            recover_then_stop();
    }

private:
    // ---- the world's part ----

    void something()
    {
        const int what = dice_.below(100);
        if (what < 50) return next_happening();
        if (what < 60) return start();
        if (what < 66) return stop();
        if (what < 72) return feed(Restart{now_}, "Restart");
        if (what < 85) return arrive();
        if (what < 88) return idle();
        if (what < 92) return crash();
        if (what < 95) return someone_kills();
        now_ += dice_.upto(2s);
        late();
    }

    void start()
    {
        // While a stop is under way the request is refused: B28 of Supervisor answered "true" and did nothing.
        if (!p_.ending && !stops_for_good()) wanted_ = true;
        const State before = state_;
        feed(Start{now_}, "Start");
        const bool started_already = !p_.has_sockets && std::holds_alternative<Backoff>(before);
        hold(!started_already || state_ == before, "in BACKOFF a plain program counts as started already");
    }

    void stop()
    {
        const bool acts = stop_acts(p_, state_);
        if (acts) wanted_ = false;
        const State before = state_;
        feed(Stop{now_}, "Stop");
        hold(acts || state_ == before, "stop_acts tells when Stop changes something");
        hold(!open_ || !acts, "stop closes the sockets at once");
        if (!process_ && acts) hold(std::holds_alternative<Stopped>(state_), "without a process stop is done at once");
    }

    void arrive()
    {
        if (open_) ++callers_;
        if (kind_ != Kind::PerConnection || !watched_ || !open_) return;
        // The handlers live elsewhere; the place hears how their starts went.
        if (dice_.chance(sickness_)) {
            const bool resource = dice_.chance(40);
            count_failure(resource);
            feed(SpawnFailed{now_, resource}, "SpawnFailed for a handler");
        } else {
            callers_ = 0;
            failures_ = pauses_ = 0;
            feed(Spawned{now_, 7}, "Spawned a handler");
        }
    }

    void idle()
    {
        if (!process_) return;
        feed(Idle{now_}, "Idle");
        if (kind_ == Kind::OnDemand) hold(open_ || !wanted_, "an idle program's sockets stay open");
    }

    void someone_kills()
    {
        if (!process_) return;
        process_->dies = now_;
        process_->status = {CLD_KILLED, SIGKILL};
    }

    /// The engine is killed; its successor knows the state and finds the kernel as it was.
    void crash()
    {
        timer_.reset();
        watched_ = false;
        now_ += dice_.upto(50ms);
        trace_.say(now_, "a new engine");
        perform(resume(p_, state_, now_));
    }

    Time soonest() const
    {
        Time at = Time::max();
        if (timer_) at = std::min(at, *timer_);
        if (process_) at = std::min({at, process_->dies, process_->takes});
        return at;
    }

    /// Moves on to what comes next by itself; false: nothing will.
    bool next()
    {
        if (watched_ && callers_ > 0 && kind_ != Kind::PerConnection) {
            feed(Demand{now_}, "Demand");
            return true;
        }
        const Time at = soonest();
        if (at == Time::max()) return false;
        now_ = std::max(now_, at);
        late();
        return true;
    }
    void next_happening() { next(); }

    /// Whatever is due by now, exits before timers.
    void late()
    {
        if (process_ && process_->takes <= now_ && process_->takes <= process_->dies) {
            if (callers_ > 0) process_->took = true;
            callers_ = 0;
            process_->takes = Time::max();
        }
        if (process_ && process_->dies <= now_) return exit();
        if (timer_ && *timer_ <= now_) {
            timer_.reset();
            if (!std::holds_alternative<Backoff>(state_) && !std::holds_alternative<Fatal>(state_) &&
                dice_.chance(10)) {
                now_ = std::max(Time{} + 1s, now_ - dice_.upto(1ms));  // a timer that fires early
            }
            feed(TimerFired{now_}, "TimerFired");
        }
    }

    void exit()
    {
        const Process dead = *process_;
        process_.reset();
        const bool waiting = callers_ > 0;
        const auto* s = std::get_if<Starting>(&state_);
        const auto* r = std::get_if<Running>(&state_);
        const bool on_demand = kind_ == Kind::OnDemand, useful = on_demand && (dead.took || !waiting);
        const Duration least = on_demand ? std::max<Duration>(p_.start_time, 1s) : p_.start_time;
        if (!useful && ((s && now_ - s->since < least) || (r && on_demand && now_ - r->since < 1s)))
            ++failures_;
        else
            failures_ = 0;
        pauses_ = 0;
        exiting_ = true;
        const bool was_stopping = std::holds_alternative<Stopping>(state_);
        swept_ = false;
        feed(Exited{now_, dead.status, dead.took, waiting}, "Exited");
        hold(swept_ == (was_stopping || p_.kill_as_group), "the group is swept after a stop and with killasgroup");
        exiting_ = false;
    }

    void count_failure(bool resource)
    {
        if (resource && p_.has_sockets)
            ++pauses_;
        else
            ++failures_, pauses_ = 0;
    }

    void spawn()
    {
        hold(!process_, "never two processes in one place");
        hold(wanted_, "nothing starts after a stop");
        hold(!p_.ending, "nothing starts while the daemon ends");
        hold(open_ || !p_.has_sockets, "the sockets are open before the program starts");
        hold(std::holds_alternative<Spawning>(state_), "a spawn leads to Spawning");
        if (!healthy_ && dice_.chance(sickness_ / 2)) {
            const bool resource = dice_.chance(40);
            count_failure(resource);
            return feed(SpawnFailed{now_, resource}, resource ? "SpawnFailed, resources" : "SpawnFailed");
        }
        Process child{.pid = ++last_pid_, .born = now_};
        if (healthy_ || dice_.chance(70)) child.takes = now_ + (healthy_ ? 10ms : dice_.upto(3s));
        if (!healthy_) {
            child.status = dice_.one_of<ExitStatus>({{CLD_EXITED, 0}, {CLD_EXITED, 1}, {CLD_KILLED, SIGSEGV}, {0, 0}});
            child.hears_term = dice_.chance(80);
            if (dice_.chance(sickness_))
                child.dies = now_ + dice_.upto(500ms);
            else if (dice_.chance(20))
                child.dies = now_ + p_.start_time;
            else if (dice_.chance(50))
                child.dies = now_ + dice_.upto(20s);
        }
        process_ = child;
        pauses_ = 0;
        if (!healthy_ && dice_.chance(5)) {  // the engine is killed right after the clone
            now_ += dice_.upto(3s);
            watched_ = false;
            timer_.reset();
            feed(Adopted{now_, child.pid, child.born}, "Adopted");
            if (std::holds_alternative<Running>(state_)) failures_ = 0;
            return;
        }
        feed(Spawned{now_, child.pid}, "Spawned");
    }

    void signal(const Signal& action)
    {
        hold(process_.has_value(), "signals go to a process that is there");
        if (action.signal != SIGKILL) told_ = now_;
        if (!healthy_ && dice_.chance(3)) {
            feed(SignalFailed{now_}, "SignalFailed");
            hold(supervisor_view(state_) == SupervisorState::Unknown, "an unreachable process is UNKNOWN");
            return;
        }
        if (action.signal == SIGKILL) {
            hold(now_ >= told_ + p_.stop_time, "SIGKILL comes stop_time after the stop signal, not sooner");
            if (dice_.chance(90))
                process_->dies = std::min(process_->dies, now_ + dice_.upto(10ms));  // else stuck in the kernel
        } else if (process_->hears_term) {
            process_->dies = std::min(process_->dies, now_ + dice_.upto(3s));
        }
    }

    void perform(const std::vector<Action>& actions)
    {
        for (std::size_t i = 0; i < actions.size(); ++i) {
            const Action& action = actions[i];
            if (perform_here(action)) continue;
            if (std::holds_alternative<Spawn>(action)) {
                hold(i + 1 == actions.size(), "Spawn is the last action");
                spawn();
            } else if (const auto* s = std::get_if<Signal>(&action)) {
                signal(*s);
            } else if (std::holds_alternative<OpenSockets>(action)) {
                hold(p_.has_sockets && wanted_, "sockets open on request only");
                open_ = true;
            } else if (std::holds_alternative<CloseSockets>(action)) {
                hold(!wanted_ || p_.ending, "no socket closes except by stop or at the end");
                open_ = watched_ = false;
                callers_ = 0;
            } else if (std::holds_alternative<SweepGroup>(action)) {
                hold(exiting_ && !process_, "only what an ended process left is swept");
                swept_ = true;
            }
        }
    }

    void feed(const Event& event, const char* name)
    {
        const State before = state_;
        Step result = step(p_, state_, event);
        trace_.say(now_, fmt::format("{} in {} -> {}", name, state_name(before), state_name(result.state)));
        state_ = result.state;
        // A request, or going on after FATAL, starts the count anew.
        const bool request = std::holds_alternative<Start>(event) || std::holds_alternative<Restart>(event) ||
                             (std::holds_alternative<TimerFired>(event) && std::holds_alternative<Fatal>(before));
        if (request && !(state_ == before)) failures_ = pauses_ = 0;
        check_waits(before);
        perform(result.actions);
    }

    /// The waits follow their formulas; the failures are counted by the world, not by the machine.
    void check_waits(const State& before)
    {
        if (const auto* b = std::get_if<Backoff>(&state_); b && !(state_ == before)) {
            Duration wait;
            if (pauses_ > 0)
                wait = std::min<Duration>(100ms * (1 << std::min(pauses_ - 1, 6)), 5s);
            else if (!p_.has_sockets)
                wait = std::chrono::seconds(failures_);
            else
                wait = std::min<Duration>(1s * (1 << std::min(failures_ - (kind_ == Kind::OnDemand ? 2 : 1), 10)),
                                          p_.backoff_max);
            hold(b->until == now_ + wait, "the wait before the next try is the promised one");
            hold(!p_.gives_up || pauses_ > 0 || failures_ <= p_.start_retries, "after the last retry comes FATAL");
        }
        if (std::holds_alternative<Fatal>(state_) && !std::holds_alternative<Fatal>(before) && !shut_down_) {
            hold(p_.gives_up, "only who was asked to gives up");
            hold(failures_ == p_.start_retries + 1, "N retries make N + 1 attempts");
        }
        const auto counted = [this](const auto& state) {
            hold(state.failures == failures_ && state.pauses == pauses_,
                 "failures are counted until the program was up");
        };
        if (const auto* next = std::get_if<Spawning>(&state_)) counted(*next);
        if (const auto* next = std::get_if<Listening>(&state_)) counted(*next);
        if (const auto* next = std::get_if<Backoff>(&state_)) counted(*next);
    }

    bool stops_for_good() const
    {
        const auto* s = std::get_if<Stopping>(&state_);
        return s && (s->after == After::Stop || s->after == After::Shutdown);
    }

    void check()
    {
        hold(!std::holds_alternative<Spawning>(state_), "every spawn is answered");
        hold(live_pid(state_) == (process_ ? std::optional(process_->pid) : std::nullopt),
             "the state knows the process");
        const auto* fatal = std::get_if<Fatal>(&state_);
        const bool waits = std::holds_alternative<Starting>(state_) || std::holds_alternative<Backoff>(state_) ||
                           std::holds_alternative<Stopping>(state_) || (fatal && fatal->until);
        // At the end a retry that comes due is dropped; Shutdown is on its way.
        const bool dropped =
            p_.ending && !std::holds_alternative<Starting>(state_) && !std::holds_alternative<Stopping>(state_);
        hold(waits == timer_.has_value() || (dropped && !timer_), "who waits has a timer, and nobody else");
        const bool listening = std::holds_alternative<Listening>(state_);
        hold(watched_ == (listening && !(p_.ending && !watched_)), "sockets are watched exactly while listening");
        if (!shut_down_) {
            hold(open_ == (p_.has_sockets && !std::holds_alternative<Stopped>(state_) && !stops_for_good()),
                 "sockets are open exactly while the service is not stopped");
        } else {
            hold(!open_, "the end closes the sockets");
        }
        hold(!fatal || p_.gives_up || shut_down_, "only who was asked to gives up");
        if (kind_ == Kind::Always) hold(!listening, "a plain program does not listen");
    }

    // ---- ends ----

    void run_for(Duration time)
    {
        const Time end = now_ + time;
        for (int i = 0; i < 2000; ++i) {
            const bool due = watched_ && callers_ > 0 && kind_ != Kind::PerConnection;
            if (!due && soonest() > end) break;
            if (!next()) break;
            check();
        }
        now_ = std::max(now_, end);
    }

    /// The world gets well again. Whatever had happened, the service comes back by itself, and a stop ends it.
    void recover_then_stop()
    {
        healthy_ = true;
        trace_.say(now_, "all is well from here");
        if (process_) process_->takes = now_ + 10ms;
        if (open_) ++callers_;
        const bool should_serve = wanted_ && p_.has_sockets && open_;
        // The longest way: a stop that needs several SIGKILLs, a death to come, the longest wait, the start itself.
        run_for(p_.stop_time * 2 + 40s + p_.backoff_max * 3 + p_.fatal_retry.value_or(0s) + p_.start_time);
        const bool rests =
            std::holds_alternative<Ended>(state_) || (std::holds_alternative<Fatal>(state_) && !p_.fatal_retry);
        if (kind_ == Kind::OnDemand && should_serve && !rests) hold(callers_ == 0, "every caller is served in the end");
        if (wanted_ && !rests && p_.activation == Activation::Always) {
            hold(std::holds_alternative<Running>(state_), "an always-on program is running again");
        }
        if (wanted_ && !rests && kind_ == Kind::PerConnection) {
            hold(std::holds_alternative<Listening>(state_), "a per-connection service listens again");
        }
        if (dice_.chance(50)) feed(Restart{now_}, "Restart");
        check();
        stop();
        check();
        run_for(p_.stop_time + 60s);
        hold(!process_, "a stop ends the process");
        const bool at_rest = std::holds_alternative<Ended>(state_) || std::holds_alternative<Fatal>(state_);
        hold(std::holds_alternative<Stopped>(state_) || (at_rest && !p_.has_sockets), "stop leads to Stopped");
        run_for(1h);
        hold(!process_ && !timer_ && !watched_, "and there it stays");
    }

    void shut_down()
    {
        p_.ending = true;
        trace_.say(now_, "the daemon ends");
        for (int i = dice_.below(6); i > 0; --i) {  // other groups' turns come first
            something();
            check();
        }
        wanted_ = false;
        shut_down_ = true;
        const bool was_backoff = std::holds_alternative<Backoff>(state_);
        feed(Shutdown{now_}, "Shutdown");
        hold(!was_backoff || state_ == State{Fatal{}}, "BACKOFF becomes FATAL at the end");
        check();
        for (int i = dice_.below(6); i > 0; --i) {
            something();
            check();
        }
        run_for(p_.stop_time + 60s);
        hold(!process_ && !timer_ && !watched_ && !open_, "the end leaves nothing behind");
        hold(is_in_stopped_set(supervisor_view(state_)), "and everything in the stopped set");
    }

    test::Dice dice_;
    test::Trace& trace_;
    Kind kind_;
    Policy p_;
    int sickness_ = 0;  ///< how much of what can fail does, in percent
    bool healthy_ = false;

    State state_ = Stopped{};
    Time told_{};  ///< when the process got its stop signal
    std::optional<Process> process_;
    pid_t last_pid_ = 100;
    int callers_ = 0;

    bool wanted_ = false, shut_down_ = false, exiting_ = false, swept_ = false;
    int failures_ = 0, pauses_ = 0;
};

constexpr int kHistories = 10'000;

}  // namespace

TEST_CASE("an always-on program keeps every promise in any history", "[engine][walk]")
{
    test::play_histories<World>("always", kHistories, Kind::Always);
}

TEST_CASE("an always-on program with sockets keeps every promise in any history", "[engine][walk]")
{
    test::play_histories<World>("always with sockets", kHistories, Kind::AlwaysWithSockets);
}

TEST_CASE("an on-demand program keeps every promise in any history", "[engine][walk]")
{
    test::play_histories<World>("on demand", kHistories, Kind::OnDemand);
}

TEST_CASE("a per-connection service keeps every promise in any history", "[engine][walk]")
{
    test::play_histories<World>("per connection", kHistories, Kind::PerConnection);
}
