#pragma once

#include "daemon/options.h"

namespace xsv::daemon {

/// What is done at once and without a guardian: --check, --run, --help, --version, --print-config. The exit code.
int run_in_foreground(const Options& options, const std::string& program);

/// The configuration file of these options, or the error that none was found.
Result<std::string> config_file_of(const Options& options, const std::string& program);
/// Loads it; mistakes that stop a start go to stderr as Supervisor words them. nullopt: exit with code 2.
std::optional<config::Loaded> load_or_explain(const Options& options, const std::string& program);
int usage_error(const std::string& program, std::string_view text);   ///< prints, returns 2

}  // namespace xsv::daemon
