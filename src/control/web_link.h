#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/caller.h"
#include "control/control.h"
#include "engine/helper.h"

namespace xsv::control {

/// Our end of the conversation with the web process: it gets the listening sockets, we get the calls.
///
/// It reads strangers' bytes, so it is not believed who calls (rule C10): it shows us each connection of a unix server, the
/// kernel tells whose it is, and a call counts as his as long as he is connected. A call over TCP has the role of its server.
class WebLink {
public:
    /// `only_unix`: TCP servers stay open and unserved (hold mode).
    WebLink(engine::Context& context, Control& control, engine::ScribeLink& scribe, bool only_unix)
        : context_(context), control_(control), scribe_(scribe), only_unix_(only_unix)
    {
    }
    void serve_tcp();
    void attach(engine::Helper& helper) { helper_ = &helper; }

    /// Opens the servers' sockets beside those of today, and reads their certificates; the result, called, swaps them in. Error:
    /// nothing has changed. `is_recovery`: a certificate that cannot be read is no error, the server's callers wait for a reload.
    Result<std::function<void()>> prepare(const std::vector<config::ServerSpec>& servers, bool is_recovery = false);
    /// Of the environment of the next web process.
    std::vector<std::string> variables() const;
    /// A web process has started, or was found.
    void greet();
    void on_message(const wire::Value& message, sys::UniqueFd fd);

private:
    struct Tls {                             ///< texts of the files
        std::string certificate, key, authorities;
        bool operator==(const Tls&) const = default;
    };
    struct Server {
        config::ServerSpec spec;
        net::SocketPtr socket;
        Tls tls;
    };
    struct Standing {
        std::string text;                    ///< for the audit
        config::Role role = config::Role::Viewer;
    };
    static Result<Tls> read_tls(const config::ServerSpec& spec);
    void send_servers();
    void meet(const wire::Value& message, sys::UniqueFd connection);
    void forget_those_who_left();
    const config::ServerSpec* server_at(const std::string& address) const;
    std::optional<Standing> standing_of(const wire::Value& message) const;
    void retire_former_version(const wire::Value& message);
    void refuse(std::int64_t id, std::string_view text);
    void call(const wire::Value& message);
    void follow(const wire::Value& message);

    engine::Context& context_;
    Control& control_;
    engine::ScribeLink& scribe_;
    bool only_unix_;
    engine::Helper* helper_ = nullptr;
    std::vector<Server> servers_;
    std::map<std::int64_t, Caller> callers_;   ///< by the web process's number of the connection
    event::WatchPtr sweep_;
};

}  // namespace xsv::control
