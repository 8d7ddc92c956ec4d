#include <catch2/catch.hpp>

#include "web_world.h"
#include "wire/base64.h"

using namespace xsv;
using namespace xsv::test;
using std::chrono::milliseconds;

namespace {

std::vector<const wire::Value*> of_type(const World& world, std::string_view type)
{
    std::vector<const wire::Value*> found;
    for (const wire::Value& message : world.messages)
        if (message.text("type") == type) found.push_back(&message);
    return found;
}

const std::string kState = post("/RPC2", xml_call("supervisor.getState"));

}  // namespace

TEST_CASE("the engine is shown who calls on a unix server before he is heard, and told when he has left", "[web][callers]")
{
    World world;
    Client client = world.connect_unix();
    CHECK(client.ask(kState).status == 200);
    const auto shown = of_type(world, "caller");
    REQUIRE(shown.size() == 1);
    CHECK(&world.messages.front() == shown[0]);
    CHECK(of_type(world, "call").at(0)->number("connection") == shown[0]->number("connection"));
    client.close();
    world.wait_for([&] { return of_type(world, "left").size() == 1; });
    CHECK(of_type(world, "left")[0]->number("connection") == of_type(world, "caller")[0]->number("connection"));
}

TEST_CASE("over TCP a call names its server alone", "[web][callers]")
{
    World world;
    CHECK(world.connect().ask(kState).status == 200);
    CHECK(of_type(world, "caller").empty());
    CHECK(of_type(world, "call").at(0)->find("connection") == nullptr);
}

TEST_CASE("a new engine is shown everybody who is there", "[web][callers]")
{
    World world;
    Client client = world.connect_unix();
    CHECK(client.ask(kState).status == 200);
    world.send_servers();
    world.wait_for([&] { return of_type(world, "caller").size() == 2; });
    CHECK(of_type(world, "caller")[0]->number("connection") == of_type(world, "caller")[1]->number("connection"));
    CHECK(client.ask(kState).status == 200);
}

TEST_CASE("whom the engine does not want is told so", "[web][callers]")
{
    World world;
    Client client = world.connect_unix();
    world.wait_for([&] { return of_type(world, "caller").size() == 1; });
    world.send(wire::Value::Struct{{"type", "unwanted"}, {"connection", wire::Value(of_type(world, "caller")[0]->number("connection"))}});
    CHECK(client.read().status == 403);
    CHECK(client.is_closed_by_server());
    CHECK(world.connect_unix().ask(kState).status == 200);
}

TEST_CASE("who is refused a place makes none for the next", "[web][callers]")
{
    web::Settings settings;
    settings.max_per_address = 2;
    World world(settings);
    Client one = world.connect(), two = world.connect();
    one.send(post("/RPC2", xml_call("test.never")));
    two.send(post("/RPC2", xml_call("test.never")));
    world.wait_for([&] { return world.calls.size() == 2; });
    for (int i = 0; i < 5; ++i) {
        CAPTURE(i);
        CHECK(world.connect().read().status == 503);
    }
    CHECK(world.door->connections() <= 3);  // the last one may still read its answer
}

TEST_CASE("wrong passwords from many sources wait as long as those from one", "[web][callers]")
{
    web::Settings settings;
    settings.failure_delay = milliseconds(20);
    settings.max_failure_delay = milliseconds(160);
    World world(settings, false);
    world.add_server("inet", "admin", "secret");
    world.add_server("unix", "admin", "secret");
    world.send_servers();
    const auto login = [](std::string_view user, std::string_view password) {
        return get("/ok.html", "Authorization: Basic " + wire::base64_encode(fmt::format("{}:{}", user, password)) + "\r\n");
    };
    for (int i = 0; i < 3; ++i) CHECK(world.connect().ask(login("admin", "wrong")).status == 401);
    const auto begun = world.loop->now();
    CHECK(world.connect_unix().ask(login("admin", "wrong")).status == 401);
    CHECK(world.loop->now() - begun >= milliseconds(155));
    // The right one, from a source that has never failed, does not wait at all.
    CHECK(world.connect_unix().ask(login("admin", "secret")).status == 200);
}
