#include "engine/hooks.h"

#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "config/words.h"
#include "engine/adoption.h"
#include "engine/service.h"

namespace xsv::engine {
namespace {

constexpr const char* kNames[] = {"start_pre", "start_post", "stop_command", "stop_post", "reload_command"};
const char* name_of(Hook hook) { return kNames[static_cast<std::size_t>(hook)]; }

// Of Slot::accepted: what is cleaned up after is no exit, but start_pre commands that no program has followed.
constexpr std::uint64_t kNoProgram = 1ULL << 63;

bool is_start(Hook hook) { return hook == Hook::StartPre || hook == Hook::StartPost; }

/// systemd's words for how a program fared.
std::string result(Cause cause, const ExitStatus& status, bool expected)
{
    switch (cause) {
        case Cause::StartTimeout:
        case Cause::RunTimeout: return "timeout";
        case Cause::Protocol: return "protocol";
        case Cause::Watchdog: return "watchdog";
        case Cause::Hook: return "exit-code";
        case Cause::Exit: break;
    }
    if (expected) return "success";
    return status.code == CLD_DUMPED ? "core-dump" : status.code == CLD_KILLED ? "signal" : "exit-code";
}

}  // namespace

const std::vector<std::string>& Hooks::commands(Hook hook) const
{
    const config::Hooks& hooks = *service_.spec().hooks;
    switch (hook) {
        case Hook::StartPre: return hooks.start_pre;
        case Hook::StartPost: return hooks.start_post;
        case Hook::StopCommand: return hooks.stop_command;
        case Hook::StopPost: return hooks.stop_post;
        case Hook::Reload: break;
    }
    return hooks.reload_command;
}

Duration Hooks::limit(Hook hook) const
{
    const config::Policy& policy = *service_.spec().policy;
    const bool stops = hook == Hook::StopCommand || hook == Hook::StopPost;
    const Duration written = stops ? policy.stop_time : policy.start_timeout;
    return written > Duration{} ? written : std::chrono::seconds(90);
}

void Hooks::run(Hook hook, std::uint64_t for_exit)
{
    if (commands(hook).empty() && hook != Hook::StartPre) return;
    const auto same = [&](const Run& run) { return run.hook == hook && context_.table.at(run.slot).accepted == for_exit; };
    if (for_exit != 0 && std::ranges::any_of(runs_, same)) return;
    auto slot = context_.table.take(SlotKind::Hook);
    if (!slot) {
        log::error("{}: {} is left out: {}", service_.spec().namespec(), name_of(hook), slot.error().message);
        if (is_start(hook) || hook == Hook::StopCommand)
            begin_ = context_.loop.after({}, service_.spec().namespec() + " commands",
                                         [this, hook] { service_.hand(HooksDone{context_.loop.now(), hook, false}); });
        return;
    }
    Slot& place = context_.table.at(*slot);
    place.set_name(service_.spec().namespec());
    place.owner = service_.slot_index();
    place.phase = static_cast<std::uint32_t>(hook);
    place.accepted = for_exit;
    runs_.push_back({hook, 0, *slot});
    if (runs_.size() == 1) begin();
}

void Hooks::begin()
{
    // Not within the step that has asked for it.
    begin_ = context_.loop.after({}, service_.spec().namespec() + " commands", [this] {
        if (!runs_.empty() && !pidfd_) start_next();
    });
}

void Hooks::close()
{
    begin_.reset();
    timer_.reset();
    kill();
    for (const Run& run : runs_)
        if (context_.table.at(run.slot).child.pid == 0) context_.table.release(run.slot);
    runs_.clear();
    pidfd_.reset();
}

void Hooks::start_next()
{
    Run& run = runs_.front();
    const std::vector<std::string>& list = commands(run.hook);
    if (run.next >= list.size()) return done(true);
    const std::string command = list[run.next];
    auto spawned = spawn(command);
    if (spawned) return;
    log::warn("{}: {} '{}': {}", service_.spec().namespec(), name_of(run.hook), command, spawned.error().message);
    command_ended(false);
}

Status Hooks::spawn(const std::string& written)
{
    const Run& run = runs_.front();
    const std::size_t begin = written.find_first_not_of("-+@:!| ");
    const std::string_view prefix = std::string_view(written).substr(0, begin);
    config::ServiceSpec spec = service_.spec();
    spec.exec.command = written.substr(begin);
    spec.exec.argv0.clear();
    spec.exec.socket_pass = config::SocketPass::ListenFds;
    if (prefix.find('+') != std::string_view::npos) {
        spec.exec.uid.reset();
        spec.exec.gid.reset();
        spec.exec.groups.clear();
    }
    for (auto& [name, value] : variables(run.hook)) spec.exec.environment.emplace_back(name, value);

    auto ends = service_.streams_.open_child_ends(spec, false);
    if (!ends) return tl::unexpected(std::move(ends).error());
    auto plan = make_child_plan(spec, context_.surroundings, {}, ends->streams());
    if (!plan) return tl::unexpected(std::move(plan).error());
    auto child = context_.processes.prepare(std::move(*plan));

    Slot& slot = context_.table.at(run.slot);
    slot.child.pid = 0;
    slot.child.stage = 0;
    slot.child.step = slot.child.error = 0;
    slot.exit_sequence = 0;
    std::atomic_ref(slot.exit_pending).store(0, std::memory_order_release);
    slot.after = run.next;
    slot.started_wall = wall_seconds();
    slot.started_boot = context_.loop.now().time_since_epoch().count();
    slot.state.store(static_cast<std::uint32_t>(SlotState::Intent), std::memory_order_release);
    auto spawned = context_.processes.spawn(*child, slot.child);
    if (!spawned) {
        slot.state.store(static_cast<std::uint32_t>(SlotState::Idle), std::memory_order_release);
        return tl::unexpected(std::move(spawned).error());
    }
    slot.state.store(static_cast<std::uint32_t>(SlotState::Live), std::memory_order_release);
    pidfd_ = std::move(spawned->pidfd);
    context_.pids.add(spawned->pid, run.slot);
    log::debug("{}: {} runs with pid {}: {}", service_.spec().namespec(), name_of(run.hook), spawned->pid, written);
    watch();
    return {};
}

void Hooks::watch()
{
    const Run& run = runs_.front();
    const Time begun{Duration(context_.table.at(run.slot).started_boot)};
    const Duration left = std::max<Duration>(begun + limit(run.hook) - context_.loop.now(), {});
    timer_ = context_.loop.after(left, service_.spec().namespec() + " " + name_of(run.hook), [this] {
        log::warn("{}: {} took longer than {}: it is killed", service_.spec().namespec(), name_of(runs_.front().hook),
                  format_duration(limit(runs_.front().hook)));
        kill();
    });
}

void Hooks::kill()
{
    if (!pidfd_ || runs_.empty()) return;
    (void)context_.processes.signal_group(pidfd_, context_.table.at(runs_.front().slot).child.pid, SIGKILL);
}

void Hooks::on_exit(std::uint32_t slot, const ChildExit& exit)
{
    context_.pids.remove(exit.pid, slot);
    if (runs_.empty() || runs_.front().slot != slot) return context_.table.release(slot);
    timer_.reset();
    pidfd_.reset();
    const Run& run = runs_.front();
    const bool good = exit.code == CLD_EXITED && exit.status == 0;
    const std::vector<std::string>& list = commands(run.hook);
    if (!good && run.next < list.size())
        log::warn("{}: {} '{}' (pid {}): {}", service_.spec().namespec(), name_of(run.hook), list[run.next], exit.pid,
                  describe({exit.code, exit.status}));
    command_ended(good);
}

void Hooks::command_ended(bool good)
{
    Run& run = runs_.front();
    const std::vector<std::string>& list = commands(run.hook);
    const bool ignored = run.next < list.size() && list[run.next].substr(0, list[run.next].find_first_not_of("-+")).find('-') != std::string::npos;
    if (abandoned_ || (!good && !ignored)) return done(false);
    ++run.next;
    if (run.next >= list.size()) return done(true);
    start_next();
}

/// The consequences are drawn, and written down, before the slot that could tell of it again is given back.
void Hooks::done(bool good)
{
    const Run run = runs_.front();
    const bool abandoned = std::exchange(abandoned_, false);
    runs_.erase(runs_.begin());
    timer_.reset();
    pidfd_.reset();
    const bool wanted = !abandoned && std::holds_alternative<Preparing>(service_.state());
    if (run.hook == Hook::StartPre && !(good && wanted)) clean_up_after(run);
    if (!good && !abandoned && run.hook == Hook::StartPre) service_.place().set_reason("a command of start_pre failed");
    if (!abandoned) service_.hooks_done(run.hook, good);
    context_.table.release(run.slot);
    if (service_.supervisor_state() != service_.announced_) service_.publish();  // the program ended before them
    if (!runs_.empty() && !pidfd_) begin();
}

/// start_pre may have made what only stop_post takes away.
void Hooks::clean_up_after(const Run& start_pre)
{
    if (!commands(Hook::StartPre).empty()) run(Hook::StopPost, kNoProgram | context_.table.at(start_pre.slot).sequence);
}

void Hooks::end_start()
{
    for (std::size_t i = runs_.size(); i-- > 0;) {
        if (!is_start(runs_[i].hook)) continue;
        if (i == 0 && pidfd_) {
            abandoned_ = true;
            if (runs_[i].hook == Hook::StartPre) clean_up_after(Run(runs_[i]));
            kill();
            continue;
        }
        context_.table.release(runs_[i].slot);
        runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

bool Hooks::is_cleaning() const
{
    const bool will = pidfd_ && !runs_.empty() && runs_.front().hook == Hook::StartPre && !commands(Hook::StopPost).empty();
    return will || std::ranges::any_of(runs_, [](const Run& run) { return run.hook == Hook::StopPost || run.hook == Hook::StopCommand; });
}

bool Hooks::is_hook(pid_t pid) const
{
    return pid > 0 && !runs_.empty() && pidfd_ && context_.table.at(runs_.front().slot).child.pid == pid;
}

std::optional<std::pair<std::uint32_t, int>> Hooks::running() const
{
    if (!pidfd_ || runs_.empty()) return std::nullopt;
    return std::pair{runs_.front().slot, pidfd_.get()};
}

std::vector<std::pair<std::string, std::string>> Hooks::variables(Hook hook) const
{
    std::vector<std::pair<std::string, std::string>> found;
    if (const auto pid = live_pid(service_.state())) found.emplace_back("MAINPID", std::to_string(*pid));
    if (hook != Hook::StopCommand && hook != Hook::StopPost) return found;
    if (hook == Hook::StopPost && (context_.table.at(runs_.front().slot).accepted & kNoProgram) != 0) {
        found.emplace_back("SERVICE_RESULT", std::holds_alternative<Stopped>(service_.state()) ? "success" : "exit-code");
        return found;
    }
    const Slot& slot = service_.slot();
    const bool lives = hook == Hook::StopCommand;
    const ExitStatus status{slot.exit_code, slot.exit_status};
    const bool good = lives || slot.exit_code == 0 || is_expected(service_.policy(), status);
    found.emplace_back("SERVICE_RESULT", result(cause_, status, good));
    if (lives || slot.exit_code <= 0) return found;
    const bool exited = status.code == CLD_EXITED;
    found.emplace_back("EXIT_CODE", exited ? "exited" : status.code == CLD_DUMPED ? "dumped" : "killed");
    found.emplace_back("EXIT_STATUS", exited ? std::to_string(status.status) : config::signal_name(status.status).substr(3));
    return found;
}

// ---- after a crash ------------------------------------------------------------------------------------------------

void Hooks::recover(std::uint32_t index)
{
    const Slot& slot = context_.table.at(index);
    const auto hook = static_cast<Hook>(std::min(slot.phase, static_cast<std::uint32_t>(Hook::Reload)));
    runs_.push_back({hook, slot.after, index});
    // In the order in which they were asked for.
    std::ranges::sort(runs_, {}, [this](const Run& run) { return context_.table.at(run.slot).sequence; });
}

void Hooks::resume()
{
    const State& state = service_.state();
    const auto* starting = std::get_if<Starting>(&state);
    const auto* stopping = std::get_if<Stopping>(&state);
    const auto has = [this](Hook hook) { return std::ranges::any_of(runs_, [hook](const Run& run) { return run.hook == hook; }); };
    if (std::holds_alternative<Preparing>(state) && !has(Hook::StartPre)) run(Hook::StartPre);
    if (starting != nullptr && starting->posting && !has(Hook::StartPost)) run(Hook::StartPost);
    if (stopping != nullptr && stopping->asked && !has(Hook::StopCommand)) run(Hook::StopCommand);
    if (runs_.empty() || pidfd_) return;
    const Run& first = runs_.front();
    Slot& slot = context_.table.at(first.slot);
    const pid_t pid = slot.child.pid;
    if (pid <= 0) return begin();
    if (slot.exit_sequence != 0) {
        on_exit(first.slot, {slot.exit_sequence, pid, slot.exit_code, slot.exit_status});
        return;
    }
    auto pidfd = context_.adopted->open(first.slot);
    slot.state.store(static_cast<std::uint32_t>(SlotState::Live), std::memory_order_release);
    if (!pidfd) return on_exit(first.slot, {0, pid, 0, 0});
    pidfd_ = std::move(*pidfd);
    watch();
}

}  // namespace xsv::engine
