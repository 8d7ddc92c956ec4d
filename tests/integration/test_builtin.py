"""The small services every inetd has, served by a program of ours: what they say, to the byte."""
import os
import re
import select
import signal
import socket
import struct
import time
import unittest
from pathlib import Path

import xsvd

SERVICES = ("echo", "discard", "chargen", "daytime", "time")
DAYTIME = rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d \d{4}\r\n"
RING = bytes(range(32, 127))


def line(number):
    return bytes(RING[(number + i) % len(RING)] for i in range(72)) + b"\r\n"


def programs(ports, more="", transport="tcp", names=SERVICES):
    return "".join(f"""
[program:{name}]
command = builtin:{name}
socket = {transport}:{ports[name]}
startsecs = 0
{more}
""" for name in names)


class Streams:
    """The same callers for both ways of serving them."""
    MORE = ""

    def start(self, more="", **options):
        self.ports = {name: xsvd.free_port() for name in SERVICES}
        return self.daemon(programs(self.ports, self.MORE + more), **options)

    def at(self, name, host="127.0.0.1"):
        return (host, self.ports[name])

    def test_contents(self):
        self.start()
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(xsvd.talk(self.at("echo", host), b"one\ntwo"), b"one\ntwo")
            self.assertEqual(xsvd.talk(self.at("discard", host), b"x" * 100000), b"")
            self.assertRegex(xsvd.talk(self.at("daytime", host), b"unread"), rb"\A" + DAYTIME + rb"\Z")
            seconds = xsvd.talk(self.at("time", host))
            self.assertEqual(len(seconds), 4)
            self.assertAlmostEqual(struct.unpack("!I", seconds)[0] - 2208988800, time.time(), delta=5)
        with xsvd.connect(self.at("chargen")) as caller:
            caller.shutdown(socket.SHUT_WR)  # who has said all he had to say still gets everything
            wanted = b"".join(line(i) for i in range(2000))
            got = b""
            while len(got) < len(wanted):
                got += caller.recv(65536)
            self.assertEqual(got[:len(wanted)], wanted)

    def test_a_large_echo_comes_back_whole(self):
        self.start()
        sent = os.urandom(1 << 20) * 4
        with xsvd.connect(self.at("echo")) as caller:
            caller.setblocking(False)
            rest, got = memoryview(sent), bytearray()
            deadline = time.monotonic() + xsvd.PATIENCE
            while len(got) < len(sent) and time.monotonic() < deadline:
                readable, writable, _ = select.select([caller], [caller] if rest else [], [], 1)
                if readable:
                    got += caller.recv(65536)
                if writable:
                    rest = rest[caller.send(rest[:65536]):]
            self.assertEqual(bytes(got), sent)

    def test_a_caller_who_reads_nothing_holds_up_nobody(self):
        daemon = self.start()
        stalled = [xsvd.connect(self.at(name)) for name in ("echo", "chargen")]
        stalled[0].setblocking(False)
        sent = 0
        try:
            while True:
                sent += stalled[0].send(b"x" * 65536)
        except BlockingIOError:
            pass
        self.assertGreater(sent, 65536)
        for _ in range(3):
            self.assertEqual(xsvd.talk(self.at("echo"), b"hello"), b"hello")
            with xsvd.connect(self.at("chargen")) as other:
                self.assertEqual(other.recv(10), RING[:10])
        for caller in stalled:
            caller.close()
        before = daemon.cpu()
        time.sleep(0.3)
        self.assertLess(daemon.cpu() - before, 0.2)

    def test_without_rights(self):
        daemon = self.start("user = root" if os.geteuid() == 0 else "")
        with xsvd.connect(self.at("echo")) as caller:
            caller.sendall(b"x")
            self.assertEqual(caller.recv(1), b"x")
            [process] = [p for p in xsvd.descendants(daemon.pid) if p.title.startswith("xsvd-builtin")]
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        ids = {int(i) for i in re.search(r"^Uid:\s+(.*)$", status, re.M).group(1).split()}
        web = Path(f"/proc/{daemon.roles()['web']}/status").read_text(encoding="ascii")
        self.assertEqual(ids, {int(i) for i in re.search(r"^Uid:\s+(.*)$", web, re.M).group(1).split()})
        if os.geteuid() == 0:
            self.assertNotIn(0, ids)


class OneForAll(Streams, xsvd.TestCase):
    MORE = ""

    def test_one_process_serves_everybody(self):
        daemon = self.start()
        callers = [xsvd.connect(self.at("echo")) for _ in range(200)]
        for number, caller in enumerate(callers):
            caller.sendall(b"%d" % number)
        for number, caller in enumerate(callers):
            self.assertEqual(caller.recv(100), b"%d" % number)
        self.assertEqual(len([p for p in xsvd.descendants(daemon.pid) if p.title.startswith("xsvd-builtin")]), 1)
        for caller in callers:
            caller.close()

    def test_more_callers_than_descriptors_wait(self):
        self.start("limits = nofile=40")
        callers = [xsvd.connect(self.at("echo")) for _ in range(60)]
        for caller in callers:
            caller.sendall(b"x")
        served = set()
        while len(served) < len(callers):
            ready, _, _ = select.select([c for c in callers if c not in served], [], [], xsvd.PATIENCE)
            self.assertTrue(ready, f"{len(served)} of {len(callers)} served")
            for caller in ready:
                self.assertEqual(caller.recv(1), b"x")
                served.add(caller)
                caller.close()


class OneEach(Streams, xsvd.TestCase):
    MORE = "activation = per_connection\n"


class Datagrams(xsvd.TestCase):
    def setUp(self):
        self.ports = {name: xsvd.free_port(socket.SOCK_DGRAM) for name in SERVICES}

    def ask(self, name, request=b"?", host="127.0.0.1", patience=None, source=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as caller:
            if source:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                caller.bind(source)
            caller.connect((host, self.ports[name]))
            caller.settimeout(patience or xsvd.PATIENCE)
            caller.send(request)
            return caller.recv(65536)

    def test_contents(self):
        self.daemon(programs(self.ports, transport="udp"))
        for host in ("127.0.0.1", "127.0.0.2", "::1"):  # and the answer comes from the address that was asked
            self.assertEqual(self.ask("echo", b"hello", host), b"hello")
            self.assertEqual(self.ask("echo", b"", host), b"")
            self.assertRegex(self.ask("daytime", host=host), rb"\A" + DAYTIME + rb"\Z")
            self.assertAlmostEqual(struct.unpack("!I", self.ask("time", host=host))[0] - 2208988800, time.time(), delta=5)
        self.assertEqual([self.ask("chargen") for _ in range(3)], [line(0), line(1), line(2)])
        self.assertEqual(len(self.ask("echo", b"x" * 60000)), 60000)
        with self.assertRaises(TimeoutError):
            self.ask("discard", patience=0.3)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_nobody_who_answers_answers_is_answered(self):
        self.daemon(programs(self.ports, transport="udp4:127.0.0.1"))
        self.assertEqual(self.ask("echo", source=("127.0.0.1", xsvd.free_port(socket.SOCK_DGRAM))), b"?")
        for port in (7, 19):
            with self.assertRaises(TimeoutError):
                self.ask("echo", patience=0.3, source=("127.0.0.3", port))
        with self.assertRaises(TimeoutError):
            self.ask("echo", patience=0.3, source=("127.0.0.3", self.ports["echo"]))


class Tcpmux(xsvd.TestCase):
    def test_without_services(self):
        port = xsvd.free_port()
        self.daemon(f"""
            [program:mux]
            command = builtin:tcpmux
            socket = tcp4:127.0.0.1:{port}""")
        for name in (b"nothing", b"x" * 256):
            self.assertEqual(xsvd.talk(("127.0.0.1", port), name + b"\r\n"), b"-Service not available\r\n")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x" * 300), b"-Error reading service name\r\n")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"HELP\r\n"), b"\r\n")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"unfinished"), b"")

    def test_the_caller_goes_to_the_service_he_names(self):
        port = xsvd.free_port()
        config = f"""
            [program:mux]
            command = builtin:tcpmux
            socket = tcp4:127.0.0.1:{port}
            [program:plain]
            command = /bin/sh -c 'read line; echo "$REMOTE_ADDR says $line"'
            socket = tcpmux:plain
            activation = per_connection
            [program:greeted]
            command = /bin/sh -c 'read line; echo "got $line"'
            socket = tcpmux:+greeted
            activation = per_connection
            deny_from = 127.0.0.3"""
        daemon = self.daemon(config)

        def ask(name, source=None):
            return xsvd.talk(("127.0.0.1", port), name + b"\r\nfor the service\n", source=source)
        os.chmod(daemon.dir, 0o755)  # of a test; in /run everybody may pass
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"help\r\n"), b"greeted\r\nplain\r\n")
        self.assertEqual(ask(b"Plain", "127.0.0.2"), b"127.0.0.2 says for the service\n")
        self.assertEqual(ask(b"GREETED"), b"+Go\r\ngot for the service\n")
        self.assertEqual(ask(b"greeted", "127.0.0.3"), b"+Go\r\n")   # who he is, the service asks
        engine = daemon.engine()
        os.kill(engine, signal.SIGKILL)
        self.assertEqual(ask(b"plain"), b"127.0.0.1 says for the service\n")
        daemon.wait_for_engine(other_than=engine)
        daemon.ctl("stop", "plain")
        self.assertEqual(ask(b"plain"), b"-Service not available\r\n")
        daemon.reload(config.replace("tcpmux:+greeted", "tcpmux:other"))
        self.assertEqual(ask(b"other"), b"got for the service\n")
        self.assertEqual(ask(b"greeted"), b"-Service not available\r\n")

    def test_a_stranger_cannot_pass_connections(self):
        daemon = self.daemon("""
            [program:plain]
            command = /bin/cat
            socket = tcpmux:plain
            activation = per_connection
            [program:always]
            command = /bin/cat
            socket = tcpmux:always
            activation = always""")
        path = [line.split()[-1] for line in open("/proc/net/unix", encoding="utf-8") if line.rstrip().endswith("/tcpmux/plain")]
        modes = {os.stat(each).st_mode & 0o777 for each in path}
        self.assertEqual(modes, {0o600})
        self.assertIn("needs per_connection", daemon.info("always")["description"])


class Configuration(xsvd.TestCase):
    def test_mistakes(self):
        daemon = self.daemon("""
            [program:nosuch]
            command = builtin:nosuch
            socket = tcp4:127.0.0.1:1
            [program:nowhere]
            command = builtin:echo""")
        self.assertIn("expected builtin:echo, discard, chargen", daemon.info("nosuch")["description"])
        self.assertIn("builtin:echo needs a 'socket'", daemon.info("nowhere")["description"])


if __name__ == "__main__":
    unittest.main()
