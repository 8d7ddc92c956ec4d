#include <cstdint>
#include <cstdlib>
#include <string>

#include "web/form.h"
#include "web/passwords.h"
#include "web/request_parser.h"
#include "web/rules.h"

using namespace xsv::web;

/// The first byte says into what pieces the network cuts the rest.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 1) return 0;
    Settings settings;
    settings.max_header = 2048;
    settings.max_target = 512;
    settings.max_body = 4096;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t piece = data[0] % 64 + 1;
    RequestParser parser(settings);
    std::string buffer;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        buffer += bytes.substr(at, piece);
        for (std::size_t used = 1; used > 0 && !buffer.empty();) {
            used = parser.feed(buffer);
            if (used > buffer.size()) std::abort();
            buffer.erase(0, used);
            if (parser.stage() == RequestParser::Stage::Refused) return parser.refusal() >= 400 ? 0 : (std::abort(), 0);
            if (parser.stage() != RequestParser::Stage::Done) continue;
            const Request request = parser.take_request();
            if (request.body.size() != parser.content_length() || !request.path.starts_with('/')) std::abort();
            if (request.authorization) (void)parse_basic(*request.authorization);
            if (request.host) (void)HostList().has(*request.host);
            if (request.content_type) (void)is_form_type(*request.content_type);
            (void)is_cross_origin(request);
            Form form;
            form.add(request.body);
            form.add(request.target);
            if (quote_url(form.get("message")).find_first_of("<>\"'&\r\n") != std::string::npos) std::abort();
            return 0;
        }
        if (buffer.size() > settings.max_header + settings.max_body) std::abort();  // it must refuse, not hoard
    }
    return 0;
}
