#include "web/process.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <string_view>

#include <sys/prctl.h>
#include <sys/resource.h>

namespace xsv::web {

namespace {

/// 512 clients, 64 followers' pipes, the servers, and some of our own.
constexpr rlim_t kMaxDescriptors = 1024;
constexpr std::string_view kTitle = "xsvd: web";

void limit(int resource, rlim_t most)
{
    rlimit limits{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limits) != 0) return;
    limits.rlim_max = std::min(limits.rlim_max, most);
    limits.rlim_cur = limits.rlim_max;
    ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limits);
}

}  // namespace

void restrict_process()
{
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, kMaxDescriptors);
    for (const int signal : {SIGPIPE, SIGINT, SIGHUP, SIGQUIT, SIGXFSZ}) std::signal(signal, SIG_IGN);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void set_title(int argc, char** argv)
{
    ::prctl(PR_SET_NAME, "xsvd-web", 0, 0, 0);
    if (argc < 1) return;
    // The arguments lie one behind the other; the kernel shows what stands there.
    const std::size_t room = static_cast<std::size_t>(argv[argc - 1] + std::strlen(argv[argc - 1]) - argv[0]);
    std::memset(argv[0], 0, room);
    std::memcpy(argv[0], kTitle.data(), std::min(room, kTitle.size()));
}

}  // namespace xsv::web
