#pragma once

#include <string>
#include <vector>

#include "control/control.h"
#include "engine/helper.h"

namespace xsv::control {

/// Our end of the conversation with the web process: it gets the listening sockets, we get the calls.
class WebLink {
public:
    /// `only_unix`: TCP servers stay open and unserved (hold mode).
    WebLink(engine::Context& context, Control& control, engine::ScribeLink& scribe, bool only_unix)
        : context_(context), control_(control), scribe_(scribe), only_unix_(only_unix)
    {
    }
    void serve_tcp();
    void attach(engine::Helper& helper) { helper_ = &helper; }

    /// Opens the servers' sockets beside those of today; the result, called, swaps them in. Error: nothing has changed.
    Result<std::function<void()>> prepare(const std::vector<config::ServerSpec>& servers);
    /// A web process has started, or was found.
    void greet();
    void on_message(const wire::Value& message, sys::UniqueFd fd);

private:
    struct Server {
        config::ServerSpec spec;
        net::SocketPtr socket;
    };
    void send_servers();
    void call(const wire::Value& message);
    void follow(const wire::Value& message);

    engine::Context& context_;
    Control& control_;
    engine::ScribeLink& scribe_;
    bool only_unix_;
    engine::Helper* helper_ = nullptr;
    std::vector<Server> servers_;
};

}  // namespace xsv::control
