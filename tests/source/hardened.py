#!/usr/bin/python3
"""What release programs must have. Usage: hardened.py FOLDER (of the programs of a release build)

position-independent, no lazy binding, read-only relocations, no executable stack, stack protector, indirect-branch
landing pads (x86-64), FORTIFY. The landing pads are looked for in the code: Debian's start files carry no CET note, so the
linker drops ours."""
import platform
import re
import subprocess
import sys
from pathlib import Path

PROGRAMS = ["xsvd", "xsvd-engine", "xsvd-scribe", "xsvd-web", "xsvd-proxy", "xsvd-redirect", "xsvd-builtin", "xsvd-names", "xsvctl"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout


def mistakes(program):
    header, dynamic, segments = (run("readelf", "-W", option, program) for option in ("-h", "-d", "-l"))
    is_static = "INTERP" not in segments
    if not re.search(r"Type:\s+DYN", header) or "PIE" not in dynamic:
        yield "not position-independent"
    if "GNU_RELRO" not in segments:
        yield "no read-only relocations"
    if not is_static and not re.search(r"BIND_NOW|Flags:.*\bNOW\b", dynamic):
        yield "lazy binding"
    stack = re.search(r"GNU_STACK.*\s(R?W?E?)\s+0x", segments)
    if not stack or "E" in stack.group(1):
        yield "executable stack"
    symbols = run("readelf", "-W", "-s", program)
    if "__stack_chk_fail" not in symbols:
        yield "no stack protector"
    if not re.search(r"__\w+_chk\b", symbols.replace("__stack_chk_fail", "")):
        yield "no fortified call"
    if platform.machine() == "x86_64":
        code = run("objdump", "-d", "--no-show-raw-insn", "--disassemble=main", program)
        if "endbr64" not in code:
            yield "no indirect-branch landing pads"


def main():
    folder, failed = Path(sys.argv[1]), 0
    for name in PROGRAMS:
        if not (folder / name).is_file():
            print(f"{name}: not there")
            failed += 1
            continue
        for what in mistakes(str(folder / name)):
            print(f"{name}: {what}")
            failed += 1
    print(f"hardening: {failed} shortcomings in {len(PROGRAMS)} programs")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
