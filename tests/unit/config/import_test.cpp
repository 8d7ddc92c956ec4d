#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

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

Surroundings machine_with(const std::string& file, const std::string& text)
{
    auto fake = machine({{file, text}});
    fake.match = [](const std::string& pattern) { return std::vector<std::string>{pattern}; };
    return fake;
}

Import import_text(Dialect dialect, const std::string& text)
{
    return import_files({{dialect, {"/etc/foreign"}}}, machine_with("/etc/foreign", text));
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

/// The promise: both ways lead to the same programs, and what is left out could not have run.
void require_same(Dialect dialect, const std::string& text)
{
    const auto surroundings = machine_with("/etc/foreign", text);
    const auto direct = services(load_foreign({{dialect, {"/etc/foreign"}}}, surroundings));
    const Import import = import_files({{dialect, {"/etc/foreign"}}}, surroundings);
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
          "; /etc/foreign:1: ignored: arguments: a '#' behind an entry begins no comment: the rest of the line is arguments, as with inetd\n"
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
}

TEST_CASE("every file of the fuzzers' corpora loads to the same programs when it is imported", "[config][import]")
{
    std::size_t files = 0;
    for (const Dialect dialect : {Dialect::Xinetd, Dialect::Inetd, Dialect::Systemd}) {
        const std::filesystem::path folder = std::filesystem::path(XSV_CORPUS_DIR) / dialect_name(dialect);
        if (!std::filesystem::is_directory(folder)) continue;
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            INFO(entry.path().string());
            require_same(dialect, slurp(entry.path()));
            ++files;
        }
    }
    CHECK(files > 0);
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
