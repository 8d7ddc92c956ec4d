#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace xsv::web {

/// A request whose grammar and lengths have been checked.
struct Request {
    std::string method;  ///< GET, HEAD or POST
    std::string target;  ///< as sent
    std::string path;    ///< percent-decoded, without the query, leading slashes collapsed
    std::optional<std::string> host, authorization, origin, fetch_site, content_type, if_modified_since;
    std::string body;
    int version = 11;  ///< 10 or 11
    bool keep_alive = false;
};

/// "GET / HTTP/1.1"; empty when it could not be read.
std::string line_of(const Request& request);

struct Answer {
    int status = 200;
    std::string content_type = "text/html";
    std::string body;
    std::string headers;  ///< more lines, each with its CRLF
    bool close = false;   ///< say so and close
};

/// Supervisor's error page; `message` is escaped, and the reason phrase when empty.
Answer error_answer(int status, std::string_view message = {});
std::string_view reason(int status);
std::string http_date(std::time_t when);
/// The two forms that Supervisor reads, "Sun, 06 Nov 1994 08:49:37 GMT" and "Sunday, 06-Nov-94 08:49:37 GMT", in any
/// case.
std::optional<std::time_t> parse_http_date(std::string_view text);

/// The two hexadecimal digits behind a '%'; -1 unless they stand there.
int hex_byte(std::string_view text);

/// For text and attribute values of HTML; invalid UTF-8 becomes U+FFFD.
std::string escape_html(std::string_view text);

/// The path of a request target. Refused: anything but a path from the root, "..", encoded slashes and control bytes.
Result<std::string> decode_path(std::string_view target);

}  // namespace xsv::web
