#include "engine/handlers.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "config/words.h"
#include "engine/adoption.h"
#include "engine/connection_log.h"
#include "engine/service.h"
#include "sys/files.h"

namespace xsv::engine {
namespace {

constexpr int kFlood = 50;  // refusals in children within the window, each the price of a process
constexpr Duration kFloodWindow = std::chrono::seconds(1), kFloodRest = std::chrono::seconds(10);
constexpr Duration kLookAgain = std::chrono::milliseconds(100);
constexpr std::size_t kLongestRefusal = 64 * 1024;

LocalTime local_time()
{
    const std::time_t now = wall_seconds();
    std::tm parts{};
    ::localtime_r(&now, &parts);
    return {parts.tm_wday, parts.tm_hour * 60 + parts.tm_min};
}

bool is_resource_error(int code) { return code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE || code == ENOBUFS; }

/// What the admission counts as free: a small limit is shared out, or nobody would ever come in.
int free_descriptors(Context& context)
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto most = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 24));
    const int spare = std::min(kSpareDescriptors, most / 4);
    int free = most - context.highest_fd - 1;
    if (free <= spare) {  // the number may be old: ask
        const sys::UniqueFd probe(::fcntl(context.surroundings.null, F_DUPFD_CLOEXEC, 0));
        context.highest_fd = probe ? probe.get() : most - 1;
        free = most - context.highest_fd - 1;
    }
    return free + kSpareDescriptors - spare;
}

std::string read_text(const std::vector<std::string>& files)
{
    std::string all;
    for (const std::string& file : files) {
        auto text = sys::read_file(file, kLongestRefusal);
        if (!text) log::warn("greeting or refusal: {}", text.error().message);
        else all += *text;
    }
    return all;
}

}  // namespace

void Handlers::on_arrival(const net::SocketPtr& socket)
{
    for (int n = 0; n < kSpawnsPerListener; ++n) {
        if (n > 0 && !caller_ && !context_.sockets.has_arrival(socket->fd.get())) return;
        if (admit_one(socket) == Next::Enough) return;
    }
}

Handlers::Next Handlers::admit_one(const net::SocketPtr& socket)
{
    const config::Policy& limits = *service_.spec().policy;
    Situation situation;
    situation.now = context_.loop.now();
    situation.instances = live_;
    situation.free_descriptors = free_descriptors(context_);
    if (limits.max_load > 0) ::getloadavg(&situation.load, 1);
    if (!limits.access_hours.empty()) situation.local = local_time();

    Admission admission = admit(limits, gate_, situation);
    if (std::holds_alternative<Admit>(admission.verdict)) {
        if (is_sensor()) return note_caller(socket);
        const bool passed = socket->endpoint.type == sys::SocketType::Passed;   // nothing that a child could accept from
        const Next next = accepts_here() || caller_ || passed ? accept_here(socket) : spawn_one(socket);
        if (next == Next::Again) gate_ = admission.gate;
        return next;
    }
    gate_ = admission.gate;
    if (const auto* refusal = std::get_if<Refuse>(&admission.verdict)) return refuse(socket, refusal->reason);
    const auto& wait = std::get<Wait>(admission.verdict);
    pause(wait.until ? std::max(*wait.until - situation.now, Duration(1)) : Duration::zero(), wait.reason);
    return Next::Enough;
}

/// Nobody, if there is none, or in trouble, which pauses the service.
sys::UniqueFd Handlers::take_caller(const net::SocketPtr& socket, sys::Peer& peer)
{
    auto caller = context_.sockets.accept(socket->fd.get(), peer);
    if (caller) return std::move(*caller);
    pause_for_trouble(caller.error());
    return {};
}

Handlers::Next Handlers::refuse(const net::SocketPtr& socket, Reason why)
{
    sys::Peer peer;
    sys::UniqueFd caller = take_caller(socket, peer);
    if (!caller) return Next::Enough;
    context_.sockets.refuse(std::move(caller), read_text(service_.spec().policy->refusal));
    count_refusal(why, peer);
    return Next::Again;
}

void Handlers::count_refusal(Reason why, const sys::Peer& peer)
{
    Slot& place = context_.table.at(service_.slot_index());
    ++place.refused;
    if (is_xinetd()) write_line(fail_line(service_.spec(), peer, why));
    log::debug("{}: refused a caller: {}", service_.spec().namespec(), reason_text(why));
}

bool Handlers::is_sensor() const { return config::builtin_name(service_.spec().exec.command) == "sensor"; }

/// A sensor serves nobody; who calls it has shown what he is after.
Handlers::Next Handlers::note_caller(const net::SocketPtr& socket)
{
    const config::Policy& policy = *service_.spec().policy;
    sys::Peer peer;
    sys::UniqueFd caller = take_caller(socket, peer);
    if (!caller) return Next::Enough;
    if (policy.deny_time && sys::is_allowed(peer, policy.allow, policy.deny, policy.access_order)) {  // before he can call again
        const bool for_ever = *policy.deny_time == Duration::max();
        log::info("{}: {} has called and is denied {}", service_.spec().namespec(), peer.host(),
                  for_ever ? "for ever" : "for " + format_duration(*policy.deny_time));
        const auto added = context_.deny_list->add(peer, for_ever ? std::nullopt : policy.deny_time, context_.loop.now());
        if (!added) log::error("{}: {}", service_.spec().namespec(), added.error().message);
    }
    context_.sockets.refuse(std::move(caller), read_text(policy.refusal));
    count_refusal(Reason::Address, peer);
    return Next::Again;
}

/// The plan of a listener, made once: everything in it stays the same from caller to caller.
Result<Handlers::Plan*> Handlers::plan_for(const net::SocketPtr& socket)
{
    if (const auto known = plans_.find(socket.get()); known != plans_.end()) return &known->second;
    const config::ServiceSpec& spec = service_.spec();
    auto ends = service_.streams().open_child_ends(spec);
    if (!ends) return tl::unexpected(std::move(ends).error());
    auto plan = make_child_plan(spec, context_.surroundings, {}, ends->streams(), socket.get());
    if (!plan) return tl::unexpected(std::move(plan).error());
    if (auto set = context_.sockets.set_nonblocking(socket->fd.get(), true); !set) return tl::unexpected(std::move(set).error());
    plan->refusal = read_text(spec.policy->refusal);
    plan->greeting = read_text(spec.policy->greeting);
    plan->why_not = &Handlers::why_not;
    plan->why_not_context = this;
    plan->connection_count = &context_.table.at(service_.slot_index()).accepted;
    Plan prepared{context_.processes.prepare(std::move(*plan)), std::move(*ends)};
    return &plans_.emplace(socket.get(), std::move(prepared)).first->second;
}

/// Runs in the child, between accept and exec.
int Handlers::why_not(const sys::Peer& peer, const void* self) noexcept
{
    const auto& handlers = *static_cast<const Handlers*>(self);
    const config::Policy& limits = *handlers.service_.spec().policy;
    if (handlers.context_.deny_list->has(peer, handlers.arrival_)) return static_cast<int>(Reason::Address);
    if (limits.max_per_source > 0) {
        int same = 0;
        for (const auto& [slot, connection] : handlers.connections_)
            if (connection.counts && handlers.context_.table.at(slot).child.peer.same_source(peer)) ++same;
        if (same >= limits.max_per_source) return static_cast<int>(Reason::Source);
    }
    const bool too_often = limits.max_rate.per_source && !handlers.source_rates_.has_token(peer, limits.max_rate, handlers.arrival_);
    return too_often ? static_cast<int>(Reason::SourceRate) : 0;
}

/// In the child by default, since a connection that only the engine holds dies with it. A refusal costs a process there:
/// under a flood of them the engine accepts for a while.
bool Handlers::accepts_here() const
{
    const config::AcceptIn accept = service_.spec().policy->accept;
    return accept == config::AcceptIn::Engine || (accept == config::AcceptIn::Auto && context_.loop.now() < accept_here_until_);
}

void Handlers::note_refusal_by_child()
{
    const Time now = context_.loop.now();
    if (now - refusals_since_ > kFloodWindow) refusals_since_ = now, refusals_ = 0;
    if (++refusals_ < kFlood || service_.spec().policy->accept != config::AcceptIn::Auto) return;
    if (accept_here_until_ <= now) log::info("{}: many callers are refused; accepting them in the engine for {}",
                                             service_.spec().namespec(), format_duration(kFloodRest));
    accept_here_until_ = now + kFloodRest;
}

Handlers::Next Handlers::accept_here(const net::SocketPtr& socket)
{
    if (!caller_) {
        sys::Peer peer;
        sys::UniqueFd caller = take_caller(socket, peer);
        if (!caller) return Next::Enough;
        caller_.reset(new Caller{std::move(caller), socket, peer});
        std::vector<sys::Peer> live;
        for (const auto& [slot, connection] : connections_)
            if (connection.counts) live.push_back(context_.table.at(slot).child.peer);
        const config::Policy& limits = *service_.spec().policy;
        const Time now = context_.loop.now();
        const Verdict verdict = context_.deny_list->has(peer, now)
                                    ? Refuse{Reason::Address}
                                    : admit_peer(limits, peer, count_same_source(peer, live), source_rates_, now);
        if (const auto* refusal = std::get_if<Refuse>(&verdict)) {
            context_.sockets.refuse(std::move(caller_->connection), read_text(limits.refusal));
            caller_.reset();
            count_refusal(refusal->reason, peer);
            return Next::Again;
        }
    }
    const Next next = spawn_one(socket, caller_.get());
    if (next == Next::Again) caller_.reset();  // kept else: he is served as soon as there is a process for him
    return next;
}

Handlers::Next Handlers::spawn_one(const net::SocketPtr& socket, const Caller* caller)
{
    auto plan = plan_for(socket);
    if (!plan) {
        pause_for_trouble(plan.error());
        return Next::Enough;
    }
    auto index = context_.table.take(SlotKind::Connection);
    if (!index) {
        pause(kLookAgain, Reason::Resources);
        return Next::Enough;
    }
    arrival_ = context_.loop.now();
    Slot& slot = context_.table.at(*index);
    slot.owner = service_.slot_index();
    slot.started_boot = arrival_.time_since_epoch().count();
    slot.started_wall = wall_seconds();
    slot.state.store(static_cast<std::uint32_t>(SlotState::Intent), std::memory_order_release);
    if (caller != nullptr) slot.child.peer = caller->peer;
    auto spawned = context_.processes.spawn(*(*plan)->child, slot.child, caller != nullptr ? caller->connection.get() : -1);
    if (!spawned) {
        context_.table.release(*index);
        pause_for_trouble(spawned.error());
        return Next::Enough;
    }
    slot.state.store(static_cast<std::uint32_t>(SlotState::Live), std::memory_order_release);
    context_.highest_fd = spawned->pidfd.get();
    context_.pids.add(spawned->pid, *index);
    add(*index, std::move(spawned->pidfd));
    return judge(*index, caller != nullptr);
}

void Handlers::add(std::uint32_t index, sys::UniqueFd pidfd)
{
    const Slot& slot = context_.table.at(index);
    const auto stage = static_cast<sys::ChildStage>(slot.child.stage.load());
    Connection connection{ConnectionRunning{slot.child.pid, Time(Duration(slot.started_boot))}, std::move(pidfd), {}, true};
    connection.counts = stage != sys::ChildStage::NothingToAccept && stage != sys::ChildStage::Refused;
    if (connection.counts) ++live_;
    connections_.insert_or_assign(index, std::move(connection));
}

/// What the child found. Its process ends by itself in every case but one, and its slot goes with it.
Handlers::Next Handlers::judge(std::uint32_t index, bool accepted_here)
{
    const sys::ChildReport& report = context_.table.at(index).child;
    switch (static_cast<sys::ChildStage>(report.stage.load())) {
        case sys::ChildStage::NothingToAccept: return Next::Enough;  // somebody else took the caller
        case sys::ChildStage::Refused:
            count_refusal(report.error == 0 ? Reason::Address : static_cast<Reason>(report.error), report.peer);
            note_refusal_by_child();
            return Next::Again;
        case sys::ChildStage::Failed:
            if (report.step == static_cast<std::int32_t>(sys::ChildStep::Accept)) {
                pause_for_trouble(Error{"accept: " + errno_text(report.error), report.error});
                return Next::Enough;
            }
            [[fallthrough]];
        default: break;
    }
    if (!service_.reason().empty()) context_.table.at(service_.slot_index()).set_reason({});
    if (const auto* place = std::get_if<Listening>(&service_.state()); place != nullptr && place->failures > 0)
        service_.hand(Spawned{arrival_, report.pid});
    const config::Policy& policy = *service_.spec().policy;
    if (policy.max_rate.per_source && !accepted_here) (void)source_rates_.take(report.peer, policy.max_rate, arrival_);
    ++context_.table.at(service_.slot_index()).accepted;
    if (is_xinetd()) write_line(start_line(service_.spec(), report.peer, report.pid));
    else if (policy.connection_log == config::ConnectionLog::Both)
        write_line(fmt::format("{}: connection from {}, pid {}", service_.spec().namespec(), report.peer.text(), report.pid.load()));
    return Next::Again;
}

// ---- pauses -------------------------------------------------------------------------------------------------------

/// Nobody is watched for a while; the kernel queues. Without a delay: until one of the instances has ended.
void Handlers::pause(Duration delay, Reason why)
{
    paused_for_ = why;
    service_.perform(IgnoreDemand{});
    pause_timer_.reset();
    if (delay > Duration::zero())
        pause_timer_ = context_.loop.after(delay, service_.spec().namespec() + " pause", [this] { resume(); });
}

/// Want of processes, memory or descriptors is nobody's fault: everybody waits a moment. Anything else is the program's
/// own failure, and its place shows it.
void Handlers::pause_for_trouble(const Error& error)
{
    const Time now = context_.loop.now();
    context_.table.at(service_.slot_index()).set_reason(error.message);
    if (!is_resource_error(error.code)) {
        log::warn("{}: {}", service_.spec().namespec(), error.message);
        return service_.hand(SpawnFailed{now, false});
    }
    gate_.pause = lengthen(gate_.pause, now);
    gate_.why = Reason::Resources;
    log::warn("{}: {}; callers wait {}", service_.spec().namespec(), error.message, format_duration(gate_.pause.until - now));
    pause(std::max<Duration>(gate_.pause.until - now, std::chrono::milliseconds(1)), Reason::Resources);
}

void Handlers::resume()
{
    pause_timer_.reset();
    if (!std::exchange(paused_for_, std::nullopt)) return;
    if (std::holds_alternative<Listening>(service_.state())) service_.perform(AwaitDemand{});
}

void Handlers::serve_kept_caller()
{
    if (!caller_) return;
    context_.loop.soon([this] {  // he is off the queue: nobody else would wake us for him
        if (caller_ && !paused_for_) on_arrival(net::SocketPtr(caller_->socket));
    });
}

// ---- the connections ----------------------------------------------------------------------------------------------

void Handlers::recover(std::uint32_t index)
{
    Slot& slot = context_.table.at(index);
    const pid_t pid = slot.child.pid;
    if (pid == 0) return context_.table.release(index);  // an intent that never became a process
    slot.state.store(static_cast<std::uint32_t>(SlotState::Live), std::memory_order_release);
    // With its exit written down it is reaped, and the number may be somebody else's.
    auto pidfd = slot.exit_sequence == 0 ? context_.adopted->open(index) : Result<sys::UniqueFd>(sys::UniqueFd());
    add(index, pidfd ? std::move(*pidfd) : sys::UniqueFd());
    if (slot.exit_pending != 0) on_exit(index, {slot.exit_sequence, pid, slot.exit_code, slot.exit_status});
}

void Handlers::on_exit(std::uint32_t index, const ChildExit& exit)
{
    const auto found = connections_.find(index);
    if (found == connections_.end()) return;
    context_.pids.remove(exit.pid, index);
    const Slot& slot = context_.table.at(index);
    const ExitStatus status{exit.code, exit.status};
    const Duration life = context_.loop.now() - Time(Duration(slot.started_boot));
    const bool served = found->second.counts;
    if (served) log_end(slot, status, life, exit);
    hand(index, Exited{context_.loop.now(), status});
    if (served && record_.ended(status, life)) {
        const std::string step = slot.child.step == 0 ? describe(status)
                                 : fmt::format("{}: {}", sys::step_text(static_cast<sys::ChildStep>(slot.child.step)), errno_text(slot.child.error));
        pause_for_trouble(Error{"the last handlers all failed at once, the latest with " + step, 0});
    }
}

void Handlers::log_end(const Slot& slot, const ExitStatus& status, Duration life, const ChildExit& exit)
{
    const config::ServiceSpec& spec = service_.spec();
    if (is_xinetd()) return write_line(exit_line(spec, exit.pid, status, life));
    const bool failed = !is_expected(service_.policy(), status);
    if (spec.policy->connection_log == config::ConnectionLog::None && slot.child.step == 0) return;
    std::string line = fmt::format("{}: {} served by pid {} for {} ({})", spec.namespec(), slot.child.peer.text(), exit.pid,
                                   format_duration(life), describe(status));
    if (slot.child.step != 0)
        line += fmt::format("; {}: {}", sys::step_text(static_cast<sys::ChildStep>(slot.child.step)), errno_text(slot.child.error));
    if (failed && !spec.output->connections->to.is_piped()) log::warn("{}", line);
    else write_line(line);
}

bool Handlers::is_xinetd() const { return service_.spec().output->connections->format == config::LogFormat::Xinetd; }

/// A file has xinetd's time in front; syslog and our own log have theirs.
void Handlers::write_line(const std::optional<std::string>& line)
{
    if (!line) return;
    const config::LogSink& to = service_.spec().output->connections->to;
    if (!to.is_piped()) return log::info("{}", *line);
    const std::string stamp = to.kind == config::LogSink::Kind::File ? line_stamp(wall_seconds()) : std::string();
    if (!service_.streams_.write_connection_line(stamp + *line))
        log::warn("{}: its connection_log takes nothing now, so here: {}", service_.spec().namespec(), *line);
}

void Handlers::hand(std::uint32_t index, const ConnectionEvent& event)
{
    const auto found = connections_.find(index);
    if (found == connections_.end()) return;
    ConnectionStep next = step(service_.policy(), found->second.state, event);
    found->second.state = next.state;
    for (const Action& action : next.actions) perform(index, found->second, action);
    if (std::holds_alternative<ConnectionGone>(next.state)) forget(index);
}

void Handlers::perform(std::uint32_t index, Connection& connection, const Action& action)
{
    const pid_t pid = context_.table.at(index).child.pid;
    if (const auto* signal = std::get_if<Signal>(&action)) {
        auto sent = signal->group ? context_.processes.signal_group(connection.pidfd, pid, signal->signal)
                                  : context_.processes.signal(connection.pidfd, signal->signal);
        if (!sent) log::warn("{}: signalling pid {}: {}", service_.spec().namespec(), pid, sent.error().message);
    } else if (const auto* timer = std::get_if<SetTimer>(&action)) {
        connection.timer = context_.loop.after(timer->after, service_.spec().namespec() + " handler",
                                               [this, index] { hand(index, TimerFired{context_.loop.now()}); });
    } else if (std::holds_alternative<ClearTimer>(action)) {
        connection.timer.reset();
    } else if (std::holds_alternative<SweepGroup>(action)) {
        (void)context_.processes.signal_group(connection.pidfd, pid, SIGKILL);
    } else if (const auto* note = std::get_if<Note>(&action)) {
        service_.log_note(*note);
    }
}

void Handlers::forget(std::uint32_t index)
{
    const bool counted = connections_.at(index).counts;
    connections_.erase(index);
    context_.table.release(index);
    if (!counted) return;
    --live_;
    // It has given back what others wait for: a place, a process, descriptors.
    if (paused_for_ == Reason::Descriptors || paused_for_ == Reason::Resources) gate_.pause.until = context_.loop.now();
    else if (paused_for_ != Reason::Instances) return tell_if_last();
    resume();
    tell_if_last();
}

void Handlers::tell_if_last()
{
    if (live_ == 0 && !std::holds_alternative<Listening>(service_.state())) service_.publish();
}

template <class E>
void Handlers::hand_all()
{
    std::vector<std::uint32_t> all;
    for (const auto& [index, connection] : connections_) all.push_back(index);
    for (const std::uint32_t index : all) hand(index, E{context_.loop.now()});
}

void Handlers::stop()
{
    pause_timer_.reset();
    paused_for_.reset();
    caller_.reset();
    hand_all<Stop>();
}
void Handlers::stop_now() { hand_all<StopNow>(); }
void Handlers::shutdown()
{
    pause_timer_.reset();
    paused_for_.reset();
    caller_.reset();
    hand_all<Shutdown>();
}

Result<bool> Handlers::send_signal(int signal)
{
    bool any = false;
    for (const auto& [index, connection] : connections_) {
        auto sent = context_.processes.signal(connection.pidfd, signal);
        if (!sent) return sent;
        any = any || *sent;
    }
    return any;
}

}  // namespace xsv::engine
