#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xsvctl/session.h"

namespace xsv::xsvctl {

/// One line of the shell taken apart as Supervisor's client does: the command is what letters, digits and underscores
/// there are at the beginning, so "status;pid" is the command status with the argument ";pid".
struct ParsedLine {
    std::string line;                    ///< without the blanks around it
    std::optional<std::string> command;  ///< nullopt: not even the beginning of one
    std::string arguments;
};
ParsedLine parse_line(std::string_view line);

class Shell {
public:
    Shell(Session& session, std::string prompt, std::string history_file);

    /// Runs one line; everything it has to say is printed, the exit code is in the session.
    void execute(std::string_view line);
    /// Status, then the prompt until the end of input.
    void run();
    /// What the word under the cursor could become.
    std::vector<std::string> complete(const std::string& line, const std::string& word);

private:
    Outcome run_command(const std::string& name, const std::string& arguments);
    void print_failure(const CallError& error);
    bool ask_for_login();
    const wire::Value::Array& known_processes();

    Session& session_;
    std::string prompt_, history_file_;
    std::optional<wire::Value::Array> known_;  // for completion, until the next command
};

}  // namespace xsv::xsvctl
