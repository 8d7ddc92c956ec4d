#!/usr/bin/python3
"""Guardian and engine are killed together: what the next daemon does with programs, sockets and a changed configuration."""
import os
import signal
import unittest

import orphans
import xsvd


class LeftBehind(unittest.TestCase):
    def setUp(self):
        self.port = xsvd.free_port()
        self.daemon = orphans.Daemon(self.config(gone=True))

    def tearDown(self):
        try:
            self.daemon.stop()
        finally:
            self.daemon.kill()
            self.daemon.remove()

    def config(self, gone):
        also = "[program:gone]\ncommand = /bin/sleep 1000\nstartsecs = 0\n" if gone else "[program:new]\ncommand = /bin/sleep 1000\nstartsecs = 0\n"
        return f"""{also}
[program:web]
command = {xsvd.CHILD} serve
socket = tcp4:127.0.0.1:{self.port}
startsecs = 0
[program:stopped]
command = /bin/sleep 1000
startsecs = 0
[program:ends]
command = {xsvd.CHILD} exit 7 300000
startsecs = 0
"""

    def test_what_runs_is_taken_up_with_its_socket_and_what_is_not_wanted_any_more_is_stopped(self):
        daemon = self.daemon
        self.assertTrue(xsvd.talk(("127.0.0.1", self.port), b"7\n").startswith(b"7:"))
        pids = {name: daemon.wait_for_pid(name) for name in ("web", "gone", "ends")}
        inode = xsvd.listener_inode(self.port)
        daemon.rpc.stopProcess("stopped")
        ended = xsvd.Process(pids["ends"])
        daemon.kill_both()
        self.assertTrue(xsvd.talk(("127.0.0.1", self.port), b"8\n").startswith(b"8:"))  # a program that has its socket serves on
        os.kill(ended.pid, signal.SIGKILL)
        xsvd.until(lambda: ended.pid in daemon.init.codes, "it has ended")
        daemon.write(self.config(gone=False))
        daemon.start_again()

        self.assertEqual(daemon.pid_of("web"), pids["web"])
        self.assertEqual(xsvd.listener_inode(self.port), inode)
        self.assertEqual(xsvd.talk(("127.0.0.1", self.port), b"9\n")[:2], b"9:")
        self.assertEqual(daemon.state("stopped"), "STOPPED")
        daemon.wait_for("new", "RUNNING")
        xsvd.until(lambda: daemon.init.codes.get(pids["gone"]) == -signal.SIGTERM, "the program that is not configured any more is stopped")
        xsvd.until(lambda: daemon.pid_of("ends") not in (0, pids["ends"]), "what ended unseen is started again")
        xsvd.until(daemon.has_all_roles, lambda: f"each role once: {orphans.family()}")

    def test_a_daemon_that_finds_nobody_starts_anew(self):
        daemon = self.daemon
        xsvd.until(lambda: daemon.pid_of("gone"), "it runs")
        programs = [xsvd.Process(daemon.pid_of(name)) for name in ("gone", "stopped", "ends")]
        daemon.rpc.stopProcess("stopped")
        daemon.kill_both()
        xsvd.kill_all(0, programs)
        xsvd.until(lambda: not any(p.is_there() for p in programs), "nobody is left")
        daemon.start_again()
        self.assertEqual(daemon.wait_for("stopped", "RUNNING")["exitstatus"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
