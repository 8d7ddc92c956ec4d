#include "fakes/world.h"

#include <catch2/catch.hpp>

using namespace xsv;
using namespace xsv::fakes;
using namespace std::chrono_literals;

TEST_CASE("an always-on program starts, and starts again when it crashes", "[engine]")
{
    World world({service("web")});
    const pid_t first = world.pid("web");
    REQUIRE(first > 0);
    CHECK(world.state("web") == "starting");
    world.loop.advance(1100ms);
    CHECK(world.state("web") == "running");

    world.kill(first, SIGSEGV);

    CHECK(world.pid("web") > first);
    CHECK(world.processes.live.size() == 1);
}

TEST_CASE("the first connection starts the service, and its socket outlives it", "[engine]")
{
    World world({service("blog").on_demand().listens("tcp:127.0.0.1:8080")});
    CHECK(world.state("blog") == "listening");
    CHECK(world.processes.live.empty());
    const int before = world.socket("tcp:127.0.0.1:8080");

    REQUIRE(world.call("tcp:127.0.0.1:8080"));

    const pid_t pid = world.pid("blog");
    REQUIRE(pid > 0);
    CHECK_FALSE(world.loop.watches(before));  // while it runs, accepting is its business
    world.processes.queues[before] = 0;
    world.exit(pid);
    CHECK(world.state("blog") == "listening");
    CHECK(world.socket("tcp:127.0.0.1:8080") == before);
    CHECK(world.loop.watches(before));
    CHECK(world.sockets.open_count["tcp:127.0.0.1:8080"] == 1);
}

TEST_CASE("a socket in both configurations stays open across a reload", "[engine][reload]")
{
    World world({service("echo").on_demand().listens("tcp4:7")});
    const int before = world.socket("tcp4:7");

    REQUIRE(world.reload({service("reply").on_demand().listens("tcp4:7")}));

    CHECK(world.socket("tcp4:7") == before);
    CHECK(world.is_held("tcp4:7"));
    CHECK(world.sockets.open_count["tcp4:7"] == 1);
    CHECK(world.engine().find("echo") == nullptr);
    CHECK(world.state("reply") == "listening");
}

TEST_CASE("a reload that cannot bind changes nothing", "[engine][reload]")
{
    World world({service("echo").on_demand().listens("tcp4:7"), service("keep")});
    const pid_t keep = world.pid("keep");
    world.sockets.in_use.insert("tcp4:9");

    const auto diff = world.reload({service("other").on_demand().listens("tcp4:9")});

    REQUIRE_FALSE(diff);
    CHECK(diff.error().message.find("tcp4:9") != std::string::npos);
    CHECK(world.state("echo") == "listening");
    CHECK(world.pid("keep") == keep);
    CHECK(world.is_held("tcp4:7"));
    CHECK_FALSE(world.is_held("tcp4:9"));
}

TEST_CASE("a removed service gives up its socket here and at the guardian, and its place", "[engine][reload]")
{
    World world({service("echo").on_demand().listens("tcp4:7"), service("keep")});
    const auto places = world.table.in_use();
    world.call("tcp4:7");
    const pid_t pid = world.pid("echo");

    REQUIRE(world.reload({service("keep")}));

    CHECK_FALSE(world.is_held("tcp4:7"));
    CHECK(world.processes.live[pid].signals == std::vector{SIGTERM});
    CHECK(world.table.in_use() == places);
    world.kill(pid, SIGTERM);
    CHECK(world.table.in_use() == places - 1);
}

TEST_CASE("a change of policy does not touch the process, a change of command restarts it", "[engine][reload]")
{
    World world({service("web")});
    const pid_t pid = world.pid("web");
    world.loop.advance(2s);

    REQUIRE(world.reload({service("web").with([](auto& spec) { spec.policy.change().stop_time = 3s; })}));
    CHECK(world.pid("web") == pid);
    CHECK(world.processes.live[pid].signals.empty());

    REQUIRE(world.reload({service("web").runs("/bin/false").with([](auto& spec) { spec.policy.change().stop_time = 3s; })}));
    CHECK(world.processes.live[pid].signals == std::vector{SIGTERM});
    world.kill(pid, SIGTERM);
    CHECK(world.pid("web") > pid);
    CHECK(world.processes.live[world.pid("web")].plan.path == "/bin/false");
}

TEST_CASE("after a crash of the engine nothing is started twice and nothing is closed", "[engine][crash]")
{
    World world({service("web"), service("blog").on_demand().listens("tcp4:8080"),
                 service("git").per_connection().listens("tcp4:9418"),
                 service("off").with([](auto& spec) { spec.policy.change().autostart = false; })});
    world.loop.advance(2s);
    world.call("tcp4:9418");
    const pid_t web = world.pid("web");
    const auto live = world.processes.live.size();
    REQUIRE(live == 2);

    world.crash();

    CHECK(world.processes.live.size() == live);
    CHECK(world.pid("web") == web);
    CHECK(world.state("web") == "running");
    CHECK(world.state("blog") == "listening");
    CHECK(world.state("off") == "stopped");
    CHECK(world.at("git").handlers().count() == 1);
    CHECK(world.sockets.open_count["tcp4:8080"] == 1);
    CHECK(world.sockets.open_count["tcp4:9418"] == 1);
    REQUIRE(world.call("tcp4:8080"));
    CHECK(world.pid("blog") > 0);
}

TEST_CASE("an exit that the dead engine did not read reaches its successor with the right status", "[engine][crash]")
{
    World world({service("job").with([](auto& spec) { spec.policy.change().autorestart = config::Autorestart::Never; })});
    world.loop.advance(2s);
    const auto exit = world.exit_of(world.pid("job"), 42);

    world.crash({exit});

    CHECK(world.state("job") == "ended");
    CHECK(world.at("job").slot().exit_status == 42);
    world.deliver(exit);  // at least once: the second time without effect
    CHECK(world.state("job") == "ended");
    CHECK(world.processes.spawns == 1);
}

TEST_CASE("what an operator stopped stays stopped after a crash", "[engine][crash]")
{
    World world({service("web"), service("blog").on_demand().listens("tcp4:8080")});
    world.loop.advance(2s);
    world.at("web").stop();
    world.kill(world.pid("web"), SIGTERM);
    world.at("blog").stop();
    CHECK_FALSE(world.is_held("tcp4:8080"));

    world.crash();

    CHECK(world.state("web") == "stopped");
    CHECK(world.state("blog") == "stopped");
    CHECK(world.processes.live.empty());
}

TEST_CASE("a back-off goes on after a crash", "[engine][crash]")
{
    World world({service("bad")});
    world.exit(world.pid("bad"), 1);
    REQUIRE(world.state("bad") == "backoff");

    world.crash();

    CHECK(world.state("bad") == "backoff");
    world.loop.advance(1500ms);
    CHECK(world.pid("bad") > 0);
}

TEST_CASE("max_instances queues callers and serves them as instances end", "[engine][limits]")
{
    World world(
        {service("git").per_connection().listens("tcp4:9418").with([](auto& spec) { spec.policy.change().max_instances = 2; })});
    REQUIRE(world.call("tcp4:9418", 5));
    CHECK(world.at("git").handlers().count() == 2);
    const int fd = world.socket("tcp4:9418");
    CHECK_FALSE(world.loop.watches(fd));
    CHECK(world.is_held("tcp4:9418"));
    CHECK(world.processes.queues[fd] == 3);

    world.exit(world.processes.live.begin()->first);

    REQUIRE(world.loop.watches(fd));
    world.loop.fire(fd);
    CHECK(world.at("git").handlers().count() == 2);
    CHECK(world.processes.queues[fd] == 2);
}

TEST_CASE("one source beyond its limit is refused and never queued", "[engine][limits]")
{
    World world({service("git").per_connection().listens("tcp4:9418").with([](auto& spec) {
        spec.policy.change().max_per_source = 1;
    })});
    sys::Peer peer;
    peer.kind = sys::Peer::Inet;
    peer.address[15] = 7;
    world.processes.peer = peer;
    world.call("tcp4:9418", 3);

    CHECK(world.at("git").handlers().count() == 1);
    CHECK(world.at("git").slot().refused == 2);
    CHECK(world.processes.queues[world.socket("tcp4:9418")] == 0);
}

TEST_CASE("failed forks pause a listener and it comes back by itself", "[engine][limits]")
{
    World world({service("git").per_connection().listens("tcp4:9418")});
    world.processes.refusals = {EAGAIN, EAGAIN};
    world.call("tcp4:9418");
    const int fd = world.socket("tcp4:9418");
    CHECK_FALSE(world.loop.watches(fd));
    CHECK(world.is_held("tcp4:9418"));

    world.loop.advance(150ms);
    REQUIRE(world.loop.watches(fd));
    world.loop.fire(fd);
    world.loop.advance(300ms);
    REQUIRE(world.loop.watches(fd));
    world.loop.fire(fd);
    CHECK(world.at("git").handlers().count() == 1);
}

TEST_CASE("a process that cannot be made is reported in Supervisor's words", "[engine][limits]")
{
    for (const auto& [error, text] : {std::pair{EMFILE, "too many open files to spawn 'web'"}, std::pair{ENFILE, "too many open files to spawn 'web'"},
                                      std::pair{EAGAIN, "Too many processes in process table to spawn 'web'"},
                                      std::pair{ENOMEM, "unknown error during fork for 'web': ENOMEM"}}) {
        World world({service("web").with([](auto& spec) { spec.policy.change().autostart = false; })});
        world.processes.refusals = {error};
        world.at("web").start();
        CHECK(world.at("web").slot().reason_text() == text);
        CHECK(std::holds_alternative<engine::Backoff>(world.at("web").state()));
    }
}

TEST_CASE("an address that is in use at the start is tried again", "[engine][sockets]")
{
    World world({service("keep")});
    world.sockets.in_use.insert("tcp4:7");
    REQUIRE(world.engine().add_group({"echo", 999, false, {service("echo").on_demand().listens("tcp4:7").spec}}));
    CHECK(world.socket("tcp4:7") == -1);
    CHECK(world.at("echo").reason().find("in use") != std::string::npos);

    world.sockets.in_use.clear();
    world.loop.advance(2s);

    REQUIRE(world.socket("tcp4:7") >= 0);
    CHECK(world.call("tcp4:7"));
    CHECK(world.pid("echo") > 0);
}

TEST_CASE("a shutdown stops the groups from the highest priority number down, one after the other",
          "[engine][shutdown]")
{
    const auto priority = [](int number) { return [number](auto& spec) { spec.policy.change().priority = number; }; };
    World world({service("database").with(priority(1)), service("web").with(priority(2))});
    world.loop.advance(2s);
    const pid_t database = world.pid("database"), web = world.pid("web");
    bool done = false;

    world.engine().shutdown([&] { done = true; });

    CHECK(world.processes.live[web].signals == std::vector{SIGTERM});
    CHECK(world.processes.live[database].signals.empty());
    world.kill(web, SIGTERM);
    CHECK(world.processes.live[database].signals == std::vector{SIGTERM});
    CHECK_FALSE(done);
    world.kill(database, SIGTERM);
    CHECK(done);
    CHECK(world.processes.live.empty());
}

TEST_CASE("the idle timer stops a program nobody is connected to", "[engine][idle]")
{
    World world(
        {service("blog").on_demand().listens("tcp4:8080").with([](auto& spec) { spec.policy.change().idle_time = 10s; })});
    world.call("tcp4:8080");
    const pid_t pid = world.pid("blog");
    world.processes.queues[world.socket("tcp4:8080")] = 0;
    world.sockets.established = 1;
    world.loop.advance(60s);
    CHECK(world.processes.live[pid].signals.empty());

    world.sockets.established = 0;
    world.loop.advance(15s);
    CHECK(world.processes.live[pid].signals == std::vector{SIGTERM});
    world.kill(pid, SIGTERM);
    CHECK(world.state("blog") == "listening");
}

TEST_CASE("a broken program is shown as fatal with its reason, and the others run", "[engine]")
{
    World world({service("bad").with([](auto& spec) { spec.broken = "x.conf:3: startsecs: expected a time"; }),
                 service("good")});
    CHECK(world.state("bad") == "fatal");
    CHECK(world.at("bad").reason() == "x.conf:3: startsecs: expected a time");
    CHECK(world.pid("good") > 0);
}

TEST_CASE("changing the activation keeps the socket open", "[engine][reload]")
{
    World world({service("blog").on_demand().listens("tcp4:8080")});
    const int before = world.socket("tcp4:8080");
    REQUIRE(world.reload({service("blog").per_connection().listens("tcp4:8080")}));
    CHECK(world.socket("tcp4:8080") == before);
    world.call("tcp4:8080");
    CHECK(world.at("blog").handlers().count() == 1);

    REQUIRE(world.reload({service("blog").always().listens("tcp4:8080")}));
    CHECK(world.socket("tcp4:8080") == before);
    CHECK(world.pid("blog") > 0);
}

TEST_CASE("orphans are nobody's", "[engine]")
{
    World world({service("web")});
    world.deliver({99, 4711, CLD_EXITED, 0, 0, 0});
    CHECK(world.strangers.size() == 1);
}

TEST_CASE("accept = engine refuses without a process and keeps a caller whom no process could be started for", "[engine][accept]")
{
    World world({service("git").per_connection().listens("tcp4:9418").with([](auto& spec) {
        spec.policy.change().accept = config::AcceptIn::Engine;
        spec.policy.change().deny = {*sys::parse_address_rule("192.0.2.0/24")};
    })});
    sys::Peer stranger;
    stranger.kind = sys::Peer::Inet;
    stranger.mapped = 1;
    stranger.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7};
    world.sockets.peer = stranger;
    world.call("tcp4:9418", 3);
    CHECK(world.sockets.refused == 3);
    CHECK(world.processes.spawns == 0);

    world.sockets.peer.address[14] = 3;
    world.processes.refusals = {EAGAIN};
    world.call("tcp4:9418");
    CHECK(world.at("git").handlers().count() == 0);
    world.loop.advance(150ms);  // he is off the queue, and not lost
    CHECK(world.at("git").handlers().count() == 1);
    CHECK(world.processes.children_that_accepted == 0);
}

TEST_CASE("under a flood of refusals the engine accepts for ten seconds", "[engine][accept]")
{
    World world({service("git").per_connection().listens("tcp4:9418").with([](auto& spec) {
        spec.policy.change().deny = {*sys::parse_address_rule("all")};
    })});
    sys::Peer stranger;
    stranger.kind = sys::Peer::Inet;
    world.processes.peer = stranger;
    world.sockets.peer = stranger;
    const int fd = world.socket("tcp4:9418");
    world.processes.queues[fd] = 200;
    while (world.processes.queues[fd] > 0) REQUIRE(world.loop.fire(fd));
    const int by_children = world.processes.children_that_accepted;
    CHECK(by_children < 100);
    CHECK(world.sockets.refused == 200 - by_children);
    CHECK(world.at("git").slot().refused == 200);

    world.loop.advance(11s);
    world.call("tcp4:9418");
    CHECK(world.processes.children_that_accepted == by_children + 1);
}

TEST_CASE("a caller accepted in the engine is served after the program's own failure, too", "[engine][accept]")
{
    World world({service("git").per_connection().listens("tcp4:9418").with([](auto& spec) {
        spec.policy.change().accept = config::AcceptIn::Engine;
    })});
    world.processes.refusals = {EINVAL};
    world.call("tcp4:9418");
    CHECK(world.state("git") == "backoff");
    world.loop.advance(5s);
    CHECK(world.at("git").handlers().count() == 1);
}

TEST_CASE("who waits for a stop reads in the log that it lasts, once every two seconds", "[engine][log]")
{
    World world({service("web")});
    const auto said = [&](const std::string& text) {
        return std::count_if(world.lines.begin(), world.lines.end(), [&](const std::string& line) { return line.find(text) != std::string::npos; });
    };
    world.at("web").stop();
    world.at("web").report_stop();
    world.at("web").report_stop();  // somebody else waits too
    CHECK(said("waiting for web to stop") == 1);
    world.loop.advance(4100ms);
    CHECK(said("waiting for web to stop") == 3);
    world.exit(world.pid("web"));
    world.loop.advance(10s);
    CHECK(said("waiting for web to stop") == 3);
}

TEST_CASE("the end of the daemon says every three seconds whom it waits for", "[engine][log]")
{
    World world({service("a"), service("b")});
    const auto said = [&](const std::string& text) {
        return std::count_if(world.lines.begin(), world.lines.end(), [&](const std::string& line) { return line.find(text) != std::string::npos; });
    };
    const pid_t a = world.pid("a"), b = world.pid("b");
    world.engine().shutdown([] {});
    CHECK(said("waiting for a, b to die") == 1);
    world.loop.advance(3100ms);
    CHECK(said("waiting for a, b to die") == 2);
    world.exit(b);
    world.loop.advance(3s);
    CHECK(said("waiting for a to die") == 1);
    world.exit(a);
    world.loop.advance(10s);
    CHECK(said("to die") == 3);
}

TEST_CASE("a stop in BACKOFF leaves no exit status, and the next start has every attempt again", "[engine]")   // B39
{
    World world({service("web").with([](config::ServiceSpec& spec) { spec.policy.change().start_retries = 1; })});
    const auto fail_once = [&] { world.exit(world.pid("web"), 7); };
    fail_once();
    REQUIRE(world.state("web") == "backoff");
    world.at("web").stop();
    CHECK(world.state("web") == "stopped");
    CHECK(world.at("web").slot().exit_status == 0);

    world.at("web").start();
    fail_once();
    CHECK(world.state("web") == "backoff");  // the failure before the stop does not count
    world.loop.advance(1100ms);
    fail_once();
    CHECK(world.state("web") == "fatal");
}

TEST_CASE("groups without processes and stopped ones do not delay the end", "[engine]")
{
    std::vector<ServiceBuilder> services;
    for (int i = 0; i < 20; ++i)
        services.push_back(service("s" + std::to_string(i)).with([](config::ServiceSpec& spec) { spec.policy.change().autostart = false; }));
    World world(std::move(services));
    const Time begun = world.loop.now();
    bool ended = false;
    world.engine().shutdown([&] { ended = true; });
    world.loop.settle();
    CHECK(ended);
    CHECK(world.loop.now() == begun);
}
