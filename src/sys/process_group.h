#pragma once

#include <cstdint>
#include <optional>

#include <sys/types.h>

#include "base/result.h"
#include "sys/processes.h"

namespace xsv::sys {

/// What /proc/PID/stat says.
struct ProcessStat {
    pid_t group = 0, session = 0;
    std::uint64_t start_ticks = 0;
    char state = '?';
    int exit_code = 0;   ///< of one that has ended (state Z), as wait() has it; 0 also where it is not ours to know
};
std::optional<ProcessStat> read_stat(pid_t pid);

/// How it ended, as its parent was or will be told; nullopt: it has not, or the kernel does not say.
std::optional<ProcessEnd> read_end(int pidfd);

/// False: nobody was there.
Result<bool> send_signal(int pidfd, int signal, unsigned flags);

/// Every member of the group, each through a pidfd of its own and looked at again once we hold it: a number alone may
/// have a second owner by then.
Result<bool> signal_members(pid_t leader, int signal);

}  // namespace xsv::sys
