"""proxy_to: callers are forwarded to a program that is started for them and gets no socket."""
import contextlib
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

import xsvd

# Listens at the port or path of its first word; each caller sends until he ends, and gets what he sent in capitals.
SERVER = """
import os, socket, sys, threading, time
where = sys.argv[1]
time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
if where.isdigit():
    s = socket.create_server(('127.0.0.1', int(where)), backlog=1000)
else:
    if os.path.exists(where): os.unlink(where)
    s = socket.socket(socket.AF_UNIX); s.bind(where); s.listen(1000)
def serve(c):
    data = b''
    while part := c.recv(65536): data += part
    c.sendall(b'%d ' % os.getpid() + data.upper()); c.close()
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""
DATAGRAMS = """
import os, socket, sys, time
time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', int(sys.argv[1])))
while True:
    data, who = s.recvfrom(65536)
    s.sendto(data.upper(), who)
"""


class ProxyCase(xsvd.TestCase):
    def setUp(self):
        self.folder_ = self.folder()
        os.chmod(self.folder_, 0o755)
        (self.folder_ / "server.py").write_text(SERVER, encoding="utf-8")
        (self.folder_ / "datagrams.py").write_text(DATAGRAMS, encoding="utf-8")
        self.port, self.behind = xsvd.free_port(), xsvd.free_port()
        self.front = ("127.0.0.1", self.port)

    def server(self, *words, name="server"):
        return f"/usr/bin/python3 -I -S {self.folder_}/{name}.py " + " ".join(map(str, words))

    def config(self, more="", words=None, target=None):
        return f"""
[program:web]
command = {self.server(*(words or [self.behind]))}
socket = tcp4:127.0.0.1:{self.port}
proxy_to = {target or f"tcp:127.0.0.1:{self.behind}"}
startsecs = 0
{more}
"""

    def serving_pid(self, request=b"hello"):
        answer = xsvd.talk(self.front, request)
        self.assertEqual(answer.partition(b" ")[2], request.upper())
        return int(answer.split()[0])

    @staticmethod
    def target(port=0):
        """Somebody else's program, which waits no longer than anything here may take."""
        target = socket.create_server(("127.0.0.1", port))
        target.settimeout(xsvd.PATIENCE)
        return target

    def forwarder(self, daemon, other_than=0):
        return xsvd.until(lambda: (lambda pid: pid if pid != other_than else 0)(daemon.roles().get("proxy", 0)), "a forwarder")


class OnDemand(ProxyCase):
    def test_the_first_caller_starts_the_program(self):
        daemon = self.daemon(self.config(words=[self.behind, 0.3]))
        self.assertEqual(daemon.pid_of("web"), 0)
        callers = [xsvd.connect(self.front) for _ in range(20)]  # before it runs
        for caller in callers:
            caller.sendall(b"early")
            caller.shutdown(socket.SHUT_WR)
        answers = {xsvd.read_all(caller) for caller in callers}
        self.assertEqual(answers, {b"%d EARLY" % daemon.pid_of("web")})
        self.assertEqual(self.serving_pid(), daemon.pid_of("web"))
        xsvd.until(lambda: "21 forwarded" in daemon.ctl("show", "web").out or self.shown(daemon)["accepted"] == 21, "counts")
        daemon.wait_for_log(r"web: 127\.0\.0\.1:\d+ forwarded for \S+ \(5 bytes in, \d+ out\)")

    def shown(self, daemon):
        return daemon.xsv.show("web")[0]

    def test_half_close_in_both_directions(self):
        daemon = self.daemon(self.config())
        large = os.urandom(3 << 20)
        with xsvd.connect(self.front) as caller:
            sender = threading.Thread(target=lambda: (caller.sendall(large), caller.shutdown(socket.SHUT_WR)))
            sender.start()
            answer = xsvd.read_all(caller)
            sender.join()
        self.assertEqual(answer.partition(b" ")[2], large.upper())
        with self.target() as target:
            port = xsvd.free_port()
            daemon.reload(self.config() + f"""
[program:pure]
socket = tcp:{port}
proxy_to = tcp:{target.getsockname()[1]}
""")
            with xsvd.connect(("::1", port)) as caller, target.accept()[0] as behind:
                behind.sendall(b"first the answer")
                behind.shutdown(socket.SHUT_WR)
                self.assertEqual(xsvd.read_all(caller), b"first the answer")
                caller.sendall(b"then the question")
                caller.shutdown(socket.SHUT_WR)
                self.assertEqual(xsvd.read_all(behind), b"then the question")

    def test_a_reset_stays_a_reset(self):
        with self.target() as target:
            self.daemon(f"""
                [program:pure]
                socket = tcp4:127.0.0.1:{self.port}
                proxy_to = tcp:127.0.0.1:{target.getsockname()[1]}""")
            with xsvd.connect(self.front) as caller:
                with target.accept()[0] as behind:
                    behind.sendall(b"half of")
                    self.assertEqual(caller.recv(100), b"half of")
                    behind.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with self.assertRaises(ConnectionResetError):
                    caller.recv(100)

    def test_idle_timeout(self):
        daemon = self.daemon(self.config("idle_timeout = 1s"))
        pids = set()
        for _ in range(3):
            with xsvd.connect(self.front) as caller:
                caller.sendall(b"x")
                time.sleep(1.6)  # an open connection is not idle
                caller.shutdown(socket.SHUT_WR)
                pids.add(int(xsvd.read_all(caller).split()[0]))
            xsvd.until(lambda: daemon.pid_of("web") == 0, "stopped when idle")
        self.assertEqual(len(pids), 3)
        self.assertEqual(daemon.state("web"), "RUNNING")

    def test_nobody_fails_while_it_stops_and_starts(self):
        """idle_timeout far below the callers' pauses: many come at the very moment of a stop."""
        daemon = self.daemon(self.config("idle_timeout = 50ms"))
        pids = set()
        for n in range(40):
            with xsvd.connect(self.front) as caller:
                caller.sendall(b"request ")
                time.sleep(0.1 if n % 4 == 0 else 0)  # longer than idle_timeout, shorter than counts take to be told
                caller.sendall(b"%d" % n)
                caller.shutdown(socket.SHUT_WR)
                pid, _, answer = xsvd.read_all(caller).partition(b" ")
            self.assertEqual(answer, b"REQUEST %d" % n)
            pids.add(int(pid))
            time.sleep(0.04 + n % 8 * 0.008)
        self.assertGreater(len(pids), 3)
        self.assertNotIn("backoff", daemon.read_log().lower())

    def test_unix_sockets_on_both_sides(self):
        path = f"{self.folder_}/behind.sock"
        daemon = self.daemon(f"""
            [program:web]
            command = {self.server(path)}
            socket = unix:@DIR@/front.sock
            proxy_to = unix:{path}
            user = {os.geteuid()}
            startsecs = 0
            [program:second]
            socket = tcp4:127.0.0.1:{self.port}
            proxy_to = unix:@{path}.abstract""")
        os.chmod(self.folder_, 0o777)
        front = str(daemon.dir / "front.sock")
        threading.Thread(target=self.open_up, args=(path,), daemon=True).start()
        self.assertEqual(xsvd.talk(front, b"over paths").partition(b" ")[2], b"OVER PATHS")
        with socket.socket(socket.AF_UNIX) as target:
            target.bind(f"\0{path}.abstract")
            target.listen()
            with xsvd.connect(self.front) as caller, target.accept()[0] as behind:
                caller.sendall(b"hello")
                self.assertEqual(behind.recv(100), b"hello")

    def open_up(self, path):
        """The forwarder is another user than the test's."""
        with contextlib.suppress(AssertionError):
            xsvd.until(lambda: os.path.exists(path), "the path", 10)
            os.chmod(path, 0o666)

    def test_a_pure_redirect_refuses_when_nobody_is_behind(self):
        daemon = self.daemon(f"""
            [program:pure]
            socket = tcp4:127.0.0.1:{self.port}
            proxy_to = tcp:127.0.0.1:{self.behind}""")
        self.assertEqual(xsvd.talk(self.front, b"x"), b"")
        daemon.wait_for_log(r"pure: 127\.0\.0\.1:\d+ was refused: tcp:127\.0\.0\.1:\d+: Connection refused")
        with self.target(self.behind) as target:
            with xsvd.connect(self.front) as caller, target.accept()[0] as behind:
                daemon.ctl("stop", "pure", check=True)
                self.assertEqual(xsvd.read_all(caller), b"")
                self.assertEqual(xsvd.read_all(behind), b"")
        self.assertTrue(xsvd.is_refused(self.front))
        daemon.ctl("start", "pure", check=True)
        self.assertEqual(daemon.state("pure"), "RUNNING")
        self.assertFalse(xsvd.is_refused(self.front))

    def test_a_program_that_never_listens(self):
        daemon = self.daemon(f"""
            [program:web]
            command = /bin/sleep 1000
            socket = tcp4:127.0.0.1:{self.port}
            proxy_to = tcp:127.0.0.1:{self.behind}
            start_timeout = 1s""")
        begun = time.monotonic()
        self.assertEqual(xsvd.talk(self.front, b"x"), b"")
        self.assertGreater(time.monotonic() - begun, 0.9)
        daemon.wait_for_log("does not answer")
        with self.target(self.behind) as target:  # better late than never
            target.settimeout(3)

            def is_answered():  # who comes while those before him are being refused is one of them
                with xsvd.connect(self.front) as caller, contextlib.suppress(TimeoutError):
                    caller.sendall(b"late")
                    with target.accept()[0] as behind:
                        return behind.recv(10) == b"late"
            xsvd.until(is_answered, "an answer")

    def test_ready_is_who_answers(self):
        daemon = self.daemon(self.config("ready = connect\nactivation = always\nautostart = no", words=[self.behind, 0.5]))
        daemon.ctl("start", "web", check=True)  # which waits until it is
        xsvd.connect(("127.0.0.1", self.behind)).close()
        self.assertEqual(daemon.state("web"), "RUNNING")

    def test_more_callers_than_descriptors_wait(self):
        """And nothing spins meanwhile."""
        few = 150
        daemon = self.daemon(self.config(), supervisord="minfds = 100",
                             preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few)))
        self.serving_pid()
        callers = [xsvd.connect(self.front) for _ in range(few)]
        time.sleep(0.3)
        before = daemon.cpu()
        time.sleep(1)
        self.assertLess(daemon.cpu() - before, 0.3)
        self.assertFalse(xsvd.is_refused(self.front))
        for caller in callers:
            caller.sendall(b"x")
            caller.shutdown(socket.SHUT_WR)
        for caller in callers:
            self.assertEqual(xsvd.read_all(caller).partition(b" ")[2], b"X")
            caller.close()

    def test_a_program_that_ends_at_once(self):
        daemon = self.daemon(f"""
            [program:web]
            command = /bin/true
            socket = tcp4:127.0.0.1:{self.port}
            proxy_to = tcp:127.0.0.1:{self.behind}""")
        with xsvd.connect(self.front) as caller:
            daemon.wait_for("web", "BACKOFF")
            time.sleep(2)
            self.assertLess(daemon.xsv.show("web")[0]["starts"], 6)
            daemon.reload(self.config())
            caller.sendall(b"patience")
            caller.shutdown(socket.SHUT_WR)
            self.assertEqual(xsvd.read_all(caller).partition(b" ")[2], b"PATIENCE")

    def test_a_crash_of_the_program(self):
        daemon = self.daemon(self.config())
        for _ in range(5):
            pid = self.serving_pid()
            process = xsvd.Process(pid)
            os.kill(pid, signal.SIGKILL)
            xsvd.until(lambda: not process.is_there(), "it is dead, and no connection reaches it any more", pause=0)
            self.assertNotEqual(self.serving_pid(), pid)
        daemon.wait_for_reaping()

    def test_always_on_and_forwarded(self):
        daemon = self.daemon(self.config("activation = always"))
        pid = daemon.wait_for_pid("web")
        self.assertEqual(self.serving_pid(), pid)
        daemon.ctl("restart", "web", check=True)
        self.assertNotEqual(self.serving_pid(), pid)

    def test_a_reload_changes_the_target(self):
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        text = f"[program:pure]\nsocket = tcp4:127.0.0.1:{self.port}\nproxy_to = tcp:127.0.0.1:"
        daemon = self.daemon(text + str(servers[0].getsockname()[1]))
        inode = xsvd.listener_inode(self.port)
        with xsvd.connect(self.front) as first, servers[0].accept()[0] as behind_first:
            daemon.reload(text + str(servers[1].getsockname()[1]))
            with xsvd.connect(self.front) as second, servers[1].accept()[0] as behind_second:
                for caller, behind in ((first, behind_first), (second, behind_second)):
                    caller.sendall(b"still there")
                    self.assertEqual(behind.recv(100), b"still there")
        self.assertEqual(xsvd.listener_inode(self.port), inode)
        daemon.reload("")
        xsvd.until(lambda: xsvd.is_refused(self.front), "removed")
        for server in servers:
            server.close()


class Killed(ProxyCase):
    def load(self, seconds, act):
        """Callers in a loop while act() is called; their failures: (answers, resets or short answers, refusals)."""
        done = threading.Event()
        outcomes = {"served": 0, "broken": 0, "refused": 0}
        lock = threading.Lock()

        def call():
            while not done.is_set():
                try:
                    answer = xsvd.talk(self.front, b"hello")
                    word = "served" if answer.endswith(b" HELLO") else "broken"
                except ConnectionRefusedError:
                    word = "refused"
                with lock:
                    outcomes[word] += 1
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            act()
        done.set()
        for thread in threads:
            thread.join(xsvd.PATIENCE)
        return outcomes

    def test_of_the_engine_nobody_takes_notice(self):
        daemon = self.daemon(self.config())
        pid, forwarder = self.serving_pid(), self.forwarder(daemon)
        with xsvd.connect(self.front) as open_connection:
            open_connection.sendall(b"before ")

            def kill():
                engine = daemon.wait_for_engine()
                os.kill(engine, signal.SIGKILL)
                daemon.wait_for_engine(engine)
                time.sleep(0.3)
            outcomes = self.load(3, kill)
            open_connection.sendall(b"after")
            open_connection.shutdown(socket.SHUT_WR)
            self.assertEqual(xsvd.read_all(open_connection), b"%d BEFORE AFTER" % pid)
        self.assertEqual((outcomes["broken"], outcomes["refused"]), (0, 0), outcomes)
        self.assertGreater(outcomes["served"], 50)
        daemon.wait_until_ready()
        self.assertEqual((self.serving_pid(), self.forwarder(daemon)), (pid, forwarder))

    def test_of_the_forwarder_costs_its_connections_and_no_refusal(self):
        daemon = self.daemon(self.config())
        pid = self.serving_pid()
        kills = []

        def kill():
            forwarder = self.forwarder(daemon)
            os.kill(forwarder, signal.SIGKILL)
            kills.append(forwarder)
            self.forwarder(daemon, forwarder)
            time.sleep(0.3)
        outcomes = self.load(3, kill)
        self.assertEqual(outcomes["refused"], 0, outcomes)
        self.assertLessEqual(outcomes["broken"], 4 * len(kills), outcomes)
        self.assertGreater(outcomes["served"], 50)
        self.assertEqual(self.serving_pid(), pid)

    def test_what_is_counted_afterwards(self):
        daemon = self.daemon(self.config("idle_timeout = 1s"))

        def is_counted(number):
            return lambda: daemon.xsv.show("web")[0]["connections"] == number
        with xsvd.connect(self.front) as caller:
            caller.sendall(b"x")
            xsvd.until(is_counted(1), "one connection")
            os.kill(daemon.wait_for_engine(), signal.SIGKILL)
            daemon.wait_until_ready()
            xsvd.until(is_counted(1), "it is still there")
            os.kill(self.forwarder(daemon), signal.SIGKILL)
            self.assertEqual(xsvd.read_all(caller), b"")
        xsvd.until(is_counted(0), "it has ended")
        xsvd.until(lambda: daemon.pid_of("web") == 0, "idle")

    def test_forwarder_and_engine_while_callers_wait_for_the_program(self):
        daemon = self.daemon(self.config(words=[self.behind, 1.0]))
        callers = [xsvd.connect(self.front) for _ in range(5)]
        daemon.wait_for_pid("web")
        os.kill(self.forwarder(daemon), signal.SIGKILL)
        os.kill(daemon.wait_for_engine(), signal.SIGKILL)
        for caller in callers:
            with caller:
                caller.sendall(b"x")
                caller.shutdown(socket.SHUT_WR)
                self.assertEqual(xsvd.read_all(caller).partition(b" ")[2], b"X")


class PerConnection(ProxyCase):
    def test_one_forwarder_each(self):
        with self.target() as target:
            daemon = self.daemon(f"""
                [program:pure]
                socket = tcp4:127.0.0.1:{self.port}
                activation = per_connection
                max_instances = 1
                overload = refuse
                proxy_to = tcp:{target.getsockname()[1]}""")
            self.assertNotIn("proxy", daemon.roles())
            with xsvd.connect(self.front) as caller, target.accept()[0] as behind:
                self.assertEqual(xsvd.talk(self.front), b"")  # max_instances
                large = os.urandom(1 << 20)
                caller.sendall(large)
                caller.shutdown(socket.SHUT_WR)
                self.assertEqual(xsvd.read_all(behind), large)
                [process] = [p for p in xsvd.descendants(daemon.pid) if p.title.startswith("xsvd-redirect")]
                if os.geteuid() == 0:
                    self.assertNotEqual(os.stat(f"/proc/{process.pid}").st_uid, 0)
                behind.sendall(b"answer")
                behind.close()
                self.assertEqual(xsvd.read_all(caller), b"answer")
            daemon.wait_for_log(r"pure: 127\.0\.0\.1:\d+ served by pid \d+ for \S+ \(exit status 0\)")


class Header(ProxyCase):
    V2 = b"\r\n\r\n\0\r\nQUIT\n"

    def first_bytes(self, protocol, host="127.0.0.1", activation="on_demand", socket_text=None):
        with self.target() as target:
            port = xsvd.free_port()
            daemon = self.daemon(f"""
                [program:pure]
                socket = {socket_text or f"tcp:{port}"}
                activation = {activation}
                proxy_to = tcp:127.0.0.1:{target.getsockname()[1]}
                proxy_protocol = {protocol}""")
            where = str(daemon.dir / "front.sock") if socket_text else (host, port)
            with xsvd.connect(where) as caller, target.accept()[0] as behind:
                caller.sendall(b"hello")
                caller.shutdown(socket.SHUT_WR)
                return xsvd.read_all(behind), caller.getsockname(), port

    def test_version_1(self):
        for activation in ("on_demand", "per_connection"):
            got, own, port = self.first_bytes("v1", activation=activation)
            self.assertEqual(got, b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\nhello" % (own[1], port))
        got, own, port = self.first_bytes("v1", "::1")
        self.assertEqual(got, b"PROXY TCP6 ::1 ::1 %d %d\r\nhello" % (own[1], port))
        self.assertEqual(self.first_bytes("v1", socket_text="unix:@DIR@/front.sock")[0], b"PROXY UNKNOWN\r\nhello")

    def test_version_2(self):
        got, own, port = self.first_bytes("v2")
        address = bytes([127, 0, 0, 1])
        self.assertEqual(got, self.V2 + b"\x21\x11\0\x0c" + address * 2 + struct.pack("!HH", own[1], port) + b"hello")
        got, own, port = self.first_bytes("v2", "::1")
        address = bytes(15) + b"\1"
        self.assertEqual(got, self.V2 + b"\x21\x21\0\x24" + address * 2 + struct.pack("!HH", own[1], port) + b"hello")
        self.assertEqual(self.first_bytes("v2", socket_text="unix:@DIR@/front.sock")[0], self.V2 + b"\x21\0\0\0hello")


class Datagrams(ProxyCase):
    def client(self, port, host="127.0.0.1"):
        client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.connect((host, port))
        client.settimeout(xsvd.PATIENCE)
        return client

    def test_each_client_gets_his_own_answers(self):
        port, behind = (xsvd.free_port(socket.SOCK_DGRAM) for _ in range(2))
        daemon = self.daemon(f"""
            [program:dns]
            command = {self.server(behind, 0.3, name="datagrams")}
            socket = udp:{port}
            proxy_to = udp:127.0.0.1:{behind}
            idle_timeout = 1s
            startsecs = 0""")
        clients = [self.client(port, host) for host in ("127.0.0.1", "127.0.0.2", "::1") for _ in range(20)]
        for _ in range(2):
            for number, client in enumerate(clients):  # the first round before the program runs: no datagram is lost
                client.send(b"question %d" % number)
            for number, client in enumerate(clients):
                self.assertEqual(client.recv(100), b"QUESTION %d" % number)
        pid = daemon.wait_for_pid("dns")
        xsvd.until(lambda: daemon.pid_of("dns") == 0, "idle")
        clients[0].send(b"again")
        self.assertEqual(clients[0].recv(100), b"AGAIN")
        self.assertNotEqual(daemon.wait_for_pid("dns"), pid)


@unittest.skipUnless(shutil.which("lighttpd", path="/usr/sbin:/usr/bin"), "needs lighttpd")
class RealServer(ProxyCase):
    """Check 14: a web server that knows nothing of sockets from others."""

    def test_lighttpd(self):
        (self.folder_ / "page").write_text("a page\n" * 20000, encoding="utf-8")
        (self.folder_ / "lighttpd.conf").write_text(f"""
server.document-root = "{self.folder_}"
server.port = {self.behind}
server.bind = "127.0.0.1"
server.errorlog = "{self.folder_}/errors"
""", encoding="utf-8")
        daemon = self.daemon(f"""
            [program:web]
            command = {shutil.which("lighttpd", path="/usr/sbin:/usr/bin")} -D -f {self.folder_}/lighttpd.conf
            socket = tcp:{self.port}
            proxy_to = tcp:{self.behind}
            idle_timeout = 2s""")
        for _ in range(2):
            self.assertEqual(daemon.pid_of("web"), 0)
            for host in ("127.0.0.1", "::1"):
                answer = xsvd.talk((host, self.port), b"GET /page HTTP/1.0\r\n\r\n")  # which ends the sending side
                self.assertTrue(answer.endswith(b"\r\n\r\n" + b"a page\n" * 20000), answer[:200])
            begun = time.monotonic()
            xsvd.until(lambda: daemon.pid_of("web") == 0, "stopped when idle")
            self.assertGreater(time.monotonic() - begun, 1.0)


class Configuration(ProxyCase):
    def test_mistakes(self):
        for text, wanted in (
                ("socket = tcp4:127.0.0.1:1\nproxy_to = somewhere", "proxy_to"),
                ("socket = tcp4:127.0.0.1:1\nproxy_to = udp:1", "cannot be forwarded to udp:1"),
                ("proxy_to = tcp:1", "needs a 'socket'"),
                ("socket = tcp4:127.0.0.1:1\nproxy_to = tcp:1\nactivation = always", "always needs a 'command'"),
                ("socket = tcp4:127.0.0.1:1\nproxy_to = tcp:1\nactivation = per_connection\ncommand = /bin/true", "takes the place of 'command'"),
                ("socket = udp4:127.0.0.1:1\nproxy_to = udp:1\nproxy_protocol = v2", "not for datagrams"),
                ("socket = tcp4:127.0.0.1:1\ncommand = /bin/true\nproxy_protocol = v2", "needs 'proxy_to' beside it")):
            (self.folder_ / "x.conf").write_text(f"[program:x]\n{text}\n", encoding="utf-8")
            with self.subTest(text):
                done = subprocess.run([xsvd.XSVCTL, "check", str(self.folder_ / "x.conf")], capture_output=True, text=True, check=False)
                self.assertIn(wanted, done.stdout + done.stderr)
                self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
