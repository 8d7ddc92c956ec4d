#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scribe_process.h"

using namespace scribe_test;

namespace {

constexpr long kLines = 400'000;

/// "line 00000017 …": each a write of its own.
pid_t write_numbered_lines(int pipe)
{
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    char line[64];
    for (long n = 0; n < kLines; ++n) {
        const int length = std::snprintf(line, sizeof line, "line %08ld abcdefghijklmnopqrstuvwxyz\n", n);
        if (::write(pipe, line, static_cast<std::size_t>(length)) != length) ::_exit(1);
        if (n % 100 == 0) ::usleep(500);
    }
    ::_exit(0);
}

/// Starts and kills a scribe at work, again and again, until `program` has ended; then all is read. How often?
template <class Greet>
int kill_until_ended(ScribeProcess& scribe, pid_t program, const std::string& file, const Pipe& pipe, const Greet& greet)
{
    std::mt19937 random(7);
    int kills = 0;
    std::int64_t seen = 0;
    bool ended = false;
    const auto at_work = [&] {
        int status = 0;
        ended = ended || ::waitpid(program, &status, WNOHANG) == program;
        return ended || size_of(file) > seen;
    };
    const auto begin = [&] {
        scribe.hello();
        greet();
        scribe.ready();
    };
    while (!ended) {
        begin();
        REQUIRE(scribe.until(at_work));
        scribe.idle(static_cast<int>(random() % 6));
        scribe.kill();
        seen = size_of(file);
        ++kills;
        scribe.start();
    }
    begin();
    REQUIRE(scribe.until([&] { return pipe.waiting() == 0; }));
    REQUIRE(scribe.finish() == 0);
    return kills;
}

/// The lines are numbered from 0 on, none twice, none torn; how many?
long check_numbers(const std::string& file)
{
    std::ifstream in(file);
    std::string line;
    long expected = 0, wrong = 0;
    while (std::getline(in, line)) {
        long number = -1;
        if (line.size() != 40 || std::sscanf(line.c_str(), "line %8ld", &number) != 1 || number != expected) ++wrong;
        expected = number + 1;
    }
    CHECK(wrong == 0);
    return expected;
}

}  // namespace

TEST_CASE("a scribe killed hundreds of times loses and doubles nothing", "[scribe][kill]")
{
    Directory directory;
    const std::string file = directory / "log";
    Pipe pipe(64 * 1024);
    ScribeProcess scribe;
    const pid_t program = write_numbered_lines(pipe.program.get());
    const int kills = kill_until_ended(scribe, program, file, pipe, [&] { scribe.sink("p:stdout", file, pipe.held.get()); });
    const long lines = check_numbers(file);
    WARN(kills << " kills of a scribe at work, " << lines << " lines");
    CHECK(kills >= 100);
    CHECK(lines == kLines);
}

namespace {

constexpr long kLooked = 100'000;

std::string captured_text(long n)
{
    return "captured " + std::to_string(n) + " " + std::string(n % 500 == 0 ? 100'000 : 300, 'c');
}

/// The same, in colours; and now and then something for the engine, in pieces.
pid_t write_coloured_lines(int pipe)
{
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    const auto write = [pipe](std::string_view text) {
        if (::write(pipe, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(1);
    };
    char line[80];
    for (long n = 0; n < kLooked; ++n) {
        const int length = std::snprintf(line, sizeof line, "line %08ld \x1b[31mabcdefghijkl\x1b[0mmnopqrstuvwxyz\n", n);
        write({line, 21});  // in the middle of a sequence
        write({line + 21, static_cast<std::size_t>(length) - 21});
        if (n % 100 == 0) {
            const std::string text = "<!--XSUPERVISOR:BEGIN-->" + captured_text(n) + "<!--XSUPERVISOR:END-->";
            write(std::string_view(text).substr(0, 10));
            write(std::string_view(text).substr(10, 200));
            if (n % 1000 == 0) ::usleep(3000);
            write(std::string_view(text).substr(210));
        }
        if (n % 50 == 0) ::usleep(500);
    }
    ::_exit(0);
}

}  // namespace

TEST_CASE("nor does it of what it has to look at", "[scribe][kill]")
{
    Directory directory;
    const std::string file = directory / "log";
    Pipe pipe(64 * 1024);
    const sys::UniqueFd memory(::memfd_create("memory", MFD_CLOEXEC));  // as the guardian has it
    SinkOptions options;
    options.strip_ansi = true;
    options.capture = 1 << 20;
    options.events = true;
    ScribeProcess scribe;
    const pid_t program = write_coloured_lines(pipe.program.get());
    const int kills =
        kill_until_ended(scribe, program, file, pipe, [&] { scribe.sink("p:stdout", file, pipe.held.get(), options, memory.get()); });
    scribe.idle(10);
    const long lines = check_numbers(file);
    WARN(kills << " kills of a scribe at work, " << lines << " lines, " << scribe.captured["p:stdout"].size() << " captured texts");
    CHECK(kills >= 50);
    CHECK(lines == kLooked);
    CHECK(scribe.output["p:stdout"] == content(file));
    std::vector<std::string> texts;
    for (long n = 0; n < kLooked; n += 100) texts.push_back(captured_text(n));
    CHECK((scribe.captured["p:stdout"] == texts));
    struct stat status {};
    REQUIRE(::fstat(memory.get(), &status) == 0);
    CHECK(status.st_blocks * 512 < 8 << 20);
}

TEST_CASE("programs that share a file tear and lose no line", "[scribe]")
{
    Directory directory;
    const std::string file = directory / "log";
    ScribeProcess scribe;
    constexpr int kWriters = 20;
    constexpr int kEach = 10000;
    std::vector<Pipe> pipes(kWriters);
    std::vector<pid_t> writers;
    for (int w = 0; w < kWriters; ++w) {
        scribe.sink("p" + std::to_string(w), file, pipes[static_cast<std::size_t>(w)].held.get());
        const pid_t pid = ::fork();
        if (pid == 0) {
            for (int n = 0; n < kEach; ++n) {
                char line[256];
                const int length =
                    std::snprintf(line, sizeof line, "%02d %06d %.*s\n", w, n, n % 90, std::string(90, 'x').c_str());
                if (::write(pipes[static_cast<std::size_t>(w)].program.get(), line, static_cast<std::size_t>(length)) !=
                    length)
                    ::_exit(1);
            }
            ::_exit(0);
        }
        writers.push_back(pid);
    }
    for (const pid_t pid : writers) {
        int status = -1;
        REQUIRE(scribe.until([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
        CHECK(status == 0);
    }
    REQUIRE(scribe.finish() == 0);
    std::ifstream in(file);
    std::string line;
    std::vector<int> next(kWriters, 0);
    int torn = 0;
    while (std::getline(in, line)) {
        int w = -1, n = -1;
        if (std::sscanf(line.c_str(), "%2d %6d", &w, &n) != 2 || w < 0 || w >= kWriters ||
            n != next[static_cast<std::size_t>(w)] || line.size() != 10 + static_cast<std::size_t>(n % 90))
            ++torn;
        else
            ++next[static_cast<std::size_t>(w)];
    }
    CHECK(torn == 0);
    CHECK(next == std::vector<int>(kWriters, kEach));
}
