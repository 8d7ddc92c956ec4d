// The variables of a connection, in the vocabularies of xinetd and systemd (REMOTE_…) and of UCSPI (PROTO, TCP…, IPC…).
// Runs in the child: no library functions, no allocation.

#include <algorithm>
#include <string_view>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "sys/child.h"

namespace xsv::sys {
namespace {

constexpr std::string_view kConnectionNames[] = {
    "PROTO", "REMOTE_ADDR", "REMOTE_PORT", "REMOTE_HOST", "TCPREMOTEIP", "TCPREMOTEPORT", "TCPLOCALIP", "TCPLOCALPORT",
    "TCPREMOTEHOST", "TCPLOCALHOST", "TCPREMOTEINFO", "IPCREMOTEPID", "IPCREMOTEEUID", "IPCREMOTEEGID", "IPCREMOTEPATH", "SO_COOKIE",
    "XSVD_CONNECTION",
};
constexpr std::string_view kListenNames[] = {"LISTEN_PID", "LISTEN_PIDFDID"};
constexpr long kPidFileSystem = 0x50494446;

template <std::size_t N>
bool is_among(std::string_view name, const std::string_view (&names)[N])
{
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace

/// Fills one slot; what does not fit is cut off, and the end is always there.
class ChildVariables::Writer {
public:
    XSV_IN_CHILD Writer(ChildVariables& variables, const char* name) noexcept
        : at_(variables.slots_[variables.count_].data()), end_(at_ + sizeof(Slot) - 1)
    {
        ++variables.count_;
        text(name);
        put('=');
    }
    XSV_IN_CHILD ~Writer() { *at_ = '\0'; }

    XSV_IN_CHILD void text(const char* string) noexcept
    {
        while (*string) put(*string++);
    }
    XSV_IN_CHILD void number(unsigned long value) noexcept
    {
        char digits[20];
        int count = 0;
        do {
            digits[count++] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value);
        while (count) put(digits[--count]);
    }
    XSV_IN_CHILD void machine(std::uint32_t cid) noexcept
    {
        text("vsock:");
        number(cid);
    }
    XSV_IN_CHILD void address(const std::uint8_t* bytes, bool mapped) noexcept
    {
        if (mapped) {
            for (int i = 12; i < 16; ++i) {
                if (i > 12) put('.');
                number(bytes[i]);
            }
            return;
        }
        int longest = -1, length = 1;  // the first longest run of at least two zero groups becomes "::"
        for (int i = 0, run = 0; i < 8; ++i) {
            run = group(bytes, i) == 0 ? run + 1 : 0;
            if (run > length) {
                length = run;
                longest = i - run + 1;
            }
        }
        for (int i = 0; i < 8; ++i) {
            if (i == longest) {
                text("::");
                i += length - 1;
                continue;
            }
            if (i > 0 && i != longest + length) put(':');
            else if (i > 0 && longest < 0) put(':');
            hexadecimal(group(bytes, i));
        }
    }

private:
    XSV_IN_CHILD static unsigned group(const std::uint8_t* bytes, int index) noexcept
    {
        return static_cast<unsigned>(bytes[2 * index] << 8 | bytes[2 * index + 1]);
    }
    XSV_IN_CHILD void hexadecimal(unsigned value) noexcept
    {
        bool started = false;
        for (int shift = 12; shift >= 0; shift -= 4) {
            const unsigned digit = value >> shift & 0xf;
            started = started || digit != 0 || shift == 0;
            if (started) put("0123456789abcdef"[digit]);
        }
    }
    XSV_IN_CHILD void put(char c) noexcept
    {
        if (at_ < end_) *at_++ = c;
    }

    char* at_;
    char* end_;
};

bool ChildVariables::is_ours(const std::string& variable, bool connection, bool listen_pid, bool watchdog_pid)
{
    const std::string_view name = std::string_view(variable).substr(0, variable.find('='));
    return (connection && is_among(name, kConnectionNames)) || (listen_pid && is_among(name, kListenNames)) ||
           (watchdog_pid && name == "WATCHDOG_PID");
}

XSV_IN_CHILD void ChildVariables::add_connection(const Peer& peer, const char* path) noexcept
{
    const auto add_text = [this](const char* name, const char* value) XSV_IN_CHILD { Writer(*this, name).text(value); };
    const auto add_number = [this](const char* name, unsigned long value) XSV_IN_CHILD { Writer(*this, name).number(value); };
    if (peer.kind == Peer::Unix) {
        add_text("PROTO", "IPC");
        add_number("IPCREMOTEPID", static_cast<unsigned long>(peer.pid));
        add_number("IPCREMOTEEUID", peer.uid);
        add_number("IPCREMOTEEGID", peer.gid);
        if (!path || !*path) return;
        add_text("IPCREMOTEPATH", path);
        add_text("REMOTE_ADDR", path);
        return;
    }
    if (peer.kind == Peer::Vsock) {
        add_text("PROTO", "VSOCK");
        Writer(*this, "REMOTE_ADDR").machine(peer.uid);
        add_number("REMOTE_PORT", peer.gid);
        return;
    }
    const auto add_address = [&](const char* name, const std::uint8_t* bytes) XSV_IN_CHILD {
        Writer(*this, name).address(bytes, peer.mapped != 0);
    };
    const std::uint8_t* remote = peer.address.data();
    const std::uint8_t* local = peer.local.data();
    add_text("PROTO", "TCP");
    add_address("REMOTE_ADDR", remote);
    add_number("REMOTE_PORT", peer.port);
    add_address("REMOTE_HOST", remote);
    add_address("TCPREMOTEIP", remote);
    add_number("TCPREMOTEPORT", peer.port);
    add_address("TCPLOCALIP", local);
    add_number("TCPLOCALPORT", peer.local_port);
}

XSV_IN_CHILD void ChildVariables::add_cookie(int connection) noexcept
{
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (call(SYS_getsockopt, connection, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0) Writer(*this, "SO_COOKIE").number(cookie);
}

XSV_IN_CHILD void ChildVariables::add_connection_number(std::uint64_t number) noexcept
{
    Writer(*this, "XSVD_CONNECTION").number(number);
}

XSV_IN_CHILD void ChildVariables::add_listen_pid(int pid) noexcept
{
    Writer(*this, "LISTEN_PID").number(static_cast<unsigned long>(pid));
    // Since Linux 6.9 the inode of a pidfd is one process's for ever, which its number is not.
    const long pidfd = call(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) return;
    struct statfs system;
    struct statx status;
    const bool is_unique = call(SYS_fstatfs, pidfd, &system) == 0 && static_cast<long>(system.f_type) == kPidFileSystem;
    if (is_unique && call(SYS_statx, pidfd, "", AT_EMPTY_PATH, STATX_INO, &status) == 0) Writer(*this, "LISTEN_PIDFDID").number(status.stx_ino);
    call(SYS_close, pidfd);
}

XSV_IN_CHILD void ChildVariables::add_watchdog_pid(int pid) noexcept
{
    Writer(*this, "WATCHDOG_PID").number(static_cast<unsigned long>(pid));
}

}  // namespace xsv::sys
