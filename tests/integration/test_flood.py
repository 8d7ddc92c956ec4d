"""Ten times as many callers as max_rate, max_instances or max_per_source let in: nobody closes a port, and when the flood is
over the service is whole again at once. For some seconds; with XSV_FULL=1 for twenty."""
import collections
import contextlib
import errno
import os
import socket
import threading
import time
import unittest

import xsvd

SECONDS = 20 if os.environ.get("XSV_FULL") == "1" else 4
RATE, INSTANCES, PER_SOURCE = 20, 3, 2
WHOLE_AGAIN = 5


class Flood(threading.Thread):
    """Calls at a steady pace until its time is over, and waits for nobody: who is let in says a word and stays for a moment."""

    def __init__(self, port, per_second, source, stay):
        super().__init__(daemon=True)
        self.port, self.pause, self.source, self.stay = port, 1 / per_second, source, stay
        self.calls = self.refused = self.served = 0
        self.callers = collections.deque()   # (when he called, his socket), the oldest first

    def run(self):
        begun = time.monotonic()
        while (now := time.monotonic()) - begun < SECONDS:
            self.calls += 1
            caller = socket.socket()
            caller.setblocking(False)
            caller.bind((self.source, 0))
            caller.connect_ex(("127.0.0.1", self.port))
            self.callers.append((now, caller))
            for called, one in self.callers:
                if now - called < self.stay / 2:
                    break
                if now - called < self.stay / 2 + 2 * self.pause:
                    with contextlib.suppress(OSError):
                        one.send(b"x")
            while now - self.callers[0][0] > self.stay:
                self.leave(self.callers.popleft()[1])
            time.sleep(max(0, begun + self.calls * self.pause - time.monotonic()))
        for _, caller in self.callers:
            self.leave(caller)

    def leave(self, caller):
        with caller:
            if caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED:
                self.refused += 1
            with contextlib.suppress(OSError):
                self.served += caller.recv(1) == b"x"


class Floods(xsvd.TestCase):
    def flood(self, per_second, stay, *settings):
        port = xsvd.free_port()
        lines = "\n".join(settings)
        daemon = self.daemon(f"[program:echo]\ncommand = /bin/cat\nsocket = tcp4:127.0.0.1:{port}\nactivation = per_connection\nconnection_log = none\n{lines}\n")
        flood = Flood(port, per_second, "127.0.0.1", stay)
        flood.start()
        flood.join(SECONDS + 60)
        self.assertFalse(flood.is_alive())
        self.assertGreater(flood.calls, SECONDS * per_second / 3, "the flood was one")
        self.assertEqual(flood.refused, 0, "the port was open all the time")
        self.assertGreater(flood.served, 0)

        def is_served():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as caller:
                caller.sendall(b"now")
                return caller.recv(10) == b"now"
            return False
        self.assertEventually(is_served, "the service is whole again", WHOLE_AGAIN)
        self.assertEqual(daemon.state("echo"), "RUNNING")
        return flood, daemon

    def test_more_than_max_rate(self):
        flood, _ = self.flood(10 * RATE, 0.1, f"max_rate = {RATE}/1s", "max_instances = 500")
        self.assertLess(flood.served, (SECONDS + 2) * RATE * 1.5)

    def test_more_than_max_instances(self):
        _, daemon = self.flood(10 * INSTANCES / 0.2, 0.2, f"max_instances = {INSTANCES}", "overload = refuse")
        self.assertGreater(daemon.xsv.show("echo")[0]["refused"], 10)

    def test_more_than_max_per_source(self):
        _, daemon = self.flood(10 * PER_SOURCE / 0.2, 0.2, f"max_per_source = {PER_SOURCE}", "max_instances = 500")
        self.assertGreater(daemon.xsv.show("echo")[0]["refused"], 10)


if __name__ == "__main__":
    unittest.main()
