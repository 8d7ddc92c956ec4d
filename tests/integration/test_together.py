"""Checks 32 and 33 of what black boxes show: rsync, sshd and lighttpd serve without a pause while every process of ours but the
guardian is replaced by one of a new file, and then all ends at once."""
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import unittest
from pathlib import Path

import xsvd

PAGE = b"a page\n" * 5000


class Loop(threading.Thread):
    """Calls again and again until end(); what went wrong is in `failures`."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call, self.count, self.failures, self.enough = call, 0, [], threading.Event()
        self.start()

    def run(self):
        while not self.enough.is_set():
            try:
                self.call()
                self.count += 1
            except (AssertionError, OSError) as failure:
                self.failures.append(repr(failure))

    def end(self):
        self.enough.set()
        self.join(xsvd.PATIENCE)


@unittest.skipUnless(xsvd.is_root() and xsvd.have("sshd", "ssh", "ssh-keygen", "rsync", "lighttpd"), "needs root, OpenSSH, rsync and lighttpd")
class Together(xsvd.TestCase):
    def prepare(self):
        self.base, self.ports = self.folder(), {name: xsvd.free_port() for name in ("rsync", "ssh", "web")}
        self.base.chmod(0o755)   # our helpers run as somebody else, from there
        (self.base / "tree").mkdir()
        for number in range(20):
            (self.base / "tree" / f"file{number}").write_bytes(os.urandom(1000 * number))
        (self.base / "tree" / "page").write_bytes(PAGE)
        (self.base / "rsyncd.conf").write_text(f"use chroot = no\nlog file = {self.base}/log\nreverse lookup = no\n[tree]\npath = {self.base}/tree\nuid = 0\ngid = 0\n")
        (self.base / "lighttpd.conf").write_text(f'server.document-root = "{self.base}/tree"\nserver.errorlog = "{self.base}/errors"\nserver.bind = "{self.base}/web.sock"\n'
                                                 'server.systemd-socket-activation = "enable"\n')
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.base / name], check=True)
        (self.base / "authorized_keys").write_bytes((self.base / "user.pub").read_bytes())
        (self.base / "sshd_config").write_text(f"HostKey {self.base}/host\nAuthorizedKeysFile {self.base}/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\n"
                                               "PermitRootLogin prohibit-password\nUseDNS no\n")
        os.makedirs("/run/sshd", exist_ok=True)
        self.programs = self.base / "bin"
        self.programs.mkdir()
        self.install()
        return self.daemon(f"""
            [program:rsync]
            command = /usr/bin/rsync --daemon --config={self.base}/rsyncd.conf
            socket = tcp4:127.0.0.1:{self.ports['rsync']}
            activation = per_connection
            stopwaitsecs = 1
            [program:ssh]
            command = /usr/sbin/sshd -i -e -f {self.base}/sshd_config
            socket = tcp4:127.0.0.1:{self.ports['ssh']}
            activation = per_connection
            stopwaitsecs = 1
            [program:web]
            command = /usr/sbin/lighttpd -D -f {self.base}/lighttpd.conf
            socket = unix:{self.base}/web.sock
            startsecs = 0
            [program:steady]
            command = /bin/sleep 1000""", program=self.programs / "xsvd")

    def install(self):
        """Every program of ours anew, as a package's upgrade does it: each file is replaced by another one."""
        for file in (xsvd.BUILD / "bin").iterdir():
            if os.access(file, os.X_OK) and file.is_file():
                shutil.copy2(file, self.programs / "new")
                os.rename(self.programs / "new", self.programs / file.name)

    def fetch_page(self):
        if not xsvd.talk(f"{self.base}/web.sock", b"GET /page HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n" + PAGE):
            raise AssertionError("not the page")

    def fetch_tree(self):
        done = subprocess.run(["rsync", "-a", f"rsync://127.0.0.1:{self.ports['rsync']}/tree/", f"{self.base}/copy/"], capture_output=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        shutil.rmtree(self.base / "copy")

    def session(self):
        ssh = subprocess.Popen(["ssh", "-F", "none", "-i", self.base / "user", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                                "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-p", str(self.ports["ssh"]), f"{xsvd.user_name()}@127.0.0.1", "cat"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self.addCleanup(ssh.communicate)
        self.addCleanup(ssh.kill)
        return ssh

    def say(self, ssh, words):
        ssh.stdin.write(words)
        said = b""
        while len(said) < len(words) and (part := ssh.stdout.read(100)):
            said += part
        self.assertEqual(said, words)

    def replace(self, daemon):
        """Engine, scribe and web end, and are there again from the new files."""
        self.install()
        before = daemon.roles()
        for name in ("scribe", "web", "engine"):
            os.kill(before[name], signal.SIGKILL)

        def are_new():
            now = daemon.roles()
            with contextlib.suppress(OSError):   # one that is ending
                return all(now.get(name, before[name]) != before[name] and "(deleted)" not in os.readlink(f"/proc/{now[name]}/exe") for name in ("scribe", "web", "engine"))
            return False
        self.assertEventually(are_new, lambda: f"new processes from the new files: {daemon.roles()}")
        daemon.wait_until_ready()

    def test_an_upgrade_and_the_end(self):
        daemon = self.prepare()
        ssh, loops = self.session(), [Loop(self.fetch_page), Loop(self.fetch_tree)]
        try:
            self.say(ssh, b"before\n")
            before = {name: (daemon.info(name)["start"], daemon.wait_for_pid(name)) for name in ("web", "steady")}
            for words in (b"after one\n", b"after two\n"):
                seen = [loop.count for loop in loops]
                self.replace(daemon)
                self.say(ssh, words)
                self.assertEventually(lambda seen=seen: all(loop.failures or loop.count > n + 1 for loop, n in zip(loops, seen)), "everybody is served on")
                self.assertEqual([loop.failures for loop in loops], [[], []])
            self.assertEqual({name: (daemon.info(name)["start"], daemon.pid_of(name)) for name in before}, before)
        finally:
            for loop in loops:
                loop.end()
        self.assertEqual([loop.failures for loop in loops], [[], []])
        # TERM with a session open and a transfer under way: nobody is left, and the path is gone.
        transfer = subprocess.Popen(["rsync", "-a", "--bwlimit=10", f"rsync://127.0.0.1:{self.ports['rsync']}/tree/", f"{self.base}/copy/"], stderr=subprocess.DEVNULL)
        self.addCleanup(transfer.wait)
        xsvd.until(lambda: any("rsync --daemon" in p.title for p in xsvd.descendants(daemon.pid)), "the transfer runs")
        below = [p for p in xsvd.descendants(daemon.pid) if not p.title.startswith("xsvd")]
        daemon.stop()
        self.assertFalse(Path(f"{self.base}/web.sock").exists())
        self.assertEqual([p for p in below if p.is_there()], [])
        self.assertEqual(ssh.wait(xsvd.PATIENCE), 255)


if __name__ == "__main__":
    xsvd.main()
