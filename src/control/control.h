#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/load.h"
#include "control/fault.h"
#include "control/group_memory.h"
#include "engine/engine.h"
#include "engine/scribe_link.h"

namespace xsv::control {

/// What clients may ask of the daemon itself; daemon/ fills it in.
struct DaemonHooks {
    std::string version;                            ///< what getSupervisorVersion answers
    pid_t pid = 0;                                  ///< the guardian's: the pid people know
    std::function<config::Loaded()> load;           ///< reads the configuration's files
    /// Takes hold of what [supervisord] and the servers want; the result, called, swaps it in. Dropped, nothing has changed.
    std::function<Result<std::function<void()>>(const config::Config&)> prepare_settings;
    std::function<void()> shutdown, restart, resumed;   ///< resumed: hold mode is over
    bool hold_mode = false;                         ///< after many crashes: no new configuration until resumed
};

/// One request of a client.
struct Request {
    std::string method;
    wire::Value::Array params;
    std::string caller;                             ///< who asks, for the audit; empty: the daemon itself
    config::Role role = config::Role::Admin;        ///< what he may do
};

struct Method;

/// The one door in: every handle (XML-RPC, JSON) ends here. Methods stand in one table (methods.cpp): name, parameters,
/// help, function.
class Control {
public:
    Control(engine::Engine& engine, engine::Context& context, engine::ScribeLink& scribe, DaemonHooks hooks);

    void call(const Request& request, Reply reply);
    /// The file behind "/logtail/NAME[/stdout|/stderr]" or "/mainlogtail"; nullopt: there is none (404).
    std::optional<std::string> log_behind(std::string_view path);
    /// Reads the configuration and applies the difference; the text tells what happened, or every mistake.
    Result<config::Diff> reload();
    void leave_hold_mode();

private:
    friend struct MethodTable;
    using Params = wire::Value::Array;
    using Services = std::vector<engine::Service*>;

    // about the daemon
    void get_api_version(const Params&, Reply);
    void get_version(const Params&, Reply);
    void get_identification(const Params&, Reply);
    void get_state(const Params&, Reply);
    void get_pid(const Params&, Reply);
    void resume(const Params&, Reply);
    void shutdown(const Params&, Reply);
    void restart(const Params&, Reply);
    // configuration
    void reload_config(const Params&, Reply);
    void add_group(const Params&, Reply);
    void remove_group(const Params&, Reply);
    void reload(const Params&, Reply);
    void check(const Params&, Reply);
    void diff(const Params&, Reply);
    // information
    void get_process_info(const Params&, Reply);
    void get_all_process_info(const Params&, Reply);
    void get_all_config_info(const Params&, Reply);
    void status(const Params&, Reply);
    void show(const Params&, Reply);
    void why(const Params&, Reply);
    // processes
    void start_process(const Params&, Reply);
    void start_group(const Params&, Reply);
    void start_services(const std::string& group, const Params&, const Reply&);
    void start_all(const Params&, Reply);
    void stop_process(const Params&, Reply);
    void stop_group(const Params&, Reply);
    void stop_services(const std::string& group, const Params&, const Reply&);
    void stop_all(const Params&, Reply);
    void keep_sockets(const Params&, Reply);
    void refresh(const Params&, Reply);
    void signal_process(const Params&, Reply);
    void signal_group(const Params&, Reply);
    void signal_services(const std::string& group, const Params&, const Reply&);
    void signal_all(const Params&, Reply);
    void send_stdin(const Params&, Reply);
    void send_remote_event(const Params&, Reply);
    // logs
    void read_main_log(const Params&, Reply);
    void clear_main_log(const Params&, Reply);
    void read_stdout(const Params&, Reply);
    void read_stderr(const Params&, Reply);
    void tail_stdout(const Params&, Reply);
    void tail_stderr(const Params&, Reply);
    void clear_logs(const Params&, Reply);
    void clear_all_logs(const Params&, Reply);
    // the table about itself
    void list_methods(const Params&, Reply);
    void method_help(const Params&, Reply);
    void method_signature(const Params&, Reply);
    void multicall(const Params&, Reply);

    struct Asking {
        std::string caller;
        config::Role role = config::Role::Admin;
    };
    struct Multicall;
    void run_multicall(std::shared_ptr<Multicall> state);
    void start_one(engine::Service& service, bool wait, const Reply& reply);
    void stop_one(engine::Service& service, bool wait, bool now, const Reply& reply);
    void signal_one(engine::Service& service, int signal, const Reply& reply);
    void clear_one(engine::Service& service, const Reply& reply);
    void for_each_of(const Services& services, const std::function<void(engine::Service&, Reply)>& act, Reply reply,
                     bool in_order = false, bool last_first = false);
    void read_log(const std::string& file, const Params& params, std::size_t at, const Reply& reply);
    void tail_log(const std::string& file, const Params& params, const Reply& reply);
    /// The service of this exact name; refuses when there is none.
    engine::Service* named(const Params& params, const Reply& reply);
    std::string log_errors(const config::ServiceSpec& spec) const;
    /// The same for people: a bare process name will do when it is unique.
    engine::Service* named_loosely(const Params& params, const Reply& reply);
    /// The services of a group; refuses with the name `as_given` when there is none.
    std::optional<Services> services_of_group(const std::string& name, const Reply& reply, std::string_view as_given);
    wire::Value diff_value(const config::Diff& diff) const;

    engine::Engine& engine_;
    engine::Context& context_;
    engine::ScribeLink& scribe_;
    DaemonHooks hooks_;
    GroupMemory memory_;
    Asking asking_;                          ///< who made the call that is being begun
    std::optional<config::Config> parsed_;   ///< by the last reloadConfig; nullopt: what runs
};

/// All mistakes, one a line.
std::string mistakes_text(const std::vector<config::Mistake>& mistakes);

}  // namespace xsv::control
