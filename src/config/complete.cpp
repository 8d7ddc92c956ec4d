#include <algorithm>

#include "base/text.h"
#include "config/program.h"
#include "config/words.h"

namespace xsv::config {
namespace {

/// One service after all its keys were read.
class Completion {
public:
    Completion(ServiceSpec& spec, const Section& section, Report& report)
        : spec_(spec),
          section_(section),
          report_(report)
    {
    }

    void run(const DaemonSpec& daemon, const Surroundings& surroundings)
    {
        if (!section_.has("command") && !spec_.proxy)
            report_.mistake(section_.place, section_.name, "",
                            fmt::format("program section {} does not specify a command", section_.name));
        command();
        identity(daemon, surroundings);
        stopping();
        if (spec_.sockets.standing) fcgi();
        else activation();
        if (!spec_.sockets.endpoints.empty()) sockets();
        ready();
        ports();
        if (spec_.proxy) proxy();
        output(daemon);
        if (spec_.listener) listener();
    }

private:
    void mistake(std::string_view key, std::string text)
    {
        const IniKey* written = section_.find(key);
        report_.mistake(written != nullptr ? written->place : section_.place, section_.name, std::string(key),
                        std::move(text));
    }

    void warn(std::string_view key, std::string text)
    {
        const IniKey* written = section_.find(key);
        report_.warning(written != nullptr ? written->place : section_.place, section_.name, std::string(key),
                        std::move(text));
    }

    /// As with Supervisor it is the start that fails; most often a comment has begun inside of the quotes.
    void command()
    {
        if (const auto builtin = builtin_name(spec_.exec.command)) return check_builtin(*builtin);
        if (spec_.proxy && spec_.exec.command.empty()) return;
        const auto words = shell_words(spec_.exec.command);
        if (words) return;
        warn("command", fmt::format("{}, so it will not start (a ';' after a blank begins a comment, also between quotes): {}",
                                    words.error().message, text::repr(spec_.exec.command)));
    }

    void check_builtin(const std::string& name)
    {
        if (name == "sensor" && section_.has("activation") && spec_.exec.activation != Activation::PerConnection)
            mistake("activation", "builtin:sensor expects per_connection");
        if (spec_.sockets.endpoints.empty() && !section_.has("socket")) mistake("command", fmt::format("builtin:{} needs a 'socket'", name));
        for (const sys::Endpoint& endpoint : spec_.sockets.endpoints) {
            const bool is_stream = endpoint.type == sys::SocketType::Stream;
            if (is_stream || (endpoint.type == sys::SocketType::Datagram && name != "tcpmux")) continue;
            mistake("socket", fmt::format("builtin:{} expects a stream{} socket, got {}", name, name == "tcpmux" ? "" : " or datagram", endpoint.text()));
        }
    }

    /// A user we are already needs no change: an ordinary user could not even set its own groups.
    void identity(const DaemonSpec& daemon, const Surroundings& surroundings)
    {
        Exec& exec = spec_.exec;
        if (section_.has("group") || section_.has("supplementary_groups")) return;
        if (exec.uid != daemon.uid.value_or(surroundings.uid)) return;
        exec.uid.reset();
        exec.gid.reset();
        exec.groups.clear();
    }

    void stopping()
    {
        Policy& policy = spec_.policy.change();
        if (!section_.has("killasgroup")) policy.kill_as_group = policy.stop_as_group;
        if (policy.stop_as_group && !policy.kill_as_group)
            mistake("killasgroup", "Cannot set stopasgroup=true and killasgroup=false");
    }

    void activation()
    {
        Exec& exec = spec_.exec;
        const bool has_sockets = !spec_.sockets.endpoints.empty();
        const bool is_sensor = builtin_name(exec.command) == "sensor";
        if (!section_.has("activation"))
            exec.activation = is_sensor ? Activation::PerConnection : has_sockets ? Activation::OnDemand : Activation::Always;
        const bool per_connection = exec.activation == Activation::PerConnection;
        if (!section_.has("socket_pass")) exec.socket_pass = per_connection ? SocketPass::Stdio : SocketPass::ListenFds;
        if (exec.activation == Activation::Always) return;
        const std::string word = per_connection ? "per_connection" : "on_demand";
        if (!has_sockets && !section_.has("socket")) mistake("activation", word + " needs a 'socket'");
        const IniKey* numprocs = section_.find("numprocs");
        if (numprocs != nullptr && parse_integer(numprocs->value).value_or(1) > 1)
            mistake("numprocs",
                    "expected 1 with activation = " + word + ": processes are started as callers need them");
    }

    /// Supervisor's way with a socket: every process has it as stdin, from its start on.
    void fcgi()
    {
        spec_.exec.activation = Activation::Always;
        spec_.exec.socket_pass = SocketPass::Stdin;
        if (!section_.has("socket"))
            report_.mistake(section_.place, section_.name, "",
                            fmt::format("[{}] section requires a \"socket\" line", section_.name));
        const bool has_path = spec_.sockets.endpoints.empty() || !spec_.sockets.endpoints.front().path.empty();
        if (!has_path && (section_.has("socket_owner") || section_.has("socket_mode")))
            mistake("socket", "socket_owner and socket_mode params should only be used with a Unix domain socket");
    }

    void sockets()
    {
        Exec& exec = spec_.exec;
        if (!section_.has("socket_owner") && exec.uid) {
            sys::SocketOptions& options = spec_.sockets.options.change();
            options.owner = exec.uid;
            options.group = exec.gid;
        }
        for (const auto& [name, word] : spec_.sockets.own_options) {
            const auto& all = spec_.sockets.endpoints;
            if (std::none_of(all.begin(), all.end(), [&](const sys::Endpoint& endpoint) { return endpoint.name == name; }))
                mistake("socket_options", fmt::format("no socket is called '{}', as in socket = {}=…", name, name));
        }
        const bool per_connection = exec.activation == Activation::PerConnection;
        for (const sys::Endpoint& endpoint : spec_.sockets.endpoints) {
            if (per_connection && !endpoint.has_connections())
                mistake("activation",
                        fmt::format("per_connection needs sockets with connections, {} has none", endpoint.text()));
        }
        if (!per_connection && exec.socket_pass != SocketPass::ListenFds && spec_.sockets.endpoints.size() > 1)
            mistake("socket_pass", fmt::format("expected listen_fds with {} sockets: only one fits on stdin",
                                               spec_.sockets.endpoints.size()));
        if (per_connection && spec_.policy->idle_time)
            warn("idle_timeout", "has no effect with activation = per_connection");
        if (!per_connection) accepting();
        else if (!section_.has("socket_backlog")) queue();
        for (const sys::Endpoint& endpoint : spec_.sockets.endpoints)
            if (endpoint.type == sys::SocketType::Passed && !per_connection)
                mistake("activation", fmt::format("{} needs per_connection: there is nothing that the program could accept from", endpoint.text()));
        if (section_.has("deny_time") && builtin_name(exec.command) != "sensor") mistake("deny_time", "needs command = builtin:sensor");
    }

    /// With max_rate the kernel's queue is as long as some seconds of it: after a flood nobody stands behind thousands who have
    /// gone long since. Who finds it full is not refused; his system tries again.
    void queue()
    {
        constexpr Duration kLongestWait = std::chrono::seconds(4);
        constexpr std::int64_t kShortest = 16, kLongest = 4096;
        const Rate& rate = spec_.policy->max_rate;
        if (rate.count <= 0 || rate.per_source) return;
        const double callers = static_cast<double>(rate.count) * static_cast<double>(kLongestWait.count()) / static_cast<double>(rate.per.count());
        spec_.sockets.options.change().backlog = static_cast<int>(std::clamp(static_cast<std::int64_t>(std::min(callers, 1e6)), kShortest, kLongest));
    }

    /// The program accepts its callers itself: of what is said about them, the kernel can keep the address rules.
    void accepting()
    {
        const Policy& policy = *spec_.policy;
        if (!policy.allow.empty() || !policy.deny.empty()) {
            sys::SocketOptions& options = spec_.sockets.options.change();
            options.allow = policy.allow;
            options.deny = policy.deny;
            options.access_order = policy.access_order;
        }
        for (const std::string_view key : {"allow_from", "deny_from"})
            for (const sys::Endpoint& endpoint : spec_.sockets.endpoints)
                if (section_.has(key) && (!endpoint.path.empty() || endpoint.family == sys::Family::Vsock))
                    mistake(key, fmt::format("cannot be kept for {}, whose callers the program accepts itself: use {}", endpoint.text(),
                                             endpoint.path.empty() ? "activation = per_connection" : "socket_mode and socket_owner"));
        for (const std::string_view key : {"max_instances", "max_per_source", "max_rate", "overload", "access_hours", "max_load", "greeting", "refusal"})
            if (section_.has(key)) warn(key, "has an effect with activation = per_connection only");
    }

    void ready()
    {
        Ready ready = *spec_.ready;
        if (spec_.exec.activation == Activation::PerConnection) {
            if (ready != Ready{}) warn("ready", "has no effect with activation = per_connection: a handler has its caller from the start");
            spec_.ready = Ready{};
            for (const std::string_view key : {"start_pre", "start_post", "stop_command", "stop_post"})
                if (section_.has(key)) warn(key, "has no effect with activation = per_connection: write command = /bin/sh -c 'before; exec program'");
            return;
        }
        const bool told = ready.when == ReadyWhen::Notify || ready.watchdog > Duration{} || ready.fdstore_max > 0;
        if (told && !section_.has("notify_access")) ready.access = NotifyAccess::Main;
        if (ready.when == ReadyWhen::Notify && ready.access == NotifyAccess::None)
            mistake("notify_access", "ready = notify needs main, exec or all");
        const auto target = spec_.proxy ? sys::Endpoint::parse(spec_.proxy->target) : fail("no target");
        if (ready.when == ReadyWhen::Connect && !ready.connect_to && target && target->type == sys::SocketType::Stream)
            ready.connect_to = *target;
        if (ready.when == ReadyWhen::Connect && !ready.connect_to)
            mistake("ready", "expected connect:ENDPOINT, such as connect:tcp:127.0.0.1:80: there is nothing to connect to otherwise");
        if (ready.when == ReadyWhen::Fd) ready_descriptor();
        if (ready.when == ReadyWhen::Exit && !section_.has("start_timeout")) spec_.policy.change().start_timeout = {};
        if (ready.when != ReadyWhen::Fork && !ready.pid_file.empty()) warn("pid_file", "has no effect without ready = fork");
        if (ready.when != ReadyWhen::Exit && spec_.restarts->remain_after_exit)
            warn("remain_after_exit", "has no effect without ready = exit");
        spec_.ready = std::move(ready);
    }

    void ready_descriptor()
    {
        const auto sockets = spec_.exec.socket_pass == SocketPass::ListenFds ? static_cast<int>(spec_.sockets.endpoints.size()) : 0;
        if (spec_.ready->fd < 3 + sockets)
            mistake("ready", fmt::format("descriptor {} is one of the program's sockets: expected fd:{} or more", spec_.ready->fd, 3 + sockets));
    }

    void ports()
    {
        const auto& rpc = spec_.sockets.rpc;
        if (rpc && spec_.sockets.endpoints.empty() && !section_.has("socket")) mistake("rpc", "needs a 'socket'");
        for (sys::Endpoint& endpoint : spec_.sockets.endpoints) {
            const bool is_inet = endpoint.path.empty();
            if (rpc && !is_inet) mistake("rpc", fmt::format("needs tcp or udp sockets, {} is neither", endpoint.text()));
            if (!is_inet || endpoint.port != 0) continue;
            if (rpc) endpoint.label = fmt::format("{}/{}-{}", rpc->number, rpc->first, rpc->last);
            else mistake("socket", fmt::format("'{}': expected a port from 1 to 65535, got 0; any free one is possible with rpc only", endpoint.text()));
        }
    }

    void proxy()
    {
        const Activation activation = spec_.exec.activation;
        const bool has_command = !spec_.exec.command.empty();
        if (spec_.sockets.endpoints.empty() && !section_.has("socket")) mistake("proxy_to", "needs a 'socket'");
        if (activation == Activation::PerConnection && has_command)
            mistake("proxy_to", "with activation = per_connection it takes the place of 'command'");
        if (activation == Activation::Always && !has_command && !spec_.sockets.endpoints.empty())
            mistake("activation", "always needs a 'command'");
        if (has_command && builtin_name(spec_.exec.command)) mistake("proxy_to", "a built-in service accepts its callers itself");
        if (const IniKey* numprocs = section_.find("numprocs"); numprocs != nullptr && parse_integer(numprocs->value).value_or(1) > 1 && activation == Activation::Always)
            mistake("numprocs", "expected 1 with proxy_to: the target is one");
        const auto target = sys::Endpoint::parse(spec_.proxy->target);
        const sys::SocketType type = target ? target->type : sys::SocketType::Stream;
        for (const sys::Endpoint& endpoint : spec_.sockets.endpoints)
            if (endpoint.type != type || (type == sys::SocketType::Datagram && endpoint.family == sys::Family::Unix))
                mistake("proxy_to", fmt::format("{} cannot be forwarded to {}", endpoint.text(), spec_.proxy->target));
        if (type == sys::SocketType::Datagram && spec_.proxy->protocol != Proxy::Protocol::None)
            mistake("proxy_protocol", "is for connections, not for datagrams");
        if (section_.has("socket_pass")) warn("socket_pass", "has no effect with proxy_to: the program gets no socket");
        if (activation == Activation::PerConnection) spec_.exec.socket_pass = SocketPass::Stdio;
    }

    void output(const DaemonSpec& daemon)
    {
        Output& output = spec_.output.change();
        output.strip_ansi = daemon.strip_ansi;
        if (spec_.exec.redirect_stderr) {
            if (output.err.kind == LogSink::Kind::File)
                warn("stderr_logfile",
                     fmt::format("For [{}], redirect_stderr=true but stderr_logfile has also been set to a filename, "
                                 "the filename has been ignored",
                                 section_.name));
            output.err = LogSink{};
            output.err.kind = LogSink::Kind::None;
        }
        never_rotated(output.out, "stdout_logfile");
        never_rotated(output.err, "stderr_logfile");
    }

    /// Its stdin and stdout are a conversation with us; only stderr is an ordinary stream.
    void listener()
    {
        if (spec_.listener->events.empty() && !section_.has("events"))
            mistake("events", fmt::format("[{}] section requires an \"events\" line", section_.name));
        if (spec_.exec.redirect_stderr)
            mistake("redirect_stderr",
                    fmt::format("[{}] section sets redirect_stderr=true but this is not allowed because it will "
                                "interfere with the eventlistener protocol",
                                section_.name));
        spec_.output.change().out.listener = true;
    }

    void never_rotated(const LogSink& sink, std::string_view key)
    {
        if (sink.kind != LogSink::Kind::Auto || sink.maxbytes != 0) return;
        warn(key,
             fmt::format(
                 "For [{}], AUTO logging used for {} without rollover, set maxbytes > 0 to avoid filling up filesystem "
                 "unintentionally",
                 section_.name, key));
    }

    ServiceSpec& spec_;
    const Section& section_;
    Report& report_;
};

}  // namespace

void complete(ServiceSpec& spec, const Section& section, const DaemonSpec& daemon, const Surroundings& surroundings,
              Report& report)
{
    Completion(spec, section, report).run(daemon, surroundings);
}

}  // namespace xsv::config
