#include "engine/lifecycle.h"

// What others see of a state; nothing here decides.
namespace xsv::engine {

namespace {

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang 16 does not deduce it for aggregates

}  // namespace

std::string_view supervisor_name(SupervisorState state)
{
    switch (state) {
        case SupervisorState::Stopped: return "STOPPED";
        case SupervisorState::Starting: return "STARTING";
        case SupervisorState::Running: return "RUNNING";
        case SupervisorState::Backoff: return "BACKOFF";
        case SupervisorState::Stopping: return "STOPPING";
        case SupervisorState::Exited: return "EXITED";
        case SupervisorState::Fatal: return "FATAL";
        case SupervisorState::Unknown: break;
    }
    return "UNKNOWN";
}

std::string_view state_name(const State& state)
{
    return std::visit(Overloaded{
                          [](const Stopped&) { return "stopped"; },
                          [](const Listening&) { return "listening"; },
                          [](const Spawning&) { return "spawning"; },
                          [](const Starting&) { return "starting"; },
                          [](const Running&) { return "running"; },
                          [](const Backoff&) { return "backoff"; },
                          [](const Stopping&) { return "stopping"; },
                          [](const Ended&) { return "ended"; },
                          [](const Fatal&) { return "fatal"; },
                          [](const Done&) { return "done"; },
                          [](const Preparing&) { return "preparing"; },
                      },
                      state);
}

SupervisorState supervisor_view(const State& state, int connections)
{
    using View = SupervisorState;
    return std::visit(Overloaded{
                          [&](const Stopped&) { return connections > 0 ? View::Stopping : View::Stopped; },
                          [](const Listening&) { return View::Running; },
                          [](const Spawning&) { return View::Starting; },
                          [](const Starting&) { return View::Starting; },
                          [](const Running&) { return View::Running; },
                          [](const Backoff&) { return View::Backoff; },
                          [](const Stopping& s) { return s.unreachable ? View::Unknown : View::Stopping; },
                          [](const Ended&) { return View::Exited; },
                          [](const Fatal&) { return View::Fatal; },
                          [](const Done&) { return View::Running; },
                          [](const Preparing&) { return View::Starting; },
                      },
                      state);
}

bool is_in_running_set(SupervisorState state)
{
    return state == SupervisorState::Starting || state == SupervisorState::Running || state == SupervisorState::Backoff;
}

bool is_in_stopped_set(SupervisorState state)
{
    return state == SupervisorState::Stopped || state == SupervisorState::Exited || state == SupervisorState::Fatal ||
           state == SupervisorState::Unknown;
}

bool is_signallable(SupervisorState state)
{
    using View = SupervisorState;
    return state == View::Starting || state == View::Running || state == View::Stopping;
}

bool stop_acts(const Policy& policy, const State& state)
{
    return std::visit(Overloaded{
                          [](const Stopped&) { return false; },
                          [](const Stopping& s) { return s.after != After::Stop && s.after != After::Shutdown; },
                          [&](const Ended&) { return policy.has_sockets; },
                          [&](const Fatal& s) { return policy.has_sockets || s.until.has_value(); },
                          [](const auto&) { return true; },
                      },
                      state);
}

std::optional<pid_t> live_pid(const State& state)
{
    return std::visit(
        [](const auto& s) -> std::optional<pid_t> {
            if constexpr (requires { s.pid; }) return s.pid != 0 ? std::optional(s.pid) : std::nullopt;
            return std::nullopt;
        },
        state);
}

}  // namespace xsv::engine
