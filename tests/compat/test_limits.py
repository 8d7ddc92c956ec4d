"""minfds and minprocs, and commands that an ordinary user may not run: supervisord and xsvd side by side."""

import os
import re
import shutil
import stat
import unittest
import xmlrpc.client

import scripts
from harness import PATIENCE, CompatCase, Sandbox

NOBODY = 65534
FILES, PROCESSES = (256, 4096), (3000, 5000)   # what the daemon begins with: soft, hard
# Within the hard limit, at it, above it; less than there is.
WANTED = [(files, processes) for files, processes in ((2048, 100), (256, 4000), (4096, 5000), (100, 3000), (8192, 100), (100, 9000))]
SHOW = """
[program:show]
command = sh -c 'ulimit -Sn; ulimit -Hn; ulimit -Su 2>/dev/null || ulimit -Sp; ulimit -Hu 2>/dev/null || ulimit -Hp; echo end; exec sleep 1000'
startsecs = 0
stdout_logfile = @DIR@/show.out
"""


class Limited(Sandbox):
    def daemon_command(self):
        return ["prlimit", f"--nofile={FILES[0]}:{FILES[1]}", f"--nproc={PROCESSES[0]}:{PROCESSES[1]}", *super().daemon_command()]


def raised(daemon):
    """(minfds, minprocs) -> what the log says of it and which limits programs have; or exit code and usage error. What is
    allowed is left out: Supervisor names there what it asked for in vain."""
    seen = {}
    for files, processes in WANTED:
        with Limited(daemon, "supervisorctl") as sandbox:
            sandbox.write_config(scripts.BASE.replace("[supervisord]", f"[supervisord]\nminfds = {files}\nminprocs = {processes}") + SHOW)
            try:
                sandbox.start_daemon()
            except RuntimeError:
                said = [re.sub(r"allow you to open \d+", "allow you to open N", line) for line in sandbox.read("daemon.out").splitlines() if line.startswith("Error")]
                seen[files, processes] = sandbox.process.wait(PATIENCE), said
                continue
            sandbox.wait_for_text("show.out", "end\n")
            seen[files, processes] = sorted(re.findall(r"INFO (Increased .*)", sandbox.read("daemon.log"))), sandbox.read("show.out").split()
    return seen


# A file of root's -> its mode, and how its command is written.
COMMANDS = {"others": (0o755, "@DIR@/bin/others"), "owners": (0o744, "@DIR@/bin/owners"), "owners-by-path": (0o744, "owners-by-path"), "nobodys": (0o644, "@DIR@/bin/nobodys"),
            "groups": (0o754, "@DIR@/bin/groups"), "unreadable": (0o711, "@DIR@/bin/unreadable")}
RUN = scripts.BASE + "".join(f"[program:{name}]\ncommand = {command} 1000\nstartsecs = 0\nstartretries = 0\n"
                             'environment = PATH="@DIR@/bin:/usr/bin:/bin"\n' for name, (_, command) in COMMANDS.items()) + """
[program:hidden]
command = @DIR@/closed/tool
startretries = 0
"""


class Nobody(Sandbox):
    """A daemon of an ordinary user."""

    def __init__(self, daemon):
        super().__init__(daemon, "supervisorctl")
        os.chown(self.folder, NOBODY, NOBODY)
        os.chmod(self.folder, 0o755)

    def daemon_command(self):
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *super().daemon_command()]


def refused(daemon):
    """Program -> the answer to its start, and its state and its error after that."""
    with Nobody(daemon) as sandbox:
        sandbox.write_config(RUN)
        for name, mode in [("bin/" + name, mode) for name, (mode, _) in COMMANDS.items()] + [("closed/tool", 0o755)]:
            path = os.path.join(sandbox.folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copy("/bin/sleep", path)
            os.chmod(path, mode)
        os.chmod(os.path.join(sandbox.folder, "closed"), stat.S_IRWXU)
        sandbox.start_daemon()
        seen = {}
        for name in (*COMMANDS, "hidden"):
            sandbox.wait_for_state(name, "RUNNING", "FATAL")
            try:
                answer = sandbox.server().supervisor.startProcess(name)
            except xmlrpc.client.Fault as fault:
                answer = sandbox.mask(f"{fault.faultCode} {fault.faultString}")
            info = sandbox.server().supervisor.getProcessInfo(name)
            seen[name] = answer, sandbox.mask(info["spawnerr"])
        seen["log"] = sorted(set(sandbox.mask(line) for line in re.findall(r"INFO spawnerr: .*", sandbox.read("daemon.log"))))
        return seen


class Limits(CompatCase):
    def same(self, look):
        wanted, got = look("supervisord"), look("xsvd")
        for label, want in wanted.items():
            with self.subTest(label):
                self.assertEqual(want, got[label])
        return wanted

    def test_limits_that_are_raised(self):
        """A hard limit can be raised with CAP_SYS_RESOURCE alone: either way both do the same."""
        wanted = self.same(raised)
        self.assertIn("Increased RLIMIT_NOFILE limit to 2048", wanted[2048, 100][0])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
    def test_commands_that_may_not_be_run(self):
        wanted = self.same(refused)
        self.assertIn("no permission to run command", wanted["owners"][1])


if __name__ == "__main__":
    unittest.main()
