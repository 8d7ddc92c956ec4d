#include "proxy/datagram_front.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace xsv::proxy {
namespace {

constexpr int kAtOnce = 64;
constexpr std::size_t kLargest = 64 * 1024;
constexpr Duration kFirstProbe = std::chrono::milliseconds(5), kLongestProbe = std::chrono::milliseconds(200);
constexpr Duration kExpiry = std::chrono::seconds(1);
char buffer[kLargest];

int take_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

}  // namespace

/// Who sent it, and to which of our addresses: the answer comes from there.
struct DatagramFront::Datagram {
    sockaddr_storage from{};
    socklen_t from_length = 0;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))] = {};
    std::size_t control_length = 0;
    std::size_t length = 0;

    std::string client() const
    {
        return std::string(reinterpret_cast<const char*>(&from), from_length) + std::string(control, control_length);
    }
};

class DatagramFront::Flow final : public Handler {
public:
    Flow(DatagramFront& front, const Datagram& first, sys::UniqueFd fd) : client(first.client()), front_(front), whom_(first), fd_(std::move(fd))
    {
        front_.workshop_.poller.add(fd_.get(), EPOLLIN, *this);
    }
    ~Flow() override { end(); }
    void end()
    {
        if (!fd_) return;
        front_.workshop_.poller.remove(fd_.get());
        fd_.reset();
    }
    /// The errno; 0: it is on its way, and nobody has refused it so far.
    int send(const char* bytes, std::size_t length)
    {
        last = front_.workshop_.loop.now();
        if (::send(fd_.get(), bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return errno;
        return take_error(fd_.get());
    }
    void on_events(std::uint32_t) override
    {
        for (int n = 0; n < kAtOnce && fd_; ++n) {
            const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
            if (got < 0) return;   // refused: nobody is there, and the next datagram will tell
            last = front_.workshop_.loop.now();
            iovec bytes{buffer, static_cast<std::size_t>(got)};
            msghdr message{};
            message.msg_name = &whom_.from;
            message.msg_namelen = whom_.from_length;
            message.msg_iov = &bytes;
            message.msg_iovlen = 1;
            message.msg_control = whom_.control_length > 0 ? whom_.control : nullptr;
            message.msg_controllen = whom_.control_length;
            (void)::sendmsg(front_.socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    }

    const std::string client;
    Time last{};

private:
    DatagramFront& front_;
    Datagram whom_;
    sys::UniqueFd fd_;
};

DatagramFront::DatagramFront(Workshop& workshop, FrontOwner& owner, sys::UniqueFd socket, FrontSettings settings)
    : workshop_(workshop), owner_(owner), socket_(std::move(socket))
{
    const int yes = 1;
    ::setsockopt(socket_.get(), IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes);
    ::setsockopt(socket_.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes);
    workshop_.poller.add(socket_.get(), 0, *this);
    configure(settings);
}

void DatagramFront::configure(const FrontSettings& settings)
{
    if (target_ == nullptr || settings.target != settings_.target) {
        drop_flows();
        target_ = std::make_shared<Target>(settings.target);
        answers_ = false;
    }
    settings_ = settings;
    watch();
}

void DatagramFront::set(Behind behind)
{
    const bool was_up = std::exchange(behind_, behind) == Behind::Up;
    if (behind == Behind::Up && !was_up) up_since_ = workshop_.loop.now(), answers_ = false, probe_delay_ = {};
    else if (behind == Behind::Up && answers_) owner_.answered(settings_.name);
    if (behind != Behind::Up && settings_.has_program) {
        answers_ = false;
        timer_.reset();
        if (probing_ == nullptr) drop_flows();
    }
    watch();
    if (probing_ == nullptr) return;
    if (behind == Behind::Awaited) owner_.demand(settings_.name);
    if (behind == Behind::Up && timer_ == nullptr) probe();
}

void DatagramFront::watch()
{
    if (!socket_) return;
    const bool asks = probing_ == nullptr && behind_ != Behind::Down;
    const bool wanted = target_ != nullptr && (forwards() || asks);
    if (std::exchange(watched_, wanted) != wanted) workshop_.poller.change(socket_.get(), wanted ? EPOLLIN : 0u, *this);
}

void DatagramFront::on_events(std::uint32_t)
{
    if (!watched_) return;
    if (!forwards() && behind_ == Behind::Awaited) {
        watched_ = false;
        workshop_.poller.change(socket_.get(), 0, *this);
        return owner_.demand(settings_.name);
    }
    for (int n = 0; n < kAtOnce && (forwards() || probing_ == nullptr); ++n)
        if (!take_one()) break;
    watch();
}

bool DatagramFront::take_one()
{
    Datagram datagram;
    iovec bytes{buffer, sizeof buffer};
    msghdr message{};
    message.msg_name = &datagram.from;
    message.msg_namelen = sizeof datagram.from;
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = datagram.control;
    message.msg_controllen = sizeof datagram.control;
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return errno == ECONNREFUSED || errno == EINTR;
    datagram.from_length = message.msg_namelen;
    datagram.control_length = message.msg_controllen;
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != IPPROTO_IP || control->cmsg_type != IP_PKTINFO) continue;
        in_pktinfo info{};
        std::memcpy(&info, CMSG_DATA(control), sizeof info);
        if (info.ipi_spec_dst.s_addr == 0) info.ipi_spec_dst = info.ipi_addr;  // it came before the kernel was asked for these
        info.ipi_ifindex = 0;
        std::memcpy(CMSG_DATA(control), &info, sizeof info);
    }
    Flow* const flow = flow_of(datagram);
    if (flow == nullptr) return true;  // as on any network that is short of something
    const int error = flow->send(buffer, static_cast<std::size_t>(got));
    if (!settings_.has_program) return true;
    if (error == 0) {
        if (!std::exchange(answers_, true)) owner_.answered(settings_.name);
        return true;
    }
    if (!may_pass(error) || behind_ != Behind::Up) return true;
    // Nobody is there yet (or any more): this one is sent again until somebody is.
    answers_ = false;
    probing_ = flow;
    first_.assign(buffer, static_cast<std::size_t>(got));
    probe_delay_ = {};
    probe();
    return false;
}

void DatagramFront::probe()
{
    const int error = probing_->send(first_.data(), first_.size());
    if (error == 0 || workshop_.loop.now() - up_since_ >= settings_.start_timeout) {
        if (error == 0) owner_.answered(settings_.name);
        else owner_.log(40, fmt::format("{}: {} does not answer ({}); datagrams are lost", settings_.name, settings_.target, errno_text(error)));
        answers_ = error == 0;
        probing_ = nullptr;
        first_ = {};
        return watch();
    }
    probe_delay_ = std::clamp(probe_delay_ * 2, kFirstProbe, kLongestProbe);
    timer_ = workshop_.loop.after(probe_delay_, settings_.name + " probe", [this] {
        timer_.reset();
        if (probing_ != nullptr && behind_ == Behind::Up) probe();
    });
    watch();
}

// ---- flows --------------------------------------------------------------------------------------------------------

DatagramFront::Flow* DatagramFront::flow_of(const Datagram& datagram)
{
    const auto known = by_client_.find(datagram.client());
    if (known != by_client_.end()) {
        flows_.splice(flows_.end(), flows_, known->second);
        return known->second->get();
    }
    if (flows_.size() >= kMostFlows || !workshop_.has_room()) {
        if (flows_.empty()) return nullptr;
        drop(flows_.begin());
    }
    int error = 0;
    sys::UniqueFd fd = target_->candidates() > 0 ? target_->connect(0, error) : sys::UniqueFd();
    if (!fd) return nullptr;
    flows_.push_back(std::make_shared<Flow>(*this, datagram, std::move(fd)));
    by_client_.emplace(flows_.back()->client, std::prev(flows_.end()));
    ++workshop_.live;
    ++counts_.live, ++counts_.accepted;
    owner_.changed();
    if (expiry_ == nullptr) expiry_ = workshop_.loop.every(std::min<Duration>(kExpiry, settings_.flow_time / 2), settings_.name + " flows", [this] { expire(); });
    return flows_.back().get();
}

void DatagramFront::drop(Flows::iterator flow)
{
    if (probing_ == flow->get()) probing_ = nullptr;
    by_client_.erase((*flow)->client);
    (*flow)->end();
    workshop_.poller.bury(std::move(*flow));
    flows_.erase(flow);
    --workshop_.live;
    --counts_.live;
    owner_.changed();
}

void DatagramFront::drop_flows()
{
    while (!flows_.empty()) drop(flows_.begin());
}

void DatagramFront::expire()
{
    const Time now = workshop_.loop.now();
    for (auto flow = flows_.begin(); flow != flows_.end();) {
        const auto next = std::next(flow);
        if (flow->get() != probing_ && now - (*flow)->last >= settings_.flow_time) drop(flow);
        flow = next;
    }
    if (flows_.empty()) expiry_.reset();
}

void DatagramFront::close()
{
    timer_.reset();
    drop_flows();
    watched_ = false;
    if (!socket_) return;
    workshop_.poller.remove(socket_.get());
    socket_.reset();
}

Counts DatagramFront::take_counts()
{
    const Counts counts = counts_;
    counts_.accepted = counts_.refused = 0;
    return counts;
}

}  // namespace xsv::proxy
