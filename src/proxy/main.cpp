// xsvd-proxy: forwards connections to where 'proxy_to' says, for all services of the engine whose helper it is.
#include <csignal>
#include <cstdio>
#include <exception>

#include <fcntl.h>

#include "event/loop.h"
#include "proxy/forwarder.h"
#include "sys/files.h"
#include "wire/messages.h"

int main()
{
    using namespace xsv;
    if (::fcntl(wire::kChannelFd, F_SETFD, FD_CLOEXEC) < 0) {
        std::fprintf(stderr, "xsvd-proxy is started by xsvd and has no use of its own\n");
        return 2;
    }
    for (const int signal : {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}) std::signal(signal, SIG_IGN);
    sys::raise_nofile();
    try {
        const auto loop = event::make_loop();
        const proxy::Forwarder forwarder(*loop, sys::UniqueFd(wire::kChannelFd), [&] { loop->stop(); });
        loop->run();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "xsvd-proxy: %s\n", error.what());
        return 1;
    }
}
