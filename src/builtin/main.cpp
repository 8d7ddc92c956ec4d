// xsvd-builtin SERVICE: one of the small services every inetd has. Started by xsvd with a connection as stdin, or with its
// listening or datagram sockets, as any program is.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

#include "builtin/server.h"

namespace {

/// The descriptors from 3 on that are meant for this very process; none: the socket is stdin.
int passed_sockets()
{
    const char* const pid = std::getenv("LISTEN_PID");
    const char* const count = std::getenv("LISTEN_FDS");
    return pid != nullptr && count != nullptr && std::atol(pid) == ::getpid() ? std::atoi(count) : 0;
}

}  // namespace

int main(int argc, char** argv)
{
    using namespace xsv::builtin;
    const auto service = argc == 2 ? service_named(argv[1]) : std::nullopt;
    if (!service) {
        std::fprintf(stderr, "xsvd-builtin is started by xsvd for 'command = builtin:NAME' and has no use of its own\n");
        return 2;
    }
    Server server(*service, Tcpmux::from_environment());
    constexpr int kFirst = 3;
    const int count = passed_sockets();
    for (int fd = count > 0 ? kFirst : 0; fd < (count > 0 ? kFirst + count : 1); ++fd) {
        if (server.add(fd)) continue;
        std::fprintf(stderr, "xsvd-builtin: descriptor %d is no socket\n", fd);
        return 2;
    }
    return server.run();
}
