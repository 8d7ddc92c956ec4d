// What somebody does who has taken over the web process: it gives up its rights as the real one does, then tries to get them
// back, and tells in the daemon's log what became of it: "intruder: refused: N", "intruder: not refused: WHAT (ERROR), …".
#include <cerrno>
#include <cstring>
#include <functional>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "event/channel.h"
#include "event/loop.h"
#include "web/process.h"
#include "wire/messages.h"
#include "wire/value.h"

namespace {

using namespace xsv;
using wire::Value;

constexpr auto kPatience = std::chrono::seconds(5);

template <class... A>
std::function<long()> call(long number, A... arguments)
{
    return [=] { return ::syscall(number, arguments...); };
}

/// Refused is what fails with this error; any other one comes from behind the filter. So where success would do harm, an attempt
/// is made with something that is not there.
struct Attempt {
    const char* what;
    std::function<long()> act;
    int error = EPERM;
};

sockaddr_in local_port()
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

class Intruder {
public:
    explicit Intruder(event::Loop& loop)
        : loop_(loop),
          channel_(
              loop, sys::UniqueFd(wire::kChannelFd), "engine", [this](std::string_view bytes, sys::UniqueFd fd) { on_message(bytes, std::move(fd)); },
              [this] { loop_.stop(); })
    {
    }
    void tell(const std::string& line)
    {
        send(Value::Struct{{"type", "log"}, {"level", 40}, {"line", "intruder: " + line}});
    }

private:
    void send(const Value& message) { channel_.send(wire::encode(message)); }

    void on_message(std::string_view bytes, sys::UniqueFd fd)
    {
        const auto message = wire::decode(bytes);
        const std::string type = message ? message->text("type") : "";
        if (type == "shutdown" && has_ended_) loop_.stop();
        if (type == "server") server_ = std::move(fd);
        if (type == "ready") begin();
        if (type == "reply") answered_.push_back(message->number("id"));
        if (type == "follow" && message->number("status") == 200) answered_.push_back(message->number("id"));
        if (type != "fault" || message->number("id") != kLast) return;
        tell(fmt::format("calls answered: {}; end", fmt::join(answered_, " ")));
        has_ended_ = true;
    }

    void begin()
    {
        std::size_t refused = 0;
        std::string others;
        for (const Attempt& attempt : attempts()) {
            errno = 0;
            const long result = attempt.act();
            if (result < 0 && errno == attempt.error) ++refused;
            else others += fmt::format("{}{} ({})", others.empty() ? "" : ", ", attempt.what, result < 0 ? ::strerrorname_np(errno) : "done");
        }
        tell(fmt::format("refused: {}", refused));
        tell("not refused: " + others);
        send_foreign_messages();
        call_as_others();
    }

    /// What other processes of ours may say, and what none says.
    void send_foreign_messages()
    {
        for (const char* type : {"hello", "server", "ready", "sink", "drop", "service", "socket", "demand", "output", "captured", "shutdown", "HOLD", ""})
            send(Value::Struct{{"type", type}, {"key", "o:sleeper"}, {"name", "sleeper"}, {"file", "/etc/passwd"}, {"data", "x"}, {"id", 7}});
        channel_.send("not a message");
        channel_.send(std::string(100'000, 'm'));
        send(Value::Struct{{"type", "follow"}, {"id", 8}, {"path", "/mainlogtail/../../etc/passwd"}});
    }

    /// As root, who has not called; on a unix server that nobody has called; and with connections that are none: the channel,
    /// the server's own socket.
    void call_as_others()
    {
        channel_.send_copy_of(wire::encode(Value::Struct{{"type", "caller"}, {"connection", 1}}), wire::kChannelFd);
        channel_.send_copy_of(wire::encode(Value::Struct{{"type", "caller"}, {"connection", 2}}), server_.get());
        send(Value::Struct{{"type", "caller"}, {"connection", 3}});
        std::int64_t id = kFirst;
        for (const char* method : {"supervisor.stopAllProcesses", "supervisor.getState", "xsv.reload", "supervisor.shutdown"})
            for (const int connection : {1, 2, 3, 4711, -1})
                send(Value::Struct{{"type", "call"}, {"id", ++id}, {"method", method}, {"params", Value::Array{}}, {"server", 0},
                                   {"connection", connection}, {"user", "root"}, {"peer", "uid 0 pid 1"}});
        for (const int server : {0, 1, 77, -1}) {
            send(Value::Struct{{"type", "call"}, {"id", ++id}, {"method", "supervisor.shutdown"}, {"params", Value::Array{}}, {"server", server}});
            send(Value::Struct{{"type", "follow"}, {"id", ++id}, {"path", "/mainlogtail"}, {"server", server}});
        }
        send(Value::Struct{{"type", "call"}, {"id", kLast}, {"method", "supervisor.shutdown"}, {"params", Value::Array{}}});
    }

    std::vector<Attempt> attempts() const;

    static constexpr std::int64_t kFirst = 100, kLast = 1000;
    std::vector<std::int64_t> answered_;
    bool has_ended_ = false;
    event::Loop& loop_;
    event::Channel channel_;
    sys::UniqueFd server_;
};

std::vector<Attempt> Intruder::attempts() const
{
    static const char* const argv[] = {"/bin/sh", nullptr};
    static const sockaddr_in port = local_port();
    static const sockaddr_un journal{AF_UNIX, "/run/systemd/journal/socket"};
    static const rlimit64 more{RLIM_INFINITY, RLIM_INFINITY};
    static __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    static const __user_cap_data_struct all[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};
    static io_uring_params ring{};
    static char buffer[4096];
    static iovec piece{buffer, sizeof buffer};
    static iovec theirs{reinterpret_cast<void*>(0x400000), sizeof buffer};
    static char byte = 'x';
    static iovec one{&byte, 1};
    static msghdr letter{const_cast<sockaddr_in*>(&port), sizeof port, &one, 1, nullptr, 0, 0};
    static const int ends[2] = {-1, -1};
    const pid_t guardian = ::getppid();  // itself not allowed, and then -1, which no call below may get
    const pid_t parent = guardian > 0 ? guardian : 1;
    const int server = server_.get();
    return {
        {"open", call(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY)},
        {"open the root", call(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY)},
        {"open the parent", call(SYS_openat, AT_FDCWD, "../../../../etc/passwd", O_RDONLY)},
        {"create", call(SYS_openat, AT_FDCWD, "/tmp/xsvd-intruder", O_CREAT | O_WRONLY, 0600)},
        {"open by openat2", call(SYS_openat2, AT_FDCWD, "/etc/passwd", buffer, 24)},
        {"open a file handle", call(SYS_open_by_handle_at, AT_FDCWD, buffer, O_RDONLY)},
        {"stat", call(SYS_newfstatat, AT_FDCWD, "/etc/passwd", buffer, 0)},
        {"statx", call(SYS_statx, AT_FDCWD, "/etc/passwd", 0, 0xfff, buffer)},
        {"access", call(SYS_faccessat, AT_FDCWD, "/etc/passwd", R_OK)},
        {"read a link", call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", buffer, sizeof buffer)},
        {"make a folder", call(SYS_mkdirat, AT_FDCWD, "/tmp/xsvd-intruder", 0700)},
        {"make a FIFO", call(SYS_mknodat, AT_FDCWD, "/tmp/xsvd-intruder", S_IFIFO | 0600, 0)},
        {"remove", call(SYS_unlinkat, AT_FDCWD, "/tmp/xsvd-intruder", 0)},
        {"rename", call(SYS_renameat2, AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/b", 0)},
        {"link", call(SYS_linkat, AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/b", 0)},
        {"symlink", call(SYS_symlinkat, "/etc", AT_FDCWD, "/tmp/xsvd-intruder")},
        {"chmod", call(SYS_fchmodat, AT_FDCWD, "/xsvd-intruder", 0777)},
        {"chown", call(SYS_fchownat, AT_FDCWD, "/xsvd-intruder", 1, 1, 0)},
        {"chdir", call(SYS_chdir, "..")},
        {"chroot", call(SYS_chroot, "..")},
        {"mount", call(SYS_mount, "none", "/", "xsvd-intruder", 0, nullptr)},
        {"memory as a file", call(SYS_memfd_create, "x", 0)},
        {"watch files", call(SYS_inotify_init1, 0)},
        {"io_uring", call(SYS_io_uring_setup, 4, &ring)},
        {"execute", call(SYS_execve, "/bin/sh", argv, nullptr)},
        {"execute a descriptor", call(SYS_execveat, server, "", argv, nullptr, AT_EMPTY_PATH)},
        {"fork", call(SYS_clone, CLONE_THREAD | SIGCHLD, nullptr, nullptr, nullptr, nullptr)},
        {"clone3", call(SYS_clone3, buffer, 64)},
        {"ptrace", call(SYS_ptrace, PTRACE_SEIZE, parent, nullptr, nullptr)},
        {"read another's memory", call(SYS_process_vm_readv, parent, &piece, 1, &theirs, 1, 0)},
        {"signal the guardian", call(SYS_kill, parent, 0)},
        {"signal by tgkill", call(SYS_tgkill, parent, parent, 0)},
        {"open a process", call(SYS_pidfd_open, parent, 0)},
        {"become root", call(SYS_setresuid, 0, 0, 0)},
        {"become group root", call(SYS_setresgid, 0, 0, 0)},
        {"join groups", call(SYS_setgroups, 1, buffer)},
        {"take capabilities", call(SYS_capset, &header, all)},
        {"become dumpable", call(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)},
        {"leave the filter", call(SYS_seccomp, 0, 0, nullptr)},
        {"raise limits", call(SYS_prlimit64, 0, RLIMIT_DATA, &more, nullptr)},
        {"own name space", call(SYS_unshare, CLONE_NEWUSER)},
        {"other name space", call(SYS_setns, 0, 0)},
        {"bpf", call(SYS_bpf, 0, buffer, 64)},
        {"perf", call(SYS_perf_event_open, buffer, 0, -1, -1, 0)},
        {"userfaultfd", call(SYS_userfaultfd, 0)},
        {"keys", call(SYS_keyctl, 0, -3, 0)},
        {"shared memory", call(SYS_shmget, 4711, 4096, 0600 | 01000)},
        {"kernel log", call(SYS_syslog, 3, buffer, sizeof buffer)},
        {"set the clock", call(SYS_clock_settime, 99, buffer)},
        {"priority", call(SYS_setpriority, 0, 0, -1)},
        {"TCP socket", call(SYS_socket, AF_INET, SOCK_STREAM, 0)},
        {"UDP socket", call(SYS_socket, AF_INET, SOCK_DGRAM, 0)},
        {"unix socket", call(SYS_socket, AF_UNIX, SOCK_STREAM, 0)},
        {"netlink socket", call(SYS_socket, AF_NETLINK, SOCK_RAW, 0)},
        {"packet socket", call(SYS_socket, AF_PACKET, SOCK_RAW, 0)},
        {"pair of sockets", call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends)},
        {"connect", call(SYS_connect, server, &port, sizeof port)},
        {"connect to a unix socket", call(SYS_connect, wire::kChannelFd, &journal, sizeof journal)},
        {"connect by sending", call(SYS_sendmsg, server, &letter, MSG_FASTOPEN | MSG_NOSIGNAL)},
        {"send a datagram", call(SYS_sendto, server, &byte, 1, MSG_NOSIGNAL, &port, sizeof port)},
        {"bind", call(SYS_bind, server, &port, sizeof port)},
        {"listen", call(SYS_listen, server, 1)},
        {"type on a terminal", call(SYS_ioctl, 0, TIOCSTI, &byte)},
        {"executable memory", call(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)},
        {"make memory executable", call(SYS_mprotect, reinterpret_cast<std::uintptr_t>(buffer) & ~4095ul, 4096, PROT_READ | PROT_EXEC)},
        {"257 MiB of memory", call(SYS_mmap, nullptr, 257 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM},
    };
}

}  // namespace

int main()
{
    const auto loop = event::make_loop();
    Intruder intruder(*loop);
    for (const std::string& gap : web::confine_process()) intruder.tell(gap);
    const auto patience = loop->after(kPatience * 12, "patience", [&] { loop->stop(); });
    loop->run();
    return 0;
}
