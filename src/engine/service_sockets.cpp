// A service's sockets: when they open and close, who waits on them, and those that its forwarder serves.
#include <algorithm>

#include "base/log.h"
#include "engine/rpc_link.h"
#include "engine/service.h"

namespace xsv::engine {
namespace {

constexpr Duration kLongestBindRetry = std::chrono::seconds(60);

}  // namespace

std::vector<sys::Endpoint> Service::socket_plan(const config::ServiceSpec& spec, const Context& context)
{
    std::vector<sys::Endpoint> plan;
    const bool per_connection = spec.exec.activation == config::Activation::PerConnection;
    for (const sys::Endpoint& endpoint : spec.sockets.endpoints)
        for (sys::Endpoint& one : context.socket_table.sockets_of(endpoint, *spec.sockets.options_of(endpoint), per_connection))
            plan.push_back(std::move(one));
    for (sys::Endpoint& endpoint : plan)
        if (endpoint.type == sys::SocketType::Passed) endpoint.path = tcpmux_folder(context.surroundings) + "/" + endpoint.path;
    return plan;
}

/// Connections are passed on by our own helper, and taken from nobody else.
Shared<sys::SocketOptions> Service::socket_options(const config::ServiceSpec& spec, const sys::Endpoint& endpoint, const Surroundings& surroundings)
{
    if (endpoint.type != sys::SocketType::Passed) return spec.sockets.options_of(endpoint);
    sys::SocketOptions options = *spec.sockets.options_of(endpoint);
    options.mode = 0600;
    options.dir_mode = 0755;
    options.owner = surroundings.helper_user ? std::optional(surroundings.helper_user->uid) : std::nullopt;
    options.group.reset();
    return options;
}

bool Service::holds_sockets() const
{
    if (spec_.sockets.standing) return spec_.broken.empty() && !context_.ending;
    if (std::holds_alternative<Stopped>(state_)) return false;
    const auto* stopping = std::get_if<Stopping>(&state_);
    return stopping == nullptr || (stopping->after != After::Stop && stopping->after != After::Shutdown);
}

void Service::perform(const OpenSockets&)
{
    std::vector<net::SocketPtr> opened;
    bool all = true;
    for (const sys::Endpoint& endpoint : socket_plan(spec_, context_)) {
        auto socket = context_.socket_table.take_hold(endpoint, socket_options(spec_, endpoint, context_.surroundings));
        if (socket) {
            opened.push_back(std::move(*socket));
            continue;
        }
        all = false;
        place().set_reason(socket.error().message);
        if (open_failures_ == 0) log::error("{}: {}; trying again until it works", spec_.namespec(), socket.error().message);
    }
    if (place().opened_wall == 0) place().opened_wall = wall_seconds();
    sockets_ = std::move(opened);
    tell_rpcbind();
    ready_.reset();
    open_fronts();
    if (all) {
        if (open_failures_ > 0) log::info("{}: listening on all its sockets now", spec_.namespec()), place().set_reason({});
        open_failures_ = 0;
        socket_timer_.reset();
        return;
    }
    const Duration delay = std::min<Duration>(kLongestBindRetry, std::chrono::seconds(1) * (1 << std::min(open_failures_, 6)));
    ++open_failures_;
    socket_timer_ = context_.loop.after(delay, spec_.namespec() + " sockets", [this] { retry_sockets(); });
}

void Service::retry_sockets()
{
    const bool awaiting = awaiting_;
    watches_.clear();
    perform(OpenSockets{});
    if (awaiting) perform(AwaitDemand{});
}

void Service::perform(const CloseSockets&) { close_sockets(); }

void Service::close_sockets()
{
    perform(IgnoreDemand{});
    socket_timer_.reset();
    open_failures_ = 0;
    if (context_.fronts != nullptr) context_.fronts->close(spec_.namespec());
    if (std::exchange(place().opened_wall, 0) != 0) place().stopped_wall = wall_seconds();
    if (std::exchange(keeps_sockets_, false)) kept_sockets_ = sockets_;
    sockets_.clear();
    tell_rpcbind();
    handlers_->forget_plans();
}

void Service::tell_rpcbind()
{
    if (context_.rpc != nullptr) context_.rpc->want(spec_.namespec(), rpc_entry(spec_, sockets_));
}

void Service::perform(const AwaitDemand&)
{
    watches_.clear();
    awaiting_ = true;
    if (is_forwarded()) return;  // the forwarder looks, and says so
    if (is_per_connection()) handlers_->serve_kept_caller();
    for (const net::SocketPtr& socket : sockets_) {
        if (is_per_connection())
            watches_.push_back(context_.loop.readable(socket->fd.get(), spec_.namespec(),
                                                      [this, socket] { handlers_->on_arrival(socket); }, event::Urgency::Arrival));
        else
            watches_.push_back(context_.loop.readable(socket->fd.get(), spec_.namespec(),
                                                      [this] { hand(Demand{context_.loop.now()}); }, event::Urgency::Arrival));
    }
}

void Service::perform(const IgnoreDemand&)
{
    awaiting_ = false;
    watches_.clear();
}

// ---- callers ------------------------------------------------------------------------------------------------------

int Service::waiting_callers() const
{
    int waiting = 0;
    for (const net::SocketPtr& socket : sockets_) {
        auto queue = context_.sockets.queue(socket->fd.get(), socket->endpoint);
        if (queue && queue->waiting > 0) waiting += queue->waiting;
        else if (context_.sockets.has_arrival(socket->fd.get())) ++waiting;
    }
    return waiting;
}

/// Datagrams that came while it ran are not for the next one. Bounded: others may go on sending.
void Service::flush_pending()
{
    constexpr int kMost = 100'000;
    for (const net::SocketPtr& socket : sockets_)
        for (int n = 0; n < kMost && context_.sockets.discard_one(socket->fd.get()); ++n) {}
}

/// Has the process that ended taken anybody off the queue? A shorter queue says so; a longer one does not say the contrary,
/// since others came meanwhile: then those whom the process before it left behind are looked for.
bool Service::took_callers(int waiting)
{
    if (waiting < waiting_at_start_ || waiting == 0) {
        left_behind_.clear();
        return waiting < waiting_at_start_;
    }
    std::vector<std::uint64_t> now;
    for (const net::SocketPtr& socket : sockets_) {
        const auto callers = context_.sockets.callers(socket->fd.get(), socket->endpoint);
        now.insert(now.end(), callers.begin(), callers.end());
    }
    std::sort(now.begin(), now.end());
    const bool took = std::any_of(left_behind_.begin(), left_behind_.end(),
                                  [&](std::uint64_t caller) { return !std::binary_search(now.begin(), now.end(), caller); });
    left_behind_ = std::move(now);
    return took;
}

void Service::watch_idle()
{
    if (!spec_.policy->idle_time || !live_pid(state_)) return;
    busy_ = context_.loop.now();
    const Duration step = std::clamp<Duration>(*spec_.policy->idle_time / 4, std::chrono::milliseconds(10), std::chrono::seconds(5));
    idle_timer_ = context_.loop.every(step, spec_.namespec() + " idle", [this] { check_idle(); });
}

void Service::check_idle()
{
    const Time now = context_.loop.now();
    int connections = waiting_callers();
    if (is_forwarded()) {
        if (connections > 0 || forwarded_ > 0) busy_ = now;
        else if (now - busy_ >= *spec_.policy->idle_time && context_.fronts != nullptr) context_.fronts->pause(spec_.namespec());
        return;
    }
    for (const net::SocketPtr& socket : sockets_) {
        auto counted = context_.sockets.connections(socket->fd.get(), socket->endpoint);
        connections += counted ? *counted : 1;  // when the kernel does not tell, nobody is stopped
    }
    if (connections > 0) busy_ = now;
    else if (now - busy_ >= *spec_.policy->idle_time) hand(Idle{now});
}

// ---- forwarded callers --------------------------------------------------------------------------------------------

const char* Service::front_state() const
{
    if (std::holds_alternative<Listening>(state_)) return spec_.exec.command.empty() ? "up" : "await";
    return std::holds_alternative<Starting>(state_) || std::holds_alternative<Running>(state_) ? "up" : "down";
}

void Service::open_fronts()
{
    if (context_.fronts == nullptr || !is_forwarded()) return;
    // The forwarder must never wait in accept, whoever had the socket before.
    for (const net::SocketPtr& socket : sockets_)
        if (auto set = context_.sockets.set_nonblocking(socket->fd.get(), true); !set) log::error("{}: {}", spec_.namespec(), set.error().message);
    context_.fronts->open(spec_, sockets_, front_state());
}

void Service::on_demand()
{
    if (is_forwarded() && std::holds_alternative<Listening>(state_) && !spec_.exec.command.empty()) hand(Demand{context_.loop.now()});
}

void Service::on_answered()
{
    answered_ = true;
    if (spec_.ready->when == config::ReadyWhen::Connect) hand(BecameReady{context_.loop.now()});
}

void Service::on_paused(std::int64_t connections)
{
    if (connections > 0) {
        busy_ = context_.loop.now();
        return;
    }
    const bool is_up = std::holds_alternative<Starting>(state_) || std::holds_alternative<Running>(state_);
    if (is_up && idle_timer_ != nullptr) hand(Idle{context_.loop.now()});
    else if (context_.fronts != nullptr) context_.fronts->set(spec_.namespec(), front_state());
}

void Service::on_forwarded(std::int64_t connections, std::int64_t accepted, std::int64_t refused)
{
    forwarded_ = connections;
    place().accepted += static_cast<std::uint64_t>(std::max<std::int64_t>(accepted, 0));
    place().refused += static_cast<std::uint64_t>(std::max<std::int64_t>(refused, 0));
    if (connections > 0 || accepted > 0) busy_ = context_.loop.now();
}

}  // namespace xsv::engine
