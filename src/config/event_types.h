#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace xsv::config {

/// The events that can be sent; their order is the order of kEventNames.
enum class EventType : std::uint8_t {
    ProcessStateStarting, ProcessStateRunning, ProcessStateBackoff, ProcessStateStopping, ProcessStateStopped,
    ProcessStateExited, ProcessStateFatal, ProcessStateUnknown, ProcessCommunicationStdout, ProcessCommunicationStderr,
    ProcessLogStdout, ProcessLogStderr, RemoteCommunication, SupervisorStateChangeRunning, SupervisorStateChangeStopping,
    Tick5, Tick60, Tick3600, ProcessGroupAdded, ProcessGroupRemoved
};

inline constexpr auto kEventNames = std::to_array<std::string_view>({
    "PROCESS_STATE_STARTING", "PROCESS_STATE_RUNNING", "PROCESS_STATE_BACKOFF", "PROCESS_STATE_STOPPING",
    "PROCESS_STATE_STOPPED", "PROCESS_STATE_EXITED", "PROCESS_STATE_FATAL", "PROCESS_STATE_UNKNOWN",
    "PROCESS_COMMUNICATION_STDOUT", "PROCESS_COMMUNICATION_STDERR", "PROCESS_LOG_STDOUT", "PROCESS_LOG_STDERR",
    "REMOTE_COMMUNICATION", "SUPERVISOR_STATE_CHANGE_RUNNING", "SUPERVISOR_STATE_CHANGE_STOPPING", "TICK_5", "TICK_60",
    "TICK_3600", "PROCESS_GROUP_ADDED", "PROCESS_GROUP_REMOVED"});
inline constexpr auto kEventParents = std::to_array<std::string_view>(
    {"EVENT", "PROCESS_STATE", "PROCESS_COMMUNICATION", "PROCESS_LOG", "SUPERVISOR_STATE_CHANGE", "TICK", "PROCESS_GROUP"});

/// A set of event types, one bit each.
using EventSet = std::uint32_t;
constexpr EventSet event_bit(EventType type) { return EventSet{1} << static_cast<unsigned>(type); }
constexpr std::string_view event_name(EventType type) { return kEventNames[static_cast<std::size_t>(type)]; }

/// What a subscription to that name (upper case) brings; 0: there is no such event.
EventSet events_of(std::string_view name);

}  // namespace xsv::config
