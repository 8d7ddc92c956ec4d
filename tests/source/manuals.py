#!/usr/bin/python3
"""The manual pages are right mdoc, and what they list is what the program's own tables say.

Usage: manuals.py TREE [TABLES [--write]]
TABLES is the program that tables.cpp builds; without it only the mdoc is checked. --write brings the pages up to date."""
import difflib
import re
import subprocess
import sys
from pathlib import Path

UPDATE = "cmake --build build/dev --target manuals"

# What stands between these two lines of a page is generated; the line says from what.
BLOCK = re.compile(r'^(\.\\" begin (\w+) ?(.*)\n)(?:.*\n)*?(\.\\" end\n)', re.MULTILINE)


def sentence(text):
    if "://" not in text.split()[0]:
        text = text[0].upper() + text[1:]
    return roff(text if text.endswith(".") else text + ".").replace(". ", ".\n")


def roff(text):
    """Text as mdoc reads it: quotes would group words, and a dot or quote in front would be a macro."""
    text = text.replace("\\", "\\e").replace('"', "\\(dq")
    return "\\&" + text if text[:1] in (".", "'") else text


class Tables:
    def __init__(self, text):
        records = [record.split("\x1f")[:-1] for record in text.split("\x1e")[:-1]]
        self.keys = [record[1:] for record in records if record[0] == "key" and "not supported by this version" not in record[5]]
        self.methods = [record[1:] for record in records if record[0] == "method"]
        self.commands = [record[1:] for record in records if record[0] == "command"]
        self.usages = {record[1]: record[2] for record in records if record[0] == "usage"}
        self.shown = set()   # (section, key)

    def block(self, kind, words):
        items = list({"keys": self.key_items, "methods": self.method_items, "commands": self.command_items,
                      "options": self.option_items}[kind](*words))
        return "\n".join([".Bl -tag -width Ds", *("\n".join([".It " + head, *lines]) for head, lines in items), ".El", ""])

    def key_items(self, section, relation="", other=""):
        """All keys of a section; or those "before" one of them, "from" one on, or "beyond" those of another section."""
        keys = [key for key in self.keys if key[0] == section]
        names = [key[1] for key in keys]
        if relation in ("before", "from"):
            where = names.index(other)
            keys = keys[:where] if relation == "before" else keys[where:]
        self.shown |= {(section, key[1]) for key in keys}
        known = [key[1:] for key in self.keys if key[0] == other]
        for _, name, expected, initial, text in (key for key in keys if relation != "beyond" or key[1:] not in known):
            yield f"Ic {name}", [sentence(text), *([sentence("value: " + expected)] if expected else []),
                                 *([sentence("default: " + initial)] if initial else [])]

    def method_items(self):
        for name, signature, least, text in self.methods:
            result, *types = signature.split()
            words = [f"Ar {each}" if place < int(least) else f"Op Ar {each}" for place, each in enumerate(types)]
            yield " ".join([f"Ic {name}", *words]), [sentence(text), sentence(f"answer: {result}")]

    def command_items(self):
        """A line of help is "start <name>\\t\\tStart a process"; one that does not begin with the command goes on."""
        for name, text in self.commands:
            items = []
            for line in text.splitlines():
                usage, _, about = (part.strip() for part in line.partition("\t"))
                if usage.split()[:1] == [name]:
                    items.append((self._head(usage), []))
                    usage = ""
                if (about or usage) not in ("", "Ex:"):
                    items[-1][1].append(sentence(about or usage))
            yield from items

    @staticmethod
    def _head(usage):
        words = []
        for argument, rest, literal in re.findall(r"<([^>]+)>(\S*)|(\S+)", usage):
            words.append(f"Ic {literal}" if literal else f"Ar {argument}" + (f" Ns Ic {rest}" if rest else ""))
        return " ".join(words)

    def option_items(self, program):
        pattern = {"xsvd": r"^(?:-(\w)/)?--([\w-]+) ?(\[=[A-Z]+\]|[A-Z]+)? -- (.+)$",
                   "xsvctl": r"^(?:-(\w)/)?--([\w-]+)(?: ([A-Z]+))? +(.+)$"}[program]
        for letter, name, argument, text in sorted(re.findall(pattern, self.usages[program], re.MULTILINE), key=lambda found: found[0] or found[1]):
            if "without effect" not in text:
                yield (f"Fl {letter} , " if letter else "Fl ") + f"-{name}" + (f" Ar {argument}" if argument else ""), [sentence(text)]

    def missing(self):
        return sorted({section for section, name, *_ in self.keys if (section, name) not in self.shown})


def update(program, pages, write):
    """Whether the pages are as the program's tables say, perhaps because they have just been written."""
    known, good = Tables(subprocess.run(program, check=True, capture_output=True, text=True).stdout), True
    for page in pages:
        old = page.read_text(encoding="utf-8")
        new = BLOCK.sub(lambda found: found[1] + known.block(found[2], found[3].split()) + found[4], old)
        if write:
            page.write_text(new, encoding="utf-8")
        elif old != new:
            good = False
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), str(page), "the program's tables"))
            print(f"doc/{page.name} is out of date; bring it up to date with: {UPDATE}")
    for section in known.missing():
        good = False
        print(f"doc/xsvd.conf.5 does not show every key of [{section}]: where they belong, add the two lines\n"
              f'.\\" begin keys {section}\n.\\" end\n(or "begin keys {section} beyond program:x" for what a program does not have), then: {UPDATE}')
    return good


def main():
    tree, *tables = sys.argv[1:]
    pages = sorted((Path(tree) / "doc").glob("*.[1-8]"))
    good = update(tables[0], pages, "--write" in tables) if tables else True
    return 0 if subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *map(str, pages)], check=False).returncode == 0 and good else 1


if __name__ == "__main__":
    sys.exit(main())
