#!/usr/bin/python3
"""The guardian is killed, or guardian and engine together: what whoever comes after them does with programs, sockets, numbers and
a changed configuration, case by case."""
import contextlib
import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import xmlrpc.client

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


class GuardianDied(unittest.TestCase):
    def setUp(self):
        self.daemon = orphans.Daemon(f"""
[program:sleeper]
command = /bin/sleep 1000
startsecs = 0
[program:deaf]
command = /bin/sh -c "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
stopwaitsecs = 1
startsecs = 0
[program:limits]
command = /bin/sh -c "ulimit -Sn; exec sleep 1000"
startsecs = 0
[program:ends]
command = /bin/sh -c "read line; exit 7"
autorestart = false
startsecs = 0
""", supervisord="minfds = 100", wrapper=["prlimit", "--nofile=200:4096"])

    def tearDown(self):
        try:
            self.daemon.stop()
        finally:
            self.daemon.kill()
            self.daemon.remove()

    def kill_guardian(self):
        engine = self.daemon.wait_for_engine()
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.inherit(engine)
        xsvd.until(self.daemon.has_all_roles, lambda: f"each role once, the guardian {engine}: {orphans.family()}")
        self.daemon.wait_until_ready()

    def test_the_new_guardian_is_one_in_every_respect(self):
        daemon = self.daemon
        pids = {name: daemon.wait_for_pid(name) for name in ("sleeper", "deaf", "limits", "ends")}
        xsvd.until(lambda: daemon.rpc.readProcessStdoutLog("deaf", 0, 0), "its trap is set")
        self.kill_guardian()
        self.assertEqual(daemon.rpc.getPID(), daemon.pid)
        self.assertEqual((daemon.dir / "xsvd.pid").read_text(), f"{daemon.pid}\n")
        self.assertEqual((daemon.dir / "run" / "lock").read_text(), f"{daemon.pid}\n")
        again = subprocess.run([xsvd.XSVD, "-n", "-c", str(daemon.config)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertIn(f"pid {daemon.pid}", again.stdout + again.stderr)

        os.kill(daemon.wait_for_engine(), signal.SIGKILL)  # an engine's death is what it was
        daemon.wait_until_ready()
        self.assertEqual({name: daemon.pid_of(name) for name in pids}, pids)
        daemon.rpc.sendProcessStdin("ends", "end\n")
        self.assertEqual(daemon.wait_for("ends", "EXITED")["exitstatus"], 7)
        daemon.rpc.stopProcess("deaf")
        self.assertIn("SIGKILL", daemon.read_log())
        os.kill(pids["sleeper"], signal.SIGTERM)
        daemon.wait_for_pid("sleeper", other_than=pids["sleeper"])
        daemon.rpc.stopProcess("limits")
        daemon.rpc.startProcess("limits")
        xsvd.until(lambda: daemon.rpc.readProcessStdoutLog("limits", 0, 0) == "200\n" * 2, "the limit of the programs is what it was")

    def test_it_restarts_everything_and_reads_the_files_again(self):
        daemon = self.daemon
        pids = {name: daemon.wait_for_pid(name) for name in ("sleeper", "limits")}
        self.kill_guardian()
        guardian = daemon.pid
        daemon.rpc.restart()
        for name, pid in pids.items():
            xsvd.until(lambda name=name, pid=pid: self.pid_now(name) not in (0, pid), f"{name} is started again")
        self.kill_guardian()
        self.assertNotEqual(daemon.pid, guardian)

    def pid_now(self, name):
        with contextlib.suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
            return self.daemon.pid_of(name)
        return 0


class Manager:
    """A service manager that keeps descriptors for its service, as systemd does with FDSTORE=1."""
    # Hands the descriptors from the first argument on, as LISTEN_FDS.
    HAND_OVER = """import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
for fd in fds: os.set_inheritable(fd, False)
copies = [os.dup2(fd, 100 + i, inheritable=False) for i, fd in enumerate(fds)]
for i, fd in enumerate(copies): os.dup2(fd, 3 + i)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])"""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="xsvd-manager-")
        self.address = self.folder.name + "/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(self.address)
        self.stored, self.senders = {}, set()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(4096, 4096)
            fds = []
            for _, kind, bytes_ in ancillary:
                if kind == socket.SCM_CREDENTIALS:
                    self.senders.add(struct.unpack("iII", bytes_)[0])
                if kind == socket.SCM_RIGHTS:
                    fds += struct.unpack(f"{len(bytes_) // 4}i", bytes_)
            said = dict(line.split("=", 1) for line in data.decode().splitlines())
            if said.get("FDSTORE") == "1":
                self.stored[said["FDNAME"]] = fds[0]
            if said.get("FDSTOREREMOVE") == "1" and said["FDNAME"] in self.stored:
                os.close(self.stored.pop(said["FDNAME"]))

    def ports(self):
        """{port: name} of the stored TCP sockets."""
        found = {}
        for name, fd in list(self.stored.items()):
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as copy:
                if copy.family == socket.AF_INET:
                    found[copy.getsockname()[1]] = name
        return found

    def start(self, daemon):
        names, fds = list(self.stored), list(self.stored.values())
        environment = {**os.environ, "NOTIFY_SOCKET": self.address, "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": ":".join(names)}
        daemon.start_again([sys.executable, "-c", self.HAND_OVER, ",".join(map(str, fds))], env=environment, pass_fds=fds)

    def close(self):
        for fd in self.stored.values():
            os.close(fd)
        self.folder.cleanup()


class Store(unittest.TestCase):
    def test_sockets_that_the_service_manager_keeps_refuse_nobody(self):
        manager, ports = Manager(), [xsvd.free_port() for _ in range(2)]
        self.addCleanup(manager.close)

        def config(*kept):
            return "".join(f"[program:each{port}]\ncommand = {xsvd.CHILD} answer\nsocket = tcp4:127.0.0.1:{port}\n"
                           "activation = per_connection\n" for port in kept)
        daemon = orphans.Daemon(config(*ports), env={"NOTIFY_SOCKET": manager.address})
        try:
            xsvd.until(lambda: set(manager.ports()) == set(ports), lambda: f"both sockets are stored: {manager.ports()}")
            inode = xsvd.listener_inode(ports[0])
            daemon.kill_both()
            with xsvd.connect(("127.0.0.1", ports[0])) as caller:
                caller.sendall(b"7\n")
                manager.start(daemon)
                self.assertTrue(xsvd.read_all(caller).startswith(b"7:"))
            self.assertEqual(xsvd.listener_inode(ports[0]), inode)
            xsvd.until(lambda: set(manager.ports()) == set(ports), lambda: f"both are stored again: {manager.ports()}")

            daemon.reload(config(ports[0]))
            xsvd.until(lambda: set(manager.ports()) == {ports[0]}, lambda: f"the other one is forgotten: {manager.ports()}")
            self.assertTrue(xsvd.is_refused(("127.0.0.1", ports[1])))
            guardian = daemon.pid
            daemon.stop()
            xsvd.until(lambda: not manager.stored, lambda: f"nothing is stored after the end: {manager.stored}")
            self.assertIn(guardian, manager.senders)
        finally:
            daemon.kill()
            daemon.remove()


if __name__ == "__main__":
    unittest.main(verbosity=2)
