#include "config/expand.h"

#include <catch2/catch.hpp>

using namespace xsv;
using namespace xsv::config;

namespace {

const Names kNames = {{"name", std::string("web")}, {"num", std::int64_t{7}}};

std::string of(std::string_view format)
{
    auto result = expand(format, kNames, {{"ENV_X", std::string("x")}}, "program:a.key");
    return result ? *result : result.error().message;
}

std::string malformed(std::string_view format, std::string_view reason)
{
    return fmt::format("Format string '{}' for 'program:a.key' is badly formatted: {}", format, reason);
}

}  // namespace

TEST_CASE("Python's formats are understood", "[config][expand]")
{
    CHECK(of("plain") == "plain");
    CHECK(of("%(name)s-%(num)d-%(ENV_X)s") == "web-7-x");
    CHECK(of("%(num)02d|%(num)5d|%(num)-5d|%(num)+d|% d") ==
          malformed("%(num)02d|%(num)5d|%(num)-5d|%(num)+d|% d",
                    "a name is missing: write %(name)d, or %% for a percent sign"));
    CHECK(of("%(num)02d|%(num)5d|%(num)-5d|%(num)+d|%(num)#x|%(num)X|%(num)o") == "07|    7|7    |+7|0x7|7|7");
    CHECK(of("%(num).3d|%(num)s|%(num)3s|%(num)r|%(num)ld|%(num)i|%(num)u") == "007|7|  7|7|7|7|7");
    CHECK(of("%(name)5s|%(name)-5s|%(name).1s|%(name)r|%(name)a") == "  web|web  |w|'web'|'web'");
    CHECK(of("%(num)08.3d|%(num)+x|%(num)-05d|%(num)#o|%(num)#06x") == "00000007|+7|7    |0o7|0x0007");
    CHECK(of("%(num)c") == "\a");
    CHECK(of("%(num).1f|%(num)e|%(num)g") == "7.0|7.000000e+00|7");
    CHECK(of("100%%") == "100%");
    CHECK(of("%(name)%") == malformed("%(name)%", "unsupported format character '%' (0x25) at index 7"));
}

TEST_CASE("faults in formats are named as Supervisor names them", "[config][expand]")
{
    CHECK(of("%(nope)s") ==
          "Format string '%(nope)s' for 'program:a.key' contains names ('nope') which cannot be expanded. "
          "Available names: ENV_X, name, num");
    CHECK(of("%H") == malformed("%H", "unsupported format character 'H' (0x48) at index 1"));
    CHECK(of("a%") == malformed("a%", "incomplete format"));
    CHECK(of("%(name") == malformed("%(name", "incomplete format key"));
    CHECK(of("%(name)") == malformed("%(name)", "incomplete format"));
    CHECK(of("%(name)d") == malformed("%(name)d", "%d format: a real number is required, not str"));
    CHECK(of("%(name)x") == malformed("%(name)x", "%x format: an integer is required, not str"));
    CHECK(of("%(num)99999999999d") == malformed("%(num)99999999999d", "width too big"));
    CHECK(of("%(num).99999d") == malformed("%(num).99999d", "precision too big"));
    CHECK(of("%s") == malformed("%s", "a name is missing: write %(name)s, or %% for a percent sign"));
}
