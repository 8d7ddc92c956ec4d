#include "engine/event_pool.h"

#include <csignal>

#include <catch2/catch.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"
#include "engine/event_store.h"
#include "engine/ticks.h"
#include "sys/files.h"

using namespace xsv;
using namespace xsv::engine;
using config::EventType;

namespace {

EventPool pool_of(std::initializer_list<std::uint64_t> serials, std::size_t size = 10)
{
    EventPool pool("p", size);
    for (const std::uint64_t serial : serials) pool.add(serial, EventType::Tick5, "when:" + std::to_string(serial));
    return pool;
}

EventPool& ready(EventPool& pool, const std::string& name = "a")
{
    pool.start(name, "stream of " + name);
    pool.output(name, "READY\n");
    return pool;
}

std::vector<std::string> warnings(EventPool& pool)
{
    std::vector<std::string> lines;
    for (const auto& line : pool.take_lines())
        if (line.level >= log::Level::warn) lines.push_back(line.text);
    return lines;
}

const std::string kUnknown = "a: has entered the UNKNOWN state and will no longer receive events, this usually indicates the process violated the "
                             "eventlistener protocol";

}  // namespace

TEST_CASE("a message counts bytes and begins with Supervisor's line", "[events]")   // B5
{
    CHECK(event_message({7, 3, EventType::RemoteCommunication, "type:a\näöü"}, "pool", "supervisor") ==
          "ver:3.0 server:supervisor serial:7 pool:pool poolserial:3 eventname:REMOTE_COMMUNICATION len:13\ntype:a\näöü");
    CHECK(event_message({0, 0, EventType::SupervisorStateChangeRunning, ""}, "p", "s") ==
          "ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:SUPERVISOR_STATE_CHANGE_RUNNING len:0\n");
}

TEST_CASE("one event at a time, each after the last one's OK", "[events]")
{
    EventPool pool = pool_of({4, 5});
    pool.start("a", "s");
    CHECK_FALSE(pool.can_take("a"));
    for (const char c : std::string("READY\n")) pool.output("a", std::string(1, c));  // split as badly as can be
    REQUIRE(pool.can_take("a"));
    CHECK(pool.front().serial == 4);
    pool.take("a");
    CHECK(pool.state("a") == ListenerState::Busy);
    CHECK_FALSE(pool.can_take("a"));
    pool.output("a", "RESU");
    pool.output("a", "LT 2\nO");
    CHECK(pool.state("a") == ListenerState::Busy);
    pool.output("a", "KREADY\n");  // several messages in one piece
    REQUIRE(pool.can_take("a"));
    CHECK(pool.front().serial == 5);
    CHECK(pool.front().pool_serial == 1);
    CHECK(warnings(pool).empty());
}

TEST_CASE("a rejected event comes again, before the others and with its numbers", "[events]")
{
    EventPool pool = pool_of({4, 5});
    ready(pool).take("a");
    pool.output("a", "RESULT 4\nFAILREADY\n");
    CHECK(warnings(pool) == std::vector<std::string>{"a: event was rejected"});
    REQUIRE(pool.can_take("a"));
    CHECK(pool.front() == PoolEvent{4, 0, EventType::Tick5, "when:4"});
    CHECK(pool.queued() == 2);
}

TEST_CASE("what a listener has not acknowledged when it ends is the next one's", "[events]")
{
    EventPool pool = pool_of({4, 5});
    ready(ready(pool, "a"), "b");
    pool.take("a");
    pool.take("b");
    CHECK(pool.queued() == 0);
    pool.end("b");
    REQUIRE(pool.queued() == 1);
    CHECK(pool.front().serial == 5);
    pool.start("a", "another");  // its end was not seen
    CHECK(pool.front().serial == 4);
    CHECK(pool.state("a") == ListenerState::Acknowledged);
    CHECK(pool.stream("a") == "another");
    CHECK(pool.stream("b").empty());
}

TEST_CASE("a full queue discards the oldest, says so and counts it", "[events]")
{
    EventPool pool = pool_of({4, 5, 6}, 2);
    CHECK(warnings(pool) == std::vector<std::string>{"pool p event buffer overflowed, discarding event 4"});
    CHECK(pool.discarded() == 1);
    CHECK(pool.queued() == 2);
    ready(pool).take("a");
    pool.add(7, EventType::Tick5, "");
    pool.end("a");  // 5 comes back: 6, the oldest that waits, goes for it
    CHECK(pool.discarded() == 2);
    CHECK(pool.front().serial == 5);

    EventPool large("p", 1000);
    for (std::uint64_t i = 0; i < 20; ++i) large.add(i, EventType::ProcessLogStdout, std::string(1 << 20, 'x'));
    CHECK(large.queued() == 16);
    large.add(99, EventType::ProcessLogStdout, std::string(EventPool::kMostBytes * 2, 'x'));
    CHECK(large.queued() == 1);
}

TEST_CASE("whoever breaks the protocol gets no more, and its event is somebody else's", "[events]")
{
    SECTION("before READY")
    {
        EventPool pool = pool_of({4});
        pool.start("a", "s");
        pool.output("a", "hello");
        CHECK(pool.state("a") == ListenerState::Acknowledged);  // five bytes decide nothing
        pool.output("a", " world\nREADY\n");
        CHECK(pool.state("a") == ListenerState::Unknown);
        CHECK(warnings(pool) == std::vector<std::string>{kUnknown});
    }
    SECTION("after READY")
    {
        EventPool pool = pool_of({4});
        ready(pool).output("a", "R");
        CHECK(pool.state("a") == ListenerState::Unknown);
    }
    SECTION("READY twice in one piece")
    {
        EventPool pool = pool_of({4});
        pool.start("a", "s");
        pool.output("a", "READY\nREADY\n");
        CHECK(pool.state("a") == ListenerState::Unknown);
    }
    SECTION("no number")
    {
        EventPool pool = pool_of({4});
        ready(pool).take("a");
        pool.output("a", "RESULT x\nOK");
        CHECK(warnings(pool) == std::vector<std::string>{"a: bad result line: 'RESULT x'", kUnknown});
        CHECK(pool.queued() == 1);
    }
    SECTION("a line that never ends, a length nobody sends, bytes that are no text")
    {
        for (const std::string& bad : {std::string(5000, 'x'), std::string("RESULT 99999999999\n"), std::string("RESULT -1\n"), std::string("\xff\n")}) {
            EventPool pool = pool_of({4});
            ready(pool).take("a");
            pool.output("a", bad);
            CHECK(pool.state("a") == ListenerState::Unknown);
            CHECK(pool.queued() == 1);
        }
        EventPool pool = pool_of({4});
        ready(pool).take("a");
        pool.output("a", "\xff\n");
        CHECK(warnings(pool).front() == "a: bad result line: 'Undecodable: b'\\xff''");
    }
    EventPool pool = pool_of({4});
    ready(pool).output("a", "?");
    pool.output("a", "READY\n");
    CHECK(pool.state("a") == ListenerState::Unknown);
    ready(pool);  // a new process is a new beginning
    CHECK(pool.can_take("a"));
}

TEST_CASE("of a result line only the length counts, and blanks around it do not matter", "[events]")
{
    for (const char* line : {"RESULT 2\nOK", "result 2 \nOK", "XXXXXXX+2\nOK"}) {
        EventPool pool = pool_of({4});
        ready(pool).take("a");
        pool.output("a", line);
        CHECK(pool.state("a") == ListenerState::Acknowledged);
        CHECK(pool.queued() == 0);
    }
    EventPool pool = pool_of({4});
    ready(pool).take("a");
    pool.output("a", "RESULT 0\n");
    CHECK(pool.queued() == 1);  // nothing is not OK
}

TEST_CASE("a pool is the same after it was saved, in every state", "[events]")
{
    EventPool pool = pool_of({4, 5, 6, 7}, 3);
    ready(pool).take("a");
    pool.output("a", "RESULT 2\nO");
    ready(pool, "b");
    pool.start("c", "s");
    pool.output("c", "nonsense");
    auto back = EventPool::load(pool.save());
    REQUIRE(back);
    for (std::size_t i = 0; i < pool.queued(); ++i) REQUIRE(back->load_queue(pool.save_queue(i, 1)));
    CHECK(back->save() == pool.save());
    CHECK(back->save_queue(0, 100) == pool.save_queue(0, 100));
    back->output("a", "KREADY\n");
    CHECK(back->can_take("a"));
    CHECK(back->front().serial == 6);
    CHECK(back->discarded() == 1);
}

TEST_CASE("a damaged pool is refused", "[events]")
{
    EventPool pool = pool_of({4, 5});
    ready(pool).take("a");
    const wire::Value good = pool.save();
    for (std::size_t i = 0; i < good.structure()->size(); ++i) {
        for (const wire::Value& bad : {wire::Value(), wire::Value(-5), wire::Value(wire::Value::Array{wire::Value::Array{-1, "x"}})}) {
            wire::Value::Struct damaged = *good.structure();
            damaged[i].second = bad;
            CHECK_FALSE(EventPool::load(damaged));
        }
    }
    CHECK_FALSE(EventPool::load("x"));
    for (const wire::Value& bad : {wire::Value(), wire::Value(wire::Value::Array{"x"}), wire::Value(wire::Value::Array{wire::Value::Array{7, 99, 1, ""}})})
        CHECK_FALSE(pool.load_queue(bad));
}

TEST_CASE("kept records are there after commit, and only then", "[events]")
{
    auto store = EventStore::create();
    REQUIRE(store);
    store->append(wire::Value::Array{"one", 1});
    store->append("two");
    REQUIRE(store->commit());
    store->append("never");

    EventStore other(sys::UniqueFd(::dup(store->fd())));
    auto records = other.read();
    REQUIRE(records);
    CHECK(*records == std::vector<wire::Value>{wire::Value::Array{"one", 1}, "two"});
    other.append("three");
    REQUIRE(other.commit());
    EventStore third(sys::UniqueFd(::dup(store->fd())));
    CHECK(third.read()->size() == 3);
}

TEST_CASE("no more records are kept than a successor reads", "[events]")
{
    constexpr std::size_t kMost = 1000;
    auto store = EventStore::create(kMost);
    REQUIRE(store);
    const std::string piece(300, 'x');
    int kept = 0;
    for (store->append(piece); store->commit() && kept < 10; store->append(piece)) ++kept;
    CHECK(kept == 3);
    for (const std::string& record : {piece, piece, std::string("x")}) store->append(record);
    CHECK_FALSE(store->commit());  // all of a batch or nothing
    store->append("x");
    CHECK(store->commit());
    EventStore successor(sys::UniqueFd(::dup(store->fd())), kMost);
    auto records = successor.read();
    REQUIRE(records);
    CHECK(records->size() == 4);
}

TEST_CASE("records that were tampered with are refused", "[events]")
{
    auto store = EventStore::create();
    REQUIRE(store);
    for (int i = 0; i < 5; ++i) store->append(wire::Value::Array{"add", "pool", i, 1, "payload"});
    REQUIRE(store->commit());
    std::string bytes(store->size() + 16, '\0');
    REQUIRE(::pread(store->fd(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    std::size_t refused = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        auto broken = EventStore::create();
        std::string copy = bytes;
        copy[i] = static_cast<char>(copy[i] ^ 0xff);
        REQUIRE(::pwrite(broken->fd(), copy.data(), copy.size(), 0) == static_cast<ssize_t>(copy.size()));
        if (!broken->read()) ++refused;  // a changed letter in a text is no harm
    }
    CHECK(refused > bytes.size() / 3);
    EventStore nothing(sys::UniqueFd(-1));
    CHECK_FALSE(nothing.read());
}

TEST_CASE("an outbox goes on where it was, whoever holds it, however little the pipe takes", "[events]")   // B42
{
    auto pipe = sys::make_pipe(4096);
    REQUIRE(pipe);
    auto box = Outbox::create();
    REQUIRE(box);
    CHECK(box->is_empty());
    std::string sent, got;
    for (int i = 0; i < 300; ++i) {
        std::string message = std::to_string(i) + std::string(static_cast<std::size_t>(i) * 97, static_cast<char>('a' + i % 26)) + "\n";
        REQUIRE(box->put(message));
        sent += message;
        for (;;) {
            Outbox successor(sys::UniqueFd(::dup(box->fd())));  // the engine dies between any two pieces
            auto pushed = successor.push(pipe->get());
            REQUIRE(pushed);
            char piece[1000];
            ssize_t count = 0;
            while ((count = ::read(pipe->get(), piece, sizeof piece)) > 0) got.append(piece, static_cast<std::size_t>(count));
            if (*pushed) break;
        }
        CHECK(box->is_empty());
    }
    CHECK(got == sent);
    REQUIRE(box->put("never sent"));
    box->clear();
    CHECK(*box->push(pipe->get()));
    char byte = 0;
    CHECK(::read(pipe->get(), &byte, 1) < 0);
}

TEST_CASE("an outbox without memory takes nothing of a message, and the next one when there is some", "[events]")
{
    auto box = Outbox::create();
    REQUIRE(box);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto was = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit little{8192, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
    const bool taken = box->put(std::string(10'000, 'x')).has_value();
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    ::signal(SIGXFSZ, was);
    CHECK_FALSE(taken);
    CHECK(box->is_empty());
    auto pipe = sys::make_pipe(4096);
    REQUIRE(pipe);
    REQUIRE(box->put("next"));
    CHECK(*box->push(pipe->get()));
    char piece[100];
    CHECK(::read(pipe->get(), piece, sizeof piece) == 4);
}

TEST_CASE("ticks: none at the start, one per new period, none made up for", "[events]")
{
    Ticks ticks;
    using Begun = std::vector<std::pair<EventType, std::int64_t>>;
    CHECK(ticks.advance(7196).empty());
    CHECK(ticks.advance(7199).empty());
    CHECK(ticks.advance(7200) == Begun{{EventType::Tick5, 7200}, {EventType::Tick60, 7200}, {EventType::Tick3600, 7200}});
    CHECK(ticks.advance(7204).empty());
    Ticks successor;
    successor.restore(ticks.starts());
    CHECK(successor.advance(7223) == Begun{{EventType::Tick5, 7220}});
}

TEST_CASE("bytes look as Python prints them", "[events]")
{
    CHECK(text::bytes_repr("a\xff\n'") == "b\"a\\xff\\n'\"");
    CHECK(text::bytes_repr("\\\"'\x7f") == "b'\\\\\"\\'\\x7f'");
}
