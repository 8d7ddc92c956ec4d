// A program as systemd's library makes them: what sd_notify and its relatives say is understood, and their answers are right.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace {

volatile std::sig_atomic_t ended = 0;

void report_store(FILE* file)
{
    char** names = nullptr;
    const int count = sd_listen_fds_with_names(0, &names);
    char bytes[64] = "";
    if (count > 0 && read(SD_LISTEN_FDS_START, bytes, sizeof bytes - 1) < 0) std::strcpy(bytes, "?");
    std::fprintf(file, "store %d %s %s\n", count, count > 0 ? names[0] : "-", bytes);
    for (int i = 0; i < count; ++i) free(names[i]);
    free(names);
}

int store()
{
    int ends[2];
    if (pipe(ends) < 0 || write(ends[1], "state", 5) != 5) return -1;
    return sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=state\nFDPOLL=0", ends, 1);
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc < 2) return 2;
    struct sigaction action{};
    action.sa_handler = [](int) { ended = 1; };
    sigaction(SIGTERM, &action, nullptr);
    FILE* file = std::fopen(argv[1], "a");
    if (!file) return 3;
    std::setvbuf(file, nullptr, _IOLBF, 0);

    std::uint64_t usec = 0;
    const int watched = sd_watchdog_enabled(0, &usec);
    std::fprintf(file, "watchdog %d %lu\n", watched, usec);
    report_store(file);
    std::fprintf(file, "stored %d\n", store());
    std::fprintf(file, "ready %d\n", sd_notifyf(0, "READY=1\nSTATUS=up as %d\nMAINPID=%d", getpid(), getpid()));
    std::fprintf(file, "barrier %d\n", sd_notify_barrier(0, 10'000'000));
    while (!ended) {
        sd_notify(0, "WATCHDOG=1");
        usleep(usec > 0 ? static_cast<useconds_t>(usec / 4) : 100'000);
    }
    sd_notify(0, "STOPPING=1\nSTATUS=down");
    sd_notify_barrier(0, 10'000'000);
    return 0;
}
