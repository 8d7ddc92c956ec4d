#include <cerrno>

#include "base/text.h"
#include "xsvctl/commands.h"
#include "xsvctl/names.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

/// Asks before something drastic, but only a person: a script that gave the command meant it.
tl::expected<bool, CallError> is_confirmed(Session& session, std::string_view question)
{
    if (!session.options().interactive) return true;
    const auto answer = session.ask(question);
    if (!answer) return tl::unexpected(CallError{CallError::Kind::EndOfInput, 0, ""});
    return !answer->empty() && (answer->front() == 'y' || answer->front() == 'Y');
}

void print_topics(Session& session, std::string_view header, std::span<const Command> commands)
{
    std::vector<std::string> names;
    for (const Command& command : commands) names.emplace_back(command.name);
    session.out.line(header);
    session.out.line(std::string(header.size(), '='));
    session.out.text(columns(names, 79));
    session.out.line("");
}

}  // namespace

Outcome commands::help(Session& session, const std::string& arguments)
{
    if (arguments.empty()) {
        session.out.line("");
        print_topics(session, "default commands (type help <topic>):", supervisor_commands());
        if (!session.as_supervisorctl()) print_topics(session, "xsvd commands (type help <topic>):", own_commands());
        return {};
    }
    const Command* command = find_command(arguments, session.as_supervisorctl());
    if (!command || command->help.empty()) {
        session.out.line("*** No help on " + arguments);
    } else {
        session.out.line(command->help);
    }
    return {};
}

Outcome commands::open(Session& session, const std::string& arguments)
{
    const std::string url(text::trim(arguments));
    const std::string scheme = text::lower(url.substr(0, url.find(':')));
    if (!looks_like_url(url) || (scheme != "unix" && scheme != "http" && scheme != "https")) {
        session.error("ERROR: url must be http:// or unix://");
        return {};
    }
    Server server = session.transport().server();
    server.url = url;
    session.transport().use(std::move(server));

    const int before = session.exit_status;
    auto reachable = session.upcheck();
    if (!reachable) return tl::unexpected(reachable.error());
    if (*reachable) {
        if (auto shown = status(session, ""); !shown) return shown;
    }
    session.exit_status = before;
    return {};
}

Outcome commands::quit(Session& session, const std::string&)
{
    session.out.line("");
    session.wants_to_quit = true;
    return {};
}

Outcome commands::version(Session& session, const std::string&)
{
    auto answer = session.call("supervisor.getSupervisorVersion");
    if (!answer) return raise(answer);
    const std::string text = answer->string() ? *answer->string() : "";
    session.out.line(text);
    session.out.value(Value::Struct{{"version", text}});
    return {};
}

Outcome commands::reload(Session& session, const std::string&)
{
    auto confirmed = is_confirmed(session, "Really restart the remote supervisord process y/N? ");
    if (!confirmed) return tl::unexpected(confirmed.error());
    if (!*confirmed) return {};
    auto answer = session.call("supervisor.restart");
    if (answer) {
        session.out.line("Restarted supervisord");
        session.out.value(Value::Struct{{"restarted", true}});
    } else if (answer.error().is_fault(fault::kShutdownState)) {
        session.error("ERROR: already shutting down");
    } else {
        return raise(answer);
    }
    return {};
}

Outcome commands::shutdown(Session& session, const std::string&)
{
    auto confirmed = is_confirmed(session, "Really shut the remote supervisord process down y/N? ");
    if (!confirmed) return tl::unexpected(confirmed.error());
    if (!*confirmed) return {};
    auto answer = session.call("supervisor.shutdown");
    if (answer) {
        session.out.line("Shut down");
        session.out.value(Value::Struct{{"shutdown", true}});
    } else if (answer.error().is_fault(fault::kShutdownState)) {
        session.error("ERROR: already shutting down", session.exit_status);  // what was asked for is happening
    } else if (answer.error().is_system(ECONNREFUSED)) {
        session.error(fmt::format("ERROR: {} refused connection (already shut down?)", session.url()));
    } else if (answer.error().is_system(ENOENT)) {
        session.error(fmt::format("ERROR: {} no such file (already shut down?)", session.url()));
    } else {
        return raise(answer);
    }
    return {};
}

}  // namespace xsv::xsvctl
