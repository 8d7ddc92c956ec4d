// The two ways a daemon comes to life: from the configuration's files, and from what an engine that was killed left.
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "config/record.h"
#include "daemon/daemon.h"
#include "daemon/foreground.h"
#include "daemon/limits.h"
#include "engine/survivors.h"
#include "sys/files.h"

namespace xsv::daemon {
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
    if (auto enough = check_limits(config_.daemon); !enough) return usage_error(program_, enough.error().message);
    if (auto taken = take_run_dir(); !taken) return usage_error(program_, taken.error().message);
    guardian_.hold(kLockKey, net::Held::Lock, lock_.get());
    if (auto made = make_table(); !made) return usage_error(program_, made.error().message);

    apply_daemon_settings();
    if (raise_process_limit(config_.daemon)) infos.push_back(fmt::format("Increased RLIMIT_NPROC limit to {}", config_.daemon.minprocs));
    if (raises_files(config_.daemon)) infos.push_back(fmt::format("Increased RLIMIT_NOFILE limit to {}", config_.daemon.minfds));
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
    if (takes_up_) log::critical("guardian and engine of a former life were killed; going on with what runs");
    else clean_auto_logs();
    wire_together();
    return open_servers();
}

Status Daemon::prepare_recovery(engine::GuardianLink::Inheritance& inheritance)
{
    recovering_ = true;
    hold_mode_ = inheritance.hold_mode;
    inherited_.add(std::move(inheritance.descriptors));
    lock_ = inherited_.take(kLockKey);
    sys::UniqueFd record = inherited_.take(kRecordKey);
    auto bytes = sys::read_sealed(record.get());
    if (!bytes) return wrap(bytes, "the configuration of record");
    auto config = config::decode(*bytes);
    if (!config) return wrap(config, "the configuration of record");
    if (auto opened = open_table(inherited_.take(kTableKey)); !opened) return opened;
    config_ = std::move(*config);
    run_dir_ = config_.daemon.rundir.empty() ? sys::default_run_dir(config_.file) : config_.daemon.rundir;
    apply_daemon_settings();
    raise_hard_limits(config_.daemon);
    raise_process_limit(config_.daemon);
    if (auto changed = become_writer_of(record.get()); !changed) return changed;
    inherited_.put(kRecordKey, std::move(record));
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
    if (!exit_recorder_) exit_recorder_.emplace(*table_, inheritance.descriptors);
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

/// The one of our last life, if any of its programs is still there.
Status Daemon::make_table()
{
    const std::string file = run_dir_ + "/state";
    if (auto left = engine::Table::left_in(file)) {
        engine::Survivors survivors(*left, *processes_, *sockets_);
        takes_up_ = survivors.find(config_) > 0;
        survivors.end_helpers();
        if (takes_up_) {
            for (const auto& [key, fd] : survivors.descriptors()) guardian_.hold(key, net::Held::Other, fd.get());
            inherited_.add(std::move(survivors.descriptors()));
            table_.emplace(std::move(*left));
            return {};
        }
    }
    const auto slots = static_cast<std::uint32_t>(config_.daemon.max_programs + config_.daemon.max_connections + 16);
    auto table = engine::Table::create(file, slots);
    if (!table) return tl::unexpected(std::move(table).error());
    table_.emplace(std::move(*table));
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

/// AUTO logs of an earlier life of this daemon.
void Daemon::clean_auto_logs() const
{
    if (config_.daemon.nocleanup) return;
    std::error_code error, ignored;
    for (const auto& entry : std::filesystem::directory_iterator(config_.daemon.childlogdir, error)) {
        const std::string name = entry.path().filename();
        if (!is_auto_log(name, config_.daemon.identifier)) continue;
        const auto type = entry.symlink_status(ignored).type();   // nobody of ours makes links
        const bool is_file = type == std::filesystem::file_type::regular, is_folder = type == std::filesystem::file_type::directory;
        if (is_folder || (is_file && ::unlink(entry.path().c_str()) != 0)) log::warn("Failed to clean up '{}'", entry.path().string());
    }
    if (error) log::warn("Could not clear childlog dir");
}

}  // namespace xsv::daemon
