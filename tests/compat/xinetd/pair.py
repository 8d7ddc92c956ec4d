"""xinetd and xsvd on the same files, side by side, each with ports of its own.

Environment: XSV_BUILD, the build folder; XSV_XINETD, the folder Debian's package was unpacked to.
"""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "integration"))

import xsvd  # noqa: E402

XINETD = Path(os.environ.get("XSV_XINETD", xsvd.BUILD / "xinetd"))
PYTHON = "/usr/bin/python3"

# What both daemons find in their own environment, and what xinetd needs to run unpacked.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C", "COLOR": "blue", "LONG": "x" * 300, "EMPTY": "",
               "LD_LIBRARY_PATH": ":".join(str(XINETD / folder) for folder in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"))}


# xinetd tries a port ten times in ten seconds, so these lie below those that the kernel gives to callers.
_ports = iter(random.sample(range(10_000, 32_000), 20_000))


def free_port():
    """Nobody uses it, for streams and datagrams of both families."""
    for port in _ports:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for family, host in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    s = stack.enter_context(socket.socket(family, kind))
                    if family == socket.AF_INET6:
                        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    s.bind((host, port))
            return port
    raise RuntimeError("no free port")


class Xinetd:
    def __init__(self, folder, config, wrapper=()):
        self.log, self.folder = folder / "log", folder
        self.process = subprocess.Popen(
            [*wrapper, str(XINETD / "usr/sbin/xinetd"), "-dontfork", "-stayalive", "-filelog", str(self.log), "-pidfile", str(folder / "pid"), "-f", str(config)],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True)

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self):
        xsvd.until(lambda: "Started working" in self.said(), lambda: "xinetd should start:\n" + self.said())

    def stop(self):
        # Its servers outlive it.
        left = xsvd.descendants(self.process.pid)
        self.process.terminate()
        self.process.wait(xsvd.PATIENCE)
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


class Pair:
    """`files` are templates: {"main": text, "d/name": text}; @DIR@ is the folder, @port(NAME)@ a port of each daemon's own.

    `allow` and `deny` are what both daemons find in /etc/hosts.allow and /etc/hosts.deny."""

    def __init__(self, files, allow="", deny=""):
        self.folder = Path(tempfile.mkdtemp(prefix="xsv-xinetd-"))
        self.folder.chmod(0o755)
        shutil.copy(HERE / "probe.py", self.folder)   # where every user can read it
        self.ports = {"xinetd": {}, "xsvd": {}}
        for daemon in self.ports:
            for name, text in files.items():
                path = self.folder / daemon / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._filled(daemon, text))
        wrapper = []
        if allow or deny:
            (self.folder / "allow").write_text(allow)
            (self.folder / "deny").write_text(deny)
            mounts = "".join(f"mount --bind {self.folder}/{name} /etc/hosts.{name} && " for name in ("allow", "deny"))
            wrapper = ["/usr/bin/unshare", "-m", "/bin/sh", "-c", mounts + 'exec "$0" "$@"']
        self.xinetd = Xinetd(self.folder / "xinetd", self.folder / "xinetd" / "main", wrapper)
        self.daemon = xsvd.Daemon(f"[include]\nxinetd = {self.folder}/xsvd/main\n", env=ENVIRONMENT, before=lambda daemon: daemon.dir.chmod(0o755),
                                  wrapper=[*wrapper, "/usr/bin/env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items())])
        self.xinetd.wait()

    def _filled(self, daemon, text):
        text = text.replace("@DIR@", str(self.folder / daemon)).replace("@PYTHON@", PYTHON).replace("@PROBE@", f"-I -S {self.folder}/probe.py")
        parts = text.split("@port(")
        for i, part in enumerate(parts[1:], 1):
            name, _, rest = part.partition(")@")
            parts[i] = f"{self.port(daemon, name)}{rest}"
        return "".join(parts)

    def port(self, daemon, name):
        if name not in self.ports[daemon]:
            self.ports[daemon][name] = free_port()
        return self.ports[daemon][name]

    def log_lines(self, daemon, name):
        """Sorted, without what each line has of its own: an end and the next beginning may overtake each other."""
        path = self.folder / daemon / name
        lines = path.read_text().splitlines() if path.exists() else []
        return sorted(re.sub(r"pid=\d+", "pid=N", re.sub(r"^\d\d/\d+/\d+@\d\d:\d\d:\d\d: ", "TIME: ", line)) for line in lines)

    def stop(self):
        try:
            self.xinetd.stop()
            self.daemon.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def enter_own_network():
    """Runs this program anew in a network with nothing but lo, where that can be: a port that neither daemon is to open might
    be somebody else's otherwise."""
    wrapper = ["/usr/bin/unshare", "-n", "/bin/sh", "-c", 'ip link set lo up && exec "$0" "$@"']
    if "XSV_INSIDE" in os.environ or subprocess.run([*wrapper, "/bin/true"], capture_output=True, check=False).returncode != 0:
        return
    os.environ["XSV_INSIDE"] = "yes"
    os.execv(wrapper[0], [*wrapper, sys.executable, "-B", *sys.argv])


def can_have_own_files():
    """Whether a process may have an /etc/hosts.allow of its own."""
    return all(os.path.exists(f"/etc/hosts.{name}") for name in ("allow", "deny")) and subprocess.run(
        ["/usr/bin/unshare", "-m", "/bin/sh", "-c", "mount --bind /etc/hosts.deny /etc/hosts.allow"], capture_output=True, check=False).returncode == 0


def ask(port, request=b"", source=None, host="127.0.0.1"):
    """What a caller reads until the end; None: nobody listens."""
    try:
        with socket.create_connection((host, port), xsvd.PATIENCE, source_address=(source, 0) if source else None) as s:
            with contextlib.suppress(OSError):
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
            return xsvd.read_all(s)
    except ConnectionRefusedError:
        return None


def ask_datagram(port, request=b"x", host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(xsvd.PATIENCE)
        s.connect((host, port))
        s.send(request)
        return s.recv(65536)


def facts(answer):
    """What probe.py said, and the text of stderr before it."""
    start = answer.index(b"{")
    return answer[:start], json.loads(answer[start:])
