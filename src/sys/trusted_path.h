#pragma once

#include <string>

#include <sys/types.h>

#include "base/result.h"
#include "sys/fd.h"

namespace xsv::sys {

/// A directory reached by a way that nobody but root and this process's user can change: every directory and every
/// link on it belongs to one of them, and others may write only where the sticky bit keeps them off our entries.
struct TrustedDirectory {
    UniqueFd fd;        ///< O_PATH
    std::string name;   ///< the last component, not looked at yet
    bool shared = false;   ///< of open_log_parent, as root: somebody else could change the way, or the names in it
    int stream = -1;       ///< of open_log_parent: the path means our own stdout (1) or stderr (2), and the rest is empty
};

/// Walks to the folder of an absolute `path`; `create` makes missing folders with mode 0755.
Result<TrustedDirectory> open_trusted_parent(const std::string& path, bool create = false);

/// The same for a log, whose folder often belongs to the program's user (/home/app/logs) or is writable by a group (/var/log).
/// From the first such directory on no link is followed, so whoever owns it can lead us to nothing but directories that he
/// could move there, and to files that stand in them (rule L2; open_log_file looks at the file). Before that directory links
/// are root's own and followed, the last name too: /var/log/app.log may lead to /data/app.log or to /dev/stdout.
/// Not as root: links on the way as the kernel follows them, and the last one if it is this user's or root's own.
Result<TrustedDirectory> open_log_parent(const std::string& path);

}  // namespace xsv::sys
