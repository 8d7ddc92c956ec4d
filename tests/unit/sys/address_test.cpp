#include <catch2/catch.hpp>

#include <cstring>

#include <arpa/inet.h>
#include <unistd.h>

#include "sys/address.h"
#include "base/text.h"

using namespace xsv;
using sys::AddressRule;
using sys::Peer;

namespace {

Peer caller(const std::string& address)
{
    Peer peer;
    peer.kind = Peer::Inet;
    peer.port = 4711;
    if (address.find(':') == std::string::npos) {
        peer.mapped = 1;
        peer.address[10] = peer.address[11] = 0xff;
        REQUIRE(::inet_pton(AF_INET, address.c_str(), peer.address.data() + 12) == 1);
    } else {
        REQUIRE(::inet_pton(AF_INET6, address.c_str(), peer.address.data()) == 1);
    }
    return peer;
}

Peer unix_caller(std::uint32_t uid, std::uint32_t gid)
{
    Peer peer;
    peer.kind = Peer::Unix;
    peer.uid = uid;
    peer.gid = gid;
    peer.pid = 17;
    return peer;
}

std::vector<AddressRule> rules(const std::string& text)
{
    std::vector<AddressRule> list;
    for (const std::string& word : text::words(text)) {
        auto rule = sys::parse_address_rule(word);
        REQUIRE(rule);
        list.push_back(*rule);
    }
    return list;
}

bool allowed(const Peer& peer, const std::string& allow, const std::string& deny) { return sys::is_allowed(peer, rules(allow), rules(deny)); }

}  // namespace

TEST_CASE("the most specific rule wins, and at equal length deny", "[sys][address]")
{
    struct Row {
        const char *from, *allow, *deny;
        bool allowed;
    };
    const Row rows[] = {
        {"10.1.1.1", "", "", true},
        {"10.1.1.1", "10.0.0.0/8", "", true},
        {"11.1.1.1", "10.0.0.0/8", "", false},
        {"10.1.1.1", "", "10.0.0.0/8", false},
        {"11.1.1.1", "", "10.0.0.0/8", true},
        {"10.2.0.1", "10.0.0.0/8 10.1.2.3", "10.1.0.0/16", true},
        {"10.1.0.1", "10.0.0.0/8 10.1.2.3", "10.1.0.0/16", false},
        {"10.1.2.3", "10.0.0.0/8 10.1.2.3", "10.1.0.0/16", true},
        {"10.1.2.3", "10.1.2.3", "10.1.2.3", false},
        {"10.1.2.3", "all", "10.1.2.3", false},
        {"10.1.2.4", "all", "10.1.2.3", true},
        {"10.1.2.4", "10.1.2.4", "all", true},
        {"10.1.2.5", "10.1.2.4", "all", false},
        {"10.0.0.5", "10.0.0.1-10.0.0.9", "", true},
        {"10.0.0.10", "10.0.0.1-10.0.0.9", "", false},
        {"10.0.0.5", "10.0.0.1-10.0.0.9", "10.0.0.5", false},
        {"10.0.0.5", "10.0.0.5", "10.0.0.1-10.0.0.9", true},
        {"10.0.0.5", "10.0.0.77/24", "", true},
        {"1.2.3.4", "0.0.0.0/0", "", true},
        {"1.2.3.4", "::/0", "", false},
        {"2001:db8::1", "::/0", "", true},
        {"2001:db8::1", "0.0.0.0/0", "", false},
        {"2001:db8::1", "2001:db8::/32", "2001:db8::/48", false},
        {"fe80::1", "fe80::/10", "", true},
        {"1.2.3.4", "::ffff:1.2.3.0/120", "", true},
        {"1.2.3.4", "::ffff:1.2.3.4", "", true},
        {"127.0.0.1", "localhost", "", true},
        {"127.9.9.9", "localhost", "", true},
        {"::1", "localhost", "", true},
        {"::2", "localhost", "", false},
        {"1.2.3.4", "uid:0 gid:0", "", false},
    };
    for (const Row& row : rows) {
        INFO(row.from << " allow=" << row.allow << " deny=" << row.deny);
        CHECK(allowed(caller(row.from), row.allow, row.deny) == row.allowed);
    }
}

TEST_CASE("callers on unix sockets are matched by their ids alone", "[sys][address]")
{
    const Peer peer = unix_caller(1000, 50);
    CHECK(allowed(peer, "", ""));
    CHECK(allowed(peer, "uid:1000", ""));
    CHECK_FALSE(allowed(peer, "uid:1001", ""));
    CHECK(allowed(peer, "gid:50", ""));
    CHECK(allowed(peer, "uid:1000", "gid:50"));
    CHECK_FALSE(allowed(peer, "gid:50", "uid:1000"));
    CHECK_FALSE(allowed(peer, "10.0.0.0/8", ""));
    CHECK(allowed(peer, "all", ""));
    CHECK_FALSE(allowed(peer, "", "all"));
    CHECK_FALSE(allowed(unix_caller(0, 0), "", "uid:root"));
    CHECK_FALSE(allowed(unix_caller(0, 0), "", "gid:root"));
}

TEST_CASE("callers on vsock are matched by their machine alone", "[sys][address]")
{
    Peer peer;
    peer.kind = Peer::Vsock;
    peer.uid = 3;
    peer.gid = 4711;
    CHECK(peer.text() == "vsock:3:4711");
    CHECK(allowed(peer, "cid:3", ""));
    CHECK_FALSE(allowed(peer, "cid:4", ""));
    CHECK_FALSE(allowed(peer, "all", "cid:3"));
    CHECK(allowed(peer, "cid:3", "all"));
    CHECK_FALSE(allowed(peer, "uid:3", ""));
    CHECK_FALSE(allowed(unix_caller(3, 3), "cid:3", ""));
    CHECK(sys::parse_address_rule("cid:host")->id == 2);
    Peer other = peer;
    other.gid = 1;
    CHECK(peer.same_source(other));
    other.uid = 4;
    CHECK_FALSE(peer.same_source(other));
    CHECK(sys::parse_address_rule("cid:guest").error().message == "'cid:guest': expected the number of a machine (CID), hypervisor, local or host");
}

TEST_CASE("a wrong address rule says what was expected", "[sys][address]")
{
    for (const char* text : {"", "example.org", ".example.org", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/+8", "::/129", "10.0.0.9-10.0.0.1",
                             "10.0.0.1-::1", "10.0.0.1-", "10.0.0", "uid:", "uid:-1", "uid:no-such-user-here", "gid:no-such-group-here", "gid:4294967295", "0day"}) {
        INFO(text);
        auto rule = sys::parse_address_rule(text);
        REQUIRE_FALSE(rule);
        CHECK_FALSE(rule.error().message.empty());
    }
}

TEST_CASE("names of hosts look like names, and become a rule for each address", "[sys][address]")
{
    for (const char* text : {"example.org", "a", "web-1.example.", "0day", "_dmarc.x", "1.2.3.x"}) CHECK(sys::is_host_name(text));
    for (const char* text : {"", ".", ".example.org", "a..b", "10.0.0", "1.2.3.4", "10.0.0.1-9", "-a", "a b", "a/8", "::1", "uid:x", "localhost", "ALL", "ä.de"}) {
        INFO(text);
        CHECK_FALSE(sys::is_host_name(text));
    }
    CHECK_FALSE(sys::is_host_name(std::string(64, 'a')));
    CHECK_FALSE(sys::is_host_name(std::string(300, 'a')));
    const std::vector<std::string> addresses = {"192.0.2.7", "2001:db8::7", "fe80::1%eth0", "fe80::1%eth1", "nonsense", "localhost"};
    const auto named = sys::rules_of_host("web.example", addresses);
    REQUIRE(named.size() == 3);
    for (const AddressRule& rule : named) CHECK((rule.named && rule.text == "web.example"));
    CHECK(sys::hosts_of(named) == std::vector<std::string>{"192.0.2.7", "2001:db8::7", "fe80::1"});
    CHECK(sys::is_allowed(caller("192.0.2.7"), named, {}));
    CHECK_FALSE(sys::is_allowed(caller("192.0.2.8"), named, {}));
    const std::vector<AddressRule> unknown = {sys::rule_of_unknown_host("x")};
    CHECK(sys::hosts_of(unknown).empty());
    for (const char* address : {"0.0.0.0", "192.0.2.7", "::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) CHECK_FALSE(sys::is_allowed(caller(address), unknown, {}));
}

TEST_CASE("a source is an address, a /64 or a uid", "[sys][address]")
{
    CHECK(caller("10.0.0.1").same_source(caller("10.0.0.1")));
    CHECK_FALSE(caller("10.0.0.1").same_source(caller("10.0.0.2")));
    CHECK(caller("2001:db8::1").same_source(caller("2001:db8::2")));
    CHECK_FALSE(caller("2001:db8::1").same_source(caller("2001:db8:0:1::1")));
    CHECK_FALSE(caller("10.0.0.1").same_source(caller("::a00:1")));
    CHECK(unix_caller(1, 2).same_source(unix_caller(1, 3)));
    CHECK_FALSE(unix_caller(1, 2).same_source(unix_caller(2, 2)));
    CHECK_FALSE(unix_caller(1, 2).same_source(caller("10.0.0.1")));
    CHECK_FALSE(Peer{}.same_source(caller("10.0.0.1")));
}

TEST_CASE("callers have a text", "[sys][address]")
{
    CHECK(caller("192.0.2.1").text() == "192.0.2.1:4711");
    CHECK(caller("2001:db8::1").text() == "[2001:db8::1]:4711");
    CHECK(caller("2001:db8::1").host() == "2001:db8::1");
    CHECK(unix_caller(1000, 1).text() == "uid 1000 pid 17");
    CHECK(Peer{}.text().empty());
}
