#include "web/site.h"

#include <algorithm>
#include <ctime>
#include <iterator>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/text.h"
#include "base/time.h"
#include "web/pages.h"
#include "web/rules.h"

namespace xsv::web {

namespace {

/// Supervisor's fault codes with a text of their own.
enum : int { kBadName = 10, kNoFile = 20, kNotExecutable = 21, kAbnormal = 40, kSpawnError = 50, kAlreadyStarted = 60 };

constexpr std::int64_t kLeastTail = 1024, kMostTail = 1 << 20;

std::string now_text()
{
    return local_time(wall_seconds(), "%a %b %e %H:%M:%S %Y");
}

std::string fault_text(const wire::Fault& fault)
{
    return fmt::format("unexpected rpc fault [{}] {}", fault.code, fault.text);
}

std::string start_fault_text(const wire::Fault& fault)
{
    switch (fault.code) {
        case kNoFile: return "no such file";
        case kNotExecutable: return "file not executable";
        case kAbnormal: return "abnormal termination";
        case kSpawnError: return "spawn error";
        case kAlreadyStarted: return "already started";
        default: return fault_text(fault);
    }
}

void redirect(const Reply& reply, std::string_view message)
{
    // Relative, so that no Host line decides where the browser goes.
    Answer answer = error_answer(303);
    answer.headers = fmt::format("Location: ./?message={}\r\n", quote_url(message));
    reply.send(std::move(answer));
}

/// The files are parts of this executable.
std::time_t files_time()
{
    static const std::time_t time = [] {
        struct stat info {};
        return ::stat("/proc/self/exe", &info) == 0 ? std::min<std::time_t>(info.st_mtime, wall_seconds())
                                                    : wall_seconds();
    }();
    return time;
}

wire::Value call(std::string_view method, wire::Value::Array params = {})
{
    return wire::Value::Struct{{"methodName", method}, {"params", std::move(params)}};
}

Form form_of(const Request& request)
{
    Form form;
    if (request.method == "POST") form.add(request.body);
    const std::string_view target = request.target;
    if (const auto query = target.find('?'); query != target.npos)
        form.add(target.substr(query + 1, target.find('#') - query - 1));
    return form;
}

bool is_form(const Request& request)
{
    const std::string_view type =
        request.content_type ? std::string_view(*request.content_type) : "application/x-www-form-urlencoded";
    return text::iequals(text::trim(type.substr(0, type.find(';'))), "application/x-www-form-urlencoded");
}

}  // namespace

Site::Site(event::Loop& loop, EngineLink& engine) : loop_(loop), engine_(engine)
{
    files_time();  // as long as there is a file to look at
}

struct Site::Action {
    std::string_view name;
    bool needs_process;
    std::string_view method;
    std::string_view done;  ///< what the page says: "Process N started", "All stopped at ..."
    bool is_restart;
};

const Site::Action Site::kActions[] = {
    {"refresh", false, "", "Page refreshed at {}", false},
    {"stopall", false, "supervisor.stopAllProcesses", "All stopped at {}", false},
    {"restartall", false, "supervisor.startAllProcesses", "All restarted at {}", true},
    {"start", true, "supervisor.startProcess", "Process {} started", false},
    {"stop", true, "supervisor.stopProcess", "Process {} stopped", false},
    {"restart", true, "supervisor.startProcess", "Process {} restarted", true},
    {"clearlog", true, "supervisor.clearProcessLogs", "Log for {} cleared", false},
};

void Site::read(std::string_view method, const wire::Value::Array& params, const Caller& caller, const Reply& reply,
                OnAnswer on_answer, bool is_again)
{
    const auto on_outcome = [=, this, name = std::string(method)](const EngineLink::Outcome& outcome) {
        if (!std::holds_alternative<EngineLink::Lost>(outcome)) return on_answer(outcome);
        if (is_again) return reply.send(error_answer(503));
        // Not from within: the new engine's greeting is still being read.
        loop_.soon([=, this] { read(name, params, caller, reply, on_answer, true); });
    };
    if (!engine_.call(method, params, caller, on_outcome)) reply.send(error_answer(503));
}

void Site::show_status(const Request& request, const Caller& caller, const Reply& reply)
{
    if (request.method == "POST" && !is_form(request)) return reply.send(error_answer(415, "send a form"));
    const Form form = form_of(request);
    const std::string token = tokens_.make(caller.user, loop_.now());
    if (const std::string name = form.get("action"), process = form.get("processname"); !name.empty()) {
        const auto action = std::find_if(std::begin(kActions), std::end(kActions),
                                         [&](const Action& each) { return each.name == name; });
        if (action == std::end(kActions)) return reply.send(error_answer(400, "there is no such action"));
        if (action->needs_process && process.empty())
            return reply.send(error_answer(400, "the action needs a processname"));
        if (action->method.empty()) return redirect(reply, fmt::format(fmt::runtime(action->done), now_text()));
        if (request.method != "POST") {
            Answer page = confirm_page(405, name, action->needs_process ? process : std::string(), token);
            page.headers += "Allow: POST\r\n";
            return reply.send(std::move(page));
        }
        if (!tokens_.check(form.get("token"), caller.user, loop_.now()))
            return reply.send(confirm_page(403, name, action->needs_process ? process : std::string(), token));
        return act(*action, process, caller, reply);
    }
    const StatusPage page{form.get("message"), token, form.has("message")};
    read("supervisor.getAllProcessInfo", {}, caller, reply, [reply, page](const EngineLink::Outcome& outcome) {
        if (const auto* fault = std::get_if<wire::Fault>(&outcome)) return reply.send(error_answer(503, fault->text));
        const auto processes = wire::decode(std::get<std::string_view>(outcome));
        reply.send(processes ? status_page(*processes, page) : error_answer(500));
    });
}

void Site::act(const Action& action, const std::string& process, const Caller& caller, const Reply& reply)
{
    if (!action.needs_process) return perform(action, process, caller, reply);
    // The methods take "group:*" too, a button does not.
    read("supervisor.getProcessInfo", {process}, caller, reply, [=, this, &action](const EngineLink::Outcome& outcome) {
        const auto* fault = std::get_if<wire::Fault>(&outcome);
        if (fault && fault->code == kBadName) return redirect(reply, "No such process named " + process);
        perform(action, process, caller, reply);
    });
}

void Site::perform(const Action& action, const std::string& process, const Caller& caller, const Reply& reply)
{
    wire::Value::Array params;
    if (action.needs_process) params.emplace_back(process);
    std::string method(action.method);
    if (action.is_restart) {
        const std::string_view stop = action.needs_process ? "supervisor.stopProcess" : "supervisor.stopAllProcesses";
        const wire::Value::Array sockets{wire::Value::Array{action.needs_process ? process : std::string("all")}};
        params = {
            wire::Value::Array{call("xsv.keepSockets", sockets), call(stop, params), call(action.method, params)}};
        method = "system.multicall";
    }
    const auto on_outcome = [&action, process, reply](const EngineLink::Outcome& outcome) {
        if (std::holds_alternative<EngineLink::Lost>(outcome))
            return redirect(reply, "ERROR: the answer was lost with a process of the daemon; the states are below");
        const auto* fault = std::get_if<wire::Fault>(&outcome);
        if (!fault)
            return redirect(reply, fmt::format(fmt::runtime(action.done), action.needs_process ? process : now_text()));
        if (action.name == "start")
            return redirect(reply, "ERROR: Process " + process + ": " + start_fault_text(*fault));
        redirect(reply, fault_text(*fault));
    };
    if (!engine_.call(method, params, caller, on_outcome)) reply.send(error_answer(503));
}

void Site::show_tail(const Request& request, const Caller& caller, const Reply& reply)
{
    const Form form = form_of(request);
    TailPage page{form.get("processname"), "No process name found", kLeastTail};
    if (page.process.empty()) return reply.send(tail_page(page));
    if (const auto limit = text::to_int(form.get("limit"))) page.limit = std::clamp(*limit, kLeastTail, kMostTail);
    const wire::Value::Array params{page.process, -page.limit, 0};
    read("supervisor.readProcessStdoutLog", params, caller, reply,
         [reply, page](const EngineLink::Outcome& outcome) mutable {
             if (const auto* fault = std::get_if<wire::Fault>(&outcome)) {
                 page.text = fault->code == kNoFile ? "No file for " + page.process : "ERROR: " + fault_text(*fault);
             } else {
                 const auto text = wire::decode(std::get<std::string_view>(outcome));
                 page.text = text && text->string() ? *text->string() : std::string();
             }
             reply.send(tail_page(page));
         });
}

void Site::show_file(const Request& request, const Reply& reply)
{
    Answer file = static_file(request.path);
    if (file.status != 200) return reply.send(std::move(file));
    const auto since = request.if_modified_since ? parse_http_date(*request.if_modified_since) : std::nullopt;
    if (since && files_time() <= *since) return reply.send({304, {}, {}, {}, false});
    file.headers = fmt::format("Last-Modified: {}\r\n", http_date(files_time()));
    reply.send(std::move(file));
}

}  // namespace xsv::web
