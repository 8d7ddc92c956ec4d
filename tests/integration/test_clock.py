"""The wall clock jumps by ten years to and fro while everything goes on: nothing that waits looks at it (rule K6, bug B35).

The daemon's programs see a clock of the test's own; see jumping_clock.cpp. The kernel's clocks are left alone."""
import os
import signal
import struct
import threading
import time
import unittest

import xsvd

CLOCK = xsvd.BUILD / "tests" / "fakes" / "libjumping_clock.so"
YEARS = 10 * 365 * 86400
JUMPS = (YEARS, -YEARS, 0, -3600, YEARS, 1, -YEARS, 40 * 86400)
PAUSE = 0.15

# Each line it writes: the boot clock's seconds and what it was told.
TICKER = r"""
import os, sys, time
while True:
    os.write(1, b"READY\n")
    header = dict(part.split(":") for part in sys.stdin.buffer.readline().decode().split())
    payload = sys.stdin.buffer.read(int(header["len"])).decode()
    with open(sys.argv[1], "a") as file:
        file.write(f"{time.monotonic()} {header['eventname']} {payload}\n")
    os.write(1, b"RESULT 2\nOK")
"""

CONFIG = """
    [program:steady]
    command = /bin/sleep 1000
    startsecs = 0

    [program:starting]
    command = /bin/sleep 1000
    autostart = false
    startsecs = 3

    [program:failing]
    command = /bin/sh -c 'read up idle </proc/uptime; echo $up >>@DIR@/tries; exit 1'
    autostart = false
    startsecs = 1
    startretries = 3

    [program:deaf]
    command = /bin/sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
    startsecs = 0
    stopwaitsecs = 3

    [program:guest]
    command = @PROGRAM@ serve
    socket = unix:@DIR@/guest.sock
    activation = on_demand
    idle_timeout = 3
    startsecs = 0

    [eventlistener:ear]
    command = /usr/bin/python3 -I -S @DIR@/ticker.py @DIR@/ticks
    events = TICK_5
    startsecs = 0
"""


class JumpingClock:
    """Moves the clock on and on until it is ended."""

    def __init__(self, path):
        self.path, self.count = path, 0
        self.set(0)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def set(self, seconds):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))

    def _run(self):
        while not self.ended.wait(PAUSE):
            self.set(JUMPS[self.count % len(JUMPS)])
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


@unittest.skipIf(xsvd.SANITIZED, "a sanitizer's run-time must be the first library")
@unittest.skipUnless(CLOCK.exists(), "needs the jumping clock")
class WallClock(xsvd.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.folder()
        (folder / "ticker.py").write_text(TICKER, encoding="ascii")
        self.clock = JumpingClock(folder / "offset")
        self.subject = self.daemon(CONFIG.replace("@PROGRAM@", xsvd.PROGRAM), folder=folder, env={"LD_PRELOAD": str(CLOCK), "JUMPING_CLOCK": str(folder / "offset")})

    def took(self, what, least, most, since):
        took = time.monotonic() - since
        self.assertTrue(least <= took <= most, f"{what} took {took:.2f} s, not {least} to {most} s")

    def test_nothing_that_waits_looks_at_it(self):
        daemon = self.subject
        before = {name: daemon.wait_for(name, "RUNNING")["pid"] for name in ("steady", "deaf", "ear")}
        roles = daemon.roles()
        self.assertEventually(lambda: "ready" in daemon.rpc.readProcessStdoutLog("deaf", 0, 0), "deaf is deaf")
        now = daemon.rpc.getProcessInfo("steady")["now"]
        self.clock.set(YEARS)
        self.assertAlmostEqual(daemon.rpc.getProcessInfo("steady")["now"], now + YEARS, delta=60, msg="the clock does jump")
        with self.clock:
            begun = time.monotonic()
            for name in ("starting", "failing"):
                daemon.rpc.startProcess(name, False)
            stopping = time.monotonic()
            daemon.rpc.stopProcess("deaf", False)
            guest = xsvd.connect(str(daemon.dir / "guest.sock"))
            guest_pid = daemon.wait_for_pid("guest")
            guest.sendall(b"hello\n")
            self.assertTrue(guest.recv(100))
            guest.close()
            idle_since = time.monotonic()
            daemon.wait_for("deaf", "STOPPED")
            self.took("SIGKILL after stopwaitsecs", 2.9, 4.5, stopping)
            daemon.wait_for("starting", "RUNNING")
            self.took("startsecs", 2.9, 4.5, begun)
            xsvd.until(lambda: daemon.info("guest")["pid"] == 0, "the guest is idle")
            self.took("idle_timeout", 2.5, 6, idle_since)
            self.assertIn(f"pid {guest_pid}", daemon.read_log())
            daemon.wait_for("failing", "FATAL")
            tries = [float(line) for line in (daemon.dir / "tries").read_text().split()]
            self.assertEqual([round(later - earlier) for earlier, later in zip(tries, tries[1:])], [1, 2, 3], tries)
            # An answer to each command, whatever the time is.
            for _ in range(2 * len(JUMPS)):
                self.assertRegex(daemon.ctl("status", "steady").out, r"^steady +RUNNING   pid \d+, uptime ")
                info = daemon.rpc.getProcessInfo("steady")
                self.assertTrue(0 <= info["start"] <= 2**31 - 1 and 0 <= info["now"] <= 2**31 - 1, info)
                time.sleep(PAUSE / 2)
            xsvd.until(lambda: len(self.ticks()) >= 3, lambda: f"ticks: {self.ticks()}")
            # Recovery reads times that another clock wrote.
            engine = daemon.engine()
            os.kill(engine, signal.SIGKILL)
            daemon.wait_for_engine(other_than=engine)
            seen = len(self.ticks())
            xsvd.until(lambda: len(self.ticks()) >= seen + 2, lambda: f"ticks after the kill: {self.ticks()}")
        gaps = [later - earlier for earlier, later in zip(self.ticks(), self.ticks()[1:])]
        self.assertLess(max(gaps), 11, gaps)   # a jump back may hide the beginning of one period
        self.assertEqual({name: daemon.info(name)["pid"] for name in ("steady", "ear")}, {name: before[name] for name in ("steady", "ear")})
        self.assertEqual(daemon.state("starting"), "RUNNING")
        after = daemon.roles()
        self.assertEqual({**after, "engine": 0}, {**roles, "engine": 0}, "no helper was taken for stuck")
        self.assertGreater(self.clock.count, 50)
        self.assertNotRegex(daemon.read_log(), r"exited: (steady|starting|ear)|laststart time is in the future")

    def ticks(self):
        try:
            return [float(line.split()[0]) for line in (self.subject.dir / "ticks").read_text().splitlines() if line]
        except FileNotFoundError:
            return []


if __name__ == "__main__":
    xsvd.main()
