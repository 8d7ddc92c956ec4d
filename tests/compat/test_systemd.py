"""Units of Debian's packages, served by their own programs; systemd's library as a client; systemd-socket-activate as a parent
and as a peer. $XSV_SUPERVISOR/units has the units."""
import json
import os
import re
import signal
import shutil
import socket
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
os.environ["XSV_BUILD"] = os.environ.get("XSV_BUILD", "").removesuffix("/bin") or str(Path(__file__).resolve().parents[2] / "build" / "dev")
import test_real_programs  # noqa: E402
import xsvd  # noqa: E402

UNITS = Path(os.environ.get("XSV_SUPERVISOR", xsvd.BUILD / "supervisor")) / "units"
NAMES = f"/usr/bin/python3 -I -S {Path(__file__).resolve().parent / 'sd_names.py'}"
ACTIVATE = shutil.which("systemd-socket-activate")


class Units(xsvd.TestCase):
    """The units as they are shipped; drop-ins move them to free ports and a temporary folder."""

    def units(self, *names, **drop_ins):
        folder = self.folder()
        for name in names:
            shutil.copy(UNITS / name, folder)
        for name, lines in drop_ins.items():
            self.unit(folder / f"{name.replace('_', '.')}.d" / "test.conf", lines)
        return folder

    def unit(self, path, lines):
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(lines), encoding="utf-8")

    def start(self, folder, config="", **options):
        return self.daemon(f"[include]\nsystemd = {folder}/*.socket\nimport_unsafe = yes\n{config}", **options)

    def test_every_unit_is_taken_or_refused_with_a_reason(self):
        done = subprocess.run([xsvd.XSVCTL, "import", "--from=systemd", *UNITS.glob("*.socket"), *UNITS.glob("*.service")],
                              capture_output=True, text=True, check=False)
        sections = re.findall(r"^(;? ?)\[program:(.*)\]$", done.stdout, re.MULTILINE)
        wanted = {path.stem for path in UNITS.glob("*.socket")}
        self.assertEqual({name for _, name in sections} & wanted, wanted)
        for refused in (name for mark, name in sections if mark):
            self.assertIn("not carried over", done.stdout[:done.stdout.index(f"; [program:{refused}]")], refused)
        self.assertNotIn("unknown directive", done.stdout)

    @unittest.skipUnless(xsvd.have("uuidd"), "needs uuidd")
    def test_uuidd(self):
        folder = self.units("uuidd.socket", "uuidd.service")
        path = str(folder / "request")
        self.unit(folder / "uuidd.socket.d" / "test.conf", f"[Socket]\nListenStream=\nListenStream={path}\n")
        self.unit(folder / "uuidd.service.d" / "test.conf", "[Service]\nUser=\nGroup=\nExecStart=\nExecStart=/usr/sbin/uuidd --socket-activation --no-pid --timeout 1\n")
        daemon = self.start(folder)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o666)
        self.assertEqual(daemon.state("uuidd"), "RUNNING")
        self.assertEqual(daemon.pid_of("uuidd"), 0)
        self.assertEqual(len(test_real_programs.Uuidd.ask(self, path)), 16)
        first = daemon.wait_for_pid("uuidd")
        xsvd.until(lambda: daemon.pid_of("uuidd") == 0, "uuidd ends when idle")
        test_real_programs.Uuidd.ask(self, path)
        self.assertNotEqual(daemon.wait_for_pid("uuidd"), first)

    @unittest.skipUnless(xsvd.have("in.tftpd"), "needs in.tftpd")
    def test_tftp(self):
        folder, port = self.units("atftpd.socket", "atftpd.service"), xsvd.free_port(socket.SOCK_DGRAM)
        os.chmod(folder, 0o755)
        (folder / "file").write_bytes(b"contents" * 1000)
        (folder / "defaults").write_text(f'OPTIONS="-4 -s {folder} -u nobody -t 1"\n', encoding="utf-8")
        self.unit(folder / "atftpd.socket.d" / "test.conf", f"[Socket]\nListenDatagram=\nListenDatagram=127.0.0.1:{port}\n")
        self.unit(folder / "atftpd.service.d" / "test.conf", f"[Service]\nEnvironmentFile=\nEnvironmentFile={folder}/defaults\n")
        self.start(folder)
        self.assertEqual(test_real_programs.tftp_fetch(("127.0.0.1", port), "file"), b"contents" * 1000)

    @unittest.skipUnless(xsvd.have("sshd") and xsvd.have("ssh-keygen"), "needs sshd")
    def test_sshd_per_connection(self):
        folder, port = self.units("tinysshd.socket", "tinysshd@.service"), xsvd.free_port()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        shutil.copy(folder / "key.pub", folder / "authorized")
        (folder / "sshd_config").write_text(f"HostKey {folder}/key\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPidFile none\n", encoding="utf-8")
        Path("/run/sshd").mkdir(exist_ok=True)
        self.unit(folder / "tinysshd.socket.d" / "test.conf", f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")
        self.unit(folder / "tinysshd@.service.d" / "test.conf", f"[Service]\nExecStartPre=\nExecStart=\nExecStart=-/usr/sbin/sshd -i -e -f {folder}/sshd_config\n")
        self.start(folder)
        answer = subprocess.run(["ssh", "-F", "none", "-i", folder / "key", "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
                                 "127.0.0.1", "echo $((6*7)); exit 3"], capture_output=True, text=True, timeout=xsvd.PATIENCE, check=False)
        self.assertEqual((answer.returncode, answer.stdout), (3, "42\n"), answer.stderr)

    @unittest.skipUnless(xsvd.have("sshd") and xsvd.have("ssh-keygen"), "needs sshd")
    def test_sshd_as_a_service(self):
        """Type=notify, ExecStartPre=, ExecReload=, variables of a file, a reload by two commands."""
        folder, port = self.units("ssh.service"), xsvd.free_port()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        (folder / "config").write_text(f"HostKey {folder}/key\nPort {port}\nListenAddress 127.0.0.1\nUsePAM no\nPidFile none\n", encoding="utf-8")
        (folder / "defaults").write_text(f"SSHD_OPTS=-f {folder}/config\n", encoding="utf-8")
        Path("/run/sshd").mkdir(exist_ok=True)
        self.unit(folder / "ssh.service.d" / "test.conf", f"""
            [Unit]
            ConditionPathExists=
            [Service]
            EnvironmentFile=
            EnvironmentFile={folder}/defaults
            RuntimeDirectory=
            ExecStartPre=
            ExecStartPre=/usr/sbin/sshd -t $SSHD_OPTS
            ExecReload=
            ExecReload=/usr/sbin/sshd -t $SSHD_OPTS
            ExecReload=/bin/kill -HUP $MAINPID
            """)
        daemon = self.daemon(f"[include]\nsystemd = {folder}/ssh.service\n")
        daemon.wait_for("ssh", "RUNNING")
        pid = daemon.pid_of("ssh")
        with xsvd.connect(("127.0.0.1", port)) as s:
            self.assertTrue(s.recv(100).startswith(b"SSH-2.0-"))
        # sshd answers SIGHUP by executing itself, with the same pid.
        (folder / "config").write_text(f"HostKey {folder}/key\nPort {port}\nListenAddress 127.0.0.1\nUsePAM no\nPidFile {folder}/again\n", encoding="utf-8")
        daemon.ctl("refresh", "ssh", check=True)
        xsvd.until((folder / "again").exists, "sshd has read its configuration anew")
        self.assertEqual(daemon.pid_of("ssh"), pid)

    def test_the_library_finds_its_sockets_and_their_names(self):
        folder, one, two = self.folder(), xsvd.free_port(), xsvd.free_port()
        self.unit(folder / "a.socket", f"[Socket]\nListenStream=127.0.0.1:{one}\nFileDescriptorName=web\nService=x.service\n")
        self.unit(folder / "b.socket", f"[Socket]\nListenStream={folder}/s\nListenStream=127.0.0.1:{two}\nSocketMode=0620\nService=x.service\n")
        self.unit(folder / "x.service", f"[Service]\nExecStart={NAMES} {folder}/names\n")
        self.start(folder)
        self.assertEqual(xsvd.talk(("127.0.0.1", one)), b"served\n")
        self.assertEqual(os.stat(folder / "s").st_mode & 0o777, 0o620)
        self.assertEqual((folder / "names").read_text(encoding="utf-8"), "3 web 1\n4 b.socket 1\n5 b.socket 1\n")

    def test_the_instance_of_a_connection(self):
        folder, port = self.folder(), xsvd.free_port()
        self.unit(folder / "x.socket", f"[Socket]\nListenStream={port}\nListenStream={folder}/s\nAccept=yes\n")
        self.unit(folder / "x@.service", "[Service]\nExecStart=/bin/echo %i %p $REMOTE_ADDR\nStandardInput=socket\nStandardError=journal\n"
                                         f"ExecStartPre=/bin/sh -c 'echo before; echo \"$$0\" >> {folder}/before' %i\n")
        daemon = self.start(folder)
        said = []
        for number, host in enumerate(("127.0.0.1", "::1", "127.0.0.1")):
            with xsvd.connect((host, port)) as s:
                said.append(f"{number}-{host}:{port}-{host}:{s.getsockname()[1]}")
                self.assertEqual(xsvd.read_all(s).decode(), f"{said[-1]} x {host}\n")
            if number == 1:   # the next engine goes on counting
                engine = daemon.engine()
                os.kill(engine, signal.SIGKILL)
                daemon.wait_for_engine(other_than=engine)
        said.append(f"3-{os.getpid()}-{os.getuid()}")
        self.assertEqual(xsvd.talk(f"{folder}/s").decode(), f"{said[-1]} x\n")
        self.assertEqual((folder / "before").read_text(encoding="utf-8").split(), said)

    def test_both_families(self):
        """ListenStream=PORT, and with BindIPv6Only=both one socket for them."""
        folder, each, one = self.folder(), xsvd.free_port(), xsvd.free_port()
        self.unit(folder / "each.socket", f"[Socket]\nListenStream={each}\nAccept=yes\n")
        self.unit(folder / "one.socket", f"[Socket]\nListenStream={one}\nBindIPv6Only=both\nAccept=yes\n")
        for name in ("each", "one"):
            self.unit(folder / f"{name}@.service", "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n")
        self.start(folder)
        for port, sockets in ((each, 2), (one, 1)):
            self.assertEqual(len(xsvd.listener_inodes(port)), sockets)
            for host in ("127.0.0.1", "::1"):
                self.assertEqual(xsvd.talk((host, port), b"hello"), b"hello")


@unittest.skipUnless(ACTIVATE, "needs systemd-socket-activate")
class SocketActivate(xsvd.TestCase):
    def serve(self, endpoint, port, *options):
        """xsvd itself is started by its first caller, with the socket."""
        probe = []

        def open_door(daemon):
            probe.append(daemon)
        daemon = self.daemon(f"""
            [program:x]
            command = {xsvd.PROGRAM} serve
            socket = {endpoint}""", wrapper=(ACTIVATE, "-l", f"127.0.0.1:{port}", *options), wait=False, before=open_door)
        xsvd.until(lambda: xsvd.listener_inode(port), "systemd-socket-activate listens")
        return daemon

    def check(self, endpoint, port, *options):
        daemon = self.serve(endpoint, port, *options)
        inode = xsvd.listener_inode(port)
        with xsvd.connect(("127.0.0.1", port)) as s:
            s.sendall(b"one\n")
            first = s.recv(100).split()
        daemon.wait_until_ready()
        self.assertEqual(xsvd.listener_inodes(port), [inode])
        self.assertEqual(int(first[0]), daemon.pid_of("x"))
        # It outlives the program, and whoever holds it for the program.
        daemon.ctl("stop", "x", check=True)
        self.assertEqual(xsvd.listener_inodes(port), [inode])
        daemon.ctl("start", "x", check=True)
        os.kill(daemon.engine(), signal.SIGKILL)
        with xsvd.connect(("127.0.0.1", port)) as s:
            s.sendall(b"two\n")
            second = s.recv(100).split()
        self.assertEqual((second[1:], xsvd.listener_inodes(port)), (first[1:-1] + [b"two"], [inode]))
        self.assertNotEqual(first[0], second[0])

    def test_a_received_socket_serves_by_its_name(self):
        self.check("inherited:web", xsvd.free_port(), "--fdname=web")

    def test_a_received_socket_serves_its_address(self):
        port = xsvd.free_port()
        self.check(f"tcp:127.0.0.1:{port}", port)

    def test_a_program_finds_what_systemd_gives_it(self):
        """The same program, started by the first caller: descriptors and variables are the same."""
        seen = {}
        for who in ("systemd", "xsvd"):
            port, folder = xsvd.free_port(), self.folder()
            if who == "systemd":
                process = subprocess.Popen([ACTIVATE, "-l", f"127.0.0.1:{port}", "--fdname=web", *xsvd.PROGRAM.split(), "look", folder / "seen"],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
                self.addCleanup(process.wait)
            else:
                (folder / "x.socket").write_text(f"[Socket]\nListenStream=127.0.0.1:{port}\nFileDescriptorName=web\n", encoding="utf-8")
                (folder / "x.service").write_text(f"[Service]\nExecStart={xsvd.PROGRAM} look {folder}/seen\nStandardOutput=null\n", encoding="utf-8")
                self.daemon(f"[include]\nsystemd = {folder}/x.socket\n")
            xsvd.until(lambda: xsvd.listener_inode(port), "the port is open")
            xsvd.connect(("127.0.0.1", port)).close()
            xsvd.until((folder / "seen").exists, "the program has looked")
            seen[who] = json.loads((folder / "seen").read_text(encoding="utf-8"))
        listen = {who: {name: value for name, value in look["env"].items() if name in ("LISTEN_FDS", "LISTEN_FDNAMES")} for who, look in seen.items()}
        self.assertEqual(listen["xsvd"], listen["systemd"])
        self.assertEqual(seen["xsvd"]["fds"]["3"], seen["systemd"]["fds"]["3"])
        for look in seen.values():
            self.assertEqual(look["env"]["LISTEN_PID"], str(look["pid"]))
            self.assertEqual(look["blocked"], 0)
            self.assertFalse(look["nonblock"]["3"])
        # The service manager's own list, which systemd-socket-activate does not make.
        self.assertEqual(seen["xsvd"]["env"]["PATH"], "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        self.assertEqual((seen["xsvd"]["cwd"], seen["xsvd"]["umask"]), ("/", 0o22))


if __name__ == "__main__":
    unittest.main()
