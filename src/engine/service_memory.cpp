// What a service leaves in its slot for the next engine, and how it takes it up again; and its lines in the log.
#include <csignal>

#include "base/log.h"
#include "config/words.h"
#include "engine/adoption.h"
#include "engine/service.h"

namespace xsv::engine {
namespace {

std::int64_t nanoseconds(Time time) { return time.time_since_epoch().count(); }
Time from_nanoseconds(std::int64_t count) { return Time(Duration(count)); }

constexpr std::uint32_t kCauseShift = 8, kAfterMask = 0xff, kHookFlag = 1u << 16;   // of Slot::after

/// The order of the alternatives is part of the table's format; append only, and raise Table::kVersion otherwise.
struct Writer {
    Slot& slot;
    void operator()(const Stopped&) const {}
    void operator()(const Listening& s) const { slot.failures = s.failures; }
    void operator()(const Spawning& s) const { slot.failures = s.failures; }
    void operator()(const Starting& s) const
    {
        slot.failures = s.failures, slot.started_boot = nanoseconds(s.since), slot.until = nanoseconds(s.until);
        slot.after = s.posting ? kHookFlag : 0;
    }
    void operator()(const Running& s) const
    {
        slot.failures = s.failures, slot.started_boot = nanoseconds(s.since), slot.until = nanoseconds(s.until);
    }
    void operator()(const Backoff& s) const { slot.failures = s.failures, slot.until = nanoseconds(s.until); }
    void operator()(const Stopping& s) const
    {
        slot.after = static_cast<std::uint32_t>(s.after) | static_cast<std::uint32_t>(s.cause) << kCauseShift | (s.asked ? kHookFlag : 0);
        slot.until = nanoseconds(s.deadline), slot.failures = s.failures;
    }
    void operator()(const Ended&) const {}
    void operator()(const Fatal& s) const { slot.until = s.until ? nanoseconds(*s.until) : 0; }
    void operator()(const Done&) const {}
    void operator()(const Preparing& s) const { slot.failures = s.failures; }
};

Stopping read_stopping(const Slot& slot, pid_t pid, Time deadline)
{
    const auto after = static_cast<After>(std::min(slot.after & kAfterMask, static_cast<std::uint32_t>(After::Judge)));
    const auto cause = static_cast<Cause>(std::min(slot.after >> kCauseShift & kAfterMask, static_cast<std::uint32_t>(Cause::Hook)));
    return {.pid = pid, .deadline = deadline, .after = after, .cause = cause, .failures = slot.failures,
            .asked = (slot.after & kHookFlag) != 0};
}

State read_state(const Slot& slot, pid_t pid)
{
    const Time since = from_nanoseconds(slot.started_boot), until = from_nanoseconds(slot.until);
    switch (slot.phase) {
        case 1: return Listening{slot.failures};
        case 2: return Spawning{slot.failures};
        case 3: return Starting{pid, since, slot.failures, until, (slot.after & kHookFlag) != 0};
        case 4: return Running{pid, since, until, slot.failures};
        case 5: return Backoff{slot.failures, 0, until};
        case 6: return read_stopping(slot, pid, until);
        case 7: return Ended{{slot.exit_code, slot.exit_status}};
        case 8: return Fatal{slot.until != 0 ? std::optional(until) : std::nullopt};
        case 9: return Done{{slot.exit_code, slot.exit_status}};
        case 10: return Preparing{slot.failures};
        default: return Stopped{};
    }
}

}  // namespace

void Service::write_down()
{
    Slot& slot = place();
    std::visit(Writer{slot}, state_);
    std::atomic_ref(slot.phase).store(static_cast<std::uint32_t>(state_.index()), std::memory_order_release);
    if (!std::exchange(consuming_exit_, false)) return;
    slot.state.store(static_cast<std::uint32_t>(SlotState::Idle), std::memory_order_release);
    std::atomic_ref(slot.exit_pending).store(0, std::memory_order_release);
}

void Service::fit_streams(bool live)
{
    if (auto fitted = streams_.fit(spec_, live); !fitted) log::error("{}: {}", spec_.namespec(), fitted.error().message);
    note_pipes();
}

void Service::note_pipes()
{
    const auto numbers = streams_.pipes();
    std::copy(numbers.begin(), numbers.end(), place().pipes);
}

void Service::recover()
{
    if (!spec_.broken.empty()) return start();
    fit_streams(true);
    Slot& slot = place();
    state_ = read_state(slot, slot.child.pid);
    before_ = announced_ = supervisor_state();
    if (context_.resumed) context_.resumed(*this);
    if (std::holds_alternative<Stopped>(state_) && slot.started_wall == 0 && slot.stopped_wall == 0 && spec_.policy->autostart)
        return start();  // the former engine ended before this service's turn came
    if (holds_sockets() && !spec_.sockets.endpoints.empty()) perform(OpenSockets{});
    take_over_process();
    hooks_.resume();
}

void Service::for_each_process(const std::function<void(std::uint32_t, int)>& call) const
{
    if (pidfd_) call(slot_, pidfd_.get());
    for (const auto& [slot_index, connection] : handlers_->connections())
        if (connection.pidfd) call(slot_index, connection.pidfd.get());
    if (const auto hook = hooks_.running()) call(hook->first, hook->second);
}

void Service::take_over_process()
{
    Slot& slot = place();
    const auto was = static_cast<SlotState>(slot.state.load());
    const pid_t pid = slot.child.pid;
    const Time now = context_.loop.now();
    const bool has_process = (was == SlotState::Live || was == SlotState::Intent) && pid > 0 && slot.exit_sequence == 0;

    if (has_process) {
        slot.state.store(static_cast<std::uint32_t>(SlotState::Live), std::memory_order_release);
        if (auto pidfd = context_.adopted->open(slot_)) pidfd_ = std::move(*pidfd);
        if (std::holds_alternative<Spawning>(state_)) hand(Adopted{now, pid, from_nanoseconds(slot.started_boot)});
        for (const Action& action : resume(policy(), state_, now)) perform(action);
        notices_->resume();
        watch_stranger();
        if (spec_.exec.activation == config::Activation::OnDemand) watch_idle();
    } else if (slot.exit_pending != 0) {
        // Its end was written down, and the engine died before drawing the consequences; it may not have noted the beginning.
        if (std::holds_alternative<Spawning>(state_) && pid > 0) hand(Adopted{now, pid, from_nanoseconds(slot.started_boot)});
        notices_->resume();
        on_exit({slot.exit_sequence, pid, slot.exit_code, slot.exit_status});
    } else if (std::holds_alternative<Spawning>(state_)) {
        slot.state.store(static_cast<std::uint32_t>(SlotState::Idle), std::memory_order_release);
        perform(Spawn{});
    } else if (live_pid(state_)) {
        // The table says there is a process and nobody knows which.
        slot.exit_code = ChildExit::kUnseen;
        on_exit({0, pid, ChildExit::kUnseen, 0});
    } else {
        for (const Action& action : resume(policy(), state_, now)) perform(action);
        notices_->resume();
        if (std::holds_alternative<Starting>(state_)) await_successor({});
    }
    if (is_per_connection() && awaiting_ == false && std::holds_alternative<Listening>(state_)) perform(AwaitDemand{});
}

void Service::apply(config::ServiceSpec spec, std::vector<net::SocketPtr> sockets)
{
    const config::ServiceSpec before = std::exchange(spec_, std::move(spec));
    ready_.reset();
    handlers_->forget_plans();
    if (!before.broken.empty() && spec_.broken.empty()) {
        enter(Stopped{});
        if (spec_.policy->autostart) start();
        return;
    }
    if (before.output != spec_.output || before.exec.redirect_stderr != spec_.exec.redirect_stderr) {
        const auto piped = [](const config::ServiceSpec& s) { return std::pair(s.output->out.is_piped(), s.output->err.is_piped()); };
        fit_streams(piped(before) == piped(spec_));
        if (piped(before) != piped(spec_)) restart();
    }
    const bool other_sockets = sockets != sockets_;
    if (holds_sockets() && other_sockets) {
        const bool awaiting = awaiting_;
        watches_.clear();
        sockets_ = std::move(sockets);
        if (awaiting) perform(AwaitDemand{});
    }
    tell_rpcbind();
    const bool was_forwarded = before.proxy && before.exec.activation != config::Activation::PerConnection;
    if (was_forwarded && !is_forwarded() && context_.fronts != nullptr) context_.fronts->close(before.namespec()), forwarded_ = 0;
    if (holds_sockets() && is_forwarded()) open_fronts();
    if (before.sockets.standing && !holds_sockets()) close_sockets();
    if (before.exec.activation != spec_.exec.activation) change_activation();
    else if (!is_per_connection() && (before.exec != spec_.exec || before.ready != spec_.ready || (other_sockets && !is_forwarded()) || was_forwarded != is_forwarded() || before.listener.has_value() != spec_.listener.has_value())) restart();
    if (before.policy->idle_time != spec_.policy->idle_time) {
        idle_timer_.reset();
        if (spec_.exec.activation == config::Activation::OnDemand) watch_idle();
    }
}

/// What wakes it is another thing now. Its sockets stay open throughout; handlers of connections finish by themselves.
void Service::change_activation()
{
    if (std::holds_alternative<Stopped>(state_)) return;
    if (!live_pid(state_)) {
        perform(IgnoreDemand{});
        perform(ClearTimer{});
        state_ = Stopped{};
        return start();
    }
    if (spec_.exec.activation == config::Activation::Always) return restart();
    state_ = Running{*live_pid(state_), context_.loop.now()};
    hand(Idle{context_.loop.now()});
}

// ---- the log ------------------------------------------------------------------------------------------------------

std::string describe(const ExitStatus& status)
{
    if (status.code == CLD_EXITED) return fmt::format("exit status {}", status.status);
    if (status.code == CLD_KILLED || status.code == CLD_DUMPED)
        return fmt::format("terminated by {}{}", config::signal_name(status.status), status.code == CLD_DUMPED ? " (core dumped)" : "");
    return "unknown termination cause";
}

std::string Service::failure(Cause cause) const
{
    switch (cause) {
        case Cause::StartTimeout: return fmt::format("was not ready within {} (start_timeout)", format_duration(spec_.policy->start_timeout));
        case Cause::Protocol: return "closed its readiness descriptor without a newline";
        case Cause::RunTimeout: return "ran longer than run_time_max";
        case Cause::Watchdog: return "gave no sign of life in time (watchdog)";
        case Cause::Hook: return "a command of start_post failed";
        case Cause::Exit: break;
    }
    return {};
}

void Service::log_note(const Note& note)
{
    const std::string& name = spec_.name;
    const log::Level doubtful = note.expected ? log::Level::info : log::Level::warn;
    switch (note.kind) {
        case Note::Kind::Spawned: log::info("spawned: '{}' with pid {}", name, note.pid); break;
        case Note::Kind::SpawnError: log::info("spawnerr: {}", reason()); break;
        case Note::Kind::EnteredRunning:
            log::info("success: {} entered RUNNING state, process has stayed up for > than {} seconds (startsecs)", name,
                      std::chrono::duration_cast<std::chrono::seconds>(spec_.policy->start_time).count());
            break;
        case Note::Kind::Exited:
            if (!note.expected && reason().empty()) place().set_reason(fmt::format("Bad exit code {}", note.status.exit_code()));
            log::write_line(doubtful, fmt::format("exited: {} ({}; {})", name, describe(note.status), note.expected ? "expected" : "not expected"));
            break;
        case Note::Kind::TooQuick:
            if (reason().empty()) place().set_reason("Exited too quickly (process log may have details)");
            log::warn("exited: {} ({}; not expected)", name, describe(note.status));
            break;
        case Note::Kind::Stopped: log::write_line(doubtful, fmt::format("stopped: {} ({})", name, describe(note.status))); break;
        case Note::Kind::GaveUp: log::info("gave up: {} entered FATAL state, too many start retries too quickly", name); break;
        case Note::Kind::Ready:
            log::info("success: {} entered RUNNING state, process was ready after {} (ready)", name,
                      format_duration(context_.loop.now() - Time(Duration(slot().started_boot))));
            break;
        case Note::Kind::Failing:
            place().set_reason(failure(note.cause));
            log::warn("failed: {} (pid {}): {}", name, note.pid, reason());
            break;
        case Note::Kind::Signalling:
            log::debug("killing {} (pid {}) {}with signal {}", name, note.pid, note.group ? "process group " : "",
                       config::signal_name(note.signal));
            break;
        case Note::Kind::Killing:
            log::warn("killing '{}' ({}) with SIGKILL", name, note.pid);
            log::debug("killing {} (pid {}) {}with signal SIGKILL", name, note.pid, note.group ? "process group " : "");
            break;
    }
}

}  // namespace xsv::engine
