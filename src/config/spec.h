#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/shared.h"
#include "base/time.h"
#include "sys/address.h"
#include "sys/endpoint.h"
#include "sys/processes.h"

/// What the user configured, as plain values; every dialect yields the same. Fields are grouped by what it takes to
/// change them, and that grouping is the reload policy.
namespace xsv::config {

using Environment = std::vector<std::pair<std::string, std::string>>;  ///< in order; a later name wins

enum class Activation : std::uint8_t { Always, OnDemand, PerConnection };
enum class Autorestart : std::uint8_t { Never, Unexpected, Always, OnSuccess, OnFailure, OnAbnormal, OnAbort, OnWatchdog };
enum class ReadyWhen : std::uint8_t { Exec, StartSecs, Notify, Fd, Connect, Exit, Fork };
enum class NotifyAccess : std::uint8_t { None, Main, Exec, All };
enum class StorePreserve : std::uint8_t { No, Restart, Yes };
enum class SocketPass : std::uint8_t { ListenFds, Stdio, StdioAll, Stdin };
enum class Overload : std::uint8_t { Queue, Refuse };
enum class OnFull : std::uint8_t { Drop, Block };
enum class ConnectionLog : std::uint8_t { None, End, Both };
enum class LogFormat : std::uint8_t { Native, Xinetd };
enum class AcceptIn : std::uint8_t { Auto, Child, Engine };

struct Place {            ///< where something was written
    std::string file;
    int line = 0;
    bool operator==(const Place&) const { return true; }  // moving a section in a file changes nothing
};

/// Where variables come from beside `environment`, which overrides them all.
struct EnvironmentSources {
    Environment defaults;                    ///< environment_default
    std::vector<std::string> files;          ///< environment_file; leading '-': may be absent
    std::vector<std::string> pass;           ///< environment_pass: names taken from the daemon even if inherit_env says no
    bool inherit = true;
    std::vector<std::string> inherit_names;  ///< inherit_env = A, B: only these
    bool operator==(const EnvironmentSources&) const = default;
};

/// Needs a new process.
struct Exec {
    std::string command;
    std::string argv0;                       ///< when not the command's first word
    std::string directory;
    std::optional<mode_t> umask;
    std::string user;                        ///< as written; the ids below are what counts (rule G6)
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::vector<gid_t> groups;
    Environment environment;                 ///< [supervisord] environment, then the program's own
    Shared<EnvironmentSources> sources;      ///< of more variables
    std::string serverurl;                   ///< for SUPERVISOR_SERVER_URL; empty: automatic
    std::optional<int> nice;
    std::vector<sys::ResourceLimit> limits;
    Activation activation = Activation::Always;
    SocketPass socket_pass = SocketPass::ListenFds;
    bool redirect_stderr = false;
    bool operator==(const Exec&) const = default;
};

/// rpc = PROGRAM/VERSIONS: what rpcbind is told about the sockets.
struct RpcProgram {
    std::uint32_t number = 0, first = 0, last = 0;   ///< the versions
    bool operator==(const RpcProgram&) const = default;
};

/// Needs other sockets; the process may stay.
struct Sockets {
    std::vector<sys::Endpoint> endpoints;
    Shared<sys::SocketOptions> options;
    bool standing = false;                   ///< [fcgi-program:x]: open while the program is configured, running or not
    std::optional<RpcProgram> rpc;
    std::vector<std::pair<std::string, std::string>> own_options;   ///< name of an endpoint, words that count for it alone
    Shared<sys::SocketOptions> options_of(const sys::Endpoint& endpoint) const;
    /// Does a start open them and a stop close them?
    bool follow_state() const { return !endpoints.empty() && !standing; }
    bool operator==(const Sockets&) const = default;
};

/// One output stream. The pipe outlives the process, so a change takes effect at once, except between "no pipe" and "pipe".
struct LogSink {
    enum class Kind : std::uint8_t { None, File, Auto };
    Kind kind = Kind::Auto;
    std::string path;                        ///< of File; of Auto once a name was made
    std::int64_t maxbytes = 50 << 20;
    int backups = 10;
    bool syslog = false;
    int syslog_priority = 14;                ///< facility user, level info, as syslog(3) adds them up
    std::int64_t capture_maxbytes = 0;
    bool events_enabled = false;
    bool listener = false;                   ///< an event listener's stdout: its half of the conversation
    bool operator==(const LogSink&) const = default;
    bool is_piped() const { return kind != Kind::None || syslog || capture_maxbytes > 0 || events_enabled || listener; }
};

/// What a line about a connection tells, one bit each; xinetd's words.
enum LogWord : std::uint8_t { kLogPid = 1, kLogHost = 2, kLogUserid = 4, kLogExit = 8, kLogDuration = 16, kLogTraffic = 32, kLogAttempt = 64 };

/// Lines about connections, beside Policy::connection_log.
struct ConnectionLines {
    LogFormat format = LogFormat::Native;
    std::uint8_t success = 0, failure = 0;   ///< LogWord, with LogFormat::Xinetd
    LogSink to;                              ///< Kind::None without syslog: the daemon's own log
    ConnectionLines() { to.kind = LogSink::Kind::None; }
    bool operator==(const ConnectionLines&) const = default;
};

struct Output {
    LogSink out, err;
    bool strip_ansi = false;
    OnFull on_full = OnFull::Drop;
    Shared<ConnectionLines> connections;
    bool operator==(const Output&) const = default;
};

/// max_rate = N/time
struct Rate {
    std::int64_t count = 0;                  ///< 0: no limit
    Duration per{};
    bool per_source = false;
    bool operator==(const Rate&) const = default;
};

/// access_hours: minutes of the day on days of the week (bit 0 = Sunday).
struct Hours {
    int from = 0, until = 24 * 60;           ///< until < from: over midnight
    std::uint8_t days = 0x7f;
    bool operator==(const Hours&) const = default;
};

/// Takes effect at once.
struct Policy {
    int priority = 999;
    bool autostart = true;
    Duration start_time = std::chrono::seconds(1);   ///< startsecs
    int start_retries = 3;                           ///< startretries
    bool start_retries_set = false;                  ///< a program with sockets gives up only when asked to (row 6.5)
    Autorestart autorestart = Autorestart::Unexpected;
    std::vector<int> exit_codes{0};
    int stop_signal = 15;
    Duration stop_time = std::chrono::seconds(10);   ///< stopwaitsecs
    bool stop_as_group = false, kill_as_group = false;
    Duration backoff_max = std::chrono::seconds(60);
    std::optional<Duration> fatal_retry;
    std::optional<Duration> idle_time;               ///< idle_timeout
    Duration start_timeout = std::chrono::seconds(90);
    bool flush_pending = false;
    int max_instances = 64;
    int max_per_source = 0;                          ///< 0: no limit
    Rate max_rate;
    Overload overload = Overload::Queue;
    std::vector<sys::AddressRule> allow, deny;
    sys::AccessOrder access_order = sys::AccessOrder::MostSpecific;
    std::vector<Hours> access_hours;                 ///< empty: always
    double max_load = 0;                             ///< 0: no limit
    std::vector<std::string> greeting, refusal;      ///< files, sent one after the other
    std::optional<Duration> deny_time;               ///< builtin:sensor: how long its callers are denied everywhere; max(): for ever
    ConnectionLog connection_log = ConnectionLog::End;
    AcceptIn accept = AcceptIn::Auto;
    bool operator==(const Policy&) const = default;
};

/// When a started program is ready, and what it may tell us. Needs a new process.
struct Ready {
    ReadyWhen when = ReadyWhen::StartSecs;
    int fd = 0;                              ///< of Fd: where the program writes its newline
    std::optional<sys::Endpoint> connect_to; ///< of Connect
    std::string pid_file;                    ///< of Fork; empty: the one process it leaves
    NotifyAccess access = NotifyAccess::None;///< who may send notifications; None: there is no socket for them
    Duration watchdog{};                     ///< 0: none
    int fdstore_max = 0;                     ///< descriptors kept for it
    std::string text() const;                ///< "fd:3": `ready` as it would be written
    bool operator==(const Ready&) const = default;
};

/// Ways for a process to end.
struct ExitWays {
    std::vector<int> codes, signals;
    bool operator==(const ExitWays&) const = default;
};

/// What follows an end, beside autorestart. Takes effect at once.
struct Restarts {
    std::vector<int> exit_signals;           ///< of exitcodes: expected too
    Duration pause{};                        ///< before each start that follows an end by itself
    ExitWays prevent, force;
    std::optional<Duration> run_time_max;
    int watchdog_signal = 6;
    bool remain_after_exit = false;          ///< of ReadyWhen::Exit: done is a state that lasts
    StorePreserve fdstore_preserve = StorePreserve::Restart;   ///< when stored descriptors go: with the process, with a stop, never
    bool operator==(const Restarts&) const = default;
};

/// Commands beside the program's own, each list in order. Take effect at once.
struct Hooks {
    std::vector<std::string> start_pre, start_post, stop_command, stop_post, reload_command;
    int reload_signal = 0;                   ///< 0: none
    bool operator==(const Hooks&) const = default;
};

/// What makes a program an [eventlistener:x]. Takes effect at once.
struct Listener {
    std::vector<std::string> events;         ///< names, sorted, each once
    int buffer_size = 1000;                  ///< events that wait at most
    bool operator==(const Listener&) const = default;
};

/// proxy_to: connections are forwarded, and the program behind gets no socket. Takes effect at once.
struct Proxy {
    enum class Protocol : std::uint8_t { None, V1, V2 };
    std::string target;                      ///< an endpoint
    Protocol protocol = Protocol::None;
    bool operator==(const Proxy&) const = default;
};

/// One row of `status`: one process, or one per-connection program.
struct ServiceSpec {
    std::string name;          ///< process name
    std::string group;
    std::string program;       ///< section name without "program:"
    Place place;
    std::string broken;        ///< why it cannot start (one sentence); shown as FATAL, the rest runs
    Exec exec;
    Sockets sockets;
    Shared<Output> output;
    Shared<Policy> policy;
    std::optional<Listener> listener;
    Shared<Ready> ready;
    Shared<Restarts> restarts;
    Shared<Hooks> hooks;
    std::optional<Proxy> proxy;
    /// "group:name", or the name alone when both are equal.
    std::string namespec() const { return group == name ? name : group + ":" + name; }
    /// What is equal to the last program's is kept once: neighbours are often alike. This one is the last one then.
    void share_with(ServiceSpec& last);
    bool operator==(const ServiceSpec&) const = default;
};

struct GroupSpec {
    std::string name;
    int priority = 999;
    bool heterogeneous = false;              ///< from [group:x]
    std::vector<ServiceSpec> services;       ///< by priority; where it is equal, as written, and one program's by name
    bool operator==(const GroupSpec&) const = default;
};

/// What a client may do, each the ones before it too: read states and logs; start, stop, signal and clear; change the daemon.
enum class Role : std::uint8_t { Viewer, Operator, Admin };

/// Of peers: a user, a group, or everybody.
struct PeerRole {
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    Role role = Role::Viewer;
    bool operator==(const PeerRole&) const = default;
};

/// [unix_http_server], [inet_http_server]
struct ServerSpec {
    enum class Kind : std::uint8_t { Unix, Inet };
    Kind kind = Kind::Unix;
    std::string section;
    std::string path;                        ///< Unix, absolute
    std::string host;                        ///< Inet; empty: all IPv4 addresses
    std::uint16_t port = 0;
    std::uint32_t mode = 0700;
    std::optional<uid_t> owner;
    std::optional<gid_t> group;
    std::string username, password;
    bool allow_unauthenticated = false;
    Role role = Role::Admin;                 ///< the most that anybody may do here
    std::string certificate, certificate_key, client_certificates;   ///< Inet: absolute paths; without the first there is no TLS
    std::vector<PeerRole> peers;             ///< Unix; empty: whoever the file's mode lets in has that role
    bool is_for_this_machine() const { return kind == Kind::Unix || host == "localhost" || host == "::1" || host.starts_with("127."); }
    /// Whoever reaches it may do everything: never by default beyond this machine (rule A1).
    bool is_open_to_all() const { return username.empty() && !is_for_this_machine() && !allow_unauthenticated; }
    bool operator==(const ServerSpec&) const = default;
};

/// [supervisord]
struct DaemonSpec {
    std::string logfile = "supervisord.log", pidfile = "supervisord.pid", childlogdir, directory, identifier = "supervisor", rundir;
    std::int64_t logfile_maxbytes = 50 << 20;
    int logfile_backups = 10;
    int loglevel = 20;                       ///< log::Level
    bool log_json = false;                   ///< logformat = json
    mode_t umask = 022;
    bool nodaemon = false, silent = false, nocleanup = false, strip_ansi = false;
    std::int64_t minfds = 1024, minprocs = 200;
    std::string user;
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::vector<gid_t> groups;
    Environment environment;
    int max_programs = 10000, max_connections = 4096;   ///< of the state table (rule M1)
    bool watchdog = true;
    Duration names_refresh = std::chrono::minutes(5);   ///< 0: never
    bool operator==(const DaemonSpec&) const = default;
};

/// One mistake or warning: "conf.d/web.conf:12: [program:web] startsecs: expected a duration, got 'soon'".
struct Mistake {
    Place place;
    std::string section, key, text;
    bool warning = false;
    std::string message() const;
};

struct Config {
    std::string file;                        ///< absolute path of the main file
    DaemonSpec daemon;
    std::vector<ServerSpec> servers;         ///< inet first, then unix, each in file order
    std::vector<GroupSpec> groups;           ///< by (priority, name)
    bool operator==(const Config&) const = default;
};

}  // namespace xsv::config
