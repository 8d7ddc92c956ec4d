#!/usr/bin/python3
"""The manual pages are right mdoc, and name every key of the configuration, every command and every option.

Usage: manuals.py TREE"""
import re
import subprocess
import sys
from pathlib import Path


def named(page):
    """The words that an .It of this page defines."""
    words = set()
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith(".It "):
            words |= set(re.findall(r"[\w-]+", line))
    return words


def keys(tree):
    for source in sorted((tree / "src/config").glob("keys_*.cpp")):
        text = re.sub(r'.*not supported by this version.*', '', source.read_text(encoding="utf-8"))
        for match in re.finditer(r'^\s+\{"(\w+)",\s*set', text, re.MULTILINE):
            yield match.group(1)


def commands(tree):
    return re.findall(r'^\s+\{"(\w+)", (?:None|Processes|Groups|Files)', (tree / "src/xsvctl/commands.cpp").read_text(encoding="utf-8"), re.MULTILINE)


def options(tree):
    rows = re.findall(r'^\s+\{"([\w-]+)", (?:\'\w\'|k\w+), \w+_argument.*?"([^"]*)"\},?$', (tree / "src/daemon/options.cpp").read_text(encoding="utf-8"),
                      re.MULTILINE)
    return ["-" + name for name, text in rows if "without effect" not in text]


def main():
    tree = Path(sys.argv[1])
    failed = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *sorted(map(str, (tree / "doc").glob("*.[1-8]")))], check=False).returncode != 0
    for page, wanted in (("xsvd.conf.5", list(keys(tree))), ("xsvctl.1", commands(tree)), ("xsvd.8", options(tree))):
        if not wanted:
            print(f"{page}: nothing was found in the sources to compare it with")
            failed = True
        missing = sorted(set(wanted) - named(tree / "doc" / page))
        if missing:
            print(f"doc/{page}: does not name {', '.join(missing)}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
