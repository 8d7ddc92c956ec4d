#pragma once

#include <csignal>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/lifecycle.h"

/// Arrows of the lifecycle as a table reads: from a state, by an event, to a state with actions.
namespace xsv::test {

using namespace xsv::engine;
using namespace std::chrono_literals;
using xsv::Duration;
using xsv::Time;

constexpr Time kNow = Time{} + 1000s;
inline const ExitStatus kGood{CLD_EXITED, 0}, kBad{CLD_EXITED, 1}, kTermed{CLD_KILLED, SIGTERM};

struct Arrow {
    std::string name;
    State from;
    Event event;
    State to;
    std::vector<Action> actions;
};

inline void check_arrows(const Policy& policy, const std::vector<Arrow>& arrows)
{
    for (const Arrow& arrow : arrows) {
        INFO(arrow.name);
        const Step got = step(policy, arrow.from, arrow.event);
        INFO("leads to " << state_name(got.state) << " with " << got.actions.size() << " actions");
        CHECK(got.state == arrow.to);
        CHECK(got.actions == arrow.actions);
    }
}

inline Note line(Note::Kind kind, pid_t pid = 0)
{
    return {.kind = kind, .pid = pid};
}
inline Note end_line(Note::Kind kind, pid_t pid, ExitStatus status, bool expected)
{
    return {.kind = kind, .pid = pid, .status = status, .expected = expected};
}
inline Note signal_line(Note::Kind kind, pid_t pid, int signal, bool group = false)
{
    Note note{.kind = kind, .pid = pid};
    note.signal = signal;
    note.group = group;
    return note;
}

inline Policy plain()
{
    return {};
}
inline Policy with_sockets(config::Activation activation)
{
    Policy policy;
    policy.activation = activation;
    policy.has_sockets = true;
    policy.gives_up = false;
    return policy;
}
inline Policy ending(Policy policy)
{
    policy.ending = true;
    return policy;
}

}  // namespace xsv::test
