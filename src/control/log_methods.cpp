// Reading and clearing logs; the scribe does it, so that a dead disk delays nobody here.
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "control/control.h"
#include "control/params.h"

namespace xsv::control {

using config::LogSink;
using engine::Service;
using wire::Value;

namespace {

wire::Fault fault_of(const Value& result)
{
    const auto code = static_cast<FaultCode>(result.number("code", static_cast<int>(FaultCode::Failed)));
    const std::string text = result.text("text");
    return make_fault(code, text.empty() ? std::nullopt : std::optional<std::string_view>(text));
}

const LogSink& sink_of(const Service& service, bool err) { return err ? service.spec().output->err : service.spec().output->out; }

bool has_file(const Service& service, bool err)
{
    const LogSink& sink = sink_of(service, err);
    return sink.kind != LogSink::Kind::None && !sink.path.empty() && !(err && service.spec().exec.redirect_stderr);
}

}  // namespace

void Control::read_log(const std::string& file, const Params& params, std::size_t at, const Reply& reply)
{
    const auto offset = to_number(params[at]), length = to_number(params[at + 1]);
    if (!offset || !length) return refuse(reply, FaultCode::IncorrectParameters, "offset and length must be numbers");
    if (file.empty()) return refuse(reply, FaultCode::NoFile);
    scribe_.read(file, *offset, *length, [reply](const Value& result) {
        if (!result.flag("ok")) return reply(tl::unexpected(fault_of(result)));
        answer(reply, result.text("text"));
    });
}

void Control::tail_log(const std::string& file, const Params& params, const Reply& reply)
{
    const auto offset = to_number(params[1]), length = to_number(params[2]);
    if (!offset || !length) return refuse(reply, FaultCode::IncorrectParameters, "offset and length must be numbers");
    if (file.empty()) return answer(reply, Value::Array{"", 0, false});
    scribe_.tail(file, *offset, *length, [reply, offset](const Value& result) {
        const bool is_missing = result.number("code") == static_cast<int>(FaultCode::NoFile);
        if (!result.flag("ok")) return answer(reply, Value::Array{"", is_missing ? 0 : *offset, false});
        answer(reply, Value::Array{result.text("text"), result.number("offset"), result.flag("overflow")});
    });
}

void Control::read_stdout(const Params& params, Reply reply)
{
    if (const Service* service = named(params, reply)) read_log(has_file(*service, false) ? sink_of(*service, false).path : "", params, 1, reply);
}
void Control::read_stderr(const Params& params, Reply reply)
{
    if (const Service* service = named(params, reply)) read_log(has_file(*service, true) ? sink_of(*service, true).path : "", params, 1, reply);
}
void Control::tail_stdout(const Params& params, Reply reply)
{
    if (const Service* service = named(params, reply)) tail_log(has_file(*service, false) ? sink_of(*service, false).path : "", params, reply);
}
void Control::tail_stderr(const Params& params, Reply reply)
{
    if (const Service* service = named(params, reply)) tail_log(has_file(*service, true) ? sink_of(*service, true).path : "", params, reply);
}

void Control::read_main_log(const Params& params, Reply reply)
{
    const std::string& file = engine_.settings().daemon.logfile;
    read_log(file == "syslog" ? std::string() : file, params, 0, reply);
}

void Control::clear_main_log(const Params&, Reply reply)
{
    const std::string& file = engine_.settings().daemon.logfile;
    if (file.empty() || file == "syslog" || ::access(file.c_str(), F_OK) != 0) return refuse(reply, FaultCode::NoFile);
    if (auto cleared = log::clear(); !cleared) return refuse(reply, FaultCode::Failed, cleared.error().message);
    log::info("reopening log file");
    answer(reply, true);
}

void Control::clear_one(Service& service, const Reply& reply)
{
    // Both files, one after the other; a program without files has nothing to clear.
    const std::string out = has_file(service, false) ? sink_of(service, false).path : "";
    const std::string err = has_file(service, true) ? sink_of(service, true).path : "";
    const auto failed = [reply, name = service.spec().namespec()](const Value& result) {
        if (result.flag("ok") || result.number("code") == static_cast<int>(FaultCode::NoFile)) return false;
        refuse(reply, FaultCode::Failed, name);
        return true;
    };
    const auto clear_err = [this, err, failed, reply] {
        if (err.empty()) return answer(reply, true);
        scribe_.clear(err, [failed, reply](const Value& result) {
            if (!failed(result)) answer(reply, true);
        });
    };
    if (out.empty()) return clear_err();
    scribe_.clear(out, [failed, clear_err](const Value& result) {
        if (!failed(result)) clear_err();
    });
}

void Control::clear_logs(const Params& params, Reply reply)
{
    if (Service* service = named(params, reply)) clear_one(*service, reply);
}

void Control::clear_all_logs(const Params&, Reply reply)
{
    for_each_of(engine_.services(), [this](Service& service, const Reply& one) { clear_one(service, one); }, std::move(reply), true);
}

std::optional<std::string> Control::log_behind(std::string_view path)
{
    if (path.starts_with("/mainlogtail")) {
        const std::string& file = engine_.settings().daemon.logfile;
        return file.empty() || file == "syslog" ? std::nullopt : std::optional(file);
    }
    constexpr std::string_view kPrefix = "/logtail/";
    if (!path.starts_with(kPrefix)) return std::nullopt;
    path.remove_prefix(kPrefix.size());
    const auto slash = path.find('/');
    const std::string_view channel = slash == std::string_view::npos ? "stdout" : path.substr(slash + 1);
    if (channel != "stdout" && channel != "stderr") return std::nullopt;
    const Service* service = engine_.find(path.substr(0, slash));
    const bool err = channel == "stderr";
    if (service == nullptr || !has_file(*service, err)) return std::nullopt;
    const std::string& file = sink_of(*service, err).path;
    return ::access(file.c_str(), F_OK) == 0 ? std::optional(file) : std::nullopt;
}

}  // namespace xsv::control
