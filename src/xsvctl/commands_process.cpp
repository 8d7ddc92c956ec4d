#include "base/text.h"
#include "xsvctl/commands.h"
#include "xsvctl/lookup.h"
#include "xsvctl/names.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

/// What one of the four commands that act on programs calls and prints.
struct Action {
    std::string_view one, group, all;  // the methods
    std::string_view done;             // "started"
    int harmless;                      // the fault that is no failure
    int unknown_group_code;
};

constexpr Action kStart{"supervisor.startProcess",      "supervisor.startProcessGroup",
                        "supervisor.startAllProcesses", "started",
                        fault::kAlreadyStarted,         exit_code::kInvalidArguments};
constexpr Action kStop{"supervisor.stopProcess",
                       "supervisor.stopProcessGroup",
                       "supervisor.stopAllProcesses",
                       "stopped",
                       fault::kNotRunning,
                       exit_code::kGeneric};
constexpr Action kSignal{"supervisor.signalProcess",
                         "supervisor.signalProcessGroup",
                         "supervisor.signalAllProcesses",
                         "signalled",
                         fault::kSuccess,
                         exit_code::kGeneric};
constexpr Action kClear{"supervisor.clearProcessLogs",
                        "",
                        "supervisor.clearAllProcessLogs",
                        "cleared",
                        fault::kSuccess,
                        exit_code::kGeneric};

struct ProcessResult {
    std::string group, name;
    int status = fault::kSuccess;
    std::string description = "OK";
    std::string shown() const { return join_name(group, name); }
};

/// The words in brackets; nullptr for faults this command does not expect.
const char* reason_of(const Action& action, int status)
{
    const bool starts = &action == &kStart, clears = &action == &kClear;
    if (status == fault::kBadName) return "no such process";
    if (clears) return status == fault::kFailed ? "failed" : nullptr;
    if (starts) {
        switch (status) {
            case fault::kNoFile: return "no such file";
            case fault::kNotExecutable: return "file is not executable";
            case fault::kAlreadyStarted: return "already started";
            case fault::kSpawnError: return "spawn error";
            case fault::kAbnormalTermination: return "abnormal termination";
            default: return nullptr;
        }
    }
    switch (status) {
        case fault::kBadSignal: return "bad signal name";
        case fault::kNotRunning: return "not running";
        default: return nullptr;
    }
}

Outcome print_result(Session& session, const Action& action, const ProcessResult& result)
{
    const std::string name = result.shown();
    session.out.item(Value::Struct{{"name", result.name},
                                   {"group", result.group},
                                   {"status", result.status},
                                   {"description", result.description}});
    if (result.status == fault::kSuccess) {
        session.out.line(fmt::format("{}: {}", name, action.done));
    } else if (const char* reason = reason_of(action, result.status)) {
        session.out.line(fmt::format("{}: ERROR ({})", name, reason));
    } else if (result.status == fault::kFailed && &action != &kStart) {
        session.out.line(result.description);
    } else {
        return raise_value(fmt::format("Unknown result code {} for {}", result.status, name));
    }
    session.set_exit_from(result.status, action.harmless);
    return {};
}

Outcome print_results(Session& session, const Action& action, const Value& results)
{
    const auto* list = results.array();
    if (!list) return raise_value("the server's answer is no list of results");
    session.out.list();
    for (const Value& each : *list) {
        const ProcessResult result{each.text("group"), each.text("name"), static_cast<int>(each.number("status")),
                                   each.text("description")};
        if (auto printed = print_result(session, action, result); !printed) return printed;
    }
    return {};
}

Outcome act_on_group(Session& session, const Action& action, const Name& name, const Value::Array& more)
{
    Value::Array params{name.group};
    params.insert(params.end(), more.begin(), more.end());
    auto answer = session.call(action.group, params);
    if (answer) return print_results(session, action, *answer);
    if (!answer.error().is_fault(fault::kBadName)) return raise(answer);
    session.error(name.group + ": ERROR (no such group)", action.unknown_group_code);
    return {};
}

Outcome act_on_one(Session& session, const Action& action, std::string text, const Value::Array& more)
{
    auto answer = call_about(session, action.one, text, more);
    if (!answer && answer.error().kind != CallError::Kind::Fault) return raise(answer);

    const Name name = split_name(text);
    // Supervisor's client prints Python's None for the process of "group:*" where groups are not supported.
    ProcessResult result{name.group, name.whole_group ? "None" : name.process};
    if (!answer) {
        result.status = answer.error().code;
        result.description = answer.error().text;
    }
    return print_result(session, action, result);
}

/// Supervisor has no method for it, so one after the other.
Outcome clear_group(Session& session, const Name& name)
{
    auto all = session.call("supervisor.getAllProcessInfo");
    if (!all) return raise(all);
    bool any = false;
    for (const Value& info : all->array() ? *all->array() : Value::Array{}) {
        if (info.text("group") != name.group) continue;
        any = true;
        if (auto done = act_on_one(session, kClear, name.group + ":" + info.text("name"), {}); !done) return done;
    }
    if (!any) session.error(name.group + ": ERROR (no such group)");
    return {};
}

Outcome act(Session& session, const Action& action, const std::vector<std::string>& names,
            const Value::Array& more = {})
{
    if (names_everything(names)) {
        auto answer = session.call(action.all, more);
        if (!answer) return raise(answer);
        return print_results(session, action, *answer);
    }
    for (const std::string& text : names) {
        const Name name = split_name(text);
        Outcome done;
        if (name.whole_group && !action.group.empty()) {
            done = act_on_group(session, action, name, more);
        } else if (name.whole_group && !session.as_supervisorctl()) {
            done = clear_group(session, name);
        } else {
            done = act_on_one(session, action, text, more);
        }
        if (!done) return done;
    }
    return {};
}

Outcome complain(Session& session, std::string_view command, std::string_view what, int code)
{
    session.error(fmt::format("Error: {} requires {}", command, what), code);
    session.out.line(find_command(command, session.as_supervisorctl())->help);
    return {};
}

}  // namespace

Outcome commands::start(Session& session, const std::string& arguments)
{
    const auto names = text::words(arguments);
    if (names.empty()) return complain(session, "start", "a process name", exit_code::kInvalidArguments);
    return act(session, kStart, names);
}

Outcome commands::stop(Session& session, const std::string& arguments)
{
    const auto names = text::words(arguments);
    if (names.empty()) return complain(session, "stop", "a process name", exit_code::kGeneric);
    return act(session, kStop, names);
}

Outcome commands::restart(Session& session, const std::string& arguments)
{
    auto names = text::words(arguments);
    if (names.empty()) return complain(session, "restart", "a process name", exit_code::kGeneric);
    if (!session.as_supervisorctl()) {
        names = complete_names(session, std::move(names));
        // Callers wait through a restart and are not refused. A daemon that does not know the method restarts as ever.
        (void)session.call("xsv.keepSockets", Value::Array{Value(Value::Array(names.begin(), names.end()))});
    }
    if (auto stopped = act(session, kStop, names); !stopped) return stopped;
    return act(session, kStart, names);
}

Outcome commands::signal(Session& session, const std::string& arguments)
{
    auto names = text::words(arguments);
    if (names.size() < 2) return complain(session, "signal", "a signal name and a process name", exit_code::kGeneric);
    const Value::Array more{names.front()};
    names.erase(names.begin());
    return act(session, kSignal, names, more);
}

Outcome commands::clear(Session& session, const std::string& arguments)
{
    const auto names = text::words(arguments);
    if (names.empty()) return complain(session, "clear", "a process name", exit_code::kGeneric);
    return act(session, kClear, names);
}

}  // namespace xsv::xsvctl
