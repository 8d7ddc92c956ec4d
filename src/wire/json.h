#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/value.h"

/// JSON texts and JSON-RPC 2.0.
namespace xsv::wire::json {

/// One JSON text, at most 32 deep; integers beyond 64 bits and members named twice are refused.
Result<Value> parse(std::string_view text, std::size_t max_values = 1'000'000);
/// On one line, or with two blanks per level. Members keep their order; invalid UTF-8 becomes U+FFFD.
std::string render(const Value& value, bool indented = false);
/// The same on one line, from the encoded form, without a tree in between.
Result<std::string> transcode(std::string_view encoded);

/// The error codes JSON-RPC reserves.
constexpr int kParseError = -32700, kInvalidRequest = -32600, kUnknownMethod = -32601, kInvalidParams = -32602,
              kInternalError = -32603;

struct Request {
    std::string method;
    Value::Array params;  ///< by position
    std::string id;       ///< as JSON text; empty: a notification, which gets no answer
    Fault error;          ///< code other than 0: answer with this, do not call
};
struct Requests {
    bool is_batch = false;
    std::vector<Request> items;  ///< at least one
};

/// At most 256 requests and 10,000 values. Fails only for what is no JSON at all (kParseError); what is JSON but no
/// request yields an item whose `error` says so.
Result<Requests> parse_requests(std::string_view text);

/// One response object; `id` as in Request ("null" when unknown).
Result<std::string> render_result(std::string_view id, std::string_view encoded);
std::string render_error(std::string_view id, const Fault& fault);
/// {"jsonrpc":"2.0","method":…,"params":[…],"id":…}
std::string render_request(std::string_view method, const Value::Array& params, std::int64_t id);

}  // namespace xsv::wire::json
