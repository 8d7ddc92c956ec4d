#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/xmlrpc.h"

using namespace xsv::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto call = xmlrpc::parse_call(text)) {
        const auto again = xmlrpc::parse_call(xmlrpc::render_call(call->method, call->params));
        if (!again || again->params.size() != call->params.size()) std::abort();
    }
    if (const auto response = xmlrpc::parse_response(text)) {
        const auto* value = std::get_if<Value>(&*response);
        if (value && !xmlrpc::parse_response(*xmlrpc::render_answer(encode(*value)))) std::abort();
    }
    if (const auto value = decode(text))
        if (encode(*decode(encode(*value))) != encode(*value)) std::abort();
    (void)xmlrpc::render_answer(text);
    return 0;
}
