"""C++ sources as the checks want them: without comments, with or without the contents of strings."""
import re
from pathlib import Path

_TOKEN = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)'
    r'|(?P<raw>R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)")'
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*')",
    re.DOTALL)


def strip(text, keep_strings=False):
    """Blanks comments (and what strings say); line numbers stay."""
    def blank(match):
        if match.lastgroup != "comment" and not match.group("comment"):
            if keep_strings:
                return match.group()
            quote = "'" if match.group("char") else '"'
            return quote + "\n" * match.group().count("\n") + quote
        return "\n" * match.group().count("\n") or " "
    return _TOKEN.sub(blank, text)


def sources(tree, *folders):
    """Every .h and .cpp file below the folders, by path relative to the tree."""
    for folder in folders:
        for path in sorted((Path(tree) / folder).rglob("*")):
            if path.suffix in (".h", ".cpp", ".c", ".cc", ".hpp") and path.is_file():
                yield path.relative_to(tree), path.read_text(encoding="utf-8")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def arguments(text, open_parenthesis):
    """What stands between the parenthesis at this place and its partner."""
    depth = 0
    for i in range(open_parenthesis, len(text)):
        if text[i] == "(":
            depth += 1
        elif text[i] == ")":
            depth -= 1
            if depth == 0:
                return text[open_parenthesis + 1:i]
    return text[open_parenthesis + 1:]
