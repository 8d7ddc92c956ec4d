"""Runs the same conversation with Supervisor's programs and with ours and compares every byte that is not a fact of the
moment (process ids, times, folders).

Environment: XSV_BUILD, the folder with xsvd and xsvctl; XSV_SUPERVISOR, the folder Debian's package was unpacked to.
"""

import atexit
import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import threading
import time
import unittest
import xmlrpc.client

BUILD = os.environ.get("XSV_BUILD", "")
SUPERVISOR = os.environ.get("XSV_SUPERVISOR", "")
PYTHON = "/usr/bin/python3"
PATIENCE = 40.0   # seconds until something that should happen at once counts as not happening
HERE = os.path.dirname(os.path.abspath(__file__))

USER, PASSWORD = "user", "123"

# What differs on purpose, and why. A script's step names one of these keys to be left out of the comparison.
AUDIT = " audit: "   # in each line about a call that changed something; Supervisor's log has no such lines

MEANT_DIFFERENCES = {
    "place": "the file and line at the end of an exception line are those of the client's own source",
    "traceback": "a syntax error in the configuration is a usage error here, not a Python traceback",
    "fg-end": "fg ends at once at the end of its input and at Ctrl-C; Supervisor's waits for its log streams to end",
    "group-order": "Supervisor's client goes through a Python set, whose order is a matter of luck",
    "finish-order": "programs that are waited for are reported in the order in which they finish",
    "mistake-text": "xsvd names file, line and key of every mistake in a configuration; Supervisor stops at the first",
    "log-text": "the daemon's log tells what happened inside, moment by moment",
    "encoding": "bytes of a log are passed on as they are, so no warning about the terminal's encoding is needed",
    "more-members": "structs have members of ours, all named xsv_…",
    "lock-first": "a second daemon of the same configuration is refused by a lock before it touches a file (B16)",
    "clear-of-the-dead": "the log of a program that is not alive is emptied, too (B13)",
    "at-once": "deaths and deferred answers are noticed at once, not up to a second late (B2)",
    "bare-name": "xsvd and xsvctl take a process's bare name where only one group has it",
    "clear-group": "xsvctl clears the logs of a group (C4)",
    "follow-fails": "for xsvctl, tail -f of an unknown program is an error with code 1 (C3)",
    "update-error": "xsvctl's update says what is wrong with the file, as reread does (C6)",
    "own-command": "reload, help and the usage text are xsvctl's own",
    "typed-fault": "a parameter of the wrong type is a fault that names it, where Supervisor answers HTTP 500 or a bare fault",
    "error-page": "an error page says what is wrong, and an end of the connection that was not asked for is announced",
    "strict": "what two parsers could read differently, and XML beyond XML-RPC, is refused with an answer",
    "lenient": "line breaks before a request, slashes before /RPC2 and a length without a blank before it are no reason to refuse",
    "head": "pages answer HEAD, and an answer to HEAD has no body",
    "location": "redirects do not repeat the Host line; after a form the status is 303",
    "get-action": "an address alone changes nothing: Supervisor's links with an action lead to a page with a button",
    "own-page": "the pages' markup is our own; classes, texts and addresses are the same",
    "not-modified": "an answer 304 does not say how its body, which it has not, is sent; a year of two digits is one of our time",
    "own-methods": "xsv.* stand behind Supervisor's methods",
    "version": "the version is that of xsvd",
    "log-lines": "an address with the word error is no error, a request cannot begin a line of the log, and how a call ended is said "
                 "when it has ended",
    "reverse-lookup": "a server's line has its address as configured: no name server may hold up the start",
    "log-bytes": "bytes of a log that XML or UTF-8 cannot hold become U+FFFD, where Supervisor answers HTTP 500 or broken XML",
    "auto-foreign": "an AUTO log is what has a name that this daemon could have made; Supervisor's pattern removes others' files (B43)",
    "auto-mode": "an AUTO log stays private (0600) also when it was rotated or cleared",
    "captured": "what is captured is no output (B4)",
    "log-escape": "the daemon's log shows control bytes as \\xNN, and no empty line after a program's output",
    "own-lines": "the log tells of control sockets, of an event on its way to a listener, and of the start when there is no pidfile",
    "left-over": "what is left of a stopped program's process group is ended, and the log says so",
    "stopping": "a start while the program is being stopped is refused when it would do nothing",
}

# How a step of a script that differs is compared, and with whom: "daemon" where xsvd runs, "client" where our client is called
# xsvctl (called supervisorctl it differs in nothing), "both" everywhere.
LOOSER = {
    "traceback": ("both", "worked or failed"),
    "log-text": ("both", "worked or failed"),
    "finish-order": ("both", "sorted"),
    "group-order": ("both", "sorted"),
    "mistake-text": ("daemon", "without the mistake"),
    "clear-of-the-dead": ("daemon", "not at all"),
    "at-once": ("daemon", "not at all"),
    "bare-name": ("both", "not at all"),
    "clear-group": ("client", "not at all"),
    "follow-fails": ("client", "not at all"),
    "update-error": ("client", "not at all"),
    "own-command": ("client", "not at all"),
}


def how_to_compare(differs, daemon, client):
    """Those ways of LOOSER that apply to this pair."""
    applies = {"both": True, "daemon": daemon == "xsvd", "client": client == "xsvctl"}
    return {LOOSER[key][1] for key in differs if applies[LOOSER[key][0]]}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        try:
            self.sock.connect(self.path)
        except OSError:
            self.close()
            raise


class UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__(headers=[("Authorization", "Basic " + _basic(USER, PASSWORD))])
        self.path = path

    def make_connection(self, host):
        return UnixConnection(self.path)

    def request(self, *arguments, **options):
        connection = self.make_connection(None)
        self.make_connection = lambda host: connection
        try:
            return super().request(*arguments, **options)
        finally:
            connection.close()
            del self.make_connection


def _basic(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class Result:
    """What one command printed and returned."""

    def __init__(self, out, err, code):
        self.out, self.err, self.code = out, err, code

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


class SupervisorctlServer:
    """Supervisor's client without the fifth of a second it takes to start; see supervisorctl_server.py."""

    def __init__(self):
        self.lock, self.process, self.folder = threading.Lock(), None, None

    def _start(self):
        with self.lock:
            if self.process:
                return
            self.folder = tempfile.mkdtemp(prefix="xsv-compat-")
            atexit.register(self._end)
            env = dict(os.environ, LC_ALL="C.UTF-8", PYTHONWARNINGS="ignore", PYTHONPATH=PACKAGES)
            self.process = subprocess.Popen([PYTHON, "-B", os.path.join(HERE, "supervisorctl_server.py"), self.folder + "/socket"],
                                            env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.process.stdout.readline()

    def _end(self):
        self.process.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, command, stdin, env, cwd):
        """As subprocess.run() of Supervisor's client: stdout, stderr, exit code."""
        self._start()
        request = json.dumps({"arguments": command, "environment": env, "folder": cwd}).encode()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, \
                socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(self.folder + "/socket")
            reader, writer = os.pipe()   # not a file: its end must be noticed as a pipe's
            try:
                socket.send_fds(connection, [request], [reader, output.fileno(), errors.fileno()])
                os.write(writer, stdin)
            finally:
                os.close(reader)
                os.close(writer)
            code = int(connection.recv(64))
            output.seek(0)
            errors.seek(0)
            return output.read(), errors.read(), code


PACKAGES = os.path.join(SUPERVISOR, "usr/lib/python3/dist-packages")
supervisorctl_server = SupervisorctlServer()


class Sandbox:
    """A temporary folder with a configuration, at most one daemon on it, and clients to run against it."""

    def __init__(self, daemon, client):
        self.daemon, self.client = daemon, client   # "supervisord"/"xsvd", "supervisorctl"/"xsvctl"/"link"
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="xsv-compat-"))
        self.socket = os.path.join(self.folder, "ctl.sock")
        self.config = os.path.join(self.folder, "s.conf")
        self.process = None
        self.children = []
        # Called by this name our client is Supervisor's to the byte.
        self.link = os.path.join(self.folder, "bin", "supervisorctl")
        os.mkdir(os.path.dirname(self.link))
        if BUILD:
            os.symlink(os.path.join(BUILD, "xsvctl"), self.link)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_daemon()
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream:
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self):
        env = {key: value for key, value in os.environ.items() if key not in ("http_proxy", "HTTP_PROXY")}
        env.update(LC_ALL="C.UTF-8", TERM="dumb", TZ="UTC", HOME=self.folder,
                   PYTHONPATH=PACKAGES, PYTHONWARNINGS="ignore")
        return env

    def fill(self, text):
        return (text.replace("@DIR@", self.folder).replace("@SOCKET@", self.socket)
                .replace("@USER@", USER).replace("@PASSWORD@", PASSWORD))

    def write_config(self, text):
        with open(self.config, "w") as file:
            file.write(self.fill(text))

    def start(self, config, steps=()):
        """Its daemon, and what is waited for then; returns itself."""
        self.write_config(config)
        self.start_daemon()
        for step in steps:
            step(self)
        return self

    def daemon_command(self):
        if self.daemon == "supervisord":
            return [PYTHON, os.path.join(SUPERVISOR, "usr/bin/supervisord")]
        return [os.path.join(BUILD, "xsvd")]

    def start_daemon(self):
        # The session of its own lets us end whatever it leaves behind.
        with open(os.path.join(self.folder, "daemon.out"), "wb") as output:
            self.process = subprocess.Popen(self.daemon_command() + ["-n", "-c", self.config], cwd=self.folder,
                                            env=self.environment(), stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.daemon} does not answer:\n" + self.read("daemon.out"))
            time.sleep(0.02)

    def answers(self):
        try:
            return self.server().supervisor.getState()["statename"] == "RUNNING"
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def stop_daemon(self):
        if not self.process:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process = None

    def server(self):
        return xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(self.socket))

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), errors="replace") as file:
                return file.read()
        except OSError as error:
            return str(error)

    def wait_for_state(self, name, *states):
        deadline = time.monotonic() + PATIENCE
        while True:
            state = self.server().supervisor.getProcessInfo(name)["statename"]
            if state in states:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.daemon}: {name} is {state}, not {' or '.join(states)}")
            time.sleep(0.05)

    def until(self, is_so):
        """False when it has not become so for too long."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.03)
        return True

    def wait_for_text(self, name, text):
        """Until a file of the sandbox contains a text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.read(name):
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.daemon}: {name} does not contain {text!r} but:\n{self.read(name)}")
            time.sleep(0.05)

    def client_command(self, client=None):
        client = client or self.client
        if client == "supervisorctl":
            return [PYTHON, os.path.join(SUPERVISOR, "usr/bin/supervisorctl")]
        return [self.link if client == "link" else os.path.join(BUILD, "xsvctl")]

    def run(self, *arguments, stdin="", config=True, client=None, cwd=None):
        command = self.client_command(client) + (["-c", self.config] if config else []) + [self.fill(a) for a in arguments]
        env, cwd, stdin = self.environment(), cwd or self.folder, self.fill(stdin).encode()
        if (client or self.client) == "supervisorctl":
            out, err, code = supervisorctl_server.run(command[1:], stdin, env, cwd)
        else:
            done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, env=env, cwd=cwd)
            out, err, code = done.stdout, done.stderr, done.returncode
        return Result(self.mask(out.decode(errors="replace")), self.mask(err.decode(errors="replace")), code)

    def follow(self, *arguments):
        """Starts a client that goes on until it gets Ctrl-C; a Stream."""
        process = subprocess.Popen(self.client_command() + ["-c", self.config] + list(arguments), cwd=self.folder,
                                   env=self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.children.append(process)
        return Stream(self, process)

    def terminal(self, *arguments, config=True):
        return Terminal(self, self.client_command() + (["-c", self.config] if config else []) + list(arguments))

    def mask(self, text):
        text = text.replace(self.folder, "DIR")
        for program in (os.path.join(SUPERVISOR, "usr/bin/supervisorctl"), os.path.join(BUILD, "xsvctl"),
                        "DIR/bin/supervisorctl"):
            text = text.replace(program, "PROGRAM")
        text = re.sub(r"pid \d+", "pid PID", text)
        text = re.sub(r"(\d+ days?, )?\b\d+:\d\d:\d\d\b", "UPTIME", text)
        text = re.sub(r"\b[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "DATE", text)
        text = re.sub(r"(?m)^(ready> )?[1-9]\d*$", r"\1PID", text)
        text = re.sub(r"---\w+-[a-z0-9_]{8}\.log", "---RANDOM.log", text)
        return re.sub(r"file: \S+ line: \d+", "file: F line: N", text)


class Stream:
    """A client that shows a log as it grows."""

    def __init__(self, sandbox, process):
        self.sandbox, self.process, self.out = sandbox, process, b""

    def wait_for(self, text):
        deadline = time.monotonic() + PATIENCE
        while text.encode() not in self.out:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise AssertionError(f"{self.sandbox.client} on {self.sandbox.daemon}: no {text!r} in {self.out!r}")
            self.out += data

    def interrupt(self, last_words=None):
        """Ctrl-C. With `last_words` the client is ended after it said them, and its exit code is left out."""
        self._wait_until_it_sleeps()
        self.process.send_signal(signal.SIGINT)
        if last_words:
            return self.end_after(last_words)
        out, err = self.process.communicate(timeout=PATIENCE)
        self.out += out
        # Where Ctrl-C meets Supervisor's client in the middle of a step, it reports that as a failure to connect.
        err = re.sub(r"(?m)^.*KeyboardInterrupt.*\n", "", err.decode(errors="replace"))
        return Result(self.sandbox.mask(self.out.decode(errors="replace")), self.sandbox.mask(err),
                      self.process.returncode)

    def _wait_until_it_sleeps(self):
        """What it has shown, it may still be working on; between two steps it sleeps in select or poll.

        Within a step Supervisor's loop takes Ctrl-C for an error of the connection (asyncore_25.read() catches everything)
        and ends without the blank line that ends it otherwise. A D is such a step, waiting for memory."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "S" or time.monotonic() > deadline:
                    return
            time.sleep(0.001)

    def end_after(self, last_words):
        self.wait_for(last_words)
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)
        return Result(self.sandbox.mask(self.out.decode(errors="replace")), "", None)


class Terminal:
    """A client on a pseudo-terminal."""

    def __init__(self, sandbox, command):
        self.sandbox, self.out, self.typed = sandbox, b"", 0
        env = sandbox.environment()   # there are other threads: as little as possible happens in the child
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(sandbox.folder)
            os.execve(command[0], command, env)

    def wait_for(self, *texts):
        """Until these have come since the last thing typed, in this order."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(".*".join(map(re.escape, texts)).encode(), self.out[self.typed:], re.DOTALL):
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{self.sandbox.client}: no {texts!r} in {self.out!r}")

    def type(self, text, at_prompt=True):
        """At the shell's prompt the line editor does the echo; it takes over just after it has printed the prompt."""
        deadline = time.monotonic() + PATIENCE
        while at_prompt and termios.tcgetattr(self.fd)[3] & termios.ECHO and time.monotonic() < deadline:
            time.sleep(0.005)
        self.typed = len(self.out)
        os.write(self.fd, text.encode())

    def finish(self, again=b""):
        """Until the client has ended. `again` is typed once a second: what is typed while an editor sets up may get lost."""
        deadline = time.monotonic() + PATIENCE
        while True:
            while self._read(1):
                pass
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"{self.sandbox.client}: does not end: {self.out!r}")
            if again:
                os.write(self.fd, again)
        os.close(self.fd)
        # Terminal control of the two line editors differs; what is to be read does not.
        shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\x07", "", self.out.decode(errors="replace"))
        return Result(self.sandbox.mask(shown), "", os.waitstatus_to_exitcode(status))

    def _read(self, timeout):
        ready, _, _ = select.select([self.fd], [], [], max(timeout, 0))
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:   # EIO: the other side has gone
            return False
        self.out += data
        return bool(data)


# --- scripts ---------------------------------------------------------------------------------------------------------

class Step:
    """One command of a script. `differs` names some of MEANT_DIFFERENCES."""

    def __init__(self, *arguments, stdin="", config=True, differs=""):
        self.arguments, self.stdin, self.config, self.differs = arguments, stdin, config, differs.split()
        assert all(each in MEANT_DIFFERENCES and each in LOOSER for each in self.differs), differs

    def __str__(self):
        return " ".join(self.arguments) + (f" <<< {self.stdin!r}" if self.stdin else "")

    def __call__(self, sandbox):
        return sandbox.run(*self.arguments, stdin=self.stdin, config=self.config)

    def view(self, result, daemon, client):
        """What of a result is compared between Supervisor's pair and this one."""
        how = how_to_compare(self.differs, daemon, client)
        if "not at all" in how:
            return None
        if "worked or failed" in how:
            return "failed" if result.code else "worked"
        out = result.out
        if "sorted" in how:
            out = "\n".join(sorted(out.splitlines()))
        if "without the mistake" in how:
            out = re.sub(r"(?s)CANT_REREAD: .*", "CANT_REREAD", re.sub("<Fault 92: [\"']", "<Fault 92: ", out))
        # Called xsvctl, our client adds lines of advice on stderr.
        return (out, result.code) if client == "xsvctl" else (out, result.err, result.code)


class Call(Step):
    """An XML-RPC call by Python's own client; `only` keeps some members of the structs in the answer."""

    MOMENTS = {"pid", "now", "start", "stop"}

    def __init__(self, method, *params, only=None, differs=""):
        super().__init__(method, *map(repr, params), differs=differs)
        self.method, self.params, self.only = method, params, only

    def __call__(self, sandbox):
        call = sandbox.server()
        for part in self.method.split("."):
            call = getattr(call, part)
        try:
            answer = call(*self.params)
        except xmlrpc.client.Fault as fault:
            return Result(f"Fault {fault.faultCode}: {sandbox.mask(fault.faultString)}", "", fault.faultCode)
        return Result(self.text(sandbox, answer), "", 0)

    def text(self, sandbox, value):
        if isinstance(value, list):
            return "\n".join(self.text(sandbox, each) for each in value) if value else "[]"
        if not isinstance(value, dict):
            return sandbox.mask(repr(value))
        members = {key: "MOMENT" if key in self.MOMENTS and member else member for key, member in value.items()
                   if not key.startswith("xsv_") and (self.only is None or key in self.only)}
        return sandbox.mask(repr(members))


class Log(Step):
    """The first `lines` lines of the daemon's log that contain a text, once they are there, without their times."""

    def __init__(self, about, lines, differs=""):
        super().__init__("daemon.log", about, differs=differs)
        self.about, self.lines = about, lines

    def __call__(self, sandbox):
        found = []

        def is_there():
            found[:] = [line for line in sandbox.read("daemon.log").splitlines()
                        if self.about in line and AUDIT not in line]
            return len(found) >= self.lines
        if not sandbox.until(is_there):
            raise AssertionError(f"{sandbox.daemon}: not {self.lines} lines about {self.about!r}:\n" + sandbox.read("daemon.log"))
        text = "\n".join(line[24:] for line in found[:self.lines])
        return Result(sandbox.mask(re.sub(r"\(\d{2,}\)", "(PID)", text)), "", 0)


class Look(Step):
    """A fact about the sandbox: what a function of it returns."""

    def __init__(self, function, differs=""):
        super().__init__(function.__name__, differs=differs)
        self.function = function

    def __call__(self, sandbox):
        return Result(sandbox.mask(str(self.function(sandbox))), "", 0)


def wait(name, *states):
    return lambda sandbox: sandbox.wait_for_state(name, *states)


def wait_text(file, text):
    return lambda sandbox: sandbox.wait_for_text(file, text)


def rewrite(config):
    return lambda sandbox: sandbox.write_config(config)


def run_script(daemon, client, config, steps):
    """The results of a script's steps, in order."""
    results = []
    with Sandbox(daemon, client) as sandbox:
        sandbox.start(config)
        for step in steps:
            done = step(sandbox)
            if isinstance(step, Step):
                results.append(done)
    return results


class References:
    """What Supervisor's own pair answers to each script. Several tests compare with the same answers, so they are kept
    beside the package until the scripts, the harness or the package change. XSV_RECORD=fresh plays all of them anew."""

    def __init__(self):
        self.lock, self.played = threading.Lock(), {}

    def get(self, name, config, steps, fresh=False):
        with self.lock:
            future = self.played.get(name)
            mine = future is None or (fresh and future.done())
            if mine:
                future = self.played[name] = concurrent.futures.Future()
        if mine:
            try:
                kept = None if fresh or os.environ.get("XSV_RECORD") == "fresh" else self._load(name)
                future.set_result(kept or self._record(name, config, steps))
            except BaseException as error:   # whoever waits for it gets it too
                future.set_exception(error)
        return future.result()

    def _file(self, name):
        state = hashlib.sha256("".join(sorted(os.listdir(os.path.join(SUPERVISOR, "download")))).encode())
        for source in sorted(name for name in os.listdir(HERE) if name == "harness.py" or name.startswith("scripts")):
            with open(os.path.join(HERE, source), "rb") as file:
                state.update(file.read())
        return os.path.join(SUPERVISOR, f"reference-{name}-{state.hexdigest()[:16]}.json")

    def _load(self, name):
        try:
            with open(self._file(name)) as file:
                return [Result(*each) for each in json.load(file)]
        except (OSError, ValueError):
            return None

    def _record(self, name, config, steps):
        results = run_script("supervisord", "supervisorctl", config, steps)
        with tempfile.NamedTemporaryFile("w", dir=SUPERVISOR, delete=False) as file:
            json.dump([(each.out, each.err, each.code) for each in results], file)
        os.rename(file.name, self._file(name))
        return results


references = References()


class CompatCase(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(os.path.join(SUPERVISOR, "usr/bin/supervisorctl")):
            raise RuntimeError("XSV_SUPERVISOR must name the folder that fetch_supervisor.sh filled")
        if not os.path.exists(os.path.join(BUILD, "xsvctl")):
            raise RuntimeError("XSV_BUILD must name the folder with xsvd and xsvctl")

    def compare(self, name, config, steps, daemon, client):
        """Supervisor's pair and another one, side by side."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wanted = pool.submit(references.get, name, config, steps)
            got = pool.submit(run_script, daemon, client, config, steps)
            wanted, got = wanted.result(), got.result()
        commands = [step for step in steps if isinstance(step, Step)]

        def views(results):
            return [step.view(result, daemon, client) for step, result in zip(commands, results)]

        if views(wanted) != views(got):   # what was kept may have been bad luck of Supervisor's
            wanted = references.get(name, config, steps, fresh=True)
        for number, (step, want, have) in enumerate(zip(commands, views(wanted), views(got)), 1):
            with self.subTest(step=number, command=str(step)):
                self.assertEqual(want, have)
