#include "web/process.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string_view>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/files.h"
#include "sys/sandbox.h"
#include "wire/messages.h"

namespace xsv::web {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;  // whose run-time library has other needs
#else
constexpr bool kIsSanitized = false;
#endif

/// 512 clients, 64 followers' pipes, the servers, and some of our own.
constexpr rlim_t kMaxDescriptors = 1024;
/// Requests and answers have 32 MiB together (settings.h), a login's hash takes 16. What is above is for one answer while it is
/// being made, of the engine's 16 MiB at most: about 10,000 programs.
constexpr rlim_t kMaxMemory = 256 << 20;

/// What moves bytes between descriptors that are there, memory, and the time.
constexpr std::string_view kCalls[] = {
    "read", "readv", "write", "writev", "recvmsg", "sendmsg", "accept4", "close", "shutdown", "fcntl", "ioctl",
    "getsockopt", "setsockopt", "getsockname", "getpeername", "fstat", "newfstatat",
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl",
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex",
    "clock_gettime", "gettimeofday", "time", "clock_nanosleep", "restart_syscall", "rt_sigprocmask", "rt_sigreturn",
    "getpid", "getrandom", "uname", "exit", "exit_group",
};

void limit(int resource, rlim_t most)
{
    rlimit limits{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limits) != 0) return;
    limits.rlim_max = std::min(limits.rlim_max, most);
    limits.rlim_cur = limits.rlim_max;
    ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limits);
}

struct Identity {
    uid_t uid;
    gid_t gid;
};

/// "UID:GID", in the environment of a process that starts as root.
std::optional<Identity> wanted_identity()
{
    const char* text = ::getenv(wire::kIdentityVariable);
    if (text == nullptr) return std::nullopt;
    const std::string_view all = text;
    const auto uid = text::to_int(all.substr(0, all.find(':')));
    const auto gid = text::to_int(all.substr(std::min(all.size(), all.find(':') + 1)));
    if (!uid || !gid || *uid <= 0 || *gid <= 0) return std::nullopt;
    return Identity{static_cast<uid_t>(*uid), static_cast<gid_t>(*gid)};
}

}  // namespace

std::vector<std::string> confine_process()
{
    std::vector<std::string> gaps;
    const auto note = [&](const Status& done) {
        if (!done) gaps.push_back("the web process keeps a right it does not need: " + done.error().message);
    };
    for (const int signal : {SIGPIPE, SIGINT, SIGHUP, SIGQUIT, SIGXFSZ}) std::signal(signal, SIG_IGN);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::tzset();  // from a file

    if (::geteuid() == 0) {
        note(sys::enter_empty_root());
        const auto identity = wanted_identity();
        if (!identity) note(fail("no user to become"));
        sys::forbid_capabilities();
        if (identity) note(sys::become(identity->uid, identity->gid, {}));
    }
    note(sys::drop_capabilities());
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_NOFILE, kMaxDescriptors);
    if (kIsSanitized) return gaps;
    limit(RLIMIT_DATA, kMaxMemory);
    note(sys::allow_system_calls(kCalls));
    return gaps;
}

}  // namespace xsv::web
