#pragma once

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/record.h"
#include "engine/engine.h"
#include "fakes/fake_kernel.h"
#include "fakes/fake_loop.h"
#include "sys/files.h"

namespace xsv::fakes {

/// service("echo").on_demand().listens("tcp:7")
struct ServiceBuilder {
    config::ServiceSpec spec;
    ServiceBuilder always() && { return activation(config::Activation::Always); }
    ServiceBuilder on_demand() && { return activation(config::Activation::OnDemand); }
    ServiceBuilder per_connection() &&
    {
        spec.exec.socket_pass = config::SocketPass::Stdio;
        return activation(config::Activation::PerConnection);
    }
    ServiceBuilder listens(const std::string& address) &&
    {
        spec.sockets.endpoints.push_back(*sys::Endpoint::parse(address));
        return std::move(*this);
    }
    ServiceBuilder runs(std::string command) &&
    {
        spec.exec.command = std::move(command);
        return std::move(*this);
    }
    ServiceBuilder with(const std::function<void(config::ServiceSpec&)>& change) &&
    {
        change(spec);
        return std::move(*this);
    }

private:
    ServiceBuilder activation(config::Activation activation)
    {
        spec.exec.activation = activation;
        return std::move(*this);
    }
};

inline ServiceBuilder service(const std::string& name)
{
    ServiceBuilder builder;
    builder.spec.name = builder.spec.group = builder.spec.program = name;
    builder.spec.exec.command = "/bin/true";
    builder.spec.output.change().out.kind = builder.spec.output.change().err.kind = config::LogSink::Kind::None;
    return builder;
}

class FakeSinks final : public engine::Sinks {
public:
    std::map<std::string, std::string> files;
    void set(const std::string& key, const config::LogSink& sink, const config::ServiceSpec&, int) override { files[key] = sink.path; }
    void drop(const std::string& key) override { files.erase(key); }
    std::vector<std::string> ends;
    void ended(const std::string& key) override { ends.push_back(key); }
};

/// The real engine on top of a kernel and a clock that the test owns.
class World {
public:
    FakeLoop loop;
    FakeProcesses processes;
    FakeSockets sockets{processes.queues};
    FakeKeeper keeper;
    FakeSinks sinks;
    engine::Table table = engine::Table::in_memory(256);
    std::vector<engine::ChildExit> strangers;

    explicit World(std::vector<ServiceBuilder> services)
    {
        std::signal(SIGPIPE, SIG_IGN);  // as the daemon does
        log::divert([this](log::Level, std::string_view line) { lines.emplace_back(line); });
        build();
        engine_->start(config_of(std::move(services)));
        loop.settle();
    }
    ~World()
    {
        teardown();
        log::divert(nullptr);
    }

    engine::Engine& engine() { return *engine_; }
    engine::Service& at(const std::string& name) { return *engine_->find(name); }
    std::string state(const std::string& name) { return std::string(state_name(at(name).state())); }

    Result<config::Diff> reload(std::vector<ServiceBuilder> services)
    {
        auto diff = engine_->reload(config_of(std::move(services)));
        loop.settle();
        return diff;
    }
    /// The descriptor of an open socket; -1: it is closed.
    int socket(const std::string& address)
    {
        const std::string text = sys::Endpoint::parse(address)->text();
        for (engine::Service* service : engine_->services())
            for (const auto& socket : service->sockets())
                if (socket->endpoint.text() == text) return socket->fd.get();
        return -1;
    }
    bool is_held(const std::string& address) { return keeper.held.contains("socket " + sys::Endpoint::parse(address)->text()); }
    /// Callers come; whoever looks is told. False: nobody looks.
    bool call(const std::string& address, int callers = 1)
    {
        const int fd = socket(address);
        processes.queues[fd] += callers;
        return loop.fire(fd);
    }
    void exit(pid_t pid, int code = 0) { end(pid, CLD_EXITED, code); }
    void kill(pid_t pid, int signal) { end(pid, CLD_KILLED, signal); }
    pid_t pid(const std::string& name) { return live_pid(at(name).state()).value_or(0); }
    /// The engine is killed and another one started, as the guardian does it.
    void crash(std::vector<engine::ChildExit> unread = {})
    {
        teardown();
        build();
        auto record = sys::read_sealed(keeper.held.at("record").get());
        engine::ExitRecorder recorder(table, {});
        for (const engine::ChildExit& exit : unread) recorder.record(exit);
        engine_->recover(*config::decode(*record));
        loop.settle();
    }
    /// The guardian is killed, and the engine takes its place: the processes are somebody else's children.
    void lose_guardian()
    {
        engine_->for_each_process([this](std::uint32_t slot, int pidfd) {
            keeper.held.insert_or_assign(engine::Adoption::key_of(slot, table.at(slot).child.pid), sys::UniqueFd(::fcntl(pidfd, F_DUPFD_CLOEXEC, 0)));
        });
        crash();
    }
    /// The end of such a process. False: nobody looks.
    bool end_of_adopted(pid_t pid, std::optional<sys::ProcessEnd> end)
    {
        processes.live.erase(pid);
        processes.end = end;
        return loop.fire("process " + std::to_string(pid));
    }
    engine::ChildExit exit_of(pid_t pid, int code = 0)
    {
        processes.live.erase(pid);
        return {++sequence_, pid, CLD_EXITED, code, 0, 0};
    }
    void deliver(const engine::ChildExit& exit)
    {
        engine_->on_exit(exit);
        loop.settle();
    }
    std::vector<std::string> lines;

private:
    static config::Config config_of(std::vector<ServiceBuilder> services)
    {
        config::Config config;
        config.file = "/test.conf";
        for (ServiceBuilder& builder : services) {
            const auto same = [&](const config::GroupSpec& group) { return group.name == builder.spec.group; };
            auto group = std::find_if(config.groups.begin(), config.groups.end(), same);
            if (group == config.groups.end()) {
                config.groups.push_back({builder.spec.group, builder.spec.policy->priority, false, {}});
                group = std::prev(config.groups.end());
            }
            group->services.push_back(std::move(builder.spec));
        }
        return config;
    }
    void end(pid_t pid, int code, int status)
    {
        processes.live.erase(pid);
        engine_->on_exit({++sequence_, pid, code, status, 0, 0});
        loop.settle();
    }
    void build()
    {
        keeper.dead_engine = false;
        socket_table_ = std::make_unique<net::SocketTable>(sockets, keeper);
        std::map<std::string, sys::UniqueFd> rest;
        for (const auto& [key, fd] : keeper.held) {
            sys::UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
            if (key.starts_with("socket ")) {
                processes.queues[copy.get()] = 0;
                socket_table_->inherit(key, std::move(copy));
            } else {
                rest.emplace(key, std::move(copy));
            }
        }
        inherited_ = {};
        inherited_.add(std::move(rest));
        pids_ = {};
        context_.reset(new engine::Context{loop, processes, sockets, *socket_table_, keeper, table, sinks, inherited_, pids_, {}, {}});
        null_ = sys::UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
        context_->surroundings.null = null_.get();
        engine_ = std::make_unique<engine::Engine>(*context_, [this](const engine::ChildExit& exit, std::optional<std::uint32_t>) { strangers.push_back(exit); });
    }
    void teardown()
    {
        keeper.dead_engine = true;
        engine_.reset();
        context_.reset();
        socket_table_.reset();
    }

    std::uint64_t sequence_ = 0;
    engine::Inherited inherited_;
    engine::PidIndex pids_;
    sys::UniqueFd null_;
    std::unique_ptr<net::SocketTable> socket_table_;
    std::unique_ptr<engine::Context> context_;
    std::unique_ptr<engine::Engine> engine_;
};

}  // namespace xsv::fakes
