#include "web/rules.h"

#include <catch2/catch.hpp>

using namespace xsv::web;

TEST_CASE("a server goes by its names, with or without port, in any case", "[web]")
{
    HostList hosts;
    for (const char* name : {"localhost", "127.0.0.1", "::1", "Admin.Example:9001"}) hosts.add(name);
    for (const char* host :
         {"localhost", "LOCALHOST:9001", "127.0.0.1:80", "[::1]", "[::1]:9001", "admin.example", "admin.example.:1"})
        CHECK(hosts.has(host));
    for (const char* host :
         {"", "evil.example", "localhost.evil.example", "127.0.0.2", "[::2]:1", "localhost@evil", ":9001"})
        CHECK_FALSE(hosts.has(host));
    hosts.add_any_address();
    CHECK(hosts.has("192.0.2.1:9001"));
    CHECK(hosts.has("[2001:db8::1]:9001"));
    CHECK_FALSE(hosts.has("evil.example"));
}

TEST_CASE("a browser's request must come from the server's own page", "[web]")   // B38
{
    Request request;
    request.host = "host:9001";
    CHECK_FALSE(is_cross_origin(request));
    for (const char* own : {"http://host:9001", "https://HOST:9001"}) {
        request.origin = own;
        CHECK_FALSE(is_cross_origin(request));
    }
    for (const char* foreign : {"http://evil", "http://host", "null", "", "ftp://host:9001", "http://host:9001.evil"}) {
        request.origin = foreign;
        CHECK(is_cross_origin(request));
    }
    request.origin.reset();
    request.fetch_site = "same-origin";
    CHECK_FALSE(is_cross_origin(request));
    request.fetch_site = "cross-site";
    CHECK(is_cross_origin(request));
}

TEST_CASE("types that a form can send are known", "[web]")
{
    for (const char* type : {"text/plain", "TEXT/PLAIN; charset=utf-8", "application/x-www-form-urlencoded",
                             "multipart/form-data; boundary=x"})
        CHECK(is_form_type(type));
    for (const char* type : {"text/xml", "application/xml", "text/xml; charset=utf-8", "application/json", ""})
        CHECK_FALSE(is_form_type(type));
}

TEST_CASE("dates are read as they are written", "[web]")
{
    CHECK(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
    for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "sun, 6 nov 1994 08:49:37 gmt", "Sunday, 06-Nov-94 08:49:37 GMT"})
        CHECK(parse_http_date(text) == 784111777);
    for (const char* text : {"", "now", "784111777", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT; length=5"})
        CHECK_FALSE(parse_http_date(text));
}

TEST_CASE("text is escaped for HTML", "[web]")
{
    CHECK(escape_html("<a b=\"c\" d='e'>&\x1b\xff") ==
          "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\xef\xbf\xbd\xef\xbf\xbd");
    CHECK(error_answer(404, "<x>").body.find("&lt;x&gt;") != std::string::npos);
}
