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
    CHECK(environment_line({{"E", "both ' and \""}}).error().message ==
          "the value of E cannot be written: it begins or ends with a quote, or has both kinds");
    CHECK_FALSE(environment_line({{"F", "\"quoted\""}}).has_value());
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
