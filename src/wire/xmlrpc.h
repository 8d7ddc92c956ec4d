#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "wire/value.h"

/// XML-RPC in Supervisor's layout, to the byte. UTF-8 only; DOCTYPE and processing instructions are refused before
/// parsing.
namespace xsv::wire::xmlrpc {

struct Call {
    std::string method;
    Value::Array params;
};
using Response = std::variant<Value, Fault>;

/// What parse_call() says of a call that is good but for its name.
constexpr std::string_view kNoMethodName = "<methodCall> needs a <methodName>";

/// Values nested at most 32 deep and at most 10,000 of them. A missing <params> means none; the name is taken as it
/// stands.
Result<Call> parse_call(std::string_view xml);
std::string render_call(std::string_view method, const Value::Array& params);

/// From the encoded form (see Encoder), without a tree in between. Control characters and invalid UTF-8 become U+FFFD;
/// integers outside 32 bits are clamped, because clients in use cannot read them.
Result<std::string> render_answer(std::string_view encoded);
std::string render_fault(const Fault& fault);
Result<Response> parse_response(std::string_view xml);

}  // namespace xsv::wire::xmlrpc
