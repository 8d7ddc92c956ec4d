"""The same files with the real xinetd and with xsvd: every attribute, seen by callers and by the servers themselves."""
import concurrent.futures
import contextlib
import datetime
import os
import pwd
import re
import socket
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pair as p  # noqa: E402
import xsvd  # noqa: E402

# What differs on purpose, and why.
MEANT_DIFFERENCES = {
    "more-environment": "REMOTE_ADDR, TCPREMOTEIP and their like, and SUPERVISOR_…: each server finds the vocabulary it knows",
    "mapped": "IPv4 callers have IPv4 addresses in REMOTE_HOST, not ::ffff:…",
    "no-address": "REMOTE_HOST of a wait server says nothing, so it is not there",
    "core": "xinetd switches core files off for itself and so for its servers; xsvd leaves the limit alone",
    "no-server": "a caller who may not come in costs no process, so the log has no START and EXIT of it",
    "half-close": "redirect passes each end of input on; xinetd's first one ends both directions",
    "daytime": "the text is ctime's, as with inetd; RFC 867 leaves it open",
    "flood": "more calls than cps wait for their turn; xinetd closes the port for some seconds, and whoever is in the queue is gone",
    "mux": "no NUL byte behind the lines of tcpmux; help lists the names, as RFC 1078 says",
    "characters": "chargen has all 95 printable characters, as with inetd; xinetd leaves the blank and the tilde out",
}
# Names that xsvd adds for every server.
OUR_VARIABLES = {"REMOTE_ADDR", "REMOTE_PORT", "PROTO", "TCPREMOTEIP", "TCPREMOTEPORT", "TCPLOCALIP", "TCPLOCALPORT",
                 "SO_COOKIE", "XSVD_CONNECTION", "SUPERVISOR_ENABLED", "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_GROUP_NAME", "SUPERVISOR_SERVER_URL"}

NOW = datetime.datetime.now()
INSIDE, OUTSIDE = "0:00-23:59", "20:00-21:00" if NOW.hour < 12 else "3:00-4:00"

files = {"main": ""}


def service(name, lines="", *, file="main", kind="stream", wait="no", user="user = root", server="server = @PYTHON@", arguments="server_args = @PROBE@",
            port=True, flags="IPv4", types="UNLISTED", ident=None):
    """An entry of its own name and port, and the same with both daemons."""
    text = f"service {name}\n{{\n\ttype = {types}\n\tsocket_type = {kind}\n\twait = {wait}\n"
    for line in (f"id = {ident}" if ident else "", f"port = @port({ident or name})@" if port else "", f"flags = {flags}" if flags else "", user, server, arguments, *lines.splitlines()):
        if line:
            text += f"\t{line}\n"
    files[file] = files.get(file, "") + text + "}\n"


def text(name, lines="", **more):
    """A server that says a word."""
    service(name, lines, server="server = /bin/echo", arguments=f"server_args = served {name}", **more)


def described():
    files["main"] = "defaults\n{\n\tumask = 007\n\tcps = 0 1\n}\n"
    # What a server finds.
    service("plain", "umask = 022")
    service("all", 'umask = 027\nnice = 5\nenv = A=1 B=x=y\nenv += C=q"%d;\npassenv = COLOR EMPTY NOSUCH\nrlimit_files = 100\nrlimit_cpu = 300\nrlimit_data = 512M\nrlimit_stack = 4M\nrlimit_rss = UNLIMITED')
    service("nothing-passed", "passenv =\nenv = ONLY=1")
    service("default-umask")
    service("words", server="server = /bin/echo", arguments="server_args = a \"b c\" 'd' $HOME * # %s ; \\ é")
    service("named", server="server = @PYTHON@", arguments="server_args = a.name @PROBE@", flags="IPv4 NAMEINARGS")
    service("nobody", user="user = nobody")
    service("numbered", user="user = 65534")
    service("grouped", "group = daemon", user="user = nobody")
    service("all-groups", "groups = yes", user="user = @SOMEBODY@")
    service("no-groups", "groups = no\ngroup = 3", user="user = @SOMEBODY@")
    service("accepting", kind="stream", wait="yes", arguments="server_args = @PROBE@ accept")
    service("datagrams", kind="dgram", wait="yes", arguments="server_args = @PROBE@ datagram")
    service("dual", flags="")
    # Where callers come to.
    text("bound", "bind = 127.0.0.5", flags="")
    text("bound-six", "interface = ::1", flags="")
    text("six", "v6only = yes", flags="IPv6")
    text("four", flags="IPv4")
    text("both", flags="")
    text("both-flags", flags="IPv4 IPv6")
    text("keep", flags="IPv4 KEEPALIVE NODELAY REUSE")
    # Who comes in.
    for name, lines in ACCESS.items():
        text(name, lines, flags="")
    text("in-time", f"access_times = {OUTSIDE} {INSIDE}")
    text("out-of-time", f"access_times = {OUTSIDE}\nbanner_fail = @DIR@/fail")
    text("banners", "banner = @DIR@/always\nbanner_success = @DIR@/success\nbanner_fail = @DIR@/fail")
    text("banners-denied", "no_access = 127.0.0.1\nbanner = @DIR@/always\nbanner_success = @DIR@/success\nbanner_fail = @DIR@/fail")
    service("single", "instances = 1\nbanner_fail = @DIR@/fail", server="server = /bin/cat", arguments="")
    for name, words in LOGGED.items():
        service(f"log-{name}", f"log_type = FILE @DIR@/log-{name}\n{words}\ninstances = 1", server="server = /bin/cat", arguments="")
        text(f"no-{name}", f"log_type = FILE @DIR@/no-{name}\n{words}\nno_access = 127.0.0.1")
    for name, host in (("by-address", "127.0.0.1"), ("by-host", "localhost")):
        service(name, f"redirect = {host} @port(echo-stream)@", server="", arguments="")
    text("busy", "max_load = 0.01\nbanner_fail = @DIR@/fail")
    text("never-busy", "max_load = 100000")
    text("flooded", "cps = 20 60")
    service("one-each", "per_source = 1", server="server = /bin/cat", arguments="")
    files.update({"always": "always\r\n", "success": "success\n", "fail": "failed without a line end"})
    # Which entries there are.
    text("switched-off", "disable = yes")
    text("switched-on", "disable = no\ndisable = yes")
    text("listed-off", ident="listed")
    text("LOUD", ident="LouD")
    files["main"] += "includedir @DIR@/d\ninclude @DIR@/more\ninclude @DIR@/none\n"
    for name in ("a", "b.conf", "c~", ".d", "#e#", "f.rpmsave", "Z"):
        text("dir-" + "".join(c for c in name if c.isalnum()), file="d/" + name)
    text("from-more", "only_from += 127.0.0.2", file="more")
    files["more"] = "defaults\n{\n\tdisabled = listed loud\n\tonly_from = 127.0.0.1\n\tno_access = 127.0.0.3\n\tbanner_success = @DIR@/success\n}\n" + files["more"]
    text("after", "only_from -= 127.0.0.1", file="more")
    text("after-all", file="more")
    text("after-own", "only_from = 127.0.0.9\nno_access =\nbanner_success = @DIR@/always", file="more")
    # The services that need no server.
    service("trap", "deny_time = FOREVER", types="INTERNAL UNLISTED", user="", server="", arguments="", flags="IPv4 SENSOR", file="internal")
    service("tcpmux", types="INTERNAL UNLISTED", user="", server="", arguments="", file="internal")
    for name, kind in (("muxed", "TCPMUX"), ("Mux-Plus", "TCPMUXPLUS")):
        text(name, "protocol = tcp", types=f"{kind} UNLISTED", port=False, flags="", file="internal")
    for name in ("echo", "discard", "chargen", "daytime", "time"):
        service(name, kind="stream", types="INTERNAL UNLISTED", user="", server="", arguments="", ident=f"{name}-stream", file="internal")
        service(name, kind="dgram", wait="yes", types="INTERNAL UNLISTED", user="", server="", arguments="", ident=f"{name}-dgram", file="internal")
    files["main"] = files["main"].replace("includedir", "include @DIR@/internal\nincludedir", 1)
    for name, entry in BROKEN.items():
        files["main"] += entry.replace("NAME", name)
    text("last", file="more")
    files["main"] += "}\n"   # as people's files end


ACCESS = {
    "open": "", "host": "only_from = 127.0.0.2", "net": "only_from = 127.1.0.0", "cidr": "only_from = 127.0.0.0/30", "factors": "only_from = 127.0.{1,3}",
    "factor-hosts": "only_from = 127.0.0.{2,3}", "four-only": "only_from = 0.0.0.0", "all-four": "only_from = 0.0.0.0/0", "all-six": "only_from = ::/0",
    "six-host": "only_from = ::1", "none": "only_from =", "denied": "no_access = 127.0.0.2 127.1.2.0", "in-both": "only_from = 127.0.0.0\nno_access = 127.0.0.2",
    "better-allow": "only_from = 127.0.0.2\nno_access = 127.0.0.0", "added": "only_from = 127.0.0.2\nonly_from += 127.0.0.3\nonly_from -= 127.0.0.2",
    "set-again": "only_from = 127.0.0.2\nonly_from = 127.0.0.3", "short": "only_from = 127.3", "octal": "only_from = 0177.0.0.2", "bad-length": "only_from = 127.0.0.2/40",
    "dotted-mask": "only_from = 127.0.0.0/255.0.0.0", "unspecified": "only_from = ::", "six-net": "only_from = ::/8",
}
LOGGED = {
    "all": "log_on_success = PID HOST EXIT DURATION\nlog_on_failure = HOST ATTEMPT", "pid": "log_on_success = PID", "exit": "log_on_success = EXIT",
    "duration": "log_on_success = DURATION\nlog_on_failure = ATTEMPT", "host": "log_on_success = HOST\nlog_on_failure = HOST", "none": "",
}
SOURCES = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.1.1", "127.1.2.3", "127.0.0.9", "::1")

HEAD = "service NAME\n{\n\ttype = UNLISTED\n\tport = @port(NAME)@\n"
REST = "\tsocket_type = stream\n\tprotocol = tcp\n\twait = no\n\tuser = root\n\tserver = /bin/echo\n"
# Entries that neither starts; the last ones are all right, but for a line that is ignored.
BROKEN = {
    "no-blanks": HEAD + REST + "\tnice=5\n}\n", "no-left-blank": HEAD + REST + "\tnice= 5\n}\n", "no-operator": HEAD + REST + "\tnice\n}\n",
    "brace-behind": "service NAME {\n\ttype = UNLISTED\n\tport = @port(NAME)@\n" + REST + "}\n",
    "no-wait": HEAD + REST.replace("\twait = no\n", "") + "}\n", "no-user": HEAD + REST.replace("\tuser = root\n", "") + "}\n",
    "no-server": HEAD + REST.replace("\tserver = /bin/echo\n", "") + "}\n", "no-port": "service NAME\n{\n\ttype = UNLISTED\n" + REST + "}\n",
    "bad-wait": HEAD + REST.replace("wait = no", "wait = maybe") + "}\n", "bad-user": HEAD + REST.replace("root", "nosuchuser") + "}\n",
    "bad-port": "service NAME\n{\n\ttype = UNLISTED\n\tport = 70000\n" + REST + "}\n", "bad-flag": HEAD + REST + "\tflags = FAST\n}\n",
    "bad-type": HEAD + REST + "\ttype = UNLISTED ODD\n}\n",   # given twice: the first one counts
    "bad-umask": HEAD + REST + "\tumask = 999\n}\n", "bad-instances": HEAD + REST + "\tinstances = some\n}\n", "bad-times": HEAD + REST + "\taccess_times = soon\n}\n",
    "bad-limit": HEAD + REST + "\trlimit_as = much\n}\n", "bad-env": HEAD + REST + "\tenv = NAME\n}\n", "bad-log": HEAD + REST + "\tlog_type = JOURNAL\n}\n",
    "bad-comma": HEAD + REST + "\tonly_from = 127.0.0.1,127.0.0.2\n}\n", "bad-group": HEAD + REST + "\tgroup = nosuchgroup\n}\n",
    "bad-protocol": HEAD + REST.replace("protocol = tcp", "protocol = tcp6") + "}\n", "no-args": HEAD + REST + "\tserver_args =\n}\n",
    "no-name": HEAD + REST + "\tflags = NAMEINARGS\n}\n", "not-listed": "service NAME\n{\n\tport = @port(NAME)@\n" + REST + "}\n",
    "redirect-waits": HEAD + REST.replace("wait = no", "wait = yes") + "\tredirect = 127.0.0.1 7\n}\n",
    "odd-builtin": HEAD.replace("UNLISTED", "UNLISTED INTERNAL") + REST + "}\n",
    "ignored-words": HEAD + REST + "\tcolour = red\n\tnice = 1 2\n\tuser = nobody\n\tumask += 2\n\tenabled = other\n}\n",
    "junk-before": "ftp stream tcp nowait root /bin/f f\n}\n" + HEAD + REST + "}\n",
    "swallowed": "}\n" + HEAD + REST + "}\n", "second": HEAD + REST + "}\n",
    "no-end": HEAD + REST, "after-no-end": HEAD + REST + "}\n", "at-last": HEAD + REST + "}\n",
}


def somebody():
    """A user with supplementary groups, if there is one."""
    import grp
    for group in grp.getgrall():
        for name in group.gr_mem:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name).pw_name
    return "daemon"


@unittest.skipUnless(os.geteuid() == 0, "xinetd's servers run as other users: that is root's")
class SideBySide(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        described()
        for name in files:
            files[name] = files[name].replace("@SOMEBODY@", somebody())
        cls.pair = p.Pair(files)
        cls.addClassCleanup(cls.pair.stop)
        cls.daemon = cls.pair.daemon

    def both(self, question, name):
        """The answers of xinetd and of xsvd."""
        return tuple(question(self.pair.port(daemon, name)) for daemon in ("xinetd", "xsvd"))

    def same(self, name, question=p.ask):
        theirs, ours = self.both(question, name)
        self.assertEqual(theirs, ours, name)
        return ours

    def facts(self, name, question=p.ask):
        """What a server found, without what is meant to differ."""
        answers = [p.facts(answer) for answer in self.both(question, name)]
        (before, theirs), (our_before, ours) = answers
        self.assertEqual(before, our_before, name)
        added = set(ours["environment"]) - set(theirs["environment"])
        self.assertLessEqual(added, OUR_VARIABLES, name)                                      # more-environment
        for variable in added:
            del ours["environment"][variable]
        theirs["limits"].pop("CORE"), ours["limits"].pop("CORE")                              # core
        return theirs, ours

    def same_facts(self, name, question=p.ask):
        theirs, ours = self.facts(name, question)
        self.assertEqual(theirs, ours, name)
        return ours

    # ---- what a server finds

    def test_a_server_finds_the_same(self):
        for name in ("plain", "all", "nothing-passed", "default-umask", "named", "nobody", "numbered", "grouped", "all-groups", "no-groups"):
            with self.subTest(name):
                self.same_facts(name)
        found = self.same_facts("all")
        self.assertEqual({k: found["environment"][k] for k in "ABC"}, {"A": "1", "B": "x=y", "C": 'q"%d;'})
        self.assertEqual((found["umask"], found["nice"], found["limits"]["NOFILE"]), ("027", 5, [100, 100]))
        self.assertEqual(self.same_facts("default-umask")["umask"], "007")
        self.assertEqual(self.same_facts("named")["argv"][0], "a.name")
        self.assertEqual(self.same_facts("grouped")["groups"], [])

    def test_arguments_are_words_and_nothing_else(self):
        self.assertEqual(self.same("words"), "a \"b c\" 'd' $HOME * # %s ; \\ é\n".encode())

    def test_stderr_is_the_caller(self):
        self.assertTrue(all(answer.startswith(b"stderr {") for answer in self.both(p.ask, "plain")))

    def test_a_server_that_takes_its_callers_itself(self):
        for name, question in (("accepting", p.ask), ("datagrams", p.ask_datagram)):
            with self.subTest(name):
                theirs, ours = self.facts(name, question)
                theirs["environment"].pop("REMOTE_HOST", None), ours["environment"].pop("REMOTE_HOST", None)   # no-address
                self.assertEqual(theirs, ours)
                # It has ended: the next caller starts it again.
                self.facts(name, question)

    def test_the_address_of_an_IPv4_caller_of_both_families(self):
        theirs, ours = self.facts("dual")
        self.assertEqual((theirs["environment"].pop("REMOTE_HOST"), ours["environment"].pop("REMOTE_HOST")), ("::ffff:127.0.0.1", "127.0.0.1"))   # mapped
        self.assertEqual(theirs, ours)
        self.same_facts("dual", lambda port: p.ask(port, host="::1"))

    # ---- where callers come to

    def test_families_and_addresses(self):
        for name in ("bound", "bound-six", "six", "four", "both", "both-flags", "keep"):
            for host in ("127.0.0.1", "127.0.0.5", "::1"):
                with self.subTest(name, host=host):
                    self.same(name, lambda port, host=host: p.ask(port, host=host))

    # ---- who comes in

    def test_who_comes_in(self):
        served = {}
        for name in ACCESS:
            for source in SOURCES:
                with self.subTest(name, source=source):
                    host = "::1" if ":" in source else "127.0.0.1"
                    served[name, source] = self.same(name, lambda port, host=host, source=source: p.ask(port, source=source, host=host))
        self.assertEqual(served["host", "127.0.0.2"], b"served host\n")
        self.assertEqual(served["host", "127.0.0.1"], b"")
        self.assertEqual(served["better-allow", "127.0.0.2"], b"")   # the manual promises the opposite

    def test_times(self):
        self.assertEqual(self.same("in-time"), b"served in-time\n")
        self.assertEqual(self.same("out-of-time"), b"failed without a line end")

    def test_banners(self):
        self.assertEqual(self.same("banners"), b"always\r\nsuccess\nserved banners\n")
        self.assertEqual(self.same("banners-denied"), b"always\r\nfailed without a line end")

    def test_one_at_a_time(self):
        def two(port):
            with xsvd.connect(("127.0.0.1", port)) as first:
                first.sendall(b"one")
                first.recv(3)
                refused = p.ask(port, b"two")
                first.shutdown(socket.SHUT_WR)
                return refused, xsvd.read_all(first)
        self.assertEqual(self.same("single", two), (b"failed without a line end", b""))

    def test_one_of_each_source(self):
        def three(port):
            with xsvd.connect(("127.0.0.1", port)) as first:
                first.sendall(b"one")
                first.recv(3)
                return p.ask(port, b"two"), p.ask(port, b"three", source="127.0.0.2")
        self.assertEqual(self.same("one-each", three), (b"", b"three"))

    def test_load(self):
        self.assertEqual(self.same("never-busy"), b"served never-busy\n")
        if os.getloadavg()[0] > 0.3:
            self.assertEqual(self.same("busy"), b"failed without a line end")

    def test_a_flood(self):                                                                   # flood
        def burst(port):
            with concurrent.futures.ThreadPoolExecutor(60) as callers:
                return list(callers.map(p.ask, [port] * 60))
        theirs, ours = (self.pair.port(daemon, "flooded") for daemon in ("xinetd", "xsvd"))
        xsvd.until(lambda: burst(theirs) and p.ask(theirs) is None, "xinetd closes the port")
        self.assertEqual(set(burst(ours)), {b"served flooded\n"})

    def test_a_sensor_shuts_every_door(self):
        self.same("trap", lambda port: p.ask(port, source="127.0.0.77"))
        for source in ("127.0.0.77", "127.0.0.1"):
            answer = self.same("open", lambda port, source=source: p.ask(port, source=source))
            self.assertEqual(answer, b"" if source == "127.0.0.77" else b"served open\n")

    # ---- what is logged

    def test_log_lines(self):
        def overload(port):
            with xsvd.connect(("127.0.0.1", port)) as first:
                first.sendall(b"one")
                first.recv(3)
                return p.ask(port)
        for name, words in LOGGED.items():
            is_told, is_refusal_told = bool(words), "failure" in words
            for log, question, lines in ((f"log-{name}", overload, is_told + is_refusal_told + ("EXIT" in words or "DURATION" in words)),
                                         (f"no-{name}", p.ask, is_refusal_told)):
                with self.subTest(log):
                    self.same(log, question)
                    theirs, ours = self.logs(log, lines)
                    self.assertEqual(theirs, ours)
                    self.assertEqual(len(theirs), lines)

    def logs(self, name, lines):
        """Both, as soon as they have so many lines."""
        logs = []

        def are_done():
            logs[:] = (self.pair.log_lines(daemon, name) for daemon in ("xinetd", "xsvd"))
            logs[0] = [line for line in logs[0] if "FAIL" in line or not name.startswith("no-")]   # no-server
            return len(logs[0]) == len(logs[1]) == lines
        with contextlib.suppress(AssertionError):
            xsvd.until(are_done, "", 3)
        return logs

    def test_redirect(self):
        def talk(port):
            with xsvd.connect(("127.0.0.1", port)) as s:                                      # half-close
                answers = []
                for word in (b"hello", b"x" * 50):
                    s.sendall(word)
                    answers.append(s.recv(50, socket.MSG_WAITALL) if len(word) == 50 else s.recv(5))
                return answers
        for name in ("by-address", "by-host"):
            with self.subTest(name):
                self.assertEqual(self.same(name, talk), [b"hello", b"x" * 50])

    # ---- which entries there are

    def test_which_entries_there_are(self):
        there = {}
        for name in ("switched-off", "switched-on", "listed", "LouD", "dir-a", "dir-bconf", "dir-c", "dir-d", "dir-e", "dir-frpmsave", "dir-Z", "last"):
            with self.subTest(name):
                there[name] = self.same(name) is not None
        self.assertEqual([name for name, is_there in there.items() if is_there], ["switched-on", "dir-a", "dir-e", "dir-Z", "last"])
        states = {name: info["statename"] for name, info in self.daemon.all_info().items()}
        self.assertEqual((states["switched-off"], states["listed"], states["LouD"]), ("STOPPED",) * 3)

    def test_defaults_are_merged_where_they_stand(self):
        for name in ("open", "from-more", "after", "after-all", "after-own"):
            for source in SOURCES[:6]:
                with self.subTest(name, source=source):
                    self.same(name, lambda port, source=source: p.ask(port, source=source))

    def test_broken_entries(self):
        there = []
        for name in BROKEN:
            with self.subTest(name):
                answer = self.same(name)
                if answer is not None:
                    there.append(name)
        self.assertEqual(there, ["bad-type", "ignored-words", "junk-before", "second", "at-last"])
        info = self.daemon.all_info()
        for name in BROKEN:
            if name not in there:
                self.assertEqual(info[name]["statename"], "FATAL", name)
        # Some of them cannot be mended, so they do not stand in the way of a reload.
        self.assertEqual(self.daemon.ctl("reload")[0], 0)
        self.assertIn("expected 'attribute = value' with blanks around the '=', got 'nice=5'", info["no-blanks"]["spawnerr"])

    # ---- internal services

    def test_internal_streams(self):
        self.assertEqual(self.same("echo-stream", lambda port: p.ask(port, b"x" * 100_000)), b"x" * 100_000)
        self.assertEqual(self.same("discard-stream", lambda port: p.ask(port, b"x" * 100_000)), b"")

        def lines(port):
            with xsvd.connect(("127.0.0.1", port)) as s:
                data = b""
                while len(data) < 20_000:
                    data += s.recv(20_000 - len(data))
                return data.split(b"\r\n")[:-1]
        for answer in self.both(lines, "chargen-stream"):                                     # characters
            self.assertEqual({len(line) for line in answer}, {72})
            self.assertTrue(all(after.startswith(before[1:]) for before, after in zip(answer[:20], answer[1:20])))
        self.assert_same_time(p.ask)

    def test_tcpmux(self):
        def ask(name):
            theirs, ours = self.both(lambda port: p.ask(port, name + b"\r\n"), "tcpmux")
            return theirs.replace(b"\0", b""), ours                                              # mux
        for name in (b"muxed", b"MUXED", b"mux-plus", b"Mux-Plus"):
            with self.subTest(name):
                theirs, ours = ask(name)
                self.assertEqual(theirs, ours)
                self.assertIn(b"served", ours)
        for name in (b"nobody", b"open", b"mux"):
            self.assertEqual([answer[:1] for answer in ask(name)], [b"-", b"-"], name)
        self.assertEqual(ask(b"help"), (b"-Service name not found\r\n", b"Mux-Plus\r\nmuxed\r\n"))

    def assert_same_time(self, question, kind="stream"):
        theirs, ours = (struct.unpack("!I", answer)[0] for answer in self.both(question, f"time-{kind}"))
        self.assertLessEqual(abs(theirs - ours), 2)
        theirs, ours = (answer.decode() for answer in self.both(question, f"daytime-{kind}"))   # daytime
        self.assertTrue(theirs.endswith("\r\n") and ours.endswith("\r\n"))
        then = datetime.datetime.strptime(" ".join(theirs.split()[:4]), "%d %b %Y %H:%M:%S")
        self.assertLessEqual(abs((datetime.datetime.strptime(ours, "%a %b %d %H:%M:%S %Y\r\n") - then).total_seconds()), 2)

    def test_internal_datagrams(self):
        self.assertEqual(self.same("echo-dgram", lambda port: p.ask_datagram(port, b"hello")), b"hello")
        self.assert_same_time(p.ask_datagram, "dgram")


ALLOW = """# the first rule that matches decides
one: 127.0.0.2
net: 127.1.
slash: 127.0.0.0/30
mask: 127.0.0.0/255.255.255.252
odd: 127.0.0.1/24
except: 127. EXCEPT 127.0.0.2 127.0.0.3
twice: 127. EXCEPT 127.0. EXCEPT 127.0.0.2
refused: 127.0.0.2: deny
refused: ALL
six: [::1]
six-net: [::]/0
list, other: 127.0.0.3, 127.0.0.9
wild*: 127.0.0.2
starred: 127.0.*
continued: \\
 127.0.0.2 \\
 127.0.0.3
spawned: 127.0.0.2: spawn /bin/true
without separator
CASE: 127.0.0.2
but-not: 127.0.0.0/8: allow
unknown: 127.0.0.2: colour red
ALL EXCEPT one free but-not: 127.1.2.3
echo: 127.0.0.9
"""
DENY = """but-not: 127.0.0.2
some: 127.0.0.2, [::1]
some: 127.0.0.3: allow
ALL EXCEPT free some: ALL
never: 127.0.0.1"""   # a last line without an end refuses everybody who comes to it
WRAPPED = {name: f"libwrap = {name}" for name in ("one", "net", "slash", "mask", "odd", "except", "twice", "refused", "six", "six-net", "list", "other", "wilder",
                                                  "starred", "continued", "spawned", "without", "case", "but-not", "unknown", "free", "some")}
WRAPPED |= {"by-server": "", "with-list": "libwrap = except\nonly_from = 127.0.0.0\nno_access = 127.0.0.9"}


@unittest.skipUnless(os.geteuid() == 0 and p.can_have_own_files(), "hosts.allow can be replaced in a mount name space only")
class Wrappers(unittest.TestCase):
    def test_who_comes_in(self):
        files.clear()
        for name, lines in WRAPPED.items():
            text(name, lines, flags="")
        text("not-asked", "libwrap = nobody-has-it", flags="NOLIBWRAP")
        service("echo", types="INTERNAL UNLISTED", user="", server="", arguments="")
        pair = p.Pair(files, ALLOW, DENY)
        self.addCleanup(pair.stop)
        for name in (*WRAPPED, "not-asked", "echo"):
            for source in SOURCES:
                with self.subTest(name, source=source):
                    host = "::1" if ":" in source else "127.0.0.1"
                    if host == "::1" and name in ("not-asked", "echo"):
                        continue   # of IPv4
                    theirs, ours = (p.ask(pair.port(daemon, name), b"hello", source, host) for daemon in ("xinetd", "xsvd"))
                    self.assertEqual(theirs, ours)
                    self.assertIsNotNone(ours)
        self.assertEqual(pair.daemon.ctl("check")[0], 0)


class SampleFiles(unittest.TestCase):
    """The files that Debian's package brings along."""

    def test_every_entry_is_there_or_refused_with_a_reason(self):
        samples = sorted((p.XINETD / "etc" / "xinetd.d").iterdir())
        entries = sum(len(re.findall(r"^service\s", file.read_text(encoding="utf-8"), re.MULTILINE)) for file in samples)
        self.assertGreaterEqual(entries, 10)
        done = subprocess.run([xsvd.XSVCTL, "import", "--from=xinetd", *samples], capture_output=True, text=True, check=False)
        sections = re.findall(r"^(?:; )?\[program:(.*)\]$", done.stdout, re.MULTILINE)
        left_out = re.findall(r"^; .*/(servers|services):\d+: warning: .*left out", done.stdout, re.MULTILINE)
        self.assertEqual((len(sections) + len(left_out), left_out), (entries, ["servers", "services"]), done.stdout)


if __name__ == "__main__":
    p.enter_own_network()
    unittest.main()
