"""What collects metrics from Supervisor: Prometheus' node exporter, and a client as strict as any."""

import http.client
import os
import socket
import subprocess
import unittest
import urllib.request
import xmlrpc.client
from xml.etree import ElementTree

from harness import PASSWORD, PATIENCE, SUPERVISOR, USER
from third_party import (EVERY_STATE, ON_DEMAND, STATE_NAMES, STATES, Place, ThirdParty, bring_about_every_state, end_the_stubborn,
                         free_ports)


class Prometheus(ThirdParty):
    """The node exporter's collector: a Go client that knows the types of the members, and whatever it does not is an error."""

    def metrics(self, place, url):
        [port] = free_ports(1)
        log = os.path.join(place.folder, "exporter.log")
        with open(log, "ab") as output:
            exporter = subprocess.Popen([os.path.join(SUPERVISOR, "usr/bin/prometheus-node-exporter"), "--collector.disable-defaults",
                                         "--collector.supervisord", "--collector.supervisord.url=" + url,
                                         f"--web.listen-address=127.0.0.1:{port}"], stdout=output, stderr=output)
        place.children.append(exporter)
        place.wait_for_text("exporter.log", f"address=127.0.0.1:{port}")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        exporter.kill()
        self.assertIn('node_scrape_collector_success{collector="supervisord"} 1', lines, place.read("exporter.log"))
        return sorted(line for line in lines if line.startswith("node_supervisord"))

    @staticmethod
    def without_times(lines):
        return [line.rpartition(" ")[0] if "start_time" in line and not line.endswith(" 0") else line for line in lines]

    def urls(self, place):
        return (f"unix://{place.folder}/open.sock", f"http://127.0.0.1:{place.open_port}/RPC2",
                f"http://{USER}:{PASSWORD}@127.0.0.1:{place.port}/RPC2")

    def talk(self, place):
        bring_about_every_state(place)
        answers = [self.without_times(self.metrics(place, url)) for url in self.urls(place)]
        end_the_stubborn(place)
        return answers

    def test_every_state(self):
        metrics = self.alike(EVERY_STATE, self.talk)
        for name, state in STATES.items():
            self.assertTrue(any(f'name="{name}"' in line and line.startswith("node_supervisord_state") and line.endswith(f" {state}")
                                for line in metrics[0]), (name, metrics[0]))

    def test_programs_on_demand(self):
        with Place("xsvd") as place, socket.socket(socket.AF_UNIX) as caller:
            place.start(ON_DEMAND)
            url = self.urls(place)[0]
            for connected in (False, True):
                if connected:
                    caller.connect(place.folder + "/each.sock")
                    caller.recv(100)
                lines = self.metrics(place, url)
                for name in ("waits", "each"):
                    with self.subTest(name, connected=connected):
                        self.assertIn(f'node_supervisord_state{{group="{name}",name="{name}"}} 20', lines)
                        self.assertIn(f'node_supervisord_up{{group="{name}",name="{name}"}} 1', lines)


INFO = {"name": str, "group": str, "start": int, "stop": int, "now": int, "state": int, "statename": str, "spawnerr": str,
        "exitstatus": int, "logfile": str, "stdout_logfile": str, "stderr_logfile": str, "pid": int, "description": str}


def strictly(value):
    """A value as a client reads it that knows Supervisor's five types and no other, each with its own tag."""
    [typed] = value
    if typed.tag == "struct":
        return {member.find("name").text: strictly(member.find("value")) for member in typed.iterfind("member")}
    if typed.tag == "array":
        return [strictly(each) for each in typed.find("data")]
    if typed.tag == "boolean":
        return {"0": False, "1": True}[typed.text]
    return {"int": int, "string": lambda text: text or ""}[typed.tag](typed.text)


class StrictExporter(ThirdParty):
    """A client in a typed language: it knows the members, their types and eight states, and fails on others."""

    def call(self, place, method, *parameters):
        connection = http.client.HTTPConnection("127.0.0.1", place.open_port, timeout=PATIENCE)
        connection.request("POST", "/RPC2", xmlrpc.client.dumps(parameters, method), {"Content-Type": "text/xml"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.getheader("Content-Type")), (200, "text/xml"))
        [value] = ElementTree.fromstring(answer.read()).findall("params/param/value")
        connection.close()
        return strictly(value)

    def all_info(self, place):
        infos = self.call(place, "supervisor.getAllProcessInfo")
        for info in infos:
            with self.subTest(daemon=place.daemon, program=info["name"]):
                self.assertEqual(list(info)[:len(INFO)], list(INFO))
                self.assertEqual({key: type(info[key]) for key in INFO}, INFO)
                self.assertEqual(STATE_NAMES[info["state"]], info["statename"])
                self.assertTrue(all(key.startswith("xsv_") for key in list(info)[len(INFO):]), list(info))
                self.assertLessEqual(info["start"], info["now"])
                self.assertEqual(self.call(place, "supervisor.getProcessInfo", f"{info['group']}:{info['name']}")["state"], info["state"])
        return infos

    @staticmethod
    def lasting(place, info):
        """What is no fact of the moment."""
        kept = {key: info[key] for key in INFO if key not in ("start", "stop", "now", "pid")}
        kept |= {key: info[key] > 0 for key in ("start", "stop", "pid")}
        # AUTO logs have random names.
        return {key: place.mask(value).split("---")[0] if isinstance(value, str) else value for key, value in kept.items()}

    def talk(self, place):
        bring_about_every_state(place)
        infos = self.all_info(place)
        end_the_stubborn(place)
        return [self.lasting(place, info) for info in infos] + [
            self.call(place, "supervisor.getState"), self.call(place, "supervisor.getAPIVersion"),
            self.call(place, "supervisor.getIdentification"), self.call(place, "supervisor.getPID") > 1,
            sorted(set(self.call(place, "system.listMethods")) & SUPERVISORS_METHODS) == sorted(SUPERVISORS_METHODS)]

    def test_every_state(self):
        self.alike(EVERY_STATE, self.talk)

    def test_programs_on_demand(self):
        with Place("xsvd") as place:
            place.start(ON_DEMAND)
            for states in ({"waits": 20, "each": 20}, {"waits": 20, "each": 20}, {"waits": 0, "each": 0}):
                if states["waits"] == 0:
                    place.server().supervisor.stopAllProcesses()
                infos = {info["name"]: info for info in self.all_info(place)}
                self.assertEqual({name: infos[name]["state"] for name in states}, states)
                callers = [socket.socket(socket.AF_UNIX) for _ in states]
                for caller, name in zip(callers, states):
                    if caller.connect_ex(f"{place.folder}/{name}.sock") == 0 and name == "each":
                        caller.recv(100)
                for caller in callers:
                    caller.close()


SUPERVISORS_METHODS = {"supervisor." + name for name in (
    "addProcessGroup clearAllProcessLogs clearLog clearProcessLog clearProcessLogs getAPIVersion getAllConfigInfo getAllProcessInfo "
    "getIdentification getPID getProcessInfo getState getSupervisorVersion getVersion readLog readMainLog readProcessLog "
    "readProcessStderrLog readProcessStdoutLog reloadConfig removeProcessGroup restart sendProcessStdin "
    "shutdown signalAllProcesses signalProcess signalProcessGroup startAllProcesses startProcess startProcessGroup stopAllProcesses "
    "stopProcess stopProcessGroup tailProcessLog tailProcessStderrLog tailProcessStdoutLog").split()}


if __name__ == "__main__":
    unittest.main()
