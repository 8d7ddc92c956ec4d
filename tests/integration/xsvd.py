"""A real xsvd in a temporary folder, and what its tests ask it. Python's standard library only.

    class Echo(xsvd.TestCase):
        def test_it(self):
            port = xsvd.free_port()
            daemon = self.daemon(f'''
                [program:echo]
                command = /bin/cat
                socket = tcp4:127.0.0.1:{port}
                activation = per_connection''')
            self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"hello")

The daemon is ended by the test case, which also looks whether every process of it is gone. When a test fails, the daemon's
log and configuration are printed. XSV_BUILD names the build folder.
"""
import contextlib
import http.client
import os
import pwd
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import xmlrpc.client
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("XSV_BUILD", TREE / "build" / "dev")).resolve()
XSVD, XSVCTL = BUILD / "bin" / "xsvd", BUILD / "bin" / "xsvctl"
LOAD, CHILD = BUILD / "tests" / "kill_load", BUILD / "tests" / "kill_child"
PROGRAM = f"/usr/bin/python3 -I -S {Path(__file__).resolve().parent / 'program.py'}"
SANITIZED = b"libasan" in (BUILD / "bin" / "xsvd-engine").read_bytes() if (BUILD / "bin" / "xsvd-engine").exists() else False
# How long anything may take that normally takes milliseconds: the machine has other things to do.
PATIENCE = 60.0 if SANITIZED else 30.0


# ---------------------------------------------------------------- waiting

def until(condition, what, patience=None, pause=0.005):
    """Waits until condition() is true and returns what it said; fails with `what` (a text or a function) otherwise."""
    deadline = time.monotonic() + (patience or PATIENCE)
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain: " + (what() if callable(what) else what))
        time.sleep(pause)


# ---------------------------------------------------------------- ports, sockets

_given = set()


def free_port(kind=socket.SOCK_STREAM):
    """A port nobody uses on 127.0.0.1 and ::1, never the same one twice, and below the range from which the kernel takes
    callers' ports: between this look and the daemon's bind nobody gets it by chance."""
    for _ in range(200):
        port = random.randrange(10000, 32768)
        with socket.socket(socket.AF_INET, kind) as four, socket.socket(socket.AF_INET6, kind) as six:
            try:
                four.bind(("127.0.0.1", port))
                six.bind(("::1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
    raise RuntimeError("no free port")


def connect(address, timeout=None, source=None):
    """A connection to ("127.0.0.1", 80), ("::1", 80), "/a/path" or "@abstract"."""
    if isinstance(address, str):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout or PATIENCE)
        try:
            s.connect("\0" + address[1:] if address.startswith("@") else address)
        except BaseException:
            s.close()
            raise
        return s
    return socket.create_connection(address, timeout or PATIENCE, source_address=(source, 0) if source else None)


def read_all(s):
    """Everything until the other side ends; a reset counts as its end."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := s.recv(65536):
            parts.append(part)
    return b"".join(parts)


def talk(address, request=b"", source=None):
    """Sends the request, ends the sending side, and returns the whole answer."""
    with connect(address, source=source) as s:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
        return read_all(s)


def is_refused(address):
    try:
        connect(address).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


def listener_inode(port=None, path=None):
    """The inode of the listening socket at this port or unix path (None: nobody listens)."""
    if path is not None:
        name = "@" + path[1:] if path.startswith("@") else path
        for line in Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
            fields = line.split()
            if len(fields) == 8 and fields[7] == name and int(fields[3], 16) & 0x10000:
                return int(fields[6])
        return None
    found = listener_inodes(port)
    return found[0] if found else None


def listener_inodes(port):
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if int(fields[1].split(":")[1], 16) == port and fields[3] == "0A":
                    found.append(int(fields[9]))
    return sorted(found)


# ---------------------------------------------------------------- processes

class Process:
    """A process as /proc shows it; `begun` tells a reused number from the old owner."""

    def __init__(self, pid):
        self.pid = pid
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        self.state, self.parent, self.group, self.session = fields[0], int(fields[1]), int(fields[2]), int(fields[3])
        self.cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        self.threads, self.begun = int(fields[17]), int(fields[19])
        self.title = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()

    def is_there(self):
        """Still the same process, and not a zombie. The leader of threads is one while they still hold its descriptors."""
        with contextlib.suppress(OSError):
            now = Process(self.pid)
            return now.begun == self.begun and (now.state not in "ZX" or now.threads > 1)
        return False

    def __repr__(self):
        return f"{self.pid} {self.title!r} ({self.state}, parent {self.parent})"


def processes():
    """Every process, by pid."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry)] = Process(int(entry))
    return found


def descendants(pid):
    table = processes()
    wanted, result = [pid], []
    while wanted:
        parent = wanted.pop()
        for process in table.values():
            if process.parent == parent:
                result.append(process)
                wanted.append(process.pid)
    return result


def kill_all(guardian, others=()):
    """A guardian that stands still starts no other engine, and nobody takes its place."""
    if guardian:
        os.kill(guardian, signal.SIGSTOP)
        others = [*others, *descendants(guardian)]
    for process in others:
        if process.is_there():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    if guardian:
        os.kill(guardian, signal.SIGKILL)


# ---------------------------------------------------------------- the control socket

class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = connect(self.path, self.timeout)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path, timeout):
        super().__init__()
        self.path, self.timeout = path, timeout

    def make_connection(self, host):
        return _UnixConnection(self.path, self.timeout)

    def request(self, *arguments, **options):
        try:
            return super().request(*arguments, **options)
        finally:
            self.close()


def server_proxy(path, timeout=None):
    return xmlrpc.client.ServerProxy("http://localhost", _UnixTransport(path, timeout or PATIENCE), allow_none=True)


class Answer(tuple):
    """(code, out, err) of xsvctl."""
    code, out, err = (property(lambda self, i=i: self[i]) for i in range(3))


# ---------------------------------------------------------------- the daemon

class Daemon:
    """One xsvd. `config` holds the programs; @DIR@ in it is the temporary folder. `supervisord` is added to [supervisord]."""

    def __init__(self, config="", *, supervisord="", folder=None, args=(), env=None, wrapper=(), preexec=None, control=True,
                 wait=True, program=None, before=None):
        self.own_folder = folder is None
        self.dir = Path(folder or tempfile.mkdtemp(prefix="xsvd-"))
        self.socket, self.log, self.config = str(self.dir / "ctl.sock"), self.dir / "xsvd.log", self.dir / "xsvd.conf"
        self.supervisord, self.control = textwrap.dedent(supervisord), control
        self.stopped = False
        self.stdout = bytearray()
        (self.dir / "logs").mkdir(exist_ok=True)
        self.write(config)
        if before:
            before(self)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SUPERVISOR_", "LISTEN_", "NOTIFY_"))}
        environment.update(env or {})
        self.process = subprocess.Popen(
            [*wrapper, str(program or XSVD), "-n", "-c", str(self.config), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=environment, preexec_fn=preexec, cwd=self.dir, start_new_session=True)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read_stdout, daemon=True)
        self.reader.start()
        if wait:
            self.wait_until_ready()

    def _read_stdout(self):
        while part := self.process.stdout.read1(65536):
            self.stdout.extend(part)

    # ---- configuration

    def write(self, config):
        """Writes the configuration anew (for a reload)."""
        head = f"""\
[unix_http_server]
file = {self.socket}

""" if self.control else ""
        head += f"""\
[supervisord]
logfile = {self.log}
pidfile = {self.dir}/xsvd.pid
childlogdir = {self.dir}/logs
rundir = {self.dir}/run
{self.supervisord}

[supervisorctl]
serverurl = unix://{self.socket}

"""
        self.first_line = head.count("\n") + 1  # of the programs' part
        text = head + textwrap.dedent(config).replace("@DIR@", str(self.dir))
        replacement = self.config.with_suffix(".new")
        replacement.write_text(text, encoding="utf-8")
        os.rename(replacement, self.config)

    # ---- asking

    @property
    def rpc(self):
        """Supervisor's methods: daemon.rpc.getProcessInfo("x"). A connection of its own each time."""
        return server_proxy(self.socket).supervisor

    @property
    def xsv(self):
        return server_proxy(self.socket).xsv

    def ctl(self, *args, timeout=None, check=False):
        done = subprocess.run([str(XSVCTL), "-c", str(self.config), *args], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout or PATIENCE, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"xsvctl {' '.join(args)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return Answer((done.returncode, done.stdout, done.stderr))

    def info(self, name):
        return self.rpc.getProcessInfo(name)

    def state(self, name):
        return self.info(name)["statename"]

    def pid_of(self, name):
        return self.info(name)["pid"]

    def all_info(self):
        return {i["name"] if i["name"] == i["group"] else f"{i['group']}:{i['name']}": i for i in self.rpc.getAllProcessInfo()}

    def wait_for(self, name, state, patience=None):
        """Waits until the program is in this state; returns its info."""
        seen = {}

        def is_so():
            seen.update(self.info(name))
            return seen if seen["statename"] == state else None
        return until(is_so, lambda: f"{name} should be {state}, is {seen}", patience)

    def wait_for_pid(self, name, other_than=0, patience=None):
        """Waits until the program has a process (another one); returns its number."""
        return until(lambda: (lambda pid: pid if pid not in (0, other_than) else 0)(self.pid_of(name)),
                     f"{name} should have a process other than {other_than}", patience)

    def reload(self, config=None, check=True):
        if config is not None:
            self.write(config)
        return self.ctl("reload", check=check)

    def read_log(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def wait_for_log(self, pattern, patience=None):
        return until(lambda: re.search(pattern, self.read_log()), lambda: f"the log should say {pattern!r}:\n{self.read_log()}", patience)

    def wait_until_ready(self, patience=None):
        def is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"xsvd ended with {self.process.returncode} before it was ready:\n{self.describe()}")
            with contextlib.suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
                return server_proxy(self.socket, 5).supervisor.getState()["statename"] == "RUNNING"
            return False
        until(is_ready, lambda: "xsvd should answer on its control socket:\n" + self.describe(), patience)

    # ---- its processes

    def roles(self):
        """{"guardian": pid, "engine": pid, "scribe": pid, "web": pid} of those that are there."""
        found = {}
        for process in [Process(self.pid), *descendants(self.pid)]:
            match = re.match(r"(?:xsvd|supervisord): (\w+)", process.title)
            if match and process.state != "Z":
                found[match.group(1)] = process.pid
        return found

    def engine(self):
        """The engine's pid (0 while there is none)."""
        with contextlib.suppress(OSError):
            for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split():
                with contextlib.suppress(OSError):
                    process = Process(int(pid))
                    if re.match(r"(?:xsvd|supervisord): engine", process.title) and process.state not in "ZX":
                        return process.pid
        return 0

    def wait_for_engine(self, other_than=0, patience=None):
        return until(lambda: (lambda pid: pid if pid not in (0, other_than) else 0)(self.engine()),
                     "the guardian should have a new engine", patience, pause=0.001)

    def zombies(self):
        return [p for p in descendants(self.pid) if p.state == "Z"]

    def wait_for_reaping(self):
        """An exit is reported before it is reaped (the guardian's queue is made of zombies), so the last ones take a moment."""
        until(lambda: not self.zombies(), lambda: f"zombies stay: {self.zombies()}")

    def cpu(self):
        """Seconds of CPU of our own processes."""
        return sum(Process(pid).cpu for pid in self.roles().values())

    # ---- the end

    def wait_for_end(self, patience=None):
        """Waits until the guardian has ended; returns its exit code."""
        code = self.process.wait(patience or PATIENCE)
        self.reader.join(5)
        return code

    def expect_end(self, patience=None):
        """For a daemon that is to end by itself: its exit code, and what it said on stdout and stderr."""
        code = self.wait_for_end(patience)
        self.stopped = True
        return code, self.stdout.decode(errors="replace")

    def stop(self, number=signal.SIGTERM, patience=None):
        """Ends the daemon; fails unless it ends with 0 and leaves nothing behind."""
        if self.stopped:
            return
        self.stopped = True
        ours = descendants(self.pid) if self.process.poll() is None else []
        try:
            if self.process.poll() is None:
                os.kill(self.pid, number)
            code = self.wait_for_end(patience)
            if code != 0:
                raise AssertionError(f"xsvd ended with {code}, not 0")
            with contextlib.suppress(AssertionError):
                until(lambda: not any(p.is_there() for p in ours), "", 2)
            left = [p for p in ours if p.is_there()]
            if left:
                raise AssertionError(f"left behind: {left}")
            if self.control and os.path.exists(self.socket):
                raise AssertionError(f"left behind: {self.socket}")
        finally:
            self.kill(ours)

    def kill(self, ours=()):
        """Ends whatever is still there, by pid."""
        self.stopped = True
        there = self.process.poll() is None
        kill_all(self.pid if there else 0, ours)
        if there:
            self.process.wait()

    def remove(self):
        self.process.stdout.close()
        if self.own_folder:
            shutil.rmtree(self.dir, ignore_errors=True)

    def describe(self):
        """What someone needs who looks at a failed test."""
        def tail(text, lines=120):
            return "\n".join(text.splitlines()[-lines:])
        parts = [f"---- {self.config}", self.config.read_text(encoding="utf-8", errors="replace")[:6000],
                 f"---- {self.log}", tail(self.read_log()), "---- stdout and stderr", tail(self.stdout.decode(errors="replace"), 40)]
        if self.process.poll() is None:
            parts += ["---- processes", *map(repr, [Process(self.pid), *descendants(self.pid)][:60])]
        return "\n".join(parts)


# ---------------------------------------------------------------- test cases

class TestCase(unittest.TestCase):
    """Ends the daemons of each test, and prints their logs when it failed."""
    maxDiff = None

    def daemon(self, config="", **options):
        try:
            daemon = Daemon(config, **{**options, "wait": False})
        except OSError as error:
            raise AssertionError(f"cannot start {XSVD}: {error}") from error
        self.daemons.append(daemon)
        if options.get("wait", True):
            daemon.wait_until_ready()
        return daemon

    def folder(self):
        path = tempfile.mkdtemp(prefix="xsvd-")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return Path(path)

    def run(self, result=None):
        self.daemons = []
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for daemon in self.daemons:
                print(f"\n======== {self.id()}\n{daemon.last_words}", file=sys.stderr, flush=True)
        for daemon in self.daemons:
            daemon.remove()

    def tearDown(self):
        error = None
        for daemon in reversed(self.daemons):
            daemon.last_words = daemon.describe()
            try:
                daemon.stop()
            except (AssertionError, subprocess.TimeoutExpired) as failure:
                daemon.last_words += "\n---- at the end\n" + daemon.describe()
                error = error or failure
            finally:
                daemon.kill()
        if error:
            raise AssertionError(f"the daemon's end: {error}")

    def assertEventually(self, condition, what, patience=None):
        until(condition, what, patience)


def have(*programs):
    """For @unittest.skipUnless; names from Debian's packages may stand below /usr/sbin."""
    return all(shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") for program in programs)


def is_root():
    return os.geteuid() == 0


def user_name():
    return pwd.getpwuid(os.geteuid()).pw_name


def readable(descriptor, seconds):
    return bool(select.select([descriptor], [], [], seconds)[0])


def main():
    unittest.main(verbosity=2)
