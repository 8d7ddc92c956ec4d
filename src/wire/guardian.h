/* The packets between guardian and engine: one fixed-size message is one packet of a
   SOCK_SEQPACKET pair. The engine finds its end on descriptor 3 (kGuardianFd).
   Plain C types only: the guardian links libc and nothing else. */
#pragma once

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace xsv::wire {

constexpr int kGuardianFd = 3;     ///< where a started engine finds its end of the pair
constexpr int kKeySize = 136;      ///< of a held descriptor's key, with the final NUL
constexpr int kProbeSeconds = 5;   ///< between two probes
constexpr int kHangSeconds = 10;   ///< since the last answer: SIGABRT, and 2 s later SIGKILL
constexpr int kReadySeconds = 60;  ///< an engine not READY by then counts as hung

/// What a held descriptor is; the guardian keeps it and gives it back, and knows no more.
enum class HeldKind : uint32_t { Other = 0, Listener, Pipe, Table, Lock, Record, Channel, Pidfile, Process };

/* What a new engine reads, in this order:
     1. Fd for every held descriptor;
     2. Exit, Signal and Event packets its predecessor had not consumed, then End. Each is offered again to the next
        engine until one is READY;
     3. after its Ready: Event for what the guardian saw meanwhile, Exit for every child that has ended, Signal, Probe.
   Nobody is reaped between an engine's end and the next one's Ready, so until then no pid can come to mean another
   process. An Exit that was read but whose packet was not consumed (MSG_PEEK) arrives again: `sequence` tells. */
enum class GuardianMessage : uint32_t {
    // engine -> guardian
    Hold = 1,  ///< key, kind, with one descriptor: keep it; the same key again replaces it
    Drop,      ///< key: close it
    Ready,  ///< recovered: exits may be sent. What was held stays held until Drop: an engine drops the keys it does not
            ///< know
    Beat,   ///< the answer to Probe
    Upgrade,  ///< with the new guardian's executable as descriptor; this guardian answers with Event BadMessage
    Quit,     ///< number = exit code: the guardian ends as soon as the engine has ended
    Detach,   ///< no packet: an engine asks for the background by ending with kExitDetach
    // guardian -> engine
    Fd = 32,  ///< key, kind, with one descriptor, as it was held
    End,      ///< number = N of XSVD_ENGINE_START, number2 = 1 for hold mode (G7), number3 = guardian's pid
    Exit,     ///< sequence, pid, code (CLD_*), status, rusage: a child has ended, ours or an orphan that came to us
    Signal,   ///< number = a signal the guardian was sent: TERM INT QUIT HUP USR1 USR2
    Probe,    ///< answer with Beat
    Event,    ///< number = GuardianEvent, number2, number3: for the log (G4)
};

/// For the log of the next engine; number2 and number3 as said.
enum class GuardianEvent : uint32_t {
    EngineEnded = 1,  ///< CLD_* code, status
    EngineHung,       ///< milliseconds without an answer (of a start: without READY), 1 if it had been READY
    Stranger,         ///< not sent: the engine sees strangers as Exits of pids it does not know
    TableFull,        ///< descriptors refused so far, descriptors held
    BadMessage,       ///< bad packets so far, type of the last one
    EngineStuck,      ///< milliseconds it took to die after SIGKILL
    ExecFailed,       ///< errno of the engine's execve
};

struct GuardianPacket {
    uint32_t type;      ///< GuardianMessage
    uint32_t kind;      ///< HeldKind
    uint64_t sequence;  ///< of Exit: counts from 1, never repeats while the guardian lives
    int32_t pid;
    int32_t code;
    int32_t status;
    int32_t padding;
    int64_t number, number2, number3;
    int64_t user_us, system_us, max_rss_kb;  ///< of Exit
    char key[kKeySize];
};
static_assert(sizeof(GuardianPacket) == 216, "both ends are built from one header, but not always on one day");

inline GuardianPacket make_packet(GuardianMessage type, int64_t number = 0, int64_t number2 = 0,
                                  int64_t number3 = 0) noexcept
{
    GuardianPacket packet{};
    packet.type = static_cast<uint32_t>(type);
    packet.number = number;
    packet.number2 = number2;
    packet.number3 = number3;
    return packet;
}

/// Never blocks. False: errno tells why, and EAGAIN that there is no room. The descriptor stays the caller's.
inline bool send_packet(int socket, const GuardianPacket& packet, int fd = -1) noexcept
{
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    iovec data{const_cast<GuardianPacket*>(&packet), sizeof packet};
    msghdr message{nullptr, 0, &data, 1, fd >= 0 ? control : nullptr, fd >= 0 ? sizeof control : 0, 0};
    if (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr) {
        part->cmsg_len = CMSG_LEN(sizeof fd);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/// Never blocks. False: nothing there. At the end of the line (POLLHUP) bad packets come. The descriptor, or -1,
/// becomes the caller's. A packet of wrong size, without end of key, or with more than one descriptor comes back as
/// type 0, its descriptors closed (F7).
inline bool receive_packet(int socket, GuardianPacket& packet, int& fd) noexcept
{
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof fd)];  // one too many; the kernel closes the others
    iovec data{&packet, sizeof packet};
    msghdr message{nullptr, 0, &data, 1, control, sizeof control, 0};
    const ssize_t length = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) return false;

    const bool whole = length == sizeof packet && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
                       memchr(packet.key, '\0', sizeof packet.key) != nullptr;
    const cmsghdr* const part = CMSG_FIRSTHDR(&message);  // nothing but SCM_RIGHTS is sent to us
    const size_t count = part != nullptr ? (part->cmsg_len - CMSG_LEN(0)) / sizeof fd : 0;
    const bool good = whole && count <= 1;
    for (size_t i = 0; i < count; ++i) {
        memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
        if (!good) close(fd);
    }
    if (!good || count == 0) fd = -1;
    if (!good) packet.type = 0;
    return true;
}

/* The engine's environment tells which start it is:
     XSVD_ENGINE_START=N     0 for the first one (and for the first one in the background)
     XSVD_DETACHED=1         the guardian has gone to the background
     XSVD_NOFILE_SOFT=N      the soft limit of descriptors the guardian was started with: programs get it back (F5)
   It inherits the guardian's oom_score_adj, -1000 where that was allowed: programs need their own (M8).

   When the guardian dies, the engine executes it anew in its own place (same pid, same arguments, same environment) with
     XSVD_HELD=N             a file on descriptor N with what was held, as the packets of a hand-over: Fd with the descriptor's
                             number here as `number`, and at last End with `number` = the next XSVD_ENGINE_START, number2 as
                             ever, and `sequence` = that of the last Exit
   Such a guardian has been READY before. The programs are children of others from then on: nobody sends Exits of theirs.

   The guardian reads XSVD_ENGINE (the engine's executable) and XSVD_WATCHDOG (0: nobody is killed for hanging).
   The engine leads a session of its own, so a terminal's signals reach the guardian only.

   Going to the background: the first engine reads the configuration, finds that it should, and exits with
   kExitDetach before it spawned anything. The guardian then forks; the child (new session, pid of the daemon from
   then on) starts the engine again with XSVD_DETACHED=1; the parent waits for that engine's READY (exit 0) or its
   end (its exit code). An engine that exits before its first READY with any other code ends the guardian with it. */
constexpr const char* kHeldVariable = "XSVD_HELD";
constexpr int kExitDetach = 79;
constexpr int kExitAgain = 78;  ///< "start me again at once": after an upgrade, and on request, once it was READY

}  // namespace xsv::wire
