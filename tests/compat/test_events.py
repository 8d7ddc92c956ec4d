"""One recording listener under supervisord and under xsvd: both must be told the same, in the same words."""

import collections
import json
import os
import re
import time
import unittest
import xmlrpc.client

from harness import PATIENCE, Sandbox
from scripts import BASE

LISTENER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration/listener.py")


def listener(name, events, mode="ok", *settings):
    return (f"[eventlistener:{name}]\ncommand = /usr/bin/python3 -I -S {LISTENER} @DIR@/{name}.events {mode}\n"
            f"events = {events}\nstartsecs = 0\n" + "".join(line + "\n" for line in settings))


def program(name, shell, *settings, startsecs=0):
    return (f'[program:{name}]\ncommand = /bin/sh -c "{shell}"\nautostart = false\nstartsecs = {startsecs}\n'
            + "".join(line + "\n" for line in settings))


ONCE, AGAIN_ONCE, OUT, ERR = "autorestart = false", "startretries = 1", "stdout_events_enabled = true", "stderr_events_enabled = true"
CAPTURE = "stdout_capture_maxbytes = 1MB"

# Programs write a little after their start: whether RUNNING or their output comes first is a matter of luck.
EVERYTHING = (
    BASE + listener("ear", "EVENT", "ok", "buffer_size = 500")
    + "[program:calm]\ncommand = sleep 1000\nstartsecs = 0\n"
    + program("job", "exit 3", ONCE, "exitcodes = 3")
    + program("odd", "exit 4", ONCE)
    + program("hasty", "exit 1", AGAIN_ONCE, startsecs=5)
    + program("talker", "sleep 0.5; printf hello; sleep 1000", OUT)
    + program("binary", r"sleep 0.5; printf '\\377\\376x' >&2; sleep 1000", ERR)
    + program("teller", "sleep 0.5; printf '<!--XSUPERVISOR:BEGIN-->captured text<!--XSUPERVISOR:END-->and much more text behind it'; sleep 1000",
              CAPTURE)
    + program("brief", "sleep 0.3; printf 'last words'", ONCE, OUT)
    + program("caught", "sleep 0.3; printf '<!--XSUPERVISOR:BEGIN-->captured<!--XSUPERVISOR:END-->'; exit 1", ONCE, CAPTURE)
    + program("failing", "printf 'too soon' >&2; exit 1", AGAIN_ONCE, ERR, startsecs=5)
    + "[group:pair]\nprograms = one,two\n"
    + "".join(f"[program:{name}]\ncommand = sleep 1000\nautostart = false\n" for name in ("one", "two")))

# Different priorities: Supervisor gives a rejected event to every pool with a process of the same one.
TROUBLE = (BASE + listener("rejects", "REMOTE_COMMUNICATION", "reject", "priority = 1")
           + listener("garbles", "REMOTE_COMMUNICATION", "garbage", "priority = 2")
           + listener("shut", "REMOTE_COMMUNICATION", "shut%(process_num)d", "numprocs = 2", "process_name = shut%(process_num)d", "priority = 4")
           + listener("slow", "REMOTE_COMMUNICATION", "wait", "buffer_size = 2", "priority = 3"))


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("not within time: " + what)
        time.sleep(0.02)


class Run(Sandbox):
    """One daemon and what its listeners wrote down."""

    def __init__(self, daemon, config):
        super().__init__(daemon, "supervisorctl")
        self.start(config)

    def recorded(self, name="ear"):
        path = os.path.join(self.folder, name + ".events")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def wait_told(self, text, name="ear"):
        until(lambda: any(text in f"{header['eventname']} {payload}" for header, payload in self.recorded(name)),
              f"{self.daemon}: {name} is told {text!r}: {self.recorded(name)}")

    def lines(self, *words):
        """The daemon's warnings and errors about these."""
        lines = [re.sub(r"^\S+ \S+ ", "", line) for line in self.read("daemon.log").splitlines()]
        return [line for line in lines if any(word in line for word in words)]


def masked(header, payload):
    payload = re.sub(r"pid:[1-9]\d*", "pid:PID", payload)
    return header["eventname"], payload


def by_subject(events):
    """The order of what concerns different processes is a matter of luck: each one's own is not."""
    subjects = collections.defaultdict(list)
    for header, payload in events:
        if header["eventname"].startswith("TICK"):
            continue
        process = re.match(r"processname:(\S+)", payload)
        subjects[process.group(1) if process else "daemon"].append(masked(header, payload))
    return dict(subjects)


def drive_everything(run):
    api = run.server().supervisor
    run.wait_told("PROCESS_STATE_RUNNING processname:calm")
    run.wait_told("PROCESS_STATE_RUNNING processname:ear")
    for name in ("job", "odd", "brief", "caught"):
        api.startProcess(name)
        run.wait_told(f"PROCESS_STATE_EXITED processname:{name}")
    for name in ("talker", "binary", "teller"):
        api.startProcess(name)
    run.wait_told("PROCESS_LOG_STDOUT")
    run.wait_told("PROCESS_LOG_STDERR")
    run.wait_told("PROCESS_COMMUNICATION_STDOUT")
    for name in ("hasty", "failing"):
        try:
            api.startProcess(name)
        except xmlrpc.client.Fault:
            pass
        run.wait_told(f"PROCESS_STATE_FATAL processname:{name}")
    api.startProcess("pair:one", False)
    run.wait_told("PROCESS_STATE_STARTING processname:one")
    api.stopProcess("pair:one")
    api.stopProcess("calm")
    api.sendRemoteCommEvent("kind of event", "line one\nline two")
    api.sendRemoteCommEvent("", "")
    api.stopProcessGroup("pair")
    api.removeProcessGroup("pair")
    run.wait_told("PROCESS_GROUP_REMOVED")
    api.reloadConfig()
    api.addProcessGroup("pair")
    until(lambda: sum("GROUP_ADDED groupname:pair" in f"{h['eventname']} {p}" for h, p in run.recorded()) == 2, "the group is back")
    for name in ("talker", "binary", "teller"):
        api.stopProcess(name)
        run.wait_told(f"PROCESS_STATE_STOPPED processname:{name}")
    api.shutdown()
    run.wait_told("SUPERVISOR_STATE_CHANGE_STOPPING")
    run.process.wait(PATIENCE)
    events = run.recorded()
    last = [header["eventname"] for header, _ in events].index("SUPERVISOR_STATE_CHANGE_STOPPING")
    return events[:last + 1]  # who is told what after that is a matter of luck


def drive_trouble(run):
    api = run.server().supervisor
    for name in ("rejects", "garbles", "slow", "shut:shut0", "shut:shut1"):
        run.wait_for_state(name, "RUNNING")
    api.sendRemoteCommEvent("n", "0")
    for name in ("garbles", "slow"):
        run.wait_told("type:n\n0", name)
    until(lambda: len(run.recorded("rejects")) == 2, f"{run.daemon}: it comes again: {run.recorded('rejects')}")
    run.wait_for_text("daemon.log", "garbles: has entered the UNKNOWN state")
    for number in range(1, 6):
        api.sendRemoteCommEvent("n", str(number))
    run.wait_for_text("daemon.log", "pool slow event buffer overflowed, discarding event 3")
    with open(os.path.join(run.folder, "slow.events.go"), "w", encoding="utf-8"):
        pass
    run.wait_told("type:n\n5", "slow")
    run.wait_told("type:n\n5", "rejects")
    run.wait_told("type:n\n5", "shut")  # the first of the two has closed its stdin: the other one is told everything
    logged = {word: run.lines(word) for word in ("event was rejected", "bad result line", "UNKNOWN state", "pool slow event buffer")}
    return [[run.recorded(name) for name in ("rejects", "garbles", "slow", "shut")], logged]


def both(config, drive):
    results = []
    for daemon in ("supervisord", "xsvd"):
        with Run(daemon, config) as run:
            results.append(drive(run))
    return results


class Listeners(unittest.TestCase):
    maxDiff = None

    def test_everything(self):   # T37, T38
        theirs, ours = both(EVERYTHING, drive_everything)
        wanted, got = by_subject(theirs), by_subject(ours)
        for subject in sorted(set(wanted) | set(got)):
            with self.subTest(subject=subject):
                self.assertEqual(wanted.get(subject), got.get(subject))
        self.assertEqual(list(theirs[0][0]), list(ours[0][0]), "the words of a header")
        for events in (theirs, ours):
            for counter in ("serial", "poolserial"):
                self.assertEqual([int(header[counter]) for header, _ in events], list(range(len(events))))

    def test_trouble(self):   # T38
        (theirs, their_log), (ours, our_log) = both(TROUBLE, drive_trouble)
        self.assertEqual([[masked(*event) for event in events] for events in theirs], [[masked(*event) for event in events] for events in ours])
        self.assertEqual([[(h["serial"], h["poolserial"]) for h, _ in events] for events in theirs],
                         [[(h["serial"], h["poolserial"]) for h, _ in events] for events in ours])
        self.assertEqual(their_log, our_log)


if __name__ == "__main__":
    unittest.main()
