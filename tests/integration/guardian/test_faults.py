"""Every call of the guardian that can fail does so once, in each place, and the guardian lives on: what it holds stays held,
the engine runs or is started again, and exits arrive. Where it cannot start, it says so and ends with 127. And what takes long
(an engine that never says READY) goes by a clock that is put forward. Run by branches.py, on the guardian of faults.cpp."""
import errno
import os
import resource
import select
import signal
import socket
import subprocess
import time
import unittest

import faults
from test_guardian import BAD, CLD_EXITED, CLD_KILLED, ENDED, EXEC_FAILED, FAKE_ENGINE, HUNG, TABLE_FULL, XSVD, Case


class Ended(Exception):
    """The guardian has, while an engine was awaited."""


class FaultCase(Case):
    def setUp(self):
        super().setUp()
        self.faults = faults.Faults(os.path.join(self.folder.name, "faults"))
        self.prefix = []
        self.fault = None  # the call that is made to fail in a life
        self.main = None  # the guardian's pid once it may have gone to the background

    def run_guardian(self, *arguments, environment={}, **options):
        guardian = super().run_guardian(*arguments, environment={"XSVD_FAULTS": self.faults.path, **environment},
                                        stderr=subprocess.PIPE, **options)
        self.main = guardian.pid
        self.addCleanup(guardian.stderr.close)
        return guardian

    def wake(self):
        try:
            os.kill(self.main, signal.SIGCHLD)
        except ProcessLookupError:
            pass

    def engine(self, after=None, timeout=15.0):
        """The next life of the engine. Time flies as long as the one before lives, or none does."""
        end = time.monotonic() + timeout
        while not select.select([self.listener], [], [], 0.01)[0]:
            if self.guardian.poll() is not None and (self.main == self.guardian.pid or self.guardian.returncode != 0):
                raise Ended
            self.assertLess(time.monotonic(), end, "no engine comes")
            if after is not None and (self.is_alive(after.pid) or not self.has_child()):
                self.faults.ahead(500)
            self.wake()
        return super().engine()

    def is_alive(self, pid):
        return not self.is_dead(pid)

    def has_child(self):
        try:
            return len(self.zombies(self.main)) < len(self.children(self.main))
        except FileNotFoundError:
            return False

    def awaited(self, condition):
        """Some faults cost a wake-up; the next one comes with the next probe, or from here."""
        def or_wake():
            self.wake()
            return condition()
        self.wait_for(or_wake, 20)

    def woken(self, engine, line, word):
        engine.say(line)
        return self.hear(engine, word)

    def hear(self, engine, word):
        end = time.monotonic() + 15
        while True:
            self.wake()
            try:
                words = engine.line(0.05).split()
            except socket.timeout:
                self.assertLess(time.monotonic(), end, "waited in vain for " + word)
                continue
            if words[0] == word:
                return words[1:]

    def make_ready(self, engine):
        """What it was given: {key: inode}."""
        held = {}
        while True:
            words = self.hear_any(engine)
            if words[0] == "fd":
                held[words[1]] = words[3]
            if words[0] == "end":
                engine.ask("ready", "said")
                return held

    def hear_any(self, engine):
        end = time.monotonic() + 15
        while True:
            self.wake()
            try:
                return engine.line(0.05).split()
            except socket.timeout:
                self.assertLess(time.monotonic(), end, "waited in vain")

    def exit_of(self, engine, pid):
        while True:
            words = self.hear(engine, "exit")
            if words[1] == str(pid):
                return [int(word) for word in words[2:4]]

    # --- lives, each of which some calls need. They say how the guardian ended.

    def life(self):
        """Everything an engine may do, and four of its deaths. 130 descriptors are the limit, of which 66 may be held."""
        def few_descriptors():
            resource.setrlimit(resource.RLIMIT_NOFILE, (130, 130))
        guardian = self.run_guardian(preexec_fn=few_descriptors)
        first = self.engine()
        self.make_ready(first)
        first.ask("hold replaced 1", "held")
        held = {key: first.ask("hold %s 1" % key, "held")[0] for key in ("replaced", "kept", "dropped")}
        first.say("drop dropped")
        del held["dropped"]
        first.ask("garbage 20 1", "sent")
        pid = first.spawn(status=3)
        self.assertEqual(self.exit_of(first, pid), [CLD_EXITED, 3])
        orphan = int(self.woken(first, "orphan 5", "spawned")[0])
        if self.fault != "prctl":  # without which orphans go to init
            self.assertEqual(self.exit_of(first, orphan), [CLD_EXITED, 5])
        self.awaited(lambda: not self.zombies(guardian.pid))
        os.kill(guardian.pid, signal.SIGHUP)
        self.assertEqual(self.hear(first, "signal"), [str(int(signal.SIGHUP))])

        first.say("hear 0")
        pid = first.spawn(status=9)
        self.awaited(lambda: not os.path.exists("/proc/%d" % pid))
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine(first)
        again = self.make_ready(second)
        self.assertEqual({key: again.get(key) for key in held}, held)
        self.assertIn([CLD_EXITED, 9], [exit[2:4] for exit in second.told("exit") + first.told("exit") if exit[1] == pid])
        second.ask("hold_many 70", "held")
        os.kill(second.pid, signal.SIGSTOP)  # SIGABRT does nothing
        third = self.engine(second)
        again = self.make_ready(third)
        self.assertEqual({key: again.get(key) for key in held}, held)
        third.say("shutdown 2")
        fourth = self.engine(third)
        again = self.make_ready(fourth)
        self.assertEqual({key: again.get(key) for key in held}, held)
        fourth.say("quit 5")
        self.awaited(lambda: guardian.poll() is not None)
        self.assertEqual(guardian.returncode, 5)

    def go_to_background(self):
        engine = self.engine()
        engine.say("exit 79")

        def background():
            try:
                return [pid for pid in self.children(self.guardian.pid) if pid != engine.pid]
            except FileNotFoundError:
                return None
        self.awaited(lambda: background() or self.guardian.poll() is not None)
        if self.guardian.poll() is not None:
            raise Ended
        self.main = background()[0]

    def life_in_the_background(self):
        guardian = self.run_guardian()
        self.go_to_background()
        engine = self.engine()
        self.make_ready(engine)
        os.kill(engine.pid, signal.SIGKILL)
        engine = self.engine(engine)
        self.make_ready(engine)
        engine.say("quit 4")
        engine.ended()
        self.wait_for(lambda: self.is_dead(self.main))
        # It tells the terminal once; where that failed, the terminal waits as long as it lives.
        self.assertIn(guardian.wait(10), (0, 4))

    def life_that_fails_in_the_background(self):
        guardian = self.run_guardian()
        self.go_to_background()
        engine = self.engine()
        engine.say("exit 2")
        engine.ended()
        self.awaited(lambda: guardian.poll() is not None)
        self.assertIn(guardian.returncode, (2, 128))  # 128: it could not ask how the other one ended

    def life_that_is_stopped_early(self):
        guardian = self.run_guardian()
        self.engine()
        end = time.monotonic() + 10
        while guardian.poll() is None and time.monotonic() < end:
            os.kill(guardian.pid, signal.SIGTERM)
            time.sleep(0.02)
        if guardian.returncode == 127:
            raise Ended
        self.assertEqual(guardian.returncode, 128 + signal.SIGTERM)

    def life_that_finds_its_engine(self):
        places = [os.path.join(self.folder.name, *parts) for parts in (["sbin"], ["libexec", "xsvd"])]
        for place in places:
            os.makedirs(place)
            os.symlink(FAKE_ENGINE, os.path.join(place, "xsvd-engine"))
        own = os.path.join(places[0], "xsvd")
        with open(XSVD, "rb") as program, open(own, "wb") as copy:
            copy.write(program.read())
        os.chmod(own, 0o755)
        guardian = self.run_guardian(environment={"XSVD_ENGINE": ""}, prefix=self.prefix, program=own, cwd=places[0])
        engine = self.engine()
        self.make_ready(engine)
        engine.say("quit 5")
        self.awaited(lambda: guardian.poll() is not None)
        self.assertEqual(guardian.returncode, 5)

    def life_with_what_a_parent_passed_on(self):
        guardian = self.run_guardian(prefix=self.with_two_files("LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:other"))
        engine = self.engine()
        self.make_ready(engine)
        engine.say("quit 5")
        self.awaited(lambda: guardian.poll() is not None)
        self.assertEqual(guardian.returncode, 5)

    def life_in_the_place_of_another(self):
        inodes = self.run_successor("one", "two")
        engine = self.engine()
        held = self.make_ready(engine)
        for key, inode in inodes.items():
            if self.fault != "fcntl":  # without which it would be in every program's hands
                self.assertEqual(held.get(key), str(inode))
        engine.say("quit 5")
        self.awaited(lambda: self.guardian.poll() is not None)
        self.assertEqual(self.guardian.returncode, 5)

    def life_without_an_engine(self):
        guardian = self.run_guardian(environment={"XSVD_ENGINE": "/nowhere/engine"})
        self.awaited(lambda: guardian.poll() is not None)
        raise Ended


SHARDS = 4  # of the work below; they run side by side


class EachCallFailsOnce(FaultCase):
    """Each life is led once to see who calls, and then again for each place, each errno, and its first and second call."""

    def lives(self):
        """The one that shows most first: each fault is tried in one."""
        return [self.life, self.life_that_finds_its_engine, self.life_in_the_background,
                self.life_that_fails_in_the_background, self.life_that_is_stopped_early, self.life_with_what_a_parent_passed_on,
                self.life_in_the_place_of_another, self.life_without_an_engine]

    def again(self):
        self.tearDown()
        self.doCleanups()
        self.setUp()

    def sweep(self, shard):
        work = {}  # (place, skip): (life, name)
        for life in self.lives():
            self.lead(life, None)
            for place, (name, calls) in self.faults.places().items():
                work.setdefault((place, 0), (life, name))
                if calls > 1:
                    work.setdefault((place, 1), (life, name))
            self.again()
        places = sorted({place for place, _ in work})
        for (place, skip), (life, name) in sorted(work.items(), key=lambda item: item[0]):
            if places.index(place) % SHARDS != shard:
                continue
            for error in faults.ERRORS[name]:
                with self.subTest(name, place=hex(place), skip=skip, error=errno.errorcode[error], life=life.__name__):
                    self.faults.arm(place, error, skip=skip)
                    self.lead(life, name)
                    if skip == 0:
                        self.assertEqual(self.faults.failed, 1)
                self.again()
            print("place", hex(place), name, flush=True)  # for branches.py

    def lead(self, life, fault):
        self.fault = fault
        try:
            life()
        except Ended:
            said = self.guardian.stderr.read()
            self.assertEqual(self.guardian.wait(10), 127, said)
            if fault == "dprintf":
                self.assertEqual(said, b"")
            elif fault == "readlink":  # never the engine of whatever folder we were started in
                self.assertEqual(said, b"xsvd: cannot start /nowhere/libexec/xsvd/xsvd-engine: No such file or directory\n")
            else:
                self.assertRegex(said, rb"\Axsvd: cannot [^\n]+: [A-Z][^\n]+\n\Z")
            self.assertTrue(life == self.life_without_an_engine or fault in faults.NEEDED_AT_START, said)
        else:
            self.assertEqual(self.guardian.stderr.read(), b"")

    def test_shard_0(self):
        self.sweep(0)

    def test_shard_1(self):
        self.sweep(1)

    def test_shard_2(self):
        self.sweep(2)

    def test_shard_3(self):
        self.sweep(3)


class Faults(FaultCase):
    """What one fault alone does not show, and what takes long without a clock of our own."""

    def few_descriptors(self, limit):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    def begin(self, **options):
        self.run_guardian(**options)
        engine = self.engine()
        self.make_ready(engine)
        os.kill(self.main, signal.SIGUSR2)  # told to nobody before READY has arrived
        while engine.until("signal") != [str(int(signal.SIGUSR2))]:
            pass
        return engine

    def pass_time(self, seconds):
        self.faults.ahead(int(seconds * 1000))
        self.wake()

    def kinds(self, engine, least):
        return [event[0] for event in engine.events(least)]

    # --- the engine

    def test_a_later_engine_that_never_says_ready_is_replaced_after_a_minute(self):
        first = self.begin()
        inode = first.ask("hold key 1", "held")[0]
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine(first)
        second.handed_over()
        self.pass_time(59)
        time.sleep(0.1)
        self.assertTrue(self.is_alive(second.pid))
        third = self.engine(second)
        self.assertEqual(self.make_ready(third), {"key": inode})
        killed, hung, aborted = third.events(3)
        self.assertEqual((killed[0], hung[0], aborted[0]), (ENDED, HUNG, ENDED))
        self.assertGreaterEqual(hung[1], 60000)
        self.assertEqual(hung[2], 0)
        self.assertEqual(aborted[2], signal.SIGABRT)

    def test_a_first_engine_that_never_says_ready_ends_the_guardian(self):
        guardian = self.run_guardian()
        engine = self.engine()
        self.wait_for(lambda: self.pass_time(0.5) or guardian.poll() is not None)
        self.assertEqual(guardian.returncode, 128 + signal.SIGABRT)
        engine.ended()

    def test_a_ready_that_comes_too_late_saves_nobody(self):
        first = self.begin()
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine(first)
        second.handed_over()
        second.ask("catch %d" % signal.SIGABRT, "catching")
        while not select.select([second.connection], [], [], 0.02)[0]:
            self.pass_time(0.5)
        second.until("caught")
        second.ask("ready", "said")
        third = self.engine(second)
        self.make_ready(third)
        self.assertEqual(third.events(1)[-1], [ENDED, CLD_KILLED, signal.SIGKILL])

    def test_probes_are_answered_or_the_engine_is_replaced(self):
        first = self.begin(environment={"XSVD_WATCHDOG": "1"})
        for _ in range(3):
            self.pass_time(5)
            first.until("probe")
            first.ask("garbage 0 1", "sent")  # the answer was sent before it
            first.until("event")
        first.ask("mute", "said")
        second = self.engine_while_time_passes()
        self.make_ready(second)
        hung, ended = second.events(2)[-2:]
        self.assertEqual((hung[0], ended[0], hung[2], ended[2]), (HUNG, ENDED, 1, signal.SIGABRT))

    def engine_while_time_passes(self):
        while not select.select([self.listener], [], [], 0.02)[0]:
            self.pass_time(0.5)
        return self.engine()

    def test_a_guardian_that_overslept_gives_the_engine_its_time_again(self):
        first = self.begin()
        first.ask("mute", "said")
        self.pass_time(5)
        first.until("probe")
        self.pass_time(3600)
        self.assertEqual(first.spawn(), first.exits(1).popitem()[0])
        self.assertEqual(self.kinds(first, 0), [])
        self.engine_while_time_passes()

    def test_crashes_are_forgotten(self):
        engine = self.begin()
        for crash in range(6):
            self.pass_time(20)  # five in more than a minute are not many
            engine.say("kill %d" % signal.SIGTERM)
            engine = self.engine(engine)
            self.assertEqual(engine.handed_over()[1][1], 0)
            engine.ask("ready", "said")
        for crash in range(5):
            engine.say("kill %d" % signal.SIGTERM)
            engine = self.engine(engine)
            hold = engine.handed_over()[1][1]
            engine.ask("ready", "said")
        self.assertEqual(hold, 1)
        self.pass_time(601)
        time.sleep(0.05)
        engine.until("probe")
        engine.say("kill %d" % signal.SIGTERM)
        self.assertEqual(self.engine(engine).handed_over()[1][1], 0)

    def test_again_before_ready_is_a_crash(self):
        first = self.begin()
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine(first)
        second.say("exit 78")
        third = self.engine(second)
        self.make_ready(third)
        self.assertEqual(third.events(2)[-1], [ENDED, CLD_EXITED, 78])

    def test_words_nobody_asked_for_and_a_refused_execve(self):
        first = self.begin()
        first.ask("ready", "said")
        first.ask("beat", "said")
        self.faults.arm("execve", errno.ETXTBSY)
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine(first)
        self.make_ready(second)
        self.assertEqual(second.events(3)[:3], [[ENDED, CLD_KILLED, signal.SIGKILL], [EXEC_FAILED, errno.ETXTBSY, 0],
                                                [ENDED, CLD_EXITED, 127]])

    def test_the_engine_itself_is_no_exit_even_when_its_end_was_missed(self):
        first = self.begin()
        self.faults.arm("waitid", 0)  # sees nothing
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine(first)
        self.make_ready(second)
        self.assertEqual(self.faults.failed, 1)
        pid = second.spawn(status=3)
        self.assertEqual(list(second.exits(1)), [pid])

    def test_no_process_can_be_made_for_a_while(self):
        first = self.begin()
        inode = first.ask("hold key 1", "held")[0]
        self.faults.arm("fork", errno.EAGAIN, times=3)
        first.say("hear 0")
        pid = first.spawn(status=9)
        self.awaited(lambda: not os.path.exists("/proc/%d" % pid))
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine()
        self.assertEqual(self.make_ready(second), {"key": inode})
        self.assertEqual([exit[1:4] for exit in second.told("exit")], [[pid, CLD_EXITED, 9]])
        self.assertEqual(self.faults.failed, 3)

    # --- the line

    def test_a_descriptor_the_kernel_refuses_to_send_is_left_out(self):
        first = self.begin()
        held = {key: first.ask("hold %s 1" % key, "held")[0] for key in ("one", "two")}
        self.faults.arm("sendmsg", errno.ETOOMANYREFS, times=20)
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine()
        self.assertEqual(self.make_ready(second), {"one": held["one"]})  # the last one comes first
        os.kill(second.pid, signal.SIGKILL)
        self.assertEqual(self.make_ready(self.engine()), held)

    def test_an_engine_nothing_can_be_said_to_is_replaced(self):
        first = self.begin()
        inode = first.ask("hold key 1", "held")[0]
        self.faults.arm("sendmsg", errno.EPIPE)
        os.kill(self.guardian.pid, signal.SIGHUP)
        second = self.engine(first)
        self.assertEqual(self.make_ready(second), {"key": inode})
        self.assertEqual(self.hear(second, "signal"), [str(int(signal.SIGHUP))])
        self.assertEqual(self.kinds(second, 2), [BAD, ENDED])

    def test_a_full_turn_is_followed_by_another_at_once(self):
        first = self.begin()
        first.ask("hold_many 300", "held")
        self.faults.arm("sendmsg", 0, times=256)  # a line with room for all
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine()
        self.assertEqual(len(self.make_ready(second)), 300 - 256)
        os.kill(second.pid, signal.SIGKILL)
        self.assertEqual(len(self.make_ready(self.engine())), 300)

    def test_each_kind_of_packet_is_sent_again(self):
        first = self.begin()
        first.ask("hold key 1", "held")

        def refused(times=1):
            self.faults.arm("sendmsg", errno.ENOBUFS, times=times)
        refused()
        os.kill(self.guardian.pid, signal.SIGHUP)
        self.assertEqual(first.until("signal"), [str(int(signal.SIGHUP))])
        refused()
        first.ask("garbage 0 1", "event")
        refused()
        self.pass_time(5)
        first.until("probe")
        refused()
        pid = first.spawn(status=3)
        self.assertIn(pid, first.exits(1))
        # What the next one is given: a descriptor, an unread exit, the end of the list, an event.
        for skip in range(4):
            first.say("hear 0")
            pid = first.spawn(status=9)
            self.awaited(lambda: not os.path.exists("/proc/%d" % pid))
            self.faults.arm("sendmsg", errno.ENOBUFS, skip=skip)
            os.kill(first.pid, signal.SIGKILL)
            first = self.engine()
            self.assertEqual(list(first.ready()[0]), ["key"])
            self.assertIn(pid, first.exits(1))
            self.assertEqual(self.kinds(first, 1)[-1], ENDED)
            self.assertEqual(self.faults.failed, 1)

    def test_the_watch_goes_on_while_nothing_can_be_sent(self):
        self.faults.set(faults.STILL, 1000000)
        first = self.begin()
        self.pass_time(4.98)
        self.faults.arm("sendmsg", errno.ENOBUFS, times=1000000)
        os.kill(self.guardian.pid, signal.SIGHUP)  # to be sent again in 50 ms; the probe is due in 20
        self.awaited(lambda: self.faults.failed > 0)
        self.pass_time(0.02)
        time.sleep(0.05)
        self.assertEqual(self.faults.failed, 1)
        self.pass_time(0.04)
        self.awaited(lambda: self.faults.failed > 1)
        self.faults.disarm()
        self.pass_time(0.05)
        first.until("probe")
        self.assertEqual(first.told("signal", 2), [[signal.SIGUSR2], [signal.SIGHUP]])

    def test_what_was_not_read_comes_again(self):
        first = self.begin()
        first.say("hear 0")
        before = self.faults.calls("sendmsg")
        self.pass_time(5)  # a probe, which the next one is not told of
        os.kill(self.guardian.pid, signal.SIGHUP)
        first.say("garbage 0 1")
        first.until("sent")
        pid = first.spawn(status=9)
        self.awaited(lambda: not os.path.exists("/proc/%d" % pid))
        self.awaited(lambda: self.faults.calls("sendmsg") >= before + 4)
        os.kill(first.pid, signal.SIGKILL)
        second = self.engine(first)
        second.handed_over()
        self.assertEqual(second.told("signal"), [[signal.SIGHUP]])
        self.assertEqual([exit[1:4] for exit in second.told("exit")], [[pid, CLD_EXITED, 9]])
        self.assertIn(BAD, self.kinds(second, 1))
        self.assertEqual(second.told("probe"), [])

    def test_a_line_that_cannot_be_read_for_ever(self):
        first = self.begin()
        inode = first.ask("hold key 1", "held")[0]
        self.faults.arm("recv", errno.ENOMEM, times=1000000)
        os.kill(first.pid, signal.SIGKILL)
        self.assertEqual(self.make_ready(self.engine(first)), {"key": inode})

    # --- limits

    def test_of_too_many_events_the_oldest_go(self):
        first = self.begin(preexec_fn=self.few_descriptors(100), environment={"XSVD_WATCHDOG": "0"})
        first.say("hear 0")
        first.ask("overflow 400", "held")
        os.kill(self.guardian.pid, signal.SIGHUP)
        first.say("hear -1")
        counts = {BAD: [], TABLE_FULL: []}  # each event tells how many there were
        while counts[BAD][-1:] != [400] or counts[TABLE_FULL][-1:] != [350]:
            what, count, _ = [int(word) for word in first.until("event")]
            counts[what].append(count)
        for numbers in counts.values():
            self.assertEqual(numbers, sorted(numbers))
            self.assertLess(len(numbers), 340)  # some went

    def test_limits_of_descriptors(self):
        for limit in (100, 130, 1000000):
            with self.subTest(limit=limit):
                self.faults.set(faults.DESCRIPTORS, limit)
                engine = self.begin()
                inode = engine.ask("hold key 1", "held")[0]
                os.kill(engine.pid, signal.SIGKILL)
                engine = self.engine(engine)
                self.assertEqual(self.make_ready(engine), {"key": inode})
                engine.say("quit 0")
                self.assertEqual(self.guardian.wait(10), 0)

    # --- its start

    def test_it_goes_to_the_background_once(self):
        guardian = self.run_guardian()
        self.go_to_background()
        self.engine().say("exit 79")
        self.assertEqual(guardian.wait(10), 79)

    def test_an_engine_is_found_without_a_word(self):
        self.prefix = ["env", "-u", "XSVD_ENGINE"]
        self.life_that_finds_its_engine()

    def test_a_signal_that_came_before_the_engine_is_kept_for_it(self):
        def pending():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            os.kill(os.getpid(), signal.SIGTERM)
        engine = self.begin(preexec_fn=pending)
        self.assertIn([signal.SIGTERM], engine.told("signal", 2))

    def test_each_signal_stops_what_is_not_ready(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            guardian = self.run_guardian()
            self.engine()
            os.kill(guardian.pid, signal.SIGHUP)  # which does not
            os.kill(guardian.pid, number)
            self.assertEqual(guardian.wait(10), 128 + number)


if __name__ == "__main__":
    unittest.main(verbosity=1)
