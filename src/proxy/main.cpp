// xsvd-proxy: forwards connections to where 'proxy_to' says. As a helper of the engine for all its services at once; or
// "xsvd-proxy TARGET [v1|v2]" for the one connection that is its stdin.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include <fcntl.h>

#include "event/loop.h"
#include "proxy/forwarder.h"
#include "proxy/one.h"
#include "sys/files.h"
#include "wire/messages.h"

namespace {

int serve_engine()
{
    using namespace xsv;
    if (::fcntl(wire::kChannelFd, F_SETFD, FD_CLOEXEC) < 0) {
        std::fprintf(stderr, "xsvd-proxy is started by xsvd and has no use of its own\n");
        return 2;
    }
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}) std::signal(signal, SIG_IGN);
    sys::raise_nofile();
    const auto loop = event::make_loop();
    const proxy::Forwarder forwarder(*loop, sys::UniqueFd(wire::kChannelFd), [&] { loop->stop(); });
    loop->run();
    return 0;
}

}  // namespace

int main(int argc, char** argv)
{
    using namespace xsv;
    std::signal(SIGPIPE, SIG_IGN);
    try {
        if (argc < 2) return serve_engine();
        const std::string_view protocol = argc > 2 ? argv[2] : "";
        return proxy::forward_one(sys::UniqueFd(0), argv[1],
                                  protocol == "v1" ? proxy::Protocol::V1 : protocol == "v2" ? proxy::Protocol::V2 : proxy::Protocol::None);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "xsvd-proxy: %s\n", error.what());
        return 1;
    }
}
