#include "sys/process_group.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstdio>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/notify_socket.h"

namespace xsv::sys {

std::optional<ProcessStat> read_stat(pid_t pid)
{
    const UniqueFd fd(::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::nullopt;
    std::array<char, 1024> buffer;
    const auto count = ::read(fd.get(), buffer.data(), buffer.size() - 1);
    if (count <= 0) return std::nullopt;
    buffer[static_cast<std::size_t>(count)] = '\0';
    const char* after_name = std::strrchr(buffer.data(), ')');
    ProcessStat stat;
    int parent = 0;
    unsigned long long start = 0;
    if (!after_name || std::sscanf(after_name + 1, " %c %d %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                                   &stat.state, &parent, &stat.group, &stat.session, &start) != 5) {
        return std::nullopt;
    }
    stat.start_ticks = start;
    const char* const last = std::strrchr(buffer.data(), ' ');  // field 52
    if (last != nullptr && stat.state == 'Z') stat.exit_code = std::atoi(last);
    return stat;
}

namespace {

// Newer than some headers; Linux 6.13, the end of a process since 6.15.
struct PidfdInfo {
    std::uint64_t mask, cgroup;
    std::uint32_t pid, tgid, parent, ids[8];
    std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64, "the kernel's first version of it");
constexpr std::uint64_t kInfoExit = 1 << 3;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

ProcessEnd end_from(int status)
{
    if (WIFEXITED(status)) return {CLD_EXITED, WEXITSTATUS(status)};
    return {WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED, WTERMSIG(status)};
}

}  // namespace

std::optional<ProcessEnd> read_end(int pidfd)
{
    PidfdInfo info{};
    info.mask = kInfoExit;
    if (::ioctl(pidfd, kGetInfo, &info) == 0 && (info.mask & kInfoExit) != 0) return end_from(info.exit_code);
    // Its parent has not asked yet, or never does. A 0 may mean that we may not know.
    const pid_t pid = pid_of(pidfd);
    const auto stat = pid > 0 ? read_stat(pid) : std::nullopt;
    const bool tells = stat && stat->exit_code != 0 && pid_of(pidfd) == pid;
    return tells ? std::optional(end_from(stat->exit_code)) : std::nullopt;
}

Result<bool> send_signal(int pidfd, int signal, unsigned flags)
{
    if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, flags) == 0) return true;
    if (errno == ESRCH) return false;
    return fail_errno("pidfd_send_signal", errno);
}

Result<bool> signal_members(pid_t leader, int signal)
{
    DIR* proc = ::opendir("/proc");
    if (!proc) return fail_errno("/proc", errno);
    bool found = false;
    int refused = 0;
    while (const dirent* entry = ::readdir(proc)) {
        pid_t pid = 0;
        const char* end = entry->d_name + std::strlen(entry->d_name);
        if (std::from_chars(entry->d_name, end, pid).ptr != end || pid <= 1) continue;
        if (const auto stat = read_stat(pid); !stat || stat->group != leader) continue;
        const UniqueFd member(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!member) continue;
        if (const auto stat = read_stat(pid); !stat || stat->group != leader) continue;
        auto sent = send_signal(member.get(), signal, 0);
        if (!sent) refused = sent.error().code;
        else found = found || *sent;
    }
    ::closedir(proc);
    if (!found && refused != 0) return fail_errno("pidfd_send_signal", refused);
    return found;
}

}  // namespace xsv::sys
