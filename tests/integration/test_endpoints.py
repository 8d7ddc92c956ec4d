"""Every kind of socket, and every way to hand it to a program."""
import contextlib
import json
import os
import socket
import stat
import threading

import xsvd

LOOK, STAY = f"command = {xsvd.PROGRAM} look", f"command = {xsvd.PROGRAM} stay"


def read_look(path):
    return json.loads(xsvd.until(lambda: path.exists() and path.read_text(), f"{path} is written"))


class Passing(xsvd.TestCase):
    """socket_pass: which descriptors a program finds its socket on."""

    def test_a_listening_socket(self):
        forms = {"listen_fds": {"3"}, "stdin": {"0"}, "stdio": {"0", "1"}, "stdio_all": {"0", "1", "2"}}
        ports = {form: xsvd.free_port() for form in forms}
        daemon = self.daemon("".join(f"""
            [program:{form}]
            {STAY} @DIR@/{form}.json
            socket = tcp4:127.0.0.1:{ports[form]}
            socket_pass = {form}
            """ for form in forms))
        for form, wanted in forms.items():
            with self.subTest(form):
                xsvd.connect(("127.0.0.1", ports[form])).close()
                seen = read_look(daemon.dir / f"{form}.json")
                self.assertEqual({fd for fd, what in seen["fds"].items() if what == "listener"}, wanted)
                self.assertEqual({"0", "1", "2"} - set(seen["fds"]), set())
                self.assertEqual("LISTEN_FDS" in seen["env"], form == "listen_fds")
                self.assertFalse(any(seen["nonblock"].values()), "passed sockets block")
                if form == "listen_fds":
                    self.assertEqual(seen["fds"]["0"], "/dev/null")
                    self.assertEqual(seen["env"]["LISTEN_PID"], str(seen["pid"]))

    def test_a_connection(self):
        forms = {"listen_fds": {"3"}, "stdin": {"0"}, "stdio": {"0", "1"}, "stdio_all": {"0", "1", "2"}}
        ports = {form: xsvd.free_port() for form in forms}
        self.daemon("".join(f"""
            [program:{form}]
            {LOOK} -
            socket = tcp4:127.0.0.1:{ports[form]}
            activation = per_connection
            socket_pass = {form}
            """ for form in forms))
        for form, wanted in forms.items():
            with self.subTest(form):
                seen = json.loads(xsvd.talk(("127.0.0.1", ports[form])))
                self.assertEqual({fd for fd, what in seen["fds"].items() if what == "connection"}, wanted)
                self.assertNotIn("listener", seen["fds"].values())

    def test_two_named_sockets_come_in_order_with_nothing_above(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:two]
            {STAY} @DIR@/two.json
            socket = web=tcp4:127.0.0.1:{port}, admin=unix:@DIR@/admin.sock""")
        xsvd.connect(("127.0.0.1", port)).close()
        seen = read_look(daemon.dir / "two.json")
        self.assertEqual((seen["env"]["LISTEN_FDS"], seen["env"]["LISTEN_FDNAMES"]), ("2", "web:admin"))
        self.assertEqual({fd for fd, what in seen["fds"].items() if what == "listener"}, {"3", "4"})
        # 5 is the folder /proc/self/fd while it is read.
        self.assertLessEqual(set(seen["fds"]), {"0", "1", "2", "3", "4", "5"})

    def test_one_port_for_both_families(self):
        one, each = xsvd.free_port(), xsvd.free_port()
        daemon = self.daemon(f"""
            [program:one]
            command = {xsvd.PROGRAM} serve
            socket = tcp:{one}
            [program:each]
            command = /bin/cat
            socket = tcp:{each}
            activation = per_connection""")
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(xsvd.talk((host, one), b"hello\n").split()[1:], [b"one", b"hello"])
            self.assertEqual(xsvd.talk((host, each), b"hello"), b"hello")
        self.assertEqual(len(xsvd.listener_inodes(one)), 1, "a LISTEN_FDS program gets one socket for both families")
        self.assertEqual(len(xsvd.listener_inodes(each)), 2, "IPv4 programs must not meet mapped addresses")
        self.assertEqual(daemon.all_info().keys(), {"one", "each"})

    def test_supervisors_spelling(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:web]
            command = {xsvd.PROGRAM} serve
            socket = tcp://127.0.0.1:{port}, unix://@DIR@/web.sock""")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"a\n").split()[-1], b"a")
        self.assertEqual(xsvd.talk(str(daemon.dir / "web.sock"), b"b\n").split()[-1], b"b")


class Received(xsvd.TestCase):
    """Our parent passes on sockets for the wildcard address: one for both families, one for each, one for IPv4 alone."""

    def test_both_families_are_served_whatever_was_passed_on(self):
        ports = {name: xsvd.free_port() for name in ("both", "each", "four")}
        parent = f"""
import os, socket, sys
def listener(family, host, port, v6only=True):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    s.bind((host, port))
    s.listen()
    return s
sockets = [listener(socket.AF_INET6, "::", {ports['both']}, False), listener(socket.AF_INET, "0.0.0.0", {ports['each']}),
           listener(socket.AF_INET6, "::", {ports['each']}), listener(socket.AF_INET, "0.0.0.0", {ports['four']})]
for fd, s in enumerate(sockets, 100):
    os.dup2(s.fileno(), fd)
for fd in range(100, 100 + len(sockets)):
    os.dup2(fd, fd - 97)
os.closerange(3 + len(sockets), 200)
os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
"""
        for activation, command in (("per_connection", "/bin/cat"), ("on_demand", f"{xsvd.PROGRAM} serve")):
            with self.subTest(activation):
                config = "".join(f"[program:{name}]\ncommand = {command}\nsocket = tcp:{port}\nactivation = {activation}\nstartsecs = 0\n" for name, port in ports.items())
                daemon = self.daemon(config, wrapper=("/usr/bin/python3", "-I", "-S", "-c", parent))
                inodes = {name: xsvd.listener_inodes(port) for name, port in ports.items()}
                self.assertEqual([len(i) for i in inodes.values()], [1, 2, 2])
                for name, port in ports.items():
                    for host in ("127.0.0.1", "::1"):
                        self.assertEqual(xsvd.talk((host, port), b"hello\n").split()[-1], b"hello", (name, host))
                self.assertNotIn("in use", daemon.read_log())
                daemon.stop()


class OtherKinds(xsvd.TestCase):
    def test_datagrams_start_the_program_and_none_is_lost(self):
        ports = {host: xsvd.free_port(socket.SOCK_DGRAM) for host in ("127.0.0.1", "::1")}
        daemon = self.daemon(f"""
            [program:four]
            command = {xsvd.PROGRAM} datagrams 0.5
            socket = udp:127.0.0.1:{ports['127.0.0.1']}
            startsecs = 0
            [program:six]
            command = {xsvd.PROGRAM} datagrams 0.5
            socket = udp:[::1]:{ports['::1']}
            startsecs = 0""")
        for name, host in (("four", "127.0.0.1"), ("six", "::1")):
            with self.subTest(name), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(xsvd.PATIENCE)
                pids = set()
                for _ in range(2):
                    for number in range(4):
                        s.sendto(b"%d" % number, (host, ports[host]))
                    answers = [s.recv(100).split() for _ in range(4)]
                    self.assertEqual([a[1] for a in answers], [b"0", b"1", b"2", b"3"])
                    pids |= {a[0] for a in answers}
                    xsvd.until(lambda: daemon.pid_of(name) == 0, "the program ends when idle")
                self.assertEqual(len(pids), 2)
                self.assertEqual(daemon.state(name), "RUNNING")

    def test_unix_datagrams(self):
        daemon = self.daemon(f"""
            [program:dgram]
            command = {xsvd.PROGRAM} datagrams 0.5
            socket = unix-dgram:@DIR@/dgram.sock
            startsecs = 0""")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.settimeout(xsvd.PATIENCE)
            s.bind(str(daemon.dir / "me.sock"))
            s.sendto(b"hello", str(daemon.dir / "dgram.sock"))
            self.assertEqual(s.recv(100).split()[1], b"hello")

    def test_seqpacket(self):
        daemon = self.daemon(f"""
            [program:packets]
            command = {xsvd.PROGRAM} packets
            socket = unix-seqpacket:@DIR@/packets.sock
            activation = per_connection""")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(xsvd.PATIENCE)
            s.connect(str(daemon.dir / "packets.sock"))
            for packet in (b"one", b"two and more"):
                s.send(packet)
                self.assertEqual(s.recv(100), b"<" + packet + b">")

    def test_fifo(self):
        daemon = self.daemon(f"""
            [program:fifo]
            command = {xsvd.PROGRAM} fifo @DIR@/out
            socket = fifo:@DIR@/in
            socket_mode = 0620
            startsecs = 0""")
        path = daemon.dir / "in"
        mode = path.stat().st_mode
        self.assertTrue(stat.S_ISFIFO(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o620)
        path.write_bytes(b"a line\n")
        out = daemon.dir / "out"
        xsvd.until(lambda: out.exists() and out.read_bytes() == b"a line\n", "the line arrives")

    def test_mode_and_removal_of_a_unix_path(self):
        daemon = self.daemon("""
            [program:echo]
            command = /bin/cat
            socket = unix:@DIR@/echo.sock
            socket_mode = 0604
            activation = per_connection""")
        path = daemon.dir / "echo.sock"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o604)
        daemon.ctl("stop", "echo", check=True)
        self.assertFalse(path.exists())
        daemon.ctl("start", "echo", check=True)
        self.assertTrue(path.exists())
        daemon.stop()
        self.assertFalse(path.exists())


class Taken(xsvd.TestCase):
    def test_a_stale_unix_path_is_replaced(self):
        path = self.folder() / "stale.sock"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
        self.daemon(f"""
            [program:echo]
            command = /bin/cat
            socket = unix:{path}
            activation = per_connection""")
        self.assertEqual(xsvd.talk(str(path), b"x"), b"x")

    def test_a_live_unix_path_is_left_to_its_owner(self):
        path = self.folder() / "live.sock"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
            s.listen()
            daemon = self.daemon(f"""
                [program:echo]
                command = /bin/cat
                socket = unix:{path}
                activation = per_connection
                [program:other]
                command = /bin/sleep 1000""")
            daemon.wait_for_log(r"(?i)live\.sock.*in use")
            self.assertEqual(os.fstat(s.fileno()).st_ino, xsvd.listener_inode(path=str(path)))
            daemon.wait_for_pid("other")

    def test_a_port_in_use_names_the_holder_and_is_tried_again(self):
        port = xsvd.free_port()
        with socket.create_server(("127.0.0.1", port)):
            daemon = self.daemon(f"""
                [program:echo]
                command = /bin/cat
                socket = tcp4:127.0.0.1:{port}, unix:@DIR@/echo.sock
                activation = per_connection
                [program:other]
                command = /bin/sleep 1000""")
            daemon.wait_for_log(rf"(?i){port}.*in use")
            self.assertRegex(daemon.read_log(), rf"{port}.*\b{os.getpid()}\b")
            daemon.wait_for_pid("other")
            why = daemon.ctl("why", "echo").out
            self.assertIn(str(port), why)
            self.assertIn(str(os.getpid()), why)
            self.assertEqual(xsvd.talk(str(daemon.dir / "echo.sock"), b"x"), b"x", "its other socket serves already")
        self.assertEventually(lambda: not xsvd.is_refused(("127.0.0.1", port)), "the port is taken when it is free", 70)
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x"), b"x")


class Backlog(xsvd.TestCase):
    def test_callers_queue_while_a_program_is_stopped(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:web]
            command = {xsvd.PROGRAM} serve
            socket = tcp4:127.0.0.1:{port}
            startsecs = 0""")
        pid = int(xsvd.talk(("127.0.0.1", port), b"x\n").split()[0])
        os.kill(pid, 19)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(xsvd.talk(("127.0.0.1", port), b"x\n"))) for _ in range(100)]
        for thread in threads:
            thread.start()
        with contextlib.suppress(AssertionError):
            xsvd.until(lambda: answers, "nobody is served", 0.5)
        self.assertEqual(answers, [])
        os.kill(pid, 18)
        for thread in threads:
            thread.join()
        self.assertEqual([int(a.split()[0]) for a in answers], [pid] * 100)
        self.assertEqual(daemon.pid_of("web"), pid)


if __name__ == "__main__":
    xsvd.main()
