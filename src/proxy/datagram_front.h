#pragma once

#include <list>
#include <map>

#include "proxy/front.h"

namespace xsv::proxy {

/// Datagrams. Each client has a socket of its own to the target, so that answers find their way back, until nothing has been
/// said for a while.
class DatagramFront final : public Front, private Handler {
public:
    static constexpr std::size_t kMostFlows = 1000;   ///< of one front; the one that was quiet for longest makes room

    DatagramFront(Workshop& workshop, FrontOwner& owner, sys::UniqueFd socket, FrontSettings settings);
    ~DatagramFront() override { close(); }

    void configure(const FrontSettings& settings) override;
    void set(Behind behind) override;
    void look_again() override { watch(); }
    void close() override;
    void end_all() override { drop_flows(); }
    bool is_empty() const override { return flows_.empty(); }
    Counts take_counts() override;
    int fd() const override { return socket_.get(); }

private:
    class Flow;
    using Flows = std::list<std::shared_ptr<Flow>>;   ///< the one that spoke last is at the end
    struct Datagram;

    void on_events(std::uint32_t events) override;
    bool forwards() const { return (behind_ == Behind::Up && answers_) || !settings_.has_program; }
    bool take_one();
    Flow* flow_of(const Datagram& datagram);
    void probe();
    void watch();
    void drop_flows();
    void drop(Flows::iterator flow);
    void expire();

    Workshop& workshop_;
    FrontOwner& owner_;
    sys::UniqueFd socket_;
    FrontSettings settings_;
    std::shared_ptr<Target> target_;
    Behind behind_ = Behind::Down;
    bool answers_ = false, watched_ = false;
    Time up_since_{};
    Flows flows_;
    std::map<std::string, Flows::iterator> by_client_;
    Flow* probing_ = nullptr;                          ///< its first datagram has not arrived yet
    std::string first_;
    Duration probe_delay_{};
    Counts counts_;
    event::WatchPtr timer_, expiry_;
};

}  // namespace xsv::proxy
