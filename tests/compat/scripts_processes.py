"""What becomes of processes: failing starts, deaths, stops. Checks 3 to 9 of the list in scripts.py."""

import os
import stat

from harness import Call, Log, Look, Step, wait, wait_text
from scripts import ALL_UP, BAD_STARTS, BASE, LASTING

STATE = ("statename", "state", "spawnerr", "exitstatus", "description", "pid")


def info(name, *members, differs=""):
    return Call("supervisor.getProcessInfo", name, only=members or STATE, differs=differs)


def make_tool(sandbox):
    path = os.path.join(sandbox.folder, "tool")
    with open(path, "w") as file:
        file.write("#!/bin/sh\nexec sleep 1000\n")
    os.chmod(path, stat.S_IRWXU)


def delete_tool(sandbox):
    os.unlink(os.path.join(sandbox.folder, "tool"))


# Check 3.
spawn_errors = (BAD_STARTS + """
[program:tool]
command = @DIR@/tool
autostart = false
startsecs = 0
""", [
    info("missing"),
    *(step for name in ("missing", "not-executable", "directory", "bad-quoting")
      for step in (Step("start", name), info(name), Step("status", name))),
    Step("start", "bad-directory"),
    wait("bad-directory", "FATAL", "BACKOFF"),
    # T43: how a failed set-up looks; the reason is in the program's own log.
    Step("status", "bad-directory"),
    info("bad-directory"),
    Step("tail", "bad-directory", "stderr"),
    # T12: the fault of a spawn error has the name of the process; the reason is in spawnerr alone.
    *(Call("supervisor.startProcess", name) for name in ("missing", "not-executable", "directory", "bad-quoting")),
    info("bad-quoting"),
    # T4: the command's file is looked at before the state.
    make_tool,
    Step("start", "tool"),
    Step("start", "tool"),
    delete_tool,
    Step("start", "tool"),
    Step("status", "tool"),
    Step("restart", "tool"),
    Step("start", "all"),
])

# Check 4: T6, an early death is a failure also with exit code 0.
early_death = (BAD_STARTS, [
    Call("supervisor.startProcess", "quick", False),
    wait("quick", "BACKOFF"),
    # T3: BACKOFF is "already started". T13: and fine for status.
    Step("status", "quick"),
    Call("supervisor.startProcess", "quick"),
    wait("quick", "FATAL"),
    Log("'quick'", 3),
    Log("quick", 7),
    # T11: no exit status in FATAL, but what happened in words.
    info("quick"),
    Step("stop", "quick"),
    Call("supervisor.stopProcess", "quick"),
    # A new start counts its failures anew, and forgets the words.
    Call("supervisor.startProcess", "quick", False),
    wait("quick", "BACKOFF"),
    Step("stop", "quick"),
    info("quick"),
])

STUBBORN = BASE + """
[program:stubborn]
command = sh -c 'trap "" TERM; sleep 1000 & echo $! > @DIR@/grandchild; while :; do sleep 0.05; done'
startsecs = 0
stopwaitsecs = 2
killasgroup = true
"""


def forget_grandchild(sandbox):
    os.unlink(os.path.join(sandbox.folder, "grandchild"))


def grandchild_is_gone(sandbox):
    pid = int(sandbox.read("grandchild"))
    return sandbox.until(lambda: not os.path.exists(f"/proc/{pid}") or state_of(pid) == "Z")


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


# Checks 6 and 7.
stubborn = (STUBBORN, [
    wait("stubborn", "RUNNING"), wait_text("grandchild", "\n"),
    Step("stop", "stubborn"),
    Look(grandchild_is_gone),
    Step("status", "stubborn"),
    Log("killing 'stubborn'", 1),
    Log("stopped: stubborn", 1),
    info("stubborn"),
    forget_grandchild,
    Step("start", "stubborn"),
    wait_text("grandchild", "\n"),
    # T3: STOPPING is "not running" for stop, "still running" for remove, and no state to start from.
    Call("supervisor.stopProcess", "stubborn", False),
    Step("status", "stubborn"),
    Step("stop", "stubborn"),
    Step("remove", "stubborn"),
    Call("supervisor.signalProcess", "stubborn", "CONT"),
    Call("supervisor.startProcess", "stubborn", differs="at-once"),
    wait("stubborn", "STOPPED"),
    Step("status", "stubborn"),
    Step("remove", "stubborn"),
])

DEATHS = BASE + """
[program:unexpected]
command = sleep 1000
startsecs = 0

[program:never]
command = sleep 1000
startsecs = 0
autorestart = false

[program:three]
command = sh -c 'sleep 0.4; exit 3'
startsecs = 0
exitcodes = 3
autostart = false

[program:again]
command = sh -c 'sleep 1.3; exit 1'
autorestart = true
autostart = false
startretries = 0

[program:twice]
command = sh -c 'sleep 0.4; exit 1'
startsecs = 0
autorestart = true
autostart = false
startretries = 0
"""


def note_pid(name):
    def note(sandbox):
        sandbox.pids = {**getattr(sandbox, "pids", {}), name: pid_of(sandbox, name)}
    return note


def pid_of(sandbox, name):
    return sandbox.server().supervisor.getProcessInfo(name)["pid"]


def until_other_pid(name):
    def wait_for_it(sandbox):
        assert sandbox.until(lambda: pid_of(sandbox, name) not in (0, sandbox.pids[name])), name
    return wait_for_it


# Check 8.
deaths = (DEATHS, [
    wait("unexpected", "RUNNING"), wait("never", "RUNNING"), note_pid("unexpected"),
    Step("signal", "KILL", "unexpected", "never"),
    # T8, T10: death by a signal is status -1 and in no exitcodes, so it is restarted at once.
    until_other_pid("unexpected"),
    wait("never", "EXITED"),
    info("never", "statename", "exitstatus", "spawnerr"),
    Log("never", 3),
    # T7: startsecs=0 goes through STARTING all the same.
    Log("unexpected", 5),
    Step("start", "three"),
    wait("three", "EXITED"),
    info("three", "statename", "exitstatus", "spawnerr"),
    Log("three", 3),
    # T8: what had been up is restarted without limit, also with startretries=0.
    Step("start", "again", "twice"),
    Log("'again'", 3),
    Log(": again (", 2),
    Log("'twice'", 4),
    Step("stop", "again", "twice", differs="at-once"),
    # T25: a death by the stop signal is logged by what exitcodes say about it.
    Step("stop", "unexpected"),
    Log("stopped: unexpected", 1),
    # T9: what was stopped stays so.
    Step("update"),
    Step("status", "unexpected"),
    # T11: what was said about the last end stays in STOPPED until the next start.
    info("unexpected", "statename", "exitstatus", "spawnerr"),
    info("never", "statename", "exitstatus", "spawnerr"),
    Step("start", "never"),
    info("never", "statename", "exitstatus", "spawnerr"),
])

# Check 9.
groups = (LASTING, ALL_UP[:-1] + [
    # T15: whoever is in the wanted state is left out; nothing to do is success.
    Call("supervisor.startProcessGroup", "grp"),
    Call("supervisor.startAllProcesses", differs="finish-order"),
    Step("stop", "grp:ga"),
    Call("supervisor.stopProcessGroup", "grp"),
    Call("supervisor.stopProcessGroup", "grp"),
    Call("supervisor.signalProcessGroup", "grp", "HUP"),
    Step("signal", "HUP", "grp:*"),
    # T14: no failure. T16: the codes of what does not exist.
    Step("start", "sleeper"),
    Step("stop", "grp:ga"),
    Step("start", "nosuch:*"),
    Step("stop", "nosuch:*"),
    Call("supervisor.startProcessGroup", "nosuch"),
    # T24: the name of a process in a group of its own name, and of others; the log has the bare name.
    Call("supervisor.startProcess", "grp:ga"),
    Call("supervisor.getProcessInfo", "grp:ga", only=("name", "group", "statename")),
    Call("supervisor.getProcessInfo", "sleeper:sleeper", only=("name", "group", "statename")),
    Call("supervisor.getProcessInfo", "ga", differs="bare-name"),
    Call("supervisor.getProcessInfo", "grp:sleeper"),
    Log("'ga'", 2),
    Step("status", "sleeper:sleeper", "sleeper:*"),
    Step("pid", "sleeper:sleeper"),
    Step("stop", "sleeper:sleeper"),
    Step("start", "sleeper:*"),
    Step("status", "ga", differs="bare-name"),
    # T19: by group and name; configurations by name alone.
    Call("supervisor.getAllProcessInfo", only=("group", "name")),
    Call("supervisor.getAllConfigInfo", only=("group", "name")),
])
