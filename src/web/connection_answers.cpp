#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fmt/format.h>

#include "base/time.h"
#include "web/connection.h"

namespace xsv::web {

namespace {

/// On every answer (rule H6); browsers keep, frame, sniff and share nothing.
constexpr std::string_view kBrowserRules =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "
    "'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

void append(evbuffer* buffer, std::string_view text)
{
    ::evbuffer_add(buffer, text.data(), text.size());
}

}  // namespace

void Reply::send(Answer answer) const
{
    if (const auto connection = this->connection()) connection->send(std::move(answer));
}

void Reply::send_later(Duration delay, Answer answer) const
{
    const auto connection = this->connection();
    if (!connection) return;
    connection->phase_ = Connection::Phase::Delayed;
    connection->later_ = std::move(answer);
    connection->arm(delay);
}

void Reply::drop() const
{
    if (const auto connection = this->connection()) connection->close();
}

std::shared_ptr<Connection> Reply::connection() const
{
    auto connection = connection_.lock();
    return connection && connection->is_answering(serial_) ? connection : nullptr;
}

void Connection::send(Answer answer)
{
    if (phase_ == Phase::Closed) return;
    phase_ = Phase::Sending;
    later_.reset();
    if (!reserve(answer.body.size())) {
        answer = error_answer(503, "too many answers at once");
        answer.close = true;
    }
    if (answer.close || serial_ >= settings_.max_requests) keep_alive_ = false;
    const std::size_t before = queued();
    write_head(answer);
    if (!head_only_) write_body(std::move(answer.body));
    owner_.on_answer(*this, answer.status, queued() - before);
    arm(settings_.answer_time * static_cast<std::int64_t>(::evbuffer_get_length(output()) / (1 << 20) + 1));
}

void Connection::write_head(const Answer& answer)
{
    std::string head = fmt::format("HTTP/1.{} {} {}\r\nServer: xsvd\r\nDate: {}\r\n", version_ == 11 ? 1 : 0,
                                   answer.status, reason(answer.status), http_date(wall_seconds()));
    // Like Supervisor, an end that the client asked for is not announced; one of our own is.
    if (answer.close || (serial_ >= settings_.max_requests && version_ == 11)) head += "Connection: close\r\n";
    const std::string length = fmt::format("Content-Length: {}\r\n", answer.body.size());
    const std::string type = fmt::format("Content-Type: {}\r\n", answer.content_type);
    // In Supervisor's order.
    if (answer.status == 204 || answer.status == 304)
        head += answer.headers;
    else
        head += answer.status < 300 ? type + answer.headers + length : answer.headers + length + type;
    if (keep_alive_ && version_ == 10) head += "Connection: Keep-Alive\r\n";
    head += kBrowserRules;
    head += "\r\n";
    append(output(), head);
}

void Connection::write_body(std::string body)
{
    if (body.empty()) return;
    auto owned = std::make_unique<std::string>(std::move(body));
    const auto forget = [](const void*, std::size_t, void* text) { delete static_cast<std::string*>(text); };
    if (::evbuffer_add_reference(output(), owned->data(), owned->size(), forget, owned.get()) == 0) owned.release();
}

void Connection::begin_stream(std::string_view content_type, std::time_t modified, std::string_view headers,
                              std::unique_ptr<StreamSource> source)
{
    chunked_ = version_ == 11;
    keep_alive_ = false;
    release();
    const std::string_view coding = chunked_ ? "Transfer-Encoding: chunked\r\n" : "";
    append(output(),
           fmt::format(
               "HTTP/1.{} 200 OK\r\nServer: xsvd\r\nDate: {}\r\nLast-Modified: {}\r\nContent-Type: {}\r\n{}{}{}\r\n",
               chunked_ ? 1 : 0, http_date(wall_seconds()), http_date(modified), content_type, headers, coding,
               kBrowserRules));
    phase_ = Phase::Streaming;
    deadline_.reset();
    source_ = std::move(source);
    if (half_closed_) return close();  // a follower that cannot be seen leaving would stay for ever
    on_readable();
    source_->start(*this);
}

void Connection::stream(std::string_view bytes)
{
    if (phase_ != Phase::Streaming || bytes.empty()) return;
    if (chunked_) append(output(), fmt::format("{:x}\r\n", bytes.size()));
    append(output(), bytes);
    if (chunked_) append(output(), "\r\n");
    if (!deadline_) arm(settings_.follower_time);
}

std::size_t Connection::queued() const
{
    return ::evbuffer_get_length(output());
}

void Connection::end_stream()
{
    if (phase_ != Phase::Streaming) return;
    if (chunked_) append(output(), "0\r\n\r\n");
    source_.reset();
    phase_ = Phase::Sending;
    arm(settings_.answer_time);
    if (!chunked_ && queued() == 0) linger();
}

}  // namespace xsv::web
