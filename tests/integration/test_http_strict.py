"""Requests by the grammar of HTTP are answered, all others refused with the status that says why (rules H1, H2, H5, W1 to W3).

The requests are made by walking over every byte, every place and every form of one line at a time.
"""
import string

import xsvd

TOKEN = set((string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode())   # what a name may be made of
GOOD = (b"GET", b"/ok.html", b"HTTP/1.1")
CALL = b"<?xml version='1.0'?><methodCall><methodName>supervisor.getState</methodName></methodCall>"


def request(line=GOOD, headers=(), host=b"Host: localhost", body=b""):
    lines = [b" ".join(line) if isinstance(line, tuple) else line, *([host] if host is not None else []), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def post(*headers, body=CALL, length=True, path=b"/RPC2"):
    return request((b"POST", path, b"HTTP/1.1"), [*([b"Content-Length: %d" % len(body)] if length else []), *headers], body=body)


def with_length(text, body=b"abc"):
    return request((b"POST", b"/ok.html", b"HTTP/1.1"), [b"Content-Length:" + text], body=body)


def methods():
    for method, status in {b"GET": 200, b"HEAD": 200, b"POST": 411}.items():
        yield status, request((method, *GOOD[1:]))
    for method in (b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PATCH", b"PRI", b"LINK", b"MOVE", b"PURGE", b"SEARCH", b"get", b"Get", b"GETT", b"GE",
                   b"G", b"", b"GET\t", b"GET\0", b"\xffGET", b"G\x01T", b"(GET)", b"GET,", b"GET:"):
        yield 400, request((method, *GOOD[1:]))


def versions():
    for version, status in {b"HTTP/1.1": 200, b"HTTP/1.0": 200}.items():
        yield status, request((*GOOD[:2], version))
    for version in (b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/2", b"HTTP/3.0", b"HTTP/0.1", b"HTTP/10.1", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1.",
                    b"HTTP/1", b"HTTP/", b"HTTP", b"", b"http/1.1", b"Http/1.1", b"HTTPS/1.1", b"ICY/1.1", b"HTTP/1,1", b"HTTP/1.1x", b"HTTP/1.1 x",
                    b"HTTP/+1.1", b"HTTP/-1.1", b"HTTP /1.1", b"HTTP/ 1.1", b"HTTP/1 .1", b"HTTP/1.1\t"):
        yield 400, request((*GOOD[:2], version))
    yield 400, request(b"GET /ok.html")
    yield 400, request(b"GET  /ok.html HTTP/1.1")
    yield 400, request(b"GET /ok.html  HTTP/1.1")
    yield 400, request(b" GET /ok.html HTTP/1.1")
    yield 400, request(b"GET\t/ok.html\tHTTP/1.1")


def targets():
    for byte in [*range(0x21), *range(0x7f, 0x100)]:
        if byte not in (0x0a, 0x0d, 0x20):
            yield 400, request((GOOD[0], b"/ok" + bytes([byte]) + b".html", GOOD[2]))
    for byte in range(0x20):
        yield 400, request((GOOD[0], b"/ok%%%02x.html" % byte, GOOD[2]))
    for target, status in {
            b"/": 200, b"/ok.html?x=%2f": 200, b"//ok.html": 200, b"/ok%2Ehtml": 200, b"/OK.html": 404, b"/ok.html/": 404, b"/nosuch": 404, b"/ok.htm": 404,
            b"": 400, b"*": 400, b"ok.html": 400, b"http://localhost/ok.html": 400, b"localhost:1": 400, b"/..": 400, b"/../ok.html": 400, b"/a/../ok.html": 400,
            b"/%2e%2e/ok.html": 400, b"/%2E./ok.html": 400, b"/.%2e/ok.html": 400, b"/a%2fb": 400, b"/a%2Fb": 400, b"/%": 400, b"/%4": 400, b"/%zz": 400,
            b"/%0": 400, b"/%u0041": 400, b"/a%00": 400, b"/" + b"a" * 4095: 404, b"/" + b"a" * 4096: 414, b"/" + b"a" * 20000: 414}.items():
        yield status, request((GOOD[0], target, GOOD[2]))


def names():
    for byte in range(0x100):
        if byte not in (0x0a, 0x0d, ord(":")):
            yield (200 if byte in TOKEN else 400), request(headers=[b"X" + bytes([byte]) + b"Y: z"])
    for line in (b"X : y", b"X\t: y", b": y", b"X", b"X y", b" X: y", b"\tX: y"):
        yield 400, request(headers=[line])


def values():
    for byte in [*range(0x20), 0x7f]:
        if byte not in (0x09, 0x0a):
            yield 400, request(headers=[b"X: y" + bytes([byte]) + b"z"])
    for value in (b"", b" ", b"\t", b"  y", b"y  ", b"y z", b"y\tz", b"\"y\"", b"y:z", b"y=z;a"):
        yield 200, request(headers=[b"X:" + value])
    for fold in (b"\r\n ", b"\r\n\t", b"\r\n  "):
        yield 400, request(headers=[b"X: y" + fold + b"z"])
        yield 400, request(host=b"Host:" + fold + b"localhost")


def line_ends():
    lines = [b"POST /ok.html HTTP/1.1", b"Host: localhost", b"Content-Length: 3", b"", b"abc"]
    for place in range(4):
        for end in (b"\n", b"\r", b"\r\r\n", b"\n\r"):
            ends = [b"\r\n"] * 4 + [b""]
            ends[place] = end
            yield 400, b"".join(line + end for line, end in zip(lines, ends))
    yield 200, b"\r\n" * 3 + b"".join(line + b"\r\n" for line in lines[:4]) + b"abc"


def lengths():
    for text in (b" 3", b"3", b"  3", b"\t3", b" 3 ", b" 03", b" 0000003"):
        yield 200, with_length(text)
    for text in (b"", b" ", b" +3", b" -3", b" 3.0", b" 3,3", b" 3, 3", b" 3 3", b" 0x3", b" 3h", b" 3;", b" three", b" '3'", b" 3e0", b" \xb3", b" 1_0", b" 3\t3",
                 b" -0", b" +0", b" " + b"9" * 30, b" 18446744073709551616", b" 18446744073709551619"):
        yield 400, with_length(text)
    for text in (b" 1048577", b" 2147483648", b" 4294967299", b" 9223372036854775807"):
        yield 413, with_length(text)
    for second in (b"3", b"4", b"0", b"3, 3", b""):
        yield 400, request((b"POST", b"/ok.html", b"HTTP/1.1"), [b"Content-Length: 3", b"content-length: " + second], body=b"abc")
    yield 200, with_length(b" 0", b"")


def codings():
    for coding in (b"chunked", b"Chunked", b"identity", b"gzip", b"gzip, chunked", b"xchunked", b"chunked;q=1", b"\"chunked\"", b"x", b"chunked x"):
        yield {411, 400}, request((b"POST", b"/ok.html", b"HTTP/1.1"), [b"Transfer-Encoding: " + coding], body=b"3\r\nabc\r\n0\r\n\r\n")
        yield {411, 400}, request((b"POST", b"/ok.html", b"HTTP/1.1"), [b"Transfer-Encoding: " + coding, b"Content-Length: 3"], body=b"abc")
        yield {411, 400}, request((b"POST", b"/ok.html", b"HTTP/1.1"), [b"Content-Length: 3", b"Transfer-Encoding: " + coding], body=b"abc")
    yield {411, 400}, request((b"POST", b"/ok.html", b"HTTP/1.1"), [b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"], body=b"0\r\n\r\n")


def hosts(port):
    for host in (b"localhost", b"LOCALHOST", b"localhost:%d" % port, b"127.0.0.1", b"127.0.0.1:%d" % port, b"[::1]", b"[::1]:9", b"localhost."):
        yield 200, request(host=b"Host: " + host)
    for host in (b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example", b"evil.example:%d" % port, b"127.0.0.2", b"0.0.0.0", b"[::2]", b"localhost@evil.example",
                 b"evil.example#localhost", b"2130706433", b"0x7f000001", b"127.1", b""):
        yield 403, request(host=b"Host: " + host)
        yield 403, request((b"GET", b"/nosuch", b"HTTP/1.1"), host=b"Host: " + host)
    yield 400, request(host=None)
    yield 400, request(headers=[b"Host: localhost"])
    yield 400, request(headers=[b"host: evil.example"])
    yield 200, b"GET /ok.html HTTP/1.0\r\n\r\n"


def browsers(port):
    own = b"http://localhost:%d" % port
    host = {"host": b"Host: localhost:%d" % port}

    def from_page(*headers):
        return request((b"POST", b"/RPC2", b"HTTP/1.1"), [*headers, b"Content-Length: %d" % len(CALL)], body=CALL, **host)
    for origin, status in {own: 200, b"null": 403, b"http://evil.example": 403, b"http://localhost": 403, b"https://localhost:1": 403, own + b".evil.example": 403,
                           b"": 403, b"file://": 403, b"http://localhost:%d@evil.example" % port: 403, own + b"/x": 403}.items():
        yield status, from_page(b"Origin: " + origin, b"Content-Type: text/xml")
    for site, status in {b"same-origin": 200, b"none": 200, b"cross-site": 403, b"same-site": 403, b"": 403, b"x": 403}.items():
        yield status, from_page(b"Sec-Fetch-Site: " + site, b"Content-Type: text/xml")
    for kind, status in {b"text/xml": 200, b"text/xml; charset=utf-8": 200, b"application/xml": 200, b"TEXT/XML": 200, b"text/plain": 415, b"TEXT/plain": 415,
                         b"text/plain;charset=x": 415, b" text/plain ": 415, b"application/x-www-form-urlencoded": 415, b"multipart/form-data": 415,
                         b"multipart/form-data; boundary=x": 415}.items():
        yield status, from_page(b"Content-Type: " + kind)
        yield status, from_page(b"Origin: " + own, b"Content-Type: " + kind)
    for name in (b"Authorization", b"Origin", b"Content-Type", b"Sec-Fetch-Site"):
        yield 400, from_page(name + b": text/xml", name + b": text/xml")


def sizes():
    yield 200, request(headers=[b"X%d: y" % n for n in range(63)])
    yield 431, request(headers=[b"X%d: y" % n for n in range(64)])
    yield 200, request(headers=[b"X: " + b"y" * 16000])
    yield 431, request(headers=[b"X: " + b"y" * 16400])
    yield 431, request(headers=[b"X: " + b"y" * 100000])
    yield 431, request(headers=[b"X" * 17000 + b": y"])
    yield 400, post(body=b"x" * (1 << 20))
    yield 413, post(body=b"x" * ((1 << 20) + 1))
    yield 405, request((b"GET", b"/?action=stopall", b"HTTP/1.1"))
    for path in (b"/RPC2", b"/rpc"):
        yield 400, request((b"GET", path, b"HTTP/1.1"))
        yield 400, request((b"HEAD", path, b"HTTP/1.1"))
        yield 411, post(path=path, length=False)
    yield 200, post()
    yield 400, post(path=b"/stylesheets/supervisor.css")


class Strict(xsvd.TestCase):
    def status(self, data):
        with xsvd.connect(("127.0.0.1", self.port)) as s:
            try:
                s.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass   # refused before all of it was there
            answer = b""
            while b"\r\n" not in answer and (part := s.recv(4096)):
                answer += part
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0

    def test_every_form_of_a_request_gets_its_status(self):
        self.port = xsvd.free_port()
        daemon = self.daemon(f"[inet_http_server]\nport = 127.0.0.1:{self.port}\n")
        web, engine = daemon.roles()["web"], daemon.engine()
        cases = [case for make in (methods, versions, targets, names, values, line_ends, lengths, codings, sizes) for case in make()]
        cases += [*hosts(self.port), *browsers(self.port)]
        wrong = [(expected, status, data[:200]) for expected, data in cases
                 if (status := self.status(data)) not in (expected if isinstance(expected, set) else {expected})]
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(len(cases), 300)
        print(len(cases), "requests")
        self.assertEqual((daemon.roles()["web"], daemon.engine()), (web, engine))


if __name__ == "__main__":
    xsvd.main()
