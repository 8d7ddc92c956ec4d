#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/shared.h"
#include "net/keeper.h"
#include "sys/endpoint.h"
#include "sys/fd.h"
#include "sys/sockets.h"

namespace xsv::net {

/// One socket held open for a service, whether or not the service is running. While nobody accepts, the kernel queues
/// callers in the backlog, so a restart is a pause for them and not a refusal.
struct HeldSocket {
    sys::Endpoint endpoint;
    Shared<sys::SocketOptions> options;
    sys::UniqueFd fd;
    std::string key;         ///< "socket " + endpoint text: its name at the guardian
    bool was_given = false;  ///< programs may have it: with O_NONBLOCK as its users want it
    bool is_received = false;   ///< our parent's: it outlives every program here
};
using SocketPtr = std::shared_ptr<HeldSocket>;

/// Every socket we hold, by address. A socket stays open while anybody owns its SocketPtr, and moves between services
/// without being touched; it closes here and at the guardian with its last owner.
class SocketTable {
public:
    SocketTable(sys::Sockets& sockets, Keeper& keeper) : sockets_(sockets), keeper_(keeper) {}

    /// A descriptor that came back from the guardian; used when somebody takes hold of the same address.
    void inherit(std::string key, sys::UniqueFd fd);
    /// A socket that our parent passed on. It serves "inherited:NAME" and every endpoint of its address, and stays open as
    /// long as the daemon runs: only the parent could open it again.
    void receive(std::string name, sys::UniqueFd fd);
    /// A socket of a former life of ours, which our parent has stored: whoever takes hold of its address finds it again. `key`
    /// is how the guardian has it until then, `name` as the parent has it.
    void restore(const std::string& name, std::string key, sys::UniqueFd fd);
    /// The open socket of that address, or a new one. Options that the kernel can change in place are applied.
    Result<SocketPtr> take_hold(const sys::Endpoint& endpoint, const Shared<sys::SocketOptions>& options);
    /// Other options for an open socket. Error: the kernel refuses; it has those it had.
    Status adjust(HeldSocket& socket, const Shared<sys::SocketOptions>& options);
    /// A program has ruined the socket beyond repair: another one takes its place, here and at the guardian.
    Status renew(HeldSocket& socket);
    /// The sockets an endpoint means. "tcp:80" is one dual-stack descriptor for a program that gets its listeners passed, and
    /// two (0.0.0.0 and v6-only [::]) where each connection is passed on, so that programs that know only IPv4 addresses see no
    /// mapped ones. socket_options v6only and what our parent passed on for that port decide before that.
    std::vector<sys::Endpoint> sockets_of(const sys::Endpoint& endpoint, const sys::SocketOptions& options, bool per_connection) const;
    /// Is it open now (held by somebody, or inherited and not yet claimed)?
    bool is_held(const sys::Endpoint& endpoint) const;
    /// Inherited sockets that nobody claimed are closed, here and at the guardian.
    void drop_unclaimed();

    static std::string key_of(const sys::Endpoint& endpoint) { return "socket " + endpoint.text(); }

private:
    struct Received {
        std::string name;
        sys::UniqueFd fd;
    };

    void release(HeldSocket* socket);
    sys::UniqueFd take_inherited(const std::string& key, const sys::Endpoint& endpoint);
    sys::UniqueFd take_stored(const std::string& key, const sys::Endpoint& endpoint);
    const Received* received(const sys::Endpoint& endpoint) const;
    Result<SocketPtr> adopt(const Received& received, const sys::Endpoint& endpoint, const Shared<sys::SocketOptions>& options);

    sys::Sockets& sockets_;
    Keeper& keeper_;
    std::map<std::string, std::weak_ptr<HeldSocket>> held_;
    std::map<std::string, sys::UniqueFd> inherited_;
    std::map<std::string, Received> stored_;   ///< by the parent's name; `name`: the guardian's key
    std::vector<Received> received_;
};

}  // namespace xsv::net
