"""One conversation over HTTP with the real supervisord and with xsvd on the same configuration; every byte of the answers
that is not a fact of the moment is compared. What differs on purpose names a key of MEANT_DIFFERENCES.

One daemon of each kind serves a whole class, because Supervisor's takes a second to start and another to answer what waits."""

import concurrent.futures
import html.parser
import os
import re
import socket
import subprocess
import time
import urllib.parse
import xmlrpc.client

import scripts
from harness import MEANT_DIFFERENCES, PASSWORD, PATIENCE, USER, CompatCase, Sandbox, _basic

PROGRAMS = scripts.COMMON + r"""
[program:hopeless]
command = /no/such/cmd
startretries = 1000

[program:noexec]
command = @DIR@/s.conf
autostart = false

[program:dies]
command = sh -c 'exit 3'
autostart = false
startsecs = 1
startretries = 0

[program:baddir]
command = sleep 1000
directory = /no/such/dir
autostart = false
startretries = 0

[program:slow]
command = sleep 1000
autostart = false
startsecs = 2

[program:many]
command = sleep 1000
process_name = %(program_name)s_%(process_num)02d
numprocs = 3
startsecs = 0

[program:ga]
command = sleep 1000
startsecs = 0
priority = 5

[program:gb]
command = sleep 1000
startsecs = 0

[group:grp]
programs = ga,gb
priority = 7

[program:nolog]
command = sleep 1000
startsecs = 0
stdout_logfile = NONE
stderr_logfile = NONE

[program:writer]
command = sh -c 'printf 0123456789; printf abc >&2; exec cat'
startsecs = 0
stdout_logfile = @DIR@/writer.log
stderr_logfile = @DIR@/writer.err

[program:clerk]
command = cat
startsecs = 0
stdout_logfile = @DIR@/clerk.log

[program:merged]
command = sh -c 'echo out; echo err >&2; exec sleep 1000'
startsecs = 0
redirect_stderr = true
stdout_logfile = @DIR@/merged.log

[program:stubborn]
command = sh -c 'trap "" TERM; echo ready; while :; do sleep 0.2; done'
startsecs = 0
stopwaitsecs = 2
autostart = false
stdout_logfile = @DIR@/stubborn.log

[program:odd]
command = sh -c 'printf "a\033[1mb\001c\377d\303"; exec sleep 1000'
startsecs = 0
stdout_logfile = @DIR@/odd.log

[program:keys]
command = sleep 1000
autostart = false
priority = 3
directory = /tmp
umask = 027
exitcodes = 0,2,5
stopsignal = INT
stopwaitsecs = 9
startsecs = 3
startretries = 7
killasgroup = true
stopasgroup = true
stdout_capture_maxbytes = 1KB
stderr_capture_maxbytes = 2KB
stdout_events_enabled = true
stderr_events_enabled = true
stdout_logfile_maxbytes = 5KB
stdout_logfile_backups = 2
stderr_logfile_maxbytes = 0
stderr_logfile_backups = 0
stdout_syslog = true
serverurl = http://localhost:1
environment = A="1"
"""
UP = ["sleeper", "many:many_00", "many:many_01", "many:many_02", "grp:ga", "grp:gb", "nolog", "writer", "clerk", "merged", "odd"]
LOGS = {"writer.log": "0123456789", "writer.err": "abc", "merged.log": "err", "odd.log": "d"}


def xml(method, *params):
    return xmlrpc.client.dumps(params, method, allow_none=True).encode()


def raw_call(method, *values):
    """A call whose values are XML as written."""
    params = "".join(f"<param><value>{value}</value></param>" for value in values)
    return f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>".encode()


def post(path, body, *headers, version="1.0", length=True, credentials=True):
    lines = [f"POST {path} HTTP/{version}", "Host: localhost", *headers]
    if credentials:
        lines.append("Authorization: Basic " + _basic(USER, PASSWORD))
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path, *headers, method="GET", version="1.0", credentials=True):
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
    if credentials:
        lines.append("Authorization: Basic " + _basic(USER, PASSWORD))
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class Client:
    """A raw connection."""

    def __init__(self, path=None, port=None, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        if not path:
            self.socket.bind((host, 0))
        self.socket.connect(path or ("127.0.0.1", port))
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def receive(self):
        data = self.socket.recv(65536)
        self.bytes += data
        return bool(data)

    def answer(self):
        """One answer with its body; what there is when the server closes."""
        while b"\r\n\r\n" not in self.bytes:
            if not self.receive():
                return self.take(len(self.bytes))
        head = self.bytes.index(b"\r\n\r\n") + 4
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", self.bytes[:head])
        size = head + (int(length[1]) if length else 0)
        while len(self.bytes) < size:
            if not self.receive():
                break
        return self.take(size)

    def take(self, size):
        data, self.bytes = self.bytes[:size], self.bytes[size:]
        return data

    def rest(self):
        while self.receive():
            pass
        return self.take(len(self.bytes))

    def until(self, text):
        while text not in self.bytes:
            if not self.receive():
                raise AssertionError(f"no {text!r} in {self.bytes!r}")
        return self.take(self.bytes.index(text) + len(text))


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


OWN_HEADERS = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control",
               "Cross-Origin-Resource-Policy")


class RpcCase(CompatCase):
    """Both daemons, with the same programs in the same states."""
    CONFIG = PROGRAMS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sandboxes = {}
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for name, sandbox in zip(("supervisord", "xsvd"), pool.map(cls.start, ("supervisord", "xsvd"))):
                cls.sandboxes[name] = sandbox
                cls.addClassCleanup(cls.finish, sandbox)
        cls.theirs, cls.ours = cls.sandboxes["supervisord"], cls.sandboxes["xsvd"]

    @classmethod
    def start(cls, daemon):
        sandbox = Sandbox(daemon, "xsvctl")
        try:
            sandbox.port = free_port()
            sandbox.start(cls.CONFIG.replace("@PORT@", str(sandbox.port)))
            for name in UP:
                sandbox.wait_for_state(name, "RUNNING")
            sandbox.wait_for_state("exited", "EXITED")
            for file, text in LOGS.items():
                sandbox.wait_for_text(file, text)
        except BaseException:
            sandbox.__exit__()
            raise
        return sandbox

    @staticmethod
    def finish(sandbox):
        """Supervisor needs a second for each group when it ends, also for those without processes."""
        if sandbox.daemon == "supervisord" and sandbox.answers():
            sandbox.server().supervisor.stopAllProcesses()
            sandbox.process.kill()
        sandbox.__exit__()

    def both(self, play):
        """What `play(sandbox)` returns for each."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            theirs, ours = pool.submit(play, self.theirs), pool.submit(play, self.ours)
            return theirs.result(), ours.result()

    def ask(self, request):
        def play(sandbox):
            with Client(sandbox.socket) as client:
                return self.mask_answer(sandbox, client.send(request).answer())
        return self.both(play)

    @staticmethod
    def mask_answer(sandbox, answer):
        """Without facts of the moment, the headers every answer of ours has on top, and our own members."""
        head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
        lines = [line for line in head.split("\r\n") if line.split(":")[0] not in OWN_HEADERS]
        body = re.sub(r"<member>\n<name>xsv_\w+</name>\n<value>.*</value>\n</member>\n", "", body)
        text = sandbox.mask(body)
        text = re.sub(r"(<name>(start|stop|now|pid)</name>\n<value><int>)[1-9]\d*", r"\1N", text)
        text = re.sub(r"(DIR/[\w-]+-std(out|err)---supervisor)-\w+\.log", r"\1-X.log", text)
        head = "\r\n".join(lines)
        head = re.sub(r"(Date|Last-Modified|Expires): .*", r"\1: T", head)
        head = re.sub(r"Server: .*", "Server: S", head)
        if text != body:
            head = re.sub(r"Content-Length: \d+", "Content-Length: N", head)
        return head + "\r\n\r\n" + text

    def check(self, request, differs=None, status=None):
        """Equal answers. Where a difference is meant, the answers do differ, and ours has this status."""
        assert (differs is None) == (status is None)
        assert differs is None or differs in MEANT_DIFFERENCES
        with self.subTest(request=request):
            theirs, ours = self.ask(request)
            if differs == "finish-order":
                self.assertEqual(in_any_order(theirs), in_any_order(ours))
            elif differs:
                self.assertNotEqual(theirs, ours)
            else:
                self.assertEqual(theirs, ours)
            if status is not None:
                self.assertEqual(ours.split()[1:2], [str(status)], ours)
            return theirs, ours

    def call(self, method, *params, **expected):
        return self.check(post("/RPC2", xml(method, *params)), **expected)

    def supervisor(self, method, *params, **expected):
        return self.call("supervisor." + method, *params, **expected)

    def raw(self, method, *values, **expected):
        return self.check(post("/RPC2", raw_call("supervisor." + method, *values)), **expected)

    def any_order(self, method, *params):
        return self.supervisor(method, *params, differs="finish-order", status=200)

    def fault(self, method, *params, code=2):
        """Where Supervisor has an internal error, we have a fault."""
        _, ours = self.call(method, *params, differs="typed-fault", status=200)
        self.assertIn(f"<name>faultCode</name>\n<value><int>{code}</int>", ours)

    def conversation(self, data, answers=1):
        """What comes back on one connection, and whether it stays open."""
        def play(sandbox):
            with Client(sandbox.socket) as client:
                client.send(data)
                found = [self.mask_answer(sandbox, client.answer()) for _ in range(answers)]
                client.socket.settimeout(0.3)
                try:
                    found.append("more" if client.receive() else "closed")
                except TimeoutError:
                    found.append("open")
                return found
        theirs, ours = self.both(play)
        with self.subTest(data=data):
            self.assertEqual(theirs, ours)


def in_any_order(answer):
    entry = r"(?s)<value><struct>\n.*?</struct></value>\n"
    return re.sub(entry, "", answer), sorted(re.findall(entry, answer))


class Methods(RpcCase):
    """Every method with right and wrong parameters."""

    def test_about_the_daemon(self):
        for method in ("getAPIVersion", "getVersion", "getIdentification", "getState"):
            self.supervisor(method)
            self.supervisor(method, 1)
        for method in ("getSupervisorVersion", "getPID"):
            self.supervisor(method, differs="version" if method != "getPID" else "own-page", status=200)
            self.supervisor(method, 1)
        self.supervisor("readLog", -5, 3)
        self.supervisor("readMainLog", 0, -1)
        self.supervisor("readLog", 5)
        self.supervisor("clearLog", 1)

    def test_the_table_of_methods(self):
        theirs, ours = self.call("system.listMethods", differs="own-methods", status=200)
        names = [re.findall("<string>(.*)</string>", each) for each in (theirs, ours)]
        self.assertEqual(names[1], sorted(names[1]))
        self.assertEqual(set(names[0]) - set(names[1]), set())
        self.assertTrue(all(name.startswith("xsv.") for name in set(names[1]) - set(names[0])))
        for name in set(names[0]) & set(names[1]):
            self.call("system.methodSignature", name)
            # The text is free; its tags are not.
            tags = [re.findall(r"(?m)^\s*@(param|return)\s+(\w+)", answer) for answer in self.ask(post("/RPC2", xml("system.methodHelp", name)))]
            self.assertEqual(*tags, name)
        for method in ("system.methodSignature", "system.methodHelp"):
            for params in (("nosuch",), ("supervisor._update",), (5,), (), ("a", "b")):
                self.call(method, *params)

    def test_unknown_methods(self):
        for name in ("_update", "supervisor._update", "a.b.c", "supervisor", "supervisor.", ".getPID", "supervisor.getPID ",
                     " supervisor.getPID", "supervisor.nosuch", "nosuch.getPID", "supervisor.getPID.x", "SUPERVISOR.getPID"):
            self.call(name)

    def test_names(self):
        for method in ("getProcessInfo", "startProcess", "stopProcess", "startProcessGroup", "stopProcessGroup",
                       "addProcessGroup", "removeProcessGroup", "clearProcessLogs", "clearProcessLog"):
            for params in ((), ("nosuch",), ("nosuch:x",), ("nosuch:*",), ("ga",), ("grp:nosuch",), ("",), (":",), ("*",),
                           ("a", "b", "c", "d")):
                self.supervisor(method, *params)
        for method in ("getProcessInfo", "startProcess", "stopProcess", "clearProcessLogs"):
            self.fault("supervisor." + method, 5, code=10)
            for value in (True, None, [], {}):
                self.fault("supervisor." + method, value)
        for name in ("grp", "grp:", "grp:*", "many_00"):
            self.supervisor("getProcessInfo", name)
        # For people, a name that fits one process only will do.
        self.assertIn("grp:ga is running", self.ours.server().xsv.why("ga"))

    def test_information(self):
        for name in ("sleeper", "exited", "never-started", "missing", "many:many_01", "grp:ga", "nolog", "writer", "merged",
                     "odd", "keys", "sleeper:sleeper"):
            self.supervisor("getProcessInfo", name)
        self.supervisor("getAllProcessInfo")
        self.supervisor("getAllConfigInfo")

    def test_own_members_stand_behind_supervisors(self):
        found = self.ours.server().supervisor.getProcessInfo("sleeper")
        names = list(found)
        self.assertEqual(names[13], "description")
        self.assertTrue(names[14:] and all(name.startswith("xsv_") for name in names[14:]))

    def test_reading_logs(self):
        bounds = ((0, 0), (0, 4), (4, 0), (4, 3), (8, 50), (20, 0), (20, 5), (-4, 0), (-40, 0), (-4, 2), (0, -1), (3, -1),
                  (0, 5), (5, 5), (10, 0), (12, 3), (10, 5), (2, 20), (4, 4), (3, 5), (0, 8), (8, 0), (7, 1), (-8, 0), (-9, 0))
        for method in ("readProcessStdoutLog", "readProcessLog", "tailProcessStdoutLog", "tailProcessLog"):
            for offset, length in bounds:
                self.supervisor(method, "merged", offset, length)
            for params in (("merged",), ("merged", 0), ("merged", 0, 0, 0)):
                self.supervisor(method, *params)
            for name in ("nolog", "never-started", "nosuch", "grp", "grp:*", "many:many_00"):
                self.supervisor(method, name, 0, 4)
        for method in ("readProcessStderrLog", "tailProcessStderrLog"):
            for name in ("writer", "merged", "nolog", "never-started", "nosuch", "grp", "grp:*", "odd", "ga"):
                self.supervisor(method, name, 0, 2)

        for method in ("readLog", "readMainLog"):
            for offset, length in ((0, 4), (0, 1), (10**8, 0), (10**8, 5), (0, -1), (-4, 2)):   # it begins with the year
                self.supervisor(method, offset, length)

    def test_numbers_are_read_as_leniently(self):
        for method in ("readProcessStdoutLog", "tailProcessStdoutLog"):
            for offset, length in (("<string>2</string>", "<double>3.9</double>"), ("2", "3"), ("<i8>2</i8>", "<i4>3</i4>"),
                                   (" 2 ", "+3"), ("<boolean>1</boolean>", "3"), ("<int>99999999999</int>", "<int>3</int>")):
                self.raw(method, "merged", offset, length)
            for offset in ("abc", "<nil/>", "<array><data></data></array>"):
                self.raw(method, "merged", offset, "3", differs="typed-fault", status=200)

    def test_logs_that_xml_cannot_hold(self):   # B8, B9
        for method, params in (("readProcessStdoutLog", (0, 0)), ("readProcessStdoutLog", (0, 4)), ("tailProcessStdoutLog", (0, 4))):
            self.supervisor(method, "odd", *params, differs="log-bytes", status=200)
        text = self.ours.server().supervisor.readProcessStdoutLog("odd", 0, 0)
        self.assertEqual(text, "a\ufffd[1mb\ufffdc\ufffdd\ufffd")

    def test_multicall(self):
        def one(name, *params):
            return {"methodName": "supervisor." + name, "params": list(params)}
        for calls in ([], [one("getAPIVersion"), one("getProcessInfo", "nosuch"), {"methodName": "supervisor.getState"},
                           {"params": []}, {}, {"methodName": "system.multicall", "params": [[]]}, one("startProcess", "sleeper")],
                      [{"methodName": ""}], [{"methodName": "a.b.c"}], [{"methodName": "supervisor.getVersion", "extra": 1}],
                      [one("getState", 1), one("_update", "x"), one("nosuch")],
                      [one("startProcess", "slow"), one("getProcessInfo", "slow"), one("stopProcess", "slow"), one("stopProcess", "slow")],
                      [one("startProcess", "missing"), one("startProcess", "dies"), one("startProcess", "noexec"),
                       one("startProcess", "baddir")]):
            self.call("system.multicall", calls)
        self.call("system.multicall")
        for calls in (5, "x", ["x"], [5], {}, {"methodName": "x"}):
            self.fault("system.multicall", calls)
        for call in ({"methodName": 5}, {"methodName": "supervisor.getVersion", "params": 5}):
            self.call("system.multicall", [call], differs="typed-fault", status=200)

    def test_starting(self):
        for name in ("missing", "noexec", "dies", "baddir", "sleeper"):
            self.supervisor("startProcess", name)
            if name in ("dies", "baddir"):   # Supervisor gives up a moment after its answer
                self.both(lambda sandbox: sandbox.wait_for_state(name, "FATAL"))
            if name != "dies":   # whether it is up for a moment is a matter of luck
                self.supervisor("startProcess", name, False)
        self.both(lambda sandbox: sandbox.wait_for_state("baddir", "FATAL"))
        for name in ("dies", "baddir", "missing"):
            self.supervisor("getProcessInfo", name)

    def test_what_never_had_a_process(self):
        self.both(lambda sandbox: sandbox.wait_for_state("hopeless", "BACKOFF"))
        self.supervisor("getProcessInfo", "hopeless")
        self.supervisor("signalProcess", "hopeless", "CONT")
        self.supervisor("sendProcessStdin", "hopeless", "x")
        self.supervisor("startProcess", "hopeless")
        self.supervisor("stopProcess", "hopeless")
        self.supervisor("getProcessInfo", "hopeless")

    def test_a_wait_that_is_no_boolean(self):
        for wait, state in (("<string></string>", "STARTING"), ("<string>false</string>", "RUNNING"), ("<boolean>0</boolean>", "STARTING"),
                            ("<array><data></data></array>", "STARTING"), ("<boolean>true</boolean>", "STARTING"), ("<int>0</int>", "STARTING")):
            self.raw("startProcess", "slow", wait)
            self.supervisor("getProcessInfo", "slow")
            self.assertEqual(self.ours.server().supervisor.getProcessInfo("slow")["statename"], state)
            self.raw("stopProcess", "slow", "<int>1</int>")

    def test_groups(self):
        self.any_order("stopProcessGroup", "grp")
        self.supervisor("stopProcessGroup", "grp")
        self.supervisor("stopProcess", "grp:*")
        self.any_order("startProcessGroup", "grp", True)
        self.supervisor("startProcessGroup", "grp")
        self.any_order("stopProcess", "grp:", True)
        self.any_order("startProcess", "grp:*")
        self.supervisor("stopProcess", "grp:ga:x")
        for name in ("sleeper", "grp"):
            self.supervisor("addProcessGroup", name)
            self.supervisor("removeProcessGroup", name)
        self.supervisor("removeProcessGroup", "never-started")
        self.supervisor("removeProcessGroup", "never-started")
        self.supervisor("getProcessInfo", "never-started")
        self.supervisor("getAllConfigInfo")
        self.supervisor("reloadConfig")
        self.supervisor("addProcessGroup", "never-started")
        self.supervisor("addProcessGroup", "never-started")

    def test_signals(self):
        for signal in ("SIGCONT", "cont", "CONT", "18", 18, "0", 0, "NOSUCH", "999", -1, "", "SIG", "1.5"):
            self.supervisor("signalProcess", "nolog", signal)
        self.fault("supervisor.signalProcess", "nolog", None)
        for params in (("nosuch", "HUP"), ("nosuch", "NOSUCH"), ("never-started", "CONT"), ("never-started", "X"), ("grp:*", "CONT"), ("nolog",)):
            self.supervisor("signalProcess", *params)
        for params in (("grp", "X"), ("nosuch", "X"), ("grp", "CONT")):
            self.supervisor("signalProcessGroup", *params)
        self.any_order("signalAllProcesses", "CONT")
        self.any_order("signalAllProcesses", "X")

    def test_stdin_and_clearing(self):
        for params in (("writer", 5), ("nosuch", "x"), ("nosuch", 5), ("never-started", "x"), ("grp:*", "x"), ("writer",), ("writer", "")):
            self.supervisor("sendProcessStdin", *params)
        self.fault("supervisor.sendProcessStdin", "writer", True)
        self.supervisor("sendProcessStdin", "writer", "h\u00e9\n")
        self.raw("sendProcessStdin", "writer", "<base64>YWJjCg==</base64>")
        for sandbox in self.sandboxes.values():
            sandbox.wait_for_text("writer.log", "h\u00e9\nabc\n")
        self.supervisor("readProcessStdoutLog", "writer", 10, 0)
        self.supervisor("clearProcessLogs", "writer")
        self.supervisor("readProcessStdoutLog", "writer", 0, 0)
        self.supervisor("readProcessStderrLog", "writer", 0, 0)
        for name in ("never-started", "nolog", "grp:*"):
            self.supervisor("clearProcessLogs", name)

    def test_remote_events(self):
        for params in (("kind", "data"), ("", ""), ("h\u00e9", "two\nlines"), (), ("kind",), ("kind", "data", "more")):
            self.supervisor("sendRemoteCommEvent", *params)

    def test_what_is_being_stopped(self):
        self.supervisor("startProcess", "stubborn")
        for sandbox in self.sandboxes.values():
            sandbox.wait_for_text("stubborn.log", "ready")
        self.supervisor("stopProcess", "stubborn", False)
        self.supervisor("getProcessInfo", "stubborn")
        self.supervisor("stopProcess", "stubborn")
        self.supervisor("startProcess", "stubborn", False, differs="stopping", status=200)
        self.supervisor("signalProcess", "stubborn", "CONT")
        self.supervisor("removeProcessGroup", "stubborn")
        self.supervisor("startProcess", "stubborn", True)


class Http(RpcCase):
    """Raw requests."""
    BODY = xml("supervisor.getState")

    def test_versions_and_keeping_connections(self):
        for version in ("1.0", "1.1"):
            for headers in ((), ("Connection: keep-alive",), ("Connection: close",), ("connection: Close",), ("Connection: Keep-Alive",)):
                self.conversation(post("/RPC2", self.BODY, *headers, version=version))
            self.conversation(get("/ok.html", version=version))
            self.conversation(get("/nosuch", version=version))
        self.conversation(post("/RPC2", self.BODY, version="1.1") * 3, answers=3)
        self.conversation((post("/RPC2", self.BODY, version="1.1") + b"\r\n") * 3, answers=3)
        self.check(b"\r\n\r\n" + post("/RPC2", self.BODY), differs="lenient", status=200)

    def test_addresses(self):
        for path in ("/RPC2foo/bar", "/RPC2?x=1", "/RPC2/"):
            self.check(post(path, self.BODY))
        self.check(post("//RPC2", self.BODY), differs="lenient", status=200)
        self.check(post("/rpc2", self.BODY))
        for path in ("/nosuch", "/ok.html", "//ok.html", "/%6fk.html", "/ok.html?x", "/OK.html", "/stylesheets/", "/stylesheets/nosuch",
                     "/images/nosuch.gif", "/logtail/", "/logtail/nosuch", "/logtail/nosuch/x", "/logtail/writer/x", "/logtail/grp:*",
                     "/logtail/nolog", "/logtail/grp:", "/logtail/writer/stdout/x", "/index.htm", "/ok.html/x", "/" + "x" * 300):
            self.check(get(path))
        for path in ("/stylesheets", "/images"):
            self.check(get(path), differs="location", status=301)
        for path in ("/status.html", "/logtail"):
            self.check(get(path), differs="error-page", status=404)
        for query in ("?action=nosuch", "?action=start", "?action=stop&processname="):
            self.check(get("/" + query), differs="error-page", status=400)
        self.check(get("/?action=refresh"), differs="location", status=303)

    def test_files(self):
        for path in ("/stylesheets/supervisor.css", "/images/state0.gif", "/images/icon.png"):
            for method in ("GET", "HEAD"):
                for since in ("Fri, 01 Jan 2100 00:00:00 GMT", "fri, 1 jan 2100 00:00:00 gmt"):
                    self.check(get(path, "If-Modified-Since: " + since, method=method))
                for since in ("Thu, 01 Jan 1970 00:00:01 GMT", "yesterday", "Fri Jan  1 00:00:00 2100", "4102444800"):
                    theirs, ours = self.check(get(path, "If-Modified-Since: " + since, method=method), differs="own-page", status=200)
                    self.assertIn("\nLast-Modified: T\n", theirs)
                    self.assertIn("\nLast-Modified: T\n", ours)
            for since, version in (("Fri, 01 Jan 2100 00:00:00 GMT", "1.1"), ("Thursday, 31-Dec-37 00:00:00 GMT", "1.0")):
                self.check(get(path, "If-Modified-Since: " + since, version=version), differs="not-modified", status=304)
        self.check(get("/stylesheets/nosuch", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"))
        with Client(self.ours.socket) as client:   # what was said of a file is taken for it
            [since] = re.findall(rb"Last-Modified: (.*?)\r\n", client.send(get("/images/icon.png", version="1.1")).answer())
            again = client.send(get("/images/icon.png", "If-Modified-Since: " + since.decode(), version="1.1")).answer()
        self.assertTrue(again.startswith(b"HTTP/1.1 304 Not Modified\r\n"))
        self.assertTrue(again.endswith(b"\r\n\r\n"))

    def test_methods(self):
        self.check(get("/RPC2"))
        for path in ("/nosuch", "/stylesheets/nosuch", "/logtail/writer"):
            self.check(post(path, b"a=b"))
        self.check(post("/ok.html", b"a=b"))
        for path in ("/", "/index.html", "/tail.html", "/tail.html?processname=nosuch"):
            self.check(post(path, b"x=y"), differs="own-page", status=200)
        for path, status in (("/RPC2", 400), ("/nosuch", 404), ("/ok.html", 200), ("/", 200), ("/logtail/writer", 400)):
            self.check(get(path, method="HEAD"), differs="head", status=status)
            self.check(get(path, method="DELETE"), differs="error-page", status=400)
        self.check(get("/RPC2", "Content-Length: 0", method="PUT"), differs="error-page", status=400)
        self.check(post("/RPC2", self.BODY, length=False), differs="error-page", status=411)

    def test_bodies(self):
        for body in (b"<methodCall><methodName>supervisor.getState</methodName></methodCall>",
                     b"<methodCall>\n <methodName>supervisor.getState</methodName>\n <params/>\n</methodCall>\n",
                     b"  <methodCall><params/><methodName>supervisor.getState</methodName></methodCall>\n\n",
                     b"<methodCall><methodName> supervisor.getState </methodName></methodCall>"):
            self.check(post("/RPC2", body))
        for body in (b"hello", b"<methodCall>", b"<methodCall></methodCall>", b"<methodCall><methodName></methodName></methodCall>"):
            self.check(post("/RPC2", body), differs="error-page", status=400)
        self.check(post("/RPC2", b"<!DOCTYPE a>" + raw_call("supervisor.getState")[21:]), differs="strict", status=400)
        for value in ("nosuch", " nosuch ", "", "<i8>5</i8>", "<![CDATA[no<such]]>", "a&amp;b&lt;&#65;", "h\u00e9",
                      "<base64>bm9zdWNo</base64>", "<string/>", "<string>x</string>", "\n<string>x</string>\n"):
            self.raw("getProcessInfo", value)
        for value in ("<int>x</int>", "a\x01b"):
            self.raw("getProcessInfo", value, differs="error-page", status=400)
        for headers in ((), ("Content-Type: text/xml",), ("content-type: application/xml; charset=utf-8",)):
            self.check(post("/RPC2", self.BODY, *headers))
        self.check(post("/RPC2", self.BODY, "Content-Type: text/plain"), differs="strict", status=415)

    def test_lengths(self):   # B30
        self.check(post("/RPC2", self.BODY, f"content-length: {len(self.BODY)}", length=False))
        self.check(post("/RPC2", self.BODY, f"Content-Length:{len(self.BODY)}", length=False), differs="lenient", status=200)
        for length in ("x", "-5"):
            self.check(post("/RPC2", self.BODY, f"Content-Length: {length}", length=False), differs="strict", status=400)
        with Client(self.ours.socket) as client:   # Supervisor never answers this
            self.assertIn(b" 400 ", client.send(post("/RPC2", b"")).answer())

    def test_passwords(self):
        for request in (get("/ok.html", credentials=False), post("/RPC2", self.BODY, credentials=False),
                        get("/nosuch", credentials=False), get("/ok.html", credentials=False, version="1.1"),
                        *(get(path, credentials=False) for path in (
                            "/RPC2", "/", "/tail.html", "/logtail", "/logtail/writer", "/mainlogtail", "/stylesheets/supervisor.css"))):
            self.check(request)
        for given in ("Basic " + _basic(USER, "wrong"), "Basic " + _basic("nobody", PASSWORD), "Digest x", "Basic",
                      "Bearer " + _basic(USER, PASSWORD), "basic " + _basic(USER, PASSWORD), "BASIC " + _basic(USER, PASSWORD),
                      "Basic " + _basic(USER, PASSWORD + ":4")):
            self.check(get("/ok.html", "authorization: " + given, credentials=False))
        for given in ("Basic !!!", "Basic bm9jb2xvbg=="):
            self.check(get("/ok.html", "Authorization: " + given, credentials=False), differs="strict", status=400)

    def test_what_is_no_request(self):
        for request in (b"garbage\r\n\r\n", b"GET /ok.html\r\n\r\n", get("/../x"), get("/a%2fb"), get("http://localhost/ok.html"),
                        get("/ok.html", version="2.0"), get("/ok.html").replace(b"Host: localhost\r\n", b"").replace(b"1.0", b"1.1")):
            self.check(request, differs="strict", status=400)

    def stream(self, sandbox, client, path, end):
        """Its head, and what follows up to `end`."""
        head = client.send(get(path, version="1.1") + b"\r\n").until(b"\r\n\r\n")
        return self.mask_answer(sandbox, head), client.until(end)

    def test_log_streams(self):
        for path, end in (("/logtail/writer", b"3456789"), ("/logtail/wri%74er/stdout", b"3456789"), ("/logtail/writer/stderr", b"abc\r\n"),
                          ("/logtail/grp%3Aga", b""), ("/logtail/odd/stdout", b"d\xc3\r\n"), ("/mainlogtail", b""), ("/mainlogtail/x", b""),
                          ("/mainlogtail?x=1", b"")):
            def play(sandbox):
                with Client(sandbox.socket) as client:
                    return self.stream(sandbox, client, path, end)
            with self.subTest(path=path):
                theirs, ours = self.both(play)
                self.assertEqual(theirs, ours)

    def test_a_stream_says_when_its_log_was_written(self):
        for sandbox in (self.theirs, self.ours):
            os.utime(os.path.join(sandbox.folder, "odd.log"), (784111777, 784111777))
            with Client(sandbox.socket) as client:
                head = client.send(get("/logtail/odd", version="1.1")).until(b"\r\n\r\n")
            self.assertIn(b"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", head)

    def test_a_stream_begins_with_the_end_and_goes_on_behind_a_clear(self):
        def play(sandbox):
            methods = sandbox.server().supervisor
            methods.sendProcessStdin("clerk", "".join(f"{number:07}\n" for number in range(300)))
            sandbox.wait_for_text("clerk.log", "0000299\n")
            with Client(sandbox.socket) as client:
                found = [*self.stream(sandbox, client, "/logtail/clerk", b"0000299\n\r\n")]
                methods.sendProcessStdin("clerk", "more\n")
                found.append(client.until(b"more\n\r\n"))
                methods.clearProcessLogs("clerk")
                methods.sendProcessStdin("clerk", "after\n")
                return [*found, client.until(b"after\n\r\n")]
        theirs, ours = self.both(play)
        self.assertEqual(theirs, ours)
        self.assertEqual([len(theirs[1]), theirs[2:]], [len(b"400\r\n") + 1024 + 2, [b"5\r\nmore\n\r\n", b"6\r\nafter\n\r\n"]])

    def test_streams_over_the_old_http(self):
        # Over HTTP/1.0 Supervisor holds everything back until there are 64 KiB.
        with Client(self.ours.socket) as client:
            client.send(get("/logtail/writer/stderr")).until(b"\r\n\r\n")
            client.until(b"abc")


class Row(html.parser.HTMLParser):
    """What a scraper sees of the status table."""

    def __init__(self):
        super().__init__()
        self.rows, self.row, self.cell, self.message = [], None, None, None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "tr":
            self.row = {"shade": given.get("class"), "cells": [], "links": []}
        elif tag == "td" and self.row is not None:
            self.row["cells"].append("")
        elif self.row is not None and self.row["cells"]:
            if tag == "span":
                self.row.setdefault("class", given.get("class"))
            link = given.get("href") or given.get("formaction")
            if link and given.get("class") != "hidden":
                self.row["links"].append(link)
        if tag == "div" and given.get("class") == "status_msg":
            self.message = ""

    def handle_endtag(self, tag):
        if tag == "tr" and self.row and self.row["cells"]:
            self.rows.append(self.row)
            self.row = None

    def handle_data(self, data):
        if self.row and len(self.row["cells"]) in (1, 2, 3):
            self.row["cells"][-1] += data.strip()
        elif self.message == "":
            self.message = data


class Pages(RpcCase):
    def page(self, path, method="GET", body=None):
        """The page for each, ours with a token where a button would send one."""
        def play(sandbox):
            with Client(sandbox.socket) as client:
                return client.send(get(path)).answer().decode()
        return self.both(play)

    def test_the_table(self):
        pages = self.page("/index.html?message=a%20%3Cb%3E")
        found = []
        for sandbox, page in zip((self.theirs, self.ours), pages):
            row = Row()
            row.feed(sandbox.mask(page.partition("\r\n\r\n")[2]))
            self.assertGreater(len(row.rows), 15)
            found.append((row.rows, row.message))
        self.assertEqual(*found)
        heads = [self.mask_answer(self.theirs, page.split("\r\n\r\n")[0].encode()) for page in pages]
        self.assertEqual(*[re.sub(r"Content-Length: \d+", "", head) for head in heads])

    def test_the_message(self):
        for query, shown in (("", None), ("?message=", None), ("?message=a+b%20%26", "a b &"), ("?message=a&message=b", "a"), ("?other=x", None)):
            with self.subTest(query=query):
                found = []
                for page in self.page("/" + query):
                    row = Row()
                    row.feed(page)
                    found.append(row.message)
                self.assertEqual(found, [shown, shown])

    def test_the_tail(self):
        for query in ("", "?processname=", "?processname=nosuch", "?processname=never-started", "?processname=nolog",
                      "?processname=merged", "?processname=merged&limit=5", "?processname=merged&limit=0",
                      "?processname=merged&limit=-5", "?processname=merged&limit=x", "?processname=merged&limit=", "?processname=grp:ga&limit=2000", "?processname=grp:*"):
            with self.subTest(query=query):
                found = []
                for page in self.page("/tail.html" + query):
                    found.append((re.search("(?s)<title>.*</title>", page)[0], re.search("(?s)<pre>.*</pre>", page)[0],
                                  re.findall('href="(tail.*?)"', page)))
                if "merged" in query:
                    self.assertIn("err", found[0][1])
                self.assertEqual(*found)

    def message(self, sandbox, query):
        if sandbox is self.theirs:
            request = get("/index.html?" + query)
        else:
            with Client(sandbox.socket) as client:
                token = re.search(r'name="token" value="(\w+)"', client.send(get("/")).answer().decode())[1]
            request = post("/index.html?" + query, b"token=" + token.encode(), "Content-Type: application/x-www-form-urlencoded")
        with Client(sandbox.socket) as client:
            answer = client.send(request).answer().decode()
        found = re.search(r"(?i)\r\nlocation: \S*/\?message=(\S+)", answer)
        return re.sub(r"at \w{3} .*", "at T", urllib.parse.unquote(found[1])) if found else answer.split("\r\n")[0]

    def test_buttons(self):
        """Supervisor's link and our button (get-action, location) say the same."""
        for query in ("action=refresh", "processname=slow&action=start", "processname=slow&action=start", "processname=slow&action=restart",
                      "processname=slow&action=stop", "processname=slow&action=stop", "processname=missing&action=start",
                      "processname=noexec&action=start", "processname=dies&action=start", "processname=baddir&action=start",
                      "processname=missing&action=restart", "processname=nosuch&action=start", "processname=grp:*&action=stop",
                      "processname=grp&action=clearlog", "processname=writer&action=clearlog", "action=stopall", "action=restartall"):
            with self.subTest(query=query):
                theirs, ours = self.both(lambda sandbox: self.message(sandbox, query))
                self.assertEqual(theirs, ours)
        self.both(lambda sandbox: sandbox.server().supervisor.startAllProcesses())
        for name in ("dies", "baddir"):
            self.both(lambda sandbox: sandbox.wait_for_state(name, "FATAL"))

    def test_an_address_alone_changes_nothing(self):
        before = self.ours.server().supervisor.getProcessInfo("sleeper")["pid"]
        with Client(self.ours.socket) as client:
            self.assertIn(b" 405 ", client.send(get("/index.html?processname=sleeper&action=restart")).answer())
        self.assertEqual(self.ours.server().supervisor.getProcessInfo("sleeper")["pid"], before)


class Ending(RpcCase):
    """What the activity log tells of servers and requests; all at once, and after the end has begun."""
    CONFIG = PROGRAMS.replace("[supervisord]", "[supervisord]\nloglevel = trace") + """
[inet_http_server]
port = 127.0.0.1:@PORT@
"""

    def test_each_server_has_its_lines(self):
        lines = r"(?:(?:INFO|CRIT) (?:RPC interface|Server ).*|TRAC .* started at .*\n.*\n.*)"
        def play(sandbox):
            found = re.findall(rf"(?m)^\S+ \S+ ({lines})", sandbox.read("daemon.log").replace(str(sandbox.port), "PORT"))
            text = re.sub(r":\w+ \(V\S+\) started at .*", ":S started", sandbox.mask("\n".join(found)))
            return re.sub(r"\s+", " ", text.replace("localhost", "127.0.0.1"))   # reverse-lookup
        theirs, ours = self.both(play)
        self.assertEqual(theirs, ours)
        self.assertEqual(theirs.count(" Hostname:"), 2)
        self.assertEqual(theirs.count("CRIT "), 1)

    def log_of(self, request, caller):
        """What the log tells of a request. Each has a host of its own: xsvd's lines are limited per second and host."""
        def play(sandbox):
            before = len(sandbox.read("daemon.log"))
            with Client(port=sandbox.port, host=f"127.0.0.{caller}") as client:
                client.send(request).answer()
            self.assertTrue(sandbox.until(lambda: " - - [" in sandbox.read("daemon.log")[before:]), request)
            return self.mask_log(sandbox, sandbox.read("daemon.log")[before:])
        return self.both(play)

    @staticmethod
    def mask_log(sandbox, text):
        lines = re.findall(r"(?ms)^[-\d]+ [:,\d]+ (.*?)\n(?=\d{4}-|\Z)", text)
        lines = [line for line in lines if "\u2026" not in line]   # of the limit on lines: "… 2 more", of the moments before
        text = "\n".join(line for line in lines if "XML-RPC" in line or " - - [" in line or "Server Error" in line)
        text = re.sub(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\]", "[T]", text)
        return sandbox.mask(re.sub(r"(?m)(\d):\d+ - - (.*) \d+$", r"\1:PORT - - \2 BYTES", text))

    def test_each_request_has_its_lines(self):
        requests = [post("/RPC2", xml(*call)) for call in
                    (("supervisor.getAPIVersion",), ("supervisor.stopProcess", "nosuch"), ("supervisor.startProcess", "sleeper"), ("no.such",),
                     ("system.multicall", [{"methodName": "supervisor.getPID"}]), ("supervisor.stopProcess", "writer"),
                     ("supervisor.startProcess", "writer"))]
        requests += [post("/RPC2", "hello 'x' \u00e9\n".encode()), post("/RPC2", b"<methodCall></methodCall>"),
                     post("/RPC2", xml("supervisor.getAPIVersion"), version="1.1"), get("/RPC2"), post("/RPC2", b"x", length=False),
                     get("/ok.html?a=b"), get("/nosuch%41"), get("/a\"b"), get("/"), get("/logtail/nosuch"), get("/ok.html", method="DELETE"),
                     get("/stylesheets/supervisor.css", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT")]
        for caller, request in enumerate(requests, 2):
            with self.subTest(request=request):
                theirs, ours = self.log_of(request, caller)
                self.assertEqual(theirs, ours)
                self.assertIn("PORT - - [T] \"" + request.split(b"\r\n")[0].decode() + '"', ours)

    def test_lines_that_differ(self):
        """A trace line with "error" in its address, an error where nothing is wrong, a line that a request could forge, a good end
        that is none."""
        access = 'TRAC 127.0.0.{}:PORT - - [T] "{}" {} BYTES'
        call, fault = "TRAC XML-RPC method called: supervisor.{}()", "TRAC XML-RPC method supervisor.{}() returned fault: "
        rows = ((get("/error"), "log-lines", ["GET /error HTTP/1.0", 404]),
                (get("/logtail"), "error-page", ["GET /logtail HTTP/1.0", 404]),
                (post("/RPC2", xml("supervisor.no\nsuch")), "log-lines", ["POST /RPC2 HTTP/1.0", 200, call.format(r"no\x0asuch"),
                                                                          fault.format(r"no\x0asuch") + "[1] UNKNOWN_METHOD"]),
                (post("/RPC2", raw_call("supervisor.stopProcess", "<int>5</int>")), "typed-fault",
                 ["POST /RPC2 HTTP/1.0", 200, call.format("stopProcess"), fault.format("stopProcess") + "[10] BAD_NAME: 5"]),
                (post("/RPC2", xml("supervisor.startProcess", "dies")), "log-lines",
                 ["POST /RPC2 HTTP/1.0", 200, call.format("startProcess"), fault.format("startProcess") + "[50] SPAWN_ERROR: dies"]))
        for caller, (request, differs, (line, status, *before)) in enumerate(rows, 100):
            with self.subTest(request=request):
                self.assertIn(differs, MEANT_DIFFERENCES)
                theirs, ours = self.log_of(request, caller)
                if b"dies" not in request:   # where it has ended before Supervisor looks, even that one says so
                    self.assertNotEqual(theirs, ours)
                self.assertEqual(ours, "\n".join(before + [access.format(caller, line, status)]))

    def test_a_refused_caller_of_a_unix_socket_has_its_line(self):
        def play(sandbox):
            before, found = len(sandbox.read("daemon.log")), []
            def ask():   # again while lines of this second are held back
                with Client(sandbox.socket) as client:
                    client.send(get("/ok.html", credentials=False)).answer()
                found[:] = re.findall(r"localhost:0 - - \[.*\] (.* 401) \d+\n", sandbox.read("daemon.log")[before:])
                return bool(found)
            self.assertTrue(sandbox.until(ask))
            return found[0]
        theirs, ours = self.both(play)
        self.assertEqual(theirs, ours)

    def test_the_end_of_all(self):
        self.any_order("clearAllProcessLogs")
        self.any_order("stopAllProcesses")
        self.supervisor("stopAllProcesses")
        # Whether "exited" was up for a moment is a matter of luck with Supervisor.
        theirs, ours = ([entry for entry in in_any_order(answer)[1] if ">exited<" not in entry]
                        for answer in self.ask(post("/RPC2", xml("supervisor.startAllProcesses"))))
        self.assertEqual(theirs, ours)
        for sandbox in self.sandboxes.values():
            sandbox.wait_for_text("stubborn.log", "ready")
        self.supervisor("shutdown")
        for method in ("getState", "getAPIVersion", "getAllProcessInfo", "restart", "shutdown", "startAllProcesses", "reloadConfig"):
            self.supervisor(method)
        self.supervisor("sendRemoteCommEvent", "kind", "data")
        self.supervisor("getProcessInfo", "nosuch")
        self.supervisor("getProcessInfo")
        self.supervisor("nosuch")
        self.call("system.methodHelp", "nosuch")
        self.call("system.multicall", [{"methodName": "supervisor.getState"}])


class Opening(CompatCase):
    """Servers that cannot be opened."""

    def test_why_a_server_cannot_be_opened(self):
        with socket.create_server(("127.0.0.1", 0)) as taken, Sandbox("supervisord", None) as theirs, Sandbox("xsvd", None) as ours:
            # A folder that is missing is made by xsvd, where it can be.
            for server in ("[unix_http_server]\nfile = /proc/x.sock",
                           "[unix_http_server]\nfile = @DIR@/s.conf/x.sock", "[inet_http_server]\nport = 192.0.2.1:9001",
                           f"[inet_http_server]\nport = 127.0.0.1:{taken.getsockname()[1]}"):
                said = []
                for sandbox in (theirs, ours):
                    sandbox.write_config(scripts.BASE.replace("[unix_http_server]", "[ignored]") + server + "\nusername = a\npassword = b\n")
                    done = subprocess.run([*sandbox.daemon_command(), "-n", "-c", sandbox.config], capture_output=True, text=True, timeout=60,
                                          cwd=sandbox.folder, env=sandbox.environment(), stdin=subprocess.DEVNULL)
                    error = re.findall("(?m)^Error: (.*)", sandbox.mask(done.stderr)) or [done.stderr]
                    said.append((done.returncode, *error))
                with self.subTest(server=server):
                    self.assertEqual(said[0][0], said[1][0])
                    self.assertTrue(said[1][1].startswith(said[0][1]), said)   # ours goes on with what and why


class Better(CompatCase):
    """What Supervisor gets wrong (or has not), on xsvd alone."""
    CONFIG = scripts.BASE + r"""
[program:large]
command = sleep 1000
startsecs = 0
stdout_logfile = @DIR@/large.log
stdout_logfile_maxbytes = 3GB

[program:slow]
command = sleep 1000
startsecs = 2
autostart = false

[program:brief]
command = sh -c 'echo text'
autorestart = false
startsecs = 0
stdout_logfile = @DIR@/brief.log

[program:always]
command = true
autorestart = true
autostart = false

[program:waiting]
command = cat
socket = unix:@DIR@/waiting.sock

[program:each]
command = cat
socket = unix:@DIR@/each.sock
activation = per_connection
"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sandbox = Sandbox("xsvd", "xsvctl")
        cls.addClassCleanup(cls.sandbox.__exit__)
        cls.sandbox.start(cls.CONFIG)

    def methods(self):
        return self.sandbox.server().supervisor

    def test_integers_end_where_xml_rpcs_do(self):   # B10
        configured = {each["name"]: each for each in self.methods().getAllConfigInfo()}
        self.assertEqual(configured["large"]["stdout_logfile_maxbytes"], 2**31 - 1)

    def test_any_autorestart_can_be_told(self):   # B11: in versions to come Supervisor has a member for it
        self.assertLess({"always", "brief", "slow"}, {each["name"] for each in self.methods().getAllConfigInfo()})

    def test_the_log_of_an_ended_program_can_be_cleared(self):   # B13
        self.sandbox.wait_for_text("brief.log", "text")
        self.sandbox.wait_for_state("brief", "EXITED")
        self.assertTrue(self.methods().clearProcessLogs("brief"))
        self.assertEqual(self.sandbox.read("brief.log"), "")

    def test_a_full_stdin_is_a_fault(self):   # B29
        with self.assertRaises(xmlrpc.client.Fault) as caught:
            for _ in range(1000):
                self.methods().sendProcessStdin("large", "x" * 65536)
        self.assertEqual(caught.exception.faultCode, 30)
        self.assertEqual(self.methods().getProcessInfo("large")["statename"], "RUNNING")

    def test_what_is_no_call_cannot_flood_the_log(self):
        with Client(self.sandbox.socket) as client:
            client.send(post("/RPC2", b"\1" * 5000)).answer()
        self.sandbox.wait_for_text("daemon.log", "\\x01' is invalid: unmarshallable\n")
        for number in range(40):
            with Client(self.sandbox.socket) as client:
                client.send(post("/RPC2", b"nonsense %d" % number)).answer()
        self.sandbox.wait_for_text("daemon.log", "nonsense 0")
        told = re.findall("data 'nonsense .*' is invalid", self.sandbox.read("daemon.log"))
        self.assertLess(len(told), 31)   # ten per second

    def test_an_answer_that_waits_delays_nobody(self):
        with Client(self.sandbox.socket) as waiting, Client(self.sandbox.socket) as other:
            waiting.send(post("/RPC2", xml("supervisor.startProcess", "slow")))
            self.sandbox.wait_for_state("slow", "STARTING")
            began = time.monotonic()
            self.assertIn(b"RUNNING", other.send(post("/RPC2", xml("supervisor.getState"))).answer())
            self.assertLess(time.monotonic() - began, 1)
            self.assertEqual(waiting.bytes, b"")
            self.assertIn(b"<boolean>1</boolean>", waiting.answer())

    def test_programs_with_sockets_have_rows(self):
        with Client(self.sandbox.socket) as client, socket.socket(socket.AF_UNIX) as caller:
            caller.connect(self.sandbox.folder + "/each.sock")
            caller.sendall(b"x")
            self.assertEqual(caller.recv(1), b"x")
            page = client.send(get("/")).answer().decode()
        rows = Row()
        rows.feed(self.sandbox.mask(page))
        found = {row["cells"][2]: row for row in rows.rows}
        for name, text in (("waiting", "pid PID, uptime UPTIMElistening"), ("each", "pid PID, uptime UPTIMElistening, 1 connection")):
            self.assertEqual(found[name]["cells"][:2], ["running", text])
            self.assertIn(f"index.html?processname={name}&action=restart", found[name]["links"])
