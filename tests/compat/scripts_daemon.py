"""The daemon's own life, its configuration and its logs. Checks 11 to 16, 24 and 25 of the list in scripts.py."""

import os
import signal
import socket
import stat
import subprocess

from harness import PASSWORD, USER, Call, Log, Look, Step, _basic, rewrite, wait, wait_text
from scripts import ALL_UP, BASE, CHANGED, LOGS, PROGRAMS
from scripts_processes import note_pid, pid_of


def same_pids(*names):
    def same_pids_of(sandbox):
        return all(pid_of(sandbox, name) == sandbox.pids[name] for name in names)
    return Look(same_pids_of)


# Check 11: T39, two lines for what is removed or changed; nobody else is touched.
update = (PROGRAMS, ALL_UP + [
    *(note_pid(name) for name in ("sleeper", "many:many_01", "grp:ga")),
    rewrite(CHANGED),
    Step("reread"),
    Step("update"),
    same_pids("sleeper", "many:many_01"),
    Step("reread"),
    rewrite(PROGRAMS.replace("[program:sleeper]\ncommand = sleep 1000", "[program:sleeper]\ncommand = sleep 3000")),
    Step("update", "sleeper", "fresh"),
    Step("status", "sleeper"),
    Step("update", "never-started"),
    Step("update", "all"),
    Step("reread"),
])

TYPES = BASE + """
[program:plain]
command = sleep 1000
startsecs = 0

[program:full]
command = sleep 1000
autostart = false
stdout_logfile = NONE
stderr_logfile = @DIR@/full.err
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 3
redirect_stderr = true
stopsignal = QUIT
exitcodes = 0,2,5
priority = 5
directory = /tmp
umask = 027
killasgroup = true
stopasgroup = true
serverurl = AUTO
"""

# T18: which type each member has, and that auto and none are words. T20: descriptions.
types = (TYPES, [
    wait("plain", "RUNNING"),
    Call("supervisor.getAllConfigInfo"),
    Call("supervisor.getAllProcessInfo"),
    Step("avail"),
    Step("status"),
    # T1, T2
    Call("supervisor.getVersion"),
    Call("supervisor.getAPIVersion"),
    Call("system.multicall", [{"methodName": "supervisor.getVersion", "params": []},
                              {"methodName": "supervisor.startProcess", "params": ["nosuch"]}]),
    # T21: words are taken for numbers and truth values, and the word false is true.
    Call("supervisor.readLog", "-1", "0", differs="log-text"),
    Call("supervisor.startProcess", "nosuch", "false"),
    Call("supervisor.startProcess", "full", "false"),
    Call("supervisor.stopProcess", "full", "false"),
    Call("supervisor.stopProcess", "full", 1),
])


def exchange(request):
    """What comes back for these bytes until the daemon closes or says no more; without the dates and names of servers."""
    def answer(sandbox):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(sandbox.socket)
            connection.sendall(request.replace("@AUTH@", "Authorization: Basic " + _basic(USER, PASSWORD)).encode())
            got = b""
            while True:
                data = connection.recv(65536)
                if not data:
                    return shown(got) + " closed"
                got += data
                if is_whole(got):
                    return shown(got)
    return Look(answer)


def is_whole(got):
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return bool(lengths) and len(body) >= lengths[0]


def shown(got):
    head, _, body = got.decode(errors="replace").partition("\r\n\r\n")
    return head.splitlines()[0] + " " + body if head else "nothing"


CALL = "<?xml version='1.0'?><methodCall><methodName>supervisor.getVersion</methodName>{}</methodCall>"


def post(head, body):
    return exchange(f"POST /RPC2 {head}\r\n@AUTH@\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}")


# T22: what real clients send. T23: the connection is closed without a word about it.
clients = (TYPES, [
    wait("plain", "RUNNING"),
    post("HTTP/1.1\r\nHost: x", CALL.format("<params></params>")),
    post("HTTP/1.1\r\nHost: x", CALL.format("")),
    post("HTTP/1.1\r\nhost: x", CALL.format("<params/>")),
    post("HTTP/1.0", CALL.format("<params/>")),
    exchange("\r\nPOST /RPC2 HTTP/1.1\r\nHost: x\r\n@AUTH@\r\ncontent-type: text/xml\r\ncontent-length: "
             f"{len(CALL.format(''))}\r\n\r\n{CALL.format('')}"),
    post("HTTP/1.1\r\nHost: x", CALL.replace("getVersion", "getProcessInfo").format(
        "<params><param><value>nosuch</value></param></params>")),
    post("HTTP/1.1\r\nHost: x", CALL.replace("getVersion", "startProcess").format(
        "<params><param><value>nosuch</value></param><param><value><boolean>true</boolean></value></param></params>")),
])


def first_bytes_of_logtail(sandbox):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(sandbox.socket)
        connection.sendall(f"GET /logtail/talker HTTP/1.1\r\nAuthorization: Basic {_basic(USER, PASSWORD)}\r\n\r\n".encode())
        got = b""
        while b"end\n" not in got:
            data = connection.recv(65536)
            if not data:
                break
            got += data
    head, _, body = got.partition(b"\r\n\r\n")
    return head.splitlines()[0] + body


def get(path):
    return exchange(f"GET {path} HTTP/1.1\r\nHost: x\r\n@AUTH@\r\n\r\n")


def sizes_of_rotated(sandbox):
    names = sorted(name for name in os.listdir(sandbox.folder) if name.startswith("rotated.log"))
    return [(name, os.path.getsize(os.path.join(sandbox.folder, name))) for name in names]


# Checks 14 and 15.
log_reading = (LOGS + r"""
[program:counter]
command = sh -c 'i=0; while [ $i -lt 400 ]; do echo "line number $i"; i=$((i+1)); done; echo end; sleep 1000'
startsecs = 0
stdout_logfile = @DIR@/counter.log

[program:rotated]
command = sh -c 'while read line; do echo "$line"; done'
startsecs = 0
stdout_logfile = @DIR@/rotated.log
stdout_logfile_maxbytes = 100
stdout_logfile_backups = 2
""", [
    wait_text("talker.log", "three"), wait_text("counter.log", "end"), wait("silent", "RUNNING"), wait("rotated", "RUNNING"),
    # T17: the offset is not looked at when less is there than offset and length ask for.
    *(Call(f"supervisor.tailProcess{channel}Log", "talker", offset, length)
      for channel in ("Stdout", "Stderr") for offset, length in ((0, 0), (0, 5), (0, 100), (3, 4), (100, 5), (4, 100), (14, 1))),
    *(Call("supervisor.readProcessStdoutLog", "talker", offset, length)
      for offset, length in ((0, 0), (0, 5), (3, 4), (-5, 0), (-5, 3), (100, 5), (5, -1), (0, -1))),
    Call("supervisor.tailProcessStdoutLog", "never-started", 0, 10),
    Call("supervisor.tailProcessStdoutLog", "nosuch", 0, 10),
    Call("supervisor.readProcessStdoutLog", "never-started", 0, 10),
    Call("supervisor.readProcessStdoutLog", "silent", 0, 10),
    # T40: 404 as long as there is no file, and for what there is the last 1024 bytes first.
    get("/logtail/nosuch"),
    get("/logtail/silent"),
    get("/logtail/talker/nosuch"),
    Step("tail", "counter"),
    Step("tail", "-30", "counter"),
    # T44: rotation comes after the write, so that a file is longer than it may be by what was written at once.
    *(step for letter in "abc" for step in (
        Call("supervisor.sendProcessStdin", "rotated", 150 * letter + "\n"),
        wait_text("rotated.log.1", 150 * letter))),
    Look(sizes_of_rotated),
    Step("stop", "talker"),
    Call("supervisor.clearProcessLogs", "talker", differs="clear-of-the-dead"),
    Call("supervisor.clearLog"),
    Call("supervisor.clearProcessLogs", "nosuch"),
])


def modes_of_sockets(sandbox):
    found = [os.stat(os.path.join(sandbox.folder, name)) for name in ("ctl.sock", "second.sock")]
    return [(oct(stat.S_IMODE(each.st_mode)), each.st_uid, each.st_gid) for each in found]


# T41: the mode, and the owner. T42: a section whose name goes on is a server, too.
servers = (PROGRAMS + """
[unix_http_server:second]
file = @DIR@/second.sock
chmod = 0770
""" + ("chown = nobody:nogroup\n" if os.geteuid() == 0 else ""), ALL_UP + [
    Look(modes_of_sockets),
    Step("-s", "unix://@DIR@/second.sock", "-u", "", "-p", "", "status", "sleeper"),
    Step("open", "unix://@DIR@/second.sock"),
])

SHUTDOWN = BASE + """
[program:first]
command = sleep 1000
startsecs = 0
priority = 10

[program:second]
command = sleep 1000
startsecs = 0
priority = 20

[program:third]
command = sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
startsecs = 0
stopwaitsecs = 5
priority = 30
stdout_logfile = @DIR@/third.log
"""


def how_it_ended(sandbox):
    code = sandbox.process.wait(60)
    left = [name for name in ("ctl.sock", "daemon.pid") if os.path.exists(os.path.join(sandbox.folder, name))]
    return f"exit code {code}, left: {left}"


# Check 24: T5, after the request every method of supervisor.* refuses, and only those.
shutdown = (SHUTDOWN, [
    wait("first", "RUNNING"), wait("second", "RUNNING"), wait_text("third.log", "ready"),
    Step("shutdown"),
    Call("supervisor.getState"),
    Call("supervisor.getPID"),
    Call("supervisor.getAllProcessInfo"),
    Call("supervisor.startProcess", "first"),
    Call("supervisor.shutdown"),
    Call("supervisor.restart"),
    Call("system.methodSignature", "supervisor.getState"),
    Step("shutdown"),
    Step("status"),
    Step("add", "first"),
    Log("stopped: ", 3),
    Look(how_it_ended),
    Step("status", differs="at-once"),
])


def pid_file(sandbox):
    return sandbox.read("daemon.pid").strip() == str(sandbox.process.pid)


def note_daemon(sandbox):
    sandbox.daemon_pid = sandbox.server().supervisor.getPID()


def is_same_daemon(sandbox):
    return sandbox.until(sandbox.answers) and sandbox.server().supervisor.getPID() == sandbox.daemon_pid


def until_restarted(sandbox):
    assert sandbox.until(lambda: sandbox.answers() and is_other_pid(sandbox, "sleeper")), sandbox.read("daemon.log")


def is_other_pid(sandbox, name):
    try:
        return pid_of(sandbox, name) not in (0, sandbox.pids[name])
    except OSError:
        return False


def send(number):
    return lambda sandbox: sandbox.process.send_signal(number)


def rename_logs(sandbox):
    for name in ("daemon.log", "talker.log"):
        os.rename(os.path.join(sandbox.folder, name), os.path.join(sandbox.folder, name + ".old"))


def logs_are_new(sandbox):
    return sandbox.until(lambda: all(os.path.exists(os.path.join(sandbox.folder, name)) for name in ("daemon.log", "talker.log")))


def second_daemon(sandbox):
    """On the same socket, with a configuration of its own otherwise."""
    other = os.path.join(sandbox.folder, "other.conf")
    with open(sandbox.config) as file, open(other, "w") as copy:
        copy.write(file.read().replace("daemon.", "other."))
    done = subprocess.run(sandbox.daemon_command() + ["-n", "-c", other], capture_output=True, timeout=60, text=True,
                          env=sandbox.environment(), stdin=subprocess.DEVNULL)
    return f"exit code {done.returncode}: " + "".join(done.stderr.splitlines(True)[:1]).strip()


def same_again(sandbox):
    done = subprocess.run(sandbox.daemon_command() + ["-n", "-c", sandbox.config], capture_output=True, timeout=60, text=True,
                          env=sandbox.environment(), stdin=subprocess.DEVNULL)
    return f"exit code {done.returncode}"


def leave_a_stale_socket(sandbox):
    sandbox.stop_daemon()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(sandbox.socket)
    sandbox.start_daemon()


# Check 25.
life_of_a_daemon = (PROGRAMS + r"""
[program:talker]
command = sh -c 'echo one; while read line; do echo "$line"; done'
startsecs = 0
stdout_logfile = @DIR@/talker.log
""", ALL_UP + [
    wait_text("talker.log", "one"),
    Look(pid_file), note_daemon, note_pid("sleeper"),
    Look(second_daemon),
    Look(same_again),
    Look(is_same_daemon),
    Step("status", "sleeper"),
    rename_logs, send(signal.SIGUSR2),
    Look(logs_are_new),
    Call("supervisor.sendProcessStdin", "talker", "two\n"),
    wait_text("talker.log", "two"),
    Step("tail", "talker"),
    Step("reload", differs="own-command"),
    until_restarted, *ALL_UP,
    Look(is_same_daemon), Look(pid_file), note_pid("sleeper"),
    Step("status"),
    send(signal.SIGTERM),
    Look(how_it_ended),
    leave_a_stale_socket, *ALL_UP,
    Step("status", "sleeper"),
])
