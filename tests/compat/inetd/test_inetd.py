"""One inetd.conf, three daemons: Debian's openbsd-inetd, GNU inetutils' inetd, and ours. A client asks each of them the same and
compares every answer to the byte. What differs and is meant to differ stands in MEANT, with the reason; an entry there that no
longer differs fails as well."""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))
import xsvd  # noqa: E402

INETDS = Path(os.environ["XSV_INETDS"])
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "COLOR": "blue", "HOME": "/nowhere", "LANG": "C"}
HAS_BUILTIN = (xsvd.BUILD / "bin" / "xsvd-builtin").exists()

PROBE = r"""
echo "arguments: $0 $# $*"
echo "folder: $(pwd)"
echo "umask: $(umask)"
echo "identity: $(id -u) $(id -g) $(id -G)"
read -r _ _ _ _ _ session _ < /proc/$$/stat
echo "leads its session: $([ "$session" = $$ ] && echo yes || echo no)"
grep -E '^Sig(Ign|Blk)' /proc/$$/status | tr '\t\n' '  ' | sed 's/ *$/\n/;s/^/signals: /'
echo "one socket on 0, 1 and 2: $([ /proc/$$/fd/0 -ef /proc/$$/fd/1 ] && [ /proc/$$/fd/0 -ef /proc/$$/fd/2 ] && echo yes || echo no)"
echo "descriptors: $(cd /proc/$$/fd && echo *)"
echo "the daemon's COLOR: ${COLOR-none}"
echo "PATH in the environment: $(tr '\0' '\n' < /proc/$$/environ | grep ^PATH=)"
echo "stderr is the connection" >&2
"""
DATAGRAMS = r"""
import select, socket, os
s = socket.socket(fileno=0)
while select.select([s], [], [], 0.3)[0]:
    text, caller = s.recvfrom(65536)
    s.sendto(b"%d:" % len(text) + text[::-1], caller)
"""
ACCEPTS = r"""
import socket
s = socket.socket(fileno=0)
s, _ = s.accept()
s.sendall(b"one call each: " + s.recv(100))
"""


def config(folder):
    internal = "\n".join(f"{name} stream tcp nowait root internal\n{name} dgram udp wait root internal"
                         for name in ("echo", "discard", "daytime", "chargen", "time")) if HAS_BUILTIN else ""
    internal += "\ntcpmux/+greeted stream tcp nowait root /bin/echo echo one\ntcpmux/silent stream tcp nowait root /bin/cat cat\n" if HAS_BUILTIN else ""
    return f"""\
# a comment
2001 stream tcp nowait root /bin/cat cat -u
2002 stream tcp nowait root /bin/sh sh {folder}/probe one 'two three' # four
\t
2003 stream tcp4 nowait xsvtest /bin/sh sh {folder}/probe
2004 stream tcp4 nowait xsvtest.xsvother /bin/sh sh {folder}/probe
2005 stream tcp4 nowait xsvtest:xsvother /bin/sh sh {folder}/probe
2006 dgram udp wait root /usr/bin/python3 python3 -I -S {folder}/datagrams
2007 stream tcp wait root /usr/bin/python3 python3 -I -S {folder}/accepts
127.0.0.1:2008 stream tcp nowait root /bin/echo echo here
2009 stream tcp6 nowait root /bin/echo echo six
2010 stream tcp46 nowait root /bin/echo echo both
2011 stream tcp4 nowait.5 root /bin/echo echo limited
{folder}/unix.sock stream unix nowait root /bin/cat cat
2012 stream tcp4 nowait root /bin/echo
2013 stream tcp4 nowait nobody-has-this-name /bin/echo echo
2014 stream tcp4 nowait root /no/such/program program
2015 stream tcp4 nwait root /bin/echo echo careful
#<off># 2016 stream tcp4 nowait root /bin/echo echo off
2017 stream tcp4 nowait root /bin/sh sh -c kill$IFS-9$IFS$$
2018 stream tcp4 nowait root /bin/echo echo more
   and more
2019 stream tcp4 nowait root /bin/echo echo last
what is this
{internal}
"""


# ---------------------------------------------------------------- the daemons

class OpenBsd:
    name = "openbsd-inetd"
    silence = 10.0   # seconds after which nothing more is expected; theirs always answer, sooner or later
    silence_of_datagrams = 0.5   # its internal services never answer on loopback

    def __init__(self, folder):
        self.process = subprocess.Popen([INETDS / "usr/sbin/inetd", "-i", folder / "inetd.conf"], env=ENVIRONMENT, cwd="/", stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Inetutils:
    name = "inetutils-inetd"
    silence = silence_of_datagrams = 10.0

    def __init__(self, folder):
        self.pidfile = folder / "pid"
        subprocess.run([INETDS / "usr/sbin/inetutils-inetd", f"--pidfile={self.pidfile}", folder / "inetd.conf"], env=ENVIRONMENT, check=True,
                       stderr=subprocess.DEVNULL)

    def stop(self):
        os.kill(int(self.pidfile.read_text()), signal.SIGTERM)


class Ours:
    name = "xsvd"
    silence = 0.7    # ours leaves callers waiting where theirs end the call
    silence_of_datagrams = 10.0

    def __init__(self, folder):
        self.daemon = xsvd.Daemon(f"[include]\ninetd = {folder}/inetd.conf\n", env=ENVIRONMENT, before=lambda daemon: daemon.dir.chmod(0o755))

    def stop(self):
        self.daemon.stop()
        xsvd.shutil.rmtree(self.daemon.dir, ignore_errors=True)


# ---------------------------------------------------------------- the client

def call(address, request=b"", seconds=10.0, end=True):
    """What comes back until the other side ends, and how it ended."""
    try:
        with xsvd.connect(address, seconds) as s:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(request)
                if end:
                    s.shutdown(socket.SHUT_WR)
            parts = []
            while part := s.recv(65536):
                parts.append(part)
            return b"".join(parts)
    except ConnectionRefusedError:
        return "refused"
    except FileNotFoundError:
        return "no such socket"
    except TimeoutError:
        return "still waiting"
    except ConnectionResetError:
        return "reset"


def datagram(port, *requests, host="127.0.0.1", seconds=5.0):
    """One answer for each request, in order."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds)
        answers = []
        try:
            s.connect((host, port))
            for request in requests:
                s.send(request)
            for _ in requests:
                answers.append(s.recv(65536))
        except TimeoutError:
            answers.append("nothing")
        except ConnectionRefusedError:
            answers.append("refused")
        return answers


def probe(port, name):
    answer = call(("127.0.0.1", port))
    lines = answer.decode().splitlines() if isinstance(answer, bytes) else [f"answer: {answer}"]
    return {f"{name}: {key}": value for key, _, value in (line.partition(": ") for line in lines)}


def ask(folder, side):
    """{question: answer}"""
    facts = {}
    big = os.urandom(300_000)
    facts["cat returns 300,000 bytes"] = call(("127.0.0.1", 2001), big) == big
    facts["tcp over IPv6"] = call(("::1", 2001), b"hello")
    facts |= probe(2002, "root")
    for port, name in ((2003, "user"), (2004, "user.group"), (2005, "user:group")):
        facts |= {key: value for key, value in probe(port, name).items() if "identity" in key or "answer" in key}
    facts["four datagrams"] = sorted(map(str, datagram(2006, b"one", b"two two", b"", b"x" * 5000)))
    facts["datagrams over IPv6"] = datagram(2006, b"six", host="::1")
    facts["wait is started again"] = [call(("127.0.0.1", 2007), b"first"), call(("127.0.0.1", 2007), b"second")]
    facts["host: its address"] = call(("127.0.0.1", 2008))
    facts["host: another address"] = call(("127.0.0.2", 2008))
    facts["tcp6 over IPv6"] = call(("::1", 2009))
    facts["tcp6 over IPv4"] = call(("127.0.0.1", 2009))
    facts["tcp46"] = [call(("127.0.0.1", 2010)), call(("::1", 2010))]
    facts["unix socket"] = call(f"{folder}/unix.sock", b"hello")
    facts["unix socket: mode"] = oct((folder / "unix.sock").stat().st_mode & 0o777) if (folder / "unix.sock").exists() else "no such socket"
    facts["no argv"] = call(("127.0.0.1", 2012))
    facts["unknown user"] = call(("127.0.0.1", 2013), seconds=side.silence)
    facts["no such program"] = call(("127.0.0.1", 2014), seconds=side.silence)
    facts["nwait"] = call(("127.0.0.1", 2015), seconds=side.silence)
    facts["switched off"] = call(("127.0.0.1", 2016))
    facts["a program killed by a signal"] = call(("127.0.0.1", 2017))
    facts["continuation line"] = call(("127.0.0.1", 2018))
    facts["the last entry"] = call(("127.0.0.1", 2019))
    if HAS_BUILTIN:
        facts |= ask_internal(side.silence_of_datagrams)
    # Last: what comes after it differs.
    facts["nowait.5: answers to 7 calls"] = sum(call(("127.0.0.1", 2011), seconds=10.0 if i < 5 else side.silence) == b"limited\n" for i in range(7))
    facts["nowait.5: and then"] = call(("127.0.0.1", 2011), seconds=side.silence)
    return facts


def ask_internal(silence):
    facts = {}
    facts["echo"] = call(("127.0.0.1", 7), b"hello " * 10_000) == b"hello " * 10_000
    facts["discard"] = call(("127.0.0.1", 9), b"hello " * 1000)
    now = time.time()
    said = call(("127.0.0.1", 13))
    facts["daytime is ctime, CR LF"] = said in [time.ctime(now + d).encode() + b"\r\n" for d in (0, 1)]
    seconds = call(("127.0.0.1", 37))
    facts["time: its bytes"] = len(seconds)
    facts["time: the time"] = len(seconds) == 4 and abs(struct.unpack(">I", seconds)[0] - 2_208_988_800 - now) < 2
    with xsvd.connect(("127.0.0.1", 19)) as s:
        got = b""
        while len(got) < 74 * 200:
            got += s.recv(65536)
        facts["chargen: 200 lines"] = got[:74 * 200]
    for name in ("greeted", "GREETED", "silent", "nobody"):
        facts[f"tcpmux: {name}"] = call(("127.0.0.1", 1), name.encode() + b"\r\n")
    facts["tcpmux: more than the name at once"] = call(("127.0.0.1", 1), b"silent\r\nand more")
    services = call(("127.0.0.1", 1), b"help\r\n")
    facts["tcpmux: help"] = services if isinstance(services, str) else sorted(services.split(b"\r\n"))
    facts["echo of a datagram"] = datagram(7, b"hello", seconds=silence)
    facts["daytime in a datagram"] = [a if isinstance(a, str) else len(a) for a in datagram(13, b"x", seconds=silence)]
    facts["chargen in a datagram"] = [a if isinstance(a, str) else len(a) for a in datagram(19, b"x", seconds=silence)]
    return facts


def answers_of(side, folder):
    running = side(folder)
    try:
        xsvd.until(lambda: call(("127.0.0.1", 2019)) == b"last\n", f"{side.name} serves")
        return ask(folder, side)
    finally:
        running.stop()
        xsvd.until(lambda: call(("127.0.0.1", 2019)) == "refused", f"{side.name} has ended")


BOTH, OPENBSD, GNU = ("openbsd-inetd", "inetutils-inetd"), ("openbsd-inetd",), ("inetutils-inetd",)
# (question, whose answer differs, our answer, why)
MEANT = [
    ("nwait", BOTH, "refused", "an unknown word is a mistake with its line: as 'nowait' it would start a single-threaded server for every caller"),
    ("unknown user", OPENBSD, "refused", "a mistake at load, with its line, instead of callers that are accepted and closed"),
    ("no such program", BOTH, "still waiting", "callers queue, and are served as soon as the program is there"),
    ("nowait.5: answers to 7 calls", OPENBSD, 5, "the number is the number"),
    ("nowait.5: and then", BOTH, "still waiting", "whoever comes then waits for his turn; theirs serve nobody for ten minutes"),
    ("root: the daemon's COLOR", BOTH, "none", "programs get none of the daemon's environment"),
    ("root: PATH in the environment", BOTH, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "always the same one"),
    ("root: arguments", GNU, None, "quotes are letters, as with openbsd-inetd; check says so"),
    ("root: leads its session", GNU, "yes", "a server does not share inetd's session"),
    ("root: signals", GNU, "SigBlk: 0000000000000000 SigIgn: 0000000000000000", "a server that writes to a caller who has gone gets SIGPIPE"),
    ("continuation line", GNU, b"more and more\n", "an indented line belongs to the entry above, as with openbsd-inetd"),
    ("tcp over IPv6", GNU, b"hello", "'tcp' is both families, as with Debian's openbsd-inetd"),
    ("datagrams over IPv6", GNU, [b"3:xis"], "so is 'udp'"),
    ("tcp6 over IPv4", GNU, "refused", "tcp6 is IPv6 alone, as everywhere but in Debian's inetutils"),
    ("tcp46", GNU, [b"both\n", b"both\n"], "inetutils does not know the word"),
    ("unix socket", GNU, b"hello", "inetutils has no unix sockets"),
    ("unix socket: mode", GNU, "0o666", "inetutils has no unix sockets"),
]
if HAS_BUILTIN:
    MEANT += [
        ("time: its bytes", GNU, 4, "RFC 868 has four; inetutils writes a long"),
        ("time: the time", GNU, True, "the same"),
        ("echo of a datagram", OPENBSD, [b"hello"], "openbsd-inetd drops requests of 127.0.0.0/8; ours does not answer other such services"),
        ("daytime in a datagram", OPENBSD, [26], "the same"),
        ("chargen in a datagram", OPENBSD, None, "the same"),
        ("tcpmux: more than the name at once", BOTH, b"and more", "inetutils loses what has come together with the name"),
    ]
    MEANT += [(f"tcpmux: {name}", OPENBSD, None, "openbsd-inetd has no tcpmux") for name in ("greeted", "GREETED", "silent", "nobody", "help")]


class SideBySide(unittest.TestCase):
    maxDiff = None

    def test_every_answer(self):
        folder = Path(self.enterContext(xsvd.tempfile.TemporaryDirectory(prefix="xsvd-inetd-")))
        folder.chmod(0o755)
        for name, text in (("probe", PROBE), ("datagrams", DATAGRAMS), ("accepts", ACCEPTS), ("inetd.conf", config(folder))):
            (folder / name).write_text(text, encoding="utf-8")
        answers = {side.name: answers_of(side, folder) for side in (OpenBsd, Inetutils, Ours)}
        ours = answers.pop("xsvd")
        meant = {(name, question): (answer, reason) for question, names, answer, reason in MEANT for name in names}
        self.assertFalse([key for key in meant if key[1] not in ours], "questions that nobody asks")
        for name, theirs in answers.items():
            for question in sorted(ours.keys() | theirs.keys()):
                with self.subTest(daemon=name, question=question):
                    if name == "inetutils-inetd" and question.endswith(": descriptors"):  # theirs lets one of its own slip through at times
                        self.assertLessEqual(set(ours[question].split()), set(theirs[question].split()))
                        continue
                    if (name, question) not in meant:
                        self.assertEqual(ours.get(question), theirs.get(question))
                        continue
                    answer, reason = meant[name, question]
                    self.assertNotEqual(ours[question], theirs.get(question), "no longer a difference: " + reason)
                    if answer is not None:
                        self.assertEqual(ours[question], answer, reason)


if __name__ == "__main__":
    unittest.main()
