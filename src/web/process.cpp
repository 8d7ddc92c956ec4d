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

}  // namespace xsv::web
