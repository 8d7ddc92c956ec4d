#include "web/gate.h"

#include <algorithm>

namespace xsv::web {

namespace {

Answer closing(Answer answer)
{
    answer.close = true;
    return answer;
}

Answer unauthorized()
{
    Answer answer = closing(error_answer(401));
    answer.headers = "WWW-Authenticate: Basic realm=\"default\"\r\n";
    return answer;
}

}  // namespace

Gate::Gate(event::Loop& loop, const Settings& settings, const HttpServer& http)
    : loop_(loop),
      settings_(settings),
      http_(http),
      failures_(settings.failure_delay, settings.max_failure_delay)
{
}

std::optional<std::string> Gate::admit(const Connection& connection, const Request& request, const Reply& reply)
{
    const Server& server = connection.server();
    const auto refuse = [&](Answer answer) {
        reply.send(std::move(answer));
        return std::nullopt;
    };
    if (server.is_gone) return refuse(closing(error_answer(503, "this server is no longer configured")));
    if (!server.is_unix && request.host && !server.hosts.has(*request.host))
        return refuse(
            closing(error_answer(403, "this server does not go by the name in the Host line; use its address")));
    if (server.username.empty()) return std::string();
    if (!request.authorization) return refuse(unauthorized());

    const auto given = parse_basic(*request.authorization);
    if (!given) return refuse(closing(error_answer(400, given.error().message)));
    if (!*given) return refuse(unauthorized());
    const std::string& source = connection.peer().source;
    const Time now = loop_.now();
    const bool is_crowded = http_.delayed() >= settings_.max_delayed;
    if (is_crowded && failures_.has_failed(source, now))
        return refuse(closing(error_answer(503, "too many wrong passwords; try again later")));
    // The user's own count only makes wrong answers wait, so that many sources together guess no faster than one (rule A5).
    const std::string user = "user " + server.username;
    if (passwords_.check(server.username, server.password, **given, now)) {
        failures_.succeed(source);
        failures_.succeed(user);
        return (*given)->user;
    }
    const bool is_user = (*given)->user == server.username;
    const Duration delay = std::max(failures_.fail(source, now), is_user ? failures_.fail(user, now) : Duration::zero());
    if (is_crowded) return refuse(unauthorized());
    reply.send_later(delay, unauthorized());
    return std::nullopt;
}

}  // namespace xsv::web
