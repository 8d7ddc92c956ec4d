"""Readiness and what programs say of themselves: notifications, descriptors, watchdogs, hooks and restarts."""
import os
import re
import signal
import time
import unittest
from pathlib import Path

import xsvd

NOTIFIER = f"/usr/bin/python3 -I -S {Path(__file__).resolve().parent / 'notifier.py'}"


class TestCase(xsvd.TestCase):
    def orders(self, name="orders"):
        path = self.folder() / name
        os.mkfifo(path)
        os.chmod(path, 0o666)
        os.chmod(path.parent, 0o777)
        self.fifo = path
        return path

    def tell(self, *lines):
        with open(self.fifo, "w", encoding="utf-8") as fifo:
            fifo.write("".join(line + "\n" for line in lines))

    def said(self):
        path = Path(f"{self.fifo}.log")
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def wait_said(self, pattern):
        return xsvd.until(lambda: re.search(pattern, self.said()), lambda: f"{pattern!r} in {self.said()!r}")

    def notifier(self, keys="", **options):
        fifo = self.orders()
        lines = "\n".join("            " + line.strip() for line in keys.splitlines() if line.strip())
        return self.daemon(f"""
            [program:talker]
            command = {NOTIFIER} {fifo}
{lines}""", **options)

    def shown(self, daemon, name="talker"):
        return daemon.xsv.show(name)[0]


class Notify(TestCase):
    def test_it_is_starting_until_it_says_ready(self):
        daemon = self.notifier("ready = notify\nstartsecs = 0")
        self.wait_said("started")
        self.assertEqual(daemon.state("talker"), "STARTING")
        self.tell("STATUS=warming up")
        self.assertEventually(lambda: daemon.info("talker")["xsv_status"] == "warming up", "the status is shown")
        self.assertEqual(daemon.state("talker"), "STARTING")
        self.tell("READY=1")
        pid = daemon.wait_for("talker", "RUNNING")["pid"]
        self.assertIn(f"started {pid}", self.said())
        self.assertIn("warming up", daemon.ctl("show", "talker").out)
        self.assertEqual(self.shown(daemon)["notified"], "ready")
        daemon.wait_for_log(r"success: talker entered RUNNING state, process was ready after .* \(ready\)")

    def test_who_is_not_ready_in_time_has_failed_to_start(self):
        daemon = self.notifier("ready = notify\nstart_timeout = 300ms\nstartretries = 1\nstopwaitsecs = 5")
        info = daemon.wait_for("talker", "FATAL")
        self.assertEqual(info["description"], "was not ready within 300ms (start_timeout)")
        self.assertEqual(len(re.findall("started", self.said())), 2)

    def test_an_end_before_ready_is_a_failed_start_even_a_good_one(self):
        daemon = self.notifier("ready = notify\nstartretries = 0\nstartsecs = 0")
        self.tell("!exit 0")
        daemon.wait_for("talker", "FATAL")

    def test_ready_and_an_end_at_once(self):
        daemon = self.notifier("ready = notify\nautorestart = no")
        self.tell("READY=1", "!exit 3")
        self.assertEqual(daemon.wait_for("talker", "EXITED")["exitstatus"], 3)

    def test_a_killed_engine_misses_nothing(self):
        daemon = self.notifier("ready = notify")
        self.wait_said("started")
        pid = daemon.pid_of("talker")
        engine = daemon.wait_for_engine()
        os.kill(engine, signal.SIGSTOP)  # so that what is said comes while nobody listens
        self.tell("STATUS=kept", "READY=1", "!barrier")
        time.sleep(0.1)
        os.kill(engine, signal.SIGKILL)
        daemon.wait_for_engine(other_than=engine)
        daemon.wait_until_ready()
        self.assertEqual(daemon.wait_for("talker", "RUNNING")["pid"], pid)
        self.assertEqual(daemon.info("talker")["xsv_status"], "kept")
        self.wait_said("barrier")
        os.kill(daemon.engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        self.assertEventually(lambda: daemon.info("talker")["xsv_status"] == "kept", "said before the second kill")
        self.tell("STATUS=after")
        self.assertEventually(lambda: daemon.info("talker")["xsv_status"] == "after", "said after the second kill")


class Descriptor(TestCase):
    def test_a_newline_on_the_descriptor_is_ready(self):
        daemon = self.notifier("ready = fd:7\nstartsecs = 0")
        self.wait_said("started")
        self.assertEqual(daemon.state("talker"), "STARTING")
        engine = daemon.wait_for_engine()
        os.kill(engine, signal.SIGKILL)
        self.tell("!fd 7 ready\\n")
        daemon.wait_until_ready()
        daemon.wait_for("talker", "RUNNING")

    def test_its_end_without_a_newline_is_a_failed_start(self):
        daemon = self.notifier("ready = fd:3\nstartretries = 0")
        self.tell("!fd 3 nothing")
        self.assertEqual(daemon.wait_for("talker", "FATAL")["description"], "closed its readiness descriptor without a newline")


class OtherWays(TestCase):
    def test_exec(self):
        user = "user = nobody" if xsvd.is_root() else ""
        daemon = self.daemon(f'''
            [program:same]
            command = /bin/sleep 1000
            ready = exec
            startsecs = 100
            [program:other]
            command = /bin/sleep 1000
            ready = exec
            startsecs = 100
            {user}
            [program:missing]
            command = /bin/sleep 1000
            directory = /no/such/folder
            ready = exec
            startretries = 0''')
        daemon.wait_for("same", "RUNNING")
        pid = daemon.wait_for("other", "RUNNING")["pid"]
        self.assertNotIn("pipe:", " ".join(os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd") if int(n) > 2))
        daemon.wait_for("missing", "FATAL")

    def test_exit_is_a_job(self):
        folder = self.folder()
        daemon = self.daemon(f'''
            [program:done]
            command = /bin/true
            ready = exit
            remain_after_exit = yes
            [program:once]
            command = /bin/true
            ready = exit
            [program:bad]
            command = /bin/sh -c 'echo x >> {folder}/bad; exit 3'
            ready = exit
            startretries = 1
            [program:slow]
            command = /bin/sleep 1000
            ready = exit
            start_timeout = 200ms
            startretries = 0''')
        info = daemon.wait_for("done", "RUNNING")
        self.assertEqual((info["pid"], info["xsv_state"]), (0, "done"))
        daemon.wait_for("once", "EXITED")
        daemon.wait_for("bad", "FATAL")
        self.assertEqual((folder / "bad").read_text(), "x\nx\n")
        daemon.wait_for("slow", "FATAL")
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        self.assertEqual(daemon.info("done")["xsv_state"], "done")
        self.assertEqual(daemon.ctl("stop", "done").code, 0)
        daemon.wait_for("done", "STOPPED")
        self.assertEqual(daemon.ctl("start", "done").code, 0)
        daemon.wait_for("done", "RUNNING")

    def test_connect(self):
        port = xsvd.free_port()
        daemon = self.daemon(f'''
            [program:server]
            command = /bin/sh -c 'sleep 0.3; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 {port}'
            ready = connect:tcp:127.0.0.1:{port}
            startsecs = 0''')
        self.assertEqual(daemon.state("server"), "STARTING")
        daemon.wait_for("server", "RUNNING")
        xsvd.connect(("127.0.0.1", port)).close()


class Fork(TestCase):
    def test_the_process_that_stays_is_the_main_one(self):
        daemon = self.notifier("ready = fork\nstartsecs = 0\nautorestart = no")
        self.wait_said("started")
        first = daemon.pid_of("talker")
        self.assertEqual(daemon.state("talker"), "STARTING")
        self.tell("!fork")
        pid = daemon.wait_for("talker", "RUNNING")["pid"]
        self.assertNotEqual(pid, first)
        self.assertEqual(xsvd.Process(pid).parent, daemon.pid)
        self.tell("!exit 4")
        self.assertEqual(daemon.wait_for("talker", "EXITED")["exitstatus"], 4)

    def test_stop_ends_the_process_that_stays_also_after_a_crash_of_the_engine(self):
        daemon = self.notifier("ready = fork\nstartsecs = 0")
        self.tell("!fork")
        pid = daemon.wait_for("talker", "RUNNING")["pid"]
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        self.assertEqual(daemon.pid_of("talker"), pid)
        process = xsvd.Process(pid)
        self.assertEqual(daemon.ctl("stop", "talker").code, 0)
        self.assertFalse(process.is_there())

    def test_a_pid_file_names_it_once_it_is_there(self):
        folder = self.folder()
        (folder / "x.pid").write_text("1\n")  # of another time
        daemon = self.daemon(f'''
            [program:d]
            command = /bin/sh -c '(sleep 0.2; exec setsid /bin/sleep 1000) & (sleep 0.4; echo $! > {folder}/x.pid) & exit 0'
            ready = fork
            pid_file = {folder}/x.pid
            startsecs = 0
            stopasgroup = true
            [program:none]
            command = /bin/true
            ready = fork
            startretries = 0''')
        self.assertEqual(daemon.wait_for("none", "FATAL")["description"], "the first process has ended and left none behind")
        xsvd.until(lambda: daemon.info("d")["xsv_state"] == "starting" and daemon.pid_of("d") == 0, "between the two processes")
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        pid = daemon.wait_for("d", "RUNNING")["pid"]
        self.assertEqual(str(pid), (folder / "x.pid").read_text().strip())

    def test_mainpid(self):
        daemon = self.notifier("notify_access = all\nstartsecs = 0\nautorestart = no")
        daemon.wait_for("talker", "RUNNING")
        self.tell("MAINPID=1")
        daemon.wait_for_log(r"MAINPID=1 is no process of it")


if __name__ == "__main__":
    xsvd.main()
