// The programs that run below the daemon in these tests; static and small, so that starting one costs next to nothing.
//
//   kill_child answer            one request from the connection on 0, its answer to 1
//   kill_child serve             the same for every caller of the sockets from LISTEN_FDS, until SIGTERM
//   kill_child lines NAME MS     "NAME 1", "NAME 2", … every MS milliseconds; "NAME end N" at SIGTERM
//   kill_child exit CODE MS      ends after MS milliseconds, with this code; from 1000 on: by signal CODE - 1000
#include "kill/answer.h"

#include <csignal>
#include <cstdlib>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

namespace {

volatile sig_atomic_t stopping = 0;

bool write_all(int fd, const char* bytes, int size)
{
    while (size > 0) {
        const ssize_t n = ::write(fd, bytes, static_cast<size_t>(size));
        if (n <= 0) return false;
        bytes += n;
        size -= static_cast<int>(n);
    }
    return true;
}

void answer_caller(int in, int out)
{
    char request[64];
    int length = 0;
    while (length < static_cast<int>(sizeof request) - 1) {
        const ssize_t n = ::read(in, request + length, sizeof request - 1 - static_cast<size_t>(length));
        if (n <= 0) return;
        length += static_cast<int>(n);
        if (std::memchr(request, '\n', static_cast<size_t>(length))) break;
    }
    request[length] = 0;
    char answer[kill_test::kAnswerSize];
    write_all(out, answer, kill_test::make_answer(std::strtoul(request, nullptr, 10), answer));
}

int serve()
{
    const char* count = std::getenv("LISTEN_FDS");
    const int sockets = count ? std::atoi(count) : 0;
    if (sockets < 1 || sockets > 16) return 2;
    struct pollfd waits[16];
    for (int i = 0; i < sockets; ++i) waits[i] = {3 + i, POLLIN, 0};
    while (!stopping) {
        if (::poll(waits, static_cast<nfds_t>(sockets), -1) < 0) continue;
        for (int i = 0; i < sockets; ++i) {
            if (!waits[i].revents) continue;
            const int caller = ::accept4(waits[i].fd, nullptr, nullptr, SOCK_CLOEXEC);
            if (caller < 0) continue;
            answer_caller(caller, caller);
            ::close(caller);
        }
    }
    return 0;
}

void pause_for(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (::nanosleep(&time, &time) < 0 && !stopping) {}
}

int write_lines(const char* name, long ms)
{
    char line[128];
    for (unsigned long n = 1;; ++n) {
        if (stopping) {
            write_all(1, line, snprintf(line, sizeof line, "%s end %lu\n", name, n - 1));
            return 0;
        }
        if (!write_all(1, line, snprintf(line, sizeof line, "%s %lu\n", name, n))) return 3;
        pause_for(ms);
    }
}

}  // namespace

int main(int argc, char** argv)
{
    struct sigaction action = {};
    action.sa_handler = [](int) { stopping = 1; };
    ::sigaction(SIGTERM, &action, nullptr);
    if (argc == 2 && !std::strcmp(argv[1], "answer")) {
        answer_caller(0, 1);
        return 0;
    }
    if (argc == 2 && !std::strcmp(argv[1], "serve")) return serve();
    if (argc == 4 && !std::strcmp(argv[1], "lines")) return write_lines(argv[2], std::atol(argv[3]));
    if (argc == 4 && !std::strcmp(argv[1], "exit")) {
        pause_for(std::atol(argv[3]));
        const int code = std::atoi(argv[2]);
        if (code >= 1000) {
            ::signal(code - 1000, SIG_DFL);
            ::raise(code - 1000);
        }
        return code;
    }
    return 64;
}
