"""The file that faults.cpp and the tests share: what is to fail, how far the clock is ahead, and who called."""
import errno
import mmap
import struct

PLACES, PLACE = 128, struct.Struct("Q24sq")
CLOCK, FAIL_AT, FAIL_NAME, SKIP, TIMES, ERROR, FAILED, STILL, DESCRIPTORS = 0, 8, 16, 40, 48, 56, 64, 72, 80
AT_PLACES = 96

# What each call says when it fails. Every call of the guardian that enters the kernel or gets memory stands here.
ERRORS = {
    "access": [errno.EACCES], "clock_gettime": [errno.EINVAL], "close": [errno.EIO], "dprintf": [errno.EPIPE],
    "dup2": [errno.EBUSY], "execve": [errno.ETXTBSY], "fcntl": [errno.EBADF], "fork": [errno.EAGAIN],
    "getrlimit": [errno.EPERM], "kill": [errno.EPERM], "madvise": [errno.ENOMEM], "mlockall": [errno.ENOMEM],
    "mmap": [errno.ENOMEM], "open": [errno.EMFILE], "pipe2": [errno.ENFILE], "poll": [errno.ENOMEM], "prctl": [errno.EINVAL],
    "putenv": [errno.ENOMEM], "read": [errno.EIO], "readlink": [errno.ENOENT], "recv": [errno.ENOMEM],
    "recvmsg": [errno.ENOMEM], "sendmsg": [errno.ENOBUFS, errno.EAGAIN], "setenv": [errno.ENOMEM],
    "setrlimit": [errno.EPERM], "setsid": [errno.EPERM], "signal": [errno.EINVAL], "signalfd": [errno.EMFILE],
    "sigprocmask": [errno.EINVAL], "socketpair": [errno.ENFILE], "strdup": [errno.ENOMEM], "syscall": [errno.ECHILD],
    "unsetenv": [errno.EINVAL], "waitid": [errno.ECHILD], "write": [errno.ENOSPC],
}
# What it calls besides: none of these can fail, nor asks the kernel for anything that can be refused.
CANNOT_FAIL = {
    "_exit", "atoi", "getpid", "getenv", "secure_getenv", "environ", "__executable_start", "etext", "__errno_location", "snprintf", "strerror",
    "memchr", "memcpy", "memset", "strcmp", "strcpy", "strcspn", "strlen", "strncmp", "strncpy", "strrchr", "sigaddset", "sigemptyset", "sigfillset",
}
# Without these there is no start: one line says so, and the exit code is 127. After the start they are tried again.
NEEDED_AT_START = {"dup2", "execve", "fcntl", "fork", "mmap", "pipe2", "putenv", "read", "readlink", "setenv", "signalfd",
                   "sigprocmask", "socketpair", "strdup"}


class Faults:
    """The calls of one guardian."""

    def __init__(self, path):
        self.path = path
        with open(path, "w+b") as file:
            file.truncate(AT_PLACES + PLACES * PLACE.size)
            self.memory = mmap.mmap(file.fileno(), 0)

    def number(self, at):
        return struct.unpack_from("q", self.memory, at)[0]

    def set(self, at, number):
        struct.pack_into("q", self.memory, at, number)

    def arm(self, call, error, times=1, skip=0):
        """The next calls of that name (or from that place) fail. An error of 0 means: it does nothing, and says that it did."""
        self.set(TIMES, 0)
        struct.pack_into("Q24s", self.memory, FAIL_AT, *((0, call.encode()) if isinstance(call, str) else (call, b"")))
        for at, number in ((SKIP, skip), (ERROR, error), (FAILED, 0), (TIMES, times)):
            self.set(at, number)

    def disarm(self):
        self.set(TIMES, 0)

    @property
    def failed(self):
        return self.number(FAILED)

    def ahead(self, milliseconds):
        self.set(CLOCK, self.number(CLOCK) + milliseconds)

    def places(self):
        """{place: (name, calls)}: who called so far."""
        found = (PLACE.unpack_from(self.memory, AT_PLACES + n * PLACE.size) for n in range(PLACES))
        return {place: (name.rstrip(b"\0").decode(), calls) for place, name, calls in found if place != 0}

    def calls(self, name):
        return sum(calls for other, calls in self.places().values() if other == name)
