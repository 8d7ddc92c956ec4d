"""Garbage, floods and slow clients on the control sockets are answered or dropped; nothing else notices."""
import base64
import contextlib
import http.client
import json
import os
import random
import socket
import time

import xsvd

SLEEPER = "[program:sleeper]\ncommand = /bin/sleep 1000\nstartsecs = 0\n"


def send(address, data, patience=5):
    """Sends bytes, whatever happens, and returns what came back."""
    with contextlib.suppress(OSError):
        with xsvd.connect(address, patience) as s:
            with contextlib.suppress(OSError):
                s.sendall(data)
            return s.recv(65536)
    return b""


class Strangers(xsvd.TestCase):
    def start(self):
        self.port = xsvd.free_port()
        daemon = self.daemon(f"[inet_http_server]\nport = 127.0.0.1:{self.port}\nusername = admin\npassword = secret\n" + SLEEPER)
        daemon.wait_for_pid("sleeper")
        self.pid, self.engine = daemon.pid_of("sleeper"), daemon.engine()
        return daemon

    def assert_unharmed(self, daemon, seconds=2.0):
        begun = time.monotonic()
        self.assertEqual(daemon.ctl("status", "sleeper").code, 0)
        self.assertLess(time.monotonic() - begun, seconds)
        self.assertEqual((daemon.pid_of("sleeper"), daemon.engine()), (self.pid, self.engine))

    def test_garbage(self):
        daemon = self.start()
        seed = random.randrange(1 << 32)
        print("seed", seed)
        source = random.Random(seed)
        pieces = [b"", b"\0" * 1000, b"GET\r\n\r\n", b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                  b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
                  b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                  b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 9\r\n\r\n<a><b><c>",
                  b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
                  b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\nHost: localhost\n\n"]
        pieces += [source.randbytes(source.randrange(1, 5000)) for _ in range(100)]
        for piece in pieces:
            for address in (daemon.socket, ("127.0.0.1", self.port)):
                answer = send(address, piece, 1) if piece else send(address, b"", 0.2)
                self.assertNotIn(b" 500 ", answer[:20])
                self.assertNotIn(b"root:", answer)
        self.assert_unharmed(daemon)

    def test_xml_bombs(self):
        daemon = self.start()
        bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>' \
               b"<methodCall><methodName>&c;</methodName></methodCall>"
        deep = b"<methodCall><methodName>x</methodName><params>" + b"<param><value><array><data>" * 10_000
        for body in (bomb, deep, b"<" * 500_000, b"{" * 500_000, b"[" * 500_000):
            for path in (b"/RPC2", b"/rpc"):
                kind = b"text/xml" if path == b"/RPC2" else b"application/json"
                send(daemon.socket, b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (path, kind, len(body), body), 2)
        self.assert_unharmed(daemon)

    def test_idle_and_slow_clients(self):
        daemon = self.start()
        with contextlib.ExitStack() as stack:
            for number in range(300):
                with contextlib.suppress(OSError):
                    s = stack.enter_context(xsvd.connect(daemon.socket if number % 2 else ("127.0.0.1", self.port), 1))
                    if number % 3:
                        s.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: localh"[:number % 30 + 1])
            for _ in range(5):
                self.assert_unharmed(daemon)

    def test_a_flood_of_requests(self):
        daemon = self.start()
        request = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
        end = time.monotonic() + 2
        count = 0
        while time.monotonic() < end:
            send(daemon.socket, request, 1)
            count += 1
            if count % 200 == 0:
                self.assert_unharmed(daemon)
        self.assertGreater(count, 100)
        self.assert_unharmed(daemon)


class Access(xsvd.TestCase):
    def request(self, port, method, body, headers, path="/RPC2"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=xsvd.PATIENCE)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def test_basic_authentication_and_foreign_pages(self):
        port = xsvd.free_port()
        self.daemon(f"[inet_http_server]\nport = 127.0.0.1:{port}\nusername = admin\npassword = secret\n" + SLEEPER)
        body = "<?xml version='1.0'?><methodCall><methodName>supervisor.getState</methodName><params/></methodCall>"
        xml = {"Content-Type": "text/xml"}
        good = {**xml, "Authorization": "Basic " + base64.b64encode(b"admin:secret").decode()}
        self.assertEqual(self.request(port, "POST", body, xml)[0], 401)
        self.assertEqual(self.request(port, "POST", body, {**xml, "Authorization": "Basic " + base64.b64encode(b"admin:wrong").decode()})[0], 401)
        status, answer = self.request(port, "POST", body, good)
        self.assertEqual(status, 200)
        self.assertIn(b"RUNNING", answer)
        self.assertNotEqual(self.request(port, "POST", body, {**good, "Content-Type": "text/plain"})[0], 200)
        self.assertNotEqual(self.request(port, "POST", body, {**good, "Host": "evil.example"})[0], 200)
        self.assertNotEqual(self.request(port, "POST", body, {**good, "Origin": "http://evil.example"})[0], 200)
        self.assertNotEqual(self.request(port, "GET", None, good)[0], 200)

    def test_json_rpc_is_the_same_table(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"[inet_http_server]\nport = 127.0.0.1:{port}\n" + SLEEPER, supervisord="loglevel = trace")
        daemon.wait_for_pid("sleeper")
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "supervisor.getProcessInfo", "params": ["sleeper"]})
        status, answer = self.request(port, "POST", body, {"Content-Type": "application/json"}, "/rpc")
        self.assertEqual(status, 200)
        answer = json.loads(answer)
        self.assertEqual((answer["id"], answer["result"]["pid"]), (7, daemon.pid_of("sleeper")))
        body = json.dumps({"jsonrpc": "2.0", "id": 8, "method": "supervisor.nothing", "params": []})
        self.assertIn("error", json.loads(self.request(port, "POST", body, {"Content-Type": "application/json"}, "/rpc")[1]))
        daemon.wait_for_log(r"TRAC JSON-RPC method called: supervisor.getProcessInfo\(\)\n.*TRAC JSON-RPC method supervisor.getProcessInfo\(\) returned successfully")
        daemon.wait_for_log(r"TRAC JSON-RPC method supervisor.nothing\(\) returned fault: \[1\] UNKNOWN_METHOD")

    def test_xml_rpc_methods_and_faults(self):
        daemon = self.daemon(SLEEPER)
        rpc = daemon.rpc
        self.assertEqual(rpc.getAPIVersion(), "3.0")
        self.assertEqual(rpc.getState(), {"statecode": 1, "statename": "RUNNING"})
        self.assertEqual(rpc.getPID(), daemon.pid)
        self.assertEqual(rpc.getIdentification(), "supervisor")
        with self.assertRaises(xsvd.xmlrpc.client.Fault) as caught:
            rpc.getProcessInfo("nobody")
        self.assertEqual((caught.exception.faultCode, caught.exception.faultString), (10, "BAD_NAME: nobody"))
        with self.assertRaises(xsvd.xmlrpc.client.Fault) as caught:
            rpc.noSuchMethod()
        self.assertEqual(caught.exception.faultCode, 1)
        system = xsvd.server_proxy(daemon.socket).system
        methods = system.listMethods()
        self.assertLessEqual({"supervisor.getAllProcessInfo", "supervisor.startProcess", "system.multicall", "xsv.reload", "xsv.show", "xsv.why", "xsv.check"}, set(methods))
        self.assertEqual(system.methodSignature("supervisor.getState")[0], "struct")
        self.assertTrue(system.methodHelp("supervisor.getState"))
        answers = system.multicall([{"methodName": "supervisor.getPID", "params": []}, {"methodName": "supervisor.getProcessInfo", "params": ["nobody"]}])
        self.assertEqual(answers[0], daemon.pid)
        self.assertEqual(answers[1]["faultCode"], 10)

    def test_the_client_says_why_it_cannot_reach_the_daemon(self):
        folder = self.folder()
        config = folder / "xsvd.conf"
        config.write_text(f"[supervisord]\n[supervisorctl]\nserverurl = unix://{folder}/none.sock\n")
        run = lambda: xsvd.subprocess.run([xsvd.XSVCTL, "-c", config, "status"], capture_output=True, text=True, check=False)  # noqa: E731
        answer = run()
        self.assertEqual((answer.returncode, answer.stdout.splitlines()[0]), (4, f"unix://{folder}/none.sock no such file"))
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(folder / "none.sock"))
        answer = run()
        self.assertEqual((answer.returncode, answer.stdout.splitlines()[0]), (4, f"unix://{folder}/none.sock refused connection"))

    def test_the_control_socket_is_for_its_owner(self):
        daemon = self.daemon(SLEEPER)
        self.assertEqual(os.stat(daemon.socket).st_mode & 0o777, 0o700)


class Json(xsvd.TestCase):
    def test_status_and_show_as_json(self):
        daemon = self.daemon(SLEEPER)
        pid = daemon.wait_for_pid("sleeper")
        status = json.loads(daemon.ctl("status", "--json").out)
        self.assertIn(str(pid), json.dumps(status))
        self.assertIn("sleeper", json.dumps(json.loads(daemon.ctl("show", "--json").out)))


if __name__ == "__main__":
    xsvd.main()
