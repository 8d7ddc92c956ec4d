"""Hundreds of small configurations read by Supervisor's parser and by ours; what they make of them must be the same.

Supervisor's ServerOptions runs in one Python process of its own; `xsvctl check --json` says what xsvd understood. Where the
two differ on purpose, config_cases.py says why.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ.get("XSV_BUILD", "")
SUPERVISOR = os.environ.get("XSV_SUPERVISOR", "")
PYTHON = "/usr/bin/python3"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "FOO": "bar", "EMPTY": "", "PCT": "50%", "QUOTE": "it's", "QUOTE2": "it's \"q\"", "UTF8": "gr\u00fc\u00df"}
STREAM_KEYS = ["logfile_maxbytes", "logfile_backups", "syslog", "capture_maxbytes", "events_enabled"]
PLAIN_KEYS = ["command", "priority", "autostart", "startsecs", "startretries", "exitcodes", "stopsignal", "stopwaitsecs", "stopasgroup", "killasgroup", "redirect_stderr", "umask"]
DAEMON_KEYS = ["logfile_maxbytes", "logfile_backups", "loglevel", "umask", "nodaemon", "silent", "minfds", "minprocs", "nocleanup", "strip_ansi", "identifier", "environment"]


# ---- Supervisor's side, in a process of its own -------------------------------------------------------------------

def read_with_supervisor():
    """Folders on stdin, one JSON answer for each on stdout."""
    import warnings
    warnings.simplefilter("ignore")
    sys.path.insert(0, os.path.join(sys.argv[2], "usr/lib/python3/dist-packages"))
    from supervisor import options as supervisor

    class Refused(Exception):
        pass

    class Options(supervisor.ServerOptions):
        def usage(self, text):
            raise Refused(str(text))

    for line in sys.stdin:
        folder = json.loads(line)
        os.chdir(folder)
        options = Options()
        try:
            options.realize(["-c", os.path.join(folder, "main.conf")], doc="")
            answer = understood(options, supervisor)
        except Refused as refusal:
            answer = {"refused": str(refusal)}
        except Exception as crash:   # Supervisor would end with a traceback
            answer = {"refused": str(crash), "crash": type(crash).__name__}
        print(json.dumps(answer), flush=True)


def understood(options, supervisor):
    section = options.configroot.supervisord
    daemon = {key: getattr(options, key, None) for key in DAEMON_KEYS if key != "environment"}
    daemon["environment"] = section.environment
    for key in ("nodaemon", "silent", "nocleanup", "strip_ansi"):
        daemon[key] = bool(daemon[key])
    daemon.update(logfile=options.logfile, pidfile=options.pidfile, childlogdir=options.childlogdir, directory=options.directory or "", user=options.uid)
    return {
        "warnings": options.parse_warnings,
        "supervisord": daemon,
        "servers": [server_value(each) for each in options.server_configs],
        "groups": [{"name": group.name, "priority": group.priority, "processes": [process_value(each, supervisor) for each in sorted(group.process_configs, key=lambda config: config.priority)]}
                   for group in options.process_group_configs],
    }


def server_value(server):
    value = {"section": server["section"], "username": server["username"] or ""}
    if "port" in server:
        return dict(value, host=server["host"], port=server["port"])
    owner, group = server["chown"]
    return dict(value, file=server["file"], chmod=server["chmod"], owner=None if owner == -1 else owner, group=None if group == -1 else group)


def process_value(process, supervisor):
    value = {key: getattr(process, key) for key in PLAIN_KEYS}
    from supervisor.datatypes import RestartUnconditionally, RestartWhenExitUnexpected
    value["autorestart"] = {RestartUnconditionally: "true", RestartWhenExitUnexpected: "unexpected"}.get(process.autorestart, "false")
    value.update(name=process.name, directory=process.directory or "", user=process.uid, serverurl=process.serverurl or "", environment=process.environment)
    for stream in ("stdout", "stderr"):
        for key in STREAM_KEYS:
            value[f"{stream}_{key}"] = getattr(process, f"{stream}_{key}")
        log = getattr(process, f"{stream}_logfile")
        value[f"{stream}_logfile"] = "AUTO" if log is supervisor.Automatic else "NONE" if not log else os.path.abspath(log)
    return value


# ---- ours, in the same terms --------------------------------------------------------------------------------------

def normalized(checked, uid):
    """Of what xsvctl says only what Supervisor knows as well."""
    daemon = {key: checked["supervisord"][key] for key in DAEMON_KEYS}
    for key in ("logfile", "pidfile", "childlogdir", "directory", "user"):
        daemon[key] = checked["supervisord"][key]
    for key in ("logfile", "pidfile"):
        if daemon[key] != "syslog":
            daemon[key] = os.path.normpath(daemon[key])
    groups = []
    for group in checked["groups"]:
        processes = []
        for process in group["processes"]:
            value = {key: process[key] for key in PLAIN_KEYS + ["name", "directory", "user", "serverurl", "environment", "autorestart"]}
            for stream in ("stdout", "stderr"):
                for key in STREAM_KEYS + ["logfile"]:
                    value[f"{stream}_{key}"] = process[f"{stream}_{key}"]
                log = value[f"{stream}_logfile"]
                if log not in ("AUTO", "NONE"):
                    value[f"{stream}_logfile"] = os.path.normpath(log)
            processes.append(value)
        groups.append({"name": group["name"], "priority": group["priority"], "processes": processes})
    servers = [dict(each, file=os.path.normpath(each["file"])) if "file" in each else each for each in checked["servers"]]
    return {"supervisord": daemon, "servers": servers, "groups": groups}


def same_terms(theirs, uid):
    """What is one thing under two names, and what we know only after a change of user was found to be none."""
    for group in theirs["groups"]:
        for process in group["processes"]:
            if process["user"] == uid:
                process["user"] = None   # a change to who we are already
            if process["redirect_stderr"]:
                for key in [key for key in process if key.startswith("stderr_")]:
                    del process[key]
    return theirs


def without_stderr(ours):
    for group in ours["groups"]:
        for process in group["processes"]:
            if process["redirect_stderr"]:
                for key in [key for key in process if key.startswith("stderr_")]:
                    del process[key]
    return ours


def complaint(refused):
    """Supervisor's sentence without the place it may end with; that is at the beginning of ours."""
    return re.sub(r" in section '[^\n]*' \(file: '[^\n]*'\)$", "", refused)


def differences(path, theirs, ours):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in sorted(set(theirs) | set(ours)):
            found += differences(f"{path}.{key}" if path else key, theirs.get(key, "(absent)"), ours.get(key, "(absent)"))
        return found
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [each for i, pair in enumerate(zip(theirs, ours)) for each in differences(f"{path}[{i}]", *pair)]
    return [] if theirs == ours else [f"{path}: Supervisor {theirs!r}, xsvd {ours!r}"]


# Supervisor's parser names lines and shows them; ours names line and key, and what was expected.
GRAMMAR = re.compile(r"Source contains parsing errors|File contains no section headers|File contains parsing errors")


def compare(theirs, ours):
    """Every difference as a line of text."""
    if "refused" in theirs and not ours["mistakes"]:
        return [f"only Supervisor refuses: {theirs['refused']}"]
    if "refused" in theirs:
        if GRAMMAR.search(theirs["refused"]) or "crash" in theirs:
            return []
        text, _, names = complaint(theirs["refused"]).partition("Available names: ")
        same = [mistake.partition(text)[2] for mistake in ours["mistakes"] if text in mistake]
        # We may know more names than Supervisor in that place.
        if any(set(names.split(", ")) <= set(rest.removeprefix("Available names: ").split(", ")) | {""} for rest in same):
            return []
        return [f"Supervisor says {text!r}, xsvd {ours['mistakes']!r}"]
    if ours["mistakes"]:
        return [f"only xsvd refuses: {ours['mistakes']}"]
    missing = [f"warning missing: {each!r} in {ours['warnings']}" for each in theirs.pop("warnings", []) if not any(each in warning for warning in ours["warnings"])]
    uid = os.getuid()
    return missing + differences("", same_terms(theirs, uid), without_stderr(normalized(ours, uid)))


class Configurations(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        from config_cases import CASES
        cls.cases = CASES
        cls.root = tempfile.TemporaryDirectory(prefix="xsv-config-")
        cls.folders = []
        for number, case in enumerate(CASES):
            folder = os.path.join(cls.root.name, str(number))
            for name, text in {"main.conf": case.text, **case.files}.items():
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(text.encode() if isinstance(text, str) else text)
            cls.folders.append(folder)
        cls.theirs = cls.run_supervisor()
        with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
            cls.ours = list(pool.map(cls.run_ours, cls.folders))

    @classmethod
    def tearDownClass(cls):
        cls.root.cleanup()

    @classmethod
    def run_supervisor(cls):
        lines = "".join(json.dumps(folder) + "\n" for folder in cls.folders)
        done = subprocess.run([PYTHON, "-B", os.path.abspath(__file__), "--supervisor", SUPERVISOR], input=lines, capture_output=True, text=True, check=True,
                              env=ENVIRONMENT)
        return [json.loads(line) for line in done.stdout.splitlines()]

    @staticmethod
    def run_ours(folder):
        done = subprocess.run([os.path.join(BUILD, "xsvctl"), "check", "--json", os.path.join(folder, "main.conf")], cwd=folder, capture_output=True, env=dict(ENVIRONMENT))
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"{folder}: {done.stdout!r} {done.stderr!r} {done.returncode}") from None

    def test_alike(self):
        self.assertEqual(len(self.theirs), len(self.cases))
        for case, theirs, ours in zip(self.cases, self.theirs, self.ours):
            with self.subTest(case.name):
                found = compare(theirs, ours)
                if not case.meant:
                    self.assertEqual([], found, "\n" + (case.text if isinstance(case.text, str) else repr(case.text)))
                else:
                    self.assertTrue(found, "said to differ on purpose, and does not")
                    self.assertTrue(case.ours(ours), f"{case.meant}: {ours['mistakes']} {found}")

    def test_every_meant_difference_is_explained_and_used(self):
        from config_cases import MEANT
        self.assertEqual(set(MEANT), {case.meant for case in self.cases if case.meant})


if __name__ == "__main__":
    if "--supervisor" in sys.argv:
        read_with_supervisor()
    else:
        unittest.main()
