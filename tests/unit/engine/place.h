#pragma once

#include <optional>

#include "engine/lifecycle.h"
#include "history.h"

namespace xsv::test {

/// What every history of one place has: a clock, the place's timer, and its sockets.
class Place {
protected:
    /// False: an action that each history performs in its own way.
    bool perform_here(const engine::Action& action)
    {
        if (const auto* t = std::get_if<engine::SetTimer>(&action)) {
            hold(t->after >= Duration::zero(), "timers lie ahead");
            timer_ = now_ + t->after;
        } else if (std::holds_alternative<engine::ClearTimer>(action)) {
            timer_.reset();
        } else if (std::holds_alternative<engine::AwaitDemand>(action)) {
            hold(open_, "only open sockets are watched");
            watched_ = true;
        } else if (std::holds_alternative<engine::IgnoreDemand>(action)) {
            watched_ = false;
        } else {
            return false;
        }
        return true;
    }

    Time now_ = Time{} + std::chrono::seconds(1000);
    std::optional<Time> timer_;
    bool open_ = false, watched_ = false;
};

}  // namespace xsv::test
