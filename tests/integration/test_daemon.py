"""The daemon itself: its processes, signals, command line, a second daemon, and life as PID 1 of a container."""
import os
import re
import signal
import subprocess
import time
import unittest

import xsvd

SLEEPER = "[program:sleeper]\ncommand = /bin/sleep 1000\nstartsecs = 0\n"


class Signals(xsvd.TestCase):
    def test_term_int_and_quit_end_everything(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            with self.subTest(number):
                daemon = self.daemon(SLEEPER)
                sleeper = xsvd.Process(daemon.wait_for_pid("sleeper"))
                daemon.stop(number)
                self.assertFalse(sleeper.is_there())
                self.assertFalse((daemon.dir / "xsvd.pid").exists())
                self.assertRegex(daemon.read_log(), rf"received {number.name} indicating exit request")

    def test_shutdown_by_command(self):
        daemon = self.daemon(SLEEPER)
        daemon.wait_for_pid("sleeper")
        self.assertEqual(daemon.ctl("shutdown")[:2], (0, "Shut down\n"))
        self.assertEqual(daemon.wait_for_end(), 0)

    def test_a_dead_engine_is_replaced_and_nothing_else_changes(self):
        port = xsvd.free_port()
        daemon = self.daemon(SLEEPER + f"[program:echo]\ncommand = /bin/cat\nsocket = tcp4:127.0.0.1:{port}\nactivation = per_connection\n")
        pid, inode, old = daemon.wait_for_pid("sleeper"), xsvd.listener_inode(port), daemon.engine()
        with xsvd.connect(("127.0.0.1", port)) as caller:
            caller.sendall(b"before")
            self.assertEqual(caller.recv(100), b"before")
            os.kill(old, signal.SIGKILL)
            daemon.wait_for_engine(other_than=old)
            caller.sendall(b"after")
            self.assertEqual(caller.recv(100), b"after")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"new"), b"new")
        daemon.wait_until_ready()
        self.assertEqual((daemon.pid_of("sleeper"), xsvd.listener_inode(port)), (pid, inode))

    def test_an_engine_that_dies_between_a_start_and_its_end_leaves_no_process_behind(self):
        daemon = self.daemon("""
            [program:brief]
            command = /bin/true
            socket = unix:@DIR@/brief.sock
            startsecs = 0""")
        xsvd.connect(str(daemon.dir / "brief.sock")).close()   # nobody takes the caller: it is started again and again
        for _ in range(4):   # a fifth within a minute would be hold mode
            daemon.wait_for_log("exited: brief")
            old = daemon.engine()
            os.kill(old, signal.SIGKILL)
            daemon.wait_for_engine(other_than=old)
            seen = len(daemon.read_log())
            self.assertEventually(lambda seen=seen: "exited: brief" in daemon.read_log()[seen:], "it is started again by the next engine")

    def test_a_dead_scribe_and_a_dead_web_are_replaced(self):
        daemon = self.daemon("""
            [program:clock]
            command = /bin/sh -c 'n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done'
            stdout_logfile = @DIR@/clock.log
            startsecs = 0""")
        pid, log = daemon.wait_for_pid("clock"), daemon.dir / "clock.log"
        for role in ("scribe", "web"):
            with self.subTest(role):
                old = daemon.roles()[role]
                os.kill(old, signal.SIGKILL)
                xsvd.until(lambda: daemon.roles().get(role, old) != old, f"a new {role}")
                daemon.wait_until_ready()
        last = int(log.read_text().split()[-1])
        xsvd.until(lambda: int(log.read_text().split()[-1]) > last + 10, "the log goes on")
        daemon.ctl("stop", "clock", check=True)
        numbers = [int(n) for n in log.read_text().split()]
        self.assertEqual(numbers, list(range(1, numbers[-1] + 1)), "no line is lost or doubled")
        self.assertEqual(daemon.pid_of("clock"), 0)
        self.assertGreater(pid, 0)


class CommandLine(unittest.TestCase):
    def run_xsvd(self, *args):
        return subprocess.run([xsvd.XSVD, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=xsvd.PATIENCE, check=False)

    def test_version_and_help(self):
        version = self.run_xsvd("-v")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout, r"^\d+\.\d+\.\d+\n$")
        self.assertEqual(self.run_xsvd("-h").returncode, 0)

    def test_wrong_options(self):
        for args in (["--foo"], ["-c", "/no/such/file"], ["-c"], ["stray"], ["-m", "9"]):
            with self.subTest(args):
                done = self.run_xsvd(*args)
                self.assertEqual(done.returncode, 2)
                self.assertTrue(done.stderr.startswith("Error: "), done.stderr)
                self.assertIn("For help, use", done.stderr)


class Background(xsvd.TestCase):
    def test_it_goes_to_the_background_and_writes_its_pid(self):
        folder = self.folder()
        config = folder / "xsvd.conf"
        config.write_text(f"[unix_http_server]\nfile = {folder}/ctl.sock\n[supervisord]\nlogfile = {folder}/xsvd.log\n"
                          f"pidfile = {folder}/xsvd.pid\nchildlogdir = {folder}\nrundir = {folder}/run\n"
                          f"[supervisorctl]\nserverurl = unix://{folder}/ctl.sock\n" + SLEEPER)
        done = subprocess.run([xsvd.XSVD, "-c", config], stdin=subprocess.DEVNULL, timeout=xsvd.PATIENCE, check=False)
        self.assertEqual(done.returncode, 0)
        pid = int(xsvd.until(lambda: (folder / "xsvd.pid").exists() and (folder / "xsvd.pid").read_text(), "the pid file"))
        guardian = xsvd.Process(pid)
        try:
            self.assertIn("guardian", guardian.title)
            self.assertEqual(guardian.session, pid)
            self.assertEqual(subprocess.run([xsvd.XSVCTL, "-c", config, "pid"], capture_output=True, text=True, check=False).stdout, f"{pid}\n")
        finally:
            family = xsvd.descendants(pid)
            os.kill(pid, signal.SIGTERM)
            xsvd.until(lambda: not guardian.is_there(), "it ends")
        self.assertEqual([p for p in family if p.is_there()], [])
        self.assertFalse((folder / "xsvd.pid").exists())

    def test_umask_and_directory_act_in_the_background_only(self):   # T31
        for option in ((), ("-n",)):
            with self.subTest(option=option):
                folder = self.folder()
                config = folder / "xsvd.conf"
                config.write_text(f"[unix_http_server]\nfile = {folder}/ctl.sock\n[supervisord]\nlogfile = {folder}/xsvd.log\n"
                                  f"pidfile = {folder}/xsvd.pid\nchildlogdir = {folder}\nrundir = {folder}/run\numask = 077\ndirectory = /usr\n"
                                  f"[program:look]\ncommand = sh -c 'umask; pwd; exec sleep 1000'\nstdout_logfile = {folder}/look.log\n")
                started = subprocess.Popen([xsvd.XSVD, *option, "-c", config], cwd=folder, umask=0o022, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL)
                pid = int(xsvd.until(lambda: (folder / "xsvd.pid").exists() and (folder / "xsvd.pid").read_text(), "the pid file"))
                try:
                    seen = xsvd.until(lambda: (lambda lines: lines if len(lines) == 2 else None)(
                        (folder / "look.log").read_text().split() if (folder / "look.log").exists() else []), "what the program sees")
                    self.assertEqual(seen, ["0022", str(folder.resolve())] if option else ["0077", "/usr"])
                finally:
                    guardian = xsvd.Process(pid)
                    os.kill(pid, signal.SIGTERM)
                    started.wait(xsvd.PATIENCE)
                    xsvd.until(lambda: not guardian.is_there(), "it ends")

    def test_relative_paths_keep_their_meaning(self):   # B17, B18
        folder = self.folder()
        (folder / "xsvd.conf").write_text(f"[unix_http_server]\nfile = {folder}/ctl.sock\n[supervisord]\nlogfile = own.log\npidfile = own.pid\n"
                                          f"childlogdir = {folder}\nrundir = {folder}/run\ndirectory = /\n[supervisorctl]\nserverurl = unix://{folder}/ctl.sock\n")
        self.assertEqual(subprocess.run([xsvd.XSVD, "-c", "xsvd.conf"], cwd=folder, stdin=subprocess.DEVNULL, timeout=xsvd.PATIENCE, check=False).returncode, 0)
        pid = int(xsvd.until(lambda: (folder / "own.pid").exists() and (folder / "own.pid").read_text(), "the pid file"))
        guardian, rpc = xsvd.Process(pid), xsvd.server_proxy(f"{folder}/ctl.sock").supervisor
        try:
            self.assertEqual(rpc.reloadConfig(), [[[], [], []]])
            self.assertIn("supervisord started with pid", rpc.readLog(0, 0))
            os.rename(folder / "own.log", folder / "old.log")
            os.kill(pid, signal.SIGUSR2)
            self.assertEventually((folder / "own.log").exists, "the log is where it was")
        finally:
            os.kill(pid, signal.SIGTERM)
            xsvd.until(lambda: not guardian.is_there(), "it ends")


class TwoDaemons(xsvd.TestCase):
    def test_the_second_says_so_and_leaves_the_first_alone(self):
        first = self.daemon(SLEEPER)
        pid = first.wait_for_pid("sleeper")
        second = subprocess.run([xsvd.XSVD, "-n", "-c", first.config], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=xsvd.PATIENCE, check=False)
        self.assertNotEqual(second.returncode, 0)
        said = second.stdout + second.stderr
        self.assertIn(str(first.pid), said)
        self.assertRegex(said, r"(?i)already|another|in use")
        self.assertEqual(first.pid_of("sleeper"), pid)
        self.assertEqual(len([p for p in xsvd.processes().values() if p.title == "/bin/sleep 1000" and p.parent == first.pid]), 1)

    def test_two_configurations_live_side_by_side(self):
        first, second = self.daemon(SLEEPER), self.daemon(SLEEPER)
        self.assertNotEqual(first.wait_for_pid("sleeper"), second.wait_for_pid("sleeper"))


@unittest.skipUnless(xsvd.is_root() and xsvd.have("unshare"), "needs root and unshare")
class Container(xsvd.TestCase):
    def start(self, config):
        daemon = self.daemon(config, wrapper=("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"))
        return daemon, xsvd.until(lambda: [p.pid for p in xsvd.descendants(daemon.pid) if p.title.startswith("xsvd: guardian")], "the guardian")[0]

    def test_as_pid_1_it_serves_reaps_and_ends_with_0(self):
        port = xsvd.free_port()
        daemon, guardian = self.start(f"""
            [program:orphans]
            command = /bin/sh -c '(sleep 0.2 & ) ; (sleep 0.3 & ); exec sleep 1000'
            startsecs = 0
            [program:echo]
            command = /bin/cat
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection""")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x"), b"x")
        status = dict(line.rstrip("\n").split(":\t", 1) for line in open(f"/proc/{guardian}/status", encoding="ascii"))
        self.assertEqual(status["NSpid"].split()[-1], "1")
        time.sleep(1)  # the orphans are to come and go
        self.assertEqual([p for p in xsvd.descendants(guardian) if p.state == "Z" or re.match(r"sleep 0", p.title)], [])
        os.kill(guardian, signal.SIGTERM)
        self.assertEqual(daemon.wait_for_end(), 0)

    def test_a_configuration_that_cannot_run_ends_the_container_with_2(self):
        folder = self.folder()
        (folder / "bad.conf").write_text("[supervisord]\nloglevel = loud\n")
        done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", xsvd.XSVD, "-n", "-c", folder / "bad.conf"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=xsvd.PATIENCE, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)


if __name__ == "__main__":
    xsvd.main()
