#include "config/record.h"

#include "config/archive.h"

/// One line of fields for each struct, in both directions. The structured binding is the guard: a field that is added
/// to a struct and forgotten here does not compile.
namespace xsv::sys {

std::uint64_t last_of(SocketType)
{
    return static_cast<std::uint64_t>(SocketType::Passed);
}
std::uint64_t last_of(Family)
{
    return static_cast<std::uint64_t>(Family::Inherited);
}

std::uint64_t last_of(Protocol)
{
    return static_cast<std::uint64_t>(Protocol::UdpLite);
}
std::uint64_t last_of(SocketOptions::Stamps)
{
    return static_cast<std::uint64_t>(SocketOptions::Stamps::Nano);
}

template <class A>
void fields(A& archive, Endpoint& value)
{
    auto& [type, family, host, port, path, name, label, protocol, number] = value;
    archive(type, family, host, port, path, name, label, protocol, number);
}

std::uint64_t last_of(AddressRule::Kind)
{
    return AddressRule::Cid;
}

template <class A>
void fields(A& archive, AddressRule& value)
{
    auto& [kind, family, first, last, id, prefix, text, named] = value;
    archive(kind, family, first, last, id, prefix, text, named);
}

std::uint64_t last_of(AccessOrder)
{
    return static_cast<std::uint64_t>(AccessOrder::DenyFirst);
}

template <class A>
void fields(A& archive, SocketOptions& value)
{
    auto& [backlog, mode, owner, group, v6only, reuseport, freebind, transparent, broadcast, nodelay, keepalive, idle,
           interval, probes, defer_accept, receive_buffer, send_buffer, pipe_buffer, tos, ttl, priority, mark, device,
           congestion, symlinks, pktinfo, passcred, passsec, passpidfd, no_passrights, timestamp, queue_length,
           message_size, write, nonblock, dir_mode, keep_path, allow, deny, access_order] = value;
    archive(backlog, mode, owner, group, v6only, reuseport, freebind, transparent, broadcast, nodelay, keepalive, idle,
            interval, probes, defer_accept, receive_buffer, send_buffer, pipe_buffer, tos, ttl, priority, mark, device,
            congestion, symlinks, pktinfo, passcred, passsec, timestamp, nonblock, dir_mode, keep_path, allow, deny, access_order,
            passpidfd, no_passrights, queue_length, message_size, write);
}

template <class A>
void fields(A& archive, ResourceLimit& value)
{
    auto& [resource, soft, hard] = value;
    // RLIM_INFINITY is all ones: as a signed number it is -1 and takes one byte.
    auto signed_soft = static_cast<std::int64_t>(soft), signed_hard = static_cast<std::int64_t>(hard);
    archive(resource, signed_soft, signed_hard);
    soft = static_cast<rlim_t>(signed_soft);
    hard = static_cast<rlim_t>(signed_hard);
}

}  // namespace xsv::sys

namespace xsv::config {

std::uint64_t last_of(Activation)
{
    return static_cast<std::uint64_t>(Activation::PerConnection);
}
std::uint64_t last_of(Autorestart)
{
    return static_cast<std::uint64_t>(Autorestart::OnWatchdog);
}
std::uint64_t last_of(ReadyWhen)
{
    return static_cast<std::uint64_t>(ReadyWhen::Fork);
}
std::uint64_t last_of(NotifyAccess)
{
    return static_cast<std::uint64_t>(NotifyAccess::All);
}
std::uint64_t last_of(StorePreserve)
{
    return static_cast<std::uint64_t>(StorePreserve::Yes);
}
std::uint64_t last_of(SocketPass)
{
    return static_cast<std::uint64_t>(SocketPass::Stdin);
}
std::uint64_t last_of(Overload)
{
    return static_cast<std::uint64_t>(Overload::Refuse);
}
std::uint64_t last_of(OnFull)
{
    return static_cast<std::uint64_t>(OnFull::Block);
}
std::uint64_t last_of(ConnectionLog)
{
    return static_cast<std::uint64_t>(ConnectionLog::Both);
}
std::uint64_t last_of(AcceptIn)
{
    return static_cast<std::uint64_t>(AcceptIn::Engine);
}
std::uint64_t last_of(LogSink::Kind)
{
    return static_cast<std::uint64_t>(LogSink::Kind::Auto);
}
std::uint64_t last_of(Proxy::Protocol)
{
    return static_cast<std::uint64_t>(Proxy::Protocol::V2);
}
std::uint64_t last_of(Role)
{
    return static_cast<std::uint64_t>(Role::Admin);
}
std::uint64_t last_of(ServerSpec::Kind)
{
    return static_cast<std::uint64_t>(ServerSpec::Kind::Inet);
}

template <class A>
void fields(A& archive, Place& value)
{
    auto& [file, line] = value;
    archive(file, line);
}

template <class A>
void fields(A& archive, Exec& value)
{
    auto& [command, argv0, directory, umask, user, uid, gid, groups, environment, sources, serverurl, nice, limits, activation,
           socket_pass, redirect_stderr] = value;
    EnvironmentSources from = *sources;
    auto& [defaults, files, pass, inherit, names] = from;
    archive(command, argv0, directory, umask, user, uid, gid, groups, environment, files, pass, inherit, names,
            serverurl, nice, limits, activation, socket_pass, redirect_stderr, defaults);
    sources = std::move(from);
}

template <class A>
void fields(A& archive, RpcProgram& value)
{
    auto& [number, first, last] = value;
    archive(number, first, last);
}

template <class A>
void fields(A& archive, Sockets& value)
{
    auto& [endpoints, options, standing, rpc, own_options] = value;
    archive(endpoints, options, standing, rpc, own_options);
}

template <class A>
void fields(A& archive, LogSink& value)
{
    auto& [kind, path, maxbytes, backups, syslog, syslog_priority, capture_maxbytes, events_enabled, listener] = value;
    archive(kind, path, maxbytes, backups, syslog, syslog_priority, capture_maxbytes, events_enabled, listener);
}

std::uint64_t last_of(LogFormat)
{
    return static_cast<std::uint64_t>(LogFormat::Xinetd);
}

template <class A>
void fields(A& archive, ConnectionLines& value)
{
    archive(value.format, value.success, value.failure, value.to);  // it has a constructor, so it has no structured binding
}

template <class A>
void fields(A& archive, Output& value)
{
    auto& [out, err, strip_ansi, on_full, connections] = value;
    archive(out, err, strip_ansi, on_full, connections);
}

template <class A>
void fields(A& archive, Rate& value)
{
    auto& [count, per, per_source] = value;
    archive(count, per, per_source);
}

template <class A>
void fields(A& archive, Hours& value)
{
    auto& [from, until, days] = value;
    archive(from, until, days);
}

template <class A>
void fields(A& archive, Policy& value)
{
    auto& [priority, autostart, start_time, start_retries, start_retries_set, autorestart, exit_codes, stop_signal,
           stop_time, stop_as_group, kill_as_group, backoff_max, fatal_retry, idle_time, start_timeout, flush_pending,
           max_instances, max_per_source, max_rate, overload, allow, deny, access_order, access_hours, max_load, greeting, refusal, deny_time,
           connection_log, accept] = value;
    archive(priority, autostart, start_time, start_retries, start_retries_set, autorestart, exit_codes, stop_signal,
            stop_time, stop_as_group, kill_as_group, backoff_max, fatal_retry, idle_time, start_timeout, flush_pending,
            max_instances, max_per_source, max_rate, overload, allow, deny, access_order, access_hours, max_load, greeting, refusal, deny_time,
            connection_log, accept);
}

template <class A>
void fields(A& archive, Listener& value)
{
    auto& [events, buffer_size] = value;
    archive(events, buffer_size);
}

template <class A>
void fields(A& archive, Ready& value)
{
    auto& [when, fd, connect_to, pid_file, access, watchdog, fdstore_max] = value;
    archive(when, fd, connect_to, pid_file, access, watchdog, fdstore_max);
}

template <class A>
void fields(A& archive, ExitWays& value)
{
    auto& [codes, signals] = value;
    archive(codes, signals);
}

template <class A>
void fields(A& archive, Restarts& value)
{
    auto& [exit_signals, pause, prevent, force, run_time_max, watchdog_signal, remain_after_exit, fdstore_preserve] = value;
    archive(exit_signals, pause, prevent, force, run_time_max, watchdog_signal, remain_after_exit, fdstore_preserve);
}

template <class A>
void fields(A& archive, Hooks& value)
{
    auto& [start_pre, start_post, stop_command, stop_post, reload_command, reload_signal] = value;
    archive(start_pre, start_post, stop_command, stop_post, reload_command, reload_signal);
}

template <class A>
void fields(A& archive, Proxy& value)
{
    auto& [target, protocol] = value;
    archive(target, protocol);
}

template <class A>
void fields(A& archive, ServiceSpec& value)
{
    auto& [name, group, program, place, broken, exec, sockets, output, policy, listener, ready, restarts, hooks, proxy] = value;
    archive(name, group, program, place, broken, exec, sockets, output, policy, listener, ready, restarts, hooks, proxy);
}

template <class A>
void fields(A& archive, GroupSpec& value)
{
    auto& [name, priority, heterogeneous, services] = value;
    archive(name, priority, heterogeneous, services);
}

template <class A>
void fields(A& archive, PeerRole& value)
{
    auto& [uid, gid, role] = value;
    archive(uid, gid, role);
}

template <class A>
void fields(A& archive, ServerSpec& value)
{
    auto& [kind, section, path, host, port, mode, owner, group, username, password, allow_unauthenticated, role,
           certificate, certificate_key, client_certificates, peers] = value;
    archive(kind, section, path, host, port, mode, owner, group, username, password, allow_unauthenticated, role, certificate, certificate_key,
            client_certificates, peers);
}

template <class A>
void fields(A& archive, DaemonSpec& value)
{
    auto& [logfile, pidfile, childlogdir, directory, identifier, rundir, logfile_maxbytes, logfile_backups, loglevel,
           log_json, umask, nodaemon, silent, nocleanup, strip_ansi, minfds, minprocs, user, uid, gid, groups,
           environment, max_programs, max_connections, watchdog, names_refresh] = value;
    archive(logfile, pidfile, childlogdir, directory, identifier, rundir, logfile_maxbytes, logfile_backups, loglevel,
            log_json, umask, nodaemon, silent, nocleanup, strip_ansi, minfds, minprocs, user, uid, gid, groups,
            environment, max_programs, max_connections, watchdog, names_refresh);
}

template <class A>
void fields(A& archive, Config& value)
{
    auto& [file, daemon, servers, groups] = value;
    archive(file, daemon, servers, groups);
}

namespace {
constexpr std::string_view kMagic = "xsvdconf";
constexpr char kVersion =
    1;  // raised when a field changes its meaning; new ones at the end of a struct need no new number
}  // namespace

std::string encode(const Config& config)
{
    Config copy = config;  // one function serves both directions, so it takes what it could write to
    Writer writer;
    writer.write(copy);
    return std::string(kMagic) + kVersion + writer.take();
}

Result<Config> decode(std::string_view bytes)
{
    if (!bytes.starts_with(kMagic)) return fail("the configuration of record is damaged: it does not begin as one");
    bytes.remove_prefix(kMagic.size());
    if (bytes.empty() || bytes.front() != kVersion)
        return fail("the configuration of record has version {}, expected {}", bytes.empty() ? 0 : int{bytes.front()},
                    int{kVersion});
    constexpr std::uint64_t kMostPerByte = 64;  // a real one needs about ten
    std::uint64_t room = (bytes.size() + 64) * kMostPerByte;
    Reader reader(bytes.substr(1), room);
    Config config;
    reader.read(config);
    if (reader.failed() || !reader.at_end()) return fail("the configuration of record is damaged");
    ServiceSpec last;
    for (GroupSpec& group : config.groups)
        for (ServiceSpec& service : group.services) service.share_with(last);
    return config;
}

}  // namespace xsv::config
