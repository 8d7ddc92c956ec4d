#include <catch2/catch.hpp>

#include "base/text.h"
#include "config/hosts_access.h"
#include "xinetd_support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

Files rules(const std::string& allow, const std::string& deny)
{
    return {{"/etc/hosts.allow", allow}, {"/etc/hosts.deny", deny}};
}

HostsAccess::Decision decide(const Files& files, const std::string& server = "sshd")
{
    const Surroundings fake = machine_with(files);
    return HostsAccess(fake).decide(server);
}

/// "all", "nobody", or the rules.
std::string allowed(const Files& files, const std::string& server = "sshd")
{
    const auto decision = decide(files, server);
    if (!decision.allowed) return "no rules";
    if (decision.allowed->empty()) return "nobody";
    return *decision.allowed == AddressSet::everything() ? "all" : text::join(decision.allowed->rules(), ", ");
}

std::string allowed(const std::string& allow, const std::string& deny, const std::string& server = "sshd")
{
    return allowed(rules(allow, deny), server);
}

Lines remarks(const std::string& allow, const std::string& deny)
{
    Lines lines;
    for (const Remark& remark : decide(rules(allow, deny)).remarks)
        lines.push_back(fmt::format("{} {}:{}: {}", static_cast<int>(remark.weight), remark.place.file.substr(11), remark.place.line, remark.text));
    return lines;
}

const std::string kDenyAll = "ALL: ALL\n";

}  // namespace

TEST_CASE("a set of addresses adds, takes away, and says itself in rules", "[config][addresses]")
{
    const auto four = [](std::uint32_t first, std::uint32_t last) { return AddressSet::Range{AddressSet::mapped(first), AddressSet::mapped(last)}; };
    AddressSet set;
    set.add(four(10, 20));
    set.add(four(21, 30));
    set.add(four(5, 12));
    set.add(four(100, 100));
    CHECK(set.rules() == Lines{"0.0.0.5-0.0.0.30", "0.0.0.100"});
    AddressSet hole;
    hole.add(four(8, 9));
    hole.add(four(30, 100));
    CHECK(set.without(hole).rules() == Lines{"0.0.0.5-0.0.0.7", "0.0.0.10-0.0.0.29"});
    CHECK(set.without(set).empty());
    CHECK(AddressSet::everything().rules() == Lines{"0.0.0.0/0", "::/0"});
    CHECK(AddressSet::everything().without(AddressSet::everything().without(set)) == set);
    AddressSet low;
    low.add(four(0, 0xffffffff));
    CHECK(AddressSet::everything().without(low).rules() == Lines{"::/0"});
    for (const std::string& rule : AddressSet::everything().without(set).rules()) CHECK(sys::parse_address_rule(rule).has_value());
}

TEST_CASE("hosts.allow is asked first, then hosts.deny, and who is in neither comes in", "[config][hosts_access]")
{
    CHECK(allowed(Files{}) == "no rules");
    CHECK(allowed("# nothing\n\n", "") == "no rules");
    CHECK(allowed("ftpd: ALL\n", "ftpd: ALL\n") == "no rules");
    CHECK(allowed("sshd: 10.0.0.0/8\n", kDenyAll) == "10.0.0.0/8");
    CHECK(allowed("", kDenyAll) == "nobody");
    CHECK(allowed("ALL: ALL\n", kDenyAll) == "all");
    CHECK(allowed("", "sshd: 10.1.2.3\n") == "0.0.0.0-10.1.2.2, 10.1.2.4-255.255.255.255, ::/0");
    // The first rule that matches decides.
    CHECK(allowed("sshd: 10.1.0.0/16: deny\nsshd: 10.0.0.0/8\n", kDenyAll) == "10.0.0.0/16, 10.2.0.0-10.255.255.255");
    CHECK(allowed("sshd: 10.0.0.0/8: allow\nsshd: ALL: deny\n", "") == "10.0.0.0/8");
    CHECK(allowed("", "sshd: 10.1.2.3: allow\nALL: ALL\n") == "10.1.2.3");
}

TEST_CASE("hosts.allow: names of servers", "[config][hosts_access]")
{
    CHECK(allowed("SSHD: 10.0.0.1\n", kDenyAll) == "10.0.0.1");
    CHECK(allowed("ftpd, sshd in.telnetd: 10.0.0.1\n", kDenyAll) == "10.0.0.1");
    CHECK(allowed("in.*: 10.0.0.1\n", kDenyAll, "in.tftpd") == "10.0.0.1");
    CHECK(allowed("s?hd: 10.0.0.1\n", kDenyAll) == "10.0.0.1");
    CHECK(allowed("*x*: 10.0.0.1\n", kDenyAll) == "nobody");
    CHECK(allowed(".tftpd: 10.0.0.1\n", kDenyAll, "in.tftpd") == "10.0.0.1");
    CHECK(allowed("in.: 10.0.0.1\n", kDenyAll, "in.tftpd") == "10.0.0.1");
    CHECK(allowed("ALL EXCEPT sshd: 10.0.0.1\n", kDenyAll) == "nobody");
    CHECK(allowed("ALL EXCEPT sshd: 10.0.0.1\n", kDenyAll, "ftpd") == "10.0.0.1");
    CHECK(allowed("ALL EXCEPT ALL EXCEPT sshd: 10.0.0.1\n", kDenyAll) == "10.0.0.1");
    CHECK(allowed("sshd@10.0.0.9: ALL\n", kDenyAll) == "nobody");
    CHECK(remarks("sshd@10.0.0.9: ALL\n", "") == Lines{"1 allow:1: 'sshd@10.0.0.9' is ignored: rules for one address of this machine are not supported"});
}

TEST_CASE("hosts.allow: every form of an address", "[config][hosts_access]")
{
    const auto one = [](const std::string& clients) { return allowed("sshd: " + clients + "\n", kDenyAll); };
    CHECK(one("192.0.2.7") == "192.0.2.7");
    CHECK(one("192.0.2. 10.") == "10.0.0.0/8, 192.0.2.0/24");
    CHECK(one("192.0.2.*, 10.*.*.*") == "10.0.0.0/8, 192.0.2.0/24");
    CHECK(one("192.0.2.0/255.255.255.128") == "192.0.2.0/25");
    CHECK(one("192.0.2.0/24") == "192.0.2.0/24");
    CHECK(one("0.0.0.0/0") == "0.0.0.0/0");
    CHECK(one("[2001:db8::1]") == "2001:db8::1");
    CHECK(one("[2001:db8::]/32, 10.0.0.1") == "10.0.0.1, 2001:db8::/32");
    CHECK(one("[::]/0") == "::/0");
    CHECK(one("[::ffff:10.0.0.1]") == "nobody");
    CHECK(one("web.example") == "192.0.2.7, 2001:db8::7");
    CHECK(one("10. EXCEPT 10.1. EXCEPT 10.1.2.3") == "10.0.0.0/16, 10.1.2.3, 10.2.0.0-10.255.255.255");
    CHECK(one("192.0.2.9/24") == "nobody");
    CHECK(remarks("sshd: 192.0.2.9/24\n", "") == Lines{"1 allow:1: '192.0.2.9/24' matches nobody: the net has bits beyond its mask"});
    CHECK(remarks("sshd: web.example\n", "") == Lines{"0 allow:1: 'web.example' means its addresses at the time the file is read: 192.0.2.7, 2001:db8::7"});
    for (const char* wrong : {"10.0.0.0/33", "10.0.0.0/255.0.255.0", "net/8", "[x]/8", "[::]/129"})
        CHECK(remarks(std::string("sshd: ") + wrong + "\n", "") == Lines{std::string("1 allow:1: '") + wrong + "' is not supported: expected net/mask, as in 10.0.0.0/8 or [2001:db8::]/32"});
}

TEST_CASE("hosts.allow: patterns that need a name let nobody in, and are told", "[config][hosts_access]")
{
    for (const char* word : {"LOCAL", "KNOWN", "UNKNOWN", "PARANOID", ".example.org", "@group", "*.example.org", "no.example"}) {
        CAPTURE(word);
        CHECK(allowed(std::string("sshd: 10.0.0.1 ") + word + "\n", kDenyAll) == "10.0.0.1");
        const auto said = remarks(std::string("sshd: ") + word + "\n", kDenyAll);
        CHECK(said.at(0).starts_with(std::string("1 allow:1: '") + word + "' is not supported: "));
        // Taken for everybody where it is an exception of a rule that lets callers in.
        CHECK(allowed(std::string("sshd: ALL EXCEPT ") + word + "\n", kDenyAll) == "nobody");
        // The rest of a rule that refuses counts.
        CHECK(allowed("", std::string("sshd: ") + word + ", 10.0.0.1 : deny\nsshd: ALL EXCEPT 10.0.0.0/31\n") == "10.0.0.0");
    }
    CHECK(allowed("sshd: root@10.0.0.1\n", kDenyAll) == "nobody");
    CHECK(allowed("", "sshd: root@ALL\n") == "nobody");
    CHECK(remarks("", "sshd: root@ALL\n") == Lines{"1 deny:1: 'root@ALL': callers are not asked for their user (ident)"});
}

TEST_CASE("hosts.allow: files of patterns", "[config][hosts_access]")
{
    Files files = rules("sshd: /etc/friends\n", kDenyAll);
    files["/etc/friends"] = "10.0.0.1\n 10.0.0.2 /etc/more\n";
    files["/etc/more"] = "10.0.0.9 /etc/friends\n";
    CHECK(allowed(files) == "10.0.0.1-10.0.0.2, 10.0.0.9");
    const auto decision = decide(files);
    REQUIRE(decision.remarks.size() == 1);
    CHECK(decision.remarks[0].text == "'/etc/friends' is not supported: the file names itself");
    CHECK(remarks("sshd: /etc/none\n", "") == Lines{"1 allow:1: '/etc/none' is not supported: could not find config file /etc/none"});
}

TEST_CASE("hosts.allow: options", "[config][hosts_access]")
{
    CHECK(allowed("sshd: 10.0.0.1: spawn (echo %h\\: x >/l) &: allow\n", kDenyAll) == "10.0.0.1");
    CHECK(remarks("sshd: 10.0.0.1: spawn (echo) &\n", "") == Lines{"1 allow:1: 'spawn' is ignored"});
    CHECK(allowed("sshd: 10.0.0.1: twist /bin/echo no\n", "") == "0.0.0.0-10.0.0.0, 10.0.0.2-255.255.255.255, ::/0");
    CHECK(remarks("sshd: 10.0.0.1: twist /bin/echo no\n", "") == Lines{"1 allow:1: 'twist' is not supported: nothing is run, the callers are refused"});
    CHECK(remarks("sshd: 10.0.0.1: severity auth.info: keepalive\n", "").empty());
    CHECK(allowed("sshd: ALL: colour red\n", "") == "nobody");
    CHECK(remarks("sshd: ALL: colour red\n", "") == Lines{"1 allow:1: 'colour' is no option: the callers are refused"});
}

TEST_CASE("hosts.allow: lines", "[config][hosts_access]")
{
    CHECK(allowed("sshd: \\\n 10.0.0.1 \\\n 10.0.0.2\n", kDenyAll) == "10.0.0.1-10.0.0.2");
    CHECK(remarks("# x\n\nsshd 10.0.0.1\n", "") == Lines{"1 allow:3: expected servers : clients, the line is ignored"});
    CHECK(remarks("", "ALL: ALL") == Lines{"1 deny:1: the last line has no end: tcp wrappers refuse everybody for whom they read on to it"});
    CHECK(allowed("sshd: 10.0.0.1\n# end", "sshd: ALL: allow\n") == "10.0.0.1");
    CHECK(allowed("sshd: 10.0.0.1\n  ", "") == "all");
    CHECK(decide(rules("a: ALL\n\\\n\nsshd: \\\nALL\n", "")).place.line == 4);
    Surroundings fake = machine_with({});
    fake.read = [](const std::string& path) -> Result<std::string> { return fail("{}: others may write to it", path); };
    const auto decision = HostsAccess(fake).decide("sshd");
    REQUIRE(decision.remarks.size() == 2);
    CHECK(decision.remarks[0].weight == Remark::Weight::Mistake);
}

TEST_CASE("hosts.deny: thousands of addresses", "[config][hosts_access]")
{
    std::string deny;
    for (int i = 0; i < 20'000; ++i) deny += fmt::format("ALL: 10.{}.{}.1\n", i / 250, i % 250);
    const auto decision = decide(rules("", deny));
    REQUIRE(decision.allowed);
    CHECK(AddressSet::everything().without(*decision.allowed).rules().size() == 20'000);
}

TEST_CASE("xinetd: tcp wrappers are part of the lists", "[config][xinetd][hosts_access]")
{
    const auto keys = [](const std::string& allow, const std::string& deny, const std::string& lines) {
        Files files = rules(allow, deny);
        files["/etc/xinetd.conf"] = service("x", lines);
        return keys_of(read(files), "x");
    };
    CHECK(keys("cat: 10.\n", kDenyAll, "")["allow_from"] == "10.0.0.0/8");
    CHECK(keys("x: 10.\n", kDenyAll, "")["deny_from"] == "all");
    CHECK(keys("x: 10.\n", kDenyAll, " libwrap = x\n")["allow_from"] == "10.0.0.0/8");
    CHECK(keys("dog: 10.\n", kDenyAll, " flags = NAMEINARGS\n server_args = /usr/bin/dog\n")["allow_from"] == "10.0.0.0/8");
    CHECK_FALSE(keys("", kDenyAll, " flags = NOLIBWRAP\n").contains("deny_from"));
    CHECK(keys("", "cat: 10.0.0.0/9\n", "")["deny_from"] == "10.0.0.0/9");
    Keys both = keys("cat: 10.0.0.0/9\ncat: [::]/0\n", kDenyAll, " only_from = 10.0.0.0\n no_access = 10.0.0.1\n");
    CHECK(both["allow_from"] == "10.0.0.0/8");
    CHECK(both["deny_from"] == "10.0.0.1, 0.0.0.0-9.255.255.255, 10.128.0.0-255.255.255.255");
    CHECK(both["access_order"] == "deny_first");
    CHECK(keys("cat: ALL\n", kDenyAll, "").contains("allow_from") == false);
    Keys limited = keys("cat: 10.\n", kDenyAll, " only_from = 10.0.0.1\n");
    CHECK(limited["deny_from"] == "0.0.0.0-9.255.255.255, 11.0.0.0-255.255.255.255, ::/0");
    // INTERNAL and redirect go by the name of the service.
    Files files = rules("echo: 10.\n", kDenyAll);
    files["/etc/xinetd.conf"] = "service echo\n{\n type = INTERNAL\n id = e\n socket_type = stream\n wait = no\n}\n";
    CHECK(keys_of(read(files), "e")["allow_from"] == "10.0.0.0/8");
}
