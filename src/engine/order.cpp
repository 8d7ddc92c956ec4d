#include "engine/order.h"

#include <algorithm>
#include <utility>

namespace xsv::engine {

Rank rank_of(const config::GroupSpec& group, const config::ServiceSpec& service)
{
    return {group.priority, group.name, service.policy->priority, service.name};
}

namespace {

using Ranked = std::vector<std::pair<Rank, const config::ServiceSpec*>>;

Ranked ranked(std::span<const config::GroupSpec> groups)
{
    Ranked all;
    for (const auto& group : groups) {
        for (const auto& service : group.services) all.emplace_back(rank_of(group, service), &service);
    }
    std::ranges::stable_sort(all, {}, &Ranked::value_type::first);
    return all;
}

}  // namespace

std::vector<const config::ServiceSpec*> start_order(std::span<const config::GroupSpec> groups)
{
    std::vector<const config::ServiceSpec*> order;
    for (const auto& [rank, service] : ranked(groups)) order.push_back(service);
    return order;
}

std::vector<std::vector<const config::ServiceSpec*>> stop_order(std::span<const config::GroupSpec> groups)
{
    std::vector<std::vector<const config::ServiceSpec*>> order;
    Ranked all = ranked(groups);
    std::ranges::reverse(all);
    const Rank* before = nullptr;
    for (const auto& [rank, service] : all) {
        const bool same = before && before->group == rank.group && before->group_priority == rank.group_priority;
        if (!same) order.emplace_back();
        order.back().push_back(service);
        before = &rank;
    }
    return order;
}

}  // namespace xsv::engine
