#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "config/event_types.h"
#include "wire/value.h"

namespace xsv::engine {

/// An event on its way to one pool of listeners.
struct PoolEvent {
    std::uint64_t serial = 0;        ///< counts all events that any pool has taken
    std::uint64_t pool_serial = 0;   ///< counts this pool's
    config::EventType type{};
    std::string payload;
    bool operator==(const PoolEvent&) const = default;
};

/// Supervisor's protocol: the listener says READY, gets an event, says RESULT.
enum class ListenerState : std::uint8_t { Acknowledged, Ready, Busy, Unknown };
std::string_view listener_state_name(ListenerState state);   ///< "ACKNOWLEDGED"

/// The queue of one [eventlistener:x] and what is known of each of its processes. Pure: events and bytes go in, events
/// come out; the same calls in the same order lead to the same pool, which is how it outlives the engine.
class EventPool {
public:
    static constexpr std::size_t kMostBytes = 16 << 20;   ///< of waiting payloads; beyond, the oldest is discarded

    EventPool(std::string name, std::size_t buffer_size) : name_(std::move(name)), buffer_size_(buffer_size) {}

    const std::string& name() const { return name_; }
    std::size_t buffer_size() const { return buffer_size_; }
    std::size_t queued() const { return queue_.size(); }
    std::uint64_t discarded() const { return discarded_; }
    void resize(std::size_t buffer_size) { buffer_size_ = buffer_size; }

    /// Queues it; the oldest go when there is no room.
    void add(std::uint64_t serial, config::EventType type, std::string payload);
    /// A new process of that name, whose answers come from `stream`.
    void start(const std::string& listener, const std::string& stream);
    /// It has ended: what it had not acknowledged is the next one's.
    void end(const std::string& listener);
    /// It has closed its stdin before all of the event was there, which is the next one's; as with Supervisor it stays READY.
    void refuse(const std::string& listener);
    /// What it wrote, in pieces of any size.
    void output(const std::string& listener, std::string_view bytes);
    bool can_take(const std::string& listener) const { return !queue_.empty() && state(listener) == ListenerState::Ready; }
    const PoolEvent& front() const { return queue_.front(); }
    /// The first one in the queue is its own from now on, until it has said what became of it.
    void take(const std::string& listener);

    ListenerState state(const std::string& listener) const;
    std::string stream(const std::string& listener) const;   ///< empty: no process

    /// Lines for the log since the last call, in Supervisor's words.
    struct Line {
        log::Level level;
        std::string text;
        std::string_view format{};   ///< of one that a bad listener can cause without end; empty: any other
    };
    std::vector<Line> take_lines() { return std::exchange(lines_, {}); }

    /// Without the queue, which may be longer than one value can be: it follows in pieces.
    wire::Value save() const;
    wire::Value save_queue(std::size_t from, std::size_t most) const;
    /// Not to be trusted: whatever does not fit together is an error.
    static Result<EventPool> load(const wire::Value& saved);
    bool load_queue(const wire::Value& saved);   ///< behind what is there

private:
    struct Listener {
        ListenerState state = ListenerState::Acknowledged;
        std::string stream;                    ///< empty: no process
        std::string unread;                    ///< of its output
        std::optional<std::size_t> expected;   ///< bytes of the result whose length it has announced
        std::optional<PoolEvent> event;        ///< sent, not yet acknowledged
    };
    bool read_some(const std::string& name, Listener& listener);
    bool read_result_line(const std::string& name, Listener& listener);
    bool read_result(const std::string& name, Listener& listener);
    void enter(const std::string& name, Listener& listener, ListenerState state);
    void give_back(Listener& listener);
    void make_room(std::size_t bytes);

    std::string name_;
    std::size_t buffer_size_;
    std::deque<PoolEvent> queue_;
    std::size_t queued_bytes_ = 0;
    std::uint64_t next_serial_ = 0, discarded_ = 0;
    std::map<std::string, Listener> listeners_;
    std::vector<Line> lines_;
};

/// What a listener reads: one line, then the payload.
std::string event_message(const PoolEvent& event, std::string_view pool, std::string_view identifier);

}  // namespace xsv::engine
