"""Programs that run while somebody needs them."""
import os
import signal
import socket
import time

import xsvd

SERVE = f"command = {xsvd.PROGRAM} serve"


def pid_in(answer):
    return int(answer.split()[0])


class Demand(xsvd.TestCase):
    def serving(self, *settings):
        """A daemon and the port of its program "web", which answers with its pid."""
        port = xsvd.free_port()
        lines = ["[program:web]", SERVE, f"socket = tcp4:127.0.0.1:{port}", *settings]
        return self.daemon("\n".join(lines)), port

    def test_the_first_connection_starts_the_program(self):
        daemon, port = self.serving("startsecs = 0")
        info = daemon.info("web")
        self.assertEqual((info["statename"], info["pid"]), ("RUNNING", 0))
        self.assertRegex(info["description"], r"^pid 0, uptime 0:00:\d\d$")
        answer = xsvd.talk(("127.0.0.1", port), b"hello\n")
        self.assertEqual(answer.split()[1:], [b"web", b"hello"])
        self.assertEqual(daemon.wait_for_pid("web"), pid_in(answer))
        self.assertEqual(pid_in(xsvd.talk(("127.0.0.1", port), b"again\n")), pid_in(answer))

    def test_callers_who_come_before_it_runs_are_served(self):
        port = xsvd.free_port()
        self.daemon(f"""
            [program:slow]
            command = /bin/sh -c 'sleep 0.5; exec {xsvd.PROGRAM} serve 3'
            socket = tcp4:127.0.0.1:{port}""")
        callers = [xsvd.connect(("127.0.0.1", port)) for _ in range(20)]
        for number, caller in enumerate(callers):
            caller.sendall(b"%d\n" % number)
        for number, caller in enumerate(callers):
            with caller:
                self.assertEqual(xsvd.read_all(caller).split()[-1], b"%d" % number)

    def test_a_crash_refuses_nobody(self):
        daemon, port = self.serving("startsecs = 0")
        pids = set()
        for _ in range(5):
            pid = pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n"))
            pids.add(pid)
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(len(pids), 5)
        daemon.wait_for_reaping()

    def test_idle_timeout_stops_it_and_the_next_caller_starts_it(self):
        daemon, port = self.serving("idle_timeout = 1s", "startsecs = 0")
        first = pid_in(xsvd.talk(("127.0.0.1", port), b"one\n"))
        xsvd.until(lambda: daemon.pid_of("web") == 0, "the idle program is stopped")
        self.assertEqual(daemon.state("web"), "RUNNING")
        second = pid_in(xsvd.talk(("127.0.0.1", port), b"two\n"))
        self.assertNotEqual(first, second)

    def test_address_rules_hold_where_the_program_accepts_its_callers_itself(self):
        port = xsvd.free_port()
        text = f"""
            [program:web]
            {SERVE}
            socket = tcp4:127.0.0.1:{port}
            allow_from = 127.0.0.0/30
            deny_from = 127.0.0.2
            startsecs = 0"""
        daemon = self.daemon(text)
        with self.assertRaises(TimeoutError):  # the kernel drops what he sends: as behind a packet filter
            xsvd.connect(("127.0.0.1", port), timeout=0.3, source="127.0.0.2")
        self.assertEqual(daemon.pid_of("web"), 0)
        pid = pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n", source="127.0.0.3"))
        with self.assertRaises(TimeoutError):  # also while it runs
            xsvd.connect(("127.0.0.1", port), timeout=0.3, source="127.0.0.2")
        daemon.reload(text.replace("deny_from = 127.0.0.2", ""))
        self.assertEqual(pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n", source="127.0.0.2")), pid)
        engine = daemon.engine()
        os.kill(engine, signal.SIGKILL)
        daemon.wait_for_engine(other_than=engine)
        self.assertEqual(pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n", source="127.0.0.2")), pid)
        with self.assertRaises(TimeoutError):  # rules live in the socket, not in the engine
            xsvd.connect(("127.0.0.1", port), timeout=0.3, source="127.0.0.9")

    def test_an_open_connection_is_not_idle(self):
        daemon, port = self.serving("idle_timeout = 1s", "startsecs = 0")
        with xsvd.connect(("127.0.0.1", port)) as caller:
            pid = daemon.wait_for_pid("web")
            time.sleep(2.5)  # nothing is to happen
            self.assertEqual(daemon.pid_of("web"), pid)
            caller.sendall(b"late\n")
            self.assertEqual(pid_in(xsvd.read_all(caller)), pid)

    def test_idle_timeout_on_a_unix_socket(self):
        daemon = self.daemon(f"""
            [program:web]
            {SERVE}
            socket = unix:@DIR@/web.sock
            idle_timeout = 1s
            startsecs = 0""")
        path = str(daemon.dir / "web.sock")
        first = pid_in(xsvd.talk(path, b"one\n"))
        xsvd.until(lambda: daemon.pid_of("web") == 0, "the idle program is stopped")
        self.assertNotEqual(pid_in(xsvd.talk(path, b"two\n")), first)

    def test_stop_closes_the_port_and_start_opens_it(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:web]
            {SERVE}
            socket = tcp4:127.0.0.1:{port}, unix:@DIR@/web.sock
            startsecs = 0""")
        pid = xsvd.Process(pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n")))
        daemon.ctl("stop", "web", check=True)
        self.assertEqual(daemon.state("web"), "STOPPED")
        self.assertFalse(pid.is_there())
        self.assertEventually(lambda: xsvd.is_refused(("127.0.0.1", port)), "the port is closed, also in the guardian", 5)
        self.assertTrue(xsvd.is_refused(str(daemon.dir / "web.sock")))
        daemon.ctl("start", "web", check=True)
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello\n").split()[-1], b"hello")

    def test_restart_never_closes_the_port(self):
        daemon, port = self.serving("startsecs = 0")
        first = pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n"))
        inode = xsvd.listener_inode(port)
        self.assertEqual(daemon.ctl("restart", "web")[:2], (0, "web: stopped\nweb: started\n"))
        self.assertEqual(xsvd.listener_inode(port), inode)
        self.assertNotEqual(pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n")), first)

    def test_autostart_false_keeps_the_port_closed(self):
        daemon, port = self.serving("autostart = false")
        self.assertEqual(daemon.state("web"), "STOPPED")
        self.assertTrue(xsvd.is_refused(("127.0.0.1", port)))
        daemon.ctl("start", "web", check=True)
        self.assertFalse(xsvd.is_refused(("127.0.0.1", port)))

    def test_signal_on_a_listening_program_succeeds(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:web]
            {SERVE}
            socket = tcp4:127.0.0.1:{port}""")
        self.assertEqual(daemon.ctl("signal", "HUP", "web")[:2], (0, "web: signalled\n"))


class Trouble(xsvd.TestCase):
    def test_a_program_that_ends_at_once_is_tried_again_with_pauses(self):
        port, datagrams = xsvd.free_port(), xsvd.free_port(socket.SOCK_DGRAM)

        def config(command, datagram_command):
            return f"""
                [program:bad]
                command = {command}
                socket = tcp4:127.0.0.1:{port}
                [program:worse]
                command = {datagram_command}
                socket = udp:127.0.0.1:{datagrams}"""
        daemon = self.daemon(config("/bin/true", "/bin/true"))
        with xsvd.connect(("127.0.0.1", port)) as waiting, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(xsvd.PATIENCE)
            sender.sendto(b"unread", ("127.0.0.1", datagrams))
            daemon.wait_for("bad", "BACKOFF")
            daemon.wait_for("worse", "BACKOFF")
            before = daemon.cpu()
            time.sleep(3)  # it is to be quiet
            self.assertLess(daemon.cpu() - before, 0.3)
            for name in ("bad", "worse"):
                self.assertLess(daemon.read_log().count(f"spawned: '{name}'"), 8)
            self.assertFalse(xsvd.is_refused(("127.0.0.1", port)))
            # Who has been waiting is served by a command that works.
            daemon.reload(config(f"{xsvd.PROGRAM} serve", f"{xsvd.PROGRAM} datagrams 5"))
            waiting.sendall(b"still here\n")
            self.assertEqual(xsvd.read_all(waiting).split()[1:], [b"bad", b"still", b"here"])
            self.assertEqual(sender.recv(100).split()[1:], [b"unread"])

    def test_a_missing_command_is_looked_for_again(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:later]
            command = @DIR@/later 3
            socket = tcp4:127.0.0.1:{port}""")
        with xsvd.connect(("127.0.0.1", port)) as waiting:
            daemon.wait_for("later", "BACKOFF")
            script = daemon.dir / "later"
            script.write_text(f"#!/bin/sh\nexec {xsvd.PROGRAM} serve 3\n")
            script.chmod(0o755)
            waiting.sendall(b"hello\n")
            self.assertEqual(xsvd.read_all(waiting).split()[-1], b"hello")

    def test_start_tries_again_at_once(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:bad]
            command = /bin/sh -c 'test -e @DIR@/good && exec {xsvd.PROGRAM} serve 3; exit 1'
            socket = tcp4:127.0.0.1:{port}
            startsecs = 0.2""")
        with xsvd.connect(("127.0.0.1", port)) as waiting:
            xsvd.until(lambda: daemon.read_log().count("spawned: 'bad'") >= 4, "a few tries, with growing pauses", 60)
            (daemon.dir / "good").touch()
            daemon.ctl("start", "bad")
            waiting.sendall(b"hello\n")
            waiting.settimeout(3)
            self.assertEqual(xsvd.read_all(waiting).split()[-1], b"hello")

    def test_a_listener_that_was_shut_down_listens_again(self):
        port = xsvd.free_port()
        self.daemon(f"""
            [program:rude]
            command = /usr/bin/python3 -I -S -c "import socket, os; s = socket.socket(fileno=3); c, _ = s.accept(); c.sendall(b'%%d' %% os.getpid()); c.close(); s.shutdown(socket.SHUT_RDWR)"
            socket = tcp4:127.0.0.1:{port}
            startsecs = 0""")
        first = xsvd.talk(("127.0.0.1", port))
        self.assertTrue(first)
        answers = set()

        def is_served():
            try:
                answers.add(xsvd.talk(("127.0.0.1", port)))
            except OSError:
                return False
            return answers - {first, b""}
        self.assertEventually(is_served, "the next caller is served by another process", 15)


    def test_a_datagram_socket_that_was_left_connected_serves_everybody_again(self):
        port = xsvd.free_port(socket.SOCK_DGRAM)
        self.daemon(f"""
            [program:rude]
            command = /usr/bin/python3 -I -S -c "import socket; s = socket.socket(fileno=3); d, a = s.recvfrom(100); s.connect(a); s.send(d)"
            socket = udp:127.0.0.1:{port}
            startsecs = 0""")
        for _ in range(2):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(1)

                def is_answered(s=s):
                    s.sendto(b"hello", ("127.0.0.1", port))
                    try:
                        return s.recv(100) == b"hello"
                    except TimeoutError:   # the kernel drops what comes while the socket is another one's
                        return False
                self.assertEventually(is_answered, "served, whoever was before")


class AlwaysWithSocket(xsvd.TestCase):
    def test_an_always_on_program_with_a_socket_runs_from_the_start(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:api]
            {SERVE}
            socket = tcp4:127.0.0.1:{port}
            activation = always
            startsecs = 0""")
        pid = daemon.wait_for_pid("api")
        inode = xsvd.listener_inode(port)
        self.assertEqual(pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n")), pid)
        os.kill(pid, signal.SIGKILL)
        self.assertNotEqual(pid_in(xsvd.talk(("127.0.0.1", port), b"hello\n")), pid)
        self.assertEqual(xsvd.listener_inode(port), inode)


if __name__ == "__main__":
    xsvd.main()
