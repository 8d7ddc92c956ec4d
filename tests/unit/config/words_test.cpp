#include "config/words.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include <catch2/catch.hpp>

#include "unit/config/support.h"
#include "unit/config/temporary.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

TEST_CASE("commands are split as a shell would", "[config][words]")
{
    CHECK(shell_words(" a  b\tc\nd ").value() == Lines{"a", "b", "c", "d"});
    CHECK(shell_words(R"(sh -c 'a "b" \c' "d \"e\" \\ \f")").value() ==
          Lines{"sh", "-c", R"(a "b" \c)", R"(d "e" \ \f)"});
    CHECK(shell_words(R"(a'b'"c"d '' \ x)").value() == Lines{"abcd", "", " x"});
    CHECK(shell_words("a # b").value() == Lines{"a", "#", "b"});
    CHECK(shell_words("").value().empty());
    for (const auto* open : {"a 'b", "\"", "a\"b'"}) CHECK(shell_words(open).error().message == "No closing quotation");
    for (const auto* escape : {"a\\", "\"a\\"}) CHECK(shell_words(escape).error().message == "No escaped character");
}

TEST_CASE("a command is found as Supervisor finds it", "[config][words]")
{
    const Temporary folder;
    folder.write("tool", "#!/bin/sh\n", 0755);
    folder.write("text", "x", 0644);
    const Environment environment = {{"PATH", "/nowhere:" + folder.path()}};
    const auto of = [&](const std::string& command) {
        const auto program = resolve_command(command, environment);
        return program ? program->path + "|" + program->argv[0]
                       : fmt::format("{} {}", program.error().message, program.error().code);
    };
    const std::string base = folder.path();
    CHECK(of("tool 'a b'") == base + "/tool|tool");
    CHECK(resolve_command("tool 'a b'", environment)->argv == Lines{"tool", "a b"});
    CHECK(of(base + "/tool") == base + "/tool|" + base + "/tool");
    CHECK(of("no-such") == fmt::format("can't find command 'no-such' {}", ENOENT));
    CHECK(of(base + "/none x") == fmt::format("can't find command '{}/none' {}", base, ENOENT));
    CHECK(of("text") == fmt::format("command at '{}/text' is not executable {}", base, EACCES));
    CHECK(of(base) == fmt::format("command at '{}' is a directory {}", base, EACCES));
    CHECK(of("a 'b") == fmt::format("can't parse command \"a 'b\": No closing quotation {}", EACCES));
    CHECK(of(" ") == fmt::format("command is empty {}", EACCES));
}

TEST_CASE("environment files are systemd's", "[config][words]")
{
    const Temporary folder;
    const auto read = [&](const std::string& text) {
        folder.write("env", text, 0600);
        const auto environment = read_environment_file(folder.path() + "/env");
        if (!environment) return environment.error().message.substr(folder.path().size());
        std::string out;
        for (const auto& [name, value] : *environment) out += name + "=" + value + "|";
        return out;
    };
    CHECK(read("# comment\n; comment\n\nA=1\nB = two words  \nC='it''s' \"x\\\"y\"\nD=\n") ==
          "A=1|B=two words|C=its x\"y|D=|");
    CHECK(read("A=one\\\ntwo\nexport B=2\nA=3") == "A=3|B=2|");
    CHECK(read("A=\"two\nlines\"\nB='$HOME\\n'\n") == "A=two\nlines|B=$HOME\\n|");
    CHECK(read("A='x  '  \nB=a\\ \n") == "A=x  |B=a |");
    CHECK(read("") == "");
    CHECK(read("#") == "");
    CHECK(read("A=1\nword\n") == "/env: line 2: expected NAME=value");
    CHECK(read("\n9A=1") == "/env: line 2: '9A' is not the name of a variable");
    CHECK(read("A='x") == "/env: line 1: no closing quotation");
    CHECK_FALSE(read_environment_file(folder.path() + "/none"));
}
