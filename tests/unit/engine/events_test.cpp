#include "engine/events.h"

#include <catch2/catch.hpp>

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fakes/world.h"

using namespace xsv;
using namespace xsv::fakes;
using namespace std::chrono_literals;

namespace {

ServiceBuilder listener(const std::string& name, std::vector<std::string> events, int buffer_size = 1000)
{
    return service(name).with([&](config::ServiceSpec& spec) {
        spec.listener = config::Listener{std::move(events), buffer_size};
        spec.output.change().out.listener = true;
        spec.policy.change().priority = -1;
        spec.policy.change().start_time = 0s;
    });
}

ServiceBuilder quick(const std::string& name)
{
    return service(name).with([](config::ServiceSpec& spec) { spec.policy.change().start_time = 0s; });
}

/// What lies in a listener's stdin.
std::string stdin_of(World& world, const std::string& name)
{
    std::string text;
    char piece[4096];
    ssize_t count = 0;
    const int pipe = world.processes.live.at(world.pid(name)).in.get();
    for (int unread = 0; ::ioctl(pipe, FIONREAD, &unread) == 0 && unread > 0 && (count = ::read(pipe, piece, sizeof piece)) > 0;) text.append(piece, static_cast<std::size_t>(count));
    return text;
}

void says(World& world, const std::string& name, std::string_view text)
{
    world.engine().events().on_output(world.at(name).streams().sink_key('o'), text, false);
    world.loop.settle();
}

/// Everything that waits for the listener, "TYPE payload" each.
std::vector<std::string> drain(World& world, const std::string& name)
{
    std::vector<std::string> events;
    for (std::string message = stdin_of(world, name); !message.empty(); message = stdin_of(world, name)) {
        const auto line = message.find('\n');
        const auto at = message.find("eventname:") + 10;
        const std::string payload = message.substr(line + 1);
        events.push_back(message.substr(at, message.find(' ', at) - at) + (payload.empty() ? "" : " " + payload));
        says(world, name, "RESULT 2\nOKREADY\n");
    }
    return events;
}

std::vector<std::string> ready_and_drain(World& world, const std::string& name)
{
    world.loop.advance(1ms);
    says(world, name, "READY\n");
    return drain(world, name);
}

std::string pid_text(World& world, const std::string& name) { return std::to_string(world.pid(name)); }

using Events = std::vector<std::string>;

}  // namespace

TEST_CASE("the order of a start: groups, the daemon, then states", "[events]")
{
    World world({listener("ear", {"EVENT"}), quick("web")});
    const std::string ear = pid_text(world, "ear"), web = pid_text(world, "web");
    CHECK(ready_and_drain(world, "ear") ==
          Events{"PROCESS_GROUP_ADDED groupname:ear\n", "PROCESS_GROUP_ADDED groupname:web\n", "SUPERVISOR_STATE_CHANGE_RUNNING",
                 "PROCESS_STATE_STARTING processname:ear groupname:ear from_state:STOPPED tries:0",
                 "PROCESS_STATE_STARTING processname:web groupname:web from_state:STOPPED tries:0",
                 "PROCESS_STATE_RUNNING processname:ear groupname:ear from_state:STARTING pid:" + ear,
                 "PROCESS_STATE_RUNNING processname:web groupname:web from_state:STARTING pid:" + web});
}

TEST_CASE("the life of a process in events", "[events]")
{
    World world({listener("ear", {"PROCESS_STATE"}), service("web").with([](config::ServiceSpec& spec) { spec.policy.change().start_retries = 1; })});
    ready_and_drain(world, "ear");
    const std::string head = "processname:web groupname:web from_state:";
    world.exit(world.pid("web"));
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_BACKOFF " + head + "STARTING tries:1"});
    world.loop.advance(1s);
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_STARTING " + head + "BACKOFF tries:1"});
    world.exit(world.pid("web"), 3);
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_BACKOFF " + head + "STARTING tries:2", "PROCESS_STATE_FATAL " + head + "BACKOFF"});
    world.at("web").start();
    world.loop.advance(1100ms);
    const std::string pid = pid_text(world, "web");
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_STARTING " + head + "FATAL tries:0", "PROCESS_STATE_RUNNING " + head + "STARTING pid:" + pid});
    world.kill(world.pid("web"), SIGSEGV);
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_EXITED " + head + "RUNNING expected:0 pid:" + pid, "PROCESS_STATE_STARTING " + head + "EXITED tries:0"});
    world.loop.advance(1100ms);
    const std::string next = pid_text(world, "web");
    world.at("web").stop();
    world.kill(world.pid("web"), SIGTERM);
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_RUNNING " + head + "STARTING pid:" + next, "PROCESS_STATE_STOPPING " + head + "RUNNING pid:" + next,
                                        "PROCESS_STATE_STOPPED " + head + "STOPPING pid:" + next});
}

TEST_CASE("a stop in backoff has pid 0, an expected end says so", "[events]")
{
    World world({listener("ear", {"PROCESS_STATE"}), service("web"), quick("job").with([](config::ServiceSpec& spec) { spec.policy.change().autorestart = config::Autorestart::Never; })});
    ready_and_drain(world, "ear");
    world.exit(world.pid("web"));
    world.at("web").stop();
    const std::string pid = pid_text(world, "job");
    world.exit(world.pid("job"));
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_BACKOFF processname:web groupname:web from_state:STARTING tries:1",
                                        "PROCESS_STATE_STOPPED processname:web groupname:web from_state:BACKOFF pid:0",
                                        "PROCESS_STATE_EXITED processname:job groupname:job from_state:RUNNING expected:1 pid:" + pid});
}

TEST_CASE("output becomes events where it was asked for, bytes that are no text as Python prints them", "[events]")
{
    World world({listener("ear", {"PROCESS_LOG", "PROCESS_COMMUNICATION"}), quick("web").with([](config::ServiceSpec& spec) { spec.output.change().out.events_enabled = true; })});
    ready_and_drain(world, "ear");
    auto& events = world.engine().events();
    events.on_output("o:web", "one\ntwo", false);
    events.on_output("e:web", "not asked for", false);
    events.on_output("o:web", "\xff!", false);
    events.on_output("o:web", "said", true);
    events.on_output("e:web", "shouted", true);
    events.on_output("o:nobody", "x", false);
    events.on_output("?", "x", false);
    world.loop.settle();
    const std::string head = "processname:web groupname:web pid:" + pid_text(world, "web");
    CHECK(drain(world, "ear") == Events{"PROCESS_LOG_STDOUT " + head + " channel:stdout\none\ntwo",
                                        "PROCESS_LOG_STDOUT " + head + " channel:stdout\nUndecodable: b'\\xff!'",
                                        "PROCESS_COMMUNICATION_STDOUT " + head + "\nsaid", "PROCESS_COMMUNICATION_STDERR " + head + "\nshouted"});
}

TEST_CASE("a rejected event comes again in its own pool and in no other", "[events]")   // B6
{
    World world({listener("a", {"REMOTE_COMMUNICATION"}), listener("b", {"PROCESS_LOG"})});
    ready_and_drain(world, "a");
    ready_and_drain(world, "b");
    world.engine().events().remote("kind", "text");
    world.loop.settle();
    REQUIRE(stdin_of(world, "a").find("eventname:REMOTE_COMMUNICATION") != std::string::npos);
    says(world, "a", "RESULT 4\nFAILREADY\n");
    CHECK(drain(world, "a") == Events{"REMOTE_COMMUNICATION type:kind\ntext"});
    CHECK(stdin_of(world, "b").empty());
}

TEST_CASE("a listener that answers without reading harms nobody", "[events]")   // B42: its pipe fills up
{
    World world({listener("a", {"REMOTE_COMMUNICATION"}), listener("b", {"REMOTE_COMMUNICATION"})});
    ready_and_drain(world, "a");
    ready_and_drain(world, "b");
    const std::string text(1000, 'x');
    for (int i = 0; i < 200; ++i) {
        world.engine().events().remote("kind", text);
        world.loop.settle();
        says(world, "a", "RESULT 2\nOKREADY\n");
        CHECK(drain(world, "b") == Events{"REMOTE_COMMUNICATION type:kind\n" + text});
    }
    CHECK(stdin_of(world, "a").size() < 200 * text.size());
}

TEST_CASE("remote events, the end of the daemon, and each pool counts for itself", "[events]")   // B7: "a" subscribes to the same event twice
{
    World world({listener("a", {"REMOTE_COMMUNICATION", "EVENT", "SUPERVISOR_STATE_CHANGE_STOPPING"}), listener("b", {"REMOTE_COMMUNICATION"})});
    ready_and_drain(world, "a");
    world.engine().events().remote("kind", "äöü\nmore");
    world.loop.settle();
    CHECK(drain(world, "a") == Events{"REMOTE_COMMUNICATION type:kind\näöü\nmore"});
    says(world, "b", "READY\n");
    const std::string message = stdin_of(world, "b");
    CHECK(message.find(" pool:b poolserial:0 eventname:REMOTE_COMMUNICATION len:21\ntype:kind\näöü\nmore") != std::string::npos);
    bool ended = false;
    world.engine().shutdown([&] { ended = true; });
    world.engine().events().remote("late", "");
    world.loop.settle();
    CHECK(drain(world, "a").front() == "SUPERVISOR_STATE_CHANGE_STOPPING");
}

TEST_CASE("nothing is sent before the listener is RUNNING", "[events]")
{
    World world({listener("ear", {"EVENT"}).with([](config::ServiceSpec& spec) { spec.policy.change().start_time = 5s; })});
    says(world, "ear", "READY\n");
    CHECK(stdin_of(world, "ear").empty());
    world.loop.advance(6s);
    CHECK_FALSE(stdin_of(world, "ear").empty());
}

TEST_CASE("the last words of a listener are not taken for the first of the next", "[events]")
{
    World world({listener("ear", {"REMOTE_COMMUNICATION"})});
    ready_and_drain(world, "ear");
    world.engine().events().remote("a", "b");
    world.loop.settle();
    const std::string first = stdin_of(world, "ear");
    const std::string old = world.at("ear").streams().sink_key('o');
    world.kill(world.pid("ear"), SIGKILL);
    world.loop.advance(1ms);
    REQUIRE(world.state("ear") == "running");
    world.engine().events().on_output(old, "READY\n", false);
    world.loop.settle();
    CHECK(stdin_of(world, "ear").empty());
    says(world, "ear", "READY\n");
    CHECK(stdin_of(world, "ear") == first);  // not acknowledged: it comes again, with its numbers
}

TEST_CASE("a crash of the engine loses no event and repeats none", "[events][crash]")
{
    World world({listener("ear", {"REMOTE_COMMUNICATION"})});
    ready_and_drain(world, "ear");
    auto remote = [&](int n) {
        world.engine().events().remote("n", std::to_string(n));
        world.loop.settle();
    };
    Events got;
    const auto answer = [&] {
        const std::string message = stdin_of(world, "ear");
        got.push_back(message.substr(message.find('\n') + 1));
        says(world, "ear", "RESULT 2\nOKREADY\n");
    };
    remote(1);
    remote(2);
    world.crash();      // 1 is in the pipe
    answer();
    remote(3);
    const std::string message = stdin_of(world, "ear");
    world.crash();      // 2 was read, and not answered
    CHECK(stdin_of(world, "ear").empty());
    says(world, "ear", "RESULT 2\n");
    world.crash();      // in the middle of its answer
    got.push_back(message.substr(message.find('\n') + 1));
    says(world, "ear", "OK");
    world.crash();
    CHECK(stdin_of(world, "ear").empty());
    says(world, "ear", "READY\n");
    answer();
    remote(4);
    CHECK(stdin_of(world, "ear").find("serial:3 pool:ear poolserial:3") != std::string::npos);
    CHECK(got == Events{"type:n\n1", "type:n\n2", "type:n\n3"});
}

TEST_CASE("a queue as long as it may be survives a crash", "[events][crash]")
{
    World world({listener("ear", {"REMOTE_COMMUNICATION"}, 1'000'000)});
    constexpr std::size_t kMany = 300'000;   // more values than one record can have
    for (std::size_t i = 0; i < kMany; ++i) world.engine().events().remote("t", "");
    world.crash();
    REQUIRE(world.engine().events().pool("ear") != nullptr);
    CHECK(world.engine().events().pool("ear")->queued() == kMany);
}

TEST_CASE("an event longer than the pipe survives a crash in its middle", "[events][crash]")
{
    World world({listener("ear", {"REMOTE_COMMUNICATION"})});
    ready_and_drain(world, "ear");
    const std::string data(300'000, 'x');
    world.engine().events().remote("long", data);
    world.loop.settle();
    std::string got = stdin_of(world, "ear");
    CHECK(got.size() < data.size());
    for (int i = 0; i < 20 && got.size() < data.size() + 60; ++i) {
        world.crash();
        got += stdin_of(world, "ear");
    }
    CHECK(got.substr(got.find('\n') + 1) == "type:long\n" + data);
}

TEST_CASE("the end of a program while no engine was there is told by the next", "[events][crash]")
{
    World world({listener("ear", {"PROCESS_STATE_EXITED"}), quick("web")});
    ready_and_drain(world, "ear");
    world.loop.advance(1ms);
    const pid_t pid = world.pid("web");
    world.crash({world.exit_of(pid, 1)});
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_EXITED processname:web groupname:web from_state:RUNNING expected:0 pid:" + std::to_string(pid)});
}

TEST_CASE("a damaged store costs the queue and nothing else", "[events][crash]")
{
    World world({listener("ear", {"REMOTE_COMMUNICATION"})});
    ready_and_drain(world, "ear");
    REQUIRE(::pwrite(world.keeper.held.at("events").get(), "xxxxxxxxxxxxxxxxxxxxxxxxxx", 26, 0) == 26);
    world.crash();
    CHECK(world.state("ear") == "running");
    world.engine().events().remote("a", "b");
    world.loop.settle();
    CHECK(world.engine().events().pool("ear")->queued() == 1);
}

TEST_CASE("many events keep the store small", "[events][crash]")
{
    World world({listener("ear", {"REMOTE_COMMUNICATION"}, 3)});
    for (int i = 0; i < 2000; ++i) world.engine().events().remote("n", std::string(20'000, 'x'));
    world.loop.settle();
    CHECK(::lseek(world.keeper.held.at("events").get(), 0, SEEK_END) < (9 << 20));
    world.crash();
    const auto* pool = world.engine().events().pool("ear");
    CHECK(pool->queued() == 3);
    CHECK(pool->discarded() == 1997);
    CHECK(std::count(world.lines.begin(), world.lines.end(), "pool ear event buffer overflowed, discarding event 0") == 1);
}

TEST_CASE("where the history has no room left, what is now may have", "[events][crash]")
{
    World world({listener("ear", {"REMOTE_COMMUNICATION"}, 3)});
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit little{1 << 20, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
    for (int i = 0; i < 200; ++i) world.engine().events().remote("n", std::string(20'000, 'x'));
    world.crash();
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    REQUIRE(world.engine().events().pool("ear") != nullptr);
    CHECK(world.engine().events().pool("ear")->queued() == 3);
    CHECK(world.engine().events().pool("ear")->discarded() == 197);
}

TEST_CASE("a reload tells of groups and fits the pools", "[events][reload]")
{
    World world({listener("ear", {"PROCESS_GROUP"}), quick("web")});
    ready_and_drain(world, "ear");
    const pid_t pid = world.pid("ear");
    REQUIRE(world.reload({listener("ear", {"PROCESS_GROUP"}, 7), quick("new")}));
    CHECK(world.pid("ear") == pid);
    CHECK(drain(world, "ear") == Events{"PROCESS_GROUP_ADDED groupname:new\n", "PROCESS_GROUP_REMOVED groupname:web\n"});
    CHECK(world.engine().events().pool("ear")->buffer_size() == 7);
    CHECK(world.keeper.held.contains("b:ear"));
    REQUIRE(world.reload({quick("new")}));
    CHECK(world.engine().events().pool("ear") == nullptr);
    CHECK_FALSE(world.keeper.held.contains("b:ear"));
}

TEST_CASE("a listener is told of everybody's end before its own, but not for ever", "[events][shutdown]")
{
    World world({listener("ear", {"PROCESS_STATE_STOPPED"}), quick("web")});
    ready_and_drain(world, "ear");
    const pid_t ear = world.pid("ear"), web = world.pid("web");
    bool ended = false;
    world.engine().shutdown([&] { ended = true; });
    world.kill(web, SIGTERM);
    CHECK(world.processes.live[ear].signals.empty());
    SECTION("it listens")
    {
        CHECK(drain(world, "ear") == Events{"PROCESS_STATE_STOPPED processname:web groupname:web from_state:STOPPING pid:" + std::to_string(web)});
        world.loop.advance(20ms);
    }
    SECTION("it does not")
    {
        world.loop.advance(3s);
    }
    CHECK(world.processes.live[ear].signals == std::vector{SIGTERM});
    world.kill(ear, SIGTERM);
    CHECK(ended);
}

TEST_CASE("an answer that a killed engine had handled is not taken for the next one", "[events][crash]")
{
    World world({listener("ear", {"REMOTE_COMMUNICATION"})});
    ready_and_drain(world, "ear");
    const auto answer = [&](std::uint64_t number) {
        world.engine().events().on_output(world.at("ear").streams().sink_key('o'), "RESULT 2\nOKREADY\n", false, {77, number});
        world.loop.settle();
    };
    for (const char* data : {"1", "2", "3"}) world.engine().events().remote("n", data);
    world.loop.settle();
    CHECK(stdin_of(world, "ear").ends_with("\n1"));
    answer(5);
    CHECK(stdin_of(world, "ear").ends_with("\n2"));
    world.crash();
    answer(5);  // the channel has it still
    CHECK(stdin_of(world, "ear").empty());
    CHECK(world.engine().events().pool("ear")->state("ear") == engine::ListenerState::Busy);
    answer(6);
    CHECK(stdin_of(world, "ear").ends_with("\n3"));
    CHECK(world.engine().events().pool("ear")->queued() == 0);
}

TEST_CASE("each stream counts its own messages, and begins anew when its life does", "[events][crash]")
{
    World world({listener("ear", {"PROCESS_COMMUNICATION"}), quick("web")});
    ready_and_drain(world, "ear");
    const auto captured = [&](const std::string& key, const std::string& data, std::int64_t life, std::uint64_t number) {
        world.engine().events().on_output(key, data, true, {life, number});
        world.loop.settle();
    };
    const auto queued = [&] { return world.engine().events().pool("ear")->queued(); };
    captured("o:web", "taken at once", 77, 1);
    captured("o:web", "a", 77, 2);
    captured("e:web", "b", 77, 1);
    CHECK(queued() == 2);
    world.crash();
    captured("o:web", "a", 77, 2);
    captured("e:web", "b", 77, 1);
    CHECK(queued() == 2);
    captured("o:web", "of the next life", 78, 1);
    CHECK(queued() == 3);
}

TEST_CASE("a captured text in parts is told whole and once, wherever an engine is killed", "[events][crash]")
{
    World world({listener("ear", {"PROCESS_COMMUNICATION"}), quick("web")});
    ready_and_drain(world, "ear");
    const auto part = [&](std::uint64_t number, std::size_t at, const std::string& data, bool more) {
        world.engine().events().on_output("o:web", data, true, {77, number, at, more});
        world.loop.settle();
    };
    const std::string head = "PROCESS_COMMUNICATION_STDOUT processname:web groupname:web pid:" + pid_text(world, "web") + "\n";
    const std::string a(20'000, 'a'), b(20'000, 'b'), c(10, 'c');
    for (int killed = 0; killed < 8; ++killed) {
        CAPTURE(killed);
        const std::uint64_t first = static_cast<std::uint64_t>(killed) * 3 + 1;
        int step = 0;
        for (const auto& [at, data] : std::vector<std::pair<std::size_t, std::string>>{{0, a}, {a.size(), b}, {a.size() + b.size(), c}}) {
            const std::uint64_t number = first + static_cast<std::uint64_t>(step);
            part(number, at, data, step < 2);
            if ((killed >> step & 1) != 0) {
                world.crash();
                part(number, at, data, step < 2);  // the channel has it still
            }
            ++step;
        }
        CHECK(drain(world, "ear") == Events{head + a + b + c});
    }
    part(100, 0, a, true);
    part(101, 0, b, true);  // its scribe was killed: the next one begins again
    part(102, b.size(), c, false);
    CHECK(drain(world, "ear") == Events{head + b + c});
    part(103, 5, c, false);
    CHECK(drain(world, "ear").empty());
}

TEST_CASE("the last output of a process is told before its end", "[events][order]")
{
    World world({listener("ear", {"PROCESS_STATE", "PROCESS_LOG", "PROCESS_COMMUNICATION"}), quick("web").with([](config::ServiceSpec& spec) {
                     spec.output.change().out.kind = spec.output.change().err.kind = config::LogSink::Kind::File;
                     spec.output.change().out.events_enabled = true;
                     spec.output.change().err.capture_maxbytes = 100;
                     spec.policy.change().autorestart = config::Autorestart::Always;
                 })});
    ready_and_drain(world, "ear");
    auto& events = world.engine().events();
    const std::string old = pid_text(world, "web"), name = "processname:web groupname:web ";
    world.exit(world.pid("web"));
    CHECK(world.sinks.ends == Events{"o:web", "e:web"});
    world.loop.advance(1ms);
    REQUIRE(world.state("web") == "running");  // the machine does not wait
    CHECK(drain(world, "ear").empty());
    const std::string next = pid_text(world, "web");
    const Events states{"PROCESS_STATE_EXITED " + name + "from_state:RUNNING expected:1 pid:" + old, "PROCESS_STATE_STARTING " + name + "from_state:EXITED tries:0",
                        "PROCESS_STATE_RUNNING " + name + "from_state:STARTING pid:" + next};
    SECTION("it comes")
    {
        events.on_output("o:web", "bye", false);
        events.on_ended("o:web");
        events.on_output("o:web", "hello", false);
        events.on_output("e:web", "caught", true);
        world.loop.settle();
        CHECK(drain(world, "ear") == Events{"PROCESS_LOG_STDOUT " + name + "pid:" + old + " channel:stdout\nbye",
                                            "PROCESS_LOG_STDOUT " + name + "pid:" + next + " channel:stdout\nhello",
                                            "PROCESS_COMMUNICATION_STDERR " + name + "pid:" + old + "\ncaught"});
        events.on_ended("e:web");
        world.loop.settle();
        CHECK(drain(world, "ear") == states);
    }
    SECTION("the scribe does not answer")
    {
        events.on_ended("o:web");
        events.on_ended("o:nobody");
        world.loop.advance(990ms);
        CHECK(drain(world, "ear").empty());
        world.loop.advance(20ms);
        CHECK(drain(world, "ear") == states);
        world.at("web").stop();
        world.loop.settle();
        CHECK(drain(world, "ear") == Events{"PROCESS_STATE_STOPPING " + name + "from_state:RUNNING pid:" + next});
    }
    SECTION("the engine is killed meanwhile")
    {
        events.on_ended("e:web", {77, 5});
        world.crash();
        world.engine().events().on_ended("e:web", {77, 5});  // the channel has it still
        world.loop.settle();
        CHECK(drain(world, "ear").empty());
        world.engine().events().on_ended("o:web", {77, 6});
        world.loop.settle();
        CHECK(drain(world, "ear") == states);
    }
    SECTION("it ends again before that")
    {
        world.exit(world.pid("web"), 3);
        events.on_ended("o:web");
        events.on_ended("e:web");
        world.loop.settle();
        CHECK(drain(world, "ear") == states);
        events.on_ended("o:web");
        events.on_ended("e:web");
        world.loop.settle();
        CHECK(drain(world, "ear").front() == "PROCESS_STATE_EXITED " + name + "from_state:RUNNING expected:0 pid:" + next);
    }
}

TEST_CASE("a removed group's processes have ended before it is removed", "[events][order]")
{
    World world({listener("ear", {"PROCESS_STATE_STOPPED", "PROCESS_GROUP"}), quick("web").with([](config::ServiceSpec& spec) {
                     spec.output.change().out.kind = config::LogSink::Kind::File;
                     spec.output.change().out.events_enabled = true;
                 })});
    ready_and_drain(world, "ear");
    const std::string pid = pid_text(world, "web");
    world.at("web").stop();
    world.kill(world.pid("web"), SIGTERM);
    CHECK(drain(world, "ear").empty());
    world.engine().remove_group("web");
    world.loop.settle();
    CHECK(drain(world, "ear") == Events{"PROCESS_STATE_STOPPED processname:web groupname:web from_state:STOPPING pid:" + pid, "PROCESS_GROUP_REMOVED groupname:web\n"});
}

TEST_CASE("an event that a listener can no longer read is the next one's", "[events]")
{
    const auto one_of_pool = [](const std::string& name) {
        return listener(name, {"REMOTE_COMMUNICATION"}).with([](config::ServiceSpec& spec) { spec.group = "pool"; });
    };
    World world({one_of_pool("a"), one_of_pool("b")});
    const auto closes_stdin = [&](const std::string& name) { world.processes.live.at(world.pid("pool:" + name)).in.reset(); };
    const auto remote = [&](const std::string& data) {
        world.engine().events().remote("n", data);
        world.loop.settle();
    };
    world.loop.advance(1ms);
    says(world, "pool:a", "READY\n");
    const auto state = [&](const std::string& name) { return world.engine().events().pool("pool")->state(name); };

    SECTION("it is not even sent to one that has closed its stdin")
    {
        closes_stdin("a");
        remote("x");
        CHECK(state("a") == engine::ListenerState::Ready);
        world.crash();
        says(world, "pool:b", "READY\n");
        CHECK(stdin_of(world, "pool:b").ends_with("type:n\nx"));
        CHECK(state("a") == engine::ListenerState::Ready);
    }
    SECTION("it comes back from one that closes its stdin before all of it was there")
    {
        const std::string data(200'000, 'x');
        remote(data);
        CHECK(state("a") == engine::ListenerState::Busy);
        says(world, "pool:b", "READY\n");
        closes_stdin("a");
        SECTION("under the same engine") { CHECK(world.loop.fire(-2)); }
        SECTION("under the next one") { world.crash(); }
        world.loop.settle();
        CHECK(state("a") == engine::ListenerState::Ready);
        CHECK(state("b") == engine::ListenerState::Busy);
        CHECK(stdin_of(world, "pool:b").starts_with("ver:3.0 server:supervisor serial:0 pool:pool poolserial:0 "));
    }
}
