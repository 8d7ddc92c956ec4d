#include <catch2/catch.hpp>

#include "unit/config/support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

/// What the keys under [program:p] are told.
Lines mistakes_of(const std::string& keys)
{
    return messages(load_text("[program:p]\n" + keys).mistakes);
}

const std::string kRun = "command=/bin/cat\n";

}  // namespace

TEST_CASE("every mistake is reported at once, with its line and what was expected", "[config][load]")
{
    const Loaded loaded = load_text(R"([supervisord]
loglevel=warning
childlogdir=/no/such
logfile=/no/such/log
user=nobody9
identifier=a b
[unix_http_server]
chmod=9
[inet_http_server]
port=x:y
username=u
[program:a]
numprocs=two
startsecs=soon
autostart=maybe
stopsignal=NOPE
exitcodes=256
user=0day
umask=9
stdout_logfile_maxbytes=5M
[program:b]
command=%(nope)s
stopasgroup=true
killasgroup=false
max_rate=x
[program:c]
word
command=/bin/cat
[program:good]
command=/bin/cat
)");
    CHECK(loaded.fatal);
    CHECK(
        messages(loaded.mistakes) ==
        Lines{
            "/etc/x.conf:27: [program:c]: expected 'key = value'",
            "/etc/x.conf:4: [supervisord] logfile: The directory named as part of the path /no/such/log does not exist "
            "(expected a path "
            "in an existing directory, or syslog)",
            "/etc/x.conf:2: [supervisord] loglevel: bad logging level name 'warning' (expected critical, error, warn, "
            "info, debug, trace "
            "or blather)",
            "/etc/x.conf:3: [supervisord] childlogdir: /no/such is not an existing directory (expected an existing "
            "directory)",
            "/etc/x.conf:5: [supervisord] user: Invalid user name nobody9 (expected a user's name or number)",
            "/etc/x.conf:6: [supervisord] identifier: expected text without blanks and '/', got 'a b'",
            "/etc/x.conf:13: [program:a] numprocs: invalid literal for int() with base 10: 'two' (expected a whole "
            "number)",
            "/etc/x.conf:19: [program:a] umask: 9 can not be converted to an octal type (expected an octal number such "
            "as 022)",
            "/etc/x.conf:18: [program:a] user: Invalid user name 0day (expected a user's name or number)",
            "/etc/x.conf:15: [program:a] autostart: not a valid boolean value: 'maybe' (expected yes or no)",
            "/etc/x.conf:14: [program:a] startsecs: invalid literal for int() with base 10: 'soon' (expected a time such as 5, 500ms, 5m or 2h)",
            "/etc/x.conf:17: [program:a] exitcodes: not a valid list of exit codes: '256' (expected numbers from 0 to 255 "
            "and names of signals)",
            "/etc/x.conf:16: [program:a] stopsignal: value 'NOPE' is not a valid signal name (expected a signal's name "
            "or number)",
            "/etc/x.conf:20: [program:a] stdout_logfile_maxbytes: invalid literal for int() with base 10: '5m' "
            "(expected a number of "
            "bytes, optionally with KB, MB or GB)",
            "/etc/x.conf:12: [program:a]: program section program:a does not specify a command",
            "/etc/x.conf:22: [program:b] command: Format string '%(nope)s' for 'program:b.command' contains names "
            "('nope') which cannot "
            "be expanded. Available names: ENV_COLOR, ENV_HOME, ENV_PATH, group_name, here, host_node_name, numprocs, "
            "process_num, "
            "program_name",
            "/etc/x.conf:25: [program:b] max_rate: expected NUMBER/TIME such as 50/1s or '120/1m per source', got 'x'",
            "/etc/x.conf:24: [program:b] killasgroup: Cannot set stopasgroup=true and killasgroup=false",
            "/etc/x.conf:10: [inet_http_server] port: invalid literal for int() with base 10: 'y' (expected PORT or HOST:PORT)",
            "/etc/x.conf:9: [inet_http_server]: Section [inet_http_server] contains incomplete authentication: If a "
            "username or a "
            "password is specified, both the username and password must be specified",
            "/etc/x.conf:8: [unix_http_server] chmod: Invalid chmod value 9 (expected an octal number such as 0700)",
            "/etc/x.conf:7: [unix_http_server]: section [unix_http_server] has no file value"});
    // The broken ones are there to be seen; the good one is not harmed.
    REQUIRE(loaded.config.groups.size() == 4);
    CHECK(loaded.config.groups[0].services[0].broken.ends_with("(and 8 more mistakes)"));
    CHECK_FALSE(loaded.config.groups[1].services[0].broken.empty());
    CHECK(loaded.config.groups[2].services[0].broken == "/etc/x.conf:27: [program:c]: expected 'key = value'");
    CHECK(loaded.config.groups[3].services[0].broken.empty());
}

TEST_CASE("a mistake in a program is not fatal, one in a server is", "[config][load]")
{
    CHECK_FALSE(load_text("[program:p]\nstartsecs=x\n").fatal);
    CHECK_FALSE(load_text("[group:g]\nprograms=x\n").fatal);
    CHECK(load_text("[supervisord]\nloglevel=x\n").fatal);
    CHECK(load_text("[unix_http_server:two]\n").fatal);
    CHECK(load_text("x=1\n").fatal);
    CHECK(load_text(std::string("a\0b", 3)).fatal);
    const Loaded absent = load("/etc/none.conf", {}, machine({}));
    CHECK(absent.fatal);
    CHECK(messages(absent.mistakes) == Lines{"could not find config file /etc/none.conf"});
}

TEST_CASE("numprocs repeats a section, not its mistakes", "[config][load]")
{
    const Loaded loaded = load_text("[program:p]\ncommand=x\nstartsecs=x\nnumprocs=3\nprocess_name=p%(process_num)d\n");
    CHECK(loaded.mistakes.size() == 1);
    REQUIRE(loaded.config.groups.at(0).services.size() == 3);
    for (const ServiceSpec& service : loaded.config.groups[0].services) CHECK_FALSE(service.broken.empty());

    CHECK(mistakes_of(kRun + "numprocs=2\n") == Lines{"/etc/x.conf:3: [program:p] numprocs: %(process_num) must be "
                                                      "present within process_name when numprocs > 1"});
    CHECK(mistakes_of(kRun + "numprocs=1000000\nprocess_name=%(process_num)d\n") ==
          Lines{"/etc/x.conf:3: [program:p] numprocs: expected at most 10000 (max_programs of [supervisord]), got "
                "1000000"});
    CHECK(load_text("[program:p]\n" + kRun + "numprocs=0\n").config.groups.at(0).services.empty());
    CHECK(mistakes_of(kRun + "numprocs=2\nprocess_name=%(process_num)d\nsocket=tcp:1\n") ==
          Lines{"/etc/x.conf:3: [program:p] numprocs: expected 1 with activation = on_demand: processes are started as "
                "callers need them"});
}

TEST_CASE("what does not go together is said plainly", "[config][load]")
{
    CHECK(mistakes_of(kRun + "activation=on_demand\n") ==
          Lines{"/etc/x.conf:3: [program:p] activation: on_demand needs a 'socket'"});
    CHECK(
        mistakes_of(kRun + "socket=udp:1\nactivation=per_connection\n") ==
        Lines{"/etc/x.conf:4: [program:p] activation: per_connection needs sockets with connections, udp:1 has none"});
    CHECK(mistakes_of(kRun + "socket=tcp:1,tcp:2\nsocket_pass=stdio\n") ==
          Lines{"/etc/x.conf:4: [program:p] socket_pass: expected listen_fds with 2 sockets: only one fits on stdin"});
    CHECK(mistakes_of(kRun + "socket=tcp:1,tcp:1\n") ==
          Lines{"/etc/x.conf:3: [program:p] socket: 'tcp:1' is listed twice (expected endpoints such as tcp:8080, "
                "unix:/run/x.sock, udp:69)"});
    CHECK(mistakes_of(kRun + "supplementary_groups=staff\n") ==
          Lines{"/etc/x.conf:3: [program:p] supplementary_groups: needs 'user' or 'group' beside it (expected names or "
                "numbers)"});
    CHECK(
        mistakes_of(kRun + "activation=sometimes\n") ==
        Lines{"/etc/x.conf:3: [program:p] activation: expected always, on_demand or per_connection, got 'sometimes'"});
    CHECK(mistakes_of(kRun + "nice=20\nmax_instances=-1\n").size() == 2);
}

TEST_CASE("a built-in service that is none is refused by name", "[config][load]")
{
    CHECK(
        mistakes_of("command=builtin:ecko\n") ==
        Lines{
            "/etc/x.conf:2: [program:p] command: expected builtin:echo, discard, chargen, daytime, time, tcpmux or sensor, got 'builtin:ecko'"});
    CHECK(messages(load_text("[include]\nxinetd=/etc/none.conf\n").mistakes) ==
          Lines{"/etc/x.conf:2: [include] xinetd: there is no file \"/etc/none.conf\""});
    CHECK(messages(load_text("[rpcinterface:y]\na=b\n[ctlplugin:z]\n").warnings).empty());
}

TEST_CASE("a plug-in in Python is one warning, and the rest goes on", "[config][load]")
{
    const auto loaded = load_text(
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        "[rpcinterface:twiddler]\nsupervisor.rpcinterface_factory = supervisor_twiddler.rpcinterface:make\nkey=value\n"
        "[ctlplugin:cache]\nsupervisor.ctl_factory = supervisor_cache:make\n");
    CHECK(loaded.mistakes.empty());
    REQUIRE(loaded.warnings.size() == 2);
    CHECK(loaded.warnings[0].message().starts_with("/etc/x.conf:4: [rpcinterface:twiddler] supervisor.rpcinterface_factory: a Python plug-in cannot be loaded; "));
    CHECK(loaded.warnings[1].message().starts_with("/etc/x.conf:7: [ctlplugin:cache] supervisor.ctl_factory: a Python plug-in cannot be loaded; "));
    CHECK(messages(load_text("[rpcinterface:x]\n").mistakes) ==
          Lines{"/etc/x.conf:1: [rpcinterface:x]: section [rpcinterface:x] does not specify a supervisor.rpcinterface_factory"});
}

TEST_CASE("unknown words name the nearest known one", "[config][load]")
{
    CHECK(messages(load_text("[program:p]\ncommand=x\nautostrat=yes\nzzzzzzzzzz=1\n[progam:q]\n[supervisrod]\n[program]"
                             "\n[what ever]\n"
                             "[inet_http_server2]\nport=[::1]:1\nallow_unauthenticated=yes\n")
                       .warnings) ==
          Lines{"/etc/x.conf:3: [program:p] autostrat: unknown key; did you mean 'autostart'?",
                "/etc/x.conf:4: [program:p] zzzzzzzzzz: unknown key",
                "/etc/x.conf:5: [progam:q]: unknown section; did you mean [program:q]?",
                "/etc/x.conf:6: [supervisrod]: unknown section; did you mean [supervisord]?",
                "/etc/x.conf:7: [program]: unknown section; expected [program:NAME]",
                "/etc/x.conf:8: [what ever]: unknown section"});
}

TEST_CASE("names that would collide are mistakes naming both places", "[config][load]")
{
    const auto of = [](const std::string& text) { return messages(load_text(text).mistakes); };
    CHECK(of("[program:a]\ncommand=x\n[program:b]\ncommand=x\n[group:a]\nprograms=b\n") ==
          Lines{"/etc/x.conf:1: [program:a]: a group named 'a' is already defined at /etc/x.conf:5"});
    CHECK(of("[program:a]\ncommand=x\n[program: a]\ncommand=x\n") ==
          Lines{"/etc/x.conf:3: [program: a]: program 'a' is already defined at /etc/x.conf:1"});
    CHECK(of("[group:g]\nprograms=a,b\n[program:a]\ncommand=x\n[program:b]\ncommand=x\nprocess_name=a\n") ==
          Lines{"/etc/x.conf:7: [program:b] process_name: group 'g' has a process named 'a' already, of program 'a'"});
    CHECK(of("[program:a]\ncommand=x\nsocket=tcp:80\n[program:b]\ncommand=x\nsocket=unix:/x, tcp:80\n") ==
          Lines{"/etc/x.conf:6: [program:b] socket: tcp:80 already belongs to program 'a', see /etc/x.conf:3"});
    CHECK(of("[program:a]\ncommand=x\nsocket=tcp:80\nactivation=always\nnumprocs=2\nprocess_name=%(process_num)d\n")
              .empty());
    CHECK(of("[group:g]\nprograms=aa\n[program:ab]\ncommand=x\n[fcgi-program:f]\ncommand=x\nsocket=unix:///f\n") ==
          Lines{"/etc/x.conf:2: [group:g] programs: [group:g] names unknown program or fcgi-program aa; did you mean "
                "'ab'?"});

    const Loaded bad = load_text("[program:a b]\ncommand=x\n[program:c]\ncommand=x\nprocess_name=d/e\n");
    CHECK(messages(bad.mistakes) ==
          Lines{"/etc/x.conf:1: [program:a b]: Invalid name: 'a b' because of character: ' '",
                "/etc/x.conf:5: [program:c] process_name: Invalid name: 'd/e' because of character: '/'"});
    REQUIRE(bad.config.groups.size() == 1);
    CHECK(first(bad).namespec() == "c");
    CHECK_FALSE(first(bad).broken.empty());
}

TEST_CASE("a command that a comment has cut is a warning", "[config][load]")
{
    const Loaded loaded = load_text("[program:p]\ncommand=/bin/sh -c 'echo a ; echo b'\n");
    CHECK(loaded.mistakes.empty());
    REQUIRE(loaded.warnings.size() == 1);
    CHECK(loaded.warnings[0].message() ==
          "/etc/x.conf:2: [program:p] command: No closing quotation, so it will not start (a ';' after a blank begins a comment, also "
          "between quotes): \"/bin/sh -c 'echo a\"");
    CHECK(load_text("[program:p]\ncommand=/bin/sh -c 'echo a; echo b'\n").warnings.empty());
}
