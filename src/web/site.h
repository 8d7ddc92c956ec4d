#pragma once

#include <functional>

#include "event/loop.h"
#include "web/connection.h"
#include "web/engine_link.h"
#include "web/form.h"

namespace xsv::web {

/// Supervisor's pages and what their buttons do, made of the engine's methods.
///
/// A GET changes nothing, and a POST needs a token of ours (rule W2); without, the same button is offered once more.
class Site {
public:
    Site(event::Loop& loop, EngineLink& engine);

    void show_status(const Request& request, const Caller& caller, const Reply& reply);
    void show_tail(const Request& request, const Caller& caller, const Reply& reply);
    void show_file(const Request& request, const Reply& reply);

private:
    struct Action;
    static const Action kActions[];
    using OnAnswer = std::function<void(const EngineLink::Outcome&)>;

    void act(const Action& action, const std::string& process, const Caller& caller, const Reply& reply);
    void perform(const Action& action, const std::string& process, const Caller& caller, const Reply& reply);
    /// Also after another engine has taken over, once; only for what changes nothing.
    void read(std::string_view method, const wire::Value::Array& params, const Caller& caller, const Reply& reply,
              OnAnswer on_answer, bool is_again = false);

    event::Loop& loop_;
    EngineLink& engine_;
    FormTokens tokens_;
};

}  // namespace xsv::web
