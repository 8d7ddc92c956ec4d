"""The promises of the guardian: the real xsvd over fake_engine, which does what a test says and tells what it hears."""
import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

XSVD = os.environ.get("XSVD", "xsvd")
FAKE_ENGINE = os.environ.get("FAKE_ENGINE", "guardian_fake_engine")
ENDED, HUNG, TABLE_FULL, BAD, STUCK, EXEC_FAILED = 1, 2, 4, 5, 6, 7
CLD_EXITED, CLD_KILLED, CLD_DUMPED = 1, 2, 3
PR_SET_CHILD_SUBREAPER = 36
PTRACE_SEIZE = 0x4206
FD, END_OF_LIST = 32, 33  # wire/guardian.h
PACKET = struct.Struct("IIQ4i6q136s")
WALL = 0x40000000
# The build that counts what was executed (faults.cpp) writes it down first.
COUNTED = "XSVD_COUNTED" in os.environ
END = signal.SIGRTMAX if COUNTED else signal.SIGKILL


class Engine:
    """One life of the fake engine, from the test's side."""

    def __init__(self, connection):
        self.connection = connection
        self.input = b""
        self.heard = []  # every line so far
        words = self.line().split()
        assert words[0] == "start", words
        self.start, self.detached, self.pid, self.parent, self.name = int(words[1]), words[2] == "1", int(words[3]), int(words[4]), words[5]

    def line(self, timeout=10.0):
        while b"\n" not in self.input:
            self.connection.settimeout(timeout)
            data = self.connection.recv(65536)
            if not data:
                raise EOFError("the engine has ended; heard: %r" % self.heard[-20:])
            self.input += data
        line, self.input = self.input.split(b"\n", 1)
        self.heard.append(line.decode())
        return self.heard[-1]

    def until(self, word, timeout=10.0):
        """The rest of the next line that begins with the word."""
        end = time.monotonic() + timeout
        while True:
            words = self.line(max(0.01, end - time.monotonic())).split()
            if words[0] == word:
                return words[1:]

    def say(self, line):
        self.connection.sendall(line.encode() + b"\n")

    def ask(self, line, word, timeout=10.0):
        self.say(line)
        return self.until(word, timeout)

    def handed_over(self):
        """What it is given at its start: {key: (kind, inode)}, and End's numbers."""
        held = {}
        while True:
            words = self.line().split()
            if words[0] == "fd":
                held[words[1]] = (int(words[2]), int(words[3]))
            elif words[0] == "end":
                return held, [int(word) for word in words[1:]]

    def ready(self):
        result = self.handed_over()
        self.ask("ready", "said")
        return result

    def spawn(self, status=0, by_signal=0, milliseconds=0):
        return int(self.ask("spawn %d %d %d" % (status, by_signal, milliseconds), "spawned")[0])

    def told(self, word, least=0, timeout=20.0):
        """All lines so far that begin with the word, as numbers; waits for at least so many."""
        end = time.monotonic() + timeout
        while True:
            lines = [[int(number) for number in line.split()[1:]] for line in self.heard if line.startswith(word + " ")]
            if len(lines) >= least:
                return lines
            self.line(max(0.01, end - time.monotonic()))

    def exits(self, least, timeout=20.0):
        """{pid: (sequence, code, status)} of all Exits so far, at least so many."""
        lines = self.told("exit", least, timeout)
        exits = {pid: (sequence, code, status) for sequence, pid, code, status, _ in lines}
        assert len(exits) == len(lines), "reported twice"
        return exits

    def ended(self, timeout=20.0):
        try:
            while True:
                self.line(timeout)
        except (EOFError, ConnectionResetError):
            pass

    def events(self, least=0):
        return self.told("event", least)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="xsvd-guardian-")
        self.path = os.path.join(self.folder.name, "socket")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.guardian = None
        self.engines = []
        # What a failing test leaves behind comes to us, and is ended below.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def tearDown(self):
        if self.guardian and self.guardian.poll() is None:
            self.guardian.send_signal(END)
            self.guardian.wait()
        for engine in self.engines:
            engine.connection.close()
        self.listener.close()
        while True:
            with open("/proc/thread-self/children") as children:
                pids = [int(pid) for pid in children.read().split()]
            if not pids:
                break
            for pid in pids:
                os.kill(pid, END)
                os.kill(pid, signal.SIGCONT)
                os.waitpid(pid, 0)
        self.folder.cleanup()

    def run_guardian(self, *arguments, prefix=(), name=None, program=XSVD, environment={}, **options):
        whole = {**os.environ, "XSVD_ENGINE": FAKE_ENGINE, "XSVD_TEST_SOCKET": self.path, **environment}
        command = list(prefix) + [program] + list(arguments)
        if name:
            command[0] = name
            options["executable"] = XSVD
        self.guardian = subprocess.Popen(command, env=whole, **options)
        return self.guardian

    def with_two_files(self, variables):
        """What starts a program with these variables and two open files from 3 on."""
        paths = [os.path.join(self.folder.name, name) for name in ("first", "second")]
        for path in paths:
            with open(path, "w"):
                pass
        self.inodes = [os.stat(path).st_ino for path in paths]
        return ["sh", "-c", 'exec 3<"%s" 4<"%s"; %s exec "$0" "$@"' % (*paths, variables)]

    def run_successor(self, *keys, whole=True, **options):
        """A guardian in the place of one that held these when it died, had started 7 engines and told of 41 exits. Returns
        the inodes."""
        files = {key: os.memfd_create(key) for key in keys}
        held = os.memfd_create("held")
        for key, fd in files.items():
            os.write(held, PACKET.pack(FD, 2, 0, 0, 0, 0, 0, fd, 0, 0, 0, 0, 0, key.encode()))
        if whole:
            os.write(held, PACKET.pack(END_OF_LIST, 0, 41, 0, 0, 0, 0, 7, 1, 0, 0, 0, 0, b""))
        os.lseek(held, 0, os.SEEK_SET)
        self.run_guardian(environment={"XSVD_HELD": str(held), "XSVD_DETACHED": "1", "XSVD_NOFILE_SOFT": "512"},
                          pass_fds=[held, *files.values()], **options)
        inodes = {key: os.fstat(fd).st_ino for key, fd in files.items()}
        for fd in (held, *files.values()):
            os.close(fd)
        return inodes

    def engine(self, timeout=15.0):
        """The next life of the engine."""
        self.listener.settimeout(timeout)
        engine = Engine(self.listener.accept()[0])
        self.engines.append(engine)
        return engine

    def zombies(self, parent):
        return [pid for pid in self.children(parent) if self.state(pid) == "Z"]

    def children(self, parent):
        with open("/proc/%d/task/%d/children" % (parent, parent)) as file:
            return [int(pid) for pid in file.read().split()]

    def is_dead(self, pid):
        try:
            return self.state(pid) == "Z"
        except FileNotFoundError:
            return True

    def state(self, pid):
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def wait_for(self, condition, timeout=10.0):
        end = time.monotonic() + timeout
        while not condition():
            self.assertLess(time.monotonic(), end, "waited in vain")
            time.sleep(0.01)


class GuardianTest(Case):
    # --- descriptors

    def test_descriptors_come_back_after_a_kill(self):
        self.run_guardian()
        first = self.engine()
        self.assertEqual(first.ready(), ({}, [0, 0, self.guardian.pid]))
        self.assertEqual(first.parent, self.guardian.pid)
        inodes = {key: int(first.ask("hold %s %d" % (key, kind), "held")[0]) for key, kind in [("table", 3), ("pipe", 2), ("gone", 2)]}
        replaced = int(first.ask("hold pipe 6", "held")[0])
        first.say("drop gone")
        first.say("drop never-there")
        port, listener = [int(word) for word in first.ask("listen tcp:web", "listening")]
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine()
        with socket.create_connection(("127.0.0.1", port), 5):
            held, end = second.ready()
        self.assertEqual(held, {"table": (3, inodes["table"]), "pipe": (6, replaced), "tcp:web": (1, listener)})
        self.assertEqual(end, [1, 0, self.guardian.pid])
        self.assertEqual(second.start, 1)

    def test_what_the_parent_passes_on_is_held(self):
        """LISTEN_FDS, as service managers have it: the key tells the place and the name, with blanks, for which the engine says '?'."""
        for variables, keys in (("LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:other", ["received?0?web", "received?1?other"]),
                                ("LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web", ["received?0?web", "received?1?"]),
                                ("LISTEN_PID=$$ LISTEN_FDS=2", ["received?0?", "received?1?"]),
                                ("LISTEN_PID=$$ LISTEN_FDS=9 LISTEN_FDNAMES=a:b:c", ["received?0?a", "received?1?b"]),
                                ("LISTEN_PID=1 LISTEN_FDS=2", []), ("LISTEN_FDS=2", []), ("LISTEN_PID=$$", [])):
            with self.subTest(variables):
                self.run_guardian(prefix=self.with_two_files(variables))
                first = self.engine()
                held = first.ready()[0]
                self.assertEqual(sorted(held), keys)
                self.assertEqual([inode for _, (_, inode) in sorted(held.items())], self.inodes[:len(keys)])
                os.kill(first.pid, signal.SIGKILL)
                second = self.engine()
                self.assertEqual(second.ready()[0], held)
                second.say("quit 0")
                self.assertEqual(self.guardian.wait(10), 0)

    def test_a_dropped_socket_is_closed(self):
        self.run_guardian()
        first = self.engine()
        first.ready()
        port = int(first.ask("listen tcp:web", "listening")[0])
        socket.create_connection(("127.0.0.1", port), 5).close()
        first.say("drop tcp:web")
        first.ask("garbage 0 1", "event")  # whose answer tells that the drop was read before it
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)

    def test_what_is_dropped_leaves_the_others_alone(self):
        self.run_guardian()
        first = self.engine()
        first.ready()
        inodes = {"key%d" % n: int(first.ask("hold key%d 2" % n, "held")[0]) for n in range(50)}
        for n in (0, 49, 48, 20, 21):  # first, last, and in between: the last one takes the free place
            first.say("drop key%d" % n)
            del inodes["key%d" % n]
        inodes["key47"] = int(first.ask("hold key47 2", "held")[0])
        first.say("drop key46")
        del inodes["key46"]
        inodes["new"] = int(first.ask("hold new 2", "held")[0])
        os.kill(first.pid, signal.SIGKILL)
        held = self.engine().ready()[0]
        self.assertEqual({key: inode for key, (_, inode) in held.items()}, inodes)

    def test_thousands_of_descriptors_survive_kills_during_the_handover(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        engine.ask("hold_many 3000", "held")
        for hears in (0, 1, 100, 2000):  # killed when it has read so many of the packets
            os.kill(engine.pid, signal.SIGKILL)
            engine = self.engine()
            engine.say("hear %d" % hears)
            for _ in range(hears):
                engine.line()
        os.kill(engine.pid, signal.SIGKILL)
        engine = self.engine()
        held, end = engine.ready()
        self.assertEqual(len(held), 3000)
        self.assertEqual(end[0], engine.start)

    def test_more_than_the_limit_is_refused_and_said(self):
        self.run_guardian(prefix=["prlimit", "--nofile=256:256"])
        engine = self.engine()
        engine.ready()
        engine.ask("hold_many 400", "held")
        self.assertEqual(engine.events(1)[0][0], TABLE_FULL)
        os.kill(engine.pid, signal.SIGKILL)
        engine = self.engine()
        engine.ready()
        held = [line for line in engine.heard if line.startswith("fd ")]
        self.assertEqual(len(held), 256 - 64)

    def test_one_in_the_place_of_another_holds_what_that_held(self):
        inodes = self.run_successor("one", "two", "three")
        first = self.engine()
        held, end = first.ready()
        self.assertEqual(held, {key: (2, inode) for key, inode in inodes.items()})
        self.assertEqual((first.start, first.detached, end), (7, True, [7, 1, self.guardian.pid]))
        self.assertEqual(first.ask("env XSVD_NOFILE_SOFT", "env"), ["512"])
        self.assertEqual(sorted(os.listdir("/proc/%d/fd" % first.pid)), ["0", "1", "2", "3", "4"])
        pid = first.spawn(status=3)
        self.assertEqual(first.exits(1), {pid: (42, CLD_EXITED, 3)})
        first.say("exit 5")  # not the end, as it would be before the very first READY
        second = self.engine()
        self.assertEqual(second.ready(), (held, [8, 1, self.guardian.pid]))
        second.say("quit 4")
        self.assertEqual(self.guardian.wait(10), 4)

    def test_one_in_the_place_of_another_starts_nothing_without_what_that_held(self):
        for keys in (("one",), ()):
            self.run_successor(*keys, whole=False, stderr=subprocess.PIPE)
            self.assertRegex(self.guardian.communicate(timeout=10)[1], rb"\Axsvd: cannot read what was held: ")
            self.assertEqual(self.guardian.returncode, 127)

    # --- exits

    def test_exits_reach_the_engine(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        a, b = engine.spawn(status=7), engine.spawn(by_signal=signal.SIGTERM)
        exits = engine.exits(2)
        self.assertEqual(exits[a][1:], (CLD_EXITED, 7))
        self.assertEqual(exits[b][1:], (CLD_KILLED, signal.SIGTERM))
        self.assertEqual(sorted(exit[0] for exit in exits.values()), [1, 2])

    def test_exits_during_the_gap_reach_the_successor(self):
        self.run_guardian()
        first = self.engine()
        first.ready()
        expected = {}
        for status in range(1, 60):  # half of them end after the engine
            expected[first.spawn(status=status, milliseconds=0 if status % 2 else 1000)] = (CLD_EXITED, status)
            if status == 30:
                first.say("hear 0")  # and a quarter before, but unread
        os.kill(first.pid, signal.SIGKILL)
        first.ended()
        second = self.engine()
        second.handed_over()
        slow = [pid for pid, (_, status) in expected.items() if status % 2 == 0]
        self.wait_for(lambda: all(self.is_dead(pid) for pid in slow))
        second.ask("ready", "said")
        exits = {pid: exit[1:] for pid, exit in first.exits(0).items()}
        both = len(exits)
        exits.update({pid: exit[1:] for pid, exit in second.exits(len(expected) - both).items()})
        self.assertEqual(exits, expected)
        self.wait_for(lambda: not self.zombies(self.guardian.pid))

    def test_unread_exits_come_after_the_descriptors(self):
        self.run_guardian()
        first = self.engine()
        first.ready()
        first.ask("hold key 1", "held")
        first.say("hear 0")
        pid = first.spawn(status=9)
        self.wait_for(lambda: not os.path.exists("/proc/%d" % pid))
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine()
        self.assertTrue(second.line().startswith("fd key"))
        self.assertEqual(second.line().split()[:5], ["exit", "1", str(pid), str(CLD_EXITED), "9"])

    def test_unread_exits_are_offered_until_an_engine_is_ready(self):
        self.run_guardian()
        first = self.engine()
        first.ready()
        first.say("hear 0")
        pid = first.spawn(status=9)
        self.wait_for(lambda: not os.path.exists("/proc/%d" % pid))
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine()
        self.assertEqual(second.line().split()[:3], ["exit", "1", str(pid)])
        os.kill(second.pid, signal.SIGKILL)  # before READY: it may not have written it down
        third = self.engine()
        self.assertEqual(third.line().split()[:3], ["exit", "1", str(pid)])

    def test_two_thousand_ends_at_once_with_a_slow_reader(self):
        self.run_guardian(environment={"XSVD_WATCHDOG": "0"})
        engine = self.engine()
        engine.ready()
        engine.say("hear 0")
        engine.say("spawn_many 2000 0")
        started = {}
        while True:
            words = engine.line(60).split()
            if words == ["spawned", "all"]:
                break
            if words[0] == "spawned":
                started[int(words[1])] = len(started) % 200
        self.wait_for(lambda: len(self.zombies(self.guardian.pid)) > 1000)  # the queue
        exits = {}
        while len(exits) < 2000:
            engine.say("hear 50")
            exits = engine.exits(len(exits) + 50)
        engine.say("hear -1")
        self.assertEqual({pid: exit[2] for pid, exit in exits.items()}, started)
        self.assertEqual(sorted(exit[0] for exit in exits.values()), list(range(1, 2001)))
        self.wait_for(lambda: not self.zombies(self.guardian.pid))

    def test_strangers_are_reported_and_reaped(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        pid = int(engine.ask("orphan 5", "spawned")[0])
        self.assertEqual(engine.exits(1)[pid][1:], (CLD_EXITED, 5))
        self.wait_for(lambda: not os.path.exists("/proc/%d" % pid))

    # --- the engine's ends

    def test_an_end_before_ready_ends_the_guardian_with_its_code(self):
        self.run_guardian()
        engine = self.engine()
        engine.say("exit 42")
        self.assertEqual(self.guardian.wait(10), 42)

    def test_a_crash_before_ready_ends_the_guardian(self):
        self.run_guardian()
        self.engine().say("kill %d" % signal.SIGSEGV)
        self.assertEqual(self.guardian.wait(10), 128 + signal.SIGSEGV)

    def test_the_engine_answers_for_the_version(self):
        guardian = self.run_guardian("--version", stdout=subprocess.PIPE)
        self.assertEqual(guardian.communicate(timeout=10)[0], b"fake 1.0\n")
        self.assertEqual(guardian.returncode, 3)

    def test_a_missing_engine_is_said(self):
        guardian = self.run_guardian(environment={"XSVD_ENGINE": "/nowhere/engine"}, stderr=subprocess.PIPE)
        self.assertEqual(guardian.communicate(timeout=10)[1], b"xsvd: cannot start /nowhere/engine: No such file or directory\n")
        self.assertEqual(guardian.returncode, 127)

    def test_quit_ends_the_guardian_with_its_code(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        engine.say("quit 5")
        self.assertEqual(self.guardian.wait(10), 5)

    def test_again_starts_the_engine_at_once_and_is_no_crash(self):
        self.run_guardian()
        for start in range(8):
            engine = self.engine(timeout=1.0)
            self.assertEqual(engine.ready()[1][:2], [start, 0])
            engine.say("exit 78")
        engine = self.engine()
        engine.ready()
        self.assertEqual(engine.events(), [])

    def test_five_crashes_lead_to_hold_mode(self):
        self.run_guardian()
        started = []
        for start in range(6):
            engine = self.engine()
            started.append(time.monotonic())
            end = engine.ready()[1]
            self.assertEqual(end[:2], [start, 1 if start >= 5 else 0])
            if start == 0:
                port = int(engine.ask("listen tcp:web", "listening")[0])
            socket.create_connection(("127.0.0.1", port), 5).close()
            if start > 0:
                what, code, status = engine.events(1)[0]
                self.assertEqual((what, status), (ENDED, signal.SIGSEGV))
                self.assertIn(code, (CLD_KILLED, CLD_DUMPED))
            if start < 5:
                engine.say("kill %d" % signal.SIGSEGV)
        gaps = [after - before for before, after in zip(started, started[1:])]
        for gap, delay in zip(gaps, [0, 0.05, 0.25, 1, 5]):
            self.assertGreaterEqual(gap, delay)
            self.assertLess(gap, delay + 1)

    def test_kills_from_outside_are_answered_at_once(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        for _ in range(12):
            before = time.monotonic()
            os.kill(engine.pid, signal.SIGKILL)
            engine = self.engine()
            self.assertLess(time.monotonic() - before, 0.5)
            engine.ready()

    def test_a_stopped_engine_is_replaced(self):
        self.run_guardian()
        first = self.engine()
        first.ready()
        port = int(first.ask("listen tcp:web", "listening")[0])
        first.until("probe", 6)
        os.kill(first.pid, signal.SIGSTOP)
        before = time.monotonic()
        second = self.engine(timeout=14)
        self.assertGreater(time.monotonic() - before, 6)  # 7 s when it stopped with a probe unanswered, else up to 12
        socket.create_connection(("127.0.0.1", port), 5).close()
        second.ready()
        self.assertEqual([event[0] for event in second.events(2)], [HUNG, ENDED])
        self.assertEqual(second.events()[1][1:], [CLD_KILLED, signal.SIGKILL])

    def test_an_engine_that_does_not_answer_is_aborted(self):
        self.run_guardian()
        first = self.engine()
        first.ready()
        first.ask("mute", "said")
        second = self.engine(timeout=14)
        second.ready()
        self.assertEqual([event[0] for event in second.events(2)], [HUNG, ENDED])
        self.assertEqual(second.events()[1][2], signal.SIGABRT)

    def test_an_engine_that_cannot_die_is_never_joined_by_another(self):
        self.run_guardian(environment={"XSVD_WATCHDOG": "0"})
        first = self.engine()
        first.ready()
        inode = int(first.ask("hold key 1", "held")[0])
        # Whoever traces it is told of its end first: until we ask, its parent sees it alive, as in an endless system call.
        self.assertEqual(ctypes.CDLL(None, use_errno=True).ptrace(PTRACE_SEIZE, first.pid, None, None), 0, ctypes.get_errno())
        first.say("hear 0")
        first.say("shutdown 2")
        self.wait_for(lambda: self.is_dead(first.pid))
        self.listener.settimeout(1.3)
        with self.assertRaises(socket.timeout):
            self.listener.accept()
        self.assertEqual(os.WTERMSIG(os.waitpid(first.pid, WALL)[1]), signal.SIGKILL)
        second = self.engine()
        self.assertEqual(second.ready()[0], {"key": (1, inode)})
        bad, ended, stuck = second.events(3)
        self.assertEqual([event[0] for event in (bad, ended, stuck)], [BAD, ENDED, STUCK])
        self.assertGreater(stuck[1], 1000)

    def test_an_answering_engine_stays_and_the_watchdog_can_be_switched_off(self):
        self.run_guardian(environment={"XSVD_WATCHDOG": "0"})
        engine = self.engine()
        engine.ready()
        os.kill(engine.pid, signal.SIGSTOP)
        self.listener.settimeout(14)
        with self.assertRaises(socket.timeout):
            self.listener.accept()
        os.kill(engine.pid, signal.SIGCONT)
        engine.ask("hold key 1", "held")

    def test_a_stopped_guardian_blames_nobody(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        engine.until("probe", 6)
        os.kill(engine.pid, signal.SIGSTOP)
        os.kill(self.guardian.pid, signal.SIGSTOP)
        time.sleep(12)
        os.kill(self.guardian.pid, signal.SIGCONT)
        os.kill(engine.pid, signal.SIGCONT)
        engine.until("probe", 6)
        engine.until("probe", 6)
        self.assertEqual(engine.events(), [])

    # --- messages

    def test_garbage_does_nothing(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        inode = int(engine.ask("hold key 1", "held")[0])
        before = len(os.listdir("/proc/%d/fd" % self.guardian.pid))
        for seed in range(10):
            engine.ask("garbage 300 %d" % seed, "sent")
        pid = engine.spawn(status=3)
        self.assertEqual(engine.exits(1)[pid][1:], (CLD_EXITED, 3))
        held = [event for event in engine.events() if event[0] == BAD]
        self.assertGreater(held[-1][1], 1500)  # counted
        self.wait_for(lambda: len(os.listdir("/proc/%d/fd" % self.guardian.pid)) - before < 3000)
        os.kill(engine.pid, signal.SIGKILL)
        engine = self.engine()
        held = engine.ready()[0]
        self.assertEqual(held["key"], (1, inode))
        for key in ("two", "three", "many", "nothing"):
            self.assertNotIn(key, held)

    def test_an_engine_that_shuts_its_line_is_replaced(self):
        self.run_guardian(environment={"XSVD_WATCHDOG": "0"})
        for how in (0, 1, 2):
            engine = self.engine(timeout=5)
            engine.ready()
            engine.say("shutdown %d" % how)
            engine.ended(timeout=5)
        os.kill(self.guardian.pid, signal.SIGHUP)
        engine = self.engine(timeout=5)
        engine.ready()
        self.assertEqual(engine.told("signal", 1), [[signal.SIGHUP]])

    # --- signals

    def test_signals_are_forwarded(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(self.guardian.pid, number)
            self.assertEqual(engine.until("signal"), [str(int(number))])
        for number in (signal.SIGALRM, signal.SIGPIPE, signal.SIGTSTP, signal.SIGRTMIN):
            os.kill(self.guardian.pid, number)  # not ours, and not the end
        os.kill(self.guardian.pid, signal.SIGHUP)
        self.assertEqual(engine.until("signal"), [str(int(signal.SIGHUP))])

    def test_signals_wait_for_ready(self):
        self.run_guardian()
        first = self.engine()
        first.ready()
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine()
        os.kill(self.guardian.pid, signal.SIGTERM)
        second.handed_over()
        second.ask("hold key 1", "held")
        second.ask("ready", "said")
        self.assertEqual(second.until("signal"), [str(int(signal.SIGTERM))])
        self.assertIsNone(self.guardian.poll())

    def test_a_stop_before_the_first_ready_ends_everything(self):
        self.run_guardian()
        engine = self.engine()
        os.kill(self.guardian.pid, signal.SIGTERM)
        self.assertEqual(self.guardian.wait(10), 128 + signal.SIGTERM)
        engine.ended()

    # --- where it comes from

    def test_the_background(self):
        self.run_guardian(stdout=subprocess.PIPE)
        first = self.engine()
        first.say("exit 79")
        second = self.engine()
        self.assertEqual((second.start, second.detached), (0, True))
        self.assertNotEqual(second.parent, self.guardian.pid)
        self.assertIsNone(self.guardian.poll())
        _, end = second.ready()
        self.assertEqual(self.guardian.wait(10), 0)
        daemon = end[2]
        self.assertEqual(daemon, second.parent)
        self.assertEqual(os.getsid(daemon), daemon)
        for fd in range(3):
            self.assertEqual(os.readlink("/proc/%d/fd/%d" % (daemon, fd)), "/dev/null")
        os.kill(second.pid, signal.SIGKILL)
        third = self.engine()
        third.ready()
        self.assertEqual((third.start, third.detached, third.parent), (1, True, daemon))
        third.say("quit 4")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(daemon, 0)[1]), 4)
        self.guardian.stdout.close()

    def test_a_failure_in_the_background_is_told(self):
        self.run_guardian()
        self.engine().say("exit 79")
        self.engine().say("exit 2")
        self.assertEqual(self.guardian.wait(10), 2)

    def test_a_stop_on_the_way_to_the_background(self):
        self.run_guardian(start_new_session=True)
        self.engine().say("exit 79")
        self.engine()
        os.killpg(self.guardian.pid, signal.SIGINT)  # as a terminal does
        self.assertEqual(self.guardian.wait(10), 128 + signal.SIGINT)

    def test_process_one_of_a_container(self):
        if os.geteuid() != 0 or subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"]).returncode != 0:
            self.skipTest("needs the right to make namespaces")
        self.run_guardian(prefix=["unshare", "--pid", "--fork", "--mount-proc"])
        first = self.engine()
        self.assertEqual(first.ready()[1], [0, 0, 1])
        pid = int(first.ask("orphan 5", "spawned")[0])
        self.assertEqual(first.exits(1)[pid][1:], (CLD_EXITED, 5))
        [namespace_init] = self.children(self.guardian.pid)
        os.kill(namespace_init, signal.SIGTERM)
        self.assertEqual(first.until("signal"), [str(int(signal.SIGTERM))])
        first.say("kill %d" % signal.SIGKILL)
        second = self.engine()
        second.ready()
        second.say("quit 6")
        self.assertEqual(self.guardian.wait(10), 6)

    def test_limits_and_signals_of_the_engine(self):
        self.run_guardian(prefix=["prlimit", "--nofile=512:1024"], environment={"XSVD_NOFILE_SOFT": "1", "XSVD_DETACHED": "1"},
                          preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        engine = self.engine()
        self.assertFalse(engine.detached)
        self.assertEqual(engine.ask("env XSVD_NOFILE_SOFT", "env"), ["512"])
        self.assertEqual(engine.ask("signals", "signals"), ["0"])
        with open("/proc/%d/limits" % engine.pid) as limits:
            self.assertIn("Max open files            1024                 1024", limits.read())
        self.assertEqual(sorted(os.listdir("/proc/%d/fd" % engine.pid)), ["0", "1", "2", "3", "4"])

    def test_closed_standard_descriptors_are_filled(self):
        self.run_guardian(preexec_fn=lambda: os.closerange(0, 3))
        self.engine().ready()
        for fd in range(3):
            self.assertEqual(os.readlink("/proc/%d/fd/%d" % (self.guardian.pid, fd)), "/dev/null")

    def test_names_in_the_process_list(self):
        for name, title in (("xsvd", "xsvd: guardian"), ("/usr/bin/supervisord", "supervisord: guardian")):
            for arguments in ((), ("-n", "-c", "/some/where/long/enough/for/every/title.conf")):
                self.run_guardian(*arguments, name=name)
                engine = self.engine()
                self.assertEqual(engine.name, name)
                with open("/proc/%d/cmdline" % self.guardian.pid, "rb") as file:
                    self.assertEqual(file.read().rstrip(b"\0"), title.encode())
                with open("/proc/%d/cmdline" % engine.pid, "rb") as file:
                    self.assertEqual(file.read(), b"\0".join(a.encode() for a in (name,) + arguments) + b"\0")
                engine.ready()
                engine.say("quit 0")
                self.assertEqual(self.guardian.wait(10), 0)

    @unittest.skipIf(COUNTED, "the counters are not small")
    def test_it_is_small_and_idle(self):
        self.run_guardian()
        engine = self.engine()
        engine.ready()
        engine.until("probe", 6)
        with open("/proc/%d/smaps_rollup" % self.guardian.pid) as file:
            sizes = {words[0]: int(words[1]) for words in (line.split() for line in file) if words[-1] == "kB"}
        print("the guardian: %d kB Rss, %d kB Pss" % (sizes["Rss:"], sizes["Pss:"]), file=sys.stderr)
        # Other guardians of this build do not make it look smaller. The kernel brings in a page of libc with its neighbours,
        # and sometimes more of them: 310 to 440 kB were seen.
        self.assertLessEqual(sizes["Rss:"], 640)

        def switches():
            with open("/proc/%d/status" % self.guardian.pid) as file:
                return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
        before = switches()
        engine.until("probe", 6)
        engine.until("probe", 6)
        self.assertLessEqual(switches() - before, 12)


if __name__ == "__main__":
    unittest.main(verbosity=1)
