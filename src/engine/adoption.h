#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "engine/context.h"
#include "engine/guardian_link.h"

namespace xsv::engine {

/// Processes that a guardian which has died left behind. Somebody else is their parent now, so no Exit comes for them: the
/// pidfds that the engine in its place handed on tell when they end, and the kernel how (Linux 6.15; else nobody knows).
class Adoption {
public:
    using OnExit = std::function<void(std::uint32_t slot, const ChildExit&)>;

    Adoption(Context& context, OnExit on_exit) : context_(context), on_exit_(std::move(on_exit)) {}

    /// A former engine's process, by its slot: one of ours is found by its number, since nobody has reaped it.
    Result<sys::UniqueFd> open(std::uint32_t slot);
    bool has(std::uint32_t slot) const { return processes_.contains(slot); }
    /// How such a process is kept at the guardian, by slot and number: neither alone says which one is meant.
    static std::string key_of(std::uint32_t slot, pid_t pid) { return fmt::format("process {} {}", slot, pid); }

private:
    struct Process {
        pid_t pid = 0;
        sys::UniqueFd pidfd;
        Duration wait{};
        event::WatchPtr watch;
    };
    void look(std::uint32_t slot);

    Context& context_;
    OnExit on_exit_;
    std::unordered_map<std::uint32_t, Process> processes_;
};

}  // namespace xsv::engine
