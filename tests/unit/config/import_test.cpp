#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <fnmatch.h>

#include "config/import.h"
#include "support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

std::string slurp(const std::filesystem::path& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

using Files = std::map<std::string, std::string>;

Surroundings machine_with(const Files& files)
{
    auto fake = machine(files);
    fake.match = [files](const std::string& pattern) {
        std::vector<std::string> found;
        for (const auto& [name, text] : files)
            if (::fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0) found.push_back(name);
        return found;
    };
    return fake;
}

/// One text of a corpus, as its fuzzer reads it: several files of systemd behind lines "--- name"; xinetd.conf, a file that
/// it may include and hosts.allow with lines "---" between.
Files files_of(Dialect dialect, const std::string& text)
{
    if (dialect == Dialect::Inetd) return {{"/etc/inetd.conf", text}};
    Files files;
    if (dialect == Dialect::Xinetd) files = {{"/etc/services", "echo 7/tcp\necho 7/udp\nftp 21/tcp\n"}, {"/etc/rpc", "rstatd 100001\n"}};
    const std::vector<std::string> names = {"/etc/xinetd.conf", "/etc/x", "/etc/hosts.allow"};
    std::size_t next = 1;
    std::string* current = &files[dialect == Dialect::Xinetd ? names[0] : "/u/x.service"];
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (dialect == Dialect::Xinetd && line == "---" && next < names.size()) current = &files[names[next++]];
        else if (dialect == Dialect::Systemd && line.starts_with("--- ")) current = &files["/u/" + line.substr(4)];
        else *current += line + "\n";
    }
    return files;
}

Import import_text(Dialect dialect, const std::string& text)
{
    return import_files({{dialect, {"/etc/foreign"}}}, machine_with({{"/etc/foreign", text}}));
}

/// By name, without the words about what is broken: they name other lines.
std::map<std::string, ServiceSpec> services(Loaded loaded)
{
    std::map<std::string, ServiceSpec> all;
    for (GroupSpec& group : loaded.config.groups)
        for (ServiceSpec& service : group.services) {
            service.broken = service.broken.empty() ? "" : "broken";
            all[service.namespec()] = std::move(service);
        }
    return all;
}

/// The promise: both ways lead to the same programs, and what is left out could not have run. How many were carried over?
std::size_t require_same(Dialect dialect, const std::string& text)
{
    const Files files = files_of(dialect, text);
    const auto surroundings = machine_with(files);
    ForeignFiles names{{dialect, {}}};
    for (const auto& [name, content] : files)
        if (dialect != Dialect::Xinetd || name == "/etc/xinetd.conf") names[dialect].push_back(name);
    const auto direct = services(load_foreign(names, surroundings));
    const Import import = import_files(names, surroundings);
    const Loaded loaded = load_text(import.text);
    INFO(import.text);
    auto printed = services(loaded);
    for (const auto& [name, service] : direct) {
        INFO(name);
        auto found = printed.find(name);
        if (found == printed.end()) CHECK((!service.broken.empty() || import.left > 0));
        else {
            // What is left out no longer stands in another one's way.
            if (import.left > 0) found->second.broken = service.broken;
            CHECK(found->second == service);
        }
    }
    for (const auto& [name, service] : printed) CHECK(direct.contains(name));
    return import.carried;
}

}  // namespace

TEST_CASE("an import is the sections, with a comment for each remark", "[config][import]")
{
    const Import import = import_text(Dialect::Inetd, "2000 stream tcp nowait.5 git /bin/sh sh -c a;b #no\n2001 stream tcp nwait git /bin/x\nwhat\n");
    CHECK(import.carried == 1);
    CHECK(import.left == 2);
    CHECK(import.text ==
          "; Imported from /etc/foreign\n"
          "; /etc/foreign:3: not carried over: expected service, type, protocol, wait or nowait, user, server, arguments; got 1 word ('what')\n"
          "\n"
          "; /etc/foreign:1: warning: arguments: a '#' behind an entry begins no comment: the rest of the line is arguments, as with inetd\n"
          "; /etc/foreign:1: different: protocol: 'tcp' means IPv4 and IPv6, as with Debian's inetd; others serve IPv4 only: write tcp4 for that\n"
          "; /etc/foreign:1: different: programs get PATH and what belongs to the connection as their environment, nothing of the daemon's\n"
          "; /etc/foreign:1: different: wait: 5 calls a minute are served and more of them wait; openbsd-inetd serves 4 and then refuses for ten minutes\n"
          "[program:2000]\n"
          "socket = tcp:2000\n"
          "command = /bin/sh -c 'a;b' '#no'\n"
          "argv0 = sh\n"
          "activation = per_connection\n"
          "socket_pass = stdio_all\n"
          "user = git\n"
          "directory = /\n"
          "umask = 022\n"
          "inherit_env = no\n"
          "environment = PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n"
          "max_instances = 0\n"
          "max_rate = 5/60s\n"
          "\n"
          "; /etc/foreign:2: not carried over: wait: expected wait or nowait, got 'nwait'\n"
          "; [program:2001]\n"
          "; socket = tcp:2001\n"
          "; command = /bin/x\n"
          "; argv0 = x\n"
          "; activation = per_connection\n"
          "; socket_pass = stdio_all\n"
          "; user = git\n"
          "; directory = /\n"
          "; umask = 022\n"
          "; inherit_env = no\n"
          "; environment = PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n"
          "; max_instances = 0\n"
          "; max_rate = 256/60s\n");
    CHECK(messages(load_text(import.text).mistakes).empty());
}

TEST_CASE("what is printed loads to the same programs", "[config][import]")
{
    require_same(Dialect::Inetd, "2000 stream tcp nowait.5 git.staff /bin/sh sh -c 'a  ; b' %x %%y %(here)s \\ ;z \"\n"
                                 "2001 dgram udp wait gone /bin/x\n/run/x y stream unix nowait root /bin/x\n127.0.0.1:\n"
                                 "/run/x stream unix wait root /usr/bin/x x [a] =b :c\n2003 stream tcp46 nowait/1/2/3 www /bin/x ''\n");
    CHECK(require_same(Dialect::Xinetd, "defaults\n{\n\tinstances = 20\n\tonly_from = 10.0.0.0/8\n}\nservice ftp\n{\n\tsocket_type = stream\n\twait = no\n\tuser = git\n"
                                        "\tserver = /bin/x\n\tserver_args = -a %d 'x ;y' #z\n\tenv = A=1 B=c\n\tcps = 5 10\n\taccess_times = 8:00-9:00\n\tnice = 5\n"
                                        "\tbanner = /etc/issue\n\tflags = NODELAY\n\tdisable = yes\n}\n") == 1);
    CHECK(require_same(Dialect::Systemd, "[Service]\nExecStart=/bin/x \"a ;b\" ' #c' %%d $$e\nEnvironment=\"A=1 2\" B=c;d\nUser=git\nLimitNOFILE=10:20\nRestart=on-failure\n"
                                         "--- x.socket\n[Socket]\nListenStream=2000\nListenDatagram=/run/d\nBacklog=5\nSocketMode=0600\nNoDelay=yes\n") == 1);
}

TEST_CASE("every file of the fuzzers' corpora loads to the same programs when it is imported", "[config][import]")
{
    for (const Dialect dialect : {Dialect::Xinetd, Dialect::Inetd, Dialect::Systemd}) {
        const std::filesystem::path folder = std::filesystem::path(XSV_CORPUS_DIR) / dialect_name(dialect);
        std::size_t carried = 0;
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            INFO(entry.path().string());
            carried += require_same(dialect, slurp(entry.path()));
        }
        INFO(dialect_name(dialect));
        CHECK(carried > 0);
    }
}

TEST_CASE("a file tells whose it is", "[config][import]")
{
    const auto guess = [](const std::string& name, const std::string& text) {
        const auto dialect = guess_dialect(name, text);
        return dialect ? std::string(dialect_name(*dialect)) : dialect.error().message;
    };
    CHECK(guess("x", "# comment\nftp stream tcp nowait root /bin/x\n") == "inetd");
    CHECK(guess("x", "10.0.0.1:\n") == "inetd");
    CHECK(guess("x", "\nservice ftp\n{\n  wait = no\n}\n") == "xinetd");
    CHECK(guess("x", "service ftp {\n") == "xinetd");
    CHECK(guess("x", "defaults\n{\n}\n") == "xinetd");
    CHECK(guess("x", "includedir /etc/xinetd.d\n") == "xinetd");
    CHECK(guess("x", "; c\n[Unit]\nDescription=x\n") == "systemd");
    CHECK(guess("x", " [Socket]\n") == "systemd");
    CHECK(guess("/etc/inetd.conf", "# nothing\n") == "inetd");
    CHECK(guess("/etc/xinetd.d/ftp", "") == "xinetd");
    CHECK(guess("/x/a.socket", "") == "systemd");
    CHECK(guess("x", "[program:x]\ncommand = a stream tcp nowait root x\n") == "x: this is a file of xsvd or Supervisor already");
    CHECK(guess("x", "hello\n") == "x: expected a file of xinetd, inetd or systemd (--from says which)");
    CHECK(dialect_of("inetd").value() == Dialect::Inetd);
    CHECK(dialect_of("launchd").error().message == "expected xinetd, inetd or systemd, got 'launchd'");
}
