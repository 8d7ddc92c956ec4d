#include <catch2/catch.hpp>

#include "config/diff.h"
#include "config/record.h"
#include "unit/config/support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

const std::string kForwarded = "[program:p]\ncommand=/bin/server\nsocket=tcp:80\nproxy_protocol=v2\n";

ServiceSpec only(const std::string& text)
{
    const Loaded loaded = load_text(text);
    REQUIRE(messages(loaded.mistakes).empty());
    return loaded.config.groups.at(0).services.at(0);
}

}  // namespace

TEST_CASE("proxy_to takes addresses, paths and names", "[config][proxy]")
{
    const auto target = [](const std::string& written) { return only(kForwarded + "proxy_to=" + written + "\n").proxy.value().target; };
    CHECK(target("tcp:127.0.0.1:8080") == "tcp:127.0.0.1:8080");
    CHECK(target("tcp:8080") == "tcp:8080");
    CHECK(target("tcp:[::1]:8080") == "tcp:[::1]:8080");
    CHECK(target("unix:/run/x.sock") == "unix:/run/x.sock");
    CHECK(target("tcp:web.example:http") == "tcp:192.0.2.7:80");
    CHECK(only(kForwarded + "proxy_to=tcp:1\n").proxy->protocol == Proxy::Protocol::V2);
    CHECK(messages(load_text(kForwarded + "proxy_to=tcp:no.example:80\n").mistakes).at(0).find("no.example") != std::string::npos);
    CHECK_FALSE(load_text(kForwarded + "proxy_to=tcp:127.0.0.1:0\n").mistakes.empty());
    CHECK_FALSE(load_text(kForwarded + "proxy_to=fifo:/x\n").mistakes.empty());
    for (const char* other : {"mptcp:127.0.0.1:80", "udplite:127.0.0.1:80", "unix-dgram:/x", "unix-seqpacket:/x", "vsock:2:80"})
        CHECK_FALSE(load_text(kForwarded + "proxy_to=" + other + "\n").mistakes.empty());
}

TEST_CASE("proxy_to needs no command, and is in the record", "[config][proxy][record]")
{
    const Config config = load_text("[program:p]\nsocket=tcp:80\nproxy_to=unix:@x\n").config;
    const auto decoded = decode(encode(config));
    REQUIRE(decoded);
    CHECK(*decoded == config);
    CHECK(decoded->groups.at(0).services.at(0).proxy->target == "unix:@x");
}

TEST_CASE("another target needs no new process, but forwarding at all does", "[config][proxy][diff]")
{
    const auto changed = [](const std::string& before, const std::string& after) {
        const std::string start = "[program:p]\ncommand=x\nsocket=tcp:80\n";
        return diff(load_text(start + before).config, load_text(start + after).config).changed.at(0);
    };
    const Change target = changed("proxy_to=tcp:1\n", "proxy_to=tcp:2\n");
    CHECK((target.policy && !target.exec && !target.sockets));
    CHECK(changed("", "proxy_to=tcp:2\n").exec);
}
