#include "engine/order.h"

#include <catch2/catch.hpp>

using namespace xsv;
using namespace xsv::engine;

namespace {

config::ServiceSpec service(const std::string& group, const std::string& name, int priority)
{
    config::ServiceSpec spec;
    spec.group = group;
    spec.name = name;
    spec.policy.change().priority = priority;
    return spec;
}

const std::vector<config::GroupSpec> kGroups{
    {"web", 20, true, {service("web", "b", 999), service("web", "a", 999), service("web", "z", 1)}},
    {"base", 20, false, {service("base", "base", 5)}},
    {"empty", 1, true, {}},
    {"db", 10, true, {service("db", "two", 2), service("db", "one", 1)}},
};

std::vector<std::string> names(const std::vector<const config::ServiceSpec*>& services)
{
    std::vector<std::string> all;
    for (const auto* spec : services) all.push_back(spec->namespec());
    return all;
}

}  // namespace

TEST_CASE("lower priorities start first, groups before programs, names where they are equal", "[engine][order]")
{
    CHECK(names(start_order(kGroups)) ==
          std::vector<std::string>{"db:one", "db:two", "base", "web:z", "web:a", "web:b"});
    CHECK(start_order({}).empty());
}

TEST_CASE("the shutdown stops one group after the other, in the opposite order", "[engine][order]")
{
    const auto order = stop_order(kGroups);
    REQUIRE(order.size() == 3);
    CHECK(names(order[0]) == std::vector<std::string>{"web:b", "web:a", "web:z"});
    CHECK(names(order[1]) == std::vector<std::string>{"base"});
    CHECK(names(order[2]) == std::vector<std::string>{"db:two", "db:one"});
    CHECK(stop_order({}).empty());
}
