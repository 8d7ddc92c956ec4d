#include "xsvctl/session.h"

#include <cerrno>
#include <cstdio>

#include "xsvctl/diagnosis.h"

namespace xsv::xsvctl {

Session::Session(Options options, std::string config_file, Server server)
    : options_(std::move(options)),
      config_file_(std::move(config_file)),
      transport_(std::move(server))
{
    out.configure(options_.json, options_.raw || options_.as_supervisorctl);
}

Answer Session::call(std::string_view method, const wire::Value::Array& params, bool repeatable)
{
    out.flush();
    return transport_.call(method, params, repeatable);
}

tl::expected<bool, CallError> Session::upcheck()
{
    static constexpr std::string_view kVersion = "3.0";
    auto answer = call("supervisor.getVersion");
    if (answer) {
        const std::string* version = answer->string();
        if (version && *version == kVersion) return true;
        error(
            fmt::format("Sorry, this version of supervisorctl expects to talk to a server with API version {}, but the "
                        "remote version is {}.",
                        kVersion, version ? *version : "unknown"),
            exit_code::kWrongVersion);
        return false;
    }
    if (answer.error().is_fault(fault::kUnknownMethod)) {
        error(
            "Sorry, supervisord responded but did not recognize the supervisor namespace commands that supervisorctl "
            "uses to control it.  Please check that the [rpcinterface:supervisor] section is enabled in the "
            "configuration file (see sample.conf).",
            exit_code::kUnsupported);
        return false;
    }
    if (answer.error().is_system(ECONNREFUSED)) {
        error(url() + " refused connection", exit_code::kUnreachable);
    } else if (answer.error().is_system(ENOENT)) {
        error(url() + " no such file", exit_code::kNotRunning);
    } else {
        return raise(answer);
    }
    explain(answer.error());
    return false;
}

void Session::error(std::string_view line, int code)
{
    out.line(line);
    out.error({{"code", code}, {"message", line}});
    exit_status = code;
}

void Session::set_exit_from(int fault_code, int ignored)
{
    if (fault_code == ignored || fault_code == fault::kSuccess) return;
    const bool is_dead = fault_code == fault::kSpawnError || fault_code == fault::kAbnormalTermination ||
                         fault_code == fault::kNotRunning;
    exit_status = is_dead ? exit_code::kNotRunning : exit_code::kGeneric;
}

void Session::explain(const CallError& error)
{
    if (as_supervisorctl() || explained_) return;
    const std::string advice = advise(error, transport_.server(), config_file_);
    if (advice.empty()) return;
    explained_ = true;
    hint(advice);
}

void Session::hint(std::string_view line)
{
    if (as_supervisorctl() || line.empty()) return;
    out.flush();
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

std::optional<std::string> Session::ask(std::string_view question)
{
    out.prompt(question);
    return read_line();
}

std::optional<std::string> read_line()
{
    std::string line;
    for (int c = std::getchar(); c != EOF; c = std::getchar()) {
        if (c == '\n') return line;
        line += static_cast<char>(c);
    }
    if (line.empty()) return std::nullopt;
    return line;
}

}  // namespace xsv::xsvctl
