"""Everything as an ordinary user with a supervisord.conf of his own: start, status, callers, reload, a killed engine, the end."""
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import unittest

import xsvd


def become(user):
    """In the child: this user and nothing else, as su would make it."""
    def change():
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.umask(0o022)
    return change


class OrdinaryUser(xsvd.TestCase):
    """Root's tests become nobody; whoever else runs them is an ordinary user already."""

    def setUp(self):
        self.user = pwd.getpwnam("nobody") if xsvd.is_root() else pwd.getpwuid(os.geteuid())
        self.home = xsvd.Path(tempfile.mkdtemp(prefix="xsvd-user-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        if xsvd.is_root():
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
        os.chmod(self.home, 0o755)
        (self.home / "run").mkdir(mode=0o700)
        if xsvd.is_root():
            os.chown(self.home / "run", self.user.pw_uid, self.user.pw_gid)
        # Other folders above the build may be closed to nobody, so the programs are taken to where he can run them.
        for name in ("xsvd", "xsvd-engine", "xsvd-scribe", "xsvd-web", "xsvctl"):
            shutil.copy(xsvd.BUILD / "bin" / name, self.home / name)
        (self.home / "supervisord").symlink_to("xsvd")
        (self.home / "supervisorctl").symlink_to("xsvctl")
        self.guardian = None
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home / "run"), "LANG": "C.UTF-8"}

    def tearDown(self):
        if self.guardian is not None and self.guardian.is_there():
            xsvd.kill_all(self.guardian.pid)
        super().tearDown()

    def as_user(self, *command, check=True):
        done = subprocess.run(command, cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=xsvd.PATIENCE, check=False, preexec_fn=become(self.user) if xsvd.is_root() else None)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.returncode}: {done.stdout}{done.stderr}{self.log()}")
        return done

    def ctl(self, *command, check=True):
        return self.as_user(self.home / "supervisorctl", *command, check=check).stdout

    def log(self):
        path = self.home / "supervisord.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def write(self, programs):
        """As a user would have it: relative paths, beside the programs, found without -c."""
        (self.home / "supervisord.conf").write_text(
            "[unix_http_server]\nfile = %(here)s/supervisor.sock\n[supervisord]\n[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            "[supervisorctl]\nserverurl = unix://%(here)s/supervisor.sock\n" + programs, encoding="utf-8")

    def test_a_whole_life(self):
        port = xsvd.free_port()
        always = f"[program:always]\ncommand = /bin/sleep 1000\nstartsecs = 0\nuser = {self.user.pw_name}\n"
        echo = f"[program:echo]\ncommand = /bin/cat\nsocket = tcp4:127.0.0.1:{port}\nactivation = per_connection\n"
        self.write(always + echo)
        self.as_user(self.home / "supervisord")
        pid = int((self.home / "supervisord.pid").read_text())
        self.guardian = xsvd.Process(pid)
        for process in [self.guardian, *xsvd.descendants(pid)]:
            self.assertEqual(os.stat(f"/proc/{process.pid}").st_uid, self.user.pw_uid, process)

        self.assertRegex(self.ctl("status"), r"(?m)^always +RUNNING +pid \d+, uptime ")
        self.assertEqual(self.ctl("pid"), f"{pid}\n")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"hello")
        first = self.ctl("pid", "always")

        engine = next(p for p in xsvd.descendants(pid) if p.title == "supervisord: engine")
        os.kill(engine.pid, signal.SIGKILL)
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"again"), b"again")
        self.assertEqual(self.ctl("pid", "always"), first)

        self.write(always + echo + "[program:added]\ncommand = /bin/sleep 1000\nstartsecs = 0\n")
        self.assertEqual(self.ctl("update"), "added: added process group\n")
        self.assertEqual(self.ctl("pid", "always"), first)
        self.as_user(self.home / "xsvctl", "reload")

        self.assertEqual(self.ctl("reload"), "Restarted supervisord\n")
        xsvd.until(lambda: self.log().count("supervisord started with pid") == 2, "the second start")
        xsvd.until(lambda: self.ctl("status", "always", check=False).split()[1:2] == ["RUNNING"], "it runs again")
        self.assertNotEqual(self.ctl("pid", "always"), first)
        self.assertEqual(self.ctl("pid"), f"{pid}\n")
        self.assertNotIn("running as root", self.log())

        self.assertEqual(self.ctl("shutdown"), "Shut down\n")
        xsvd.until(lambda: not self.guardian.is_there(), "the end")
        for left in ("supervisord.pid", "supervisor.sock"):
            self.assertFalse((self.home / left).exists(), left)

    def test_another_user_is_out_of_reach(self):
        self.write("[program:x]\ncommand = /bin/true\n")
        done = self.as_user(self.home / "supervisord", "-n", "-u", "root", check=False)
        self.assertEqual((done.returncode, done.stderr.splitlines()[0]), (2, "Error: Can't drop privilege as nonroot user"))

    def test_a_program_of_another_user_fails_with_a_reason(self):
        self.write("[program:x]\ncommand = /bin/sleep 1000\nuser = root\nstartretries = 0\n")
        self.as_user(self.home / "supervisord")
        self.guardian = xsvd.Process(int((self.home / "supervisord.pid").read_text()))
        xsvd.until(lambda: "FATAL" in self.ctl("status", check=False), "it gives up")
        self.assertRegex(self.as_user(self.home / "xsvctl", "why", "x").stdout, r"(?i)not permitted|user|privilege")
        self.ctl("shutdown")
        xsvd.until(lambda: not self.guardian.is_there(), "the end")


if __name__ == "__main__":
    xsvd.main()
