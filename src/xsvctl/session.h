#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "xsvctl/options.h"
#include "xsvctl/output.h"
#include "xsvctl/transport.h"

namespace xsv::xsvctl {

/// Nothing, or what Supervisor's client would have raised: the shell prints it as its "error: …" line.
using Outcome = tl::expected<void, CallError>;

/// Exit codes of Supervisor's client.
namespace exit_code {
constexpr int kGeneric = 1, kInvalidArguments = 2, kUnsupported = 3, kUnreachable = 4, kWrongVersion = 5,
              kNotRunning = 7;
constexpr int kStatusStopped = 3, kStatusUnknown = 4;
}  // namespace exit_code

/// Supervisor's fault codes.
namespace fault {
constexpr int kUnknownMethod = 1, kShutdownState = 6, kBadName = 10, kBadSignal = 11, kNoFile = 20, kNotExecutable = 21,
              kFailed = 30, kAbnormalTermination = 40, kSpawnError = 50, kAlreadyStarted = 60, kNotRunning = 70,
              kSuccess = 80, kAlreadyAdded = 90, kStillRunning = 91, kCantReread = 92;
}  // namespace fault

/// One run of the client: whom it talks to, what it has to say, and the exit code so far.
class Session {
public:
    Session(Options options, std::string config_file, Server server);

    const Options& options() const { return options_; }
    const std::string& config_file() const { return config_file_; }  ///< empty: none was found
    bool as_supervisorctl() const { return options_.as_supervisorctl; }
    const std::string& url() const { return transport_.server().url; }

    /// Calls a method; output written so far is shown first.
    Answer call(std::string_view method, const wire::Value::Array& params = {}, bool repeatable = true);
    Transport& transport() { return transport_; }

    /// Asks for the API version, as Supervisor's client does before most commands. False: said why, stop.
    tl::expected<bool, CallError> upcheck();

    /// Prints a line that is an error and makes `code` the exit code.
    void error(std::string_view line, int code = exit_code::kGeneric);
    /// The same for a result that belongs to one program.
    void set_exit_from(int fault_code, int ignored = fault::kSuccess);
    /// One line on stderr that says what to do about a daemon that cannot be reached; silent as supervisorctl.
    void explain(const CallError& error);
    /// A line on stderr, if there is one; silent as supervisorctl.
    void hint(std::string_view line);

    /// Asks on stdout and reads one line of stdin; nullopt at its end.
    std::optional<std::string> ask(std::string_view question);

    Output out;
    int exit_status = 0;
    bool wants_to_quit = false;

private:
    Options options_;
    std::string config_file_;
    Transport transport_;
    bool explained_ = false;
};

/// Reads one line without its newline; nullopt at the end of input.
std::optional<std::string> read_line();

/// The failed answer handed on.
inline tl::unexpected<CallError> raise(Answer& failed)
{
    return tl::unexpected(std::move(failed).error());
}
inline tl::unexpected<CallError> raise_value(std::string text)
{
    return tl::unexpected(CallError{CallError::Kind::Value, 0, std::move(text)});
}

}  // namespace xsv::xsvctl
