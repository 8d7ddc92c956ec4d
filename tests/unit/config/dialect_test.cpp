#include <catch2/catch.hpp>

#include "config/dialect.h"
#include "config/values.h"
#include "config/words.h"

using namespace xsv;
using namespace xsv::config;

TEST_CASE("a command line is read back word by word", "[config][dialect]")
{
    const std::vector<std::string> words = {"/bin/sh", "-c", "echo \"it's\" $HOME; true # no", "", "a\\b", "plain=1", "\ttab"};
    CHECK(shell_words(command_line(words)).value() == words);
    // Also from a file, where a blank and a '#' begin a comment.
    const auto file = parse_ini("[program:x]\ncommand = " + command_line(words) + "\n", "x.conf");
    CHECK(shell_words(file.sections.at(0).keys.at(0).value).value() == words);
}

TEST_CASE("an environment is read back value by value", "[config][dialect]")
{
    const Environment environment = {{"A", "x, y"}, {"B", "say \"hi\" twice"}, {"C", "it's"}, {"D", ""}};
    std::string ignored;
    CHECK(parse_environment(environment_line(environment).value(), ignored).value() == environment);
    CHECK(ignored.empty());
    // What the old grammar cannot say is written for the newer one, and all that stands beside it.
    for (const std::string value : {"both ' and \"", "\"quoted\"", "'quoted'", "'", "\"", "\\", "ends with \\", ",", "=", "a ; b # c", "\\\"", ",A=\"1\"", " ", "#", "'a'b\"c\"", "ü\""}) {
        INFO(value);
        for (const Environment& hard : {Environment{{"F", value}}, Environment{{"A", "x, y"}, {"F", value}, {"D", ""}, {"G", "it's"}}, Environment{{"F", value}, {"G", value}}}) {
            const std::string line = environment_line(hard).value();
            CHECK(parse_environment(line, ignored).value() == hard);
            CHECK(ignored.empty());
            const auto file = parse_ini("[program:x]\nenvironment = " + line + "\n", "x.conf");
            CHECK(parse_environment(file.sections.at(0).keys.at(0).value, ignored).value() == hard);
        }
    }
    CHECK(environment_line({{"A B", "x"}}).error().message == "the variable A B cannot be written");
}

TEST_CASE("a translated value is plain text, and the last one of a key stays", "[config][dialect]")
{
    NativeSection section("x", {"/etc/inetd.conf", 3});
    section.set("command", "date +%s");
    section.set("command", "date +%F", {"/etc/inetd.conf", 4});
    const IniSection taken = section.take();
    REQUIRE(taken.keys.size() == 1);
    CHECK(taken.name == "program:x");
    CHECK(taken.keys[0].value == "date +%%F");
    CHECK(taken.keys[0].place.line == 4);
}
