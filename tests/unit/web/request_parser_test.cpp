#include "web/request_parser.h"

#include <catch2/catch.hpp>

using namespace xsv;
using Stage = web::RequestParser::Stage;

namespace {

const std::string kPost = "POST /RPC2 HTTP/1.1\r\nHost: x\r\n";
const std::string kLength = "Content-Length: 3\r\n\r\nabc";

struct Outcome {
    int status;  ///< 200: a whole request; 0: unfinished
    web::Request request;
};

/// Feeds the bytes in pieces, as a network might.
Outcome parse(const std::string& bytes, std::size_t piece)
{
    const web::Settings settings;
    web::RequestParser parser(settings);
    std::string buffer;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        buffer += bytes.substr(at, piece);
        while (!buffer.empty()) {
            const std::size_t used = parser.feed(buffer);
            buffer.erase(0, used);
            if (parser.stage() == Stage::Refused) return {parser.refusal(), {}};
            if (parser.stage() == Stage::Done) return {200, parser.take_request()};
            if (used == 0) break;
        }
    }
    return {0, {}};
}

struct Case {
    const char* what;
    std::string bytes;
    int status;
};

}  // namespace

TEST_CASE("requests are taken or refused by strict grammar, however they are cut", "[web]")
{
    using std::string;
    const Case cases[] = {
        {"plain", kPost + kLength, 200},
        {"no blank behind the colon", kPost + "Content-Length:3\r\n\r\nabc", 200},
        {"lower case names", "POST /RPC2 HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc", 200},
        {"upper case names", "POST /RPC2 HTTP/1.1\r\nHOST: x\r\nCONTENT-LENGTH: 3\r\n\r\nabc", 200},
        {"leading line breaks", "\r\n\r\n" + kPost + kLength, 200},
        {"HTTP/1.0 without Host", "POST /RPC2 HTTP/1.0\r\n" + kLength, 200},
        {"HTTP/1.0 with Host", "POST /RPC2 HTTP/1.0\r\nHost: x\r\n" + kLength, 200},
        {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 200},
        {"empty Host with a blank", "GET / HTTP/1.1\r\nHost: \r\n\r\n", 200},
        {"query", "GET /?a=%2f HTTP/1.1\r\nHost: x\r\n\r\n", 200},
        {"encoded name", "GET /logtail/g%3Ap/stdout HTTP/1.1\r\nHost: x\r\n\r\n", 200},
        {"dots within a name", "GET /logtail/a..b HTTP/1.1\r\nHost: x\r\n\r\n", 200},
        {"HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 200},
        {"empty body", kPost + "Content-Length: 0\r\n\r\n", 200},
        {"leading zero", kPost + "Content-Length: 03\r\n\r\nabc", 200},

        {"no length", kPost + "\r\n", 411},
        {"chunked", kPost + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 411},
        {"chunked and a length", kPost + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 400},
        {"identity", kPost + "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 411},
        {"xchunked", kPost + "Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 411},
        {"encoding twice", kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400},
        {"two equal lengths", kPost + "Content-Length: 3\r\n" + kLength, 400},
        {"two different lengths", kPost + "Content-Length: 4\r\n" + kLength, 400},
        {"list of lengths", kPost + "Content-Length: 3, 3\r\n\r\nabc", 400},
        {"signed length", kPost + "Content-Length: +3\r\n\r\nabc", 400},
        {"negative length", kPost + "Content-Length: -1\r\n\r\nabc", 400},
        {"hexadecimal length", kPost + "Content-Length: 0x3\r\n\r\nabc", 400},
        {"length of words", kPost + "Content-Length: three\r\n\r\nabc", 400},
        {"empty length", kPost + "Content-Length: \r\n\r\nabc", 400},
        {"length beyond numbers", kPost + "Content-Length: 99999999999999999999999\r\n\r\nabc", 400},
        {"body too large", kPost + "Content-Length: 1048577\r\n\r\nabc", 413},
        {"body far too large", kPost + "Content-Length: 9223372036854775807\r\n\r\nabc", 413},
        {"bare line feeds", "POST / HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc", 400},
        {"one bare line feed", "POST / HTTP/1.1\r\nHost: x\n" + kLength, 400},
        {"NUL in a value", kPost + string("X: a\0b\r\n", 8) + kLength, 400},
        {"NUL in a name", kPost + string("X\0Y: a\r\n", 8) + kLength, 400},
        {"CR in a value", kPost + "X: a\rb\r\n" + kLength, 400},
        {"control byte in a value",
         kPost +
             "X: a\x01"
             "b\r\n" +
             kLength,
         400},
        {"blank before the colon", kPost + "Content-Length : 3\r\n\r\nabc", 400},
        {"folded line", kPost + "X: a\r\n b\r\n" + kLength, 400},
        {"folded line with a tab", kPost + "X: a\r\n\tb\r\n" + kLength, 400},
        {"folded line, more behind it", kPost + "X: a\r\n b\r\nY: " + string(100, 'y') + "\r\n" + kLength, 400},
        {"first line folded", "POST / HTTP/1.1\r\n Host: x\r\n" + kLength, 400},
        {"line without colon", kPost + "nonsense\r\n" + kLength, 400},
        {"empty name", kPost + ": x\r\n" + kLength, 400},
        {"control byte in the path", "POST /a\x01 HTTP/1.1\r\nHost: x\r\n" + kLength, 400},
        {"high byte in the path", "POST /\xff HTTP/1.1\r\nHost: x\r\n" + kLength, 400},
        {"two blanks", "POST  /a HTTP/1.1\r\nHost: x\r\n" + kLength, 400},
        {"HTTP/1.2", "POST /a HTTP/1.2\r\nHost: x\r\n" + kLength, 400},
        {"HTTP/2.0", "POST /a HTTP/2.0\r\nHost: x\r\n" + kLength, 400},
        {"HTTP/0.9", "GET /a\r\n\r\n", 400},
        {"lower case protocol", "GET /a http/1.1\r\nHost: x\r\n\r\n", 400},
        {"no Host", "POST /a HTTP/1.1\r\n" + kLength, 400},
        {"two Hosts", kPost + "Host: y\r\n" + kLength, 400},
        {"two Hosts, HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", 400},
        {"two Authorizations", kPost + "Authorization: a\r\nAuthorization: b\r\n" + kLength, 400},
        {"other method", "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"no path", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"parent", "GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"encoded parent", "GET /a/%2e%2e/b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"parent at the end", "GET /.. HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"encoded slash", "GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"encoded NUL", "GET /a%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"half an encoding", "GET /a%4 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"no encoding", "GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"TLS", string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15), 400},
        {"header of 20 KB", kPost + "X: " + string(20'000, 'a') + "\r\n" + kLength, 431},
        {"70 lines",
         [] {
             string text = kPost;
             for (int i = 0; i < 70; ++i) text += "X: a\r\n";
             return text + kLength;
         }(),
         431},
        {"path of 5 KB", "GET /" + string(5'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
        {"endless request line", "GET /" + string(30'000, 'a'), 414},
        {"many lines of 20 KB",
         [] {
             string text = kPost;
             for (int i = 0; i < 50; ++i) text += "X: " + string(400, 'x') + "\r\n";
             return text + kLength;
         }(),
         431},
        {"line feeds in the body", kPost + "Content-Length: 3\r\n\r\n\n\n\n", 200},
        {"unfinished header", kPost, 0},
        {"unfinished body", kPost + "Content-Length: 4\r\n\r\nabc", 0},
        {"nothing but line breaks", "\r\n\r\n\r", 0},
    };
    for (const Case& c : cases) {
        CAPTURE(c.what);
        CHECK(parse(c.bytes, c.bytes.size()).status == c.status);
        CHECK(parse(c.bytes, 7).status == c.status);
        if (c.bytes.size() < 1000) CHECK(parse(c.bytes, 1).status == c.status);
    }
}

TEST_CASE("a request carries what was sent, with its path decoded", "[web]")
{
    const auto outcome = parse(
        "\r\nPOST //logtail/g%3Ap?x=1 HTTP/1.1\r\nhost: h:1\r\nAuthorization: Basic x\r\nOrigin: http://h:1\r\n"
        "Content-Type: text/xml\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabcGET / HTTP",
        5);
    REQUIRE(outcome.status == 200);
    const web::Request& request = outcome.request;
    CHECK(request.method == "POST");
    CHECK(request.target == "//logtail/g%3Ap?x=1");
    CHECK(request.path == "/logtail/g:p");
    CHECK(request.host == "h:1");
    CHECK(request.authorization == "Basic x");
    CHECK(request.origin == "http://h:1");
    CHECK(request.content_type == "text/xml");
    CHECK(request.body == "abc");
    CHECK_FALSE(request.keep_alive);
}

TEST_CASE("what stands behind a request is left for the next", "[web]")
{
    const web::Settings settings;
    web::RequestParser parser(settings);
    const std::string first = kPost + kLength, both = first + "GET / HTTP/1.1\r\n";
    std::size_t used = 0;
    while (parser.stage() != Stage::Done) used += parser.feed(std::string_view(both).substr(used));
    CHECK(used == first.size());
}

TEST_CASE("keep-alive is the rule in HTTP/1.1 and the exception in 1.0", "[web]")
{
    CHECK(parse("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100).request.keep_alive);
    CHECK_FALSE(parse("GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", 100).request.keep_alive);
    CHECK_FALSE(parse("GET / HTTP/1.0\r\n\r\n", 100).request.keep_alive);
    CHECK(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 100).request.keep_alive);
}
