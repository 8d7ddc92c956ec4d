#include <algorithm>

#include "base/text.h"
#include "config/directive.h"

/// [supervisord], [group:x] and [supervisorctl].
namespace xsv::config {
namespace {

using D = DaemonSpec;

constexpr std::string_view kDirectory = "an existing directory";

constexpr Word<bool> kFormats[] = {{"text", false}, {"json", true}};

template <auto Field>
Status set_file(D& daemon, const std::string& text, const Setting& setting)
{
    const std::string path = setting.surroundings.absolute(text);
    if (path.empty() || !setting.surroundings.is_directory(Surroundings::folder_of(path)))
        return fail("The directory named as part of the path {} does not exist", text);
    daemon.*Field = path;
    return {};
}

Status set_log_file(D& daemon, const std::string& text, const Setting& setting)
{
    if (text != "syslog") return set_file<&D::logfile>(daemon, text, setting);
    daemon.logfile = text;
    return {};
}

template <auto Field>
Status set_directory(D& daemon, const std::string& text, const Setting& setting)
{
    const std::string path = setting.surroundings.absolute(text);
    if (!setting.surroundings.is_directory(path)) return fail("{} is not an existing directory", text);
    daemon.*Field = path;
    return {};
}

Status set_user(D& daemon, const std::string& text, const Setting& setting)
{
    auto user = setting.surroundings.user(text);
    if (!user) return tl::unexpected<Error>(std::move(user).error());
    daemon.user = text;
    daemon.uid = user->uid;
    daemon.gid = user->gid;
    daemon.groups = std::move(user->groups);
    return {};
}

Status set_environment(D& daemon, const std::string& text, const Setting& setting)
{
    std::string ignored;
    auto environment = parse_environment(text, ignored);
    if (!environment) return tl::unexpected<Error>(std::move(environment).error());
    daemon.environment = *std::move(environment);
    if (!ignored.empty())
        setting.warnings.push_back(fmt::format("expected ',' between variables, '{}' is ignored", ignored));
    return {};
}

Status set_identifier(D& daemon, const std::string& text, const Setting&)
{
    // It becomes part of file names and of lines of the event protocol.
    const auto is_bad = [](char c) { return c == '/' || static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
    if (text.empty() || std::any_of(text.begin(), text.end(), is_bad))
        return fail("expected text without blanks and '/', got '{}'", text::escape_control(text));
    daemon.identifier = text;
    return {};
}

constexpr Directive<D> kDaemonKeys[] = {
    {"logfile", set_log_file, "a path in an existing directory, or syslog", "supervisord.log", "the daemon's own log"},
    {"logfile_maxbytes", set_by<parse_byte_size, &D::logfile_maxbytes>, form::kBytes, "50MB",
     "rotate at this size; 0: never"},
    {"logfile_backups", set_at_least<0, &D::logfile_backups>, form::kNumber, "10", "old files to keep"},
    {"logformat", set_word<kFormats, &D::log_json>, "text or json", "text", "form of the lines in the daemon's log"},
    {"loglevel", set_by<parse_log_level, &D::loglevel>, "critical, error, warn, info, debug, trace or blather", "info",
     "what is logged; with debug, what the programs write to their logs too; with trace, every request to the control servers"},
    {"pidfile", set_file<&D::pidfile>, "a path in an existing directory", "supervisord.pid",
     "file for the daemon's process id, for people"},
    {"umask", set_by<parse_octal, &D::umask>, "an octal number such as 022", "022", "mask of the modes of new files"},
    {"nodaemon", set<&D::nodaemon>, form::kYesNo, "no", "stay in the foreground"},
    {"silent", set<&D::silent>, form::kYesNo, "no", "no log on stdout while in the foreground"},
    {"minfds", set_at_least<0, &D::minfds>, form::kNumber, "1024", "least number of file descriptors"},
    {"minprocs", set_at_least<0, &D::minprocs>, form::kNumber, "200", "least number of processes"},
    {"nocleanup", set<&D::nocleanup>, form::kYesNo, "no", "keep old AUTO logs at start"},
    {"childlogdir", set_directory<&D::childlogdir>, kDirectory, "the directory for temporary files",
     "where AUTO logs lie"},
    {"user", set_user, "a user's name or number", "", "become this user at start"},
    {"directory", set_directory<&D::directory>, kDirectory, "",
     "change to this directory when going to the background"},
    {"strip_ansi", set<&D::strip_ansi>, form::kYesNo, "no", "remove terminal escape sequences from logs of programs"},
    {"environment", set_environment, "KEY=\"value\",KEY2=\"value\"", "", "variables for every program"},
    {"identifier", set_identifier, "text without blanks", "supervisor",
     "name of this daemon for clients and log files"},
    {"rundir", set_path<&D::rundir>, "a path", "a folder of this configuration",
     "run-time files: lock, state, control socket"},
    {"max_programs", set_at_least<1, &D::max_programs>, form::kNumber, "10000",
     "processes the state table has room for"},
    {"max_connections", set_at_least<1, &D::max_connections>, form::kNumber, "4096",
     "connections served at once the state table has room for"},
    {"watchdog", set<&D::watchdog>, form::kYesNo, "yes", "replace an engine that hangs"},
    {"names_refresh", set<&D::names_refresh>, form::kTime, "5m",
     "how often the names of hosts in allow_from and deny_from are looked up again; 0: never. Where it is less than a minute, rpcbind "
     "is asked as often whether it still knows our programs"},
};

constexpr Directive<GroupFrame> kGroupKeys[] = {
    {"programs", set<&GroupFrame::programs>, "names of programs, separated by commas", "", "the members", Scope::Plain},
    {"priority", set<&GroupFrame::priority>, form::kNumber, "999", "lower ones start first and stop last",
     Scope::Plain},
};

Status set_url(ClientSpec& client, const std::string& text, const Setting& setting)
{
    constexpr std::string_view kUnix = "unix://";
    client.serverurl = text;
    if (text.starts_with(kUnix))
        client.serverurl = std::string(kUnix) + setting.surroundings.absolute(text.substr(kUnix.size()));
    return {};
}

constexpr Directive<ClientSpec> kClientKeys[] = {
    {"serverurl", set_url, "http://HOST:PORT, https://HOST:PORT or unix://PATH", "the daemon of this configuration",
     "where the daemon listens"},
    {"username", set<&ClientSpec::username>, "text", "", "name to log in with"},
    {"password", set<&ClientSpec::password>, "text", "", "password to log in with"},
    {"ca_certificate", set_path<&ClientSpec::ca_certificate>, "a PEM file", "the system's authorities",
     "with https: whose certificates are believed"},
    {"certificate", set_path<&ClientSpec::certificate>, "a PEM file", "", "with https: the client's own certificate"},
    {"certificate_key", set_path<&ClientSpec::certificate_key>, "a PEM file", "the certificate's file",
     "the key of that certificate"},
    {"prompt", set<&ClientSpec::prompt>, "text", "supervisor", "prompt of the interactive client"},
    {"history_file", set_path<&ClientSpec::history_file>, "a path", "",
     "where the interactive client keeps its history"},
};

}  // namespace

std::span<const Directive<DaemonSpec>> daemon_keys()
{
    return kDaemonKeys;
}
std::span<const Directive<GroupFrame>> group_keys()
{
    return kGroupKeys;
}
std::span<const Directive<ClientSpec>> client_keys()
{
    return kClientKeys;
}

}  // namespace xsv::config
