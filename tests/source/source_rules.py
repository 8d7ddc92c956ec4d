#!/usr/bin/python3
"""Rules that a look at the sources can hold. Usage: source_rules.py TREE

descriptors    every one is close-on-exec from its first moment (a flag set one call later is a race with a spawn)
processes      one clone3 in the program, execve only there and in the guardian
clock          the wall clock jumps: only base/time.cpp and base/log.cpp read it
guardian       at most 600 lines, no heap after its start, no C++ library
loose ends     no notes of things left to do
"""
import re
import sys
from pathlib import Path

from cpp_text import arguments, line_of, sources, strip

# call -> the flag its arguments must have; None: there is a better call.
DESCRIPTOR_CALLS = {
    "socket": "SOCK_CLOEXEC", "socketpair": "SOCK_CLOEXEC", "accept4": "SOCK_CLOEXEC", "pipe2": "O_CLOEXEC",
    "dup3": "O_CLOEXEC", "open": "O_CLOEXEC", "openat": "O_CLOEXEC", "epoll_create1": "EPOLL_CLOEXEC",
    "eventfd": "EFD_CLOEXEC", "signalfd": "SFD_CLOEXEC", "timerfd_create": "TFD_CLOEXEC",
    "inotify_init1": "IN_CLOEXEC", "memfd_create": "MFD_CLOEXEC", "recvmsg": "MSG_CMSG_CLOEXEC",
    "mkostemp": "O_CLOEXEC",
    "accept": None, "pipe": None, "dup": None, "creat": None, "epoll_create": None, "inotify_init": None,
    "mkstemp": None,
}
# The function that opens 0, 1 and 2, which every process of ours hands on.
STANDARD_DESCRIPTORS = "open_standard_descriptors()"
# In a child before exec, dup2 is what gives a program its descriptors.
MAY_DUP2 = ("src/sys/processes.cpp", "src/sys/child.cpp", "src/guardian/")
MAY_EXEC = ("src/sys/processes.cpp", "src/sys/child.cpp", "src/guardian/", "src/xsvctl/daemon_program.cpp", "src/pidproxy/")
# Asks directory services, which may hang, in a process that only answers and ends.
MAY_FORK = ("src/sys/users.cpp", "src/pidproxy/main.cpp")
MAY_CLONE = ("src/sys/processes.cpp",)
MAY_READ_WALL_CLOCK = ("src/base/time.cpp", "src/base/log.cpp", "src/builtin/contents.cpp")   # daytime tells it
GUARDIAN_LINES = 600



def calls(text, name):
    """Places where the system call of this name is called: "::name(", or the bare name where an expression begins."""
    for match in re.finditer(rf"(?<![\w.>:])(?P<scope>::)?\b{name}\s*\(", text):
        before = text[:match.start()].rstrip()
        if match.group("scope"):
            yield match  # nothing of ours lives in the global name space
        elif re.search(r"(?:[=(,!;{}?:&|)]|\breturn|\belse)$", before) and not declared_here(text, name):
            yield match


def declared_here(text, name):
    """This file has a function of its own with that name."""
    function = rf"(?<!return)(?<!else)(?<=[\w>&*\]])\s+(?:\w+::)*{name}\s*\([^;{{}}]*\)\s*(?:const|noexcept|override|=\s*0|\s)*[;{{]"
    return re.search(rf"{function}|\bauto&?\s+{name}\s*=", text)


def has_flag(text, given, flag):
    if flag in given:
        return True
    # The flags stand in a variable: each of its values in this file has the flag.
    for variable in re.findall(r"\b(\w*[Ff]lags\w*)\b", given):
        values = re.findall(rf"\b{variable}\s*=\s*([^;]*);", text)
        if values and all(flag in value for value in values):
            return True
    return False


def descriptor_rules(path, text):
    for name, flag in DESCRIPTOR_CALLS.items():
        for match in calls(text, name):
            given = arguments(text, text.index("(", match.end() - 1))
            if name in ("open", "openat") and not re.search(r"\bO_[A-Z]+\b|[Ff]lags", given) and not match.group("scope"):
                continue  # a function of ours
            if STANDARD_DESCRIPTORS in text[max(0, match.start() - 200):match.start()]:
                continue
            if flag is None:
                yield match.start(), f"{name}(): its close-on-exec form is {better(name)}"
            elif not has_flag(text, given, flag):
                yield match.start(), f"{name}() without {flag}"
    for match in re.finditer(r"\bF_DUPFD\b", text):
        yield match.start(), "F_DUPFD: use F_DUPFD_CLOEXEC"
    for match in re.finditer(r"(?<![\w.>])fopen\s*\(", text):
        yield match.start(), "fopen(): use open(… O_CLOEXEC) and fdopen, or sys::read_file"
    if not str(path).startswith(MAY_DUP2):
        for match in calls(text, "dup2"):
            yield match.start(), "dup2(): its close-on-exec form is dup3"


def better(name):
    return {"accept": "accept4", "pipe": "pipe2", "dup": "fcntl(F_DUPFD_CLOEXEC)", "creat": "open", "mkstemp": "mkostemp",
            "epoll_create": "epoll_create1", "inotify_init": "inotify_init1"}[name]


def process_rules(path, text):
    place = str(path)
    if not place.startswith(MAY_CLONE):
        for match in re.finditer(r"\b(?:SYS_clone3?|__NR_clone3?)\b", text):
            if not place.startswith("src/guardian/"):
                yield match.start(), "clone: processes come from sys/processes.cpp alone"
    if not place.startswith(MAY_EXEC):
        for match in re.finditer(r"(?<![\w.>:])(?:::)?(exec(?:ve|v|vp|vpe|l|lp|le|veat)|fexecve|posix_spawnp?|popen|system)\s*\(", text):
            if not declared_here(text, match.group(1)):
                yield match.start(), f"{match.group(1)}(): programs are executed by sys/processes.cpp alone"
        for match in re.finditer(r"\bSYS_execve(?:at)?\b", text):
            yield match.start(), "execve: programs are executed by sys/processes.cpp alone"
        for match in re.finditer(r"(?<![\w.>])(?:::)?(v?fork)\s*\(\s*\)", text):
            if str(path) not in MAY_FORK:
                yield match.start(), f"{match.group(1)}(): processes come from sys/processes.cpp alone"


def clock_rules(path, text):
    if str(path) in MAY_READ_WALL_CLOCK:
        return
    wall = r"\bCLOCK_REALTIME\w*\b|\bsystem_clock\b|(?<![\w.>])gettimeofday\s*\(|(?<![\w.>])(?:::|std::)?time\s*\(\s*(?:nullptr|NULL|0)\s*\)"
    for match in re.finditer(wall, text):
        yield match.start(), f"{match.group()}: the wall clock jumps; use event::Loop::now() or xsv::wall_seconds()"


def guardian_rules(path, text):
    if not str(path).startswith("src/guardian/"):
        return
    # calloc and strdup keep the arguments before its loop begins.
    heap = r"(?<![\w.>])(?:malloc|realloc|asprintf)\s*\(|\bnew\b\s+\w|\bstd::\w+"
    for match in re.finditer(heap, text):
        yield match.start(), f"{match.group()}: the guardian has no heap and no C++ library"


def loose_ends(tree):
    marks = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    for folder in ("src", "tests", "contrib", "cmake", "conf", "doc", ".ci"):
        for path in sorted((Path(tree) / folder).rglob("*")):
            if not path.is_file() or path.suffix in (".pyc", ".bin") or "corpus" in path.parts:
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            for match in marks.finditer(text):
                yield f"{path.relative_to(tree)}:{line_of(text, match.start())}: {match.group()}: do it, or leave the note out"


def mistakes(tree):
    clones = guardian_lines = 0
    for path, raw in sources(tree, "src"):
        text = strip(raw)
        clones += len(re.findall(r"\bSYS_clone3\b|\b__NR_clone3\b", text)) if str(path).startswith(MAY_CLONE) else 0
        if str(path).startswith("src/guardian/"):
            guardian_lines += raw.count("\n")
        for rules in (descriptor_rules, process_rules, clock_rules, guardian_rules):
            for position, what in rules(path, text):
                yield f"{path}:{line_of(text, position)}: {what}"
    if clones != 1:
        yield f"src/sys/processes.cpp: clone3 stands there {clones} times, not once"
    if guardian_lines > GUARDIAN_LINES:
        yield f"src/guardian/: {guardian_lines} lines, at most {GUARDIAN_LINES}"
    yield from loose_ends(tree)


def main():
    found = list(mistakes(sys.argv[1]))
    for line in found:
        print(line)
    print(f"source rules: {len(found)} mistakes")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
