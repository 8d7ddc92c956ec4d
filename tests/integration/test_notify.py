"""Readiness and what programs say of themselves: notifications, descriptors, watchdogs, reloads and restarts."""
import contextlib
import os
import re
import signal
import time
import unittest

import xsvd
from talker import NOTIFIER, TestCase

SD_PROGRAM = xsvd.BUILD / "tests" / "integration" / "sd_program"


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
        self.wait_said("started")
        process, engine = xsvd.Process(daemon.pid_of("talker")), daemon.wait_for_engine()
        os.kill(engine, signal.SIGSTOP)  # so that it finds the word and the end together
        os.kill(daemon.pid, signal.SIGUSR2)  # the guardian's word waits already, and the end behind it: it looks at ends first
        self.tell("READY=1", "!exit 3")
        self.assertEventually(lambda: not process.is_there(), "it has ended")
        os.kill(engine, signal.SIGCONT)
        self.assertEqual(daemon.wait_for("talker", "EXITED")["exitstatus"], 3)

    def test_the_last_words_that_no_engine_has_heard(self):
        daemon = self.notifier("ready = notify\nfdstore_max = 1\nautorestart = no")
        self.wait_said("started")
        process, engine = xsvd.Process(daemon.pid_of("talker")), daemon.wait_for_engine()
        os.kill(engine, signal.SIGSTOP)
        self.tell("STATUS=good bye", "READY=1", "!store FDSTORE=1\\nFDPOLL=0", "!exit 3")
        self.assertEventually(lambda: not process.is_there(), "it has ended")
        os.kill(engine, signal.SIGKILL)
        daemon.wait_for_engine(other_than=engine)
        daemon.wait_until_ready()
        info = daemon.wait_for("talker", "EXITED")
        self.assertEqual((info["exitstatus"], info["xsv_status"], info["xsv_stored"]), (3, "good bye", 1))
        daemon.wait_for_log(r"success: talker entered RUNNING state, process was ready after .* \(ready\)")

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
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # the loader opens and closes libraries
                self.assertFalse(int(number) > 2 and os.readlink(f"/proc/{pid}/fd/{number}").startswith("pipe:"), number)
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
        daemon = self.notifier("notify_access = all\nstartsecs = 0\nautorestart = no\nkillasgroup = true")
        daemon.wait_for("talker", "RUNNING")
        self.tell("MAINPID=1")
        daemon.wait_for_log(r"MAINPID=1 is no process of it")
        for word in ("!main", "!main fd"):
            old = daemon.pid_of("talker")
            self.tell(word)
            pid = daemon.wait_for_pid("talker", other_than=old)
            self.assertEqual(xsvd.Process(pid).parent, old)
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        self.assertEqual(daemon.pid_of("talker"), pid)
        self.tell("!exit 0")
        # Of another's child Linux 6.15 and later tell it, if they are asked late enough.
        daemon.wait_for_log(r"exited: talker \((unknown termination cause; not expected|exit status 0; expected)\)")
        daemon.wait_for_log("ended what was left of the process group of talker")


class Reload(TestCase):
    def phase(self, daemon):
        return daemon.info("talker")["xsv_notified"]

    def test_only_words_about_the_reload_that_was_asked_for_end_it(self):
        daemon = self.notifier("ready = notify\nreload_signal = WINCH")
        self.tell("READY=1")
        daemon.wait_for("talker", "RUNNING")
        daemon.ctl("refresh", "talker", check=True)
        self.settle("READY=1", "RELOADING=1\\nMONOTONIC_USEC=1", "READY=1")
        self.assertEqual(self.phase(daemon), "reloading")
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        self.settle("READY=1")
        self.assertEqual(self.phase(daemon), "reloading")
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.settle(f"RELOADING=1\\nMONOTONIC_USEC={now}")
        self.assertEqual(self.phase(daemon), "reloading")
        self.settle("READY=1")
        self.assertEqual(self.phase(daemon), "ready")
        self.settle("RELOADING=1\\nREADY=1")  # one that it began by itself, and is over already
        self.assertEqual(self.phase(daemon), "ready")
        self.settle("STOPPING=1", "READY=1")
        self.assertEqual(self.phase(daemon), "stopping")

    def test_a_reload_without_an_end_is_told(self):
        daemon = self.notifier("notify_access = main\nstartsecs = 0\nstart_timeout = 300ms")
        daemon.wait_for("talker", "RUNNING")
        self.settle("RELOADING=1")
        daemon.wait_for_log(r"talker: its reload was not over in time \(start_timeout\)")
        self.assertEqual((daemon.state("talker"), self.phase(daemon)), ("RUNNING", "ready"))


class Store(TestCase):
    def test_descriptors_come_back_to_the_next_process(self):
        daemon = self.notifier("fdstore_max = 2\nstartsecs = 0\nautorestart = yes")
        daemon.wait_for("talker", "RUNNING")
        self.tell("!store FDSTORE=1\\nFDNAME=one", "!store FDSTORE=1", "!store FDSTORE=1\\nFDNAME=toomany", "!barrier")
        self.wait_said("barrier")
        self.assertEventually(lambda: daemon.info("talker")["xsv_stored"] == 2, "two are kept")
        daemon.wait_for_log("fdstore_max descriptors are kept already")
        engine = daemon.wait_for_engine()
        pid = daemon.pid_of("talker")
        os.kill(engine, signal.SIGKILL)
        daemon.wait_until_ready()
        self.assertEqual(daemon.info("talker")["xsv_stored"], 2)
        os.kill(pid, signal.SIGKILL)
        daemon.wait_for_pid("talker", other_than=pid)
        self.tell("!look")
        # The writers went with the first process, which the daemon notices on those it may poll.
        self.wait_said(r"look \d .* 2\n")

    def test_kept_ones_survive_what_holds_their_other_end_with_fdpoll_0_and_go_with_a_stop(self):
        daemon = self.notifier("fdstore_max = 5\nstartsecs = 0\nautorestart = yes")
        pid = daemon.wait_for("talker", "RUNNING")["pid"]
        self.tell("!store FDSTORE=1\\nFDNAME=one\\nFDPOLL=0", "!store FDSTORE=1\\nFDPOLL=0\\nFDNAME=two", "!store FDSTORE=1\\nFDPOLL=0\\nFDNAME=two",
                  "FDSTOREREMOVE=1\\nFDNAME=one", "!barrier")
        self.wait_said("barrier")
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        os.kill(pid, signal.SIGKILL)
        pid = daemon.wait_for_pid("talker", other_than=pid)
        self.tell("!look")
        self.wait_said(r"look 2 two:two kept,kept 5\n")
        daemon.ctl("restart", "talker", check=True)
        self.assertEqual(daemon.info("talker")["xsv_stored"], 2)
        daemon.ctl("stop", "talker", check=True)
        self.assertEqual(daemon.info("talker")["xsv_stored"], 0)


    def test_when_they_go(self):
        kept, lost = self.orders("kept"), self.orders("lost")
        daemon = self.daemon(f"""
            [program:kept]
            command = {NOTIFIER} {kept}
            fdstore_max = 1
            fdstore_preserve = yes
            startsecs = 0
            [program:lost]
            command = {NOTIFIER} {lost}
            fdstore_max = 1
            fdstore_preserve = no
            startsecs = 0
            autorestart = yes""")
        for self.fifo, name in ((kept, "kept"), (lost, "lost")):
            daemon.wait_for(name, "RUNNING")
            self.settle("!store FDSTORE=1\\nFDPOLL=0")
            self.assertEqual(daemon.info(name)["xsv_stored"], 1)
        pid = daemon.pid_of("lost")
        os.kill(pid, signal.SIGKILL)
        daemon.wait_for_pid("lost", other_than=pid)
        self.tell("!look")
        self.wait_said(r"look 0 ")
        daemon.ctl("stop", "kept", check=True)
        daemon.ctl("start", "kept", check=True)
        self.fifo = kept
        self.tell("!look")
        self.wait_said(r"look 1 stored kept 1\n")


class Life(TestCase):
    def test_a_missed_ping_ends_the_program_and_autorestart_says_what_follows(self):
        daemon = self.notifier("watchdog = 400ms\nready = notify\nautorestart = on_watchdog\nstopwaitsecs = 20")
        self.tell("!environment", "READY=1")
        pid = daemon.wait_for("talker", "RUNNING")["pid"]
        self.wait_said(r"environment \S+ 400000 True")
        for _ in range(4):
            self.tell("WATCHDOG=1")
            time.sleep(0.2)
        self.assertEqual(daemon.pid_of("talker"), pid)
        daemon.wait_for_pid("talker", other_than=pid)
        log = daemon.wait_for_log(r"stopped: talker \(.*\)").group(0)
        self.assertIn("SIGABRT", log)
        self.assertIn("gave no sign of life in time (watchdog)", daemon.read_log())
        self.tell("READY=1")
        pid = daemon.wait_for("talker", "RUNNING")["pid"]
        self.tell("WATCHDOG=trigger")
        daemon.wait_for_pid("talker", other_than=pid)

    def test_a_killed_engine_goes_on_watching(self):
        daemon = self.notifier("watchdog = 1s\nstartsecs = 0\nautorestart = no")
        daemon.wait_for("talker", "RUNNING")
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        daemon.wait_for("talker", "EXITED")

    def test_run_time_max_and_restart_pause(self):
        daemon = self.daemon('''
            [program:short]
            command = /bin/sleep 1000
            startsecs = 0
            run_time_max = 200ms
            autorestart = on_abnormal
            restart_pause = 300s''')
        info = daemon.wait_for("short", "BACKOFF")
        self.assertEqual(info["description"], "ran longer than run_time_max")
        daemon.wait_for_log(r"stopped: short \(terminated by SIGTERM\)")

    def test_extend_timeout(self):
        daemon = self.notifier("ready = notify\nstart_timeout = 400ms\nstartretries = 0")
        self.wait_said("started")
        self.tell("EXTEND_TIMEOUT_USEC=60000000")
        time.sleep(0.6)
        self.assertEqual(daemon.state("talker"), "STARTING")
        self.tell("READY=1")
        daemon.wait_for("talker", "RUNNING")

    def test_who_may_speak(self):
        daemon = self.notifier("notify_access = main\nstartsecs = 0")
        daemon.wait_for("talker", "RUNNING")
        self.tell("!child STATUS=child", "STATUS=main", "!barrier")
        self.wait_said("barrier")
        self.assertEqual(daemon.info("talker")["xsv_status"], "main")
        daemon.wait_for_log("its sender is not one that notify_access names")
        self.tell("NOTIFYACCESS=all", "!child STATUS=child", "!barrier")
        self.assertEventually(lambda: daemon.info("talker")["xsv_status"] == "child", "a child that has ended may speak")

    def test_what_is_no_notification_is_dropped_and_the_log_stays_short(self):
        daemon = self.notifier("notify_access = main\nstartsecs = 0")
        daemon.wait_for("talker", "RUNNING")
        self.tell("STATUS=" + 5000 * "x", "STATUS=a\\0b", "nothing", *(100 * ["X" + 4100 * "y"]), "STATUS=good", "!barrier")
        self.wait_said("barrier")
        self.assertEqual(daemon.info("talker")["xsv_status"], "good")
        self.assertLessEqual(len(re.findall("a notification from pid .* is dropped", daemon.read_log())), 2)

    def test_stopping_is_shown(self):
        daemon = self.notifier('startsecs = 0\nnotify_access = main\nenvironment = LINGER="1"')
        daemon.wait_for("talker", "RUNNING")
        self.settle("ERRNO=13\\nEXIT_STATUS=7", "BUSERROR=org.example.Failed", "VARLINKERROR=org.example.No")
        info = daemon.info("talker")
        self.assertEqual((info["xsv_errno"], info["xsv_exit_status"]), ("Permission denied", 7))
        self.assertEqual((info["xsv_bus_error"], info["xsv_varlink_error"]), ("org.example.Failed", "org.example.No"))
        shown = daemon.ctl("show", "talker").out
        for line in (r"error +Permission denied", r"bus error +org.example.Failed", r"varlink error +org.example.No", r"exit status +7"):
            self.assertRegex(shown, line)
        daemon.rpc.stopProcess("talker", False)
        self.assertEventually(lambda: daemon.info("talker")["xsv_notified"] == "stopping", "it says that it stops")
        self.assertEqual((daemon.state("talker"), daemon.info("talker")["xsv_status"]), ("STOPPING", "going"))


class RealPrograms(TestCase):
    @unittest.skipUnless(xsvd.have("redis-server"), "needs redis-server")
    def test_redis(self):
        folder, port = self.folder(), xsvd.free_port()
        daemon = self.daemon(f"""
            [program:redis]
            command = /usr/bin/redis-server --port {port} --supervised systemd --dir {folder} --save '' --appendonly no
            ready = notify
            autostart = false""", supervisord="loglevel = debug")
        states = []
        daemon.rpc.startProcess("redis", False)
        xsvd.until(lambda: (states.append(daemon.info("redis")), states[-1]["statename"] == "RUNNING")[1], lambda: f"{states[-1]}", pause=0.001)
        self.assertEqual({s["statename"] for s in states}, {"STARTING", "RUNNING"})
        self.assertEqual(daemon.info("redis")["xsv_status"], "Ready to accept connections")
        self.assertIn("Ready to accept connections", daemon.ctl("show", "redis").out)
        xsvd.connect(("127.0.0.1", port)).close()
        daemon.ctl("stop", "redis", check=True)
        self.assertEqual(daemon.state("redis"), "STOPPED")
        daemon.wait_for_log(r"redis: notified by pid \d+: STOPPING=1")

    @unittest.skipUnless(xsvd.have("systemd-notify"), "needs systemd-notify")
    def test_systemd_notify(self):
        folder = self.folder()
        script = folder / "script"
        script.write_text(f"""#!/bin/sh
systemd-notify --status='half way'
echo kept > {folder}/file
exec 4<{folder}/file
systemd-notify --fd=4 --fdname=file 2> {folder}/error && echo stored >> {folder}/said
systemd-notify --ready --status=up
echo "$LISTEN_FDNAMES $LISTEN_FDS" >> {folder}/said
while :; do sleep 0.2; done
""")
        script.chmod(0o755)
        daemon = self.daemon(f"""
            [program:script]
            command = {script}
            ready = notify
            notify_access = all
            stopasgroup = true
            fdstore_max = 3""")
        daemon.wait_for("script", "RUNNING")
        self.assertEventually(lambda: daemon.info("script")["xsv_status"] == "up", "the status of a command that has ended")
        said, error = folder / "said", folder / "error"
        self.assertEventually(lambda: said.exists() and said.read_text().endswith("\n"), "it goes on")
        if "stored" not in said.read_text():
            self.assertIn("unrecognized option", error.read_text())  # --fd came with 254
            return
        self.assertEqual(daemon.info("script")["xsv_stored"], 1)

    @unittest.skipUnless(SD_PROGRAM.exists(), "needs libsystemd")
    def test_the_library(self):
        folder = self.folder()
        said = folder / "said"
        daemon = self.daemon(f"""
            [program:library]
            command = {SD_PROGRAM} {said}
            ready = notify
            watchdog = 2s
            fdstore_max = 4""")
        pid = daemon.wait_for("library", "RUNNING")["pid"]
        wait = lambda pattern: xsvd.until(lambda: re.search(pattern, said.read_text()), lambda: f"{pattern} in {said.read_text()}")
        wait("watchdog 1 2000000\nstore 0 - \nstored 1\nready 1\nbarrier 1\n")
        self.assertEqual(daemon.info("library")["xsv_status"], f"up as {pid}")
        # The engine is killed between the store and the next start.
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        daemon.wait_until_ready()
        time.sleep(2.2)
        self.assertEqual(daemon.pid_of("library"), pid)
        os.kill(pid, signal.SIGKILL)
        daemon.wait_for_pid("library", other_than=pid)
        wait("store 1 state state\n")
        daemon.wait_for("library", "RUNNING")
        daemon.ctl("stop", "library", check=True)
        self.assertNotIn("SIGKILL", daemon.read_log().rpartition("spawned")[2])


if __name__ == "__main__":
    xsvd.main()
