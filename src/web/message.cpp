#include "web/message.h"

#include <fmt/format.h>

#include "base/text.h"

namespace xsv::web {

namespace {

int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool has_parent_segment(std::string_view path)
{
    for (std::size_t start = 0; start <= path.size();) {
        const std::size_t end = std::min(path.find('/', start), path.size());
        if (path.substr(start, end - start) == "..") return true;
        start = end + 1;
    }
    return false;
}

}  // namespace

int hex_byte(std::string_view text)
{
    if (text.size() < 2) return -1;
    const int high = hex_digit(text[0]), low = hex_digit(text[1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string_view reason(int status)
{
    switch (status) {
        case 200: return "OK";
        case 204: return "No Content";
        case 301: return "Moved Permanently";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 411: return "Length Required";
        case 413: return "Request Entity Too Large";
        case 414: return "Request-URI Too Long";
        case 415: return "Unsupported Media Type";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 503: return "Service Unavailable";
        default: return status < 500 ? "Bad Request" : "Internal Server Error";
    }
}

std::string line_of(const Request& request)
{
    if (request.method.empty()) return {};
    return fmt::format("{} {} HTTP/1.{}", request.method, request.target, request.version - 10);
}

Answer error_answer(int status, std::string_view message)
{
    Answer answer;
    answer.status = status;
    answer.body = fmt::format(
        "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n<h1>Error response</h1>\r\n"
        "<p>Error code {}.\r\n<p>Message: {}.\r\n</body>\r\n",
        status, escape_html(message.empty() ? reason(status) : message));
    return answer;
}

std::string http_date(std::time_t when)
{
    std::tm parts{};
    ::gmtime_r(&when, &parts);
    char text[40];
    return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::optional<std::time_t> parse_http_date(std::string_view text)
{
    const std::string lower = text::lower(text);
    for (const char* form : {"%a, %d %b %Y %H:%M:%S gmt", "%a, %d-%b-%y %H:%M:%S gmt"}) {
        std::tm parts{};
        const char* end = ::strptime(lower.c_str(), form, &parts);
        if (end != nullptr && *end == '\0') return ::timegm(&parts);
    }
    return std::nullopt;
}

std::string escape_html(std::string_view text)
{
    std::string out;
    for (const char c : text::replace_invalid(text)) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default: out.push_back(c);
        }
    }
    return out;
}

Result<std::string> decode_path(std::string_view target)
{
    target = target.substr(0, target.find_first_of("?#"));
    if (!target.starts_with('/')) return fail("the address must be a path");
    std::string path = "/";
    for (std::size_t at = std::min(target.find_first_not_of('/'), target.size()); at < target.size(); ++at) {
        char c = target[at];
        if (c == '%') {
            const int byte = hex_byte(target.substr(at + 1));
            if (byte < 0x20 || byte == 0x7f || byte == '/')
                return fail("the path has an encoding that is not accepted");
            c = static_cast<char>(byte);
            at += 2;
        }
        path.push_back(c);
    }
    if (has_parent_segment(path)) return fail("the path must not contain \"..\"");
    return path;
}

}  // namespace xsv::web
