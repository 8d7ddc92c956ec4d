"""One process per connection, and the limits on it. Every overload pauses; no limit ever closes the port."""
import contextlib
import os
import re
import signal
import socket
import time

import xsvd


def echo(s, text, seconds=xsvd.PATIENCE):
    """What comes back from a program like cat; nothing when it takes longer than this."""
    s.sendall(text)
    s.settimeout(seconds)
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        return s.recv(65536)
    return b""


class Echo(xsvd.TestCase):
    def start(self, *lines):
        self.port = xsvd.free_port()
        settings = "\n".join(lines)
        return self.daemon("[program:echo]\ncommand = /bin/cat\nsocket = tcp4:0.0.0.0:%d\nactivation = per_connection\n%s\n" % (self.port, settings))


class Connections(Echo):
    def test_each_connection_has_its_own_process_on_every_kind_of_socket(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:echo]
            command = /bin/cat
            socket = tcp:{port}, unix:@DIR@/echo.sock, unix:@xsvd-test-{port}
            activation = per_connection""")
        for address in (("127.0.0.1", port), ("::1", port), str(daemon.dir / "echo.sock"), f"@xsvd-test-{port}"):
            with self.subTest(address=address):
                self.assertEqual(xsvd.talk(address, b"hello " * 1000), b"hello " * 1000)
        with xsvd.connect(("127.0.0.1", port)) as one, xsvd.connect(("127.0.0.1", port)) as two:
            self.assertEqual((echo(one, b"1"), echo(two, b"2")), (b"1", b"2"))
            children = [p for p in xsvd.descendants(daemon.pid) if p.title == "/bin/cat"]
            self.assertEqual(len(children), 2)
            self.assertEqual({p.parent for p in children}, {daemon.pid})
            self.assertEqual([i for i in daemon.all_info()], ["echo"])
            self.assertEqual(daemon.state("echo"), "RUNNING")
        self.assertEventually(lambda: not any(p.is_there() for p in children), "the programs end with their callers")
        daemon.wait_for_reaping()

    def test_a_hundred_callers_at_once(self):
        daemon = self.start("max_instances = 200")
        callers = [xsvd.connect(("127.0.0.1", self.port)) for _ in range(100)]
        with contextlib.ExitStack() as stack:
            for caller in callers:
                stack.enter_context(caller)
            for number, caller in enumerate(callers):
                self.assertEqual(echo(caller, b"%d" % number), b"%d" % number)
        self.assertEventually(lambda: len(xsvd.descendants(daemon.pid)) == 3, "only our own processes are left")

    def test_the_connection_log_has_a_line_at_the_end(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:code]
            command = /bin/sh -c 'exit 5'
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection""")
        xsvd.talk(("127.0.0.1", port))
        daemon.wait_for_log(r"(?m)code.*127\.0\.0\.1.*5")
        self.assertEqual(daemon.state("code"), "RUNNING")

    def test_xinetds_lines_in_a_file_of_their_own(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:code]
            command = /bin/sh -c 'read word; exit 5'
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            deny_from = 127.0.0.2
            max_per_source = 1
            connection_log_format = xinetd
            connection_log_success = pid host exit duration
            connection_log_failure = HOST
            connection_log_to = file:@DIR@/connections.log""")
        stamp = r"\d\d/\d+/\d+@\d\d:\d\d:\d\d: "
        log = daemon.dir / "connections.log"

        def has(line):
            return lambda: log.exists() and re.search("(?m)^" + stamp + line + "$", log.read_text())
        with xsvd.connect(("127.0.0.1", port)) as caller:
            self.assertEventually(has(r"START: code pid=\d+ from=127\.0\.0\.1"), "a START line")
            xsvd.talk(("127.0.0.1", port))
            xsvd.talk(("127.0.0.1", port), source="127.0.0.2")
            self.assertEventually(has(r"FAIL: code address from=127\.0\.0\.2"), lambda: log.read_text())
            engine = daemon.engine()
            os.kill(engine, signal.SIGKILL)
            daemon.wait_for_engine(other_than=engine)
            caller.sendall(b"word\n")
            self.assertEventually(has(r"EXIT: code status=5 pid=\d+ duration=\d+\(sec\)"), "an EXIT line, from another engine")
        self.assertTrue(has(r"FAIL: code per_source_limit from=127\.0\.0\.1")(), log.read_text())
        self.assertEqual(len(log.read_text().splitlines()), 4)
        self.assertNotIn("served by", daemon.read_log())

    def test_xinetds_lines_in_the_daemons_log_tell_what_was_asked_for(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:code]
            command = /bin/true
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            access_hours = 00:00-00:01
            connection_log_format = xinetd
            connection_log_failure = attempt""")
        if time.localtime()[3:5] in ((23, 59), (0, 0)):
            time.sleep(121)
        xsvd.talk(("127.0.0.1", port))
        daemon.wait_for_log(r"(?m)FAIL: code time$")
        self.assertNotIn("START", daemon.read_log())

    def test_who_calls_a_sensor_is_denied_everywhere(self):
        port, trap, short = xsvd.free_port(), xsvd.free_port(), xsvd.free_port()
        daemon = self.daemon(f"""
            [program:echo]
            command = /bin/cat
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            [program:trap]
            command = builtin:sensor
            socket = tcp4:127.0.0.1:{trap}
            deny_time = forever
            [program:short]
            command = builtin:sensor
            socket = tcp4:127.0.0.1:{short}
            deny_time = 1s""")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x", source="127.0.0.7"), b"x")
        self.assertEqual(xsvd.talk(("127.0.0.1", trap), source="127.0.0.7"), b"")
        self.assertEqual(xsvd.talk(("127.0.0.1", short), source="127.0.0.9"), b"")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x", source="127.0.0.7"), b"")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x", source="127.0.0.8"), b"x")
        engine = daemon.engine()
        os.kill(engine, signal.SIGKILL)
        daemon.wait_for_engine(other_than=engine)
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x", source="127.0.0.7"), b"")
        self.assertEventually(lambda: xsvd.talk(("127.0.0.1", port), b"x", source="127.0.0.9") == b"x", "its second is over")
        daemon.reload()
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x", source="127.0.0.7"), b"")
        daemon.wait_for_log(r"trap: 127\.0\.0\.7 has called and is denied for ever")

    def test_stop_refuses_new_callers(self):
        daemon = self.start("stopwaitsecs = 1")
        with xsvd.connect(("127.0.0.1", self.port)) as caller:
            self.assertEqual(echo(caller, b"hello"), b"hello")
            daemon.ctl("stop", "echo", check=True)
            self.assertEqual(daemon.state("echo"), "STOPPED")
            self.assertEqual(xsvd.read_all(caller), b"")
        self.assertEventually(lambda: xsvd.is_refused(("127.0.0.1", self.port)), "the port is closed", 5)
        daemon.ctl("start", "echo", check=True)
        self.assertEqual(xsvd.talk(("127.0.0.1", self.port), b"again"), b"again")


class Limits(Echo):
    def caller(self, source=None, host="127.0.0.1"):
        s = xsvd.connect((host, self.port), source=source)
        self.addCleanup(s.close)
        return s

    def test_beyond_max_instances_callers_wait_their_turn(self):
        self.start("max_instances = 2")
        callers = [self.caller() for _ in range(5)]
        self.assertEqual([echo(c, b"x") for c in callers[:2]], [b"x", b"x"])
        self.assertEqual([echo(c, b"x", 0.3) for c in callers[2:]], [b"", b"", b""])
        for i in range(3):
            callers[i].close()
            callers[i + 2].settimeout(xsvd.PATIENCE)
            self.assertEqual(callers[i + 2].recv(10), b"x")

    def test_overload_refuse_ends_the_connection_with_the_refusal(self):
        text = self.folder() / "busy"
        text.write_bytes(b"come back later\r\n")
        self.start("max_instances = 2", "overload = refuse", f"refusal = {text}")
        callers = [self.caller() for _ in range(2)]
        self.assertEqual([echo(c, b"x") for c in callers], [b"x", b"x"])
        for _ in range(3):
            self.assertEqual(xsvd.read_all(self.caller()), b"come back later\r\n")
        callers[0].close()

        def is_served():
            with xsvd.connect(("127.0.0.1", self.port)) as s:
                return echo(s, b"now") == b"now"
        self.assertEventually(is_served, "a place is free again")

    def test_max_per_source_refuses_that_source_alone(self):
        self.start("max_per_source = 1")
        first = self.caller("127.0.0.1")
        self.assertEqual(echo(first, b"x"), b"x")
        self.assertEqual(echo(self.caller("127.0.0.1"), b"x"), b"")
        self.assertEqual(echo(self.caller("127.0.0.2"), b"x"), b"x")
        first.close()

        def is_served():
            with xsvd.connect(("127.0.0.1", self.port), source="127.0.0.1") as s:
                with contextlib.suppress(OSError):
                    return echo(s, b"x") == b"x"
        self.assertEventually(is_served, "the source has its place again")

    def test_max_rate_delays_and_refuses_nobody(self):
        daemon = self.start("max_rate = 5/1s")
        begun = time.monotonic()
        callers = [self.caller() for _ in range(15)]
        self.assertEqual([echo(c, b"x") for c in callers], [b"x"] * 15)
        took = time.monotonic() - begun
        self.assertGreater(took, 1.5)
        self.assertLess(took, 15)
        self.assertFalse(xsvd.is_refused(("127.0.0.1", self.port)))
        self.assertEqual(daemon.state("echo"), "RUNNING")

    def test_deny_from_and_allow_from(self):
        self.start("allow_from = 127.0.0.0/8", "deny_from = 127.0.0.1, 127.0.1.0/24")
        self.assertEqual(echo(self.caller("127.0.0.1"), b"x"), b"")
        self.assertEqual(echo(self.caller("127.0.1.7"), b"x"), b"")
        self.assertEqual(echo(self.caller("127.0.0.2"), b"x"), b"x")

    def test_the_most_specific_rule_wins(self):
        self.start("allow_from = 127.0.0.0/8, 127.0.1.2", "deny_from = 127.0.1.0/24")
        self.assertEqual(echo(self.caller("127.0.1.2"), b"x"), b"x")
        self.assertEqual(echo(self.caller("127.0.1.3"), b"x"), b"")

    def test_a_caller_outside_the_allow_list_is_refused(self):
        self.start("allow_from = 127.0.0.5")
        self.assertEqual(echo(self.caller("127.0.0.1"), b"x"), b"")
        self.assertEqual(echo(self.caller("127.0.0.5"), b"x"), b"x")

    def test_unix_callers_are_judged_by_their_uid(self):
        daemon = self.daemon(f"""
            [program:mine]
            command = /bin/cat
            socket = unix:@DIR@/mine
            activation = per_connection
            allow_from = uid:{os.geteuid()}
            [program:notmine]
            command = /bin/cat
            socket = unix:@DIR@/notmine
            activation = per_connection
            deny_from = uid:{os.geteuid()}""")
        self.assertEqual(xsvd.talk(str(daemon.dir / "mine"), b"x"), b"x")
        self.assertEqual(xsvd.talk(str(daemon.dir / "notmine"), b"x"), b"")

    def test_access_hours(self):
        now = time.localtime()
        hour = (now.tm_hour + 2) % 24
        self.start(f"access_hours = {hour:02d}:00-{hour:02d}:30")
        self.assertEqual(echo(self.caller(), b"x", 1), b"")

    def test_a_flood_beyond_every_limit_leaves_the_service_usable(self):
        self.start("max_instances = 4", "max_rate = 200/1s")
        flood = [self.caller() for _ in range(200)]
        for s in flood:
            s.close()
        self.assertEqual(xsvd.talk(("127.0.0.1", self.port), b"after"), b"after")


class Environment(xsvd.TestCase):
    def environment(self, address):
        text = xsvd.talk(address).decode()
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def start(self):
        self.port, self.dual_port = xsvd.free_port(), xsvd.free_port()
        return self.daemon(f"""
            [program:env]
            command = /usr/bin/env
            socket = tcp:{self.port}, unix:@DIR@/env.sock
            activation = per_connection
            environment = FLAVOUR="plain"
            [program:dual]
            command = /usr/bin/env
            socket = tcp:{self.dual_port}
            socket_options = v6only=no
            activation = per_connection
            """, env={"LISTEN_FDS": "7", "LISTEN_PID": "1", "NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1"})

    def test_tcp4_and_tcp6_in_all_three_vocabularies(self):
        self.start()
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host), xsvd.connect((host, self.port)) as s:
                local_port = s.getsockname()[1]
                s.shutdown(socket.SHUT_WR)
                text = xsvd.read_all(s).decode()
                env = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
                self.assertEqual(env["REMOTE_ADDR"], host)
                self.assertEqual(env["REMOTE_PORT"], str(local_port))
                self.assertEqual(env["PROTO"], "TCP")
                self.assertEqual((env["TCPREMOTEIP"], env["TCPREMOTEPORT"]), (host, str(local_port)))
                self.assertEqual((env["TCPLOCALIP"], env["TCPLOCALPORT"]), (host, str(self.port)))
                self.assertEqual(env["FLAVOUR"], "plain")
                self.assertIn("PATH", env)
                self.assertNotIn("::ffff:", text)
                for name in ("LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC"):
                    self.assertNotIn(name, env)

    def test_one_socket_for_both_families(self):
        self.start()
        self.assertEqual(len(xsvd.listener_inodes(self.dual_port)), 1)
        for number, host in enumerate(("127.0.0.1", "::1")):
            env = self.environment((host, self.dual_port))
            self.assertEqual((env["REMOTE_ADDR"], env["TCPREMOTEIP"], env["TCPLOCALIP"], env["TCPLOCALPORT"]), (host, host, host, str(self.dual_port)))
            self.assertEqual(env["XSVD_CONNECTION"], str(number))

    def test_unix(self):
        daemon = self.start()
        env = self.environment(str(daemon.dir / "env.sock"))
        self.assertEqual(env["PROTO"], "IPC")
        self.assertEqual((env["IPCREMOTEEUID"], env["IPCREMOTEEGID"]), (str(os.geteuid()), str(os.getegid())))
        self.assertNotIn("TCPREMOTEIP", env)
        self.assertNotIn("REMOTE_PORT", env)


if __name__ == "__main__":
    xsvd.main()
