#!/usr/bin/python3
"""How long clients wait for xsvd and for Supervisor's daemon, with many programs; both daemons in one run, asked in turns.

Usage: clients.py XSVD_FOLDER SUPERVISOR_FOLDER [--programs N] [--rounds N]
SUPERVISOR_FOLDER is what tests/compat/fetch_supervisor.sh unpacked."""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

CONFIG = """
[unix_http_server]
file = {folder}/{name}.sock

[supervisord]
logfile = {folder}/{name}.log
pidfile = {folder}/{name}.pid
minfds = 16384
identifier = {name}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{folder}/{name}.sock
"""
PROGRAM = """
[program:p{number:04}]
command = sleep 100000
stdout_logfile = NONE
stderr_logfile = NONE
"""
REQUEST = b"<?xml version='1.0'?><methodCall><methodName>supervisor.getAllProcessInfo</methodName><params/></methodCall>"


class Daemon:
    def __init__(self, name, command, folder, programs, env):
        self.programs, self.folder = programs, folder
        self.socket, self.config = f"{folder}/{name}.sock", f"{folder}/{name}.conf"
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=folder, name=name))
            file.writelines(PROGRAM.format(number=number) for number in range(programs))
        with open(f"{folder}/{name}.out", "w", encoding="utf-8") as out:
            self.process = subprocess.Popen([*command, "-n", "-c", self.config], stdout=out, stderr=out, env=env, cwd=folder)

    def wait_until_all_run(self, patience=180):
        deadline = time.monotonic() + patience
        while True:
            try:
                if self.ask().count(b"<string>RUNNING<") >= self.programs:
                    return
            except OSError:   # not there yet
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.config}: not all programs run; see {self.folder}")
            time.sleep(1)

    def ask(self):
        """getAllProcessInfo, raw."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.socket)
            connection.sendall(b"POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(REQUEST), REQUEST))
            parts = []
            while part := connection.recv(1 << 20):
                parts.append(part)
        return b"".join(parts)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


def seconds(work):
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def in_turns(works, rounds):
    """The median of each, every round measuring all of them."""
    taken = [[seconds(work) for work in works] for _ in range(rounds)]
    return [statistics.median(each) for each in zip(*taken)]


def client(command, daemon, env):
    def work():
        out = subprocess.run([*command, "-c", daemon.config, "status"], env=env, stdout=subprocess.PIPE, check=True).stdout
        assert out.count(b"RUNNING") == daemon.programs, out[:1000]
    return work


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("xsvd")
    parser.add_argument("supervisor")
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()

    python, package = "/usr/bin/python3", os.path.realpath(options.supervisor)
    env = dict(os.environ, PYTHONPATH=package + "/usr/lib/python3/dist-packages", PYTHONWARNINGS="ignore", LC_ALL="C.UTF-8")
    folder = tempfile.mkdtemp(prefix="xsv-bench-")
    supervisorctl = os.path.join(folder, "supervisorctl")
    os.symlink(os.path.realpath(options.xsvd) + "/xsvctl", supervisorctl)
    theirs = Daemon("supervisord", [python, package + "/usr/bin/supervisord"], folder, options.programs, env)
    ours = Daemon("xsvd", [os.path.realpath(options.xsvd) + "/xsvd"], folder, options.programs, env)
    try:
        for daemon in (theirs, ours):
            daemon.wait_until_all_run()
        real = [python, package + "/usr/bin/supervisorctl"]
        status = in_turns([client(real, theirs, env), client(real, ours, env), client([supervisorctl], ours, env)], options.rounds)
        raw = in_turns([theirs.ask, ours.ask], options.rounds)
    finally:
        theirs.stop()
        ours.stop()
    shutil.rmtree(folder)

    def row(what, one, other, aim):
        print(f"| {what} | {one * 1000:.1f} ms | {other * 1000:.1f} ms | {one / other:.1f} | {aim} |")
    print(f"{options.programs} programs, median of {options.rounds} rounds\n")
    print("| figure | supervisord | xsvd | times as fast | aim |\n|---|---|---|---|---|")
    row("`supervisorctl status`, Supervisor's own client", status[0], status[1], "≥ 3")
    row("the same, our client on our side", status[0], status[2], "")
    row("`getAllProcessInfo`, raw", raw[0], raw[1], "≥ 40")


if __name__ == "__main__":
    main()
