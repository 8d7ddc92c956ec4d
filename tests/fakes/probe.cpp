// Prints, as one JSON object, what a program finds when it is started: descriptors, environment, ids, limits, signals.
// The first argument says where: a descriptor number, or a path; default 1. "--wait" behind it: then sleep until killed.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

std::string quoted(const char* text)
{
    std::string out = "\"";
    for (; *text; ++text) {
        const auto c = static_cast<unsigned char>(*text);
        char escaped[8];
        if (c < 0x20 || c == 0x7f) std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else if (c == '"' || c == '\\') std::snprintf(escaped, sizeof escaped, "\\%c", c);
        else std::snprintf(escaped, sizeof escaped, "%c", c);
        out += escaped;
    }
    return out + "\"";
}

/// {"0":"pipe:[17]","3":"socket:[18] stream listening"}; without the one this takes to look.
std::string descriptors()
{
    std::string out = "{";
    DIR* folder = ::opendir("/proc/self/fd");
    while (const dirent* entry = folder ? ::readdir(folder) : nullptr) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == ::dirfd(folder)) continue;
        char target[256] = {};
        if (::readlinkat(::dirfd(folder), entry->d_name, target, sizeof target - 1) < 0) continue;
        std::string text = target;
        int type = 0, listening = 0;
        socklen_t size = sizeof type;
        if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
            text += type == SOCK_STREAM ? " stream" : type == SOCK_DGRAM ? " datagram" : " seqpacket";
            if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening) text += " listening";
        }
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags & O_NONBLOCK) text += " nonblocking";
        if (::fcntl(fd, F_GETFD) & FD_CLOEXEC) text += " cloexec";
        if (out.size() > 1) out += ",";
        out += quoted(entry->d_name) + ":" + quoted(text.c_str());
    }
    if (folder) ::closedir(folder);
    return out + "}";
}

std::string list_of(char** items)
{
    std::string out = "[";
    for (; *items; ++items) out += (out.size() > 1 ? "," : "") + quoted(*items);
    return out + "]";
}

std::string ids()
{
    uid_t uid[3];
    gid_t gid[3];
    ::getresuid(&uid[0], &uid[1], &uid[2]);
    ::getresgid(&gid[0], &gid[1], &gid[2]);
    char text[256];
    std::snprintf(text, sizeof text, "\"uid\":[%u,%u,%u],\"gid\":[%u,%u,%u],\"groups\":[", uid[0], uid[1], uid[2], gid[0], gid[1], gid[2]);
    std::string out = text;
    gid_t groups[256];
    const int count = ::getgroups(256, groups);
    for (int i = 0; i < count; ++i) out += (i ? "," : "") + std::to_string(groups[i]);
    return out + "]";
}

std::string limits()
{
    std::string out = "{";
    for (int resource = 0; resource < RLIMIT_NLIMITS; ++resource) {
        rlimit limit{};
        ::getrlimit(static_cast<__rlimit_resource>(resource), &limit);
        out += (resource ? ",\"" : "\"") + std::to_string(resource) + "\":[" + std::to_string(static_cast<long long>(limit.rlim_cur)) + "," +
               std::to_string(static_cast<long long>(limit.rlim_max)) + "]";
    }
    return out + "}";
}

/// Numbers of signals that are not at their default, and of those that are blocked.
std::string signals()
{
    std::string ignored, handled, blocked;
    sigset_t mask;
    ::sigprocmask(SIG_BLOCK, nullptr, &mask);
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action{};
        const std::string text = std::to_string(number);
        if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_DFL) {
            std::string& list = action.sa_handler == SIG_IGN ? ignored : handled;
            list += (list.empty() ? "" : ",") + text;
        }
        if (::sigismember(&mask, number) == 1) blocked += (blocked.empty() ? "" : ",") + text;
    }
    return "\"ignored\":[" + ignored + "],\"handled\":[" + handled + "],\"blocked\":[" + blocked + "]";
}

std::string line_of_file(const char* path)
{
    char text[64] = {};
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::read(fd, text, sizeof text - 1) < 0) return "";
    ::close(fd);
    text[std::strcspn(text, "\n")] = '\0';
    return text;
}

}  // namespace

int main(int argc, char** argv)
{
    const std::string found = descriptors();
    const char* where = argc > 1 ? argv[1] : "1";
    int out = *where == '/' ? ::open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : std::atoi(where);
    char cwd[4096] = {};
    if (!::getcwd(cwd, sizeof cwd)) cwd[0] = '\0';
    const mode_t mask = ::umask(0);
    char numbers[256];
    std::snprintf(numbers, sizeof numbers, "\"umask\":%u,\"pid\":%d,\"ppid\":%d,\"pgid\":%d,\"sid\":%d,\"nice\":%d,", mask, ::getpid(), ::getppid(),
                  ::getpgrp(), ::getsid(0), ::getpriority(PRIO_PROCESS, 0));
    const std::string text = "{\"fds\":" + found + ",\"argv\":" + list_of(argv) + ",\"env\":" + list_of(environ) + "," + ids() + ",\"limits\":" + limits() + "," +
                             signals() + "," + numbers + "\"oom_score_adj\":" + line_of_file("/proc/self/oom_score_adj") + ",\"cwd\":" + quoted(cwd) + "}\n";
    for (std::size_t done = 0; done < text.size();) {
        const auto count = ::write(out, text.data() + done, text.size() - done);
        if (count <= 0) return 1;
        done += static_cast<std::size_t>(count);
    }
    if (argc > 2 && std::strcmp(argv[2], "--wait") == 0) {
        for (;;) ::pause();
    }
    return 0;
}
