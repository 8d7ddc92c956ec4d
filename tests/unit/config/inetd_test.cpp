#include <algorithm>

#include <catch2/catch.hpp>

#include "base/text.h"
#include "config/dialect.h"
#include "config/words.h"
#include "support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

const std::string kFile = "/etc/inetd.conf";

Translation read(const std::string& text)
{
    return translate_inetd({kFile}, machine({{kFile, text}}), {});
}

/// The section as a file would have it: "name: key=value; …"
Lines sections(const Translation& translation)
{
    Lines lines;
    for (const IniSection& section : translation.sections) {
        std::string line = section.name.substr(8) + ":";
        for (const IniKey& key : section.keys) line += fmt::format(" {}={};", key.name, key.value);
        lines.push_back(line);
    }
    return lines;
}

std::string value(const Translation& translation, const std::string& section, const std::string& key)
{
    for (const IniSection& one : translation.sections)
        if (one.name == "program:" + section)
            for (const IniKey& known : one.keys)
                if (known.name == key) return known.value;
    return "-";
}

Lines remarks(const Translation& translation, Remark::Weight weight)
{
    Lines lines;
    for (const Remark& remark : translation.remarks)
        if (remark.weight == weight) lines.push_back(fmt::format("{}: {}: {}", remark.place.line, remark.key, remark.text));
    return lines;
}
Lines mistakes(const std::string& text)
{
    return remarks(read(text), Remark::Weight::Mistake);
}
Lines warnings(const std::string& text)
{
    return remarks(read(text), Remark::Weight::Warning);
}

std::string socket_of(const std::string& service, const std::string& protocol)
{
    const bool udp = protocol.find("udp") != std::string::npos;
    const auto translation = read(fmt::format("{} {} {} {} root /bin/x x\n", service, udp ? "dgram" : "stream", protocol, udp ? "wait" : "nowait"));
    REQUIRE(remarks(translation, Remark::Weight::Mistake) == Lines{});
    REQUIRE(translation.sections.size() == 1);
    const std::string options = value(translation, translation.sections[0].name.substr(8), "socket_options");
    return value(translation, translation.sections[0].name.substr(8), "socket") + (options == "-" ? "" : " " + options);
}

}  // namespace

TEST_CASE("an entry becomes the section somebody would have written", "[config][inetd]")
{
    const auto translation = read("git\tstream\ttcp\tnowait.120 git:staff /usr/bin/git git daemon --inetd --base-path=/srv\n"
                                  "tftp dgram udp wait www /usr/sbin/in.tftpd in.tftpd -s /srv/%h\n");
    const std::string same = " directory=/; umask=022; inherit_env=no; environment=PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\";";
    CHECK(sections(translation) ==
          Lines{"git: socket=tcp:git; command=/usr/bin/git daemon --inetd --base-path=/srv; argv0=git; activation=per_connection; "
                "socket_pass=stdio_all; user=git; group=staff;" + same + " max_instances=0; max_rate=120/60s;",
                "tftp: socket=udp:tftp; command=/usr/sbin/in.tftpd -s /srv/%%h; argv0=in.tftpd; activation=on_demand; socket_pass=stdio_all; "
                "user=www;" + same});
    CHECK(remarks(translation, Remark::Weight::Mistake).empty());
    CHECK(translation.sections[1].place.line == 2);
    CHECK(translation.files == Lines{kFile});
}

TEST_CASE("an entry of inetd.conf is loaded like a section", "[config][inetd]")
{
    const Loaded loaded = load("/etc/x.conf", {}, machine({{"/etc/x.conf", "[include]\ninetd = inetd.conf\n"},
                                                           {kFile, "127.0.0.1:2000 stream tcp nowait/3 git.staff /bin/cat cat -u\n"}}));
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    const ServiceSpec& spec = first(loaded);
    CHECK(spec.name == "2000");
    CHECK(spec.place.file == kFile);
    CHECK(spec.exec.argv0 == "cat");
    CHECK(spec.exec.uid == uid_t{500});
    CHECK(spec.exec.gid == gid_t{50});
    CHECK(spec.exec.groups == std::vector<gid_t>{50, 700});
    CHECK(spec.exec.socket_pass == SocketPass::StdioAll);
    CHECK(spec.sockets.endpoints.at(0).text() == "tcp:127.0.0.1:2000");
    CHECK(spec.policy->max_instances == 3);
    CHECK(spec.policy->max_rate.count == 256);
    CHECK(loaded.included == Lines{kFile});
}

TEST_CASE("the protocol's word says which families", "[config][inetd]")
{
    CHECK(socket_of("ftp", "tcp") == "tcp:ftp");
    CHECK(socket_of("21", "tcp4") == "tcp4:21");
    CHECK(socket_of("21", "tcp6") == "tcp6:21");
    CHECK(socket_of("21", "tcp6only") == "tcp6:21");
    CHECK(socket_of("21", "tcp46") == "tcp6:21 v6only=no");
    CHECK(socket_of("69", "udp46") == "udp6:69 v6only=no");
    CHECK(socket_of("21", "tcp,sndbuf=16384,rcvbuf=65536") == "tcp:21 sndbuf=16384, rcvbuf=65536");
    CHECK(mistakes("ftp stream tcp5 nowait root /bin/x x\n").size() == 1);
    CHECK(mistakes("ftp stream udp nowait root /bin/x x\n") == Lines{"1: protocol: expected stream with tcp, or dgram with udp; got stream with udp"});
}

TEST_CASE("a service may name addresses, and a line of its own those of the lines below", "[config][inetd]")
{
    CHECK(socket_of("127.0.0.1:ftp", "tcp") == "tcp:127.0.0.1:ftp");
    CHECK(socket_of("[::1]:ftp", "tcp") == "tcp:[::1]:ftp");
    CHECK(socket_of("::1:ftp", "tcp6") == "tcp6:[::1]:ftp");
    CHECK(socket_of("web.example:ftp", "tcp4") == "tcp4:192.0.2.7:ftp");
    CHECK(socket_of("web.example:ftp", "tcp6") == "tcp6:[2001:db8::7]:ftp");
    CHECK(socket_of("web.example:ftp", "tcp") == "tcp:192.0.2.7:ftp, tcp:[2001:db8::7]:ftp");
    CHECK(socket_of("localhost:ftp", "tcp") == "tcp:127.0.0.1:ftp, tcp:[::1]:ftp");
    CHECK(socket_of("localhost:ftp", "tcp4") == "tcp4:127.0.0.1:ftp");
    CHECK(socket_of("*:ftp", "tcp") == "tcp:ftp");
    CHECK(socket_of("10.0.0.1,10.0.0.2:ftp", "tcp") == "tcp:10.0.0.1:ftp, tcp:10.0.0.2:ftp");
    CHECK(socket_of("10.0.0.1:21", "tcp46") == "tcp:10.0.0.1:21");
    const auto defaults = read("10.0.0.1:\na stream tcp nowait root /bin/x\nb stream tcp wait root /bin/x\n*:\nc stream tcp nowait root /bin/x\n"
                               "10.0.0.1,10.0.0.2:d stream tcp wait root /bin/x\n");
    CHECK(value(defaults, "a", "socket") == "tcp:10.0.0.1:a");
    CHECK(value(defaults, "b", "socket") == "tcp:10.0.0.1:b");
    CHECK(value(defaults, "c", "socket") == "tcp:c");
    // A program that accepts by itself is started once for each address, as with inetd.
    CHECK(value(defaults, "d", "socket") == "tcp:10.0.0.1:d");
    CHECK(value(defaults, "d-2", "socket") == "tcp:10.0.0.2:d");
    const auto unknown = read("no.example,10.0.0.1:ftp stream tcp wait root /bin/x\n");
    CHECK(remarks(unknown, Remark::Weight::Mistake) == Lines{"1: service: the host name 'no.example' has no address"});
    CHECK(value(unknown, "ftp", "socket") == "tcp:no.example:ftp");
    CHECK(mistakes("four.example:ftp stream tcp6 nowait root /bin/x\n") == Lines{"1: service: the host name 'four.example' has no address of this family"});
}

TEST_CASE("names tell entries of one service apart, the same ones every time", "[config][inetd]")
{
    const auto translation = read("echo stream tcp nowait root internal\necho dgram udp wait root internal\necho stream tcp6 nowait root internal\n"
                                  "/run/a b stream unix nowait root /bin/x\n/run/a.sock stream unix nowait root /bin/x\n"
                                  "tcpmux/+date stream tcp nowait www /bin/date date\n");
    Lines names;
    for (const IniSection& section : translation.sections) names.push_back(section.name);
    CHECK(names == Lines{"program:echo", "program:echo-udp", "program:echo-2", "program:a", "program:a.sock", "program:tcpmux_date", "program:tcpmux"});
}

TEST_CASE("wait or nowait, with the numbers of every inetd", "[config][inetd]")
{
    const auto limits = [](const std::string& word) {
        const auto translation = read("x stream tcp " + word + " root /bin/x\n");
        return value(translation, "x", "activation") + " " + value(translation, "x", "max_instances") + " " + value(translation, "x", "max_per_source") +
               " " + value(translation, "x", "max_rate");
    };
    CHECK(limits("nowait") == "per_connection 0 - 256/60s");
    CHECK(limits("nowait.5") == "per_connection 0 - 5/60s");
    CHECK(limits("nowait:5") == "per_connection 0 - 5/60s");
    CHECK(limits("nowait/4") == "per_connection 4 - 256/60s");
    CHECK(limits("nowait/4/60") == "per_connection 4 - 60/60s per source");
    CHECK(limits("nowait/0/0/2") == "per_connection 0 2 256/60s");
    CHECK(limits("wait") == "on_demand - - -");
    CHECK(limits("wait.3") == "on_demand - - -");
    CHECK(mistakes("x stream tcp nwait root /bin/x\n") == Lines{"1: wait: expected wait or nowait, got 'nwait'"});
    CHECK(mistakes("x stream tcp Wait root /bin/x\n") == Lines{"1: wait: expected wait or nowait, got 'Wait'"});
    CHECK(mistakes("x stream tcp nowait.0 root /bin/x\n") == Lines{"1: wait: expected at least 1 start a minute, got 0"});
    CHECK(warnings("x stream tcp nowait.many root /bin/x\n") ==
          Lines{"1: wait: expected a number behind 'nowait.', got 'many'; the default of 256 starts a minute is used"});
    CHECK(mistakes("x stream tcp nowait/1/2/3/4 root /bin/x\n").size() == 1);
    CHECK(mistakes("x dgram udp nowait root /bin/x\n").size() == 1);
}

TEST_CASE("a user may bring a group, and a dot may be part of a name", "[config][inetd]")
{
    const auto identity = [](const std::string& word) {
        const auto translation = read("x stream tcp nowait " + word + " /bin/x\n");
        return value(translation, "x", "user") + " " + value(translation, "x", "group");
    };
    CHECK(identity("git") == "git -");
    CHECK(identity("git.staff") == "git staff");
    CHECK(identity("git:staff") == "git staff");
    CHECK(identity("git:staff/daemon") == "git staff");
    CHECK(identity("root.staff") == "root staff");
    CHECK(mistakes("x stream tcp nowait git: /bin/x\n").size() == 1);
    CHECK(warnings("x stream tcp nowait git/slow /bin/x\n") ==
          Lines{"1: user: the login class 'slow' is ignored: write its limits with limits = …"});
}

TEST_CASE("internal services, under all their names", "[config][inetd]")
{
    const auto translation = read("echo stream tcp nowait root internal\nsink dgram udp wait root internal\nsource stream tcp nowait root internal\n"
                                  "time dgram udp nowait root internal\ntcpmux stream tcp nowait root internal\n");
    CHECK(remarks(translation, Remark::Weight::Mistake).empty());
    CHECK(sections(translation) == Lines{"echo: socket=tcp:echo; command=builtin:echo;", "sink: socket=udp:sink; command=builtin:discard;",
                                         "source: socket=tcp:source; command=builtin:chargen;", "time: socket=udp:time; command=builtin:time;",
                                         "tcpmux: socket=tcp:tcpmux; command=builtin:tcpmux;"});
    CHECK(mistakes("auth stream tcp nowait root internal\n") ==
          Lines{"1: server: there is no internal stream service 'auth': expected echo, discard, chargen, daytime, time, or tcpmux with stream"});
    CHECK(mistakes("tcpmux dgram udp wait root internal\n").size() == 1);
}

TEST_CASE("services of tcpmux, RPC programs and unix sockets", "[config][inetd]")
{
    const auto translation = read("tcpmux/+date stream tcp nowait www /bin/date date\ntcpmux/who stream tcp nowait www /bin/who who\n"
                                  "rstatd/1-3 dgram rpc/udp wait root /usr/sbin/rpc.rstatd rpc.rstatd\n"
                                  "300019/1 stream rpc/tcp6 nowait root /bin/x x\n/run/x.sock dgram unix wait root /bin/x\n");
    CHECK(remarks(translation, Remark::Weight::Mistake).empty());
    CHECK(value(translation, "tcpmux_date", "socket") == "tcpmux:+date");
    CHECK(value(translation, "tcpmux_who", "socket") == "tcpmux:who");
    CHECK(value(translation, "tcpmux", "command") == "builtin:tcpmux");
    CHECK(value(translation, "rstatd", "rpc") == "rstatd/1-3");
    CHECK(value(translation, "rstatd", "socket") == "udp4:0");
    CHECK(value(translation, "300019", "socket") == "tcp6:0");
    CHECK(value(translation, "x.sock", "socket") == "unix-dgram:/run/x.sock");
    CHECK(value(translation, "x.sock", "socket_mode") == "0666");
    // An entry of its own for port 1 is the only one.
    CHECK(read("tcpmux stream tcp nowait root internal\ntcpmux/who stream tcp nowait www /bin/who\n").sections.size() == 2);
    CHECK(mistakes("tcpmux/who stream tcp wait www /bin/who\n").size() == 1);
    CHECK(mistakes("rstatd dgram rpc/udp wait root /bin/x\n").size() == 1);
    CHECK(mistakes("/run/x stream tcp nowait root /bin/x\n").size() == 1);
    CHECK(mistakes("x stream unix nowait root /bin/x\n").size() == 1);
}

TEST_CASE("comments, continuation lines and entries that are switched off", "[config][inetd]")
{
    const auto translation = read("# a comment\n#ftp stream tcp nowait root /bin/x\n\na stream tcp nowait root /bin/x x\n   more args\n  # note\n\tand more\n"
                                  "\n   b stream tcp nowait root /bin/x\n#<off># 3 stream tcp nowait git /bin/x x\n#<off># 4 stream tcp nowait gone /bin/x x\n"
                                  "#<off># 5 stream tcp what root /bin/x x\n");
    CHECK(value(translation, "a", "command") == "/bin/x more args and more");
    CHECK(value(translation, "b", "command") == "/bin/x");
    CHECK(value(translation, "b", "autostart") == "-");
    CHECK(value(translation, "3", "autostart") == "false");
    // What is wrong with one that is off hinders nothing.
    CHECK(translation.sections.size() == 3);
    CHECK(remarks(translation, Remark::Weight::Mistake).empty());
    CHECK(remarks(translation, Remark::Weight::Warning) ==
          Lines{"6: : an indented comment, skipped; openbsd-inetd makes it arguments of the entry above",
                "11: : switched off, and left out: Invalid user name gone",
                "12: wait: expected wait or nowait, got 'what' (the entry is switched off)"});
    CHECK(mistakes("a stream tcp nowait root /bin/x\n b stream tcp nowait root /bin/x\n").size() == 1);
}

TEST_CASE("arguments are words, with quotes and hashes as letters", "[config][inetd]")
{
    const auto translation = read("a stream tcp nowait root /bin/sh sh -c 'echo # hi;x'\n");
    CHECK(value(translation, "a", "command") == "/bin/sh -c ''\"'\"'echo' '#' 'hi;x'\"'\"''");
    CHECK(remarks(translation, Remark::Weight::Warning).size() == 2);
    CHECK(value(read("a stream tcp nowait root /bin/cat\n"), "a", "argv0") == "cat");
    CHECK(value(read("a stream tcp nowait root /bin/cat /bin/cat\n"), "a", "argv0") == "-");
}

TEST_CASE("what is no entry is named, and the rest of the file is served", "[config][inetd]")
{
    const auto translation = read("nonsense\nservice on bind = 1, exec = /bin/x;\n#@ ipsec ah/require\nftp stream tcp nowait root\nok stream tcp nowait root /bin/x\n"
                                  "a,b stream tcp nowait root /bin/x\nraw raw tcp nowait root /bin/x\n");
    CHECK(remarks(translation, Remark::Weight::Mistake) ==
          Lines{"3: : an IPsec policy for the entries below, which is not supported: set it with the kernel's tools and remove the line",
                "1: : expected service, type, protocol, wait or nowait, user, server, arguments; got 1 word ('nonsense')",
                "2: protocol: expected protocol = tcp, udp, unix, …: the option is missing", "2: wait: expected wait = yes or no: the option is missing",
                "2: user: the option is missing", "4: : expected service, type, protocol, wait or nowait, user, server, arguments; got 5 words ('ftp')",
                "6: service: expected a name from /etc/services, a port, or host:service; got 'a,b'",
                "7: type: 'raw' sockets are not supported: start the program with the daemon (a section without 'socket'), and let it open its socket itself"});
    CHECK(value(translation, "ok", "socket") == "tcp:ok");
    CHECK(mistakes(std::string("a\0b", 3)).size() == 1);
    const auto missing = translate_inetd({"/etc/none"}, machine({}), {});
    CHECK(missing.remarks.size() == 1);
    CHECK(missing.sections.empty());
    CHECK(read("").sections.empty());
    CHECK(mistakes(std::string(1000, 'x') + "\n").size() == 1);
    // A file of another kind does not fill the log.
    std::string many;
    for (int i = 0; i < 1000; ++i) many += "nonsense\n";
    CHECK(mistakes(many).size() == 101);
}

TEST_CASE("NetBSD's definitions say what a line says", "[config][inetd]")
{
    const std::string text = "ftp on bind = 10.0.0.1, protocol = tcp, wait = no, user = git, group = staff,  # a comment; with a ,\n"
                             "\texec = \"/usr/lib/ftp d\", args = ftpd -l 'two words' \"a\\x41\\\"\\t\", accept_max = 7, service_max=9, sndbuf = 16k;\n"
                             "tftp off# comment\n socktype = dgram, protocol = udp6, wait = yes, user = root, exec = /bin/t;echo on protocol = tcp4, user = root;\n"
                             "day stream tcp nowait root /bin/day\n/run/x on socktype = stream, protocol = unix, wait = yes, user = root, exec = /bin/x, ip_max = 3;\n";
    const auto translation = read(text);
    CHECK(remarks(translation, Remark::Weight::Mistake) == Lines{});
    CHECK(remarks(translation, Remark::Weight::Warning) == Lines{});
    Lines names;
    for (const IniSection& section : translation.sections) names.push_back(fmt::format("{} {}", section.name.substr(8), section.place.line));
    CHECK(names == Lines{"ftp 1", "tftp 3", "echo 4", "day 5", "x 6"});
    CHECK(value(translation, "ftp", "socket") == "tcp:10.0.0.1:ftp");
    CHECK(value(translation, "ftp", "socket_options") == "sndbuf=16k");
    CHECK(shell_words(value(translation, "ftp", "command")).value() == Lines{"/usr/lib/ftp d", "-l", "two words", "aA\"\t"});
    CHECK(value(translation, "ftp", "argv0") == "ftpd");
    CHECK(value(translation, "ftp", "user") + " " + value(translation, "ftp", "group") == "git staff");
    CHECK(value(translation, "ftp", "max_instances") + " " + value(translation, "ftp", "max_rate") == "7 9/60s");
    CHECK(value(translation, "tftp", "autostart") == "false");
    CHECK(value(translation, "tftp", "socket") + " " + value(translation, "tftp", "activation") == "udp6:tftp on_demand");
    CHECK(value(translation, "echo", "command") == "builtin:echo");
    CHECK(value(read("a on protocol = tcp, wait = no, user = root, exec = /bin/a;"), "a", "max_rate") == "40/60s");
    CHECK(value(read("a on protocol = tcp, wait = no, user = root, exec = /bin/a, ip_max = 5;"), "a", "max_rate") == "5/60s per source");
    CHECK(value(read("[::1]:a on protocol = tcp6, wait = no, user = root, exec = /bin/a;"), "a", "socket") == "tcp6:[::1]:a");
    CHECK(value(read("a on bind = ::1, protocol = tcp, wait = no, user = root, exec = /bin/a;"), "a", "socket") == "tcp:[::1]:a");
    CHECK(value(read("a stream,5:dataready tcp nowait root /bin/a"), "a", "max_instances") == "5");
}

TEST_CASE("what is wrong with a definition is named, and reading goes on behind it", "[config][inetd]")
{
    const std::string good = "protocol = tcp, wait = no, user = root, exec = /bin/a";
    const auto wrong = [&](const std::string& more) { return mistakes("a on " + good + more); };
    CHECK(wrong(", color = red;") == Lines{"1: color: unknown option"});
    CHECK(wrong(", user = git;") == Lines{"1: user: the option is given twice"});
    CHECK(wrong(", bind = a b;") == Lines{"1: bind: expected one word"});
    CHECK(wrong(", group =;") == Lines{"1: group: expected one word"});
    CHECK(wrong(", bind = 'a,b';") == Lines{"1: bind: expected one word"});
    CHECK(wrong(", accept_max = -1;") == Lines{"1: accept_max: expected a number from 1 to 1000000, got '-1'"});
    CHECK(wrong(", ipsec = 'in ipsec ah/require';") == Lines{"1: ipsec: IPsec policies are not supported: set it with the kernel's tools and remove the option"});
    CHECK(wrong(", ipsec =;") == Lines{});
    CHECK(warnings("a on " + good + ", acceptfilter = dataready;") == Lines{"1: acceptfilter: is ignored"});
    CHECK(mistakes("a on protocol = tcp, wait = maybe, user = root, exec = /bin/a;") == Lines{"1: wait: expected yes or no, got 'maybe'"});
    CHECK(wrong("\n") == Lines{"2: : a: the file ends within a definition: expected ';'"});
    CHECK(wrong(", args = 'a") == Lines{"1: : a: a quote that is opened here does not end in its line"});
    CHECK(wrong(", args = '\\q';") == Lines{"1: : a: expected one of \\\\ \\n \\t \\r \\' \\\" \\xHH"});
    const auto after = read("a on wait no;b stream tcp nowait root /bin/b\nc on nonsense\nmore of it\n\nd stream tcp nowait root /bin/d\n");
    CHECK(remarks(after, Remark::Weight::Mistake) == Lines{"1: : a: expected 'key = value, …;', got 'wait n'", "3: : c: expected 'key = value, …;', got 'nonsense m'"});
    CHECK(value(after, "b", "command") == "/bin/b");
    CHECK(value(after, "d", "command") == "/bin/d");
    CHECK(after.sections.back().place.line == 5);
    CHECK(mistakes("a off color = red;").empty());
}

TEST_CASE("files of inetd include each other", "[config][inetd]")
{
    const auto surroundings = machine({{kFile, "10.0.0.1:\n.include inetd.d/*\nz stream tcp nowait root /bin/z\n.include /etc/none\n.including x\n"},
                                       {"/etc/inetd.d/a", "a stream tcp nowait root /bin/a\n*:\nb stream tcp nowait root /bin/b\n"},
                                       {"/etc/inetd.d/b", "c stream tcp nowait root /bin/c\n.include '../inetd.d/b'\n.include \"/etc/inetd.conf\"\n"}});
    const auto translation = translate_inetd({kFile}, surroundings, {});
    CHECK(translation.files == Lines{kFile, "/etc/inetd.d/a", "/etc/inetd.d/b"});
    CHECK(value(translation, "a", "socket") == "tcp:10.0.0.1:a");
    CHECK(value(translation, "b", "socket") == "tcp:b");
    CHECK(value(translation, "c", "socket") == "tcp:10.0.0.1:c");
    CHECK(value(translation, "z", "socket") == "tcp:10.0.0.1:z");
    CHECK(translation.sections[0].place.file == "/etc/inetd.d/a");
    CHECK(remarks(translation, Remark::Weight::Mistake) == Lines{"3: : '/etc/inetd.conf' includes itself", "5: : expected .include PATTERN, got '.including'"});
    CHECK(remarks(translation, Remark::Weight::Warning) == Lines{"2: : there is no file '/etc/inetd.d/../inetd.d/b'", "4: : there is no file '/etc/none'"});
}
