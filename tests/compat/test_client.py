"""Our client against the real supervisord, compared with Supervisor's client against the real supervisord."""

import json
import socket
import unittest

import scripts
from harness import CompatCase, Sandbox
from scripts_all import EVERY, ABOUT_THE_DAEMON


class CalledSupervisorctl(CompatCase):
    """Through a link named supervisorctl: the same bytes on stdout and stderr, the same exit codes."""


class CalledXsvctl(CompatCase):
    """Under its own name: the same on stdout. Its own meaning of reload, its help and its usage text are its own."""


OWN = {"help_texts", "options", "syntax", "unreachable", "sectionless", "shutting_down", "piped_shell"}


def _add(case, name, client):
    config, steps = EVERY[name]
    test = lambda self: self.compare(name, config, steps, "supervisord", client)
    test.length = len(steps)
    setattr(case, "test_" + name, test)


for _name in EVERY:
    if _name in ABOUT_THE_DAEMON:
        continue
    _add(CalledSupervisorctl, _name, "link")
    if _name not in OWN:
        _add(CalledXsvctl, _name, "xsvctl")


class Streams(CompatCase):
    CLIENTS = ("supervisorctl", "link", "xsvctl")

    def transcripts(self, config, play):
        found = {}
        for client in self.CLIENTS:
            with Sandbox("supervisord", client) as sandbox:
                sandbox.write_config(config)
                sandbox.start_daemon()
                found[client] = play(sandbox)
        return found

    def check_equal(self, found):
        for client in self.CLIENTS[1:]:
            with self.subTest(client=client):
                self.assertEqual(repr(found["supervisorctl"]), repr(found[client]))

    TALKER = scripts.BASE + r"""
[program:talker]
command = sh -c 'echo begin; while read line; do echo "got $line"; echo "also $line" >&2; done; sleep 1000'
startsecs = 0
stdout_logfile = @DIR@/talker.log
stderr_logfile = @DIR@/talker.err
"""

    def test_tail_f_goes_on_over_clear(self):
        def play(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            stream = sandbox.follow("tail", "-f", "talker")
            stream.wait_for("begin")
            sandbox.server().supervisor.sendProcessStdin("talker", "one\n")
            stream.wait_for("got one")
            sandbox.server().supervisor.clearProcessLogs("talker")
            sandbox.server().supervisor.sendProcessStdin("talker", "two\n")
            stream.wait_for("got two")
            return stream.interrupt()
        self.check_equal(self.transcripts(self.TALKER, play))

    def test_maintail_f(self):
        def play(sandbox):
            stream = sandbox.follow("maintail", "-f")
            stream.wait_for("entered RUNNING state")
            result = stream.interrupt()
            result.out = result.out.splitlines()[0] + "|" + result.out[-1]   # the log's text is the daemon's
            return result
        self.check_equal(self.transcripts(self.TALKER, play))

    def test_fg_sends_lines_and_shows_both_streams(self):
        def play(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            stream = sandbox.follow("fg", "talker")
            stream.wait_for("begin")
            stream.process.stdin.write(b"hello\n")
            stream.process.stdin.flush()
            stream.wait_for("got hello")
            stream.wait_for("also hello")
            result = stream.interrupt(last_words="Exiting foreground\n")   # fg-end
            result.out = "\n".join(sorted(result.out.splitlines()))   # two streams, two orders
            return result
        self.check_equal(self.transcripts(self.TALKER, play))

    def test_fg_notices_that_the_program_ended(self):
        def play(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            stream = sandbox.follow("fg", "talker")
            stream.wait_for("begin")
            sandbox.server().supervisor.stopProcess("talker")
            stream.process.stdin.write(b"hello\n")
            stream.process.stdin.flush()
            return stream.end_after("Process got killed\nExiting foreground\n").out   # fg-end
        self.check_equal(self.transcripts(self.TALKER, play))

    def test_fg_ends_at_the_end_of_its_input(self):
        with Sandbox("supervisord", "link") as sandbox:
            sandbox.write_config(self.TALKER)
            sandbox.start_daemon()
            sandbox.wait_for_text("talker.log", "begin")
            result = sandbox.run("fg", "talker", stdin="")
        self.assertTrue(result.out.endswith("Exiting foreground\n"), result)
        self.assertEqual(result.code, 0)


class OnATerminal(CompatCase):
    def both(self, config, play):
        found = []
        for client in ("supervisorctl", "link"):
            with Sandbox("supervisord", client) as sandbox:
                sandbox.write_config(config)
                sandbox.start_daemon()
                for step in scripts.ALL_UP:
                    step(sandbox)
                found.append(play(sandbox))
        return found

    def test_shell(self):
        def play(sandbox):
            terminal = sandbox.terminal()
            terminal.wait_for("ready> ")
            for line, answer in (("status sleeper", "RUNNING"), ("pid exited", "0"), ("help version", "remote"),
                                 ("nosuch", "Unknown")):
                terminal.type(line + "\n")
                terminal.wait_for(line, "\n", answer, "\n", "ready> ")
            terminal.type("quit\n")
            return terminal.finish()
        real, ours = self.both(scripts.PROGRAMS, play)
        self.assertEqual(repr(real), repr(ours))

    def test_login(self):
        def play(sandbox):
            terminal = sandbox.terminal("-i", "status", "sleeper")
            terminal.wait_for("Username:")
            terminal.type("user\n", at_prompt=False)
            terminal.wait_for("Password:")
            terminal.type("123\n")
            return terminal.finish()
        real, ours = self.both(scripts.WITHOUT_LOGIN, play)
        self.assertEqual(repr(real), repr(ours))

    def test_interrupt_at_the_prompt_leaves_with_code_0(self):
        def play(sandbox):
            terminal = sandbox.terminal()
            terminal.wait_for("ready> ")
            terminal.type("\x03")
            return terminal.finish(again=b"\x03")
        real, ours = self.both(scripts.PROGRAMS, play)
        self.assertEqual((real.code, ours.code), (0, 0))

    def test_names_are_completed(self):
        def play(sandbox):
            terminal = sandbox.terminal()
            terminal.wait_for("ready> ")
            terminal.type("pid sle\t")
            terminal.wait_for("pid sleeper")
            terminal.type("\n")
            terminal.wait_for("ready> ")
            terminal.type("quit\n")
            return terminal.finish()
        for result in self.both(scripts.PROGRAMS, play):
            self.assertIn("PID\nready>", result.out)


class Advice(CompatCase):
    """What only xsvctl says: which of the reasons it is that the daemon cannot be reached."""

    def client(self, *arguments, config=scripts.PROGRAMS, prepare=None):
        with Sandbox("supervisord", "xsvctl") as sandbox:
            sandbox.write_config(config)
            if prepare:
                prepare(sandbox)
            return sandbox.run(*arguments)

    def test_not_running(self):
        result = self.client("status")
        self.assertEqual(result.out, "unix://DIR/ctl.sock no such file\n")
        self.assertIn("the daemon is not running (there is no DIR/ctl.sock): start it with 'xsvd -c DIR/s.conf'",
                      result.err)
        self.assertEqual(result.code, 4)

    def test_stale_socket(self):
        def prepare(sandbox):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(sandbox.socket)
        result = self.client("status", prepare=prepare)
        self.assertEqual(result.out, "unix://DIR/ctl.sock refused connection\n")
        self.assertIn("stale socket", result.err)

    def test_wrong_password(self):
        with Sandbox("supervisord", "xsvctl") as sandbox:
            sandbox.write_config(scripts.WITHOUT_LOGIN)
            sandbox.start_daemon()
            self.assertIn("-u and -p", sandbox.run("status").err)
            self.assertIn("password is wrong", sandbox.run("-u", "user", "-p", "x", "status").err)

    def test_commands_of_ours_on_a_real_supervisord(self):
        with Sandbox("supervisord", "xsvctl") as sandbox:
            sandbox.write_config(scripts.PROGRAMS)
            sandbox.start_daemon()
            for step in scripts.ALL_UP:
                step(sandbox)
            for command in ("reload", "show", "check", "diff", "why sleeper"):
                with self.subTest(command=command):
                    result = sandbox.run(command)
                    self.assertIn("the daemon does not know this command", result.out)
                    self.assertEqual(result.code, 3)
            self.assertEqual(sandbox.run("wait", "sleeper").code, 0)
            self.assertEqual(sandbox.run("wait", "grp:*", "--for", "running").code, 0)
            self.assertEqual(sandbox.run("wait", "exited", "--for=exited").code, 0)
            self.assertEqual(sandbox.run("wait", "exited", "--timeout", "100ms").code, 1)
            self.assertEqual(sandbox.run("wait", "nosuch").code, 4)

    def test_json(self):
        with Sandbox("supervisord", "xsvctl") as sandbox:
            sandbox.write_config(scripts.PROGRAMS)
            sandbox.start_daemon()
            for step in scripts.ALL_UP:
                step(sandbox)
            rows = json.loads(sandbox.run("status", "--json").out)
            self.assertEqual(len(rows), 10)
            self.assertEqual(rows[0]["name"], "a-name-that-is-longer-than-thirty-characters")
            self.assertEqual(json.loads(sandbox.run("--json", "start", "nosuch").out),
                             [{"name": "nosuch", "group": "nosuch", "status": 10, "description": "BAD_NAME: nosuch"}])
            self.assertEqual(json.loads(sandbox.run("--json", "stop", "sleeper").out),
                             [{"name": "sleeper", "group": "sleeper", "status": 80, "description": "OK"}])
            self.assertEqual(json.loads(sandbox.run("--json", "start", "grp:*").out), [])
            error = json.loads(sandbox.run("--json", "tail", "nosuch").out)
            self.assertEqual(error["error"]["message"], "nosuch: ERROR (no such process name)")


if __name__ == "__main__":
    unittest.main()
