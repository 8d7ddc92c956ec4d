"""Clients that put their requests together by hand."""

import base64
import http.client
import socket
import unittest
import xmlrpc.client

from harness import PASSWORD, PATIENCE, USER, UnixConnection, _basic
from scripts import BASE
from third_party import CONFIG, ThirdParty, play


def call(method, params=""):
    return f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName>{params}</methodCall>"


UNTYPED = "<params><param><value>sleeper</value></param></params>"
TYPED = "<params><param><value><string>sleeper</string></value></param></params>"
WAIT_AS_TEXT = "<params><param><value>sleeper</value></param><param><value>true</value></param></params>"
WAIT_AS_NUMBER = "<params><param><value>sleeper</value></param><param><value><i4>1</i4></value></param></params>"
LOG_AS_TEXT = "<params><param><value>sleeper</value></param><param><value>0</value></param><param><value>10</value></param></params>"
INDENTED = "\n<params>\n  <param>\n    <value>sleeper</value>\n  </param>\n</params>\n"


class RawClients(ThirdParty):
    """Clients that put their requests together by hand, as shell scripts, PHP and old libraries do."""

    def ask(self, place, body, version="1.0", headers="", length="Content-Length", after="", before="", path="/RPC2"):
        request = (f"{before}POST {path} HTTP/{version}\r\n{headers}{length}: {len(body)}\r\n\r\n{body}{after}").encode()
        with socket.create_connection(("127.0.0.1", place.open_port), timeout=PATIENCE) as connection:
            connection.sendall(request)
            answer = b""
            while version == "1.0" or b"</methodResponse>" not in answer:   # an answer to 1.0 ends with the connection
                data = connection.recv(65536)
                if not data:
                    break
                answer += data
        head, _, text = answer.partition(b"\r\n\r\n")
        status = head.split(b"\r\n")[0].split()[1]
        if status != b"200":
            return int(status)
        try:
            [result], _ = xmlrpc.client.loads(text)
        except xmlrpc.client.Fault as fault:
            return fault.faultCode, fault.faultString
        return result["statename"] if isinstance(result, dict) else result

    def talk(self, place):
        place.wait_for_state("sleeper", "RUNNING")
        ask = lambda *arguments, **more: self.ask(place, *arguments, **more)
        return [
            ask(call("supervisor.getState")),
            ask(call("supervisor.getState", "<params></params>")),
            ask(call("supervisor.getState", "<params/>")),
            ask(call("supervisor.getState"), version="1.1", headers="Host: localhost\r\n"),
            ask(call("supervisor.getProcessInfo", UNTYPED)),
            ask(call("supervisor.getProcessInfo", TYPED)),
            ask(call("supervisor.getProcessInfo", INDENTED)),
            ask(call("supervisor.getProcessInfo")),                              # too few
            ask(call("supervisor.getState", UNTYPED)),                           # too many
            ask(call("supervisor.getState"), length="content-length"),
            ask(call("supervisor.getState"), length="CONTENT-LENGTH", headers="content-type: text/xml\r\nUSER-AGENT: old\r\n"),
            ask(call("supervisor.getState"), after="\r\n"),
            ask(call("supervisor.getState"), after="\r\n", version="1.1", headers="host: localhost\r\n"),
            ask(call("supervisor.getState"), before="\r\n"),
            ask(call("supervisor.getState"), path="/RPC2/"),
            ask(call("supervisor.stopProcess", WAIT_AS_TEXT)),
            ask(call("supervisor.stopProcess", WAIT_AS_TEXT)),
            ask(call("supervisor.startProcess", WAIT_AS_NUMBER)),
            ask(call("supervisor.startProcess", WAIT_AS_NUMBER)),
            ask(call("supervisor.readProcessStdoutLog", LOG_AS_TEXT)),
            ask(call("supervisor.nosuch")),
            ask(call("nosuch")),
            ask("<?xml version='1.0'?><methodCall></methodCall>"),
            ask("nonsense"),
        ]

    def test_every_habit(self):
        answers = self.alike(CONFIG, self.talk)
        self.assertEqual(answers[0], "RUNNING")

    def test_no_programs(self):
        def talk(place):
            connection = UnixConnection(place.socket)
            connection.request("GET", "/", headers={"Authorization": "Basic " + _basic(USER, PASSWORD)})
            answer = connection.getresponse()
            page = answer.read().decode()
            connection.close()
            methods = place.server().supervisor
            return [answer.status, "No programs to manage" in page, "<table" in page, methods.getAllProcessInfo(), methods.getAllConfigInfo(),
                    methods.stopAllProcesses(), methods.startAllProcesses(), methods.reloadConfig()]
        self.assertEqual(self.alike(BASE, talk)[:3], [200, True, False])

    def test_what_a_web_page_elsewhere_could_send(self):   # B38
        """Supervisor answers these; here they are refused, because a page in an administrator's browser can make them."""
        requests = ({"headers": "Host: rebound.example\r\n"}, {"headers": "Content-Type: application/x-www-form-urlencoded\r\n"},
                    {"headers": "Origin: http://elsewhere.example\r\n"}, {"version": "1.1"})
        talk = lambda place: [self.ask(place, call("supervisor.getState"), **request) for request in requests]
        self.assertEqual(play(CONFIG, talk, "xsvd"), [403, 415, 403, 400])

    def test_password(self):
        def talk(place):
            answers = []
            for header in ("Authorization: Basic ", "authorization: basic ", "AUTHORIZATION: BASIC "):
                for password in (PASSWORD, "wrong"):
                    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=PATIENCE)
                    name, _, scheme = header.partition(": ")
                    connection.request("POST", "/RPC2", call("supervisor.getState"), {name: scheme + base64.b64encode(f"{USER}:{password}".encode()).decode()})
                    answer = connection.getresponse()
                    answers.append((answer.status, answer.getheader("WWW-Authenticate")))
                    connection.close()
            return answers
        self.alike(CONFIG, talk)


if __name__ == "__main__":
    unittest.main()
