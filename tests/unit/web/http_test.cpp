#include <catch2/catch.hpp>

#include "web_world.h"
#include "wire/base64.h"

using namespace xsv;
using namespace xsv::test;
using std::chrono::milliseconds;

namespace {

web::Settings quick()
{
    web::Settings settings;
    settings.idle_time = milliseconds(80);
    settings.header_time = milliseconds(60);
    settings.body_time = milliseconds(60);
    settings.answer_time = milliseconds(200);
    settings.linger_time = milliseconds(50);
    settings.health_time = milliseconds(30);
    settings.failure_delay = milliseconds(20);
    settings.max_failure_delay = milliseconds(80);
    return settings;
}

struct Case {
    std::string request;
    int status;
};

}  // namespace

TEST_CASE("every kind of request gets its status", "[web][http]")   // B30
{
    World world;
    const std::string state = xml_call("supervisor.getState");
    const std::string json = R"({"jsonrpc":"2.0","method":"supervisor.getState","id":1})";
    const Case cases[] = {
        {post("/RPC2", state), 200},
        {post("/RPC2", state, "Content-Type: application/xml\r\n"), 200},
        {post("/RPC2", state, ""), 200},
        {post("/RPC2", state, "Content-Type: text/plain\r\n"), 415},
        {post("/RPC2", state, "Content-Type: application/x-www-form-urlencoded\r\n"), 415},
        {post("/RPC2", state, "Content-Type: multipart/form-data; boundary=x\r\n"), 415},
        {post("/RPC2foo/bar", state), 200},
        {post("//RPC2", state), 200},
        {post("/RPC2", ""), 400},
        {post("/RPC2", "hello"), 400},
        {post("/RPC2", "<methodCall/>"), 400},
        {post("/RPC2", "<!DOCTYPE x>" + state), 400},
        {post("/RPC2", xml_call("test.bad_name")), 200},
        {post("/RPC2", xml_call("test.broken")), 500},
        {get("/RPC2"), 400},
        {"HEAD /RPC2 HTTP/1.0\r\n\r\n", 400},
        {"PUT /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 400},
        {post("/RPC2", state, "Origin: http://localhost\r\n"), 200},
        {post("/RPC2", state, "Origin: http://evil.example\r\n"), 403},
        {post("/RPC2", state, "Origin: null\r\n"), 403},
        {post("/RPC2", state, "Sec-Fetch-Site: cross-site\r\n"), 403},
        {post("/RPC2", state, "Sec-Fetch-Site: same-origin\r\n"), 200},
        {post("/rpc", json, "Content-Type: application/json\r\n"), 200},
        {post("/rpc", json, ""), 200},
        {post("/rpc", json, "Content-Type: text/plain\r\n"), 415},
        {post("/rpc", "{", ""), 400},
        {get("/rpc"), 400},
        {get("/"), 200},
        {get("/index.html"), 200},
        {get("//index.html"), 200},
        {get("/index%2Ehtml"), 200},
        {get("/ok.html"), 200},
        {get("/healthz"), 200},
        {get("/nosuch"), 404},
        {get("/stylesheets/supervisor.css"), 200},
        {get("/stylesheets"), 301},
        {get("/stylesheets/"), 404},
        {get("/images/icon.png"), 200},
        {get("/images/nosuch.png"), 404},
        {get("/status.html"), 404},
        {get("/tail.html"), 200},
        {get("/logtail/nosuch"), 404},
        {get("/logtail"), 404},
        {"HEAD /logtail/cat:a HTTP/1.0\r\n\r\n", 400},
        {post("/logtail/cat:a", ""), 400},
        {post("/", "a=b", "Content-Type: application/x-www-form-urlencoded\r\n"), 200},
        {post("/", "a=b", "Content-Type: text/plain\r\n"), 415},
        {post("/ok.html", ""), 200},
        {post("/stylesheets/supervisor.css", ""), 400},
        {"GET /ok.html HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", 200},
        {"GET /ok.html HTTP/1.1\r\nHost: [::1]\r\n\r\n", 200},
        {"GET /ok.html HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
        {"GET /ok.html HTTP/1.1\r\nHost:\r\n\r\n", 403},
        {"GET /nosuch HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
        {"GET /ok.html HTTP/1.0\r\n\r\n", 200},
        {"GET /ok.html HTTP/1.1\r\n\r\n", 400},
        {"GET /ok.html HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400},
        {"GET /ok.html HTTP/1.1\nHost: localhost\n\n", 400},
        {"GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"hello\r\n\r\n", 400},
        {"\x16\x03\x01\r\n", 400},
        {"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\n\r\n", 411},
        {"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
        {"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n", 413},
        {"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5x\r\n\r\n", 400},
        {"GET /" + std::string(5'000, 'x') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
        {"POST /RPC2 HTTP/1.0\r\nContent-Length: " + std::to_string(state.size()) + "\r\n\r\n" + state, 200},
        {"POST /RPC2 HTTP/1.1\r\nhost: localhost\r\ncontent-length:" + std::to_string(state.size()) + "\r\n\r\n" +
             state,
         200},
    };
    for (const Case& c : cases) {
        CAPTURE(c.request.substr(0, 200));
        const Response response = world.connect().ask(c.request);
        CHECK(response.status == c.status);
        CHECK(response.has("Server"));
        CHECK(response.has("Date"));
    }
    world.wait_for([&] { return world.door->connections() == 0; });
}

TEST_CASE("an answer begins with Server and Date, and keeps browsers on a short lead", "[web][http]")
{
    World world;
    const Response response = world.connect().ask(post("/RPC2", xml_call("supervisor.getState")));
    CHECK(response.head.starts_with("HTTP/1.1 200 OK\r\nServer: xsvd\r\nDate: "));
    CHECK(response.field("Content-Type") == "text/xml");
    CHECK(response.field("X-Content-Type-Options") == "nosniff");
    CHECK(response.has("Content-Security-Policy"));
    CHECK_FALSE(response.has("Connection"));
    CHECK_FALSE(response.has("Access-Control-Allow-Origin"));
}

TEST_CASE("error pages are Supervisor's", "[web][http]")
{
    World world;
    const Response response = world.connect().ask(get("/nosuch"));
    CHECK(response.body ==
          "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n<h1>Error response</h1>\r\n"
          "<p>Error code 404.\r\n<p>Message: Not Found.\r\n</body>\r\n");
    CHECK(response.head.find("Content-Length: " + std::to_string(response.body.size()) +
                             "\r\nContent-Type: text/html\r\n") != std::string::npos);
}

TEST_CASE("a unix server takes any Host, also an empty one", "[web][http]")
{
    World world;
    for (const char* host : {"", " ", " evil.example", " localhost"})
        CHECK(world.connect_unix().ask(std::string("GET /ok.html HTTP/1.1\r\nHost:") + host + "\r\n\r\n").status ==
              200);
    CHECK(world.calls.empty());
    world.connect_unix().ask(get("/healthz"));
    CHECK(world.calls.back().text("peer").starts_with("uid "));
    CHECK(world.calls.back().number("server") == 1);
}

TEST_CASE("the engine's list of names is heeded", "[web][http]")
{
    World world({}, false);
    world.add_server("inet", {}, {}, {"admin.example"});
    world.send_servers();
    CHECK(world.connect().ask("GET /ok.html HTTP/1.1\r\nHost: admin.example:80\r\n\r\n").status == 200);
    CHECK(world.connect().ask("GET /ok.html HTTP/1.1\r\nHost: other.example\r\n\r\n").status == 403);
}

TEST_CASE("HTTP/1.1 connections stay open unless the client says otherwise", "[web][http]")
{
    World world;
    Client client = world.connect();
    for (int i = 0; i < 5; ++i) CHECK(client.ask(get("/ok.html")).status == 200);
    const Response last = client.ask(get("/ok.html", "Connection: close\r\n"));
    CHECK(last.status == 200);
    CHECK(client.is_closed_by_server());
}

TEST_CASE("HTTP/1.0 connections close, unless kept by request", "[web][http]")
{
    World world;
    Client plain = world.connect();
    const Response response = plain.ask("GET /ok.html HTTP/1.0\r\n\r\n");
    CHECK(response.version == "HTTP/1.0");
    CHECK_FALSE(response.has("Connection"));
    CHECK(plain.is_closed_by_server());

    Client kept = world.connect();
    for (int i = 0; i < 3; ++i)
        CHECK(kept.ask("GET /ok.html HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").field("Connection") == "Keep-Alive");
}

TEST_CASE("requests sent at once are answered in their order", "[web][http]")
{
    World world;
    Client client = world.connect();
    std::string all;
    for (int i = 0; i < 20; ++i) all += post("/RPC2", xml_call("test.echo", {i})) + "\r\n";
    client.send(all);
    for (int i = 0; i < 20; ++i)
        CHECK(client.read().body.find("<int>" + std::to_string(i) + "</int>") != std::string::npos);
}

TEST_CASE("a client that stops sending still gets what it asked for", "[web][http]")
{
    World world;
    world.texts["test.big"] = std::string(3 << 20, 'x');
    Client client = world.connect();
    client.send(get("/ok.html") + post("/RPC2", xml_call("test.big"))).half_close();
    CHECK(client.read().body == "OK");
    CHECK(client.read().body.size() > (3 << 20));
    CHECK(client.is_closed_by_server());

    Client silent = world.connect();
    silent.half_close();
    CHECK(silent.is_closed_by_server());
    Client unfinished = world.connect();
    unfinished.send("GET / HTTP/1.1\r\n").half_close();
    CHECK(unfinished.is_closed_by_server());
}

TEST_CASE("bytes that come one by one make a request too", "[web][http]")
{
    World world;
    Client client = world.connect();
    for (const char c : post("/RPC2", xml_call("supervisor.getState"))) {
        client.send(std::string(1, c));
        world.run_for(std::chrono::microseconds(20));
    }
    CHECK(client.read().status == 200);
}

TEST_CASE("deadlines are totals: a slow header, a slow body and an idle client are let go", "[web][http]")   // B30
{
    World world(quick());
    const auto drip = [&](std::string start) {
        Client client = world.connect();
        client.send(start);
        for (int i = 0; i < 12; ++i) {
            world.run_for(milliseconds(10));
            client.send("x");
        }
        return client.read().status;
    };
    CHECK(drip("GET / HTTP/1.1\r\nX: ") == 408);
    CHECK(drip("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n") == 408);
    Client idle = world.connect();
    CHECK(idle.is_closed_by_server());
    Client breaks = world.connect();
    for (int i = 0; i < 15; ++i) {
        world.run_for(milliseconds(10));
        breaks.send("\r\n");
    }
    CHECK(breaks.is_closed_by_server());
    world.wait_for([&] { return world.door->connections() == 0; });
}

TEST_CASE("a client that does not read its answer is let go", "[web][http]")
{
    web::Settings settings = quick();
    settings.answer_time = milliseconds(20);
    World world(settings);
    world.texts["test.big"] = std::string(12 << 20, 'x');
    Client client = world.connect();
    client.send(post("/RPC2", xml_call("test.big")));
    world.wait_for([&] { return world.door->connections() == 1; });
    world.wait_for([&] { return world.door->connections() == 0; });
}

TEST_CASE("a client that announces a body and waits is told to go on", "[web][http]")
{
    World world;
    Client client = world.connect();
    const std::string request = post("/RPC2", xml_call("supervisor.getState"), "Expect: 100-continue\r\n");
    const std::size_t head = request.find("\r\n\r\n") + 4;
    client.send(request.substr(0, head));
    CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(client.ask(request.substr(head)).status == 200);
    Client large = world.connect();
    CHECK(large.ask("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
              .status == 413);
}

TEST_CASE("a refused client reads its answer though it goes on sending", "[web][http]")
{
    World world;
    Client client = world.connect();
    client.send("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" +
                std::string(200'000, 'x'));
    const Response response = client.read();
    CHECK(response.status == 413);
    CHECK(response.field("Connection") == "close");
    CHECK(client.is_closed_by_server());
}

TEST_CASE("a connection ends after its hundredth request, and says so", "[web][http]")
{
    web::Settings settings;
    settings.max_requests = 3;
    World world(settings);
    Client client = world.connect();
    CHECK_FALSE(client.ask(get("/ok.html")).has("Connection"));
    CHECK_FALSE(client.ask(get("/ok.html")).has("Connection"));
    CHECK(client.ask(get("/ok.html")).field("Connection") == "close");
    CHECK(client.is_closed_by_server());
}

TEST_CASE("one address has a limited number of connections, its oldest idle one makes room", "[web][http]")
{
    web::Settings settings;
    settings.max_per_address = 3;
    World world(settings);
    std::vector<Client> busy;
    Client idle = world.connect();
    CHECK(idle.ask(get("/ok.html")).status == 200);
    for (int i = 0; i < 3; ++i) {
        busy.push_back(world.connect());
        busy.back().send(post("/RPC2", xml_call("test.never")));
        world.wait_for([&] { return world.calls.size() == static_cast<std::size_t>(i) + 1; });
    }
    CHECK(idle.is_closed_by_server());
    CHECK(world.connect().read().status == 503);
    CHECK(world.connect_unix().ask(get("/ok.html")).status == 200);
}

TEST_CASE("beyond the cap for all, callers wait until somebody leaves", "[web][http]")
{
    web::Settings settings;
    settings.max_connections = 2;
    World world(settings);
    std::vector<Client> busy;
    for (int i = 0; i < 2; ++i) {
        busy.push_back(world.connect());
        busy.back().send(post("/RPC2", xml_call("test.never")));
        world.wait_for([&] { return world.calls.size() == static_cast<std::size_t>(i) + 1; });
    }
    Client waiting = world.connect();
    waiting.send(get("/ok.html"));
    world.run_for(milliseconds(20));
    CHECK(world.door->connections() == 2);
    busy[0].reset();
    CHECK(waiting.read().status == 200);
}

TEST_CASE("bodies of all clients together are bounded", "[web][http]")
{
    web::Settings settings;
    settings.max_memory = 100'000;
    World world(settings);
    Client first = world.connect(), second = world.connect();
    first.send("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n");
    world.run_for(milliseconds(10));
    CHECK(second.ask("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n").status == 503);
    first.close();
    world.wait_for([&] { return world.door->connections() <= 1; });
    CHECK(world.connect().ask(post("/RPC2", std::string(90'000, ' '))).status == 400);
}

TEST_CASE("the door asks for the password on every path", "[web][auth]")
{
    for (const std::string& stored :
         {std::string("secret"), std::string("{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4")}) {
        World world(quick(), false);
        world.add_server("inet", "admin", stored);
        world.send_servers();
        const auto status = [&](const std::string& path, const std::string& authorization) {
            return world.connect().ask(get(path, authorization)).status;
        };
        const std::string right = "Authorization: Basic " + wire::base64_encode("admin:secret") + "\r\n";
        CHECK(status("/ok.html", right) == 200);
        CHECK(status("/ok.html", "authorization: BASIC " + wire::base64_encode("admin:secret") + "\r\n") == 200);
        for (const char* path :
             {"/", "/ok.html", "/healthz", "/RPC2", "/rpc", "/logtail/cat:a", "/mainlogtail", "/nosuch"})
            CHECK(status(path, "") == 401);
        CHECK(status("/ok.html", "Authorization: Basic " + wire::base64_encode("admin:wrong") + "\r\n") == 401);
        CHECK(status("/ok.html", "Authorization: Basic " + wire::base64_encode("root:secret") + "\r\n") == 401);
        CHECK(status("/ok.html", "Authorization: Bearer x\r\n") == 401);
        CHECK(status("/ok.html", "Authorization: Basic ***\r\n") == 400);
        CHECK(status("/ok.html", "Authorization: Basic " + wire::base64_encode("admin") + "\r\n") == 400);
        CHECK(status("/healthz", right) == 200);
        CHECK(world.calls.back().text("user") == "admin");
    }
}

TEST_CASE("a refused login is told the scheme, and the connection ends", "[web][auth]")
{
    World world(quick(), false);
    world.add_server("inet", "admin", "secret");
    world.send_servers();
    Client client = world.connect();
    const Response response = client.ask(post("/RPC2", xml_call("supervisor.getState")) + get("/ok.html"));
    CHECK(response.status == 401);
    CHECK(response.field("WWW-Authenticate") == "Basic realm=\"default\"");
    CHECK(response.field("Connection") == "close");
    CHECK(client.is_closed_by_server());
    CHECK(world.calls.empty());
}

TEST_CASE("wrong passwords wait longer each time, and the right one does not wait", "[web][auth]")
{
    World world(quick(), false);
    world.add_server("inet", "admin", "secret");
    world.send_servers();
    const std::string wrong = get("/ok.html", "Authorization: Basic " + wire::base64_encode("admin:wrong") + "\r\n");
    const auto time = [&](const std::string& request) {
        const Time start = BootClock::now();
        world.connect().ask(request);
        return BootClock::now() - start;
    };
    CHECK(time(wrong) >= milliseconds(19));
    CHECK(time(wrong) >= milliseconds(39));
    CHECK(time(wrong) >= milliseconds(79));
    CHECK(time(get("/ok.html", "Authorization: Basic " + wire::base64_encode("admin:secret") + "\r\n")) <
          milliseconds(60));
}
