"""Started under the name supervisord: what Supervisor's users, init scripts and log readers know of its daemon."""
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import unittest

import xsvd

SLEEPER = "[program:sleeper]\ncommand = /bin/sleep 1000\nstartsecs = 0\n"
AS_ROOT = ("CRIT Supervisor is running as root.  Privileges were not dropped because no user is specified in the config file.  If you intend to "
           "run as root, you can set user=root in the config file to avoid this message.")


class Named(xsvd.TestCase):
    """Links under Supervisor's names beside the build."""

    def link(self, name, program=xsvd.XSVD):
        path = self.folder() / name
        path.symlink_to(program)
        return path

    def supervisord(self, config=SLEEPER, **options):
        """The daemon's first word is the link's path, as if the shell had found it."""
        return self.daemon(config, wrapper=(), **dict(options, program=self.link("supervisord")))


class Start(Named):
    def test_every_process_is_called_after_it(self):
        daemon = self.supervisord()
        self.assertEqual(xsvd.Process(daemon.pid).title, "supervisord: guardian")
        titles = {p.title for p in xsvd.descendants(daemon.pid)}
        for role in ("engine", "scribe", "web"):
            self.assertIn(f"supervisord: {role}", titles)

    def test_the_log_begins_in_supervisors_words(self):
        folder = self.folder()
        (folder / "extra.conf").write_text("[program:more]\ncommand = /bin/sleep 1000\n", encoding="ascii")
        daemon = self.supervisord(f"[include]\nfiles = {folder}/*.conf {folder}/none/*.conf\n" + SLEEPER)
        daemon.wait_for_pid("sleeper")
        lines = [line.split(" ", 2)[2] for line in daemon.read_log().splitlines()]
        expected = [f'INFO Included extra file "{folder}/extra.conf" during parsing', f"INFO supervisord started with pid {daemon.pid}"]
        if xsvd.is_root():
            expected.insert(0, AS_ROOT)
        self.assertEqual([line for line in lines if line in expected], expected)
        self.assertTrue(any(line.startswith("WARN ") and line.endswith(f'No file matches via include "{folder}/none/*.conf"') for line in lines), lines)
        self.assertRegex(daemon.read_log().splitlines()[0], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")

    @unittest.skipUnless(xsvd.is_root(), "needs root")
    def test_user_is_another_one(self):
        nobody = pwd.getpwnam("nobody")
        folder = self.folder()
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        os.chmod(folder, 0o755)

        def prepare(daemon):
            os.chmod(daemon.dir, 0o755)   # who may change the configuration's folder could replace it: that stays root's
            daemon.socket = f"{folder}/ctl.sock"
            daemon.write(SLEEPER)
        daemon = self.supervisord(SLEEPER, before=prepare, supervisord=f"user = nobody\nlogfile = {folder}/d.log\npidfile = {folder}/d.pid\nchildlogdir = {folder}")
        pid = daemon.wait_for_pid("sleeper")
        self.assertEqual(os.stat(f"/proc/{pid}").st_uid, nobody.pw_uid)
        log = (folder / "d.log").read_text(encoding="utf-8")
        self.assertIn(f"INFO Set uid to user {nobody.pw_uid} succeeded\n", log)
        self.assertNotIn("running as root", log)
        self.assertEqual(os.stat(folder / "d.log").st_uid, nobody.pw_uid)

        def rights(of):
            status = pathlib.Path(f"/proc/{of}/status").read_text(encoding="ascii")
            return [line for line in status.splitlines() if line.startswith(("Uid:", "Gid:", "Groups:", "CapEff:"))]
        engine = daemon.wait_for_engine()
        before = rights(engine)
        os.kill(engine, signal.SIGKILL)
        successor = daemon.wait_for_engine(other_than=engine)
        daemon.wait_until_ready()
        self.assertEqual(daemon.wait_for_pid("sleeper"), pid)
        self.assertEqual(rights(successor), before)

    def test_a_server_without_a_password_is_critical(self):
        port = xsvd.free_port()
        daemon = self.supervisord(f"[inet_http_server]\nport = 127.0.0.1:{port}\n")
        self.assertIn("CRIT Server 'inet_http_server' running without any HTTP authentication checking", daemon.read_log())


class Signals(Named):
    def test_hup_restarts_everything_and_keeps_the_pid(self):
        daemon = self.supervisord(SLEEPER)
        old = daemon.wait_for_pid("sleeper")
        daemon.write(SLEEPER + "[program:new]\ncommand = /bin/sleep 1000\n")
        os.kill(daemon.pid, signal.SIGHUP)
        xsvd.until(lambda: daemon.read_log().count("supervisord started with pid") == 2, "the second start")
        daemon.wait_until_ready()
        self.assertNotEqual(daemon.wait_for_pid("sleeper"), old)
        daemon.wait_for_pid("new")
        self.assertEqual(daemon.rpc.getPID(), daemon.pid)
        self.assertIn("WARN received SIGHUP indicating restart request", daemon.read_log())
        self.assertEqual(int((daemon.dir / "xsvd.pid").read_text()), daemon.pid)

    def test_hup_with_a_mistake_stops_nothing(self):   # B17
        daemon = self.supervisord(SLEEPER)
        old = daemon.wait_for_pid("sleeper")
        daemon.write("[supervisord]\nloglevel = loud\n" + SLEEPER)
        os.kill(daemon.pid, signal.SIGHUP)
        xsvd.until(lambda: "nothing is restarted" in daemon.read_log(), "the refusal")
        self.assertIn("bad logging level name 'loud'", daemon.read_log())
        self.assertEqual(daemon.pid_of("sleeper"), old)
        with self.assertRaises(xsvd.xmlrpc.client.Fault) as refused:
            daemon.rpc.restart()
        self.assertEqual(refused.exception.faultCode, 92)
        os.rename(daemon.config, daemon.config.with_suffix(".away"))
        os.kill(daemon.pid, signal.SIGHUP)
        xsvd.until(lambda: daemon.read_log().count("nothing is restarted") == 2, "the refusal")
        self.assertEqual(daemon.pid_of("sleeper"), old)
        os.rename(daemon.config.with_suffix(".away"), daemon.config)

    def test_usr1_does_nothing_and_usr2_reopens(self):   # B24
        daemon = self.supervisord(SLEEPER)
        pid = daemon.wait_for_pid("sleeper")
        os.kill(daemon.pid, signal.SIGUSR1)
        os.rename(daemon.log, daemon.dir / "old.log")
        os.kill(daemon.pid, signal.SIGUSR2)
        xsvd.until(lambda: daemon.log.exists() and "supervisord logreopen" in daemon.read_log(), "the new log")
        self.assertIn("received SIGUSR2 indicating log reopen request", (daemon.dir / "old.log").read_text(encoding="utf-8"))
        self.assertEqual(daemon.pid_of("sleeper"), pid)


class Children(Named):
    def test_environment_signals_and_descriptors(self):   # T32
        daemon = self.supervisord("""
            [program:shows]
            command = /bin/sh -c 'env > @DIR@/env.new; grep -E "^Sig(Blk|Ign)" /proc/self/status > @DIR@/signals; ls /proc/self/fd > @DIR@/fds; mv @DIR@/env.new @DIR@/env; exec sleep 1000'
            environment = B="program",SUPERVISOR_GROUP_NAME="mine"
            startsecs = 0""", supervisord='environment = A="daemon",B="daemon",SUPERVISOR_ENABLED="2"', env={"A": "shell", "OUTER": "shell"})
        path = daemon.dir / "env"
        xsvd.until(path.exists, "the environment")
        variables = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
        wanted = {"A": "daemon", "B": "program", "OUTER": "shell", "SUPERVISOR_ENABLED": "2", "SUPERVISOR_PROCESS_NAME": "shows",
                  "SUPERVISOR_GROUP_NAME": "mine", "SUPERVISOR_SERVER_URL": f"unix://{daemon.socket}"}
        self.assertEqual({name: variables.get(name) for name in wanted}, wanted)
        self.assertFalse([name for name in variables if name.startswith("XSVD_")])
        for line in (daemon.dir / "signals").read_text().splitlines():   # B25: SIGPIPE and SIGXFSZ are as usual
            self.assertEqual(int(line.split()[1], 16), 0, line)
        self.assertLessEqual(set((daemon.dir / "fds").read_text().split()), {"0", "1", "2", "3"})

    def test_a_variable_that_left_the_configuration_leaves_the_programs(self):
        shows = "[program:shows]\ncommand = /bin/sh -c 'env > @DIR@/env.$$; mv @DIR@/env.$$ @DIR@/env; exec sleep 1000'\nstartsecs = 0\n"
        daemon = self.daemon(shows, supervisord='environment = GONE="1"')
        path = daemon.dir / "env"
        xsvd.until(path.exists, "the environment")
        self.assertIn("GONE=1\n", path.read_text())
        path.unlink()
        daemon.supervisord = ""
        daemon.reload(shows)
        xsvd.until(path.exists, "the environment")
        self.assertNotIn("GONE", path.read_text())

    def test_stdin_is_kept_until_it_is_read(self):
        daemon = self.supervisord("""
            [program:reads]
            command = /bin/sh -c 'until [ -e @DIR@/go ]; do sleep 0.01; done; exec cat'
            stdout_logfile = @DIR@/out
            startsecs = 0""")
        daemon.wait_for_pid("reads")
        text = "0123456789abcdef" * 16384   # a quarter of a megabyte: far more than a pipe begins with
        self.assertTrue(daemon.rpc.sendProcessStdin("reads", text))
        self.assertTrue(daemon.rpc.sendProcessStdin("reads", "more\n"))
        engine = daemon.engine()
        os.kill(engine, signal.SIGKILL)   # what was taken is not lost with who took it
        daemon.wait_for_engine(other_than=engine)
        (daemon.dir / "go").touch()
        out = daemon.dir / "out"
        xsvd.until(lambda: out.exists() and out.stat().st_size == len(text) + 5, "what was sent")
        self.assertEqual(out.read_text(), text + "more\n")

    def test_a_program_that_has_closed_its_stdin_has_none(self):
        daemon = self.supervisord("[program:deaf]\ncommand = /bin/sh -c 'exec <&-; exec sleep 1000'\nstartsecs = 0\n")
        pid = daemon.wait_for_pid("deaf")
        xsvd.until(lambda: not os.path.lexists(f"/proc/{pid}/fd/0"), "it is closed")
        for _ in range(2):
            with self.assertRaises(xsvd.xmlrpc.client.Fault) as refused:
                daemon.rpc.sendProcessStdin("deaf", "x")
            self.assertEqual((refused.exception.faultCode, refused.exception.faultString), (20, "NO_FILE: deaf"))
            engine = daemon.engine()
            os.kill(engine, signal.SIGKILL)
            daemon.wait_for_engine(other_than=engine)

    def test_stdin_that_does_not_fit_is_refused_as_a_whole(self):   # B29
        daemon = self.supervisord("[program:deaf]\ncommand = /bin/sleep 1000\nstartsecs = 0\n")
        daemon.wait_for_pid("deaf")
        with self.assertRaises(xsvd.xmlrpc.client.Fault) as refused:
            for _ in range(40):
                daemon.rpc.sendProcessStdin("deaf", "x" * 500_000)
        self.assertIn("does not read its stdin", refused.exception.faultString)


class SecondDaemon(Named):
    def run_another(self, first, socket_path):
        """A second daemon, of another configuration, on this control socket."""
        folder = self.folder()
        config = folder / "second.conf"
        config.write_text(f"[unix_http_server]\nfile = {socket_path}\n[supervisord]\nlogfile = {folder}/d.log\npidfile = {folder}/d.pid\nrundir = {folder}/run\n")
        return subprocess.run([self.link("supervisord"), "-n", "-c", config], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=xsvd.PATIENCE, check=False)

    def test_a_socket_in_use_is_said_in_supervisors_words(self):
        first = self.supervisord()
        pid = first.wait_for_pid("sleeper")
        done = self.run_another(first, first.socket)
        self.assertEqual(done.returncode, 2)
        self.assertIn("Error: Another program is already listening on a port that one of our HTTP servers is configured to use.  Shut this program down first "
                      "before starting supervisord.", done.stderr)
        self.assertIn("For help, use ", done.stderr)
        self.assertEqual(first.pid_of("sleeper"), pid)

    def test_auto_logs_of_the_first_stay(self):   # B16
        first = self.supervisord("[program:x]\ncommand = /bin/sleep 1000\nstartsecs = 0\n")
        log = first.info("x")["stdout_logfile"]
        self.assertTrue(os.path.exists(log))
        done = subprocess.run([self.link("supervisord"), "-n", "-c", first.config], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=xsvd.PATIENCE, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertTrue(os.path.exists(log))

    def test_a_stale_socket_is_replaced(self):
        path = str(self.folder() / "stale.sock")
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        daemon = self.supervisord(f"[unix_http_server:two]\nfile = {path}\n")
        self.assertIn(f"Unlinking stale socket {path}", daemon.read_log())
        self.assertEqual(xsvd.server_proxy(path).supervisor.getAPIVersion(), "3.0")


class CommandLine(Named):
    def test_errors_are_supervisors(self):
        supervisord = self.link("supervisord")
        config = self.folder() / "some.conf"
        config.write_text("[supervisord]\n", encoding="ascii")
        for arguments, text in [
                (["-u", "no-such-user", "-c", config], "Invalid user name no-such-user"), (["-u", "65432109", "-c", config], "Invalid user id 65432109"),
                (["--foo"], "option --foo not recognized"), (["-nx"], "option -x not recognized"), (["-l"], "option -l requires argument"),
                (["--logfile"], "option --logfile requires argument"), (["--log", "x"], "option --log not a unique prefix"),
                (["--nodaemon=1"], "option --nodaemon must not have an argument"), (["a", "-n"], "positional arguments are not supported: ['a', '-n']"),
                (["-m", "9"], "invalid value for -m '9': 9 can not be converted to an octal type"), (["-n", "--nodaemon"], "conflicting command line option '--nodaemon'"),
                (["--child=/no/such"], "invalid value for --childlogdir '/no/such': /no/such is not an existing directory"),
                (["-e", "loud"], "invalid value for -e 'loud': bad logging level name 'loud'"), (["-c", "/no/such"], "could not find config file /no/such")]:
            with self.subTest(arguments):
                done = subprocess.run([supervisord, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=xsvd.PATIENCE, check=False)
                self.assertEqual((done.returncode, done.stderr), (2, f"Error: {text}\nFor help, use {supervisord} -h\n"))

    def test_sample_version_and_help(self):
        sample = subprocess.run([self.link("echo_supervisord_conf")], capture_output=True, text=True, timeout=xsvd.PATIENCE, check=True).stdout
        self.assertIn("[supervisord]", sample)
        self.assertEqual(subprocess.run([xsvd.XSVD, "--print-config"], capture_output=True, text=True, check=True).stdout, sample)
        supervisord = self.link("supervisord")
        self.assertRegex(subprocess.run([supervisord, "--vers"], capture_output=True, text=True, check=True).stdout, r"^\d+\.\d+\.\d+\n$")
        for option in ("-h", "-?", "--help"):
            text = subprocess.run([supervisord, option], capture_output=True, text=True, check=True).stdout
            self.assertIn(f"Usage: {supervisord} [options]\n\nOptions:\n-c/--configuration ", text)


class Pidproxy(unittest.TestCase):
    def setUp(self):
        self.folder = xsvd.Path(self.enterContext(xsvd.tempfile.TemporaryDirectory(prefix="xsvd-pidproxy-")))

    def start(self, script):
        return subprocess.Popen([xsvd.BUILD / "bin" / "xsvd-pidproxy", self.folder / "pid", "/bin/sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_signals_reach_the_process_of_the_file(self):
        with subprocess.Popen(["/bin/sh", "-c", f"trap 'echo hup > {self.folder}/got' HUP; trap 'exit 7' TERM; echo $$ > {self.folder}/pid; while :; do sleep 0.01; done"]) as target:
            xsvd.until((self.folder / "pid").exists, "the pid file")
            with self.start("sleep 1000 & echo $!; wait") as proxy:
                sleeper = int(proxy.stdout.readline())
                proxy.send_signal(signal.SIGHUP)
                xsvd.until((self.folder / "got").exists, "the signal")
                proxy.send_signal(signal.SIGTERM)
                self.assertEqual((target.wait(xsvd.PATIENCE), proxy.wait(xsvd.PATIENCE)), (7, 0))
                os.kill(sleeper, signal.SIGKILL)

    def test_it_ends_with_its_command(self):
        with self.start("exit 3") as proxy:
            self.assertEqual(proxy.wait(xsvd.PATIENCE), 3)

    def test_a_missing_file_is_named(self):
        with self.start("echo up; exec sleep 1000") as proxy:
            self.assertEqual(proxy.stdout.readline(), "up\n")
            proxy.send_signal(signal.SIGUSR1)
            self.assertEqual(proxy.stdout.readline(), f"Can't read child pidfile {self.folder}/pid!\n")
            children = xsvd.descendants(proxy.pid)
            for child in children:
                os.kill(child.pid, signal.SIGKILL)
            self.assertEqual(proxy.wait(xsvd.PATIENCE), 128 + 9)

    def test_a_number_that_is_no_pid_reaches_nobody(self):
        with subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True) as group, self.start("echo up; exec sleep 1000") as proxy:
            self.assertEqual(proxy.stdout.readline(), "up\n")
            (self.folder / "pid").write_text(f"{2**32 - group.pid}\n")  # as 32 bits: all of that group
            proxy.send_signal(signal.SIGUSR1)
            self.assertEqual(proxy.stdout.readline(), f"Can't read child pidfile {self.folder}/pid!\n")
            self.assertIsNone(group.poll())
            for child in xsvd.descendants(proxy.pid):
                os.kill(child.pid, signal.SIGKILL)
            group.kill()

    def test_wrong_usage(self):
        done = subprocess.run([xsvd.BUILD / "bin" / "xsvd-pidproxy"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Usage: ", done.stdout)


if __name__ == "__main__":
    xsvd.main()
