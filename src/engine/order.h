#pragma once

#include <compare>
#include <span>
#include <string>
#include <vector>

#include "config/spec.h"

/// Who starts before whom, and who stops. The pointers lead into the groups that were passed in.
namespace xsv::engine {

/// Where a service stands in the order of starts: lower priorities first, names where priorities are equal.
struct Rank {
    int group_priority = 999;
    std::string group;
    int priority = 999;
    std::string name;
    auto operator<=>(const Rank&) const = default;
};
Rank rank_of(const config::GroupSpec& group, const config::ServiceSpec& service);

/// Everything, in the order of starts. Nobody waits for anybody.
std::vector<const config::ServiceSpec*> start_order(std::span<const config::GroupSpec> groups);

/// For the shutdown: one group after the other, highest priority number first; the next group's turn comes when all
/// services of the one before are in Supervisor's stopped set. Those of one group are stopped together.
std::vector<std::vector<const config::ServiceSpec*>> stop_order(std::span<const config::GroupSpec> groups);

}  // namespace xsv::engine
