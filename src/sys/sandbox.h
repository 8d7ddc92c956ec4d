#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace xsv::sys {

// Rights that a process of ours gives up for good, before it reads what a stranger wrote.

/// The working directory becomes the root; it must be empty and nobody's but root's to write into. Needs root.
Status enter_empty_root();

/// What it could get by executing a program. Before the change of the user; what cannot be dropped is not there to be got.
void forbid_capabilities();
/// All it has.
Status drop_capabilities();

/// From now on these system calls and no others: they fail with EPERM. What is allowed is narrowed further where it could
/// do more than move bytes: memory never becomes executable, nothing is connected by sending.
Status allow_system_calls(std::span<const std::string_view> names);

}  // namespace xsv::sys
