#include <algorithm>

#include "base/text.h"
#include "config/systemd/program.h"
#include "config/systemd/text.h"
#include "config/words.h"

/// [Service]: what runs, as whom, in which surroundings, and when it has failed.
namespace xsv::config::systemd {
namespace {

constexpr std::pair<std::string_view, int> kStatusNames[] = {
    {"SUCCESS", 0},       {"FAILURE", 1},       {"INVALIDARGUMENT", 2}, {"NOTIMPLEMENTED", 3}, {"NOPERMISSION", 4}, {"NOTINSTALLED", 5},
    {"NOTCONFIGURED", 6}, {"NOTRUNNING", 7},    {"USAGE", 64},          {"DATAERR", 65},       {"NOINPUT", 66},     {"NOUSER", 67},
    {"NOHOST", 68},       {"UNAVAILABLE", 69},  {"SOFTWARE", 70},       {"OSERR", 71},         {"OSFILE", 72},      {"CANTCREAT", 73},
    {"IOERR", 74},        {"TEMPFAIL", 75},     {"PROTOCOL", 76},       {"NOPERM", 77},        {"CONFIG", 78},
};

constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string without(std::string text, std::string_view prefix)
{
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

bool is_journal(std::string_view word)
{
    for (const std::string_view known : {"", "journal", "journal+console", "kmsg", "kmsg+console", "syslog+console", "tty"})
        if (word == known) return true;
    return false;
}

}  // namespace

// --- values that need no thought --------------------------------------------------------------------------------------

void ProgramBuilder::text(const Directive& directive, const Values& values)
{
    if (const auto value = plain(values.last())) section_.set(directive.word, *value, values.place());
}

void ProgramBuilder::flag(const Directive& directive, const Values& values)
{
    const auto flag = parse_flag(values.last().value);
    if (!flag) return mistake(values.place(), std::string(directive.key), flag.error().message);
    if (directive.word == "remain_after_exit") remains_ = *flag;
    section_.set(directive.word, *flag ? "true" : "false", values.place());
}

void ProgramBuilder::time(const Directive& directive, const Values& values)
{
    const auto span = parse_span(values.last().value);
    if (!span) return mistake(values.place(), std::string(directive.key), span.error().message);
    if (directive.word == "run_time_max" && *span == kForever) return;
    if (directive.word == "both") {
        section_.set("start_timeout", native_time(*span), values.place());
        section_.set("stopwaitsecs", native_time(*span), values.place());
        return;
    }
    // 0 is what older units write for "never".
    const bool never = *span == 0 && (directive.word == "start_timeout" || directive.word == "stopwaitsecs");
    section_.set(directive.word, native_time(never ? kForever : *span), values.place());
}

void ProgramBuilder::number(const Directive& directive, const Values& values)
{
    const auto number = text::to_int(values.last().value);
    if (!number) return mistake(values.place(), std::string(directive.key), fmt::format("expected a number, got '{}'", values.last().value));
    section_.set(directive.word, std::to_string(*number), values.place());
}

void ProgramBuilder::umask(const Directive&, const Values& values)
{
    section_.set("umask", values.last().value, values.place());
}

// --- starting ---------------------------------------------------------------------------------------------------------

void ProgramBuilder::type(const Directive& directive, const Values& values)
{
    static const std::map<std::string, std::string, std::less<>> kReady = {
        {"simple", "exec"}, {"exec", "exec"}, {"idle", "exec"}, {"notify", "notify"}, {"notify-reload", "notify"}, {"forking", "fork"}, {"oneshot", "exit"}, {"dbus", "startsecs"}};
    type_ = values.last().value;
    const auto ready = kReady.find(type_);
    if (ready == kReady.end())
        return mistake(values.place(), std::string(directive.key), fmt::format("expected simple, exec, forking, oneshot, dbus, notify, notify-reload or idle, got '{}'", type_));
    if (type_ == "dbus") warn(values.place(), std::string(directive.key), "the bus is not asked: the program counts as started after startsecs");
    if (serves_one_caller()) return;
    section_.set("ready", ready->second, values.place());
    if (type_ == "notify-reload") section_.set("reload_signal", "HUP", values.place());
}

/// Other types of programs may write one; nobody reads it.
void ProgramBuilder::pid_file(const Directive&, const Values& values)
{
    if (type_ != "forking") return;
    auto path = plain(values.last());
    if (!path) return;
    if (!path->starts_with('/')) *path = specifiers_->expand("%t").value() + "/" + *path;
    section_.set("pid_file", *path, values.place());
}

void ProgramBuilder::notify_access(const Directive& directive, const Values& values)
{
    const std::string& value = values.last().value;
    if (value != "none" && value != "main" && value != "exec" && value != "all")
        return mistake(values.place(), std::string(directive.key), fmt::format("expected none, main, exec or all, got '{}'", value));
    section_.set("notify_access", value, values.place());
}

void ProgramBuilder::watchdog(const Directive& directive, const Values& values)
{
    const auto span = parse_span(values.last().value);
    if (!span) return mistake(values.place(), std::string(directive.key), span.error().message);
    if (*span > 0) section_.set("watchdog", native_time(*span), values.place());
}

void ProgramBuilder::store_preserve(const Directive& directive, const Values& values)
{
    const std::string& value = values.last().value;
    if (const auto flag = parse_flag(value)) return section_.set("fdstore_preserve", *flag ? "yes" : "no", values.place());
    if (value != "restart") warn(values.place(), std::string(directive.key), "'" + value + "' is not known here: stored descriptors go with a stop");
}

void ProgramBuilder::nonblocking(const Directive& directive, const Values& values)
{
    const auto flag = parse_flag(values.last().value);
    if (!flag) return mistake(values.place(), std::string(directive.key), flag.error().message);
    if (*flag)
        for (SocketPart& part : parts_) part.words.emplace_back("nonblock");
}

// --- surroundings of the process ---------------------------------------------------------------------------------------

void ProgramBuilder::environment(const Directive& directive, const Values& values)
{
    const auto words = plain_words(values);
    if (!words) return;
    for (const std::string& word : *words) {
        const auto equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            mistake(values.place(), std::string(directive.key), fmt::format("expected NAME=value, got '{}'", text::escape_control(word)));
        else environment_.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    environment_place_ = values.place();
}

void ProgramBuilder::environment_files(const Directive&, const Values& values)
{
    for (const Assignment* line : values.items) {
        const auto value = plain(*line);
        if (!value) continue;
        const bool optional = value->starts_with('-');
        const std::string path = value->substr(optional ? 1 : 0);
        if (!path.starts_with('/') || path.find_first_of(",\n") != std::string::npos) {
            mistake(line->place, line->key, fmt::format("expected an absolute path, got '{}'", *value));
            continue;
        }
        if (path.find_first_of("*?[") == std::string::npos) {
            environment_files_.push_back(*value);
            continue;
        }
        const auto found = surroundings_.match(path);
        if (found.empty() && !optional) mistake(line->place, line->key, fmt::format("no file matches '{}'", path));
        for (const std::string& file : found) environment_files_.push_back((optional ? "-" : "") + file);
    }
    section_.set("environment_file", text::join(environment_files_, "\n"), values.place());
}

void ProgramBuilder::pass_environment(const Directive&, const Values& values)
{
    const auto words = plain_words(values);
    if (!words) return;
    environment_pass_ = *words;
    section_.set("environment_pass", text::join(*words, ", "), values.place());
}

void ProgramBuilder::user(const Directive&, const Values& values)
{
    if (const auto value = plain(values.last())) user_ = *value;
    identity_place_ = values.place();
}

void ProgramBuilder::group(const Directive&, const Values& values)
{
    if (const auto value = plain(values.last())) group_ = *value;
    identity_place_ = values.place();
}

void ProgramBuilder::supplementary_groups(const Directive&, const Values& values)
{
    if (const auto words = plain_words(values)) groups_ = *words;
    identity_place_ = values.place();
}

void ProgramBuilder::working_directory(const Directive& directive, const Values& values)
{
    auto value = plain(values.last());
    if (!value) return;
    const bool optional = value->starts_with('-');
    std::string path = value->substr(optional ? 1 : 0);
    if (path == "~") {
        const auto home = surroundings_.user(user_.empty() ? std::to_string(surroundings_.uid) : user_);
        if (!home) return mistake(values.place(), std::string(directive.key), home.error().message);
        path = home->home;
    }
    if (optional && !surroundings_.is_directory(path)) {
        note(values.place(), std::string(directive.key), path + " is not there now; the program starts in /");
        path = "/";
    }
    if (!path.starts_with('/')) return mistake(values.place(), std::string(directive.key), fmt::format("expected an absolute path or ~, got '{}'", path));
    section_.set("directory", path, values.place());
}

void ProgramBuilder::limit(const Directive& directive, const Values& values)
{
    const auto parts = text::split(values.last().value, ':');
    std::string limit = std::string(directive.word) + "=";
    for (std::size_t i = 0; i < parts.size() && i < 2; ++i) {
        const bool is_time = directive.word == "cpu" || directive.word == "rttime";
        const auto number = is_time ? parse_span(parts[i]) : parse_size(without(parts[i], "+"));
        if (!number || parts.size() > 2) return mistake(values.place(), std::string(directive.key), fmt::format("expected a limit or soft:hard, got '{}'", values.last().value));
        std::int64_t value = *number;
        if (value != kForever && directive.word == "cpu") value = (value + 999) / 1000;
        // Of the real-time limit a bare number is in microseconds.
        if (value != kForever && directive.word == "rttime") value = text::to_int(parts[i]).value_or(value * 1000);
        limit += (i > 0 ? ":" : "") + (value == kForever ? std::string("unlimited") : std::to_string(value));
    }
    limits_.push_back(std::move(limit));
}

void ProgramBuilder::stream(const Directive& directive, const Values& values)
{
    const std::size_t index = directive.word == "in" ? 0 : directive.word == "out" ? 1 : 2;
    if (const auto value = plain(values.last())) streams_[index] = *value;
    stream_places_[index] = values.place();
}

// --- ending ------------------------------------------------------------------------------------------------------------

void ProgramBuilder::restart(const Directive& directive, const Values& values)
{
    static const std::map<std::string, std::string, std::less<>> kWords = {
        {"no", "false"}, {"always", "true"}, {"on-success", "on_success"}, {"on-failure", "on_failure"}, {"on-abnormal", "on_abnormal"}, {"on-abort", "on_abort"}, {"on-watchdog", "on_watchdog"}};
    restart_ = values.last().value;
    const auto word = kWords.find(restart_);
    if (word == kWords.end())
        return mistake(values.place(), std::string(directive.key), fmt::format("expected no, always, on-success, on-failure, on-abnormal, on-abort or on-watchdog, got '{}'", restart_));
    if (serves_one_caller()) return restart_ == "no" ? void() : warn(values.place(), std::string(directive.key), "ignored: the program of a connection ends with it");
    section_.set("autorestart", word->second, values.place());
}

void ProgramBuilder::exit_statuses(const Directive& directive, const Values& values)
{
    const auto words = plain_words(values);
    if (!words) return;
    std::vector<std::string> statuses;
    for (const std::string& word : *words) {
        const auto name = std::find_if(std::begin(kStatusNames), std::end(kStatusNames), [&](const auto& n) { return n.first == word || word == "EX_" + std::string(n.first); });
        const auto number = name != std::end(kStatusNames) ? std::optional<std::int64_t>(name->second) : text::to_int(word);
        const bool is_signal = !number && parse_signal(word).has_value();
        if (!is_signal && (!number || *number < 0 || *number > 255)) {
            mistake(values.place(), std::string(directive.key), fmt::format("expected exit codes and names of signals, got '{}'", text::escape_control(word)));
            continue;
        }
        statuses.push_back(is_signal ? word : std::to_string(*number));
    }
    if (directive.word == "exitcodes") clean_exits_ = statuses;
    else if (!serves_one_caller() && !statuses.empty()) section_.set(directive.word, text::join(statuses, ","), values.place());
}

void ProgramBuilder::kill_mode(const Directive& directive, const Values& values)
{
    kill_mode_ = values.last().value;
    if (kill_mode_ == "none") warn(values.place(), std::string(directive.key), "the program itself is stopped all the same, as with KillMode=process");
    else if (kill_mode_ != "control-group" && kill_mode_ != "mixed" && kill_mode_ != "process")
        mistake(values.place(), std::string(directive.key), fmt::format("expected control-group, mixed, process or none, got '{}'", kill_mode_));
}

void ProgramBuilder::send_kill(const Directive& directive, const Values& values)
{
    const auto flag = parse_flag(values.last().value);
    if (!flag) return mistake(values.place(), std::string(directive.key), flag.error().message);
    kills_ = *flag;
    if (!kills_) note(values.place(), std::string(directive.key), "SIGKILL is sent after a year");
}

// ---------------------------------------------------------------------------------------------------------------------

void ProgramBuilder::finish_identity()
{
    const auto& start = commands_["start"];
    if (!start.empty() && start.back().privileged && !(user_.empty() && group_.empty())) {
        note(start.back().place, "ExecStart", "runs without User= and Group=, as its prefix says");
        user_.clear();
        group_.clear();
        groups_.clear();
    }
    if (!groups_.empty() && user_.empty()) user_ = std::to_string(surroundings_.uid);
    if (user_.empty() && group_.empty()) return;
    if (!user_.empty()) section_.set("user", user_, identity_place_);
    if (!group_.empty()) section_.set("group", group_, identity_place_);
    const auto user = user_.empty() ? Result<sys::User>(sys::User{}) : surroundings_.user(user_);
    if (!user) return;   // the reader of the section says so
    if (!groups_.empty()) {
        // The native key replaces the user's groups; systemd's adds to them.
        std::vector<std::string> all;
        for (const gid_t gid : user->groups) all.push_back(std::to_string(gid));
        all.insert(all.end(), groups_.begin(), groups_.end());
        section_.set("supplementary_groups", text::join(all, ","), identity_place_);
    }
    if (user_.empty()) return;
    const Environment login = {{"HOME", user->home}, {"LOGNAME", user->name}, {"USER", user->name}, {"SHELL", user->shell}};
    environment_.insert(environment_.begin(), login.begin(), login.end());
}

void ProgramBuilder::finish_environment()
{
    Environment all = {{"PATH", std::string(kPath)}};
    for (const auto& [name, value] : environment_) set_variable(all, name, value);
    section_.set("inherit_env", "false");
    const auto line = environment_line(all);
    const std::string key = environment_files_.empty() ? "environment" : "environment_default";
    const Place& place = environment_place_.file.empty() ? section_place() : environment_place_;
    if (line) section_.set(key, *line, place);
    else mistake(place, "Environment", line.error().message);
}

/// Where the three streams go. What systemd's manager would put into the journal goes into the program's log.
void ProgramBuilder::finish_streams()
{
    const std::string in = streams_[0].empty() ? "null" : streams_[0];
    const bool from_socket = in == "socket" || in.starts_with("fd:");
    std::string out = streams_[1].empty() ? (from_socket ? "inherit" : "journal") : streams_[1];
    std::string err = streams_[2].empty() ? "inherit" : streams_[2];
    if (!from_socket && in != "null") mistake(stream_places_[0], "StandardInput", fmt::format("expected null, socket or fd:NAME, got '{}'", in));
    if (in.starts_with("fd:")) {
        const std::string name = in.substr(3);
        const bool known = std::any_of(parts_.begin(), parts_.end(), [&](const SocketPart& part) {
            return (part.name.empty() ? part.unit->name.full : part.name) == name || (name.empty() && parts_.size() == 1);
        });
        if (!known) mistake(stream_places_[0], "StandardInput", fmt::format("no socket of the service is named '{}'", name));
    }
    if (from_socket && !has_sockets()) mistake(stream_places_[0], "StandardInput", "there is no socket unit for this service");
    if (out == "inherit") out = from_socket ? "socket" : "null";
    if (from_socket && out == in) out = "socket";
    const bool err_follows = err == "inherit";
    if (err_follows) err = out;
    if (from_socket && err == in) err = "socket";
    if (!from_socket && (out == "socket" || err == "socket")) return mistake(stream_places_[out == "socket" ? 1 : 2], "StandardOutput", "'socket' needs StandardInput=socket");
    if (from_socket && err == "socket" && out != "socket") return mistake(stream_places_[2], "StandardError", "'socket' needs StandardOutput=socket");
    if (has_sockets()) {
        const char* pass = !from_socket ? "listen_fds" : out != "socket" ? "stdin" : err != "socket" ? "stdio" : "stdio_all";
        streams_to_caller_ = std::string_view(pass) == "stdio_all";
        section_.set("socket_pass", pass, stream_places_[0].file.empty() ? section_place() : stream_places_[0]);
    }
    set_stream("stdout", out, stream_places_[1]);
    if (err_follows && err != "socket") section_.set("redirect_stderr", "true");
    else set_stream("stderr", err, stream_places_[2]);
}

void ProgramBuilder::set_stream(const std::string& name, const std::string& to, const Place& written)
{
    const Place& place = written.file.empty() ? section_place() : written;
    const auto colon = to.find(':');
    const std::string word = to.substr(0, colon);
    if (to == "socket") section_.set(name + "_logfile", "NONE", place);
    else if (to == "null") section_.set(name + "_logfile", "NONE", place);
    else if (to == "syslog") section_.set(name + "_logfile", "NONE", place), section_.set(name + "_syslog", "true", place);
    else if (word == "file" || word == "append" || word == "truncate") {
        if (word == "truncate") note(place, name == "stdout" ? "StandardOutput" : "StandardError", "the file is appended to");
        section_.set(name + "_logfile", to.substr(colon + 1), place);
        section_.set(name + "_logfile_maxbytes", "0", place);
    } else if (!is_journal(to)) {
        mistake(place, name == "stdout" ? "StandardOutput" : "StandardError", fmt::format("expected journal, syslog, null, inherit, socket, file: or append:, got '{}'", to));
    }
}

void ProgramBuilder::finish_stops()
{
    if (!section_.has("stopwaitsecs")) section_.set("stopwaitsecs", "90");
    if (!kills_) section_.set("stopwaitsecs", native_time(kForever));
    section_.set("stopasgroup", kill_mode_ == "control-group" ? "true" : "false");
    section_.set("killasgroup", kill_mode_ == "control-group" || kill_mode_ == "mixed" ? "true" : "false");
    if (serves_one_caller()) return;   // nothing is made of how the program of a connection ends
    if (!section_.has("autorestart")) section_.set("autorestart", "false");
    if (!section_.has("restart_pause") && restart_ != "no") section_.set("restart_pause", "100ms");
    // With sockets it is the callers who tell whether it works.
    if (!section_.has("ready") && !has_sockets()) section_.set("ready", "exec");
    if (clean_exits_.empty() && restart_ != "on-failure" && restart_ != "on-success") return;
    std::vector<std::string> codes = {"0"};
    const auto start = commands_.find("start");
    if (start != commands_.end() && !start->second.empty() && start->second.back().may_fail) {
        codes.clear();   // "-": whatever it says
        for (int code = 0; code < 256; ++code) codes.push_back(std::to_string(code));
    }
    if (type_ != "oneshot") codes.insert(codes.end(), {"HUP", "INT", "TERM", "PIPE"});
    codes.insert(codes.end(), clean_exits_.begin(), clean_exits_.end());
    section_.set("exitcodes", text::join(codes, ","));
}

}  // namespace xsv::config::systemd
