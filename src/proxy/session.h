#pragma once

#include <functional>
#include <memory>

#include "base/time.h"
#include "proxy/relay.h"
#include "proxy/target.h"
#include "sys/address.h"

namespace xsv::proxy {

class Session;

/// Who is told what becomes of a session.
class SessionOwner {
public:
    virtual ~SessionOwner() = default;
    virtual void connected(Session& session) = 0;
    virtual void unconnected(Session& session, int error) = 0;   ///< the caller is still there
    virtual void ended(Session& session, bool failed) = 0;       ///< the last word; nothing is told of it after this
};

/// One caller, from accept to end.
class Session {
public:
    Session(Poller& poller, Pipes& pipes, SessionOwner& owner, sys::UniqueFd caller, const sys::SocketAddress& from);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void connect(std::shared_ptr<Target> target);
    /// Instead of connect(): somebody was at that end before the caller.
    void use(sys::UniqueFd target);
    void send_first(std::string bytes) { relay_.send_first(std::move(bytes)); }
    void end(bool failed);

    bool is_connected() const { return phase_ == Phase::Relaying; }
    bool is_connecting() const { return phase_ == Phase::Connecting; }
    sys::Peer peer() const;
    int caller() const { return relay_.end(Relay::Side::Caller).fd.get(); }
    std::uint64_t bytes_in() const { return relay_.end(Relay::Side::Caller).received; }
    std::uint64_t bytes_out() const { return relay_.end(Relay::Side::Target).received; }
    Time since{};             ///< for the owner: when he came
    Time connecting_since{};  ///< for the owner

private:
    enum class Phase { Waiting, Connecting, Relaying, Over };
    struct Watched final : Handler {
        Watched(Session& s, Relay::Side which) : session(s), side(which) {}
        void on_events(std::uint32_t events) override { session.on_events(side, events); }
        Session& session;
        Relay::Side side;
    };
    void on_events(Relay::Side side, std::uint32_t events);
    void check_connection(std::uint32_t events);
    void try_next(int error);
    void begin_relay();
    void proceed();

    Poller& poller_;
    SessionOwner& owner_;
    Relay relay_;
    Watched caller_{*this, Relay::Side::Caller}, target_{*this, Relay::Side::Target};
    sys::SocketAddress from_;
    std::shared_ptr<Target> where_;   ///< while connecting
    std::size_t candidate_ = 0;
    Phase phase_ = Phase::Waiting;
    bool has_turn_ = false;
};

}  // namespace xsv::proxy
