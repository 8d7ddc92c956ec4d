#pragma once

#include <optional>
#include <string>

#include "web/http_server.h"
#include "web/passwords.h"

namespace xsv::web {

/// Who may come in: right name, right password (rules W1, A4, A5). Every path is behind it.
class Gate {
public:
    Gate(event::Loop& loop, const Settings& settings, const HttpServer& http);

    /// The user's name ("" where nobody is asked); nullopt: the request has been answered.
    std::optional<std::string> admit(const Connection& connection, const Request& request, const Reply& reply);

private:
    event::Loop& loop_;
    const Settings& settings_;
    const HttpServer& http_;
    Passwords passwords_;
    FailureDelays failures_;
};

}  // namespace xsv::web
