"""Bodies made to cost more than they weigh: each is refused or answered at once, with little memory (rules X1 to X3)."""
import http.client
import itertools
import json
import time
from pathlib import Path

import xsvd

STATE = "supervisor.getState"


def call(params=b"", method=STATE.encode(), head=b"<?xml version='1.0'?>"):
    return head + b"<methodCall><methodName>" + method + b"</methodName><params>" + params + b"</params></methodCall>"


def param(value):
    return b"<param><value>" + value + b"</value></param>"


def entities():
    """Declarations of every kind: expansion, files, addresses."""
    for depth in (1, 3, 10, 30):
        for kind in ("", "%"):
            lines = [f'<!ENTITY {kind} e0 "ha">'] + [f'<!ENTITY {kind} e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, depth)]
            yield call(param(b"&e%d;" % (depth - 1)), head=f"<!DOCTYPE a [{''.join(lines)}]>".encode())
    for target in ("file:///etc/passwd", "http://127.0.0.1:1/", "expect://id", "php://filter", "/dev/zero", "ftp://x", "jar:file:///x!/y", "gopher://x"):
        for form in ('<!DOCTYPE a [<!ENTITY x SYSTEM "{}">]>', '<!DOCTYPE a SYSTEM "{}">', '<!DOCTYPE a PUBLIC "x" "{}">',
                     '<!DOCTYPE a [<!ENTITY % x SYSTEM "{}"> %x;]>', '<?xml-stylesheet href="{}"?>', '<!ENTITY x SYSTEM "{}">', '<!NOTATION x SYSTEM "{}">'):
            yield call(param(b"&x;"), head=form.format(target).encode())
    for text in (b"<!ELEMENT a ANY>", b"<!ATTLIST a b CDATA #IMPLIED>", b"<!doctype a>", b"<![IGNORE[x]]>", b"<?php x ?>", b"<?xml version='1.0'?>" * 2):
        yield call(head=text)


def shapes():
    """Deep and wide, in every element."""
    for count in (33, 1000, 20_000):
        for begin, end in ((b"<value><array><data>", b"</data></array></value>"), (b"<value><struct><member><name>a</name>", b"</member></struct></value>"),
                           (b"<a>", b"</a>"), (b"<value>", b"</value>"), (b"<params>", b"</params>")):
            for closed in (True, False):
                yield call(b"<param>" + begin * count + (end * count + b"</param>" if closed else b""))[:1 << 20]
    for item in (b"<value><i4>1</i4></value>", b"<value/>", b"<value></value>", b"<i4/>", b"x", b"<!---->", b"<![CDATA[]]>"):
        for count in (10_001, 30_000):
            yield call(param(b"<array><data>" + item * count + b"</data></array>"))[:1 << 20]
    for item in (b"<param><value>x</value></param>", b"<param/>", b"<x/>"):
        yield call(item * 30_000)[:1 << 20]
    for count in (100, 10_000):
        yield call(param(b"<struct>" + b"".join(b"<member><name>%d</name><value/></member>" % n for n in range(count)) + b"</struct>"))
        yield call(param(b"<struct>" + b"<member><name>a</name><value/></member>" * count + b"</struct>"))


def texts():
    """Long names, long numbers, many attributes, every kind of reference."""
    for size in (1_000, 100_000, 1_000_000):
        x = b"x" * size
        yield call(method=x)
        yield call(param(b"<" + x + b"/>"))
        yield call(param(b"<i4>" + b"9" * size + b"</i4>"))
        yield call(param(b"<double>0." + b"0" * size + b"1</double>"))
        yield call(param(b"<base64>" + b"A" * size + b"</base64>"))
        yield call(param(b"<base64>" + b"=" * size + b"</base64>"))
        yield call(param(b"<a " + b"b='c' " * (size // 6) + b"/>"))
        yield call(param(b"&amp;" * (size // 5)))
        yield call(param(b"&#65;" * (size // 5)))
        yield call(param(b"&" * size))
        yield call(param(b"&#x" + b"0" * size + b"41;"))
        yield call(param(b"&#" + b"9" * size + b";"))
        yield call(param(b"<![CDATA[" + b"]]" * (size // 2) + b"]]>"))
        yield call(param(b"<!--" + b"- " * (size // 2) + b"-->"))
        yield call(param(b" " * size))
        yield call(param(b"\xff" * size))
        yield call(param(b"\xf0\x9f\x92\xa3" * (size // 4)))
        yield b"<" * size
        yield b" " * size + call()
        yield call() + b" " * size
        yield (call() * (size // len(call())))[:1 << 20]
    for byte in [*range(9), 0x0b, 0x0c, *range(0x0e, 0x20), 0xc0, 0xff]:
        yield call(param(b"a" + bytes([byte]) + b"b"))
    for encoding in ("utf-16", "utf-32", "utf-16-be", "utf-7"):
        yield call().decode().encode(encoding)


def multicalls():
    inner = b"<value><struct><member><name>methodName</name><value>%s</value></member><member><name>params</name><value><array><data>%s</data></array></value></member></struct></value>"
    for method in (STATE.encode(), b"system.multicall", b"system.listMethods"):
        for count in (257, 2_000):
            yield call(param(b"<array><data>" + inner % (method, b"") * count + b"</data></array>"), b"system.multicall")
    nested = inner % (STATE.encode(), b"")
    for _ in range(20):
        nested = inner % (b"system.multicall", b"<value><array><data>" + nested + b"</data></array></value>")
    yield call(param(b"<array><data>" + nested + b"</data></array>"), b"system.multicall")


def jsons():
    for count in (33, 1_000, 100_000, 500_000):
        for begin, end in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
            for closed in (True, False):
                yield (begin * count + ("1" + end * count if closed else ""))[:1 << 20].encode()
    for value in ("1e999999", "-1e999999", "9" * 100_000, "0." + "0" * 100_000 + "1", '"' + "\\u0041" * 100_000 + '"', '"' + "\\" * 100_001 + '"', '"\\ud800"',
                  "[" + "1," * 100_000 + "1]", "{" + '"a":1,' * 50_000 + '"a":1}', '"' + "x" * 900_000 + '"', "nul", "NaN", "Infinity", "-", "01", "1.", ".1", "+1"):
        yield value.encode()
        yield json.dumps({"jsonrpc": "2.0", "id": 1, "method": STATE, "params": "@"}).replace('"@"', "[" + value + "]").encode()[:1 << 20]
        yield ('{"jsonrpc":"2.0","id":' + value + ',"method":"' + STATE + '"}').encode()[:1 << 20]
    one = json.dumps({"jsonrpc": "2.0", "id": 1, "method": STATE})
    for count in (257, 10_000):
        yield ("[" + ",".join([one] * count) + "]").encode()[:1 << 20]


class Bombs(xsvd.TestCase):
    def memory(self, pid):
        """KiB at the peak, since it was forgotten last."""
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0

    def ask(self, path, kind, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=xsvd.PATIENCE)
        try:
            connection.request("POST", path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def test_bombs_cost_little(self):
        self.port = xsvd.free_port()
        daemon = self.daemon(f"[inet_http_server]\nport = 127.0.0.1:{self.port}\n")
        web, engine = daemon.roles()["web"], daemon.engine()
        files = [("/RPC2", "text/xml", body) for body in itertools.chain(entities(), shapes(), texts(), multicalls())]
        files += [("/rpc", "application/json", body) for body in jsons()]
        self.assertGreaterEqual(len(files), 300)
        before = {pid: (self.memory(pid), xsvd.Process(pid).cpu) for pid in (web, engine)}
        slowest = 0.0
        for path, kind, body in files:
            begun = time.monotonic()
            status, answer = self.ask(path, kind, body)
            slowest = max(slowest, time.monotonic() - begun)
            self.assertIn(status, (200, 400), body[:200])
            self.assertNotIn(b"root:", answer)
        cpu = sum(xsvd.Process(pid).cpu - before[pid][1] for pid in (web, engine))
        grown = {pid: self.memory(pid) - before[pid][0] for pid in (web, engine)}
        print(f"{len(files)} files: {1000 * cpu / len(files):.1f} ms of CPU each, the slowest answered after {1000 * slowest:.0f} ms; "
              f"at its peak the web process had {grown[web]} KiB more, the engine {grown[engine]} KiB")
        self.assertEqual((daemon.roles()["web"], daemon.engine()), (web, engine))
        self.assertEqual(daemon.ctl("pid").code, 0)
        if not xsvd.SANITIZED:
            self.assertLess(cpu / len(files), 0.010)
            self.assertLess(grown[web], 32 << 10)
            self.assertLess(grown[engine], 8 << 10)


if __name__ == "__main__":
    xsvd.main()
