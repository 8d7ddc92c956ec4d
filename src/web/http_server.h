#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "web/connection.h"

namespace xsv::web {

/// Every client of every server: who may come in (rule H4), and memory for all of them together.
///
/// Callers beyond the caps wait in the kernel's queue or are told to come again; the oldest idle connection makes room.
class HttpServer final : private Connection::Owner {
public:
    using OnRequest = std::function<void(Connection& connection, Request request, Reply reply)>;
    using OnAnswer = std::function<void(const Connection& connection, int status, std::size_t bytes)>;
    /// Clients of unix servers, before their first byte is read and after their last.
    struct Callers {
        std::function<void(const Connection& connection)> on_arrival, on_end;
    };

    HttpServer(event::Loop& loop, const Settings& settings, OnRequest on_request, OnAnswer on_answer, Callers callers);
    ~HttpServer() override;

    /// From now on these and no others. A server at the same address as before keeps its connections and gets the new
    /// settings; connections of the others end.
    void serve(std::vector<std::shared_ptr<Server>> wanted);
    /// No new callers; answers under way are finished. `done` is called when the last client has gone.
    void finish(std::function<void()> done);

    /// A new engine knows none of the callers who are there.
    void show_callers() const;
    void turn_away(std::int64_t number);

    std::size_t connections() const { return connections_.size(); }
    std::size_t delayed() const { return count(&Connection::is_delayed); }
    std::size_t streams() const { return count(&Connection::is_streaming); }

private:
    using Question = std::function<bool(const Connection&)>;
    void on_request(Connection& connection, Request request, Reply reply) override;
    void on_closed(Connection& connection) override;
    bool reserve(std::size_t bytes) override;
    void release(std::size_t bytes) override { memory_ -= bytes; }
    void on_answer(const Connection& connection, int status, std::size_t bytes) override
    {
        on_answer_(connection, status, bytes);
    }
    bool is_full() const override { return connections_.size() >= settings_.max_connections; }

    void watch_all();
    void pause(Duration time);
    void accept(const std::shared_ptr<Server>& server);
    bool accept_one(const std::shared_ptr<Server>& server);
    bool make_room(const Server& server, const Peer& peer);
    void admit(sys::UniqueFd socket, const std::shared_ptr<Server>& server);
    std::shared_ptr<Connection> oldest_idle(const Question& is_meant) const;
    bool close_oldest_idle(const Question& is_meant);
    std::size_t count(bool (Connection::*question)() const) const;

    event::Loop& loop_;
    const Settings& settings_;
    OnRequest on_request_;
    OnAnswer on_answer_;
    Callers callers_;
    std::int64_t last_number_ = 0;
    std::vector<std::shared_ptr<Server>> servers_;
    std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
    std::map<std::string, std::size_t> per_source_;
    std::size_t memory_ = 0;
    std::function<void()> done_;
    bool is_finishing_ = false;
    event::WatchPtr pause_;
    std::vector<event::WatchPtr> watches_;  // after servers_, whose sockets they watch
};

}  // namespace xsv::web
