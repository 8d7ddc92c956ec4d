#include <catch2/catch.hpp>

#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scribe_process.h"

using namespace scribe_test;

namespace {

struct Fixture {
    Directory directory;
    std::string file = directory / "log";
    Pipe pipe;
    ScribeProcess scribe;

    void open(const SinkOptions& options = {}, const std::string& name = "log")
    {
        file = directory / name;
        scribe.stats.erase("p");
        scribe.sink("p", file, pipe.held.get(), options);
        REQUIRE(scribe.until([&] { return scribe.stats.contains("p"); }));
    }
    bool taken()
    {
        return scribe.until([&] { return pipe.waiting() == 0; });
    }
    bool holds(const std::string& text)
    {
        return scribe.until([&] { return content(file) == text; });
    }
    std::int64_t lost() { return scribe.stats["p"].number("lost"); }
    std::string error() { return scribe.stats["p"].text("error"); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a full log becomes F.1, the oldest of N goes", "[scribe]")
{
    open({.maxbytes = 1000, .backups = 3});
    for (char c = 'a'; c < 'g'; ++c) {
        pipe.write(std::string(1000, c));
        REQUIRE(scribe.until([&] { return content(file + ".1") == std::string(1000, c); }));
    }
    CHECK(size_of(file) == 0);
    CHECK(content(file + ".2") == std::string(1000, 'e'));
    CHECK(content(file + ".3") == std::string(1000, 'd'));
    CHECK_FALSE(exists(file + ".4"));
    struct stat status {};
    ::stat(file.c_str(), &status);
    CHECK((status.st_mode & 07777) == 0644);
}

TEST_CASE_METHOD(Fixture, "without backups a full log is emptied, without a limit it grows", "[scribe]")
{
    open({.maxbytes = 1000, .backups = 0});
    pipe.write(std::string(1500, 'a'));
    REQUIRE(taken());
    pipe.write("b");
    CHECK(holds("b"));
    CHECK_FALSE(exists(file + ".1"));
    open({.maxbytes = 0, .backups = 5});
    pipe.write(std::string(200'000, 'c'));
    CHECK(holds("b" + std::string(200'000, 'c')));
}

TEST_CASE_METHOD(Fixture, "a log grows past its limit by less than a chunk", "[scribe]")
{
    open({.maxbytes = 100'000, .backups = 100});
    std::string sent;
    for (int n = 0; n < 2000; ++n) {
        const std::string line = std::to_string(n) + std::string(500, 'x') + "\n";
        pipe.write(line);
        sent += line;
    }
    REQUIRE(taken());
    REQUIRE(scribe.finish() == 0);
    std::string kept;
    for (int n = 100; n >= 0; --n) {
        const std::string part = n == 0 ? file : file + "." + std::to_string(n);
        CHECK(size_of(part) < 100'000 + 65'536);
        kept += content(part);
    }
    CHECK(kept == sent);
}

TEST_CASE_METHOD(Fixture, "a log truncated by others is continued at its new end", "[scribe]")
{
    open();
    pipe.write("before\n");
    REQUIRE(holds("before\n"));
    REQUIRE(::truncate(file.c_str(), 0) == 0);
    pipe.write("after\n");
    CHECK(holds("after\n"));
    const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND);
    REQUIRE(::write(fd, "foreign\n", 8) == 8);
    ::close(fd);
    pipe.write("more\n");
    CHECK(holds("after\nforeign\nmore\n"));
}

TEST_CASE_METHOD(Fixture, "a log truncated by others after a rotation has no hole", "[scribe]")   // B15
{
    open({.maxbytes = 1000, .backups = 1});
    pipe.write(std::string(1000, 'a'));
    REQUIRE(scribe.until([&] { return content(file + ".1").size() == 1000; }));
    pipe.write(std::string(500, 'b'));
    REQUIRE(holds(std::string(500, 'b')));
    REQUIRE(::truncate(file.c_str(), 0) == 0);
    pipe.write("after\n");
    CHECK(holds("after\n"));
}

TEST_CASE_METHOD(Fixture, "a deleted log is made anew, a moved one is kept until reopen", "[scribe]")
{
    open();
    pipe.write("1\n");
    REQUIRE(holds("1\n"));
    ::unlink(file.c_str());
    pipe.write("2\n");
    REQUIRE(holds("2\n"));
    ::rename(file.c_str(), (file + ".old").c_str());
    pipe.write("3\n");
    REQUIRE(scribe.until([&] { return content(file + ".old") == "2\n3\n"; }));
    scribe.send(wire::Value::Struct{{"type", "reopen"}});
    REQUIRE(scribe.until([&] { return exists(file); }));
    pipe.write("4\n");
    CHECK(holds("4\n"));
    CHECK(lost() == 0);
}

TEST_CASE_METHOD(Fixture, "a log replaced by something else harms nobody", "[scribe]")
{
    open();
    const std::string canary = directory / "canary";
    const auto replace = GENERATE(0, 1, 2, 3);
    ::unlink(file.c_str());
    if (replace == 0) ::mkdir(file.c_str(), 0755);
    if (replace == 1) ::mkfifo(file.c_str(), 0600);
    if (replace == 2) {  // a link of our own is followed, but only to a log
        ::mkfifo(canary.c_str(), 0600);
        ::symlink(canary.c_str(), file.c_str());
    }
    if (replace == 3) {
        ::close(::open(canary.c_str(), O_CREAT | O_WRONLY, 0600));
        ::link(canary.c_str(), file.c_str());
    }
    for (int n = 0; n < 10; ++n) pipe.write(std::string(100'000, 'x'));
    REQUIRE(taken());
    REQUIRE(scribe.until([&] { return lost() == 1'000'000; }));
    CHECK(error().find(file) != std::string::npos);
    CHECK(size_of(canary) <= 0);
    REQUIRE(scribe.until([&] { return !scribe.log.empty(); }));
    CHECK(scribe.log.size() == 1);
    if (replace == 0)
        ::rmdir(file.c_str());
    else
        ::unlink(file.c_str());
    scribe.idle(1100);  // it tries again every second
    pipe.write("here\n");
    REQUIRE(scribe.until([&] { return size_of(file) > 0; }));
    CHECK_THAT(content(file), Catch::StartsWith("1000000 bytes lost between 2") && Catch::EndsWith("\nhere\n"));
    CHECK(scribe.until([&] { return error().empty(); }));
}

TEST_CASE_METHOD(Fixture, "a missing directory costs output until it is there", "[scribe]")
{
    const auto block = GENERATE(false, true);
    open({.on_full = block ? "block" : "drop"}, "later/log");
    CHECK_THAT(error(), Catch::Contains("No such file or directory"));
    pipe.write("first\n");
    if (!block) REQUIRE(taken());
    ::mkdir((directory / "later").c_str(), 0755);
    if (block) {
        CHECK(holds("first\n"));
        CHECK(lost() == 0);
    } else {
        scribe.idle(1100);
        pipe.write("second\n");
        REQUIRE(scribe.until([&] { return size_of(file) > 0; }));
        CHECK_THAT(content(file), Catch::StartsWith("6 bytes lost between ") && Catch::EndsWith("\nsecond\n"));
    }
}

TEST_CASE("a full disk costs exactly what is counted, or nothing where the owner says so", "[scribe][disk]")
{
    Directory directory;
    const std::string mount = directory / "disk";
    ::mkdir(mount.c_str(), 0755);
    if (::geteuid() != 0 ||
        std::system(("mount -t tmpfs -o size=1m,mode=755 xsv " + mount + " 2>/dev/null").c_str()) != 0) {
        WARN("SKIPPED: mounting a tmpfs was refused");
        return;
    }
    struct Unmount {
        std::string path;
        ~Unmount() { (void)!std::system(("umount -l " + path).c_str()); }
    } unmount{mount};
    const bool block = GENERATE(false, true);
    const std::string file = mount + "/log";
    const std::string filler = mount + "/filler";
    Pipe pipe(1 << 20);
    ScribeProcess scribe;
    REQUIRE(std::system(("dd if=/dev/zero bs=1024 count=900 status=none of=" + filler).c_str()) == 0);
    scribe.sink("p", file, pipe.held.get(), {.on_full = block ? "block" : "drop"});
    REQUIRE(scribe.until([&] { return scribe.stats.contains("p"); }));
    constexpr std::int64_t kSent = 700'000;
    std::string sent;
    while (static_cast<std::int64_t>(sent.size()) < kSent) sent += std::string(99, 'x') + "\n";
    pipe.write(sent);
    REQUIRE(scribe.until([&] { return !scribe.stats["p"].text("error").empty(); }));
    CHECK_THAT(scribe.stats["p"].text("error"), Catch::Contains("No space left on device"));
    if (block) {
        CHECK(pipe.waiting() + size_of(file) == kSent);
        ::unlink(filler.c_str());
        REQUIRE(scribe.until([&] { return pipe.waiting() == 0; }));
        CHECK(content(file) == sent);
        CHECK(scribe.until([&] { return scribe.stats["p"].number("bytes") == kSent; }));
        CHECK(scribe.stats["p"].number("lost") == 0);
        return;
    }
    REQUIRE(scribe.until([&] { return pipe.waiting() == 0; }));
    const std::int64_t kept = size_of(file);
    REQUIRE(scribe.until([&] { return scribe.stats["p"].number("lost") + kept == kSent; }));
    CHECK(scribe.stats["p"].number("bytes") == kept);
    ::unlink(filler.c_str());
    scribe.idle(150);
    pipe.write("and on\n");
    REQUIRE(scribe.until([&] { return size_of(file) > kept; }));
    const std::string added = content(file).substr(static_cast<std::size_t>(kept));
    CHECK_THAT(added,
               Catch::Contains(std::to_string(kSent - kept) + " bytes lost between ") && Catch::EndsWith("\nand on\n"));
}

TEST_CASE_METHOD(Fixture, "escape sequences are stripped across chunks", "[scribe]")
{
    open({.strip_ansi = true});
    pipe.write("a\x1b[3");
    REQUIRE(taken());
    scribe.idle(5);
    pipe.write("1mred\x1b[0m\n");
    CHECK(holds("ared\n"));
}

TEST_CASE_METHOD(Fixture, "naming a sink again does not disturb it, one not named goes after its pipe is empty",
                 "[scribe]")
{
    open();
    Pipe other;
    scribe.sink("q", directory / "other", other.held.get());
    pipe.write("1\n");
    REQUIRE(holds("1\n"));
    scribe.hello();
    scribe.sink("p", file, pipe.held.get(), {.maxbytes = 4, .backups = 1});
    other.write("last words\n");
    scribe.stats.clear();
    scribe.ready();
    REQUIRE(scribe.until([&] { return scribe.stats.contains("p"); }));
    pipe.write("2\n");
    REQUIRE(scribe.until([&] { return content(file + ".1") == "1\n2\n"; }));
    REQUIRE(scribe.until([&] { return content(directory / "other") == "last words\n"; }));
    other.write("nobody\n");
    pipe.write("3\n");
    REQUIRE(holds("3\n"));
    CHECK(other.waiting() == 7);
    // a new pipe under the old key
    Pipe fresh;
    pipe.write("4\n");
    scribe.sink("p", directory / "third", fresh.held.get());
    fresh.write("5\n");
    REQUIRE(scribe.until([&] { return content(directory / "third") == "5\n"; }));
    CHECK(content(file + ".1") == "3\n4\n");
}

TEST_CASE_METHOD(Fixture, "clear empties the log, also of a program that is gone", "[scribe]")
{
    open();
    pipe.write("old\n");
    REQUIRE(holds("old\n"));
    CHECK(scribe.ask("clear", file).flag("ok"));
    CHECK(size_of(file) == 0);
    pipe.write("new\n");
    CHECK(holds("new\n"));
    const std::string dead = directory / "dead";
    ::close(::open(dead.c_str(), O_CREAT | O_WRONLY, 0600));
    CHECK(scribe.ask("clear", dead).flag("ok"));
    CHECK_FALSE(exists(dead));
    CHECK(scribe.ask("clear", dead).flag("ok"));
    const wire::Value refused = scribe.ask("clear", directory.path());
    CHECK_FALSE(refused.flag("ok", true));
    CHECK(refused.number("code") == 30);
    CHECK(scribe.ask("read", file, -2, 0).text("text") == "w\n");
    CHECK(scribe.ask("tail", file, 0, 100).text("text") == "new\n");
    CHECK(scribe.ask("read", dead).number("code") == 20);
}

TEST_CASE("the scribe's own output takes a program's, and waits for a slow reader", "[scribe]")
{
    Pipe out(64 * 1024);
    Pipe pipe;
    ScribeProcess scribe(out.program.get());
    scribe.sink("p", "/dev/stdout", pipe.held.get(), {.maxbytes = 10, .backups = 3});
    const std::string sent(150'000, 'x');
    pipe.write(sent);
    std::string got;
    REQUIRE(scribe.until([&] {
        char buffer[20'000];
        const ssize_t length = ::read(out.held.get(), buffer, sizeof buffer);
        if (length > 0) got.append(buffer, static_cast<std::size_t>(length));
        return got.size() >= sent.size();
    }));
    CHECK(got == sent);
    // Nobody reads any more: the program is not held up for longer than a second or so.
    for (int n = 0; n < 4; ++n) {
        pipe.write(std::string(100'000, 'y'));
        REQUIRE(scribe.until([&] { return pipe.waiting() == 0; }));
    }
    CHECK(scribe.until([&] { return scribe.stats["p"].number("lost") > 300'000; }));
    CHECK_THAT(scribe.stats["p"].text("error"), Catch::Contains("nobody reads it"));
}

TEST_CASE_METHOD(Fixture, "the end of the engine's side drains what is there", "[scribe]")
{
    open();
    pipe.write(std::string(200'000, 'z'));
    REQUIRE(scribe.finish() == 0);
    CHECK(size_of(file) == 200'000);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define XSV_THREAD_SANITIZER 1
#endif
#endif
#if !defined(XSV_THREAD_SANITIZER) && !defined(__SANITIZE_THREAD__)  // it has a thread of its own that wakes up
TEST_CASE("a thousand idle sinks cost no wake-up", "[scribe][idle]")
{
    Directory directory;
    ScribeProcess scribe;
    std::vector<std::unique_ptr<Pipe>> pipes;
    for (int n = 0; n < 1000; ++n) {
        pipes.push_back(std::make_unique<Pipe>(4096));
        pipes.back()->program.reset();
        scribe.sink("p" + std::to_string(n), directory / ("log" + std::to_string(n)), pipes.back()->held.get());
        scribe.idle(0);
    }
    REQUIRE(scribe.until([&] { return scribe.stats.size() == 1000; }));
    const std::string count =
        "cat /proc/" + std::to_string(scribe.pid()) + "/task/*/status | grep ctxt > " + (directory / "c");
    scribe.idle(1200);
    REQUIRE(std::system((count + "1").c_str()) == 0);
    scribe.idle(2000);
    REQUIRE(std::system((count + "2").c_str()) == 0);
    CHECK(content(directory / "c1") == content(directory / "c2"));
}
#endif
