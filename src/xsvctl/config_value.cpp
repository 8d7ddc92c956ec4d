#include "xsvctl/config_value.h"

#include "base/text.h"
#include "base/time.h"
#include "config/words.h"

namespace xsv::xsvctl {
namespace {

using config::LogSink;
using wire::Value;

Value::Array messages(const std::vector<config::Mistake>& mistakes)
{
    Value::Array list;
    for (const auto& each : mistakes) list.emplace_back(each.message());
    return list;
}

template <class T>
Value number(const std::optional<T>& value)
{
    return value ? Value(static_cast<std::int64_t>(*value)) : Value();
}

Value::Struct variables(const config::Environment& environment)
{
    Value::Struct members;
    for (const auto& [name, value] : environment) members.emplace_back(name, value);
    return members;
}

Value daemon_value(const config::DaemonSpec& daemon)
{
    return Value::Struct{
        {"logfile", daemon.logfile},
        {"logfile_maxbytes", daemon.logfile_maxbytes},
        {"logfile_backups", daemon.logfile_backups},
        {"loglevel", daemon.loglevel},
        {"pidfile", daemon.pidfile},
        {"umask", static_cast<std::int64_t>(daemon.umask)},
        {"nodaemon", daemon.nodaemon},
        {"silent", daemon.silent},
        {"minfds", daemon.minfds},
        {"minprocs", daemon.minprocs},
        {"nocleanup", daemon.nocleanup},
        {"childlogdir", daemon.childlogdir},
        {"user", number(daemon.uid)},
        {"directory", daemon.directory},
        {"strip_ansi", daemon.strip_ansi},
        {"identifier", daemon.identifier},
        {"environment", variables(daemon.environment)},
    };
}

Value server_value(const config::ServerSpec& server)
{
    Value::Struct members{{"section", server.section}, {"username", server.username}};
    if (server.kind == config::ServerSpec::Kind::Inet) {
        members.emplace_back("host", server.host);
        members.emplace_back("port", static_cast<std::int64_t>(server.port));
        return members;
    }
    members.emplace_back("file", server.path);
    members.emplace_back("chmod", static_cast<std::int64_t>(server.mode));
    members.emplace_back("owner", number(server.owner));
    members.emplace_back("group", number(server.group));
    return members;
}

void add_stream(Value::Struct& members, const std::string& name, const LogSink& sink)
{
    const char* const kinds[] = {"NONE", "", "AUTO"};
    members.emplace_back(name + "_logfile", sink.kind == LogSink::Kind::File ? sink.path : kinds[static_cast<int>(sink.kind)]);
    members.emplace_back(name + "_logfile_maxbytes", sink.maxbytes);
    members.emplace_back(name + "_logfile_backups", sink.backups);
    members.emplace_back(name + "_syslog", sink.syslog);
    members.emplace_back(name + "_capture_maxbytes", sink.capture_maxbytes);
    members.emplace_back(name + "_events_enabled", sink.events_enabled);
}

Value seconds(const std::optional<Duration>& time)
{
    return time ? Value(to_seconds(*time)) : Value();
}

Value::Array ways(const std::vector<int>& codes, const std::vector<int>& signals)
{
    Value::Array list;
    for (const int code : codes) list.emplace_back(code);
    for (const int signal : signals) list.emplace_back(config::signal_name(signal));
    return list;
}

Value::Array strings(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

/// When it is ready, what it may say, what runs beside it and what follows its end.
void add_life(Value::Struct& members, const config::ServiceSpec& spec)
{
    static constexpr const char* kAccesses[] = {"none", "main", "exec", "all"};
    static constexpr const char* kPreserves[] = {"no", "restart", "yes"};
    const config::Ready& ready = *spec.ready;
    const config::Restarts& restarts = *spec.restarts;
    const config::Hooks& hooks = *spec.hooks;
    const auto add = [&members](const char* name, Value value) { members.emplace_back(name, std::move(value)); };
    add("ready", ready.text());
    add("start_timeout", to_seconds(spec.policy->start_timeout));
    add("pid_file", ready.pid_file);
    add("remain_after_exit", restarts.remain_after_exit);
    add("notify_access", kAccesses[static_cast<int>(ready.access)]);
    add("watchdog", to_seconds(ready.watchdog));
    add("watchdog_signal", restarts.watchdog_signal);
    add("fdstore_max", ready.fdstore_max);
    add("fdstore_preserve", kPreserves[static_cast<int>(restarts.fdstore_preserve)]);
    add("restart_pause", to_seconds(restarts.pause));
    add("restart_prevent", ways(restarts.prevent.codes, restarts.prevent.signals));
    add("restart_force", ways(restarts.force.codes, restarts.force.signals));
    add("run_time_max", seconds(restarts.run_time_max));
    add("start_pre", strings(hooks.start_pre));
    add("start_post", strings(hooks.start_post));
    add("stop_command", strings(hooks.stop_command));
    add("stop_post", strings(hooks.stop_post));
    add("reload_command", strings(hooks.reload_command));
    add("reload_signal", hooks.reload_signal);
}

Value::Array rules(const std::vector<sys::AddressRule>& list)
{
    Value::Array texts;
    for (const auto& rule : list) texts.emplace_back(rule.text);
    return texts;
}

/// Who is let in, when, how many, and where they are sent.
void add_callers(Value::Struct& members, const config::ServiceSpec& spec)
{
    static constexpr const char* kPasses[] = {"listen_fds", "stdio", "stdio_all", "stdin"};
    static constexpr const char* kOverloads[] = {"queue", "refuse"};
    static constexpr const char* kOrders[] = {"most_specific", "deny_first"};
    static constexpr const char* kLogs[] = {"none", "end", "both"};
    static constexpr const char* kAccepts[] = {"auto", "child", "engine"};
    static constexpr const char* kProtocols[] = {"", "v1", "v2"};
    const config::Policy& policy = *spec.policy;
    const config::Rate& rate = policy.max_rate;
    const auto add = [&members](const char* name, Value value) { members.emplace_back(name, std::move(value)); };
    add("socket_pass", kPasses[static_cast<int>(spec.exec.socket_pass)]);
    add("accept", kAccepts[static_cast<int>(policy.accept)]);
    add("idle_timeout", seconds(policy.idle_time));
    add("flush_pending", policy.flush_pending);
    add("max_instances", policy.max_instances);
    add("max_per_source", policy.max_per_source);
    add("max_rate", Value::Struct{{"count", rate.count}, {"seconds", to_seconds(rate.per)}, {"per_source", rate.per_source}});
    add("overload", kOverloads[static_cast<int>(policy.overload)]);
    add("allow_from", rules(policy.allow));
    add("deny_from", rules(policy.deny));
    add("access_order", kOrders[static_cast<int>(policy.access_order)]);
    add("max_load", policy.max_load);
    add("greeting", strings(policy.greeting));
    add("refusal", strings(policy.refusal));
    add("connection_log", kLogs[static_cast<int>(policy.connection_log)]);
    add("proxy_to", spec.proxy ? spec.proxy->target : std::string());
    add("proxy_protocol", spec.proxy ? kProtocols[static_cast<int>(spec.proxy->protocol)] : "");
    add("backoff_max", to_seconds(policy.backoff_max));
    add("fatal_retry", seconds(policy.fatal_retry));
}

Value program_value(const config::ServiceSpec& spec)
{
    static constexpr const char* kRestarts[] = {"false",       "unexpected", "true",       "on_success",
                                                "on_failure", "on_abnormal", "on_abort", "on_watchdog"};
    static constexpr const char* kActivations[] = {"always", "on_demand", "per_connection"};
    const config::Exec& exec = spec.exec;
    const config::Policy& policy = *spec.policy;
    Value::Array sockets;
    for (const auto& endpoint : spec.sockets.endpoints) sockets.emplace_back(endpoint.text());
    Value::Struct members{
        {"name", spec.name},
        {"group", spec.group},
        {"program", spec.program},
        {"defined_at", fmt::format("{}:{}", spec.place.file, spec.place.line)},
        {"broken", spec.broken},
        {"command", exec.command},
        {"directory", exec.directory},
        {"umask", number(exec.umask)},
        {"user", number(exec.uid)},
        {"environment", variables(exec.environment)},
        {"serverurl", exec.serverurl},
        {"redirect_stderr", exec.redirect_stderr},
        {"activation", kActivations[static_cast<int>(exec.activation)]},
        {"socket", std::move(sockets)},
        {"priority", policy.priority},
        {"autostart", policy.autostart},
        {"startsecs", to_seconds(policy.start_time)},
        {"startretries", policy.start_retries},
        {"autorestart", kRestarts[static_cast<int>(policy.autorestart)]},
        {"exitcodes", ways(policy.exit_codes, spec.restarts->exit_signals)},
        {"stopsignal", policy.stop_signal},
        {"stopwaitsecs", to_seconds(policy.stop_time)},
        {"stopasgroup", policy.stop_as_group},
        {"killasgroup", policy.kill_as_group},
    };
    add_stream(members, "stdout", spec.output->out);
    add_stream(members, "stderr", spec.output->err);
    add_life(members, spec);
    add_callers(members, spec);
    return members;
}

}  // namespace

Value config_value(const config::Loaded& loaded)
{
    Value::Array servers, groups;
    for (const auto& server : loaded.config.servers) servers.push_back(server_value(server));
    for (const auto& group : loaded.config.groups) {
        Value::Array programs;
        for (const auto& service : group.services) programs.push_back(program_value(service));
        groups.emplace_back(Value::Struct{{"name", group.name}, {"priority", group.priority}, {"processes", std::move(programs)}});
    }
    return Value::Struct{
        {"file", loaded.config.file},
        {"fatal", loaded.fatal},
        {"mistakes", messages(loaded.mistakes)},
        {"warnings", messages(loaded.warnings)},
        {"notes", messages(loaded.notes)},
        {"supervisord", daemon_value(loaded.config.daemon)},
        {"servers", std::move(servers)},
        {"groups", std::move(groups)},
    };
}

}  // namespace xsv::xsvctl
