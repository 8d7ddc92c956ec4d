/* Stands between the guardian under test and libc (ld --wrap): notes every place that calls, fails the call a test asks
   for, and moves the clock. What a test asks for and what was seen lies in the file $XSVD_FAULTS, which both map; faults.py
   knows its layout. The counters of --coverage are written whenever the guardian ends, and SIGRTMAX ends it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern "C" void __gcov_dump();
extern "C" void __gcov_reset();

namespace {

using Handler = void (*)(int);
constexpr int kPlaces = 128;

struct Place {
    uint64_t address;  // where the call returns to
    char name[24];
    int64_t calls;
};

struct Shared {
    int64_t clock;       // milliseconds that all clocks are ahead
    uint64_t fail_at;    // of Place; 0: see fail_name
    char fail_name[24];  // any place that calls this
    int64_t skip;        // so many calls before the fault
    int64_t times;       // so many faults
    int64_t error;       // the errno; 0: says that it went well, and does nothing
    int64_t failed;      // so many faults were there
    int64_t still;       // milliseconds at which all clocks stand; 0: they go
    int64_t descriptors; // what getrlimit says of them; 0: the truth
    uint64_t count;
    Place places[kPlaces];
};

Shared nobody_asks;
Shared* shared = &nobody_asks;
char folder[256];               // of the counters
bool writing_counters = false;  // which calls the same functions

void write_counters()
{
    writing_counters = true;
    if (*folder != '\0') setenv("GCOV_PREFIX", folder, 1);  // what the environment was may be gone by now
    __gcov_dump();
    __gcov_reset();
    writing_counters = false;
}

void end(int) { _exit(0); }

__attribute__((constructor)) void begin()
{
    if (const char* prefix = getenv("GCOV_PREFIX"); prefix != nullptr) strncpy(folder, prefix, sizeof folder - 1);
    if (const char* path = getenv("XSVD_FAULTS"); path != nullptr) {
        writing_counters = true;
        const int fd = open(path, O_RDWR | O_CLOEXEC);
        void* const memory = mmap(nullptr, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) abort();
        close(fd);
        shared = static_cast<Shared*>(memory);
        writing_counters = false;
    }
    struct sigaction action{};
    action.sa_handler = end;
    sigaction(SIGRTMAX, &action, nullptr);
}

void note(const char* name, uint64_t address)
{
    for (Place& place : shared->places) {
        if (place.address == 0) {
            place.address = address;
            strncpy(place.name, name, sizeof place.name - 1);
            ++shared->count;
        }
        if (place.address != address) continue;
        ++place.calls;
        return;
    }
    abort();  // kPlaces are not enough
}

bool fails(const char* name, void* address)
{
    if (writing_counters) return false;
    const auto number = reinterpret_cast<uint64_t>(address);
    note(name, number);
    const bool meant = shared->fail_at != 0 ? shared->fail_at == number : strcmp(shared->fail_name, name) == 0;
    if (!meant || shared->times == 0) return false;
    if (shared->skip > 0) return --shared->skip, false;
    --shared->times;
    ++shared->failed;
    errno = static_cast<int>(shared->error);
    return true;
}

}  // namespace

#define PLACE __builtin_return_address(0)
#define DECLARE(name, result, parameters) \
    extern "C" result __real_##name parameters; \
    extern "C" result __wrap_##name parameters
/* One line for each function that enters the kernel, and those that get memory; a call of anything else is refused by
   faults.py. Those with variable arguments have as many as the guardian and the counters' library give them. */
#define CALL(name, result, failure, parameters, given) \
    DECLARE(name, result, parameters) \
    { \
        if (fails(#name, PLACE)) return shared->error == 0 ? static_cast<result>(0) : failure; \
        return __real_##name given; \
    }

CALL(access, int, -1, (const char* path, int mode), (path, mode))
CALL(dup2, int, -1, (int from, int to), (from, to))
CALL(fcntl, int, -1, (int fd, int what, long value), (fd, what, value))
CALL(kill, int, -1, (pid_t pid, int number), (pid, number))
CALL(madvise, int, -1, (void* begin, size_t size, int advice), (begin, size, advice))
CALL(mlockall, int, -1, (int flags), (flags))
CALL(mmap, void*, MAP_FAILED, (void* at, size_t size, int access, int flags, int fd, off_t offset),
     (at, size, access, flags, fd, offset))
CALL(open, int, -1, (const char* path, int flags, unsigned mode), (path, flags, mode))
CALL(pipe2, int, -1, (int* ends, int flags), (ends, flags))
CALL(poll, int, -1, (pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
CALL(prctl, int, -1, (int what, unsigned long a), (what, a))
CALL(putenv, int, -1, (char* text), (text))
CALL(read, ssize_t, -1, (int fd, void* to, size_t size), (fd, to, size))
CALL(readlink, ssize_t, -1, (const char* path, char* to, size_t size), (path, to, size))
CALL(recv, ssize_t, -1, (int fd, void* to, size_t size, int flags), (fd, to, size, flags))
CALL(recvmsg, ssize_t, -1, (int fd, msghdr* message, int flags), (fd, message, flags))
CALL(sendmsg, ssize_t, -1, (int fd, const msghdr* message, int flags), (fd, message, flags))
CALL(setenv, int, -1, (const char* name, const char* value, int replace), (name, value, replace))
CALL(setrlimit, int, -1, (int what, const void* limit), (what, limit))
CALL(setsid, pid_t, -1, (), ())
CALL(signal, Handler, SIG_ERR, (int number, Handler handler), (number, handler))
CALL(signalfd, int, -1, (int fd, const sigset_t* signals, int flags), (fd, signals, flags))
CALL(socketpair, int, -1, (int family, int type, int protocol, int* ends), (family, type, protocol, ends))
CALL(strdup, char*, nullptr, (const char* text), (text))
CALL(syscall, long, -1, (long number, long a, long b, void* c, long d, void* e), (number, a, b, c, d, e))
CALL(unsetenv, int, -1, (const char* name), (name))
CALL(waitid, int, -1, (idtype_t what, id_t id, siginfo_t* info, int flags), (what, id, info, flags))
CALL(write, ssize_t, -1, (int fd, const void* bytes, size_t size), (fd, bytes, size))

DECLARE(getrlimit, int, (int what, rlimit* limit))
{
    if (fails("getrlimit", PLACE)) return -1;
    if (shared->descriptors == 0) return __real_getrlimit(what, limit);
    limit->rlim_cur = limit->rlim_max = static_cast<rlim_t>(shared->descriptors);
    return 0;
}

/// Whatever close() says, the descriptor is closed.
DECLARE(close, int, (int fd))
{
    const bool failed = fails("close", PLACE);
    const int result = __real_close(fd);
    if (failed) errno = static_cast<int>(shared->error);
    return failed ? -1 : result;
}

DECLARE(clock_gettime, int, (clockid_t clock, timespec* time))
{
    if (fails("clock_gettime", PLACE)) return -1;
    const int result = __real_clock_gettime(clock, time);
    if (shared->still != 0) *time = {shared->still / 1000, shared->still % 1000 * 1000000};
    const int64_t milliseconds = time->tv_nsec / 1000000 + shared->clock % 1000;
    time->tv_sec += shared->clock / 1000 + milliseconds / 1000;
    time->tv_nsec = milliseconds % 1000 * 1000000 + time->tv_nsec % 1000000;
    return result;
}

/// SIGRTMAX is never blocked.
DECLARE(sigprocmask, int, (int how, const sigset_t* signals, sigset_t* before))
{
    if (fails("sigprocmask", PLACE)) return -1;
    sigset_t fewer = *signals;
    sigdelset(&fewer, SIGRTMAX);
    return __real_sigprocmask(how, &fewer, before);
}

DECLARE(fork, pid_t, ())
{
    if (fails("fork", PLACE)) return -1;
    const pid_t pid = __real_fork();
    if (pid == 0) __gcov_reset();  // the parent writes what was before
    return pid;
}

DECLARE(execve, int, (const char* path, char* const* arguments, char* const* environment))
{
    if (fails("execve", PLACE)) return -1;
    write_counters();
    return __real_execve(path, arguments, environment);
}

DECLARE(dprintf, int, (int fd, const char* format, ...))
{
    if (fails("dprintf", PLACE)) return -1;
    va_list arguments;
    va_start(arguments, format);
    const int length = vdprintf(fd, format, arguments);
    va_end(arguments);
    return length;
}

extern "C" [[noreturn]] void __real__exit(int code);
extern "C" [[noreturn]] void __wrap__exit(int code)
{
    write_counters();
    __real__exit(code);
}
