#include "xsvctl/interrupts.h"

#include <sys/signalfd.h>
#include <unistd.h>

namespace xsv::xsvctl {

Interrupts::Interrupts()
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigprocmask(SIG_BLOCK, &wanted, &before_);
    fd_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
}

Interrupts::~Interrupts()
{
    // What is still pending was meant for us; unblocked, it would end the shell as well.
    signalfd_siginfo taken;
    while (::read(fd_.get(), &taken, sizeof taken) > 0) {
    }
    sigprocmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace xsv::xsvctl
