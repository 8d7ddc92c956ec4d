#include "web/rpc.h"

#include <memory>
#include <vector>

#include "base/log.h"
#include "wire/json.h"
#include "wire/xmlrpc.h"

namespace xsv::web {

namespace {

/// Supervisor's fault codes with a meaning of their own in JSON-RPC.
constexpr int kFaultUnknownMethod = 1, kFaultIncorrectParameters = 2;

Answer busy()
{
    return error_answer(503, "the engine is too far behind");
}

Answer xml_answer(std::string body)
{
    return {200, "text/xml", std::move(body), {}, false};
}

Answer json_answer(int status, std::string body)
{
    return {status, "application/json", std::move(body), {}, false};
}

wire::Fault json_fault(wire::Fault fault)
{
    if (fault.code == kFaultUnknownMethod) fault.code = wire::json::kUnknownMethod;
    if (fault.code == kFaultIncorrectParameters) fault.code = wire::json::kInvalidParams;
    return fault;
}

std::string render(const std::string& id, const EngineLink::Outcome& outcome)
{
    if (const auto* fault = std::get_if<wire::Fault>(&outcome)) return wire::json::render_error(id, json_fault(*fault));
    auto text = wire::json::render_result(id, std::get<std::string_view>(outcome));
    if (text) return *std::move(text);
    log::error("answer of the engine: {}", text.error().message);
    return wire::json::render_error(id, {wire::json::kInternalError, "the answer could not be read"});
}

/// The answers of one HTTP request, in the order of its calls, as they come.
struct Batch {
    Batch(Reply to, bool several, std::size_t count)
        : reply(std::move(to)),
          is_batch(several),
          answers(count),
          missing(count)
    {
    }

    void set(std::size_t place, std::string text)
    {
        answers[place] = std::move(text);
        if (--missing == 0) send();
    }
    void send()
    {
        std::string body;
        for (std::string& answer : answers) {
            if (answer.empty()) continue;  // a notification
            body += body.empty() ? "" : ",";
            body += answer;
            answer.clear();
        }
        if (body.empty()) return reply.send({204, {}, {}, {}, false});
        reply.send(json_answer(200, is_batch ? "[" + body + "]" : std::move(body)));
    }

    Reply reply;
    bool is_batch;
    std::vector<std::string> answers;
    std::size_t missing;
};

}  // namespace

void Rpc::serve_xml(const Request& request, const Caller& caller, const Reply& reply)
{
    const auto call = wire::xmlrpc::parse_call(request.body);
    if (!call) {
        const std::string& mistake = call.error().message;
        engine_.note_unreadable(request.body,
                                mistake == wire::xmlrpc::kNoMethodName ? "no method name" : "unmarshallable");
        return reply.send(error_answer(400, mistake));
    }
    const auto on_outcome = [reply](const EngineLink::Outcome& outcome) {
        if (std::holds_alternative<EngineLink::Lost>(outcome)) return reply.drop();
        if (!reply.connection()) return;
        if (const auto* fault = std::get_if<wire::Fault>(&outcome))
            return reply.send(xml_answer(wire::xmlrpc::render_fault(*fault)));
        auto body = wire::xmlrpc::render_answer(std::get<std::string_view>(outcome));
        if (!body) {
            log::error("answer of the engine: {}", body.error().message);
            return reply.send(error_answer(500, "the answer could not be read"));
        }
        reply.send(xml_answer(*std::move(body)));
    };
    if (!engine_.call(call->method, call->params, caller, on_outcome)) reply.send(busy());
}

void Rpc::serve_json(const Request& request, const Caller& caller, const Reply& reply)
{
    const auto requests = wire::json::parse_requests(request.body);
    if (!requests) {
        const wire::Fault fault{wire::json::kParseError, requests.error().message};
        return reply.send(json_answer(400, wire::json::render_error("null", fault)));
    }
    const auto batch = std::make_shared<Batch>(reply, requests->is_batch, requests->items.size());
    for (std::size_t place = 0; place < requests->items.size(); ++place) {
        const wire::json::Request& item = requests->items[place];
        if (item.error.code != 0) {
            batch->set(place, item.id.empty() ? std::string() : wire::json::render_error(item.id, item.error));
            continue;
        }
        const auto on_outcome = [batch, place, id = item.id](const EngineLink::Outcome& outcome) {
            if (std::holds_alternative<EngineLink::Lost>(outcome)) return batch->reply.drop();
            batch->set(place, id.empty() || !batch->reply.connection() ? std::string() : render(id, outcome));
        };
        if (!engine_.call(item.method, item.params, caller, on_outcome)) return reply.send(busy());
    }
}

}  // namespace xsv::web
