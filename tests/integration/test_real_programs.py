"""Servers of the distribution, each with a client that checks what comes back, on every kind of socket they know."""
import filecmp
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest
from pathlib import Path

import xsvd

BRIDGE = f"/usr/bin/python3 {Path(__file__).resolve()} --bridge"


def bridge(path):
    """Between standard input and output and a unix socket, for clients that know only TCP."""
    with xsvd.connect(path) as s:
        s.settimeout(None)

        def upstream():
            while data := os.read(0, 65536):
                s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        threading.Thread(target=upstream, daemon=True).start()
        while data := s.recv(65536):
            os.write(1, data)


def run(*command, code=0, env=None, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=xsvd.PATIENCE, check=False,
                          env={**os.environ, "LC_ALL": "C", **(env or {})}, **options)
    if code is not None and done.returncode != code:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stdout!r} {done.stderr!r}")
    return done


def make_tree(folder):
    """A few hundred files of all sizes."""
    for number in range(200):
        path = folder / f"d{number % 7}" / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * number % 20_000))
    (folder / "large").write_bytes(os.urandom(3_000_000))
    return folder


def same_trees(one, two):
    compared = filecmp.dircmp(one, two)
    if compared.left_only or compared.right_only:
        return False
    equal, different, failed = filecmp.cmpfiles(one, two, compared.common_files, shallow=False)
    return not different and not failed and all(same_trees(one / d, two / d) for d in compared.common_dirs)


class Nobody(xsvd.TestCase):
    def assert_nothing_left(self, daemon):
        self.assertEventually(lambda: len(xsvd.descendants(daemon.pid)) == 3, lambda: f"only our own processes are left: {xsvd.descendants(daemon.pid)}")


@unittest.skipUnless(xsvd.have("git"), "needs git")
class Git(Nobody):
    def test_clone(self):
        folder = self.folder()
        work = make_tree(folder / "work")
        config = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
        run("git", *config, "init", "-q", work)
        run("git", *config, "-C", work, "add", ".")
        run("git", *config, "-C", work, "commit", "-q", "-m", "first")
        run("git", "clone", "-q", "--bare", work, folder / "repo.git")
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:git]
            command = /usr/bin/git daemon --inetd --export-all --base-path={folder}
            socket = tcp:{port}
            activation = per_connection
            max_instances = 50""")
        for host in ("127.0.0.1", "[::1]"):
            with self.subTest(host):
                target = folder / f"clone-{host.strip('[]').replace(':', '_')}"
                run("git", "clone", "-q", f"git://{host}:{port}/repo.git", target)
                run("git", "-C", target, "fsck", "--full")
                xsvd.shutil.rmtree(target / ".git")
                self.assertTrue(same_trees_without_git(work, target))
            self.assertIn(b"\trefs/heads/main\n", run("git", "ls-remote", f"git://{host}:{port}/repo.git").stdout)
        missing = run("git", "clone", "-q", f"git://127.0.0.1:{port}/none.git", folder / "none", code=None)
        self.assertNotEqual(missing.returncode, 0)
        self.assertIn(b"remote error", missing.stderr)
        self.assert_nothing_left(daemon)


def same_trees_without_git(work, clone):
    compared = filecmp.dircmp(work, clone, ignore=[".git"])
    return not compared.left_only and not compared.right_only and all(same_trees(work / d, clone / d) for d in compared.common_dirs)


@unittest.skipUnless(xsvd.have("rsync"), "needs rsync")
class Rsync(Nobody):
    def start(self):
        self.base = self.folder()
        self.source = make_tree(self.base / "source")
        (self.base / "rsyncd.conf").write_text(f"use chroot = no\nlog file = {self.base}/log\nreverse lookup = no\n[tree]\npath = {self.source}\n"
                                               + ("uid = 0\ngid = 0\n" if xsvd.is_root() else ""))
        self.port = xsvd.free_port()
        return self.daemon(f"""
            [program:rsync]
            command = /usr/bin/rsync --daemon --config={self.base}/rsyncd.conf
            socket = tcp:{self.port}
            activation = per_connection""")

    def test_transfer_and_compare(self):
        daemon = self.start()
        self.assertIn(b"tree", run("rsync", f"rsync://127.0.0.1:{self.port}/").stdout)
        for number, host in enumerate(("127.0.0.1", "[::1]")):
            with self.subTest(host):
                target = self.base / f"target{number}"
                run("rsync", "-a", f"rsync://{host}:{self.port}/tree/", f"{target}/")
                self.assertTrue(same_trees(self.source, target))
        self.assert_nothing_left(daemon)

    def test_twenty_at_once(self):
        daemon = self.start()
        clients = [subprocess.Popen(["rsync", "-a", f"rsync://127.0.0.1:{self.port}/tree/", f"{self.base}/t{n}/"]) for n in range(20)]
        self.assertEqual([c.wait(2 * xsvd.PATIENCE) for c in clients], [0] * 20)
        for number in range(20):
            self.assertTrue(same_trees(self.source, self.base / f"t{number}"))
        self.assertEventually(lambda: len(re.findall(r"rsync: 127\.0\.0\.1:\d+ served by pid \d+ .*exit status 0", daemon.read_log())) == 20, "a line for each connection")
        self.assert_nothing_left(daemon)


@unittest.skipUnless(xsvd.is_root() and xsvd.have("sshd", "ssh", "ssh-keygen"), "needs root and OpenSSH")
class Ssh(Nobody):
    def test_run_a_command_and_copy(self):
        base = self.folder()
        for name in ("host", "user"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", base / name)
        (base / "authorized_keys").write_bytes((base / "user.pub").read_bytes())
        (base / "sshd_config").write_text(f"HostKey {base}/host\nAuthorizedKeysFile {base}/authorized_keys\nStrictModes no\nUsePAM no\n"
                                          "PidFile none\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n")
        os.makedirs("/run/sshd", exist_ok=True)  # where sshd shuts its unprivileged half in
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:sshd]
            command = /usr/sbin/sshd -i -e -f {base}/sshd_config
            socket = tcp:{port}, unix:@DIR@/ssh.sock
            stderr_logfile = @DIR@/errors
            activation = per_connection""")
        ssh = ["ssh", "-F", "none", "-i", base / "user", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={base}/known", "-o", "LogLevel=ERROR",
               "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-p", str(port)]
        for target, more in (("127.0.0.1", []), ("::1", []), ("over-unix", ["-o", f"ProxyCommand={BRIDGE} {daemon.dir}/ssh.sock"])):
            with self.subTest(target):
                done = run(*ssh, *more, f"{xsvd.user_name()}@{target}", "echo out; echo err >&2; exit 7", code=7)
                self.assertEqual((done.stdout, done.stderr), (b"out\n", b"err\n"))
        data = os.urandom(20_000_000)
        (base / "data").write_bytes(data)
        done = run(*ssh, f"{xsvd.user_name()}@127.0.0.1", f"cat {base}/data")
        self.assertTrue(done.stdout == data, "what came back is what was sent")
        # The session ends with its client.
        client = subprocess.Popen([*ssh, f"{xsvd.user_name()}@127.0.0.1", "echo here; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(client.stdout.readline(), b"here\n")
        client.kill()
        client.communicate()
        self.assertEventually(lambda: b"Accepted publickey" in (daemon.dir / "errors").read_bytes(), "sshd's own words are in the log")
        self.assert_nothing_left(daemon)


def tftp_fetch(address, name, timeout=20):
    """A file by TFTP (octet mode)."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.sendto(b"\0\1" + name.encode() + b"\0octet\0", address)
        contents, wanted = b"", 1
        while True:
            packet, server = s.recvfrom(2048)
            kind, block = struct.unpack("!HH", packet[:4])
            if kind == 5:
                raise AssertionError(packet[4:])
            if kind == 3 and block == wanted:
                contents += packet[4:]
                wanted += 1
                s.sendto(b"\0\4" + packet[2:4], server)
                if len(packet) < 516:
                    return contents


@unittest.skipUnless(xsvd.is_root() and xsvd.have("in.tftpd"), "needs root and in.tftpd")
class Tftp(xsvd.TestCase):
    def start(self, family, host, command="/usr/sbin/in.tftpd"):
        self.base = self.folder()
        os.chmod(self.base, 0o755)
        self.contents = os.urandom(100_000)
        (self.base / "file").write_bytes(self.contents)
        self.address = (host, xsvd.free_port(socket.SOCK_DGRAM))
        literal = f"[{host}]" if ":" in host else host
        return self.daemon(f"""
            [program:tftp]
            command = {command} {family} -s {self.base} -u nobody -t 2
            socket = udp:{literal}:{self.address[1]}
            socket_pass = stdio_all
            startsecs = 0""")

    def test_fetch_again_after_it_ended_idle(self):
        for family, host in (("-4", "127.0.0.1"), ("-6", "::1")):
            with self.subTest(host):
                daemon = self.start(family, host)
                fetched = []
                threads = [threading.Thread(target=lambda: fetched.append(tftp_fetch(self.address, "file"))) for _ in range(2)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual([f == self.contents for f in fetched], [True, True])
                first = daemon.pid_of("tftp")
                xsvd.until(lambda: daemon.pid_of("tftp") == 0, "in.tftpd ends when idle")
                self.assertEqual(daemon.state("tftp"), "RUNNING")
                self.assertEqual(tftp_fetch(self.address, "file"), self.contents)
                self.assertNotEqual(daemon.pid_of("tftp"), first)

    def test_requests_sent_before_it_runs_are_all_answered(self):
        wrapper = self.folder() / "slow-tftpd"
        wrapper.write_text('#!/bin/sh\nsleep 0.5\nexec /usr/sbin/in.tftpd "$@"\n')
        wrapper.chmod(0o755)
        self.start("-4", "127.0.0.1", str(wrapper))
        results = []
        threads = [threading.Thread(target=lambda: results.append(tftp_fetch(self.address, "file"))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([r == self.contents for r in results], [True] * 4)


@unittest.skipUnless(xsvd.have("uuidd"), "needs uuidd")
class Uuidd(xsvd.TestCase):
    def ask(self, path):
        with xsvd.connect(path) as s:
            s.sendall(b"\3")  # a random one
            answer = xsvd.read_all(s)
        self.assertEqual(struct.unpack("=i", answer[:4]), (16,))
        return answer[4:20]

    def test_it_is_started_again_by_demand(self):
        daemon = self.daemon("""
            [program:uuidd]
            command = /usr/sbin/uuidd --socket-activation --no-fork --no-pid --timeout 2
            socket = unix:@DIR@/uuidd.sock
            socket_mode = 0666
            startsecs = 0""")
        path = str(daemon.dir / "uuidd.sock")
        inode = os.stat(path).st_ino
        self.assertEqual(len({self.ask(path) for _ in range(10)}), 10)
        first = daemon.wait_for_pid("uuidd")
        xsvd.until(lambda: daemon.pid_of("uuidd") == 0, "uuidd ends when idle")
        self.assertEqual(daemon.state("uuidd"), "RUNNING")
        self.ask(path)
        self.assertNotEqual(daemon.wait_for_pid("uuidd"), first)
        self.assertEqual(os.stat(path).st_ino, inode)


@unittest.skipUnless(xsvd.have("lighttpd"), "needs lighttpd")
class Lighttpd(xsvd.TestCase):
    def fetch(self, address):
        answer = xsvd.talk(address, b"GET /file HTTP/1.0\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.0 200"), head)
        return body

    def config(self, folder, bind, *more):
        (folder / "www").mkdir(exist_ok=True)
        self.contents = os.urandom(300_000)
        (folder / "www" / "file").write_bytes(self.contents)
        lines = [f'server.document-root = "{folder}/www"', f'server.errorlog = "{folder}/error.log"',
                 'server.systemd-socket-activation = "enable"', *bind, *more]
        (folder / "lighttpd.conf").write_text("\n".join(lines) + "\n")
        return folder / "lighttpd.conf"

    def test_socket_activation_on_tcp4_tcp6_and_unix(self):
        folder, port = self.folder(), xsvd.free_port()
        for name, endpoint, bind, address in (
                ("four", f"tcp4:127.0.0.1:{port}", ['server.bind = "127.0.0.1"', f"server.port = {port}"], ("127.0.0.1", port)),
                ("six", f"tcp6:[::1]:{port}", ['server.bind = "[::1]"', f"server.port = {port}"], ("::1", port)),
                ("unix", f"unix:{folder}/http.sock", [f'server.bind = "{folder}/http.sock"'], f"{folder}/http.sock")):
            with self.subTest(name):
                config = self.config(folder, bind)
                daemon = self.daemon(f"[program:{name}]\ncommand = /usr/sbin/lighttpd -D -f {config}\nsocket = {endpoint}\nstartsecs = 0\n")
                self.assertEqual(daemon.pid_of(name), 0)
                self.assertEqual(self.fetch(address), self.contents)
                first = daemon.wait_for_pid(name)
                os.kill(first, signal.SIGKILL)
                self.assertEqual(self.fetch(address), self.contents)
                self.assertNotEqual(daemon.wait_for_pid(name), first)
                daemon.stop()

    def test_idle_exit_is_no_failure(self):
        folder, port = self.folder(), xsvd.free_port()
        config = self.config(folder, ['server.bind = "127.0.0.1"', f"server.port = {port}"])
        daemon = self.daemon(f"[program:web]\ncommand = /usr/sbin/lighttpd -D -i 1 -f {config}\nsocket = tcp4:127.0.0.1:{port}\n")
        pids = set()
        for _ in range(3):
            self.assertEqual(self.fetch(("127.0.0.1", port)), self.contents)
            pids.add(daemon.wait_for_pid("web"))
            xsvd.until(lambda: daemon.pid_of("web") == 0, "lighttpd ends when idle")
            self.assertEqual(daemon.state("web"), "RUNNING")
        self.assertEqual(len(pids), 3)

    def test_one_process_per_connection(self):
        folder, port = self.folder(), xsvd.free_port()
        config = self.config(folder, [])
        config.write_text(config.read_text().replace('server.systemd-socket-activation = "enable"\n', ""))
        daemon = self.daemon(f"[program:web]\ncommand = /usr/sbin/lighttpd -1 -f {config}\nsocket = tcp4:127.0.0.1:{port}\n"
                             "activation = per_connection\n")
        answers = []
        threads = [threading.Thread(target=lambda: answers.extend(self.fetch(("127.0.0.1", port)) for _ in range(10))) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([a == self.contents for a in answers], [True] * 50)
        self.assertEventually(lambda: len(set(re.findall(r"web: 127\.0\.0\.1:\d+ served by pid (\d+)", daemon.read_log()))) == 50, "each by a process of its own")


@unittest.skipUnless(xsvd.have("redis-server"), "needs Redis")
class Redis(xsvd.TestCase):
    def ask(self, port, *words):
        request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
        with xsvd.connect(("127.0.0.1", port)) as s:
            s.sendall(request)
            return s.recv(1000)

    def ping(self, port):
        try:
            return self.ask(port, b"PING") == b"+PONG\r\n"
        except OSError:
            return False

    def test_always_on_killed_and_restarted(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"""
            [program:redis]
            command = /usr/bin/redis-server --port {port} --bind 127.0.0.1 --dir @DIR@ --appendonly yes --appendfsync always --save "" --daemonize no
            stdout_logfile = @DIR@/redis.log""")
        daemon.wait_for("redis", "RUNNING")
        xsvd.until(lambda: self.ping(port), "Redis answers")
        self.assertEqual(self.ask(port, b"SET", b"key", b"value"), b"+OK\r\n")
        for _ in range(2):
            pid = daemon.pid_of("redis")
            os.kill(pid, signal.SIGKILL)
            self.assertNotEqual(daemon.wait_for_pid("redis", other_than=pid), pid)
            xsvd.until(lambda: self.ping(port), "Redis answers again")
            self.assertEqual(self.ask(port, b"GET", b"key"), b"$5\r\nvalue\r\n")
        self.assertEqual(daemon.ctl("stop", "redis").code, 0)
        self.assertTrue(re.search("Redis is now ready to exit", (daemon.dir / "redis.log").read_text()))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--bridge":
        bridge(sys.argv[2])
    else:
        xsvd.main()
