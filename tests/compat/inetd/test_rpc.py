"""RPC programs of an inetd.conf, registered with the real rpcbind."""
import os
import re
import signal
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))
import xsvd  # noqa: E402

INETDS = Path(os.environ["XSV_INETDS"])
# Answers the empty procedure, as every RPC program does, until nobody has asked for a second.
SERVER = r"""
import socket, select, struct
s = socket.socket(fileno=0)
while select.select([s], [], [], 1)[0]:
    call, caller = s.recvfrom(9000)
    s.sendto(call[:4] + struct.pack(">5I", 1, 0, 0, 0, 0), caller)
"""


def registered():
    """{(program, version, transport): port} of what rpcbind knows beside itself."""
    done = subprocess.run([INETDS / "usr/bin/rpcinfo"], capture_output=True, text=True, check=False)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    ports = {}
    for program, version, transport, address, *_ in rows:
        high, low = address.rsplit(".", 2)[1:] if transport != "local" else (0, 0)
        if program != "100000":
            ports[int(program), int(version), transport] = int(high) * 256 + int(low)
    return ports


class Rpc(xsvd.TestCase):
    def rpcbind(self):
        process = subprocess.Popen([INETDS / "sbin/rpcbind", "-f"], stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        xsvd.until(lambda: os.path.exists("/run/rpcbind.sock"), "rpcbind listens")
        return process

    def entries(self, versions="1-2"):
        return (f"300019/{versions} dgram rpc/udp wait root /usr/bin/python3 python3 -I -S {self.folder_}/server.py\n"
                "300020/7 stream rpc/tcp6 nowait root /bin/cat cat\n300021/1 dgram rpc/udp wait root /bin/true true\n")

    def setUp(self):
        self.folder_ = self.folder()
        (self.folder_ / "server.py").write_text(SERVER, encoding="utf-8")
        (self.folder_ / "inetd.conf").write_text(self.entries(), encoding="utf-8")

    def is_ready(self, program, version):
        done = subprocess.run([INETDS / "usr/bin/rpcinfo", "-u", "127.0.0.1", str(program), str(version)], capture_output=True, text=True, check=False)
        return "ready and waiting" in done.stdout

    def wait_for(self, *wanted):
        self.assertEventually(lambda: sorted(registered()) == sorted(wanted), lambda: f"registered: {sorted(registered())}, wanted: {sorted(wanted)}")

    def test_sockets_are_registered_as_long_as_they_are_open(self):
        self.rpcbind()
        daemon = self.daemon(f"[include]\ninetd = {self.folder_}/inetd.conf\n")
        all_of_them = [(300019, 1, "udp"), (300019, 2, "udp"), (300020, 7, "tcp6"), (300021, 1, "udp")]
        self.wait_for(*all_of_them)
        ports = registered()
        self.assertNotEqual(ports[300019, 1, "udp"], ports[300021, 1, "udp"])
        self.assertTrue(self.is_ready(300019, 2))
        self.assertEqual(xsvd.talk(("::1", ports[300020, 7, "tcp6"]), b"hello"), b"hello")

        engine = next(p for p in xsvd.descendants(daemon.pid) if "engine" in p.title)
        os.kill(engine.pid, signal.SIGKILL)
        self.assertEventually(lambda: not engine.is_there(), "the engine is gone")
        daemon.wait_until_ready()
        self.assertEqual(registered(), ports)
        self.assertTrue(self.is_ready(300019, 1))

        daemon.ctl("stop", "300019", check=True)
        self.wait_for(*all_of_them[2:])
        daemon.ctl("start", "300019", check=True)
        self.wait_for(*all_of_them)
        (self.folder_ / "inetd.conf").write_text(self.entries("2-3"), encoding="utf-8")
        daemon.reload()
        self.wait_for((300019, 2, "udp"), (300019, 3, "udp"), *all_of_them[2:])
        self.assertNotIn("reaped unknown", daemon.read_log())
        daemon.stop()
        self.assertEqual(registered(), {})

    def test_an_rpcbind_that_was_started_anew_is_told_again(self):
        first = self.rpcbind()
        daemon = self.daemon(f"[include]\ninetd = {self.folder_}/inetd.conf\n", supervisord="names_refresh = 200ms")
        all_of_them = [(300019, 1, "udp"), (300019, 2, "udp"), (300020, 7, "tcp6"), (300021, 1, "udp")]
        self.wait_for(*all_of_them)
        ports = registered()
        subprocess.run([INETDS / "usr/bin/rpcinfo", "-d", "300020", "7"], check=True)
        daemon.wait_for_log("300020: rpcbind had forgotten RPC program 300020; it is registered again")
        self.assertEqual(registered(), ports)
        first.kill()
        first.wait()
        os.unlink("/run/rpcbind.sock")
        self.rpcbind()
        self.wait_for(*all_of_them)
        self.assertEqual(registered(), ports)
        self.assertTrue(self.is_ready(300019, 2))
        daemon.stop()
        self.assertEqual(registered(), {})

    def test_without_rpcbind_one_line_says_so_and_the_rest_runs(self):
        if os.path.exists("/run/rpcbind.sock"):
            os.unlink("/run/rpcbind.sock")
        daemon = self.daemon(f"[include]\ninetd = {self.folder_}/inetd.conf\n")
        daemon.wait_for_log(r"300019: RPC program 300019 is not registered, so nobody finds it: rpcbind does not run, or refused: \w+: RPC: ")
        self.assertEqual(daemon.state("300019"), "RUNNING")
        self.assertEqual(len(re.findall("RPC program 300019 is not registered", daemon.read_log())), 1)


if __name__ == "__main__":
    unittest.main()
