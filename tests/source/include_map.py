#!/usr/bin/python3
"""Compares every #include below src/ with the map in README.md and with the home of each library.

Usage: include_map.py TREE"""
import re
import sys
from pathlib import Path

from cpp_text import sources, strip

# A header outside the C and C++ libraries, and the only places that may include it ("fmt/" is for everybody).
LIBRARY_HOMES = [
    (r"event2/|event\.h$|evutil\.h$", ["event/", "web/", "tls/"]),
    (r"boost/", ["web/"]),
    (r"ini\.h$|INIReader\.h$", ["config/ini.cpp"]),
    (r"spdlog/", ["base/log.cpp"]),
    (r"fmt/", [""]),
    (r"tl/expected\.hpp$", ["base/result.h"]),
    (r"pugixml\.hpp$", ["wire/xmlrpc.cpp"]),
    (r"nlohmann/", ["wire/json.cpp"]),
    (r"crypt\.h$", ["web/passwords.cpp"]),
    (r"nettle/", ["web/passwords.cpp", "wire/"]),
    (r"openssl/", ["tls/"]),
    (r"systemd/", ["sys/notify.cpp"]),
    (r"sys/capability\.h$|seccomp\.h$", ["sys/sandbox.cpp"]),
    (r"curl/", ["xsvctl/"]),
    (r"rpc/netdb\.h$", ["config/rpc.cpp"]),
    (r"rpc/|netconfig\.h$", ["rpcbind/"]),
    (r"histedit\.h$|editline/|readline/", ["xsvctl/prompt.cpp"]),
]
SYSTEM_FOLDERS = ("sys/", "linux/", "netinet/", "arpa/", "net/", "asm/", "bits/", "gnu/")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def read_map(readme):
    """{folder: set of folders it may include} from the rows 'folder/  what it does   a b c' of README's map."""
    section = re.search(r"^## The map\n.*?```[a-z]*\n(.*?)```", readme, re.DOTALL | re.MULTILINE)
    if not section:
        sys.exit('README.md: no code block under "## The map"')
    allowed = {}
    for row in section.group(1).splitlines():
        match = re.match(r"(\w+)/\s+(?:-> \S+\s+)?.*?\s{2,}(\S.*)$", row)
        if not match:
            continue
        folder, column = match.groups()
        if column.startswith("all above"):
            allowed[folder] = set(allowed) - {"guardian"}
        elif column.startswith("libc"):
            allowed[folder] = set()
        elif column.startswith("(libraries only)"):
            allowed[folder] = set()
        else:
            allowed[folder] = set(column.split())
        unknown = allowed[folder] - set(allowed)
        if unknown:
            sys.exit(f"README.md: the map lets {folder}/ include {sorted(unknown)}, which are not above it")
    return allowed


def home_of(header):
    for pattern, homes in LIBRARY_HOMES:
        if re.match(pattern, header):
            return homes
    return None


def check(place, kind, header, allowed):
    """What is wrong with this include, or None. `place` is relative to src/."""
    folder = place.split("/")[0]
    if kind == '"':
        other = header.split("/")[0]
        if "/" not in header:
            return f'"{header}": write the folder too'
        if other not in allowed:
            return f'"{header}": no such folder in the map'
        if folder == "guardian":
            return None if header == "wire/guardian.h" else f'"{header}": the guardian includes only wire/guardian.h'
        if other != folder and other not in allowed[folder]:
            return f'"{header}": {folder}/ may include only {" ".join(sorted(allowed[folder])) or "libraries"}'
        return None
    homes = home_of(header)
    if homes is not None:
        if not any(place.startswith(home) for home in homes):
            return f"<{header}>: its home is {', '.join(homes) or 'nowhere yet'}"
        return None
    if folder == "guardian" and not header.endswith(".h"):
        return f"<{header}>: the guardian includes only C headers"
    if "/" in header and not header.startswith(SYSTEM_FOLDERS):
        return f"<{header}>: a library without a home; give it one in tests/source/include_map.py"
    return None


def mistakes(tree):
    allowed = read_map((Path(tree) / "README.md").read_text(encoding="utf-8"))
    missing = {p.name for p in (Path(tree) / "src").iterdir() if p.is_dir()} - set(allowed)
    for folder in sorted(missing):
        yield f"src/{folder}/: not in README's map"
    for path, text in sources(tree, "src"):
        place = path.relative_to("src").as_posix()
        if place.split("/")[0] not in allowed:
            continue
        text = strip(text, keep_strings=True)
        for match in INCLUDE.finditer(text):
            wrong = check(place, match.group(1), match.group(2), allowed)
            if wrong:
                yield f"src/{place}:{text.count(chr(10), 0, match.start()) + 1}: {wrong}"


def main():
    found = list(mistakes(sys.argv[1]))
    for line in found:
        print(line)
    print(f"include map: {len(found)} mistakes")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
