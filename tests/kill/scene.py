"""What the tests share that kill a process of ours at random moments under load, and count what that cost anybody.

10 sockets (TCP and unix) with per-connection and on-demand programs and many callers; 50 always-on programs that write
numbered lines; 200 programs that end at random moments with statuses known beforehand. Wanted: 0 refused, 0 reset, 0 short
answers; 0 pids changed; 200 right statuses; 0 lines lost or doubled; 0 zombies; back in service within 100 ms (p99).
"""
import argparse
import json
import random
import re
import signal
import subprocess
import sys
import time

import xsvd

WRITERS, MORTALS = 50, 200
UNKNOWN = -1  # as after a signal
# The promise is 100 ms on a quiet machine; a test on a busy one says no only to what is surely wrong.
GENEROUS_P99 = 1.0


def percentile(values, part):
    return sorted(values)[round(part * (len(values) - 1))]


class Scene:
    """The configuration, and what is known about it beforehand."""

    def __init__(self, source, seconds):
        self.ports = [xsvd.free_port() for _ in range(5)]
        self.statuses = {f"mortal{i}": source.choice([0, 1, 2, 7, 77, 255, 1000 + signal.SIGKILL, 1000 + signal.SIGTERM]) for i in range(MORTALS)}
        child, parts = xsvd.CHILD, []
        common = "max_instances = 500\nconnection_log = none\nstdout_logfile = NONE\nstderr_logfile = NONE\nstartsecs = 0\n"
        for i in range(4):
            parts.append(f"[program:each{i}]\ncommand = {child} answer\nsocket = tcp4:127.0.0.1:{self.ports[i]}, unix:@DIR@/each{i}\n"
                         f"activation = per_connection\n{common}")
        parts.append(f"[program:demand]\ncommand = {child} serve\nsocket = tcp4:127.0.0.1:{self.ports[4]}, unix:@DIR@/demand\n{common}")
        parts.append(f"[program:probe]\ncommand = {child} answer\nsocket = unix:@DIR@/probe\nactivation = per_connection\n{common}")
        for i in range(WRITERS):
            parts.append(f"[program:writer{i}]\ncommand = {child} lines writer{i} 5\nstdout_logfile = @DIR@/writer{i}.log\n"
                         "stdout_logfile_maxbytes = 0\nstderr_logfile = NONE\nstartsecs = 0\n")
        for name, status in self.statuses.items():
            parts.append(f"[program:{name}]\ncommand = {child} exit {status} {source.randrange(500, int(seconds * 1000))}\nautorestart = false\n"
                         "startsecs = 0\nstdout_logfile = NONE\nstderr_logfile = NONE\n")
        self.config = "".join(parts)

    def addresses(self, daemon):
        return [f"tcp:127.0.0.1:{port}" for port in self.ports] + [f"unix:{daemon.dir}/{name}" for name in ("each0", "each1", "each2", "each3", "demand")]


def is_answered(path):
    """One caller of the probe, from connect to the last byte."""
    with xsvd.connect(path) as s:
        s.sendall(b"7\n")
        return xsvd.read_all(s).startswith(b"7:")


def waits(probe, count=30):
    """How long callers of the probe wait while nobody is killed: the load's share in what is measured."""
    times = []
    for _ in range(count):
        begun = time.monotonic()
        is_answered(probe)
        times.append(time.monotonic() - begun)
    return times


def has_last_lines(daemon, names):
    return all((daemon.dir / f"{name}.log").read_text().rstrip("\n").rpartition("\n")[2].startswith(f"{name} end") for name in names)


def check_lines(daemon, problems):
    lost = doubled = 0
    for i in range(WRITERS):
        text = (daemon.dir / f"writer{i}.log").read_text()
        numbers = [int(n) for n in re.findall(rf"(?m)^writer{i} (\d+)$", text)]
        end = re.search(rf"(?m)^writer{i} end (\d+)\n\Z", text)
        if not end or len(numbers) + 1 != text.count("\n"):
            problems.append(f"writer{i}.log: not numbered lines with an end: …{text[-200:]!r}")
            continue
        missing = set(range(1, int(end.group(1)) + 1)) - set(numbers)
        lost += len(missing)
        doubled += len(numbers) - len(set(numbers))
        if numbers != sorted(numbers):
            problems.append(f"writer{i}.log: lines out of order")
    if lost or doubled:
        problems.append(f"log lines: {lost} lost, {doubled} doubled")
    return lost, doubled


def check_statuses(daemon, scene, problems, may_be_unknown=False):
    """How many are wrong, or not known where that may be so."""
    wrong = 0
    for name, status in scene.statuses.items():
        info = daemon.info(name)
        if may_be_unknown and status < 1000 and (info["statename"], info["exitstatus"]) == ("EXITED", UNKNOWN):
            wrong += 1
        elif (info["statename"], info["exitstatus"]) != ("EXITED", -1 if status >= 1000 else status):
            wrong += 1
            if wrong <= 5:
                problems.append(f"{name}: {info['statename']} {info['exitstatus']}, should have ended with {status}")
    return wrong


def under_load(one_kill, ends_are_known=True):
    """`one_kill(daemon, source, probe)` returns how long it took until a caller who came after the kill was answered."""
    return lambda *arguments: run(*arguments, one_kill, ends_are_known)


def run(daemon, scene, source, arguments, one_kill, ends_are_known):
    problems = []
    always = [f"writer{i}" for i in range(WRITERS)]
    xsvd.until(lambda: all(daemon.pid_of(name) for name in always), "the writers run")
    is_answered(str(daemon.dir / "demand"))
    pids = {name: daemon.wait_for_pid(name) for name in [*always, "demand"]}
    inodes = [xsvd.listener_inode(port) for port in scene.ports]
    load = subprocess.Popen([xsvd.LOAD, "--connections", str(arguments.connections), "--concurrency", "32", "--until-eof", *scene.addresses(daemon)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        calm = waits(str(daemon.dir / "probe"))
        times = [one_kill(daemon, source, str(daemon.dir / "probe")) for _ in range(arguments.kills)]
        callers = json.loads(load.communicate(timeout=900)[0])
    finally:
        load.kill()
        load.wait()
    daemon.wait_until_ready()
    xsvd.until(lambda: all(i["statename"] == "EXITED" for n, i in daemon.all_info().items() if n.startswith("mortal")), "every mortal has ended", 120)

    for what in ("refused", "reset", "short", "wrong", "given_up", "other"):
        if callers[what]:
            problems.append(f"callers: {callers[what]} {what}: {callers['first_failure']}")
    if callers["answered"] < arguments.connections:
        problems.append(f"callers: only {callers['answered']} answered")
    wrong = check_statuses(daemon, scene, problems, may_be_unknown=not ends_are_known)
    changed = [name for name, pid in pids.items() if daemon.pid_of(name) != pid or not xsvd.Process(pid).is_there()]
    if changed:
        problems.append(f"pids changed: {changed}")
    if [xsvd.listener_inode(port) for port in scene.ports] != inodes:
        problems.append("a listening socket is another one")
    try:
        daemon.wait_for_reaping()
    except AssertionError as error:
        problems.append(str(error))
    for name in always:
        daemon.rpc.stopProcess(name)
    xsvd.until(lambda: has_last_lines(daemon, always), "every writer's last line is in its log", 30)
    lost, doubled = check_lines(daemon, problems)
    p50, p99, worst = percentile(times, .5), percentile(times, .99), max(times)
    print(f"{arguments.kills} kills, {callers['connections']} callers in {callers['seconds']:.1f} s: {callers['answered']} answered, "
          f"{callers['refused']} refused, {callers['reset']} reset, {callers['short']} short, slowest {callers['max_us'] / 1000:.0f} ms")
    print(f"pids changed {len(changed)}; wrong statuses {wrong} of {MORTALS}; lines lost {lost}, doubled {doubled}; zombies {len(daemon.zombies())}")
    print(f"back in service after a kill: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, worst {worst * 1000:.1f} ms (promised: p99 <= 100 ms); "
          f"under the same load without a kill: p50 {percentile(calm, .5) * 1000:.1f} ms, p99 {percentile(calm, .99) * 1000:.1f} ms")
    if p99 > GENEROUS_P99:
        problems.append(f"back in service: p99 {p99:.3f} s")
    return problems


def main(description, connections, kills, play, make_daemon=xsvd.Daemon):
    """`play(daemon, scene, source, arguments)` returns what was not as it should be."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=connections)
    parser.add_argument("--kills", type=int, default=kills)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    print("seed", arguments.seed, flush=True)
    source = random.Random(arguments.seed)
    scene = Scene(source, max(3, arguments.kills * 0.08))
    daemon = make_daemon(scene.config)
    try:
        problems = play(daemon, scene, source, arguments)
        daemon.stop()
    except BaseException:
        print(daemon.describe(), file=sys.stderr)
        raise
    finally:
        daemon.kill()
        daemon.remove()
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems else 0
