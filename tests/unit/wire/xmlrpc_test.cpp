#include "wire/xmlrpc.h"

#include <chrono>

#include <catch2/catch.hpp>

using namespace xsv::wire;

namespace {

std::string call_with(const std::string& value)
{
    return "<?xml version='1.0'?><methodCall><methodName>m</methodName><params><param>" + value +
           "</param></params></methodCall>";
}

/// Arrays around one another; the innermost is empty.
std::string arrays(int depth)
{
    std::string text;
    for (int level = 0; level < depth; ++level) text += "<value><array><data>";
    for (int level = 0; level < depth; ++level) text += "</data></array></value>";
    return text;
}

Value answer(const std::string& xml)
{
    const auto response = xmlrpc::parse_response(xml);
    REQUIRE(response);
    REQUIRE(std::holds_alternative<Value>(*response));
    return std::get<Value>(*response);
}

}  // namespace

TEST_CASE("every type of a parameter reads as Supervisor reads it", "[wire][xmlrpc]")
{
    struct Row {
        const char* xml;
        Value value;
    };
    const Row rows[] = {
        {"<value><int>42</int></value>", 42},
        {"<value><i4>-7</i4></value>", -7},
        {"<value><int> 5\n</int></value>", 5},
        {"<value><int>9007199254740993</int></value>", std::int64_t{9007199254740993}},
        {"<value><boolean>1</boolean></value>", true},
        {"<value><boolean>0</boolean></value>", false},
        {"<value><boolean>true</boolean></value>", false},
        {"<value><string>a &lt;b&gt; &amp; &#65;</string></value>", "a <b> & A"},
        {"<value><string>  </string></value>", "  "},
        {"<value><string/></value>", ""},
        {"<value>untyped</value>", "untyped"},
        {"<value/>", ""},
        {"<value> <string>x</string> </value>", "x"},
        {"<value><string>a<!-- note -->b<![CDATA[<c>]]></string></value>", "ab<c>"},
        {"<value><string>line\r\nnext</string></value>", "line\nnext"},
        {"<value><double>1.5</double></value>", 1.5},
        {"<value><double> -2e3 </double></value>", -2000.0},
        {"<value><dateTime.iso8601>20261121T03:39:20</dateTime.iso8601></value>", "20261121T03:39:20"},
        {"<value><base64>aGVs\nbG8=</base64></value>", "hello"},
        {"<value><i8>10</i8></value>", "10"},
        {"<value><unheard>x</unheard></value>", "x"},
        {"<value><nil/></value>", Value()},
        {"<value><array><data/></array></value>", Value::Array{}},
        {"<value><array/></value>", Value::Array{}},
        {"<value><array><data><value>a</value><value><int>1</int></value></data></array></value>",
         Value::Array{"a", 1}},
        {"<value><struct/></value>", Value::Struct{}},
        {"<value><struct><member><name>k</name><value>v</value></member></struct></value>", Value::Struct{{"k", "v"}}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.xml);
        const auto call = xmlrpc::parse_call(call_with(row.xml));
        REQUIRE(call);
        CHECK(call->method == "m");
        REQUIRE(call->params.size() == 1);
        CHECK(call->params[0] == row.value);
    }
}

TEST_CASE("a call may come without parameters, declaration or line breaks", "[wire][xmlrpc]")
{
    CHECK(xmlrpc::parse_call("<methodCall><methodName>a.b</methodName></methodCall>")->params.empty());
    CHECK(xmlrpc::parse_call("<methodCall><methodName>a.b</methodName><params/></methodCall>")->params.empty());
    CHECK(xmlrpc::parse_call(
              "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\r\n<methodCall>\n<methodName>a.b</methodName>\n"
              "<params>\n</params>\n</methodCall>\r\n\r\n")
              ->params.empty());
    CHECK(xmlrpc::parse_call("<methodCall><methodName> a.b</methodName></methodCall>")->method == " a.b");
}

TEST_CASE("what is no call is refused", "[wire][xmlrpc]")
{
    const std::string bad[] = {
        "",
        "   ",
        "hello",
        "<",
        "<methodCall>",
        "<methodCall></methodCall>",
        "<methodCall><methodName></methodName></methodCall>",
        "<methodResponse><params/></methodResponse>",
        "<methodCall><methodName>m</methodName></methodCall><methodCall/>",
        "junk<methodCall><methodName>m</methodName></methodCall>",
        "<methodCall><methodName>m</methodName></methodCall>junk",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><methodCall><methodName>&x;</methodName></methodCall>",
        "<?xml version='1.0'?><!doctype a><methodCall><methodName>m</methodName></methodCall>",
        "<?php x ?><methodCall><methodName>m</methodName></methodCall>",
        "<?xml version='1.0'?><?xml-stylesheet href='x'?><methodCall><methodName>m</methodName></methodCall>",
        "<methodCall><methodName>m\xff</methodName></methodCall>",
        "<methodCall><methodName>m\xc0\x80</methodName></methodCall>",
        "<methodCall><methodName>m\x1b</methodName></methodCall>",
        std::string("<methodCall><methodName>m\0</methodName></methodCall>", 51),
        call_with("<int>1</int>"),
        call_with(""),
        call_with("<value><int>x</int></value>"),
        call_with("<value><int></int></value>"),
        call_with("<value><int>99999999999999999999</int></value>"),
        call_with("<value><double>1,5</double></value>"),
        call_with("<value><double>nan</double></value>"),
        call_with("<value><base64>*</base64></value>"),
        call_with("<value><int>1</int><int>2</int></value>"),
        call_with("<value><string><b>1</b></string></value>"),
        call_with("<value><ex:i8>1</ex:i8></value>"),
        call_with("<value><array><value>1</value></array></value>"),
        call_with("<value><struct><name>x</name></struct></value>"),
        call_with("<value><struct><member><name>x</name></member></struct></value>"),
        call_with("<value><struct><member><name>x</name><value/></member><member><name>x</name><value/></member></"
                  "struct></value>"),
    };
    for (const std::string& xml : bad) {
        CAPTURE(xml);
        CHECK_FALSE(xmlrpc::parse_call(xml));
    }
}

TEST_CASE("parameters nest 32 deep and no deeper, and the number of values is bounded", "[wire][xmlrpc]")
{
    CHECK(xmlrpc::parse_call(call_with(arrays(32))));
    CHECK_FALSE(xmlrpc::parse_call(call_with(arrays(33))));
    CHECK_FALSE(xmlrpc::parse_call(call_with(arrays(20'000))));
    std::string many = "<value><array><data>";
    for (int i = 0; i < 10'000; ++i) many += "<value/>";
    CHECK_FALSE(xmlrpc::parse_call(call_with(many + "</data></array></value>")));
}

TEST_CASE("a call cut short at any place is refused", "[wire][xmlrpc]")
{
    const std::string whole =
        call_with("<value><struct><member><name>k</name><value><![CDATA[x]]></value></member></struct></value>");
    REQUIRE(xmlrpc::parse_call(whole));
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK_FALSE(xmlrpc::parse_call(std::string_view(whole).substr(0, size)));
}

TEST_CASE("answers have Supervisor's layout", "[wire][xmlrpc]")
{
    const Value value = Value::Array{
        1, true, "s", 1.5, Value::Struct{{"k", Value::Array{}}, {"e", Value::Struct{}}, {"z", 0}}, Value()};
    CHECK(*xmlrpc::render_answer(encode(value)) ==
          "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"
          "<value><array><data>\n"
          "<value><int>1</int></value>\n"
          "<value><boolean>1</boolean></value>\n"
          "<value><string>s</string></value>\n"
          "<value><double>1.5</double></value>\n"
          "<value><struct>\n"
          "<member>\n<name>k</name>\n<value><array><data>\n</data></array></value>\n</member>\n"
          "<member>\n<name>e</name>\n<value><struct>\n</struct></value>\n</member>\n"
          "<member>\n<name>z</name>\n<value><int>0</int></value>\n</member>\n"
          "</struct></value>\n"
          "<value><nil/></value>\n"
          "</data></array></value>\n"
          "</param>\n</params>\n</methodResponse>\n");
}

TEST_CASE("faults have Supervisor's layout", "[wire][xmlrpc]")
{
    CHECK(xmlrpc::render_fault({10, "BAD_NAME: <x>"}) ==
          "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n"
          "<value><struct>\n"
          "<member>\n<name>faultCode</name>\n<value><int>10</int></value>\n</member>\n"
          "<member>\n<name>faultString</name>\n<value><string>BAD_NAME: &lt;x&gt;</string></value>\n</member>\n"
          "</struct></value>\n"
          "</fault>\n</methodResponse>\n");
}

TEST_CASE("text that XML cannot hold is replaced, and a carriage return survives", "[wire][xmlrpc]")   // B8, B9
{
    const Value log = "\x1b[31mred\x01 \xff\xc3\xa4\r\n\t&\"'";
    CHECK(answer(*xmlrpc::render_answer(encode(log))) ==
          Value("\xef\xbf\xbd[31mred\xef\xbf\xbd \xef\xbf\xbd\xc3\xa4\r\n\t&\"'"));
    const std::string xml = *xmlrpc::render_answer(encode(log));
    CHECK(xml.find("&#13;\n\t&amp;\"'") != xml.npos);
}

TEST_CASE("integers beyond 32 bits are clamped for clients that cannot read them", "[wire][xmlrpc]")   // B10
{
    CHECK(answer(*xmlrpc::render_answer(encode(std::int64_t{1} << 40))) == Value(2147483647));
    CHECK(answer(*xmlrpc::render_answer(encode(-(std::int64_t{1} << 40)))) == Value(std::int64_t{-2147483648}));
}

TEST_CASE("a broken encoded answer is an error and no document", "[wire][xmlrpc]")
{
    CHECK_FALSE(xmlrpc::render_answer(""));
    CHECK_FALSE(xmlrpc::render_answer("a\x02n"));
}

TEST_CASE("calls and responses of our own read back", "[wire][xmlrpc]")
{
    const Value::Array params{"a:b", true, 3, Value::Struct{{"x", Value::Array{"y"}}}};
    const auto call = xmlrpc::parse_call(xmlrpc::render_call("supervisor.startProcess", params));
    REQUIRE(call);
    CHECK(call->method == "supervisor.startProcess");
    CHECK(call->params == params);
    CHECK(xmlrpc::parse_call(xmlrpc::render_call("m", {}))->params.empty());

    const auto fault = xmlrpc::parse_response(xmlrpc::render_fault({6, "SHUTDOWN_STATE"}));
    REQUIRE(fault);
    REQUIRE(std::holds_alternative<Fault>(*fault));
    CHECK(std::get<Fault>(*fault).code == 6);
    CHECK(std::get<Fault>(*fault).text == "SHUTDOWN_STATE");
}

TEST_CASE("what is no response is refused", "[wire][xmlrpc]")
{
    for (const char* xml : {"", "<html/>", "<methodResponse/>", "<methodResponse><params/></methodResponse>",
                            "<methodResponse><fault><value>x</value></fault></methodResponse>",
                            "<methodResponse><params><param><value><int/></value></param></params></methodResponse>"}) {
        CAPTURE(xml);
        CHECK_FALSE(xmlrpc::parse_response(xml));
    }
}

TEST_CASE("a table of a thousand programs is transcoded quickly", "[.bench][wire]")
{
    Value::Array rows;
    for (int row = 0; row < 1000; ++row) {
        Value::Struct members;
        for (int member = 0; member < 16; ++member)
            members.emplace_back("member_" + std::to_string(member),
                                 member % 2 ? Value(row * 1000) : Value("/var/log/program-" + std::to_string(row)));
        rows.push_back(std::move(members));
    }
    Encoder reply;
    reply.value(Value::Struct{{"type", "reply"}, {"id", 1}, {"result", Value(encode(std::move(rows)))}});
    const std::string message = reply.take();
    auto best = std::chrono::steady_clock::duration::max();
    for (int round = 0; round < 50; ++round) {
        const auto start = std::chrono::steady_clock::now();
        const auto xml = xmlrpc::render_answer(*decode(message)->find("result")->string());
        best = std::min(best, std::chrono::steady_clock::now() - start);
        REQUIRE(xml->size() > 1'000'000);
    }
    WARN("message to XML: " << std::chrono::duration_cast<std::chrono::microseconds>(best).count() << " us");
    CHECK(best <= std::chrono::milliseconds(3));
}
