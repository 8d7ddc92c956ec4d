#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>

#include "base/text.h"
#include "config/dialect.h"
#include "config/systemd/directives.h"
#include "config/systemd/text.h"
#include "config/systemd/unit.h"
#include "support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

using Files = std::map<std::string, std::string>;

Translation translated(const Files& files, const std::vector<std::string>& names = {}, TranslationRules rules = {})
{
    std::vector<std::string> listed = names;
    if (listed.empty())
        for (const auto& [name, text] : files)
            if (name.find(".d/") == std::string::npos) listed.push_back(name);
    return translate_systemd(listed, machine(files), rules);
}

std::string value(const Translation& translation, std::string_view key, std::size_t section = 0)
{
    if (section >= translation.sections.size()) return "(no section)";
    for (const IniKey& k : translation.sections[section].keys)
        if (k.name == key) return k.value;
    return "(none)";
}

Lines remarks(const Translation& translation, Remark::Weight weight)
{
    Lines lines;
    for (const Remark& remark : translation.remarks)
        if (remark.weight == weight) lines.push_back(fmt::format("{}:{} {}: {}", remark.place.file, remark.place.line, remark.key, remark.text));
    return lines;
}

Lines mistakes(const Translation& translation) { return remarks(translation, Remark::Weight::Mistake); }
Lines warnings(const Translation& translation) { return remarks(translation, Remark::Weight::Warning); }

/// A service with these lines behind a socket of its name.
Translation pair(const std::string& service, const std::string& socket = "ListenStream=/run/x\n", TranslationRules rules = {})
{
    return translated({{"/u/x.service", "[Service]\nExecStart=/bin/x\n" + service}, {"/u/x.socket", "[Socket]\n" + socket}}, {}, rules);
}

Translation per_connection(const std::string& service, const std::string& socket = "")
{
    return translated({{"/u/x@.service", "[Service]\n" + service}, {"/u/x.socket", "[Socket]\nAccept=yes\nListenStream=7\n" + socket}});
}

Translation alone(const std::string& service)
{
    return translated({{"/u/x.service", "[Service]\n" + service}});
}

}  // namespace

TEST_CASE("a unit's lines are read as systemd reads them", "[config][systemd]")
{
    systemd::Unit unit;
    systemd::parse_unit("\xef\xbb\xbf# comment\n[Service]\nA = one \\\n; inside\n two\\\n  three\n\n B=\nC=x;y # z\nno equals\n[Install\nD=1\n", "/u", unit);
    REQUIRE(unit.lines.size() == 4);
    CHECK(unit.lines[0].key == "A");
    CHECK(unit.lines[0].value == "one   two   three");
    CHECK(unit.lines[0].place.line == 3);
    CHECK(unit.lines[1].value.empty());
    CHECK(unit.lines[2].value == "x;y # z");
    REQUIRE(unit.bad.size() == 2);
    CHECK(unit.bad[0].text == "expected Key=value, got 'no equals'");
    CHECK(unit.bad[0].place.line == 10);
    CHECK(unit.bad[1].text == "expected [Section], got '[Install'");
    CHECK(unit.lines[3].section == "Install");
}

TEST_CASE("words have quotes and the escapes of C", "[config][systemd]")
{
    const auto words = [](const char* text) { return systemd::split_words(text).value_or(Lines{"(error)"}); };
    CHECK(words("  a 'b c' \"d\\te\" f\"g h\"i ''") == Lines{"a", "b c", "d\te", "fg hi", ""});
    CHECK(words("\\x41\\102\\u00e9\\s\\\\\\\"") == Lines{"AB\xc3\xa9 \\\""});
    CHECK(words("a \\; b") == Lines{"a", "\\;", "b"});
    CHECK(systemd::split_words("'open").error().message == "the quote ' is not closed");
    CHECK(systemd::split_words("\\q").error().message == "unknown escape '\\q'");
    CHECK(systemd::split_words("\\x0").error().message == "unknown escape '\\x'");
    CHECK(systemd::split_words("\\x00").error().message == "unknown escape '\\x'");
    CHECK(systemd::split_words("end\\").error().message == "there is nothing after the last '\\'");
}

TEST_CASE("times and sizes have systemd's units", "[config][systemd]")
{
    CHECK(systemd::parse_span("5").value() == 5000);
    CHECK(systemd::parse_span("1min 30s").value() == 90'000);
    CHECK(systemd::parse_span("1.5h").value() == 5'400'000);
    CHECK(systemd::parse_span("250ms").value() == 250);
    CHECK(systemd::parse_span("2M").value() == 5'259'600'000);
    CHECK(systemd::parse_span("infinity").value() == systemd::kForever);
    CHECK_FALSE(systemd::parse_span("soon"));
    CHECK_FALSE(systemd::parse_span(""));
    CHECK_FALSE(systemd::parse_span("-1"));
    CHECK(systemd::parse_size("64K").value() == 65536);
    CHECK(systemd::parse_size("1.5G").value() == 1610612736);
    CHECK_FALSE(systemd::parse_size("64Q"));
    CHECK(systemd::native_time(90'000) == "90");
    CHECK(systemd::native_time(1500) == "1500ms");
    CHECK(systemd::native_time(systemd::kForever) == "31536000");
    CHECK(systemd::unescape_name("srv-git\\x2dhub") == "srv/git-hub");
}

TEST_CASE("a socket and its service are one program", "[config][systemd]")
{
    const auto t = translated({{"/u/uuidd.socket", "[Unit]\nDescription=UUID\n[Socket]\nListenStream=/run/uuidd/request\n[Install]\nWantedBy=sockets.target\n"},
                               {"/u/uuidd.service", "[Unit]\nRequires=uuidd.socket\n[Service]\nExecStart=/usr/sbin/uuidd --socket-activation\nRestart=no\nUser=git\n"}});
    REQUIRE(t.sections.size() == 1);
    CHECK(t.sections[0].name == "program:uuidd");
    CHECK(value(t, "socket") == "uuidd.socket=unix:/run/uuidd/request");
    CHECK(value(t, "activation") == "on_demand");
    CHECK(value(t, "socket_mode") == "0666");
    CHECK(value(t, "command") == "/usr/sbin/uuidd --socket-activation");
    CHECK(value(t, "user") == "git");
    CHECK(value(t, "socket_pass") == "listen_fds");
    CHECK(value(t, "inherit_env") == "false");
    CHECK(value(t, "environment").find("HOME=\"/srv/git\",LOGNAME=\"git\",USER=\"git\"") != std::string::npos);
    CHECK(value(t, "stopwaitsecs") == "90");
    CHECK(value(t, "umask") == "022");
    CHECK(value(t, "directory") == "/");
    CHECK(mistakes(t).empty());
    CHECK(warnings(t).empty());
    CHECK(t.files == Lines{"/u/uuidd.service", "/u/uuidd.socket"});
}

TEST_CASE("every form of an address", "[config][systemd]")
{
    const auto socket = [](const std::string& lines) { return value(pair("", lines), "socket"); };
    CHECK(socket("ListenStream=8080\n") == "x.socket=tcp:8080");
    CHECK(socket("ListenStream=127.0.0.1:80\n") == "x.socket=tcp:127.0.0.1:80");
    CHECK(socket("ListenStream=[::1]:80\n") == "x.socket=tcp:[::1]:80");
    CHECK(socket("ListenStream=[::]:80\n") == "x.socket=tcp:80");
    CHECK(socket("BindIPv6Only=ipv6-only\nListenStream=[::]:80\nListenStream=81\n") == "x.socket=tcp6:80\nx.socket=tcp6:81");
    CHECK(socket("ListenStream=[fe80::1]:80%%eth0\n") == "x.socket=tcp:[fe80::1%%eth0]:80");
    CHECK(socket("ListenStream=@abc\n") == "x.socket=unix:@abc");
    CHECK(socket("ListenDatagram=69\nListenDatagram=/run/d\n") == "x.socket=udp:69\nx.socket=unix-dgram:/run/d");
    CHECK(socket("ListenSequentialPacket=/run/s\n") == "x.socket=unix-seqpacket:/run/s");
    CHECK(socket("ListenFIFO=/run/f\n") == "x.socket=fifo:/run/f");
    CHECK(mistakes(pair("", "ListenSequentialPacket=80\n")) == Lines{"/u/x.socket:2 ListenSequentialPacket: expected a path, @name or vsock address, got '80'",
                                                                    "/u/x.socket:1 : the socket unit listens nowhere: expected ListenStream= or another Listen…="});
    // In the order of the file, whatever kind; an empty line of any kind forgets those before it.
    CHECK(socket("ListenFIFO=/run/a\nListenStream=\nListenDatagram=69\nListenStream=80\nFileDescriptorName=web\n") == "web=udp:69\nweb=tcp:80");
    CHECK(mistakes(pair("", "ListenUSBFunction=/dev/x\nListenStream=80\n")) ==
          Lines{"/u/x.socket:2 ListenUSBFunction: not supported: a program that is a USB device opens its functions itself"});
}

TEST_CASE("socket options", "[config][systemd]")
{
    const auto t = pair("NonBlocking=yes\n",
                        "ListenStream=80\nNoDelay=yes\nKeepAlive=yes\nKeepAliveIntervalSec=10\nDeferAcceptSec=5\nReceiveBuffer=64K\nReusePort=on\nIPTOS=low-delay\n"
                        "FreeBind=no\nPassPacketInfo=1\nBacklog=4294967295\nBindIPv6Only=both\nMark=7\nTCPCongestion=bbr\n");
    CHECK(mistakes(t).empty());
    CHECK(value(t, "socket_options") ==
          "v6only=no, nodelay, reuseport, pktinfo, congestion=bbr, mark=7, rcvbuf=65536, defer_accept=5, tos=16, keepalive=7200/10/9, nonblock");
    CHECK(value(t, "socket_backlog") == "(none)");
    CHECK(value(pair("", "ListenStream=80\nBacklog=12\n"), "socket_backlog") == "12");
    const auto owned = pair("User=git\n", "ListenStream=/run/x\nSocketUser=www\nSocketGroup=staff\nSocketMode=0600\n");
    CHECK(value(owned, "socket_owner") == "www:staff");
    CHECK(value(owned, "socket_mode") == "0600");
    CHECK(value(pair("User=git\n"), "socket_owner") == "root:0");
    CHECK(mistakes(pair("", "ListenStream=80\nMark=many\n")) ==
          Lines{"/u/x.socket:3 Mark: socket option 'mark': expected a number from 1 to 2147483647, got 'many'"});
    CHECK(mistakes(pair("", "ListenStream=80\nSELinuxContextFromNet=yes\n")) ==
          Lines{"/u/x.socket:3 SELinuxContextFromNet: not supported: the security label would be missing"});
}

TEST_CASE("a connection is an instance of the template", "[config][systemd]")
{
    const auto t = per_connection("ExecStart=-/usr/sbin/sshd -i\nStandardInput=socket\nStandardError=journal\nKillMode=process\n", "MaxConnections=5\nMaxConnectionsPerSource=2\n");
    CHECK(t.sections.size() == 1);
    CHECK(value(t, "socket") == "tcp:7");
    CHECK(value(t, "activation") == "per_connection");
    CHECK(value(t, "max_instances") == "5");
    CHECK(value(t, "max_per_source") == "2");
    CHECK(value(t, "overload") == "refuse");
    CHECK(value(t, "max_rate") == "150/2s");
    CHECK(value(t, "socket_pass") == "stdio");
    CHECK(value(t, "stopasgroup") == "false");
    CHECK(value(per_connection("ExecStart=/bin/x\nStandardInput=socket\n"), "socket_pass") == "stdio_all");
    CHECK(value(per_connection("ExecStart=/bin/x\nStandardInput=socket\nStandardOutput=journal\n"), "socket_pass") == "stdin");
    CHECK(value(per_connection("ExecStart=/bin/x\n"), "socket_pass") == "listen_fds");
    CHECK(value(per_connection("ExecStart=/bin/x\n", "PollLimitBurst=0\nTriggerLimitBurst=10\nTriggerLimitIntervalSec=5s\n"), "max_rate") == "10/5s");
    CHECK(value(per_connection("ExecStart=/bin/x\n", "PollLimitBurst=0\nTriggerLimitIntervalSec=0\n"), "max_rate") == "(none)");
    CHECK(mistakes(translated({{"/u/x.socket", "[Socket]\nAccept=yes\nListenStream=7\n"}})) ==
          Lines{"/u/x.socket:2 Accept: there is no x@.service among the files or beside them"});
}

TEST_CASE("what a connection's program does first is done by a shell", "[config][systemd]")
{
    const auto t = per_connection("ExecStart=/bin/x %p\nExecStartPre=-/bin/a 'b c'\nExecCondition=/bin/test -e /y\nRuntimeDirectory=r\nExecStopPost=/bin/z\nStandardInput=socket\nStandardError=journal\n");
    CHECK(value(t, "command") == "/bin/sh -c 'set -f; /usr/bin/install -d -m 0755 /run/r </dev/null >&2 || exit; /bin/test -e /y </dev/null >&2 || exit; "
                                 "/bin/a '\"'\"'b c'\"'\"' </dev/null >&2; exec /bin/x x'");
    CHECK(value(t, "start_pre") == "(none)");
    CHECK(warnings(t) == Lines{"/u/x@.service:6 ExecStopPost: ignored: for a connection only the commands before the program are run"});
    CHECK(value(per_connection("ExecStart=/bin/x\nExecStartPre=/bin/a\nStandardInput=socket\n"), "command") ==
          "/bin/sh -c 'set -f; /bin/a </dev/null >/dev/null 2>&1 || exit; exec /bin/x'");
    const auto user = per_connection("ExecStart=/bin/x\nUser=git\nExecStartPre=+/bin/a\n");
    CHECK(value(user, "command") == "/bin/x");
    CHECK(warnings(user) == Lines{"/u/x@.service:4 ExecStartPre: ignored: needs more rights than the program has, whose user is set before anything runs for a connection: do it once"});
}

TEST_CASE("After= and Before= among imported units are priorities", "[config][systemd]")
{
    const auto unit = [](const std::string& lines) { return "[Unit]\n" + lines + "[Service]\nExecStart=/bin/x\n"; };
    const auto t = translated({{"/u/a.service", unit("After=c.service b.socket network.target\n")},
                               {"/u/b.service", unit("Before=c.service\nRequires=b.socket\nAfter=b.socket\n")},
                               {"/u/b.socket", "[Socket]\nListenStream=80\n"},
                               {"/u/c.service", unit("After=a.service\n")},
                               {"/u/d.service", unit("Wants=a.service\n")}});
    std::map<std::string, std::string> priorities;
    for (std::size_t i = 0; i < t.sections.size(); ++i) priorities[t.sections[i].name.substr(8)] = value(t, "priority", i);
    CHECK(priorities == std::map<std::string, std::string>{{"a", "1001"}, {"b", "(none)"}, {"c", "1000"}, {"d", "(none)"}});
    CHECK(warnings(t) == Lines{"/u/c.service:2 After: ignored: a starts after this program, as lines before this one say"});
    CHECK(remarks(t, Remark::Weight::Note).front() == "/u/b.service:2 Before: starts before c (priority), but neither waits until the other is ready");
    CHECK(mistakes(t).empty());
}

TEST_CASE("every remark has its line", "[config][systemd]")
{
    const auto t = translated({{"/u/a.socket", "[Unit]\nAfter=z.service\n\n[Socket]\nAccept=no\nExecStartPre=/bin/a\nBacklog=x\nSocketUser=no-such\n"},
                               {"/u/a.service", "[Unit]\nDescription=a\n[Service]\nType=simple\n"}, {"/u/b.socket", "[Socket]\nListenStream=80\n"}});
    CHECK(t.remarks.size() >= 6);
    for (const Remark& remark : t.remarks) {
        INFO(remark.key << ": " << remark.text);
        CHECK(remark.place.line > 0);
    }
    CHECK(warnings(t).front() == "/u/a.socket:6 ExecStartPre: ignored: no command is run when a socket opens or closes: use SocketMode=, SocketUser=, DirectoryMode=, "
                                 "Symlinks=, or ExecStartPre= of the service");
}

TEST_CASE("template sockets", "[config][systemd]")
{
    const Files files = {{"/u/ts@.socket", "[Socket]\nListenStream=%i\nAccept=yes\n"}, {"/u/ts@.service", "[Service]\nExecStart=/bin/ts %p\nStandardInput=socket\n"}};
    const auto t = translated(files, {"/u/ts@10022.socket"});
    REQUIRE(t.sections.size() == 1);
    CHECK(t.sections[0].name == "program:ts@10022");
    CHECK(value(t, "socket") == "tcp:10022");
    CHECK(value(t, "command") == "/bin/ts ts");
    CHECK(translated(files).sections.empty());
    CHECK(remarks(translated(files), Remark::Weight::Note).front() == "/u/ts@.socket:1 : a template: name its instances, such as ts@x.socket");
    const auto loaded = load("/etc/x.conf", {}, machine({{"/etc/x.conf", "[include]\nsystemd=/u/ts@7.socket\n"}, {"/u/ts@.socket", files.at("/u/ts@.socket")}, {"/u/ts@.service", files.at("/u/ts@.service")}}));
    CHECK(messages(loaded.mistakes).empty());
    CHECK(first(loaded).name == "ts@7");
}

TEST_CASE("several sockets for one service", "[config][systemd]")
{
    const Files files = {{"/u/a.socket", "[Socket]\nListenStream=80\nService=x.service\n"}, {"/u/b.socket", "[Socket]\nListenStream=81\nFileDescriptorName=b\n"}, {"/u/x.service", "[Service]\nExecStart=/bin/x\nSockets=b.socket\n"}};
    const auto t = translated(files, {"/u/a.socket", "/u/x.service"});
    REQUIRE(t.sections.size() == 1);
    CHECK(value(t, "socket") == "a.socket=tcp:80\nb=tcp:81");
    CHECK(mistakes(translated({{"/u/a.socket", "[Socket]\nListenStream=80\nService=none.service\n"}})) ==
          Lines{"/u/a.socket:3 Service: there is no none.service among the files or beside them"});
}

TEST_CASE("sockets of one service keep their own options", "[config][systemd]")
{
    const Files files = {{"/u/a.socket", "[Socket]\nListenStream=/run/a\nService=x.service\nSocketMode=0666\n"},
                         {"/u/b.socket", "[Socket]\nListenStream=/run/b\nService=x.service\nSocketMode=0600\nSocketUser=git\nPassCredentials=yes\n"},
                         {"/u/x.service", "[Service]\nExecStart=/bin/x\n"}};
    const auto t = translated(files);
    CHECK(mistakes(t).empty());
    CHECK(value(t, "socket_options") == "a.socket:mode=0666, a.socket:owner=0, a.socket:group=0, b.socket:passcred, b.socket:mode=0600, b.socket:owner=500, b.socket:group=501");
    auto with_main = files;
    with_main["/etc/x.conf"] = "[include]\nsystemd=/u/*.socket\n";
    const Loaded loaded = load("/etc/x.conf", {}, machine(with_main));
    CHECK(messages(loaded.mistakes).empty());
    const Sockets& sockets = first(loaded).sockets;
    REQUIRE(sockets.endpoints.size() == 2);
    CHECK(sockets.options_of(sockets.endpoints[0])->mode == 0666);
    CHECK_FALSE(sockets.options_of(sockets.endpoints[0])->passcred);
    CHECK(sockets.options_of(sockets.endpoints[1])->mode == 0600);
    CHECK(sockets.options_of(sockets.endpoints[1])->owner == 500U);
    CHECK(sockets.options_of(sockets.endpoints[1])->passcred);
}

TEST_CASE("words of socket_options may be for one socket", "[config][load]")
{
    const auto loaded = load_text("[program:x]\ncommand=/bin/x\nsocket=a=tcp:80, b=tcp:81\nsocket_options=nodelay, b:keepalive=60, b:defer_accept=5s\n");
    CHECK(messages(loaded.mistakes).empty());
    const Sockets& sockets = first(loaded).sockets;
    CHECK_FALSE(sockets.options_of(sockets.endpoints[0])->keepalive);
    CHECK(sockets.options_of(sockets.endpoints[1])->keepalive_idle == 60);
    CHECK(sockets.options_of(sockets.endpoints[1])->nodelay);
    CHECK(messages(load_text("[program:x]\ncommand=/bin/x\nsocket=tcp:80\nsocket_options=b:nodelay\n").mistakes) ==
          Lines{"/etc/x.conf:4: [program:x] socket_options: no socket is called 'b', as in socket = b=…"});
    CHECK(messages(load_text("[program:x]\ncommand=/bin/x\nsocket=b=tcp:80\nsocket_options=b:nodlay\n").mistakes).front().find("did you mean 'nodelay'?") != std::string::npos);
}

TEST_CASE("drop-ins follow the unit, the most particular last", "[config][systemd]")
{
    const auto t = translated({{"/u/x@.service", "[Service]\nExecStart=/bin/x %i\nNice=1\n"},
                               {"/u/x@.service.d/10.conf", "[Service]\nNice=2\nExecStart=\nExecStart=/bin/y %i\n"},
                               {"/u/x@a.service.d/10.conf", "[Service]\nNice=3\n"},
                               {"/u/service.d/20.conf", "[Service]\nUMask=077\n"}},
                              {"/u/x@a.service"});
    CHECK(value(t, "command") == "/bin/x a");
    CHECK(value(t, "nice") == "3");
    CHECK(value(t, "umask") == "077");
    CHECK(value(translated({{"/u/x.service", "[Service]\nExecStart=/bin/x\n"}, {"/u/x.service.d/a.conf", "[Service]\nExecStart=\nExecStart=/bin/y\n"}}), "command") == "/bin/y");
    const auto masked = translated({{"/u/x.service", ""}});
    CHECK(masked.sections.empty());
    CHECK(remarks(masked, Remark::Weight::Note) == Lines{"/u/x.service:0 : left out: the unit is empty (masked)"});
}

TEST_CASE("specifiers", "[config][systemd]")
{
    const Files files = {{"/u/a-b@.service", "[Service]\nExecStart=/bin/x %n %N %p %i %j %f %t %S %h %H %u %U %% %v\n"}, {"/proc/sys/kernel/osrelease", "6.1\n"}};
    CHECK(value(translated(files, {"/u/a-b@c-d.service"}), "command") ==
          "/bin/x a-b@c-d.service a-b@c-d a-b c-d b /c/d /run /var/lib /root box root 0 %% 6.1");
    CHECK(mistakes(alone("ExecStart=/bin/x %k\n")) == Lines{"/u/x.service:2 ExecStart: the specifier '%k' is not known here",
                                                           "/u/x.service:1 ExecStart: the service starts nothing: expected ExecStart="});
}

TEST_CASE("variables in commands", "[config][systemd]")
{
    CHECK(value(alone("Environment=A=1 \"B=x y\"\nExecStart=/bin/x $A ${B} a${A}b $B $$A $NONE\n"), "command") == "/bin/x 1 'x y' a1b x y '$A'");
    CHECK(warnings(alone("ExecStart=/bin/x $NONE\n")) == Lines{"/u/x.service:2 ExecStart: the variable NONE in a command is not set, so it is empty"});
    CHECK(value(alone("Environment=A=1\nExecStart=:/bin/x $A\n"), "command") == "/bin/x '$A'");
    const auto t = alone("Environment=O=-d\nEnvironmentFile=-/etc/default/x\nExecStart=/bin/x 'two words' $O ${O}\n");
    CHECK(value(t, "command") == "/bin/sh -c 'set -f; exec /bin/x '\"'\"'two words'\"'\"' $O \"${O}\"'");
    CHECK(value(t, "environment_default").find("O=\"-d\"") != std::string::npos);
    CHECK(value(t, "environment_file") == "-/etc/default/x");
    CHECK(value(per_connection("ExecStart=/bin/x %i\n"), "command").find("\"$XSVD_CONNECTION-${IPCREMOTEPID") != std::string::npos);
    CHECK(mistakes(per_connection("ExecStart=/bin/x\nEnvironment=A=%i\n")) ==
          Lines{"/u/x@.service:3 Environment: the instance of a connection is known only once there is one; it may stand in ExecStart= and ExecStartPre= alone"});
}

TEST_CASE("prefixes and lists of commands", "[config][systemd]")
{
    CHECK(value(alone("ExecStart=@/bin/x name -a\n"), "argv0") == "name");
    const auto once = alone("Type=oneshot\nExecStart=/bin/a ; /bin/b \\; c\nExecStart=-+/bin/c\nRemainAfterExit=yes\n");
    CHECK(value(once, "command") == "/bin/c");
    CHECK(value(once, "start_pre") == "/bin/a\n/bin/b ';' c");
    CHECK(value(once, "ready") == "exit");
    CHECK(value(once, "remain_after_exit") == "true");
    CHECK(mistakes(alone("ExecStart=/bin/a\nExecStart=/bin/b\n")) ==
          Lines{"/u/x.service:3 ExecStart: expected one command; several are possible with Type=oneshot only"});
    const auto hooks = alone("ExecStart=/bin/x\nExecStartPre=-+/bin/a\nExecStartPost=/bin/b\nExecStop=/bin/c $MAINPID\nExecStopPost=/bin/d\nExecReload=/bin/kill -HUP $MAINPID\n");
    CHECK(value(hooks, "start_pre") == "-+/bin/a");
    CHECK(value(hooks, "start_post") == "/bin/b");
    CHECK(value(hooks, "stop_command") == "/bin/sh -c 'set -f; exec /bin/c $MAINPID'");
    CHECK(value(hooks, "reload_signal") == "HUP");
    CHECK(value(hooks, "reload_command") == "(none)");
    const auto root = alone("ExecStart=+/bin/x\nUser=git\n");
    CHECK(value(root, "user") == "(none)");
    CHECK(mistakes(alone("ExecStart=|/bin/x\n")).front() == "/u/x.service:2 ExecStart: the prefix '|' (through the user's shell) is not supported");
    CHECK(mistakes(alone("Type=simple\n")) == Lines{"/u/x.service:1 ExecStart: the service starts nothing: expected ExecStart="});
}

TEST_CASE("how a service is watched, restarted and ended", "[config][systemd]")
{
    const auto t = alone("Type=notify\nExecStart=/bin/x\nRestart=on-failure\nRestartSec=5\nSuccessExitStatus=111 TEMPFAIL SIGKILL\nRestartPreventExitStatus=255\n"
                         "WatchdogSec=30s\nFileDescriptorStoreMax=8\nFileDescriptorStorePreserve=true\nNotifyAccess=all\nTimeoutStartSec=0\nTimeoutStopSec=2min\nKillSignal=SIGINT\nKillMode=mixed\nRuntimeMaxSec=1d\nNice=-5\n"
                         "LimitNOFILE=1024:4096\nLimitCORE=infinity\nUMask=0077\nSupplementaryGroups=staff\nUser=git\n");
    CHECK(mistakes(t).empty());
    CHECK(value(t, "ready") == "notify");
    CHECK(value(t, "autorestart") == "on_failure");
    CHECK(value(t, "restart_pause") == "5");
    CHECK(value(t, "exitcodes") == "0,HUP,INT,TERM,PIPE,111,75,SIGKILL");
    CHECK(value(t, "restart_prevent") == "255");
    CHECK(value(t, "watchdog") == "30");
    CHECK(value(t, "fdstore_max") == "8");
    CHECK(value(t, "fdstore_preserve") == "yes");
    CHECK(value(t, "notify_access") == "all");
    CHECK(value(t, "start_timeout") == "31536000");
    CHECK(value(t, "stopwaitsecs") == "120");
    CHECK(value(t, "stopsignal") == "SIGINT");
    CHECK(value(t, "stopasgroup") == "false");
    CHECK(value(t, "killasgroup") == "true");
    CHECK(value(t, "run_time_max") == "86400");
    CHECK(value(t, "nice") == "-5");
    CHECK(value(t, "limits") == "core=unlimited nofile=1024:4096");
    CHECK(value(t, "supplementary_groups") == "501,700,staff");
}

TEST_CASE("where the streams go", "[config][systemd]")
{
    CHECK(value(alone("ExecStart=/bin/x\n"), "redirect_stderr") == "true");
    const auto t = alone("ExecStart=/bin/x\nStandardOutput=null\nStandardError=append:/var/log/x\n");
    CHECK(value(t, "stdout_logfile") == "NONE");
    CHECK(value(t, "stderr_logfile") == "/var/log/x");
    CHECK(value(t, "stderr_logfile_maxbytes") == "0");
    CHECK(value(pair("StandardInput=fd:web\n", "ListenStream=80\nFileDescriptorName=web\n"), "socket_pass") == "stdio_all");
    CHECK(mistakes(pair("StandardInput=fd:other\n")) == Lines{"/u/x.service:3 StandardInput: no socket of the service is named 'other'"});
    CHECK(mistakes(alone("ExecStart=/bin/x\nStandardInput=socket\n")) == Lines{"/u/x.service:3 StandardInput: there is no socket unit for this service"});
    CHECK(mistakes(alone("ExecStart=/bin/x\nStandardInput=tty\n")) == Lines{"/u/x.service:3 StandardInput: expected null, socket or fd:NAME, got 'tty'"});
}

TEST_CASE("units of other kinds are left out", "[config][systemd]")
{
    const auto t = translated({{"/u/x.timer", "[Timer]\nOnCalendar=daily\n"}, {"/u/x.target", "[Unit]\n"}});
    CHECK(t.sections.empty());
    CHECK(warnings(t) == Lines{"/u/x.target:0 : left out: expected a .socket or .service unit",
                               "/u/x.timer:0 : left out: expected a .socket or .service unit; cron starts programs at their time"});
    CHECK(mistakes(alone("ExecStart=/bin/x\nWorkingDirectory=x\n")) == Lines{"/u/x.service:3 WorkingDirectory: expected an absolute path or ~, got 'x'"});
}

TEST_CASE("folders a service asks for", "[config][systemd]")
{
    const auto t = alone("ExecStart=/bin/x ${RUNTIME_DIRECTORY}\nRuntimeDirectory=x\nRuntimeDirectoryMode=0700\nStateDirectory=y\nUser=git\nExecStartPre=/bin/a\n");
    CHECK(value(t, "start_pre") == "+/usr/bin/install -d -m 0700 -o git /run/x\n+/usr/bin/install -d -m 0755 -o git /var/lib/y\n/bin/a");
    CHECK(value(t, "stop_post") == "-+/bin/rm -rf -- /run/x");
    CHECK(value(t, "command") == "/bin/x /run/x");
    CHECK(mistakes(alone("ExecStart=/bin/x\nRuntimeDirectory=../etc\n")) ==
          Lines{"/u/x.service:3 RuntimeDirectory: expected a relative path without '..' and ':', got '../etc'"});
    CHECK(value(alone("ExecStart=/bin/x\nRuntimeDirectory=x\nRuntimeDirectoryPreserve=yes\n"), "stop_post") == "(none)");
}

TEST_CASE("what would give a program more rights is refused", "[config][systemd]")
{
    const auto refused = pair("ProtectSystem=strict\nPrivateTmp=no\nDynamicUser=yes\n");
    CHECK(mistakes(refused) == Lines{"/u/x.service:5 DynamicUser: gives the program a user of its own, and xsvd cannot: the program would have more rights than its "
                                     "author allowed (import_unsafe = yes in [include], or import --unsafe, starts it without)",
                                     "/u/x.service:3 ProtectSystem: hides or protects parts of the file system, and xsvd cannot"});
    const auto taken = pair("ProtectSystem=strict\n", "ListenStream=/run/x\n", {true});
    CHECK(mistakes(taken).empty());
    CHECK(warnings(taken) == Lines{"/u/x.service:3 ProtectSystem: ignored (import_unsafe): hides or protects parts of the file system"});
}

TEST_CASE("unknown and foreign directives are named", "[config][systemd]")
{
    const auto t = translated({{"/u/x.service", "[Unit]\nAfter=network.target other.service\n[Service]\nExecStart=/bin/x\nExecStrat=/bin/y\nX-Own=1\nMemoryMax=1G\n[Socket]\nListenStream=80\n[Install]\nAnything=1\n"}});
    CHECK(warnings(t) == Lines{"/u/x.service:5 ExecStrat: unknown directive, did you mean ExecStart?", "/u/x.service:9 ListenStream: ignored: it stands in [Socket], which has no meaning in a .service unit",
                               "/u/x.service:7 MemoryMax: ignored: there are no control groups; 'limits' bounds a process",
                               "/u/x.service:2 After: ignored: other.service is not imported: import it too if the program needs it"});
    CHECK(value(translated({{"/u/x.service", "[Unit]\nConditionPathExists=!/u/x.service\n[Service]\nExecStart=/bin/x\n"}}), "autostart") == "false");
    CHECK(value(translated({{"/u/x.service", "[Unit]\nConditionPathExists=/u/x.service\n[Service]\nExecStart=/bin/x\n"}}), "autostart") == "(none)");
}

TEST_CASE("conflicts with a target are every program's", "[config][systemd]")
{
    const auto with = [](const std::string& others) { return warnings(translated({{"/u/x.service", "[Unit]\nConflicts=" + others + "\n[Service]\nExecStart=/bin/x\n"}})); };
    CHECK(with("shutdown.target").empty());
    CHECK(with("shutdown.target y.service") == Lines{"/u/x.service:2 Conflicts: ignored: programs do not start and stop each other, so y.service may run beside it"});
}

TEST_CASE("addresses of callers", "[config][systemd]")
{
    const auto t = pair("", "ListenStream=80\nIPAddressDeny=any\nIPAddressAllow=localhost 10.0.0.0/8\n");
    CHECK(value(t, "deny_from") == "0.0.0.0/0, ::/0");
    CHECK(value(t, "allow_from") == "127.0.0.0/8, ::1/128, 10.0.0.0/8");
    CHECK(value(pair("", "ListenStream=80\nIPAddressAllow=localhost\n"), "allow_from") == "(none)");
}

TEST_CASE("the guide says what becomes of every directive", "[config][systemd]")
{
    std::ifstream file(XSV_CONF_DIR "/../doc/socket-activation-without-systemd.md");
    REQUIRE(file);
    std::vector<std::string> in_guide, in_table;
    std::string section;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("### [")) section = line.substr(4);
        const auto cells = text::split(line, '|');
        if (section.empty() || cells.size() != 5 || !cells[1].starts_with('`')) continue;
        for (const std::string& key : text::words(text::replace_all(cells[1], "`", ""))) in_guide.push_back(section + " " + key + ": " + cells[2] + ", " + cells[3]);
    }
    for (const systemd::Directive& d : systemd::directives()) in_table.push_back(fmt::format("[{}] {}: {}, {}", d.section, d.key, systemd::fate_text(d.fate), d.text));
    std::sort(in_guide.begin(), in_guide.end());
    std::sort(in_table.begin(), in_table.end());
    CHECK(in_guide == in_table);
}
