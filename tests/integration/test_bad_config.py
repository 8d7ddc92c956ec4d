"""Broken configurations: one clear message for each mistake, in bounded time, and what is not broken runs."""
import os
import subprocess
import unittest

import xsvd


class Hopeless(unittest.TestCase):
    """The file itself, [supervisord] or a server section is wrong: exit code 2 and a message that names it."""

    def setUp(self):
        self.folder = xsvd.tempfile.mkdtemp(prefix="xsvd-")
        self.addCleanup(xsvd.shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "xsvd.conf")

    def assert_refused(self, *wanted, path=None, seconds=10, user=None):
        done = subprocess.run([xsvd.XSVD, "-n", "-c", path or self.path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=seconds, check=False, cwd=self.folder, user=user,
                              group=user, extra_groups=[] if user else None)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 2, said)
        self.assertLess(len(said), 4000, "a message is for people")
        self.assertNotRegex(said, r"(?i)assert|terminate called|exception|sanitizer")
        for text in wanted:
            self.assertIn(text, said)

    def write(self, text, mode="w"):
        with open(self.path, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
            file.write(text)

    def test_a_missing_file(self):
        self.assert_refused("could not find config file", self.path)

    def test_a_folder(self):
        self.assert_refused(f"Error: could not read config file {self.folder}: is a directory\n", path=self.folder)

    def test_a_fifo(self):
        os.mkfifo(self.path)
        self.assert_refused("xsvd.conf")

    def test_a_device(self):
        self.assert_refused("Error: could not read config file /dev/zero: is not a regular file\n", path="/dev/zero")

    @unittest.skipUnless(xsvd.is_root(), "needs root")
    def test_an_unreadable_file(self):
        self.write("[supervisord]\n")
        os.chmod(self.folder, 0o755)
        os.chmod(self.path, 0o600)
        self.assert_refused(f"Error: could not read config file {self.path}: Permission denied\n", user=65534)

    @unittest.skipUnless(xsvd.is_root(), "needs root")
    def test_a_file_that_others_may_write(self):
        self.write("[supervisord]\n")
        os.chmod(self.path, 0o666)
        self.assert_refused("xsvd.conf")

    def test_a_huge_file(self):
        self.write("[supervisord]\n")
        os.truncate(self.path, 1 << 40)
        self.assert_refused("xsvd.conf")

    def test_a_huge_file_with_contents(self):
        self.write("[supervisord]\n" + "; a comment\n" * 500_000)
        self.assert_refused("xsvd.conf")

    def test_bytes_from_dev_urandom(self):
        self.write(os.urandom(20_000), "wb")
        self.assert_refused("xsvd.conf")

    def test_no_section(self):
        self.write("logfile = /tmp/x\n")
        self.assert_refused("xsvd.conf")

    def test_wrong_values_of_the_daemon(self):
        for line, wanted in (("loglevel = loud", "loud"), ("minfds = many", "minfds"), ("user = no-such-user", "no-such-user"),
                             ("umask = 9", "umask"), ("childlogdir = /etc/passwd", "/etc/passwd"),
                             ("logfile = /etc/passwd/log", "/etc/passwd"), ("nodaemon = perhaps", "perhaps"),
                             ("environment = A", "environment"), ("logfile = %(nothing)s", "nothing"), ("logfile_maxbytes = 5 apples", "apples")):
            with self.subTest(line):
                self.write("[supervisord]\n" + line + "\n")
                self.assert_refused(wanted)

    def test_wrong_servers(self):
        for text, wanted in (("[unix_http_server]\n", "file"), ("[unix_http_server]\nfile = /tmp/x\nusername = u\n", "password"),
                             ("[inet_http_server]\nport = 99999\n", "99999"), ("[inet_http_server]\n", "port"),
                             ("[unix_http_server]\nfile = /tmp/" + "x" * 200 + "\n", "107"),
                             ("[unix_http_server]\nfile = /etc/passwd/sock\n", "/etc/passwd"),
                             ("[unix_http_server]\nfile = /tmp/x\nchmod = 9\n", "9")):
            with self.subTest(text):
                self.write(f"[supervisord]\nlogfile = {self.folder}/log\nrundir = {self.folder}/run\n" + text)
                self.assert_refused(wanted)


class Servers(xsvd.TestCase):
    def test_a_server_for_everybody_without_a_password_stays_closed(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"[inet_http_server]\nport = *:{port}\n[program:good]\ncommand = /bin/sleep 1000\n")
        daemon.wait_for_pid("good")
        daemon.wait_for_log("allow_unauthenticated")
        self.assertTrue(xsvd.is_refused(("127.0.0.1", port)))


class Quarantined(xsvd.TestCase):
    """One program is wrong: it is FATAL with the reason, and the others run."""

    CASES = {
        "unknown_user": ("command = /bin/true\nuser = no-such-user", "no-such-user"),
        "no_command": ("autostart = true", "command"),
        "bad_startsecs": ("command = /bin/true\nstartsecs = soon", "startsecs"),
        "bad_signal": ("command = /bin/true\nstopsignal = SIGNOTHING", "SIGNOTHING"),
        "bad_exitcodes": ("command = /bin/true\nexitcodes = 0,256", "256"),
        "bad_expansion": ("command = /bin/%(nothing)s", "nothing"),
        "bad_port": ("command = /bin/true\nsocket = tcp:70000", "70000"),
        "bad_address": ("command = /bin/true\nsocket = tcp:300.1.2.3:80", "300.1.2.3"),
        "bad_kind": ("command = /bin/true\nsocket = smoke:80", "smoke"),
        "long_path": ("command = /bin/true\nsocket = unix:/run/" + "x" * 200, "xxx"),
        "relative_path": ("command = /bin/true\nsocket = unix:x.sock", "x.sock"),
        "stream_from_datagrams": ("command = /bin/true\nsocket = udp:127.0.0.1:9\nactivation = per_connection", "udp"),
        "bad_activation": ("command = /bin/true\nsocket = tcp4:127.0.0.1:9\nactivation = sometimes", "sometimes"),
        "bad_pass": ("command = /bin/true\nsocket = tcp4:127.0.0.1:9\nsocket_pass = by_hand", "by_hand"),
        "bad_rate": ("command = /bin/cat\nsocket = tcp4:127.0.0.1:9\nactivation = per_connection\nmax_rate = fast", "fast"),
        "bad_rule": ("command = /bin/cat\nsocket = tcp4:127.0.0.1:9\nactivation = per_connection\nallow_from = 10.0.0.0/99", "10.0.0.0/99"),
        "numprocs_without_number": ("command = /bin/true\nnumprocs = 2", "process_num"),
        "contradiction": ("command = /bin/true\nstopasgroup = true\nkillasgroup = false", "stopasgroup"),
    }

    def test_each_is_shown_with_its_reason_and_the_rest_runs(self):   # B31
        text = "[program:good]\ncommand = /bin/sleep 1000\nstartsecs = 0\n"
        places = {}
        for name, (lines, _) in self.CASES.items():
            places[name] = text.count("\n")
            text += f"[program:{name}]\n{lines}\nstartretries = 0\n"
        daemon = self.daemon(text)
        daemon.wait_for("good", "RUNNING")
        check = daemon.ctl("check", str(daemon.config))
        self.assertNotEqual(check.code, 0)
        for name, (lines, wanted) in self.CASES.items():
            with self.subTest(name):
                rows = {key: info for key, info in daemon.all_info().items() if key.split(":")[0] == name}
                self.assertTrue(rows, "the program has a row")
                self.assertEqual({info["statename"] for info in rows.values()}, {"FATAL"})
                self.assertIn(wanted, daemon.ctl("why", next(iter(rows))).out)
                first = daemon.first_line + places[name]
                said = [line for line in (check.out + check.err).splitlines()
                        if any(f"xsvd.conf:{first + n}" in line for n in range(lines.count("\n") + 2))]
                self.assertTrue(any(wanted in line for line in said), f"check names the line and {wanted!r}: {check.out}{check.err}")

    def test_programs_that_cannot_be_started(self):
        daemon = self.daemon("""
            [program:missing]
            command = /no/such/program
            startretries = 0
            [program:not_executable]
            command = @DIR@/xsvd.conf
            startretries = 0
            [program:folder]
            command = @DIR@/
            startretries = 0
            [program:nowhere]
            command = /bin/true
            directory = /no/such/folder
            startretries = 0
            [program:quotes]
            command = /bin/true 'open
            startretries = 0""")
        for name, wanted in (("missing", "can't find command '/no/such/program'"), ("not_executable", "is not executable"),
                             ("folder", "is a directory"), ("nowhere", "directory /no/such/folder: No such file or directory"), ("quotes", "No closing quotation")):
            with self.subTest(name):
                daemon.wait_for(name, "FATAL")
                self.assertIn(wanted, daemon.ctl("why", name).out)


class Includes(xsvd.TestCase):
    def test_recursion_and_missing_files_are_warnings(self):
        daemon = self.daemon("""
            [include]
            files = xsvd.conf xsvd.conf nothing-*.conf
            [program:good]
            command = /bin/sleep 1000""")
        daemon.wait_for_pid("good")
        self.assertEqual(set(daemon.all_info()), {"good"})
        self.assertIn("nothing-*.conf", daemon.read_log())

    def test_a_fifo_is_not_waited_for(self):
        folder = self.folder()
        os.mkfifo(folder / "a.conf")
        daemon = self.daemon("[program:good]\ncommand = /bin/sleep 1000\n")
        pid = daemon.wait_for_pid("good")
        answer = daemon.reload(f"[include]\nfiles = {folder}/*.conf\n[program:good]\ncommand = /bin/sleep 1000\n", check=False)
        self.assertNotEqual(answer.code, 0)
        self.assertIn("a.conf", answer.out + answer.err)
        self.assertEqual(daemon.pid_of("good"), pid)

    def test_mistakes_in_included_files_name_those_files(self):   # B31
        folder = self.folder()
        (folder / "a.conf").write_text("[program:a]\ncommand = /bin/true\n\nstartsecs = soon\n")
        (folder / "b.conf").write_text("[program:b]\ncommand = /bin/true\nautorestart = never\n")
        daemon = self.daemon("[program:good]\ncommand = /bin/sleep 1000\n")
        answer = daemon.reload(f"[include]\nfiles = {folder}/*.conf\n", check=False)
        self.assertNotEqual(answer.code, 0)
        self.assertIn("a.conf:4", answer.out + answer.err)
        self.assertIn("b.conf:3", answer.out + answer.err)


class Large(xsvd.TestCase):
    def test_long_lines_and_long_names(self):
        long_value, long_name = "x" * 20_000, "n" * 60
        daemon = self.daemon(f"""
            [program:{long_name}]
            command = /bin/sh -c 'test ${{#LONG}} = 20000 && exec sleep 1000'
            environment = LONG="{long_value}"
            startsecs = 0.5""")
        daemon.wait_for(long_name, "RUNNING")

    def test_a_thousand_programs(self):
        daemon = self.daemon("".join(f"[program:p{i}]\ncommand = /bin/sleep 1000\nautostart = false\n" for i in range(1000)))
        self.assertEqual(len(daemon.all_info()), 1000)


if __name__ == "__main__":
    xsvd.main()
