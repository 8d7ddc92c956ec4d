#include "daemon/limits.h"

#include <cerrno>
#include <cstdlib>

#include "base/log.h"
#include "base/text.h"

namespace xsv::daemon {

rlimit Limits::get(int resource) const
{
    rlimit limit{};
    ::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
    return limit;
}

int Limits::set(int resource, const rlimit& limit)
{
    return ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0 ? 0 : errno;
}

Limits& kernel_limits()
{
    static Limits limits;
    return limits;
}

std::int64_t original_file_limit()
{
    const char* soft = ::getenv("XSVD_NOFILE_SOFT");
    return soft != nullptr ? text::to_int(soft).value_or(1024) : 1024;
}

Status check_limits(const config::DaemonSpec& daemon, Limits& limits)
{
    raise_hard_limits(daemon, limits);
    const rlimit files = limits.get(RLIMIT_NOFILE), processes = limits.get(RLIMIT_NPROC);
    const auto reaches = [](rlim_t hard, std::int64_t wanted) { return hard == RLIM_INFINITY || hard >= static_cast<rlim_t>(wanted); };
    const config::DaemonSpec standard;  // nobody asked for these: a small host is no reason not to start
    if (daemon.minfds != standard.minfds && !reaches(files.rlim_max, daemon.minfds))
        return fail("The minimum number of file descriptors required to run this process is {} as per the \"minfds\" command-line argument "
                    "or config file setting. The current environment will only allow you to open {} file descriptors.  Either raise the "
                    "number of usable file descriptors in your environment (see README.rst) or lower the minfds setting in the config file "
                    "to allow the process to start.", daemon.minfds, files.rlim_max);
    if (daemon.minprocs != standard.minprocs && !reaches(processes.rlim_max, daemon.minprocs))
        return fail("The minimum number of available processes required to run this program is {} as per the \"minprocs\" command-line "
                    "argument or config file setting. The current environment will only allow you to open {} processes.  Either raise the "
                    "number of usable processes in your environment (see README.rst) or lower the minprocs setting in the config file to "
                    "allow the program to start.", daemon.minprocs, processes.rlim_max);
    if (!reaches(files.rlim_max, standard.minfds))
        log::warn("only {} descriptors are allowed here: callers wait when they are used up", files.rlim_max);
    return {};
}

void raise_hard_limits(const config::DaemonSpec& daemon, Limits& limits)
{
    for (const auto& [resource, wanted] : {std::pair{RLIMIT_NOFILE, daemon.minfds}, std::pair{RLIMIT_NPROC, daemon.minprocs}}) {
        rlimit limit = limits.get(resource);
        if (limit.rlim_max >= static_cast<rlim_t>(wanted)) continue;   // RLIM_INFINITY is the greatest
        limit.rlim_max = static_cast<rlim_t>(wanted);
        if (const int error = limits.set(resource, limit); error != 0) log::debug("raising a hard limit to {}: {}", wanted, errno_text(error));
    }
}

bool raise_process_limit(const config::DaemonSpec& daemon, Limits& limits)
{
    rlimit processes = limits.get(RLIMIT_NPROC);
    const auto wanted = static_cast<rlim_t>(daemon.minprocs);
    if (processes.rlim_cur >= wanted) return false;
    processes.rlim_cur = wanted;
    processes.rlim_max = std::max(processes.rlim_max, wanted);
    return limits.set(RLIMIT_NPROC, processes) == 0;
}

bool raises_files(const config::DaemonSpec& daemon)
{
    return original_file_limit() < daemon.minfds;
}

}  // namespace xsv::daemon
