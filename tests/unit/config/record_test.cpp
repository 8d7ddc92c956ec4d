#include "config/record.h"

#include <catch2/catch.hpp>

#include "unit/config/support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

/// A configuration in which no field is left at its default by chance.
Config rich()
{
    Loaded loaded = load_text(R"([supervisord]
user=git
environment=A="1"
identifier=main
logformat=json
names_refresh=90s
[inet_http_server]
port=127.0.0.1:9001
[unix_http_server]
file=/run/x.sock
chown=git:staff
[program:a]
command=/bin/cat %(process_num)s
numprocs=3
process_name=a%(process_num)d
user=www
nice=3
umask=077
limits=as=unlimited nofile=10:20
environment=B="ü",C=
stopsignal=KILL
startretries=-1
fatal_retry=1500ms
[program:b]
command=x
socket=web=tcp:[::1]:80, unix:@x, udp:5
socket_options=nodelay, keepalive=60/10/5
allow_from=10.0.0.0/8, 10.0.0.1-10.0.0.9, uid:7, web.example
access_hours=Mon 10:00-11:00
max_rate=5/1s per source
max_load=2.25
[program:broken]
startsecs=x
[group:g]
programs=b
)");
    return std::move(loaded.config);
}

}  // namespace

TEST_CASE("a configuration survives the record unchanged", "[config][record]")
{
    const Config config = rich();
    REQUIRE(config.groups.size() == 3);
    const auto decoded = decode(encode(config));
    REQUIRE(decoded);
    CHECK(*decoded == config);
    CHECK(decoded->groups[0].services[0].place.line == config.groups[0].services[0].place.line);
    CHECK(decode(encode(Config{})).value() == Config{});
    CHECK(encode(*decoded) == encode(config));
}

TEST_CASE("a truncated record is an error at every length", "[config][record]")
{
    const std::string bytes = encode(rich());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        // A copy of that size, so that a sanitizer sees a read beyond the end.
        const auto result = decode(std::string(bytes, 0, size));
        REQUIRE_FALSE(result);
    }
    CHECK_FALSE(decode(bytes + "x"));
}

TEST_CASE("no changed bit of a record does harm", "[config][record]")
{
    const std::string bytes = encode(rich());
    int refused = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string changed = bytes;
            changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
            const auto result = decode(changed);
            if (!result)
                ++refused;
            else
                REQUIRE(decode(encode(*result)).value() == *result);
        }
    }
    CHECK(refused > 0);
}

TEST_CASE("a record of another kind or version is refused in words", "[config][record]")
{
    CHECK(decode("").error().message == "the configuration of record is damaged: it does not begin as one");
    CHECK(decode("xsvdconf\x02").error().message == "the configuration of record has version 2, expected 1");
    CHECK(decode("xsvdconf\x01").error().message == "the configuration of record is damaged");
    // A count that promises more than any input could hold.
    CHECK_FALSE(decode("xsvdconf\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
}

TEST_CASE("a thousand programs make a small record", "[config][record]")
{
    std::string text;
    for (int i = 0; i < 1000; ++i) text += fmt::format("[program:p{}]\ncommand=/bin/sleep {}\n", i, i);
    const auto bytes = encode(load_text(text).config);
    CHECK(bytes.size() < 400'000);
    CHECK(decode(bytes));
}
