#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/spec.h"

namespace xsv::config {

/// POSIX shell words as Supervisor splits commands; errors: "No closing quotation", "No escaped character".
Result<std::vector<std::string>> shell_words(std::string_view command);

/// NAME of "builtin:NAME": a small service of our own (xsvd-builtin).
std::optional<std::string> builtin_name(std::string_view command);

/// A command resolved as supervisor.md 1.10 says.
struct Program {
    std::string path;
    std::vector<std::string> argv;
};
/// Error::code tells which fault it is: ENOENT (no such file) or EACCES (not executable, unparsable, empty); the texts are
/// Supervisor's ("can't find command '/no/such'").
Result<Program> resolve_command(std::string_view command, const Environment& environment);

/// A signal by name or number as Supervisor reads it; errors are its texts.
Result<int> parse_signal(std::string_view text);
std::string signal_name(int signal);   ///< "SIGTERM", "signal 40"

/// Reads "KEY=value" lines (systemd's EnvironmentFile grammar: comments, quotes).
Result<Environment> read_environment_file(const std::string& path);

}  // namespace xsv::config
