#pragma once

#include <string>
#include <vector>

#include "xsvctl/transport.h"

namespace xsv::xsvctl {

/// A daemon's run-time folder with a living holder of its lock.
struct Instance {
    std::string folder;
    long pid = 0;               ///< 0: not told
    std::string configuration;  ///< as on its command line; empty: not told
    std::string socket() const { return folder + "/xsvd.sock"; }
};

/// The folders below which daemons of this user, and of root, keep theirs.
std::vector<std::string> run_roots();
std::vector<Instance> living_instances(const std::vector<std::string>& roots);

/// True when somebody accepts connections on this unix socket.
bool is_answering(const std::string& socket);

/// What to do about a daemon that cannot be reached, as one or more lines for stderr: which of "not running", "stale
/// socket", "other configuration", "no permission" it is. Empty for errors that speak for themselves.
std::string advise(const CallError& error, const Server& server, const std::string& config_file);
std::string advise(const CallError& error, const Server& server, const std::string& config_file,
                   const std::vector<Instance>& instances);

}  // namespace xsv::xsvctl
