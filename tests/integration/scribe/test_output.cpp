#include <catch2/catch.hpp>

#include "scribe_process.h"

using namespace scribe_test;

namespace {

const std::string kBegin = "<!--XSUPERVISOR:BEGIN-->";
const std::string kEnd = "<!--XSUPERVISOR:END-->";

struct Fixture {
    Directory directory;
    std::string file = directory / "log";
    Pipe pipe;
    ScribeProcess scribe;

    void open(const SinkOptions& options)
    {
        scribe.sink("p", file, pipe.held.get(), options);
        REQUIRE(scribe.until([&] { return scribe.stats.contains("p"); }));
    }
    /// Writes until the scribe has left the pipe alone for 0.1 s; what was written.
    std::string write_until_held()
    {
        std::string sent;
        for (int refused = 0; refused < 100; scribe.idle(1)) {
            REQUIRE(sent.size() < 8u << 20);
            ++refused;
            if (pipe.waiting() > 100'000) continue;
            const std::string line = std::to_string(sent.size()) + std::string(50'000, 'x') + "\n";
            pipe.write(line);
            sent += line;
            refused = 0;
        }
        return sent;
    }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "what is captured is told to the engine and is not in the log", "[scribe]")
{
    open({.capture = 100, .events = true});
    pipe.write("before " + kBegin + "secret");
    REQUIRE(scribe.until([&] { return content(file) == "before "; }));
    pipe.write(" message" + kEnd.substr(0, 10));
    scribe.idle(20);
    pipe.write(kEnd.substr(10) + "after\n");
    CHECK(scribe.until([&] { return scribe.output["p"] == "before after\n"; }));
    CHECK(scribe.captured["p"] == std::vector<std::string>{"secret message"});
    CHECK(content(file) == "before after\n");
}

TEST_CASE_METHOD(Fixture, "a capture has at most its bytes", "[scribe]")
{
    open({.capture = 1000});
    pipe.write(kBegin + std::string(50'000, 'a') + "end" + kEnd);
    REQUIRE(scribe.until([&] { return !scribe.captured["p"].empty(); }));
    CHECK(scribe.captured["p"][0].size() <= 1000);
    CHECK(scribe.captured["p"][0].ends_with("end"));
    CHECK(size_of(file) == 0);
    CHECK_FALSE(scribe.output.contains("p"));
}

TEST_CASE_METHOD(Fixture, "the possible beginning of a token is written when the pipe is given up", "[scribe]")   // B3
{
    const std::string rest = kBegin.substr(0, 12);
    SECTION("by drop")
    {
        open({.capture = 100, .events = true});
        pipe.write("text" + rest);
        REQUIRE(scribe.until([&] { return content(file) == "text"; }));
        scribe.send(wire::Value::Struct{{"type", "drop"}, {"key", "p"}});
        CHECK(scribe.until([&] { return scribe.output["p"] == "text" + rest; }));
    }
    SECTION("by shutdown")
    {
        open({.capture = 100});
        pipe.write("text" + rest);
        CHECK(scribe.finish() == 0);
    }
    CHECK(scribe.until([&] { return content(file) == "text" + rest; }));
}

TEST_CASE_METHOD(Fixture, "a process's end gives up what it left open, the next one starts anew", "[scribe]")
{
    open({.capture = 100, .events = true});
    const wire::Value ended = wire::Value::Struct{{"type", "ended"}, {"key", "p"}};
    pipe.write("one\n" + kBegin + "never ended");
    scribe.send(ended);
    REQUIRE(scribe.until([&] { return scribe.ended["p"] == 1; }));
    CHECK(scribe.output["p"] == "one\n");
    pipe.write("two\n" + kBegin.substr(0, 7));
    scribe.send(ended);
    REQUIRE(scribe.until([&] { return scribe.ended["p"] == 2; }));
    CHECK(scribe.output["p"] == "one\ntwo\n" + kBegin.substr(0, 7));
    pipe.write(kBegin.substr(7) + "\n" + kBegin + "three" + kEnd);
    REQUIRE(scribe.until([&] { return !scribe.captured["p"].empty(); }));
    CHECK(scribe.captured["p"][0] == "three");
    CHECK(content(file) == "one\ntwo\n" + kBegin + "\n");
}

TEST_CASE_METHOD(Fixture, "of a listener the engine sees every byte, also when nothing is logged", "[scribe]")
{
    file.clear();
    open({.strip_ansi = true, .capture = 100, .listener = true});
    const std::string text = "READY\n\x1b[1m" + kBegin + "x" + kEnd;
    pipe.write(text);
    CHECK(scribe.until([&] { return scribe.output["p"] == text; }));
    CHECK(scribe.captured["p"].empty());
}

TEST_CASE_METHOD(Fixture, "events carry the text as it is logged", "[scribe]")
{
    open({.strip_ansi = true, .events = true});
    pipe.write("\x1b[1mbold\x1b[0m\n");
    CHECK(scribe.until([&] { return scribe.output["p"] == "bold\n"; }));
    CHECK(content(file) == "bold\n");
}

TEST_CASE_METHOD(Fixture, "events do not wait for a log that cannot be written", "[scribe]")
{
    file = directory / "missing/log";
    open({.events = true});
    pipe.write("one\n");
    CHECK(scribe.until([&] { return scribe.output["p"] == "one\n"; }));
    CHECK(scribe.until([&] { return scribe.stats["p"].number("lost") == 4; }));
}

TEST_CASE_METHOD(Fixture, "while the engine takes nothing its output stays in the pipe, other logs go on", "[scribe]")
{
    open({.events = true});
    Pipe other;
    const std::string other_file = directory / "other";
    scribe.sink("q", other_file, other.held.get());
    REQUIRE(scribe.until([&] { return scribe.stats.contains("q"); }));

    scribe.is_reading = false;
    const std::string sent = write_until_held();
    CHECK(pipe.waiting() > 0);
    other.write("goes on\n");
    CHECK(scribe.until([&] { return content(other_file) == "goes on\n"; }));

    scribe.is_reading = true;
    CHECK(scribe.until([&] { return scribe.output["p"].size() == sent.size(); }));
    CHECK(scribe.output["p"] == sent);
    CHECK(scribe.until([&] { return content(file) == sent; }));
}

TEST_CASE_METHOD(Fixture, "an engine that takes nothing any more does not keep the log from the disk at the end", "[scribe]")
{
    open({.events = true});
    scribe.is_reading = false;
    const std::string sent = write_until_held();
    CHECK(scribe.finish() == 0);
    CHECK(content(file) == sent);
}
