#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/admission.h"
#include "engine/connection.h"
#include "engine/context.h"
#include "engine/guardian_link.h"
#include "engine/streams.h"

namespace xsv::engine {

class Service;

/// The live processes of a per-connection service, and who may be added to them.
class Handlers {
public:
    struct Connection {
        ConnectionState state;
        sys::UniqueFd pidfd;
        event::WatchPtr timer;
        bool counts = true;      ///< false: the process found nobody to serve, or refused the caller
    };

    Handlers(Context& context, Service& service) : context_(context), service_(service) {}

    /// A listener is readable: admits, spawns, pauses, refuses.
    void on_arrival(const net::SocketPtr& socket);
    /// Adds what a former engine left in that slot.
    void recover(std::uint32_t slot);
    void on_exit(std::uint32_t slot, const ChildExit& exit);
    /// Callers are welcome again: one who was accepted here and could not be served comes first.
    void serve_kept_caller();
    void stop();
    void stop_now();
    void shutdown();
    Result<bool> send_signal(int signal);
    /// The spec or a socket changed: later connections get new plans.
    void forget_plans() { plans_.clear(); }

    int count() const { return live_; }
    const std::unordered_map<std::uint32_t, Connection>& connections() const { return connections_; }
    /// Why nobody is accepted at the moment, or empty.
    std::string_view paused() const { return paused_for_ ? reason_text(*paused_for_) : std::string_view(); }

private:
    enum class Next { Again, Enough };
    struct Caller {
        sys::UniqueFd connection;
        net::SocketPtr socket;
        sys::Peer peer;
    };
    using Plan = ServiceStreams::ReadyChild;

    Next admit_one(const net::SocketPtr& socket);
    Next spawn_one(const net::SocketPtr& socket, const Caller* caller = nullptr);
    Next judge(std::uint32_t slot, bool accepted_here);
    bool is_sensor() const;
    Next note_caller(const net::SocketPtr& socket);
    Next accept_here(const net::SocketPtr& socket);
    bool accepts_here() const;
    bool is_xinetd() const;
    void note_refusal_by_child();
    Next refuse(const net::SocketPtr& socket, Reason why);
    sys::UniqueFd take_caller(const net::SocketPtr& socket, sys::Peer& peer);
    void count_refusal(Reason why, const sys::Peer& peer);
    void write_line(const std::optional<std::string>& line);
    void pause(Duration delay, Reason why);
    void pause_for_trouble(const Error& error);
    void resume();
    Result<Plan*> plan_for(const net::SocketPtr& socket);
    static int why_not(const sys::Peer& peer, const void* self) noexcept;
    void add(std::uint32_t slot, sys::UniqueFd pidfd);
    void hand(std::uint32_t slot, const ConnectionEvent& event);
    void perform(std::uint32_t slot, Connection& connection, const Action& action);
    void forget(std::uint32_t slot);
    void tell_if_last();
    void log_end(const Slot& slot, const ExitStatus& status, Duration life, const ChildExit& exit);
    template <class E> void hand_all();

    Context& context_;
    Service& service_;
    std::unordered_map<std::uint32_t, Connection> connections_;
    std::unordered_map<const net::HeldSocket*, Plan> plans_;
    Gate gate_;
    SourceRates source_rates_;
    HandlerRecord record_;
    Time arrival_{};
    std::unique_ptr<Caller> caller_;  ///< accepted here and not yet served, for want of a process
    Time accept_here_until_{};        ///< accept = auto: a flood of refusals is dealt with here
    Time refusals_since_{};
    int refusals_ = 0;
    int live_ = 0;
    std::optional<Reason> paused_for_;
    event::WatchPtr pause_timer_;
};

}  // namespace xsv::engine
