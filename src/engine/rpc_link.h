#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/question.h"

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
/// here waits for rpcbind; one that fails is said once and tried again every minute. As often rpcbind is asked whether it still
/// has them: one that was started anew knows nothing.
class RpcLink final : public RpcRegistry {
public:
    /// `period` may make the minute shorter.
    RpcLink(Context& context, std::string helper, std::function<Duration()> period)
        : context_(context), helper_(std::move(helper)), period_(std::move(period))
    {
    }

    void want(const std::string& service, RpcEntry entry) override;
    /// Called once all requests are answered, after 3 s in any case.
    void when_idle(std::function<void()> done);
    /// Was it one of our processes that ended?
    bool owns(pid_t pid) { return pids_.erase(pid) > 0; }

private:
    enum class Request { Set, Unset, Keep };
    struct Place {
        RpcEntry wanted, registered, sent;
        Request request = Request::Set;   ///< what the running process does
        bool failed = false;              ///< and it was said
        std::unique_ptr<Question> question;
        event::WatchPtr timer;            ///< until the next request
    };

    void advance(const std::string& service);
    void check(const std::string& service);
    void run(const std::string& service, Place& place, Request request);
    Status start(const std::string& service, Place& place);
    void finish(const std::string& service, std::string answer);
    void register_later(const std::string& service, Place& place, const std::string& problem);
    Duration period() const;
    bool is_idle() const;
    void check_idle();

    Context& context_;
    std::string helper_;
    std::function<Duration()> period_;
    std::map<std::string, Place> places_;
    std::set<pid_t> pids_;
    std::function<void()> on_idle_;
    event::WatchPtr idle_timer_;
};

}  // namespace xsv::engine
