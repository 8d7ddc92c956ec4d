#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.h"
#include "event/channel.h"
#include "web/server.h"
#include "wire/value.h"

namespace xsv::web {

/// Who makes a call, for the engine's audit.
struct Caller {
    std::int64_t server = 0;
    std::string user;
    std::string peer;
    std::string_view protocol = {};  ///< "XML-RPC", "JSON-RPC": the log tells of the call; empty: a page's own, which is silent
    std::optional<std::int64_t> connection{};  ///< of a unix server: by which the engine knows whose it is
};

/// The engine at the other end of the channel: it answers calls, names the servers, and may be replaced by a new one.
class EngineLink {
public:
    struct Lost {};  ///< another engine is there now, which never heard of the call
    /// The encoded result, which lives as long as the call of OnOutcome; or a fault.
    using Outcome = std::variant<Lost, std::string_view, wire::Fault>;
    using OnOutcome = std::function<void(const Outcome& outcome)>;
    /// Status 200 with a pipe to read and the time of the file, another HTTP status, or 0 when the engine was lost.
    using OnFollow = std::function<void(int status, sys::UniqueFd pipe, std::int64_t modified)>;

    struct Events {
        std::function<void(std::vector<std::shared_ptr<Server>>)> on_servers;  ///< all of them
        std::function<void()> on_shutdown;
        std::function<void()> on_closed;
        std::function<void()> on_hello;                          ///< a new engine, which knows none of our clients
        std::function<void(std::int64_t connection)> on_unwanted;  ///< its client may do nothing here
        std::function<void()> on_tls_needed;                     ///< by a server, and this process has not loaded it
    };

    static constexpr std::size_t kMaxPending = 4096;

    EngineLink(event::Loop& loop, sys::UniqueFd channel, Events events);

    /// False: the engine is too far behind, and the call was not taken.
    bool call(std::string_view method, const wire::Value::Array& params, const Caller& caller, OnOutcome on_outcome);
    bool follow(std::string_view path, const Caller& caller, OnFollow on_follow);
    /// Shows the engine a connection of a unix server, so that it learns from the kernel whose it is.
    void show_caller(std::int64_t connection, int fd);
    void forget_caller(std::int64_t connection);
    void log(log::Level level, std::string_view line);
    /// For the engine's log: an answer has been given; a body was no call.
    void note_answer(std::string_view peer, std::string_view request, int status, std::size_t bytes);
    void note_unreadable(std::string_view body, std::string_view reason);

private:
    using Pending = std::variant<OnOutcome, OnFollow>;

    void on_message(std::string_view message, sys::UniqueFd fd);
    void on_hello(const wire::Value& message);
    void on_server(const wire::Value& message, sys::UniqueFd fd);
    void on_answer(std::string_view type, const wire::Value& message, sys::UniqueFd fd);

    Events events_;
    std::map<std::int64_t, Pending> pending_;
    std::int64_t last_id_ = 0;
    bool takes_traces_ = false;
    std::vector<std::shared_ptr<Server>> named_;  ///< since the last "hello" or "ready"
    event::Channel channel_;
};

}  // namespace xsv::web
