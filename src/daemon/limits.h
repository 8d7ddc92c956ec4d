#pragma once

#include <cstdint>

#include <sys/resource.h>

#include "base/result.h"
#include "config/spec.h"

/// minfds and minprocs. Supervisor raises hard limits where they are too low and it may; so do we. The guardian has raised
/// the soft one of descriptors as far as it went.
namespace xsv::daemon {

/// What the kernel allows this process. Virtual so that tests can stand in for it.
class Limits {
public:
    virtual ~Limits() = default;
    virtual rlimit get(int resource) const;
    virtual int set(int resource, const rlimit& limit);   ///< 0, or the errno
};
Limits& kernel_limits();

/// The soft limit of descriptors the guardian was started with.
std::int64_t original_file_limit();
/// Error, in Supervisor's words: a limit that the user asked for cannot be had.
Status check_limits(const config::DaemonSpec& daemon, Limits& limits = kernel_limits());
void raise_hard_limits(const config::DaemonSpec& daemon, Limits& limits = kernel_limits());
/// The programs inherit it, so this comes before the daemon changes its user. True: it was too low.
bool raise_process_limit(const config::DaemonSpec& daemon, Limits& limits = kernel_limits());
/// Do the programs get more descriptors than the daemon was started with?
bool raises_files(const config::DaemonSpec& daemon);

}  // namespace xsv::daemon
