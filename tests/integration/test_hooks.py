"""Commands beside a program: before and after its start, for its stop, after its end, for its reload."""
import os
import re
import signal

import xsvd
from talker import TestCase


class Hooks(TestCase):
    def start(self, keys, command="/bin/sleep 1000"):
        folder = self.folder()
        os.chmod(folder, 0o777)
        self.record = folder / "record"
        lines = "\n".join("            " + ("    " if line.startswith(" ") else "") + line.strip() for line in keys.splitlines() if line.strip())
        return self.daemon(f'''
            [program:web]
            command = {command}
            startsecs = 0
{lines}'''.replace("RECORD", str(self.record)))

    def recorded(self):
        return self.record.read_text(encoding="utf-8").splitlines() if self.record.exists() else []

    def wait_recorded(self, *lines):
        xsvd.until(lambda: self.recorded() == list(lines), lambda: f"{lines} in {self.recorded()}")

    def test_all_of_them_in_order(self):
        note = "/bin/sh -c 'echo %s $MAINPID $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS >> RECORD'"
        daemon = self.start("\n".join([
            "autorestart = no",
            f"start_pre = {note % 'pre1'}", f"  -/bin/false", f"  {note % 'pre2'}",
            f"start_post = {note % 'post'}", f"stop_command = {note % 'stop'}", f"stop_post = {note % 'cleanup'}",
            f"reload_command = {note % 'reload'}"]))
        pid = daemon.wait_for("web", "RUNNING")["pid"]
        first = ["pre1", "pre2", f"post {pid}"]
        self.wait_recorded(*first)
        self.assertEqual(daemon.ctl("refresh", "web").out, "web: asked to reload\n")
        self.wait_recorded(*first, f"reload {pid}")
        self.assertEqual(daemon.ctl("stop", "web").code, 0)
        self.assertEqual(self.recorded()[4:], [f"stop {pid} success", "cleanup signal killed TERM"])
        self.assertEqual(daemon.state("web"), "STOPPED")
        self.assertEqual(daemon.ctl("refresh", "web").out, "web: ERROR (not running)\n")

    def test_a_failing_start_pre_is_a_failed_start(self):
        daemon = self.start("start_pre = /bin/sh -c 'echo no >&2; exit 3'\nstartretries = 1\n"
                            "stop_post = /bin/sh -c 'echo cleanup $SERVICE_RESULT $EXIT_CODE >> RECORD'")
        info = daemon.wait_for("web", "FATAL")
        self.assertEqual(info["description"], "a command of start_pre failed")
        self.assertEqual(len(re.findall("start_pre .* exit status 3", daemon.read_log())), 2)
        self.assertIn("no", daemon.ctl("tail", "web", "stderr").out)
        self.wait_recorded("cleanup exit-code", "cleanup exit-code")

    def test_a_failing_start_post_stops_the_program(self):
        daemon = self.start("start_post = /bin/false\nstartretries = 0")
        info = daemon.wait_for("web", "FATAL")
        self.assertEqual(info["description"], "a command of start_post failed")

    def test_a_stop_command_may_end_the_program_and_one_that_hangs_is_killed(self):
        daemon = self.start("stop_command = /bin/sh -c 'kill -INT $MAINPID; sleep 0.3'\nautorestart = no")  # and so before the command ends
        daemon.wait_for("web", "RUNNING")
        daemon.ctl("stop", "web", check=True)
        daemon.wait_for_log(r"stopped: web \(terminated by SIGINT\)")
        hang = self.start("stop_command = /bin/sleep 1000\nstopwaitsecs = 300ms")
        hang.wait_for("web", "RUNNING")
        hang.ctl("stop", "web", check=True)
        hang.wait_for_log(r"stopped: web \(terminated by SIGTERM\)")

    def test_stop_during_start_pre(self):
        daemon = self.start("start_pre = /bin/sleep 1000\nstop_post = /bin/sh -c 'echo cleanup $SERVICE_RESULT >> RECORD'")
        runs = lambda: "/bin/sleep 1000" in [p.title for p in xsvd.descendants(daemon.pid)]
        xsvd.until(lambda: daemon.info("web")["xsv_state"] == "preparing" and runs(), "start_pre runs")
        self.assertEqual(daemon.state("web"), "STARTING")
        self.assertEqual(daemon.ctl("stop", "web").code, 0)
        self.assertEqual(daemon.state("web"), "STOPPED")
        self.assertEqual(self.recorded(), ["cleanup success"])
        xsvd.until(lambda: not runs(), "the command is killed")

    def test_a_killed_engine_runs_each_command_once(self):
        step = "/bin/sh -c 'echo %s >> RECORD; sleep 0.15'"
        daemon = self.start("\n".join(["start_pre = " + step % "a", "  " + step % "b", "  " + step % "c", "start_post = " + step % "d",
                                       "stop_command = " + step % "e", "  " + step % "f", "stop_post = " + step % "g", "  " + step % "h"]))
        expected = []
        for letter in "abcd":
            expected.append(letter)
            xsvd.until(lambda: self.recorded()[:len(expected)] == expected, lambda: f"{expected} in {self.recorded()}")
            os.kill(daemon.wait_for_engine(), signal.SIGKILL)
            daemon.wait_until_ready()
        daemon.wait_for("web", "RUNNING")
        self.assertEqual(self.recorded(), expected)
        daemon.rpc.stopProcess("web", False)
        for letter in "efgh":
            expected.append(letter)
            xsvd.until(lambda: self.recorded()[:len(expected)] == expected, lambda: f"{expected} in {self.recorded()}")
            os.kill(daemon.wait_for_engine(), signal.SIGKILL)
            daemon.wait_until_ready()
        daemon.wait_for("web", "STOPPED")
        self.assertEqual(self.recorded(), expected)

    def test_refresh_sends_a_signal_and_shows_the_reload(self):
        daemon = self.notifier("ready = notify\nreload_signal = HUP")
        self.tell("READY=1")
        daemon.wait_for("talker", "RUNNING")
        daemon.ctl("refresh", "talker", check=True)
        self.assertEventually(lambda: daemon.info("talker")["xsv_notified"] == "reloading", "it reloads")
        self.tell("READY=1")
        self.assertEventually(lambda: daemon.info("talker")["xsv_notified"] == "ready", "it has reloaded")
        plain = self.start("")
        plain.wait_for("web", "RUNNING")
        self.assertEqual(plain.ctl("refresh", "web").out, "ERROR: web: it has neither reload_command nor reload_signal\n")


if __name__ == "__main__":
    xsvd.main()
