"""What the tests of other people's clients share: a configuration with all four kinds of server, programs in every state, and a
talk played with both daemons."""

import concurrent.futures
import os
import socket

from harness import SUPERVISOR, CompatCase, Sandbox
from scripts import BASE, GROUP

PACKAGES = os.path.join(SUPERVISOR, "usr/lib/python3/dist-packages")

CONFIG = BASE + GROUP + """
[unix_http_server:open]
file = @DIR@/open.sock

[inet_http_server]
port = 127.0.0.1:@PORT@
username = @USER@
password = @PASSWORD@

[inet_http_server:open]
port = 127.0.0.1:@OPEN_PORT@

[program:sleeper]
command = sleep 1000
startsecs = 0

[program:missing]
command = /no/such/cmd
autostart = false
"""

# One program in each of the states that a client can see.
EVERY_STATE = CONFIG + """
[program:exited]
command = sh -c 'exit 3'
startsecs = 0
autorestart = false

[program:starting]
command = sleep 1000
startsecs = 1000

[program:backoff]
command = /no/such/cmd
startretries = 100

[program:fatal]
command = /no/such/cmd
startretries = 0

[program:stopping]
command = sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
startsecs = 0
stdout_logfile = @DIR@/stopping.log
"""

# What only xsvd has.
ON_DEMAND = CONFIG + """
[program:waits]
command = sleep 1000
startsecs = 0
socket = unix:@DIR@/waits.sock

[program:each]
command = sh -c 'echo ready; read line'
socket = unix:@DIR@/each.sock
activation = per_connection
"""


def free_ports(count):
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


class Place(Sandbox):
    """A sandbox whose daemon has all four kinds of server."""

    def __init__(self, daemon, client="supervisorctl"):
        super().__init__(daemon, client)
        self.port, self.open_port = free_ports(2)

    def fill(self, text):
        return super().fill(text).replace("@PORT@", str(self.port)).replace("@OPEN_PORT@", str(self.open_port))


def play(config, talk, daemon, client="supervisorctl", prepare=None):
    with Place(daemon, client) as place:
        if prepare:
            prepare(place)
        return talk(place.start(config))


class ThirdParty(CompatCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not os.path.exists(os.path.join(SUPERVISOR, "third-parties")):
            raise RuntimeError("fetch_third_parties.sh has not filled the folder that XSV_SUPERVISOR names")

    def alike(self, config, talk, clients=("supervisorctl",), prepare=None):
        """The same talk with supervisord and with xsvd, side by side; with each of the clients on xsvd."""
        with concurrent.futures.ThreadPoolExecutor(1 + len(clients)) as pool:
            wanted = pool.submit(play, config, talk, "supervisord", prepare=prepare)
            got = [pool.submit(play, config, talk, "xsvd", client, prepare) for client in clients]
        for client, future in zip(clients, got):
            for number, (want, have) in enumerate(zip(wanted.result(), future.result(), strict=True)):
                with self.subTest(client=client, number=number):
                    self.assertEqual(want, have)
        return wanted.result()


STATES = {"sleeper": 20, "missing": 0, "exited": 100, "starting": 10, "backoff": 30, "fatal": 200, "stopping": 40}
STATE_NAMES = {0: "STOPPED", 10: "STARTING", 20: "RUNNING", 30: "BACKOFF", 40: "STOPPING", 100: "EXITED", 200: "FATAL",
               1000: "UNKNOWN"}


def bring_about_every_state(place):
    place.wait_for_text("stopping.log", "ready")
    place.server().supervisor.stopProcess("stopping", False)
    for name, state in STATES.items():
        place.wait_for_state(name, STATE_NAMES[state])


def end_the_stubborn(place):
    place.server().supervisor.signalProcess("stopping", "KILL")
