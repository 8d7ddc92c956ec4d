"""The completion of bash, asked as bash asks: with a line and a place in it."""

import os
import shutil
import subprocess
import tempfile
import unittest

XSVCTL = os.path.join(os.environ.get("XSV_BUILD", "build/dev"), "bin", "xsvctl")

# Stands in for xsvctl where the completion asks for names.
FAKE = """#!/bin/sh
case $1 in --completion) exec %s "$@" ;; esac
[ "$*" = "-c /some/x.conf status" ] && echo 'other RUNNING' && exit
printf '%%s RUNNING pid 7\\n' web worker grp:one grp:two '$(touch${IFS}ran)'
exit 3
""" % os.path.realpath(XSVCTL)

ASK = """
source <(xsvctl --completion bash)
compopt() { :; }
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
COMP_LINE=$1 COMP_POINT=${#1}
_xsvctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Bash(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="xsv-completion-")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(self.folder + "/xsvctl", "w", encoding="utf-8") as file:
            file.write(FAKE)
        os.chmod(self.folder + "/xsvctl", 0o755)

    def complete(self, line):
        done = subprocess.run(["bash", "--norc", "-c", ASK, "bash", line], capture_output=True, text=True, check=True, cwd=self.folder,
                              env=dict(os.environ, PATH=self.folder + ":" + os.environ["PATH"]))
        self.assertEqual(done.stderr, "")
        return sorted(done.stdout.split())

    def test_commands_and_options(self):
        self.assertEqual(self.complete("xsvctl sta"), ["start", "status"])
        self.assertEqual(self.complete("xsvctl -i re"), ["refresh", "reload", "remove", "reread", "restart", "resume"])
        self.assertEqual(self.complete("xsvctl --js"), ["--json"])
        self.assertEqual(self.complete("xsvctl -u "), [])
        self.assertIn("why", self.complete("xsvctl "))

    def test_names(self):
        self.assertEqual(self.complete("xsvctl start w"), ["web", "worker"])
        self.assertEqual(self.complete("xsvctl start web wo"), ["worker"])
        self.assertEqual(self.complete("xsvctl stop grp:t"), ["two"])   # bash has kept what stands before the colon
        self.assertEqual(self.complete("xsvctl -c /some/x.conf why "), ["other"])

    def test_files(self):
        self.assertEqual(self.complete("xsvctl check xsv"), ["xsvctl"])
        self.assertEqual(self.complete("xsvctl import xsv"), ["xsvctl"])
        self.assertEqual(self.complete("xsvctl -c xsv"), ["xsvctl"])

    def test_a_name_is_never_run(self):
        self.assertEqual(self.complete("xsvctl start $"), ["\\$\\(touch\\$\\{IFS\\}ran\\)"])
        self.assertEqual(os.listdir(self.folder), ["xsvctl"])


if __name__ == "__main__":
    unittest.main()
