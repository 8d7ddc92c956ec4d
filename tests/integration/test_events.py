"""Events: what a listener is told, in which order, and what it is still told when things go wrong."""
import json
import os
import re
import signal
import time
import unittest
from pathlib import Path

import xsvd

LISTENER = f"/usr/bin/python3 -I -S {Path(__file__).resolve().parent / 'listener.py'}"


def listener(name, events, *settings, mode="ok"):
    return (f"[eventlistener:{name}]\ncommand = {LISTENER} @DIR@/{name}.events {mode}\nevents = {events}\nstartsecs = 0\n"
            + "".join(line + "\n" for line in settings))


def program(name, *settings, command="/bin/sleep 1000"):
    return f"[program:{name}]\ncommand = {command}\nstartsecs = 0\n" + "".join(line + "\n" for line in settings)


def recorded(daemon, name="ear"):
    """[[header, payload], ...] of what the listener got so far."""
    path = daemon.dir / f"{name}.events"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def shown(daemon, name="ear"):
    return [f"{header['eventname']} {payload}" for header, payload in recorded(daemon, name)]


def send(daemon, kind, data, patience=xsvd.PATIENCE):
    """Until the daemon has taken it; whether one that was killed meanwhile had, nobody knows."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return daemon.rpc.sendRemoteCommEvent(kind, data)
        except Exception:  # pylint: disable=broad-except
            if time.monotonic() > deadline:
                raise


class Telling(xsvd.TestCase):
    def wait_for(self, daemon, pattern, name="ear"):
        self.assertEventually(lambda: any(re.search(pattern, line, re.DOTALL) for line in shown(daemon, name)), f"{name} is told {pattern!r}")

    def test_the_life_of_a_program(self):
        daemon = self.daemon(listener("ear", "PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE") + program("web", "autostart = false"))
        daemon.ctl("start", "web", check=True)
        pid = daemon.pid_of("web")
        daemon.ctl("stop", "web", check=True)
        self.wait_for(daemon, "PROCESS_STATE_STOPPED")
        web = "processname:web groupname:web from_state:"
        ear = "processname:ear groupname:ear from_state:"
        self.assertEqual(shown(daemon), [
            "PROCESS_GROUP_ADDED groupname:ear\n", "PROCESS_GROUP_ADDED groupname:web\n", "SUPERVISOR_STATE_CHANGE_RUNNING ",
            f"PROCESS_STATE_STARTING {ear}STOPPED tries:0", f"PROCESS_STATE_RUNNING {ear}STARTING pid:{daemon.pid_of('ear')}",
            f"PROCESS_STATE_STARTING {web}STOPPED tries:0", f"PROCESS_STATE_RUNNING {web}STARTING pid:{pid}",
            f"PROCESS_STATE_STOPPING {web}RUNNING pid:{pid}", f"PROCESS_STATE_STOPPED {web}STOPPING pid:{pid}"])
        headers = [header for header, _ in recorded(daemon)]
        self.assertEqual([int(h["serial"]) for h in headers], list(range(len(headers))))
        self.assertEqual([int(h["poolserial"]) for h in headers], list(range(len(headers))))
        self.assertEqual({(h["ver"], h["server"], h["pool"]) for h in headers}, {("3.0", "supervisor", "ear")})

    def test_output_and_what_is_captured_of_it(self):   # B4
        script = "echo before; echo '<!--XSUPERVISOR:BEGIN-->hidden<!--XSUPERVISOR:END-->after'; echo bad >&2; sleep 1000"
        daemon = self.daemon(listener("ear", "PROCESS_LOG,PROCESS_COMMUNICATION", "stdout_logfile = NONE")
                             + program("web", "stdout_capture_maxbytes = 1MB", "stdout_events_enabled = true", "stdout_logfile = @DIR@/web.log",
                                       command=f'/bin/sh -c "{script}"'))
        pid = daemon.pid_of("web")
        head = f"processname:web groupname:web pid:{pid}"
        self.wait_for(daemon, "COMMUNICATION")
        self.wait_for(daemon, "after")
        self.assertIn(f"PROCESS_COMMUNICATION_STDOUT {head}\nhidden", shown(daemon))
        logged = "".join(line.split("\n", 1)[1] for line in shown(daemon) if line.startswith(f"PROCESS_LOG_STDOUT {head} channel:stdout\n"))
        self.assertEqual(logged, "before\nafter\n")
        self.assertFalse([line for line in shown(daemon) if "STDERR" in line])
        self.assertEventually(lambda: (daemon.dir / "web.log").read_text() == "before\nafter\n", "the log has it too, without what was captured")

    def test_at_level_debug_the_daemons_log_has_the_output(self):
        talker = program("web", "stdout_logfile = @DIR@/web.log", "stderr_logfile = @DIR@/web.err",
                         command=r'''/bin/sh -c "echo out; printf '\\377' >&2; head -c 20000 /dev/zero | tr '\\0' x; exec sleep 1000"''')
        for level, ear in (("debug", ""), ("debug", listener("ear", "PROCESS_LOG")), ("info", "")):
            with self.subTest(level=level, ear=ear):
                daemon = self.daemon(ear + talker, supervisord=f"loglevel = {level}")
                self.assertEventually(lambda: (daemon.dir / "web.log").exists() and (daemon.dir / "web.log").stat().st_size == 20004, "the log is written")
                if level == "info":
                    self.assertNotIn(" output:", daemon.read_log())
                    continue
                daemon.wait_for_log(r"DEBG 'web' stdout output:\nout\n")
                daemon.wait_for_log(r"DEBG 'web' stderr output:\nUndecodable: b'\\xff'\n")
                self.assertLess(max(len(line) for line in daemon.read_log().splitlines()), 5000)
                self.assertEqual(recorded(daemon), [])

    def test_ticks(self):
        daemon = self.daemon(listener("ear", "TICK_5,TICK"))
        self.wait_for(daemon, "TICK_5")
        header, payload = recorded(daemon)[0]
        when = int(payload.removeprefix("when:"))
        self.assertEqual((header["eventname"], when % 5), ("TICK_5", 0))
        self.assertLess(abs(time.time() - when), 20)
        self.assertEqual([p for _, p in recorded(daemon)].count(payload) <= 2, True)
        self.assertEqual(len([h for h, p in recorded(daemon) if h["eventname"] == "TICK_5" and p == payload]), 1, "once, though it was asked for twice")

    def test_a_listener_ends_the_daemon_through_its_parent(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION", mode="term") + program("web"))
        send(daemon, "stop", "please")
        daemon.expect_end()
        self.assertEqual(daemon.process.returncode, 0)

    def test_a_rejected_event_comes_again_and_garbage_is_the_end(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION", mode="reject") + listener("bad", "REMOTE_COMMUNICATION", mode="garbage"))
        send(daemon, "n", "1")
        self.assertEventually(lambda: len(recorded(daemon)) == 2, "it comes again")
        self.assertEqual(recorded(daemon)[0], recorded(daemon)[1])
        daemon.wait_for_log("ear: event was rejected")
        daemon.wait_for_log("bad: bad result line: 'what\\?'")
        daemon.wait_for_log("bad: has entered the UNKNOWN state and will no longer receive events, this usually indicates the process violated the "
                            "eventlistener protocol")
        send(daemon, "n", "2")
        self.assertEventually(lambda: len(recorded(daemon)) == 3, "the others go on")
        self.assertEqual(daemon.info("bad")["xsv_listener"], "UNKNOWN")
        self.assertEqual((daemon.state("bad"), len(recorded(daemon, "bad"))), ("RUNNING", 1))
        self.assertIn("REMOTE_COMMUNICATION", daemon.ctl("show", "ear").out)

    def test_overflow_is_said_and_counted(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION", "buffer_size = 2", mode="wait"))
        send(daemon, "n", "0")
        self.assertEventually(lambda: len(recorded(daemon)) == 1, "the first is with the listener")
        for n in range(1, 6):
            send(daemon, "n", str(n))
        daemon.wait_for_log("pool ear event buffer overflowed, discarding event 3")
        self.assertEqual((daemon.info("ear")["xsv_events_discarded"], daemon.info("ear")["xsv_events_queued"]), (3, 2))
        (daemon.dir / "ear.events.go").touch()
        self.assertEventually(lambda: [p for _, p in recorded(daemon)] == ["type:n\n0", "type:n\n4", "type:n\n5"], "the newest two follow")

    def test_a_pool_shares_its_work(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION", "numprocs = 3", "process_name = ear_%(process_num)d"))
        for n in range(60):
            send(daemon, "n", str(n))
        self.assertEventually(lambda: sorted(int(p[7:]) for _, p in recorded(daemon)) == list(range(60)), "each event goes to one of them")

    def test_its_group_comes_first_and_its_process_last(self):   # T36
        daemon = self.daemon(listener("ear", "TICK_3600") + program("web"))
        lines = dict(line.split(None, 1) for line in daemon.ctl("avail", check=True).out.splitlines())
        self.assertEqual({name: rest.split() for name, rest in lines.items()},
                         {"ear": ["in", "use", "auto", "-1:999"], "web": ["in", "use", "auto", "999:999"]})

    def test_reread_and_update_know_listeners(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION"))
        daemon.write(listener("ear", "TICK_60"))
        self.assertIn("ear: changed", daemon.ctl("reread").out)
        pid = daemon.pid_of("ear")
        daemon.reload()
        self.assertEqual(daemon.pid_of("ear"), pid, "other events need no other process")
        send(daemon, "n", "1")
        self.assertEqual(daemon.info("ear")["xsv_events_queued"], 0)


def peak_memory(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) << 10


def script(name, text):
    return (f"[eventlistener:{name}]\ncommand = /bin/sh -c \"{text}\"\nevents = REMOTE_COMMUNICATION\nstartsecs = 0\nbuffer_size = 3\n"
            "stdout_logfile = NONE\n")


class Hostile(xsvd.TestCase):
    """Listeners that do what they should not harm nobody but themselves."""

    def discards(self, daemon):
        """[told, counted without being told] in the log."""
        lines = daemon.read_log().splitlines()
        more = [re.search(r"\u2026 (\d+) more: pool .* event buffer overflowed", line) for line in lines]
        return [sum(re.search(r"pool \w+ event buffer overflowed", line) is not None for line in lines), sum(int(found[1]) for found in more if found)]

    def test_the_others_go_on(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION") + program("web")
                             + listener("busy", "REMOTE_COMMUNICATION", "buffer_size = 3", mode="wait")
                             + script("flood", "head -c 40000000 /dev/zero; touch @DIR@/flooded; exec sleep 1000")
                             + script("deaf", "echo READY; exec sleep 1000")
                             + script("shut_in", "exec 0<&-; echo READY; exec sleep 1000")
                             + script("shut_out", "exec 1>&-; exec sleep 1000"))
        engine = daemon.engine()
        for name in ("ear", "busy", "deaf", "shut_in"):
            self.assertEventually(lambda: daemon.info(name)["xsv_listener"] == "READY", f"{name} is ready")
        self.assertEventually(lambda: daemon.info("flood")["xsv_listener"] == "UNKNOWN", "the flood is garbage")
        data = "x" * 100_000
        most = 80
        for n in range(most):
            send(daemon, "n", f"{n} {data}")  # more than a pipe holds
        self.assertEventually(lambda: (daemon.dir / "flooded").exists(), "all of the flood is taken")
        self.assertEventually(lambda: [int(p[7:].split()[0]) for _, p in recorded(daemon)] == list(range(most)), "who behaves is told everything")
        wanted = {"busy": (most - 4, "BUSY"), "deaf": (most - 4, "BUSY"), "shut_in": (most - 3, "READY"), "flood": (most - 3, "UNKNOWN"),
                  "shut_out": (most - 3, "ACKNOWLEDGED")}
        for name, (discarded, state) in wanted.items():
            info = daemon.info(name)
            self.assertEqual((info["xsv_events_discarded"], info["xsv_events_queued"], info["xsv_listener"]), (discarded, 3, state), name)
            self.assertEqual(daemon.state(name), "RUNNING")
        total = sum(discarded for discarded, _ in wanted.values())
        pid = daemon.pid_of("web")

        def is_counted():
            daemon.ctl("restart", "web", check=True)
            return sum(self.discards(daemon)) == total
        self.assertEventually(is_counted,
                              lambda: f"the log counts {total} discarded events: {self.discards(daemon)}")
        self.assertNotEqual(daemon.pid_of("web"), pid, "commands work")
        self.assertLess(self.discards(daemon)[0], total / 2, "and does not name each")
        self.assertEqual(daemon.engine(), engine)
        if not xsvd.SANITIZED:
            self.assertLess(peak_memory(engine), 100 << 20)
        daemon.ctl("stop", "all", check=True)

    def test_one_that_rejects_without_end_does_not_flood_the_log(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION", mode="refuse") + listener("good", "REMOTE_COMMUNICATION") + program("web"))
        send(daemon, "n", "1")
        daemon.wait_for_log(r"\u2026 \d+ more: {}: event was rejected")
        send(daemon, "n", "2")
        self.assertEventually(lambda: len(recorded(daemon, "good")) == 2, "the other one goes on")
        self.assertEqual(daemon.info("ear")["xsv_events_discarded"], 0)
        daemon.ctl("stop", "ear", check=True)
        self.assertEqual(daemon.info("ear")["xsv_events_queued"], 2)


class Crashes(xsvd.TestCase):
    def test_no_event_is_lost_when_the_engine_is_killed_in_a_stream_of_them(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION"))
        pid = daemon.pid_of("ear")
        most = 600
        for n in range(most):
            if n % 60 == 30:
                engine = daemon.engine()
                if engine:
                    os.kill(engine, signal.SIGKILL)
            send(daemon, "n", str(n))
        self.assertEventually(lambda: {p for _, p in recorded(daemon)} >= {f"type:n\n{n}" for n in range(most)}, "every event has come")
        self.assertEqual(daemon.pid_of("ear"), pid)
        self.assertEqual(daemon.info("ear")["xsv_listener"], "READY")
        serials = [int(header["serial"]) for header, _ in recorded(daemon)]
        self.assertEqual(serials, sorted(serials))

    def test_what_waits_for_a_dead_listener_outlives_the_engine(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION", "autostart = false"))
        for n in range(5):
            send(daemon, "n", str(n))
        engine = daemon.engine()
        os.kill(engine, signal.SIGKILL)
        daemon.wait_for_engine(engine)
        daemon.wait_until_ready()
        send(daemon, "n", "5")
        self.assertEqual(daemon.info("ear")["xsv_events_queued"], 6)
        daemon.ctl("start", "ear", check=True)
        self.assertEventually(lambda: [p for _, p in recorded(daemon)] == [f"type:n\n{n}" for n in range(6)], "all of them, in order")
        self.assertEqual([int(h["poolserial"]) for h, _ in recorded(daemon)], list(range(6)))

    def test_the_end_of_a_program_while_the_engine_was_dead(self):
        daemon = self.daemon(listener("ear", "PROCESS_STATE_EXITED") + program("web"))
        for _ in range(5):
            pid, engine = daemon.pid_of("web"), daemon.engine()
            os.kill(engine, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
            self.assertEventually(lambda: f"PROCESS_STATE_EXITED processname:web groupname:web from_state:RUNNING expected:0 pid:{pid}" in shown(daemon),
                                  "the listener is told")
            daemon.wait_until_ready()
            daemon.wait_for_pid("web", pid)

    def test_a_killed_listener_gets_its_event_again(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION", mode="wait"))
        send(daemon, "n", "1")
        self.assertEventually(lambda: len(recorded(daemon)) == 1, "it works on the event")
        os.kill(daemon.pid_of("ear"), signal.SIGKILL)
        self.assertEventually(lambda: len(recorded(daemon)) == 2, "the next one gets it")
        self.assertEqual(recorded(daemon)[0], recorded(daemon)[1])

    def test_what_the_scribe_had_told_a_dead_engine_is_told_to_the_next(self):
        go = self.folder() / "go"
        os.mkfifo(go)
        script = f"read x < {go}; echo '<!--XSUPERVISOR:BEGIN-->hidden<!--XSUPERVISOR:END-->after'; exec sleep 1000"
        daemon = self.daemon(listener("ear", "PROCESS_COMMUNICATION")
                             + program("web", "stdout_capture_maxbytes = 1MB", "stdout_logfile = @DIR@/web.log", command=f'/bin/sh -c "{script}"'))
        roles, engine = daemon.roles(), daemon.engine()
        os.kill(engine, signal.SIGSTOP)
        go.write_text("now\n", encoding="utf-8")
        log = daemon.dir / "web.log"
        self.assertEventually(lambda: log.exists() and log.read_text() == "after\n", "the scribe has read it")
        time.sleep(0.05)   # and sent it: another thread of its own does that
        os.kill(engine, signal.SIGKILL)
        os.kill(roles["scribe"], signal.SIGKILL)
        self.assertEventually(lambda: len(recorded(daemon)) == 1, "the listener hears of it")
        self.assertTrue(shown(daemon)[0].endswith("\nhidden"))

    def test_captured_texts_of_many_packets_while_the_engine_is_killed(self):
        most, size = 20, 300_000
        script = (f"import time\nfor n in range({most}):\n print('<!--XSUPERVISOR:BEGIN-->%d ' % n + 'x' * {size} + '<!--XSUPERVISOR:END-->', flush=True)\n"
                  " time.sleep(0.05)\ntime.sleep(1000)")
        talk = self.folder() / "talk.py"
        talk.write_text(script, encoding="utf-8")
        daemon = self.daemon(listener("ear", "PROCESS_COMMUNICATION")
                             + program("web", "stdout_capture_maxbytes = 1MB", "stdout_logfile = NONE",
                                       command=f"/usr/bin/python3 -I -S {talk}"))
        for _ in range(4):
            engine = daemon.engine()
            os.kill(engine, signal.SIGKILL)
            daemon.wait_for_engine(engine)
            daemon.wait_until_ready()
        self.assertEventually(lambda: len(recorded(daemon)) >= most, "all come")
        bodies = [payload.split("\n", 1)[1] for _, payload in recorded(daemon)]
        self.assertEqual([(body.split(" ", 1)[0], len(body.split(" ", 1)[1])) for body in bodies], [(str(n), size) for n in range(most)])

    def test_a_killed_scribe_has_lost_and_doubled_nothing(self):
        most = 3000
        text = (f"import os, time\nfor n in range({most}):\n"
                " os.write(1, b'line %04d \\x1b[1mbold\\x1b[0m\\n' % n)\n"
                " if n % 30 == 0: os.write(1, b'<!--XSUPERVISOR:BEGIN-->%d <!--XSUPER' % n); time.sleep(0.02); os.write(1, b'VISOR:END-->')\n"
                "time.sleep(1000)")
        talk = self.folder() / "talk.py"
        talk.write_text(text, encoding="utf-8")
        daemon = self.daemon(listener("ear", "PROCESS_COMMUNICATION,PROCESS_LOG", "buffer_size = 10000", "stdout_logfile = NONE")
                             + program("web", "stdout_capture_maxbytes = 1MB", "stdout_logfile = @DIR@/web.log", "stdout_events_enabled = true",
                                       command=f"/usr/bin/python3 -I -S {talk}"), supervisord="strip_ansi = true")
        for _ in range(8):
            scribe = daemon.roles()["scribe"]
            os.kill(scribe, signal.SIGKILL)
            self.assertEventually(lambda: daemon.roles().get("scribe", scribe) != scribe, "another one")
        wanted = "".join(f"line {n:04} bold\n" for n in range(most))
        self.assertEventually(lambda: (daemon.dir / "web.log").read_text().endswith(wanted[-15:]), "all is written")
        self.assertEqual((daemon.dir / "web.log").read_text(), wanted)

        def told(kind):
            return [payload.split("\n", 1)[1] for header, payload in recorded(daemon) if header["eventname"] == kind]
        self.assertEventually(lambda: "".join(told("PROCESS_LOG_STDOUT")) == wanted, "the listener is told all of it")
        self.assertEqual(told("PROCESS_COMMUNICATION_STDOUT"), [f"{n} " for n in range(0, most, 30)])

    def test_a_killed_scribe_leaves_the_conversation_intact(self):
        daemon = self.daemon(listener("ear", "REMOTE_COMMUNICATION"))
        send(daemon, "n", "1")
        self.assertEventually(lambda: len(recorded(daemon)) == 1, "it works")
        self.assertEventually(lambda: daemon.info("ear")["xsv_listener"] == "READY", "it is ready again")
        os.kill(daemon.roles()["scribe"], signal.SIGKILL)
        send(daemon, "n", "2")
        self.assertEventually(lambda: len(recorded(daemon)) == 2, "it goes on")
        self.assertEventually(lambda: daemon.info("ear")["xsv_listener"] == "READY", "its answer has come")


if __name__ == "__main__":
    xsvd.main()
