"""What the clients make of every answer a daemon can give: the tables of chapter 5 of Supervisor's behaviour, row by row."""

import unittest
from xmlrpc.client import Fault

from fake_daemon import FakeDaemon, Status
from harness import CompatCase, Sandbox

ABOUT_PROCESSES = (1, 6, 10, 11, 20, 21, 30, 40, 50, 60, 70, 80, 91, 999)
ABOUT_GROUPS = (1, 6, 10, 11, 30, 70)
ABOUT_LOGS = (1, 3, 6, 10, 20, 30)
ABOUT_THE_DAEMON = (1, 6, 10, 92)
UP = {"supervisor.getVersion": "3.0"}
CONFIG = "[supervisorctl]\nserverurl = unix://@SOCKET@\n"


def info(group, name, state=20, statename="RUNNING", description="pid 7, uptime 0:00:01", pid=7):
    return {"group": group, "name": name, "state": state, "statename": statename, "description": description, "pid": pid,
            "start": 1, "stop": 0, "now": 2, "spawnerr": "", "exitstatus": 0, "logfile": "/x", "stdout_logfile": "/x",
            "stderr_logfile": "/y"}


def result(group, name, status):
    return {"group": group, "name": name, "status": status, "description": f"words about {status}"}


class Answers(CompatCase):
    """Our client called supervisorctl, byte by byte; called xsvctl, stdout and exit code unless told otherwise."""

    def ask(self, answers, *commands, as_xsvctl=True, stdin=""):
        with Sandbox(None, "supervisorctl") as sandbox, FakeDaemon(sandbox.socket) as daemon:
            sandbox.write_config(CONFIG)
            daemon.answers = {**UP, **answers}
            for command in commands:
                words = command.split(" ")
                want, link = (sandbox.run(*words, client=client, stdin=stdin) for client in ("supervisorctl", "link"))
                with self.subTest(command=command, client="link"):
                    self.assertEqual((want.out, want.err, want.code), (link.out, link.err, link.code))
                if as_xsvctl:
                    own = sandbox.run(*words, client="xsvctl", stdin=stdin)
                    with self.subTest(command=command, client="xsvctl"):
                        self.assertEqual((want.out, want.code), (own.out, own.code))

    def test_faults_about_one_process(self):
        methods = {"start": "startProcess", "stop": "stopProcess", "signal": "signalProcess", "clear": "clearProcessLogs"}
        for code in ABOUT_PROCESSES:
            fault = Fault(code, f"WORDS: {code}")
            answers = {f"supervisor.{method}": fault for method in methods.values()}
            with self.subTest(code=code):
                self.ask(answers, "start g:x", "stop x", "signal HUP x", "clear x", as_xsvctl=code == 10)
        self.ask({}, "restart g:x x", "start g:x x y")

    def test_faults_about_groups(self):
        for code in ABOUT_GROUPS:
            fault = Fault(code, f"WORDS: {code}")
            answers = {f"supervisor.{method}": fault for method in (
                "startProcessGroup", "stopProcessGroup", "signalProcessGroup", "startAllProcesses", "stopAllProcesses",
                "signalAllProcesses", "clearAllProcessLogs")}
            with self.subTest(code=code):
                self.ask(answers, "start g:*", "stop g:*", "signal HUP g:", "start all", "stop all x", "signal HUP all",
                         "clear all")

    def test_results_of_many(self):
        for code in ABOUT_PROCESSES:
            results = [result("a", "a", 80), result("g", "x", code), result("b", "b", 80)]
            answers = {f"supervisor.{method}": results for method in (
                "startProcessGroup", "stopProcessGroup", "signalProcessGroup", "startAllProcesses", "stopAllProcesses",
                "signalAllProcesses", "clearAllProcessLogs")}
            with self.subTest(code=code):
                self.ask(answers, "start g:*", "stop all", "signal HUP g:*", "clear all", as_xsvctl=False)
                if code == 50:
                    self.ask(answers, "start all", "stop g:*", "signal HUP all", "clear all x")

    def test_the_last_error_wins(self):
        faults = {"a": Fault(20, "NO_FILE: a"), "b": Fault(50, "SPAWN_ERROR: b"), "c": True, "d": Fault(60, "ALREADY_STARTED")}
        self.ask({"supervisor.startProcess": lambda name: faults[name]}, "start a b", "start b a", "start b c", "start b d", "start d")

    def test_faults_of_logs(self):
        for code in ABOUT_LOGS:
            fault = Fault(code, f"WORDS: {code}")
            answers = {f"supervisor.{method}": fault for method in ("readProcessStdoutLog", "readProcessStderrLog", "readLog")}
            with self.subTest(code=code):
                self.ask(answers, "tail x", "tail x stderr", "tail -5 x", "maintail", "maintail -5")

    def test_arguments_of_logs(self):
        answers = {"supervisor.readProcessStdoutLog": lambda name, offset, length: f"{name} {offset} {length}",
                   "supervisor.readProcessStderrLog": lambda name, offset, length: f"err {name} {offset} {length}",
                   "supervisor.readLog": lambda offset, length: f"{offset} {length}\n"}
        self.ask(answers, "tail x", "tail -0 x", "tail --5 x", "tail -+7 x", "tail -1_000 x", "tail -5.0 x", "tail - x", "tail -f5 x",
                 "tail -5 x stderr", "tail x STDERR", "tail x y z", "tail a b stdout", "tail -5 x stderr y", "tail -a x",
                 "tail -5 -6", "tail g:x", "tail g:*", "tail", "tail -5", "maintail", "maintail -5", "maintail --5", "maintail 5",
                 "maintail -x", "maintail -f5", "maintail -", "maintail -5 x")

    def test_faults_of_the_daemon(self):
        for code in ABOUT_THE_DAEMON:
            fault = Fault(code, f"WORDS: {code}")
            answers = {f"supervisor.{method}": fault for method in (
                "getAllProcessInfo", "getProcessInfo", "getAllConfigInfo", "reloadConfig", "addProcessGroup", "removeProcessGroup",
                "shutdown", "restart", "getSupervisorVersion", "getPID")}
            with self.subTest(code=code):
                self.ask(answers, "status", "pid", "pid all", "pid x", "avail", "reread", "shutdown",
                         "version", "fg x")
                # reload is our own, and update says what a mistake is (C6).
                self.ask(answers, "reload", "update", as_xsvctl=False)

    def test_faults_of_add_and_remove(self):
        for code in (6, 10, 30, 90, 91):
            answers = {f"supervisor.{method}": Fault(code, "WORDS") for method in ("addProcessGroup", "removeProcessGroup")}
            with self.subTest(code=code):
                self.ask(answers, "add x y", "remove x y")

    def test_the_check_before_commands(self):
        for answer in ("2.0", "", Fault(1, "UNKNOWN_METHOD"), Fault(6, "SHUTDOWN_STATE"), Status(500, "Internal Server Error"),
                       Status(404, "Not Found"), Status(400, "Bad Request")):
            answers = {"supervisor.getVersion": answer}
            with self.subTest(answer=answer):
                self.ask(answers, "status", "start x", "stop x", "restart x", "signal HUP x", "clear x", "tail x", "tail -f x",
                         "maintail", "fg x", "pid", "version", "open unix://@SOCKET@")

    def test_statuses_of_http(self):
        for status in (Status(500, "Internal Server Error"), Status(503, "Service Unavailable"), Status(404, "Not Found")):
            names = ("getAllProcessInfo", "startProcess", "stopProcess", "reloadConfig", "shutdown", "restart", "addProcessGroup")
            with self.subTest(status=status.code):
                self.ask({f"supervisor.{name}": status for name in names}, "status", "start x", "stop x", "restart x", "reread", "update",
                         "add x", "shutdown")

    def test_rows_of_status(self):
        rows = [info("a", "a"), info("g", "x" * 40), info("g", "ä" * 31, 0, "STOPPED", "Not started"),
                info("g", "b", 10, "STARTING", ""), info("g", "c", 30, "BACKOFF", "Exited too quickly (process log may have details)")]
        self.ask({"supervisor.getAllProcessInfo": rows}, "status", "status a", "status g:*", "status g:b g:c", "status nosuch a",
                 "status a a nosuch:*", "status all nosuch", "pid all")
        self.ask({"supervisor.getAllProcessInfo": []}, "status", "status all", "status x", "pid all")

    def test_states_and_the_exit_code_of_status(self):
        for state, name in ((0, "STOPPED"), (10, "STARTING"), (20, "RUNNING"), (30, "BACKOFF"), (40, "STOPPING"), (100, "EXITED"),
                            (200, "FATAL"), (1000, "UNKNOWN")):
            with self.subTest(state=name):
                self.ask({"supervisor.getAllProcessInfo": [info("x", "x", state, name, "words")]}, "status", "status x nosuch", "status nosuch x")

    def test_changes_of_the_configuration(self):
        alive = {"supervisor.getAllProcessInfo": [info("same", "same"), info("old", "old"), info("new", "x")],
                 "supervisor.addProcessGroup": True, "supervisor.removeProcessGroup": True}
        changes = {"supervisor.reloadConfig": [[["z", "added"], ["new"], ["old"]]],
                   "supervisor.stopProcessGroup": lambda name: [result(name, "x", 80)]}
        self.ask({**alive, **changes}, "reread", "update", "update all", "update all x", "update new", "update old added", "update same",
                 "update nosuch z")
        self.ask({**alive, **changes, "supervisor.stopProcessGroup": lambda name: [result(name, "x", 30)]}, "update")
        self.ask({**alive, **changes, "supervisor.stopProcessGroup": Fault(10, "BAD_NAME: old")}, "update")
        self.ask({**alive, **changes, "supervisor.addProcessGroup": Fault(90, "ALREADY_ADDED: new")}, "update")
        self.ask({**alive, **changes, "supervisor.removeProcessGroup": Fault(91, "STILL_RUNNING: new")}, "update")
        self.ask({"supervisor.reloadConfig": [[[], [], []]]}, "reread", "update")

    def test_rows_of_avail(self):
        def row(group, name, **more):
            return {"group": group, "name": name, "inuse": True, "autostart": True, "group_prio": 999, "process_prio": 999, **more}
        self.ask({"supervisor.getAllConfigInfo": [
            row("a", "a"), row("g", "x" * 40, inuse=False), row("g", "b", autostart=False, group_prio=-1)]}, "avail", "avail x")
        self.ask({"supervisor.getAllConfigInfo": []}, "avail")

    def test_questions(self):
        answers = {"supervisor.shutdown": True, "supervisor.restart": True}
        for stdin in ("y\n", "Y\n", "yes\n", "n\n", "\n", "ny\n", " y\n", ""):
            with self.subTest(stdin=stdin):
                self.ask(answers, "-i shutdown", stdin=stdin)
                self.ask(answers, "-i reload", stdin=stdin, as_xsvctl=False)

    def test_texts_beyond_ascii(self):
        answers = {"supervisor.readProcessStdoutLog": "grün \u2028 \U0001f600\n", "supervisor.getSupervisorVersion": "4.ä",
                   "supervisor.startProcess": Fault(20, "NO_FILE: grün"), "supervisor.stopProcess": Fault(30, "FAILED: it's \"so\"\n"),
                   "supervisor.reloadConfig": Fault(92, "CANT_REREAD: it's 'ä'")}
        self.ask(answers, "tail grün", "version", "start grün", "stop grün", "reread")
        self.ask(answers, "update", as_xsvctl=False)

    def test_nonsense(self):
        """Not XML, or not what was asked for: a line about it and code 1; the words are each client's own."""
        with Sandbox(None, "supervisorctl") as sandbox, FakeDaemon(sandbox.socket) as daemon:
            sandbox.write_config(CONFIG)
            for answer in (b"", b"no XML", b"<methodResponse/>", 7):
                daemon.answers = {**UP, "supervisor.getAllProcessInfo": answer, "supervisor.reloadConfig": answer,
                                  "supervisor.getAllConfigInfo": answer}
                for command in ("status", "reread", "avail", "update"):
                    for client in ("supervisorctl", "link", "xsvctl"):
                        got = sandbox.run(command, client=client)
                        with self.subTest(answer=answer, command=command, client=client):
                            self.assertEqual((got.out.startswith("error: "), got.code), (True, 1), got)


if __name__ == "__main__":
    unittest.main()
