#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xsvctl/session.h"

namespace xsv::xsvctl {

/// What a command's arguments name, for completion.
enum class Names { None, Commands, Groups, Processes, Files };

/// One command of the client. The table feeds one-shot and interactive mode, help and the shells' completions.
struct Command {
    std::string_view name;
    Names arguments = Names::None;
    std::string_view help;  ///< as printed, without the last newline
    Outcome (*run)(Session& session, const std::string& arguments) = nullptr;
    bool needs_server = false;  ///< asks for the API version first
    bool takes_arguments = true;
    bool ours = false;  ///< not one of Supervisor's
};

/// Supervisor's commands, sorted by name; then ours, unless we are called supervisorctl.
std::span<const Command> supervisor_commands();
std::span<const Command> own_commands();

/// Ours win over Supervisor's of the same name, except under the name supervisorctl.
const Command* find_command(std::string_view name, bool as_supervisorctl);

/// Every name the user can type, sorted.
std::vector<std::string> command_names(bool as_supervisorctl);

namespace commands {

Outcome status(Session&, const std::string&);
Outcome pid(Session&, const std::string&);
Outcome start(Session&, const std::string&);
Outcome stop(Session&, const std::string&);
Outcome restart(Session&, const std::string&);
Outcome signal(Session&, const std::string&);
Outcome clear(Session&, const std::string&);

Outcome tail(Session&, const std::string&);
Outcome maintail(Session&, const std::string&);
Outcome fg(Session&, const std::string&);

Outcome avail(Session&, const std::string&);
Outcome reread(Session&, const std::string&);
Outcome update(Session&, const std::string&);
Outcome add(Session&, const std::string&);
Outcome remove(Session&, const std::string&);

Outcome help(Session&, const std::string&);
Outcome open(Session&, const std::string&);
Outcome quit(Session&, const std::string&);
Outcome reload(Session&, const std::string&);
Outcome shutdown(Session&, const std::string&);
Outcome version(Session&, const std::string&);

Outcome apply(Session&, const std::string&);  ///< our reload
Outcome check(Session&, const std::string&);
Outcome diff(Session&, const std::string&);
Outcome import(Session&, const std::string&);
Outcome refresh(Session&, const std::string&);
Outcome resume(Session&, const std::string&);
Outcome run(Session&, const std::string&);
Outcome show(Session&, const std::string&);
Outcome wait(Session&, const std::string&);
Outcome why(Session&, const std::string&);

}  // namespace commands
}  // namespace xsv::xsvctl
