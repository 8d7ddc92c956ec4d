#include "proxy/front.h"

#include <algorithm>
#include <cerrno>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace xsv::proxy {
namespace {

constexpr int kAcceptsAtOnce = 64;
constexpr Duration kPause = std::chrono::milliseconds(100);       // when descriptors are short
constexpr Duration kFirstProbe = std::chrono::milliseconds(2), kLongestProbe = std::chrono::milliseconds(200);
constexpr Duration kHopeless = std::chrono::seconds(1);           // between two tries after start_timeout
constexpr Duration kSweep = std::chrono::seconds(1);
constexpr Duration kConnectTime = std::chrono::seconds(30);       // to somebody else's program

}  // namespace

/// A connection to the program behind for which there is no caller yet.
class StreamFront::Probe final : public Handler {
public:
    Probe(StreamFront& front) : front_(front) { try_next(ECONNREFUSED); }
    ~Probe() override
    {
        if (fd_) front_.workshop_.poller.remove(fd_.get());
    }
    bool is_over() const { return over_; }
    void on_events(std::uint32_t) override
    {
        if (over_) return;
        const int error = take_error();
        if (error == 0) return succeed();
        front_.workshop_.poller.remove(fd_.get());
        fd_.reset();
        ++candidate_;
        try_next(error);
    }

private:
    int take_error()
    {
        int error = 0;
        socklen_t length = sizeof error;
        ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
        return error;
    }
    void try_next(int error)
    {
        for (; candidate_ < front_.target_->candidates(); ++candidate_) {
            fd_ = front_.target_->connect(candidate_, error);
            if (!fd_) continue;
            front_.workshop_.poller.add(fd_.get(), EPOLLOUT | EPOLLET, *this);
            return;
        }
        over_ = true;
        front_.probe_failed(error);
    }
    void succeed()
    {
        over_ = true;
        front_.workshop_.poller.remove(fd_.get());
        front_.target_->answered(candidate_);
        front_.probed(std::move(fd_));
    }

    StreamFront& front_;
    sys::UniqueFd fd_;
    std::size_t candidate_ = 0;
    bool over_ = false;
};

StreamFront::StreamFront(Workshop& workshop, FrontOwner& owner, sys::UniqueFd listener, FrontSettings settings)
    : workshop_(workshop), owner_(owner), listener_(std::move(listener))
{
    workshop_.poller.add(listener_.get(), 0, *this);
    configure(settings);
}

StreamFront::~StreamFront()
{
    close();
    end_all();
}

void StreamFront::configure(const FrontSettings& settings)
{
    if (target_ == nullptr || settings.target != settings_.target) {
        target_ = std::make_shared<Target>(settings.target);
        answers_ = false;
    }
    settings_ = settings;
    watch();
}

void StreamFront::set(Behind behind)
{
    const bool was_up = std::exchange(behind_, behind) == Behind::Up;
    if (behind == Behind::Up && !was_up) {
        up_since_ = workshop_.loop.now();
        answers_ = false;
        probe_delay_ = {};
    } else if (behind == Behind::Up && answers_) {
        owner_.answered(settings_.name);  // an engine that is new does not know
    }
    if (behind != Behind::Up) {
        answers_ = false;
        timer_.reset();
        if (probe_ != nullptr) workshop_.poller.bury(std::shared_ptr<Probe>(std::move(probe_)));
    }
    watch();
    if (held_.empty()) return;
    if (behind == Behind::Awaited) owner_.demand(settings_.name);
    if (behind == Behind::Up && !answers_) probe();
}

/// Is anybody's coming of interest? It is said once for each caller while it is.
void StreamFront::watch()
{
    if (!listener_) return;
    const bool starts = settings_.has_program && (behind_ == Behind::Awaited || (behind_ == Behind::Up && !answers_ && probe_ == nullptr && timer_ == nullptr));
    const bool wanted = target_ != nullptr && !paused_ && (starts || (forwards() && workshop_.has_room()));
    if (std::exchange(watched_, wanted) != wanted) workshop_.poller.change(listener_.get(), wanted ? EPOLLIN : 0u, *this);
}

void StreamFront::on_events(std::uint32_t)
{
    if (!watched_) return;
    if (forwards()) return accept_some();
    if (behind_ == Behind::Awaited) {
        watched_ = false;
        workshop_.poller.change(listener_.get(), 0, *this);
        owner_.demand(settings_.name);
        return;
    }
    probe();
}

// ---- callers ------------------------------------------------------------------------------------------------------

void StreamFront::accept_some()
{
    for (int n = 0; n < kAcceptsAtOnce && forwards(); ++n)
        if (!workshop_.has_room() || !accept_one()) break;
    watch();
}

bool StreamFront::accept_one(sys::UniqueFd target)
{
    sys::SocketAddress from;
    from.length = sizeof from.storage;
    sys::UniqueFd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from.storage), &from.length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) pause();
        return errno == ECONNABORTED;
    }
    auto session = std::make_shared<Session>(workshop_.poller, workshop_.pipes, static_cast<SessionOwner&>(*this), std::move(fd), from);
    Session& one = *session;
    sessions_.emplace(&one, std::move(session));
    ++workshop_.live;
    ++counts_.live, ++counts_.accepted;
    one.since = one.connecting_since = workshop_.loop.now();
    owner_.changed();
    if (settings_.log_begin) owner_.began(settings_.name, one.peer());
    one.send_first(proxy_header(settings_.protocol, one.caller()));
    if (target) {
        one.use(std::move(target));
    } else {
        connecting_.insert(&one);
        one.connect(target_);
        sweep();
    }
    return true;
}

void StreamFront::connected(Session& session) { connecting_.erase(&session); }

void StreamFront::unconnected(Session& session, int error)
{
    connecting_.erase(&session);
    const bool waits = !listener_ ? false : settings_.has_program ? may_pass(error) || behind_ != Behind::Up : is_shortage(error);
    if (!waits) {
        ++counts_.refused;
        owner_.log(30, fmt::format("{}: {} was refused: {}: {}", settings_.name, session.peer().text(), settings_.target, errno_text(error)));
        return session.end(true);
    }
    held_.push_back(&session);
    sweep();
    if (is_shortage(error)) return pause();
    if (behind_ != Behind::Up) return;
    answers_ = false;
    watch();
    probe();
}

void StreamFront::ended(Session& session, bool failed)
{
    const auto found = sessions_.find(&session);
    if (found == sessions_.end()) return;
    held_.remove(&session);
    connecting_.erase(&session);
    if (settings_.log_end) owner_.ended(settings_.name, session, failed);
    workshop_.poller.bury(std::move(found->second));
    sessions_.erase(found);
    --counts_.live;
    owner_.changed();
    const bool was_full = !workshop_.has_room();
    --workshop_.live;
    if (was_full && workshop_.room_again) workshop_.room_again();
}

// ---- the program behind -------------------------------------------------------------------------------------------

void StreamFront::probe()
{
    if (probe_ != nullptr && !probe_->is_over()) return;
    if (probe_ != nullptr) workshop_.poller.bury(std::shared_ptr<Probe>(std::move(probe_)));
    if (behind_ != Behind::Up || answers_ || timer_ != nullptr) return watch();
    auto made = std::make_unique<Probe>(*this);
    if (made->is_over()) workshop_.poller.bury(std::shared_ptr<Probe>(std::move(made)));
    else probe_ = std::move(made);
    watch();
}

void StreamFront::probed(sys::UniqueFd target)
{
    if (probe_ != nullptr) workshop_.poller.bury(std::shared_ptr<Probe>(std::move(probe_)));
    answers_ = true;
    probe_delay_ = {};
    owner_.answered(settings_.name);
    if (!held_.empty()) {
        Session* const first = held_.front();
        held_.pop_front();
        first->use(std::move(target));
        release_held();
    } else if (listener_ && workshop_.has_room()) {
        accept_one(std::move(target));
    }
    watch();
}

void StreamFront::release_held()
{
    for (auto held = std::exchange(held_, {}); !held.empty(); held.pop_front()) {
        held.front()->connecting_since = workshop_.loop.now();
        connecting_.insert(held.front());
        held.front()->connect(target_);
    }
}

void StreamFront::probe_failed(int error)
{
    if (probe_ != nullptr) workshop_.poller.bury(std::shared_ptr<Probe>(std::move(probe_)));
    probe_delay_ = std::clamp(probe_delay_ * 2, kFirstProbe, kLongestProbe);
    if (workshop_.loop.now() - up_since_ >= settings_.start_timeout) {
        owner_.log(40, fmt::format("{}: {} does not answer ({}); its callers are refused", settings_.name, settings_.target, errno_text(error)));
        give_up();
        probe_delay_ = kHopeless;
    }
    timer_ = workshop_.loop.after(probe_delay_, settings_.name + " probe", [this] {
        timer_.reset();
        if (held_.empty()) return watch();  // the next one asks again
        probe();
    });
}

/// Nobody is kept waiting for ever.
void StreamFront::give_up()
{
    for (auto held = std::exchange(held_, {}); !held.empty(); held.pop_front()) {
        ++counts_.refused;
        held.front()->end(true);
    }
    constexpr int kMost = 10'000;
    for (int n = 0; n < kMost && listener_; ++n) {
        const sys::UniqueFd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!caller) break;
        ++counts_.refused;
    }
    owner_.changed();
}

void StreamFront::pause()
{
    paused_ = true;
    watch();
    pause_timer_ = workshop_.loop.after(kPause, settings_.name + " pause", [this] {
        paused_ = false;
        if (forwards()) release_held();
        watch();
    });
}

/// Ends what takes too long: those who are held, and connections that nobody answers.
void StreamFront::sweep()
{
    if (sweep_timer_ != nullptr || (held_.empty() && connecting_.empty())) return;
    sweep_timer_ = workshop_.loop.after(kSweep, settings_.name + " sweep", [this] {
        sweep_timer_.reset();
        const Time now = workshop_.loop.now();
        std::vector<Session*> late;
        for (Session* session : held_)
            if (now - session->since > settings_.start_timeout) late.push_back(session);
        for (Session* session : connecting_)
            if (now - session->connecting_since > kConnectTime) late.push_back(session);
        for (Session* session : late) {
            ++counts_.refused;
            session->end(true);
        }
        sweep();
    });
}

// ---- the end ------------------------------------------------------------------------------------------------------

void StreamFront::close()
{
    timer_.reset();
    pause_timer_.reset();
    watched_ = false;
    if (!listener_) return;
    workshop_.poller.remove(listener_.get());
    listener_.reset();
    if (probe_ != nullptr) workshop_.poller.bury(std::shared_ptr<Probe>(std::move(probe_)));
    for (auto held = std::exchange(held_, {}); !held.empty(); held.pop_front()) held.front()->end(true);
}

void StreamFront::end_all()
{
    if (probe_ != nullptr) workshop_.poller.bury(std::shared_ptr<Probe>(std::move(probe_)));
    std::vector<Session*> all;
    for (const auto& [session, owned] : sessions_) all.push_back(session);
    for (Session* session : all) session->end(true);
}

Counts StreamFront::take_counts()
{
    const Counts counts = counts_;
    counts_.accepted = counts_.refused = 0;
    return counts;
}

}  // namespace xsv::proxy
