#include "engine/helper.h"

#include <catch2/catch.hpp>

#include <csignal>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/adoption.h"
#include "fakes/fake_kernel.h"
#include "fakes/fake_loop.h"
#include "wire/messages.h"

using namespace xsv;
using namespace xsv::fakes;

namespace {

class NoSinks final : public engine::Sinks {
    void set(const std::string&, const config::LogSink&, const config::ServiceSpec&, int) override {}
    void drop(const std::string&) override {}
};

/// Engines one after the other with one helper, whose messages are what to do.
struct Engines {
    FakeLoop loop;
    FakeProcesses processes;
    FakeSockets sockets{processes.queues};
    FakeKeeper keeper;
    NoSinks sinks;
    engine::Table table = engine::Table::in_memory(16);
    std::vector<std::string> handled;
    std::optional<std::uint32_t> slot;

    /// What it handled is in `handled`.
    void serve()
    {
        net::SocketTable socket_table(sockets, keeper);
        engine::Inherited inherited;
        engine::PidIndex pids;
        for (const auto& [key, fd] : keeper.held) {
            std::map<std::string, sys::UniqueFd> one;
            one.emplace(key, ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
            inherited.add(std::move(one));
        }
        engine::Context context{loop, processes, sockets, socket_table, keeper, table, sinks, inherited, pids, {}, {}};
        engine::Adoption adoption(context, [](std::uint32_t, const engine::ChildExit&) {});
        context.adopted = &adoption;
        engine::Helper helper(context, {.name = "scribe", .path = "/bin/true", .leave_until_handled = true}, [] {},
                              [&](const wire::Value& message, sys::UniqueFd) {
                                  const std::string what = message.text("type");
                                  if (what == "crash") ::raise(SIGSEGV);
                                  if (what == "kill") ::raise(SIGKILL);
                                  handled.push_back(what);
                              });
        helper.start(slot);
        slot = helper.slot();
        for (int fd = 3; fd < 100; ++fd) loop.fire(fd);
    }
    /// In a process of its own: the signal that ended it.
    int serve_and_die()
    {
        const pid_t pid = ::fork();
        if (pid == 0) {
            const rlimit none{};
            ::setrlimit(RLIMIT_CORE, &none);
            engine::Helper::count_crashes();
            serve();
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    void say(const std::string& what)
    {
        event::Channel channel(loop, sys::UniqueFd(::fcntl(processes.live.begin()->second.channel.get(), F_DUPFD_CLOEXEC, 0)), "helper",
                               [](std::string_view, sys::UniqueFd) {}, [] {});
        for (int i = 0; i <= said; ++i) REQUIRE(channel.send(wire::encode(wire::Value::Struct{{"type", i < said ? "again" : what}})));
    }
    int said = 0;
};

}  // namespace

TEST_CASE("a message that has ended two engines does not end a third", "[helper][crash]")
{
    std::vector<std::string> lines;
    log::divert([&](log::Level, std::string_view line) { lines.emplace_back(line); });
    Engines engines;
    engines.serve();
    engines.say("crash");
    engines.said = 1;
    engines.say("fine");
    CHECK(engines.serve_and_die() == SIGSEGV);
    CHECK(engines.serve_and_die() == SIGSEGV);
    engines.serve();
    CHECK(engines.handled == std::vector<std::string>{"again", "fine"});
    std::erase_if(lines, [](const std::string& line) { return line.starts_with("\u2026"); });   // of tests before: the limit on lines
    CHECK(lines == std::vector<std::string>{"a message of scribe ('crash') ended 2 engines and is thrown away"});
    log::divert(nullptr);
}

TEST_CASE("whoever kills engines does not make a message deadly", "[helper][crash]")
{
    Engines engines;
    engines.serve();
    engines.say("kill");
    for (int i = 0; i < 5; ++i) CHECK(engines.serve_and_die() == SIGKILL);
}
