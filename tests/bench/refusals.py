#!/usr/bin/python3
"""What a refused caller costs the daemon, beside xinetd in the same run: too many from one source, and not on the list.

Usage: refusals.py XSVD_FOLDER XINETD_FOLDER [--callers N] [--rounds N]
XINETD_FOLDER is what tests/compat/xinetd/fetch_xinetd.sh unpacked. CPU is that of all the daemon's processes and of what they
have reaped."""
import argparse
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time

XSVD = """[unix_http_server]
file = {folder}/ctl.sock
[supervisord]
logfile = {folder}/x.log
pidfile = {folder}/x.pid
rundir = {folder}/run
[program:source]
command = /bin/cat
socket = tcp4:127.0.0.1:{source}
activation = per_connection
max_per_source = 1
connection_log = none
[program:list]
command = /bin/cat
socket = tcp4:127.0.0.1:{list}
activation = per_connection
allow_from = 127.0.0.9
connection_log = none
"""
XINETD = """service {name}
{{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    flags = IPv4
    port = {port}
    wait = no
    user = root
    server = /bin/cat
    cps = 1000000 1
    {limit}
}}
"""


class Daemon:
    def __init__(self, folder, command, environment, source, listed):
        self.ports = {"too many from one source": source, "not on the list": listed}
        with open(f"{folder}/out", "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", listed), 5).close()
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit(f"{command[0]} does not answer")

    def cpu(self):
        """Seconds, with the hundredths that the kernel counts for what was reaped."""
        ticks = os.sysconf("SC_CLK_TCK")
        used, pids = 0.0, [self.process.pid]
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            pids += [int(pid) for pid in file.read().split()]
        for pid in pids:
            try:
                with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                    used += int(file.read().split()[0]) / 1e9
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                used += (int(fields[13]) + int(fields[14])) / ticks   # cutime, cstime
            except FileNotFoundError:
                pass
        return used

    def refuse(self, kind, callers):
        port = self.ports[kind]
        with socket.create_connection(("127.0.0.1", port), 5) as first:   # of "one source" the one that is served
            first.sendall(b"x")
            first.settimeout(1)
            try:
                first.recv(1)
            except OSError:
                pass
            begun = self.cpu()
            for _ in range(callers):
                with socket.create_connection(("127.0.0.1", port), 5) as caller:
                    try:
                        caller.recv(1)
                    except OSError:
                        pass
            return (self.cpu() - begun) / callers

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("xsvd")
    options.add_argument("xinetd")
    options.add_argument("--callers", type=int, default=3000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="xsvd-refusals-") as folder:
        with open(f"{folder}/xsvd.conf", "w", encoding="utf-8") as file:
            file.write(XSVD.format(folder=folder, source=21001, list=21002))
        with open(f"{folder}/xinetd.conf", "w", encoding="utf-8") as file:
            file.write(XINETD.format(name="source", port=21003, limit="per_source = 1") + XINETD.format(name="list", port=21004, limit="only_from = 127.0.0.9"))
        libraries = ":".join(f"{given.xinetd}/{part}/x86_64-linux-gnu" for part in ("lib", "usr/lib"))
        ours = Daemon(folder, [f"{given.xsvd}/xsvd", "-n", "-s", "-c", f"{folder}/xsvd.conf"], None, 21001, 21002)
        theirs = Daemon(folder, [f"{given.xinetd}/usr/sbin/xinetd", "-dontfork", "-f", f"{folder}/xinetd.conf", "-pidfile", f"{folder}/pid"],
                        {**os.environ, "LD_LIBRARY_PATH": libraries}, 21003, 21004)
        try:
            for kind in ours.ports:
                ratios = []
                for _ in range(given.rounds):
                    mine, other = ours.refuse(kind, given.callers), theirs.refuse(kind, given.callers)
                    ratios.append(mine / other)
                    print(f"  {kind}: {mine * 1e6:.0f} us beside xinetd's {other * 1e6:.0f}")
                print(f"{kind}: {statistics.median(ratios):.2f} of xinetd's CPU (median)")
        finally:
            ours.stop()
            theirs.stop()


if __name__ == "__main__":
    main()
