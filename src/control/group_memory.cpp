#include "control/group_memory.h"

namespace xsv::control {
namespace {

constexpr Duration kNextCall = std::chrono::seconds(2);  // a client makes its next call at once

}  // namespace

void GroupMemory::stopping(const engine::Group& group)
{
    Note note;
    for (const auto& service : group.services) {
        const engine::SupervisorState state = service->supervisor_state();
        const bool was_stopped = state == engine::SupervisorState::Stopped && service->spec().policy->autostart;
        if (was_stopped || is_in_running_set(state)) note.runs[service->spec().name] = !was_stopped;
    }
    notes_[group.name] = std::move(note);
}

void GroupMemory::stopped(const std::string& group) { limit(group); }

void GroupMemory::removing(const engine::Group& group)
{
    const auto note = notes_.find(group.name);
    if (note == notes_.end()) return;
    for (const auto& service : group.services)
        if (service->spec().sockets.standing)
            note->second.sockets.insert(note->second.sockets.end(), service->sockets().begin(), service->sockets().end());
    limit(group.name);
}

std::map<std::string, bool> GroupMemory::returning(const std::string& group)
{
    const auto note = notes_.find(group);
    return note != notes_.end() ? note->second.runs : std::map<std::string, bool>();
}

void GroupMemory::limit(const std::string& group)
{
    const auto note = notes_.find(group);
    if (note != notes_.end()) note->second.end = loop_.after(kNextCall, "group memory", [this, group] { forget(group); });
}

}  // namespace xsv::control
