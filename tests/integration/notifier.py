#!/usr/bin/python3
"""A program that says of itself what it is told to: each line of the FIFO named by its argument is one order.

    TEXT          a notification; "\\n" in it is a line end, "\\0" a NUL
    !child TEXT   the same from a child, which has ended before its parent waits for it
    !store TEXT   the same with one end of a pipe that holds "kept"
    !barrier      a barrier; appends "barrier" to FIFO.log once it is closed
    !fd N TEXT    writes TEXT to descriptor N and closes it
    !look         appends LISTEN_FDS, LISTEN_FDNAMES, the first bytes of each such descriptor, and FDSTORE to FIFO.log
    !environment  appends NOTIFY_SOCKET, WATCHDOG_USEC and whether WATCHDOG_PID is its own number
    !main [fd]    a child is the main process from now on, named by number or pidfd
    !fork         ends with 0 and leaves a child in a session of its own, which goes on
    !exit N
SIGHUP is answered with RELOADING=1, and READY=1 at the next order "READY=1"; SIGTERM with STOPPING=1 and the end.
"""
import array
import os
import select
import signal
import socket
import sys
import time


def notify(text, fds=()):
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        s.sendmsg([text.replace("\\n", "\n").replace("\\0", "\0").encode()], ancillary, 0, "\0" + address[1:] if address.startswith("@") else address)


def say(text):
    with open(sys.argv[1] + ".log", "a", encoding="utf-8") as file:
        file.write(text + "\n")


def look():
    count = int(os.environ.get("LISTEN_FDS", "0"))
    contents = []
    for fd in range(3, 3 + count):
        contents.append(os.read(fd, 100).decode() if select.select([fd], [], [], 0)[0] else "-")
    say(f"look {count} {os.environ.get('LISTEN_FDNAMES', '')} {','.join(contents)} {os.environ.get('FDSTORE', '')}")


def obey(order):
    word, _, rest = order.partition(" ")
    if word == "!child":
        pid = os.fork()
        if pid == 0:
            notify(rest)
            os._exit(0)
        os.waitpid(pid, 0)
    elif word == "!store":
        reader, writer = os.pipe()
        os.write(writer, b"kept")
        notify(rest, [reader])
        os.set_inheritable(writer, False)
        globals().setdefault("kept", []).append(writer)
    elif word == "!main":
        # The child goes on with the orders; its parent stays and waits for it.
        pid = os.fork()
        if pid > 0:
            fds = [os.pidfd_open(pid)] if rest == "fd" else []
            notify("MAINPIDFD=1" if fds else f"MAINPID={pid}", fds)
            os.waitpid(pid, 0)
            time.sleep(1000)
    elif word == "!barrier":
        reader, writer = os.pipe()
        notify("BARRIER=1", [writer])
        os.close(writer)
        select.select([reader], [], [], 30)
        say("barrier")
    elif word == "!fd":
        number, _, text = rest.partition(" ")
        os.write(int(number), text.replace("\\n", "\n").encode())
        os.close(int(number))
    elif word == "!look":
        look()
    elif word == "!environment":
        e = os.environ
        say(f"environment {e.get('NOTIFY_SOCKET', '')} {e.get('WATCHDOG_USEC', '')} {e.get('WATCHDOG_PID') == str(os.getpid())}")
    elif word == "!fork":
        if os.fork() > 0:
            os._exit(0)
        os.setsid()
    elif word == "!exit":
        os._exit(int(rest))
    else:
        notify(order)


def stopping(*_):
    if "NOTIFY_SOCKET" in os.environ:
        notify("STOPPING=1\\nSTATUS=going")
    time.sleep(float(os.environ.get("LINGER", "0")))
    os._exit(0)


def reloading(*_):
    notify(f"RELOADING=1\\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


signal.signal(signal.SIGTERM, stopping)
signal.signal(signal.SIGHUP, reloading)
orders = os.open(sys.argv[1], os.O_RDWR | os.O_CLOEXEC)
say(f"started {os.getpid()}")
text = b""
while True:
    text += os.read(orders, 4096)
    while b"\n" in text:
        line, _, text = text.partition(b"\n")
        obey(line.decode())
