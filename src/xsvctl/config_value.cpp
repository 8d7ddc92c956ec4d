#include "xsvctl/config_value.h"

#include "base/text.h"
#include "base/time.h"

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

Value program_value(const config::ServiceSpec& spec)
{
    static constexpr const char* kRestarts[] = {"false",       "unexpected", "true",       "on_success",
                                                "on_failure", "on_abnormal", "on_abort", "on_watchdog"};
    static constexpr const char* kActivations[] = {"always", "on_demand", "per_connection"};
    const config::Exec& exec = spec.exec;
    const config::Policy& policy = spec.policy;
    Value::Array codes, sockets;
    for (const int code : policy.exit_codes) codes.emplace_back(code);
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
        {"exitcodes", std::move(codes)},
        {"stopsignal", policy.stop_signal},
        {"stopwaitsecs", to_seconds(policy.stop_time)},
        {"stopasgroup", policy.stop_as_group},
        {"killasgroup", policy.kill_as_group},
    };
    add_stream(members, "stdout", spec.output.out);
    add_stream(members, "stderr", spec.output.err);
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
