"""Event listeners written with supervisor.childutils, as superlance's and everybody's own are."""

import json
import os
import unittest

from harness import PASSWORD, USER
from third_party import CONFIG, ThirdParty

# It writes down what it gets, asks back over XML-RPC, and says FAIL once.
LISTENER = f"""
import json, os, sys
from supervisor import childutils

server = childutils.getRPCInterface(dict(os.environ, SUPERVISOR_USERNAME={USER!r}, SUPERVISOR_PASSWORD={PASSWORD!r})).supervisor
failed = False
while True:
    headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
    event, data = childutils.eventdata(payload + "\\n")
    known = {{each["name"] for each in server.getAllProcessInfo()}}
    if event.get("processname", "talker") == "talker" or event["processname"] not in known:
        with open("@DIR@/events", "a") as out:
            print(json.dumps([headers["serial"], headers["eventname"], headers["pool"], headers["ver"], event, data]), file=out)
    if headers["eventname"] == "REMOTE_COMMUNICATION" and not failed:
        failed = True
        childutils.listener.fail(sys.stdout)
    else:
        childutils.listener.ok(sys.stdout)
"""

# By hand: childutils.pcomm fails on Python 3.
TALKER = """
for stream in 1 2; do echo "<!--XSUPERVISOR:BEGIN-->said on $stream<!--XSUPERVISOR:END-->" >&$stream; done
exec sleep 1000
"""

EVENTS = CONFIG + """
[eventlistener:watcher]
command = /usr/bin/python3 -B @DIR@/listener.py
events = PROCESS_STATE,PROCESS_COMMUNICATION,REMOTE_COMMUNICATION

[program:talker]
command = sh @DIR@/talker.sh
autostart = false
autorestart = false
startsecs = 0
stdout_capture_maxbytes = 1KB
stderr_capture_maxbytes = 1KB
"""


class Childutils(ThirdParty):
    def talk(self, place):
        place.wait_for_state("watcher", "RUNNING")
        server = place.server().supervisor
        server.sendRemoteCommEvent("kind", "first\nwords")
        place.wait_for_text("events", "first")
        server.startProcess("talker")
        place.wait_for_text("events", "said on 2")
        place.wait_for_text("events", "said on 1")
        server.stopProcess("talker")
        place.wait_for_text("events", "PROCESS_STATE_STOPPED")
        serials, told = {}, []
        for line in place.read("events").splitlines():
            serial, name, pool, version, event, data = json.loads(line)
            serials.setdefault(serial, []).append(name)
            event = {key: "PID" if key == "pid" and value != "0" else value for key, value in event.items()}
            told.append((name, pool, version, sorted(event.items()), data))
        # stdout and stderr are two pipes, so their order is luck; what was refused comes again, later.
        return [sorted(told), sorted(names for names in serials.values() if len(names) > 1)]

    def start(self, place):
        for name, text in (("listener.py", LISTENER), ("talker.sh", TALKER)):
            with open(os.path.join(place.folder, name), "w", encoding="utf-8") as file:
                file.write(place.fill(text))

    def test_a_listener_and_a_talker(self):
        told, repeated = self.alike(EVENTS, self.talk, prepare=self.start)
        self.assertEqual(repeated, [["REMOTE_COMMUNICATION", "REMOTE_COMMUNICATION"]])
        self.assertEqual({event[0] for event in told if event[0].startswith("PROCESS_COMMUNICATION")},
                         {"PROCESS_COMMUNICATION_STDOUT", "PROCESS_COMMUNICATION_STDERR"})


if __name__ == "__main__":
    unittest.main()
