#include "config/load.h"

#include <catch2/catch.hpp>

#include "unit/config/support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;
using namespace std::chrono_literals;

namespace {

const std::string kRun = "command=/bin/cat\n";

}  // namespace

TEST_CASE("a program with nothing but a command has Supervisor's defaults", "[config][load]")
{
    const Loaded loaded = load_text("[program:p]\n" + kRun);
    CHECK(loaded.mistakes.empty());
    CHECK(loaded.warnings.empty());
    CHECK_FALSE(loaded.fatal);
    CHECK(loaded.config.file == "/etc/x.conf");
    CHECK(loaded.config.daemon.logfile == "/folder/supervisord.log");
    CHECK(loaded.config.daemon.pidfile == "/folder/supervisord.pid");
    CHECK(loaded.config.daemon.childlogdir == "/tmp");
    REQUIRE(loaded.config.groups.size() == 1);
    CHECK(loaded.config.groups[0].name == "p");
    CHECK_FALSE(loaded.config.groups[0].heterogeneous);
    const ServiceSpec& p = first(loaded);
    CHECK(p.namespec() == "p");
    CHECK(p.program == "p");
    CHECK(p.broken.empty());
    CHECK(p.place.file == "/etc/x.conf");
    CHECK(p.place.line == 1);
    CHECK(p.policy == Policy{});
    CHECK(p.output == Output{});
    CHECK(p.sockets == Sockets{});
    Exec exec;
    exec.command = "/bin/cat";
    CHECK(p.exec == exec);
}

TEST_CASE("every key of Supervisor's reaches its field", "[config][load]")
{
    const Loaded loaded = load_text(R"([supervisord]
logfile=log/d.log
logfile_maxbytes=1MB
logfile_backups=2
loglevel=debug
logformat=json
pidfile=~/d.pid
umask=077
nodaemon=true
silent=yes
minfds=4096
minprocs=400
nocleanup=on
childlogdir=/var/log
user=git
directory=/srv
strip_ansi=1
environment=A="1",B=two
identifier=main
rundir=run
max_programs=20
max_connections=30
watchdog=no

[program:web]
command=/srv/%(program_name)s --port=80%(process_num)02d --%(ENV_A)s --%(ENV_MINE)s %(ENV_COLOR)s
process_name=%(program_name)s-%(process_num)d
numprocs=2
numprocs_start=5
priority=10
autostart=false
startsecs=500ms
startretries=9
autorestart=true
exitcodes=0,2
stopsignal=QUIT
stopwaitsecs=2m
stopasgroup=true
user=www
stdout_logfile=%(here)s/%(process_num)d.log
stdout_logfile_maxbytes=2KB
stdout_logfile_backups=1
stdout_capture_maxbytes=1MB
stdout_events_enabled=true
stdout_syslog=true
stderr_logfile=none
environment=B=three,MINE="my %(process_num)s"
directory=/srv/%(program_name)s
umask=027
serverurl=AUTO
nice=-5
limits=nofile=100
argv0=w
)");
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    const DaemonSpec& d = loaded.config.daemon;
    CHECK(d.logfile == "/folder/log/d.log");
    CHECK(d.logfile_maxbytes == 1 << 20);
    CHECK(d.logfile_backups == 2);
    CHECK(d.loglevel == 10);
    CHECK(d.log_json);
    CHECK(d.pidfile == "/root/d.pid");
    CHECK(d.umask == 077);
    CHECK((d.nodaemon && d.silent && d.nocleanup && d.strip_ansi && !d.watchdog));
    CHECK(d.minfds == 4096);
    CHECK(d.minprocs == 400);
    CHECK(d.childlogdir == "/var/log");
    CHECK(d.uid == 500);
    CHECK(d.gid == 501);
    CHECK(d.groups == std::vector<gid_t>{501, 700});
    CHECK(d.directory == "/srv");
    CHECK(d.identifier == "main");
    CHECK(d.rundir == "/folder/run");
    CHECK(d.max_programs == 20);
    CHECK(d.max_connections == 30);

    REQUIRE(loaded.config.groups.size() == 1);
    CHECK(loaded.config.groups[0].priority == 10);
    REQUIRE(loaded.config.groups[0].services.size() == 2);
    const ServiceSpec& s = loaded.config.groups[0].services[1];
    CHECK(s.namespec() == "web:web-6");
    CHECK(s.exec.command == "/srv/web --port=8006 --1 --my 6 blue");
    CHECK(s.exec.environment == Environment{{"A", "1"}, {"B", "three"}, {"MINE", "my 6"}});
    CHECK(s.exec.directory == "/srv/web");
    CHECK(s.exec.argv0 == "w");
    CHECK(s.exec.umask == 027);
    CHECK(s.exec.uid == 33);
    CHECK(s.exec.gid == 33);
    CHECK(s.exec.nice == -5);
    CHECK(s.exec.limits.size() == 1);
    CHECK(s.output->out.path == "/etc/6.log");
    CHECK(s.output->out.maxbytes == 2048);
    CHECK(s.output->out.backups == 1);
    CHECK(s.output->out.capture_maxbytes == 1 << 20);
    CHECK((s.output->out.events_enabled && s.output->out.syslog && s.output->strip_ansi));
    CHECK(s.output->err.kind == LogSink::Kind::None);
    CHECK(s.policy->start_time == 500ms);
    CHECK(s.policy->stop_time == 2min);
    CHECK((s.policy->start_retries == 9 && s.policy->start_retries_set));
    CHECK(s.policy->exit_codes == std::vector<int>{0, 2});
    CHECK(s.policy->stop_signal == 3);
    CHECK((s.policy->stop_as_group && s.policy->kill_as_group));
    CHECK(s.policy->autorestart == Autorestart::Always);
    CHECK_FALSE(s.policy->autostart);
}

TEST_CASE("a socket makes a program wait for its callers", "[config][load]")
{
    const Loaded loaded = load_text(R"([program:p]
command=/bin/cat
socket=tcp:8080, web=unix:/run/b.sock
  udp:69
user=git
socket_mode=0666
socket_backlog=10
socket_options=nodelay
idle_timeout=5m
fatal_retry=1h
flush_pending=yes
start_timeout=10
ready=startsecs
fdstore_max=0
)");
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    const ServiceSpec& p = first(loaded);
    REQUIRE(p.sockets.endpoints.size() == 3);
    CHECK(p.sockets.endpoints[1].name == "web");
    CHECK(p.sockets.endpoints[2].type == sys::SocketType::Datagram);
    CHECK(p.sockets.options->mode == 0666);
    CHECK(p.sockets.options->backlog == 10);
    CHECK(p.sockets.options->nodelay);
    CHECK(p.sockets.options->owner == 500);
    CHECK(p.sockets.options->group == 501);
    CHECK(p.exec.activation == Activation::OnDemand);
    CHECK(p.exec.socket_pass == SocketPass::ListenFds);
    CHECK(p.policy->idle_time == 5min);
    CHECK(p.policy->fatal_retry == 1h);
    CHECK_FALSE(p.policy->start_retries_set);
    CHECK(first(load_text("[program:p]\n" + kRun + "socket=tcp:1\nactivation=always\n")).exec.activation ==
          Activation::Always);
}

TEST_CASE("a program per connection says whom it lets in", "[config][load]")
{
    const Loaded loaded = load_text("[program:p]\n" + kRun + R"(socket=tcp:1, unix:/run/b.sock
activation=per_connection
max_instances=5
max_per_source=2
max_rate=50/1s
overload=refuse
allow_from=10.0.0.0/8, ::1, uid:0
deny_from=10.1.0.0/16
access_order=deny_first
access_hours=09:00-17:00
max_load=2.5
greeting=hello.txt, /etc/motd
connection_log=both
accept=engine
)");
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    const ServiceSpec& p = first(loaded);
    CHECK(p.exec.socket_pass == SocketPass::Stdio);
    CHECK(p.policy->max_rate.count == 50);
    CHECK(p.policy->allow.size() == 3);
    CHECK(p.policy->deny.size() == 1);
    CHECK(p.policy->access_order == sys::AccessOrder::DenyFirst);
    CHECK(p.sockets.options->allow.empty());   // the child asks, and has a word for who is refused
    CHECK(p.policy->greeting == Lines{"/folder/hello.txt", "/etc/motd"});
}

TEST_CASE("with max_rate the queue is as long as callers can be expected to wait", "[config][load]")
{
    const auto backlog = [](const std::string& keys) {
        return first(load_text("[program:p]\n" + kRun + "socket=tcp:1\nactivation=per_connection\n" + keys)).sockets.options->backlog;
    };
    CHECK(backlog("") == 0);
    CHECK(backlog("max_rate=50/1s\n") == 200);
    CHECK(backlog("max_rate=60/1m\n") == 16);
    CHECK(backlog("max_rate=1000000/1s\n") == 4096);
    CHECK(backlog("max_rate=50/1s per source\n") == 0);
    CHECK(backlog("max_rate=50/1s\nsocket_backlog=1000\n") == 1000);
}

TEST_CASE("the kernel keeps the address rules of a program that accepts its callers itself", "[config][load]")
{
    for (const std::string activation : {"on_demand", "always"}) {
        const Loaded loaded = load_text("[program:p]\n" + kRun + "socket=tcp:1, udp:1\nactivation=" + activation +
                                        "\nallow_from=10.0.0.0/8\ndeny_from=10.1.0.0/16\nmax_per_source=2\n");
        CHECK(messages(loaded.mistakes) == Lines{});
        CHECK(messages(loaded.warnings) ==
              Lines{"/etc/x.conf:7: [program:p] max_per_source: has an effect with activation = per_connection only"});
        CHECK(first(loaded).sockets.options->allow.size() == 1);
        CHECK(first(loaded).sockets.options->deny.size() == 1);
    }
    // A name stands for all its addresses.
    const Loaded named = load_text("[program:p]\n" + kRun + "socket=tcp:80\nallow_from=10.0.0.0/8, web.example\ndeny_from=web.example web.example\n");
    REQUIRE(messages(named.mistakes) == Lines{});
    CHECK(first(named).policy->allow.size() == 3);
    CHECK(first(named).policy->allow.at(2).named);
    CHECK(first(named).policy->deny.size() == 2);
    CHECK(first(named).sockets.options->deny == first(named).policy->deny);
    const Loaded unknown = load_text("[program:p]\n" + kRun + "socket=tcp:80\nallow_from=slow.example\n");
    CHECK(messages(unknown.warnings) == Lines{"/etc/x.conf:4: [program:p] allow_from: nobody answers; nobody comes in under this name until it is known"});
    REQUIRE(first(unknown).policy->allow.size() == 1);   // an empty list would let everybody in
    CHECK(sys::is_unknown_host(first(unknown).policy->allow[0]));
    CHECK(messages(load_text("[program:p]\n" + kRun + "socket=tcp:80\ndeny_from=slow.example\n").mistakes).size() == 1);
    CHECK(messages(load_text("[program:p]\n" + kRun + "socket=tcp:80\ndeny_from=no.example\n").mistakes) ==
          Lines{"/etc/x.conf:4: [program:p] deny_from: the host name 'no.example' has no address (expected addresses, prefixes, ranges, names of hosts, uid:, gid: "
                "or cid:, separated by commas)"});
    CHECK(messages(load_text("[program:p]\n" + kRun + "socket=unix:/run/b.sock\nallow_from=uid:0\n").mistakes) ==
          Lines{"/etc/x.conf:4: [program:p] allow_from: cannot be kept for unix:/run/b.sock, whose callers the program accepts "
                "itself: use socket_mode and socket_owner"});
}

TEST_CASE("identities are numbers, and the one we have is no change", "[config][load]")
{
    CHECK_FALSE(first(load_text("[program:p]\n" + kRun + "user=root\n")).exec.uid);
    const Exec git =
        first(load_text("[program:p]\n" + kRun + "user=git\ngroup=staff\nsupplementary_groups=git, staff\n")).exec;
    CHECK(git.uid == 500);
    CHECK(git.gid == 50);
    CHECK(git.groups == std::vector<gid_t>{501, 50});
    // The group takes the place of the user's own, as initgroups(3) does it.
    CHECK(first(load_text("[program:p]\n" + kRun + "user=git\ngroup=staff\n")).exec.groups == std::vector<gid_t>{50, 700});
    CHECK(first(load_text("[program:p]\n" + kRun + "user=git\ngroup=git\n")).exec.groups == std::vector<gid_t>{501, 700});
    const Exec group = first(load_text("[program:p]\n" + kRun + "group=staff\n")).exec;
    CHECK_FALSE(group.uid);
    CHECK(group.gid == 50);
    CHECK(group.groups == std::vector<gid_t>{50});
    CHECK(first(load_text("[supervisord]\nuser=git\n[program:p]\n" + kRun + "user=git\n")).exec.uid == std::nullopt);
}

TEST_CASE("RPC programs may ask for any free port", "[config][load][rpc]")
{
    const auto rpc = [](const std::string& keys) { return load_text("[program:p]\n" + kRun + keys); };
    const Loaded loaded = rpc("socket=udp4:0, tcp:0\nactivation=always\nrpc=300019/1-3\n");
    if (loaded.mistakes.size() == 1) {
        CHECK(loaded.mistakes[0].text.find("this build has no support for RPC (libtirpc)") != std::string::npos);
        return;
    }
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(first(loaded).sockets.rpc == RpcProgram{300019, 1, 3});
    // Two programs on "any port" are two sockets.
    CHECK(first(loaded).sockets.endpoints.at(0).text() == "udp4:0#300019/1-3");
    CHECK(first(rpc("socket=udp:2049\nrpc=100003/3\n")).sockets.endpoints.at(0).text() == "udp:2049");
    for (const char* value : {"x", "1", "1/", "/1", "1/2-1", "1/1-100", "no-such-program/1", "0/1", "1/-1", "4294967296/1"}) {
        INFO(value);
        CHECK(rpc(fmt::format("socket=udp:0\nrpc={}\n", value)).mistakes.size() >= 1);
    }
    CHECK(messages(rpc("socket=unix:/run/x\nrpc=300019/1\n").mistakes) ==
          Lines{"/etc/x.conf:4: [program:p] rpc: needs tcp or udp sockets, unix:/run/x is neither"});
    CHECK(messages(rpc("rpc=300019/1\n").mistakes) == Lines{"/etc/x.conf:3: [program:p] rpc: needs a 'socket'"});
    CHECK(messages(rpc("socket=udp:0\n").mistakes) ==
          Lines{"/etc/x.conf:3: [program:p] socket: 'udp:0': expected a port from 1 to 65535, got 0; any free one is possible with rpc only"});
}

TEST_CASE("inherit_env takes yes, no or names", "[config][load]")
{
    CHECK_FALSE(first(load_text("[program:p]\n" + kRun + "inherit_env=no\n")).exec.sources->inherit);
    const Exec exec = first(load_text("[program:p]\n" + kRun +
                                      "inherit_env=PATH, LANG\nenvironment_pass=TZ\nenvironment_file=-a.env,/b.env\n"))
                          .exec;
    CHECK(exec.sources->inherit_names == Lines{"PATH", "LANG"});
    CHECK(exec.sources->pass == Lines{"TZ"});
    CHECK(exec.sources->files == Lines{"-/folder/a.env", "/b.env"});
}

TEST_CASE("log files have their keywords", "[config][load]")
{
    const auto out = [](const std::string& value) {
        return first(load_text("[program:p]\n" + kRun + "stdout_logfile=" + value + "\n")).output->out;
    };
    CHECK(out("AUTO").kind == LogSink::Kind::Auto);
    for (const auto* none : {"NONE", "off", ""}) CHECK(out(none).kind == LogSink::Kind::None);
    CHECK(out("/no/such/x.log").path == "/no/such/x.log");
    CHECK(out("~git/x.log").path == "/srv/git/x.log");
    CHECK(out("~nobody/x.log").path == "/folder/~nobody/x.log");
    CHECK(out("./x.log").path == "/folder/x.log");
    CHECK((out("syslog").syslog && out("syslog").kind == LogSink::Kind::None));

    const Loaded merged =
        load_text("[program:p]\n" + kRun + "redirect_stderr=true\nstderr_logfile=/x\nstdout_logfile=syslog\n");
    CHECK(messages(merged.warnings) == Lines{"/etc/x.conf:5: [program:p] stdout_logfile: For [program:p], "
                                             "stdout_logfile=syslog but this is deprecated and will be "
                                             "removed.  Use stdout_syslog=true to enable syslog instead.",
                                             "/etc/x.conf:4: [program:p] stderr_logfile: For [program:p], "
                                             "redirect_stderr=true but stderr_logfile has also been set to "
                                             "a filename, the filename has been ignored"});
    CHECK(first(merged).output->err.kind == LogSink::Kind::None);
    CHECK(messages(load_text("[program:p]\n" + kRun + "stdout_logfile_maxbytes=0\n").warnings).size() == 1);
}

TEST_CASE("groups gather programs, sorted by priority and name", "[config][load]")
{
    const Loaded loaded = load_text(R"([group:g]
programs=b, a
priority=5
[program:a]
command=a
priority=20
[program:b]
command=b
priority=10
[program:z]
command=z
priority=1
)");
    CHECK(loaded.mistakes.empty());
    REQUIRE(loaded.config.groups.size() == 2);
    CHECK(loaded.config.groups[0].name == "z");
    CHECK(loaded.config.groups[0].priority == 1);
    const GroupSpec& g = loaded.config.groups[1];
    CHECK(g.heterogeneous);
    REQUIRE(g.services.size() == 2);
    CHECK(g.services[0].namespec() == "g:b");
    CHECK(g.services[1].namespec() == "g:a");
}

TEST_CASE("sections and keys of several places are merged", "[config][load]")
{
    const Loaded loaded = load_text(
        "[DEFAULT]\nstartsecs=7\nnonsense=1\n[program:p]\ncommand=a\nstopwaitsecs=1\n[program:p]\nCOMMAND=b\n");
    CHECK(loaded.mistakes.empty());
    CHECK(loaded.warnings.empty());
    CHECK(first(loaded).exec.command == "b");
    CHECK(first(loaded).policy->start_time == 7s);
    CHECK(first(loaded).policy->stop_time == 1s);
}

TEST_CASE("servers: inet first, then unix, in the order of the file", "[config][load]")
{
    const Loaded loaded = load_text(R"([unix_http_server]
file=x.sock
chown=git:staff
chmod=0770
[inet_http_server]
port=*:9001
username=
password=x
[inet_http_server:two]
port=[::1]:9002
allow_unauthenticated=yes
[unix_http_server:b]
file=/run/b.sock
username=u
password=secret
)");
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) ==
          Lines{"/etc/x.conf:6: [inet_http_server] port: not opened: others can reach it and it has no password; set username and "
                "password, or allow_unauthenticated = yes",
                "/etc/x.conf:15: [unix_http_server:b] password: a password in a file that everybody can read; "
                "chmod 600 the file"});
    const auto& servers = loaded.config.servers;
    REQUIRE(servers.size() == 4);
    CHECK((servers[0].host.empty() && servers[0].port == 9001 && servers[0].password.empty()));
    CHECK((servers[1].host == "::1" && servers[1].port == 9002 && servers[1].allow_unauthenticated));
    CHECK((servers[2].path == "/folder/x.sock" && servers[2].mode == 0770 && servers[2].owner == 500 &&
           servers[2].group == 50));
    CHECK((servers[3].section == "unix_http_server:b" && servers[3].username == "u"));
    for (const auto* bad : {"0", "65536", "", "a:b:c"})
        CHECK(load_text(std::string("[inet_http_server]\nport=") + bad + "\n").fatal);
    CHECK(load_text("[unix_http_server]\nfile=/" + std::string(107, 'x') + "\n").fatal);
}

TEST_CASE("the command line wins over the file", "[config][load]")
{
    const Loaded loaded =
        load_text("[supervisord]\nloglevel=debug\nnodaemon=false\n", {{{"loglevel", "error"}, {"nodaemon", "true"}}});
    CHECK(loaded.config.daemon.loglevel == 40);
    CHECK(loaded.config.daemon.nodaemon);
    const Loaded bad = load_text("[supervisord]\n", {{{"umask", "9"}, {"what", "x"}}});
    CHECK(bad.fatal);
    CHECK(messages(bad.mistakes) == Lines{"command line: [supervisord] umask: 9 can not be converted to an octal type "
                                          "(expected an octal number such as 022)",
                                          "command line: [supervisord] what: unknown key"});
}

TEST_CASE("a large environment arrives whole", "[config][load]")
{
    std::string line = "environment=";
    for (int i = 0; i < 6000; ++i) line += fmt::format("K{}=\"v\",", i);
    const Loaded loaded = load_text("[program:p]\n" + kRun + line + "\n");
    CHECK(loaded.mistakes.empty());
    CHECK(first(loaded).exec.environment.size() == 6000);
}

TEST_CASE("members of a group start in the order it lists them where their priorities are equal", "[config][load]")
{
    const Loaded loaded = load_text("[program:a]\ncommand=x\n[program:z]\ncommand=x\n[program:first]\ncommand=x\npriority=1\n"
                                    "[program:n]\ncommand=x\nnumprocs=2\nprocess_name=n%(process_num)d\nnumprocs_start=9\n"
                                    "[group:g]\nprograms=z,n,a,first\n");
    REQUIRE(loaded.config.groups.size() == 1);
    std::vector<std::string> names;
    for (const ServiceSpec& spec : loaded.config.groups[0].services) names.push_back(spec.name);
    CHECK(names == std::vector<std::string>{"first", "z", "n10", "n9", "a"});
}

TEST_CASE("servers that say more than they should are warned of", "[config][load]")
{
    const auto warnings = [](const std::string& keys) { return messages(load_text("[inet_http_server]\n" + keys).warnings); };
    CHECK(warnings("port=127.0.0.1:1\n") == Lines{"/etc/x.conf:2: [inet_http_server] port: no password: whoever can connect may do everything that 'role' allows"});
    CHECK(warnings("port=127.0.0.1:1\nallow_unauthenticated=yes\n") == Lines{});
    CHECK(warnings("port=[::1]:1\nusername=u\npassword={SHA}x\n") == Lines{});
    REQUIRE(warnings("port=1\nusername=u\npassword={SHA}x\n").size() == 1);
    CHECK(warnings("port=1\nusername=u\npassword={SHA}x\n")[0].starts_with("/etc/x.conf:2: [inet_http_server] port: calls and passwords cross the network as they are"));
}

TEST_CASE("peers are users, groups or everybody, each with a role", "[config][load]")
{
    const Loaded loaded = load_text("[unix_http_server]\nfile=/x.sock\nrole=operator\npeers=git:admin, @staff:viewer, *:viewer\n");
    REQUIRE(loaded.mistakes.empty());
    const auto& server = loaded.config.servers.at(0);
    CHECK(server.role == Role::Operator);
    CHECK(server.peers == std::vector<PeerRole>{{500, {}, Role::Admin}, {{}, 50, Role::Viewer}, {{}, {}, Role::Viewer}});
    for (const auto* bad : {"alice", "alice:boss", ":viewer", "@:viewer", "nosuchuser:viewer", "@nosuchgroup:viewer"}) {
        CAPTURE(bad);
        CHECK(load_text(std::string("[unix_http_server]\nfile=/x.sock\npeers=") + bad + "\n").fatal);
    }
    CHECK(load_text("[unix_http_server]\nfile=/x.sock\nrole=boss\n").fatal);
}

TEST_CASE("TLS needs a certificate, whose file may hold the key too", "[config][load]")
{
    const Loaded loaded = load_text("[inet_http_server]\nport=1\nusername=u\npassword={SHA}x\ncertificate=c.pem\n");
    REQUIRE(loaded.mistakes.empty());
    CHECK(loaded.warnings.empty());
    CHECK(loaded.config.servers.at(0).certificate == "/folder/c.pem");
    CHECK(loaded.config.servers.at(0).certificate_key == "/folder/c.pem");
    for (const auto* key : {"certificate_key", "client_certificates"})
        CHECK(messages(load_text(std::string("[inet_http_server]\nport=127.0.0.1:1\n") + key + "=x.pem\n").mistakes) ==
              Lines{std::string("/etc/x.conf:3: [inet_http_server] ") + key + ": needs a 'certificate'"});
}
