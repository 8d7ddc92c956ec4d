#include <catch2/catch.hpp>

#include "base/text.h"
#include "web/form.h"
#include "web_world.h"
#include "wire/base64.h"

using namespace xsv;
using namespace xsv::test;

namespace {

bool has(const Response& page, std::string_view text)
{
    return page.body.find(text) != std::string::npos;
}

std::string token_in(const Response& page)
{
    const std::string before = "name=\"token\" value=\"";
    const auto at = page.body.find(before);
    REQUIRE(at != std::string::npos);
    return page.body.substr(at + before.size(), 64);
}

/// Presses a button of the status page.
Response press(World& world, const std::string& query, std::string token = {}, const std::string& headers = {})
{
    if (token.empty()) token = token_in(world.connect().ask(get("/", headers)));
    return world.connect().ask(post("/index.html?" + query, "token=" + token,
                                    "Content-Type: application/x-www-form-urlencoded\r\n" + headers));
}

std::vector<std::string> methods(const World& world)
{
    std::vector<std::string> names;
    for (const wire::Value& call : world.calls) names.push_back(call.text("method"));
    return names;
}

}  // namespace

TEST_CASE("the status page has Supervisor's rows, escaped", "[web][pages]")
{
    World world;
    const Response page = world.connect().ask(get("/"));
    CHECK(page.field("Content-Type") == "text/html;charset=utf-8");
    CHECK(page.field("Pragma") == "no-cache");
    CHECK(page.field("Expires") == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(has(page,
              "<td class=\"status\"><span class=\"statusrunning\">running</span></td>\n<td><span>pid 1</span></td>\n"
              "<td><a href=\"tail.html?processname=g%3Aa%3Cb%3E\" target=\"_blank\">g:a&lt;b&gt;</a></td>"));
    CHECK(has(page, "formaction=\"index.html?processname=g%3Aa%3Cb%3E&amp;action=restart\""));
    CHECK(has(page, "formaction=\"index.html?processname=g%3Aa%3Cb%3E&amp;action=stop\""));
    CHECK(has(page, "href=\"logtail/g%3Aa%3Cb%3E/stderr\""));
    CHECK(has(page, "<tr class=\"shade\">\n<td class=\"status\"><span class=\"statusnominal\">stopped</span></td>"));
    CHECK(has(page, "formaction=\"index.html?processname=off&amp;action=start\""));
    CHECK_FALSE(has(page, "processname=off&amp;action=stop\""));
    CHECK(has(page, "<span class=\"statuserror\">backoff</span>"));
    CHECK_FALSE(has(page, "processname=web&amp;action=start\""));
    CHECK(has(page, "<span class=\"socket\">Backoff, 1 connection, paused: too &lt;many&gt;</span>"));
    CHECK(has(page, "<div class=\"hidden\"></div>"));
    CHECK_FALSE(has(page, "<script"));
    CHECK_FALSE(has(page, "style="));
    Client client = world.connect();
    client.send("HEAD / HTTP/1.0\r\n\r\n");
    const std::string head = client.read_rest();
    CHECK(head.ends_with("\r\n\r\n"));
    CHECK(head.find("Content-Length: " + std::to_string(page.body.size())) != std::string::npos);
}

TEST_CASE("a message is shown as text", "[web][pages]")
{
    World world;
    CHECK(has(world.connect().ask(get("/?message=a%20+%3Cb%3E%22&message=second")),
              "<div class=\"status_msg\">a  &lt;b&gt;&quot;</div>"));
}

TEST_CASE("an address alone changes nothing", "[web][pages]")   // B38
{
    World world;
    for (const char* path : {"/?action=stopall", "/index.html?processname=g:x&action=stop", "/?action=restartall"}) {
        const Response page = world.connect().ask(get(path));
        CHECK(page.status == 405);
        CHECK(page.field("Allow") == "POST");
        CHECK(has(page, "<button type=\"submit\" formaction=\"index.html?"));
    }
    CHECK(world.calls.empty());
    CHECK(world.connect()
              .ask(get("/?action=refresh"))
              .field("Location")
              .starts_with("./?message=Page%20refreshed%20at%20"));
}

TEST_CASE("a form without a token of ours does nothing and is offered again", "[web][pages]")
{
    World world;
    for (const std::string& token : {std::string("x"), std::string(64, '0')}) {
        const Response page = press(world, "action=stop&processname=off", token);
        CHECK(page.status == 403);
        CHECK(has(page, "formaction=\"index.html?processname=off&amp;action=stop\""));
        CHECK(press(world, "action=stop&processname=off", token_in(page)).status == 303);
    }
    const auto count = world.calls.size();
    CHECK(press(world, "action=stopall", std::string(64, 'a'), "Origin: http://evil.example\r\n").status == 403);
    CHECK(world.calls.size() == count);
}

TEST_CASE("a token is its user's, for its hour and the next", "[web][pages]")
{
    const web::FormTokens tokens, others;
    const Time now{std::chrono::hours(100)};
    const std::string token = tokens.make("ann", now);
    CHECK(tokens.check(token, "ann", now + std::chrono::minutes(119)));
    CHECK_FALSE(tokens.check(token, "ann", now + std::chrono::minutes(120)));
    CHECK_FALSE(tokens.check(token, "bob", now));
    CHECK_FALSE(tokens.check("", "ann", now));
    CHECK_FALSE(others.check(token, "ann", now));
}

TEST_CASE("buttons answer with Supervisor's messages", "[web][pages]")
{
    const auto message = [](const wire::Fault& fault, const std::string& query) {
        World world;
        world.texts["supervisor.getProcessInfo"] = world.texts["system.multicall"] = "x";
        for (const char* method : {"supervisor.startProcess", "supervisor.stopProcess", "supervisor.clearProcessLogs",
                                   "supervisor.stopAllProcesses"}) {
            if (fault.code == 0)
                world.texts[method] = "x";
            else
                world.faults[method] = fault;
        }
        const Response page = press(world, query);
        CHECK(page.status == 303);
        const std::string location = page.field("Location");
        CHECK(location.starts_with("./?message="));
        return location.substr(std::min<std::size_t>(11, location.size()));
    };
    const wire::Fault none{};
    CHECK(message(none, "processname=g:x&action=start") == "Process%20g%3Ax%20started");
    CHECK(message(none, "processname=x&action=stop") == "Process%20x%20stopped");
    CHECK(message(none, "processname=x&action=restart") == "Process%20x%20restarted");
    CHECK(message(none, "processname=x&action=clearlog") == "Log%20for%20x%20cleared");
    CHECK(message(none, "action=stopall").starts_with("All%20stopped%20at%20"));
    CHECK(message(none, "action=restartall").starts_with("All%20restarted%20at%20"));
    CHECK(message({20, "NO_FILE: y"}, "processname=x&action=start") == "ERROR%3A%20Process%20x%3A%20no%20such%20file");
    CHECK(message({21, "N"}, "processname=x&action=start") == "ERROR%3A%20Process%20x%3A%20file%20not%20executable");
    CHECK(message({60, "N"}, "processname=x&action=start") == "ERROR%3A%20Process%20x%3A%20already%20started");
    CHECK(message({50, "N"}, "processname=x&action=start") == "ERROR%3A%20Process%20x%3A%20spawn%20error");
    CHECK(message({40, "N"}, "processname=x&action=start") == "ERROR%3A%20Process%20x%3A%20abnormal%20termination");
    CHECK(message({6, "N"}, "processname=x&action=start") ==
          "ERROR%3A%20Process%20x%3A%20unexpected%20rpc%20fault%20%5B6%5D%20N");
    CHECK(message({70, "NOT_RUNNING: x"}, "processname=x&action=stop") ==
          "unexpected%20rpc%20fault%20%5B70%5D%20NOT_RUNNING%3A%20x");
}

TEST_CASE("a button is for one process that exists", "[web][pages]")
{
    World world;
    world.faults["supervisor.getProcessInfo"] = {10, "BAD_NAME: g:*"};
    CHECK(press(world, "processname=g:*&action=start").field("Location") ==
          "./?message=No%20such%20process%20named%20g%3A%2A");
    CHECK(methods(world).back() == "supervisor.getProcessInfo");
    CHECK(press(world, "processname=x&action=explode").status == 400);
    CHECK(press(world, "action=stop").status == 400);
}

TEST_CASE("a restart by button keeps sockets open", "[web][pages]")
{
    World world;
    world.texts["system.multicall"] = "x";
    press(world, "action=restartall");
    const wire::Value& calls = world.calls.back().find("params")->array()->at(0);
    REQUIRE(calls.array()->size() == 3);
    CHECK(calls.array()->at(0).text("methodName") == "xsv.keepSockets");
    CHECK(calls.array()->at(1).text("methodName") == "supervisor.stopAllProcesses");
    CHECK(calls.array()->at(2).text("methodName") == "supervisor.startAllProcesses");
}

TEST_CASE("the tail page shows the end of a log as text", "[web][pages]")
{
    World world;
    world.texts["supervisor.readProcessStdoutLog"] = "one <two>\n";
    const Response page = world.connect().ask(get("/tail.html?processname=g:x&limit=2000"));
    CHECK(has(page, "<title>Supervisor tail of process g:x</title>"));
    CHECK(has(page, "<pre>one &lt;two&gt;\n</pre>"));
    CHECK(has(page, "<a href=\"tail.html?processname=g%3Ax&amp;limit=2000\">"));
    CHECK(*world.calls.back().find("params") == wire::Value(wire::Value::Array{"g:x", -2000, 0}));
    for (const char* limit : {"5", "-5000", "x", ""}) {
        world.connect().ask(get(std::string("/tail.html?processname=x&limit=") + limit));
        CHECK(*world.calls.back().find("params") == wire::Value(wire::Value::Array{"x", -1024, 0}));
    }
    CHECK(has(world.connect().ask(get("/tail.html")), "<pre>No process name found</pre>"));
    world.texts.clear();
    world.faults["supervisor.readProcessStdoutLog"] = {20, "NO_FILE: /x"};
    CHECK(has(world.connect().ask(get("/tail.html?processname=x")), "<pre>No file for x</pre>"));
    world.faults["supervisor.readProcessStdoutLog"] = {10, "BAD_NAME: x"};
    CHECK(has(world.connect().ask(get("/tail.html?processname=x")),
              "<pre>ERROR: unexpected rpc fault [10] BAD_NAME: x</pre>"));
}

TEST_CASE("pages outlive the engine they asked", "[web][pages]")
{
    World world;
    Client client = world.connect();
    world.texts["supervisor.getAllProcessInfo"] = "n";
    world.is_silent = true;
    client.send(get("/"));
    world.wait_for([&] { return world.calls.size() == 1; });
    world.is_silent = false;
    world.texts.clear();
    world.send_servers();
    CHECK(client.read().status == 200);
}

TEST_CASE("what is not Supervisor's has its own types", "[web][pages]")
{
    World world;
    CHECK(world.connect().ask(get("/ok.html")).field("Content-Type") == "text/plain");
    CHECK(world.connect().ask(get("/stylesheets/supervisor.css")).field("Content-Type") == "text/css");
    CHECK(world.connect().ask(get("/images/state0.gif")).body.starts_with("GIF89a"));
    CHECK(world.connect().ask(get("/images")).field("Location") == "/images/");
}
