#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "config/event_types.h"

namespace xsv::engine {

/// Which periods of 5, 60 and 3600 seconds of the wall clock begin. Those that went by unseen are not made up for.
class Ticks {
public:
    using Starts = std::array<std::int64_t, 3>;

    /// The periods that are new since the last call, each with its start; none at the first call.
    std::vector<std::pair<config::EventType, std::int64_t>> advance(std::int64_t now)
    {
        static constexpr std::pair<config::EventType, std::int64_t> kPeriods[] = {
            {config::EventType::Tick5, 5}, {config::EventType::Tick60, 60}, {config::EventType::Tick3600, 3600}};
        std::vector<std::pair<config::EventType, std::int64_t>> begun;
        for (std::size_t i = 0; i < starts_.size(); ++i) {
            const std::int64_t start = now - now % kPeriods[i].second;
            if (starts_[i] != 0 && starts_[i] != start) begun.emplace_back(kPeriods[i].first, start);
            starts_[i] = start;
        }
        return begun;
    }
    const Starts& starts() const { return starts_; }   ///< 0: none seen yet
    void restore(const Starts& starts) { starts_ = starts; }

private:
    Starts starts_{};
};

}  // namespace xsv::engine
