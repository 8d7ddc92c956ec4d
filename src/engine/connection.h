#pragma once

#include <variant>
#include <vector>

#include "engine/lifecycle.h"

/// The life of one per-connection process. Its place is made for it and leaves with it; nothing is tried again here.
namespace xsv::engine {

struct ConnectionSpawning {
    bool operator==(const ConnectionSpawning&) const = default;
};
struct ConnectionRunning {
    pid_t pid = 0;
    Time since{};
    bool operator==(const ConnectionRunning&) const = default;
};
/// The service was stopped. The handler first has stop_time to finish by itself, then gets the stop signal, and after
/// another stop_time SIGKILL, again every stop_time.
struct ConnectionStopping {
    enum class Stage : std::uint8_t { Finishing, Told, Killed };
    pid_t pid = 0;
    Time since{};     ///< of the process
    Time deadline{};  ///< of this stage
    Stage stage = Stage::Finishing;
    bool operator==(const ConnectionStopping&) const = default;
};
/// Over: the place can be given back once the actions are done.
struct ConnectionGone {
    bool operator==(const ConnectionGone&) const = default;
};
using ConnectionState = std::variant<ConnectionSpawning, ConnectionRunning, ConnectionStopping, ConnectionGone>;

/// `stop --now`: no time to finish.
struct StopNow { Time now; };
/// Stop: the handlers may finish (also when a reload removes the service). Shutdown: they are told at once.
using ConnectionEvent =
    std::variant<Spawned, SpawnFailed, Exited, Stop, StopNow, Shutdown, TimerFired, SignalFailed, Adopted>;

/// Only Signal, SetTimer, ClearTimer, SweepGroup and Note (Signalling, Killing) occur; Exited leads to ConnectionGone,
/// and the line about the connection is the caller's to write.
struct ConnectionStep {
    ConnectionState state;
    std::vector<Action> actions;
    bool operator==(const ConnectionStep&) const = default;
};
ConnectionStep step(const Policy& policy, const ConnectionState& state, const ConnectionEvent& event);
std::vector<Action> resume(const ConnectionState& state, Time now);  ///< as for State

/// The one thing that holds a per-connection listener back on account of its program: all of the last handlers died
/// within a second, by a signal or with 127. A handler may well be quick and may well fail.
struct HandlerRecord {
    static constexpr int kAllBad = 16;
    int bad_in_a_row = 0;

    /// True: hand the place SpawnFailed. It stays so with each further bad end, until a handler does better.
    bool ended(const ExitStatus& status, Duration life);
    bool operator==(const HandlerRecord&) const = default;
};

}  // namespace xsv::engine
