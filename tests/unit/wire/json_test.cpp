#include "wire/json.h"

#include <catch2/catch.hpp>

using namespace xsv::wire;

TEST_CASE("JSON reads into values and back in the same order", "[wire][json]")
{
    const std::string text = R"({"z":1,"a":[null,true,false,-5,1.5,"x"],"e":{},"l":[],"n":9223372036854775807})";
    const auto value = json::parse(text);
    REQUIRE(value);
    CHECK(json::render(*value) == text);
    CHECK(*json::transcode(encode(*value)) == text);
    CHECK(json::parse(json::render(*value, true)) == *value);
}

TEST_CASE("indented JSON has one member a line", "[wire][json]")
{
    const Value value = Value::Struct{{"a", 1}, {"b", Value::Array{1, Value::Struct{}}}, {"c", Value::Array{}}};
    CHECK(json::render(value, true) == "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    {}\n  ],\n  \"c\": []\n}");
}

TEST_CASE("strings are escaped, and invalid UTF-8 is replaced", "[wire][json]")
{
    CHECK(json::render(Value(std::string("q\" b\\ \n\r\t\x1b \0 \xc3\xa4 \xff", 17))) ==
          "\"q\\\" b\\\\ \\n\\r\\t\\u001b \\u0000 \xc3\xa4 \xef\xbf\xbd\"");
    CHECK(json::render(Value(2.0)) == "2.0");
    CHECK(json::render(Value(1e300)) == "1e+300");
    CHECK(json::render(Value(0.0 / 0.0)) == "null");
}

TEST_CASE("what is no JSON, or too much of it, is refused", "[wire][json]")
{
    const std::string bad[] = {"",
                               " ",
                               "{",
                               "[1,]",
                               "{\"a\":1,}",
                               "nul",
                               "1 2",
                               "'x'",
                               "\"\xff\"",
                               "\"\x01\"",
                               "18446744073709551615",
                               "9223372036854775808",
                               "1e999",
                               R"({"a":1,"a":2})",
                               std::string(33, '[') + std::string(33, ']'),
                               std::string(1'000'000, '['),
                               "// x\n1"};
    for (const std::string& text : bad) {
        CAPTURE(text.substr(0, 40));
        CHECK_FALSE(json::parse(text));
    }
    CHECK(json::parse(std::string(32, '[') + std::string(32, ']')));
    CHECK_FALSE(json::parse("[1,2,3,4]", 4));
}

TEST_CASE("a single JSON-RPC request is read", "[wire][json]")
{
    const auto requests =
        json::parse_requests(R"({"jsonrpc":"2.0","method":"supervisor.getState","params":["a",1],"id":"x\"y"})");
    REQUIRE(requests);
    CHECK_FALSE(requests->is_batch);
    REQUIRE(requests->items.size() == 1);
    const json::Request& request = requests->items[0];
    CHECK(request.error.code == 0);
    CHECK(request.method == "supervisor.getState");
    CHECK(request.params == Value::Array{"a", 1});
    CHECK(request.id == R"("x\"y")");
}

TEST_CASE("a request without an id is a notification, null is an id", "[wire][json]")
{
    CHECK(json::parse_requests(R"({"jsonrpc":"2.0","method":"m"})")->items[0].id.empty());
    CHECK(json::parse_requests(R"({"jsonrpc":"2.0","method":"m","id":null})")->items[0].id == "null");
    CHECK(json::parse_requests(R"({"jsonrpc":"2.0","method":"m","id":7})")->items[0].id == "7");
}

TEST_CASE("a batch keeps its order, and each broken request has its own error", "[wire][json]")
{
    const auto requests = json::parse_requests(
        R"([{"jsonrpc":"2.0","method":"a","id":1},1,{"jsonrpc":"2.0","id":2},)"
        R"({"jsonrpc":"2.0","method":"b","params":{"x":1},"id":3},{"jsonrpc":"1.0","method":"c","id":4}])");
    REQUIRE(requests);
    CHECK(requests->is_batch);
    REQUIRE(requests->items.size() == 5);
    CHECK(requests->items[0].error.code == 0);
    CHECK(requests->items[1].error.code == json::kInvalidRequest);
    CHECK(requests->items[1].id == "null");
    CHECK(requests->items[2].error.code == json::kInvalidRequest);
    CHECK(requests->items[2].id == "2");
    CHECK(requests->items[3].error.code == json::kInvalidParams);
    CHECK(requests->items[4].error.code == json::kInvalidRequest);
}

TEST_CASE("an empty or huge batch is one invalid request, and no JSON at all fails", "[wire][json]")
{
    const auto empty = json::parse_requests("[]");
    CHECK_FALSE(empty->is_batch);
    CHECK(empty->items[0].error.code == json::kInvalidRequest);
    std::string huge = "[1";
    for (int i = 0; i < 256; ++i) huge += ",1";
    CHECK_FALSE(json::parse_requests(huge + "]")->is_batch);
    CHECK_FALSE(json::parse_requests("{"));
    CHECK(json::parse_requests(R"({"jsonrpc":"2.0","method":"m","id":[1]})")->items[0].id == "null");
}

TEST_CASE("responses are JSON-RPC objects", "[wire][json]")
{
    CHECK(*json::render_result("7", encode(Value::Array{1, "x"})) == R"({"jsonrpc":"2.0","result":[1,"x"],"id":7})");
    CHECK_FALSE(json::render_result("7", "?"));
    CHECK(json::render_error("null", {-32700, "a \"b\""}) ==
          R"({"jsonrpc":"2.0","error":{"code":-32700,"message":"a \"b\""},"id":null})");
    const auto request = json::parse_requests(json::render_request("m", {1, "x"}, 5));
    CHECK(request->items[0].params == Value::Array{1, "x"});
    CHECK(request->items[0].id == "5");
}
