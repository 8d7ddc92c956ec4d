#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/context.h"

namespace xsv::engine {

/// What rpcbind is told about one service.
struct RpcEntry {
    struct Address {
        std::string transport;   ///< "tcp", "udp6"
        std::string host;
        std::uint16_t port = 0;
        bool operator==(const Address&) const = default;
    };
    config::RpcProgram program;
    std::vector<Address> addresses;   ///< none: nothing is registered
    bool operator==(const RpcEntry&) const = default;
};

/// The entry for these sockets, as they are bound.
RpcEntry rpc_entry(const config::ServiceSpec& spec, const std::vector<net::SocketPtr>& sockets);

/// Keeps rpcbind's entries as the services want them. Each request is a short process of its own (xsvd-rpcbind), so nobody
/// here waits for rpcbind; one that fails is said once and tried again every minute.
class RpcLink final : public RpcRegistry {
public:
    RpcLink(Context& context, std::string helper) : context_(context), helper_(std::move(helper)) {}

    void want(const std::string& service, RpcEntry entry) override;
    /// Called once all requests are answered, after 3 s in any case.
    void when_idle(std::function<void()> done);
    /// Was it one of our processes that ended?
    bool owns(pid_t pid) { return pids_.erase(pid) > 0; }

private:
    struct Place {
        RpcEntry wanted, registered, sent;
        bool setting = false;        ///< what the running process does
        bool failed = false;         ///< and it was said
        sys::UniqueFd answer;
        std::string text;
        event::WatchPtr watch, retry;   // before the descriptor closes
    };

    void advance(const std::string& service);
    Status run(const std::string& service, Place& place, bool set);
    void read(const std::string& service);
    void finish(const std::string& service, Place& place, std::string problem);
    bool is_idle() const;
    void check_idle();

    Context& context_;
    std::string helper_;
    std::map<std::string, Place> places_;
    std::set<pid_t> pids_;
    std::function<void()> on_idle_;
    event::WatchPtr idle_timer_;
};

}  // namespace xsv::engine
