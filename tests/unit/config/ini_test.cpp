#include "config/ini.h"

#include <catch2/catch.hpp>

#include "unit/config/support.h"

using namespace xsv::config;
using namespace xsv::config::test;

namespace {

/// "[section] key=value@line" for every key, in order.
Lines keys(const std::string& text)
{
    Lines lines;
    for (const IniSection& section : parse_ini(text, "t").sections)
        for (const IniKey& key : section.keys)
            lines.push_back("[" + section.name + "] " + key.name + "=" + key.value + "@" +
                            std::to_string(key.place.line));
    return lines;
}

Lines faults(const std::string& text)
{
    return messages(parse_ini(text, "t").mistakes);
}

}  // namespace

TEST_CASE("keys arrive with their section and line", "[config][ini]")
{
    CHECK(keys("[a]\nx=1\n; comment\n\n[b:c]\n  Y : two words  \nz==\n") ==
          Lines{"[a] x=1@2", "[b:c] y=two words@6", "[b:c] z==@7"});
    CHECK(keys("\xEF\xBB\xBF[a]\r\nx = 1\r\n") == Lines{"[a] x=1@2"});
    CHECK(keys("[a]\nx=1\nx=2\n[a]\nx=3") == Lines{"[a] x=1@2", "[a] x=2@3", "[a] x=3@5"});
    CHECK(keys("[a]\rx=1\r\n  2\n\ry=3") == Lines{"[a] x=1\n2@2", "[a] y=3@5"});
    CHECK(keys("[a]\nx=\ny =\n") == Lines{"[a] x=@2", "[a] y=@3"});
}

TEST_CASE("a comment sign counts after white space only", "[config][ini]")
{
    CHECK(keys("[a] ; note\nx=a;b#c\ny=a ;b\nz=a\t#b\nu=;x\nv= ;x\nw=sh -c \"a ; b\"\n") ==
          Lines{"[a] x=a;b#c@2", "[a] y=a@3", "[a] z=a@4", "[a] u=;x@5", "[a] v=@6", "[a] w=sh -c \"a@7"});
    // Rounds: the first ';' with the first '#', the second with the second.
    CHECK(keys("[a]\nx=a;b ;c #d\ny=a;b #c ;d\nz=1\n  a#b #c ;d\n") == Lines{"[a] x=a;b ;c@2", "[a] y=a;b@3", "[a] z=1\na#b #c@4"});
    CHECK(keys("[a]\n#x=1\n  ;y=2\nz=http://h/#f ; it\n") == Lines{"[a] z=http://h/#f@4"});
}

TEST_CASE("deeper lines continue a value", "[config][ini]")
{
    CHECK(keys("[a]\nx=1\n  two ; note\n  ; nothing\n  [three]\n\n  k=v\ny=2\n") ==
          Lines{"[a] x=1\ntwo\n[three]\n\nk=v@2", "[a] y=2@8"});
    // Only deeper than the key itself: an indented section is a section of keys.
    CHECK(keys("[a]\n  x=1\n  y=2\n    more\n z=3\n") == Lines{"[a] x=1@2", "[a] y=2\nmore@3", "[a] z=3@5"});
    CHECK(keys("[a]\n  x=1\n  [b]\n  y=2\n") == Lines{"[a] x=1@2", "[b] y=2@4"});
}

TEST_CASE("long things arrive whole", "[config][ini]")
{
    const std::string name(300, 'n'), value(59'000, 'v');
    const auto document =
        parse_ini("[program:" + name + "-a]\n" + name + "=" + value + "\n" + "[program:" + name + "-b]\n", "t");
    REQUIRE(document.sections.size() == 2);
    CHECK(document.sections[0].name == "program:" + name + "-a");
    CHECK(document.sections[1].name == "program:" + name + "-b");
    REQUIRE(document.sections[0].keys.size() == 1);
    CHECK(document.sections[0].keys[0].name == name);
    CHECK(document.sections[0].keys[0].value == value);
    CHECK(document.mistakes.empty());
}

TEST_CASE("a line of a mebibyte is the longest", "[config][ini]")
{
    const std::string fits = "x=" + std::string(kLongestLine - 2, 'v');
    CHECK(keys("[a]\n" + fits + "\ny=1\n").size() == 2);
    CHECK(faults("[a]\n" + fits + "w\ny=1\n") == Lines{"t:2: [a]: line longer than 1 MiB"});
    CHECK(keys("[a]\n" + fits + "w\ny=1\n") == Lines{"[a] y=1@3"});
}

TEST_CASE("every bad line is reported", "[config][ini]")
{
    CHECK(faults("x=1\n[a]\nword\n= v\n[\n[]\n[b\ny=1\n[c] tail\nz=1\nlast") ==
          Lines{"t:1: 'x' stands before any [section]", "t:3: [a]: expected 'key = value'",
                "t:4: [a]: expected 'key = value', the key is missing", "t:5: section header without ']'",
                "t:6: section without a name", "t:7: [b]: section header without ']'",
                "t:9: [c]: text after ']' is ignored", "t:11: [c]: expected 'key = value'"});
    // Keys under a broken header do not fall into the section before.
    CHECK(keys("[a]\nx=1\n[b\ny=1\n") == Lines{"[a] x=1@2", "[b] y=1@4"});
    CHECK(faults(std::string("[a]\nx=\0\n", 8)) == Lines{"t:2: NUL byte: this is not a text file"});
    CHECK(faults("\n" + std::string(1000, 'x') + "\n").size() == 1);
    std::string many = "[a]\n";
    for (int i = 0; i < 5000; ++i) many += "bad\n";
    CHECK(faults(many).size() == 101);
    CHECK(faults(many).back().ends_with("too many mistakes, the rest of them is not listed"));
}

TEST_CASE("an empty file has no sections and no mistakes", "[config][ini]")
{
    for (const std::string text : {"", "\n", "; c", "\r\n\r\n", "\xEF\xBB\xBF"}) {
        const auto document = parse_ini(text, "t");
        CHECK(document.sections.empty());
        CHECK(document.mistakes.empty());
    }
}
