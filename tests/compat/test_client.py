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
