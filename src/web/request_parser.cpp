#include "web/request_parser.h"

#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/text.h"

namespace xsv::web {

namespace http = boost::beast::http;

struct RequestParser::Parser : http::request_parser<http::string_body> {};

namespace {

/// In a request line: the longest method, two blanks, the protocol.
constexpr std::size_t kAroundTarget = 32;

using Fields = http::request<http::string_body>;

bool is_visible_ascii(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

bool is_digits(std::string_view text)
{
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool has_bare_line_feed(std::string_view text)
{
    for (std::size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1))
        if (at == 0 || text[at - 1] != '\r') return true;
    return false;
}

std::string_view view(boost::beast::string_view text)
{
    return {text.data(), text.size()};
}

std::optional<std::string> field(const Fields& fields, std::string_view name)
{
    const auto found = fields.find(name);
    if (found == fields.end()) return std::nullopt;
    return std::string(view(found->value()));
}

}  // namespace

RequestParser::RequestParser(const Settings& settings) : settings_(settings), parser_(std::make_unique<Parser>())
{
    parser_->eager(
        false);  // stop behind the head: a chunked body fed in pieces would reach an assertion in the library
    parser_->header_limit(static_cast<std::uint32_t>(settings.max_header));
    parser_->body_limit(settings.max_body);
}

RequestParser::~RequestParser() = default;

std::size_t RequestParser::feed(std::string_view bytes)
{
    const std::size_t size = bytes.size();
    if (stage_ == Stage::Idle) {
        while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
        if (bytes.empty() || bytes == "\r") return size - bytes.size();
        stage_ = Stage::Head;
    }
    if (stage_ == Stage::Head) bytes.remove_prefix(feed_head(bytes));
    if (stage_ == Stage::Body) bytes.remove_prefix(feed_body(bytes));
    return size - bytes.size();
}

/// The library takes whole lines of the header as they come, each with its continuations.
std::size_t RequestParser::feed_head(std::string_view bytes)
{
    boost::system::error_code error;
    const std::size_t used = parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    const std::string_view lines = bytes.substr(0, used), rest = bytes.substr(used);
    const bool is_request_line = head_size_ == 0 && used == 0;
    head_size_ += used;
    const bool is_done = parser_->is_header_done();
    const std::size_t size = head_size_ + (is_done ? 0 : rest.size());
    if (is_request_line && size > settings_.max_target + kAroundTarget && rest.find("\r\n") == rest.npos)
        refuse(414, "the request line is too long");
    else if (error == http::error::header_limit || size > settings_.max_header)
        refuse(431, "the header is too large");
    else if (error == http::error::body_limit)
        refuse(413, fmt::format("the body may have {} bytes at most", settings_.max_body));
    else if (error && error != http::error::need_more)
        refuse(400, "the request does not follow the grammar of HTTP");
    else if (lines.find("\r\n ") != lines.npos || lines.find("\r\n\t") != lines.npos)
        refuse(400, "folded header lines are not accepted");
    else if (!is_done && has_bare_line_feed(rest))
        refuse(400, "lines must end with CR and LF");
    else if (is_done)
        check_head();
    return used;
}

std::size_t RequestParser::feed_body(std::string_view bytes)
{
    std::size_t used = 0;
    if (!parser_->is_done() && !bytes.empty()) {
        boost::system::error_code error;
        used = parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
        if (error && error != http::error::need_more) refuse(400, "the body could not be read");
    }
    if (stage_ == Stage::Body && parser_->is_done()) {
        request_.body = std::move(parser_->get().body());
        stage_ = Stage::Done;
    }
    return used;
}

void RequestParser::check_head()
{
    const Fields& fields = parser_->get();
    const std::string_view target = view(fields.target());
    request_.version = static_cast<int>(fields.version());
    request_.method = view(fields.method_string());
    request_.target = target;
    if (target.size() > settings_.max_target) return refuse(414, "the address is too long");
    const auto count = static_cast<std::size_t>(std::distance(fields.begin(), fields.end()));
    if (count > settings_.max_fields) return refuse(431, "the header has too many lines");
    for (const char* name : {"Host", "Content-Length", "Authorization", "Origin", "Content-Type", "Sec-Fetch-Site"})
        if (fields.count(name) > 1) return refuse(400, fmt::format("{} stands in the header twice", name));
    if (request_.version == 11 && fields.count("Host") == 0) return refuse(400, "HTTP/1.1 needs a Host line");
    if (fields.count("Transfer-Encoding") > 0) return refuse(411, "send Content-Length instead of Transfer-Encoding");
    const auto length = field(fields, "Content-Length");
    if (length && !is_digits(*length)) return refuse(400, "Content-Length must be a number");
    if (request_.method != "GET" && request_.method != "HEAD" && request_.method != "POST")
        return refuse(400, "the method must be GET, HEAD or POST");
    if (request_.method == "POST" && !length) return refuse(411, {});
    auto path = is_visible_ascii(target) ? decode_path(target) : fail("the address has bytes that are not accepted");
    if (!path) return refuse(400, std::move(path).error().message);

    request_.path = *std::move(path);
    request_.host = field(fields, "Host");
    request_.authorization = field(fields, "Authorization");
    request_.origin = field(fields, "Origin");
    request_.fetch_site = field(fields, "Sec-Fetch-Site");
    request_.content_type = field(fields, "Content-Type");
    request_.if_modified_since = field(fields, "If-Modified-Since");
    request_.keep_alive = fields.keep_alive();
    content_length_ = length ? static_cast<std::size_t>(text::to_int(*length).value_or(0)) : 0;
    expects_continue_ = request_.version == 11 && text::iequals(field(fields, "Expect").value_or(""), "100-continue");
    parser_->eager(true);
    stage_ = Stage::Body;
}

void RequestParser::refuse(int status, std::string text)
{
    stage_ = Stage::Refused;
    refusal_ = status;
    refusal_text_ = std::move(text);
}

Request RequestParser::take_request()
{
    return std::move(request_);
}

}  // namespace xsv::web
