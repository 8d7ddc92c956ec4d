#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "event/channel.h"
#include "event/loop.h"
#include "web/message.h"
#include "web/request_parser.h"
#include "web/server.h"
#include "web/settings.h"

struct bufferevent;
struct evbuffer;

namespace xsv::web {

class Connection;

/// The right to answer one request, for whoever works on it meanwhile. When the client has left, nothing happens.
class Reply {
public:
    Reply(std::weak_ptr<Connection> connection, std::uint64_t serial)
        : connection_(std::move(connection)),
          serial_(serial)
    {
    }

    void send(Answer answer) const;
    /// Sends this after `delay`, unless send() was called before.
    void send_later(Duration delay, Answer answer) const;
    void drop() const;                               ///< closes the connection without an answer
    std::shared_ptr<Connection> connection() const;  ///< null when nobody waits for this answer any more

private:
    std::weak_ptr<Connection> connection_;
    std::uint64_t serial_;
};

/// What an endless answer is made of. The connection owns it and destroys it when the client has left.
class StreamSource {
public:
    virtual ~StreamSource() = default;
    virtual void start(Connection& connection) = 0;
    virtual void on_drained() = 0;  ///< the client has taken everything that was written
};

/// One client: requests one at a time, answers in their order, a total deadline for each step (rule H3).
class Connection : public std::enable_shared_from_this<Connection> {
public:
    class Owner {
    public:
        virtual ~Owner() = default;
        virtual void on_request(Connection& connection, Request request, Reply reply) = 0;
        virtual void on_closed(Connection& connection) = 0;  ///< the owner lets go of it
        virtual bool reserve(std::size_t bytes) = 0;         ///< false: all connections together use too much
        virtual void release(std::size_t bytes) = 0;
        virtual bool is_full() const = 0;  ///< others wait for a place
        virtual void on_answer(const Connection& connection, int status, std::size_t bytes) = 0;  ///< streams have none
    };

    Connection(event::Loop& loop, const Settings& settings, sys::UniqueFd socket, std::shared_ptr<Server> server,
               Peer peer, Owner& owner, std::int64_t number);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start();
    void refuse(int status, std::string_view text);  ///< answers before any request and closes
    void finish();                                   ///< closes at once if idle, else when the answer has gone
    void close();

    std::int64_t number() const { return number_; }  ///< among all of this process
    int fd() const;
    const Server& server() const { return *server_; }
    const Peer& peer() const { return peer_; }
    const std::string& request_line() const { return request_line_; }  ///< as far as it could be read
    /// Nothing is being done for it. One that drips its head byte by byte is no busier than one that says nothing.
    bool is_idle() const { return phase_ == Phase::Idle || phase_ == Phase::Head || phase_ == Phase::Lingering; }
    bool is_local() const { return server_->is_unix; }
    bool is_delayed() const { return phase_ == Phase::Delayed; }
    bool is_streaming() const { return phase_ == Phase::Streaming; }
    Time idle_since() const { return idle_since_; }

    /// Turns the answer to the request at hand into a stream (chunked for HTTP/1.1) that `source` feeds; `headers` are
    /// lines on top of the usual ones.
    void begin_stream(std::string_view content_type, std::time_t modified, std::string_view headers,
                      std::unique_ptr<StreamSource> source);
    void stream(std::string_view bytes);  ///< one chunk; the client gets follower_time to take it
    std::size_t queued() const;           ///< bytes the client has not taken yet
    void end_stream();

private:
    friend class Reply;
    enum class Phase { Idle, Head, Body, Busy, Delayed, Sending, Streaming, Lingering, Closed };

    void on_readable();
    void on_drained();
    void on_end(bool is_error);
    void parse();
    void enter_body();
    void handle();
    void send(Answer answer);
    void write_head(const Answer& answer);
    void write_body(std::string body);
    void await_request();
    void linger();
    bool is_reading() const { return phase_ == Phase::Idle || phase_ == Phase::Head || phase_ == Phase::Body; }
    bool is_answering(std::uint64_t serial) const
    {
        return serial == serial_ && (phase_ == Phase::Busy || phase_ == Phase::Delayed);
    }
    void arm(Duration time);
    void on_deadline();
    bool reserve(std::size_t bytes);
    void release();
    evbuffer* output() const;

    event::Loop& loop_;
    const Settings& settings_;
    std::shared_ptr<Server> server_;
    Peer peer_;
    Owner& owner_;
    std::int64_t number_;
    ::bufferevent* stream_ = nullptr;
    std::optional<RequestParser> parser_;
    std::unique_ptr<StreamSource> source_;
    event::WatchPtr deadline_;
    std::optional<Answer> later_;
    Phase phase_ = Phase::Idle;
    Time idle_since_{};
    std::uint64_t serial_ = 0;  ///< of the request at hand, counted from 1
    std::size_t reserved_ = 0;
    int version_ = 11;
    std::string request_line_;
    bool head_only_ = false, keep_alive_ = false, chunked_ = false;
    bool half_closed_ = false;  ///< the client sends no more, but may wait for its answer
    bool continued_ = false;
};

}  // namespace xsv::web
