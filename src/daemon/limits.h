#pragma once

#include <cstdint>

#include "base/result.h"
#include "config/spec.h"

/// minfds and minprocs. Supervisor raises hard limits where they are too low and it may; so do we. The guardian has raised
/// the soft one of descriptors as far as it went.
namespace xsv::daemon {

/// The soft limit of descriptors the guardian was started with.
std::int64_t original_file_limit();
/// Error, in Supervisor's words: a limit that the user asked for cannot be had.
Status check_limits(const config::DaemonSpec& daemon);
void raise_hard_limits(const config::DaemonSpec& daemon);
/// The programs inherit it, so this comes before the daemon changes its user. True: it was too low.
bool raise_process_limit(const config::DaemonSpec& daemon);
/// Do the programs get more descriptors than the daemon was started with?
bool raises_files(const config::DaemonSpec& daemon);

}  // namespace xsv::daemon
