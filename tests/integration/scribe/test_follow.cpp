#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "scribe_process.h"

using namespace scribe_test;

namespace {

struct Fixture {
    Directory directory;
    std::string file = directory / "log";
    Pipe pipe;
    ScribeProcess scribe;
    sys::UniqueFd reader;
    std::string got;

    void open(const SinkOptions& options = {})
    {
        scribe.sink("p", file, pipe.held.get(), options);
        REQUIRE(scribe.until([&] { return exists(file); }));
    }
    void follow(const std::string& what)
    {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        reader.reset(ends[0]);
        const sys::UniqueFd writer(ends[1]);
        scribe.send(wire::Value::Struct{{"type", "follow"}, {"id", 1}, {"file", what}}, writer.get());
    }
    void read()
    {
        char buffer[65536];
        ssize_t length;
        while ((length = ::read(reader.get(), buffer, sizeof buffer)) > 0)
            got.append(buffer, static_cast<std::size_t>(length));
    }
    bool gets(const std::string& text)
    {
        return scribe.until([&] {
            read();
            return got == text;
        });
    }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a follower gets the last 1024 bytes, then what comes", "[scribe][follow]")
{
    open();
    pipe.write(std::string(5000, 'a'));
    REQUIRE(scribe.until([&] { return size_of(file) == 5000; }));
    follow(file);
    REQUIRE(gets(std::string(1024, 'a')));
    pipe.write("more\n");
    CHECK(gets(std::string(1024, 'a') + "more\n"));
}

TEST_CASE_METHOD(Fixture, "a follower goes through rotation and clear", "[scribe][follow]")
{
    open({.maxbytes = 1000, .backups = 2});
    follow(file);
    std::string sent;
    for (int n = 0; n < 20; ++n) {
        const std::string line = std::to_string(n) + std::string(400, 'x') + "\n";
        pipe.write(line);
        sent += line;
        REQUIRE(scribe.until([&] { return pipe.waiting() == 0; }));
    }
    REQUIRE(gets(sent));
    REQUIRE(scribe.ask("clear", file).flag("ok"));
    pipe.write("new\n");
    CHECK(gets(sent + "new\n"));
}

TEST_CASE_METHOD(Fixture, "a slow follower misses nothing", "[scribe][follow]")
{
    open({.maxbytes = 100'000, .backups = 30});
    follow(file);
    std::string sent = "first\n";
    pipe.write(sent);
    REQUIRE(gets(sent));
    for (int n = 0; n < 3000; ++n) {
        const std::string line = std::to_string(n) + std::string(300, 'x') + "\n";
        pipe.write(line);
        sent += line;
    }
    REQUIRE(scribe.until([&] { return pipe.waiting() == 0; }));
    CHECK(gets(sent));
}

TEST_CASE_METHOD(Fixture, "a file truncated in place is announced and goes on", "[scribe][follow]")
{
    open();
    pipe.write("before\n");
    follow(file);
    REQUIRE(gets("before\n"));
    REQUIRE(::truncate(file.c_str(), 0) == 0);
    REQUIRE(gets("before\n==> File truncated <==\n"));
    pipe.write("after\n");
    CHECK(gets("before\n==> File truncated <==\nafter\n"));
}

TEST_CASE_METHOD(Fixture, "a file that no sink writes is followed too, from its making on", "[scribe][follow]")
{
    const std::string other = directory / "main.log";
    follow(other);
    scribe.idle(50);
    const int fd = ::open(other.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
    REQUIRE(::write(fd, "one\n", 4) == 4);
    REQUIRE(gets("one\n"));
    REQUIRE(::write(fd, "two\n", 4) == 4);
    ::close(fd);
    CHECK(gets("one\ntwo\n"));
}

TEST_CASE_METHOD(Fixture, "a follower that leaves is forgotten", "[scribe][follow]")
{
    open();
    follow(file);
    pipe.write("x\n");
    REQUIRE(gets("x\n"));
    const auto descriptors = [&] {
        int count = 0;
        for (int fd = 0; fd < 200; ++fd)
            if (::faccessat(AT_FDCWD, ("/proc/" + std::to_string(scribe.pid()) + "/fd/" + std::to_string(fd)).c_str(),
                            F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                ++count;
        return count;
    };
    const int before = descriptors();
    reader.reset();
    CHECK(scribe.until([&] { return descriptors() == before - 2; }));
    pipe.write("y\n");
    CHECK(scribe.until([&] { return content(file) == "x\ny\n"; }));
}
