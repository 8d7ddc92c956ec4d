#include "engine/event_pool.h"

#include "base/text.h"

namespace xsv::engine {
namespace {

using wire::Value;

constexpr std::string_view kOverflowed = "pool {} event buffer overflowed, discarding event {}";
constexpr std::string_view kRejected = "{}: event was rejected";
constexpr std::string_view kReady = "READY\n";
constexpr std::size_t kResultWord = 7;         // "RESULT ": only its length is looked at
constexpr std::size_t kLongestLine = 4096;     // of a result line, without its end
constexpr std::int64_t kLongestResult = 1 << 20;

/// As Python's int(): blanks around, a sign.
std::optional<std::size_t> result_length(std::string_view text)
{
    text = text::trim(text);
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto number = text::to_int(text);
    if (!number || *number < 0 || *number > kLongestResult) return std::nullopt;
    return static_cast<std::size_t>(*number);
}

Value save_event(const PoolEvent& event)
{
    return Value::Array{static_cast<std::int64_t>(event.serial), static_cast<std::int64_t>(event.pool_serial),
                        static_cast<std::int64_t>(event.type), event.payload};
}

std::optional<PoolEvent> load_event(const Value& saved)
{
    const auto* items = saved.array();
    if (items == nullptr || items->size() != 4) return std::nullopt;
    const auto *serial = (*items)[0].integer(), *pool_serial = (*items)[1].integer(), *type = (*items)[2].integer();
    const auto* payload = (*items)[3].string();
    if (serial == nullptr || pool_serial == nullptr || type == nullptr || payload == nullptr) return std::nullopt;
    if (*serial < 0 || *pool_serial < 0 || *type < 0 || *type >= static_cast<std::int64_t>(config::kEventNames.size())) return std::nullopt;
    return PoolEvent{static_cast<std::uint64_t>(*serial), static_cast<std::uint64_t>(*pool_serial),
                     static_cast<config::EventType>(*type), *payload};
}

}  // namespace

std::string_view listener_state_name(ListenerState state)
{
    static constexpr std::string_view kNames[] = {"ACKNOWLEDGED", "READY", "BUSY", "UNKNOWN"};
    return kNames[static_cast<std::size_t>(state)];
}

// ---- the queue ----------------------------------------------------------------------------------------------------

void EventPool::add(std::uint64_t serial, config::EventType type, std::string payload)
{
    make_room(payload.size());
    queued_bytes_ += payload.size();
    queue_.push_back({serial, next_serial_++, type, std::move(payload)});
}

void EventPool::make_room(std::size_t bytes)
{
    while (!queue_.empty() && (queue_.size() >= buffer_size_ || queued_bytes_ + bytes > kMostBytes)) {
        lines_.push_back({log::Level::error, fmt::format(kOverflowed, name_, queue_.front().serial), kOverflowed});
        ++discarded_;
        queued_bytes_ -= queue_.front().payload.size();
        queue_.pop_front();
    }
}

void EventPool::give_back(Listener& listener)
{
    if (!listener.event) return;
    lines_.push_back({log::Level::debug, fmt::format("rebuffering event {} for pool {} (buf size={}, max={})", listener.event->serial, name_,
                                                     queue_.size(), buffer_size_)});
    make_room(listener.event->payload.size());
    queued_bytes_ += listener.event->payload.size();
    queue_.push_front(*std::exchange(listener.event, std::nullopt));
}

void EventPool::take(const std::string& name)
{
    if (!can_take(name)) return;
    Listener& listener = listeners_[name];
    queued_bytes_ -= queue_.front().payload.size();
    listener.event = std::move(queue_.front());
    queue_.pop_front();
    enter(name, listener, ListenerState::Busy);
}

// ---- the conversation ---------------------------------------------------------------------------------------------

void EventPool::start(const std::string& name, const std::string& stream)
{
    end(name);
    Listener& listener = listeners_[name];
    listener = {};
    listener.stream = stream;
}

void EventPool::end(const std::string& name)
{
    const auto found = listeners_.find(name);
    if (found == listeners_.end()) return;
    give_back(found->second);
    listeners_.erase(found);
}

void EventPool::refuse(const std::string& name)
{
    const auto found = listeners_.find(name);
    if (found == listeners_.end() || !found->second.event) return;
    lines_.push_back({log::Level::debug, fmt::format("epipe occurred while sending event {} to listener {}, listener state unchanged",
                                                     found->second.event->serial, name)});
    give_back(found->second);
    found->second.expected.reset();
    found->second.state = ListenerState::Ready;
    while (read_some(name, found->second)) {}
}

ListenerState EventPool::state(const std::string& name) const
{
    const auto found = listeners_.find(name);
    return found == listeners_.end() ? ListenerState::Acknowledged : found->second.state;
}

std::string EventPool::stream(const std::string& name) const
{
    const auto found = listeners_.find(name);
    return found == listeners_.end() ? std::string() : found->second.stream;
}

void EventPool::enter(const std::string& name, Listener& listener, ListenerState state)
{
    lines_.push_back({log::Level::debug, fmt::format("{}: {} -> {}", name, listener_state_name(listener.state), listener_state_name(state))});
    listener.state = state;
    if (state != ListenerState::Unknown) return;
    listener.unread.clear();
    listener.expected.reset();
    lines_.push_back({log::Level::warn, fmt::format("{}: has entered the UNKNOWN state and will no longer receive events, this usually "
                                                    "indicates the process violated the eventlistener protocol", name)});
    give_back(listener);
}

void EventPool::output(const std::string& name, std::string_view bytes)
{
    const auto found = listeners_.find(name);
    if (found == listeners_.end() || found->second.state == ListenerState::Unknown) return;
    found->second.unread += bytes;
    while (read_some(name, found->second)) {}
}

/// One step; false: it takes more output to go on.
bool EventPool::read_some(const std::string& name, Listener& listener)
{
    switch (listener.state) {
        case ListenerState::Acknowledged:
            if (listener.unread.size() < kReady.size()) return false;
            if (!listener.unread.starts_with(kReady)) {
                enter(name, listener, ListenerState::Unknown);
                return false;
            }
            listener.unread.erase(0, kReady.size());
            enter(name, listener, ListenerState::Ready);
            return true;
        case ListenerState::Ready:
            if (!listener.unread.empty()) enter(name, listener, ListenerState::Unknown);
            return false;
        case ListenerState::Busy: return listener.expected ? read_result(name, listener) : read_result_line(name, listener);
        case ListenerState::Unknown: break;
    }
    return false;
}

bool EventPool::read_result_line(const std::string& name, Listener& listener)
{
    const auto end = listener.unread.find('\n');
    if (end == std::string::npos && listener.unread.size() <= kLongestLine) return false;
    const std::string line = listener.unread.substr(0, std::min(end, kLongestLine));
    if (end != std::string::npos && line.size() >= kResultWord) listener.expected = result_length(std::string_view(line).substr(kResultWord));
    if (!listener.expected) {
        const std::string shown = text::is_utf8(line) ? line : "Undecodable: " + text::bytes_repr(line);
        lines_.push_back({log::Level::warn, fmt::format("{}: bad result line: '{}'", name, shown)});
        enter(name, listener, ListenerState::Unknown);
        return false;
    }
    listener.unread.erase(0, end + 1);
    return true;
}

bool EventPool::read_result(const std::string& name, Listener& listener)
{
    if (listener.unread.size() < *listener.expected) return false;
    const bool is_ok = std::string_view(listener.unread).substr(0, *listener.expected) == "OK";
    listener.unread.erase(0, *listener.expected);
    listener.expected.reset();
    if (is_ok) {
        lines_.push_back({log::Level::debug, name + ": event was processed"});
        listener.event.reset();
    } else {
        lines_.push_back({log::Level::warn, fmt::format(kRejected, name), kRejected});
        give_back(listener);
    }
    enter(name, listener, ListenerState::Acknowledged);
    return true;
}

// ---- keeping it ---------------------------------------------------------------------------------------------------

Value EventPool::save() const
{
    Value::Array listeners;
    for (const auto& [name, listener] : listeners_)
        listeners.emplace_back(Value::Array{name, static_cast<std::int64_t>(listener.state), listener.stream, listener.unread,
                                            listener.expected ? static_cast<std::int64_t>(*listener.expected) : std::int64_t{-1},
                                            listener.event ? save_event(*listener.event) : Value()});
    return Value::Struct{{"name", name_},
                         {"buffer_size", static_cast<std::int64_t>(buffer_size_)},
                         {"next_serial", static_cast<std::int64_t>(next_serial_)},
                         {"discarded", static_cast<std::int64_t>(discarded_)},
                         {"listeners", std::move(listeners)}};
}

Value EventPool::save_queue(std::size_t from, std::size_t most) const
{
    Value::Array piece;
    for (std::size_t i = from; i < queue_.size() && piece.size() < most; ++i) piece.push_back(save_event(queue_[i]));
    return piece;
}

bool EventPool::load_queue(const Value& saved)
{
    if (saved.array() == nullptr) return false;
    for (const Value& item : *saved.array()) {
        auto event = load_event(item);
        if (!event || event->pool_serial >= next_serial_) return false;
        queued_bytes_ += event->payload.size();
        queue_.push_back(std::move(*event));
    }
    return true;
}

Result<EventPool> EventPool::load(const Value& saved)
{
    const auto damaged = [] { return fail("a pool of event listeners is damaged"); };
    const auto* listeners = saved.find("listeners");
    const std::int64_t size = saved.number("buffer_size", -1), next = saved.number("next_serial", -1), discarded = saved.number("discarded", -1);
    if (listeners == nullptr || listeners->array() == nullptr || size < 1 || next < 0 || discarded < 0 || saved.text("name").empty())
        return damaged();
    EventPool pool(saved.text("name"), static_cast<std::size_t>(size));
    pool.next_serial_ = static_cast<std::uint64_t>(next);
    pool.discarded_ = static_cast<std::uint64_t>(discarded);
    for (const Value& item : *listeners->array()) {
        const auto* parts = item.array();
        if (parts == nullptr || parts->size() != 6) return damaged();
        const auto *name = (*parts)[0].string(), *stream = (*parts)[2].string(), *unread = (*parts)[3].string();
        const auto *state = (*parts)[1].integer(), *expected = (*parts)[4].integer();
        if (name == nullptr || stream == nullptr || unread == nullptr || state == nullptr || expected == nullptr || *state < 0 || *state > 3 ||
            *expected < -1 || *expected > kLongestResult)
            return damaged();
        Listener& listener = pool.listeners_[*name];
        listener.state = static_cast<ListenerState>(*state);
        listener.stream = *stream;
        listener.unread = *unread;
        if (*expected >= 0) listener.expected = static_cast<std::size_t>(*expected);
        listener.event = load_event((*parts)[5]);
        if (listener.event.has_value() != (listener.state == ListenerState::Busy)) return damaged();
    }
    return pool;
}

std::string event_message(const PoolEvent& event, std::string_view pool, std::string_view identifier)
{
    return fmt::format("ver:3.0 server:{} serial:{} pool:{} poolserial:{} eventname:{} len:{}\n{}", identifier, event.serial, pool,
                       event.pool_serial, config::event_name(event.type), event.payload.size(), event.payload);
}

}  // namespace xsv::engine
