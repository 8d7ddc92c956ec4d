// The guardian has died, and the engine has taken its place: what was running is somebody else's child now.
#include <catch2/catch.hpp>

#include <csignal>

#include <sys/wait.h>

#include "fakes/world.h"

using namespace xsv;
using namespace xsv::fakes;
using namespace std::chrono_literals;

namespace {

bool is_kept(World& world, const std::string& name, pid_t pid)
{
    return world.keeper.held.contains(engine::Adoption::key_of(world.at(name).slot_index(), pid));
}

}  // namespace

TEST_CASE("what a dead guardian left is gone on with, and nothing is started twice", "[engine][adoption]")
{
    World world{{service("web").always(), service("each").per_connection().listens("tcp4:7")}};
    world.loop.advance(2s);
    REQUIRE(world.call("tcp4:7"));
    const pid_t web = world.pid("web");
    const int spawns = world.processes.spawns;

    world.lose_guardian();

    CHECK(world.processes.spawns == spawns);
    CHECK(world.state("web") == "running");
    CHECK(world.pid("web") == web);
    CHECK(world.at("each").handlers().count() == 1);
    CHECK(is_kept(world, "web", web));

    world.at("web").stop();
    CHECK(world.processes.live[web].signals == std::vector<int>{SIGTERM});
    CHECK(world.end_of_adopted(web, sys::ProcessEnd{CLD_KILLED, SIGTERM}));
    CHECK(world.state("web") == "stopped");
    CHECK_FALSE(is_kept(world, "web", web));
    CHECK(world.end_of_adopted(web + 1, sys::ProcessEnd{CLD_EXITED, 0}));
    CHECK(world.at("each").handlers().count() == 0);
}

TEST_CASE("how an adopted process ended decides what follows, as with any other", "[engine][adoption]")
{
    World world{{service("good").always(), service("bad").always()}};
    world.loop.advance(2s);
    world.lose_guardian();
    const pid_t good = world.pid("good"), bad = world.pid("bad");

    CHECK(world.end_of_adopted(good, sys::ProcessEnd{CLD_EXITED, 0}));
    CHECK(world.state("good") == "ended");
    CHECK(world.end_of_adopted(bad, sys::ProcessEnd{CLD_EXITED, 3}));
    CHECK(world.at("bad").slot().restarts == 2);
    CHECK(world.pid("bad") > bad);

    world.loop.advance(2s);
    world.exit(world.pid("bad"), 3);  // which was ours again
    CHECK(world.at("bad").slot().restarts == 3);
}

TEST_CASE("the kernel is asked again until the parent of an adopted process knows how it ended", "[engine][adoption]")
{
    World world{{service("good").always(), service("nobody_knows").always()}};
    world.loop.advance(2s);
    world.lose_guardian();

    CHECK(world.end_of_adopted(world.pid("good"), std::nullopt));
    world.loop.advance(20ms);
    CHECK(world.state("good") == "running");
    world.processes.end = sys::ProcessEnd{CLD_EXITED, 0};
    world.loop.advance(50ms);
    CHECK(world.state("good") == "ended");

    CHECK(world.end_of_adopted(world.pid("nobody_knows"), std::nullopt));
    world.loop.advance(2s);
    CHECK(world.at("nobody_knows").slot().restarts == 2);  // a failure, to be careful
}

TEST_CASE("adopted processes outlive the next engine, too", "[engine][adoption]")
{
    World world{{service("web").always()}};
    world.loop.advance(2s);
    const pid_t web = world.pid("web");
    world.lose_guardian();
    world.crash();
    world.lose_guardian();
    CHECK(world.pid("web") == web);
    CHECK(world.processes.spawns == 1);
    CHECK(world.end_of_adopted(web, sys::ProcessEnd{CLD_EXITED, 0}));
    CHECK(world.state("web") == "ended");
}

TEST_CASE("a number that the kernel gave to another process is not the adopted one", "[engine][adoption]")
{
    World world{{service("web").always()}};
    world.loop.advance(2s);
    const pid_t web = world.pid("web");
    world.lose_guardian();
    world.deliver({1, web, CLD_EXITED, 0, 0, 0});  // of an orphan that came to the guardian
    CHECK(world.state("web") == "running");
    REQUIRE(world.strangers.size() == 1);
    CHECK(world.strangers[0].pid == web);
}
