#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/child_plan.h"
#include "engine/deny_list.h"
#include "engine/table.h"
#include "event/loop.h"
#include "net/socket_table.h"
#include "sys/processes.h"
#include "sys/sockets.h"

namespace xsv::engine {

class Service;
class Adoption;

/// Where the pipes of programs go: the scribe, as the engine sees it.
class Sinks {
public:
    virtual ~Sinks() = default;
    /// Bytes of `pipe` go where `sink` says. The same key again changes the settings.
    virtual void set(const std::string& key, const config::LogSink& sink, const config::ServiceSpec& owner, int pipe) = 0;
    virtual void drop(const std::string& key) = 0;
    /// The process has ended: what is in the pipe now is its last output.
    virtual void ended(const std::string& /*key*/) {}
};

/// What rpcbind knows of our sockets, as a service sees it; rpc_link.h.
struct RpcEntry;
class RpcRegistry {
public:
    virtual ~RpcRegistry() = default;
    virtual void want(const std::string& service, RpcEntry entry) = 0;
};

/// Sockets whose callers are forwarded (proxy_to), as the engine sees the one who does it.
class Fronts {
public:
    virtual ~Fronts() = default;
    /// These sockets are the service's; the same again changes settings, sockets and state.
    virtual void open(const config::ServiceSpec& spec, const std::vector<net::SocketPtr>& sockets, const char* state) = 0;
    /// "up": callers are forwarded. "await": nobody is behind, the first caller is reported by Service::on_demand(). "down":
    /// callers wait.
    virtual void set(const std::string& namespec, const char* state) = 0;
    /// Asks for "down" if nobody is connected; the answer comes to Service::on_paused().
    virtual void pause(const std::string& namespec) = 0;
    virtual void close(const std::string& namespec) = 0;
};

/// Descriptors that came back from the guardian, until somebody claims them by key.
class Inherited {
public:
    void add(std::map<std::string, sys::UniqueFd> descriptors) { descriptors_.merge(descriptors); }
    sys::UniqueFd take(const std::string& key)
    {
        auto found = descriptors_.extract(key);
        return found.empty() ? sys::UniqueFd() : std::move(found.mapped());
    }
    void put(const std::string& key, sys::UniqueFd fd) { descriptors_.insert_or_assign(key, std::move(fd)); }
    bool has(const std::string& key) const { return descriptors_.contains(key); }
    std::map<std::string, sys::UniqueFd>& rest() { return descriptors_; }

private:
    std::map<std::string, sys::UniqueFd> descriptors_;
};

/// Which slot a pid stands in. The guardian reaps before we read, so a number can have its second life already: the
/// older slot is the one an exit is for.
class PidIndex {
public:
    void add(pid_t pid, std::uint32_t slot) { slots_.emplace(pid, slot); }
    void remove(pid_t pid, std::uint32_t slot);
    std::optional<std::uint32_t> oldest(pid_t pid, const Table& table) const;

private:
    std::unordered_multimap<pid_t, std::uint32_t> slots_;
};

/// What every service works with. All of it outlives the services.
struct Context {
    event::Loop& loop;
    sys::Processes& processes;
    sys::Sockets& sockets;
    net::SocketTable& socket_table;
    net::Keeper& keeper;
    Table& table;
    Sinks& sinks;
    Inherited& inherited;
    PidIndex& pids;
    Surroundings surroundings;
    std::function<void(Service&)> changed;   ///< a state was entered
    bool ending = false;                     ///< the daemon shuts down
    std::function<void(Service&)> resumed{};   ///< a former engine's state was read again, nothing was drawn from it yet
    DenyList* deny_list = nullptr;           ///< null where no engine is: `xsvctl run`
    RpcRegistry* rpc = nullptr;              ///< absent in tests
    Adoption* adopted = nullptr;             ///< the engine's; absent where none is
    Fronts* fronts = nullptr;                ///< tests may do without
    int highest_fd = 0;                      ///< the number the last new descriptor got: what is below it is taken
};

}  // namespace xsv::engine
