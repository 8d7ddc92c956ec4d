#include "daemon/daemon.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "config/record.h"
#include "config/words.h"
#include "daemon/foreground.h"
#include "sys/files.h"

namespace xsv::daemon {
namespace {

constexpr Duration kHoldTime = std::chrono::minutes(10);
constexpr const char* kTableKey = "table";
constexpr const char* kLockKey = "lock";
constexpr const char* kRecordKey = "record";

/// Whoever reaches it may do everything: never by default beyond this machine.
bool is_open_to_all(const config::ServerSpec& server)
{
    const bool is_local = server.host == "localhost" || server.host.starts_with("127.") || server.host == "::1";
    return server.kind == config::ServerSpec::Kind::Inet && server.username.empty() && !is_local && !server.allow_unauthenticated;
}

/// The second and third line are Supervisor's, to the letter.
void log_servers(const std::vector<config::ServerSpec>& servers)
{
    for (const config::ServerSpec& server : servers) {
        if (is_open_to_all(server)) {
            log::critical("[{}] is not opened: {}:{} can be reached by others and has no password; set username and password, or "
                          "allow_unauthenticated = yes",
                          server.section, server.host.empty() ? "*" : server.host, server.port);
            continue;
        }
        log::info("RPC interface 'supervisor' initialized");
        if (server.username.empty()) log::critical("Server {} running without any HTTP authentication checking", text::repr(server.section));
    }
}

/// The soft limit the guardian was started with.
std::int64_t original_file_limit()
{
    const char* soft = ::getenv("XSVD_NOFILE_SOFT");
    return soft != nullptr ? text::to_int(soft).value_or(1024) : 1024;
}

std::string explain_server(const Error& error)
{
    if (error.code == EADDRINUSE)
        return "Another program is already listening on a port that one of our HTTP servers is configured to use.  Shut this program down "
               "first before starting supervisord.\n" + error.message;   // Supervisor's sentence; then which port, and whose
    if (error.code == 0) return error.message;
    return fmt::format("Cannot open an HTTP server: socket.error reported errno.{} ({}): {}", errno_name(error.code), error.code, error.message);
}

std::string directory_of_executable()
{
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

}  // namespace

Daemon::Daemon(Options options, std::string program, bool as_supervisord, engine::GuardianLink& guardian)
    : options_(std::move(options)), program_(std::move(program)), as_supervisord_(as_supervisord), guardian_(guardian),
      detached_(::getenv("XSVD_DETACHED") != nullptr), loop_(event::make_loop()), processes_(sys::kernel_processes(true)),
      sockets_(sys::kernel_sockets()), null_(::open("/dev/null", O_RDWR | O_CLOEXEC))
{
}

Daemon::~Daemon() = default;

// ---- starts -------------------------------------------------------------------------------------------------------

std::optional<int> Daemon::prepare_first_start(engine::GuardianLink::Inheritance& inheritance)
{
    auto loaded = load_or_explain(options_, program_);
    if (!loaded) return 2;
    config_ = std::move(loaded->config);
    config_.daemon.nodaemon = config_.daemon.nodaemon || options_.nodaemon || ::getppid() == 1;
    if (!config_.daemon.nodaemon && !detached_) return wire::kExitDetach;

    inherited_.add(std::move(inheritance.descriptors));
    std::vector<std::string> infos;
    for (const std::string& file : loaded->included) infos.push_back(fmt::format("Included extra file \"{}\" during parsing", file));
    if (config_.daemon.uid && ::geteuid() != 0 && *config_.daemon.uid != ::geteuid())
        return usage_error(program_, "Can't drop privilege as nonroot user");
    if (auto enough = check_limits(); !enough) return usage_error(program_, enough.error().message);
    if (auto taken = take_run_dir(); !taken) return usage_error(program_, taken.error().message);
    guardian_.hold(kLockKey, net::Held::Lock, lock_.get());
    const auto slots = static_cast<std::uint32_t>(config_.daemon.max_programs + config_.daemon.max_connections + 16);
    auto table = engine::Table::create(run_dir_ + "/state", slots);
    if (!table) return usage_error(program_, table.error().message);
    table_.emplace(std::move(*table));

    apply_daemon_settings();
    if (raise_process_limit()) infos.push_back(fmt::format("Increased RLIMIT_NPROC limit to {}", config_.daemon.minprocs));
    if (raised_files()) infos.push_back(fmt::format("Increased RLIMIT_NOFILE limit to {}", config_.daemon.minfds));
    if (config_.daemon.uid) {
        if (::chown(run_dir_.c_str(), *config_.daemon.uid, config_.daemon.gid.value_or(static_cast<gid_t>(-1))) != 0)
            return usage_error(program_, fmt::format("giving {} to {}: {}", run_dir_, config_.daemon.user, errno_text(errno)));
        if (auto changed = sys::become(*config_.daemon.uid, config_.daemon.gid.value_or(*config_.daemon.uid), config_.daemon.groups); !changed)
            return usage_error(program_, changed.error().message);
        infos.push_back(fmt::format("Set uid to user {} succeeded", *config_.daemon.uid));
    }
    open_log();
    if (!config_.daemon.uid && ::geteuid() == 0)
        log::critical("Supervisor is running as root.  Privileges were not dropped because no user is specified in the config file.  If you "
                      "intend to run as root, you can set user=root in the config file to avoid this message.");
    for (const config::Mistake& mistake : loaded->mistakes) log::error("{}", mistake.message());
    for (const config::Mistake& warning : loaded->warnings) log::warn("{}", warning.message());
    for (const std::string& info : infos) log::info("{}", info);
    clean_auto_logs();
    wire_together();
    return open_servers();
}

Status Daemon::prepare_recovery(engine::GuardianLink::Inheritance& inheritance)
{
    recovering_ = true;
    hold_mode_ = inheritance.hold_mode;
    inherited_.add(std::move(inheritance.descriptors));
    lock_ = inherited_.take(kLockKey);
    const sys::UniqueFd record = inherited_.take(kRecordKey);
    auto bytes = sys::read_sealed(record.get());
    if (!bytes) return wrap(bytes, "the configuration of record");
    auto config = config::decode(*bytes);
    if (!config) return wrap(config, "the configuration of record");
    if (auto opened = open_table(inherited_.take(kTableKey)); !opened) return opened;
    config_ = std::move(*config);
    run_dir_ = config_.daemon.rundir.empty() ? sys::default_run_dir(config_.file) : config_.daemon.rundir;
    apply_daemon_settings();
    raise_hard_limits();
    raise_process_limit();
    if (auto changed = become_writer_of(record.get()); !changed) return changed;
    open_log();
    wire_together();
    if (auto failed = open_servers()) return fail("the servers' sockets could not be opened");
    return {};
}

/// An engine that has dropped its rights leaves a record that its successor, which starts as root, must not take orders from
/// about rights. Whose it is the kernel knows, and that user's groups the user database.
Status Daemon::become_writer_of(int record)
{
    struct stat status{};
    if (::fstat(record, &status) != 0) return fail_errno("the configuration of record", errno);
    if (status.st_uid == ::geteuid()) return {};
    auto user = sys::find_user(std::to_string(status.st_uid));
    if (!user) return wrap(user, "the user who wrote the configuration of record");
    return sys::become(status.st_uid, status.st_gid, user->groups);
}

/// As Supervisor does, the hard limits are raised where they are too low and we may; the guardian has raised the soft one of
/// descriptors as far as it went.
Status Daemon::check_limits() const
{
    rlimit files{}, processes{};
    raise_hard_limits();
    ::getrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_NPROC, &processes);
    const auto reaches = [](rlim_t hard, std::int64_t wanted) { return hard == RLIM_INFINITY || hard >= static_cast<rlim_t>(wanted); };
    const config::DaemonSpec standard;  // nobody asked for these: a small host is no reason not to start
    if (config_.daemon.minfds != standard.minfds && !reaches(files.rlim_max, config_.daemon.minfds))
        return fail("The minimum number of file descriptors required to run this process is {} as per the \"minfds\" command-line argument "
                    "or config file setting. The current environment will only allow you to open {} file descriptors.  Either raise the "
                    "number of usable file descriptors in your environment (see README.rst) or lower the minfds setting in the config file "
                    "to allow the process to start.", config_.daemon.minfds, files.rlim_max);
    if (config_.daemon.minprocs != standard.minprocs && !reaches(processes.rlim_max, config_.daemon.minprocs))
        return fail("The minimum number of available processes required to run this program is {} as per the \"minprocs\" command-line "
                    "argument or config file setting. The current environment will only allow you to open {} processes.  Either raise the "
                    "number of usable processes in your environment (see README.rst) or lower the minprocs setting in the config file to "
                    "allow the program to start.", config_.daemon.minprocs, processes.rlim_max);
    if (!reaches(files.rlim_max, standard.minfds))
        log::warn("only {} descriptors are allowed here: callers wait when they are used up", files.rlim_max);
    return {};
}

void Daemon::raise_hard_limits() const
{
    for (const auto& [resource, wanted] : {std::pair{RLIMIT_NOFILE, config_.daemon.minfds}, std::pair{RLIMIT_NPROC, config_.daemon.minprocs}}) {
        rlimit limit{};
        if (::getrlimit(resource, &limit) != 0 || limit.rlim_max >= static_cast<rlim_t>(wanted)) continue;
        limit.rlim_max = static_cast<rlim_t>(wanted);
        if (::setrlimit(resource, &limit) != 0) log::debug("raising a hard limit to {}: {}", wanted, errno_text(errno));
    }
}

/// The programs inherit the limit, so it is raised before the daemon changes its user.
bool Daemon::raise_process_limit() const
{
    rlimit processes{};
    const auto wanted = static_cast<rlim_t>(config_.daemon.minprocs);
    if (::getrlimit(RLIMIT_NPROC, &processes) != 0 || processes.rlim_cur >= wanted) return false;  // RLIM_INFINITY is the greatest
    processes.rlim_cur = wanted;
    processes.rlim_max = std::max(processes.rlim_max, wanted);
    return ::setrlimit(RLIMIT_NPROC, &processes) == 0;
}

/// Ours is raised as far as it goes; what counts is the one the programs get.
bool Daemon::raised_files() const
{
    return original_file_limit() < config_.daemon.minfds;
}

Status Daemon::open_table(sys::UniqueFd fd)
{
    if (table_) return {};
    auto table = engine::Table::open(std::move(fd));
    if (!table) return tl::unexpected(std::move(table).error());
    table_.emplace(std::move(*table));
    return {};
}

void Daemon::record_unread(engine::GuardianLink::Inheritance& inheritance, const engine::ChildExit& exit)
{
    const auto found = inheritance.descriptors.find(kTableKey);
    if (found == inheritance.descriptors.end()) return;  // everything of that time has been stopped
    if (!open_table(sys::UniqueFd(::fcntl(found->second.get(), F_DUPFD_CLOEXEC, 0)))) return;
    if (!exit_recorder_) exit_recorder_.emplace(*table_);
    exit_recorder_->record(exit);
}

Status Daemon::take_run_dir()
{
    run_dir_ = config_.daemon.rundir.empty() ? sys::default_run_dir(config_.file) : config_.daemon.rundir;
    if (auto made = sys::make_run_dir(run_dir_); !made) return made;
    lock_ = inherited_.take(kLockKey);
    if (lock_) return {};
    auto lock = sys::take_lock(run_dir_ + "/lock", ::getppid());
    if (!lock) return fail("{} is served by another xsvd already: {}", config_.file, lock.error().message);
    lock_ = std::move(*lock);
    return {};
}

/// What [supervisord] says about this process itself.
void Daemon::apply_daemon_settings()
{
    if (!detached_) return;
    ::umask(config_.daemon.umask);
    if (!config_.daemon.directory.empty() && ::chdir(config_.daemon.directory.c_str()) != 0)
        log::critical("can't chdir into {}: {}", text::repr(config_.daemon.directory), errno_text(errno));
}

void Daemon::open_log()
{
    const config::DaemonSpec& daemon = config_.daemon;
    log::Settings settings;
    settings.level = static_cast<log::Level>(daemon.loglevel);
    settings.file = daemon.logfile;
    settings.maxbytes = daemon.logfile_maxbytes;
    settings.backups = daemon.logfile_backups;
    settings.to_stdout = !detached_ && !daemon.silent;
    settings.json = daemon.log_json;
    settings.journal = ::getenv("JOURNAL_STREAM") != nullptr;
    auto opened = log::open(settings);
    has_log_ = opened.has_value();
    if (has_log_) return;
    log::critical("the daemon's log cannot be opened: {}. It goes on without; SIGUSR2 tries again", opened.error().message);
    settings.file.clear();
    if (settings.to_stdout) (void)log::open(settings);
}

namespace {

/// NAME-stdout---IDENTIFIER-xxxxxxxx.log, perhaps with a backup's number. Supervisor takes the identifier for a regular
/// expression and removes files of others too (bug B43).
bool is_auto_log(std::string_view name, const std::string& identifier)
{
    constexpr std::size_t kRandom = 8;
    const std::string mark = "---" + identifier + "-";
    const auto at = name.rfind(mark);
    if (at == std::string_view::npos) return false;
    const std::string_view stream = name.substr(0, at);
    if (stream.size() <= 7 || !(stream.ends_with("-stdout") || stream.ends_with("-stderr"))) return false;
    std::string_view rest = name.substr(at + mark.size());
    if (rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != kRandom) return false;
    rest.remove_prefix(kRandom);
    if (!rest.starts_with(".log")) return false;
    rest.remove_prefix(4);
    return rest.empty() ||
           (rest.size() > 1 && rest[0] == '.' && rest.substr(1).find_first_not_of("0123456789") == std::string_view::npos);
}

}  // namespace

/// AUTO logs of an earlier life of this daemon.
void Daemon::clean_auto_logs() const
{
    if (config_.daemon.nocleanup) return;
    std::error_code error, ignored;
    for (const auto& entry : std::filesystem::directory_iterator(config_.daemon.childlogdir, error)) {
        const std::string name = entry.path().filename();
        if (!is_auto_log(name, config_.daemon.identifier) || !entry.is_regular_file(ignored)) continue;
        if (::unlink(entry.path().c_str()) != 0) log::warn("Failed to clean up '{}'", entry.path().string());
    }
    if (error) log::warn("Could not clear childlog dir");
}

// ---- wiring -------------------------------------------------------------------------------------------------------

void Daemon::wire_together()
{
    socket_table_ = std::make_unique<net::SocketTable>(*sockets_, guardian_);
    for (auto at = inherited_.rest().begin(); at != inherited_.rest().end();) {
        const bool is_socket = at->first.starts_with("socket ");
        if (is_socket) socket_table_->inherit(at->first, std::move(at->second));
        at = is_socket ? inherited_.rest().erase(at) : std::next(at);
    }
    context_.reset(new engine::Context{*loop_, *processes_, *sockets_, *socket_table_, guardian_, *table_, scribe_link_, inherited_, pids_, {}, {}});
    engine::Surroundings& surroundings = context_->surroundings;
    surroundings.inherited = engine::inheritable_environment(environ);
    surroundings.null = null_.get();
    surroundings.nofile_soft = static_cast<rlim_t>(std::max(original_file_limit(), config_.daemon.minfds));
    if (as_supervisord_) surroundings.name = "supervisord";
    surroundings.server_url = server_url();

    engine_ = std::make_unique<engine::Engine>(*context_, [this](const engine::ChildExit& exit, std::optional<std::uint32_t> slot) { on_other_exit(exit, slot); });
    scribe_link_.follow_output([this](const std::string& key, std::string_view data, bool captured, const engine::MessageOrigin& origin) {
        engine_->events().on_output(key, data, captured, origin);
    });
    scribe_link_.follow_ends([this](const std::string& key, const engine::MessageOrigin& origin) { engine_->events().on_ended(key, origin); });
    control::DaemonHooks hooks;
    hooks.version = XSV_VERSION;
    hooks.pid = ::getppid();
    hooks.hold_mode = hold_mode_;
    hooks.load = [this] { return config::load(config_.file, options_.overrides); };
    hooks.prepare_settings = [this](const config::Config& config) { return web_link_->prepare(servers_of(config)); };
    hooks.shutdown = [this] { loop_->soon([this] { shutdown(0); }); };
    hooks.resumed = [this] { web_link_->serve_tcp(); };
    hooks.restart = [this] { loop_->soon([this] { restart(); }); };
    control_ = std::make_unique<control::Control>(*engine_, *context_, scribe_link_, std::move(hooks));
    web_link_ = std::make_unique<control::WebLink>(*context_, *control_, scribe_link_, hold_mode_);
}

/// Without a server section the unix server stands in the run-time folder, so that the client always works.
std::vector<config::ServerSpec> Daemon::servers_of(const config::Config& config) const
{
    std::vector<config::ServerSpec> servers = config.servers;
    std::erase_if(servers, [](const config::ServerSpec& server) { return is_open_to_all(server); });
    if (servers.empty()) {
        config::ServerSpec server;
        server.section = "unix_http_server";
        server.path = run_dir_ + "/xsvd.sock";
        servers.push_back(std::move(server));
    }
    return servers;
}

std::string Daemon::server_url() const
{
    std::string url;
    for (const config::ServerSpec& server : servers_of(config_)) {
        if (server.kind == config::ServerSpec::Kind::Unix) return "unix://" + server.path;
        url = fmt::format("http://{}:{}", server.host.empty() ? "localhost" : server.host, server.port);
    }
    return url;
}

std::optional<int> Daemon::open_servers()
{
    if (!recovering_) log_servers(config_.servers);
    auto prepared = web_link_->prepare(servers_of(config_));
    if (!prepared) return usage_error(program_, explain_server(prepared.error()));
    (*prepared)();
    return std::nullopt;
}

void Daemon::start_helpers()
{
    const std::string folder = directory_of_executable();
    std::optional<std::uint32_t> scribe_slot, web_slot;
    table_->for_each([&](std::uint32_t index, engine::Slot& slot) {
        if (slot.kind != engine::SlotKind::Helper) return;
        (slot.name_text() == "scribe" ? scribe_slot : web_slot) = index;
    });
    scribe_ = std::make_unique<engine::Helper>(
        *context_, engine::Helper::Settings{"scribe", folder + "/xsvd-scribe", {}, true, true},
        [this] { scribe_link_.greet([this] { engine_->tell_sinks(); }); },
        [this](const wire::Value& message, sys::UniqueFd) { scribe_link_.on_message(message); });
    scribe_link_.attach(*scribe_);
    std::optional<sys::User> user;
    if (::geteuid() == 0) {
        if (auto found = sys::helper_user()) user = std::move(*found);
        else log::error("no user for the web process: {}", found.error().message);
    }
    web_ = std::make_unique<engine::Helper>(
        *context_, engine::Helper::Settings{"web", folder + "/xsvd-web", user, false}, [this] { web_link_->greet(); },
        [this](const wire::Value& message, sys::UniqueFd fd) { web_link_->on_message(message, std::move(fd)); });
    web_link_->attach(*web_);
    scribe_->start(scribe_slot);
    web_->start(web_slot);
}

int Daemon::serve(const std::vector<int>& signals)
{
    if (!recovering_) guardian_.hold(kTableKey, net::Held::Table, table_->fd());
    if (detached_) sys::leave_terminal(null_.get());
    start_helpers();
    // The services own their specs from here on; two thousand of them twice are megabytes.
    config::Config services = config_;
    config_.groups = {};
    if (recovering_) {
        engine_->recover(std::move(services));
    } else {
        if (detached_) log::info("daemonizing the supervisord process");
        if (detached_ && !config_.daemon.directory.empty()) log::info("set current directory: {}", text::repr(config_.daemon.directory));
        write_pidfile();
        log::info("supervisord started with pid {}", ::getppid());
        engine_->start(std::move(services));
    }
    ::malloc_trim(0);
    for (auto& [key, fd] : inherited_.rest()) guardian_.drop(key);
    inherited_.rest().clear();
    socket_table_->drop_unclaimed();
    if (hold_mode_) {
        log::critical("the engine ended five times within a minute: hold mode; what runs is kept, new configuration is refused");
        hold_timer_ = loop_->after(kHoldTime, "hold mode", [this] { control_->leave_hold_mode(); });
    }
    guardian_.watch(*loop_, [this](const engine::ChildExit& exit) { engine_->on_exit(exit); }, [this](int signal) { on_signal(signal); },
                    [this] {
                        log::critical("the guardian is gone");
                        exit_code_ = 1;
                        loop_->stop();
                    });
    guardian_.ready();
    for (const int signal : signals) on_signal(signal);
    loop_->run();
    return exit_code_;
}

// ---- while serving ------------------------------------------------------------------------------------------------

void Daemon::on_other_exit(const engine::ChildExit& exit, std::optional<std::uint32_t> slot)
{
    for (engine::Helper* helper : {scribe_.get(), web_.get()})
        if (slot && helper != nullptr && helper->slot() == slot) return helper->on_exit(exit);
    if (!slot) log::info("reaped unknown pid {} ({})", exit.pid, engine::describe({exit.code, exit.status}));
}

void Daemon::on_signal(int signal)
{
    const std::string name = config::signal_name(signal);
    switch (signal) {
        case SIGTERM:
        case SIGINT:
        case SIGQUIT:
            log::warn("received {} indicating exit request", name);
            return shutdown(0);
        case SIGHUP:
            if (engine_->is_shutting_down()) return log::warn("ignored SIGHUP indicating restart request (shutdown in progress)");
            if (!as_supervisord_) return reload();
            log::warn("received SIGHUP indicating restart request");
            return restart_if_possible();
        case SIGUSR2:
            log::info("received SIGUSR2 indicating log reopen request");
            has_log_ ? log::reopen() : open_log();
            scribe_link_.reopen();
            return log::info("supervisord logreopen");
        default: return;
    }
}

void Daemon::reload()
{
    auto diff = control_->reload();
    if (!diff) log::error("the configuration was not reloaded and nothing has changed:\n{}", diff.error().message);
}

void Daemon::shutdown(int exit_code)
{
    engine_->shutdown([this, exit_code] { finish(exit_code); });
}

/// Nothing is stopped for a configuration that could not start again.
void Daemon::restart_if_possible()
{
    const config::Loaded loaded = config::load(config_.file, options_.overrides);
    if (loaded.mistakes.empty()) return restart();
    log::error("the configuration cannot be used, so nothing is restarted:\n{}", control::mistakes_text(loaded.mistakes));
}

/// Everything stops; the next engine reads the files and starts anew. Sockets and lock stay held meanwhile.
void Daemon::restart()
{
    for (engine::Service* service : engine_->services())
        kept_sockets_.insert(kept_sockets_.end(), service->sockets().begin(), service->sockets().end());
    engine_->shutdown([this] {
        guardian_.drop(kRecordKey);
        guardian_.drop(kTableKey);
        guardian_.drop("events");
        finish(wire::kExitAgain);
    });
}

void Daemon::finish(int exit_code)
{
    const bool again = exit_code == wire::kExitAgain;
    scribe_->shutdown([this, exit_code, again] {
        web_->shutdown([this, exit_code, again] {
            if (!again) {
                if (!config_.daemon.pidfile.empty()) ::unlink(config_.daemon.pidfile.c_str());
                if (auto closed = web_link_->prepare({})) (*closed)();
                guardian_.quit(exit_code);
            }
            exit_code_ = exit_code;
            loop_->stop();
        });
    });
}

void Daemon::write_pidfile() const
{
    const std::string& file = config_.daemon.pidfile;
    if (file.empty()) return;
    const sys::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    const std::string text = std::to_string(::getppid()) + "\n";
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) log::critical("could not write pidfile {}", file);
}

}  // namespace xsv::daemon
