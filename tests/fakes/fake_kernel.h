#pragma once

#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net/keeper.h"
#include "sys/processes.h"
#include "sys/sockets.h"
#include "wire/messages.h"

// The kernel refuses what the test says, and remembers what was asked of it.
namespace xsv::fakes {

inline sys::UniqueFd some_descriptor() { return sys::UniqueFd(::eventfd(0, EFD_CLOEXEC)); }

class FakeProcesses final : public sys::Processes {
public:
    struct Process {
        sys::ChildPlan plan;
        std::vector<int> signals;
        sys::UniqueFd in{};                 ///< its stdin, if that is a pipe
        sys::UniqueFd channel{};            ///< a helper's
    };
    std::map<pid_t, Process> live;
    std::vector<int> refusals;              ///< errnos for the next spawns, the next one first
    std::map<int, int> queues;              ///< listener -> callers waiting (FakeSockets shares it)
    std::optional<sys::Peer> peer;          ///< who the next callers are
    pid_t next_pid = 1000;
    int spawns = 0, children_that_accepted = 0;

    std::shared_ptr<sys::PreparedChild> prepare(sys::ChildPlan plan) override
    {
        // The real type is the kernel's own; here its address stands for a plan.
        auto kept = std::make_shared<sys::ChildPlan>(std::move(plan));
        return {kept, reinterpret_cast<sys::PreparedChild*>(kept.get())};
    }
    Result<sys::Spawned> spawn(sys::PreparedChild& child, sys::ChildReport& report, int connection = -1) override
    {
        if (!refusals.empty()) {
            const int error = refusals.front();
            refusals.erase(refusals.begin());
            if (error != 0) return fail_errno("clone3", error);
        }
        ++spawns;
        const pid_t pid = next_pid++;
        report.pid = pid;
        report.stage = static_cast<std::uint32_t>(sys::ChildStage::Executing);
        const auto& plan = reinterpret_cast<const sys::ChildPlan&>(child);
        if (plan.listener >= 0) report.peer = peer.value_or(sys::Peer{});
        if (plan.listener >= 0 && connection < 0) {
            ++children_that_accepted;
            int& waiting = queues[plan.listener];
            if (waiting == 0) report.stage = static_cast<std::uint32_t>(sys::ChildStage::NothingToAccept);
            else {
                --waiting;
                const bool welcome = is_allowed(report.peer, plan.allow, plan.deny, plan.access_order) && (plan.why_not == nullptr || plan.why_not(report.peer, plan.why_not_context) == 0);
                if (!welcome) report.stage = static_cast<std::uint32_t>(sys::ChildStage::Refused);
            }
        }
        live[pid] = {plan, {}, {}, {}};
        for (const auto& [from, to] : plan.moves)
            if (to == STDIN_FILENO || to == wire::kChannelFd)
                (to == STDIN_FILENO ? live[pid].in : live[pid].channel) = sys::UniqueFd(::fcntl(from, F_DUPFD_CLOEXEC, 0));
        return sys::Spawned{pid, pidfd_of(pid)};
    }
    Result<sys::UniqueFd> open(pid_t pid) override
    {
        if (!live.contains(pid)) return fail_errno("pidfd_open", ESRCH);
        return pidfd_of(pid);
    }
    Result<bool> signal(const sys::UniqueFd& pidfd, int signal) override
    {
        pid_t pid = 0;
        if (::pread(pidfd.get(), &pid, sizeof pid, 0) != sizeof pid || !live.contains(pid)) return false;
        live[pid].signals.push_back(signal);
        return true;
    }
    Result<bool> signal_group(const sys::UniqueFd& pidfd, pid_t, int number) override { return signal(pidfd, number); }
    std::optional<sys::ProcessEnd> end;     ///< of every process that is not ours
    std::optional<sys::ProcessEnd> end_of(const sys::UniqueFd&) override { return end; }
    std::uint64_t start_ticks(pid_t) override { return 1; }

private:
    static sys::UniqueFd pidfd_of(pid_t pid)
    {
        sys::UniqueFd fd(::memfd_create("pidfd", MFD_CLOEXEC));
        if (::pwrite(fd.get(), &pid, sizeof pid, 0) != sizeof pid) std::abort();
        return fd;
    }
};

class FakeSockets final : public sys::Sockets {
public:
    explicit FakeSockets(std::map<int, int>& queues) : queues_(queues) {}
    std::set<std::string> in_use;           ///< addresses that somebody else has
    std::map<std::string, int> open_count;  ///< how often each address was bound
    int established = 0;
    bool frozen = false;

    Result<sys::UniqueFd> listen(const sys::Endpoint& endpoint, const sys::SocketOptions&) override
    {
        if (in_use.contains(endpoint.text())) return fail_errno(endpoint.text() + ": bind", EADDRINUSE);
        ++open_count[endpoint.text()];
        return some_descriptor();
    }
    Status adjust(int, const sys::Endpoint&, const sys::SocketOptions&) override { return {}; }
    Result<sys::Endpoint> describe(int) override { return fail("it is no socket"); }
    void remove_path(int, const sys::Endpoint&, const sys::SocketOptions&) override {}
    int blocking_set = 0;                   ///< how often O_NONBLOCK was set or cleared
    Status set_nonblocking(int, bool) override { return ++blocking_set, Status{}; }
    std::string repair(int, const sys::Endpoint&, const sys::SocketOptions&) override { return {}; }
    Result<int> connections(int, const sys::Endpoint&) override { return established; }
    Result<sys::QueueLength> queue(int fd, const sys::Endpoint&) override { return sys::QueueLength{queues_[fd], 0}; }
    std::vector<std::uint64_t> callers(int fd, const sys::Endpoint&) override
    {
        std::vector<std::uint64_t> all;
        for (int i = 0; i < queues_[fd]; ++i) all.push_back(taken + static_cast<std::uint64_t>(i));
        return all;
    }
    std::uint64_t taken = 0;                ///< callers taken off the queues: the first one waiting has this number
    Result<sys::UniqueFd> accept(int fd, sys::Peer& caller) override
    {
        if (queues_[fd] == 0) return sys::UniqueFd();
        --queues_[fd];
        caller = peer;
        return some_descriptor();
    }
    sys::Peer peer;                         ///< who the next callers are, for accept()
    void refuse(sys::UniqueFd, std::string_view) override { ++refused; }
    int refused = 0;
    bool discard_one(int) override { return false; }
    bool has_arrival(int fd) override { return queues_[fd] > 0; }
    bool is_bound_to(int, const sys::Endpoint&) override { return true; }

private:
    std::map<int, int>& queues_;
};

/// The guardian: what it holds outlives the engine.
class FakeKeeper final : public net::Keeper {
public:
    std::map<std::string, sys::UniqueFd> held;
    bool dead_engine = false;   ///< its last words do not count

    void hold(const std::string& key, net::Held, int fd) override
    {
        if (!dead_engine) held.insert_or_assign(key, sys::UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)));
    }
    void drop(const std::string& key) override
    {
        if (!dead_engine) held.erase(key);
    }
};

}  // namespace xsv::fakes
