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
};

/// Walks to the folder of an absolute `path`; `create` makes missing folders with mode 0755.
Result<TrustedDirectory> open_trusted_parent(const std::string& path, bool create = false);

}  // namespace xsv::sys
