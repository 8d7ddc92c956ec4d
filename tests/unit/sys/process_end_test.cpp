// How a process ended, asked by somebody who is not its parent.
#include <catch2/catch.hpp>

#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/processes.h"

using namespace xsv;

namespace {

/// Linux 6.15 and later tell of a process whose parent has asked already.
bool kernel_tells(int pidfd)
{
    char info[64] = {1 << 3};
    return ::ioctl(pidfd, _IOWR(0xFF, 11, char[64]), info) == 0 && (info[0] & 1 << 3) != 0;
}

}  // namespace

TEST_CASE("a process's end is known to others: from its parent's child, and after its parent has asked", "[sys][processes]")
{
    const auto processes = sys::kernel_processes(false);
    int go[2];
    REQUIRE(::pipe2(go, O_CLOEXEC) == 0);
    for (const int how : {0, 7, 1000 + SIGTERM}) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            char byte = 0;
            if (::read(go[0], &byte, 1) != 1) ::_exit(99);
            if (how >= 1000 && ::signal(how - 1000, SIG_DFL) != SIG_ERR) ::raise(how - 1000);
            ::_exit(how);
        }
        const auto pidfd = processes->open(pid);
        REQUIRE(pidfd);
        CHECK_FALSE(processes->end_of(*pidfd));
        REQUIRE(::write(go[1], "", 1) == 1);
        pollfd end{pidfd->get(), POLLIN, 0};
        REQUIRE(::poll(&end, 1, 30'000) == 1);

        const auto unreaped = processes->end_of(*pidfd);
        if (how == 0) CHECK_FALSE(unreaped);  // it might be that we may not know
        else REQUIRE(unreaped);
        if (unreaped) CHECK(unreaped->code == (how >= 1000 ? CLD_KILLED : CLD_EXITED));
        if (unreaped) CHECK(unreaped->status == how % 1000);

        REQUIRE(::waitpid(pid, nullptr, 0) == pid);
        const auto reaped = processes->end_of(*pidfd);
        REQUIRE(reaped.has_value() == kernel_tells(pidfd->get()));
        if (!reaped) continue;
        CHECK(reaped->code == (how >= 1000 ? CLD_KILLED : CLD_EXITED));
        CHECK(reaped->status == how % 1000);
    }
    ::close(go[0]);
    ::close(go[1]);
}
