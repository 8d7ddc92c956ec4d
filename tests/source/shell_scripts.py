#!/usr/bin/python3
"""The shell scripts parse, and shellcheck (where it is installed) has nothing to say. Usage: shell_scripts.py TREE"""
import shutil
import subprocess
import sys
from pathlib import Path

BASH = ["contrib/common.sh", "contrib/run", "contrib/test", ".ci/run"]
POSIX = ["contrib/sysv/xsvd"]


def main():
    tree = Path(sys.argv[1])
    failed = 0
    for name in BASH + POSIX:
        shell = "bash" if name in BASH else "sh"
        failed += subprocess.run([shell, "-n", str(tree / name)], check=False).returncode != 0
    if shutil.which("shellcheck"):
        failed += subprocess.run(["shellcheck", "-x", *BASH, *POSIX], cwd=tree, check=False).returncode != 0
    for name in BASH[1:] + POSIX + ["contrib/openrc/xsvd"]:
        if not (tree / name).stat().st_mode & 0o100:
            print(f"{name}: not executable")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
