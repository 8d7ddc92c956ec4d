#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/context.h"
#include "engine/event_pool.h"
#include "engine/event_store.h"
#include "engine/message_origin.h"
#include "engine/lifecycle.h"
#include "engine/ticks.h"
#include "event/loop.h"

namespace xsv::engine {

class Engine;
class Service;
struct Group;

/// Supervisor's events: what happens becomes an event, every pool of listeners that wants it queues it once, and whoever
/// is ready gets the next. Queues, serial numbers and where each listener stands outlive the engine: nothing that was
/// queued is lost, and nobody is sent an event in the middle of another.
class Events {
public:
    static constexpr const char* kStoreKey = "events";   ///< under which the guardian keeps the queues

    Events(Context& context, Engine& engine) : context_(context), engine_(engine) {}

    /// What a former engine left; before any service is recovered.
    void recover();
    /// The group's pool as its specification wants it now: it comes, changes or goes.
    void fit(const Group& group);
    void fit_all();
    void forget(const std::string& group);
    void group_added(const std::string& name);
    void group_removed(const std::string& name);
    void daemon_changed(bool stopping);
    /// A state was entered; the service tells which one it was before.
    void on_changed(Service& service);
    /// The state a former engine left; announced now if that one did not come to it.
    void on_resumed(Service& service);
    /// What the scribe has read: output a listener has subscribed to or its answers; `captured`: between the tokens. At level
    /// debug any output, for the log.
    /// What comes a second time from one origin, because engine or scribe was killed, is known already.
    void on_output(std::string_view sink_key, std::string_view data, bool captured, const MessageOrigin& origin = {});
    /// That was all of one process: now its end is told, as Supervisor reads a program's pipes before it announces the end.
    void on_ended(std::string_view sink_key, const MessageOrigin& origin = {});
    void remote(std::string_view type, std::string_view data);

    /// Is there something its listeners would still do if they were given the time?
    bool is_working(std::string_view name);
    const EventPool* pool(std::string_view name) const;   ///< of that group; nullptr: it is none of listeners

private:
    struct Pool {
        EventPool queue;
        config::EventSet wanted = 0;
    };
    /// A state that is told once what the process wrote before has been, and those that came after it.
    struct HeldEvent {
        config::EventType type{};
        std::string payload;
        pid_t pid = 0;
        std::vector<std::string> streams;   ///< whose last output has not been told
    };
    struct Held {
        std::deque<HeldEvent> events;       ///< never empty
        event::WatchPtr timer;
    };
    void emit(config::EventType type, std::string payload);
    void announce(Service& service, SupervisorState before, std::vector<std::string> ended_streams = {});
    void await_streams(const std::string& namespec);
    void release(const std::string& namespec, bool all);
    void release_group(const std::string& group);
    pid_t writer_of(const Service& service, std::string_view key) const;
    bool is_known(std::string_view key, const MessageOrigin& origin);
    std::optional<std::string> join(std::string_view key, std::string_view data, const MessageOrigin& origin);
    bool is_current(std::string_view key);
    bool apply_to_sink(const std::string& word, const wire::Value::Array& record);
    void follow_listener(Service& service);
    void take_output(Service& service, std::string_view key, std::string_view data, bool captured);
    void act(wire::Value::Array record);
    bool apply(const wire::Value& record);
    bool apply_to_held(const std::string& word, const wire::Value::Array& record);
    bool apply_to_pool(const std::string& word, const wire::Value::Array& record);
    void commit();
    void compact();
    void try_later(const Error& error);
    void dispatch_soon();
    void dispatch();
    void send(Pool& pool, Service& listener);
    void push(const std::string& namespec);
    void refused(Service& listener);
    Outbox* outbox(const std::string& namespec);
    void drop_outbox(const std::string& namespec);
    void watch_clock();
    void tick();

    Context& context_;
    Engine& engine_;
    std::map<std::string, Pool, std::less<>> pools_;
    std::uint64_t next_serial_ = 0;
    struct Seen {
        std::int64_t life = 0;
        std::uint64_t number = 0;
    };
    std::map<std::string, Seen, std::less<>> seen_;          ///< by sink: the last message of the scribe that was handled
    std::map<std::string, std::string, std::less<>> parts_;  ///< by sink: of a captured text that is not whole yet
    std::map<std::string, std::int64_t> announced_;   ///< by namespec: the state that was told last
    std::map<std::string, Held, std::less<>> held_;   ///< by namespec
    Ticks ticks_;
    std::optional<EventStore> store_;
    std::size_t compact_at_ = 0;
    bool dispatch_due_ = false;
    Time store_retry_{};                              ///< no store before: there was no memory for one
    std::map<std::string, Outbox> outboxes_;          ///< by namespec of a listener that lives
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    event::WatchPtr clock_;
    std::map<std::string, event::WatchPtr> writable_;
};

/// "processname:x groupname:x from_state:RUNNING expected:0 pid:7"
std::string state_payload(const Service& service, SupervisorState before);
/// The data itself, or what Python prints of bytes that are no text.
std::string as_text(std::string_view data);

}  // namespace xsv::engine
