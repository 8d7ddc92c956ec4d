#include <catch2/catch.hpp>

#include "config/diff.h"
#include "config/record.h"
#include "unit/config/support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

const std::string kRun = "[fcgi-program:f]\ncommand=/bin/cat\n";

Lines mistakes_of(const std::string& keys) { return messages(load_text(kRun + keys).mistakes); }

}  // namespace

TEST_CASE("an fcgi-program is always on and has one socket as its stdin", "[config][fcgi]")
{
    const Loaded loaded = load_text("[fcgi-program:php]\ncommand=/bin/cat\nsocket=unix://%(here)s/%(program_name)s.sock\n"
                                    "socket_owner=git:staff\nsocket_mode=0660\nsocket_backlog=77\n"
                                    "numprocs=3\nprocess_name=%(program_name)s_%(process_num)02d\nuser=www\n");
    CHECK(messages(loaded.mistakes).empty());
    CHECK(messages(loaded.warnings).empty());
    REQUIRE(loaded.config.groups.size() == 1);
    REQUIRE(loaded.config.groups[0].services.size() == 3);
    for (const ServiceSpec& spec : loaded.config.groups[0].services) {
        CHECK(spec.exec.activation == Activation::Always);
        CHECK(spec.exec.socket_pass == SocketPass::Stdin);
        CHECK(spec.sockets.standing);
        CHECK_FALSE(spec.sockets.follow_state());
        REQUIRE(spec.sockets.endpoints.size() == 1);
        CHECK(spec.sockets.endpoints[0].text() == "unix:/etc/php.sock");
        CHECK(spec.sockets.options->mode == 0660);
        CHECK(spec.sockets.options->owner == uid_t{500});
        CHECK(spec.sockets.options->group == gid_t{50});
        CHECK(spec.sockets.options->backlog == 77);
    }
    CHECK(*decode(encode(loaded.config)) == loaded.config);
}

TEST_CASE("an fcgi socket belongs to the program's user unless it says otherwise", "[config][fcgi]")
{
    const Loaded loaded = load_text(kRun + "socket=unix:///run/f.sock\nuser=www\n");
    CHECK(first(loaded).sockets.options->owner == uid_t{33});
    CHECK(first(loaded).sockets.options->group == gid_t{33});
    CHECK(first(loaded).sockets.options->mode == 0700);
}

TEST_CASE("mistakes in an fcgi-program name their line and what was expected", "[config][fcgi]")
{
    const auto has = [](const std::string& keys, const std::string& text) {
        const Lines lines = mistakes_of(keys);
        INFO(keys << " -> " << (lines.empty() ? "no mistake" : lines.front()));
        return lines.size() == 1 && lines.front().find(text) != std::string::npos;
    };
    CHECK(has("", "/etc/x.conf:1: [fcgi-program:f]: [fcgi-program:f] section requires a \"socket\" line"));
    CHECK(has("socket=http://x\n", "/etc/x.conf:3: [fcgi-program:f] socket: Bad socket format http://x"));
    CHECK(has("socket=tcp:8080\n", "Bad socket format tcp:8080"));
    CHECK(has("socket=tcp://127.0.0.1\n", "Bad socket format"));
    CHECK(has("socket=tcp://127.0.0.1:0\n", "expected a port from 1 to 65535, got 0"));
    CHECK(has("socket=unix://relative.sock\n", "Unix socket path relative.sock is not an absolute path"));
    CHECK(has("socket=tcp://127.0.0.1:9\nsocket_mode=0700\n",
              "socket_owner and socket_mode params should only be used with a Unix domain socket"));
    CHECK(has("socket=tcp://127.0.0.1:9\nsocket_owner=git\n",
              "socket_owner and socket_mode params should only be used with a Unix domain socket"));
    CHECK(has("socket=unix:///a\nsocket_mode=9\n", "Invalid socket_mode value 9"));
    CHECK(has("socket=unix:///a\nsocket_owner=nobody9\n", "Invalid socket_owner value nobody9"));
    CHECK(has("socket=unix:///a\nsocket_backlog=0\n", "Invalid socket_backlog value 0"));
    CHECK(has("socket=unix:///a/%(process_num)d\n", "process_num"));
}

TEST_CASE("the host of an fcgi socket is looked up", "[config][fcgi]")
{
    const auto socket = [](const std::string& text) { return first(load_text(kRun + "socket=" + text + "\n")).sockets.endpoints.at(0).text(); };
    CHECK(socket("tcp://web.example:9000") == socket("tcp://192.0.2.7:9000"));
    CHECK(socket("tcp://localhost:9000") == "tcp:127.0.0.1:9000");
    CHECK(mistakes_of("socket=tcp://no.example:9000\n") ==
          Lines{"/etc/x.conf:3: [fcgi-program:f] socket: Bad socket format tcp://no.example:9000: the host name 'no.example' has no IPv4 address "
                "(expected tcp://HOST:PORT or unix:///PATH)"});
}

TEST_CASE("an fcgi-program keeps its socket in a group", "[config][fcgi]")
{
    const Loaded loaded = load_text("[group:web]\nprograms=f,p\n[program:p]\ncommand=/bin/cat\n" + kRun + "socket=unix:///run/%(group_name)s.sock\n");
    CHECK(messages(loaded.mistakes).empty());
    REQUIRE(loaded.config.groups.size() == 1);
    const auto& services = loaded.config.groups[0].services;
    REQUIRE(services.size() == 2);
    CHECK(services[0].namespec() == "web:f");
    CHECK(services[0].sockets.standing);
    CHECK(services[0].sockets.endpoints.at(0).text() == "unix:/run/web.sock");
    CHECK_FALSE(services[1].sockets.standing);
}

TEST_CASE("a name that is a program and an fcgi-program is ambiguous", "[config][fcgi]")
{
    CHECK(mistakes_of("socket=unix:///a\n[program:f]\ncommand=x\n") ==
          Lines{"/etc/x.conf:4: [program:f]: name f is ambiguous (exists as program and fcgi-program)"});
}

TEST_CASE("mode, owner and backlog of an fcgi socket are part of what is compared", "[config][fcgi][diff]")   // B27
{
    const auto groups = [](const std::string& keys) { return load_text(kRun + "socket=unix:///a\n" + keys).config.groups; };
    const auto base = groups("");
    for (const std::string keys : {"socket_mode=0777\n", "socket_owner=git\n", "socket_backlog=5\n"}) {
        INFO(keys);
        CHECK(diff_groups(base, groups(keys)).changed == std::vector<std::string>{"f"});
    }
    CHECK(diff_groups(base, groups("socket_mode=0700\n")).changed.empty());
    CHECK(diff_groups(base, load_text("[program:f]\ncommand=/bin/cat\n").config.groups).changed == std::vector<std::string>{"f"});
}
