#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "event/loop.h"
#include "scribe/scribe.h"
#include "sys/files.h"
#include "wire/messages.h"

#include <fcntl.h>

int main()
{
    using namespace xsv;
    if (::fcntl(wire::kChannelFd, F_SETFD, FD_CLOEXEC) < 0) {
        std::fprintf(stderr, "xsvd-scribe is started by xsvd and has no use of its own\n");
        return 2;
    }
    // The engine says when to end. SIGXFSZ: a log at its size limit is an error of one write, not the end of all logs.
    for (const int signal : {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGXFSZ, SIGUSR1, SIGUSR2}) std::signal(signal, SIG_IGN);
    sys::raise_nofile();
    try {
        const auto loop = event::make_loop();
        const scribe::Scribe scribe(*loop, sys::UniqueFd(wire::kChannelFd));
        loop->run();
        // A writer whose disk hangs cannot be joined; its bytes are still in the pipe.
        std::_Exit(0);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "xsvd-scribe: %s\n", error.what());
        return 1;
    }
}
