#pragma once

#include <memory>
#include <string>

#include "control/control.h"
#include "control/web_link.h"
#include "daemon/options.h"
#include "engine/engine.h"
#include "engine/forwarder_link.h"
#include "engine/guardian_link.h"
#include "engine/helper.h"
#include "engine/host_names.h"
#include "engine/rpc_link.h"
#include "engine/scribe_link.h"

namespace xsv::daemon {

/// Wires everything together: the guardian's link, the engine, its two helpers and the door.
class Daemon {
public:
    Daemon(Options options, std::string program, bool as_supervisord, engine::GuardianLink& guardian);
    ~Daemon();

    /// The first start of all: configuration, lock, table. An exit code when it ends here.
    std::optional<int> prepare_first_start(engine::GuardianLink::Inheritance& inheritance);
    /// After a crash: table and record are there.
    Status prepare_recovery(engine::GuardianLink::Inheritance& inheritance);
    /// An exit that the engine before us left unread.
    void record_unread(engine::GuardianLink::Inheritance& inheritance, const engine::ChildExit& exit);
    int serve(const std::vector<int>& signals);
    /// The guardian has died: serve() has returned because of that.
    bool is_orphaned() const { return orphaned_; }
    /// Executes the guardian in our place, with everything it held and every process, as it was started. Returns only if that fails.
    void take_guardians_place(const std::vector<std::string>& arguments, const std::string& folder);

private:
    static constexpr const char *kTableKey = "table", *kLockKey = "lock", *kRecordKey = "record";   // at the guardian

    Status become_writer_of(int record);
    void wire_together();
    std::optional<int> open_servers();
    std::optional<std::uint32_t> helper_slot(std::string_view name);
    void start_helpers();
    void greet_scribe();
    void start_forwarder(std::optional<std::uint32_t> slot);
    void on_signal(int signal);
    void on_other_exit(const engine::ChildExit& exit, std::optional<std::uint32_t> slot);
    void shutdown(int exit_code);
    void restart();
    void restart_if_possible();
    void finish(int exit_code);
    void finish_helpers(int exit_code);
    void reload();
    void dump_state();
    void open_log();
    std::vector<config::ServerSpec> servers_of(const config::Config& config) const;
    std::string server_url() const;
    Status take_run_dir();
    Status make_table();
    std::string make_empty_root() const;
    Status open_table(sys::UniqueFd fd);
    void apply_daemon_settings();
    void write_pidfile(pid_t pid) const;
    void clean_auto_logs() const;

    Options options_;
    std::string program_;
    bool as_supervisord_;
    engine::GuardianLink& guardian_;
    config::Config config_;
    std::string run_dir_;
    bool services_are_known_ = false;        ///< to the engine, after a crash of the one before
    bool recovering_ = false, hold_mode_ = false, detached_ = false, has_log_ = false;
    bool orphaned_ = false;
    bool takes_up_ = false;                  ///< programs of a daemon that was killed altogether
    int exit_code_ = 0;

    std::unique_ptr<event::Loop> loop_;
    std::unique_ptr<sys::Processes> processes_;
    std::unique_ptr<sys::Sockets> sockets_;
    sys::UniqueFd lock_, null_;
    std::optional<engine::Table> table_;
    std::optional<engine::ExitRecorder> exit_recorder_;
    engine::Inherited inherited_;
    engine::PidIndex pids_;
    engine::ScribeLink scribe_link_;
    engine::ForwarderLink forwarder_link_;
    std::unique_ptr<net::SocketTable> socket_table_;
    std::unique_ptr<engine::Context> context_;
    std::unique_ptr<engine::RpcLink> rpc_link_;
    std::unique_ptr<engine::Engine> engine_;
    std::unique_ptr<engine::HostNames> host_names_;
    std::unique_ptr<control::Control> control_;
    std::unique_ptr<control::WebLink> web_link_;
    std::unique_ptr<engine::Helper> scribe_, web_, forwarder_;
    bool forwards_ = false;                      ///< the forwarder was started
    std::vector<net::SocketPtr> kept_sockets_;   ///< open through a restart
    event::WatchPtr hold_timer_;
};

}  // namespace xsv::daemon
