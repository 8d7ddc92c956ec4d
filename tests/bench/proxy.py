#!/usr/bin/python3
"""proxy_to beside haproxy in TCP mode and xinetd's redirect, in turns in one run; and without anybody in between.

Usage: proxy.py XSVD_FOLDER FORWARD FORWARDERS [--rounds N] [--seconds S]
XSVD_FOLDER has xsvd and its helpers, FORWARD is the program of forward.cpp, FORWARDERS what fetch_forwarders.sh unpacked."""
import argparse
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time

FIGURES = ("MB/s, 1", "MB/s, 4", "p50 us", "p99 us", "conn/s")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Forwarder:
    def __init__(self, name, folder, command, config, env=None):
        self.name, self.front, self.back = name, free_port(), free_port()
        path = f"{folder}/{name}.conf"
        with open(path, "w", encoding="utf-8") as file:
            file.write(config.format(name=name, front=self.front, back=self.back, folder=folder))
        with open(f"{folder}/{name}.out", "w", encoding="utf-8") as out:
            self.process = subprocess.Popen([word.format(config=path, folder=folder) for word in command], stdout=out, stderr=out,
                                            cwd=folder, env={**os.environ, **(env or {})},
                                            start_new_session=True) if command else None   # as ours: the scheduler shares by session
        if self.process is None:
            self.front = self.back

    def measure(self, forward, seconds):
        done = subprocess.run([forward, str(self.front), str(self.back), str(seconds)], capture_output=True, text=True, timeout=60, check=True)
        one, four, p50, p99, rate = map(float, done.stdout.split())
        return one / 1e6, four / 1e6, p50, p99, rate

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


XSVD = """
[supervisord]
logfile = {folder}/{name}.log
pidfile = {folder}/{name}.pid
rundir = {folder}/{name}

[program:forward]
socket = tcp4:127.0.0.1:{front}
proxy_to = tcp:127.0.0.1:{back}
connection_log = none
"""
XSVD_EACH = XSVD + "activation = per_connection\nmax_instances = 1000\n"
HAPROXY = """
global
    maxconn 4000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen forward
    bind 127.0.0.1:{front}
    server target 127.0.0.1:{back}
"""
XINETD = """
service forward
{{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    wait = no
    user = root
    port = {front}
    bind = 127.0.0.1
    redirect = 127.0.0.1 {back}
    instances = UNLIMITED
    cps = 1000000 1
    flags = NODELAY
}}
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("xsvd")
    parser.add_argument("forward")
    parser.add_argument("forwarders")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="direct,xsvd,each,haproxy,xinetd")
    options = parser.parse_args()
    xsvd, forwarders = os.path.abspath(options.xsvd), os.path.abspath(options.forwarders)
    forward = os.path.abspath(options.forward)
    libraries = {"LD_LIBRARY_PATH": f"{forwarders}/usr/lib/{os.uname().machine}-linux-gnu"}
    with tempfile.TemporaryDirectory(prefix="xsvd-bench-") as folder:
        os.chmod(folder, 0o755)
        all_of_them = [
            Forwarder("direct", folder, None, ""),
            Forwarder("xsvd", folder, [f"{xsvd}/xsvd", "-n", "-c", "{config}"], XSVD),
            Forwarder("each", folder, [f"{xsvd}/xsvd", "-n", "-c", "{config}"], XSVD_EACH),   # a forwarder for each connection
            Forwarder("haproxy", folder, [f"{forwarders}/usr/sbin/haproxy", "-db", "-f", "{config}"], HAPROXY, libraries),
            Forwarder("xinetd", folder, [f"{forwarders}/usr/sbin/xinetd", "-dontfork", "-pidfile", "{folder}/xinetd.pid", "-f", "{config}"], XINETD),
        ]
        all_of_them = [each for each in all_of_them if each.name in options.only.split(",") or each.stop()]
        figures = {each.name: [] for each in all_of_them}
        try:
            time.sleep(1)
            for number in range(options.rounds):
                for each in all_of_them if number % 2 == 0 else reversed(all_of_them):
                    figures[each.name].append(each.measure(forward, options.seconds))
        finally:
            for each in all_of_them:
                each.stop()
    middle = {name: [statistics.median(column) for column in zip(*rounds)] for name, rounds in figures.items()}
    print(f"{'':10}" + "".join(f"{title:>12}" for title in FIGURES))
    for name, row in middle.items():
        print(f"{name:10}" + "".join(f"{figure:12.1f}" for figure in row))
    for one, other in (("xsvd", "haproxy"), ("xsvd", "xinetd"), ("each", "xinetd")):
        if one not in figures or other not in figures:
            continue
        ratios = [[mine / theirs for mine, theirs in zip(a, b)] for a, b in zip(figures[one], figures[other])]
        print(f"{one} / {other:9}" + "".join(f"{statistics.median(column):12.2f}" for column in zip(*ratios)))


if __name__ == "__main__":
    main()
