"""Whoever takes over the web process has taken over nothing else."""
import os
import shutil
import unittest
from pathlib import Path

import xsvd

TAKEN = xsvd.BUILD / "tests" / "web_taken"


@unittest.skipIf(xsvd.SANITIZED, "a sanitizer's run-time library needs system calls of its own")
class Taken(xsvd.TestCase):
    def status_of(self, pid):
        return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines() if ":\t" in line)

    def assert_confined(self, pid):
        status = self.status_of(pid)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        limits = {line[:26].strip(): line[26:].split()[:2] for line in Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()}
        self.assertEqual(limits["Max data size"], [str(256 << 20)] * 2)
        for name in ("Max core file size", "Max file size", "Max processes"):
            self.assertEqual(limits[name], ["0", "0"], name)
        if xsvd.is_root():
            self.assertNotIn("0", status["Uid"].split() + status["Gid"].split())
            self.assertEqual(status["Groups"].split(), [])
            self.assertEqual(int(status["CapBnd"], 16), 0)
            self.assertEqual(os.listdir(f"/proc/{pid}/root/"), [])

    def test_the_web_process_keeps_no_right(self):
        daemon = self.daemon("[program:sleeper]\ncommand = /bin/sleep 1000\n", env={"SECRET": "of the daemon", "TZ": "Asia/Tokyo"})
        pid = daemon.roles()["web"]
        if xsvd.is_root():
            variables = Path(f"/proc/{pid}/environ").read_bytes()
            self.assertNotIn(b"SECRET", variables)
            self.assertIn(b"TZ=Asia/Tokyo", variables)
        self.assert_confined(pid)
        self.assertNotIn("keeps a right", daemon.read_log())

    def test_an_intruder_is_refused_everything(self):
        folder = self.folder()
        for name in ("xsvd", "xsvd-engine", "xsvd-scribe"):
            shutil.copy2(xsvd.BUILD / "bin" / name, folder / name)
        shutil.copy2(TAKEN, folder / "xsvd-web")
        os.chmod(folder, 0o755)
        daemon = self.daemon("[program:sleeper]\ncommand = /bin/sleep 1000\n", program=folder / "xsvd", wait=False)
        daemon.wait_for_log(r"intruder: calls answered: .*; end\n")
        log = daemon.read_log()
        self.assertRegex(log, r"intruder: not refused: \n")
        self.assertRegex(log, r"intruder: refused: [6-9]\d\n")
        self.assertIn("intruder: calls answered: ; end\n", log)
        self.assertNotIn("audit:", log)
        self.assert_confined(daemon.roles()["web"])
        self.assertEqual(len([process for process in xsvd.descendants(daemon.pid) if "sleep" in process.title]), 1)


if __name__ == "__main__":
    xsvd.main()
