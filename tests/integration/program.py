#!/usr/bin/python3
"""The programs that run below the daemon in these tests.

    program.py look FILE         writes what it was given (descriptors, environment, ids, signals) as JSON to FILE or, for "-",
                                 to the first socket among its descriptors that is connected; then ends
    program.py stay FILE         the same, and stays until SIGTERM
    program.py serve [FD…]       answers every caller of its listening sockets with "PID NAME REQUEST\n"
    program.py datagrams SECONDS answers datagrams from its socket with "PID DATA"; ends after that many idle seconds
    program.py take-one          answers one caller of its listening socket and ends
    program.py signals FILE      appends each signal's name to FILE; TERM and INT end it
    program.py deaf              ignores TERM, and has a child that does so too; prints both pids
    program.py output TEXT N     TEXT and a number, N lines, to stdout; "err N" to stderr; then stays
    program.py order FILE NAME   appends "start NAME" and at SIGTERM "stop NAME" to FILE
    program.py packets           answers each packet of a SOCK_SEQPACKET connection on 0
    program.py fifo FILE         copies the lines of the FIFO on descriptor 3 to FILE
"""
import json
import os
import select
import signal
import socket
import stat
import sys
import time


def describe_fd(fd):
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return None
    if stat.S_ISSOCK(mode):
        with socket.socket(fileno=os.dup(fd)) as s:
            listens = s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            return "listener" if listens else "datagram" if s.type == socket.SOCK_DGRAM else "connection"
    if stat.S_ISFIFO(mode):
        return "pipe"
    return os.readlink(f"/proc/self/fd/{fd}")


def look():
    fds = {fd: describe_fd(fd) for fd in map(int, os.listdir("/proc/self/fd"))}
    status = dict(line.split(":", 1) for line in open("/proc/self/status", encoding="ascii", errors="replace"))
    return {"pid": os.getpid(), "fds": {fd: what for fd, what in fds.items() if what}, "env": dict(os.environ),
            "uid": os.getuid(), "gid": os.getgid(), "groups": sorted(os.getgroups()), "cwd": os.getcwd(),
            "umask": int(status["Umask"], 8), "nice": os.nice(0), "session": os.getsid(0), "group": os.getpgid(0),
            "blocked": int(status["SigBlk"], 16), "ignored": int(status["SigIgn"], 16) & ~(1 << 12 | 1 << 24),
            "nonblock": {fd: not os.get_blocking(fd) for fd, what in fds.items() if what in ("listener", "datagram", "connection")},
            "nofile": __import__("resource").getrlimit(__import__("resource").RLIMIT_NOFILE)}


def write_look(target):
    seen = look()
    if target == "-":
        fd = min(fd for fd, what in seen["fds"].items() if what == "connection")
        os.write(fd, json.dumps(seen).encode())
        return
    with open(target + ".new", "w", encoding="utf-8") as file:
        json.dump(seen, file)
    os.rename(target + ".new", target)


def given_sockets(words):
    if words:
        numbers = map(int, words)
    elif os.environ.get("LISTEN_PID") == str(os.getpid()):
        numbers = range(3, 3 + int(os.environ["LISTEN_FDS"]))
    else:
        numbers = [0]
    return [socket.socket(fileno=fd) for fd in numbers]


def serve(words, only_one=False):
    sockets = given_sockets(words)
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    for s in sockets:
        s.setblocking(False)
    while True:
        for s in select.select(sockets, [], [])[0]:
            try:
                caller, _ = s.accept()
            except BlockingIOError:
                continue
            with caller:
                caller.setblocking(True)
                request = b""
                while not request.endswith(b"\n") and (part := caller.recv(4096)):
                    request += part
                name = names[sockets.index(s)] if names[0] and len(names) == len(sockets) else "-"
                caller.sendall(f"{os.getpid()} {name} ".encode() + request.strip() + b"\n")
            if only_one:
                return


def datagrams(seconds):
    s = given_sockets([])[0]
    while select.select([s], [], [], seconds)[0]:
        data, caller = s.recvfrom(65536)
        answer = f"{os.getpid()} ".encode() + data
        if caller:
            s.sendto(answer, caller)


def record_signals(path):
    def note(number, _):
        with open(path, "a", encoding="ascii") as file:
            file.write(signal.Signals(number).name + "\n")
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            sys.exit(0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, note)
    print("ready", flush=True)
    while True:
        signal.pause()


def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child:
        print(os.getpid(), child, flush=True)
    while True:
        signal.pause()


def output(text, count):
    for number in range(1, count + 1):
        sys.stdout.write(f"{text} {number}\n")
        sys.stderr.write(f"err {number}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    while True:
        signal.pause()


def order(path, name):
    def append(what):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(fd, f"{what} {name}\n".encode())
        os.close(fd)

    def end(*_):
        time.sleep(0.05)  # others of a higher priority would get in before us if all were stopped at once
        append("stop")
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    append("start")
    while True:
        signal.pause()


def packets():
    with socket.socket(fileno=0) as s:
        while data := s.recv(65536):
            s.send(b"<" + data + b">")


def fifo(path):
    with open(3, "rb", buffering=0) as source, open(path, "ab", buffering=0) as target:
        while data := source.read(4096):
            target.write(data)


def main():
    mode, *words = sys.argv[1:]
    if mode in ("look", "stay"):
        write_look(words[0])
        while mode == "stay":
            signal.pause()
    elif mode == "serve":
        serve(words)
    elif mode == "take-one":
        serve(words, only_one=True)
    elif mode == "datagrams":
        datagrams(float(words[0]))
    elif mode == "signals":
        record_signals(words[0])
    elif mode == "deaf":
        deaf()
    elif mode == "output":
        output(words[0], int(words[1]))
    elif mode == "order":
        order(*words)
    elif mode == "packets":
        packets()
    elif mode == "fifo":
        fifo(words[0])
    else:
        sys.exit(f"unknown: {mode}")


if __name__ == "__main__":
    main()
