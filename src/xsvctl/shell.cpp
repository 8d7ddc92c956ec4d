#include "xsvctl/shell.h"

#include <algorithm>

#include <unistd.h>

#include "base/text.h"
#include "xsvctl/commands.h"
#include "xsvctl/names.h"
#include "xsvctl/prompt.h"

namespace xsv::xsvctl {

using wire::Value;

ParsedLine parse_line(std::string_view line)
{
    line = text::trim(line);
    ParsedLine parsed{std::string(line), std::nullopt, ""};
    if (line.empty()) return parsed;
    if (line[0] == '?') {
        parsed.command = "help";
        parsed.arguments = text::trim(line.substr(1));
        return parsed;
    }
    if (line[0] == '!') return parsed;
    const auto is_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    const auto end = std::find_if_not(line.begin(), line.end(), is_name);
    const auto length = static_cast<std::size_t>(end - line.begin());
    if (length > 0) parsed.command = std::string(line.substr(0, length));
    parsed.arguments = text::trim(line.substr(length));
    return parsed;
}

Shell::Shell(Session& session, std::string prompt, std::string history_file)
    : session_(session),
      prompt_(std::move(prompt)),
      history_file_(std::move(history_file))
{
}

void Shell::execute(std::string_view line)
{
    const ParsedLine parsed = parse_line(line);
    if (parsed.line.empty()) return;
    known_.reset();
    const auto try_it = [&] { return run_command(parsed.command.value_or(""), parsed.arguments); };
    if (!parsed.command || !find_command(*parsed.command, session_.as_supervisorctl())) {
        session_.error("*** Unknown syntax: " + parsed.line);
        session_.out.finish();
        return;
    }
    auto outcome = try_it();
    while (!outcome && outcome.error().kind == CallError::Kind::Http && outcome.error().code == 401) {
        session_.out.line("Server requires authentication");
        const bool again = session_.options().interactive && !session_.out.is_json();
        if (!again) session_.exit_status = exit_code::kGeneric;
        if (again && !ask_for_login()) {
            outcome = tl::unexpected(CallError{CallError::Kind::EndOfInput, 0, ""});
            break;
        }
        // Also without new credentials: Supervisor's client does, and prints its error line.
        if (again || session_.as_supervisorctl()) outcome = try_it();
        if (!again) break;
    }
    if (!outcome) print_failure(outcome.error());
    session_.out.finish();
}

Outcome Shell::run_command(const std::string& name, const std::string& arguments)
{
    const Command& command = *find_command(name, session_.as_supervisorctl());
    if (!command.takes_arguments && !arguments.empty()) {
        session_.error(fmt::format("Error: {} accepts no arguments", name));
        session_.out.line(command.help);
        return {};
    }
    if (command.needs_server) {
        auto reachable = session_.upcheck();
        if (!reachable) return tl::unexpected(reachable.error());
        if (!*reachable) {
            if (name == "status") session_.exit_status = exit_code::kStatusUnknown;
            return {};
        }
    }
    return command.run(session_, arguments);
}

void Shell::print_failure(const CallError& error)
{
    const auto program = session_.options().program;
    session_.out.line(fmt::format("error: {}: file: {} line: 0", error.exception(), program));
    session_.out.error({{"code", error.code}, {"message", error.text.empty() ? error.exception() : error.text}});
    session_.exit_status = exit_code::kGeneric;
    session_.explain(error);
}

bool Shell::ask_for_login()
{
    const auto username = session_.ask("Username:");
    if (!username) return false;
    const auto password = read_password("Password:");
    if (!password) return false;
    session_.out.line("");
    Server server = session_.transport().server();
    server.username = *username;
    server.password = *password;
    session_.transport().use(std::move(server));
    return true;
}

void Shell::run()
{
    Prompt prompt(prompt_ + "> ", history_file_,
                  [this](const std::string& line, const std::string& word) { return complete(line, word); });
    execute("status");
    while (!session_.wants_to_quit) {
        const auto line = prompt.read();
        if (prompt.was_interrupted()) {
            session_.out.line("");
            break;
        }
        execute(line.value_or("EOF"));
    }
    session_.out.flush();
}

const Value::Array& Shell::known_processes()
{
    if (!known_) {
        auto answer = session_.call("supervisor.getAllProcessInfo");
        known_.emplace();
        if (answer && answer->array()) known_ = *answer->array();
    }
    return *known_;
}

std::vector<std::string> Shell::complete(const std::string& line, const std::string& word)
{
    const auto words = text::words(line);
    const bool first_word = words.empty() || (words.size() == 1 && line.back() != ' ');
    const Command* command = first_word ? nullptr : find_command(words[0], session_.as_supervisorctl());

    std::vector<std::string> candidates;
    if (first_word || (command && command->arguments == Names::Commands)) {
        candidates = command_names(session_.as_supervisorctl());
    } else if (command && command->arguments == Names::Groups) {
        for (const Value& info : known_processes()) candidates.push_back(info.text("group"));
    } else if (command && command->arguments == Names::Processes) {
        for (const Value& info : known_processes()) {
            const std::string group = info.text("group"), name = info.text("name");
            if (word.find(':') == std::string::npos && group == name) {
                candidates.push_back(name);
            } else {
                candidates.push_back(group + ":" + name);
                candidates.push_back(group + ":*");
            }
        }
    }
    std::erase_if(candidates, [&](const std::string& each) { return !each.starts_with(word); });
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    return candidates;
}

}  // namespace xsv::xsvctl
