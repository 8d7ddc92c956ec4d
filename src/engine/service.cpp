#include "engine/service.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <random>

#include "base/log.h"
#include "config/words.h"

namespace xsv::engine {
namespace {

constexpr Duration kStartAfterStop = std::chrono::seconds(5);  // a client that restarts in two steps takes no longer
constexpr Duration kStopReport = std::chrono::seconds(2);

Duration with_jitter(Duration delay)
{
    static std::minstd_rand random(static_cast<unsigned>(BootClock::now().time_since_epoch().count()));
    return delay * std::uniform_int_distribution<int>(90, 110)(random) / 100;
}

}  // namespace

Result<std::unique_ptr<Service>> Service::create(Context& context, config::ServiceSpec spec)
{
    auto slot = context.table.take(SlotKind::Place);
    if (!slot) return tl::unexpected(std::move(slot).error());
    context.table.at(*slot).set_name(spec.namespec());
    return std::make_unique<Service>(context, std::move(spec), *slot);
}

Service::Service(Context& context, config::ServiceSpec spec, std::uint32_t slot)
    : context_(context), spec_(std::move(spec)), slot_(slot), streams_(context, spec_.namespec()),
      handlers_(std::make_unique<Handlers>(context, *this)), notices_(std::make_unique<Notices>(context, *this)), hooks_(context, *this)
{
}

Service::~Service() = default;

SupervisorState Service::supervisor_state() const { return supervisor_view(state_, handlers_->count() + (hooks_.is_cleaning() ? 1 : 0)); }

Time Service::next_try() const
{
    if (const auto* backoff = std::get_if<Backoff>(&state_)) return backoff->until;
    if (const auto* fatal = std::get_if<Fatal>(&state_); fatal != nullptr && fatal->until) return *fatal->until;
    return {};
}

// ---- requests -----------------------------------------------------------------------------------------------------

void Service::start()
{
    if (!spec_.broken.empty()) {
        place().set_reason(spec_.broken);
        enter(Fatal{});
        return;
    }
    fit_streams(live_pid(state_).has_value());
    hand(Start{context_.loop.now()});
    let_sockets_go();
}

void Service::stop(bool now)
{
    if (std::holds_alternative<Backoff>(state_)) {
        log::debug("Attempted to kill {}, which is in BACKOFF state.", spec_.name);
        place().exit_code = place().exit_status = 0;  // a death before it was up is no exit status to Supervisor's clients
    }
    hand(Stop{context_.loop.now()});
    if (now) handlers_->stop_now();
    else handlers_->stop();
}

void Service::keep_sockets()
{
    keeps_sockets_ = true;
    notices_->keep_store(true);
    kept_timer_ = context_.loop.after(spec_.policy->stop_time + kStartAfterStop, spec_.namespec() + " kept sockets", [this] { let_sockets_go(); });
}

void Service::let_sockets_go()
{
    keeps_sockets_ = false;
    kept_sockets_.clear();
    kept_timer_.reset();
    notices_->keep_store(false);
}

void Service::restart() { hand(Restart{context_.loop.now()}); }

Status Service::reload()
{
    const config::Hooks& hooks = *spec_.hooks;
    if (hooks.reload_command.empty() && hooks.reload_signal == 0) return fail("it has neither reload_command nor reload_signal");
    if (!hooks.reload_command.empty()) hooks_.run(Hook::Reload);
    else return send_reload_signal();
    return {};
}

Status Service::send_reload_signal()
{
    if (spec_.hooks->reload_signal == 0 || !live_pid(state_)) return {};
    notices_->reloading();
    auto sent = send_signal(spec_.hooks->reload_signal);
    if (!sent) return tl::unexpected(std::move(sent).error());
    return {};
}

void Service::hooks_done(Hook hook, bool good)
{
    if (hook != Hook::Reload) return hand(HooksDone{context_.loop.now(), hook, good});
    if (!good) return;
    if (auto sent = send_reload_signal(); !sent) log::error("{}: {}", spec_.namespec(), sent.error().message);
}

void Service::open_standing()
{
    if (spec_.sockets.standing && spec_.broken.empty()) perform(OpenSockets{});
}

void Service::shutdown()
{
    if (spec_.sockets.standing) close_sockets();  // no caller gets in line behind the end
    hand(Shutdown{context_.loop.now()});
    handlers_->shutdown();
}

void Service::report_stop()
{
    if (stop_report_ != nullptr) return;
    const auto report = [this] { log::info("waiting for {} to stop", spec_.name); };
    report();
    if (std::holds_alternative<Stopping>(state_)) stop_report_ = context_.loop.every(kStopReport, spec_.namespec() + " stop report", report);
}

Result<bool> Service::send_signal(int signal)
{
    if (is_per_connection()) return handlers_->send_signal(signal);
    const auto pid = live_pid(state_);
    if (!pid) return true;  // listening: there is nobody to disturb, and nothing wrong with asking
    log::debug("sending {} (pid {}) sig {}", spec_.name, *pid, config::signal_name(signal));
    return context_.processes.signal(pidfd_, signal);
}

void Service::vanish()
{
    if (context_.fronts != nullptr) context_.fronts->close(spec_.namespec());
    watches_.clear();
    sockets_.clear();
    let_sockets_go();
    notices_->close();
    hooks_.close();
    streams_.close();
    context_.table.release(slot_);
}

// ---- the machine --------------------------------------------------------------------------------------------------

Policy Service::policy() const
{
    Policy policy = make_policy(spec_);
    policy.ending = context_.ending;
    return policy;
}

void Service::hand(const Event& event)
{
    Step next = step(policy(), state_, event);
    const bool changed = !(next.state == state_);
    // What was gone through on the way comes first, and a note may say why: whoever follows the change finds the reason.
    for (const Action& action : next.actions)
        if (std::holds_alternative<Passed>(action) || std::holds_alternative<Note>(action)) perform(action);
    if (changed || consuming_exit_) enter(std::move(next.state));
    for (const Action& action : next.actions)
        if (!std::holds_alternative<Passed>(action) && !std::holds_alternative<Note>(action)) perform(action);
}

void Service::enter(State state)
{
    state_ = std::move(state);
    write_down();
    if (!std::holds_alternative<Starting>(state_) && !std::holds_alternative<Running>(state_)) idle_timer_.reset();
    if (!std::holds_alternative<Stopping>(state_)) stop_report_.reset();
    notices_->entered(state_);
    if (is_forwarded() && context_.fronts != nullptr) context_.fronts->set(spec_.namespec(), front_state());
    publish();
}

void Service::perform(const Action& action) { std::visit([this](const auto& a) { perform(a); }, action); }

void Service::publish()
{
    before_ = std::exchange(announced_, supervisor_state());
    context_.changed(*this);
    auto waiters = std::exchange(waiters_, {});
    for (auto& waiter : waiters)
        if (!waiter(*this)) waiters_.push_back(std::move(waiter));
}

void Service::perform(const Passed& passed)
{
    const State now = std::exchange(state_, passed.state);
    publish();
    state_ = now;
}

void Service::perform(const SetTimer& action)
{
    const Duration delay = action.jitter ? with_jitter(action.after) : action.after;
    if (auto* backoff = std::get_if<Backoff>(&state_)) {
        backoff->until = context_.loop.now() + delay;
        write_down();
    }
    timer_ = context_.loop.after(delay, spec_.namespec(), [this] { hand(TimerFired{context_.loop.now()}); });
}

void Service::perform(const ClearTimer&) { timer_.reset(); }

void Service::perform(const Signal& action)
{
    const pid_t pid = live_pid(state_).value_or(0);
    auto sent = action.group ? context_.processes.signal_group(pidfd_, pid, action.signal)
                             : context_.processes.signal(pidfd_, action.signal);
    if (sent) return;
    place().set_reason(sent.error().message);
    log::critical("signalling {} (pid {}): {}", spec_.name, pid, sent.error().message);
    hand(SignalFailed{context_.loop.now()});
}

void Service::perform(const SweepGroup&)
{
    auto swept = context_.processes.signal_group(ended_pidfd_, ended_pid_, SIGKILL);
    if (swept && *swept) log::info("ended what was left of the process group of {} (pid {})", spec_.name, ended_pid_);
    if (leader_pidfd_) swept = context_.processes.signal_group(leader_pidfd_, leader_pid_, SIGKILL);
    if (leader_pidfd_ && swept && *swept) log::info("ended what was left of the process group of {} (pid {})", spec_.name, leader_pid_);
}

void Service::perform(const Note& note) { log_note(note); }

// ---- the process --------------------------------------------------------------------------------------------------

void Service::perform(const Spawn&)
{
    auto spawned = spawn();
    const Time now = context_.loop.now();
    if (!spawned) {
        notices_->ended();
        return spawn_failed(spawned.error());
    }
    Slot& slot = place();
    pidfd_ = std::move(spawned->pidfd);
    context_.pids.add(spawned->pid, slot_);
    slot.state.store(static_cast<std::uint32_t>(SlotState::Live), std::memory_order_release);
    slot.start_ticks = static_cast<std::int64_t>(context_.processes.start_ticks(spawned->pid));
    hand(Spawned{now, spawned->pid});
    notices_->started();
    if (spec_.exec.activation == config::Activation::OnDemand) watch_idle();
}

Result<sys::Spawned> Service::spawn()
{
    Slot& slot = place();
    leader_pidfd_.reset();
    leader_pid_ = 0;
    slot.child.pid = 0;
    slot.child.stage = 0;
    slot.child.step = slot.child.error = 0;
    slot.exit_sequence = 0;
    slot.exit_code = slot.exit_status = 0;
    slot.started_wall = wall_seconds();
    slot.started_boot = context_.loop.now().time_since_epoch().count();
    slot.set_reason({});

    if (auto ready = prepare_sockets(); !ready) return tl::unexpected(std::move(ready).error());
    if (auto made = make_ready(); !made) return tl::unexpected(std::move(made).error());
    ++slot.restarts;
    slot.state.store(static_cast<std::uint32_t>(SlotState::Intent), std::memory_order_release);
    auto spawned = context_.processes.spawn(*ready_->child, slot.child);
    if (!spawned) slot.state.store(static_cast<std::uint32_t>(SlotState::Idle), std::memory_order_release);
    if (spec_.exec.activation != config::Activation::OnDemand || spec_.ready != config::Ready{}) ready_.reset();
    return spawned;
}

Status Service::make_ready()
{
    if (ready_) return {};
    if (auto renewed = streams_.renew(spec_); !renewed) return renewed;
    note_pipes();
    auto ends = streams_.open_child_ends(spec_);
    if (!ends) return tl::unexpected(std::move(ends).error());
    auto extras = notices_->prepare();
    if (!extras) return tl::unexpected(std::move(extras).error());
    auto plan = make_child_plan(spec_, context_.surroundings, is_forwarded() ? std::vector<net::SocketPtr>() : sockets_, ends->streams(), nullptr, *extras);
    if (!plan) return tl::unexpected(std::move(plan).error());
    ready_ = ServiceStreams::ReadyChild{context_.processes.prepare(std::move(*plan)), std::move(*ends)};
    return {};
}

Status Service::prepare_sockets()
{
    if (sockets_.size() < socket_plan(spec_, context_).size()) {
        perform(OpenSockets{});
        if (sockets_.size() < socket_plan(spec_, context_).size()) return fail("{}", std::string(reason()));
    }
    answered_ = false;
    if (is_forwarded()) return {};
    waiting_at_start_ = waiting_callers();
    for (const net::SocketPtr& socket : sockets_) {  // the open file is shared: the last program may have changed it
        const bool others_run = spec_.exec.activation == config::Activation::Always && socket.use_count() > 1;
        if (std::exchange(socket->was_given, true) && others_run) continue;
        if (auto set = context_.sockets.set_nonblocking(socket->fd.get(), socket->options->nonblock); !set) return set;
    }
    return {};
}

void Service::spawn_failed(const Error& error)
{
    const int code = error.code;
    const bool resource = code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE;
    std::string text = error.message;
    if (code == EMFILE || code == ENFILE) text = fmt::format("too many open files to spawn '{}'", spec_.name);
    if (code == EAGAIN) text = fmt::format("Too many processes in process table to spawn '{}'", spec_.name);
    if (code == ENOMEM) text = fmt::format("unknown error during fork for '{}': ENOMEM", spec_.name);
    place().set_reason(text);
    hand(SpawnFailed{context_.loop.now(), resource});
}

void Service::on_exit(const ChildExit& exit)
{
    notices_->drain();
    context_.pids.remove(exit.pid, slot_);
    stranger_.reset();
    if (goes_on_after(exit)) return;
    ended_pidfd_ = std::move(pidfd_);
    ended_pid_ = exit.pid;
    consuming_exit_ = true;
    ended_streams_ = streams_.tell_end(spec_);
    bool demand = false, progress = false;
    if (is_forwarded()) {
        progress = answered_;
        demand = !answered_ || waiting_callers() > 0;  // somebody had asked for it
    } else if (spec_.exec.activation == config::Activation::OnDemand) {
        for (const net::SocketPtr& socket : sockets_) {
            const std::string told = context_.sockets.repair(socket->fd.get(), socket->endpoint, *socket->options);
            if (!told.empty()) log::warn("{} (pid {}) {}", spec_.namespec(), exit.pid, told);
            if (context_.sockets.is_bound_to(socket->fd.get(), socket->endpoint)) continue;
            ready_.reset();
            if (auto renewed = context_.socket_table.renew(*socket); !renewed) log::error("{}", renewed.error().message);
        }
        if (spec_.policy->flush_pending) flush_pending();
        const int waiting = waiting_callers();
        demand = waiting > 0;
        progress = took_callers(waiting);
    }
    if (exit.code != CLD_EXITED || exit.status != 0) ready_.reset();  // whatever it was may be mended by now
    if (const std::string step = failed_step(); !step.empty()) log::info("{} (pid {}): {}", spec_.name, ended_pid_, step);
    notices_->ended();
    const auto* stopping = std::get_if<Stopping>(&state_);
    hooks_.set_cause(stopping != nullptr ? stopping->cause : Cause::Exit);
    hooks_.run(Hook::StopPost, std::max<std::uint64_t>(exit.sequence, 1));  // first, so that it cannot be forgotten
    hand(Exited{context_.loop.now(), {exit.code, exit.status}, progress, demand});
    ended_pidfd_.reset();
}

/// A child that failed before exec said which step it was; the exit status 127 alone explains nothing.
std::string Service::failed_step() const
{
    const sys::ChildReport& child = slot().child;
    if (child.step == 0) return {};
    const auto step = static_cast<sys::ChildStep>(child.step);
    const std::string what = step == sys::ChildStep::Directory ? " " + spec_.exec.directory : "";
    return fmt::format("{}{}: {}", sys::step_text(step), what, errno_text(child.error));
}

}  // namespace xsv::engine
