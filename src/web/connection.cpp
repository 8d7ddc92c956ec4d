#include "web/connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "base/log.h"
#include "event/native.h"

namespace xsv::web {

namespace {

constexpr std::size_t kReadQueue = 64 << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

::bufferevent* make_stream(event::Loop& loop, int socket, const Server& server)
{
    if (server.tls) return server.tls->accept(event::native_base(loop), socket);
    return ::bufferevent_socket_new(event::native_base(loop), socket, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
}

/// Keeps the connection alive during the call, and exceptions away from libevent's C frames.
template <class Call>
void guarded(void* self, Call call) noexcept
{
    try {
        call(*static_cast<Connection*>(self)->shared_from_this());
    } catch (const std::exception& error) {
        log::error("web connection: {}", error.what());
        static_cast<Connection*>(self)->close();
    }
}

}  // namespace

Connection::Connection(event::Loop& loop, const Settings& settings, sys::UniqueFd socket,
                       std::shared_ptr<Server> server, Peer peer, Owner& owner, std::int64_t number)
    : loop_(loop),
      settings_(settings),
      server_(std::move(server)),
      peer_(std::move(peer)),
      owner_(owner),
      number_(number),
      stream_(make_stream(loop, socket.get(), *server_))
{
    if (stream_ == nullptr) throw std::bad_alloc();
    socket.release();
}

Connection::~Connection()
{
    if (stream_) ::bufferevent_free(stream_);
}

int Connection::fd() const
{
    return ::bufferevent_getfd(stream_);
}

void Connection::start()
{
    ::bufferevent_setcb(
        stream_, [](bufferevent*, void* self) { guarded(self, [](Connection& c) { c.on_readable(); }); },
        [](bufferevent*, void* self) { guarded(self, [](Connection& c) { c.on_drained(); }); },
        [](bufferevent*, short what, void* self) {
            if ((what & BEV_EVENT_CONNECTED) != 0) return;  // the end of TLS's handshake
            guarded(self, [what](Connection& c) { c.on_end((what & BEV_EVENT_EOF) == 0); });
        },
        this);
    ::bufferevent_setwatermark(stream_, EV_READ, 0, kReadQueue);
    await_request();
    ::bufferevent_enable(stream_, EV_READ | EV_WRITE);
}

void Connection::refuse(int status, std::string_view text)
{
    keep_alive_ = false;
    Answer answer = error_answer(status, text);
    answer.close = true;
    send(std::move(answer));
}

void Connection::finish()
{
    keep_alive_ = false;
    if (phase_ == Phase::Streaming)
        end_stream();
    else if (is_reading() || phase_ == Phase::Lingering)
        close();
}

void Connection::close()
{
    if (phase_ == Phase::Closed) return;
    const auto self = shared_from_this();
    phase_ = Phase::Closed;
    deadline_.reset();
    source_.reset();
    release();
    // Not freed here: this may run inside one of its callbacks' callers, who still ask for its buffers.
    ::bufferevent_setcb(stream_, nullptr, nullptr, nullptr, nullptr);
    ::bufferevent_disable(stream_, EV_READ | EV_WRITE);
    // The engine has a duplicate, so closing alone would not end the connection.
    if (server_->is_unix) ::shutdown(fd(), SHUT_RDWR);
    owner_.on_closed(*this);
}

void Connection::on_readable()
{
    if (phase_ == Phase::Streaming || phase_ == Phase::Lingering) {
        // Supervisor's tail client sends a line break behind its request; nothing a client says now matters.
        evbuffer* input = ::bufferevent_get_input(stream_);
        ::evbuffer_drain(input, ::evbuffer_get_length(input));
    } else if (is_reading()) {
        parse();
    }
}

void Connection::on_drained()
{
    if (phase_ == Phase::Closed || ::evbuffer_get_length(output()) > 0) return;
    if (phase_ == Phase::Streaming) {
        deadline_.reset();
        source_->on_drained();
    } else if (phase_ == Phase::Sending) {
        release();
        keep_alive_ && !owner_.is_full() ? await_request() : linger();
        if (is_reading()) parse();
    }
}

void Connection::on_end(bool is_error)
{
    if (phase_ == Phase::Closed) return;
    if (is_error || phase_ == Phase::Streaming || phase_ == Phase::Lingering) return close();
    // Only half closed, perhaps: `nc -N` does it. What was asked for is answered, then the connection closes.
    half_closed_ = true;
    if (is_reading()) parse();
}

void Connection::parse()
{
    evbuffer* input = ::bufferevent_get_input(stream_);
    while (is_reading()) {
        const std::size_t size = ::evbuffer_get_length(input);
        if (size == 0) break;
        const auto* bytes = reinterpret_cast<const char*>(::evbuffer_pullup(input, -1));
        const std::size_t used = parser_->feed({bytes, size});
        ::evbuffer_drain(input, used);
        const auto stage = parser_->stage();
        if (stage == RequestParser::Stage::Refused) {
            version_ = parser_->request().version;
            request_line_ = line_of(parser_->request());
            return refuse(parser_->refusal(), parser_->refusal_text());
        }
        if (stage == RequestParser::Stage::Head && phase_ == Phase::Idle) {
            phase_ = Phase::Head;
            arm(settings_.header_time);
        }
        if (stage == RequestParser::Stage::Body || stage == RequestParser::Stage::Done) enter_body();
        if (stage == RequestParser::Stage::Done && phase_ == Phase::Body) return handle();
        if (used == 0) break;
    }
    if (half_closed_ && is_reading()) close();
}

void Connection::enter_body()
{
    if (phase_ == Phase::Body) return;
    phase_ = Phase::Body;
    if (parser_->stage() == RequestParser::Stage::Body) arm(settings_.body_time);
    if (!reserve(parser_->content_length())) return refuse(503, "too many requests at once");
    if (parser_->stage() == RequestParser::Stage::Body && parser_->expects_continue() && !continued_) {
        continued_ = true;
        ::evbuffer_add(output(), kContinue.data(), kContinue.size());
    }
}

void Connection::handle()
{
    Request request = parser_->take_request();
    phase_ = Phase::Busy;
    deadline_.reset();
    ++serial_;
    version_ = request.version;
    request_line_ = line_of(request);
    head_only_ = request.method == "HEAD";
    keep_alive_ = request.keep_alive;
    owner_.on_request(*this, std::move(request), Reply(weak_from_this(), serial_));
}

void Connection::await_request()
{
    parser_.emplace(settings_);
    request_line_.clear();
    continued_ = false;
    phase_ = Phase::Idle;
    idle_since_ = loop_.now();
    arm(settings_.idle_time);
}

void Connection::linger()
{
    // Closing over bytes that were never read resets the connection, and the client may not see its answer.
    if (server_->is_tls) TlsContext::finish(stream_);
    if (half_closed_) return close();
    ::shutdown(fd(), SHUT_WR);
    phase_ = Phase::Lingering;
    idle_since_ = loop_.now();
    arm(settings_.linger_time);
    on_readable();
}

void Connection::arm(Duration time)
{
    deadline_ = loop_.after(time, "deadline of a web connection", [this] { on_deadline(); });
}

void Connection::on_deadline()
{
    const auto self = shared_from_this();
    if (phase_ == Phase::Delayed) {
        Answer answer = std::move(*later_);
        return send(std::move(answer));
    }
    if (phase_ == Phase::Head || phase_ == Phase::Body) return refuse(408, {});
    close();
}

bool Connection::reserve(std::size_t bytes)
{
    if (!owner_.reserve(bytes)) return false;
    reserved_ += bytes;
    return true;
}

void Connection::release()
{
    if (reserved_ > 0) owner_.release(std::exchange(reserved_, 0));
}

evbuffer* Connection::output() const
{
    return ::bufferevent_get_output(stream_);
}

}  // namespace xsv::web
