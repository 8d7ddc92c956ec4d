#include <catch2/catch.hpp>

#include <unistd.h>

#include "web_world.h"

using namespace xsv;
using namespace xsv::test;
using std::chrono::milliseconds;

namespace {

std::string json(const std::string& text)
{
    return post("/rpc", text, "Content-Type: application/json\r\n");
}

void write_log(World& world, std::string_view text)
{
    REQUIRE(::write(world.log_writer.get(), text.data(), text.size()) == ssize_t(text.size()));
}

/// Writes until the pipe is full; how much it took.
std::size_t fill(World& world, const std::string& piece)
{
    std::size_t taken = 0;
    for (ssize_t size = 0; (size = ::write(world.log_writer.get(), piece.data(), piece.size())) > 0;)
        taken += static_cast<std::size_t>(size);
    return taken;
}

bool is_log_abandoned(World& world)
{
    return ::write(world.log_writer.get(), "x", 1) < 0 && errno == EPIPE;
}

}  // namespace

TEST_CASE("a call reaches the engine with its parameters, and its answer comes back", "[web][rpc]")
{
    World world;
    const wire::Value::Array params{"a:b", true, 5, wire::Value::Array{"x"}};
    const Response response = world.connect().ask(post("/RPC2", xml_call("test.echo", params)));
    REQUIRE(world.calls.size() == 1);
    CHECK(world.calls[0].text("method") == "test.echo");
    CHECK(*world.calls[0].find("params") == wire::Value(params));
    CHECK(world.calls[0].number("server") == 0);
    CHECK(world.calls[0].text("peer").starts_with("127.0.0.1:"));
    CHECK(
        response.body.starts_with("<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n"
                                  "<value><string>a:b</string></value>\n<value><boolean>1</boolean></value>\n"));
}

TEST_CASE("faults are answers", "[web][rpc]")
{
    World world;
    const Response response = world.connect().ask(post("/RPC2", xml_call("test.bad_name")));
    CHECK(response.status == 200);
    CHECK(response.body.find("<name>faultCode</name>\n<value><int>10</int></value>") != std::string::npos);
    CHECK(response.body.find("BAD_NAME: x") != std::string::npos);
}

TEST_CASE("multicall is the engine's", "[web][rpc]")
{
    World world;
    world.connect().ask(post("/RPC2", xml_call("system.multicall", {wire::Value::Array{}})));
    CHECK(world.calls.at(0).text("method") == "system.multicall");
}

TEST_CASE("JSON-RPC answers single calls, faults and notifications", "[web][rpc]")
{
    World world;
    const Response echo =
        world.connect().ask(json(R"({"jsonrpc":"2.0","method":"test.echo","params":[1,"x"],"id":"i"})"));
    CHECK(echo.field("Content-Type") == "application/json");
    CHECK(echo.body == R"({"jsonrpc":"2.0","result":[1,"x"],"id":"i"})");
    CHECK(world.connect().ask(json(R"({"jsonrpc":"2.0","method":"test.bad_name","id":1})")).body ==
          R"({"jsonrpc":"2.0","error":{"code":10,"message":"BAD_NAME: x"},"id":1})");
    CHECK(world.connect().ask(json(R"({"jsonrpc":"2.0","method":"nosuch","id":1})")).body ==
          R"({"jsonrpc":"2.0","error":{"code":-32601,"message":"UNKNOWN_METHOD"},"id":1})");
    CHECK(world.connect().ask(json(R"({"jsonrpc":"2.0","method":"test.broken","id":1})")).body.find("-32603") !=
          std::string::npos);
    CHECK(world.connect().ask(json(R"({"jsonrpc":"2.0","method":"m","params":{"a":1},"id":1})")).body.find("-32602") !=
          std::string::npos);
    CHECK(world.connect().ask(json("[]")).body.find("-32600") != std::string::npos);
    const Response broken = world.connect().ask(json("{"));
    CHECK(broken.status == 400);
    CHECK(broken.body.find("-32700") != std::string::npos);
    Client client = world.connect();
    const Response notified = client.ask(json(R"({"jsonrpc":"2.0","method":"test.echo","params":[]})"));
    CHECK(notified.status == 204);
    CHECK_FALSE(notified.has("Content-Length"));
    CHECK(client.ask(get("/ok.html")).status == 200);
}

TEST_CASE("a JSON batch is answered in its order, without its notifications", "[web][rpc]")
{
    World world;
    const Response response = world.connect().ask(json(
        R"([{"jsonrpc":"2.0","method":"test.echo","params":[1],"id":1},{"jsonrpc":"2.0","method":"test.echo","params":[]},)"
        R"(7,{"jsonrpc":"2.0","method":"test.bad_name","id":2}])"));
    CHECK(response.body ==
          R"([{"jsonrpc":"2.0","result":[1],"id":1},)"
          R"({"jsonrpc":"2.0","error":{"code":-32600,"message":"a request must be an object"},"id":null},)"
          R"({"jsonrpc":"2.0","error":{"code":10,"message":"BAD_NAME: x"},"id":2}])");
    CHECK(world.connect().ask(json(R"([{"jsonrpc":"2.0","method":"test.echo"}])")).status == 204);
}

TEST_CASE("an answer for a client that has left disturbs nobody", "[web][rpc]")
{
    World world;
    Client client = world.connect();
    client.send(post("/RPC2", xml_call("test.never")));
    world.wait_for([&] { return world.calls.size() == 1; });
    client.reset();
    world.wait_for([&] { return world.door->connections() == 0; });
    world.send(
        wire::Value::Struct{{"type", "reply"}, {"id", wire::Value(world.calls[0].number("id"))}, {"result", "n"}});
    world.send(wire::Value::Struct{{"type", "reply"}, {"id", 999}, {"result", "n"}});
    CHECK(world.connect().ask(get("/healthz")).body == "ok\n");
}

TEST_CASE("a late answer is not taken for the answer to the next request", "[web][rpc]")
{
    web::Settings settings;
    settings.health_time = milliseconds(20);
    World world(settings);
    world.texts["supervisor.getState"] = "x";
    Client client = world.connect();
    CHECK(client.ask(get("/healthz")).status == 200);
    const auto first = world.calls.back().number("id");
    client.send(post("/RPC2", xml_call("test.never")));
    world.wait_for([&] { return world.calls.size() == 2; });
    world.send(wire::Value::Struct{{"type", "reply"}, {"id", wire::Value(first)}, {"result", "n"}});
    world.send(wire::Value::Struct{{"type", "reply"}, {"id", wire::Value(first + 1)}, {"result", "s\x01y"}});
    CHECK(client.read().body.find("<string>y</string>") != std::string::npos);
}

TEST_CASE("health is the engine's answer", "[web][pages]")
{
    web::Settings settings;
    settings.health_time = milliseconds(30);
    World world(settings, false);
    world.add_server("inet");
    world.send_servers();
    world.connect().ask(get("/ok.html"));
    CHECK(world.connect().ask(get("/healthz")).body == "ok\n");
    world.send(wire::Value::Struct{{"type", "unheard of"}});
    CHECK(world.connect().ask(get("/healthz")).status == 200);
}

TEST_CASE("a log is followed, each piece as a chunk", "[web][logtail]")
{
    World world;
    Client client = world.connect();
    client.send(get("/logtail/cat%3Aa") + "\r\n");
    const std::string head = client.read_until("\r\n\r\n");
    CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
    for (const char* line : {"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "\r\nContent-Type: text/plain;charset=utf-8\r\n",
                             "\r\nX-Accel-Buffering: no\r\n", "\r\nTransfer-Encoding: chunked\r\n"})
        CHECK(head.find(line) != head.npos);
    CHECK(world.calls.back().text("path") == "/logtail/cat:a");
    write_log(world, "one\n");
    CHECK(client.read_until("one\n\r\n") == "4\r\none\n\r\n");
    write_log(world, std::string(300, 'x'));
    CHECK(client.read_until("xx\r\n").starts_with("12c\r\n"));
    world.log_writer.reset();
    CHECK(client.read_rest() == "0\r\n\r\n");
}

TEST_CASE("an HTTP/1.0 follower gets plain bytes at once", "[web][logtail]")
{
    World world;
    Client client = world.connect();
    client.send("GET /mainlogtail HTTP/1.0\r\n\r\n");
    const std::string head = client.read_until("\r\n\r\n");
    CHECK(head.starts_with("HTTP/1.0 200 OK\r\n"));
    CHECK(head.find("chunked") == head.npos);
    CHECK(head.find("X-Accel-Buffering") == head.npos);
    write_log(world, "one\n");
    CHECK(client.read_until("\n") == "one\n");
    world.log_writer.reset();
    CHECK(client.is_closed_by_server());
}

TEST_CASE("when a follower leaves, the log's pipe closes", "[web][logtail]")
{
    World world;
    Client client = world.connect_unix();
    client.send(get("/logtail/cat:a"));
    client.read_until("\r\n\r\n");
    client.close();
    world.wait_for([&] { return world.door->connections() == 0; });
    CHECK(is_log_abandoned(world));
}

TEST_CASE("a follower that does not read holds up the log, and one that never reads is let go", "[web][logtail]")
{
    web::Settings settings;
    settings.follower_time = milliseconds(100);
    World world(settings);
    Client client = world.connect_unix();
    client.send(get("/logtail/cat:a"));
    client.read_until("\r\n\r\n");
    const std::string piece(4096, 'x');
    std::size_t taken = 0;
    for (int quiet = 0; quiet < 3;) {
        const std::size_t more = fill(world, piece);
        taken += more;
        quiet = more > 0 ? 0 : quiet + 1;
        world.run_for(milliseconds(5));
    }
    CHECK(taken < (4u << 20));
    world.wait_for([&] { return world.door->connections() == 0; });
    CHECK(is_log_abandoned(world));
}

TEST_CASE("a follower that reads late gets every byte", "[web][logtail]")
{
    World world;
    Client client = world.connect_unix();
    client.send("GET /logtail/cat:a HTTP/1.0\r\n\r\n");
    client.read_until("\r\n\r\n");
    std::size_t taken = 0;
    for (int round = 0; round < 50; ++round) {
        taken += fill(world, std::string(1000, 'x'));
        world.run_for(milliseconds(1));
    }
    world.log_writer.reset();
    CHECK(client.read_rest().size() == taken);
}

TEST_CASE("the number of followers is limited", "[web][logtail]")
{
    web::Settings settings;
    settings.max_followers = 1;
    World world(settings);
    Client client = world.connect();
    client.send(get("/logtail/cat:a"));
    client.read_until("\r\n\r\n");
    CHECK(world.connect().ask(get("/logtail/cat:a")).status == 503);
}

TEST_CASE("a new engine means new calls, followers stay", "[web][engine]")
{
    World world;
    Client follower = world.connect_unix();
    follower.send(get("/logtail/cat:a"));
    follower.read_until("\r\n\r\n");
    Client caller = world.connect(), batch = world.connect(), idle = world.connect();
    CHECK(idle.ask(get("/ok.html")).status == 200);
    caller.send(post("/RPC2", xml_call("test.never")));
    batch.send(
        json(R"([{"jsonrpc":"2.0","method":"test.never","id":1},{"jsonrpc":"2.0","method":"test.never","id":2}])"));
    world.wait_for([&] { return world.calls.size() == 4; });
    world.send_servers();
    CHECK(caller.is_closed_by_server());
    CHECK(batch.is_closed_by_server());
    CHECK(idle.ask(get("/healthz")).status == 200);
    write_log(world, "still here\n");
    CHECK(follower.read_until("here\n").ends_with("still here\n"));
}

TEST_CASE("servers that are no longer named close, and their connections with them", "[web][engine]")
{
    World world;
    Client inet = world.connect();
    CHECK(inet.ask(get("/ok.html")).status == 200);
    world.send(wire::Value::Struct{{"type", "hello"}, {"generation", 2}});
    world.send(wire::Value::Struct{{"type", "ready"}});
    CHECK(inet.is_closed_by_server());
}

TEST_CASE("broken messages of the engine are ignored", "[web][engine]")
{
    World world;
    world.send(wire::Value("text"));
    world.send(wire::Value::Struct{{"type", "server"}, {"name", "without socket"}});
    world.send(wire::Value::Struct{{"type", "reply"}});
    world.send(wire::Value::Struct{{"type", "follow"}, {"id", 1}, {"status", 200}});
    CHECK(world.connect().ask(get("/healthz")).status == 200);
}

TEST_CASE("at shutdown answers under way are finished, then it ends", "[web][engine]")
{
    World world;
    world.texts["test.big"] = std::string(3 << 20, 'x');
    Client idle = world.connect(), busy = world.connect(), follower = world.connect_unix();
    idle.ask(get("/ok.html"));
    follower.send(get("/logtail/cat:a"));
    follower.read_until("\r\n\r\n");
    busy.send(post("/RPC2", xml_call("test.big")));
    world.wait_for([&] { return !world.calls.empty() && world.calls.back().text("method") == "test.big"; });
    world.send(wire::Value::Struct{{"type", "shutdown"}});
    CHECK(busy.read().body.size() > (3 << 20));
    CHECK(busy.is_closed_by_server());
    CHECK(idle.is_closed_by_server());
    CHECK(follower.read_rest() == "0\r\n\r\n");
    busy.close(), idle.close(), follower.close();
    world.wait_for([&] { return world.is_ended; });
}

TEST_CASE("at shutdown a client that never ends is not waited for", "[web][engine]")
{
    web::Settings settings;
    settings.finish_time = milliseconds(50);
    World world(settings);
    Client busy = world.connect();
    busy.send(post("/RPC2", xml_call("test.never")));
    world.wait_for([&] { return world.calls.size() == 1; });
    world.send(wire::Value::Struct{{"type", "shutdown"}});
    world.wait_for([&] { return world.is_ended; });
}

TEST_CASE("when the channel closes, the web process ends", "[web][engine]")
{
    World world;
    world.run_for(milliseconds(5));
    world.lose_engine();
    world.wait_for([&] { return world.is_ended; });
}
