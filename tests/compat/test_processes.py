"""The life of processes, seen through XML-RPC and the activity log: supervisord and xsvd side by side, one daemon each
for all of it, because supervisord looks at its processes once a second."""

import concurrent.futures
import os
import re
import resource
import subprocess
import time
import unittest
import xmlrpc.client

import scripts
from harness import PATIENCE, CompatCase, Sandbox

DEAF = """trap "" TERM
(while sleep 0.2; do :; done) &
echo child $!
while sleep 0.2; do :; done
"""

CONFIG = scripts.BASE.replace("childlogdir", "loglevel = debug\nchildlogdir") + """
[program:missing]
command = /no/such/cmd
autostart = false
startretries = 1

[program:notinpath]
command = nosuchcommand x
autostart = false

[program:notexec]
command = @DIR@/s.conf
autostart = false

[program:folder]
command = /tmp
autostart = false

[program:badquote]
command = sleep "1
autostart = false

[program:badescape]
command = sleep 1 \\
autostart = false

[program:empty]
command =
autostart = false

[program:never]
command = sleep 1000
autostart = false

[program:badcwd]
command = sleep 1000
directory = /no/such/directory
autostart = false
startsecs = 2
startretries = 0
stderr_logfile = @DIR@/badcwd.err

[program:quick]
command = true
autostart = false
startsecs = 2
startretries = 2

[program:failing]
command = sh -c 'exit 7'
autostart = false
startsecs = 2
startretries = 1

[program:resting]
command = sh -c 'exit 1'
autostart = false
startsecs = 2
startretries = 20

[program:ends]
command = sh -c 'sleep 1.5; exit 0'
autostart = false
startsecs = 1

[program:code3]
command = sh -c 'sleep 0.3; exit 3'
autostart = false
startsecs = 0
autorestart = false

[program:expected3]
command = sh -c 'sleep 0.3; exit 3'
autostart = false
startsecs = 0
exitcodes = 0,3

[program:killed]
command = sleep 1000
startsecs = 0
autorestart = false

[program:restarted]
command = sleep 1000
startsecs = 0

[program:usr1]
command = sleep 1000
startsecs = 0
stopsignal = USR1

[program:polite]
command = sh -c 'trap "exit 0" TERM; while :; do sleep 0.05; done'
startsecs = 1

[program:impolite]
command = sh -c 'trap "exit 5" TERM; while :; do sleep 0.05; done'
startsecs = 1

[program:asgroup]
command = sleep 1000
startsecs = 0
stopasgroup = true

[program:gone]
command = /no/such/gone
startretries = 1

[program:gone-at-once]
command = /no/such/at-once
startretries = 0
startsecs = 0

[program:up]
command = sleep 1000
startsecs = 0

[program:down]
command = sleep 1000
startsecs = 0
autostart = false

[program:lost]
command = /no/such/lost
autostart = false

[group:g]
programs = up, down, lost

[program:deaf]
command = sh @DIR@/deaf.sh
startsecs = 1
stopwaitsecs = 2
killasgroup = true
stdout_logfile = @DIR@/deaf.log
"""

FIELDS = ("state", "statename", "spawnerr", "exitstatus")
STARTABLE = ("missing", "notinpath", "notexec", "folder", "badquote", "badescape", "empty")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Watched:
    """A daemon, and what was seen of it: label -> observation."""

    def __init__(self, sandbox):
        self.sandbox, self.seen = sandbox, {}

    def call(self, label, method, *arguments):
        try:
            answer = getattr(self.sandbox.server().supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            answer = f"{fault.faultCode} {fault.faultString}"
        if method == "startProcessGroup" and isinstance(answer, list):
            answer.sort(key=lambda entry: entry["name"])  # they come as they finish
        self.seen[label] = self.mask(answer)
        return answer

    def begin(self, name):
        """Starts it and does not wait; whether it has failed by then already is luck."""
        try:
            self.sandbox.server().supervisor.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultString != f"SPAWN_ERROR: {name}":
                raise

    def mask(self, value):
        if isinstance(value, str):
            return self.sandbox.mask(value)
        return value

    def info(self, name):
        info = self.sandbox.server().supervisor.getProcessInfo(name)
        view = {field: self.mask(info[field]) for field in FIELDS}
        view["description"] = self.mask(info["description"])
        view["has pid"], view["has start"], view["has stop"] = info["pid"] > 0, info["start"] > 0, info["stop"] > 0
        return view

    def look(self, label, name):
        self.seen[label] = self.info(name)

    def wait(self, *pairs):
        for name, *states in pairs:
            self.sandbox.wait_for_state(name, *states)

    def log_of(self, name):
        """Its lines in the activity log, without time and pid."""
        lines = []
        for line in self.sandbox.read("daemon.log").splitlines():
            match = re.match(r"\S+ \S+ (\w+) (.*)", line)
            if match and re.search(rf"(?:(?:exited|stopped|success|gave up|killing|sending):? {name}\b)|'{name}' (?:with pid|\(\d+\))",
                                   match[2]) or (match and f"Attempted to kill {name}," in match[2]):
                lines.append(match[1] + " " + re.sub(r"pid \d+|\(\d+\)", "PID", match[2]))
        return lines


def converse(daemon):
    with Sandbox(daemon, "supervisorctl") as sandbox:
        sandbox.write_config(CONFIG)
        with open(os.path.join(sandbox.folder, "deaf.sh"), "w", encoding="ascii") as script:
            script.write(DEAF)
        sandbox.start_daemon()
        w = Watched(sandbox)
        w.wait(*((name, "RUNNING") for name in ("killed", "restarted", "usr1", "polite", "impolite", "asgroup", "deaf")))

        # What takes seconds begins first.
        for name in ("badcwd", "quick", "failing", "resting", "ends", "code3", "expected3"):
            w.begin(name)
        w.call("start a starting one", "startProcess", "quick", False)
        sandbox.wait_for_text("deaf.log", "child")
        child = int(sandbox.read("deaf.log").split()[1])
        stopped_at = time.monotonic()
        w.call("stop deaf", "stopProcess", "deaf", False)
        w.look("stopping", "deaf")
        w.call("stop a stopping one", "stopProcess", "deaf", False)
        w.call("start a stopping one and wait", "startProcess", "deaf", True)
        w.call("signal a stopping one", "signalProcess", "deaf", "CONT")
        w.call("remove a stopping one", "removeProcessGroup", "deaf")

        for name in STARTABLE:
            w.call(f"start {name}", "startProcess", name)
            w.look(f"{name} after that", name)
        w.look("never started", "never")
        w.call("stop a stopped one", "stopProcess", "never")
        w.call("signal a stopped one", "signalProcess", "never", "HUP")
        w.call("start a running one", "startProcess", "usr1")
        w.call("no such signal", "signalProcess", "usr1", "NOSUCH")
        w.call("signal as a number", "signalProcess", "usr1", "18")
        w.call("remove a running one", "removeProcessGroup", "usr1")
        w.call("stdin of a stopped one", "sendProcessStdin", "never", "x")
        w.call("no such program", "startProcess", "nosuch")
        w.call("no such member", "startProcess", "usr1:nosuch")
        w.call("three names", "startProcess", "usr1:a:b")
        w.call("a star", "startProcess", "*")

        w.wait(("deaf", "STOPPED"))
        w.seen["deaf was given its time"] = 1.5 < time.monotonic() - stopped_at < 6
        deadline = time.monotonic() + PATIENCE
        while is_alive(child) and time.monotonic() < deadline:
            time.sleep(0.05)
        w.seen["its child is gone"] = not is_alive(child)
        w.look("deaf stopped", "deaf")

        first = sandbox.server().supervisor.getProcessInfo("restarted")["pid"]
        w.call("kill", "signalProcess", "killed", "KILL")
        w.call("kill restarted", "signalProcess", "restarted", "KILL")
        w.wait(("killed", "EXITED"))
        w.look("killed", "killed")
        while sandbox.server().supervisor.getProcessInfo("restarted")["pid"] in (0, first):
            time.sleep(0.05)
        w.wait(("restarted", "RUNNING"))
        w.look("restarted", "restarted")

        for name in ("usr1", "polite", "impolite", "asgroup"):
            w.call(f"stop {name}", "stopProcess", name)
            w.look(f"{name} stopped", name)
        w.call("start polite again", "startProcess", "polite")
        w.wait(("code3", "EXITED"), ("expected3", "EXITED"), ("ends", "EXITED"))
        for name in ("code3", "expected3", "ends"):
            w.look(f"{name} ended", name)

        w.call("stop an EXITED one", "stopProcess", "code3")
        w.call("signal an EXITED one", "signalProcess", "code3", "HUP")

        w.wait(("gone", "FATAL"), ("gone-at-once", "FATAL"), ("g:up", "RUNNING"))
        for name in ("gone", "gone-at-once"):
            w.look(name, name)
            w.seen[f"log of {name}"] = w.log_of(name)
        w.seen["spawn errors"] = sorted(re.findall(r"(\w+) (spawnerr: .*/no/such/.*)", sandbox.read("daemon.log")))
        for label, method, *arguments in (
                ("start a group", "startProcessGroup", "g"), ("start it again", "startProcessGroup", "g"),
                ("signal a group", "signalProcessGroup", "g", "CONT"), ("signal it wrongly", "signalProcessGroup", "g", "NOSUCH"),
                ("start it by star", "startProcess", "g:*"), ("stop it by star", "stopProcess", "g:*", False),
                ("no such group", "startProcessGroup", "nosuch"), ("stop no such group", "stopProcess", "nosuch:*"),
                ("signal no such group", "signalProcessGroup", "nosuch", "HUP")):
            w.call(label, method, *arguments)
        w.wait(("g:up", "STOPPED"), ("g:down", "STOPPED"))
        w.call("stop it again", "stopProcessGroup", "g")
        w.call("remove it", "removeProcessGroup", "g")
        w.call("remove it again", "removeProcessGroup", "g")
        w.call("start a member of what is not there", "startProcess", "g:up")
        w.call("add it", "addProcessGroup", "g")
        w.call("add it again", "addProcessGroup", "g")
        w.call("add what was never there", "addProcessGroup", "nosuch")

        w.wait(("resting", "BACKOFF"))
        w.look("resting", "resting")
        w.call("start in BACKOFF", "startProcess", "resting", False)
        w.call("signal in BACKOFF", "signalProcess", "resting", "HUP")
        w.wait(("resting", "BACKOFF"))
        w.call("stop in BACKOFF", "stopProcess", "resting")
        w.look("stopped in BACKOFF", "resting")
        w.wait(("badcwd", "FATAL"), ("quick", "FATAL"), ("failing", "FATAL"))
        for name in ("badcwd", "quick", "failing"):
            w.look(f"{name} gave up", name)
        w.seen["badcwd said"] = sandbox.mask(sandbox.read("badcwd.err"))
        w.call("stop a FATAL one", "stopProcess", "quick")
        w.call("signal a FATAL one", "signalProcess", "quick", "HUP")
        w.call("start missing, all the same", "startProcess", "missing", False)

        for name in ("quick", "failing", "badcwd", "ends", "code3", "expected3", "killed", "restarted", "usr1", "polite", "impolite",
                     "asgroup", "deaf"):
            w.seen[f"log of {name}"] = w.log_of(name)
        w.seen["log of resting begins"] = w.log_of("resting")[:2]
        w.seen["log of resting ends"] = w.log_of("resting")[-1:]
        return w.seen


# What makes a group another one: each line is an edit of PLAIN (what, by what) that may or may not count.
PLAIN = scripts.BASE + """
[program:a]
command = sleep 1000
autostart = false
exitcodes = 0
stdout_logfile = AUTO
stderr_logfile = @DIR@/a.err

[program:b]
command = sleep 1000
autostart = false
process_name = b_%(process_num)d
numprocs = 2

[program:m1]
command = sleep 1000
autostart = false

[program:m2]
command = sleep 1000
autostart = false

[group:g]
programs = m1,m2
priority = 5

[fcgi-program:f]
command = sleep 1000
autostart = false
socket = unix://@DIR@/f.sock
"""
A = "[program:a]\ncommand = sleep 1000\n"
EDITS = [("", ""), (A, A + "; a comment\n"), (A, A + "startsecs = 1\n"), (A, A + "stopsignal = TERM\n"), (A, A + "stopsignal = 15\n"),
         (A, A + "nonsense = 1\n"), (A, A + "startsecs = 2\n"), (A, A + "startretries = 4\n"), (A, A + "stopwaitsecs = 11\n"),
         (A, A + "stopsignal = HUP\n"), (A, A + "stopasgroup = true\n"), (A, A + "killasgroup = true\n"), (A, A + "priority = 1\n"),
         (A, A + "umask = 077\n"), (A, A + "directory = /tmp\n"), (A, A + "autorestart = true\n"), (A, A + "redirect_stderr = true\n"),
         (A, A + 'environment = A="b"\n'), (A, A + "serverurl = http://x\n"), (A, A + "stdout_logfile_maxbytes = 1\n"),
         (A, A + "stdout_logfile_backups = 1\n"), (A, A + "stdout_capture_maxbytes = 1KB\n"), (A, A + "stdout_events_enabled = true\n"),
         (A, A + "stdout_syslog = true\n"), (A, A + "stderr_logfile_maxbytes = 1\n"), (A, A.replace("1000", "1001")), (A, A.replace("sleep", "SLEEP".lower())),
         ("exitcodes = 0\n", "exitcodes = 0,0\n"), ("exitcodes = 0\n", "exitcodes = 0,1\n"), ("exitcodes = 0\n", "EXITCODES : 0\n"),
         ("stdout_logfile = AUTO", "stdout_logfile = @DIR@/a.out"), ("stdout_logfile = AUTO", "stdout_logfile = NONE"),
         ("@DIR@/a.err", "@DIR@/b.err"), ("autostart = false\nexitcodes", "autostart = true\nexitcodes"),
         ("numprocs = 2", "numprocs = 3"), ("numprocs = 2", "numprocs = 1"), ("numprocs = 2", "numprocs = 2\nnumprocs_start = 1"),
         ("b_%(process_num)d", "c_%(process_num)d"), ("m1,m2", "m2, m1"), ("m1,m2", "m1"), ("programs = m1,m2", "programs = m1,a"),
         ("priority = 5", "priority = 6"), ("[group:g]", "[group:h]"), ("f.sock", "other.sock"), ("[fcgi-program:f]", "[fcgi-program:e]"),
         ("[supervisord]\n", '[supervisord]\nenvironment = X="y"\n'), ("[program:m1]\ncommand = sleep 1000", "[program:m1]\ncommand = sleep 1"),
         ("[group:g]\nprograms = m1,m2\npriority = 5\n", ""), ("programs = m1,m2", "programs = f,m1,m2"),
         ("[fcgi-program:f]", "[program:new]\ncommand = true\nautostart = false\n[fcgi-program:f]")]


def reread(daemon):
    """[added, changed, removed] after each edit."""
    with Sandbox(daemon, "supervisorctl") as sandbox:
        sandbox.start(PLAIN)
        answers = []
        for what, by in EDITS:
            assert what in PLAIN
            sandbox.write_config(PLAIN.replace(what, by, 1) if what else PLAIN)
            (answer,) = sandbox.server().supervisor.reloadConfig()
            answers.append(answer)
        return answers


# Name -> (command, its PATH or None for the daemon's, more keys), and the programs that are found and run.
NAMES = {
    "in-path": ("tool", "@DIR@/one:@DIR@/two", ""), "first-is-not-executable": ("plain", "@DIR@/one:@DIR@/two", ""),
    "first-is-a-directory": ("sub", "@DIR@/one:@DIR@/two", ""), "first-dangles": ("dangling", "@DIR@/one:@DIR@/two", ""),
    "not-in-its-path": ("sleep 1000", "/no/such", ""), "in-the-daemons-path": ("daemons-tool", None, ""),
    "in-neither-path": ("tool", None, ""), "nothing-in-path": ("tool", "", ""), "relative-path": ("tool", "two", ""),
    "empty-item": ("here", "/no/such::", ""), "relative": ("two/tool", None, ""), "dot": ("./here", None, ""),
    "not-there": ("./none", None, ""), "not-from-there": ("two/tool", None, "directory = @DIR@/one"),
    "from-both": ("./tool", None, "directory = @DIR@/two"), "slash-at-end": ("@DIR@/one/", None, ""), "file-with-slash": ("two/tool/", None, ""),
    "loop": ("one/loop", None, ""), "tilde": ("~/here", None, ""), "variable": ("$HOME/here", None, ""), "dot-alone": (".", None, ""),
    "quotes": ("\"it's\"", None, ""), "both-quotes": ("'say \"it'\\''s\"'", None, ""), "letters": ("ünknown", None, ""),
    "empty-word": ("''", None, ""), "blanks": ("'two words'", "@DIR@/two", ""), "no-format": ("two/no-format", None, ""),
    "no-interpreter": ("two/no-interpreter", None, ""), "roots": ("two/roots", None, "user = nobody" if os.geteuid() == 0 else "")}
# In one group: supervisord needs a second for each when it ends.
LOOKED_UP = scripts.BASE.replace("[supervisord]", '[supervisord]\nenvironment = PATH="@DIR@/daemon:/usr/bin:/bin"') + "".join(
    f"[program:{name}]\ncommand = {command}\nautostart = false\nstartretries = 0\nstderr_logfile = @DIR@/{name}.err\n{more}\n"
    + ("" if path is None else f'environment = PATH="{path}"\n') for name, (command, path, more) in NAMES.items()) + "[group:g]\nprograms = " + ", ".join(NAMES) + "\n"
TOOL = "#!/bin/sh\nexec /bin/sleep 1000\n"


def look_up(daemon):
    """Program -> [answer to its start, where that leads, what it says on stderr]."""
    with Sandbox(daemon, "supervisorctl") as sandbox:
        folder = sandbox.folder
        for name in ("one/sub", "two", "daemon"):
            os.makedirs(os.path.join(folder, name))
        for name, text, mode in (("one/plain", TOOL, 0o644), ("two/plain", TOOL, 0o755), ("two/sub", TOOL, 0o755), ("two/tool", TOOL, 0o755),
                                 ("tool", TOOL, 0o755), ("here", TOOL, 0o755), ("daemon/daemons-tool", TOOL, 0o755), ("two/dangling", TOOL, 0o755),
                                 ("two/two words", TOOL, 0o755), ("two/no-format", "\x7fELF", 0o755), ("two/roots", TOOL, 0o700),
                                 ("two/no-interpreter", "#!/no/such\n", 0o755)):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(file.name, mode)
        os.symlink("/no/such", os.path.join(folder, "one/dangling"))
        os.symlink("loop", os.path.join(folder, "one/loop"))
        os.chmod(folder, 0o755)
        sandbox.start(LOOKED_UP)
        w = Watched(sandbox)
        for name in NAMES:
            w.call(name, "startProcess", f"g:{name}", False)
        seen = {}
        for name in NAMES:
            w.wait((f"g:{name}", "RUNNING", "FATAL", "STOPPED"))   # refused before anything was tried: STOPPED
            info = w.info(f"g:{name}")
            answer = "luck" if info["statename"] == "FATAL" else w.seen[name]   # it may have failed by then already
            seen[name] = [answer, info["statename"], info["spawnerr"], sandbox.mask(sandbox.read(f"{name}.err"))]
        return seen


# The number of what can be had differs: Supervisor names what it asked for in vain.
LIMITS = ["minfds = 2000000000", "minprocs = 2000000000"]


def ask_for_too_much(daemon):
    """Limit -> (exit code, what it said)."""
    said = {}
    with Sandbox(daemon, "supervisorctl") as sandbox:
        for limit in LIMITS:
            sandbox.write_config(scripts.BASE.replace("[supervisord]", f"[supervisord]\n{limit}"))
            done = subprocess.run([*sandbox.daemon_command(), "-n", "-c", sandbox.config], cwd=sandbox.folder, env=sandbox.environment(), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=PATIENCE, check=False, preexec_fn=lower_limits)
            said[limit] = (done.returncode, re.sub(r"allow you to open \d+", "allow you to open N", done.stdout + done.stderr).splitlines()[:1])
    return said


def lower_limits():
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    resource.setrlimit(resource.RLIMIT_NPROC, (5000, 5000))


class Processes(CompatCase):
    def test_limits_that_cannot_be_had(self):
        wanted, got = ask_for_too_much("supervisord"), ask_for_too_much("xsvd")
        self.assertEqual({code for code, _ in wanted.values()}, {2})
        self.assertEqual(wanted, got)

    def test_how_commands_are_found(self):   # T33
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wanted, got = pool.submit(look_up, "supervisord"), pool.submit(look_up, "xsvd")
            wanted, got = wanted.result(), got.result()
        self.assertEqual({want[1] for want in wanted.values()}, {"RUNNING", "FATAL", "STOPPED"})
        for name, want in wanted.items():
            with self.subTest(name):
                self.assertEqual(want, got[name])

    def test_what_counts_as_changed(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wanted, got = pool.submit(reread, "supervisord"), pool.submit(reread, "xsvd")
            wanted, got = wanted.result(), got.result()
        for edit, want, have in zip(EDITS, wanted, got):
            with self.subTest(edit):
                self.assertEqual(want, have)

    def test_the_life_of_processes(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wanted, got = pool.submit(converse, "supervisord"), pool.submit(converse, "xsvd")
            wanted, got = wanted.result(), got.result()
        self.assertEqual(list(wanted), list(got))
        for label, want in wanted.items():
            with self.subTest(label):
                self.assertEqual(want, got[label])


if __name__ == "__main__":
    unittest.main()
