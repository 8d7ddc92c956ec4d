"""Names of hosts in allow_from and deny_from: the daemon has an /etc/hosts of its own, which changes under it."""
import os
import re
import signal
import subprocess
import unittest

import xsvd

MOUNT = 'set -e; for name in hosts nsswitch.conf resolv.conf; do mount --bind "$1/$name" "/etc/$name"; done; shift; exec "$@"'


def may_mount():
    return xsvd.is_root() and xsvd.have("unshare", "mount") and subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount --bind /etc/passwd /etc/hosts"], stderr=subprocess.DEVNULL, check=False).returncode == 0


@unittest.skipUnless(may_mount(), "needs root and mount namespaces")
class HostNames(xsvd.TestCase):
    def setUp(self):
        self.etc, self.hosts = self.folder(), {}
        self.etc.chmod(0o755)
        (self.etc / "nsswitch.conf").write_text("hosts: files\npasswd: files\ngroup: files\n", encoding="ascii")
        (self.etc / "resolv.conf").write_text("nameserver 127.9.9.9\noptions timeout:1 attempts:1\n", encoding="ascii")   # nobody
        (self.etc / "hosts").write_bytes(b"")
        self.mean(friend="192.0.2.1", other="192.0.2.1")

    def mean(self, **hosts):
        """NAME.test has these addresses; "": none."""
        self.hosts.update(hosts)
        lines = "".join(f"{address} {name}.test\n" for name, addresses in self.hosts.items() for address in addresses.split())
        # In one piece and of one length: nobody reads half of it.
        with open(self.etc / "hosts", "r+b", buffering=0) as file:
            file.write(lines.encode().ljust(400, b"\n"))

    def start(self, programs, refresh="100ms"):
        return self.daemon(programs, supervisord=f"names_refresh = {refresh}", wrapper=("unshare", "-m", "sh", "-c", MOUNT, "sh", str(self.etc)))

    def test_other_addresses_count_for_both_kinds_of_program_and_nothing_is_restarted(self):
        port, queue = xsvd.free_port(), xsvd.free_port()
        daemon = self.start(f"""
            [program:cat]
            command = /bin/cat
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            allow_from = 192.0.2.0/24, friend.test
            [program:web]
            command = {xsvd.PROGRAM} serve
            socket = tcp4:127.0.0.1:{queue}
            activation = always
            startsecs = 0
            deny_from = 127.0.0.3, other.test""")
        pid = daemon.wait_for_pid("web")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"")
        xsvd.connect(("127.0.0.1", queue)).close()
        self.mean(friend="127.0.0.1 ::1", other="127.0.0.1")
        self.assertEventually(lambda: xsvd.talk(("127.0.0.1", port), b"hello") == b"hello", "the caller is let in under his new address")
        daemon.wait_for_log("the host name 'friend.test' means 127.0.0.1, ::1 now")
        daemon.wait_for_log("the host name 'other.test' means 127.0.0.1 now")
        with self.assertRaises(TimeoutError):   # the kernel drops his packets
            xsvd.connect(("127.0.0.1", queue), timeout=0.3)
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello", source="127.0.0.2"), b"")
        self.assertEqual(daemon.pid_of("web"), pid)
        engine = daemon.engine()
        os.kill(engine, signal.SIGKILL)
        daemon.wait_for_engine(other_than=engine)
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"hello")
        self.mean(other="192.0.2.1")
        self.assertEventually(lambda: self.comes_in(queue), "the caller is no longer denied")
        self.assertEqual(daemon.pid_of("web"), pid)

    @staticmethod
    def comes_in(port):
        try:
            xsvd.connect(("127.0.0.1", port), timeout=0.3).close()
        except TimeoutError:
            return False
        return True

    def test_a_name_that_nobody_knows_any_more_keeps_its_addresses(self):
        port = xsvd.free_port()
        self.mean(friend="127.0.0.1")
        text = f"""
            [program:cat]
            command = /bin/cat
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            allow_from = friend.test, other.test"""
        daemon = self.start(text)
        self.mean(friend="")
        daemon.wait_for_log("the host name 'friend.test' has no address .*; its last addresses stay: 127.0.0.1")
        for address in ("192.0.2.2", "192.0.2.3"):   # two rounds later
            self.mean(other=address)
            daemon.wait_for_log(f"'other.test' means {address} now")
        self.assertEqual(len(re.findall("friend.test", daemon.read_log())), 1)
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"hello")
        # A reload does not throw him out either, not even one of another engine.
        engine = daemon.engine()
        os.kill(engine, signal.SIGKILL)
        daemon.wait_for_engine(other_than=engine)
        daemon.wait_until_ready()
        daemon.reload(text.replace("/bin/cat", "/bin/cat -u"))
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"hello")
        self.mean(friend="127.0.0.2")
        daemon.wait_for_log("'friend.test' means 127.0.0.2 now")

    def test_nobody_comes_in_until_the_name_servers_answer(self):
        port = xsvd.free_port()
        (self.etc / "nsswitch.conf").write_text("hosts: files dns\npasswd: files\ngroup: files\n", encoding="ascii")
        daemon = self.start(f"""
            [program:cat]
            command = /bin/cat
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            allow_from = late.test""")
        self.assertRegex(daemon.read_log(), "allow_from: .*'late.test'.*; nobody comes in under this name until it is known")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"")
        self.mean(late="127.0.0.1")
        daemon.wait_for_log("the host name 'late.test' means 127.0.0.1 now")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"hello")

    def test_a_name_that_was_never_known_is_a_mistake(self):
        daemon = self.start("""
            [program:cat]
            command = /bin/cat
            socket = tcp4:127.0.0.1:9
            activation = per_connection
            allow_from = nobody.test""")
        self.assertIn("allow_from: the host name 'nobody.test' has no address", daemon.read_log())
        self.assertEqual(daemon.state("cat"), "FATAL")


if __name__ == "__main__":
    xsvd.main()
