#include "web/door.h"
#include "base/time.h"

#include "web/logtail.h"

namespace xsv::web {

/// First match wins. A path matches in whole, or by its start where Supervisor takes everything behind it.
struct Door::Route {
    std::string_view path;
    bool is_prefix;
    enum class Methods { Get, Stream, Page, Post } methods;  ///< GET and HEAD, GET, GET and HEAD and POST, POST
    void (Door::*serve)(const Request&, const Caller&, const Reply&);

    bool takes(std::string_view method) const
    {
        if (method == "POST") return methods == Methods::Post || methods == Methods::Page;
        return methods != Methods::Post && (method == "GET" || methods != Methods::Stream);
    }
};

constexpr Door::Route Door::kRoutes[] = {
    {"/RPC2", true, Route::Methods::Post, &Door::call_xml},
    {"/rpc", false, Route::Methods::Post, &Door::call_json},
    {"/logtail", true, Route::Methods::Stream, &Door::follow},
    {"/mainlogtail", true, Route::Methods::Stream, &Door::follow},
    {"/", false, Route::Methods::Page, &Door::show_page},
    {"/index.html", false, Route::Methods::Page, &Door::show_page},
    {"/tail.html", false, Route::Methods::Page, &Door::show_tail},
    {"/ok.html", false, Route::Methods::Page, &Door::show_ok},
    {"/stylesheets", true, Route::Methods::Get, &Door::show_file},
    {"/images", true, Route::Methods::Get, &Door::show_file},
    {"/healthz", false, Route::Methods::Get, &Door::show_health},
};

Door::Door(event::Loop& loop, sys::UniqueFd channel, const Settings& settings, std::function<void()> on_end)
    : loop_(loop),
      settings_(settings),
      on_end_(std::move(on_end)),
      http_(
          loop, settings_,
          [this](Connection& connection, const Request& request, const Reply& reply) {
              on_request(connection, request, reply);
          },
          [this](const Connection& connection, int status, std::size_t bytes) {
              // As Supervisor's access lines call the callers of a unix socket.
              const std::string_view peer =
                  connection.server().is_unix ? "localhost:0" : std::string_view(connection.peer().text);
              engine_.note_answer(peer, connection.request_line(), status, bytes);
          },
          {[this](const Connection& connection) { engine_.show_caller(connection.number(), connection.fd()); },
           [this](const Connection& connection) { engine_.forget_caller(connection.number()); }}),
      gate_(loop, settings_, http_),
      engine_(loop, std::move(channel),
              {[this](std::vector<std::shared_ptr<Server>> servers) { http_.serve(std::move(servers)); },
               [this] { finish(); }, [this] { end(); }, [this] { http_.show_callers(); },
               [this](std::int64_t connection) { http_.turn_away(connection); },
               [this] {
                   // What is loaded comes from files, and there are none here any more.
                   log::info("TLS is configured now: another web process takes over");
                   finish();
               }}),
      rpc_(engine_),
      site_(loop, engine_)
{
}

const Door::Route* Door::find_route(const std::string& path)
{
    for (const Route& route : kRoutes)
        if (route.is_prefix ? path.starts_with(route.path) : path == route.path) return &route;
    return nullptr;
}

void Door::on_request(Connection& connection, const Request& request, const Reply& reply)
{
    const auto user = gate_.admit(connection, request, reply);
    if (!user) return;
    const Route* route = find_route(request.path);
    if (!route) return reply.send(error_answer(request.method == "POST" ? 400 : 404));
    if (!route->takes(request.method)) return reply.send(error_answer(400));
    if (request.method == "POST" && is_cross_origin(request))
        return reply.send(error_answer(403, "requests from other origins are not accepted"));
    if (route->methods == Route::Methods::Post && request.content_type && is_form_type(*request.content_type))
        return reply.send(error_answer(415, "send text/xml or application/json"));
    Caller caller{connection.server().index, *user, connection.peer().text};
    if (connection.server().is_unix) caller.connection = connection.number();
    (this->*route->serve)(request, caller, reply);
}

void Door::call_xml(const Request& request, const Caller& caller, const Reply& reply)
{
    rpc_.serve_xml(request, {caller.server, caller.user, caller.peer, "XML-RPC", caller.connection}, reply);
}

void Door::call_json(const Request& request, const Caller& caller, const Reply& reply)
{
    rpc_.serve_json(request, {caller.server, caller.user, caller.peer, "JSON-RPC", caller.connection}, reply);
}

void Door::follow(const Request& request, const Caller& caller, const Reply& reply)
{
    if (http_.streams() >= settings_.max_followers) return reply.send(error_answer(503, "too many followers"));
    const bool is_program = request.path.starts_with("/logtail");
    const auto on_follow = [this, reply, is_program](int status, sys::UniqueFd pipe, std::int64_t modified) {
        if (status == 0) return reply.drop();
        if (status != 200) return reply.send(error_answer(status));
        const auto connection = reply.connection();
        if (!connection) return;  // the pipe closes, and the scribe's part ends
        const std::string_view headers = is_program ? "X-Accel-Buffering: no\r\n" : "";
        connection->begin_stream("text/plain;charset=utf-8", modified, headers,
                                 std::make_unique<LogFollower>(loop_, std::move(pipe)));
    };
    if (!engine_.follow(request.path, caller, on_follow)) reply.send(error_answer(503));
}

void Door::show_page(const Request& request, const Caller& caller, const Reply& reply)
{
    site_.show_status(request, caller, reply);
}

void Door::show_tail(const Request& request, const Caller& caller, const Reply& reply)
{
    site_.show_tail(request, caller, reply);
}

void Door::show_file(const Request& request, const Caller&, const Reply& reply)
{
    site_.show_file(request, reply);
}

void Door::show_ok(const Request&, const Caller&, const Reply& reply)
{
    reply.send({200, "text/plain", "OK", {}, false});
}

void Door::show_health(const Request&, const Caller& caller, const Reply& reply)
{
    const auto on_outcome = [reply](const EngineLink::Outcome& outcome) {
        if (std::holds_alternative<std::string_view>(outcome))
            reply.send({200, "text/plain", "ok\n", {}, false});
        else
            reply.send(error_answer(503));
    };
    if (!engine_.call("supervisor.getState", {}, caller, on_outcome)) return reply.send(error_answer(503));
    reply.send_later(settings_.health_time, error_answer(503, "the engine does not answer"));
}

void Door::finish()
{
    last_moment_ = loop_.after(settings_.finish_time, "end of the web process", [this] { end(); });
    http_.finish([this] { end(); });
}

void Door::end()
{
    if (const auto call = std::exchange(on_end_, nullptr)) call();
}

}  // namespace xsv::web
