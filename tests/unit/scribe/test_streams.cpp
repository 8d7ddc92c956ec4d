#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "scribe/ansi.h"
#include "scribe/lines.h"
#include "scribe/mounts.h"
#include "scribe/settings.h"

using namespace xsv::scribe;

TEST_CASE("escape sequences are taken out wherever the stream is cut", "[scribe][ansi]")   // B33
{
    const std::string text = "a\x1b[31mred\x1b[0m b\x1b[2;5Hc \x1b] kept\x1b\x1b[Ktail\n";
    const std::string expected = "ared bc \x1b] kept\x1btail\n";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        for (std::size_t second = cut; second <= text.size(); ++second) {
            AnsiFilter filter;
            std::string out = filter.strip(std::string_view(text).substr(0, cut));
            out += filter.strip(std::string_view(text).substr(cut, second - cut));
            out += filter.strip(std::string_view(text).substr(second));
            out += filter.rest();
            REQUIRE(out == expected);
        }
    }
}

TEST_CASE("an escape sequence without end does not swallow the log", "[scribe][ansi]")   // B33
{
    AnsiFilter filter;
    const std::string out = filter.strip("\x1b[" + std::string(1000, '1') + "x");
    CHECK(out.size() > 900);
    CHECK(out.back() == 'x');
}

TEST_CASE("an escape sequence ends where it ends, not at the next letter Supervisor knows", "[scribe][ansi]")
{
    AnsiFilter filter;
    CHECK(filter.strip("a\x1b[5nb\x1b[?25lc\x1b[2 qd\x1b[1@e") == "abcde");
    CHECK(filter.strip("x\x1b[31\ny") == "x\ny");
    CHECK(filter.strip("x\x1b[3\x1b[0my") == "xy");
    CHECK(filter.strip("x\x1b[3\xc3\xa9") == "x\xc3\xa9");
}

TEST_CASE("an escape byte at the end of the stream is handed on", "[scribe][ansi]")
{
    AnsiFilter filter;
    CHECK(filter.strip("x\x1b") == "x");
    CHECK(filter.rest() == "\x1b");
    CHECK(filter.rest().empty());
}

TEST_CASE("lines are put together over chunks and cut when endless", "[scribe][lines]")
{
    LineCutter cutter;
    std::vector<std::string> lines;
    const auto take = [&](std::string_view line) { lines.emplace_back(line); };
    cutter.feed("one\ntw", take);
    cutter.feed("o\n\n\nthree", take);
    CHECK(lines == std::vector<std::string>{"one", "two", "", ""});
    cutter.flush(take);
    CHECK(lines.back() == "three");
    lines.clear();
    cutter.feed(std::string(3 * LineCutter::kMaxLine + 5, 'x') + "\n", take);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].size() == LineCutter::kMaxLine);
    CHECK(lines[3].size() == 5);
    lines.clear();
    cutter.feed(std::string(LineCutter::kMaxLine, 'x'), take);
    cutter.feed("\n\n", take);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].size() == LineCutter::kMaxLine);
    CHECK(lines[1].empty());
}

TEST_CASE("the filesystem of a path is read from the mount table", "[scribe][mounts]")
{
    const Mounts mounts = Mounts::parse(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:25 / /var/log rw - tmpfs tmpfs rw\n"
        "31 22 0:26 / /srv/with\\040blank rw - tmpfs tmpfs rw\n"
        "32 22 0:27 / /var/log rw - tmpfs tmpfs rw\n"
        "nonsense\n");
    CHECK(mounts.device_of("/etc/x") == "8:1");
    CHECK(mounts.device_of("/var/log/x") == "0:27");
    CHECK(mounts.device_of("/var/logs/x") == "8:1");
    CHECK(mounts.device_of("/srv/with blank/x") == "0:26");
    CHECK(Mounts().device_of("/x").empty());
    CHECK_FALSE(Mounts::read().device_of("/x").empty());
}

TEST_CASE("a sink's settings come from the engine's message", "[scribe][settings]")
{
    using xsv::wire::Value;
    const SinkSettings settings = SinkSettings::from(Value::Struct{{"type", "sink"},
                                                                   {"key", "p:stdout"},
                                                                   {"file", "/var//log/p.log"},
                                                                   {"maxbytes", 1000},
                                                                   {"backups", -5},
                                                                   {"on_full", "block"},
                                                                   {"mode", 04755},
                                                                   {"strip_ansi", true}});
    CHECK(settings.key == "p:stdout");
    CHECK(settings.file == "/var/log/p.log");
    CHECK(settings.maxbytes == 1000);
    CHECK(settings.backups == 0);
    CHECK(settings.on_full == OnFull::block);
    CHECK(settings.mode == 0644);
    CHECK(settings.strip_ansi);
    CHECK(SinkSettings::from(Value()).mode == 0644);
    CHECK(canonical_file("/dev/fd/1") == "/dev/stdout");
    CHECK(canonical_file("/proc/self/fd/2") == "/dev/stderr");
}
