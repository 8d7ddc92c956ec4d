"""Libraries that people talk to Supervisor with: its own, and that of C."""

import importlib
import json
import os
import subprocess
import sys
import unittest
import xmlrpc.client

from harness import PASSWORD, PATIENCE, PYTHON, SUPERVISOR, USER
from third_party import CONFIG, PACKAGES, ThirdParty

HERE = os.path.dirname(os.path.abspath(__file__))


def supervisors(module):
    """A module of Supervisor's package, without putting the package on our own path."""
    if PACKAGES not in sys.path:
        sys.path.append(PACKAGES)
    return importlib.import_module("supervisor." + module)


class Libraries(ThirdParty):
    """supervisor.xmlrpc.SupervisorTransport, and the XML-RPC library of C."""

    def talk(self, place):
        transport = supervisors("xmlrpc").SupervisorTransport
        answers = []
        for url, name, password in ((f"unix://{place.socket}", USER, PASSWORD), (f"unix://{place.folder}/open.sock", None, None),
                                    (f"http://127.0.0.1:{place.port}", USER, PASSWORD), (f"http://127.0.0.1:{place.open_port}", None, None),
                                    (f"http://127.0.0.1:{place.open_port}", "", "")):
            through = transport(name, password, url)
            server = xmlrpc.client.ServerProxy("http://127.0.0.1", through)
            for _ in range(2):   # the second one comes over the connection that the first one opened
                answers.append(server.supervisor.getState())
            answers.append(server.supervisor.stopProcess("sleeper"))
            for call in (lambda: server.supervisor.stopProcess("sleeper"), lambda: server.supervisor.nosuch()):
                with self.assertRaises(xmlrpc.client.Fault) as caught:
                    call()
                answers.append((caught.exception.faultCode, caught.exception.faultString))
            answers.append(server.supervisor.startProcess("sleeper"))
            answers.append(sorted(each["name"] for each in server.supervisor.getAllProcessInfo()))
            answers.append(server.system.multicall([{"methodName": "supervisor.getState", "params": []}, {"methodName": "nosuch.x"}]))
            through.close()
        for url, name, password in ((f"unix://{place.socket}", USER, "wrong"), (f"unix://{place.socket}", None, None),
                                    (f"http://127.0.0.1:{place.port}", "", "")):
            with self.assertRaises(xmlrpc.client.ProtocolError) as caught:
                xmlrpc.client.ServerProxy("http://127.0.0.1", transport(name, password, url)).supervisor.getState()
            answers.append((caught.exception.errcode, caught.exception.errmsg))
        return answers

    def test_supervisors_own_transport(self):
        self.alike(CONFIG, self.talk)

    def from_c(self, place):
        libraries = subprocess.run(["sh", "-c", f"ls -d {SUPERVISOR}/usr/lib/*-linux-gnu"], capture_output=True, text=True, check=True)
        env = dict(os.environ, LD_LIBRARY_PATH=libraries.stdout.strip())
        for name in ("sleeper", "grp:ga", "grp:gb"):
            place.wait_for_state(name, "RUNNING")

        def call(*words):
            done = subprocess.run([PYTHON, "-B", os.path.join(HERE, "call_from_c.py"), f"http://127.0.0.1:{place.open_port}/RPC2", *words],
                                  capture_output=True, text=True, env=env, timeout=PATIENCE, check=False)
            return done.stdout if done.stdout.startswith("fault") else json.loads(done.stdout or done.stderr)
        return [call("supervisor.getState"), [(each["group"], each["name"], each["statename"]) for each in call("supervisor.getAllProcessInfo")],
                [(each["name"], each["command"]) for each in call("supervisor.getAllConfigInfo")], call("supervisor.stopProcess", "sleeper"),
                call("supervisor.stopProcess", "sleeper"), call("supervisor.startProcess", "nosuch"), call("nosuch.method")]

    def test_the_library_of_c(self):
        self.alike(CONFIG, self.from_c)


if __name__ == "__main__":
    unittest.main()
