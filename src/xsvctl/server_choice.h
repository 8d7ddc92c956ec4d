#pragma once

#include <string>

#include "base/result.h"
#include "xsvctl/options.h"
#include "xsvctl/transport.h"

namespace xsv::xsvctl {

/// Whom to talk to and how the shell looks, from command line and configuration file.
struct Choice {
    std::string config_file;  ///< empty: none was found
    Server server;
    std::string prompt = "supervisor";
    std::string history_file;
};

/// serverurl of [supervisorctl]; without it the unix server of the same file, else its TCP server, else the socket in
/// the run-time folder of that configuration. Under the name supervisorctl: Supervisor's rules. Errors are usage
/// errors.
Result<Choice> choose_server(const Options& options);

}  // namespace xsv::xsvctl
