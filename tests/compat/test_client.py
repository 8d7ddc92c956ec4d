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
            sandbox.start(scripts.WITHOUT_LOGIN)
            self.assertIn("-u and -p", sandbox.run("status").err)
            self.assertIn("password is wrong", sandbox.run("-u", "user", "-p", "x", "status").err)

    def test_names_and_what_they_may_have_meant(self):
        """The same on both daemons: bare names, clear of a group (C4), tail -f of nobody (C3), update of a broken file (C6)."""
        for daemon in ("supervisord", "xsvd"):
            with Sandbox(daemon, "xsvctl") as sandbox, self.subTest(daemon=daemon):
                sandbox.start(scripts.PROGRAMS, scripts.ALL_UP)
                for command, out, err, code in (
                        ("status ga", "grp:ga                           RUNNING   pid PID, uptime UPTIME\n", "", 0),
                        ("status many_01 nosuch", None, "", 4),
                        ("pid many_01", "PID\n", "", 0),
                        ("restart ga", "grp:ga: stopped\ngrp:ga: started\n", "", 0),
                        ("start grp", "grp: ERROR (no such process)\n", "xsvctl: grp is a group: grp:* means all of its processes\n", 1),
                        ("stop sleper", "sleper: ERROR (no such process)\n", "xsvctl: did you mean sleeper?\n", 1),
                        ("status mny:*", "mny: ERROR (no such group)\n", "xsvctl: did you mean many:*?\n", 4),
                        ("clear grp:*", "grp:ga: cleared\ngrp:gb: cleared\n", "", 0),
                        ("clear nosuch:*", "nosuch: ERROR (no such group)\n", "", 1),
                        ("tail -f nosuch", "nosuch: ERROR (no such process name)\n", "", 1),
                        ("wait ga", "", "", 0),
                        ("wait never-started --timeout 100ms", "never-started: ERROR (not running within 100ms)\n",
                         "xsvctl: never-started is STOPPED: Not started; 'xsvctl why never-started' tells more\n", 1)):
                    result = sandbox.run(command)
                    with self.subTest(command=command):
                        self.assertEqual((result.out if out is not None else None, result.err, result.code), (out, err, code))
                sandbox.write_config(scripts.BROKEN)
                result = sandbox.run("update")
                self.assertTrue(result.out.startswith("ERROR: CANT_REREAD: "), result)
                self.assertEqual(result.code, 1)

    def test_commands_of_ours_on_groups(self):
        with Sandbox("xsvd", "xsvctl") as sandbox:
            sandbox.start(scripts.PROGRAMS, scripts.ALL_UP)
            shown = sandbox.run("show", "grp:*", "ga").out
            self.assertEqual([line.split() for line in shown.splitlines() if not line.startswith(" ")],
                             [["grp:ga", "running"], ["grp:gb", "running"], ["grp:ga", "running"]])
            self.assertRegex(shown, r"memory +[\d.]+ [KM]iB")
            self.assertEqual(sandbox.run("why", "grp:*", "never-started").out, "grp:ga is running since DATE.\ngrp:gb is running since DATE.\n"
                             "never-started is stopped. It has not been started yet. It waits for 'xsvctl start never-started'.\n")
            self.assertEqual(sandbox.run("resume").out, "The daemon was not in hold mode\n")
            self.assertEqual(sandbox.run("run", "sleper").err, "Error: no program is named 'sleper' in DIR/s.conf; did you mean sleeper?\n")

    def test_commands_of_ours_on_a_real_supervisord(self):
        with Sandbox("supervisord", "xsvctl") as sandbox:
            sandbox.start(scripts.PROGRAMS, scripts.ALL_UP)
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
            sandbox.start(scripts.PROGRAMS, scripts.ALL_UP)
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
