"""Runs Supervisor's client in forks of a process that has imported it once: Python needs a fifth of a second for that, and
the tests run it a thousand times.

Started by harness.py with the path of a socket to listen on; ends with its standard input. A request is one message: JSON
with arguments, environment and folder, and three descriptors. The answer is the exit code.
"""

import json
import os
import select
import signal
import socket
import sys
import traceback

from supervisor import supervisorctl

LONGEST_RUN = 120   # seconds


def become(request, descriptors):
    for target, source in enumerate(descriptors):
        os.dup2(source, target)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
    sys.stderr = open(2, "w", buffering=1, closefd=False)
    sys.argv = request["arguments"]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])


def run(request, descriptors):
    """In the fork: what the installed script does."""
    code = 1
    try:
        become(request, descriptors)
        supervisorctl.main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
    except BaseException:   # what the interpreter would do: the whole point is that nothing differs
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                pass
        os._exit(code)


def serve(connection):
    text, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    client = os.fork()
    if client == 0:
        signal.alarm(LONGEST_RUN)
        run(json.loads(text), descriptors)
    _, status = os.waitpid(client, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def main():
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(sys.argv[1])
    listener.listen(128)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)   # nobody waits for the servers of single requests
    os.write(1, b"ready\n")
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            serve(connection)
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    main()
