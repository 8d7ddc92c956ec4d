// The table of methods, and the methods about the table.
#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/text.h"
#include "control/audit.h"
#include "control/control.h"
#include "control/methods.h"
#include "control/params.h"

namespace xsv::control {

using config::Role;
using wire::Value;

struct Method {
    const char* name;
    const char* signature;   ///< types, the result's first
    int least, most;         ///< parameters
    const char* help;
    Role role;               ///< who may call it; all but the viewer's change something
    bool while_ending;       ///< also when the daemon shuts down
    void (Control::*call)(const Value::Array&, Reply);
};

struct MethodTable {
    static constexpr auto kMethods = std::to_array<Method>({
        {"supervisor.addProcessGroup", "boolean string", 1, 1, "Add a group of the last read configuration to what runs.", Role::Admin, false, &Control::add_group},
        {"supervisor.clearAllProcessLogs", "array", 0, 0, "Clear the log files of every process.", Role::Operator, false, &Control::clear_all_logs},
        {"supervisor.clearLog", "boolean", 0, 0, "Clear the daemon's own log.", Role::Operator, false, &Control::clear_main_log},
        {"supervisor.clearProcessLog", "boolean string", 1, 1, "Clear the log files of a process.", Role::Operator, false, &Control::clear_logs},
        {"supervisor.clearProcessLogs", "boolean string", 1, 1, "Clear the log files of a process.", Role::Operator, false, &Control::clear_logs},
        {"supervisor.getAPIVersion", "string", 0, 0, "The version of this interface.", Role::Viewer, false, &Control::get_api_version},
        {"supervisor.getAllConfigInfo", "array", 0, 0, "The settings of every process of the last read configuration.", Role::Viewer, false, &Control::get_all_config_info},
        {"supervisor.getAllProcessInfo", "array", 0, 0, "Information about every process.", Role::Viewer, false, &Control::get_all_process_info},
        {"supervisor.getIdentification", "string", 0, 0, "The configured identifier of this daemon.", Role::Viewer, false, &Control::get_identification},
        {"supervisor.getPID", "int", 0, 0, "The pid of the daemon.", Role::Viewer, false, &Control::get_pid},
        {"supervisor.getProcessInfo", "struct string", 1, 1, "Information about one process.", Role::Viewer, false, &Control::get_process_info},
        {"supervisor.getState", "struct", 0, 0, "The state of the daemon: statecode and statename.", Role::Viewer, false, &Control::get_state},
        {"supervisor.getSupervisorVersion", "string", 0, 0, "The version of the daemon.", Role::Viewer, false, &Control::get_version},
        {"supervisor.getVersion", "string", 0, 0, "The version of this interface.", Role::Viewer, false, &Control::get_api_version},
        {"supervisor.readLog", "string int int", 2, 2, "Bytes of the daemon's own log: offset, length.", Role::Viewer, false, &Control::read_main_log},
        {"supervisor.readMainLog", "string int int", 2, 2, "Bytes of the daemon's own log: offset, length.", Role::Viewer, false, &Control::read_main_log},
        {"supervisor.readProcessLog", "string string int int", 3, 3, "Bytes of a stdout log: name, offset, length.", Role::Viewer, false, &Control::read_stdout},
        {"supervisor.readProcessStderrLog", "string string int int", 3, 3, "Bytes of a stderr log: name, offset, length.", Role::Viewer, false, &Control::read_stderr},
        {"supervisor.readProcessStdoutLog", "string string int int", 3, 3, "Bytes of a stdout log: name, offset, length.", Role::Viewer, false, &Control::read_stdout},
        {"supervisor.reloadConfig", "array", 0, 0, "Read the configuration again; names of groups added, changed, removed.", Role::Admin, false, &Control::reload_config},
        {"supervisor.removeProcessGroup", "boolean string", 1, 1, "Remove a stopped group from what runs.", Role::Admin, false, &Control::remove_group},
        {"supervisor.restart", "boolean", 0, 0, "Stop everything, read the configuration, start everything.", Role::Admin, false, &Control::restart},
        {"supervisor.sendProcessStdin", "boolean string string", 2, 2, "Write to the stdin of a process: name, text.", Role::Admin, false, &Control::send_stdin},
        {"supervisor.sendRemoteCommEvent", "boolean string string", 2, 2, "Send an event of type REMOTE_COMMUNICATION to those who listen: type, data.", Role::Admin, true, &Control::send_remote_event},
        {"supervisor.shutdown", "boolean", 0, 0, "Stop everything and end the daemon.", Role::Admin, false, &Control::shutdown},
        {"supervisor.signalAllProcesses", "array string", 1, 1, "Send a signal to every process.", Role::Operator, false, &Control::signal_all},
        {"supervisor.signalProcess", "boolean string string", 2, 2, "Send a signal to a process: name, signal.", Role::Operator, false, &Control::signal_process},
        {"supervisor.signalProcessGroup", "array string string", 2, 2, "Send a signal to a group: name, signal.", Role::Operator, false, &Control::signal_group},
        {"supervisor.startAllProcesses", "array boolean", 0, 1, "Start every process; wait until they are up.", Role::Operator, false, &Control::start_all},
        {"supervisor.startProcess", "boolean string boolean", 1, 2, "Start a process: name, wait until it is up.", Role::Operator, false, &Control::start_process},
        {"supervisor.startProcessGroup", "array string boolean", 1, 2, "Start a group: name, wait until all are up.", Role::Operator, false, &Control::start_group},
        {"supervisor.stopAllProcesses", "array boolean", 0, 1, "Stop every process; wait until they have ended.", Role::Operator, false, &Control::stop_all},
        {"supervisor.stopProcess", "boolean string boolean", 1, 2, "Stop a process: name, wait until it has ended.", Role::Operator, false, &Control::stop_process},
        {"supervisor.stopProcessGroup", "array string boolean", 1, 2, "Stop a group: name, wait until all have ended.", Role::Operator, false, &Control::stop_group},
        {"supervisor.tailProcessLog", "array string int int", 3, 3, "The end of a stdout log: name, offset, length.", Role::Viewer, false, &Control::tail_stdout},
        {"supervisor.tailProcessStderrLog", "array string int int", 3, 3, "The end of a stderr log: name, offset, length.", Role::Viewer, false, &Control::tail_stderr},
        {"supervisor.tailProcessStdoutLog", "array string int int", 3, 3, "The end of a stdout log: name, offset, length.", Role::Viewer, false, &Control::tail_stdout},
        {"system.listMethods", "array", 0, 0, "The names of all methods.", Role::Viewer, true, &Control::list_methods},
        {"system.methodHelp", "string string", 1, 1, "What a method does.", Role::Viewer, true, &Control::method_help},
        {"system.methodSignature", "array string", 1, 1, "The types of a method, the result's first.", Role::Viewer, true, &Control::method_signature},
        {"system.multicall", "array array", 1, 1, "Several calls in one, run in order.", Role::Viewer, true, &Control::multicall},
        {"xsv.check", "struct", 0, 0, "Validate the configuration files: mistakes, warnings, and notes on what differs from the daemon a file was written for.", Role::Viewer, true, &Control::check},
        {"xsv.diff", "struct", 0, 0, "What a reload would change.", Role::Viewer, false, &Control::diff},
        {"xsv.keepSockets", "boolean array", 1, 1, "The next stop of these keeps their sockets open for the start that follows.", Role::Operator, false, &Control::keep_sockets},
        {"xsv.refresh", "boolean string", 1, 1, "Ask a running program to read its configuration again: reload_command, then reload_signal.", Role::Operator, false, &Control::refresh},
        {"xsv.reload", "struct", 0, 0, "Read the configuration and apply the difference.", Role::Admin, false, &Control::reload},
        {"xsv.resume", "boolean", 0, 0, "Leave hold mode: accept new configuration again.", Role::Admin, false, &Control::resume},
        {"xsv.show", "array string", 0, 1, "Services with sockets, callers, memory, restarts and next try.", Role::Viewer, true, &Control::show},
        {"xsv.status", "array", 0, 0, "What `status` prints, in short: group, name, state, statename, description of each.", Role::Viewer, false, &Control::status},
        {"xsv.why", "string string", 1, 1, "The last failure of a service in a sentence.", Role::Viewer, true, &Control::why},
    });

    static const Method* find(std::string_view name)
    {
        const auto found = std::lower_bound(kMethods.begin(), kMethods.end(), name,
                                            [](const Method& method, std::string_view wanted) { return method.name < wanted; });
        return found != kMethods.end() && found->name == name ? &*found : nullptr;
    }
};

std::vector<MethodInfo> all_methods()
{
    std::vector<MethodInfo> all;
    for (const Method& method : MethodTable::kMethods) all.push_back({method.name, method.signature, method.least, method.help});
    return all;
}

Control::Control(engine::Engine& engine, engine::Context& context, engine::ScribeLink& scribe, DaemonHooks hooks)
    : engine_(engine), context_(context), scribe_(scribe), hooks_(std::move(hooks)), memory_(context.loop)
{
}

namespace {

/// Whether a parameter can be read as what the signature says; params.h tells how lenient that is.
bool is_fit(const Value& value, std::string_view type)
{
    const bool is_compound = value.array() != nullptr || value.structure() != nullptr;
    if (type == "array") return value.array() != nullptr;
    if (type == "string") return value.string() != nullptr || value.integer() != nullptr;
    if (type == "int") return to_number(value).has_value();
    return type == "boolean" || !is_compound;
}

/// The first parameter that does not fit, from 1; 0 if all do.
std::size_t first_misfit(const Value::Array& params, std::string_view signature)
{
    const std::vector<std::string> types = text::words(signature);
    for (std::size_t at = 0; at < params.size(); ++at)
        if (!is_fit(params[at], types[at + 1])) return at + 1;
    return 0;
}

}  // namespace

namespace {

Reply audited(const Request& request, Reply reply)
{
    return [what = audit_text(request), reply = std::move(reply)](Outcome outcome) {
        audit(what, outcome ? std::string_view("done") : std::string_view(outcome.error().text));
        reply(std::move(outcome));
    };
}

}  // namespace

void Control::call(const Request& request, Reply reply)
{
    const Method* method = MethodTable::find(request.method);
    if (method == nullptr) return refuse(reply, FaultCode::UnknownMethod);
    const auto count = static_cast<int>(request.params.size());
    if (count < method->least || count > method->most) return refuse(reply, FaultCode::IncorrectParameters);
    if (method->role > Role::Viewer && !request.caller.empty()) reply = audited(request, std::move(reply));
    if (request.role < method->role)
        return refuse(reply, FaultCode::Failed, fmt::format("{} needs the role {}, not {}", method->name, role_name(method->role), role_name(request.role)));
    if (engine_.is_shutting_down() && !method->while_ending) return refuse(reply, FaultCode::ShutdownState);
    if (const std::size_t at = first_misfit(request.params, method->signature))
        return refuse(reply, FaultCode::IncorrectParameters,
                      fmt::format("parameter {} must be of type {}", at, text::words(method->signature)[at]));
    asking_ = {request.caller, request.role};
    (this->*method->call)(request.params, std::move(reply));
}

void Control::list_methods(const Params&, Reply reply)
{
    Value::Array names;
    for (const Method& method : MethodTable::kMethods) names.emplace_back(method.name);
    answer(reply, names);
}

void Control::method_help(const Params& params, Reply reply)
{
    const auto* name = params[0].string();
    const Method* method = name != nullptr ? MethodTable::find(*name) : nullptr;
    if (method == nullptr) return refuse(reply, FaultCode::SignatureUnsupported);
    // Clients take the types from these lines.
    std::string text = method->help;
    const std::vector<std::string> types = text::words(method->signature);
    for (std::size_t at = 1; at < types.size(); ++at) text += fmt::format("\n@param {} parameter{}", types[at], at);
    answer(reply, text + fmt::format("\n@return {} result", types[0]));
}

void Control::method_signature(const Params& params, Reply reply)
{
    const auto* name = params[0].string();
    const Method* method = name != nullptr ? MethodTable::find(*name) : nullptr;
    if (method == nullptr) return refuse(reply, FaultCode::SignatureUnsupported);
    Value::Array types;
    for (const std::string& type : text::words(method->signature)) types.emplace_back(type);
    answer(reply, types);
}

/// Calls run strictly in order: one that waits delays the next.
struct Control::Multicall {
    Value::Array calls;
    std::size_t next = 0;
    wire::Encoder results;
    Asking asking;
    Reply reply;
};

void Control::multicall(const Params& params, Reply reply)
{
    constexpr std::size_t kMost = 256;
    const auto* calls = params[0].array();
    if (calls == nullptr || calls->size() > kMost) return refuse(reply, FaultCode::IncorrectParameters);
    for (const Value& call : *calls)
        if (call.structure() == nullptr) return refuse(reply, FaultCode::IncorrectParameters, "a call is a struct of methodName and params");
    auto state = std::make_shared<Multicall>();
    state->calls = *calls;
    state->asking = asking_;
    state->reply = std::move(reply);
    state->results.begin_array(calls->size());
    run_multicall(std::move(state));
}

void Control::run_multicall(std::shared_ptr<Multicall> state)
{
    if (state->next == state->calls.size()) return state->reply(state->results.take());
    const Value& call = state->calls[state->next++];
    const auto done = [this, state](Outcome outcome) {
        if (outcome) state->results.raw(*outcome);
        else state->results.value(Value::Struct{{"faultCode", outcome.error().code}, {"faultString", outcome.error().text}});
        // Not from within the call: a long list of quick calls must not become a deep stack.
        context_.loop.soon([this, state] { run_multicall(state); });
    };
    const Value* method = call.find("methodName");
    if (method == nullptr || method->string() == nullptr) return refuse(done, FaultCode::IncorrectParameters, "No methodName");
    if (*method->string() == "system.multicall")
        return refuse(done, FaultCode::IncorrectParameters, "Recursive system.multicall forbidden");
    const Value* params = call.find("params");
    if (params != nullptr && params->array() == nullptr)
        return refuse(done, FaultCode::IncorrectParameters, "params must be an array");
    this->call({*method->string(), params != nullptr ? *params->array() : Value::Array{}, state->asking.caller, state->asking.role}, done);
}

}  // namespace xsv::control
