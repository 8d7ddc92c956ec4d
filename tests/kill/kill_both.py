#!/usr/bin/python3
"""Kills guardian and engine in one stroke, under load, and starts the daemon again each time; counts what that cost anybody.
scene.py has the programs. Callers may be refused or reset from the kill on until the daemon is there again, which is counted,
and never at another time. Programs must live on with their pids, each be taken up, none be started twice, and no line be lost
or doubled. How a program ended in such a gap nobody knows.

    kill_both.py [--connections 100] [--kills 20] [--seed N]

--connections: how many callers come between two kills, of whom all must be answered.
"""
import json
import re
import subprocess
import sys
import time

import orphans
import scene
import xsvd

# The promise is 300 ms on a quiet machine; a test on a busy one says no only to what is surely wrong.
GENEROUS = 3.0


def load(daemon, places, connections, *options):
    return subprocess.Popen([xsvd.LOAD, "--connections", str(connections), "--concurrency", "8", *options, *places.addresses(daemon)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def counts(caller):
    return json.loads(caller.communicate(timeout=120)[0])


def one_kill(daemon, places, source):
    """How long it took until the daemon told of every program again; and what became of those who called meanwhile."""
    daemon.wait_for_engine()
    callers = load(daemon, places, 1, "--until-eof", "--give-up-s", "5")
    time.sleep(source.random() * 0.03)  # a random moment is the point
    daemon.kill_both()
    begun = time.monotonic()
    daemon.start_again()
    took = time.monotonic() - begun
    return took, counts(callers)


def run(daemon, places, source, arguments):
    problems, times = [], []
    gap = dict.fromkeys(("answered", "refused", "reset", "short", "wrong", "given_up", "other"), 0)
    always = [f"writer{i}" for i in range(scene.WRITERS)]
    xsvd.until(lambda: all(daemon.pid_of(name) for name in always), "the writers run")
    scene.is_answered(str(daemon.dir / "demand"))
    pids = {name: daemon.wait_for_pid(name) for name in [*always, "demand"]}
    for kill in range(arguments.kills):
        took, callers = one_kill(daemon, places, source)
        times.append(took)
        for what in gap:
            gap[what] += callers[what]
        changed = [name for name, pid in pids.items() if daemon.pid_of(name) != pid or not xsvd.Process(pid).is_there()]
        if changed:
            problems.append(f"kill {kill}: pids changed: {changed}")
            break
        calm = counts(load(daemon, places, arguments.connections))
        if calm["answered"] != arguments.connections:
            problems.append(f"kill {kill}: callers between two kills: {calm}")
    strange = {what: gap[what] for what in ("short", "wrong", "given_up", "other") if gap[what]}
    if strange:
        problems.append(f"callers in the gaps: {strange}")
    xsvd.until(daemon.has_all_roles, lambda: f"each role once: {orphans.family()}")
    xsvd.until(lambda: all(i["statename"] == "EXITED" for n, i in daemon.all_info().items() if n.startswith("mortal")), "every mortal has ended", 120)
    unknown = scene.check_statuses(daemon, places, problems, may_be_unknown=True)
    log = daemon.read_log()
    twice = [name for name in [*always, *places.statuses] if len(re.findall(rf"spawned: '{name}' with", log)) != 1]
    if twice:
        problems.append(f"started twice: {twice}")
    for name in always:
        daemon.rpc.stopProcess(name)
    xsvd.until(lambda: scene.has_last_lines(daemon, always), "every writer's last line is in its log", 30)
    lost, doubled = scene.check_lines(daemon, problems)
    p50, worst = scene.percentile(times, .5), max(times)
    print(f"{arguments.kills} kills of both; between them {arguments.kills * arguments.connections} callers, all answered; in the gaps "
          + ", ".join(f"{count} {what}" for what, count in gap.items()))
    print(f"started twice {len(twice)}; lines lost {lost}, doubled {doubled}; ends that nobody saw {unknown} of {scene.MORTALS}")
    print(f"back and every program taken up: p50 {p50 * 1000:.0f} ms, worst {worst * 1000:.0f} ms (promised: 300 ms)")
    if worst > GENEROUS:
        problems.append(f"back in {worst:.1f} s")
    return problems


if __name__ == "__main__":
    sys.exit(scene.main(__doc__, 100, 20, run, orphans.Daemon))
