"""A daemon whose guardian may be killed. Whatever loses its parent becomes a child of the test, which stands for init: it
reaps at once, as init does, and knows how everything ended."""
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import threading
import time

import xsvd

PR_SET_CHILD_SUBREAPER = 36


class Init:
    """Reaps every child of this process, for all of its daemons."""
    the_one = None

    @classmethod
    def get(cls):
        cls.the_one = cls.the_one or cls()
        return cls.the_one

    def __init__(self):
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        self.codes = {}
        threading.Thread(target=self.reap, daemon=True).start()

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
                self.codes[pid] = os.waitstatus_to_exitcode(status)
            except ChildProcessError:
                time.sleep(0.001)


class Child:
    """What a Popen would be of a process that became our child later."""

    def __init__(self, init, pid, stdout):
        self.init, self.pid, self.stdout = init, pid, stdout

    @property
    def returncode(self):
        return self.poll()

    def poll(self):
        return self.init.codes.get(self.pid)

    def wait(self, timeout=None):
        try:
            xsvd.until(lambda: self.poll() is not None, "", timeout or xsvd.PATIENCE)
        except AssertionError:
            raise subprocess.TimeoutExpired("xsvd", timeout) from None
        return self.poll()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def family():
    """{role: pids} of every process of ours below this one."""
    found = {}
    for process in xsvd.descendants(os.getpid()):
        match = re.match(r"xsvd: (\w+)", process.title)
        if match and process.state not in "ZX":
            found.setdefault(match.group(1), []).append(process.pid)
    return found


class Daemon(xsvd.Daemon):
    def __init__(self, *arguments, **options):
        self.init = Init.get()
        super().__init__(*arguments, **options)
        self.inherit(self.pid)

    def inherit(self, pid):
        """That process is the guardian from now on."""
        self.init.codes.pop(pid, None)  # of another that had the number
        self.pid, self.process = pid, Child(self.init, pid, self.process.stdout)

    def kill_both(self):
        """Guardian and engine in one stroke: an engine that stands still does not take the guardian's place."""
        guardian, engine = self.pid, self.wait_for_engine()
        self.init.codes.pop(engine, None)  # of another that had the number
        os.kill(engine, signal.SIGSTOP)
        os.kill(guardian, signal.SIGKILL)
        os.kill(engine, signal.SIGKILL)
        xsvd.until(lambda: {guardian, engine} <= self.init.codes.keys(), "guardian and engine have ended", pause=0.001)

    def start_again(self, wrapper=(), **options):
        """When it is dead: another one, of the same configuration."""
        self.inherit(subprocess.Popen([*wrapper, xsvd.XSVD, "-n", "-c", str(self.config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, cwd=self.dir, start_new_session=True, **options).pid)
        self.wait_until_ready()

    def has_all_roles(self):
        """Each role once, and an engine that is the guardian's child."""
        roles = family()
        return all(len(roles.get(role, [])) == 1 for role in ("guardian", "engine", "scribe", "web")) and \
            roles["guardian"] == [self.pid] and roles["engine"] == [self.engine()]

    def zombies(self):
        return [p for p in xsvd.descendants(os.getpid()) if p.state == "Z"]

    def stop(self, *arguments, **options):
        super().stop(*arguments, **options)
        xsvd.until(lambda: not xsvd.descendants(os.getpid()), lambda: f"left behind: {xsvd.descendants(os.getpid())}")

    def kill(self, ours=()):
        super().kill([*ours, *xsvd.descendants(os.getpid())])
