#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_limit.h"

using namespace xsv;
using log::Level;

namespace {

struct Directory {
    std::string path;
    Directory()
    {
        char name[] = "/tmp/xsv-log-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Directory() { (void)!std::system(("rm -rf " + path).c_str()); }
    std::string operator/(const std::string& name) const { return path + "/" + name; }
};

std::string content(const std::string& file)
{
    std::ifstream in(file);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

bool exists(const std::string& file)
{
    return ::access(file.c_str(), F_OK) == 0;
}

/// The daemon's log goes back to what it was for whoever runs next.
struct Restore {
    ~Restore()
    {
        log::divert({});
        (void)log::open({});
    }
};

}  // namespace

TEST_CASE("a line has Supervisor's format", "[log]")
{
    Directory directory;
    Restore restore;
    log::Settings settings;
    settings.file = directory / "log";
    settings.level = Level::blather;
    REQUIRE(log::open(settings));
    log::info("spawned: '{}' with pid {}", "x", 17);
    log::write_line(Level::blather, "b");
    log::write_line(Level::critical, "c");
    log::write_line(Level::warn, "two\nlines \x1b[31m\xff");
    std::istringstream lines(content(settings.file));
    std::string line;
    std::getline(lines, line);
    CHECK_THAT(line, Catch::Matches(R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO spawned: 'x' with pid 17)"));
    std::getline(lines, line);
    CHECK(line.substr(24) == "BLAT b");
    std::getline(lines, line);
    CHECK(line.substr(24) == "CRIT c");
    std::getline(lines, line);
    CHECK(line.substr(24) == "WARN two");
    std::getline(lines, line);
    CHECK(line == "lines \\x1b[31m\\xff");
}

TEST_CASE("a JSON line holds the message as one escaped string", "[log]")
{
    Directory directory;
    Restore restore;
    log::Settings settings;
    settings.file = directory / "log";
    settings.json = true;
    REQUIRE(log::open(settings));
    log::write_line(Level::error, "a \"quoted\" \\ thing\nand a line");
    const std::string line = content(settings.file);
    CHECK_THAT(line, Catch::Contains(R"("level":"error",)"));
    CHECK_THAT(line, Catch::EndsWith("\"message\":\"a \\\"quoted\\\" \\\\ thing\\nand a line\"}\n"));
}

TEST_CASE("lines below the level are not written", "[log]")
{
    Directory directory;
    Restore restore;
    log::Settings settings;
    settings.file = directory / "log";
    settings.level = Level::warn;
    REQUIRE(log::open(settings));
    log::info("no");
    CHECK_FALSE(log::enabled(Level::info));
    log::set_level(Level::debug);
    log::debug("yes");
    CHECK_THAT(content(settings.file), Catch::EndsWith("DEBG yes\n") && !Catch::Contains("no\n"));
}

TEST_CASE("a full log becomes NAME.1, and the oldest of N goes", "[log]")
{
    Directory directory;
    Restore restore;
    log::Settings settings;
    settings.file = directory / "log";
    settings.maxbytes = 100;
    settings.backups = 2;
    REQUIRE(log::open(settings));
    for (int n = 0; n < 5; ++n) log::write_line(Level::info, std::string(100, static_cast<char>('a' + n)));
    CHECK(content(settings.file).empty());
    CHECK_THAT(content(directory / "log.1"), Catch::Contains("eee"));
    CHECK_THAT(content(directory / "log.2"), Catch::Contains("ddd"));
    CHECK_FALSE(exists(directory / "log.3"));
}

TEST_CASE("without backups a full log is emptied", "[log]")
{
    Directory directory;
    Restore restore;
    log::Settings settings;
    settings.file = directory / "log";
    settings.maxbytes = 50;
    settings.backups = 0;
    REQUIRE(log::open(settings));
    log::write_line(Level::info, std::string(100, 'a'));
    log::write_line(Level::info, "b");
    CHECK_THAT(content(settings.file), Catch::EndsWith("INFO b\n") && !Catch::Contains("aaa"));
    CHECK_FALSE(exists(directory / "log.1"));
}

TEST_CASE("a log that was moved away is reopened on request, a deleted one by itself", "[log]")
{
    Directory directory;
    Restore restore;
    log::Settings settings;
    settings.file = directory / "log";
    REQUIRE(log::open(settings));
    ::rename(settings.file.c_str(), (directory / "old").c_str());
    log::write_line(Level::info, "to the old one");
    log::reopen();
    log::write_line(Level::info, "to the new one");
    CHECK_THAT(content(directory / "old"), Catch::EndsWith("to the old one\n"));
    CHECK_THAT(content(settings.file), Catch::EndsWith("to the new one\n"));

    ::unlink(settings.file.c_str());
    log::write_line(Level::info, "gone");
    log::write_line(Level::info, "here");
    CHECK_THAT(content(settings.file), Catch::EndsWith("here\n"));

    REQUIRE(log::clear());
    CHECK(content(settings.file).empty());
}

TEST_CASE("a log that cannot be opened is refused in a sentence and the old one stays", "[log]")
{
    Directory directory;
    Restore restore;
    log::Settings settings;
    settings.file = directory / "log";
    REQUIRE(log::open(settings));
    log::Settings wrong = settings;
    wrong.file = directory / "missing/log";
    auto opened = log::open(wrong);
    REQUIRE_FALSE(opened);
    CHECK_THAT(opened.error().message, Catch::Contains("missing") && Catch::EndsWith("No such file or directory"));
    wrong.file = directory.path;
    CHECK_FALSE(log::open(wrong));
    ::mkfifo((directory / "fifo").c_str(), 0600);
    wrong.file = directory / "fifo";
    CHECK_FALSE(log::open(wrong));
    ::symlink((directory / "fifo").c_str(), (directory / "link").c_str());
    wrong.file = directory / "link";
    CHECK_FALSE(log::open(wrong));
    log::write_line(Level::info, "still here");
    CHECK_THAT(content(settings.file), Catch::EndsWith("still here\n"));
}

TEST_CASE("a helper's lines go where it says, at most ten per second and origin", "[log]")
{
    Restore restore;
    std::vector<std::string> lines;
    log::divert([&](Level, std::string_view line) {
        lines.emplace_back(line);
        log::warn("a line about a line");  // must not come back here
    });
    log::set_level(Level::info);
    for (int n = 0; n < 100; ++n) log::warn("flood {}", n);
    CHECK(lines.size() == 10);
    for (int n = 0; n < 100; ++n) log::warn("spawned: {}", "p" + std::to_string(n));
    CHECK(lines.size() == 110);
    log::write_line(Level::warn, std::string(10000, 'x'));
    CHECK(lines.back().size() <= 4096);
}

TEST_CASE("what was held back is told once its second is over", "[log]")
{
    log::RateLimit limit;
    const Time start = Time(std::chrono::hours(1));
    for (int n = 0; n < 15; ++n) CHECK(limit.admits(1, 30, "flood {}", start) == (n < 10));
    CHECK(limit.take_withheld(start + std::chrono::milliseconds(900)).empty());
    const auto over = limit.take_withheld(start + std::chrono::seconds(1));
    REQUIRE(over.size() == 1);
    CHECK(over[0].lines == 5);
    CHECK(over[0].format == "flood {}");
    CHECK(limit.take_withheld(start + std::chrono::seconds(3)).empty());
    CHECK(limit.admits(1, 30, "flood {}", start + std::chrono::seconds(3)));
}

TEST_CASE("levels are read by Supervisor's names", "[log]")
{
    CHECK(*log::parse_level("DEBUG") == Level::debug);
    CHECK(*log::parse_level(" blather ") == Level::blather);
    CHECK(*log::parse_level("warn") == Level::warn);
    CHECK_FALSE(log::parse_level("loud"));
}
