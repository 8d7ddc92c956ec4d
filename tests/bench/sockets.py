#!/usr/bin/python3
"""What thousands of sockets cost: the time to open them, memory, and a connection through one of many beside one of few.

Usage: sockets.py XSVD_FOLDER [--sockets N] [--connections N] [--rounds N]
Both daemons run side by side and are called in turns; each connection is a process of its own (/bin/true-like)."""
import argparse
import os
import resource
import signal
import socket
import statistics
import subprocess
import tempfile
import time

PATIENCE = 60


class Daemon:
    def __init__(self, programs, folder, count, first_port):
        self.port, self.folder = first_port, folder
        os.makedirs(folder)
        with open(f"{folder}/x.conf", "w", encoding="utf-8") as file:
            file.write(f"[unix_http_server]\nfile = {folder}/ctl.sock\n[supervisord]\nlogfile = {folder}/x.log\npidfile = {folder}/x.pid\nrundir = {folder}/run\n")
            for number in range(count):
                file.write(f"[program:s{number}]\ncommand = /bin/echo hi\nsocket = tcp4:127.0.0.1:{first_port + number}\nactivation = per_connection\n"
                           "connection_log = none\nstdout_logfile = NONE\nstderr_logfile = NONE\n")
        begun = time.monotonic()
        with open(f"{folder}/out", "w", encoding="utf-8") as out:
            self.process = subprocess.Popen([f"{programs}/xsvd", "-n", "-s", "-c", f"{folder}/x.conf"], stdout=out, stderr=out)
        last = first_port + count - 1
        while time.monotonic() - begun < PATIENCE:
            try:
                self.call(first_port)
                self.call(last)
                break
            except OSError:
                time.sleep(0.002)
        self.start = time.monotonic() - begun

    def pids(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            children = [int(pid) for pid in file.read().split()]
        return [self.process.pid] + [pid for pid in children if title(pid).startswith("xsvd: ")]

    def memory(self):
        """MB, shared pages by share."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        return total / 1024

    def cpu(self):
        """Seconds of guardian and engine."""
        used = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                used += int(file.read().split()[0])
        return used / 1e9

    def call(self, port=None):
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port or self.port), 5) as caller:
            while caller.recv(100):
                pass
        return time.monotonic() - begun

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0").decode(errors="replace")
    except FileNotFoundError:
        return ""


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("programs")
    options.add_argument("--sockets", type=int, default=10_000)
    options.add_argument("--connections", type=int, default=300)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory(prefix="xsvd-sockets-") as folder:
        few = Daemon(given.programs, f"{folder}/few", 1, 31_000)
        many = Daemon(given.programs, f"{folder}/many", given.sockets, 10_000)
        try:
            print(f"{given.sockets} sockets open and serving after {many.start:.2f} s (one: {few.start:.2f} s); memory {many.memory():.1f} MB in all (one: {few.memory():.1f} MB)")
            waits, costs = [], []
            for _ in range(given.rounds):
                found = {}
                for daemon in (few, many):
                    cpu = daemon.cpu()
                    times = [daemon.call() for _ in range(given.connections)]
                    found[daemon] = statistics.median(times), (daemon.cpu() - cpu) / given.connections
                waits.append(found[many][0] / found[few][0])
                costs.append(found[many][1] / found[few][1])
                print(f"  a connection: {found[many][0] * 1e6:.0f} us beside {found[few][0] * 1e6:.0f}, CPU {found[many][1] * 1e6:.0f} us beside {found[few][1] * 1e6:.0f}")
            print(f"one of {given.sockets} against one of one, medians: time {statistics.median(waits):.2f}, CPU {statistics.median(costs):.2f}")
        finally:
            many.stop()
            few.stop()


if __name__ == "__main__":
    main()
