#include "config/diff.h"

#include <catch2/catch.hpp>

#include "unit/config/support.h"

using namespace xsv::config;
using namespace xsv::config::test;

namespace {

Config parsed(const std::string& text)
{
    Loaded loaded = load_text(text);
    REQUIRE(messages(loaded.mistakes) == Lines{});
    return std::move(loaded.config);
}

const std::string kA = "[program:a]\ncommand=/bin/cat\nsocket=tcp:80\n";

/// "exec sockets output policy" of what the additional line changes in program a.
std::string changes(const std::string& line, const std::string& base = kA)
{
    const Diff result = diff(parsed(base), parsed(base + line + "\n"));
    if (result.changed.empty()) return result.empty() ? "" : "?";
    const Change& change = result.changed.front();
    std::string words;
    for (const auto& [is_changed, word] : {std::pair{change.exec, "exec"}, std::pair{change.sockets, "sockets"},
                                           std::pair{change.output, "output"}, std::pair{change.policy, "policy"}})
        if (is_changed) words += (words.empty() ? "" : " ") + std::string(word);
    return words;
}

GroupDiff groups(const std::string& running, const std::string& now)
{
    return diff_groups(parsed(running).groups, parsed(now).groups);
}

}  // namespace

TEST_CASE("a change is sorted by what it needs", "[config][diff]")
{
    CHECK(changes("command=/bin/dog") == "exec");
    CHECK(changes("environment=A=\"1\"") == "exec");
    CHECK(changes("activation=always") == "exec");
    CHECK(changes("socket=tcp:81") == "sockets");
    CHECK(changes("socket_mode=0777") == "sockets");
    CHECK(changes("stdout_logfile=/x") == "output");
    CHECK(changes("stderr_logfile=none") == "output");
    CHECK(changes("startsecs=3") == "policy");
    CHECK(changes("max_instances=3") == "policy");
    CHECK(changes("priority=3") == "policy");
    CHECK(changes("startretries=3") == "policy");  // a program with sockets now gives up
    CHECK(changes("user=git\nsocket_owner=git\nsocket=tcp:81") == "exec sockets");
}

TEST_CASE("what reads the same is no change", "[config][diff]")   // B27
{
    const std::string base = "[program:a]\ncommand=/bin/cat\n";
    for (const auto* line :
         {"; comment", "startsecs=1", "startretries=3", "stopsignal=15", "stdout_logfile=AUTO", "unknown=1", "user=0"})
        CHECK(changes(line, base) == "");
    CHECK(diff(parsed("[program:a]\ncommand=x\n"), parsed("\n\n[program:a]\n\n\ncommand=x\n")).empty());
    CHECK(changes("exitcodes=0,0", base) == "policy");

    Config running = parsed(base);
    running.groups[0].services[0].output.change().out.path = "/tmp/a-stdout---x.log";  // the name an AUTO log was given
    CHECK(diff(running, parsed(base)).empty());
    CHECK(diff_groups(running.groups, parsed(base).groups).changed.empty());
    CHECK_FALSE(diff(running, parsed(base + "stdout_logfile=/tmp/a-stdout---x.log\n")).empty());
}

TEST_CASE("services come and go in the order of starting and stopping", "[config][diff]")
{
    const Config none = parsed("[supervisord]\n");
    const Config some = parsed(
        "[program:a]\ncommand=x\n[program:b]\ncommand=x\npriority=1\n[group:g]\nprograms=c\n[program:c]\ncommand=x\n");
    CHECK(diff(none, some).added == Lines{"b", "a", "g:c"});
    CHECK(diff(some, none).removed == Lines{"g:c", "a", "b"});
    CHECK(diff(none, none).empty());
}

TEST_CASE("[supervisord], servers and group priorities are compared too", "[config][diff]")
{
    CHECK(diff(parsed(""), parsed("[supervisord]\nidentifier=x\n")).daemon);
    CHECK(diff(parsed(""), parsed("[inet_http_server]\nport=1\n")).servers);
    const Diff environment = diff(parsed(kA), parsed("[supervisord]\nenvironment=A=\"1\"\n" + kA));
    REQUIRE(environment.changed.size() == 1);
    CHECK(environment.changed[0].exec);
    const std::string group = "[program:a]\ncommand=x\n[group:g]\nprograms=a\n";
    CHECK(diff(parsed(group), parsed(group + "priority=1\n")).changed.at(0).policy);
}

TEST_CASE("reread names groups as Supervisor does", "[config][diff]")
{
    const std::string a = "[program:a]\ncommand=x\n", b = "[program:b]\ncommand=x\n";
    const GroupDiff all = groups(a + b, "[program:a]\ncommand=y\n[program:c]\ncommand=x\n");
    CHECK(all.added == Lines{"c"});
    CHECK(all.changed == Lines{"a"});
    CHECK(all.removed == Lines{"b"});
    const GroupDiff same = groups(a + b, b + a + "startsecs=1\n");
    CHECK((same.added.empty() && same.changed.empty() && same.removed.empty()));
    CHECK(groups(a, a + "[group:a2]\nprograms=a\n").added == Lines{"a2"});
    CHECK(groups(a, a + "numprocs=2\nprocess_name=%(process_num)d\n").changed == Lines{"a"});
}
