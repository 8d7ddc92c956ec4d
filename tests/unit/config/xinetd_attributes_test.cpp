#include <catch2/catch.hpp>

#include "xinetd_support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

/// An entry whose lines are all given; the first of them is line 3.
Translation entry(const std::string& name, const std::string& lines)
{
    return read("service " + name + "\n{\n" + lines + "}\n");
}

std::string value(const std::string& lines, const std::string& key, const std::string& kind = "stream")
{
    Keys keys = with(lines, kind);
    return keys.contains(key) ? keys[key] : "(none)";
}

const std::string kInternal = " type = INTERNAL\n socket_type = stream\n wait = no\n";

}  // namespace

// ---- 2.4, 2.5: what a service is --------------------------------------------------------------------------------------

TEST_CASE("xinetd: ports come from /etc/services and must agree with it", "[config][xinetd][socket]")
{
    const std::string body = " socket_type = stream\n wait = no\n user = git\n server = /b\n";
    CHECK(keys_of(entry("ftp", body), "ftp")["socket"] == "tcp:21");
    CHECK(keys_of(entry("timserver", body), "timserver")["socket"] == "tcp:37");
    CHECK(keys_of(entry("ftp", body + " port = 21\n"), "ftp")["socket"] == "tcp:21");
    CHECK(remarks_of(entry("ftp", body + " port = 22\n")) == Lines{"mistake xinetd.conf:7 ftp port: expected 21, as in /etc/services, or type = UNLISTED; got 22"});
    CHECK(remarks_of(entry("web", body)) == Lines{"mistake xinetd.conf:1 web service: /etc/services has no 'web' for tcp: expected type = UNLISTED and a port"});
    CHECK(remarks_of(entry("tftp", body)) == Lines{"mistake xinetd.conf:1 tftp service: /etc/services has no 'tftp' for tcp: expected type = UNLISTED and a port"});
    CHECK(remarks_of(entry("web", body + " type = UNLISTED\n port = 0\n")) == Lines{"mistake xinetd.conf:8 web port: expected a number from 1 to 65535, got '0'"});
    CHECK(remarks_of(entry("web", body + " type = UNLISTED\n port = http\n")) == Lines{"mistake xinetd.conf:8 web port: expected a number from 1 to 65535, got 'http'"});
}

TEST_CASE("xinetd: socket types and protocols", "[config][xinetd][socket]")
{
    const std::string body = " type = UNLISTED\n port = 1\n wait = no\n user = git\n server = /b\n";
    CHECK(keys_of(entry("x", body + " protocol = tcp\n"), "x")["socket"] == "tcp:1");
    CHECK(keys_of(entry("x", body + " socket_type = stream\n protocol = sctp\n"), "x")["socket"] == "sctp:1");
    CHECK(remarks_of(entry("x", body + " socket_type = raw\n")) == Lines{"mistake xinetd.conf:8 x socket_type: 'raw' sockets are not supported"});
    CHECK(remarks_of(entry("x", body + " socket_type = seqpacket\n")) == Lines{"mistake xinetd.conf:8 x socket_type: 'seqpacket' sockets are not supported"});
    CHECK(remarks_of(entry("x", body + " socket_type = pipe\n")) == Lines{"mistake xinetd.conf:8 x socket_type: expected stream or dgram, got 'pipe'"});
    CHECK(remarks_of(entry("x", body + " socket_type = stream\n protocol = udp\n")) == Lines{"mistake xinetd.conf:9 x protocol: 'udp' has no stream sockets"});
    CHECK(remarks_of(entry("x", body + " socket_type = stream\n protocol = tcp6\n")) ==
          Lines{"mistake xinetd.conf:9 x protocol: expected tcp or udp, got 'tcp6'; the family is a flag: flags = IPv4, flags = IPv6"});
    CHECK(remarks_of(entry("x", body + " socket_type = dgram\n")) ==
          Lines{"mistake xinetd.conf:5 x wait: datagrams need wait = yes: there is no connection that a server could be started for"});
}

TEST_CASE("xinetd: families and addresses", "[config][xinetd][socket]")
{
    CHECK(value("", "socket") == "tcp:4000");
    CHECK(value(" flags = IPv4\n", "socket") == "tcp4:4000");
    CHECK(value(" flags = IPv6\n", "socket") == "tcp:4000");
    CHECK(value(" flags = IPv4 IPv6\n", "socket") == "tcp:4000");
    CHECK(value(" flags = IPv6\n v6only = yes\n", "socket") == "tcp6:4000");
    CHECK(value(" v6only = no\n", "socket") == "tcp:4000");
    CHECK(remarks_with(" v6only = no\n") == Lines{"warning xinetd.conf:9 x v6only: 'no' lets IPv4 callers in as well; with xinetd it did not, whatever it said"});
    CHECK(value(" bind = 10.0.0.1\n", "socket") == "tcp:10.0.0.1:4000");
    CHECK(value(" interface = ::1\n", "socket") == "tcp:[::1]:4000");
    CHECK(value(" bind = 0.0.0.0\n", "socket") == "tcp4:4000");
    CHECK(value(" bind = ::\n", "socket") == "tcp:4000");
    CHECK(value(" bind = ::\n v6only = yes\n", "socket") == "tcp6:4000");
    CHECK(value(" bind = four.example\n", "socket") == "tcp:192.0.2.4:4000");
    CHECK(value(" bind = web.example\n", "socket") == "tcp:[2001:db8::7]:4000");
    CHECK(value(" bind = web.example\n flags = IPv4\n", "socket") == "tcp:192.0.2.7:4000");
    CHECK(value(" bind = 10.0.0.1\n", "socket", "dgram") == "udp:10.0.0.1:4000");
    CHECK(remarks_with(" bind = 10.0.0.1\n flags = IPv6\n") == Lines{"mistake xinetd.conf:9 x bind: '10.0.0.1' does not go with flags = IPv6"});
    CHECK(remarks_with(" bind = four.example\n flags = IPv6\n") == Lines{"mistake xinetd.conf:9 x bind: 'four.example' has no IPv6 address"});
    CHECK(remarks_with(" bind = no.example\n") == Lines{"mistake xinetd.conf:9 x bind: the host name 'no.example' has no address"});
    CHECK(remarks_with(" bind = a\n interface = b\n")[0] == "warning xinetd.conf:10 x bind: given twice, the first one counts");
}

TEST_CASE("xinetd: INTERNAL services are ours", "[config][xinetd][internal]")
{
    Keys echo = keys_of(entry("echo", kInternal + " user = root\n id = echo-stream\n"), "echo-stream");
    CHECK(echo == Keys{{"socket", "tcp:7"}, {"command", "builtin:echo"}, {"activation", "per_connection"}, {"max_instances", "0"},
                       {"overload", "refuse"}, {"max_rate", "50/1s"}, {"connection_log", "none"}});
    CHECK(keys_of(entry("echo", " type = INTERNAL\n socket_type = dgram\n wait = yes\n"), "echo") ==
          Keys{{"socket", "udp:7"}, {"command", "builtin:echo"}, {"activation", "on_demand"}, {"connection_log", "none"}});
    CHECK(remarks_of(entry("servers", " type = INTERNAL UNLISTED\n port = 9099\n socket_type = stream\n wait = no\n")) ==
          Lines{"mistake xinetd.conf:1 servers service: there is no INTERNAL service 'servers': expected echo, discard, chargen, daytime, time or tcpmux"});
    CHECK(remarks_of(entry("echo", kInternal + " server = /b\n")) == Lines{"warning xinetd.conf:6 echo server: ignored: the service is INTERNAL"});
    CHECK(remarks_of(entry("echo", kInternal + " flags = NAMEINARGS\n")) == Lines{"mistake xinetd.conf:6 echo flags: NAMEINARGS does not go with an INTERNAL service"});
}

TEST_CASE("xinetd: tcpmux", "[config][xinetd][tcpmux]")
{
    const std::string body = " socket_type = stream\n protocol = tcp\n wait = no\n user = git\n server = /b\n";
    CHECK(keys_of(entry("date", body + " type = TCPMUX UNLISTED\n"), "date")["socket"] == "tcpmux:date");
    CHECK(keys_of(entry("date", body + " type = TCPMUXPLUS UNLISTED\n"), "date")["socket"] == "tcpmux:+date");
    CHECK(remarks_of(entry("date", body + " type = TCPMUX\n")) == Lines{"mistake xinetd.conf:8 date type: TCPMUX needs UNLISTED beside it"});
    CHECK(remarks_of(entry("date", " socket_type = dgram\n wait = yes\n user = git\n server = /b\n type = TCPMUX UNLISTED\n")) ==
          Lines{"mistake xinetd.conf:7 date type: TCPMUX needs protocol = tcp", "mistake xinetd.conf:7 date type: TCPMUX needs wait = no"});
}

TEST_CASE("xinetd: RPC", "[config][xinetd][rpc]")
{
    const std::string body = " socket_type = dgram\n protocol = udp\n wait = yes\n user = root\n server = /b\n";
    CHECK(keys_of(entry("rstatd", body + " type = RPC\n rpc_version = 2-4\n"), "rstatd")["rpc"] == "100001/2-4");
    CHECK(keys_of(entry("rstatd", body + " type = RPC\n rpc_version = 2-4\n"), "rstatd")["socket"] == "udp4:0");
    CHECK(keys_of(entry("rup", body + " type = RPC\n rpc_version = 1\n"), "rup")["rpc"] == "100001/1");
    CHECK(keys_of(entry("mine", body + " type = RPC UNLISTED\n rpc_version = 1\n rpc_number = 300019\n"), "mine")["rpc"] == "300019/1");
    CHECK(remarks_of(entry("mine", body + " type = RPC\n")) ==
          Lines{"mistake xinetd.conf:1 mine rpc_version: missing: type = RPC needs it", "mistake xinetd.conf:1 mine service: /etc/rpc has no 'mine': expected type = RPC UNLISTED and rpc_number"});
    CHECK(remarks_of(entry("mine", body + " type = RPC UNLISTED\n rpc_version = 1\n")) == Lines{"mistake xinetd.conf:1 mine rpc_number: missing: an UNLISTED service of type RPC needs it"});
    CHECK(remarks_of(entry("rup", body + " type = RPC\n rpc_version = 3-2\n")) == Lines{"mistake xinetd.conf:9 rup rpc_version: the range '3-2' ends before it begins"});
    CHECK(remarks_of(entry("rup", body + " type = RPC\n rpc_version = x\n")) == Lines{"mistake xinetd.conf:9 rup rpc_version: expected a number from 0 to 4294967295, got 'x'"});
    CHECK(remarks_of(entry("rup", body + " type = RPC\n rpc_version = 1\n port = 5\n")) ==
          Lines{"mistake xinetd.conf:10 rup port: does not go with type = RPC: rpcbind tells callers the port"});
}

TEST_CASE("xinetd: redirect", "[config][xinetd][redirect]")
{
    const std::string body = " type = UNLISTED\n port = 1\n socket_type = stream\n wait = no\n user = git\n";
    CHECK(keys_of(entry("x", body + " redirect = 10.0.0.1 23\n"), "x") ==
          Keys{{"socket", "tcp:1"}, {"activation", "per_connection"}, {"proxy_to", "tcp:10.0.0.1:23"}, {"max_instances", "0"},
               {"overload", "refuse"}, {"max_rate", "50/1s"}, {"connection_log", "none"}});
    CHECK(keys_of(entry("x", body + " redirect = web.example telnet\n"), "x")["proxy_to"] == "tcp:192.0.2.7:telnet");
    CHECK(keys_of(entry("x", body + " redirect = ::1 23\n"), "x")["proxy_to"] == "tcp:[::1]:23");
    CHECK(remarks_of(entry("x", body + " redirect = no.example 23\n")) == Lines{"mistake xinetd.conf:8 x redirect: the host name 'no.example' has no IPv4 address"});
    CHECK(remarks_of(entry("x", body + " redirect = 10.0.0.1 23\n server = /b\n")) == Lines{"warning xinetd.conf:9 x server: ignored beside redirect"});
    CHECK(remarks_of(entry("x", " type = UNLISTED\n port = 1\n socket_type = dgram\n wait = yes\n redirect = 10.0.0.1 23\n")) ==
          Lines{"mistake xinetd.conf:7 x redirect: needs wait = no", "mistake xinetd.conf:7 x redirect: needs socket_type = stream", "mistake xinetd.conf:1 x user: missing"});
    CHECK(remarks_of(entry("x", body + " redirect = 10.0.0.1 23\n flags = NAMEINARGS\n"))[0] == "mistake xinetd.conf:9 x flags: NAMEINARGS does not go with redirect");
}

TEST_CASE("xinetd: flags", "[config][xinetd][flags]")
{
    CHECK(value(" flags = NODELAY KEEPALIVE\n", "socket_options") == "nodelay, keepalive");
    CHECK(value(" flags = KEEPALIVE\n", "socket_options") == "keepalive");
    CHECK(value("", "socket_options") == "(none)");
    CHECK(remarks_with(" flags = REUSE NORETRY\n") == Lines{"warning xinetd.conf:9 x flags: REUSE is ignored: addresses are always reused",
                                                            "warning xinetd.conf:9 x flags: NORETRY is ignored: a caller waits until a process can be made"});
    CHECK(remarks_with(" flags = INTERCEPT\n", "dgram") == Lines{"mistake xinetd.conf:9 x flags: INTERCEPT is not supported: nobody would check the callers of a running server"});
    CHECK(remarks_with(" flags = INTERCEPT\n") == Lines{"warning xinetd.conf:9 x flags: INTERCEPT is ignored, as by xinetd: it is for external servers with wait = yes"});
    CHECK(remarks_with(" flags = IDONLY\n") == Lines{"mistake xinetd.conf:9 x flags: IDONLY is not supported: callers are not asked for their user (ident)"});
    CHECK(remarks_with(" flags = LABELED\n") == Lines{"mistake xinetd.conf:9 x flags: LABELED is not supported: the server would run without the caller's security label"});
    CHECK(remarks_with(" flags =\n") == Lines{"mistake xinetd.conf:9 x flags: expected at least one word"});
    CHECK(remarks_with(" flags = FAST\n")[0].starts_with("mistake xinetd.conf:9 x flags: 'FAST' is unknown: expected intercept, "));
}

TEST_CASE("xinetd: SENSOR", "[config][xinetd][flags]")
{
    const std::string body = " type = UNLISTED\n port = 1\n socket_type = stream\n wait = no\n flags = SENSOR\n";
    Keys keys = keys_of(entry("trap", body + " deny_time = 60\n"), "trap");
    CHECK(keys["command"] == "builtin:sensor");
    CHECK(keys["deny_time"] == "60m");
    CHECK(keys_of(entry("trap", body + " deny_time = FOREVER\n"), "trap")["deny_time"] == "forever");
    CHECK(keys_of(entry("trap", body + " deny_time = NEVER\n"), "trap")["deny_time"] == "never");
    CHECK_FALSE(keys_of(entry("trap", body), "trap").contains("deny_time"));
    CHECK(remarks_of(entry("trap", body + " deny_time = soon\n")) == Lines{"mistake xinetd.conf:8 trap deny_time: expected a number from -1 to 16777216, got 'soon'"});
    CHECK(remarks_with(" deny_time = 5\n") == Lines{"warning xinetd.conf:9 x deny_time: ignored: it belongs to flags = SENSOR"});
}

// ---- the server -------------------------------------------------------------------------------------------------------

TEST_CASE("xinetd: the server's arguments", "[config][xinetd][server]")
{
    CHECK(value("", "command") == "/bin/cat");
    CHECK(value(" server_args = -n $HOME *\n", "command") == "/bin/cat -n '$HOME' '*'");
    CHECK(value("", "argv0") == "cat");
    CHECK(value(" flags = NAMEINARGS\n server_args = dog -n\n", "command") == "/bin/cat -n");
    CHECK(value(" server_args = dog -n\n flags = NAMEINARGS\n", "argv0") == "dog");
    CHECK(remarks_with(" flags = NAMEINARGS\n") == Lines{"mistake xinetd.conf:1 x server_args: missing: flags = NAMEINARGS takes argv[0] from it"});
    CHECK(remarks_with(" server_args =\n") == Lines{"mistake xinetd.conf:9 x server_args: expected at least one word"});
    const Translation relative = entry("x", " type = UNLISTED\n port = 1\n socket_type = stream\n wait = no\n user = git\n server = bin/f\n");
    CHECK(keys_of(relative, "x")["command"] == "/bin/f");
    CHECK(remarks_of(relative) == Lines{"warning xinetd.conf:8 x server: 'bin/f' is looked for in / : expected an absolute path"});
}

TEST_CASE("xinetd: identity", "[config][xinetd][server]")
{
    Keys keys = with(" group = staff\n");
    CHECK(keys["group"] == "staff");
    CHECK(keys["supplementary_groups"].empty());
    CHECK(value(" groups = yes\n", "supplementary_groups") == "(none)");
    CHECK(value("", "group") == "(none)");
    CHECK(remarks_with(" groups = maybe\n") == Lines{"mistake xinetd.conf:9 x groups: expected yes or no, got 'maybe'"});
    // A number is its own group.
    Keys number = keys_of(entry("x", " type = UNLISTED\n port = 1\n socket_type = stream\n wait = no\n user = 0\n server = /b\n"), "x");
    CHECK(number["group"] == "0");
    // Who is not root cannot change groups, and xinetd does not try.
    Surroundings fake = machine_with({{"/etc/xinetd.conf", service("x", " group = staff\n")}});
    fake.uid = 500;
    Keys ordinary = keys_of(translate_xinetd({"/etc/xinetd.conf"}, fake, {}), "x");
    CHECK(ordinary["user"] == "git");
    CHECK_FALSE(ordinary.contains("group"));
    CHECK_FALSE(ordinary.contains("supplementary_groups"));
}

TEST_CASE("xinetd: umask, nice and limits", "[config][xinetd][server]")
{
    CHECK(value(" umask = 7\n", "umask") == "007");
    CHECK(remarks_with(" umask = 1000\n") == Lines{"mistake xinetd.conf:9 x umask: expected an octal number up to 777, got '1000'"});
    CHECK(remarks_with(" umask = 08\n") == Lines{"mistake xinetd.conf:9 x umask: expected an octal number up to 777, got '08'"});
    CHECK(value(" nice = -5\n", "nice") == "-5");
    CHECK(value(" nice = 40\n", "nice") == "19");
    CHECK(value(" rlimit_files = 100\n rlimit_as = 8M\n rlimit_cpu = 20\n rlimit_data = 512k\n rlimit_rss = UNLIMITED\n rlimit_stack = 1048576\n", "limits") ==
          "nofile=100 as=8388608 cpu=20 data=524288 rss=unlimited stack=1048576");
    CHECK(value(" rlimit_cpu = 20\n", "limits") == "nofile=4096 cpu=20");
    CHECK(remarks_with(" rlimit_as = 0\n") == Lines{"warning xinetd.conf:9 x rlimit_as: 0 is ignored, as by xinetd"});
    CHECK(remarks_with(" rlimit_as = 8G\n") == Lines{"mistake xinetd.conf:9 x rlimit_as: expected UNLIMITED or a number, optionally with K or M, got '8G'"});
    CHECK(remarks_with(" rlimit_cpu = 2m\n") == Lines{"mistake xinetd.conf:9 x rlimit_cpu: expected UNLIMITED or a number, got '2m'"});
}

TEST_CASE("xinetd: the environment", "[config][xinetd][server]")
{
    CHECK(value(" env = A=1 B=x=y\n env += C=\n", "environment") == "A=\"1\",B=\"x=y\",C=\"\"");
    CHECK(value(" env = A=1\n env = B=2\n", "environment") == "B=\"2\"");
    CHECK(remarks_with(" env = A\n") == Lines{"mistake xinetd.conf:9 x env: 'A' has no '='"});
    CHECK(remarks_with(" env -= A=1\n")[0] == "mistake xinetd.conf:9 x env: '-=' is not for env");
    CHECK(value("", "inherit_env") == "yes");
    CHECK(value(" passenv = COLOR\n passenv += PATH\n", "inherit_env") == "COLOR,PATH");
    CHECK(value(" passenv =\n", "inherit_env") == "no");
    CHECK(value(" passenv = COLOR PATH\n passenv -= COLOR\n", "inherit_env") == "PATH");
    CHECK(remarks_with(" passenv = NONE\n") == Lines{"warning xinetd.conf:9 x passenv: 'NONE' is not set, so it is not passed"});
    CHECK(value(" passenv = NONE\n", "inherit_env") == "no");
}

// ---- 2.7: who, when, how many ------------------------------------------------------------------------------------------

TEST_CASE("xinetd: how many and how often", "[config][xinetd][limits]")
{
    CHECK(value(" instances = 3\n", "max_instances") == "3");
    CHECK(value(" per_source = 2\n", "max_per_source") == "2");
    CHECK(value(" cps = 25 30\n", "max_rate") == "25/1s");
    CHECK(remarks_with(" cps = 25 30\n") == Lines{"note xinetd.conf:9 x cps: callers beyond 25 a second wait; the port is never closed for 30 s"});
    CHECK(value(" cps = 25 30\n", "backoff_max", "dgram") == "30s");
    CHECK(value(" cps = 25 30\n", "max_rate", "dgram") == "(none)");
    CHECK(remarks_with(" cps = -1 5\n") == Lines{"mistake xinetd.conf:9 x cps: expected a number from 0 to 2147483647, got '-1'"});
    CHECK(value(" instances = 0\n", "deny_from") == "all");
    CHECK(value(" per_source = 0\n only_from = 10.0.0.1\n", "deny_from") == "all");
    CHECK(remarks_with(" instances = some\n") == Lines{"mistake xinetd.conf:9 x instances: expected a number from 0 to 2147483647, got 'some'"});
    CHECK(value(" max_load = 2.5\n", "max_load") == "2.5");
    CHECK(remarks_with(" max_load = 0\n") == Lines{"mistake xinetd.conf:9 x max_load: expected a number above 0, got '0'"});
    CHECK(remarks_with(" max_load = 2,5\n") == Lines{"mistake xinetd.conf:9 x max_load: expected a number above 0, got '2,5'"});
}

TEST_CASE("xinetd: the minute at the end of access_times is inside", "[config][xinetd][limits]")
{
    CHECK(value(" access_times = 2:00-8:59 12:00-23:59\n", "access_hours") == "02:00-09:00, 12:00-24:00");
    CHECK(value(" access_times = 22:00-6:00\n", "access_hours") == "22:00-06:01");
    CHECK(remarks_with(" access_times = 22:00-6:00 5:00-24:00\n") ==
          Lines{"note xinetd.conf:9 x access_times: '22:00-6:00' goes over midnight; xinetd refuses it", "note xinetd.conf:9 x access_times: '5:00-24:00' goes on until midnight; xinetd refuses it"});
    CHECK(value(" access_times = 0:00-23:59\n", "access_hours") == "00:00-24:00");
    CHECK(remarks_with(" access_times =\n") == Lines{"mistake xinetd.conf:9 x access_times: expected at least one interval"});
    for (const char* word : {"9:00", "9-17", "25:00-26:00", "9:60-10:00", "a:b-c:d"})
        CHECK(remarks_with(std::string(" access_times = ") + word + "\n") == Lines{std::string("mistake xinetd.conf:9 x access_times: expected HH:MM-HH:MM, got '") + word + "'"});
}

TEST_CASE("xinetd: every form of an address", "[config][xinetd][access]")
{
    const auto rules = [](const std::string& words) { return value(" only_from = " + words + "\n", "allow_from"); };
    CHECK(rules("192.0.2.7") == "192.0.2.7");
    CHECK(rules("192.0.2.0") == "192.0.2.0/24");
    CHECK(rules("192.1.0.0 10.0.0.0") == "192.1.0.0/16, 10.0.0.0/8");
    CHECK(rules("0.0.0.0") == "0.0.0.0/0");
    CHECK(rules("192.0.2.{4,5,8}") == "192.0.2.4, 192.0.2.5, 192.0.2.8");
    CHECK(rules("192.0.{2,3}") == "192.0.2.0/24, 192.0.3.0/24");
    CHECK(rules("{9}") == "9.0.0.0/8");
    CHECK(rules("192.0.2.0/25 192.0.2.9/24") == "192.0.2.0/25, 192.0.2.0/24");
    CHECK(rules("fe80::/10 fe80::1") == "fe80::/10, fe80::1");
    // What it matches on a socket for both families.
    CHECK(rules("::/0") == "::/0, 0.0.0.0/0");
    CHECK(rules("::ffff:0:0/90") == "::ffff:0:0/90, 0.0.0.0/0");
    CHECK(value(" flags = IPv4\n only_from = ::/0\n", "allow_from") == "::/0");
    CHECK(rules("web.example") == "web.example");
    CHECK(remarks_with(" only_from = web.example\n") == Lines{"note xinetd.conf:9 x only_from: 'web.example' means its addresses, now 192.0.2.7, 2001:db8::7; callers' names are not looked up"});
    CHECK(value(" only_from = web.example 10.0.0.1\n only_from -= web.example\n", "allow_from") == "10.0.0.1");
    CHECK(rules("slow.example") == "slow.example");
    CHECK(remarks_with(" no_access = slow.example\n") == Lines{"mistake xinetd.conf:9 x no_access: nobody answers"});
    CHECK(rules("localhost") == "127.0.0.1, ::1");   // with us the name stands for more
    CHECK(rules("192.0.2.7 192.0.2.7") == "192.0.2.7");

    // What xinetd makes of it, and somebody else would not.
    CHECK(rules("1.2.3") == "1.2.0.3");
    CHECK(remarks_with(" only_from = 1.2.3\n") == Lines{"warning xinetd.conf:9 x only_from: '1.2.3' means 1.2.0.3 to xinetd"});
    CHECK(rules("010.1.2.3") == "8.1.2.3");
    CHECK(rules("10.0.0.0/255.0.0.0") == "10.0.0.0");
    CHECK(rules("10.0.0.0/40") == "10.0.0.0");
    CHECK(rules("::") == "::");
    CHECK(remarks_with(" only_from = ::\n") == Lines{"warning xinetd.conf:9 x only_from: '::' matches no caller in xinetd; everybody is ::/0"});
}

TEST_CASE("xinetd: addresses that cannot be read stop the service", "[config][xinetd][access]")
{
    const auto mistake = [](const std::string& word) { return remarks_with(" no_access = " + word + "\n").at(0); };
    CHECK(mistake("10.0.0.1,10.0.0.2") == "mistake xinetd.conf:9 x no_access: '10.0.0.1,10.0.0.2': blanks separate addresses, not commas");
    CHECK(mistake("no.example") == "mistake xinetd.conf:9 x no_access: 'no.example' is no address and no host that is known (networks are not looked up by name): the host name 'no.example' has no address");
    CHECK(mistake("300.1.1.1").starts_with("mistake"));
    CHECK(mistake("10.0.0.0/x") == "mistake xinetd.conf:9 x no_access: '10.0.0.0/x': expected a prefix length from 0 to 32, got 'x'");
    CHECK(mistake("fe80::/129") == "mistake xinetd.conf:9 x no_access: 'fe80::/129': expected a prefix length from 0 to 128, got '129'");
    CHECK(mistake("net/8") == "mistake xinetd.conf:9 x no_access: 'net/8' is no address");
    for (const char* word : {"10.1.{2", "10.1{2}", "10.1.2.3.{4}", "10.1.{}", "10.1.{2,,3}", "10.1.{256}", "10..{1}", "10.1.{2}x", "10.1.{a}"})
        CHECK(mistake(word) == std::string("mistake xinetd.conf:9 x no_access: '") + word + "': expected octets, a dot, and octets in braces, as in 10.1.2.{3,4}");
}

TEST_CASE("xinetd: domains cannot be checked", "[config][xinetd][access]")
{
    CHECK(remarks_with(" only_from = .example.org 10.0.0.1\n") == Lines{"warning xinetd.conf:9 x only_from: '.example.org' is not supported: callers' names are not looked up"});
    CHECK(value(" only_from = .example.org 10.0.0.1\n", "allow_from") == "10.0.0.1");
    CHECK(remarks_with(" no_access = .example.org\n") == Lines{"mistake xinetd.conf:9 x no_access: '.example.org' is not supported: callers' names are not looked up"});
    CHECK(remarks_with(" only_from = .example.org\n")[1] == "mistake xinetd.conf:9 x only_from: an empty list lets nobody in");
    CHECK(value(" only_from = .example.org\n", "deny_from") == "all");
}

TEST_CASE("xinetd: lists of addresses", "[config][xinetd][access]")
{
    CHECK(value(" only_from =\n", "deny_from") == "all");
    CHECK(remarks_with(" only_from =\n") == Lines{"note xinetd.conf:9 x only_from: an empty list lets nobody in"});
    CHECK(value(" no_access =\n", "deny_from") == "(none)");
    CHECK(value(" only_from = 10.0.0.0\n only_from = 11.0.0.0\n", "allow_from") == "11.0.0.0/8");
    CHECK(value(" only_from = 10.1.{2,3}\n only_from -= 10.1.2.0/24\n", "allow_from") == "10.1.3.0/24");
    Keys both = with(" only_from = 10.0.0.0\n no_access = 10.1.0.0\n");
    CHECK(both["allow_from"] == "10.0.0.0/8");
    CHECK(both["deny_from"] == "10.1.0.0/16");
    CHECK(both["access_order"] == "deny_first");
    CHECK(value(" no_access = 10.1.0.0\n", "access_order") == "(none)");
}

TEST_CASE("xinetd: banners", "[config][xinetd][banner]")
{
    CHECK(value(" banner = /a\n banner_success = /s\n banner_fail = /f\n", "greeting") == "/a, /s");
    CHECK(value(" banner = /a\n banner_success = /s\n banner_fail = /f\n", "refusal") == "/a, /f");
    CHECK(value(" banner_fail = /f\n", "greeting") == "(none)");
    CHECK(remarks_with(" banner_fail = /f,g\n") == Lines{"mistake xinetd.conf:9 x banner_fail: the name of a file cannot have a comma"});
    CHECK(remarks_with(" banner = /a\n", "dgram") == Lines{"warning xinetd.conf:9 x banner: ignored: the server itself takes the callers"});
}

// ---- 2.10 --------------------------------------------------------------------------------------------------------------

TEST_CASE("xinetd: logging", "[config][xinetd][log]")
{
    Keys keys = with(" log_on_success = PID HOST EXIT DURATION\n log_on_failure = HOST ATTEMPT\n");
    CHECK(keys["connection_log_format"] == "xinetd");
    CHECK(keys["connection_log_success"] == "pid host exit duration");
    CHECK(keys["connection_log_failure"] == "host attempt");
    CHECK(keys["connection_log_to"] == "syslog:daemon.info");
    CHECK_FALSE(keys.contains("connection_log"));
    CHECK(value(" log_on_success = PID\n log_on_success -= pid\n", "connection_log") == "none");
    CHECK(remarks_with(" log_on_success = PID USERID TRAFFIC\n") == Lines{"warning xinetd.conf:9 x log_on_success: USERID is ignored: callers are not asked for their user (ident)",
                                                                          "warning xinetd.conf:9 x log_on_success: TRAFFIC is ignored: bytes are not counted"});
    CHECK(remarks_with(" log_on_failure = PID\n") == Lines{"mistake xinetd.conf:9 x log_on_failure: 'PID' is unknown"});
}

TEST_CASE("xinetd: where the log goes", "[config][xinetd][log]")
{
    const auto to = [](const std::string& type) { return value(" log_on_success = PID\n log_type = " + type + "\n", "connection_log_to"); };
    CHECK(to("SYSLOG authpriv") == "syslog:authpriv.info");
    CHECK(to("SYSLOG local3 warning") == "syslog:local3.warning");
    CHECK(to("FILE /var/log/x") == "file:/var/log/x");
    CHECK(to("FILE /var/log/x 1000") == "file:/var/log/x,1000,6120");
    CHECK(to("FILE /var/log/x 1M") == "file:/var/log/x,1048576,1059061");
    CHECK(to("FILE /var/log/x 100M") == "file:/var/log/x,104857600,104878080");
    CHECK(to("FILE /var/log/x 10K 20k") == "file:/var/log/x,10240,20480");
    for (const char* wrong : {"", "JOURNAL", "FILE", "SYSLOG", "SYSLOG nowhere", "SYSLOG daemon loud", "FILE /x 1 2 3", "FILE /x soft", "FILE /x 2 1"})
        CHECK(remarks_with(std::string(" log_type = ") + wrong + "\n").at(0).starts_with("mistake xinetd.conf:9 x log_type: "));
    // In the defaults the last line counts.
    CHECK(keys_of(read("defaults\n{\n log_type = SYSLOG auth\n log_type = FILE /l\n log_on_success = PID\n}\n" + service("x", "")), "x")["connection_log_to"] == "file:/l");
}
