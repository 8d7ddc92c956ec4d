#include "xsvctl/config_value.h"

#include <catch2/catch.hpp>

#include "config/directive.h"

using namespace xsv;

TEST_CASE("a program's readiness, commands and restarts are all printed", "[xsvctl][check]")
{
    config::ServiceSpec spec;
    spec.name = spec.group = "web";
    spec.ready.change().when = config::ReadyWhen::Fd;
    spec.ready.change().fd = 7;
    spec.restarts.change().prevent = {{75}, {9}};
    spec.hooks.change().start_pre = {"-/bin/false", "/bin/true"};
    config::Loaded loaded;
    loaded.config.groups.push_back({"web", 999, false, {spec}});

    const wire::Value value = xsvctl::config_value(loaded);
    const wire::Value& program = value.find("groups")->array()->front().find("processes")->array()->front();
    for (const auto& key : config::ready_keys()) {
        INFO(key.key);
        CHECK(program.find(key.key) != nullptr);
    }
    CHECK(program.text("ready") == "fd:7");
    CHECK(*program.find("restart_prevent")->array() == wire::Value::Array{75, "SIGKILL"});
    CHECK(*program.find("start_pre")->array() == wire::Value::Array{"-/bin/false", "/bin/true"});
    CHECK(program.find("run_time_max")->is_nil());
}
