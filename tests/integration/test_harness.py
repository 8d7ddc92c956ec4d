"""What the other tests stand on: the helpers of xsvd.py and program.py, without a daemon."""
import json
import os
import signal
import socket
import subprocess
import unittest

import xsvd


class Helpers(unittest.TestCase):
    def test_until_fails_with_what_was_waited_for(self):
        with self.assertRaisesRegex(AssertionError, "the moon"):
            xsvd.until(lambda: False, "the moon", patience=0.01)
        self.assertEqual(xsvd.until(lambda: 7, "seven"), 7)

    def test_a_listening_socket_is_found_by_port_and_by_path(self):
        port = xsvd.free_port()
        self.assertIsNone(xsvd.listener_inode(port))
        self.assertTrue(xsvd.is_refused(("127.0.0.1", port)))
        with socket.create_server(("127.0.0.1", port)) as s:
            self.assertEqual(xsvd.listener_inode(port), os.fstat(s.fileno()).st_ino)
            self.assertFalse(xsvd.is_refused(("127.0.0.1", port)))
        name = f"@xsvd-harness-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind("\0" + name[1:])
            s.listen()
            self.assertEqual(xsvd.listener_inode(path=name), os.fstat(s.fileno()).st_ino)

    def test_a_process_is_known_by_more_than_its_number(self):
        with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
            seen = xsvd.Process(sleeper.pid)
            self.assertTrue(seen.is_there())
            self.assertEqual(seen.parent, os.getpid())
            self.assertIn(sleeper.pid, [p.pid for p in xsvd.descendants(os.getpid())])
            sleeper.kill()
            sleeper.wait()
            self.assertFalse(seen.is_there())

    def test_the_program_describes_its_descriptors(self):
        ours, theirs = socket.socketpair()
        with ours:
            subprocess.run([*xsvd.PROGRAM.split(), "look", "-"], stdin=theirs, check=True)
            theirs.close()
            seen = json.loads(xsvd.read_all(ours))
        self.assertEqual(seen["fds"]["0"], "connection")
        self.assertIn("PATH", seen["env"])

    def test_the_program_serves_and_notes_signals(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            program = subprocess.Popen([*xsvd.PROGRAM.split(), "serve"], stdin=server)
            try:
                answer = xsvd.talk(server.getsockname(), b"hello\n")
            finally:
                program.terminate()
                program.wait()
        self.assertEqual(answer, f"{program.pid} - hello\n".encode())
        self.assertEqual(program.returncode, -signal.SIGTERM)


if __name__ == "__main__":
    xsvd.main()
