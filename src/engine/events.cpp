#include "engine/events.h"

#include <algorithm>
#include <cerrno>

#include <poll.h>

#include "base/text.h"
#include "engine/engine.h"

namespace xsv::engine {
namespace {

using config::EventType;
using wire::Value;

constexpr Duration kLastOutput = std::chrono::seconds(1);   // for which the announcement of an end waits

EventType type_of(SupervisorState state)
{
    switch (state) {
        case SupervisorState::Starting: return EventType::ProcessStateStarting;
        case SupervisorState::Running: return EventType::ProcessStateRunning;
        case SupervisorState::Backoff: return EventType::ProcessStateBackoff;
        case SupervisorState::Stopping: return EventType::ProcessStateStopping;
        case SupervisorState::Stopped: return EventType::ProcessStateStopped;
        case SupervisorState::Exited: return EventType::ProcessStateExited;
        case SupervisorState::Fatal: return EventType::ProcessStateFatal;
        case SupervisorState::Unknown: break;
    }
    return EventType::ProcessStateUnknown;
}

int failures_of(const State& state)
{
    return std::visit(
        [](const auto& s) {
            if constexpr (requires { s.failures; }) return s.failures;
            else return 0;
        },
        state);
}

/// Of the process the state is about, also when it has ended.
pid_t pid_of(const Service& service) { return live_pid(service.state()).value_or(service.slot().child.pid); }

/// Not when it has closed its stdin.
bool can_hear(Service& service)
{
    pollfd pipe{service.streams().stdin_fd(), POLLOUT, 0};
    return ::poll(&pipe, 1, 0) <= 0 || (pipe.revents & POLLERR) == 0;
}

const config::Listener* listener_of(const Group& group)
{
    if (group.services.empty()) return nullptr;
    const auto& listener = group.services.front()->spec().listener;
    return listener ? &*listener : nullptr;
}

/// As everywhere, 4 KiB of it; a level that nobody chooses for long is not rate-limited.
void log_output(const config::ServiceSpec& spec, bool is_stdout, std::string_view data)
{
    if (!log::enabled(log::Level::debug)) return;
    const std::string text = is_stdout && spec.listener ? text::bytes_repr(data) : as_text(data);   // a listener's is a conversation
    log::write_line(log::Level::debug, fmt::format("'{}' {} output:\n{}", spec.name, is_stdout ? "stdout" : "stderr", text));
}

std::string namespec_of(std::string_view sink_key)
{
    return sink_key.size() < 3 ? std::string() : std::string(sink_key.substr(2, sink_key.find(' ') - 2));
}

std::string outbox_key(const std::string& namespec) { return "b:" + namespec; }

void tell(EventPool& pool)
{
    for (const EventPool::Line& line : pool.take_lines()) {
        if (line.format.empty()) log::write_line(line.level, line.text);
        else log::write_limited(line.level, line.format, pool.name(), line.text);
    }
}

}  // namespace

std::string as_text(std::string_view data)
{
    return text::is_utf8(data) ? std::string(data) : "Undecodable: " + text::bytes_repr(data);
}

std::string state_payload(const Service& service, SupervisorState before)
{
    const SupervisorState now = service.supervisor_state();
    std::string payload = fmt::format("processname:{} groupname:{} from_state:{}", service.spec().name, service.spec().group, supervisor_name(before));
    switch (now) {
        case SupervisorState::Starting:
        case SupervisorState::Backoff: return payload + fmt::format(" tries:{}", failures_of(service.state()));
        case SupervisorState::Stopped:
            return payload + fmt::format(" pid:{}", before == SupervisorState::Stopping ? pid_of(service) : 0);
        case SupervisorState::Running:
        case SupervisorState::Stopping: return payload + fmt::format(" pid:{}", live_pid(service.state()).value_or(0));
        case SupervisorState::Exited: {
            const auto* ended = std::get_if<Ended>(&service.state());
            const bool expected = ended != nullptr && is_expected(make_policy(service.spec()), ended->status);
            return payload + fmt::format(" expected:{} pid:{}", expected ? 1 : 0, pid_of(service));
        }
        case SupervisorState::Fatal:
        case SupervisorState::Unknown: break;
    }
    return payload;
}

const EventPool* Events::pool(std::string_view name) const
{
    const auto found = pools_.find(name);
    return found == pools_.end() ? nullptr : &found->second.queue;
}

bool Events::is_working(std::string_view name)
{
    const auto found = pools_.find(name);
    const Group* group = engine_.find_group(name);
    if (found == pools_.end() || group == nullptr) return false;
    const EventPool& queue = found->second.queue;
    return std::any_of(group->services.begin(), group->services.end(), [&](const auto& service) {
        const ListenerState state = queue.state(service->spec().name);
        const bool is_up = service->supervisor_state() == SupervisorState::Running && live_pid(service->state());
        return is_up && can_hear(*service) && state != ListenerState::Unknown && (queue.queued() > 0 || state == ListenerState::Busy || !held_.empty());
    });
}

// ---- what happens -------------------------------------------------------------------------------------------------

void Events::emit(EventType type, std::string payload)
{
    const auto serial = static_cast<std::int64_t>(next_serial_);
    for (auto& [name, pool] : pools_) {
        if ((pool.wanted & config::event_bit(type)) == 0) continue;
        act({"add", name, serial, static_cast<std::int64_t>(type), payload});
        tell(pool.queue);
    }
    if (static_cast<std::int64_t>(next_serial_) != serial) dispatch_soon();
}

void Events::announce(Service& service, SupervisorState before, std::vector<std::string> ended_streams)
{
    const SupervisorState now = service.supervisor_state();
    if (now == before) return;
    const std::string namespec = service.spec().namespec();
    if (ended_streams.empty() && !held_.contains(namespec)) {
        emit(type_of(now), state_payload(service, before));
    } else {
        act({"hold", namespec, static_cast<std::int64_t>(type_of(now)), state_payload(service, before), std::int64_t{pid_of(service)},
             Value::Array(ended_streams.begin(), ended_streams.end())});
        await_streams(namespec);
    }
    act({"state", namespec, static_cast<std::int64_t>(now)});
}

/// Not for ever: the scribe may be away, or held up by a disk.
void Events::await_streams(const std::string& namespec)
{
    event::WatchPtr& timer = held_.find(namespec)->second.timer;
    if (timer != nullptr) return;
    timer = context_.loop.after(kLastOutput, namespec + " last output", [this, namespec] {
        release(std::string(namespec), true);
        commit();
    });
}

void Events::release(const std::string& namespec, bool all)
{
    auto found = held_.find(namespec);
    while (found != held_.end() && (all || found->second.events.front().streams.empty())) {
        HeldEvent first = found->second.events.front();
        act({"free", namespec});
        emit(first.type, std::move(first.payload));
        found = held_.find(namespec);
    }
}

void Events::release_group(const std::string& group)
{
    std::vector<std::string> names;
    for (const auto& [namespec, held] : held_)
        if (namespec == group || namespec.starts_with(group + ":")) names.push_back(namespec);
    for (const std::string& name : names) release(name, true);
}

void Events::on_ended(std::string_view key, const MessageOrigin& origin)
{
    std::string known_as(key);
    if (!known_as.empty()) known_as[0] = key[0] == 'o' ? 'O' : 'E';  // numbers of their own
    if (pools_.empty() || is_known(known_as, origin)) return;
    const std::string namespec = namespec_of(key);
    if (const auto found = held_.find(namespec); found != held_.end()) {
        act({"last", namespec, key});
        found->second.timer.reset();
        release(namespec, false);
        if (held_.contains(namespec)) await_streams(namespec);
    }
    commit();
}

void Events::on_changed(Service& service)
{
    auto ended_streams = service.take_ended_streams();
    if (pools_.empty()) return;
    announce(service, service.announced_before(), std::move(ended_streams));
    follow_listener(service);
    commit();
}

void Events::on_resumed(Service& service)
{
    if (pools_.empty()) return;
    const std::string namespec = service.spec().namespec();
    if (const auto told = announced_.find(namespec); told != announced_.end()) announce(service, static_cast<SupervisorState>(told->second));
    follow_listener(service);
    if (const auto found = pools_.find(service.spec().group); found != pools_.end() && service.spec().listener && live_pid(service.state())) {
        Outbox* box = outbox(namespec);
        if (box != nullptr && found->second.queue.state(service.spec().name) != ListenerState::Busy) box->clear();
        push(namespec);
        dispatch_soon();
    }
    commit();
}

void Events::group_added(const std::string& name)
{
    emit(EventType::ProcessGroupAdded, fmt::format("groupname:{}\n", name));
    commit();
}

void Events::group_removed(const std::string& name)
{
    release_group(name);
    emit(EventType::ProcessGroupRemoved, fmt::format("groupname:{}\n", name));
    commit();
}

void Events::daemon_changed(bool stopping)
{
    emit(stopping ? EventType::SupervisorStateChangeStopping : EventType::SupervisorStateChangeRunning, "");
    commit();
}

void Events::remote(std::string_view type, std::string_view data)
{
    emit(EventType::RemoteCommunication, fmt::format("type:{}\n{}", type, data));
    commit();
}

void Events::on_output(std::string_view key, std::string_view data, bool captured, const MessageOrigin& origin)
{
    if (key.size() < 3 || (key[0] != 'o' && key[0] != 'e')) return;
    if (!pools_.empty() && is_known(key, origin)) return;
    std::optional<std::string> whole;
    if (origin.more || origin.at > 0) {
        whole = join(key, data, origin);
        if (!whole) return commit();
        data = *whole;
    }
    if (Service* service = engine_.find(namespec_of(key))) {
        if (!captured) log_output(service->spec(), key[0] == 'o', data);
        take_output(*service, key, data, captured);
    }
    commit();
}

/// A message that was handled before: by an engine before us, or a scribe before this one had sent it.
bool Events::is_known(std::string_view key, const MessageOrigin& origin)
{
    if (origin.number == 0) return false;
    if (const auto found = seen_.find(key); found != seen_.end() && found->second.life == origin.life && origin.number <= found->second.number)
        return true;
    act({"seen", key, origin.life, static_cast<std::int64_t>(origin.number)});
    return false;
}

/// Each part is written down before the next one leaves the channel. With the last one: the whole text.
std::optional<std::string> Events::join(std::string_view key, std::string_view data, const MessageOrigin& origin)
{
    const auto found = parts_.find(key);
    if (pools_.empty() || (origin.at > 0 && (found == parts_.end() || found->second.size() != origin.at))) return {};
    act({"part", key, static_cast<std::int64_t>(origin.at), data});
    if (origin.more) return {};
    std::string whole = parts_.find(key)->second;
    act({"joined", key});
    return whole;
}

/// Is there still such a stream?
bool Events::is_current(std::string_view key)
{
    Service* service = engine_.find(namespec_of(key));
    return service != nullptr && (key.find(' ') == std::string_view::npos || service->streams().sink_key(key[0]) == key);
}

/// The next process may run already while what the last one wrote is still coming.
pid_t Events::writer_of(const Service& service, std::string_view key) const
{
    if (const auto found = held_.find(service.spec().namespec()); found != held_.end())
        for (const HeldEvent& event : found->second.events)
            if (std::find(event.streams.begin(), event.streams.end(), key) != event.streams.end()) return event.pid;
    return pid_of(service);
}

void Events::take_output(Service& service, std::string_view key, std::string_view data, bool captured)
{
    const bool is_out = key[0] == 'o';
    const config::ServiceSpec& spec = service.spec();
    if (const auto found = pools_.find(spec.group); is_out && spec.listener && found != pools_.end()) {
        const EventPool& queue = found->second.queue;
        if (queue.stream(spec.name) != key || queue.state(spec.name) == ListenerState::Unknown) return;  // a former process's, or nobody listens
        act({"out", spec.group, spec.name, data});
        tell(found->second.queue);
        return dispatch_soon();
    }
    const config::LogSink& sink = is_out ? spec.output->out : spec.output->err;
    const char* channel = is_out ? "stdout" : "stderr";
    const std::string head = fmt::format("processname:{} groupname:{} pid:{}", spec.name, spec.group, writer_of(service, key));
    if (captured) {
        log::debug("'{}' {} emitted a comm event", spec.name, channel);
        emit(is_out ? EventType::ProcessCommunicationStdout : EventType::ProcessCommunicationStderr, head + "\n" + as_text(data));
    } else if (sink.events_enabled) {
        emit(is_out ? EventType::ProcessLogStdout : EventType::ProcessLogStderr, fmt::format("{} channel:{}\n{}", head, channel, as_text(data)));
    }
}

// ---- pools --------------------------------------------------------------------------------------------------------

void Events::fit(const Group& group)
{
    const config::Listener* spec = listener_of(group);
    if (spec == nullptr) return forget(group.name);
    const auto size = static_cast<std::size_t>(spec->buffer_size);
    const auto found = pools_.find(group.name);
    if (found == pools_.end()) act({"pool", EventPool(group.name, size).save()});
    else if (found->second.queue.buffer_size() != size) act({"size", group.name, std::int64_t{spec->buffer_size}});
    Pool& pool = pools_.find(group.name)->second;
    pool.wanted = 0;
    for (const std::string& event : spec->events) pool.wanted |= config::events_of(event);
    commit();
    watch_clock();
}

void Events::fit_all()
{
    std::vector<std::string> gone;
    for (const auto& [name, pool] : pools_)
        if (engine_.find_group(name) == nullptr) gone.push_back(name);
    for (const std::string& name : gone) forget(name);
    for (const auto& group : engine_.groups()) fit(*group);
}

void Events::forget(const std::string& group)
{
    if (!pools_.contains(group)) return;
    std::vector<std::string> boxes;
    for (const auto& [namespec, box] : outboxes_)
        if (namespec == group || namespec.starts_with(group + ":")) boxes.push_back(namespec);
    for (const std::string& namespec : boxes) drop_outbox(namespec);
    act({"gone", group});
    commit();
    watch_clock();
}

/// A new process begins the conversation anew; with the end of one, what it has not acknowledged is somebody else's.
void Events::follow_listener(Service& service)
{
    const config::ServiceSpec& spec = service.spec();
    const auto found = pools_.find(spec.group);
    if (!spec.listener || found == pools_.end()) return;
    const std::string namespec = spec.namespec();
    const std::string stream = live_pid(service.state()) ? service.streams().sink_key('o') : std::string();
    if (found->second.queue.stream(spec.name) != stream) {
        drop_outbox(namespec);
        if (stream.empty()) act({"end", spec.group, spec.name});
        else act({"start", spec.group, spec.name, stream});
        tell(found->second.queue);
    }
    dispatch_soon();
}

// ---- to the listeners ---------------------------------------------------------------------------------------------

void Events::dispatch_soon()
{
    if (std::exchange(dispatch_due_, true)) return;
    context_.loop.soon([this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) dispatch();
    });
}

void Events::dispatch()
{
    dispatch_due_ = false;
    for (auto& [name, pool] : pools_) {
        const Group* group = engine_.find_group(name);
        if (group == nullptr) continue;
        for (const auto& service : group->services) {
            // Not before it is RUNNING: startsecs delays the first event, as Supervisor's listeners know it.
            if (service->supervisor_state() != SupervisorState::Running || !live_pid(service->state())) continue;
            if (pool.queue.can_take(service->spec().name) && can_hear(*service)) send(pool, *service);
        }
    }
}

/// The message is complete in the outbox before it is written down that the listener has it, and that is written down
/// before the listener can see it.
void Events::send(Pool& pool, Service& listener)
{
    const std::string namespec = listener.spec().namespec();
    Outbox* box = outbox(namespec);
    if (box == nullptr || !box->is_empty()) return;
    const std::uint64_t serial = pool.queue.front().serial;
    if (auto put = box->put(event_message(pool.queue.front(), pool.queue.name(), engine_.settings().daemon.identifier)); !put)
        return log::error("{}: {}", namespec, put.error().message);
    act({"take", pool.queue.name(), listener.spec().name});
    commit();
    tell(pool.queue);
    log::debug("event {} sent to listener {}", serial, listener.spec().name);
    push(namespec);
}

void Events::push(const std::string& namespec)
{
    writable_.erase(namespec);
    Service* service = engine_.find(namespec);
    Outbox* box = service != nullptr ? outbox(namespec) : nullptr;
    if (box == nullptr || !service->streams().has_stdin()) return;
    const int pipe = service->streams().stdin_fd();
    auto pushed = box->push(pipe);
    if (!pushed && pushed.error().code == EPIPE) return refused(*service);
    if (!pushed) return log::error("{}: {}", namespec, pushed.error().message);
    if (!*pushed) writable_[namespec] = context_.loop.writable(pipe, namespec + " events", [this, namespec] { push(std::string(namespec)); });
}

void Events::refused(Service& listener)
{
    const config::ServiceSpec& spec = listener.spec();
    if (Outbox* box = outbox(spec.namespec())) box->clear();
    const auto found = pools_.find(spec.group);
    if (found == pools_.end()) return;
    act({"refuse", spec.group, spec.name});
    commit();
    tell(found->second.queue);
    dispatch_soon();
}

Outbox* Events::outbox(const std::string& namespec)
{
    if (const auto found = outboxes_.find(namespec); found != outboxes_.end()) return &found->second;
    if (sys::UniqueFd kept = context_.inherited.take(outbox_key(namespec)))
        return &outboxes_.emplace(namespec, Outbox(std::move(kept))).first->second;
    auto made = Outbox::create();
    if (!made) {
        log::error("{}: {}", namespec, made.error().message);
        return nullptr;
    }
    context_.keeper.hold(outbox_key(namespec), net::Held::Other, made->fd());
    return &outboxes_.emplace(namespec, std::move(*made)).first->second;
}

void Events::drop_outbox(const std::string& namespec)
{
    writable_.erase(namespec);
    outboxes_.erase(namespec);
    context_.inherited.take(outbox_key(namespec));
    context_.keeper.drop(outbox_key(namespec));
}

// ---- the clock ----------------------------------------------------------------------------------------------------

/// Runs only while somebody listens.
void Events::watch_clock()
{
    const config::EventSet ticks = config::events_of("TICK");
    const bool wanted = std::any_of(pools_.begin(), pools_.end(), [&](const auto& entry) { return (entry.second.wanted & ticks) != 0; });
    if (!wanted) {
        clock_.reset();
        ticks_ = {};
    } else if (clock_ == nullptr) {
        tick();
    }
}

void Events::tick()
{
    const std::int64_t now = wall_seconds();
    const Ticks::Starts before = ticks_.starts();
    for (const auto& [type, when] : ticks_.advance(now)) emit(type, fmt::format("when:{}", when));
    if (const Ticks::Starts& starts = ticks_.starts(); starts != before) act({"tick", starts[0], starts[1], starts[2]});
    commit();
    clock_ = context_.loop.after(std::chrono::seconds(5 - now % 5), "ticks", [this] { tick(); });
}

}  // namespace xsv::engine
