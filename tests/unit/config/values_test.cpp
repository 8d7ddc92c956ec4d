#include "config/values.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "config/words.h"
#include "unit/config/support.h"

using namespace xsv;
using namespace xsv::config;
using namespace std::chrono_literals;

namespace {

template <class T>
std::string error_of(const Result<T>& result)
{
    return result ? "no error" : result.error().message;
}

std::string environment(std::string_view text)
{
    std::string ignored;
    const auto parsed = parse_environment(text, ignored);
    if (!parsed) return parsed.error().message;
    std::string out;
    for (const auto& [name, value] : *parsed) out += name + "=" + value + "|";
    return out + (ignored.empty() ? "" : "!" + ignored);
}

}  // namespace

TEST_CASE("booleans are Supervisor's words", "[config][values]")
{
    for (const auto* yes : {"true", "YES", "On", "1", " yes "}) CHECK(parse_boolean(yes).value());
    for (const auto* no : {"false", "No", "OFF", "0"}) CHECK_FALSE(parse_boolean(no).value());
    for (const auto* bad : {"y", "t", "2", "", "maybe"})
        CHECK(error_of(parse_boolean(bad)) == fmt::format("not a valid boolean value: '{}'", bad));
}

TEST_CASE("numbers are Python's", "[config][values]")
{
    CHECK(parse_integer(" +1_000 ").value() == 1000);
    CHECK(parse_integer("-007").value() == -7);
    CHECK(parse_byte_size("50MB").value() == 50 << 20);
    CHECK(parse_byte_size("1 gb").value() == 1 << 30);
    CHECK(parse_byte_size("-1").value() == -1);
    CHECK(parse_octal("0o755").value() == 0755);
    CHECK(parse_octal("022").value() == 022);
    for (const auto* bad : {"", "1.5", "0x10", "1__0", "_1", "1_", "ten", "--1"})
        CHECK(error_of(parse_integer(bad)) == fmt::format("invalid literal for int() with base 10: '{}'", bad));
    CHECK(error_of(parse_integer("99999999999999999999")) == "99999999999999999999 is out of range");
    CHECK(error_of(parse_byte_size("5M")) == "invalid literal for int() with base 10: '5m'");
    CHECK(error_of(parse_byte_size("xKB")) == "invalid literal for int() with base 10: 'x'");
    CHECK(error_of(parse_byte_size("9999999999GB")) == "9999999999GB is out of range");
    for (const auto* bad : {"9", "", "rw", "077777"})
        CHECK(error_of(parse_octal(bad)) == fmt::format("{} can not be converted to an octal type", bad));
    CHECK(error_of(parse_number<std::uint16_t>("70000")) == "70000 is out of range");
}

TEST_CASE("times are seconds or carry a unit", "[config][values]")
{
    CHECK(parse_time("5").value() == 5s);
    CHECK(parse_time("1_0").value() == 10s);
    CHECK(parse_time("500ms").value() == 500ms);
    CHECK(parse_time("2h").value() == 2h);
    CHECK(parse_time("-1").value() == 0s);
    CHECK_FALSE(parse_time("soon"));
    CHECK_FALSE(parse_time(""));
}

TEST_CASE("exit codes, autorestart and log levels", "[config][values]")
{
    CHECK(parse_exit_codes("0, 2,255").value() == std::vector<int>{0, 2, 255});
    CHECK(parse_exit_codes("").value().empty());
    for (const auto* bad : {"256", "-1", "0,", "a"})
        CHECK(error_of(parse_exit_codes(bad)) == fmt::format("not a valid list of exit codes: '{}'", bad));
    CHECK(parse_autorestart("Unexpected").value() == Autorestart::Unexpected);
    CHECK(parse_autorestart("true").value() == Autorestart::Always);
    CHECK(parse_autorestart("no").value() == Autorestart::Never);
    CHECK(error_of(parse_autorestart("x")) == "invalid 'autorestart' value 'x'");
    CHECK(parse_log_level("WARN").value() == 30);
    for (const auto* bad : {"warning", "crit", "10"})
        CHECK(error_of(parse_log_level(bad)) == fmt::format("bad logging level name '{}'", bad));
}

TEST_CASE("signals are read as Python's signal module has them", "[config][values]")
{
    CHECK(parse_signal("term").value() == 15);
    CHECK(parse_signal(" SIGHUP ").value() == 1);
    CHECK(parse_signal("cld").value() == 17);
    CHECK(parse_signal("IOT").value() == 6);
    CHECK(parse_signal("RTMIN").value() == 34);
    CHECK(parse_signal("RTMAX").value() == 64);
    CHECK(parse_signal("0").value() == 0);
    CHECK(parse_signal("9").value() == 9);
    CHECK(error_of(parse_signal("NOPE")) == "value 'NOPE' is not a valid signal name");
    CHECK(error_of(parse_signal("RTMIN+1")) == "value 'RTMIN+1' is not a valid signal name");
    for (const auto* bad : {"32", "33", "35", "63", "65", "-1"})
        CHECK(error_of(parse_signal(bad)) == fmt::format("value '{}' is not a valid signal number", bad));
    CHECK(signal_name(15) == "SIGTERM");
    CHECK(signal_name(34) == "SIGRTMIN");
    CHECK(signal_name(40) == "signal 40");
}

TEST_CASE("environment= is read with Supervisor's lexer", "[config][values]")
{
    CHECK(environment(R"(A=1,B="2, 3",C='x y')") == "A=1|B=2, 3|C=x y|");
    CHECK(environment("A=http://x:80/y") == "A=http://x:80/y|");
    CHECK(environment("A=\"x\",\n B=\"y\",") == "A=x|B=y|");
    CHECK(environment("A=1;B=2") == "A=1|B=2|");
    CHECK(environment("A=a\"b\"c") == "A=a\"b\"c|");
    CHECK(environment("A=\"\"") == "A=|");
    CHECK(environment("A=1,A=2") == "A=2|");
    CHECK(environment("A=a b") == "A=a|!b");
    CHECK(environment("A=$HOME") == "A=$|!HOME");
    // Supervisor 4.2.5 loses what follows; its successor reads POSIX words, and so do we.
    CHECK(environment(R"(A="a\"b",B="{\"k\": \"v\"}")") == R"(A=a"b|B={"k": "v"}|)");
    CHECK(environment("A=\"a\"b") == "A=ab|");
    CHECK(environment("A=\xC3\xBC,B=1") == "A=\xC3\xBC|B=1|");
    CHECK(environment("") == "");
    CHECK(environment("A=1 # note\n,B=2") == "A=1|B=2|");
    for (const auto* bad : {"A=a@b", "A=a*b", "A=a=b", "A=[x]", "A=", "A", "A=1,,B=2", "A=1 B=2"})
        CHECK(environment(bad) == fmt::format("Unexpected end of key/value pairs in value '{}'", bad));
    CHECK(environment("A=\"x") == "No closing quotation");
    CHECK(environment("===") == "'=' cannot be the name of a variable");
}

TEST_CASE("rates, hours and limits", "[config][values]")
{
    CHECK(parse_rate("50/1s").value() == Rate{50, 1s, false});
    CHECK(parse_rate("120/m per source").value() == Rate{120, 1min, true});
    for (const auto* bad : {"50", "0/1s", "50/", "50/0s", "x/1s", "50/1s per", "50/1s per person", "", "-1/s"})
        CHECK(error_of(parse_rate(bad)) ==
              fmt::format("expected NUMBER/TIME such as 50/1s or '120/1m per source', got '{}'", bad));

    using H = std::vector<Hours>;
    CHECK(parse_hours("09:00-17:00").value() == H{{540, 1020, 0x7f}});
    CHECK(parse_hours("Mon-Fri 09:00-12:00 13:00-17:00, Sat 10:00-24:00").value() ==
          H{{540, 720, 0x3e}, {780, 1020, 0x3e}, {600, 1440, 0x40}});
    CHECK(parse_hours("Mon, Wed 22:00-06:00").value() == H{{1320, 360, 0x0a}});
    CHECK(parse_hours("fri-monday 0:00-24:00").value() == H{{0, 1440, 0x63}});
    CHECK(parse_hours("sun 24:00-06:00, 08:00-09:00").value() == H{{0, 360, 0x01}, {480, 540, 0x7f}});
    for (const auto* bad :
         {"9-17", "25:00-26:00", "09:60-10:00", "09:00-09:00", "24:01-25:00", "Mon", "Mox 09:00-10:00", "Mon-Fri"})
        CHECK(error_of(parse_hours(bad)).starts_with("expected hours"));

    const auto limits = parse_limits("nofile=1024:4096 core=0, as=unlimited stack=8MB").value();
    REQUIRE(limits.size() == 4);
    CHECK(limits[0] == sys::ResourceLimit{RLIMIT_NOFILE, 1024, 4096});
    CHECK(limits[1] == sys::ResourceLimit{RLIMIT_CORE, 0, 0});
    CHECK(limits[2] == sys::ResourceLimit{RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY});
    CHECK(limits[3] == sys::ResourceLimit{RLIMIT_STACK, 8 << 20, 8 << 20});
    CHECK(error_of(parse_limits("nofile")) == "expected name=value or name=soft:hard, got 'nofile'");
    CHECK(error_of(parse_limits("nofile=2:1")) == "the soft limit is above the hard one in 'nofile=2:1'");
    CHECK(error_of(parse_limits("files=1")).starts_with("expected as, core, cpu"));
    CHECK(error_of(parse_limits("core=x")) ==
          "expected a number, optionally with KB, MB or GB, or 'unlimited', got 'x'");
}

TEST_CASE("names become URLs and file names", "[config][values]")
{
    for (const auto* good : {"a", "web-1.x", "größe", "a=b"}) CHECK(check_name(good));
    CHECK(error_of(check_name("a b")) == "Invalid name: 'a b' because of character: ' '");
    CHECK(error_of(check_name("a:b")) == "Invalid name: 'a:b' because of character: ':'");
    CHECK(error_of(check_name("a/b")) == "Invalid name: 'a/b' because of character: '/'");
    CHECK(error_of(check_name("a\nb")) == "Invalid name: 'a\\x0ab' because of character: '\\x0a'");
    CHECK(error_of(check_name("")) == "Invalid name: '' is empty");
    CHECK(check_name(std::string(64, 'a')));
    CHECK_FALSE(check_name(std::string(65, 'a')));
    CHECK_FALSE(check_name("\xff"));
}
