#include <catch2/catch.hpp>

#include "fakes/world.h"

using namespace xsv;
using namespace xsv::fakes;
using namespace std::chrono_literals;

namespace {

constexpr const char* kAddress = "unix:/run/test.sock";

ServiceBuilder fcgi(const std::string& name, const std::string& group = "php")
{
    return service(name).always().listens(kAddress).with([&](config::ServiceSpec& spec) {
        spec.group = group;
        spec.program = "php";
        spec.exec.socket_pass = config::SocketPass::Stdin;
        spec.sockets.standing = true;
    });
}

int stdin_of(World& world, const std::string& name)
{
    for (const auto& [from, to] : world.processes.live.at(world.pid(name)).plan.moves)
        if (to == 0) return from;
    return -1;
}

}  // namespace

TEST_CASE("every process of an fcgi-program has the same socket as stdin", "[engine][fcgi]")
{
    World world({fcgi("php_0"), fcgi("php_1")});
    const int socket = world.socket(kAddress);
    REQUIRE(socket >= 0);
    CHECK(stdin_of(world, "php:php_0") == socket);
    CHECK(stdin_of(world, "php:php_1") == socket);
    CHECK(world.sockets.open_count[kAddress] == 1);
}

TEST_CASE("an fcgi socket stays open through stop, start and crashes, and closes with its group", "[engine][fcgi]")
{
    World world({fcgi("php_0")});
    const int socket = world.socket(kAddress);
    const auto stop = [&] {
        world.at("php:php_0").stop();
        world.exit(world.pid("php:php_0"));
    };

    stop();
    CHECK(world.state("php:php_0") == "stopped");
    CHECK(world.socket(kAddress) == socket);
    world.at("php:php_0").start();
    CHECK(stdin_of(world, "php:php_0") == socket);
    world.loop.advance(2s);
    world.kill(world.pid("php:php_0"), SIGSEGV);
    CHECK(stdin_of(world, "php:php_0") == socket);
    stop();
    world.crash();  // a stopped one's socket outlives the engine too
    REQUIRE(world.socket(kAddress) >= 0);
    CHECK(world.sockets.open_count[kAddress] == 1);

    world.engine().remove_group("php");
    world.loop.settle();
    CHECK_FALSE(world.is_held(kAddress));
}

TEST_CASE("an fcgi-program that does not start by itself listens all the same", "[engine][fcgi]")
{
    World world({fcgi("php_0").with([](config::ServiceSpec& spec) { spec.policy.change().autostart = false; })});
    CHECK(world.state("php:php_0") == "stopped");
    CHECK(world.is_held(kAddress));
}

TEST_CASE("an fcgi-program fails to start as Supervisor's programs do", "[engine][fcgi]")
{
    World world({fcgi("php_0").with([](config::ServiceSpec& spec) { spec.policy.change().start_retries = 1; })});
    world.exit(world.pid("php:php_0"), 1);
    CHECK(world.state("php:php_0") == "backoff");
    world.loop.advance(1100ms);
    world.exit(world.pid("php:php_0"), 1);
    CHECK(world.state("php:php_0") == "fatal");
    CHECK(world.is_held(kAddress));
}

TEST_CASE("an address in use is a failure to start and is tried again", "[engine][fcgi]")
{
    World world({fcgi("php_0").with([](config::ServiceSpec& spec) { spec.policy.change().autostart = false; })});
    world.engine().remove_group("php");
    world.loop.settle();
    world.sockets.in_use.insert(kAddress);
    REQUIRE(world.reload({fcgi("php_0")}).has_value() == false);  // a reload that cannot bind changes nothing
    world.sockets.in_use.clear();
    REQUIRE(world.reload({fcgi("php_0")}));
    CHECK(world.pid("php:php_0") > 0);
}

TEST_CASE("a reload that changes an fcgi program leaves its socket alone", "[engine][fcgi][reload]")
{
    World world({fcgi("php_0")});
    const int socket = world.socket(kAddress);
    const pid_t before = world.pid("php:php_0");

    REQUIRE(world.reload({fcgi("php_0").runs("/bin/false")}));
    world.exit(before);

    CHECK(world.pid("php:php_0") > before);
    CHECK(stdin_of(world, "php:php_0") == socket);
    CHECK(world.sockets.open_count[kAddress] == 1);

    // It becomes an ordinary program: the socket goes.
    REQUIRE(world.reload({service("php_0").with([](config::ServiceSpec& spec) { spec.group = "php"; })}));
    CHECK_FALSE(world.is_held(kAddress));
}

TEST_CASE("the socket of an fcgi-program closes first when the daemon ends", "[engine][fcgi]")
{
    World world({fcgi("php_0")});
    bool ended = false;
    world.engine().shutdown([&] { ended = true; });
    CHECK_FALSE(world.is_held(kAddress));
    world.exit(world.pid("php:php_0"));
    CHECK(ended);
}

TEST_CASE("a start leaves O_NONBLOCK of a shared socket to the processes that use it", "[engine][fcgi]")
{
    World world({fcgi("php_0"), fcgi("php_1")});
    CHECK(world.sockets.blocking_set == 1);  // for the first of them: the socket was opened non-blocking
    world.kill(world.pid("php:php_0"), SIGSEGV);
    world.loop.advance(2s);
    REQUIRE(world.pid("php:php_0") > 0);
    CHECK(world.sockets.blocking_set == 1);
}
