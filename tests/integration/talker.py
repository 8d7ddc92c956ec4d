"""Tests whose program says of itself what it is told to (notifier.py)."""
import os
import re
from pathlib import Path

import xsvd

NOTIFIER = f"/usr/bin/python3 -I -S {Path(__file__).resolve().parent / 'notifier.py'}"


class TestCase(xsvd.TestCase):
    def orders(self, name="orders"):
        path = self.folder() / name
        os.mkfifo(path)
        os.chmod(path, 0o666)
        os.chmod(path.parent, 0o777)
        self.fifo = path
        return path

    def tell(self, *lines):
        with open(self.fifo, "w", encoding="utf-8") as fifo:
            fifo.write("".join(line + "\n" for line in lines))

    def said(self):
        path = Path(f"{self.fifo}.log")
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def wait_said(self, pattern):
        return xsvd.until(lambda: re.search(pattern, self.said()), lambda: f"{pattern!r} in {self.said()!r}")

    def settle(self, *lines):
        """Says this, and waits until the daemon has heard it."""
        before = self.said().count("barrier")
        self.tell(*lines, "!barrier")
        xsvd.until(lambda: self.said().count("barrier") > before, lambda: f"{lines} are heard: {self.said()!r}")

    def notifier(self, keys="", **options):
        fifo = self.orders()
        lines = "\n".join("            " + line.strip() for line in keys.splitlines() if line.strip())
        return self.daemon(f"""
            [program:talker]
            command = {NOTIFIER} {fifo}
{lines}""", **options)

    def shown(self, daemon, name="talker"):
        return daemon.xsv.show(name)[0]
