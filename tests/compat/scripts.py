"""Conversations with a daemon: a configuration and what to type. Each is a check of its own.

The list of checks, and where each is: 1, 2 status; 3 spawn_errors, bad_starts; 4 early_death; 5 backoff; 6, 7 stubborn;
8 deaths; 9 groups, start_stop; 10 signals; 11 config_changes, update; 12 config_changes; 13 add_remove; 14 logs, log_reading;
15 log_reading and test_terminal.Streams; 16 authentication, hashed_password; 17, 18 clients; 19 types; 24 shutdown,
shutting_down; 25 life_of_a_daemon. Scripts that are not here are in scripts_processes.py and scripts_daemon.py.
"""

import os

from harness import Step, rewrite, wait, wait_text

BASE = """
[unix_http_server]
file = @SOCKET@
username = @USER@
password = @PASSWORD@

[supervisord]
logfile = @DIR@/daemon.log
pidfile = @DIR@/daemon.pid
childlogdir = @DIR@

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://@SOCKET@
username = @USER@
password = @PASSWORD@
prompt = ready
"""

# What most configurations begin with.
COMMON = BASE + """
[program:sleeper]
command = sleep 1000
startsecs = 0

[program:exited]
command = true
startsecs = 0
autorestart = false

[program:never-started]
command = sleep 1000
autostart = false

[program:missing]
command = /no/such/cmd
autostart = false
"""

GROUP = """
[program:ga]
command = sleep 1000
startsecs = 0

[program:gb]
command = sleep 1000
startsecs = 0

[group:grp]
programs = ga,gb
"""

PROGRAMS = COMMON + GROUP + """
[program:many]
command = sleep 1000
process_name = %(program_name)s_%(process_num)02d
numprocs = 3
startsecs = 0

[program:a-name-that-is-longer-than-thirty-characters]
command = sleep 1000
startsecs = 0
"""

ALL_UP = [*(wait(name, "RUNNING") for name in ("sleeper", "many:many_02", "grp:ga", "grp:gb")), wait("exited", "EXITED")]

status = (PROGRAMS, ALL_UP + [
    Step("status"),
    Step("status", "all"),
    Step("status", "sleeper"),
    Step("status", "nosuch"),
    Step("status", "nosuch:*"),
    Step("status", "grp"),
    Step("status", "grp:*"),
    Step("status", "grp:"),
    Step("status", "nosuch", "exited"),
    Step("status", "nosuch", "sleeper", "sleeper"),
    Step("status", "many:many_01", "grp:ga"),
    Step("status sleeper"),
    Step("pid"),
    Step("pid", "all"),
    Step("pid", "sleeper"),
    Step("pid", "exited", "sleeper"),
    Step("pid", "nosuch"),
    Step("pid", "grp:*"),
    Step("version", "x"),
    Step("avail"),
    Step("avail", "x"),
])

BAD_STARTS = BASE + """
[program:missing]
command = /no/such/cmd
autostart = false

[program:not-executable]
command = @DIR@/s.conf
autostart = false

[program:directory]
command = /tmp
autostart = false

[program:bad-quoting]
command = sleep "1
autostart = false

[program:bad-directory]
command = sleep 1000
directory = /no/such/directory
autostart = false
startsecs = 2
startretries = 0

; Too early for startsecs, late enough that startProcess does not see it end: what it answers then is luck.
[program:quick]
command = sleep 0.2
autostart = false
startsecs = 2
startretries = 2
"""

bad_starts = (BAD_STARTS, [
    Step("start", "missing"),
    Step("start", "not-executable"),
    Step("start", "directory"),
    Step("start", "bad-quoting"),
    Step("start", "bad-directory"),
    wait("bad-directory", "FATAL", "BACKOFF"),
    Step("start", "missing", "nosuch", "nosuch:*"),
    Step("status", "missing", "not-executable"),
])

backoff = (BAD_STARTS, [
    lambda sandbox: sandbox.server().supervisor.startProcess("quick", False),
    wait("quick", "BACKOFF"),
    Step("start", "quick"),
    wait("quick", "BACKOFF"),
    Step("stop", "quick"),
    Step("status", "quick"),
    Step("start", "quick"),
    wait("quick", "FATAL"),
    Step("status", "quick"),
])

# A program that ends at once may be seen running or not: luck, and not a matter for comparison.
LASTING = PROGRAMS.replace("[program:exited]\ncommand = true", "[program:exited]\ncommand = sleep 1000")

start_stop = (LASTING, [wait("sleeper", "RUNNING"), wait("exited", "RUNNING"), wait("grp:gb", "RUNNING"),
                        wait("many:many_02", "RUNNING"),
    Step("start"),
    Step("stop"),
    Step("restart"),
    Step("signal"),
    Step("signal", "HUP"),
    Step("clear"),
    Step("start", "sleeper"),
    Step("stop", "sleeper"),
    Step("stop", "sleeper"),
    Step("start", "sleeper"),
    Step("restart", "sleeper"),
    Step("restart", "nosuch"),
    Step("restart", "nosuch:*"),
    Step("stop", "nosuch"),
    Step("stop", "nosuch:*"),
    Step("start", "nosuch:*"),
    Step("start", "grp:*"),
    Step("stop", "grp:ga"),
    Step("start", "grp:*"),
    Step("restart", "grp:*", differs="finish-order"),
    Step("stop", "grp:", differs="finish-order"),
    Step("stop", "all", differs="finish-order"),
    Step("stop", "all"),
    Step("start", "all", differs="finish-order"),
    Step("stop", "sleeper", "never-started", "nosuch"),
    Step("start", "sleeper", "nosuch", "exited"),
    Step("status", "sleeper"),
    Step("stop", "many:*", "grp:gb", differs="finish-order"),
])

signals = (PROGRAMS + """
[program:listener]
command = sh -c 'trap "echo hup" HUP; echo ready; while :; do sleep 0.05; done'
startsecs = 0
stdout_logfile = @DIR@/listener.log
""", ALL_UP + [
    wait_text("listener.log", "ready"),
    Step("signal", "HUP", "listener"),
    wait_text("listener.log", "hup"),
    Step("signal", "NOSUCH", "sleeper"),
    Step("signal", "15", "exited"),
    Step("signal", "HUP", "nosuch"),
    Step("signal", "HUP", "nosuch:*"),
    Step("signal HUP", "listener"),
    Step("signal", "CONT", "grp:*"),
    Step("signal", "NOSUCH", "grp:*"),
    Step("signal", "18", "all", differs="finish-order"),
    Step("signal", "cont", "sleeper", "exited", "nosuch"),
    Step("signal", "KILL", "sleeper"),
])

CHANGED = PROGRAMS.replace("[program:gb]\ncommand = sleep 1000", "[program:gb]\ncommand = sleep 2000").replace(
    "[program:never-started]\ncommand = sleep 1000\nautostart = false\n", "") + """
[program:fresh]
command = sleep 1000
startsecs = 0
"""

BROKEN = PROGRAMS.replace("numprocs = 3", "numprocs = soon")

config_changes = (PROGRAMS, ALL_UP + [
    Step("reread"),
    Step("update"),
    Step("reread", "x"),
    rewrite(CHANGED),
    Step("reread"),
    Step("avail"),
    Step("update", "nosuch", "fresh"),
    wait("fresh", "RUNNING"),
    Step("update", "nosuch", "nosuch2", differs="group-order"),
    Step("update"),
    Step("reread"),
    Step("update", "all"),
    wait("grp:gb", "RUNNING"),
    Step("status"),
    rewrite(BROKEN),
    Step("reread", differs="mistake-text"),
    Step("update", differs="mistake-text update-error"),
    Step("status", "sleeper"),
    rewrite(CHANGED),
    Step("reread"),
])

add_remove = (PROGRAMS, ALL_UP + [
    Step("add"),
    Step("remove"),
    Step("add", "sleeper"),
    Step("add", "nosuch"),
    Step("remove", "sleeper"),
    Step("remove", "nosuch"),
    Step("remove", "never-started", "exited"),
    Step("status", "exited"),
    Step("add", "never-started", "exited", "nosuch"),
    wait("exited", "EXITED"),
    Step("stop", "grp:*", differs="finish-order"),
    Step("remove", "grp"),
    Step("add", "grp"),
    wait("grp:ga", "RUNNING"),
])

LOGS = BASE + r"""
[program:talker]
command = sh -c 'printf "one\ntwo\nthree\n"; printf "bad\n" >&2; sleep 1000'
startsecs = 0
stdout_logfile = @DIR@/talker.log
stderr_logfile = @DIR@/talker.err

[program:silent]
command = sleep 1000
startsecs = 0
stdout_logfile = NONE
stderr_logfile = NONE

[program:never-started]
command = sleep 1000
autostart = false
"""

logs = (LOGS, [
    wait_text("talker.log", "three"), wait_text("talker.err", "bad"), wait("silent", "RUNNING"),
    Step("tail"),
    Step("tail", "talker"),
    Step("tail", "-5", "talker"),
    Step("tail", "-0", "talker"),
    Step("tail", "--5", "talker"),
    Step("tail", "-1000000", "talker"),
    Step("tail", "talker", "stderr"),
    Step("tail", "talker", "STDERR"),
    Step("tail", "-2", "talker", "stderr"),
    Step("tail", "talker", "badch"),
    Step("tail", "-x", "talker"),
    Step("tail", "-5"),
    Step("tail", "a", "b", "c", "d"),
    Step("tail", "nosuch"),
    Step("tail", "talker:*"),
    Step("tail", "silent"),
    Step("tail", "never-started"),
    Step("tail", "-f", "nosuch", differs="follow-fails"),
    Step("tail", "-f", "silent"),
    Step("clear", "talker"),
    Step("tail", "talker"),
    Step("clear", "nosuch"),
    Step("clear", "talker:*", differs="clear-group"),
    Step("clear", "nosuch:*", differs="clear-group"),
    Step("clear", "talker", "silent"),
    Step("clear", "all"),
    Step("maintail", differs="log-text"),
    Step("maintail", "-20", differs="log-text"),
    Step("maintail", "20"),
    Step("maintail", "-x"),
    Step("maintail", "a", "b"),
    Step("fg"),
    Step("fg", "a", "b"),
    Step("fg", "nosuch"),
    Step("fg", "never-started"),
])

TOPICS = ("add avail clear exit fg help maintail open pid quit reload remove reread restart shutdown signal start "
          "status stop tail update version").split()

help_texts = (BASE, [Step("help")] + [Step("help", topic) for topic in TOPICS] + [
    Step("help", "nosuch"),
    Step("help", "start", "stop"),
    Step("help", "EOF"),
    Step("?"),
    Step("?", "start"),
    Step("?start"),
])

syntax = (PROGRAMS, ALL_UP + [
    Step("nosuch"),
    Step("nosuch", "with", "words"),
    Step("!x"),
    Step(""),
    Step("status;pid"),
    Step("status-all"),
    Step("  status   sleeper  "),
    Step("quit"),
    Step("exit"),
    Step("EOF"),
    Step("open"),
    Step("open", "ftp://x"),
    Step("open", "sleeper"),
    Step("open", "unix://@SOCKET@"),
    Step("open", "unix:///no/such/socket"),
    Step("shutdown", "x"),
    Step("reload", "x"),
    Step("-i", "status", "sleeper"),
    Step("-i", "shutdown", stdin="n\n"),
    Step("-i", "shutdown", stdin=""),
    Step("-i", "reload", stdin="no\n"),
])

options = (PROGRAMS, ALL_UP + [
    Step("-h", config=False),
    Step("--help"),
    Step("-x"),
    Step("--nosuch"),
    Step("-s"),
    Step("--server"),
    Step("--serverurl"),
    Step("--help=x"),
    Step("-s", "nonsense", "status"),
    Step("-s", "localhost:9001", "status"),
    Step("-s", "unix://@SOCKET@", "-s", "unix://@SOCKET@", "status"),
    Step("-c", "other", "status"),
    Step("-i", "-i", "status"),
    Step("--serv=unix://@SOCKET@", "pid"),
    Step("-c", "@DIR@/nosuch.conf", "status", config=False),
    Step("-c", "@DIR@", "status", config=False, differs="traceback"),
    Step("-c@DIR@/s.conf", "status", "sleeper", config=False),
    Step("--", "status", "sleeper"),
    Step("-s", "unix://@SOCKET@", "-u", "@USER@", "-p", "@PASSWORD@", "status", "sleeper"),
    Step("status", "-i"),
])

SECTIONLESS = PROGRAMS[:PROGRAMS.index("[supervisorctl]")]
WITHOUT_LOGIN = PROGRAMS.replace(
    "serverurl = unix://@SOCKET@\nusername = @USER@\npassword = @PASSWORD@", "serverurl = unix://@SOCKET@")

authentication = (WITHOUT_LOGIN, ALL_UP + [
    Step("status"),
    Step("stop", "sleeper"),
    Step("avail"),
    Step("-u", "@USER@", "-p", "wrong", "status"),
    Step("-u", "@USER@", "-p", "@PASSWORD@", "status", "sleeper"),
    Step("-u", "@USER@", "status"),
    Step("-u", "@USER@", "-p", "wrong", "tail", "-f", "sleeper"),
    Step("version"),
])

HASHED = WITHOUT_LOGIN.replace("password = @PASSWORD@", "password = {SHA}40bd001563085fc35165329ea1ff5c5ecbdbbeef")

hashed_password = (HASHED, ALL_UP + [
    Step("-u", "@USER@", "-p", "@PASSWORD@", "status", "sleeper"),
    Step("-u", "@USER@", "-p", "wrong", "status", "sleeper"),
])

_EVERY_COMMAND = [
    ("status",), ("start", "x"), ("stop", "x"), ("restart", "x"), ("signal", "HUP", "x"), ("clear", "x"), ("tail", "x"),
    ("tail", "-f", "x"), ("maintail",), ("maintail", "-f"), ("fg", "x"), ("pid",), ("version",), ("avail",),
    ("reread",), ("update",), ("add", "x"), ("remove", "x"), ("shutdown",), ("reload",), ("start",), ("open", "unix:///no/such"),
]

unreachable = (PROGRAMS, [
    *(Step("-s", "unix://@DIR@/nosuch.sock", *command) for command in _EVERY_COMMAND),
    *(Step("-s", "unix://@DIR@/s.conf", *command) for command in _EVERY_COMMAND),   # a file nobody listens on
    Step("-s", "http://127.0.0.1:1", "status"),
    Step("-s", "http://127.0.0.1:1", "avail"),
    Step("-s", "http://localhost:1", "shutdown"),
    Step("-s", "ftp://127.0.0.1", "status"),
    Step("-s", "unix://@DIR@/" + 120 * "x", "status"),
])


def _include_the_section(sandbox):
    with open(os.path.join(sandbox.folder, "client.conf"), "w", encoding="utf-8") as file:
        file.write("[supervisorctl]\nserverurl = unix://" + os.path.join(sandbox.folder, "ctl.sock") + "\n")


# T34: a client reads no included files, and needs its section even with -s.
sectionless = (SECTIONLESS + "[include]\nfiles = @DIR@/client.conf\n" + PROGRAMS[PROGRAMS.index("[program:sleeper]"):], [
    _include_the_section,
    Step("status"),
    Step("-s", "unix://@SOCKET@", "status"),
])

piped_shell = (PROGRAMS, ALL_UP + [
    Step(stdin=""),
    Step(stdin="\n"),
    Step(stdin="status sleeper\nquit\n"),
    Step(stdin="pid\nnosuch\nhelp start\n?\n! x\nstop sleeper\nstart sleeper\nexit\nstatus\n"),
    Step(stdin="status nosuch\n"),
    Step(stdin="version x\nEOF\n"),
    Step(stdin="open unix:///no/such\nstatus\nopen unix://@SOCKET@\n"),
    Step(stdin="shutdown\nn\nreload\n\nquit\n"),
    Step(stdin="tail nosuch\nclear sleeper\n  avail  \n"),
    Step("-i", stdin="pid sleeper"),
])

SLOW = PROGRAMS + """
[program:slow]
command = sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
startsecs = 0
stopwaitsecs = 10
stdout_logfile = @DIR@/slow.log
"""

shutting_down = (SLOW, [
    wait_text("slow.log", "ready"),
    Step("shutdown"),
    Step("shutdown"),
    Step("reread"),
    Step("update"),
    Step("add", "x"),
    Step("avail"),
    Step("reload"),
    Step("status"),
    Step("start", "sleeper"),
    Step("remove", "x"),
])
