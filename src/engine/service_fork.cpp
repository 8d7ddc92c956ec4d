// Programs whose main process is not the one that was started: ready = fork, MAINPID= of notifications.
#include <csignal>

#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "engine/adoption.h"
#include "engine/service.h"
#include "engine/successor.h"
#include "sys/notify_socket.h"

namespace xsv::engine {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstLook = 20ms, kLongestLook = 500ms;
constexpr Duration kSettling = 2s;   // after that, a good end is an end, and not one more step into the background

}  // namespace

std::string Service::invocation_id() const
{
    const std::string start = fmt::format("{} {} {}", spec_.namespec(), slot().sequence, slot().started_wall);
    return fmt::format("{:016x}{:016x}", text::hash(start), text::hash(start + "."));
}

Result<pid_t> Service::find_successor()
{
    Search search;
    search.guardian = ::getppid();
    search.since_ticks = static_cast<std::uint64_t>(slot().start_ticks);
    search.uid = spec_.exec.uid;
    search.invocation = invocation_id();
    search.is_known = [this](pid_t pid) { return context_.pids.oldest(pid, context_.table).has_value(); };
    return spec_.ready->pid_file.empty() ? guess_successor(search) : read_pid_file(search, spec_.ready->pid_file);
}

/// The first process of a program that goes into the background has ended as it should. False: it has not, or nobody
/// is left, and the end is what it looks like.
bool Service::goes_on_after(const ChildExit& exit)
{
    const auto* running = std::get_if<Running>(&state_);
    const bool settling = running != nullptr && context_.loop.now() - running->since < kSettling;
    const bool awaits = std::holds_alternative<Starting>(state_);
    if (spec_.ready->when != config::ReadyWhen::Fork || exit.code != CLD_EXITED || exit.status != 0 || !(awaits || running != nullptr))
        return false;
    const bool by_file = !spec_.ready->pid_file.empty();
    if (running != nullptr && !by_file && !settling) return false;
    auto successor = find_successor();
    if (!successor && !(awaits && by_file)) {
        if (awaits) place().set_reason(successor.error().message);
        return false;
    }
    remember_leader(exit.pid);
    forget_exit();
    if (successor && take_main(*successor)) {
        hand(BecameReady{context_.loop.now()});
        return true;
    }
    hand(MainPid{context_.loop.now(), 0});
    await_successor(kFirstLook);
    return true;
}

/// Whatever the program has started stays in the group of the process that we have started.
void Service::remember_leader(pid_t pid)
{
    if (leader_pid_ != 0 || pid <= 0 || !pidfd_) return;
    leader_pid_ = pid;
    leader_pidfd_ = std::move(pidfd_);
}

/// The place goes on: what was written down for its end is no more.
void Service::forget_exit()
{
    Slot& slot = place();
    slot.child.pid = 0;
    slot.exit_code = slot.exit_status = 0;
    std::atomic_ref(slot.exit_pending).store(0, std::memory_order_release);
    slot.exit_sequence = 0;
}

void Service::await_successor(Duration wait)
{
    successor_timer_ = context_.loop.after(wait, spec_.namespec() + " pid_file", [this, wait] {
        const auto* starting = std::get_if<Starting>(&state_);
        if (starting == nullptr || starting->pid != 0) return;
        const auto successor = find_successor();
        if (successor && take_main(*successor)) return hand(BecameReady{context_.loop.now()});
        await_successor(std::min(wait * 2, kLongestLook));
    });
}

bool Service::take_main(pid_t pid)
{
    auto pidfd = context_.processes.open(pid);
    if (!pidfd || context_.pids.oldest(pid, context_.table)) return false;
    const auto facts = sys::process_facts(pid);  // after the pidfd: the number is this process's
    if (!facts || facts->state == 'Z') return false;
    Slot& slot = place();
    context_.pids.remove(slot.child.pid, slot_);
    context_.pids.add(pid, slot_);
    remember_leader(slot.child.pid);
    pidfd_ = std::move(*pidfd);
    slot.child.pid = pid;
    slot.start_ticks = static_cast<std::int64_t>(facts->start_ticks);
    log::info("{}: its main process is pid {} now", spec_.namespec(), pid);
    hand(MainPid{context_.loop.now(), pid});
    watch_stranger();
    return true;
}

/// Only of our own children the guardian tells the end; of another's child its pidfd does, though not how.
void Service::watch_stranger()
{
    const pid_t pid = live_pid(state_).value_or(0);
    const sys::ProcessFacts facts = sys::process_facts(pid).value_or(sys::ProcessFacts{});
    stranger_.reset();
    if (facts.parent == 0) return;
    if (facts.session > 1 && facts.session != pid && leader_pid_ == 0) {  // our children lead sessions: this one took the place of one
        if (auto leader = context_.processes.open(facts.session)) {
            leader_pidfd_ = std::move(*leader);
            leader_pid_ = facts.session;
        }
    }
    if (facts.parent == ::getppid() || context_.adopted->has(slot_)) return;
    stranger_ = context_.loop.readable(pidfd_.get(), spec_.namespec() + " main process", [this, pid] {
        stranger_.reset();
        place().stopped_wall = wall_seconds();
        const sys::ProcessEnd end = context_.processes.end_of(pidfd_).value_or(sys::ProcessEnd{ChildExit::kUnseen, 0});
        place().exit_code = end.code;
        place().exit_status = end.status;
        on_exit({0, pid, end.code, end.status});
    });
}

void Service::forget_failures()
{
    if (auto* running = std::get_if<Running>(&state_)) running->failures = 0;
    write_down();
}

}  // namespace xsv::engine
