"""The output of programs goes where the configuration says, and harms nobody."""
import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import xsvd


def output(name, text, lines, *settings):
    return f"[program:{name}]\ncommand = {xsvd.PROGRAM} output {text} {lines}\nstartsecs = 0\n" + "\n".join(settings) + "\n"


def read(path):
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:  # not yet, or in the middle of a rotation
        return ""


def mounts_are_allowed():
    return xsvd.is_root() and xsvd.have("unshare", "mount") and subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], stderr=subprocess.DEVNULL).returncode == 0


def with_mounts(script, *arguments):
    """A wrapper: the daemon runs in a mount namespace of its own, prepared by this script; $1 … are the arguments."""
    text = "set -e\n" + script + f"\nshift {len(arguments)}\nexec \"$@\""
    return ["unshare", "-m", "sh", "-c", text, "sh", *map(str, arguments)]


# A /dev of its own: a few nodes of the real one and a link to our log socket.
OWN_DEV = """
new=$(mktemp -d); mount -t tmpfs none $new
for node in null zero full random urandom tty; do touch $new/$node; mount --bind /dev/$node $new/$node; done
ln -s /proc/self/fd $new/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${n%:*} $new/${n#*:}; done
ln -s "$1" $new/log
mount --move $new /dev; rmdir $new"""

OWN_JOURNAL = """
mount -t tmpfs none /run; mkdir -p /run/systemd/journal; ln -s "$1" /run/systemd/journal/socket"""

# The image is in the page cache; the loop device goes with the last mount.
OWN_DISK = """
truncate -s 16M "$1/image"; PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q "$1/image"
mkdir "$1/disk"; mount -o loop "$1/image" "$1/disk"
"""


class Receiver:
    """A datagram socket that stands for syslog's or the journal's."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.got = []

    def has(self, pattern):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.got.append(self.socket.recv(65536, socket.MSG_DONTWAIT).decode())
        return any(re.search(pattern, text) for text in self.got)

    def close(self):
        self.socket.close()


STAMP = r"[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d"


class State(xsvd.TestCase):
    def test_sigusr1_writes_the_state_of_all_programs(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:web]
            command = /bin/cat
            socket = tcp4:127.0.0.1:{port}
            environment = SECRET="not for others\"""")
        daemon.wait_until_ready()
        said = "received SIGUSR1; the state of all programs is in (.*)\n"
        for count in (1, 2):
            os.kill(daemon.pid, signal.SIGUSR1)
            xsvd.until(lambda count=count: len(re.findall(said, daemon.read_log())) == count, daemon.describe)
        file = re.findall(said, daemon.read_log())[-1]
        with open(file, encoding="utf-8") as dump:
            text = dump.read()
        self.assertEqual([(row["name"], row["state"]) for row in json.loads(text)], [("web", "listening")])
        self.assertNotIn("not for others", text)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)


@unittest.skipUnless(mounts_are_allowed(), "needs root and mount namespaces")
class SystemLogs(xsvd.TestCase):
    def receiver(self):
        path = self.folder() / "socket"
        receiver = Receiver(path)
        self.addCleanup(receiver.close)
        return receiver, path

    def test_output_goes_to_syslog_line_by_line(self):
        receiver, path = self.receiver()
        self.daemon(output("out", "line", 3, "stdout_syslog = true", "stdout_logfile = @DIR@/out.log", "stderr_logfile = syslog"),
                    wrapper=with_mounts(OWN_DEV, path))
        for line in ("out line 1", "out line 3", "out err 3"):  # facility user, priority info: 1 * 8 + 6
            self.assertEventually(lambda line=line: receiver.has(rf"^<14>{STAMP} xsvd: {line}$"), lambda: f"{line} in {receiver.got}")
        daemon = self.daemons[0]
        self.assertEqual(read(daemon.dir / "out.log"), "line 1\nline 2\nline 3\n")

    def test_lines_about_connections_have_the_facility_they_are_meant_for(self):
        receiver, path = self.receiver()
        port = xsvd.free_port()
        self.daemon(f"""
            [program:code]
            command = /bin/true
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            connection_log_to = syslog:local3.notice""", wrapper=with_mounts(OWN_DEV, path))
        xsvd.talk(("127.0.0.1", port))
        self.assertEventually(lambda: receiver.has(rf"^<{19 * 8 + 5}>{STAMP} xsvd: code: 127\.0\.0\.1:\d+ served by pid \d+ .*"), lambda: str(receiver.got))

    def test_a_syslog_that_hangs_or_comes_back_harms_nobody(self):
        receiver, path = self.receiver()
        daemon = self.daemon(f"""
            [program:talker]
            command = /bin/sh -c 'i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done; touch @DIR@/done; while :; do echo again; sleep 0.05; done'
            stdout_logfile = @DIR@/out.log
            stdout_syslog = true
            startsecs = 0""", args=("-l", "syslog"), wrapper=with_mounts(OWN_DEV, path))
        self.assertEventually((daemon.dir / "done").exists, "the program is not blocked")
        self.assertEventually(lambda: "2999\nagain\n" in read(daemon.dir / "out.log"), "its file has everything")
        begin = time.monotonic()
        for _ in range(5):
            daemon.ctl("restart", "talker", check=True)
        self.assertLess(time.monotonic() - begin, 10, "commands do not wait for syslog")
        receiver.close()
        path.unlink()
        anew = Receiver(path)
        self.addCleanup(anew.close)
        self.assertEventually(lambda: anew.has("talker again$"), "the new receiver gets lines")

    def test_the_daemons_log_goes_to_syslog(self):
        receiver, path = self.receiver()
        self.daemon(output("out", "line", 1), args=("-l", "syslog"), wrapper=with_mounts(OWN_DEV, path))
        self.assertEventually(
            lambda: receiver.has(rf"^<14>{STAMP} xsvd: \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} INFO spawned: 'out' with pid \d+$"),
            lambda: f"Supervisor's line in {receiver.got}")

    def test_the_daemons_log_goes_to_the_journal(self):
        receiver, path = self.receiver()
        self.daemon(output("out", "line", 1), env={"JOURNAL_STREAM": "1:1"}, wrapper=with_mounts(OWN_JOURNAL, path))
        self.assertEventually(
            lambda: receiver.has(r"^PRIORITY=6\nSYSLOG_IDENTIFIER=xsvd\nMESSAGE=spawned: 'out' with pid \d+\n$"),
            lambda: f"the journal's fields in {receiver.got}")


FIFREEZE, FITHAW = 0xC0045877, 0xC0045878


class FrozenDisk:
    """A filesystem where every writer hangs. It thaws in any case: also when this process is killed."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.guard = subprocess.Popen(
            [sys.executable, "-c", f"import fcntl, sys; sys.stdin.read(); fcntl.ioctl({self.fd}, {FITHAW}, 0)"],
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=[self.fd])
        fcntl.ioctl(self.fd, FIFREEZE, 0)

    def thaw(self):
        if self.guard:
            self.guard.stdin.close()
            self.guard.wait()
            os.close(self.fd)
        self.guard = None


def disks_can_freeze():
    if not mounts_are_allowed() or not xsvd.have("mkfs.ext4", "losetup"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(with_mounts(OWN_DISK, folder) + ["true"], stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipUnless(disks_can_freeze(), "needs root, mkfs.ext4 and a loop device")
class Frozen(xsvd.TestCase):
    def test_a_disk_that_hangs_stops_only_the_logs_on_it(self):
        """Rule L6."""
        folder = self.folder()
        count = "/bin/sh -c 'n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done'"
        daemon = self.daemon(f"""
            [program:stuck]
            command = {count}
            stdout_logfile = {folder}/disk/stuck.log
            startsecs = 0
            [program:fine]
            command = {count}
            stdout_logfile = {folder}/fine.log
            startsecs = 0""", wrapper=with_mounts(OWN_DISK, folder))
        disk = f"/proc/{daemon.pid}/root{folder}/disk"
        stuck, fine = xsvd.Path(disk) / "stuck.log", folder / "fine.log"
        self.assertEventually(lambda: read(stuck) and read(fine), "both are written")
        pid = daemon.pid_of("stuck")
        frozen = FrozenDisk(disk)
        self.addCleanup(frozen.thaw)
        size = stuck.stat().st_size
        tail = subprocess.Popen([xsvd.XSVCTL, "-c", daemon.config, "tail", "stuck"], stdout=subprocess.DEVNULL)
        self.addCleanup(tail.wait)
        self.addCleanup(tail.kill)
        for round in range(3):
            lines = read(fine).count("\n")
            self.assertEventually(lambda: read(fine).count("\n") > lines + 30, "the other log goes on", patience=5)
            begin = time.monotonic()
            self.assertEqual(daemon.state("stuck"), "RUNNING")
            daemon.ctl("restart", "fine", check=True)
            daemon.ctl("tail", "fine", check=True)
            self.assertLess(time.monotonic() - begin, 5, "commands are answered")
        self.assertEqual(stuck.stat().st_size, size, "the disk did hang")
        self.assertEqual(daemon.pid_of("stuck"), pid, "the program with the hanging log runs on")
        frozen.thaw()
        self.assertEventually(lambda: stuck.stat().st_size > size, "its log goes on")
        numbers = [int(n) for n in read(stuck).split("\n")[:-1]]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)), "and lost nothing")

    def test_the_daemon_ends_although_a_disk_hangs(self):
        """Whoever writes there cannot be killed, so nobody waits for its death."""
        folder = self.folder()
        daemon = self.daemon(f"""
            [program:stuck]
            command = /bin/sh -c 'while :; do echo line; sleep 0.01; done'
            stdout_logfile = {folder}/disk/stuck.log
            startsecs = 0""", wrapper=with_mounts(OWN_DISK, folder))
        disk = f"/proc/{daemon.pid}/root{folder}/disk"
        stuck = xsvd.Path(disk) / "stuck.log"
        self.assertEventually(lambda: read(stuck), "it is written")
        frozen = FrozenDisk(disk)
        self.addCleanup(frozen.thaw)
        tasks = xsvd.Path(f"/proc/{daemon.roles()['scribe']}/task")
        self.assertEventually(lambda: any("State:\tD" in read(task / "status") for task in tasks.iterdir()), "its writer hangs")
        os.kill(daemon.pid, signal.SIGTERM)
        self.assertEqual(daemon.process.wait(20), 0)
        self.assertRegex(daemon.read_log(), r"WARN xsvd: scribe \(pid \d+\) cannot be killed")
        frozen.thaw()
        self.assertEqual(daemon.expect_end()[0], 0)


@unittest.skipUnless(mounts_are_allowed(), "needs root and mount namespaces")
class Full(xsvd.TestCase):
    def test_a_full_disk_costs_output_that_is_counted_and_told(self):
        """Rule L5."""
        folder = self.folder()
        daemon = self.daemon(f"""
            [program:talker]
            command = /bin/sh -c 'yes | head -c 3000000; touch {folder}/done; while :; do echo more; sleep 0.02; done'
            stdout_logfile = {folder}/disk/out.log
            stdout_logfile_maxbytes = 0
            startsecs = 0""", wrapper=with_mounts('mkdir "$1/disk"; mount -t tmpfs -o size=1m,mode=755 none "$1/disk"', folder))
        log = xsvd.Path(f"/proc/{daemon.pid}/root{folder}/disk/out.log")
        self.assertEventually((folder / "done").exists, "the program is not held up")
        pid = daemon.pid_of("talker")
        daemon.wait_for_log(r"WARN .*out\.log: No space left on device")
        kept = log.stat().st_size
        self.assertLessEqual(kept, 1 << 20)
        os.truncate(log, 0)
        self.assertEventually(lambda: read(log).endswith("more\n"), "it is written again")
        match = re.match(r"(\d+) bytes lost between \d{4}-[-\d: ]{14} and \d{4}-[-\d: ]{14}\n(more\n)+$", read(log))
        self.assertTrue(match, read(log)[:200])
        counted = kept + int(match[1]) - 3_000_000
        self.assertGreaterEqual(counted, 0)
        self.assertEqual(counted % len("more\n"), 0, "every byte is in the file or counted")
        daemon.wait_for_log(r"INFO .*out\.log is written again, \d+ bytes were lost")
        self.assertEqual(len(re.findall("No space left", daemon.read_log())), 1)
        self.assertEqual(daemon.pid_of("talker"), pid)


class Files(xsvd.TestCase):
    def test_stdout_and_stderr_go_to_their_files(self):
        daemon = self.daemon(output("out", "line", 3, "stdout_logfile = @DIR@/out.log", "stderr_logfile = @DIR@/err.log"))
        self.assertEventually(lambda: read(daemon.dir / "out.log") == "line 1\nline 2\nline 3\n", "stdout is written")
        self.assertEventually(lambda: read(daemon.dir / "err.log") == "err 1\nerr 2\nerr 3\n", "stderr is written")

    def test_redirect_stderr(self):
        daemon = self.daemon(output("out", "line", 2, "stdout_logfile = @DIR@/out.log", "redirect_stderr = true"))
        self.assertEventually(lambda: sorted(read(daemon.dir / "out.log").split("\n")) == ["", "err 1", "err 2", "line 1", "line 2"],
                              "both streams are in one file")
        self.assertEqual(daemon.info("out")["stderr_logfile"], "")

    def test_rotation(self):
        daemon = self.daemon(output("out", "x" * 90, 20000, "stdout_logfile = @DIR@/out.log", "stdout_logfile_maxbytes = 10KB",
                                    "stdout_logfile_backups = 3", "stderr_logfile = NONE"))
        newest = daemon.dir / "out.log"

        def all_is_written():  # and the last rotation is over
            text = read(newest)
            return len(text) < 10240 and newest.exists() and (text or read(daemon.dir / "out.log.1")).endswith(" 20000\n")
        self.assertEventually(all_is_written, "everything is written")
        files = sorted(p.name for p in daemon.dir.glob("out.log*"))
        self.assertEqual(files, ["out.log", "out.log.1", "out.log.2", "out.log.3"])
        text = "".join(read(daemon.dir / name) for name in ("out.log.3", "out.log.2", "out.log.1", "out.log"))
        numbers = [int(n) for n in re.findall(r"(?m)^x+ (\d+)$", text)]
        self.assertEqual(numbers, list(range(numbers[0], 20001)), "no line is lost or doubled at a rotation")
        for name in files:
            self.assertLess((daemon.dir / name).stat().st_size, 90 * 1024)

    def test_backups_zero_truncates(self):
        daemon = self.daemon(output("out", "x" * 90, 500, "stdout_logfile = @DIR@/out.log", "stdout_logfile_maxbytes = 5KB",
                                    "stdout_logfile_backups = 0"))
        xsvd.until(lambda: (daemon.dir / "out.log").exists(), "the log is there")
        self.assertEventually(lambda: "err 500" in daemon.ctl("tail", "out", "stderr").out, "everything is written")
        self.assertEqual([p.name for p in daemon.dir.glob("out.log*")], ["out.log"])

    def test_a_link_that_is_our_own_leads_to_the_file(self):
        folder = self.folder()
        folder.chmod(0o755)
        (folder / "data").mkdir()
        for link, target in (("app.log", folder / "data" / "app.log"), ("xsvd.log", "data/xsvd.log")):
            (folder / link).symlink_to(target)
        daemon = self.daemon(output("out", "line", 1, "stdout_logfile = @DIR@/app.log", "stdout_logfile_maxbytes = 4",
                                    "stdout_logfile_backups = 2"), folder=folder)
        self.assertEventually(lambda: read(folder / "data" / "app.log.1") == "line 1\n", "copies stand beside the file")
        self.assertEqual(daemon.ctl("clear", "out").out, "out: cleared\n")
        self.assertTrue((folder / "app.log").is_symlink() and (folder / "xsvd.log").is_symlink())
        self.assertIn("spawned: 'out'", read(folder / "data" / "xsvd.log"))
        self.assertIn("spawned: 'out'", daemon.rpc.readLog(0, 0))

    def test_a_link_that_others_could_have_made_is_not_followed(self):
        folder = self.folder()
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        (folder / "victim").write_text("precious", encoding="ascii")
        (folder / "open" / "app.log").symlink_to(folder / "victim")
        daemon = self.daemon(output("out", "line", 1, "stdout_logfile = @DIR@/open/app.log"), folder=folder)
        daemon.wait_for_log("app.log: is a link")
        self.assertEqual(read(folder / "victim"), "precious")

    def test_auto_and_none(self):
        daemon = self.daemon(output("auto", "line", 2) + output("none", "line", 2, "stdout_logfile = NONE", "stderr_logfile = NONE"))
        info = daemon.info("auto")
        self.assertRegex(info["stdout_logfile"], rf"^{daemon.dir}/logs/auto-stdout---supervisor-[a-z0-9_]{{8}}\.log$")
        self.assertRegex(info["stderr_logfile"], rf"^{daemon.dir}/logs/auto-stderr---supervisor-[a-z0-9_]{{8}}\.log$")
        self.assertEventually(lambda: daemon.ctl("tail", "auto").out == "line 1\nline 2\n\n", "the lines are there")
        self.assertEqual(os.stat(info["stdout_logfile"]).st_mode & 0o777, 0o600)
        self.assertEqual((daemon.info("none")["stdout_logfile"], daemon.info("none")["stderr_logfile"]), ("", ""))
        self.assertEqual(daemon.ctl("tail", "none")[:2], (1, "none: ERROR (no log file)\n"))
        self.assertEqual(len(list((daemon.dir / "logs").iterdir())), 2)

    def test_auto_logs_of_an_earlier_life_go_and_nothing_else(self):
        """Bug B43: the identifier is no regular expression."""
        folder = self.folder()
        (folder / "logs").mkdir()
        old = ["x-stdout---a.b-abcdefgh.log", "x-stderr---a.b-a_c0efgh.log.12", "y---a.b-stdout---a.b-abcdefgh.log.1"]
        foreign = ["x-stdout---aXb-abcdefgh.log", "x-stdout---a.b-abcdefg.log", "x-stdout---a.b-abcdefgh.log.gz", "x---a.b-abcdefgh.log",
                   "x-stdout---a.b-abcdefgh.log.", "x-stdout---a.b-ABCDEFGH.log", "-stdout---a.b-abcdefgh.log", "x-stdout---a.b-abcdefgh.log1"]
        for name in old + foreign:
            (folder / "logs" / name).touch()
        os.symlink("/nowhere", folder / "logs" / "z-stdout---a.b-abcdefgh.log")
        self.daemon("", folder=folder, supervisord="identifier = a.b")
        self.assertEqual(sorted(os.listdir(folder / "logs")), sorted(foreign + ["z-stdout---a.b-abcdefgh.log"]))
        self.assertNotIn("WARN", self.daemons[0].read_log())
        self.daemons.pop().stop()
        (folder / "logs" / old[0]).touch()
        self.daemon("", folder=folder, supervisord="identifier = a.b\nnocleanup = true")
        self.assertIn(old[0], os.listdir(folder / "logs"))

    def test_a_log_that_cannot_be_opened_harms_nobody(self):   # B44
        blocked = self.folder() / "file"
        blocked.touch()
        daemon = self.daemon(output("bad", "line", 2, f"stdout_logfile = {blocked}/out.log") + output("good", "line", 2))
        self.assertEventually(lambda: daemon.ctl("tail", "good").out.startswith("line 1"), "the other one logs")
        self.assertEventually(lambda: str(blocked) in daemon.ctl("show", "bad").out, "show tells about the log")
        self.assertIn(f"Its output could not be written: log file {blocked}/out.log: ", daemon.ctl("why", "bad").out)
        self.assertEqual(daemon.state("good"), "RUNNING")

    def test_output_before_and_after_a_deleted_file(self):
        daemon = self.daemon("""
            [program:clock]
            command = /bin/sh -c 'n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done'
            stdout_logfile = @DIR@/clock.log
            startsecs = 0""")
        path = daemon.dir / "clock.log"
        self.assertEventually(lambda: read(path), "it logs")
        path.unlink()
        pid = daemon.pid_of("clock")
        os.kill(daemon.pid, signal.SIGUSR2)
        self.assertEventually(lambda: read(path), "the file is there again after SIGUSR2")
        self.assertEqual(daemon.pid_of("clock"), pid)

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_a_full_disk_does_not_block_the_program(self):
        daemon = self.daemon(f"""
            [program:talker]
            command = /bin/sh -c 'i=0; while [ $i -lt 5000 ]; do echo a long line of some text number $i; i=$((i+1)); done; touch @DIR@/done; exec sleep 1000'
            stdout_logfile = /dev/full
            stdout_logfile_maxbytes = 0
            startsecs = 0""")
        self.assertEventually(lambda: (daemon.dir / "done").exists(), "the program is not blocked by its log")
        self.assertEqual(daemon.state("talker"), "RUNNING")


class Sinks(xsvd.TestCase):
    def test_dev_stdout(self):
        daemon = self.daemon(output("out", "to-stdout", 3, "stdout_logfile = /dev/stdout", "stdout_logfile_maxbytes = 0",
                                    "stderr_logfile = /dev/stderr", "stderr_logfile_maxbytes = 0"))
        self.assertEventually(lambda: b"to-stdout 1\nto-stdout 2\nto-stdout 3\n" in daemon.stdout, "the daemon's stdout has it")
        self.assertEventually(lambda: b"err 3\n" in daemon.stdout, "the daemon's stderr has it")

    @unittest.skipUnless(xsvd.is_root(), "needs links that belong to root")
    def test_every_name_of_stdout_and_stderr(self):
        folder = self.folder()
        folder.chmod(0o755)
        (folder / "access.log").symlink_to("/dev/stdout")   # as images of nginx have it
        names = ("/dev/fd/1", "/proc/self/fd/1", f"{folder}/access.log", "/dev/fd/2", "/proc/self/fd/2")
        daemon = self.daemon("".join(output(f"out{n}", f"to-{n}", 2, f"stdout_logfile = {name}", "stdout_logfile_maxbytes = 0",
                                            "stderr_logfile = NONE") for n, name in enumerate(names)), folder=folder)
        for n, name in enumerate(names):
            self.assertEventually(lambda n=n: f"to-{n} 1\nto-{n} 2\n".encode() in daemon.stdout, f"what goes to {name} arrives")
        self.assertTrue((folder / "access.log").is_symlink())
        self.assertEqual(daemon.ctl("clear", "out2").out, "out2: cleared\n")
        self.assertTrue((folder / "access.log").is_symlink())

    def test_what_is_no_file_is_never_rotated(self):   # B14
        daemon = self.daemon(output("out", "line", 1000, "stdout_logfile = /dev/stdout", "stdout_logfile_maxbytes = 100"))
        self.assertEventually(lambda: b"line 1000\n" in daemon.stdout, "the program goes on to its last line")
        self.assertEqual(len([line for line in daemon.stdout.splitlines() if line.startswith(b"line ")]), 1000)


class Reading(xsvd.TestCase):
    def test_tail_read_and_clear(self):
        daemon = self.daemon(output("out", "line", 100, "stdout_logfile = @DIR@/out.log"))
        text = "".join(f"line {n}\n" for n in range(1, 101))
        self.assertEventually(lambda: read(daemon.dir / "out.log") == text, "everything is written")
        self.assertEqual(daemon.ctl("tail", "out").out, text[-1600:] + "\n")
        self.assertEqual(daemon.ctl("tail", "-20", "out").out, text[-20:] + "\n")
        self.assertEventually(lambda: daemon.ctl("tail", "out", "stderr").out.endswith("err 100\n\n"), "stderr as well")
        self.assertEqual(daemon.rpc.readProcessStdoutLog("out", 7, 7), text[7:14])
        self.assertEqual(daemon.rpc.tailProcessStdoutLog("out", 0, 14), [text[-14:], len(text), True])
        self.assertEqual(daemon.ctl("clear", "out")[:2], (0, "out: cleared\n"))
        self.assertEqual(daemon.ctl("tail", "out").out, "\n")
        self.assertEqual((daemon.dir / "out.log").stat().st_size, 0)

    def test_tail_f_follows(self):
        daemon = self.daemon("""
            [program:clock]
            command = /bin/sh -c 'n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.02; done'
            startsecs = 0""")
        follower = subprocess.Popen([xsvd.XSVCTL, "-c", daemon.config, "tail", "-f", "clock"], stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(follower.stdout.readline(), "==> Press Ctrl-C to exit <==\n")
            numbers = []
            while len(numbers) < 50:
                match = re.match(r"tick (\d+)$", follower.stdout.readline())
                if match:
                    numbers.append(int(match.group(1)))
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 50)))
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()

    def test_a_log_beyond_2_gib(self):
        """Bug B10: numbers that XML-RPC cannot carry are cut, and the text is right."""
        folder = self.folder()
        with open(folder / "out.log", "wb") as file:
            file.truncate(3 << 30)
        daemon = self.daemon(output("out", "line", 3, f"stdout_logfile = {folder}/out.log", "stdout_logfile_maxbytes = 0"))
        text = "line 1\nline 2\nline 3\n"
        self.assertEventually(lambda: daemon.ctl("tail", "-21", "out").out == text + "\n", "its end is shown")
        self.assertEqual(daemon.rpc.tailProcessStdoutLog("out", 0, 7), ["line 3\n", 2**31 - 1, True])
        self.assertEqual(daemon.rpc.readProcessStdoutLog("out", -14, 0), text[7:])
        self.assertEqual((folder / "out.log").stat().st_size, (3 << 30) + 21)
        self.assertEqual(daemon.ctl("clear", "out")[:2], (0, "out: cleared\n"))
        self.assertEqual((folder / "out.log").stat().st_size, 0)

    def test_logtail_streams_at_once_and_marks_a_truncated_file(self):
        """Bug B19, where the old one holds everything back for HTTP/1.0 and breaks off at a truncation."""
        daemon = self.daemon("""
            [program:quiet]
            command = /bin/sh -c 'echo first; while read line; do echo "$line"; done'
            stdout_logfile = @DIR@/out.log
            startsecs = 0""")
        self.assertEventually(lambda: read(daemon.dir / "out.log") == "first\n", "it logs")
        for version in ("1.0", "1.1"):
            with self.subTest(version=version), xsvd.connect(daemon.socket) as caller:
                caller.sendall(f"GET /logtail/quiet HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                got = bytearray()

                def has(text):
                    while text not in got and xsvd.readable(caller, 0):
                        got.extend(caller.recv(65536))
                    return text in got
                self.assertEventually(lambda: has(b"first\n"), lambda: f"what is there: {got}", patience=5)
                daemon.rpc.sendProcessStdin("quiet", "second\n")
                self.assertEventually(lambda: has(b"second\n"), lambda: f"an addition: {got}", patience=5)
                os.truncate(daemon.dir / "out.log", 0)
                self.assertEventually(lambda: has(b"==> File truncated <==\n"), lambda: f"the marker: {got}", patience=5)
                got.clear()
                daemon.rpc.sendProcessStdin("quiet", "first\n")
                self.assertEventually(lambda: has(b"first\n"), lambda: f"what comes then: {got}", patience=5)

    def test_maintail_shows_the_daemons_log(self):
        daemon = self.daemon(output("out", "line", 1))
        daemon.wait_for_log(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO spawned: 'out' with pid \d+$")
        self.assertIn("spawned: 'out'", daemon.ctl("maintail").out)


class DaemonsLog(xsvd.TestCase):
    def test_usr2_reopens(self):
        daemon = self.daemon(output("out", "line", 1))
        daemon.wait_for_pid("out")
        os.rename(daemon.log, daemon.dir / "old.log")
        os.kill(daemon.pid, signal.SIGUSR2)
        self.assertEventually(lambda: daemon.log.exists(), "the log is there again")
        daemon.ctl("restart", "out", check=True)
        daemon.wait_for_log("spawned: 'out'")

    def test_a_log_that_cannot_be_opened_is_said_and_not_missed(self):
        """Rule M5: programs matter more than the daemon's own words."""
        daemon = self.daemon(output("out", "line", 1), before=lambda daemon: daemon.log.mkdir())
        daemon.wait_for_pid("out")
        said = f"CRIT the daemon's log cannot be opened: {daemon.log}: open: Is a directory. It goes on without; SIGUSR2 tries again"
        self.assertEventually(lambda: said.encode() in daemon.stdout and b"spawned: 'out'" in daemon.stdout, lambda: daemon.stdout)
        daemon.log.rmdir()
        os.kill(daemon.pid, signal.SIGUSR2)
        self.assertEventually(daemon.log.exists, "the log is there")
        daemon.wait_for_log("supervisord logreopen")

    def test_rotation(self):
        daemon = self.daemon("""
            [program:quick]
            command = /bin/true
            autostart = false
            startsecs = 0
            autorestart = false""", supervisord="logfile_maxbytes = 2KB\nlogfile_backups = 2")
        for _ in range(60):
            daemon.rpc.startProcess("quick", False)
            daemon.wait_for("quick", "EXITED")
        self.assertEqual(sorted(p.name for p in daemon.dir.glob("xsvd.log*")), ["xsvd.log", "xsvd.log.1", "xsvd.log.2"])

    def test_json(self):
        daemon = self.daemon(output("out", "line", 1), supervisord="logformat = json")
        daemon.wait_for_pid("out")
        lines = [json.loads(line) for line in daemon.read_log().splitlines()]
        self.assertTrue(any("spawned: 'out'" in str(line) for line in lines))


if __name__ == "__main__":
    xsvd.main()
