#include <cerrno>
#include <cstdio>

#include <unistd.h>

#include "base/text.h"
#include "xsvctl/commands.h"
#include "xsvctl/interrupts.h"
#include "xsvctl/lookup.h"
#include "xsvctl/names.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

constexpr long long kDefaultBytes = 1600;
constexpr std::string_view kCtrlC = "==> Press Ctrl-C to exit <==";

void print_usage(Session& session, std::string_view command)
{
    session.out.line(find_command(command, session.as_supervisorctl())->help);
}

void print_stream_error(Session& session, const std::string& path, const std::string& sentence)
{
    std::fprintf(stderr, "%s%s %s\n", session.url().c_str(), path.c_str(), sentence.c_str());
}

/// Shows a log as it grows, until Ctrl-C or until the daemon ends it.
void follow_log(Session& session, const std::string& path)
{
    session.out.line(kCtrlC);
    session.out.flush();
    const Interrupts interrupts;
    const StreamEvents events{
        [&](std::string_view bytes) { session.out.stream(bytes); },
        [&](const std::string& where, const std::string& sentence) { print_stream_error(session, where, sentence); }};
    const int fds[] = {interrupts.fd()};
    session.transport().follow({path}, events, fds, [&](const std::vector<bool>&) {
        session.out.line("");
        return false;
    });
}

/// Supervisor's client finds out from the stream, and calls it a success.
tl::expected<bool, CallError> is_there(Session& session, std::string& name)
{
    if (session.as_supervisorctl()) return true;
    auto info = call_about(session, "supervisor.getProcessInfo", name);
    if (info) return true;
    if (!info.error().is_fault(fault::kBadName)) return raise(info);
    session.error(name + ": ERROR (no such process name)");
    return false;
}

/// "-f", "-100" or nothing.
struct Amount {
    bool follow = false;
    long long bytes = kDefaultBytes;
};

bool parse_amount(std::string_view word, Amount& amount)
{
    word.remove_prefix(1);
    if (word == "f") return amount.follow = true;
    return python_int(word, amount.bytes);
}

/// What reading a log answered, or why not.
Outcome print_log(Session& session, const std::string& name, Answer answer, bool knows_names)
{
    if (answer) {
        session.out.line(answer->string() ? *answer->string() : "");
        session.out.value(Value::Struct{{"name", name}, {"text", answer->string() ? *answer->string() : ""}});
        return {};
    }
    const CallError& error = answer.error();
    const char* reason = nullptr;
    if (error.is_fault(fault::kNoFile)) reason = "no log file";
    if (error.is_fault(fault::kFailed)) reason = "unknown error reading log";
    if (error.is_fault(fault::kBadName) && knows_names) reason = "no such process name";
    if (!reason) return raise(answer);
    session.error(fmt::format("{}: ERROR ({})", name, reason));
    return {};
}

/// The lines of standard input for fg, as they come.
class InputLines {
public:
    /// False at the end of input.
    bool read_some()
    {
        char buffer[4096];
        const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (got < 0) return errno == EINTR || errno == EAGAIN;
        pending_.append(buffer, static_cast<std::size_t>(got));
        return got > 0;
    }
    std::optional<std::string> next()
    {
        const auto newline = pending_.find('\n');
        if (newline == std::string::npos) return std::nullopt;
        std::string line = pending_.substr(0, newline + 1);
        pending_.erase(0, newline + 1);
        return line;
    }

private:
    std::string pending_;
};

constexpr int kRunning = 20;

/// Sends one line to the program; false when it is time to leave.
tl::expected<bool, CallError> send_line(Session& session, const std::string& name, const std::string& line)
{
    auto sent = session.call("supervisor.sendProcessStdin", {name, line}, false);
    if (!sent && sent.error().kind != CallError::Kind::Fault) return raise(sent);
    if (!sent) {
        const CallError& error = sent.error();
        session.out.line(error.is_fault(fault::kNotRunning)
                             ? "Process got killed"
                             : fmt::format("ERROR: <Fault {}: {}>", error.code, text::repr(error.text)));
        return false;
    }
    auto info = session.call("supervisor.getProcessInfo", {name});
    if (!info) return raise(info);
    if (info->number("state") == kRunning) return true;
    session.out.line("Process got killed");
    return false;
}

Outcome attach(Session& session, const std::string& name)
{
    session.out.line(kCtrlC);
    session.out.flush();
    const Interrupts interrupts;
    InputLines input;
    Outcome outcome;
    const StreamEvents events{
        [&](std::string_view bytes) { session.out.stream(bytes); },
        [&](const std::string& where, const std::string& sentence) { print_stream_error(session, where, sentence); },
        true};
    const int fds[] = {interrupts.fd(), STDIN_FILENO};
    // Supervisor's URL parts: both channels of the program at once.
    session.transport().follow({"/logtail/" + name + "/stdout", "/logtail/" + name + "/stderr"}, events, fds,
                               [&](const std::vector<bool>& readable) {
                                   if (readable[0]) return false;
                                   const bool more = input.read_some();
                                   while (auto line = input.next()) {
                                       auto stays = send_line(session, name, *line);
                                       if (!stays) outcome = tl::unexpected(stays.error());
                                       if (!stays || !*stays) return false;
                                   }
                                   return more;
                               });
    if (outcome) session.out.line("Exiting foreground");
    return outcome;
}

}  // namespace

Outcome commands::tail(Session& session, const std::string& arguments)
{
    auto words = text::words(arguments);
    if (words.empty() || words.size() > 3) {
        session.error(words.empty() ? "Error: too few arguments" : "Error: too many arguments");
        print_usage(session, "tail");
        return {};
    }
    std::string modifier;
    if (words.front().starts_with('-')) {
        modifier = words.front();
        words.erase(words.begin());
    }
    if (words.empty()) {
        session.error("Error: tail requires process name");
        return {};
    }
    std::string name = words.front();
    const std::string channel = words.size() == 1 ? "stdout" : text::lower(words.back());
    if (channel != "stdout" && channel != "stderr") {
        session.error("Error: bad channel " + text::repr(channel));
        return {};
    }
    Amount amount;
    if (!modifier.empty() && !parse_amount(modifier, amount)) {
        session.error("Error: bad argument " + modifier);
        return {};
    }
    if (amount.follow) {
        auto found = is_there(session, name);
        if (!found) return tl::unexpected(found.error());
        if (*found) follow_log(session, "/logtail/" + name + "/" + channel);
        return {};
    }
    const auto method = channel == "stdout" ? "supervisor.readProcessStdoutLog" : "supervisor.readProcessStderrLog";
    auto answer = call_about(session, method, name, {std::int64_t{-amount.bytes}, 0});
    return print_log(session, name, std::move(answer), true);
}

Outcome commands::maintail(Session& session, const std::string& arguments)
{
    const auto words = text::words(arguments);
    if (words.size() > 1) {
        session.error("Error: too many arguments");
        print_usage(session, "maintail");
        return {};
    }
    Amount amount;
    if (!words.empty() && (!words[0].starts_with('-') || !parse_amount(words[0], amount))) {
        session.error("Error: bad argument " + words[0]);
        return {};
    }
    if (amount.follow) {
        follow_log(session, "/mainlogtail");
        return {};
    }
    return print_log(session, "supervisord", session.call("supervisor.readLog", {std::int64_t{-amount.bytes}, 0}), false);
}

Outcome commands::fg(Session& session, const std::string& arguments)
{
    const auto names = text::words(arguments);
    if (names.empty()) {
        session.error("ERROR: no process name supplied");
        print_usage(session, "fg");
        return {};
    }
    if (names.size() > 1) {
        session.error("ERROR: too many process names supplied");
        return {};
    }
    std::string name = names[0];
    auto info = call_about(session, "supervisor.getProcessInfo", name);
    if (!info) {
        const CallError& error = info.error();
        if (error.kind != CallError::Kind::Fault) return raise(info);
        if (error.is_fault(fault::kBadName)) {
            session.error("ERROR: bad process name supplied");
        } else {
            session.out.line(fmt::format("ERROR: <Fault {}: {}>", error.code, text::repr(error.text)));
        }
        return {};
    }
    if (info->number("state") != kRunning) {
        session.error("ERROR: process not running");
        return {};
    }
    return attach(session, name);
}

}  // namespace xsv::xsvctl
