/* Stands in for xsvd-engine under the real guardian. It connects to the test's socket ($XSVD_TEST_SOCKET), tells every
   packet of the guardian as a line there, and does what the test's lines say. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "wire/guardian.h"

namespace {

using namespace xsv::wire;

int control = -1;
bool mute = false;      // lets probes go unanswered
int to_hear = -1;       // packets still to be read; -1: all

void tell(const char* format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    line[length] = '\n';
    if (send(control, line, static_cast<size_t>(length) + 1, MSG_NOSIGNAL) < 0) _exit(99);
}

void send_bytes(const void* bytes, size_t size, const std::vector<int>& fds = {})
{
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int) * 253)] = {};
    iovec data{const_cast<void*>(bytes), size};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * fds.size());
    }
    if (sendmsg(kGuardianFd, &message, MSG_NOSIGNAL) < 0) tell("send failed: %s", strerror(errno));
}

void send_packet(GuardianMessage type, const std::string& key = "", HeldKind kind = HeldKind::Other, long number = 0,
                 const std::vector<int>& fds = {})
{
    GuardianPacket packet{};
    packet.type = static_cast<uint32_t>(type);
    packet.kind = static_cast<uint32_t>(kind);
    packet.number = number;
    strncpy(packet.key, key.c_str(), sizeof packet.key - 1);
    send_bytes(&packet, sizeof packet, fds);
}

unsigned long inode(int fd)
{
    struct stat status{};
    fstat(fd, &status);
    return status.st_ino;
}

/// Reads one packet and tells it. False: none there.
bool hear(int flags)
{
    GuardianPacket packet{};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
    iovec data{&packet, sizeof packet};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    const ssize_t length = recvmsg(kGuardianFd, &message, flags | MSG_CMSG_CLOEXEC);
    if (length == 0) _exit(98);
    if (length < 0) return false;
    const auto number = [](int64_t value) { return static_cast<long long>(value); };
    switch (static_cast<GuardianMessage>(packet.type)) {
        case GuardianMessage::Fd: {
            int fd = -1;
            if (cmsghdr* part = CMSG_FIRSTHDR(&message)) memcpy(&fd, CMSG_DATA(part), sizeof fd);
            for (char& c : packet.key)
                if (c != '\0' && (c <= ' ' || c > '~')) c = '?';
            tell("fd %s %u %lu", packet.key, packet.kind, fd >= 0 ? inode(fd) : 0);
            close(fd);
            break;
        }
        case GuardianMessage::End:
            tell("end %lld %lld %lld", number(packet.number), number(packet.number2), number(packet.number3));
            break;
        case GuardianMessage::Exit:
            tell("exit %llu %d %d %d %lld", static_cast<unsigned long long>(packet.sequence), packet.pid, packet.code,
                 packet.status, number(packet.user_us + packet.system_us));
            break;
        case GuardianMessage::Signal: tell("signal %lld", number(packet.number)); break;
        case GuardianMessage::Probe:
            tell("probe");
            if (!mute) send_packet(GuardianMessage::Beat);
            break;
        case GuardianMessage::Event:
            tell("event %lld %lld %lld", number(packet.number), number(packet.number2), number(packet.number3));
            break;
        default: tell("unknown %u", packet.type);
    }
    return true;
}

/// A child of the guardian, as the engine makes them.
void spawn(int status, int signal_number, int milliseconds)
{
    clone_args arguments{};
    arguments.flags = CLONE_PARENT;
    const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        if (milliseconds > 0) poll(nullptr, 0, milliseconds);
        if (signal_number != 0) kill(getpid(), signal_number);
        _exit(status);
    }
    tell("spawned %ld", pid);
}

/// A process that loses its parent: the guardian inherits it. It ends when its number has been told.
void spawn_orphan(int status)
{
    int told[2];
    int number[2];
    if (pipe2(told, O_CLOEXEC) != 0 || pipe2(number, O_CLOEXEC) != 0) return tell("no pipes");
    const pid_t child = fork();
    if (child == 0) {
        const pid_t grandchild = fork();
        if (grandchild != 0) _exit(write(number[1], &grandchild, sizeof grandchild) < 0);
        close(told[1]);
        char end;
        _exit(read(told[0], &end, 1) == 0 ? status : 1);
    }
    siginfo_t end{};
    waitid(P_PID, static_cast<id_t>(child), &end, WEXITED);
    pid_t grandchild = 0;
    if (read(number[0], &grandchild, sizeof grandchild) < 0) return tell("no number");
    tell("spawned %d", grandchild);
    for (int fd : {told[0], told[1], number[0], number[1]}) close(fd);
}

int listen_somewhere(int& port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 64) != 0) tell("listen failed");
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return fd;
}

void send_garbage(int count)
{
    GuardianPacket packet;
    const std::vector<int> three{0, 1, 2};
    for (int i = 0; i < count; ++i) {
        for (size_t at = 0; at < sizeof packet; ++at) reinterpret_cast<unsigned char*>(&packet)[at] = static_cast<unsigned char>(rand());
        // Two of three have a type that means something: not Ready (3) and not Quit (6), which would be obeyed.
        const uint32_t types[] = {1, 2, 5, 7, 32, 33, 34};
        if (i % 3 != 0) packet.type = types[static_cast<size_t>(rand()) % 7];
        else packet.type |= 0x100;
        size_t size = sizeof packet;
        if (i % 4 == 1) size = static_cast<size_t>(rand()) % sizeof packet;  // 0 as well
        if (i % 2 == 0) memset(packet.key, 'k', sizeof packet.key);          // no end
        std::vector<char> bytes(reinterpret_cast<char*>(&packet), reinterpret_cast<char*>(&packet) + size);
        if (i % 7 == 2) bytes.resize(5000);
        if (i % 5 == 0) send_bytes(bytes.data(), bytes.size(), three);
        else if (i % 5 == 1) send_bytes(bytes.data(), bytes.size(), {0});
        else send_bytes(bytes.data(), bytes.size());
    }
    send_packet(GuardianMessage::Hold, "nothing");
    send_packet(GuardianMessage::Hold, "two", HeldKind::Pipe, 0, {0, 1});
    send_packet(GuardianMessage::Hold, "three", HeldKind::Pipe, 0, three);
    send_packet(GuardianMessage::Hold, "many", HeldKind::Pipe, 0, std::vector<int>(250, 0));
    send_packet(GuardianMessage::Upgrade, "", HeldKind::Other, 0, {0});
}

void obey(const std::string& line)
{
    char word[32] = {}, key[kKeySize + 16] = {};
    int a = 0, b = 0, c = 0;
    sscanf(line.c_str(), "%31s %d %d %d", word, &a, &b, &c);
    sscanf(line.c_str(), "%*s %150s %d", key, &b);
    const std::string command = word;
    if (command == "hold") {
        const int fd = memfd_create(key, MFD_CLOEXEC);
        send_packet(GuardianMessage::Hold, key, static_cast<HeldKind>(b), 0, {fd});
        tell("held %lu", inode(fd));
        close(fd);
    } else if (command == "hold_many") {
        const int fd = memfd_create("many", MFD_CLOEXEC);
        for (int i = 0; i < a; ++i) send_packet(GuardianMessage::Hold, "key:" + std::to_string(i), HeldKind::Pipe, 0, {fd});
        close(fd);
        tell("held many");
    } else if (command == "overflow") {
        // Two kinds of refusal in turn, so that no two become one event.
        for (int i = 0; i < a; ++i) {
            send_packet(GuardianMessage::Hold, "without a descriptor");
            send_packet(GuardianMessage::Hold, "more:" + std::to_string(i), HeldKind::Pipe, 0, {0});
        }
        tell("held too many");
    } else if (command == "listen") {
        int port = 0;
        const int fd = listen_somewhere(port);
        send_packet(GuardianMessage::Hold, key, HeldKind::Listener, 0, {fd});
        tell("listening %d %lu", port, inode(fd));
        close(fd);
    } else if (command == "drop") {
        send_packet(GuardianMessage::Drop, key);
    } else if (command == "ready") {
        send_packet(GuardianMessage::Ready);
        tell("said ready");
    } else if (command == "beat") {
        send_packet(GuardianMessage::Beat);
        tell("said beat");
    } else if (command == "quit") {
        send_packet(GuardianMessage::Quit, "", HeldKind::Other, a);
        _exit(0);
    } else if (command == "exit") {
        _exit(a);
    } else if (command == "kill") {
        kill(getpid(), a);
    } else if (command == "catch") {
        signal(a, [](int number) { tell("caught %d", number); });
        tell("catching");
    } else if (command == "mute") {
        mute = true;
        tell("said mute");
    } else if (command == "hear") {
        to_hear = a;
    } else if (command == "spawn") {
        sscanf(line.c_str(), "%*s %d %d %d", &a, &b, &c);
        spawn(a, b, c);
    } else if (command == "spawn_many") {
        sscanf(line.c_str(), "%*s %d %d", &a, &b);
        for (int i = 0; i < a; ++i) spawn(i % 200, 0, b);
        tell("spawned all");
    } else if (command == "orphan") {
        spawn_orphan(a);
    } else if (command == "garbage") {
        srand(static_cast<unsigned>(b));
        send_garbage(a);
        tell("sent");
    } else if (command == "shutdown") {
        shutdown(kGuardianFd, a);
    } else if (command == "env") {
        const char* value = getenv(key);
        tell("env %s", value != nullptr ? value : "-");
    } else if (command == "signals") {
        sigset_t mask;
        sigprocmask(SIG_SETMASK, nullptr, &mask);
        int strange = 0;
        for (int number = 1; number < 32; ++number) {
            struct sigaction action{};
            sigaction(number, nullptr, &action);
            if (sigismember(&mask, number) == 1 || action.sa_handler != SIG_DFL) ++strange;
        }
        tell("signals %d", strange);
    } else {
        tell("what? %s", line.c_str());
    }
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("fake 1.0");
        return 3;
    }
    control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, getenv("XSVD_TEST_SOCKET"), sizeof address.sun_path - 1);
    if (connect(control, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 97;
    fcntl(kGuardianFd, F_SETFD, FD_CLOEXEC);
    const char* const detached = getenv("XSVD_DETACHED");
    tell("start %s %s %d %d %s", getenv("XSVD_ENGINE_START"), detached != nullptr ? detached : "0", getpid(), getppid(), argv[0]);

    std::string input;
    for (;;) {
        pollfd watched[] = {{control, POLLIN, 0}, {to_hear != 0 ? kGuardianFd : -1, POLLIN, 0}};
        poll(watched, 2, -1);
        if (watched[1].revents != 0 && hear(MSG_DONTWAIT) && to_hear > 0) --to_hear;
        if (watched[0].revents == 0) continue;
        char bytes[4096];
        const ssize_t length = recv(control, bytes, sizeof bytes, MSG_DONTWAIT);
        if (length <= 0) return 96;
        input.append(bytes, static_cast<size_t>(length));
        for (size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1)) obey(input.substr(0, end));
    }
}
