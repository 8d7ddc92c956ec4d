// pidproxy PIDFILE COMMAND [ARG...]: for a program that puts another process in its place and says in a file which. Runs the
// command, and sends the signals it gets itself to the process of the file.
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int kForwarded[] = {SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGQUIT};

/// 0: the file says nothing one could send a signal to.
pid_t read_pid(const char* file)
{
    const int fd = ::open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[32] = {};
    const bool has_text = ::read(fd, text, sizeof text - 1) > 0;
    ::close(fd);
    const long pid = has_text ? std::strtol(text, nullptr, 10) : 0;
    // A greater one would be a group's number, or everybody's, once it is a pid_t.
    return pid > 1 && pid <= INT_MAX ? static_cast<pid_t>(pid) : 0;
}

/// True when the signal was one that ends us as well.
bool forward(int signal, const char* file)
{
    const pid_t pid = read_pid(file);
    if (pid == 0) {
        std::printf("Can't read child pidfile %s!\n", file);
        std::fflush(stdout);
        return false;
    }
    if (::kill(pid, signal) != 0) std::fprintf(stderr, "pidproxy: signal %d to process %ld: %s\n", signal, static_cast<long>(pid), std::strerror(errno));
    return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT;
}

[[noreturn]] void run(char** command)
{
    // As Supervisor's, a bare name is looked for in the current directory first.
    if (::access(command[0], X_OK) == 0) ::execv(command[0], command);
    ::execvp(command[0], command);
    std::fprintf(stderr, "pidproxy: cannot run %s: %s\n", command[0], std::strerror(errno));
    std::_Exit(127);
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc < 3) {
        std::printf("pidproxy -- run command and proxy signals to it via its pidfile.\n\nUsage: %s <pidfile name> <command> [<cmdarg1> ...]\n", argc > 0 ? argv[0] : "pidproxy");
        return 1;
    }
    sigset_t waited, before;
    sigemptyset(&waited);
    for (const int signal : kForwarded) sigaddset(&waited, signal);
    sigaddset(&waited, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &waited, &before);

    const pid_t child = ::fork();
    if (child < 0) return std::perror("pidproxy: fork"), 1;
    if (child == 0) {
        ::sigprocmask(SIG_SETMASK, &before, nullptr);
        run(argv + 2);
    }
    for (;;) {
        int signal = 0, status = 0;
        if (::sigwait(&waited, &signal) != 0) continue;
        if (signal != SIGCHLD && forward(signal, argv[1])) return 0;
        if (::waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}
