"""Programs that take their sockets from systemd, started by xsvd for the first caller: systemd-socket-proxyd (behind an imported
pair of units), gunicorn and dbus-daemon. $XSV_SUPERVISOR/units/programs has the first two."""
import os
import signal
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
os.environ["XSV_BUILD"] = os.environ.get("XSV_BUILD", "").removesuffix("/bin") or str(Path(__file__).resolve().parents[2] / "build" / "dev")
import xsvd  # noqa: E402

PROGRAMS = Path(os.environ.get("XSV_SUPERVISOR", xsvd.BUILD / "supervisor")) / "units" / "programs"
PROXYD = PROGRAMS / "lib" / "systemd" / "systemd-socket-proxyd"
LIBRARIES = ":".join(map(str, PROGRAMS.glob("usr/lib/*/systemd")))


def proxyd_runs():
    """Its library needs a dozen others, which a machine without systemd may not have."""
    with open(os.devnull, "w", encoding="ascii") as nowhere:
        try:
            return subprocess.run([PROXYD, "--version"], env={"LD_LIBRARY_PATH": LIBRARIES}, stdout=nowhere, stderr=nowhere, check=False).returncode == 0
        except OSError:
            return False


def get(address, path="/"):
    """A page. The sending side stays open: systemd-socket-proxyd loses the answer to who ends it."""
    with xsvd.connect(address) as s:
        s.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        head, _, body = xsvd.read_all(s).partition(b"\r\n\r\n")
    if b" 200 " not in head.splitlines()[0] + b" ":
        raise AssertionError(f"no page: {head!r}")
    return body


@unittest.skipUnless(xsvd.have("lighttpd") and proxyd_runs(), "needs lighttpd, and the libraries of systemd-socket-proxyd")
class SocketProxyd(xsvd.TestCase):
    """Check 13: the three units that systemd's manual shows, in front of a server that knows nothing of sockets."""

    def test_it_serves_and_serves_again_when_it_was_killed(self):
        folder, front, behind = self.folder(), xsvd.free_port(), xsvd.free_port()
        (folder / "page").write_bytes(b"a page\n" * 10_000)
        (folder / "lighttpd.conf").write_text(f'server.document-root = "{folder}"\nserver.bind = "127.0.0.1"\nserver.port = {behind}\n', encoding="utf-8")
        (folder / "proxy.socket").write_text(f"[Socket]\nListenStream=127.0.0.1:{front}\n", encoding="utf-8")
        (folder / "proxy.service").write_text(
            f"[Unit]\nRequires=web.service\nAfter=web.service\nRequires=proxy.socket\nAfter=proxy.socket\n"
            f"[Service]\nEnvironment=LD_LIBRARY_PATH={LIBRARIES}\nExecStart={PROXYD} 127.0.0.1:{behind}\nPrivateNetwork=no\n", encoding="utf-8")
        (folder / "web.service").write_text(f"[Service]\nExecStart=/usr/sbin/lighttpd -D -f {folder}/lighttpd.conf\n", encoding="utf-8")
        daemon = self.daemon(f"[include]\nsystemd = {folder}/*.socket {folder}/web.service\n")
        xsvd.until(lambda: xsvd.listener_inode(behind), "lighttpd listens")
        self.assertEqual(daemon.pid_of("proxy"), 0)
        self.assertEqual(get(("127.0.0.1", front), "/page"), b"a page\n" * 10_000)
        first = daemon.wait_for_pid("proxy")
        self.assertIn(b"systemd-socket-proxyd", Path(f"/proc/{first}/cmdline").read_bytes())
        os.kill(first, signal.SIGKILL)
        self.assertEqual(get(("127.0.0.1", front), "/page"), b"a page\n" * 10_000)
        self.assertNotEqual(daemon.wait_for_pid("proxy", other_than=first), first)
        check = daemon.ctl("check", str(daemon.config)).out
        self.assertIn("After: starts after web (priority), but neither waits until the other is ready", check)


@unittest.skipUnless((PROGRAMS / "usr/lib/python3/dist-packages/gunicorn").exists(), "needs gunicorn")
class Gunicorn(xsvd.TestCase):
    """Check 9: two endpoints; reloaded by its own means and restarted by ours, while callers come without a pause."""

    def test_no_request_fails(self):
        folder, port = self.folder(), xsvd.free_port()
        (folder / "app.py").write_text("import os\ndef app(environ, start_response):\n    start_response('200 OK', [])\n"
                                       "    return [b'%d %d' % (os.getppid(), os.getpid())]\n", encoding="utf-8")
        daemon = self.daemon(f"""
            [program:web]
            command = /usr/bin/python3 -B -m gunicorn --chdir {folder} app:app
            environment = PYTHONPATH="{PROGRAMS}/usr/lib/python3/dist-packages"
            socket = tcp:127.0.0.1:{port}, unix:{folder}/web.sock
            stderr_logfile = {folder}/errors
            startsecs = 0""")
        addresses = [("127.0.0.1", port), f"{folder}/web.sock"]
        answers, failures, enough = [], [], threading.Event()

        def call(address):
            while not enough.is_set():
                try:
                    answers.append(tuple(map(int, get(address).split())))
                except (OSError, AssertionError, IndexError) as failure:
                    failures.append((address, repr(failure)))
        threads = [threading.Thread(target=call, args=(address,)) for address in addresses]
        for thread in threads:
            thread.start()
        try:
            xsvd.until(lambda: answers or failures, "somebody is served")
            first = answers[-1] if answers else None
            daemon.ctl("signal", "HUP", "web", check=True)
            xsvd.until(lambda: failures or any(answer[1] != first[1] for answer in answers[-20:]), "HUP: another worker of the same program answers")
            self.assertEqual((failures, {answer[0] for answer in answers}), ([], {first[0]}))
            daemon.ctl("restart", "web", check=True)
            xsvd.until(lambda: failures or any(answer[0] != first[0] for answer in answers[-20:]), "another program answers")
        finally:
            enough.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.assertIn(daemon.pid_of("web"), {answer[0] for answer in answers})
        for address in addresses:
            self.assertEqual(get(address).split()[0], b"%d" % daemon.pid_of("web"))


@unittest.skipUnless(xsvd.have("dbus-daemon", "dbus-send"), "needs dbus-daemon and dbus-send")
class DBus(xsvd.TestCase):
    """Check 11."""

    def names(self, path):
        done = subprocess.run(["dbus-send", f"--bus=unix:path={path}", "--dest=org.freedesktop.DBus", "--print-reply", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus.ListNames"], capture_output=True, text=True, timeout=xsvd.PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_clients_who_connect_while_it_is_down_are_served(self):
        folder = self.folder()
        (folder / "bus.conf").write_text('<busconfig><type>session</type><listen>systemd:</listen><auth>EXTERNAL</auth><policy context="default"><allow send_destination="*"/>'
                                         '<allow receive_sender="*"/><allow own="*"/></policy></busconfig>', encoding="utf-8")
        daemon = self.daemon(f"""
            [program:bus]
            command = dbus-daemon --config-file={folder}/bus.conf --nofork --nopidfile
            socket = unix:{folder}/bus.sock
            startsecs = 0""")
        pids = set()
        for _ in range(2):
            self.assertEqual(daemon.pid_of("bus"), 0)
            self.assertIn('"org.freedesktop.DBus"', self.names(f"{folder}/bus.sock"))
            pids.add(daemon.wait_for_pid("bus"))
            os.kill(daemon.pid_of("bus"), signal.SIGTERM)
            xsvd.until(lambda: daemon.pid_of("bus") == 0, "it has ended")
        self.assertEqual(len(pids), 2)


if __name__ == "__main__":
    unittest.main()
