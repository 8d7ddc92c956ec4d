#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "event/loop.h"
#include "proxy/proxy_header.h"
#include "proxy/session.h"

namespace xsv::proxy {

/// What all fronts share.
struct Workshop {
    event::Loop& loop;
    Poller& poller;
    Pipes pipes;
    std::size_t live = 0, room = 0;          ///< callers at once, of all fronts
    std::function<void()> room_again;        ///< a caller has ended while there was no room
    bool has_room() const { return live < room; }
};

/// Is the program behind there?
enum class Behind {
    Down,      ///< no, and it is not to be started now: callers wait
    Awaited,   ///< no; the first caller starts it
    Up,
};

struct FrontSettings {
    std::string name;                        ///< of the service
    std::string target;
    Protocol protocol = Protocol::None;
    bool has_program = false;                ///< else somebody else's program is behind, and always counts as up
    Duration start_timeout{};
    Duration flow_time{};                    ///< how long a datagram flow lives without traffic
    bool log_begin = false, log_end = false;
};

/// What has happened since the last report.
struct Counts {
    std::int64_t live = 0, accepted = 0, refused = 0;
    bool operator==(const Counts&) const = default;
};

class FrontOwner {
public:
    virtual ~FrontOwner() = default;
    virtual void demand(const std::string& name) = 0;
    virtual void answered(const std::string& name) = 0;       ///< the program behind has taken a connection
    virtual void changed() = 0;                                ///< counts
    virtual void began(const std::string& name, const sys::Peer& peer) = 0;
    virtual void ended(const std::string& name, const Session& session, bool failed) = 0;
    virtual void log(int level, const std::string& line) = 0;
};

/// A listening or datagram socket and whoever comes to it.
class Front {
public:
    virtual ~Front() = default;
    virtual void configure(const FrontSettings& settings) = 0;
    virtual void set(Behind behind) = 0;
    /// Is there room for callers, after there was none, or the other way round?
    virtual void look_again() = 0;
    virtual void close() = 0;                                  ///< no new callers
    virtual void end_all() = 0;
    virtual bool is_empty() const = 0;
    virtual Counts take_counts() = 0;
    virtual int fd() const = 0;
};

/// Connections.
///
/// While the program is not there or does not answer yet, callers stay in the kernel's queue, where they outlive us; the first
/// connection is made before its caller is taken off it. Whoever was taken when a later connection failed waits here.
class StreamFront final : public Front, private SessionOwner, private Handler {
public:
    StreamFront(Workshop& workshop, FrontOwner& owner, sys::UniqueFd listener, FrontSettings settings);
    ~StreamFront() override;

    void configure(const FrontSettings& settings) override;
    void set(Behind behind) override;
    void look_again() override { watch(); }
    void close() override;
    void end_all() override;
    bool is_empty() const override { return sessions_.empty(); }
    Counts take_counts() override;
    int fd() const override { return listener_.get(); }

private:
    class Probe;
    void on_events(std::uint32_t events) override;
    void connected(Session& session) override;
    void unconnected(Session& session, int error) override;
    void ended(Session& session, bool failed) override;
    bool forwards() const { return (behind_ == Behind::Up && answers_) || !settings_.has_program; }
    void accept_some();
    bool accept_one(sys::UniqueFd target = {});
    void watch();
    void pause();
    void probe();
    void probed(sys::UniqueFd target);
    void probe_failed(int error);
    void give_up();
    void release_held();
    void sweep();

    Workshop& workshop_;
    FrontOwner& owner_;
    sys::UniqueFd listener_;
    FrontSettings settings_;
    std::shared_ptr<Target> target_;
    Behind behind_ = Behind::Down;
    bool answers_ = false;                   ///< the program has answered since it is up
    bool watched_ = false, paused_ = false;
    Time up_since_{};
    std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
    std::list<Session*> held_;
    std::unordered_set<Session*> connecting_;
    std::unique_ptr<Probe> probe_;
    Duration probe_delay_{};
    Counts counts_;
    event::WatchPtr timer_, pause_timer_, sweep_timer_;
};

}  // namespace xsv::proxy
