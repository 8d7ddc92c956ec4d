#include <algorithm>

#include "base/text.h"
#include "config/directive.h"
#include "config/words.h"

/// [program:x]: Supervisor's keys and ours for what a process is. Those about its sockets are in keys_socket.cpp.
namespace xsv::config {
namespace {

using S = ServiceSpec;
constexpr auto kExec = &S::exec;
constexpr auto kPolicy = &S::policy;

constexpr std::string_view kMode = "an octal number such as 022";
constexpr std::string_view kUser = "a user's name or number";
constexpr std::string_view kGroup = "a group's name or number";
constexpr std::string_view kLog = "a path, AUTO or NONE";

constexpr Word<OnFull> kOnFull[] = {{"drop", OnFull::Drop}, {"block", OnFull::Block}};

constexpr std::string_view kBuiltins[] = {"echo", "discard", "chargen", "daytime", "time", "tcpmux", "sensor"};

Status set_command(S& spec, const std::string& text, const Setting&)
{
    const auto name = builtin_name(text);
    if (name && std::ranges::find(kBuiltins, *name) == std::end(kBuiltins))
        return fail("expected builtin:echo, discard, chargen, daytime, time, tcpmux or sensor, got '{}'", text);
    spec.exec.command = text;
    return {};
    return {};
}

Status set_user(S& spec, const std::string& text, const Setting& setting)
{
    auto user = setting.surroundings.user(text);
    if (!user) return tl::unexpected<Error>(std::move(user).error());
    spec.exec.user = text;
    spec.exec.uid = user->uid;
    spec.exec.gid = user->gid;
    spec.exec.groups = std::move(user->groups);
    return {};
}

Status set_group(S& spec, const std::string& text, const Setting& setting)
{
    const auto group = setting.surroundings.group(text);
    if (!group) return tl::unexpected<Error>(group.error());
    // As initgroups(3) with this group: it takes the place of the user's primary one, also among the supplementary ones.
    auto& groups = spec.exec.groups;
    if (!spec.exec.uid) groups.clear();
    std::erase(groups, spec.exec.gid.value_or(*group));
    if (std::find(groups.begin(), groups.end(), *group) == groups.end()) groups.insert(groups.begin(), *group);
    spec.exec.gid = *group;
    return {};
}

Status set_supplementary_groups(S& spec, const std::string& text, const Setting& setting)
{
    if (!spec.exec.uid && !spec.exec.gid) return fail("needs 'user' or 'group' beside it");
    std::vector<gid_t> groups;
    for (const std::string& name : parse_list(text)) {
        const auto group = setting.surroundings.group(name);
        if (!group) return tl::unexpected<Error>(group.error());
        groups.push_back(*group);
    }
    spec.exec.groups = std::move(groups);
    return {};
}

Status set_environment(S& spec, const std::string& text, const Setting& setting)
{
    std::string ignored;
    const auto environment = parse_environment(text, ignored);
    if (!environment) return tl::unexpected<Error>(environment.error());
    for (const auto& [name, value] : *environment) set_variable(spec.exec.environment, name, value);
    if (!ignored.empty())
        setting.warnings.push_back(fmt::format("expected ',' between variables, '{}' is ignored", ignored));
    return {};
}

Status set_environment_default(S& spec, const std::string& text, const Setting& setting)
{
    std::string ignored;
    auto environment = parse_environment(text, ignored);
    if (!environment) return tl::unexpected<Error>(environment.error());
    spec.exec.sources.change().defaults = *std::move(environment);
    if (!ignored.empty())
        setting.warnings.push_back(fmt::format("expected ',' between variables, '{}' is ignored", ignored));
    return {};
}

Status set_environment_files(S& spec, const std::string& text, const Setting& setting)
{
    auto& files = spec.exec.sources.change().files;
    files.clear();
    for (const std::string& item : parse_list(text)) {
        const bool optional = item.starts_with('-');
        const auto path = setting.surroundings.absolute(optional ? item.substr(1) : item);
        files.push_back((optional ? "-" : "") + path);
    }
    return {};
}

Status set_inherit_env(S& spec, const std::string& text, const Setting&)
{
    EnvironmentSources& sources = spec.exec.sources.change();
    if (const auto flag = parse_boolean(text)) {
        sources.inherit = *flag;
        sources.inherit_names.clear();
        return {};
    }
    auto names = parse_list(text);
    if (names.empty()) return fail("expected yes, no or a list of names, got '{}'", text);
    sources.inherit = true;
    sources.inherit_names = std::move(names);
    return {};
}

Status set_serverurl(S& spec, const std::string& text, const Setting&)
{
    spec.exec.serverurl = text::iequals(text::trim(text), "auto") ? "" : text;
    return {};
}

Status set_nice(S& spec, const std::string& text, const Setting&)
{
    const auto nice = parse_integer(text);
    if (!nice || *nice < -20 || *nice > 19) return fail("expected a number from -20 to 19, got '{}'", text);
    spec.exec.nice = static_cast<int>(*nice);
    return {};
}

/// With Supervisor only codes, and its error is about those.
Status set_exit_codes(S& spec, const std::string& text, const Setting&)
{
    auto ways = parse_exit_ways(text);
    const bool only_codes = !ways || ways->signals.empty();
    auto codes = only_codes ? parse_exit_codes(text) : std::move(ways->codes);
    if (!codes) return tl::unexpected<Error>(std::move(codes).error());
    spec.policy.change().exit_codes = std::move(*codes);
    spec.restarts.change().exit_signals = only_codes ? std::vector<int>{} : std::move(ways->signals);
    return {};
}

Status set_start_retries(S& spec, const std::string& text, const Setting& setting)
{
    spec.policy.change().start_retries_set = true;
    return set<kPolicy, &Policy::start_retries>(spec, text, setting);
}

template <auto Stream>
Status set_log_file(S& spec, const std::string& text, const Setting& setting)
{
    LogSink& sink = spec.output.change().*Stream;
    const std::string word = text::lower(text::trim(text));
    sink.path.clear();
    sink.kind = word == "auto" ? LogSink::Kind::Auto : LogSink::Kind::None;
    if (word == "auto" || word == "none" || word == "off" || word.empty()) return {};
    if (word == "syslog") {
        sink.syslog = true;
        const std::string stream = setting.key.substr(0, setting.key.find('_'));
        setting.warnings.push_back(
            fmt::format("For [{}], {}=syslog but this is deprecated and will be removed.  "
                        "Use {}_syslog=true to enable syslog instead.",
                        setting.section, setting.key, stream));
        return {};
    }
    sink.kind = LogSink::Kind::File;
    sink.path = setting.surroundings.absolute(text);
    return {};
}

constexpr auto kOut = &Output::out;
constexpr auto kErr = &Output::err;

// The order matters where one key looks at another: user before group, *_syslog before *_logfile.
constexpr Directive<S> kProgramKeys[] = {
    {"command", set_command, "", "", "what to run, split into words as a shell would, or a small service of our own such as builtin:echo; required"},
    {"argv0", set<kExec, &Exec::argv0>, "text", "the command's first word",
     "the name the program sees itself called by"},
    {"directory", set<kExec, &Exec::directory>, "a path", "", "change to this directory before the program starts"},
    {"umask", set_by<parse_octal, kExec, &Exec::umask>, kMode, "the daemon's", "mask of the modes of new files",
     Scope::Program},
    {"user", set_user, kUser, "the daemon's", "run as this user, with its groups", Scope::Program},
    {"group", set_group, kGroup, "the user's", "run with this group"},
    {"supplementary_groups", set_supplementary_groups, "names or numbers", "the user's",
     "these groups instead of all that list the user"},
    {"environment_default", set_environment_default, "KEY=value, comma separated", "",
     "variables that environment_file and environment override"},
    {"environment_file", set_environment_files, "paths; with '-' in front one may be absent", "",
     "files with lines KEY=value, read at each start"},
    {"environment_pass", set<kExec, &Exec::sources, &EnvironmentSources::pass>, "names", "",
     "variables taken from the daemon even if inherit_env says no"},
    {"inherit_env", set_inherit_env, "yes, no or a list of names", "yes",
     "whether the program gets the daemon's environment, or these of it"},
    {"serverurl", set_serverurl, "a URL or AUTO", "AUTO", "value of SUPERVISOR_SERVER_URL for the program",
     Scope::Program},
    {"nice", set_nice, "a number from -20 to 19", "the daemon's", "scheduling priority"},
    {"limits", set_by<parse_limits, kExec, &Exec::limits>, "nofile=1024:4096 core=0 as=unlimited", "the daemon's",
     "resource limits, soft:hard or both at once"},
    {"priority", set<kPolicy, &Policy::priority>, form::kNumber, "999", "lower ones start first and stop last",
     Scope::Plain},
    {"autostart", set<kPolicy, &Policy::autostart>, form::kYesNo, "yes",
     "start with the daemon; with sockets: open them", Scope::Program},
    {"startsecs", set_by<parse_seconds, kPolicy, &Policy::start_time>, form::kTime, "1", "time to stay up before it counts as RUNNING",
     Scope::Program},
    {"startretries", set_start_retries, form::kNumber, "3", "failed starts in a row before FATAL", Scope::Program},
    {"autorestart", set_by<parse_autorestart, kPolicy, &Policy::autorestart>,
     "yes, no, unexpected, on_success, on_failure, on_abnormal, on_abort or on_watchdog", "unexpected",
     "start again when it ended", Scope::Program},
    {"exitcodes", set_exit_codes, "numbers from 0 to 255 and names of signals", "0",
     "exit codes, and signals, that are expected", Scope::Program},
    {"stopsignal", set_by<parse_signal, kPolicy, &Policy::stop_signal>, "a signal's name or number", "TERM",
     "signal that asks the program to end", Scope::Program},
    {"stopwaitsecs", set_by<parse_seconds, kPolicy, &Policy::stop_time>, form::kTime, "10", "time between the stop signal and SIGKILL",
     Scope::Program},
    {"stopasgroup", set<kPolicy, &Policy::stop_as_group>, form::kYesNo, "no",
     "send the stop signal to the whole process group", Scope::Program},
    {"killasgroup", set<kPolicy, &Policy::kill_as_group>, form::kYesNo, "as stopasgroup",
     "send SIGKILL to the whole process group", Scope::Program},
    {"backoff_max", set<kPolicy, &Policy::backoff_max>, form::kTime, "60", "longest pause between two tries to start"},
    {"fatal_retry", set<kPolicy, &Policy::fatal_retry>, form::kTime, "never",
     "leave FATAL and try again after this time"},
    {"redirect_stderr", set<kExec, &Exec::redirect_stderr>, form::kYesNo, "no", "send stderr where stdout goes",
     Scope::Program},
    {"on_full", set_word<kOnFull, &S::output, &Output::on_full>, "drop or block", "drop",
     "what to do with output while its log cannot be written"},
    {"stdout_syslog", set<&S::output, kOut, &LogSink::syslog>, form::kYesNo, "no", "stdout also to syslog"},
    {"stdout_logfile", set_log_file<kOut>, kLog, "AUTO", "where stdout goes"},
    {"stdout_logfile_maxbytes", set_by<parse_byte_size, &S::output, kOut, &LogSink::maxbytes>, form::kBytes, "50MB",
     "rotate at this size; 0: never"},
    {"stdout_logfile_backups", set_at_least<0, &S::output, kOut, &LogSink::backups>, form::kNumber, "10",
     "old files to keep"},
    {"stdout_capture_maxbytes", set_by<parse_byte_size, &S::output, kOut, &LogSink::capture_maxbytes>, form::kBytes,
     "0", "size of the capture buffer for communication events, at most 8MB; 0: off", Scope::Program},
    {"stdout_events_enabled", set<&S::output, kOut, &LogSink::events_enabled>, form::kYesNo, "no",
     "emit events for stdout", Scope::Program},
    {"stderr_syslog", set<&S::output, kErr, &LogSink::syslog>, form::kYesNo, "no", "stderr also to syslog"},
    {"stderr_logfile", set_log_file<kErr>, kLog, "AUTO", "where stderr goes"},
    {"stderr_logfile_maxbytes", set_by<parse_byte_size, &S::output, kErr, &LogSink::maxbytes>, form::kBytes, "50MB",
     "rotate at this size; 0: never"},
    {"stderr_logfile_backups", set_at_least<0, &S::output, kErr, &LogSink::backups>, form::kNumber, "10",
     "old files to keep"},
    {"stderr_capture_maxbytes", set_by<parse_byte_size, &S::output, kErr, &LogSink::capture_maxbytes>, form::kBytes,
     "0", "size of the capture buffer for communication events, at most 8MB; 0: off", Scope::Program},
    {"stderr_events_enabled", set<&S::output, kErr, &LogSink::events_enabled>, form::kYesNo, "no",
     "emit events for stderr", Scope::Program},
};

// Read before the others: they may use its variables as %(ENV_NAME)s.
constexpr Directive<S> kEnvironmentKeys[] = {
    {"environment", set_environment, "KEY=\"value\",KEY2=\"value\"", "", "variables on top of those of [supervisord]"},
};

Status set_process_name(ProgramFrame& frame, const std::string& text, const Setting&)
{
    frame.process_name = text::trim(text);
    return {};
}

constexpr Directive<ProgramFrame> kFrameKeys[] = {
    {"numprocs", set<&ProgramFrame::numprocs>, form::kNumber, "1", "processes of this program", Scope::Program},
    {"numprocs_start", set<&ProgramFrame::numprocs_start>, form::kNumber, "0", "number of the first one",
     Scope::Program},
    {"process_name", set_process_name, "a name", "%(program_name)s",
     "name of a process; with numprocs it needs %(process_num)d", Scope::Process},
};

}  // namespace

std::span<const Directive<ProgramFrame>> frame_keys()
{
    return kFrameKeys;
}
std::span<const Directive<ServiceSpec>> program_keys()
{
    return kProgramKeys;
}
std::span<const Directive<ServiceSpec>> environment_keys()
{
    return kEnvironmentKeys;
}

}  // namespace xsv::config
