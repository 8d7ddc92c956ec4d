#!/usr/bin/python3
"""An engine that ends five times within a minute starts in hold mode: sockets stay open, programs run on and are restarted."""
import os
import signal
import time
import unittest

import xsvd


class CrashLoop(xsvd.TestCase):
    def crash(self, daemon, number):
        old = daemon.wait_for_engine()
        os.kill(old, number)
        daemon.wait_for_engine(other_than=old)

    def test_hold_mode(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:each]
            command = {xsvd.CHILD} answer
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            [program:sleeper]
            command = /bin/sleep 1000
            startsecs = 0""")
        sleeper, inode = daemon.wait_for_pid("sleeper"), xsvd.listener_inode(port)
        for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT):
            self.crash(daemon, number)
            self.assertEqual(xsvd.listener_inode(port), inode)
            self.assertTrue(xsvd.talk(("127.0.0.1", port), b"5\n").startswith(b"5:"))
        daemon.wait_for_log(r"(?i)hold mode")
        shown = xsvd.until(lambda: (lambda a: a.out if a.code == 0 else "")(daemon.ctl("show")), "show answers in hold mode")
        self.assertRegex(shown, r"(?i)hold")
        self.assertEqual(xsvd.Process(sleeper).parent, daemon.pid)

        # It goes on doing its work, and does not burn the machine.
        os.kill(sleeper, signal.SIGKILL)
        xsvd.until(lambda: [p for p in xsvd.descendants(daemon.pid) if p.title == "/bin/sleep 1000" and p.pid != sleeper and p.state != "Z"],
                   "the program is restarted in hold mode")
        before = daemon.cpu()
        time.sleep(2)  # it is to be quiet
        self.assertLess(daemon.cpu() - before, 0.2)
        self.assertTrue(xsvd.talk(("127.0.0.1", port), b"6\n").startswith(b"6:"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
