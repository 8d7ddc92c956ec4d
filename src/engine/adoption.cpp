#include "engine/adoption.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>

#include "base/log.h"

namespace xsv::engine {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstLook = 1ms, kLongestLook = 300ms;

}  // namespace

Result<sys::UniqueFd> Adoption::open(std::uint32_t slot)
{
    const pid_t pid = context_.table.at(slot).child.pid;
    sys::UniqueFd kept = context_.inherited.take(key_of(slot, pid));
    if (!kept) {
        context_.pids.add(pid, slot);
        return context_.processes.open(pid);
    }
    sys::UniqueFd copy(::fcntl(kept.get(), F_DUPFD_CLOEXEC, 0));
    Process& process = processes_[slot];
    process = {pid, std::move(kept), kFirstLook, nullptr};
    process.watch = context_.loop.readable(process.pidfd.get(), fmt::format("process {}", pid), [this, slot] { look(slot); });
    if (!copy) return fail_errno("duplicating a pidfd", errno);
    return copy;
}

/// It has ended. How, the kernel tells as soon as its parent has asked: that is init, or whoever stands in for it.
void Adoption::look(std::uint32_t slot)
{
    Process& process = processes_.at(slot);
    const auto end = context_.processes.end_of(process.pidfd);
    if (!end && process.wait < kLongestLook) {
        process.watch = context_.loop.after(process.wait, "adopted process", [this, slot] { look(slot); });
        process.wait *= 2;
        return;
    }
    const Process ended = std::move(process);
    processes_.erase(slot);
    const Slot& place = context_.table.at(slot);
    const auto state = static_cast<SlotState>(place.state.load());
    if (place.child.pid == ended.pid && (state == SlotState::Intent || state == SlotState::Live))
        on_exit_(slot, {0, ended.pid, end ? end->code : ChildExit::kUnseen, end ? end->status : 0});
    context_.keeper.drop(key_of(slot, ended.pid));
}

}  // namespace xsv::engine
