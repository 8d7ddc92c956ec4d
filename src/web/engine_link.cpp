#include "web/engine_link.h"

#include <new>

namespace xsv::web {

namespace {

constexpr int kFailed = 30;  // Supervisor's code
constexpr std::size_t kMaxLogged = 1000;  // of a body: escaped, with what is said of it, it fits into a line of the log

}  // namespace

EngineLink::EngineLink(event::Loop& loop, sys::UniqueFd channel, Events events)
    : events_(std::move(events)),
      channel_(
          loop, std::move(channel), "channel to the engine",
          [this](std::string_view message, sys::UniqueFd fd) { on_message(message, std::move(fd)); },
          [this] { events_.on_closed(); })
{
}

bool EngineLink::call(std::string_view method, const wire::Value::Array& params, const Caller& caller,
                      OnOutcome on_outcome)
{
    if (pending_.size() >= kMaxPending) return false;
    wire::Encoder message;
    message.begin_struct(caller.connection ? 9 : 8);
    message.key("type"), message.string("call");
    message.key("id"), message.integer(++last_id_);
    message.key("method"), message.string(method);
    message.key("params"), message.begin_array(params.size());
    for (const wire::Value& param : params) message.value(param);
    message.key("server"), message.integer(caller.server);
    message.key("user"), message.string(caller.user);
    message.key("peer"), message.string(caller.peer);
    message.key("rpc"), message.string(caller.protocol);
    if (caller.connection) message.key("connection"), message.integer(*caller.connection);
    if (!channel_.send(message.take())) return false;
    pending_.emplace(last_id_, std::move(on_outcome));
    return true;
}

bool EngineLink::follow(std::string_view path, const Caller& caller, OnFollow on_follow)
{
    if (pending_.size() >= kMaxPending) return false;
    wire::Value::Struct message{{"type", "follow"},
                                {"id", wire::Value(++last_id_)},
                                {"path", wire::Value(path)},
                                {"server", wire::Value(caller.server)}};
    if (caller.connection) message.emplace_back("connection", wire::Value(*caller.connection));
    if (!channel_.send(wire::encode(message))) return false;
    pending_.emplace(last_id_, std::move(on_follow));
    return true;
}

void EngineLink::show_caller(std::int64_t connection, int fd)
{
    channel_.send_copy_of(
        wire::encode(wire::Value::Struct{{"type", "caller"}, {"connection", wire::Value(connection)}}), fd);
}

void EngineLink::forget_caller(std::int64_t connection)
{
    channel_.send(wire::encode(wire::Value::Struct{{"type", "left"}, {"connection", wire::Value(connection)}}));
}

void EngineLink::log(log::Level level, std::string_view line)
{
    channel_.send(wire::encode(
        wire::Value::Struct{{"type", "log"}, {"level", static_cast<int>(level)}, {"line", wire::Value(line)}}));
}

void EngineLink::note_answer(std::string_view peer, std::string_view request, int status, std::size_t bytes)
{
    if (!takes_traces_) return;
    channel_.send(wire::encode(wire::Value::Struct{{"type", "answered"},
                                                   {"peer", wire::Value(peer)},
                                                   {"request", wire::Value(request)},
                                                   {"status", status},
                                                   {"bytes", static_cast<std::int64_t>(bytes)}}));
}

void EngineLink::note_unreadable(std::string_view body, std::string_view reason)
{
    channel_.send(wire::encode(wire::Value::Struct{
        {"type", "unreadable"}, {"data", wire::Value(body.substr(0, kMaxLogged))}, {"reason", wire::Value(reason)}}));
}

void EngineLink::on_message(std::string_view bytes, sys::UniqueFd fd)
{
    const auto message = wire::decode(bytes);
    if (!message) return log::error("message from the engine: {}", message.error().message);
    const std::string type = message->text("type");
    if (type == "reply" || type == "fault" || type == "follow") {
        on_answer(type, *message, std::move(fd));
    } else if (type == "hello") {
        on_hello(*message);
    } else if (type == "server") {
        on_server(*message, std::move(fd));
    } else if (type == "ready") {
        events_.on_servers(std::exchange(named_, {}));
    } else if (type == "unwanted") {
        events_.on_unwanted(message->number("connection"));
    } else if (type == "shutdown") {
        events_.on_shutdown();
    }
}

void EngineLink::on_hello(const wire::Value& message)
{
    takes_traces_ = message.flag("traces");
    named_.clear();
    // What they call may call again.
    for (auto& [id, pending] : std::exchange(pending_, {})) {
        if (const auto* on_outcome = std::get_if<OnOutcome>(&pending))
            (*on_outcome)(Lost{});
        else
            std::get<OnFollow>(pending)(0, {}, 0);
    }
    events_.on_hello();
}

void EngineLink::on_server(const wire::Value& message, sys::UniqueFd fd)
{
    if (!fd) return log::error("the engine named web server {} without a socket", message.text("name"));
    auto server = std::make_shared<Server>();
    server->index = message.number("index");
    server->name = message.text("name");
    server->is_unix = message.text("kind") == "unix";
    server->address = message.text("address");
    server->username = message.text("username");
    server->password = message.text("password");
    server->is_tls = message.flag("tls");
    if (server->is_tls && !has_tls()) return events_.on_tls_needed();
    if (server->is_tls) {
        auto context = TlsContext::make(message.text("certificate"), message.text("key"), message.text("authorities"));
        if (!context) log::error("[{}] answers nobody before the next reload: {}", server->name, context.error().message);
        if (context) server->tls = *std::move(context);
    }
    std::vector<std::string> hosts{server->address};
    if (const wire::Value* more = message.find("hosts"); more && more->array())
        for (const wire::Value& host : *more->array())
            if (const auto* name = host.string()) hosts.push_back(*name);
    if (!server->is_unix) server->hosts = HostList::of_socket(fd.get(), hosts);
    server->socket = std::move(fd);
    named_.push_back(std::move(server));
}

void EngineLink::on_answer(std::string_view type, const wire::Value& message, sys::UniqueFd fd)
{
    const auto found = pending_.find(message.number("id"));
    if (found == pending_.end()) return;
    const Pending pending = std::move(found->second);
    pending_.erase(found);
    if (const auto* on_follow = std::get_if<OnFollow>(&pending)) {
        auto status = static_cast<int>(message.number("status", 404));
        if (status == 200 && !fd) status = 500;
        return (*on_follow)(status, std::move(fd), message.number("modified"));
    }
    const auto& on_outcome = std::get<OnOutcome>(pending);
    const wire::Value* result = message.find("result");
    if (type != "reply" || !result || !result->string())
        return on_outcome(wire::Fault{static_cast<int>(message.number("code", kFailed)), message.text("text", "FAILED")});
    try {
        on_outcome(std::string_view(*result->string()));
    } catch (const std::bad_alloc&) {
        on_outcome(wire::Fault{kFailed, "FAILED: no memory for an answer of this size"});
    }
}

}  // namespace xsv::web
