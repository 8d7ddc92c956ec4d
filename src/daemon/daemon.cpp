#include "daemon/daemon.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "config/words.h"
#include "daemon/foreground.h"
#include "daemon/limits.h"
#include "sys/files.h"
#include "wire/json.h"

namespace xsv::daemon {
namespace {

constexpr Duration kHoldTime = std::chrono::minutes(10);

/// Supervisor's first line of a server, with our name. The host is as configured: a name server that does not answer must not
/// hold up the start.
void log_start(const config::ServerSpec& server)
{
    const bool is_unix = server.kind == config::ServerSpec::Kind::Unix;
    log::trace("{}:xsvd (V{}) started at {}\n    Hostname: {}\n    Port:{}", is_unix ? server.path : server.host, XSV_VERSION,
               local_time(wall_seconds(), "%a %b %e %H:%M:%S %Y"), is_unix ? "<unix domain socket>" : server.host,
               is_unix ? server.path : std::to_string(server.port));
}

/// But for the refusal, lines are Supervisor's.
void log_servers(const std::vector<config::ServerSpec>& servers)
{
    for (const config::ServerSpec& server : servers) {
        if (server.is_open_to_all()) {
            log::critical("[{}] is not opened: {}:{} can be reached by others and has no password; set username and password, or "
                          "allow_unauthenticated = yes",
                          server.section, server.host.empty() ? "*" : server.host, server.port);
            continue;
        }
        log_start(server);
        log::info("RPC interface 'supervisor' initialized");
        if (server.username.empty()) log::critical("Server {} running without any HTTP authentication checking", text::repr(server.section));
    }
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

// ---- wiring -------------------------------------------------------------------------------------------------------

void Daemon::wire_together()
{
    socket_table_ = std::make_unique<net::SocketTable>(*sockets_, guardian_);
    for (auto at = inherited_.rest().begin(); at != inherited_.rest().end();) {
        const bool is_socket = at->first.starts_with("socket "), is_received = at->first.starts_with("received ");
        if (is_socket) socket_table_->inherit(at->first, std::move(at->second));
        // "received 0 web"; without a name they are called as systemd's library calls them.
        const std::string name = is_received ? at->first.substr(at->first.find(' ', 9) + 1) : "";
        if (net::is_stored_name(name)) socket_table_->restore(name, at->first, std::move(at->second));
        else if (is_received) socket_table_->receive(name.empty() ? "unknown" : name, std::move(at->second));
        at = is_socket || is_received ? inherited_.rest().erase(at) : std::next(at);
    }
    context_.reset(new engine::Context{*loop_, *processes_, *sockets_, *socket_table_, guardian_, *table_, scribe_link_, inherited_, pids_, {}, {}});
    engine::Surroundings& surroundings = context_->surroundings;
    surroundings.inherited = engine::inheritable_environment(environ);
    surroundings.null = null_.get();
    surroundings.nofile_soft = static_cast<rlim_t>(std::max(original_file_limit(), config_.daemon.minfds));
    if (as_supervisord_) surroundings.name = "supervisord";
    surroundings.server_url = server_url();
    context_->fronts = &forwarder_link_;
    surroundings.libexec = directory_of_executable();
    if (::geteuid() == 0) {
        if (auto found = sys::helper_user()) surroundings.helper_user = std::move(*found);
        else log::error("no user for the web process and the built-in services: {}", found.error().message);
    }
    surroundings.run_dir = run_dir_;

    rpc_link_ = std::make_unique<engine::RpcLink>(*context_, directory_of_executable() + "/xsvd-rpcbind",
                                                   [this] { return engine_->settings().daemon.names_refresh; });
    context_->rpc = rpc_link_.get();

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
    hooks.prepare_settings = [this](const config::Config& config) -> Result<std::function<void()>> {
        auto swap_servers = web_link_->prepare(servers_of(config));
        if (!swap_servers) return swap_servers;
        return [this, swap = *std::move(swap_servers)] {
            swap();
            host_names_->schedule();
        };
    };
    hooks.shutdown = [this] { loop_->soon([this] { shutdown(0); }); };
    hooks.resumed = [this] { web_link_->serve_tcp(); };
    hooks.restart = [this] { loop_->soon([this] { restart(); }); };
    host_names_ = std::make_unique<engine::HostNames>(
        *context_, directory_of_executable() + "/xsvd-names",
        engine::HostNames::Hooks{[this] { return engine_->settings().daemon.names_refresh; }, [this] { return engine_->host_rules(); },
                                 [this](const engine::HostRules& rules) { engine_->set_host_rules(rules); }});
    control_ = std::make_unique<control::Control>(*engine_, *context_, scribe_link_, std::move(hooks));
    web_link_ = std::make_unique<control::WebLink>(*context_, *control_, scribe_link_, hold_mode_);
}

/// Without a server section the unix server stands in the run-time folder, so that the client always works.
std::vector<config::ServerSpec> Daemon::servers_of(const config::Config& config) const
{
    std::vector<config::ServerSpec> servers = config.servers;
    std::erase_if(servers, [](const config::ServerSpec& server) { return server.is_open_to_all(); });
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
        url = fmt::format("{}://{}:{}", server.certificate.empty() ? "http" : "https", server.host.empty() ? "localhost" : server.host, server.port);
    }
    return url;
}

std::optional<int> Daemon::open_servers()
{
    if (!recovering_) log_servers(config_.servers);
    auto prepared = web_link_->prepare(servers_of(config_), recovering_);
    if (!prepared) return usage_error(program_, explain_server(prepared.error()));
    (*prepared)();
    return std::nullopt;
}

std::optional<std::uint32_t> Daemon::helper_slot(std::string_view name)
{
    std::optional<std::uint32_t> found;
    table_->for_each([&](std::uint32_t index, engine::Slot& slot) {
        if (slot.kind == engine::SlotKind::Helper && slot.name_text() == name) found = index;
    });
    return found;
}

/// A folder nothing is in and nobody writes into: all the web process sees of the file system. Only root can do that to a process.
std::string Daemon::make_empty_root() const
{
    const std::string folder = run_dir_ + "/empty";
    if (::geteuid() != 0) return {};
    if (::mkdir(folder.c_str(), 0555) == 0 || errno == EEXIST) return folder;
    log::error("making the folder {}: {}", folder, errno_text(errno));
    return {};
}

void Daemon::start_helpers()
{
    const std::string& folder = context_->surroundings.libexec;
    const auto scribe_slot = helper_slot("scribe"), web_slot = helper_slot("web");
    scribe_ = std::make_unique<engine::Helper>(
        *context_, engine::Helper::Settings{"scribe", folder + "/xsvd-scribe", {}, {}, true, true},
        [this] { greet_scribe(); },
        [this](const wire::Value& message, sys::UniqueFd) { scribe_link_.on_message(message); });
    scribe_link_.attach(*scribe_, guardian_, inherited_);
    web_ = std::make_unique<engine::Helper>(
        *context_, engine::Helper::Settings{"web", folder + "/xsvd-web", context_->surroundings.helper_user, make_empty_root(), false, false, [this] { return web_link_->variables(); }},
        [this] { web_link_->greet(); },
        [this](const wire::Value& message, sys::UniqueFd fd) { web_link_->on_message(message, std::move(fd)); });
    web_link_->attach(*web_);
    forwarder_ = std::make_unique<engine::Helper>(
        *context_, engine::Helper::Settings{"proxy", folder + "/xsvd-proxy", context_->surroundings.helper_user},
        [this] { forwarder_link_.greet(); }, [this](const wire::Value& message, sys::UniqueFd) { forwarder_link_.on_message(message); });
    scribe_->start(scribe_slot);
    web_->start(web_slot);
}

/// Names every sink; the scribe lets go of all others. So not before the services are back: it would drop what it is at work on.
void Daemon::greet_scribe()
{
    if (services_are_known_) scribe_link_.greet([this] { engine_->tell_sinks(); });
}

/// Only where something is forwarded; and after the services are back, so that it is told of all of them.
void Daemon::start_forwarder(std::optional<std::uint32_t> slot)
{
    if (!std::exchange(forwards_, true)) forwarder_->start(slot);
}

int Daemon::serve(const std::vector<int>& signals)
{
    guardian_.hold(kTableKey, net::Held::Table, table_->fd());
    if (detached_) sys::leave_terminal(null_.get());
    services_are_known_ = !recovering_ && !takes_up_;
    start_helpers();
    // The services own their specs from here on; two thousand of them twice are megabytes.
    auto groups = std::exchange(config_.groups, {});
    config::Config services = config_;
    services.groups = std::move(groups);
    if (recovering_) {
        engine_->recover(std::move(services));
        services_are_known_ = true;
        greet_scribe();
    } else {
        if (detached_) log::info("daemonizing the supervisord process");
        if (detached_ && !config_.daemon.directory.empty()) log::info("set current directory: {}", text::repr(config_.daemon.directory));
        write_pidfile(::getppid());
        log::info("supervisord started with pid {}", ::getppid());
        if (takes_up_) engine_->take_up(std::move(services));
        else engine_->start(std::move(services));
        if (!std::exchange(services_are_known_, true)) greet_scribe();
    }
    host_names_->schedule();
    const auto find = [this](const std::string& name) { return engine_->find(name); };
    forwarder_link_.attach(*forwarder_, find, [this] { start_forwarder({}); });
    if (const auto slot = helper_slot("proxy"); slot || forwarder_link_.is_wanted()) start_forwarder(slot);
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
                        orphaned_ = true;
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
    for (engine::Helper* helper : {scribe_.get(), web_.get(), forwarder_.get()})
        if (slot && helper != nullptr && helper->slot() == slot) return helper->on_exit(exit);
    if (!slot && (rpc_link_->owns(exit.pid) || host_names_->owns(exit.pid))) return;
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
        case SIGUSR1: return dump_state();
        case SIGUSR2:
            log::info("received SIGUSR2 indicating log reopen request");
            has_log_ ? log::reopen() : open_log();
            scribe_link_.reopen();
            return log::info("supervisord logreopen");
        default: return;
    }
}

/// xinetd's old signal. Whoever reads the file meanwhile sees all of the last state; as in `xsvctl show --json`, no value of a
/// program's environment is there.
void Daemon::dump_state()
{
    const std::string file = run_dir_ + "/state.dump";
    control_->call({"xsv.show", {}, {}}, [&file](const control::Outcome& rows) {
        const auto text = rows ? wire::json::transcode(*rows) : fail("{}", rows.error().text);
        const std::string all = (text ? *text : text.error().message) + "\n";
        const std::string part = file + ".new";
        const sys::UniqueFd fd(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (fd && ::write(fd.get(), all.data(), all.size()) == static_cast<ssize_t>(all.size()) && ::rename(part.c_str(), file.c_str()) == 0)
            return log::info("received SIGUSR1; the state of all programs is in {}", file);
        log::error("the state could not be written to {}: {}", file, errno_text(errno));
    });
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
    const auto refusals = config::load(config_.file, options_.overrides).refusals();
    if (refusals.empty()) return restart();
    log::error("the configuration cannot be used, so nothing is restarted:\n{}", control::mistakes_text(refusals));
}

/// Everything stops; the next engine reads the files and starts anew. Sockets and lock stay held meanwhile.
void Daemon::restart()
{
    for (engine::Service* service : engine_->services())
        kept_sockets_.insert(kept_sockets_.end(), service->sockets().begin(), service->sockets().end());
    engine_->shutdown([this] {
        guardian_.drop(kRecordKey);
        guardian_.drop(kTableKey);
        guardian_.drop(engine::Events::kStoreKey);
        finish(wire::kExitAgain);
    });
}

void Daemon::finish(int exit_code)
{
    rpc_link_->when_idle([this, exit_code] { forwarder_->shutdown([this, exit_code] { finish_helpers(exit_code); }); });
}

void Daemon::finish_helpers(int exit_code)
{
    const bool again = exit_code == wire::kExitAgain;
    scribe_->shutdown([this, exit_code, again] {
        web_->shutdown([this, exit_code, again] {
            if (!again) {
                if (!config_.daemon.pidfile.empty()) ::unlink(config_.daemon.pidfile.c_str());
                if (auto closed = web_link_->prepare({})) (*closed)();
                guardian_.quit(exit_code);
            }
            guardian_.settle();
            exit_code_ = exit_code;
            loop_->stop();
        });
    });
}

void Daemon::write_pidfile(pid_t pid) const
{
    const std::string& file = config_.daemon.pidfile;
    if (file.empty()) return;
    const sys::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    const std::string text = std::to_string(pid) + "\n";
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) log::critical("could not write pidfile {}", file);
}

}  // namespace xsv::daemon
