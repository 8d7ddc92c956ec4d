/* xsvd: the guardian. It holds a duplicate of every descriptor worth keeping, is the parent of every program, and keeps
   an engine running. It decides nothing and reads nothing a stranger wrote: whatever may fail, fails elsewhere.

   Its life is one loop around one poll(). It has one thread, waits for nothing but that poll, and after its start uses
   neither heap nor stdio; the start is over when the first engine is READY. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "wire/guardian.h"  // and what it needs of sockets and strings

extern "C" char __executable_start[], etext[];  // our own code, from the linker

namespace {

using namespace xsv::wire;
using enum GuardianMessage;

using Time = int64_t;  // milliseconds
constexpr Time kSecond = 1000, kNever = INT64_MAX;

/// A suspended machine does not make an engine look hung; where its sleep should count, BOOTTIME is asked for.
Time now(clockid_t clock = CLOCK_MONOTONIC) noexcept
{
    timespec time{};
    clock_gettime(clock, &time);
    return Time{time.tv_sec} * 1000 + time.tv_nsec / 1000000;
}

/// For people at the terminal, while there is no engine that could log.
[[noreturn]] void give_up(const char* what, const char* which = "") noexcept
{
    dprintf(STDERR_FILENO, "xsvd: %s%s: %s\n", what, which, strerror(errno));
    _exit(127);
}

void* map_memory(size_t size, int sharing) noexcept
{
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) give_up("cannot allocate memory");
    return memory;
}

/// Descriptors by key. Entries lie side by side, so that memory is touched in proportion to what is held.
struct HeldTable {
    static constexpr uint32_t kMost = 65536, kBuckets = 4096;
    static constexpr uint32_t kFreeDescriptors = 64;  // never filled by what is held (F6)
    struct Held {
        char key[kKeySize];
        uint32_t kind;
        int fd;
        uint32_t next;  // in its bucket. All links are place + 1, and 0 at the end.
    };
    Held* entries = nullptr;
    uint32_t capacity = 0, used = 0, buckets[kBuckets] = {};

    void create(rlim_t limit) noexcept
    {
        capacity = limit < kMost ? static_cast<uint32_t>(limit) : kMost;
        capacity -= capacity > 2 * kFreeDescriptors ? kFreeDescriptors : capacity / 2;
        entries = static_cast<Held*>(map_memory(capacity * sizeof(Held), MAP_PRIVATE));
    }

    uint32_t& link_to(const char* key) noexcept
    {
        uint32_t hash = 2166136261u;  // FNV-1a
        for (const char* c = key; *c != '\0'; ++c) hash = (hash ^ static_cast<unsigned char>(*c)) * 16777619u;
        uint32_t* link = &buckets[hash % kBuckets];
        while (*link != 0 && strcmp(entries[*link - 1].key, key) != 0) link = &entries[*link - 1].next;
        return *link;
    }

    /// False: no room, and the descriptor is still the caller's.
    bool hold(const GuardianPacket& packet, int fd) noexcept
    {
        uint32_t& link = link_to(packet.key);
        if (link == 0 && used == capacity) return false;
        if (link != 0) close(entries[link - 1].fd);
        if (link == 0) entries[used].next = 0, link = ++used;
        Held& held = entries[link - 1];
        held.kind = packet.kind, held.fd = fd, memcpy(held.key, packet.key, sizeof held.key);
        return true;
    }

    /// The last one takes the place: whoever walks from the end to the beginning misses none.
    void drop(const char* key) noexcept
    {
        uint32_t& link = link_to(key);
        if (link == 0) return;
        const uint32_t place = link;
        close(entries[place - 1].fd);
        link = entries[place - 1].next;
        if (place != used) link_to(entries[used - 1].key) = place;
        entries[place - 1] = entries[--used];
    }
} held_table;

/// What an engine should log for us; of too many the oldest go (G4).
struct EventRing {
    static constexpr uint32_t kSize = 64;
    GuardianPacket ring[kSize];
    uint32_t first = 0, count = 0;
    int64_t bad = 0;

    void note(GuardianEvent what, int64_t number2, int64_t number3) noexcept
    {
        const GuardianPacket event = make_packet(Event, static_cast<int64_t>(what), number2, number3);
        const bool sums = what == GuardianEvent::BadMessage || what == GuardianEvent::TableFull;
        if (sums && count > 0 && ring[(first + count - 1) % kSize].number == event.number) --count;
        if (count == kSize) drop_oldest();
        ring[(first + count++) % kSize] = event;
    }
    void note_bad(uint32_t type) noexcept { note(GuardianEvent::BadMessage, ++bad, type); }
    void drop_oldest() noexcept { first = (first + 1) % kSize, --count; }
} events;

/// How long the next engine has to wait, and whether it should be careful (G7).
struct CrashRecord {
    static constexpr unsigned kMany = 5, kLongest = 4;
    static constexpr Time kDelays[kLongest + 1] = {0, 50, 250, kSecond, 5 * kSecond};
    Time ends[kMany] = {};
    unsigned count = 0, failures = 0;
    bool hold = false;

    Time note(Time boot_time, bool had_been_fine) noexcept
    {
        if (count > 0 && boot_time - ends[(count - 1) % kMany] >= 600 * kSecond) hold = false;
        ends[count++ % kMany] = boot_time;
        if (count >= kMany && boot_time - ends[count % kMany] <= 60 * kSecond) hold = true;
        if (had_been_fine) failures = 0;
        return kDelays[failures < kLongest ? failures++ : kLongest];
    }
} crashes;

/// The way to the engine and back. We keep its end too, with what a dead engine has not read.
constexpr uint32_t kMostUnread = 4096;  // more than a socket holds
GuardianPacket kept[kMostUnread];       // untouched memory until it is needed
struct Line {
    int ours = -1, theirs = -1;
    uint32_t unread = 0;
    bool full = false;       // until POLLOUT
    bool cut = false;        // the engine has shut its end down
    Time retry_at = 0;       // the kernel refused for want of memory, or for too many descriptors under way

    bool can_send() const noexcept { return !full && !cut && now() >= retry_at; }

    bool send(const GuardianPacket& packet, int fd = -1) noexcept
    {
        const bool sent = send_packet(ours, packet, fd);
        full = !sent && errno == EAGAIN;
        cut = !sent && errno == EPIPE;
        retry_at = sent || full ? 0 : now() + 50;
        return sent;
    }

    /// Each engine gets a pair of its own, so that nothing said to or by a dead one is taken for new. What one that had been
    /// READY should have read is kept for its successor, until that one is READY in its turn.
    bool renew(bool predecessor_was_ready) noexcept
    {
        int next[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, next) != 0) return false;
        for (uint32_t room = kMostUnread - unread; predecessor_was_ready && room > 0; --room) {
            const ssize_t length = recv(theirs, &kept[unread], sizeof *kept, MSG_DONTWAIT);
            if (length == 0 || (length < 0 && errno == EAGAIN)) break;
            const auto type = static_cast<GuardianMessage>(kept[unread].type);
            if (length == sizeof *kept && (type == Exit || type == Signal || type == Event)) ++unread;
        }
        if (ours >= 0) close(ours), close(theirs);
        ours = next[0], theirs = next[1], full = cut = false, retry_at = 0;
        return true;
    }
} line;

/// What the engine gets, besides the environment.
struct Heritage {
    char** argv = nullptr;
    const char* engine = nullptr;
    char start[40] = "XSVD_ENGINE_START=0", files[40] = {}, path[PATH_MAX + 64] = {};

    /// XSVD_ENGINE first: whoever can set root's environment is root already, and setuid programs do not look at it.
    void find_engine() noexcept
    {
        engine = secure_getenv("XSVD_ENGINE");
        if (engine != nullptr && *engine != '\0') return;
        engine = path;
        char* const name = readlink("/proc/self/exe", path, PATH_MAX) > 0 ? strrchr(path, '/') + 1 : nullptr;
        const char* const places[] = {"xsvd-engine", "../libexec/xsvd/xsvd-engine"};
        for (const char* place : places)
            if (name != nullptr && (strcpy(name, place), access(path, X_OK) == 0)) return;
        strcpy(path, XSV_LIBEXEC "/xsvd-engine");
    }
} heritage;

/// How far the suspicion against the engine goes; each has a time at which the next follows.
enum class Watch { Starting, Calm, Asked, Aborting, Killed };

struct Engine {
    pid_t pid = 0;  // 0: none
    Watch watch = Watch::Starting;
    Time due = kNever;  // when suspicion grows
    Time since = 0;     // start, last answer, or SIGKILL
    Time ready_at = 0;  // boot time; 0: not READY yet
    bool handed_over = false, probe_waits = false;
    uint32_t unsent = UINT32_MAX;  // the held descriptors before this place
    uint32_t told = 0;  // of what its predecessor left unread
    int refusals = 0;   // of the descriptor that is due

    bool is_ready() const noexcept { return ready_at != 0; }
    void move(Watch to, Time until) noexcept { watch = to, due = until; }
    void rest(bool watched) noexcept  // it has shown that it lives
    {
        since = now();
        move(Watch::Calm, watched ? since + kProbeSeconds * kSecond : kNever);
    }
} engine;

struct Life {
    int signals = -1, report = -1;  // report: who waits at the terminal for us to be READY in the background
    int* exec_error = nullptr;      // shared with the engine until it executes
    Time start_at = 0;              // of the next engine
    uint64_t starts = 0, exits = 0, signals_waiting = 0;
    int64_t overflows = 0;
    int quit_code = -1, stop_signal = 0;
    bool watchdog = true, ever_ready = false, detached = false, busy = false, successor_reads = false;
} life;

void engine_is_ready() noexcept
{
    if (engine.is_ready()) return;
    engine.ready_at = now(CLOCK_BOOTTIME);
    // Starting touched much of libc that is not needed again; what is needed comes back from the page cache.
    madvise(__executable_start, static_cast<size_t>(etext - __executable_start), MADV_DONTNEED);
    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
    life.ever_ready = life.successor_reads = true;
    line.unread = 0;
    if (engine.watch == Watch::Starting) engine.rest(life.watchdog);
    if (life.report < 0) return;
    setsid();
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= 2; ++fd) dup2(null, fd);
    if (null >= 0) close(null);
    (void)!write(life.report, "", 1);
    close(life.report), life.report = -1;
}

void obey(const GuardianPacket& packet, int fd) noexcept
{
    const auto type = static_cast<GuardianMessage>(packet.type);
    if (type == Hold && fd >= 0) {
        if (held_table.hold(packet, fd)) return;
        close(fd);
        return events.note(GuardianEvent::TableFull, ++life.overflows, held_table.used);
    }
    if (fd >= 0) close(fd);
    if (fd >= 0 || (type != Drop && type != Ready && type != Beat && type != Quit)) return events.note_bad(packet.type);
    if (type == Drop) held_table.drop(packet.key);
    if (type == Ready) engine_is_ready();
    if (type == Beat && engine.watch == Watch::Asked) engine.rest(life.watchdog);
    if (type == Quit) life.quit_code = static_cast<int>(packet.number & 255);
}

constexpr int kPacketsPerTurn = 256;  // then signals and clocks get their turn
constexpr int kPacketsAtEnd = 4096;   // more than the socket holds, and an end where it was shut down

void receive(int most) noexcept
{
    GuardianPacket packet;
    int fd;
    while (most-- > 0 && receive_packet(line.ours, packet, fd)) obey(packet, fd);
}

void read_signals() noexcept
{
    signalfd_siginfo info;
    while (read(life.signals, &info, sizeof info) == sizeof info) {
        const int number = static_cast<int>(info.ssi_signo);
        if (number != SIGCHLD) life.signals_waiting |= uint64_t{1} << number;
        // Until the first READY there is nothing to stop but the engine, which may never come to read its packets.
        if (life.ever_ready || (number != SIGTERM && number != SIGINT && number != SIGQUIT)) continue;
        life.stop_signal = number;
        if (engine.pid != 0) kill(engine.pid, number);
    }
}

[[noreturn]] void become_engine() noexcept
{
    setsid();
    for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    snprintf(heritage.start, sizeof heritage.start, "XSVD_ENGINE_START=%" PRIu64, life.starts);
    const bool prepared = sigprocmask(SIG_SETMASK, &none, nullptr) == 0 && dup2(line.theirs, kGuardianFd) >= 0 &&
                          fcntl(kGuardianFd, F_SETFD, 0) == 0;  // dup2 leaves the flag where both numbers are the same
    if (prepared) execve(heritage.engine, heritage.argv, environ);
    *life.exec_error = errno;
    if (!life.ever_ready) give_up("cannot start ", heritage.engine);
    _exit(127);
}

void start_engine() noexcept
{
    const pid_t pid = line.renew(life.successor_reads) ? fork() : -1;
    if (pid == 0) become_engine();
    life.start_at = now() + 50;  // for another try
    if (pid < 0 && !life.ever_ready) give_up("cannot start the engine");
    if (pid < 0) return;
    ++life.starts;
    life.successor_reads = false;
    engine = {.pid = pid, .since = now()};
    if (life.watchdog) engine.due = engine.since + kReadySeconds * kSecond;
}

/// The terminal and its signals stay with us until the engine is READY, which has something to say there till then. The
/// process that was started at the terminal tells how it went.
void go_to_background() noexcept
{
    int report[2];
    const pid_t daemon = setenv("XSVD_DETACHED", "1", 1) == 0 && pipe2(report, O_CLOEXEC) == 0 ? fork() : -1;
    if (daemon < 0) give_up("cannot go to the background");
    close(report[daemon > 0 ? 1 : 0]);
    if (daemon > 0) {
        char ready;
        if (read(report[0], &ready, 1) == 1) _exit(0);
        siginfo_t end{};
        waitid(P_PID, static_cast<id_t>(daemon), &end, WEXITED);
        _exit(end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);  // a fork does not inherit it
    life.report = report[1], life.detached = true, life.starts = 0;
}

/// The engine is asked for by its number: among other dead children it would not come first.
void look_for_end() noexcept
{
    siginfo_t end{};
    const auto pid = static_cast<id_t>(engine.pid);
    if (waitid(P_PID, pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0 || end.si_pid == 0) return;
    receive(kPacketsAtEnd);
    waitid(P_PID, pid, &end, WEXITED | WNOHANG);

    const Engine past = engine;
    const bool exited = end.si_code == CLD_EXITED;
    const int code = exited ? end.si_status : 128 + end.si_status;
    engine = {}, life.start_at = now();
    if (life.quit_code >= 0) _exit(life.quit_code);
    if (!life.ever_ready) {
        if (life.stop_signal != 0) _exit(128 + life.stop_signal);
        if (!exited || code != kExitDetach || life.detached) _exit(code);
        return go_to_background();
    }
    if (exited && code == kExitAgain && past.is_ready()) return;

    if (*life.exec_error != 0) events.note(GuardianEvent::ExecFailed, *life.exec_error, 0);
    *life.exec_error = 0;
    events.note(GuardianEvent::EngineEnded, end.si_code, end.si_status);
    const Time dying = past.watch == Watch::Killed ? now() - past.since : 0;
    if (dying > kSecond) events.note(GuardianEvent::EngineStuck, dying, 0);
    // A SIGKILL that is not ours comes from outside and says nothing about the engine: the next one need not wait.
    const bool from_outside = end.si_code == CLD_KILLED && end.si_status == SIGKILL && past.watch < Watch::Aborting;
    const Time boot_time = now(CLOCK_BOOTTIME);
    const bool had_been_fine = past.is_ready() && (from_outside || boot_time - past.ready_at >= 10 * kSecond);
    life.start_at += crashes.note(boot_time, had_been_fine);
}

/// However long the engine takes to die, there is never a second one beside it (G3).
void kill_engine() noexcept
{
    if (engine.watch != Watch::Killed) engine.since = now();
    engine.move(Watch::Killed, now() + kSecond);  // and once more, should this one have been refused
    kill(engine.pid, SIGKILL);
}

void watch_clock() noexcept
{
    const Time late = now() - engine.due;
    if (late < 0) return;
    const bool waits = engine.watch == Watch::Starting || engine.watch == Watch::Asked;
    // We overslept (were stopped, or the whole machine was): the engine may have, too, and gets its time again.
    if (waits && late > kSecond) return engine.move(engine.watch, now() + kProbeSeconds * kSecond);
    if (waits) {
        events.note(GuardianEvent::EngineHung, now() - engine.since, engine.is_ready() ? 1 : 0);
        engine.move(Watch::Aborting, now() + 2 * kSecond), kill(engine.pid, SIGABRT);  // for a core
    } else if (engine.watch == Watch::Calm) {
        engine.probe_waits = true, engine.move(Watch::Asked, now() + (kHangSeconds - kProbeSeconds) * kSecond);
    } else {
        kill_engine();
    }
}

bool hand_over() noexcept
{
    if (engine.unsent > held_table.used) engine.unsent = held_table.used;
    if (engine.unsent == 0 && engine.told < line.unread) return line.send(kept[engine.told]) && (++engine.told, true);
    const auto start = static_cast<int64_t>(life.starts - 1);
    if (engine.unsent == 0) return engine.handed_over = line.send(make_packet(End, start, crashes.hold, getpid()));
    const HeldTable::Held& held = held_table.entries[engine.unsent - 1];
    GuardianPacket packet = make_packet(Fd);
    packet.kind = held.kind, memcpy(packet.key, held.key, sizeof packet.key);
    // One that the kernel refuses to send for a whole second is left out: better an engine without it than none.
    if (!line.send(packet, held.fd) && (line.full || ++engine.refusals < 20)) return false;
    engine.refusals = 0, --engine.unsent;
    return true;
}

/// Peek, send, reap: a child nobody has been told of stays a zombie, and zombies are the queue.
bool report_exit() noexcept
{
    siginfo_t end{};
    rusage usage{};
    constexpr int kPeek = WEXITED | WNOHANG | WNOWAIT | __WALL;
    if (syscall(SYS_waitid, P_ALL, 0, &end, kPeek, &usage) != 0) return false;  // glibc's has no place for the usage
    if (end.si_pid == 0 || end.si_pid == engine.pid) return false;
    GuardianPacket packet = make_packet(Exit);
    packet.sequence = life.exits + 1;
    packet.pid = end.si_pid, packet.code = end.si_code, packet.status = end.si_status;
    packet.user_us = int64_t{usage.ru_utime.tv_sec} * 1000000 + usage.ru_utime.tv_usec;
    packet.system_us = int64_t{usage.ru_stime.tv_sec} * 1000000 + usage.ru_stime.tv_usec;
    packet.max_rss_kb = usage.ru_maxrss;
    if (!line.send(packet)) return false;
    ++life.exits;
    waitid(P_PID, static_cast<id_t>(end.si_pid), &end, WEXITED | WNOHANG | __WALL);
    return true;
}

/// One packet, in the order wire/guardian.h promises. False: nothing to send, or no room.
bool send_next() noexcept
{
    if (!engine.handed_over) return hand_over();
    if (!engine.is_ready()) return false;  // which may end before it reads anything
    if (events.count > 0) return line.send(events.ring[events.first]) && (events.drop_oldest(), true);
    if (engine.probe_waits) return !(engine.probe_waits = !line.send(make_packet(Probe)));
    if (life.signals_waiting == 0) return report_exit();
    const int number = __builtin_ctzll(life.signals_waiting);
    if (!line.send(make_packet(Signal, number))) return false;
    life.signals_waiting &= ~(uint64_t{1} << number);
    return true;
}

void send() noexcept
{
    int most = kPacketsPerTurn;
    while (most > 0 && engine.pid != 0 && line.can_send() && send_next()) --most;
    life.busy = most == 0;
}

int sleep_time() noexcept
{
    if (life.busy) return 0;
    Time until = engine.pid == 0 ? life.start_at : engine.due;
    if (engine.pid != 0 && line.retry_at != 0 && line.retry_at < until) until = line.retry_at;
    if (until == kNever) return -1;
    return until > now() ? static_cast<int>(until - now()) : 0;
}

[[noreturn]] void run() noexcept
{
    for (;;) {
        const int wanted = POLLIN | POLLRDHUP | (line.full ? POLLOUT : 0);
        pollfd watched[] = {{life.signals, POLLIN, 0}, {line.cut ? -1 : line.ours, static_cast<short>(wanted), 0}};
        poll(watched, 2, sleep_time());
        if ((watched[1].revents & POLLOUT) != 0) line.full = false;
        if ((watched[1].revents & POLLIN) != 0) receive(kPacketsPerTurn);
        if (watched[0].revents != 0) read_signals();  // after a READY that was sent before them
        if ((watched[1].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) line.cut = true;
        if (engine.pid != 0) look_for_end();
        if (engine.pid != 0) watch_clock();
        if (engine.pid == 0 && now() >= life.start_at) start_engine();
        send();
        if (!line.cut || engine.pid == 0 || engine.watch == Watch::Killed) continue;
        events.note_bad(0);  // an engine nothing can be said to is as good as none; the next one gets a new pair
        kill_engine();
    }
}

void copy_strings(char** strings) noexcept
{
    for (; *strings != nullptr; ++strings)
        if ((*strings = strdup(*strings)) == nullptr) give_up("cannot allocate memory");
}

/// Lets ps show what we are, where our arguments and environment lay. When the last byte of the arguments is not NUL,
/// the kernel shows one string from their beginning on, which may reach into the environment.
void set_title(char** argv) noexcept
{
    const char* const slash = strrchr(argv[0], '/');
    const bool stands_in = strcmp(slash != nullptr ? slash + 1 : argv[0], "supervisord") == 0;
    prctl(PR_SET_NAME, stands_in ? "supervisord" : "xsvd");

    char *const begin = argv[0], *end = begin;
    for (char** argument = argv; *argument == end; ++argument) end += strlen(end) + 1;
    char* const last = end - 1;
    for (char** entry = environ; *entry == end; ++entry) end += strlen(end) + 1;
    copy_strings(argv);
    copy_strings(environ);
    memset(begin, 0, static_cast<size_t>(end - begin));
    strncpy(begin, stands_in ? "supervisord: guardian" : "xsvd: guardian", static_cast<size_t>(end - begin) - 1);
    if (begin + strlen(begin) < last) *last = '.';
}

/// 0, 1 and 2 are always open (F4): else a socket would become somebody's standard error.
void open_standard_descriptors() noexcept
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2) continue;
    close(fd);
}

/// We use what the hard limit allows; programs get the soft one back (F5).
rlim_t raise_file_limit() noexcept
{
    rlimit files{1024, 1024};
    getrlimit(RLIMIT_NOFILE, &files);
    snprintf(heritage.files, sizeof heritage.files, "XSVD_NOFILE_SOFT=%" PRIu64, uint64_t{files.rlim_cur});
    const rlimit raised{files.rlim_max, files.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : files.rlim_cur;
}

/// Sockets that our parent passes on (LISTEN_FDS) are held as if an engine had said so; the key tells place and name.
void hold_received() noexcept
{
    const char *const pid = getenv("LISTEN_PID"), *const count = getenv("LISTEN_FDS"), *name = getenv("LISTEN_FDNAMES");
    if (pid == nullptr || count == nullptr || atoi(pid) != getpid()) return;
    for (int place = 0; place < atoi(count) && fcntl(3 + place, F_SETFD, FD_CLOEXEC) == 0; ++place) {
        const int length = name != nullptr ? static_cast<int>(strcspn(name, ":")) : 0;
        GuardianPacket packet = make_packet(Hold);
        snprintf(packet.key, sizeof packet.key, "received %d %.*s", place, length, length > 0 ? name : "");
        held_table.hold(packet, 3 + place);
        if (name != nullptr) name += length + (name[length] == ':');
    }
}

/// We have been executed in the place of a guardian that died (XSVD_HELD): we hold what it held, and go on with its counts.
void succeed(int list) noexcept
{
    GuardianPacket packet{};
    while (read(list, &packet, sizeof packet) == sizeof packet && packet.type != static_cast<uint32_t>(End)) {
        const int fd = static_cast<int>(packet.number);
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) held_table.hold(packet, fd);
    }
    if (packet.type != static_cast<uint32_t>(End)) give_up("cannot read what was held");
    life.starts = static_cast<uint64_t>(packet.number), life.exits = packet.sequence, crashes.hold = packet.number2 != 0;
    life.ever_ready = true;
    close(list);
}

/// The last process the kernel should sacrifice, where we may be (M8). The engine starts with our value.
void ask_for_mercy() noexcept
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    (void)!write(fd, "-1000", 5);
    close(fd);
}

/// Everything is blocked: what we do not read cannot end us. An ignored SIGCHLD would reap behind our back.
void take_signals() noexcept
{
    signal(SIGCHLD, SIG_DFL);
    sigset_t all, ours;
    sigfillset(&all), sigemptyset(&ours);
    const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
    for (int number : numbers) sigaddset(&ours, number);
    const bool blocked = sigprocmask(SIG_SETMASK, &all, nullptr) == 0;
    if (!blocked || (life.signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) give_up("cannot read signals");
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc < 1) return 2;
    open_standard_descriptors();
    set_title(argv);
    held_table.create(raise_file_limit());
    hold_received();
    ask_for_mercy();
    const char* const list = getenv(kHeldVariable);
    if (list != nullptr) succeed(atoi(list));  // and XSVD_DETACHED and XSVD_NOFILE_SOFT are as they were
    else if (unsetenv("XSVD_DETACHED"), putenv(heritage.files) != 0) give_up("cannot allocate memory");
    if (putenv(heritage.start) != 0) give_up("cannot allocate memory");
    heritage.argv = argv;
    heritage.find_engine();
    if (const char* const watchdog = getenv("XSVD_WATCHDOG")) life.watchdog = strcmp(watchdog, "0") != 0;
    for (int i = 1; i < argc; ++i) life.watchdog &= strncmp(argv[i], "--run", 5) != 0;  // as long as its program likes
    life.exec_error = static_cast<int*>(map_memory(sizeof *life.exec_error, MAP_SHARED));
    take_signals();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    run();
}
