#include <catch2/catch.hpp>

#include "sys/endpoint.h"

using namespace xsv;
using sys::Endpoint;
using sys::Family;
using sys::SocketType;

TEST_CASE("endpoints have one canonical spelling", "[sys][endpoint]")
{
    const std::pair<const char*, const char*> spellings[] = {
        {"tcp:80", "tcp:80"}, {" TCP:80 ", "tcp:80"}, {"tcp:*:80", "tcp:80"}, {"tcp://*:80", "tcp:80"}, {"tcp:http", "tcp:80"},
        {"tcp4:80", "tcp4:80"}, {"tcp:0.0.0.0:80", "tcp4:80"}, {"tcp6:80", "tcp6:80"}, {"tcp:[::]:80", "tcp6:80"},
        {"tcp4:127.0.0.1:80", "tcp:127.0.0.1:80"}, {"tcp://127.0.0.1:80", "tcp:127.0.0.1:80"}, {"tcp:localhost:80", "tcp:127.0.0.1:80"},
        {"tcp6:localhost:80", "tcp:[::1]:80"}, {"tcp:[0:0::0:1]:80", "tcp:[::1]:80"}, {"tcp:[fe80::1%eth0]:80", "tcp:[fe80::1%eth0]:80"},
        {"udp:69", "udp:69"}, {"udp6:[::1]:69", "udp:[::1]:69"}, {"udp4:69", "udp4:69"}, {"udp:tftp", "udp:69"},
        {"unix:/run/x.sock", "unix:/run/x.sock"}, {"unix:///run/x.sock", "unix:/run/x.sock"}, {"unix:/run//./x", "unix:/run/x"},
        {"unix:@name", "unix:@name"}, {"unix-dgram:/dev/log", "unix-dgram:/dev/log"}, {"unix-seqpacket:@q", "unix-seqpacket:@q"},
        {"fifo:/run/initctl", "fifo:/run/initctl"}, {"web=tcp:80", "tcp:80"}, {"unix:/run/a=b", "unix:/run/a=b"},
    };
    for (const auto& [written, canonical] : spellings) {
        INFO(written);
        auto endpoint = Endpoint::parse(written);
        REQUIRE(endpoint);
        CHECK(endpoint->text() == canonical);
        auto again = Endpoint::parse(canonical);
        REQUIRE(again);
        again->name = endpoint->name;
        CHECK(*again == *endpoint);
    }
    CHECK(Endpoint::parse("web=tcp:80")->name == "web");
    CHECK(Endpoint::parse("unix:/run/a=b")->name.empty());
    CHECK(Endpoint::parse("tcp:80")->family == Family::Dual);
    CHECK(Endpoint::parse("tcp:[::1]:80")->family == Family::Inet6);
    CHECK(Endpoint::parse("unix-dgram:/x")->type == SocketType::Datagram);
    CHECK(Endpoint::parse("unix-seqpacket:" + std::string(1, '/') + std::string(106, 'x'))->text().size() < 136);
    CHECK(("socket " + Endpoint::parse("mqueue:/" + std::string(119, 'x'))->text()).size() < 136);
}

TEST_CASE("a wrong endpoint says what is wrong with it", "[sys][endpoint]")
{
    const std::pair<std::string, const char*> wrong[] = {
        {"", "expected tcp:"}, {"80", "expected tcp:"}, {"tpc:80", "expected tcp:"}, {"=tcp:80", "name before '=' is missing"},
        {"tcp:", "got nothing"}, {"tcp:0", "from 1 to 65535"}, {"tcp:65536", "from 1 to 65535"}, {"tcp:-1", "from 1 to 65535"},
        {"tcp:nosuchservice", "/etc/services"}, {"tcp:example.org:80", "numeric address"}, {"tcp:::1:80", "in brackets"},
        {"tcp:[::1]80", "[address]:port"}, {"tcp4:[::1]:80", "IPv6 address"}, {"tcp6:127.0.0.1:80", "IPv4 address"},
        {"tcp:[127.0.0.1]:80", "IPv4 address"}, {"tcp:127.0.0.1%eth0:80", "numeric address"}, {"tcp:[::1%]:80", "interface"},
        {"unix:x", "absolute path or @name"}, {"unix:", "absolute path"}, {"unix:@", "absolute path"}, {"unix:/run/", "directory"},
        {"fifo:@x", "absolute path"}, {"unix:/a\nb", "control characters"}, {"unix:/" + std::string(107, 'x'), "at most 107"},
        {"fifo:/" + std::string(120, 'x'), "at most 120"},
    };
    for (const auto& [written, part] : wrong) {
        INFO(written);
        auto endpoint = Endpoint::parse(written);
        REQUIRE_FALSE(endpoint);
        CHECK_THAT(endpoint.error().message, Catch::Contains(part));
    }
}

TEST_CASE("endpoints beyond TCP, UDP and unix have one spelling each", "[sys][endpoint]")
{
    const std::pair<const char*, const char*> good[] = {
        {"vsock:any:22", "vsock:any:22"}, {"vsock::22", "vsock:any:22"}, {"vsock-seqpacket:3:1024", "vsock-seqpacket:3:1024"}, {"vsock-dgram:2:4294967294", "vsock-dgram:2:4294967294"},
        {"sctp:80", "sctp:80"}, {"sctp4:80", "sctp4:80"}, {"mptcp:[::1]:80", "mptcp:[::1]:80"}, {"udplite6:69", "udplite6:69"},
        {"netlink:kobject-uevent/1", "netlink:kobject-uevent/1"}, {"netlink:route", "netlink:route"}, {"file:/dev/x", "file:/dev/x"}, {"mqueue:/x", "mqueue:/x"}, {"tcpmux:ftp", "tcpmux:ftp"}, {"tcpmux:+ftp", "tcpmux:+ftp"},
    };
    for (const auto& [written, text] : good) {
        INFO(written);
        const auto endpoint = Endpoint::parse(written);
        REQUIRE(endpoint);
        CHECK(endpoint->text() == text);
        CHECK(*Endpoint::parse(endpoint->text()) == *endpoint);
    }
    const std::pair<const char*, const char*> wrong[] = {
        {"vsock:22", "expected CID:port"}, {"vsock:me:22", "a context number or any"}, {"vsock:any:x", "a port"}, {"netlink:none", "the name of a netlink family"},
        {"netlink:route/x", "a number of multicast groups"}, {"file:x", "an absolute path"}, {"mqueue:/a/b", "one '/'"}, {"tcpmux:a/b", "NAME or +NAME"}, {"tcpmux:+", "NAME or +NAME"}, {"file:@x", "an absolute path"},
    };
    for (const auto& [written, part] : wrong) {
        INFO(written);
        const auto endpoint = Endpoint::parse(written);
        REQUIRE_FALSE(endpoint);
        CHECK_THAT(endpoint.error().message, Catch::Contains(part));
    }
}

TEST_CASE("socket options are words", "[sys][endpoint]")
{
    sys::SocketOptions options;
    REQUIRE(sys::parse_socket_options("v6only=no, reuseport,nodelay  keepalive=60/10/5 device=lo,defer_accept=3s sndbuf=1m dir_mode=0750 symlink=/run/x keep_path "
                                      "timestamp=us tos=184 ttl=3 priority=6 mark=7 congestion=cubic pipebuf=4096 nonblock freebind passcred",
                                      options));
    sys::SocketOptions expected;
    expected.v6only = false;
    expected.reuseport = expected.nodelay = expected.keepalive = expected.keep_path = expected.nonblock = true;
    expected.timestamp = sys::SocketOptions::Stamps::Micro;
    expected.freebind = expected.passcred = true;
    expected.keepalive_idle = 60;
    expected.keepalive_interval = 10;
    expected.keepalive_probes = 5;
    expected.device = "lo";
    expected.defer_accept = 3;
    expected.send_buffer = 1 << 20;
    expected.dir_mode = 0750;
    expected.symlinks = {"/run/x"};
    expected.tos = 184;
    expected.ttl = 3;
    expected.priority = 6;
    expected.mark = 7;
    expected.congestion = "cubic";
    expected.pipe_buffer = 4096;
    CHECK(options == expected);
    REQUIRE(sys::parse_socket_options("", options));
    sys::SocketOptions more;
    REQUIRE(sys::parse_socket_options("symlink=/a symlink=/b passpidfd no_passrights timestamp=ns write mq_max=5 mq_size=1k", more));
    CHECK(more.symlinks == std::vector<std::string>{"/a", "/b"});
    CHECK((more.passpidfd && more.no_passrights && more.write));
    CHECK(more.timestamp == sys::SocketOptions::Stamps::Nano);
    CHECK(more.queue_length == 5);
    CHECK(more.message_size == 1024);

    const std::pair<const char*, const char*> wrong[] = {
        {"nodlay", "did you mean 'nodelay'?"}, {"device", "needs a value"}, {"ttl=300", "from 1 to 255"}, {"v6only=maybe", "yes or no"},
        {"rcvbuf=much", "64k"}, {"rcvbuf=9999999m", "64k"}, {"keepalive=1/2/3/4", "idle/interval/probes"}, {"keepalive=x", "keepalive"},
        {"dir_mode=999", "octal"}, {"dir_mode=777777777777", "octal"}, {"symlink=x", "absolute"}, {"timestamp=s", "us or ns"},
        {"device=interface-name-too-long", "too long"}, {"defer_accept=0", "1s"},
    };
    for (const auto& [written, part] : wrong) {
        INFO(written);
        auto parsed = sys::parse_socket_options(written, options);
        REQUIRE_FALSE(parsed);
        CHECK_THAT(parsed.error().message, Catch::Contains(part));
    }
}
