#include <csignal>
#include <optional>

#include "place.h"

// Programs that tell when they are ready, with commands beside them, in a world that does its worst: what is told comes at
// any time or never, commands fail, the main process changes, the engine is killed. What is promised holds at every moment.

using namespace xsv;
using namespace xsv::engine;
using namespace std::chrono_literals;
using config::Activation;
using config::Autorestart;
using config::ReadyWhen;
using test::hold;

namespace {

struct Process {
    pid_t pid = 0;
    Time ready = Time::max(), dies = Time::max();
    ExitStatus status{CLD_EXITED, 0};
    bool was_ready = false;
};

struct Command {
    Hook hook{};
    Time ends{};
    bool good = true;
};

class World : test::Place {
public:
    World(std::uint64_t seed, test::Trace& trace) : dice_(seed), trace_(trace)
    {
        p_.ready = dice_.one_of({ReadyWhen::StartSecs, ReadyWhen::Notify, ReadyWhen::Fd, ReadyWhen::Exec, ReadyWhen::Fork, ReadyWhen::Exit});
        p_.activation = p_.ready != ReadyWhen::Exit && dice_.chance(30) ? Activation::OnDemand : Activation::Always;
        p_.has_sockets = p_.activation == Activation::OnDemand || dice_.chance(20);
        p_.gives_up = !p_.has_sockets;
        p_.start_retries = dice_.below(4);
        p_.start_time = dice_.one_of<Duration>({0s, 1s});
        p_.stop_time = dice_.one_of<Duration>({0s, 1s, 10s});
        p_.start_timeout = dice_.one_of<Duration>({0s, 1s, 90s});
        p_.autorestart = dice_.one_of({Autorestart::Never, Autorestart::Unexpected, Autorestart::Always, Autorestart::OnSuccess,
                                       Autorestart::OnFailure, Autorestart::OnAbnormal, Autorestart::OnAbort, Autorestart::OnWatchdog});
        p_.restarts.change().pause = dice_.one_of<Duration>({0s, 0s, 3s});
        if (dice_.chance(30)) p_.restarts.change().run_time_max = dice_.one_of<Duration>({500ms, 20s});
        if (dice_.chance(20)) p_.restarts.change().prevent = {{1}, {SIGABRT}};
        if (dice_.chance(20)) p_.restarts.change().force = {{0}, {SIGKILL}};
        p_.restarts.change().remain_after_exit = p_.ready == ReadyWhen::Exit && dice_.chance(50);
        p_.before_start = dice_.chance(40);
        p_.after_start = dice_.chance(40);
        p_.before_stop = dice_.chance(40);
    }

    void play()
    {
        for (int i = 0, end = 10 + dice_.below(40); i < end; ++i) {
            something();
            check();
        }
        end();
    }

private:
    void something()
    {
        const int what = dice_.below(100);
        if (what < 55) return next();
        if (what < 65) return start();
        if (what < 70) return stop();
        if (what < 75) return feed(Restart{now_}, "Restart");
        if (what < 80) return crash();
        if (what < 84) return feed(WatchdogMissed{now_}, "WatchdogMissed");
        if (what < 88) return feed(Extend{now_, dice_.upto(5s)}, "Extend");
        if (what < 91) return feed(NeverReady{now_}, "NeverReady");
        if (what < 94) return change_main();
        if (what < 96 && process_) {
            process_->dies = now_;
            process_->status = {CLD_KILLED, SIGKILL};
            return;
        }
        now_ += dice_.upto(2s);
    }

    void start()
    {
        const auto* stopping = std::get_if<Stopping>(&state_);
        if (stopping == nullptr || (stopping->after != After::Stop && stopping->after != After::Shutdown)) wanted_ = true;
        feed(Start{now_}, "Start");
    }
    void stop()
    {
        const bool acts = stop_acts(p_, state_);
        if (acts) wanted_ = false;
        const State before = state_;
        feed(Stop{now_}, "Stop");
        hold(acts || state_ == before, "stop_acts tells when Stop changes something");
    }

    /// The first process has gone and another one is the main one, at once or in a while.
    void change_main()
    {
        if (!process_ || !live_pid(state_)) return;
        const auto* starting = std::get_if<Starting>(&state_);
        if (p_.ready == ReadyWhen::Fork && starting != nullptr && !starting->posting && dice_.chance(50)) {
            process_.reset();
            return feed(MainPid{now_, 0}, "MainPid 0");
        }
        process_->pid = ++last_pid_;
        feed(MainPid{now_, process_->pid}, "MainPid");
    }
    /// Whoever is awaited comes after all.
    void appear()
    {
        process_ = Process{.pid = ++last_pid_, .was_ready = true};
        feed(MainPid{now_, process_->pid}, "MainPid");
        feed(BecameReady{now_}, "BecameReady");
    }
    bool is_between() const
    {
        const auto* starting = std::get_if<Starting>(&state_);
        return starting != nullptr && starting->pid == 0;
    }

    void crash()
    {
        timer_.reset();
        watched_ = false;
        now_ += dice_.upto(50ms);
        trace_.say(now_, "a new engine");
        perform(resume(p_, state_, now_));
    }

    void next()
    {
        if (watched_ && dice_.chance(50)) return feed(Demand{now_}, "Demand");
        if (is_between() && dice_.chance(30)) return appear();
        Time at = timer_.value_or(Time::max());
        if (process_) at = std::min({at, process_->dies, process_->ready});
        if (command_) at = std::min(at, command_->ends);
        if (at == Time::max()) return;
        now_ = std::max(now_, at);
        if (process_ && process_->dies <= now_) return exit();
        if (process_ && process_->ready <= now_) {
            process_->ready = Time::max();
            process_->was_ready = p_.ready != ReadyWhen::StartSecs;
            return feed(BecameReady{now_}, "BecameReady");
        }
        if (command_ && command_->ends <= now_) {
            const Command done = *command_;
            command_.reset();
            return feed(HooksDone{now_, done.hook, done.good}, done.good ? "HooksDone" : "HooksDone, failed");
        }
        timer_.reset();
        feed(TimerFired{now_}, "TimerFired");
    }

    void exit()
    {
        const Process dead = *process_;
        process_.reset();
        feed(Exited{now_, dead.status, dice_.chance(50), dice_.chance(50)}, "Exited");
    }

    void spawn()
    {
        hold(!process_, "never two processes in one place");
        hold(wanted_ && !p_.ending, "nothing starts after a stop, nor at the end");
        hold(!p_.before_start || prepared_, "start_pre comes first");
        prepared_ = false;
        posted_ = false;
        if (!healthy_ && dice_.chance(10)) return feed(SpawnFailed{now_, dice_.chance(50)}, "SpawnFailed");
        Process child{.pid = ++last_pid_};
        if (healthy_ || dice_.chance(70)) child.ready = now_ + (healthy_ ? 10ms : dice_.upto(3s));
        if (p_.ready == ReadyWhen::Exit && healthy_) child.dies = now_ + 10ms;
        if (!healthy_ && dice_.chance(60)) {
            child.dies = now_ + dice_.upto(5s);
            child.status = dice_.one_of<ExitStatus>({{CLD_EXITED, 0}, {CLD_EXITED, 1}, {CLD_KILLED, SIGSEGV}, {CLD_KILLED, SIGTERM}, {0, 0}});
        }
        process_ = child;
        if (!healthy_ && dice_.chance(5)) return feed(Adopted{now_, child.pid, now_}, "Adopted");
        feed(Spawned{now_, child.pid}, "Spawned");
    }

    void signal(const Signal& action)
    {
        hold(process_.has_value(), "signals go to a process that is there");
        if (action.signal == SIGKILL) hold(now_ >= told_ + p_.stop_time, "SIGKILL comes stop_time after the stop signal, not sooner");
        else told_ = now_;
        process_->dies = std::min(process_->dies, now_ + dice_.upto(action.signal == SIGKILL ? 10ms : 3s));
        if (action.signal != SIGKILL && dice_.chance(20)) process_->dies = Time::max();  // it does not listen
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
                open_ = true;
            } else if (std::holds_alternative<CloseSockets>(action)) {
                open_ = watched_ = false;
            } else if (const auto* run = std::get_if<RunHooks>(&action)) {
                command_ = Command{run->hook, now_ + dice_.upto(2s), healthy_ || dice_.chance(70)};
                if (run->hook == Hook::StartPost) posted_ = true;
            } else if (std::holds_alternative<EndHooks>(action)) {
                if (command_ && command_->hook != Hook::StopCommand) command_.reset();
            }
        }
    }

    void feed(const Event& event, const char* name)
    {
        const State before = state_;
        Step result = step(p_, state_, event);
        trace_.say(now_, fmt::format("{} in {} -> {}", name, state_name(before), state_name(result.state)));
        state_ = result.state;
        if (std::holds_alternative<Preparing>(before) && std::holds_alternative<Spawning>(state_)) prepared_ = true;
        const bool came_up = std::holds_alternative<Starting>(before) && std::holds_alternative<Running>(state_);
        if (came_up && p_.ready != ReadyWhen::StartSecs) hold(process_ && process_->was_ready, "RUNNING only after it has said so");
        if (came_up) hold(!p_.after_start || posted_, "RUNNING only after start_post");
        perform(result.actions);
    }

    void check()
    {
        hold(!std::holds_alternative<Spawning>(state_), "every spawn is answered");
        hold(live_pid(state_) == (process_ ? std::optional(process_->pid) : std::nullopt), "the state knows the process");
        const auto* starting = std::get_if<Starting>(&state_);
        const auto* stopping = std::get_if<Stopping>(&state_);
        const auto* running = std::get_if<Running>(&state_);
        const auto runs = [this](Hook hook) { return command_ && command_->hook == hook; };
        if (std::holds_alternative<Preparing>(state_)) hold(runs(Hook::StartPre), "who prepares waits for a command");
        if (starting != nullptr && starting->posting) hold(runs(Hook::StartPost), "who posts waits for a command");
        if (stopping != nullptr && stopping->asked) hold(runs(Hook::StopCommand), "who is asked waits for a command");
        const bool told = p_.ready != ReadyWhen::StartSecs;
        const auto* fatal = std::get_if<Fatal>(&state_);
        const bool waits = (starting != nullptr && !starting->posting && (!told || p_.start_timeout > 0s)) ||
                           std::holds_alternative<Backoff>(state_) || (stopping != nullptr && !stopping->asked) ||
                           (running != nullptr && p_.restarts->run_time_max.has_value()) || (fatal != nullptr && fatal->until);
        const bool dropped = p_.ending && std::holds_alternative<Backoff>(state_);
        hold(waits == timer_.has_value() || (dropped && !timer_), "who waits has a timer, and nobody else");
        hold(watched_ == std::holds_alternative<Listening>(state_), "sockets are watched exactly while listening");
        if (std::holds_alternative<Done>(state_)) hold(p_.restarts->remain_after_exit, "done lasts only where that was asked for");
    }

    void run_for(Duration time)
    {
        const Time end = now_ + time;
        for (int i = 0; i < 3000 && now_ < end; ++i) {
            const Time before = now_;
            next();
            check();
            if (now_ == before && i % 50 == 49) now_ += 1ms;
        }
    }

    void end()
    {
        healthy_ = true;
        trace_.say(now_, "all is well from here");
        if (command_) command_->good = true;
        if (process_ && !process_->was_ready) process_->ready = now_ + 10ms;
        stop();
        run_for(30s);
        hold(!process_ || std::holds_alternative<Stopping>(state_), "a stop leads to no new process");
        run_for(60s);
        hold(!process_ && !timer_ && !watched_, "a stop leaves nothing behind");
        start();
        run_for(30s);
        // A job has ended, or goes on being started again; everything else runs, or waits for callers.
        const bool rests = std::holds_alternative<Ended>(state_) || std::holds_alternative<Done>(state_);
        if (p_.ready == ReadyWhen::Exit) hold(rests || restarts_after(p_, Cause::Exit, {CLD_EXITED, 0}), "a job comes to its end");
        else hold(!std::holds_alternative<Fatal>(state_), "what is well does not fail");
        p_.ending = true;
        wanted_ = false;
        feed(Shutdown{now_}, "Shutdown");
        run_for(60s);
        hold(!process_ && !timer_ && !watched_ && !open_, "the end leaves nothing behind");
        hold(is_in_stopped_set(supervisor_view(state_)), "and everything in the stopped set");
    }

    test::Dice dice_;
    test::Trace& trace_;
    Policy p_;
    bool healthy_ = false;
    State state_ = Stopped{};
    std::optional<Process> process_;
    std::optional<Command> command_;
    Time told_{};
    pid_t last_pid_ = 100;
    bool wanted_ = false, prepared_ = false, posted_ = false;
};

}  // namespace

TEST_CASE("a program that tells when it is ready keeps every promise in any history", "[engine][walk]")
{
    test::play_histories<World>("ready", 20'000);
}
