// What clients are told about services.
#include <algorithm>
#include <csignal>
#include <ctime>

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "control/control.h"
#include "control/params.h"
#include "engine/usage.h"

namespace xsv::control {

using engine::Service;
using engine::SupervisorState;
using wire::Encoder;
using wire::Value;

namespace {

constexpr std::int64_t kLargestInt = 2147483647;  // XML-RPC's integers end here
std::int64_t clamp(std::int64_t number) { return std::min(number, kLargestInt); }

bool is_waiting(const Service& service) { return !std::holds_alternative<engine::Done>(service.state()) && !live_pid(service.state()) && service.supervisor_state() == SupervisorState::Running; }

std::int64_t started(const Service& service)
{
    return is_waiting(service) ? service.slot().opened_wall : service.slot().started_wall;
}

/// Supervisor's, in local time and English as the C locale has it.
std::string stop_time(std::int64_t when)
{
    return local_time(when, "%b %d %I:%M %p");
}

std::string description(const Service& service, SupervisorState state, std::int64_t now)
{
    switch (state) {
        case SupervisorState::Running:
            return fmt::format("pid {}, uptime {}", live_pid(service.state()).value_or(0), format_uptime(now - started(service)));
        case SupervisorState::Fatal:
        case SupervisorState::Backoff:
            if (!service.reason().empty()) return std::string(service.reason());
            return fmt::format("unknown error (try \"tail {}\")", service.spec().namespec());
        case SupervisorState::Stopped:
        case SupervisorState::Exited:
            return service.slot().started_wall == 0 && service.slot().stopped_wall == 0 ? "Not started" : stop_time(service.slot().stopped_wall);
        default: return {};
    }
}

int exit_status(const Service& service, SupervisorState state)
{
    if (state != SupervisorState::Exited && state != SupervisorState::Stopped) return 0;
    return engine::ExitStatus{service.slot().exit_code == 0 ? CLD_EXITED : service.slot().exit_code, service.slot().exit_status}.exit_code();
}

std::string_view log_path(const config::LogSink& sink) { return sink.kind == config::LogSink::Kind::None ? std::string_view() : std::string_view(sink.path); }

void text_member(Encoder& out, std::string_view name, std::string_view value)
{
    out.key(name);
    out.string(value);
}
void number_member(Encoder& out, std::string_view name, std::int64_t value)
{
    out.key(name);
    out.integer(value);
}
void truth_member(Encoder& out, std::string_view name, bool value)
{
    out.key(name);
    out.boolean(value);
}

/// Members, their order and types as Supervisor's clients know them; what only we know follows under xsv_.
void encode_info(Encoder& out, const Service& service, std::int64_t now, const engine::EventPool* pool)
{
    const config::ServiceSpec& spec = service.spec();
    const SupervisorState state = service.supervisor_state();
    const bool has_sockets = !spec.sockets.endpoints.empty();
    const bool listens = spec.listener && pool != nullptr;
    const bool notifies = spec.ready->access != config::NotifyAccess::None;
    out.begin_struct(15u + (has_sockets ? 2 : 0) + (listens ? 3 : 0) + (notifies ? 7 : 0));
    text_member(out, "name", spec.name);
    text_member(out, "group", spec.group);
    number_member(out, "start", clamp(started(service)));
    number_member(out, "stop", clamp(service.slot().stopped_wall));
    number_member(out, "now", clamp(now));
    number_member(out, "state", static_cast<std::int64_t>(state));
    text_member(out, "statename", supervisor_name(state));
    text_member(out, "spawnerr", service.reason());
    number_member(out, "exitstatus", exit_status(service, state));
    text_member(out, "logfile", log_path(spec.output->out));
    text_member(out, "stdout_logfile", log_path(spec.output->out));
    text_member(out, "stderr_logfile", spec.exec.redirect_stderr ? std::string_view() : log_path(spec.output->err));
    number_member(out, "pid", live_pid(service.state()).value_or(0));
    text_member(out, "description", description(service, state, now));
    text_member(out, "xsv_state", state_name(service.state()));
    if (listens) {
        text_member(out, "xsv_listener", listener_state_name(pool->state(spec.name)));
        number_member(out, "xsv_events_queued", clamp(static_cast<std::int64_t>(pool->queued())));
        number_member(out, "xsv_events_discarded", clamp(static_cast<std::int64_t>(pool->discarded())));
    }
    if (notifies) {
        text_member(out, "xsv_notified", service.notices().said());
        text_member(out, "xsv_status", service.notices().status());
        text_member(out, "xsv_errno", service.notices().error() == 0 ? std::string() : errno_text(service.notices().error()));
        text_member(out, "xsv_bus_error", service.notices().bus_error());
        text_member(out, "xsv_varlink_error", service.notices().varlink_error());
        number_member(out, "xsv_exit_status", service.notices().exit_status());
        number_member(out, "xsv_stored", service.notices().stored());
    }
    if (!has_sockets) return;
    number_member(out, "xsv_connections", service.handlers().count() + service.forwarded());
    text_member(out, "xsv_paused", service.handlers().paused());
}

void encode_config(Encoder& out, const config::GroupSpec& group, const config::ServiceSpec& spec, bool in_use)
{
    const auto log_name = [](const config::LogSink& sink) -> std::string {
        if (sink.kind == config::LogSink::Kind::None) return "none";
        if (sink.kind == config::LogSink::Kind::Auto && sink.path.empty()) return "auto";
        return sink.path;
    };
    const auto stream = [&](const char* name, const config::LogSink& sink, bool none) {
        const std::string prefix = std::string(name) + "_";
        number_member(out, prefix + "capture_maxbytes", clamp(sink.capture_maxbytes));
        truth_member(out, prefix + "events_enabled", sink.events_enabled);
        text_member(out, prefix + "logfile", none ? "none" : log_name(sink));
        number_member(out, prefix + "logfile_backups", sink.backups);
        number_member(out, prefix + "logfile_maxbytes", clamp(sink.maxbytes));
        truth_member(out, prefix + "syslog", sink.syslog);
    };
    const config::Policy& policy = *spec.policy;
    const auto seconds = [](Duration time) { return std::chrono::duration_cast<std::chrono::seconds>(time).count(); };
    out.begin_struct(29);
    truth_member(out, "autostart", policy.autostart);
    text_member(out, "directory", spec.exec.directory.empty() ? "none" : spec.exec.directory);
    out.key("uid");
    if (spec.exec.uid) out.integer(*spec.exec.uid);
    else out.string("none");
    text_member(out, "command", spec.exec.command);
    out.key("exitcodes");
    out.begin_array(policy.exit_codes.size());
    for (const int code : policy.exit_codes) out.integer(code);
    text_member(out, "group", group.name);
    number_member(out, "group_prio", group.priority);
    truth_member(out, "inuse", in_use);
    truth_member(out, "killasgroup", policy.kill_as_group);
    text_member(out, "name", spec.name);
    number_member(out, "process_prio", policy.priority);
    truth_member(out, "redirect_stderr", spec.exec.redirect_stderr);
    number_member(out, "startretries", policy.start_retries);
    number_member(out, "startsecs", seconds(policy.start_time));
    stream("stdout", spec.output->out, false);
    number_member(out, "stopsignal", policy.stop_signal);
    number_member(out, "stopwaitsecs", seconds(policy.stop_time));
    stream("stderr", spec.output->err, spec.exec.redirect_stderr);
    text_member(out, "serverurl", spec.exec.serverurl.empty() ? "none" : spec.exec.serverurl);
}

std::string last_exit(const Service& service)
{
    if (service.slot().stopped_wall == 0) return {};
    return engine::describe({service.slot().exit_code, service.slot().exit_status}) + " at " + stop_time(service.slot().stopped_wall);
}

/// Whether what it wrote tells why it is as it is: never of a program that is fine, of the others what is on stderr; where
/// stdout is mixed with it, only after a failure.
bool explains(const Service& service)
{
    const SupervisorState state = service.supervisor_state();
    if (state == SupervisorState::Running && service.reason().empty()) return false;
    const bool failed = state == SupervisorState::Fatal || state == SupervisorState::Backoff || state == SupervisorState::Exited;
    return failed || !service.spec().exec.redirect_stderr;
}

constexpr std::int64_t kLastBytes = 800;

/// At most ten whole lines of the end of a log.
std::string last_lines(std::string_view end)
{
    constexpr int kLines = 10;
    std::string_view tail = text::trim(end);
    if (tail.size() >= static_cast<std::size_t>(kLastBytes) - 1) tail.remove_prefix(tail.find('\n') + 1);
    std::size_t from = tail.size();
    for (int line = 0; line < kLines && from != std::string_view::npos; ++line) from = from == 0 ? std::string_view::npos : tail.rfind('\n', from - 1);
    return std::string(from == std::string_view::npos ? tail : tail.substr(from + 1));
}

}  // namespace

void Control::get_process_info(const Params& params, Reply reply)
{
    const Service* service = named(params, reply);
    if (service == nullptr) return;
    Encoder out;
    encode_info(out, *service, wall_seconds(), engine_.events().pool(service->spec().group));
    reply(out.take());
}

void Control::get_all_process_info(const Params&, Reply reply)
{
    const std::int64_t now = wall_seconds();
    const Services services = engine_.services();
    Encoder out;
    out.begin_array(services.size());
    for (const Service* service : services) encode_info(out, *service, now, engine_.events().pool(service->spec().group));
    reply(out.take());
}

void Control::get_all_config_info(const Params&, Reply reply)
{
    const config::Config config = parsed_ ? *parsed_ : engine_.active();
    std::vector<std::pair<const config::GroupSpec*, const config::ServiceSpec*>> all;
    for (const config::GroupSpec& group : config.groups)
        for (const config::ServiceSpec& spec : group.services) all.emplace_back(&group, &spec);
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second->name < b.second->name; });
    Encoder out;
    out.begin_array(all.size());
    for (const auto& [group, spec] : all) encode_config(out, *group, *spec, engine_.find_group(group->name) != nullptr);
    reply(out.take());
}

/// A fifth of getAllProcessInfo: of a thousand programs, reading the answer is most of what the client does.
void Control::status(const Params&, Reply reply)
{
    const std::int64_t now = wall_seconds();
    const Services services = engine_.services();
    Encoder out;
    out.begin_array(services.size());
    for (const Service* service : services) {
        const SupervisorState state = service->supervisor_state();
        out.begin_array(5);
        out.string(service->spec().group);
        out.string(service->spec().name);
        out.integer(static_cast<std::int64_t>(state));
        out.string(supervisor_name(state));
        out.string(description(*service, state, now));
    }
    reply(out.take());
}

void Control::show(const Params& params, Reply reply)
{
    Services services;
    if (params.empty()) services = engine_.services();
    else if (Service* service = named_loosely(params, reply)) services.push_back(service);
    else return;

    const std::vector<std::string> paused = context_.loop.alarms();
    const Value::Array alarms(paused.begin(), paused.end());
    Value::Array rows;
    const std::int64_t now = wall_seconds();
    for (Service* service : services) {
        const config::ServiceSpec& spec = service->spec();
        static constexpr const char* kActivations[] = {"always", "on_demand", "per_connection"};
        Value::Array sockets, callers;
        for (const net::SocketPtr& socket : service->sockets()) {
            const auto queue = context_.sockets.queue(socket->fd.get(), socket->endpoint);
            sockets.emplace_back(Value::Struct{{"address", socket->endpoint.text()},
                                               {"waiting", queue ? queue->waiting : 0},
                                               {"most", queue ? queue->maximum : 0}});
        }
        double cpu = 0;
        std::int64_t memory = 0;
        const auto add_usage = [&](pid_t pid) {
            const engine::Usage usage = engine::usage_of(pid);
            cpu += usage.cpu_seconds;
            memory += usage.memory_kb;
        };
        if (const auto pid = live_pid(service->state())) add_usage(*pid);
        for (const auto& [slot, connection] : service->handlers().connections()) {
            if (!connection.counts) continue;
            const engine::Slot& entry = context_.table.at(slot);
            add_usage(entry.child.pid);
            if (callers.size() < 100) callers.emplace_back(fmt::format("{} (pid {})", entry.child.peer.text(), entry.child.pid.load()));
        }
        std::int64_t lost = 0;
        for (const char* letter : {"o:", "e:"})
            if (const auto* stats = scribe_.stats(letter + spec.namespec())) lost += stats->lost;
        const Time next = service->next_try();
        const engine::EventPool* pool = spec.listener ? engine_.events().pool(spec.group) : nullptr;
        rows.emplace_back(Value::Struct{
            {"name", spec.name},
            {"group", spec.group},
            {"state", std::string(state_name(service->state()))},
            {"activation", kActivations[static_cast<int>(spec.exec.activation)]},
            {"pid", static_cast<std::int64_t>(live_pid(service->state()).value_or(0))},
            {"uptime", service->supervisor_state() == SupervisorState::Running ? now - started(*service) : 0},
            {"sockets", sockets},
            {"connections", service->handlers().count() + service->forwarded()},
            {"callers", callers},
            {"accepted", static_cast<std::int64_t>(service->slot().accepted)},
            {"refused", static_cast<std::int64_t>(service->slot().refused)},
            {"paused", service->handlers().paused()},
            {"cpu_seconds", cpu},
            {"memory_kb", memory},
            {"starts", static_cast<std::int64_t>(service->slot().restarts)},
            {"last_exit", last_exit(*service)},
            {"reason", std::string(service->reason())},
            {"next_try_seconds", next == Time{} ? 0.0 : std::max(0.0, to_seconds(next - context_.loop.now()))},
            {"log_bytes_lost", lost},
            {"log_error", log_errors(spec)},
            {"ready", spec.ready->when == config::ReadyWhen::StartSecs ? std::string() : spec.ready->text()},
            {"watchdog_seconds", to_seconds(spec.ready->watchdog)},
            {"notified", std::string(service->notices().said())},
            {"status", std::string(service->notices().status())},
            {"error", service->notices().error() == 0 ? std::string() : errno_text(service->notices().error())},
            {"bus_error", std::string(service->notices().bus_error())},
            {"varlink_error", std::string(service->notices().varlink_error())},
            {"exit_status", service->notices().exit_status()},
            {"stored", service->notices().stored()},
            {"events", spec.listener ? text::join(spec.listener->events, ", ") : std::string()},
            {"listener_state", pool != nullptr ? std::string(listener_state_name(pool->state(spec.name))) : std::string()},
            {"events_queued", pool != nullptr ? static_cast<std::int64_t>(pool->queued()) : std::int64_t{0}},
            {"events_buffer", pool != nullptr ? static_cast<std::int64_t>(pool->buffer_size()) : std::int64_t{0}},
            {"events_discarded", pool != nullptr ? static_cast<std::int64_t>(pool->discarded()) : std::int64_t{0}},
            {"defined_at", fmt::format("{}:{}", spec.place.file, spec.place.line)},
            {"daemon_hold_mode", hooks_.hold_mode},
            {"daemon_alarms", alarms},
        });
    }
    answer(reply, rows);
}

/// What keeps the output of a program from its logs; empty: nothing.
std::string Control::log_errors(const config::ServiceSpec& spec) const
{
    std::vector<std::string> errors;
    for (const char* letter : {"o:", "e:"}) {
        const auto* stats = scribe_.stats(letter + spec.namespec());
        if (stats != nullptr && !stats->error.empty()) errors.push_back(stats->error);
    }
    return text::join(errors, "; ");
}

void Control::why(const Params& params, Reply reply)
{
    Service* service = named_loosely(params, reply);
    if (service == nullptr) return;
    const config::ServiceSpec& spec = service->spec();
    std::string text = fmt::format("{} is {}", spec.namespec(), state_name(service->state()));
    text += std::holds_alternative<engine::Running>(service->state()) ? fmt::format(" since {}.", stop_time(started(*service))) : ".";
    const std::string step = service->failed_step(), ended = last_exit(*service);
    if (!service->reason().empty()) text += fmt::format(" The last failure: {}.", service->reason());
    if (!step.empty()) text += fmt::format(" It failed at {}.", step);
    else if (!service->reason().empty() && !ended.empty()) text += fmt::format(" Its process ended with {}.", ended);
    if (service->reason().empty() && step.empty() && !ended.empty()) text += fmt::format(" Its process last ended with {}.", ended);
    else if (ended.empty() && service->slot().started_wall == 0) text += " It has not been started yet.";
    if (const std::string wrong = log_errors(spec); !wrong.empty()) text += fmt::format(" Its output could not be written: {}.", wrong);
    if (!service->handlers().paused().empty()) text += fmt::format(" Callers wait: {}.", service->handlers().paused());
    if (const Time next = service->next_try(); next != Time{})
        text += fmt::format(" The next try is in {}.", format_duration(std::max(Duration::zero(), next - context_.loop.now())));
    if (!spec.broken.empty()) text += fmt::format(" Mend {}:{} and run 'xsvctl reload'.", spec.place.file, spec.place.line);
    else if (std::holds_alternative<engine::Fatal>(service->state()) || std::holds_alternative<engine::Stopped>(service->state()))
        text += fmt::format(" It waits for 'xsvctl start {}'.", spec.namespec());
    else if (std::holds_alternative<engine::Listening>(service->state()) && !service->sockets().empty())
        text += fmt::format(" It waits for a caller on {}.", service->sockets().front()->endpoint.text());

    const config::LogSink& sink = spec.exec.redirect_stderr ? spec.output->out : spec.output->err;
    if (!explains(*service) || log_path(sink).empty()) return answer(reply, text);
    scribe_.read(sink.path, -kLastBytes, 0, [reply, text](const Value& result) {
        const std::string tail = result.flag("ok") ? last_lines(result.text("text")) : std::string();
        answer(reply, tail.empty() ? text : text + "\nThe last lines it wrote:\n" + tail);
    });
}

}  // namespace xsv::control
