"""Logs: what the daemon writes about itself, files and their rotation, AUTO names, streams, and the calls that read them.
supervisord and xsvd side by side, one conversation with each of them; what was seen is compared label by label."""

import concurrent.futures
import os
import re
import signal
import stat
import subprocess
import unittest
import xmlrpc.client

import scripts
from harness import MEANT_DIFFERENCES, PATIENCE, CompatCase, Sandbox


def program(name, script, *settings, section="program"):
    return f"[{section}:{name}]\ncommand = sh -c '{script}'\nstartsecs = 0\n" + "\n".join(settings) + "\n"


ECHO = 'while read -r line; do echo "$line"; done'
BOTH = ("stdout_logfile = @DIR@/{0}.out", "stderr_logfile = @DIR@/{0}.err")


class Seen(Sandbox):
    """A daemon, and what was seen of it: label -> observation."""

    def __init__(self, daemon, config):
        super().__init__(daemon, "supervisorctl")
        os.chmod(self.folder, 0o755)
        self.seen = {}
        self.write_config(config)

    def daemon_command(self):
        # A child that the daemon does not know: it was there before.
        return ["/bin/sh", "-c", 'sleep 0.5 & exec "$@"', "sh", *super().daemon_command()]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def call(self, method, *arguments):
        try:
            return getattr(self.server().supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            return self.mask(f"{fault.faultCode} {fault.faultString}")

    def calls(self, method, rows):
        """Many calls at once: what each returned."""
        answers = self.server().system.multicall([{"methodName": f"supervisor.{method}", "params": list(row)} for row in rows])
        return {row: self.mask(f"{answer['faultCode']} {answer['faultString']}") if isinstance(answer, dict) else answer
                for row, answer in zip(rows, answers)}

    def say(self, name, text):
        self.call("sendProcessStdin", name, text)

    def wait_for_line(self, pattern, file="daemon.log"):
        if not self.until(lambda: re.search(pattern, self.read(file), re.MULTILINE)):
            raise AssertionError(f"{self.daemon}: no {pattern!r} in {self.read(file)}")

    def files(self, start):
        """What each file holds whose name starts so."""
        return {each: self.read(each) for each in sorted(os.listdir(self.folder)) if each.startswith(start)}

    def wait_for_files(self, label, start, **wanted):
        """Until these files hold this; seen is what all of them hold then. out_1 stands for START.out.1."""
        wanted = {start + "." + key.replace("_", "."): text for key, text in wanted.items()}
        if not self.until(lambda: wanted.items() <= self.files(start).items()):
            raise AssertionError(f"{self.daemon}: {label}: {self.files(start)}, not {wanted}")
        self.seen[label] = self.files(start)


class SideBySide(CompatCase):
    def same(self, converse):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wanted, got = pool.submit(converse, "supervisord"), pool.submit(converse, "xsvd")
            wanted, got = wanted.result(), got.result()
        self.assertEqual(list(wanted), list(got))
        differing = [label for label in wanted if wanted[label] != got[label]]
        for label in differing[:20]:
            with self.subTest(label):
                self.assertEqual(wanted[label], got[label])
        self.assertEqual(differing, [])


# --- 7.1: the activity log ---------------------------------------------------------------------------------------------

LISTENER = r'''printf "READY\n"
while read -r header; do
    head -c "${header##*len:}" >@DIR@/event
    printf "RESULT 2\nOKREADY\n"
done
'''
ACTIVITY = scripts.BASE.replace("childlogdir", "loglevel = trace\nchildlogdir").replace("@DIR@/daemon.pid", "@DIR@") + "".join((
    program("calm", "exec sleep 1000", "startsecs = 1", "stdout_logfile = NONE", "stderr_logfile = NONE"),
    program("expected", "sleep 1.3; exit 0", "startsecs = 1", "autorestart = false"),
    program("unexpected", "sleep 1.3; exit 7", "startsecs = 1", "autorestart = false"),
    program("signalled", "sleep 1.3; kill -9 $$", "startsecs = 1", "autorestart = false"),
    program("quick", "exit 0", "startsecs = 2", "startretries = 1"),
    program("instant", "sleep 0.3; exit 3", "autorestart = false", "exitcodes = 3"),
    program("polite", 'trap "exit 0" TERM; while :; do sleep 0.05; done', "stderr_logfile = NONE"),
    program("impolite", 'trap "exit 5" TERM; while :; do sleep 0.05; done'),
    program("deaf", 'trap "" TERM; echo ready; while :; do sleep 0.05; done', "stopwaitsecs = 2", "stopasgroup = true", *BOTH).format("deaf"),
    program("deafer", 'trap "" TERM; echo ready; while :; do sleep 0.05; done', "stopwaitsecs = 4", *BOTH).format("deafer"),
    program("talker", 'while read -r line; do echo "$line"; sleep 0.3; echo "e $line" >&2; done', "stdout_logfile = NONE", "stderr_logfile = @DIR@/talker.err"),
    program("silent", ECHO, "stdout_logfile = NONE", "stderr_logfile = NONE"),
    program("merged", 'while read -r line; do echo "$line" >&2; done', "stdout_logfile = NONE", "redirect_stderr = true"),
    program("odd", 'while read -r line; do printf "\\377$line"; done', "stdout_logfile = @DIR@/odd.out"),
    program("emitter", 'read -r line; printf "before it<!--XSUPERVISOR:BEGIN--><!--XSUPERVISOR:END-->and something behind it, longer than a token"; sleep 1000',
            "stdout_logfile = NONE", "stdout_capture_maxbytes = 1MB", "killasgroup = true"),
    program("resting", "exit 1", "startsecs = 2", "startretries = 20"),
    "[program:missing]\ncommand = /no/such/file\nstartretries = 0\n",
    program("web", "exec sleep 1000", "socket = unix://@DIR@/web.sock", section="fcgi-program"),
    "[eventlistener:ear]\ncommand = sh @DIR@/listener.sh\nevents = REMOTE_COMMUNICATION\nstartsecs = 0\n",
))
ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]{4}) (.*?)(?=^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} |\Z)", re.MULTILINE | re.DOTALL)
# Facts of the moment: numbers of processes, events and bytes, and how a listener's object is shown.
MOMENTS = ((r"\bpid \d+", "pid PID"), (r"\(\d{2,}\)", "(PID)"), (r"\bevent \d+", "event N"), (r" 200 \d+$", " 200 N"), (r"\[\d\d/\w{3}/\d{4}:[\d:]{8} [+-]\d{4}\]", "[TIME]"))
# Written or not as it happens to meet the daemon's turn.
LUCK = re.compile(r"INFO waiting for \w+ to stop|DEBG received SIGCHLD|DEBG fd \d+ closed, stopped monitoring|TRAC .*(getState|getProcessInfo)|DEBG '\w+' stderr output:\nTerminated")
# The web server's words, which test_rpc compares.
WEB = re.compile(r'TRAC \S+:(Medusa|xsvd) |TRAC localhost:0 - - \[')
FAREWELL = re.compile(r"INFO waiting for .* to die")
# xsvd alone (left-over, own-lines).
OWN = re.compile(r"INFO ended what was left of the process group of|(INFO|DEBG) (Creating|Closing) socket unix://DIR/ctl.sock|WARN DIR/s.conf:\d+: "
                 r"|INFO audit: |INFO reaped unknown pid PID \(terminated by SIGKILL\)|DEBG ear: READY -> BUSY|INFO supervisord started with pid PID")


def entries_of(sandbox):
    """Every message of the daemon's log as LEVL TEXT, without facts of the moment."""
    found = []
    for level, text in ENTRY.findall(sandbox.read("daemon.log")):
        text = f"{level} {sandbox.mask(text.rstrip())}"
        for pattern, by in MOMENTS:
            text = re.sub(pattern, by, text, flags=re.MULTILINE)
        found.append(text)
    return found


def activity(daemon):
    with Seen(daemon, ACTIVITY) as s:
        s.write("listener.sh", s.fill(LISTENER))
        os.mkdir(s.path("x-stdout---supervisor-abcdefgh.log"))   # cannot be removed as a file
        s.start_daemon()
        for name in ("deaf.out", "deafer.out"):
            s.wait_for_text(name, "ready")
        for name, line in (("talker", "one\n"), ("silent", "two\n"), ("merged", "three\n"), ("odd", "x\n"), ("emitter", "go\n")):
            s.say(name, line)
        s.call("sendRemoteCommEvent", "kind", "data")
        s.wait_for_line("event was processed")
        s.wait_for_line("talker' stderr output")
        s.call("startProcess", "nosuch")
        s.call("getAPIVersion")
        for name in ("expected", "unexpected", "signalled"):
            s.wait_for_line("exited: " + name)
        s.wait_for_line("gave up: quick")
        s.wait_for_line("success: calm")
        s.wait_for_line("reaped unknown pid")
        s.wait_for_state("resting", "BACKOFF")
        s.call("stopProcess", "resting")
        s.call("signalProcess", "calm", "CONT")
        for name in ("calm", "polite", "impolite", "deaf", "web:web"):
            s.call("stopProcess", name)
        s.process.send_signal(signal.SIGUSR2)
        s.wait_for_line("supervisord logreopen")
        s.process.send_signal(signal.SIGTERM)
        s.wait_for_line("to die")
        s.process.send_signal(signal.SIGHUP)
        s.process.wait(PATIENCE)
        s.process = None
        entries = entries_of(s)
        s.seen["waiting for deaf"] = "INFO waiting for deaf to stop" in entries
        s.seen["farewell"] = max((each for each in entries if FAREWELL.match(each)), key=len, default="")   # said again as they go, if that takes long
        entries = [each for each in entries if not any(pattern.match(each) for pattern in (LUCK, OWN, WEB, FAREWELL))]
        names = re.findall(r"\[(?:fcgi-)?(?:program|eventlistener):(\w+)\]", ACTIVITY)
        for name in names:
            mine = [each for each in entries if re.search(rf"(: |'|killing |sending |DEBG |kill ){name}\b(?!,)", each) and not each.startswith("TRAC")]
            s.seen[name] = sorted(set(mine)) if name == "resting" else mine
        s.seen["all"] = sorted(set(entries))
        return s.seen


# --- 7.2: files and rotation -------------------------------------------------------------------------------------------

ROTATION = scripts.BASE + "".join((
    program("two", ECHO, *BOTH, "stdout_logfile_maxbytes = 10", "stdout_logfile_backups = 2").format("two"),
    program("one", ECHO, *BOTH, "stdout_logfile_maxbytes = 10", "stdout_logfile_backups = 1").format("one"),
    program("zero", ECHO, *BOTH, "stdout_logfile_maxbytes = 10", "stdout_logfile_backups = 0").format("zero"),
    program("never", ECHO, *BOTH, "stdout_logfile_maxbytes = 0").format("never"),
    program("ten", ECHO, *BOTH, "stdout_logfile_maxbytes = 10").format("ten"),
    program("full", ECHO, *BOTH, "stdout_logfile_maxbytes = 10", "stdout_logfile_backups = 3").format("full"),
    program("errors", 'while read -r line; do echo "$line" >&2; done', *BOTH, "stderr_logfile_maxbytes = 10", "stderr_logfile_backups = 1").format("errors"),
    program("merged", 'while read -r line; do echo "$line" >&2; done', *BOTH, "stdout_logfile_maxbytes = 10", "stdout_logfile_backups = 1",
            "redirect_stderr = true").format("merged"),
    program("moved", ECHO, *BOTH).format("moved"), program("cut", ECHO, *BOTH, "stdout_logfile_maxbytes = 100").format("cut"),
    program("idle", "exec sleep 1000", *BOTH, "autostart = false").format("idle"),
))


def rotation(daemon):
    with Seen(daemon, ROTATION) as s:
        for name, text in {"two.out.1": "old 1\n", "two.out.2": "old 2\n", "two.out.3": "not ours\n", "ten.out.9": "nine\n", "ten.out.10": "ten\n",
                           "ten.out.11": "eleven\n", "full.out": "more than ten bytes\n", "never.out": "from before\n"}.items():
            s.write(name, text)
        s.start_daemon()
        for name in ("two", "one", "zero", "never", "ten", "full", "errors", "merged", "moved", "cut"):
            s.wait_for_state(name, "RUNNING")
        for name in ("two", "zero", "cut"):   # ours are opened by a process of their own
            s.until(lambda name=name: os.path.exists(s.path(name + ".err")) and os.path.exists(s.path(name + ".out")))
        s.seen["at start"] = {name: text for name, text in s.files("").items() if re.match(r"(?!daemon).*\.(out|err)(\.\d+)?$", name)}
        for name, log in (("two", "out"), ("one", "out"), ("ten", "out"), ("errors", "err"), ("merged", "out")):
            s.say(name, "012345678\n")   # ten bytes with its line break: not longer than it may be, and rotated all the same
            s.wait_for_files(f"{name}: exactly full", name, **{log + "_1": "012345678\n", log: ""})
            s.say(name, "short\n")
            s.wait_for_files(f"{name}: not full", name, **{log: "short\n"})
            s.say(name, 20 * "x" + "\n")
            s.wait_for_files(f"{name}: too long", name, **{log + "_1": "short\n" + 20 * "x" + "\n", log: ""})
        s.say("two", "third line\n")
        s.wait_for_files("two: the oldest goes", "two", out_1="third line\n")
        os.unlink(s.path("two.out.1"))
        s.say("two", "fourth line\n")
        s.wait_for_files("two: one is missing", "two", out_1="fourth line\n")
        for label, line, left in (("written", "a\n", "a\n"), ("emptied", "0123456789 and more\n", ""), ("written again", "short\n", "short\n")):
            s.say("zero", line)
            s.wait_for_files(f"zero: {label}", "zero", out=left)
        s.say("never", 300 * "x" + "\n")
        s.wait_for_files("never", "never", out="from before\n" + 300 * "x" + "\n")
        s.say("full", "a\n")
        s.wait_for_files("full: too long already at start", "full", out_1="more than ten bytes\na\n")
        s.say("cut", "to be cut\n")
        s.wait_for_files("written", "cut", out="to be cut\n")
        os.truncate(s.path("cut.out"), 0)
        s.say("cut", "after the cut\n")
        s.wait_for_files("truncated by somebody else", "cut", out="after the cut\n")
        s.say("moved", "one\n")
        s.wait_for_files("before it is moved", "moved", out="one\n")
        os.rename(s.path("moved.out"), s.path("moved.old"))
        s.say("moved", "two\n")
        s.wait_for_files("moved", "moved", old="one\ntwo\n")
        s.process.send_signal(signal.SIGUSR2)
        s.wait_for_files("reopened", "moved", old="one\ntwo\n", out="")
        s.say("moved", "three\n")
        s.wait_for_files("written after that", "moved", old="one\ntwo\n", out="three\n")
        for name in ("two", "moved", "errors"):
            s.seen[f"clear {name}"] = s.call("clearProcessLogs", name)
            s.seen[f"after clear {name}"] = s.files(name)
        s.seen["clear one that never ran"] = [s.call("clearProcessLogs", "idle"), s.files("idle.")]
        s.say("moved", "four\n")
        s.wait_for_files("written after clear", "moved", out="four\n")
        s.seen["clear all"] = sorted(each["name"] for each in s.call("clearAllProcessLogs") if each["status"] == 80 and each["name"] != "idle")
        s.seen["modes"] = {name: oct(stat.S_IMODE(os.stat(s.path(name)).st_mode)) for name in sorted(os.listdir(s.folder)) if ".out" in name or ".err" in name}
        s.seen["clear the daemon's"] = s.call("clearLog")
        s.seen["the daemon's"] = [os.path.exists(s.path("daemon.log")), len(s.files("daemon.log"))]
        s.call("stopProcess", "moved")
        s.call("startProcess", "moved")
        s.say("moved", "five\n")
        s.wait_for_files("after a restart", "moved", out="five\n")
        return s.seen


# --- 4.7: reading ------------------------------------------------------------------------------------------------------

OFFSETS = (-2**31, -200, -11, -10, -9, -1, 0, 1, 5, 9, 10, 11, 100, 2999, 3000, 3001, 2**31 - 1)
LENGTHS = (-2**31, -100, -1, 0, 1, 5, 9, 10, 11, 200, 3000, 2**31 - 1)
SIZES = {"empty": 0, "single": 1, "small": 10, "large": 3000}
READING = scripts.BASE + "".join(program(name, "exec sleep 1000", *BOTH).format(name) for name in (*SIZES, "gone")) + "".join((
    program("idle", "exec sleep 1000", *BOTH, "autostart = false").format("idle"),
    program("none", "exec sleep 1000", "stdout_logfile = NONE", "stderr_logfile = NONE"),
    program("merged", "exec sleep 1000", *BOTH, "redirect_stderr = true").format("merged"),
    program("null", "exec sleep 1000", "stdout_logfile = /dev/null", "stdout_logfile_maxbytes = 0", "stderr_logfile = NONE"),
    program("turned", ECHO, *BOTH, "stdout_logfile_maxbytes = 10", "stdout_logfile_backups = 1").format("turned")))


def text_of(size):
    return "".join(chr(ord("a") + n % 26) if n % 10 != 9 else "\n" for n in range(size))


def reading(daemon):
    with Seen(daemon, READING) as s:
        for name, size in SIZES.items():
            s.write(f"{name}.out", text_of(size))
            s.write(f"{name}.err", text_of(size).upper())
        s.start_daemon()
        for name in (*SIZES, "gone", "merged", "turned", "null"):
            s.wait_for_state(name, "RUNNING")
        for log in ("out", "err"):
            os.unlink(s.path("gone." + log))
        s.say("turned", "long enough to be rotated\n")
        s.wait_for_text("turned.out.1", "rotated\n")
        everything = [(offset, length) for offset in OFFSETS for length in LENGTHS]
        few = [(offset, length) for offset in (-5, 0, 5, 100) for length in (-1, 0, 5)]
        for method in ("readProcessStdoutLog", "readProcessStderrLog", "tailProcessStdoutLog", "tailProcessStderrLog"):
            for name in (*SIZES, "gone", "idle", "none", "merged", "null", "turned", "nosuch"):
                rows = [(name, *row) for row in (everything if name in SIZES else few)]
                for row, answer in s.calls(method, rows).items():
                    s.seen[(method, *row)] = answer
        # The daemon's own log grows and differs: its size is measured by a call, and what comes is named by its place in it.
        log = s.call("readLog", 0, 0)
        for offset in (-10, -1, 0, 1, 7, len(log), len(log) + 1, 2**31 - 1):
            for length in (-1, 0, 1, 20):
                answer = s.call("readLog", offset, length)
                whole = s.call("readLog", 0, 0)
                begin = offset if offset >= 0 else len(whole) + offset
                is_right = answer == whole[begin:begin + length if length > 0 else None]
                s.seen["readLog", offset if offset < len(log) else "end" if offset == len(log) else "beyond", length] = "as it should" if is_right else answer
        os.unlink(s.path("daemon.log"))
        s.seen["readLog of none"] = s.call("readLog", 0, 0)
        s.seen["clearLog of none"] = s.call("clearLog")
        return s.seen


# --- 7.3: AUTO ---------------------------------------------------------------------------------------------------------

AUTO = scripts.BASE.replace("childlogdir", "@MORE@\nidentifier = my.own\nchildlogdir").replace("childlogdir = @DIR@", "childlogdir = @DIR@/logs") + "".join((
    program("both", "echo out; echo err >&2; exec sleep 1000"),
    program("merged", "echo out; echo err >&2; exec sleep 1000", "redirect_stderr = true"),
    program("waits", "exec sleep 1000", "autostart = false"),
    program("halves", "exec sleep 1000", "stdout_logfile = @DIR@/halves.out"),
    program("turned", ECHO, "stdout_logfile_maxbytes = 10", "stdout_logfile_backups = 2"),
    program("several", "exec sleep 1000", "process_name = %(program_name)s_%(process_num)d", "numprocs = 2"),
    "[group:together]\nprograms = both,merged\n"))
LEFT = ("both-stdout---my.own-abcdefgh.log", "both-stdout---my.own-abcdefgh.log.1", "both-stdout---my.own-abcdefgh.log.10",
        "other-stdout---another-abcdefgh.log", "both-stdout--my.own-abcdefgh.log", "---my.own-abcdefgh.log", "both-stdout---my.own-abcdefgh.txt", "notes")
FOREIGN = ("x---my.own-y.log", "long---my.own-a-b-c.log.1234", "x-stdout---myxown-abcdefgh.log")   # Supervisor takes them for its own


def auto(daemon, more=""):
    with Seen(daemon, AUTO.replace("@MORE@", more)) as s:
        logs = s.path("logs")
        os.mkdir(logs)
        for name in LEFT + FOREIGN:
            s.write(os.path.join("logs", name), "left\n")
        s.start_daemon()
        for name in ("together:both", "together:merged", "halves", "turned", "several:several_1"):
            s.wait_for_state(name, "RUNNING")

        def listing():
            return sorted((re.sub(r"-[a-z0-9_]{8}\.log", "-RANDOM.log", name) if name not in LEFT else name,
                           oct(stat.S_IMODE(os.stat(os.path.join(logs, name)).st_mode))) for name in os.listdir(logs) if name not in FOREIGN)

        def names():
            return [name for name, _ in listing()]
        s.seen["at start"] = listing()
        if daemon == "xsvd":   # auto-foreign
            assert set(FOREIGN) <= set(os.listdir(logs)), os.listdir(logs)
        if more:
            return s.seen
        info = {each["name"]: each for each in s.call("getAllProcessInfo")}
        s.seen["as told"] = {name: [re.sub(r"[a-z0-9_]{8}\.log$", "RANDOM.log", s.mask(each[key])) for key in ("logfile", "stdout_logfile", "stderr_logfile")]
                             for name, each in info.items()}
        s.seen["text"] = [s.until(lambda: s.call("readProcessStdoutLog", "together:both", 0, 0) == "out\n"),
                          s.until(lambda: s.call("readProcessStderrLog", "together:both", 0, 0) == "err\n"),
                          s.until(lambda: s.call("readProcessStdoutLog", "together:merged", 0, 0) == "out\nerr\n")]
        s.say("turned", "long enough to be rotated\n")
        s.seen["rotated"] = s.until(lambda: os.path.exists(info["turned"]["logfile"] + ".1")) and names()
        s.seen["cleared"] = s.call("clearProcessLogs", "together:both"), names()
        if daemon == "xsvd":   # auto-mode
            assert {mode for name, mode in listing() if "RANDOM" in name} == {"0o600"}, listing()
        s.seen["same name after a restart"] = [s.call("stopProcess", "halves"), s.call("startProcess", "halves"),
                                               s.call("getProcessInfo", "halves")["stderr_logfile"] == info["halves"]["stderr_logfile"]]
        s.seen["reread"] = s.call("reloadConfig")
        s.seen["removed"] = [s.call("removeProcessGroup", "waits"), names()]
        s.seen["added again"] = [s.call("addProcessGroup", "waits"), names(), s.call("getProcessInfo", "waits")["logfile"] != info["waits"]["logfile"]]
        s.stop_daemon()
        s.seen["at the end"] = names()
        s.start_daemon()
        s.seen["at the next start"] = listing()
        return s.seen


# --- 7.4: streams ------------------------------------------------------------------------------------------------------

STREAMS = scripts.BASE.replace("[supervisord]", "[supervisord]\nsilent = true") + "".join(
    program(name, f"echo {name} says this; echo {name} complains >&2; exec sleep 1000", f"stdout_logfile = {out}", f"stderr_logfile = {err}",
            "stdout_logfile_maxbytes = 0", "stderr_logfile_maxbytes = 0")
    for name, out, err in (("dev", "/dev/stdout", "/dev/stderr"), ("numbers", "/dev/fd/1", "/dev/fd/2"), ("proc", "/proc/self/fd/1", "/proc/self/fd/2"),
                           ("crossed", "/dev/stderr", "/dev/stdout"), ("null", "/dev/null", "/dev/null"), ("linked", "@DIR@/out.link", "@DIR@/err.link"),
                           ("files", "@DIR@/data.link", "@DIR@/relative.link"))) + "".join((
    program("merged", "echo merged says this; echo merged complains >&2; exec sleep 1000", "stdout_logfile = /dev/stdout", "stdout_logfile_maxbytes = 0",
            "redirect_stderr = true"),
    program("again", ECHO, "stdout_logfile = /dev/stdout", "stdout_logfile_maxbytes = 0")))
SAID = 17   # lines on both streams together, with what is said after the logs were reopened


def streams(daemon, kind):
    with Seen(daemon, STREAMS) as s:
        os.mkdir(s.path("data"))
        for link, target in (("out.link", "/dev/stdout"), ("err.link", "/dev/stderr"), ("data.link", s.path("data/app.log")), ("relative.link", "data/err.log")):
            os.symlink(target, s.path(link))
        got = {}
        if kind == "pipe":
            ends = [os.pipe(), os.pipe()]
            readers, writers = [each[0] for each in ends], [each[1] for each in ends]
        else:
            readers = [os.open(s.path(f"fd{n}"), os.O_RDWR | os.O_CREAT) for n in (1, 2)]
            writers = [os.dup(each) for each in readers]
        try:
            s.process = subprocess.Popen(s.daemon_command() + ["-n", "-c", s.config], cwd=s.folder, env=s.environment(), stdin=subprocess.DEVNULL,
                                         stdout=writers[0], stderr=writers[1], start_new_session=True)
            for each in writers:
                os.close(each)
            texts = [b"", b""]

            def lines():
                for n, reader in enumerate(readers):
                    if kind == "pipe":
                        os.set_blocking(reader, False)
                        try:
                            texts[n] += os.read(reader, 65536)
                        except BlockingIOError:
                            pass
                    else:
                        texts[n] = os.pread(reader, 1 << 20, 0)
                return [sorted(line for line in text.decode().splitlines() if " says " in line or " complains" in line) for text in texts]
            assert s.until(s.answers), s.read("daemon.log")
            for name in ("dev", "numbers", "proc", "crossed", "null", "linked", "files", "merged", "again"):
                s.wait_for_state(name, "RUNNING")
                info = s.call("getProcessInfo", name)
                got[name, "told"] = [s.mask(info[key]) for key in ("logfile", "stdout_logfile", "stderr_logfile", "spawnerr")]
            got["lines of files"] = s.until(lambda: (s.read("data/app.log"), s.read("data/err.log")) == ("files says this\n", "files complains\n"))
            s.say("again", "again says one\n")
            assert s.until(lambda: "again says one" in lines()[0]), (s.daemon, lines())
            s.process.send_signal(signal.SIGUSR2)
            s.wait_for_line("supervisord logreopen")
            s.say("again", "again says two\n")
            s.until(lambda: "again says two" in lines()[0] and sum(map(len, lines())) >= 14)
            got["lines"] = lines()
            got["read null"] = s.call("readProcessStdoutLog", "null", 0, 0), s.call("tailProcessStdoutLog", "null", 0, 10)
            if kind == "pipe":   # a reading of Supervisor's that goes further is a program's that reads the pipe
                got["read"] = s.call("readProcessStdoutLog", "dev", -1, 5)
            got["read files"] = s.call("readProcessStdoutLog", "files", 0, 0), s.call("tailProcessStderrLog", "files", 0, 100)
            s.stop_daemon()
            return got
        finally:
            for each in readers:
                os.close(each)


class Logs(SideBySide):
    def test_activity(self):
        self.same(activity)

    def test_rotation(self):
        self.same(rotation)

    def test_reading(self):
        self.same(reading)

    def test_auto(self):
        self.same(auto)

    def test_auto_without_cleanup(self):
        self.same(lambda daemon: auto(daemon, "nocleanup = true"))

    def test_streams_in_a_pipe(self):
        self.same(lambda daemon: streams(daemon, "pipe"))

    def test_streams_in_files(self):
        self.same(lambda daemon: streams(daemon, "file"))


if __name__ == "__main__":
    unittest.main()
