"""Always-on programs live by Supervisor's state machine."""
import os
import re
import signal
import time
import xmlrpc.client

import xsvd

SLEEPER = """
[program:sleeper]
command = /bin/sleep 1000
"""
NOTER = f"""
[program:sig]
command = {xsvd.PROGRAM} signals @DIR@/signals
startsecs = 0
"""


def in_three_priorities(command):
    return "".join(f"""
        [program:{name}]
        command = {command.format(name=name)}
        priority = {priority}
        startsecs = 0
        """ for name, priority in (("last", 30), ("first", 10), ("middle", 20)))


def first_words(daemon, name):
    """What a program has written, once it has written something."""
    return xsvd.until(lambda: daemon.ctl("tail", name).out.strip(), f"{name} is ready")


class Life(xsvd.TestCase):
    def test_a_program_starts_and_status_shows_it(self):
        daemon = self.daemon("""
            [program:sleeper]
            command = /bin/sleep 1000
            startsecs = 0
            [program:manual]
            command = /bin/sleep 1000
            autostart = false""")
        info = daemon.wait_for("sleeper", "RUNNING")
        self.assertEqual(xsvd.Process(info["pid"]).title, "/bin/sleep 1000")
        status = daemon.ctl("status")
        self.assertRegex(status.out, rf"(?m)^sleeper {{26}}RUNNING   pid {info['pid']}, uptime 0:00:\d\d$")
        self.assertRegex(status.out, r"(?m)^manual {27}STOPPED   Not started$")
        self.assertEqual(status.code, 3)
        self.assertEqual(daemon.ctl("status", "sleeper").code, 0)

    def test_a_program_is_the_guardians_child_in_a_session_of_its_own(self):
        daemon = self.daemon(SLEEPER)
        process = xsvd.Process(daemon.wait_for_pid("sleeper"))
        self.assertEqual((process.parent, process.session, process.group), (daemon.pid, process.pid, process.pid))
        self.assertEqual(set(daemon.roles()), {"guardian", "engine", "scribe", "web"})

    def test_a_crashed_program_is_started_again(self):
        daemon = self.daemon(SLEEPER + "startsecs = 0")
        old = daemon.wait_for("sleeper", "RUNNING")["pid"]
        os.kill(old, signal.SIGKILL)
        new = daemon.wait_for_pid("sleeper", other_than=old)
        self.assertTrue(xsvd.Process(new).is_there())
        daemon.wait_for_log(r"exited: sleeper \(terminated by SIGKILL; not expected\)")
        daemon.wait_for_reaping()

    def test_starting_lasts_startsecs(self):
        daemon = self.daemon(SLEEPER + "startsecs = 2\nautostart = false")
        begun = time.monotonic()
        self.assertEqual(daemon.rpc.startProcess("sleeper", False), True)
        self.assertEqual(daemon.state("sleeper"), "STARTING")
        daemon.wait_for("sleeper", "RUNNING")
        self.assertGreaterEqual(time.monotonic() - begun, 1.9)

    def test_dying_early_leads_to_backoff_and_then_fatal(self):
        daemon = self.daemon("""
            [program:early]
            command = /bin/sh -c 'exit 3'
            startretries = 1
            [program:missing]
            command = /no/such/command
            startretries = 0""")
        daemon.wait_for("early", "BACKOFF")
        info = daemon.wait_for("early", "FATAL")
        self.assertEqual(info["description"], "Exited too quickly (process log may have details)")
        self.assertEqual(len(re.findall(r"exited: early \(exit status 3; not expected\)", daemon.read_log())), 2)
        self.assertEqual(daemon.wait_for("missing", "FATAL")["description"], "can't find command '/no/such/command'")
        self.assertIn("gave up: early entered FATAL state, too many start retries too quickly", daemon.read_log())

    def test_exitcodes_and_autorestart_decide_about_a_restart(self):
        daemon = self.daemon("""
            [program:expected]
            command = /bin/sh -c 'exit 2'
            exitcodes = 0,2
            startsecs = 0
            [program:never]
            command = /bin/sh -c 'exit 1'
            autorestart = false
            startsecs = 0
            [program:unexpected]
            command = /bin/sh -c 'test -e @DIR@/once && exit 0; touch @DIR@/once; exit 1'
            startsecs = 0
            [program:signalled]
            command = /bin/sh -c 'kill -9 $$'
            autorestart = false
            startsecs = 0""")
        self.assertEqual(daemon.wait_for("expected", "EXITED")["exitstatus"], 2)
        self.assertEqual(daemon.wait_for("never", "EXITED")["exitstatus"], 1)
        self.assertEqual(daemon.wait_for("signalled", "EXITED")["exitstatus"], -1)
        xsvd.until(lambda: daemon.info("unexpected")["exitstatus"] == 0 and daemon.state("unexpected") == "EXITED", "the second run ends with 0")
        log = daemon.read_log()
        self.assertIn("exited: expected (exit status 2; expected)", log)
        self.assertIn("exited: unexpected (exit status 1; not expected)", log)
        self.assertEqual(log.count("spawned: 'unexpected'"), 2)
        self.assertEqual(log.count("spawned: 'never'"), 1)

    def test_numprocs_and_groups(self):
        daemon = self.daemon("""
            [program:many]
            command = /bin/sleep 1000
            process_name = %(program_name)s_%(process_num)02d
            numprocs = 3
            [program:a]
            command = /bin/sleep 1000
            [program:b]
            command = /bin/sleep 1000
            [group:pair]
            programs = a,b""")
        self.assertEqual(sorted(daemon.all_info()), ["many:many_00", "many:many_01", "many:many_02", "pair:a", "pair:b"])
        stopped = daemon.ctl("stop", "pair:*")
        self.assertEqual(sorted(stopped.out.splitlines()), ["pair:a: stopped", "pair:b: stopped"])
        self.assertEqual(daemon.state("pair:b"), "STOPPED")


class Commands(xsvd.TestCase):
    def test_start_stop_restart_and_their_exit_codes(self):
        daemon = self.daemon("""
            [program:sleeper]
            command = /bin/sleep 1000
            startsecs = 0
            [program:bad]
            command = /no/such/command
            autostart = false""")
        daemon.wait_for("sleeper", "RUNNING")
        self.assertEqual(daemon.ctl("stop", "sleeper")[:2], (0, "sleeper: stopped\n"))
        self.assertEqual(daemon.ctl("stop", "sleeper")[:2], (0, "sleeper: ERROR (not running)\n"))
        self.assertEqual(daemon.ctl("start", "sleeper")[:2], (0, "sleeper: started\n"))
        self.assertEqual(daemon.ctl("start", "sleeper")[:2], (0, "sleeper: ERROR (already started)\n"))
        self.assertEqual(daemon.ctl("restart", "sleeper")[:2], (0, "sleeper: stopped\nsleeper: started\n"))
        self.assertEqual(daemon.ctl("start", "nobody")[:2], (1, "nobody: ERROR (no such process)\n"))
        self.assertEqual(daemon.ctl("start", "bad")[:2], (1, "bad: ERROR (no such file)\n"))
        self.assertEqual(daemon.ctl("status", "nobody")[:2], (4, "nobody: ERROR (no such process)\n"))

    def test_pid_version_avail_and_signal(self):
        daemon = self.daemon(NOTER)
        pid = daemon.wait_for_pid("sig")
        self.assertEqual(daemon.ctl("pid")[:2], (0, f"{daemon.pid}\n"))
        self.assertEqual(daemon.ctl("pid", "sig")[:2], (0, f"{pid}\n"))
        self.assertEqual(daemon.ctl("version").code, 0)
        self.assertRegex(daemon.ctl("avail").out, r"(?m)^sig +in use +auto +999:999$")
        notes = daemon.dir / "signals"
        self.assertEqual(first_words(daemon, "sig"), "ready")
        self.assertEqual(daemon.ctl("signal", "HUP", "sig")[:2], (0, "sig: signalled\n"))
        xsvd.until(lambda: notes.exists() and notes.read_text() == "SIGHUP\n", "the program notes the signal")
        self.assertEqual(daemon.ctl("signal", "NONSENSE", "sig")[:2], (1, "sig: ERROR (bad signal name)\n"))

    def test_why_tells_in_a_sentence(self):
        daemon = self.daemon("""
            [program:bad]
            command = /bin/sh -c 'echo something is missing >&2; exit 7'
            startretries = 0
            [program:nowhere]
            command = /bin/true
            directory = /no/such/directory
            startretries = 0""")
        daemon.wait_for("bad", "FATAL")
        daemon.wait_for("nowhere", "FATAL")
        why = daemon.ctl("why", "bad").out
        self.assertIn("7", why)
        self.assertIn("something is missing", why)
        why = daemon.ctl("why", "nowhere").out
        self.assertRegex(why, r"directory.*No such file or directory")

    def test_why_is_short_about_what_is_fine_and_shows_ten_lines_of_what_is_not(self):
        daemon = self.daemon("""
            [program:fine]
            command = /bin/sh -c 'seq 30; seq 30 >&2; exec sleep 1000'
            startsecs = 0
            [program:failed]
            command = /bin/sh -c 'echo short words; seq 30 >&2; exit 7'
            startretries = 0
            [program:mixed]
            command = /bin/sh -c 'seq 30; exit 7'
            redirect_stderr = true
            startretries = 0""")
        daemon.wait_for("fine", "RUNNING")
        daemon.wait_for("failed", "FATAL")
        daemon.wait_for("mixed", "FATAL")
        self.assertRegex(daemon.ctl("why", "fine").out, r"^fine is running since \w{3} \d\d \d\d:\d\d [AP]M\.\n$")
        for name in ("failed", "mixed"):
            first, said, *lines = daemon.ctl("why", name).out.splitlines()
            self.assertRegex(first, rf"^{name} is fatal\. .*exit status 7")
            self.assertEqual((said, lines), ("The last lines it wrote:", [str(number) for number in range(21, 31)]))

    def test_wait_blocks_until_the_program_runs(self):
        daemon = self.daemon("""
            [program:slow]
            command = /bin/sleep 1000
            startsecs = 1
            [program:never]
            command = /bin/false
            startretries = 0""")
        self.assertEqual(daemon.ctl("wait", "slow", "--for", "running").code, 0)
        self.assertEqual(daemon.state("slow"), "RUNNING")
        daemon.wait_for("never", "FATAL")
        self.assertNotEqual(daemon.ctl("wait", "never", "--for", "running", timeout=60).code, 0)


class Stopping(xsvd.TestCase):
    def test_the_stop_signal_is_sent(self):
        daemon = self.daemon(NOTER + "stopsignal = INT")
        self.assertEqual(first_words(daemon, "sig"), "ready")
        daemon.ctl("stop", "sig", check=True)
        self.assertEqual((daemon.dir / "signals").read_text(), "SIGINT\n")

    def test_who_does_not_hear_is_killed_after_stopwaitsecs(self):
        daemon = self.daemon(f"""
            [program:deaf]
            command = {xsvd.PROGRAM} deaf
            stopwaitsecs = 1
            killasgroup = true
            startsecs = 0""")
        line = first_words(daemon, "deaf")
        family = [xsvd.Process(int(pid)) for pid in line.split()]
        self.assertEqual(len(family), 2)
        begun = time.monotonic()
        daemon.ctl("stop", "deaf", check=True)
        self.assertGreaterEqual(time.monotonic() - begun, 0.9)
        xsvd.until(lambda: not any(p.is_there() for p in family), f"none of {family} is left")
        daemon.wait_for_log(r"killing 'deaf' \(\d+\) with SIGKILL")

    def test_stopasgroup_reaches_grandchildren(self):
        daemon = self.daemon("""
            [program:family]
            command = /bin/sh -c '/bin/sleep 1000 & echo $!; wait'
            stopasgroup = true
            startsecs = 0""")
        grandchild = xsvd.Process(int(first_words(daemon, "family")))
        daemon.ctl("stop", "family", check=True)
        xsvd.until(lambda: not grandchild.is_there(), f"{grandchild} is gone")

    def test_a_stop_during_backoff_is_immediate(self):
        daemon = self.daemon("""
            [program:early]
            command = /bin/false
            startretries = 20""")
        daemon.wait_for("early", "BACKOFF")
        daemon.ctl("stop", "early", check=True)
        self.assertEqual(daemon.state("early"), "STOPPED")

    def test_priority_orders_start_and_shutdown(self):
        daemon = self.daemon(in_three_priorities(f"{xsvd.PROGRAM} order @DIR@/order {{name}}"))
        order = daemon.dir / "order"
        xsvd.until(lambda: order.exists() and len(order.read_text().splitlines()) == 3, "all three run")
        self.assertEqual(re.findall(r"spawned: '(\w+)'", daemon.read_log()), ["first", "middle", "last"])
        daemon.stop()
        self.assertEqual(order.read_text().splitlines()[3:], ["stop last", "stop middle", "stop first"])

    def test_what_an_administrator_stopped_stays_stopped(self):
        daemon = self.daemon(SLEEPER + "[program:other]\ncommand = /bin/sleep 1000")
        daemon.wait_for_pid("sleeper")
        daemon.ctl("stop", "sleeper", check=True)
        old = daemon.engine()
        os.kill(old, signal.SIGKILL)
        daemon.wait_for_engine(other_than=old)
        daemon.wait_until_ready()
        self.assertEqual(daemon.state("sleeper"), "STOPPED")
        daemon.reload()
        self.assertEqual(daemon.state("sleeper"), "STOPPED")


class BetterThanSupervisor(xsvd.TestCase):
    """What Supervisor does wrong (reference, 10.2), and clients do not miss."""

    def test_programs_run_before_the_daemon_answers(self):   # B34
        daemon = self.daemon(SLEEPER)
        self.assertNotEqual(daemon.pid_of("sleeper"), 0)

    def test_a_program_that_dies_at_once_is_never_reported_as_running(self):   # B1
        daemon = self.daemon("".join(f"""
            [program:quick{number}]
            command = /bin/true
            startretries = 1
            """ for number in range(10)))
        for number in range(10):
            daemon.wait_for(f"quick{number}", "FATAL")
        log = daemon.read_log()
        self.assertNotIn("entered RUNNING", log)
        self.assertNotIn("; expected)", log)
        self.assertEqual(log.count("exited: quick"), 20)

    def test_a_death_is_noticed_at_once(self):   # B2
        daemon = self.daemon("""
            [program:sleeper]
            command = /bin/sh -c 'exec /bin/sleep 1000 >/dev/null 2>&1'
            startsecs = 0""")
        waits = []
        for _ in range(5):
            pid = daemon.wait_for_pid("sleeper")
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            daemon.wait_for_pid("sleeper", other_than=pid)
            waits.append(time.monotonic() - begun)
        self.assertLess(sorted(waits)[2], 0.5)

    def test_a_start_that_could_do_nothing_is_refused(self):   # B28
        daemon = self.daemon("""
            [program:deaf]
            command = /bin/sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
            stdout_logfile = @DIR@/out
            startsecs = 0
            stopwaitsecs = 1""")
        xsvd.until(lambda: (daemon.dir / "out").exists() and (daemon.dir / "out").read_text(), "it ignores SIGTERM")
        daemon.rpc.stopProcess("deaf", False)
        with self.assertRaisesRegex(xmlrpc.client.Fault, "FAILED: deaf is being stopped"):
            daemon.rpc.startProcess("deaf", False)
        daemon.wait_for("deaf", "STOPPED")

    def test_a_stop_begins_with_the_highest_priority_number(self):   # B20
        daemon = self.daemon(in_three_priorities("/bin/sleep 1000"), supervisord="loglevel = debug")
        for name in ("first", "middle", "last"):
            daemon.wait_for(name, "RUNNING")
        answers = daemon.rpc.stopAllProcesses(False)
        self.assertEqual([answer["name"] for answer in answers], ["first", "middle", "last"])
        self.assertEqual(re.findall(r"killing (\w+) \(pid", daemon.read_log()), ["last", "middle", "first"])

    def test_groups_that_have_ended_do_not_delay_the_end(self):   # B21
        daemon = self.daemon("".join(f"""
            [program:p{number}]
            command = /bin/sleep 1000
            autostart = {"true" if number == 0 else "false"}
            """ for number in range(20)))
        daemon.wait_for_pid("p0")
        begun = time.monotonic()
        daemon.stop()
        self.assertLess(time.monotonic() - begun, 5)  # Supervisor: a second for each

    def test_an_answer_that_waited_counts_bytes(self):   # B12
        daemon = self.daemon("""
            [program:größe]
            command = /bin/false
            autostart = false
            startsecs = 1
            startretries = 0""")
        with self.assertRaises(xmlrpc.client.Fault) as caught:
            daemon.rpc.startProcess("größe")
        self.assertEqual(caught.exception.faultString, "SPAWN_ERROR: größe")

    def test_equal_names_of_groups_are_a_mistake(self):   # B37
        daemon = self.daemon("""
            [program:one]
            command = /bin/sleep 1000""")
        daemon.write("""
            [program:one]
            command = /bin/sleep 1000
            [program:two]
            command = /bin/sleep 1000
            [group:one]
            programs = two""")
        answer = daemon.ctl("reread")
        self.assertIn("a group named 'one' is already defined", answer.out)


if __name__ == "__main__":
    xsvd.main()
