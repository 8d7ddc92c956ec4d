#pragma once

#include <functional>
#include <string>

#include "event/loop.h"
#include "web/engine_link.h"
#include "web/gate.h"
#include "web/http_server.h"
#include "web/rpc.h"
#include "web/site.h"

namespace xsv::web {

/// The whole of xsvd-web: clients on one side, the engine on the other.
class Door {
public:
    /// `channel` leads to the engine. Once: `on_end` is called when the engine has asked for the end and the last
    /// answer has gone, or when the channel has closed.
    Door(event::Loop& loop, sys::UniqueFd channel, const Settings& settings, std::function<void()> on_end);

    std::size_t connections() const { return http_.connections(); }
    void log(log::Level level, std::string_view line) { engine_.log(level, line); }

private:
    struct Route;
    static const Route kRoutes[];
    static const Route* find_route(const std::string& path);

    void on_request(Connection& connection, const Request& request, const Reply& reply);
    void call_xml(const Request& request, const Caller& caller, const Reply& reply);
    void call_json(const Request& request, const Caller& caller, const Reply& reply);
    void follow(const Request& request, const Caller& caller, const Reply& reply);
    void show_tail(const Request& request, const Caller& caller, const Reply& reply);
    void show_file(const Request& request, const Caller& caller, const Reply& reply);
    void show_page(const Request& request, const Caller& caller, const Reply& reply);
    void show_ok(const Request& request, const Caller& caller, const Reply& reply);
    void show_health(const Request& request, const Caller& caller, const Reply& reply);
    void finish();
    void end();

    event::Loop& loop_;
    Settings settings_;
    std::function<void()> on_end_;
    HttpServer http_;
    Gate gate_;
    EngineLink engine_;
    Rpc rpc_;
    Site site_;
    event::WatchPtr last_moment_;
};

}  // namespace xsv::web
