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


if __name__ == "__main__":
    xsvd.main()
