#include <algorithm>
#include <filesystem>
#include <fstream>

#include <mqueue.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>

#include "sys/sockets.h"
#include "unit/sys/sockets_help.h"
#include "unit/sys/spawn_help.h"

using namespace test;
using sys::Endpoint;
using sys::SocketOptions;

namespace {

Endpoint any_port(const std::string& text)
{
    Endpoint endpoint = *Endpoint::parse(text);
    endpoint.port = 0;
    return endpoint;
}

int flag_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, option, &value, &size) == 0 ? value : -1;
}

mode_t mode_of(const std::string& path)
{
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

sys::UniqueFd accept_one(int listener)
{
    pollfd state{listener, POLLIN, 0};
    ::poll(&state, 1, 1000);
    return sys::UniqueFd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace

TEST_CASE("listening sockets are non-blocking, close-on-exec and know their address", "[sys][sockets]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    for (const std::string& text : {std::string("tcp:1"), std::string("tcp4:1"), std::string("tcp6:1"), std::string("tcp:127.0.0.1:1"), std::string("tcp:[::1]:1"),
                                    std::string("udp:1"), std::string("udp:127.0.0.1:1"), "unix:" + folder / "s", only_ours("unix:@xsv-sockets-test"),
                                    "unix-dgram:" + folder / "d", "unix-seqpacket:" + folder / "q", "fifo:" + folder / "f"}) {
        DYNAMIC_SECTION(text.substr(0, text.find(":/")))
        {
            const Endpoint endpoint = any_port(text);
            auto fd = sockets->listen(endpoint, {});
            REQUIRE(fd);
            CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
            CHECK((::fcntl(fd->get(), F_GETFL) & O_NONBLOCK) != 0);
            CHECK(sockets->is_bound_to(fd->get(), endpoint));
            CHECK_FALSE(sockets->is_bound_to(fd->get(), any_port("tcp:127.0.0.9:1")));
            CHECK_FALSE(sockets->is_bound_to(fd->get(), *Endpoint::parse("unix:/run/other")));
            CHECK_FALSE(sockets->is_bound_to(0, endpoint));
            CHECK_FALSE(sockets->has_arrival(fd->get()));
            CHECK(sockets->repair(fd->get(), endpoint, {}).empty());
            REQUIRE(sockets->set_nonblocking(fd->get(), false));
            CHECK((::fcntl(fd->get(), F_GETFL) & O_NONBLOCK) == 0);
            REQUIRE(sockets->adjust(fd->get(), endpoint, {}));
            CHECK(sockets->connections(fd->get(), endpoint) == 0);
            CHECK(sockets->queue(fd->get(), endpoint)->waiting == 0);
            sockets->remove_path(fd->get(), endpoint, {});
            if (endpoint.path.starts_with("/")) CHECK(::access(endpoint.path.c_str(), F_OK) < 0);
        }
    }
}

TEST_CASE("a port without an address is one dual-stack socket, and a family alone is alone", "[sys][sockets]")
{
    auto sockets = sys::kernel_sockets();
    auto dual = sockets->listen(any_port("tcp:1"), {});
    REQUIRE(dual);
    CHECK(flag_of(dual->get(), IPPROTO_IPV6, IPV6_V6ONLY) == 0);
    CHECK(call(dual->get(), true));
    CHECK(call(dual->get(), false));

    Endpoint six = any_port("tcp6:1");
    bool one_number = false;
    for (int tries = 0; tries < 20 && !one_number; ++tries) {   // somebody else may have the other family's
        auto six_fd = sockets->listen(six, {});
        REQUIRE(six_fd);
        CHECK(flag_of(six_fd->get(), IPPROTO_IPV6, IPV6_V6ONLY) == 1);
        Endpoint four = any_port("tcp4:1");
        four.port = port_of(six_fd->get());
        const bool alone = !call(six_fd->get(), true);
        one_number = alone && sockets->listen(four, {});
    }
    CHECK(one_number);

    SocketOptions both;
    both.v6only = false;
    auto six_dual = sockets->listen(six, both);
    REQUIRE(six_dual);
    CHECK(call(six_dual->get(), true));
}

TEST_CASE("an address in use names who has it", "[sys][sockets]")
{
    auto sockets = sys::kernel_sockets();
    TemporaryFolder folder;
    for (const std::string text : {"tcp4:1", "tcp:1", "udp:127.0.0.1:1"}) {
        Endpoint endpoint = any_port(text);
        auto first = sockets->listen(endpoint, {});
        REQUIRE(first);
        endpoint.port = port_of(first->get());
        auto second = sockets->listen(endpoint, {});
        REQUIRE_FALSE(second);
        CHECK(second.error().code == EADDRINUSE);
        CHECK(second.error().message == fmt::format("{} is in use by unit_sys, pid {}", endpoint.text(), ::getpid()));
    }
    const Endpoint unix = *Endpoint::parse("unix:" + folder / "s");
    auto first = sockets->listen(unix, {});
    REQUIRE(first);
    auto second = sockets->listen(unix, {});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == EADDRINUSE);
    CHECK(second.error().message == fmt::format("{} is in use by unit_sys, pid {}", unix.text(), ::getpid()));
    CHECK(call_unix(unix));  // and the first one still answers
}

TEST_CASE("an error begins with the endpoint, and names it once", "[sys][sockets]")
{
    auto sockets = sys::kernel_sockets();
    TemporaryFolder folder;
    std::ofstream(folder / "file") << "no socket";
    for (const std::string& text : {"unix:" + folder / "file", "fifo:" + folder / "file", "file:" + folder / "file", "file:" + folder / "absent",
                                    "unix:" + folder / "file/s", std::string("tcp:192.0.2.1:1"), std::string("inherited:nobody")}) {
        const Endpoint endpoint = *Endpoint::parse(text);
        const auto opened = sockets->listen(endpoint, {});
        REQUIRE_FALSE(opened);
        INFO(opened.error().message);
        CHECK(opened.error().message.starts_with(endpoint.text() + ": "));
        CHECK(opened.error().message.find(endpoint.text(), 1) == std::string::npos);
    }
    const Endpoint unix = *Endpoint::parse("unix:" + folder / "s");
    const auto first = sockets->listen(unix, {});
    REQUIRE(first);
    std::filesystem::remove(unix.path);
    const auto adjusted = sockets->adjust(first->get(), unix, {});
    REQUIRE_FALSE(adjusted);
    CHECK(adjusted.error().message == fmt::format("{0}: {1} is no longer this socket's", unix.text(), unix.path));
}

TEST_CASE("a stale unix socket is replaced, a live one and anything else is not", "[sys][sockets]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    for (const std::string scheme : {"unix:", "unix-dgram:", "unix-seqpacket:"}) {
        const Endpoint endpoint = *Endpoint::parse(scheme + (folder / "s"));
        { REQUIRE(sockets->listen(endpoint, {})); }  // closed without removing the path
        REQUIRE(::access(endpoint.path.c_str(), F_OK) == 0);
        auto again = sockets->listen(endpoint, {});
        REQUIRE(again);
        CHECK(call_unix(endpoint));
        auto thief = sockets->listen(endpoint, {});
        CHECK_FALSE(thief);
        // Another type on a live path is no reason to take it either.
        auto other = sockets->listen(*Endpoint::parse((scheme == "unix:" ? "unix-dgram:" : "unix:") + (folder / "s")), {});
        CHECK_FALSE(other);
        CHECK(call_unix(endpoint));
        sockets->remove_path(again->get(), endpoint, {});
    }
    const sys::UniqueFd file(::open((folder / "file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    auto refused = sockets->listen(*Endpoint::parse("unix:" + folder / "file"), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("is not a socket") != std::string::npos);
    CHECK(::access((folder / "file").c_str(), F_OK) == 0);
    CHECK_FALSE(sockets->listen(*Endpoint::parse("fifo:" + folder / "file"), {}));
}

TEST_CASE("a path that another socket took over is left alone", "[sys][sockets]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    const Endpoint endpoint = *Endpoint::parse("unix:" + folder / "s");
    auto first = sockets->listen(endpoint, {});
    REQUIRE(first);
    ::unlink(endpoint.path.c_str());
    auto second = sockets->listen(endpoint, {});
    REQUIRE(second);
    sockets->remove_path(first->get(), endpoint, {});
    CHECK(call_unix(endpoint));
    CHECK_FALSE(sockets->adjust(first->get(), endpoint, {}));
    sockets->remove_path(second->get(), endpoint, {});
    CHECK_FALSE(call_unix(endpoint));
}

TEST_CASE("paths have the mode and owner that were asked for, folders are made", "[sys][sockets]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    const mode_t before = ::umask(077);
    SocketOptions options;
    options.mode = 0666;
    options.dir_mode = 0751;
    options.symlinks = {folder / "link"};
    if (::geteuid() == 0) {
        options.owner = 12345;
        options.group = 23456;
    }
    for (const std::string scheme : {"unix:", "fifo:"}) {
        const Endpoint endpoint = *Endpoint::parse(scheme + (folder / ("a/b" + scheme + "/s")));
        auto fd = sockets->listen(endpoint, options);
        REQUIRE(fd);
        CHECK(mode_of(endpoint.path) == 0666);
        CHECK(mode_of(folder / "a") == 0751);
        struct stat status{};
        REQUIRE(::stat((folder / "link").c_str(), &status) == 0);
        if (options.owner) {
            CHECK(status.st_uid == 12345);
            CHECK(status.st_gid == 23456);
        }
        SocketOptions narrower = options;
        narrower.mode = 0600;
        REQUIRE(sockets->adjust(fd->get(), endpoint, narrower));
        CHECK(mode_of(endpoint.path) == 0600);
    }
    CHECK(::umask(before) == 077);  // ours is as it was
}

TEST_CASE("connections are counted by asking the kernel, those in the queue included", "[sys][sockets]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    for (const std::string& text : {std::string("tcp4:1"), std::string("tcp:1"), std::string("tcp:[::1]:1"), "unix:" + folder / "s", only_ours("unix:@xsv-count-test"),
                                    "unix-seqpacket:" + folder / "q"}) {
        DYNAMIC_SECTION(text.substr(0, text.find(":/")))
        {
            const Endpoint endpoint = any_port(text);
            SocketOptions options;
            options.backlog = 9;
            auto fd = sockets->listen(endpoint, options);
            REQUIRE(fd);
            const auto call_it = [&] { return endpoint.family == sys::Family::Unix ? call_unix(endpoint) : call(fd->get()); };
            sys::UniqueFd a = call_it(), b = call_it();
            REQUIRE(a);
            REQUIRE(b);
            CHECK(sockets->connections(fd->get(), endpoint) == 2);
            CHECK(sockets->queue(fd->get(), endpoint)->waiting == 2);
            CHECK(sockets->queue(fd->get(), endpoint)->maximum == 9);
            CHECK(sockets->has_arrival(fd->get()));
            sys::UniqueFd first = accept_one(fd->get()), second = accept_one(fd->get());
            CHECK(sockets->connections(fd->get(), endpoint) == 2);
            CHECK(sockets->queue(fd->get(), endpoint)->waiting == 0);
            CHECK_FALSE(sockets->is_bound_to(first.get(), endpoint));  // a connection is not the listener
            first.reset();
            a.reset();
            CHECK(sockets->connections(fd->get(), endpoint) == 1);
            second.reset();
            b.reset();
            CHECK(sockets->connections(fd->get(), endpoint) == 0);
        }
    }
}

TEST_CASE("a refused caller gets the text and a clean end", "[sys][sockets]")
{
    auto sockets = sys::kernel_sockets();
    auto fd = sockets->listen(any_port("tcp4:1"), {});
    REQUIRE(fd);
    sys::Peer peer;
    CHECK_FALSE(sockets->accept(fd->get(), peer).value());
    const auto caller = call(fd->get());
    REQUIRE(::send(caller.get(), "hello", 5, 0) == 5);
    sockets->refuse(sockets->accept(fd->get(), peer).value(), "busy\n");
    CHECK(peer.host() == "127.0.0.1");
    CHECK(read_all(caller.get()) == "busy\n");
    CHECK_FALSE(sockets->accept(0, peer));
}

TEST_CASE("datagrams are discarded one at a time", "[sys][sockets]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    for (const std::string& text : {"unix-dgram:" + folder / "d", "fifo:" + folder / "f"}) {
        const Endpoint endpoint = *Endpoint::parse(text);
        auto fd = sockets->listen(endpoint, {});
        REQUIRE(fd);
        CHECK_FALSE(sockets->discard_one(fd->get()));
        sys::UniqueFd sender = endpoint.family == sys::Family::Unix ? call_unix(endpoint) : sys::UniqueFd(::open(endpoint.path.c_str(), O_WRONLY | O_CLOEXEC));
        REQUIRE(::write(sender.get(), "one", 3) == 3);
        if (endpoint.family == sys::Family::Unix) REQUIRE(::write(sender.get(), "two", 3) == 3);
        CHECK(sockets->has_arrival(fd->get()));
        CHECK(sockets->connections(fd->get(), endpoint) == 1);
        CHECK(sockets->discard_one(fd->get()));
        CHECK(sockets->discard_one(fd->get()) == (endpoint.family == sys::Family::Unix));
        CHECK_FALSE(sockets->has_arrival(fd->get()));
    }
}

TEST_CASE("what a program did to our socket is undone", "[sys][sockets]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    const Endpoint tcp = any_port("tcp4:1");
    auto listener = sockets->listen(tcp, {});
    REQUIRE(listener);
    ::shutdown(listener->get(), SHUT_RDWR);
    CHECK_FALSE(call(listener->get()));
    CHECK(sockets->is_bound_to(listener->get(), tcp));
    CHECK_THAT(sockets->repair(listener->get(), tcp, {}), Catch::Contains("it listens again"));
    CHECK(call(listener->get()));
    for (const std::string scheme : {"unix:", "unix-seqpacket:"}) {
        const Endpoint endpoint = *Endpoint::parse(scheme + (folder / "s"));
        auto dead = sockets->listen(endpoint, {});
        REQUIRE(dead);
        ::shutdown(dead->get(), SHUT_RDWR);
        CHECK_FALSE(call_unix(endpoint));
        CHECK_THAT(sockets->repair(dead->get(), endpoint, {}), Catch::Contains("opened anew"));
        CHECK_FALSE(sockets->is_bound_to(dead->get(), endpoint));
        auto anew = sockets->listen(endpoint, {});
        REQUIRE(anew);
        CHECK(call_unix(endpoint));
        sockets->remove_path(dead->get(), endpoint, {});
        CHECK(call_unix(endpoint));
        sockets->remove_path(anew->get(), endpoint, {});
    }
    Endpoint udp = any_port("udp:127.0.0.1:1");
    udp.port = port_of(sockets->listen(udp, {})->get());  // a port bound by number is kept
    auto fd = sockets->listen(udp, {});
    REQUIRE(fd);
    const auto port = port_of(fd->get());
    auto to = address_of(fd->get());
    REQUIRE(::connect(fd->get(), reinterpret_cast<sockaddr*>(&to), sizeof(sockaddr_in)) == 0);
    CHECK_FALSE(sockets->repair(fd->get(), udp, {}).empty());
    CHECK(sockets->repair(fd->get(), udp, {}).empty());
    CHECK(port_of(fd->get()) == port);
    CHECK(sockets->is_bound_to(fd->get(), udp));
}

TEST_CASE("socket options reach the kernel, and a refused one is named", "[sys][sockets]")
{
    auto sockets = sys::kernel_sockets();
    SocketOptions options;
    REQUIRE(sys::parse_socket_options("nodelay, keepalive=60/10/5 rcvbuf=64k, tos=16", options));
    auto fd = sockets->listen(any_port("tcp4:1"), options);
    REQUIRE(fd);
    CHECK(flag_of(fd->get(), IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(flag_of(fd->get(), SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(flag_of(fd->get(), IPPROTO_TCP, TCP_KEEPIDLE) == 60);
    CHECK(flag_of(fd->get(), IPPROTO_TCP, TCP_KEEPINTVL) == 10);
    CHECK(flag_of(fd->get(), IPPROTO_TCP, TCP_KEEPCNT) == 5);
    CHECK(flag_of(fd->get(), IPPROTO_IP, IP_TOS) == 16);
    CHECK(flag_of(fd->get(), SOL_SOCKET, SO_RCVBUF) >= 64 << 10);
    REQUIRE(sockets->adjust(fd->get(), any_port("tcp4:1"), {}));
    CHECK(flag_of(fd->get(), IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(flag_of(fd->get(), SOL_SOCKET, SO_KEEPALIVE) == 0);

    options.congestion = "no-such-thing";
    auto refused = sockets->listen(any_port("tcp4:1"), options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("socket option 'congestion'") != std::string::npos);
    options = {};
    options.device = "nosuchdev0";
    refused = sockets->listen(any_port("tcp4:1"), options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("socket option 'device'") != std::string::npos);
}

TEST_CASE("an address that no interface has is refused unless freebind is set", "[sys][sockets]")
{
    auto sockets = sys::kernel_sockets();
    auto refused = sockets->listen(any_port("tcp:203.0.113.77:1"), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EADDRNOTAVAIL);
    SocketOptions options;
    options.freebind = true;
    CHECK(sockets->listen(any_port("tcp:203.0.113.77:1"), options));
    CHECK_FALSE(sockets->listen(any_port("tcp:[fe80::1%nosuchdev0]:1"), {}));
}

TEST_CASE("netlink, queues and files of the kernel wake a program", "[sys][sockets]")
{
    auto sockets = sys::kernel_sockets();
    const auto open = [&](const std::string& text, const SocketOptions& options = {}) { return sockets->listen(*Endpoint::parse(text), options); };
    const auto is_bound = [&](const sys::UniqueFd& fd, const std::string& text) { return sockets->is_bound_to(fd.get(), *Endpoint::parse(text)); };

    auto netlink = open("netlink:route/1");
    REQUIRE(netlink);
    CHECK(is_bound(*netlink, "netlink:route/1"));
    CHECK_FALSE(is_bound(*netlink, "netlink:route"));
    CHECK_FALSE(is_bound(*netlink, "netlink:generic/1"));
    CHECK(sockets->repair(netlink->get(), *Endpoint::parse("netlink:route/1"), {}).empty());

    const std::string queue_name = "mqueue:/xsvd-test-" + std::to_string(::getpid());
    SocketOptions options;
    options.mode = 0640;
    options.queue_length = 2;
    options.message_size = 16;
    if (auto queue = open(queue_name, options); queue || queue.error().code != ENOSYS) {
        REQUIRE(queue);
        CHECK(is_bound(*queue, queue_name));
        const sys::UniqueFd sender(::mq_open(queue_name.substr(7).c_str(), O_WRONLY));
        REQUIRE(sender);
        CHECK_FALSE(sockets->has_arrival(queue->get()));
        REQUIRE(::mq_send(sender.get(), "hello", 5, 0) == 0);
        CHECK(sockets->has_arrival(queue->get()));
        CHECK(sockets->discard_one(queue->get()));
        CHECK_FALSE(sockets->discard_one(queue->get()));
        sockets->remove_path(queue->get(), *Endpoint::parse(queue_name), options);
        CHECK(::mq_open(queue_name.substr(7).c_str(), O_RDONLY) < 0);
    }

    auto file = open("file:/proc/self/mounts");
    REQUIRE(file);
    CHECK(is_bound(*file, "file:/proc/self/mounts"));
    CHECK_FALSE(sockets->discard_one(file->get()));
    TemporaryFolder folder;
    std::ofstream(folder / "plain") << "x";
    CHECK_THAT(open("file:" + (folder / "plain")).error().message, Catch::Contains("that tells of changes"));
    CHECK_THAT(open("file:" + (folder / "none")).error().message, Catch::Contains("No such file"));
}

TEST_CASE("what the kernel lacks is one error", "[sys][sockets]")
{
    auto sockets = sys::kernel_sockets();
    for (const std::string text : {"vsock:any:10022", "sctp:10023", "udplite:10024", "mptcp:10025"}) {
        INFO(text);
        const Endpoint endpoint = *Endpoint::parse(text);
        const auto fd = sockets->listen(endpoint, {});
        if (fd) CHECK(sockets->is_bound_to(fd->get(), endpoint));
        else CHECK_THAT(fd.error().message, Catch::Contains(text) && Catch::Contains("this kernel has no such sockets"));
    }
}

TEST_CASE("links to a path go with it, and keep_path leaves both", "[sys][sockets]")
{
    TemporaryFolder folder;
    auto sockets = sys::kernel_sockets();
    SocketOptions options;
    options.symlinks = {folder / "one", folder / "two"};
    const Endpoint endpoint = *Endpoint::parse("unix:" + (folder / "s"));
    struct stat status{};
    for (const bool keep : {true, false}) {
        auto fd = sockets->listen(endpoint, options);
        REQUIRE(fd);
        options.keep_path = keep;
        sockets->remove_path(fd->get(), endpoint, options);
        for (const char* name : {"s", "one", "two"}) CHECK((::lstat((folder / name).c_str(), &status) == 0) == keep);
    }
}
