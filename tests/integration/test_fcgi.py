"""[fcgi-program:x]: one socket for all its processes, open as long as the program is configured."""
import os
import signal
import socket
import stat
import struct
import subprocess
import threading
import unittest
from pathlib import Path

import xsvd

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
FCGIWRAP = "/usr/sbin/fcgiwrap"


def record(kind, body=b""):
    return struct.pack(">BBHHBB", 1, kind, 1, len(body), 0, 0) + body


def pair(name, value):
    name, value = name.encode(), value.encode()
    return struct.pack(">BI", len(name), len(value) | 1 << 31) + name + value


def ask(address, script, **params):
    """One FastCGI request; what the script wrote, headers included."""
    params = {"SCRIPT_FILENAME": str(script), "REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.0", **params}
    with xsvd.connect(address) as s:
        s.sendall(record(BEGIN, struct.pack(">HB5x", 1, 0)) + record(PARAMS, b"".join(pair(*p) for p in params.items())) +
                  record(PARAMS) + record(STDIN))
        answer, data = b"", b""
        while part := s.recv(65536):
            data += part
            while len(data) >= 8:
                _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", data[:8])
                if len(data) < 8 + length + padding:
                    break
                if kind == STDOUT:
                    answer += data[8:8 + length]
                data = data[8 + length + padding:]
                if kind == END:
                    return answer
    raise ConnectionError(f"the program ended before its answer did: {answer!r}")


class Callers:
    """Threads that ask without a pause; a request may fail because its program was stopped, never because nobody listens."""

    def __init__(self, address, script):
        self.refused, self.answered, self.done = [], 0, threading.Event()
        self.address, self.script = address, script
        self.threads = [threading.Thread(target=self.run) for _ in range(3)]

    def run(self):
        while not self.done.is_set():
            try:
                self.answered += b"hello" in ask(self.address, self.script)
            except (ConnectionRefusedError, FileNotFoundError) as error:
                self.refused.append(error)
            except OSError:
                pass  # it was served by a program that was killed

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join(xsvd.PATIENCE)

    def wait_for_answers(self):
        before = self.answered
        xsvd.until(lambda: self.answered > before + 5 or self.refused, "callers should be served")


@unittest.skipUnless(os.path.exists(FCGIWRAP), "needs fcgiwrap")
class FastCgi(xsvd.TestCase):
    @staticmethod
    def program(socket_url, count, more=""):
        return f"""[fcgi-program:cgi]
command = {FCGIWRAP}
socket = {socket_url}
numprocs = {count}
process_name = cgi_%(process_num)d
{more}
"""

    def start(self, socket_url, more="", count=2):
        daemon = self.daemon(self.program(socket_url, count, more))
        script = daemon.dir / "hello"
        script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello from %s\\n' $PPID\n", encoding="ascii")
        script.chmod(0o755)
        for number in range(count):
            daemon.wait_for(f"cgi:cgi_{number}", "RUNNING")
        return daemon, script

    def test_a_real_program_answers_through_stop_start_reload_and_a_killed_engine(self):
        port = xsvd.free_port()
        daemon, script = self.start(f"tcp://127.0.0.1:{port}")
        inode = xsvd.listener_inode(port)
        pids = {daemon.pid_of(f"cgi:cgi_{n}") for n in range(2)}
        for pid in pids:
            self.assertEqual(os.readlink(f"/proc/{pid}/fd/0"), f"socket:[{inode}]")
        with Callers(("127.0.0.1", port), script) as callers:
            callers.wait_for_answers()
            daemon.ctl("stop", "cgi:*", check=True)
            self.assertEqual(xsvd.listener_inode(port), inode)
            daemon.ctl("start", "cgi:*", check=True)
            callers.wait_for_answers()
            daemon.ctl("restart", "cgi:cgi_0", check=True)
            old = daemon.engine()
            os.kill(old, signal.SIGKILL)
            daemon.wait_for_engine(old)
            callers.wait_for_answers()
            daemon.reload(self.program(f"tcp://127.0.0.1:{port}", 3, 'environment = A="b"'))
            daemon.wait_for("cgi:cgi_2", "RUNNING")
            callers.wait_for_answers()
            daemon.write(self.program(f"tcp://127.0.0.1:{port}", 2))
            daemon.ctl("update", check=True)  # Supervisor's way: stop the group, remove it, add it
            callers.wait_for_answers()
        self.assertEqual(callers.refused, [])
        self.assertEqual(xsvd.listener_inode(port), inode)
        self.assertEqual(len(xsvd.listener_inodes(port)), 1)

    def test_callers_queue_while_everything_is_stopped_even_across_a_killed_engine(self):   # B23
        daemon, script = self.start("unix://@DIR@/cgi.sock", count=1)
        path = str(daemon.dir / "cgi.sock")
        daemon.ctl("stop", "cgi:*", check=True)
        answers = []
        caller = threading.Thread(target=lambda: answers.append(ask(path, script)))
        caller.start()
        old = daemon.engine()
        os.kill(old, signal.SIGKILL)
        daemon.wait_for_engine(old)
        daemon.wait_until_ready()
        self.assertEqual(daemon.state("cgi:cgi_0"), "STOPPED")
        daemon.ctl("start", "cgi:*", check=True)
        caller.join(xsvd.PATIENCE)
        self.assertIn(b"hello", answers[0])

    def test_the_path_has_its_mode_and_goes_with_the_group(self):   # B23
        daemon, script = self.start("unix://@DIR@/cgi.sock", "socket_mode = 0640\nsocket_backlog = 5", count=1)
        path = daemon.dir / "cgi.sock"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertIn(b"hello", ask(str(path), script))
        self.assertIn(f"Creating socket unix://{path}\n", daemon.read_log())
        with self.assertRaises(Exception) as fault:
            daemon.rpc.sendProcessStdin("cgi:cgi_0", "x")
        self.assertIn("NO_FILE: cgi:cgi_0", str(fault.exception))
        daemon.rpc.stopProcessGroup("cgi")
        self.assertTrue(path.exists())
        daemon.rpc.removeProcessGroup("cgi")
        xsvd.until(lambda: not path.exists(), "the path should go with its group")
        self.assertIn(f"Closing socket unix://{path}\n", daemon.read_log())
        daemon.rpc.addProcessGroup("cgi")
        daemon.wait_for("cgi:cgi_0", "RUNNING")
        self.assertIn(b"hello", ask(str(path), script))
        daemon.stop()
        self.assertFalse(path.exists())

    def test_nobody_elses_socket_is_taken(self):   # B23
        with socket.socket(socket.AF_UNIX) as other:
            path = Path(self.folder()) / "other.sock"
            other.bind(str(path))
            other.listen()
            daemon = self.daemon(f"""
                [fcgi-program:cgi]
                command = {FCGIWRAP}
                socket = unix://{path}""")
            self.assertIn("is in use", daemon.wait_for("cgi", "BACKOFF")["description"])
            self.assertTrue(path.exists())
            xsvd.connect(str(path)).close()
        # It is gone now, its path a leftover: the next try has it.
        daemon.wait_for("cgi", "RUNNING")

    def test_a_second_daemon_leaves_the_first_ones_socket_alone(self):
        daemon, script = self.start("unix://@DIR@/cgi.sock", count=1)
        path = str(daemon.dir / "cgi.sock")
        second = self.daemon(self.program(f"unix://{path}", 1))
        self.assertIn("is in use", second.wait_for("cgi:cgi_0", "BACKOFF")["description"])
        second.stop()
        self.assertIn(b"hello", ask(path, script))

    def test_a_second_daemon_of_the_same_configuration_touches_nothing(self):   # B16
        daemon, script = self.start("unix://@DIR@/cgi.sock", count=1)
        path = daemon.dir / "cgi.sock"
        before = path.stat().st_ino
        second = subprocess.run([str(xsvd.XSVD), "-n", "-c", str(daemon.config)], stdin=subprocess.DEVNULL, capture_output=True,
                                timeout=xsvd.PATIENCE, cwd=daemon.dir, check=False)
        self.assertEqual(second.returncode, 2, second)
        self.assertEqual(path.stat().st_ino, before)
        self.assertIn(b"hello", ask(str(path), script))

    def test_a_restart_of_everything_brings_it_back(self):
        daemon, script = self.start("unix://@DIR@/cgi.sock", count=1)
        old = daemon.pid_of("cgi:cgi_0")
        daemon.rpc.restart()
        xsvd.until(lambda: not xsvd.processes().get(old), "the old process should be gone")
        daemon.wait_until_ready()
        daemon.wait_for("cgi:cgi_0", "RUNNING")
        self.assertIn(b"hello", ask(str(daemon.dir / "cgi.sock"), script))

    def test_in_a_group_it_keeps_its_socket(self):   # B22
        daemon = self.daemon(f"""
            [group:site]
            programs = cgi
            [fcgi-program:cgi]
            command = {FCGIWRAP}
            socket = unix://@DIR@/cgi.sock""")
        pid = daemon.wait_for("site:cgi", "RUNNING")["pid"]
        self.assertRegex(os.readlink(f"/proc/{pid}/fd/0"), r"^socket:")


if __name__ == "__main__":
    xsvd.main()
