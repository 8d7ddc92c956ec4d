#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "config/spec.h"
#include "net/socket_table.h"
#include "sys/files.h"
#include "sys/processes.h"

namespace xsv::engine {

/// What all programs of one daemon share.
struct Surroundings {
    config::Environment inherited;   ///< what the daemon was started with, less what is meant for the daemon itself
    std::string server_url;          ///< SUPERVISOR_SERVER_URL, empty: none
    int null = -1;                   ///< /dev/null, open for reading and writing
    std::string run_dir;             ///< for the sockets that programs notify us through; empty: abstract names
    std::string name = "xsvd";       ///< what our own processes begin with in the process list
    std::string libexec{};           ///< the folder of our own programs
    std::optional<sys::User> helper_user{};   ///< whose rights our own helpers have when we are root
    rlim_t nofile_soft = 1024;       ///< the soft limit programs get: ours is raised, and select() fails above 1,024
};

/// The daemon's environment without NOTIFY_SOCKET, WATCHDOG_*, LISTEN_* and XSVD_*, which are meant for us.
config::Environment inheritable_environment(char** environment);

/// The child's ends of its standard streams; -1: /dev/null.
struct Streams {
    int in = -1, out = -1, err = -1;
};

/// What a program is given to tell us about itself.
struct Extras {
    std::string invocation;                              ///< INVOCATION_ID; empty: none
    std::string notify_socket;                           ///< NOTIFY_SOCKET; empty: none
    Duration watchdog{};
    int fdstore_max = 0;
    std::vector<std::pair<std::string, int>> stored;     ///< names and descriptors of its former processes, behind the sockets
    std::pair<int, int> ready{-1, -1};                   ///< our descriptor, its number there
    int until_exec = -1;                                 ///< stays open until exec
};

/// Where builtin:tcpmux finds the services that connections can be passed to.
std::string tcpmux_folder(const Surroundings& surroundings);

/// Spec and sockets to argv, environment and descriptors. With `listener`, the plan of one connection that the child
/// accepts there; without, the program gets `sockets` in their order. Errors are the command's (see
/// config::resolve_command) or an environment file's.
Result<sys::ChildPlan> make_child_plan(const config::ServiceSpec& spec, const Surroundings& surroundings,
                                       const std::vector<net::SocketPtr>& sockets, Streams streams,
                                       const net::HeldSocket* listener = nullptr, const Extras& extras = {});

}  // namespace xsv::engine
