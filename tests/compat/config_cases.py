"""Small configurations that Supervisor's parser and ours must read alike; test_config.py runs them.

A case is a name and a text, with more files beside it where it includes some. `meant` names why the two differ on purpose;
its test then insists that they do, and on what xsvd makes of it.
"""

import dataclasses
import typing

MEANT = {
    "no-supervisord": "[supervisord] may be missing: every key of it has a default",
    "byte-order-mark": "editors write it, and nobody means it",
    "names": "rule P6: a name that breaks event lines, log names or terminals (B32), or is longer than 64 bytes, is refused",
    "octal": "a mode has at most the bits 07777",
    "same-name": "B37: the second of two groups with one name would be shadowed",
    "parent-directory": "B44: the folder of a program's log is looked at when the log is opened, as for other daemons",
    "percent": "a percent sign of a log's name may be written %% as everywhere else; %%%% works as well",
    "here": "B40: %(here)s is a name like others, also behind a %%",
    "own-environment": "B40: the variables of process N do not leak into process N+1",
    "negative": "a time below zero is no time at all",
    "huge": "a number beyond 64 bits (32 for counts) is a mistake and not kept as it is",
    "durations": "times may have a unit, as in 500ms or 5m",
    "plugin": "no Python here: one warning names what does the same, and the daemon starts",
    "ipv6": "[::1]:9001 works",
    "variable-name": "a name in quotes loses them, as in Supervisor 4.3 and later; quotes within a variable's name are of no use",
    "quoting": "Supervisor 4.2.5 loses what follows an escaped quote; read as POSIX words, as 4.4 does",
    "unused-commas": "an empty item of a list of programs is a slip and not an unknown program",
    "header": "a [header without its end is a mistake and not a key",
    "identifier": "B32: the identifier stands in log names and event headers: no blanks, no /",
    "blame": "the mistake is the group's and not the last program's before it",
    "nameless": "a conversion without a name is always a mistake, and the text says what to write instead",
    "host-name": "%(host_node_name)s is known in [supervisord] too, as in Supervisor 4.3 for its environment",
    "unicode-blanks": "only the blanks of ASCII are blanks",
    "signal-names": "SIG_BLOCK and SIG_DFL are names of Python's signal module, not signals",
    "empty-path": "an empty path of the daemon's log or a socket would be the folder it runs in",
    "bytes": "a letter beyond ASCII behind a % is shown by its first byte",
    "ascii": "%a is the same as %r",
}


@dataclasses.dataclass
class Case:
    name: str
    text: typing.Union[str, bytes]
    files: dict = dataclasses.field(default_factory=dict)
    meant: str = ""
    ours: typing.Callable = None   # on what xsvctl check --json says, when it differs on purpose
    arguments: tuple = ()


CASES = []


def case(name, text, files=None, meant="", ours=None):
    CASES.append(Case(name, text, files or {}, meant, ours))


def program(name, lines, **rest):
    case(name, "[supervisord]\n[program:x]\ncommand=/bin/cat\n" + lines + "\n", **rest)


def daemon(name, lines, **rest):
    case(name, "[supervisord]\n" + lines + "\n", **rest)


# ---- 1.2 grammar: T26, T27 --------------------------------------------------------------------------------------------------

case("empty file", "", meant="no-supervisord", ours=lambda c: not c["groups"])
case("only comments", "; a\n# b\n", meant="no-supervisord", ours=lambda c: not c["groups"])
case("no section header", "logfile=x\n[supervisord]\n")
case("key before the section, indented", "  a=b\n")
case("missing separator", "[supervisord]\nnodaemon\n")
case("missing separators, two lines", "[supervisord]\nnodaemon\nfoo bar\nsilent=true\n")
case("empty key", "[supervisord]\n=x\n")
case("empty key with colon", "[supervisord]\n: x\n")
case("colon", "[supervisord]\nnodaemon : true\nidentifier:a=b\n")
case("equals in value", "[supervisord]\nidentifier=a=b:c\n")
case("colon before equals", "[supervisord]\nfoo:bar=baz\nidentifier : q=1\n")
case("blanks around", "[supervisord]\n  identifier   =    abc   \n")
case("upper-case key", "[supervisord]\nIDENTIFIER=abc\nNoDaemon=YES\n")
case("upper-case section", "[SUPERVISORD]\nidentifier=x\n[supervisord]\n")
case("text after the bracket", "[supervisord] trailing\nidentifier=x\n")
case("comment after the bracket", "[supervisord] ; comment\nidentifier=x\n")
case("two brackets", "[supervisord]x]\n[supervisord]\n")
case("blank in section name", "[supervisord]\n[ program:x]\ncommand=/bin/cat\n")
case("blanks in program name", "[supervisord]\n[program: x ]\ncommand=/bin/cat\n")
case("open header", "[supervisord]\n[program:x\ncommand=/bin/cat\n", meant="header", ours=lambda c: "without" in c["mistakes"][0])
case("crlf", "[supervisord]\r\nidentifier=abc\r\n[program:x]\r\ncommand=/bin/cat\r\n")
case("crlf continuation", "[supervisord]\r\n[program:x]\r\ncommand=/bin/cat\r\n  -u\r\n  -v\r\n")
case("old mac line ends", "[supervisord]\ridentifier=abc\r[program:x]\rcommand=/bin/cat\r")
case("no newline at the end", "[supervisord]\nidentifier=abc")
case("byte-order mark", b"\xef\xbb\xbf[supervisord]\nidentifier=abc\n", meant="byte-order-mark",
     ours=lambda c: c["supervisord"]["identifier"] == "abc")
case("utf-8 values", "[supervisord]\n[program:x]\ncommand=/bin/echo grüße — ☃\n")
case("tabs", "[supervisord]\n\tidentifier\t=\tabc\t\n")
case("form feed and vertical tab", "[supervisord]\nidentifier=abc\x0c\x0b\n")
case("duplicate key", "[supervisord]\nidentifier=a\nidentifier=b\n")
case("duplicate section", "[supervisord]\nidentifier=a\n[program:x]\ncommand=/bin/cat\n[supervisord]\nloglevel=debug\n"
     "[program:x]\nstartsecs=4\ncommand=/bin/true\n")
case("default section", "[DEFAULT]\nstartsecs=7\ncommand=/bin/cat\nidentifier=dflt\n[supervisord]\n[program:x]\n[program:y]\nstartsecs=8\n")
case("default section last", "[supervisord]\n[program:x]\ncommand=/bin/cat\n[DEFAULT]\nstartsecs=7\n")
case("default in lower case", "[default]\nstartsecs=7\n[supervisord]\n[program:x]\ncommand=/bin/cat\n")
case("default after an include", "[supervisord]\n[include]\nfiles=a.conf\n[program:x]\ncommand=/bin/cat\n",
     {"a.conf": "[DEFAULT]\nstartsecs=9\n"})
case("unknown sections and keys", "[supervisord]\nfoo=bar\n[nonsense]\na=b\n[program:x]\ncommand=/bin/cat\nzzz=1\n")
case("odd keys", "[supervisord]\na.b c[d]=1\nidentifier=x\n")
case("comment in column 0", "[supervisord]\n#identifier=a\n;identifier=b\n  # c\n  ; d\nidentifier=e\n")
case("inline comments", "[supervisord]\nidentifier=a ;b\nloglevel=debug #c\n")
case("inline comment without blank", "[supervisord]\nidentifier=a;b#c\n")
case("value is a comment", "[supervisord]\n[program:x]\ncommand=/bin/cat\nstdout_logfile= ;x\nstderr_logfile= #y\n")
program("value begins with a comment sign", "directory=;x")
program("comment in quotes", 'environment=A="a b"\ndirectory=/x "a ; b"')
case("command cut in quotes", '[supervisord]\n[program:x]\ncommand=sh -c "a ; b"\n')
case("command cut at hash", '[supervisord]\n[program:x]\ncommand=sh -c "a #b"\n')
case("command comment signs inside words", '[supervisord]\n[program:x]\ncommand=sh a;b c#d\n')
for _i, _line in enumerate([
        "a;b ;c #d", "a#b #c ;d", "a;b;c ;d #e", "a#b#c ;d #e", "a ;b;c", "a#b ;c", "a;b #c", "a;b;c #d ;e", "x # y ; z", "x ; y # z",
        "a#b#c#d ;e", "a;b;c;d #e", "a;b;c;d #e ;f", ";a", "#a", "a\t;b", "a\t#b", "a;", "a ;", "a#", "a;;b ;c", "a##b #c", "a;#b ;c",
        "a ;", "a#;b ;c", "a;b\u00a0;c", "a;b\u00a0#c #d"]):
    _rest = {"meant": "unicode-blanks", "ours": lambda c: "\u00a0" in _process(c)["command"]} if "\u00a0" in _line else {}
    case(f"comment rounds {_i}", f"[supervisord]\n[program:x]\ncommand={_line}\n", **_rest)
    case(f"comment rounds in a continuation {_i}", f"[supervisord]\n[program:x]\ncommand=z\n   {_line}\n", **_rest)
case("comment in a key line before the separator", "[supervisord]\nidentifier ;c=x\n")
case("continuation", "[supervisord]\n[program:x]\ncommand=/bin/sh\n -c\n   true\n")
case("continuation of an empty value", "[supervisord]\n[program:x]\ncommand=\n /bin/cat\n -u\n")
case("continuation looks like a key", "[supervisord]\n[program:x]\ncommand=/bin/cat\n startsecs=5\n")
case("continuation looks like a section", "[supervisord]\n[program:x]\ncommand=/bin/cat\n [program:y]\n")
case("continuation with blank lines", "[supervisord]\n[program:x]\ncommand=/bin/cat\n\n  -u\n\n\n  -v\n\nstartsecs=5\n")
case("continuation with comments", "[supervisord]\n[program:x]\ncommand=/bin/cat\n; comment\n  -u\n  ; comment\n  # comment\n  -v\n")
case("continuation with inline comments", "[supervisord]\n[program:x]\ncommand=/bin/cat ; c\n  -u ; d\n  -v # e\n")
case("blank line of blanks in a continuation", "[supervisord]\n[program:x]\ncommand=/bin/cat\n     \n  -u\n")
case("comment line and blank in a continuation", "[supervisord]\n[program:x]\ncommand=/bin/cat\n\n;c\n\n  -u\n")
case("trailing blank lines in a continuation", "[supervisord]\n[program:x]\ncommand=/bin/cat\n  -u\n\n\n")
case("indented keys", "[supervisord]\n[program:x]\n   command=/bin/cat\n   startsecs=5\n  startretries=7\n stopwaitsecs=6\n")
case("indented key deeper", "[supervisord]\n[program:x]\n  command=/bin/cat\n    startsecs=5\n")
case("indented section", "[supervisord]\n  [program:x]\n  command=/bin/cat\n")
case("indented after a header", "[supervisord]\n    [program:x]\n    command=/bin/cat\nstartsecs=4\n  -x\n")
case("deeper key after a header", "[supervisord]\nidentifier=a\n[program:x]\n     command=/bin/cat\n     startsecs=3\n")
case("header after an indented key", "[supervisord]\n[program:x]\n   command=/bin/cat\n  [program:y]\n  command=/bin/true\n")
case("comment only line does not end an option", "[supervisord]\n[program:x]\ncommand=/bin/cat\n#c\n -u\n")
case("continuation before any key", "[supervisord]\n   \n   identifier=x\n")
case("quotes have no meaning", "[supervisord]\nidentifier=\"abc\"\n[program:x]\ncommand=/bin/cat\ndirectory='/tmp'\n")
case("dollar and tilde have no meaning", "[supervisord]\n[program:x]\ncommand=$HOME/x ~/y ${Z}\ndirectory=~/z\n")
case("colon in key with blanks", "[supervisord]\nchildlogdir = /tmp\n[program:x]\ncommand = a : b\n")
case("value of equals signs", "[supervisord]\nidentifier ==x\n")
case("missing section supervisord", "[program:x]\ncommand=/bin/cat\n", meant="no-supervisord",
     ours=lambda c: c["groups"][0]["name"] == "x")

# ---- 1.3 value types ----------------------------------------------------------------------------------------------

for _value in ["true", "yes", "on", "1", "TRUE", "Yes", "oN", "false", "no", "off", "0", "y", "t", "2", "", "truee", " true ", "enabled"]:
    program(f"boolean {_value!r}", f"autostart={_value}")
for _value in ["0", "1", "007", "1_000", "+5", " 12 ", "1__0", "_1", "1_", "0x10", "1.5", "1e3", "", "five", "5 s", "-", "5 5"]:
    program(f"integer {_value!r}", f"startretries={_value}")
for _value in ["0", "5", "010", "1_0", "+5", "", "x", "--5"]:
    program(f"time {_value!r}", f"startsecs={_value}")
program("time with a point", "startsecs=1.", meant="durations", ours=lambda c: _process(c)["startsecs"] == 1)
program("time with a unit", "startsecs=500ms", meant="durations", ours=lambda c: _process(c)["startsecs"] == 0.5)
program("time in minutes", "stopwaitsecs=2m", meant="durations", ours=lambda c: _process(c)["stopwaitsecs"] == 120)
for _value in ["0", "100", "1KB", "1kb", "5 MB", "2GB", "50mB", "1K", "1M", "1B", "1TB", "1.5MB", "MB", "", "-1", "-5KB", "1 0KB", "1_0KB", "0MB", "3gb"]:
    program(f"bytes {_value!r}", f"stdout_logfile_maxbytes={_value}")
    program(f"capture bytes {_value!r}", f"stdout_capture_maxbytes={_value}")
for _value in ["022", "22", "0o22", "0O22", "0", "777", "0777", "8", "abc", "", "+22", "2_2", "1777", "0x7", " 022 "]:
    program(f"octal {_value!r}", f"umask={_value}")
program("octal beyond modes", "umask=77777", meant="octal", ours=lambda c: c["mistakes"])
program("octal below zero", "umask=-022", meant="octal", ours=lambda c: c["mistakes"])
for _value in ["0", "0,1", "0, 1 ,2", "", "255", "256", "-1", "0,", ",0", "a", "0 1", "1,1", "1_0", "007"]:
    program(f"exit codes {_value!r}", f"exitcodes={_value}")
for _value in ["TERM", "term", "SIGTERM", "sigterm", " TERM ", "9", "0", "31", "32", "33", "34", "35", "63", "64", "65", "-1", "CLD", "IOT", "POLL", "RTMIN",
               "RTMAX", "RTMIN+1", "SIG", "", "FOO", "SIGSIGTERM", "HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "SIGRTMIN", "STKFLT", "PWR", "SYS", "IO", "WINCH", "15.0", "0x9", "1_5", "CHLD", "ABRT",
               "UNUSED", "EMT", "INFO", "LOST", "DFL", "+9"]:
    program(f"signal {_value!r}", f"stopsignal={_value}")
for _value in ["_BLOCK", "SIG_DFL"]:
    program(f"signal {_value!r}", f"stopsignal={_value}", meant="signal-names", ours=lambda c: c["mistakes"])
for _value in ["true", "false", "unexpected", "UNEXPECTED", "Unexpected", "", "always", "1", "0", "on"]:
    program(f"autorestart {_value!r}", f"autorestart={_value}")
for _value in ["critical", "error", "warn", "info", "debug", "trace", "blather", "INFO", "Warn", "warning", "crit", "20", ""]:
    daemon(f"log level {_value!r}", f"loglevel={_value}")
for _value in ["root", "0", "nobody", "65534", "no-such-user", "999999", "-1", "", " root ", "Root", "1.0"]:
    program(f"user {_value!r}", f"user={_value}")
for _value in ["NONE", "none", "OFF", "off", "AUTO", "auto", "Auto", "syslog", "SysLog", "", "/tmp/x.log", "x.log", "./x.log", "~/x.log", "/tmp/../tmp/y.log",
               "~root/x.log", "no ne", "a b.log", "/dev/stdout", "/dev/null"]:
    program(f"stdout_logfile {_value!r}", f"stdout_logfile={_value}")
    program(f"stderr_logfile {_value!r}", f"stderr_logfile={_value}")
program("log in the home of nobody", "stdout_logfile=~nosuchuser/x.log", meant="parent-directory", ours=lambda c: not c["mistakes"])
program("log in a missing folder", "stdout_logfile=/no/such/folder/x.log", meant="parent-directory",
        ours=lambda c: not c["mistakes"] and _process(c)["stdout_logfile"] == "/no/such/folder/x.log")
for _value in ["9001", "localhost:9001", "*:9001", ":9001", "127.0.0.1:9001", "HOST:9001", "0", "65535", "65536", "-1", "x", "host:", "host:x", "", " 9001 ", "a:b:9001", "0.0.0.0:80",
               "127.0.0.1: 9001", "host: ", "9_001", "09001", "9001.0"]:
    case(f"inet address {_value!r}", f"[supervisord]\n[inet_http_server]\nport={_value}\n")
case("inet address, IPv6", "[supervisord]\n[inet_http_server]\nport=[::1]:9001\n", meant="ipv6",
     ours=lambda c: c["servers"][0]["host"] == "::1")
for _value in ["a", "a-b", "a.b", "a_b", "ä", "a b", "a:b", "a/b", "x" * 64, "a%b", "a'b", '"q"', "%(x)s", "a,b", "a=b", "@x", "1", "a\tb"]:
    case(f"program name {_value!r}", f"[supervisord]\n[program:{_value}]\ncommand=/bin/cat\n",
         **({"meant": "names", "ours": lambda c: c["mistakes"]} if "\t" in _value else {}))
case("program name empty", "[supervisord]\n[program:]\ncommand=/bin/cat\n", meant="names", ours=lambda c: c["mistakes"])
case("program name too long", f"[supervisord]\n[program:{'x' * 65}]\ncommand=/bin/cat\n", meant="names", ours=lambda c: c["mistakes"])
case("group name with blank", "[supervisord]\n[group:a b]\nprograms=x\n[program:x]\ncommand=/bin/cat\n")
program("process name with blank", "process_name=a b")
program("process name with colon", "process_name=%(program_name)s:1")
program("process name with a blank after expansion", 'environment=N="a b"\nprocess_name=%(ENV_N)s', meant="names", ours=lambda c: c["mistakes"])
program("process name trimmed", "process_name=   web   ")

# ---- 1.4 expansion: T28, T29, T30 ------------------------------------------------------------------------------------------------

for _i, _value in enumerate([
        "%(program_name)s", "%(group_name)s", "%(process_num)d", "%(process_num)02d", "%(process_num)5d|", "%(process_num)-5d|", "%(process_num)+d", "%(process_num)x",
        "%(process_num)s", "%(process_num)05s|", "%(program_name)r", "%(program_name)5s|", "%(program_name)-5s|", "%(program_name).1s", "%(numprocs)d", "%(here)s/a",
        "%(ENV_FOO)s", "%(ENV_EMPTY)s.", "%(ENV_PCT)s", "%(ENV_NOPE)s", "%(nope)s", "%%", "%%%%", "100%", "%", "%H", "%(program_name)", "%(program_name", "%(program_name)z",
        "%(program_name)d", "%(process_num)c|", "%(process_num)e", "%(process_num).2f", "%(process_num)g", "%(process_num)i", "%(process_num)u", "%(process_num)o",
        "%(process_num)#x", "%(process_num)#o", "%(process_num) d", "%(process_num)X", "%(process_num)E", "%(process_num)G", "%(process_num)F", "%(process_num)a", "%(program_name)a", "%(program_name)c",
        "%(process_num)ld", "%(process_num)hd", "%(process_num)Ld", "%(process_num)lld", "%(process_num)*d", "%()s", "%(a(b)c)s", "%(program_name)%", "%5%", "%-5%|", "%(program_name)5%",
        "%(process_num).3d", "%(process_num)08.3d", "%(process_num)+05d", "%(process_num)-05d|", "%(process_num)#5x|", "%(process_num)#05x|", "%(process_num).0f", "%(process_num)#.0f",
        "%(program_name).0s|", "%(program_name).s|", "%(process_num)b", "%(host_node_name)s", "%(HOST_NODE_NAME)s", "%(Program_Name)s", "%(program_name)s%(process_num)s", "%(process_num)#X",
        "%(process_num)#d", "%(process_num)+s", "%(program_name)+5s|", "%(program_name)05s|", "%(ENV_FOO)d", "%(ENV_FOO)x", "%(ENV_FOO)f", "%(ENV_FOO)c", "%(ENV_QUOTE)r", "%(ENV_QUOTE2)r", "%(ENV_UTF8)r", 
        "%(ENV_UTF8).1s|", "%(ENV_UTF8)5s|", "%(process_num)q", "%()d", "%(process_num)+x", "%(process_num) x", "%(process_num).5x", "%(process_num)#.5o", "%(process_num)0-5d|", "%(process_num)0+5d|", "%(process_num)#s"]):
    program(f"expansion {_i} {_value}", f"numprocs=1\nnumprocs_start=11\ndirectory={_value}")
for _value in ["%s", "%d", "% d", "%5x", "%r", "%c"]:
    program(f"conversion without a name {_value}", f"directory={_value}", meant="nameless", ours=lambda c: "a name is missing" in c["mistakes"][0])
for _value in ["%ü", "%(program_name)ü"]:
    program(f"conversion {_value}", f"directory={_value}", meant="bytes", ours=lambda c: c["mistakes"])
program("conversion %a", "directory=%(ENV_UTF8)a", meant="ascii", ours=lambda c: _process(c)["directory"] == "'gr\u00fc\u00df'")
_plain = ["here", "ENV_FOO", "host_node_name", "program_name", "group_name", "process_num", "numprocs", "ENV_OWN"]
for _key, _format in [("command", "/bin/%({})s"), ("directory", "/%({})s"), ("process_name", "p%({})s"), ("stdout_logfile", "/tmp/%({})s"), ("stderr_logfile", "/tmp/%({})s"),
                      ("environment", 'OWN="own",A="%({})s"'), ("serverurl", "%({})s"), ("user", "%({})s"), ("stopsignal", "%({})s"), ("priority", "%({})s"), ("umask", "%({})s"),
                      ("stdout_logfile_maxbytes", "%({})s"), ("stdout_logfile_backups", "%({})s"), ("startsecs", "%({})s"), ("exitcodes", "%({})s"), ("autostart", "%({})s"),
                      ("numprocs_start", "%({})s"), ("stdout_syslog", "%({})s"), ("stdout_capture_maxbytes", "%({})s"), ("stdout_events_enabled", "%({})s"), ("redirect_stderr", "%({})s"),
                      ("autorestart", "%({})s"), ("startretries", "%({})s"), ("stopwaitsecs", "%({})s"), ("stopasgroup", "%({})s"), ("killasgroup", "%({})s"), ("numprocs", "%({})s")]:
    for _name in _plain:
        _own = "" if _key == "environment" else "environment=OWN=\"own\"\n"
        _slash = {"meant": "names", "ours": lambda c: c["mistakes"]} if _key == "process_name" and _name == "here" else {}
        if _key.endswith("_logfile") and _name == "here":
            _slash = {"meant": "parent-directory", "ours": lambda c: not c["mistakes"]}
        program(f"{_key} knows {_name}", _own + f"{_key}=" + _format.format(_name), **_slash)
for _key in ["identifier", "logfile", "pidfile", "user", "umask", "directory", "environment", "loglevel", "childlogdir", "nodaemon", "minfds"]:
    for _name in ["here", "ENV_FOO", "host_node_name", "program_name", "ENV_OWN"]:
        _value = f'A="%({_name})s"' if _key == "environment" else f"%({_name})s"
        _rest = {"meant": "host-name", "ours": lambda c: not any("host_node_name" in each.partition("Available")[0] for each in c["mistakes"])} if _name == "host_node_name" else {}
        if _key == "identifier" and _name == "here":
            _rest = {"meant": "identifier", "ours": lambda c: c["mistakes"]}
        daemon(f"supervisord {_key} knows {_name}", ("environment=OWN=own\n" if _key != "environment" else "") + f"{_key}={_value}", **_rest)
for _name in ["here", "ENV_FOO", "ENV_OWN", "host_node_name"]:
    _rest = {"meant": "here", "ours": lambda c: not any("(here)" in each for each in c["mistakes"])} if _name == "here" else {}
    case(f"unix server file knows {_name}", f"[supervisord]\nenvironment=OWN=own\n[unix_http_server]\nfile=/tmp/%({_name})s.sock\n")
    case(f"server username knows {_name}", f"[supervisord]\nenvironment=OWN=own\n[unix_http_server]\nfile=/tmp/s.sock\nusername=%({_name})s\npassword=x\n", **_rest)
    case(f"server chmod knows {_name}", f"[supervisord]\nenvironment=OWN=0770\n[unix_http_server]\nfile=/tmp/s.sock\nchmod=%({_name})s\n", **_rest)
    case(f"inet port knows {_name}", f"[supervisord]\nenvironment=OWN=9001\n[inet_http_server]\nport=%({_name})s\n", **_rest)
    case(f"group programs knows {_name}", f"[supervisord]\nenvironment=OWN=x\n[group:g]\nprograms=%({_name})s\n[program:x]\ncommand=/bin/cat\n[program:bar]\ncommand=/bin/cat\n")
    case(f"include knows {_name}", f"[supervisord]\nenvironment=OWN=x\n[include]\nfiles=%({_name})s.conf\n", {"bar.conf": "[program:y]\ncommand=/bin/cat\n"})
program("group name of a member", "directory=/%(group_name)s\n[group:g]\nprograms=x")
program("log name with four percent signs", "stdout_logfile=/tmp/a%%%%b.log")
program("log name with six percent signs", "stdout_logfile=/tmp/a%%%%%%b.log", meant="percent", ours=lambda c: _process(c)["stdout_logfile"] == "/tmp/a%%%b.log")
program("log name with two percent signs", "stdout_logfile=/tmp/a%%b.log", meant="percent", ours=lambda c: _process(c)["stdout_logfile"] == "/tmp/a%b.log")
program("log name that names a name", "stdout_logfile=/tmp/%%(program_name)s.log")
program("percent in a variable of a log name", "stdout_logfile=/tmp/%(ENV_PCT)s.log", meant="percent", ours=lambda c: _process(c)["stdout_logfile"] == "/tmp/50%.log")
daemon("supervisord environment with four percent signs", 'environment=A="50%%%%"')
daemon("supervisord environment with two percent signs", 'environment=A="50%%"', meant="percent", ours=lambda c: c["supervisord"]["environment"]["A"] == "50%")
program("program environment percent", 'environment=A="50%%"')
daemon("daemon environment reaches programs", 'environment=G="glob"\n[program:x]\ncommand=/bin/%(ENV_G)s\nenvironment=H="%(ENV_G)s2"')
daemon("program's variable wins", 'environment=A="1",B="2"\n[program:x]\ncommand=/bin/cat\nenvironment=A="3",C="4"')
program("own environment names", 'environment=A="1",B="%(process_num)d"\ndirectory=/%(ENV_A)s/%(ENV_B)s')
program("own environment does not see itself", 'environment=A="1",B="%(ENV_A)s"')
program("here in a comment", "directory=/x ;%(here)s")
program("numprocs", "numprocs=3\nprocess_name=%(program_name)s_%(process_num)02d\nnumprocs_start=5\nstdout_logfile=/tmp/%(process_num)d.log")
program("numprocs without process_num", "numprocs=2")
program("numprocs zero", "numprocs=0")
program("numprocs below zero", "numprocs=-2")
program("numprocs with num in text", "numprocs=2\nprocess_name=%(process_num)s")
program("numprocs with a doubtful name", "numprocs=2\nprocess_name=%%(process_num)d", meant="names", ours=lambda c: c["mistakes"])
program("own environment of another process", 'numprocs=2\nprocess_name=p%(process_num)d\nenvironment=A%(process_num)d="x"\ndirectory=/%(ENV_A0)s', meant="own-environment",
        ours=lambda c: "ENV_A0" in c["mistakes"][0])
case("here with an include", "[supervisord]\n[include]\nfiles=sub/*.conf\n[program:x]\ncommand=%(here)s/x\n[inet_http_server]\nport=1\nusername=%(here)s\npassword=y\n",
     {"sub/a.conf": "[program:y]\ncommand=%(here)s/y\ndirectory=%(here)s\nenvironment=A=\"%(here)s\"\nstdout_logfile=%(here)s/l.log\n"})
case("here behind a percent sign", "[supervisord]\n[include]\nfiles=a.conf\n[program:x]\ncommand=/bin/cat\ndirectory=%%(here)s\n", {"a.conf": ""}, meant="here",
     ours=lambda c: _process(c)["directory"] == "%(here)s")

# ---- 1.5 include: T35 --------------------------------------------------------------------------------------------------

_y = "[program:y]\ncommand=/bin/y\n"
_z = "[program:z]\ncommand=/bin/z\n"
_main = "[supervisord]\n[include]\nfiles={}\n"
case("include", _main.format("a.conf b.conf"), {"a.conf": _y, "b.conf": _z})
case("include on several lines", _main.format("a.conf\n  b.conf"), {"a.conf": _y, "b.conf": _z})
case("include with a comma", _main.format("a.conf,b.conf"), {"a.conf": _y, "b.conf": _z})
case("include without files", "[supervisord]\n[include]\n")
case("include with other keys", "[supervisord]\n[include]\nfoo=bar\n")
case("include no match", _main.format("no/*.conf"))
case("include empty", _main.format(""))
case("include glob", _main.format("d/*.conf"), {"d/b.conf": _z, "d/a.conf": _y, "d/.hidden.conf": "[program:h]\ncommand=/h\n"})
case("include question mark and set", _main.format("?.conf [bc].cnf"), {"a.conf": _y, "b.cnf": _z, "d.cnf": "[program:d]\ncommand=/d\n"})
case("include negated set", _main.format("[!a].conf"), {"a.conf": _y, "b.conf": _z})
case("include braces", _main.format("{a,b}.conf"), {"a.conf": _y, "b.conf": _z})
case("include double star", _main.format("**/*.conf"), {"d/a.conf": _y, "d/e/b.conf": _z})
case("include dot explicitly", _main.format(".*.conf"), {".a.conf": _y})
case("include tilde", _main.format("~/nosuch.conf"))
case("include order within a pattern", _main.format("*.cnf"), {"b.cnf": "[program:y]\ncommand=/second\n", "a.cnf": "[program:y]\ncommand=/first\nstartsecs=3\n", "B.cnf": "[program:y]\nstartsecs=9\n"})
case("include order of patterns", _main.format("b.cnf a.cnf"), {"b.cnf": "[program:y]\ncommand=/b\n", "a.cnf": "[program:y]\ncommand=/a\n"})
case("include twice", _main.format("a.cnf a.cnf"), {"a.cnf": _y})
case("include overrides the main file", "[supervisord]\nidentifier=a\n[include]\nfiles=a.cnf\n[program:y]\ncommand=/main\nstartsecs=2\n", {"a.cnf": "[supervisord]\nidentifier=b\n" + _y})
case("include supplies supervisord", "[include]\nfiles=a.cnf\n", {"a.cnf": "[supervisord]\nidentifier=b\n"})
case("nested include", _main.format("a.cnf"), {"a.cnf": "[include]\nfiles=b.cnf\n" + _y, "b.cnf": _z})
case("relative include in a folder", _main.format("d/a.cnf"), {"d/a.cnf": "[program:y]\ncommand=%(here)s\nstdout_logfile=x.log\n"})
case("include broken", _main.format("a.cnf"), {"a.cnf": "nonsense\n"})
case("include with a bad value", _main.format("a.cnf"), {"a.cnf": "[program:y]\ncommand=/y\nstartsecs=x\n"})
case("include with a percent sign", _main.format("a%.cnf"), meant="nameless", ours=lambda c: c["fatal"])
case("include of a folder with a percent sign", _main.format("a%%.cnf"), {"a%.cnf": _y})
case("include and group", "[supervisord]\n[group:g]\nprograms=y,x\n[include]\nfiles=a.cnf\n[program:x]\ncommand=/x\n", {"a.cnf": _y})
case("include backslash", _main.format("a\\*.cnf"), {"a\\b.cnf": _y})

# ---- 1.6 environment= ---------------------------------------------------------------------------------------------

for _i, _value in enumerate([
        "A=1", "A=1,B=2", "A=1, B=2 , C=3", 'A="1",B="2, 3",C=\'x y\'', "A=http://x:80/y", "A=", "A", "A=1,,B=2", "A=1 B=2", "A=1,", "A=1;B=2", "A=1;", 'A=""', "A=''", "A=a@b", "A=a*b", "A=a=b", "A=[x]",
        "A=a b", "A=$HOME", "A=~x", "A=\\", 'A=a"b"c', "A=a'b'c", 'A="x\'y"', "A='x\"y'", 'A="', "A='", 'A="a', "A=/usr/bin:/bin", "A=(x)", "A=1+2-3", "A=a.b,B=c/d", "A.B=1", "A/B=1", "A-B=1", "A:B=1", "=1", "A==1",
        "A=1,B", "A=1,B=", ",A=1", "A = 1 , B = 2", "A\n=1", "A=1,\n B=2", "A=1\n ,B=2", 'A="1\n 2"', 'A="""', 'A="\'"', "A=ü", "A=\u00e9,B=1", 'A="ü"', "A=1:2", "A={x}", "A=<x>", "A=a,B=a!", "A=!", "A=!,B=2", "A=^x,B=2",
        "A=a,A=b", 'A="a,b"', 'A="a=b"', 'A="a#b"', "A=a#b", "A=a;b", "A=a#b,C=d", "A=1|B=2", "A=1 , B=2", "A=1.5e3", "A=%%", "A=%%,B=1", "A=\"%%\"", "A='a\\'", 'A="a\\\\b"', "A=\\,B=1", 'A="a\\nb"', "A=''\"\"", 'A="" "b"', "A='a' 'b'",
        "", " ", ",", ";", "A='\"x\"'", "A=\"'x'\"", "A=\"x'\"", "1=2", "_=3", "A=`x`", "A=&", "A=a&b", 'A="a" ,B="b"', 'A=a""b', "A=--x=y", "A=-x", "A='a,b',B='c;d'", "A=\t1"]):
    program(f"environment {_i} {_value!r}", f"environment={_value}")
program("environment, a key in quotes", 'environment=A="x","B"="y"', meant="variable-name", ours=lambda c: _process(c)["environment"] == {"A": "x", "B": "y"})
program("environment, text behind a quoted part", 'environment=A="a"b', meant="quoting", ours=lambda c: _process(c)["environment"] == {"A": "ab"})
program("environment, a backslash before a letter", "environment=A=\\n", meant="quoting", ours=lambda c: _process(c)["environment"] == {"A": "n"})
program("environment, an escaped quote", 'environment=A="a\\"b"', meant="quoting", ours=lambda c: _process(c)["environment"] == {"A": 'a"b'})
program("environment, an escaped quote and more", 'environment=A="a\\"b",C="d"', meant="quoting", ours=lambda c: _process(c)["environment"] == {"A": 'a"b', "C": "d"})
program("environment, JSON", 'environment=A="{\\"k\\": \\"v, w\\"}",C=d', meant="quoting", ours=lambda c: _process(c)["environment"] == {"A": '{"k": "v, w"}', "C": "d"})

# ---- 1.7 sections and keys ----------------------------------------------------------------------------------------

daemon("supervisord defaults", "")
daemon("supervisord everything", "logfile=a.log\nlogfile_maxbytes=1MB\nlogfile_backups=3\nloglevel=debug\npidfile=a.pid\numask=077\nnodaemon=true\nsilent=true\nminfds=100\nminprocs=50\n"
       "nocleanup=true\nchildlogdir=/tmp\nuser=root\ndirectory=/tmp\nstrip_ansi=true\nenvironment=A=b\nidentifier=me")
for _line in ["logfile=NONE", "logfile=syslog", "logfile=SYSLOG", "logfile=AUTO", "logfile=/no/such/x.log", "logfile=~/x.log", "logfile=a/b.log", "pidfile=/no/such/x.pid", "logfile_maxbytes=0", "logfile_maxbytes=x", "logfile_backups=x", "logfile_backups=0",
              "nodaemon=maybe", "silent=x", "minfds=x", "minfds=0", "minprocs=", "minfds=1_000", "childlogdir=/no/such", "childlogdir=/etc/passwd", "childlogdir=~", "directory=/no/such", "directory=", "directory=/etc/passwd", "directory=~", "umask=9", "umask=",
              "user=no-such-user", "user=0", "user=", "strip_ansi=x", "environment=A", "environment=A=", "nocleanup=2", "identifier=", "identifier=a.b*c"]:
    daemon(f"supervisord {_line}", _line, **({"meant": "identifier", "ours": lambda c: c["mistakes"]} if _line == "identifier=" else {}))
for _line in ["logfile=", "pidfile="]:
    daemon(f"supervisord {_line}", _line, meant="empty-path", ours=lambda c: c["fatal"])
case("unix server with an empty path", "[supervisord]\n[unix_http_server]\nfile=\n", meant="empty-path", ours=lambda c: "has no file value" in c["mistakes"][0])
daemon("identifier with a blank", "identifier=a b", meant="identifier", ours=lambda c: c["mistakes"])
for _i, _lines in enumerate([
        "file=/tmp/s.sock", "file=s.sock", "file=~/s.sock", "", "file=/tmp/s.sock\nchmod=0777", "file=/tmp/s.sock\nchmod=9", "file=/tmp/s.sock\nchmod=",
        "file=/tmp/s.sock\nchown=root", "file=/tmp/s.sock\nchown=root:root", "file=/tmp/s.sock\nchown=0:0", "file=/tmp/s.sock\nchown=nosuch", "file=/tmp/s.sock\nchown=root:nosuch",
        "file=/tmp/s.sock\nchown=", "file=/tmp/s.sock\nchown=root:", "file=/tmp/s.sock\nchown=:root", "file=/tmp/s.sock\nusername=a\npassword=b", "file=/tmp/s.sock\nusername=a", "file=/tmp/s.sock\npassword=b",
        "file=/tmp/s.sock\nusername=\npassword=", "file=/tmp/s.sock\nusername=\npassword=x", "file=/tmp/s.sock\nusername=x\npassword=", "file=/tmp//a/../s.sock", "file=/tmp/s.sock\nport=9001"]):
    case(f"unix server {_i} {_lines!r}", f"[supervisord]\n[unix_http_server]\n{_lines}\n")
case("unix server with a name", "[supervisord]\n[unix_http_server:two]\nfile=/tmp/2.sock\n[unix_http_server]\nfile=/tmp/1.sock\n[unix_http_serverX]\nfile=/tmp/3.sock\n")
case("inet servers and unix servers", "[supervisord]\n[unix_http_server]\nfile=/tmp/1.sock\n[inet_http_server:b]\nport=9002\n[inet_http_server]\nport=9001\nusername=u\npassword={SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n")
case("inet server without a port", "[supervisord]\n[inet_http_server]\nusername=a\npassword=b\n")
case("inet server, incomplete", "[supervisord]\n[inet_http_server]\nport=9001\nusername=a\n")
program("program everything", """process_name=%(program_name)s_%(process_num)d
numprocs=2
numprocs_start=1
priority=7
autostart=false
startsecs=3
startretries=9
autorestart=true
exitcodes=0,2
stopsignal=USR2
stopwaitsecs=20
stopasgroup=true
killasgroup=true
user=root
redirect_stderr=true
stdout_logfile=/tmp/o.log
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=3
stdout_capture_maxbytes=2MB
stdout_events_enabled=true
stdout_syslog=true
stderr_logfile=/tmp/e.log
stderr_logfile_maxbytes=3MB
stderr_logfile_backups=4
stderr_capture_maxbytes=5MB
stderr_events_enabled=true
stderr_syslog=true
environment=A="1"
directory=/tmp
umask=022
serverurl=http://x:1""")
case("no command", "[supervisord]\n[program:x]\n")
case("empty command", "[supervisord]\n[program:x]\ncommand=\n")
program("stopasgroup", "stopasgroup=true")
program("killasgroup alone", "killasgroup=true")
program("stopasgroup without killasgroup", "stopasgroup=true\nkillasgroup=false")
program("priority below zero", "priority=-5")
program("priority bad", "priority=high")
program("serverurl auto", "serverurl=Auto")
program("serverurl empty", "serverurl=")
program("serverurl", "serverurl=unix:///tmp/x.sock")
program("auto log without rollover", "stdout_logfile_maxbytes=0\nstderr_logfile_maxbytes=0")
program("redirect with a stderr log", "redirect_stderr=true\nstderr_logfile=/tmp/x.log")
program("redirect with auto", "redirect_stderr=true\nstderr_logfile=AUTO\nstdout_logfile=NONE")
program("backups bad", "stdout_logfile_backups=x")
program("directory is not looked at", "directory=/no/such/folder")
for _key in ["startretries", "numprocs_start"]:
    program(f"{_key} below zero", f"{_key}=-1")
for _key in ["startsecs", "stopwaitsecs"]:
    program(f"{_key} below zero", f"{_key}=-1", meant="negative", ours=lambda c: not c["mistakes"])
program("huge number", "startretries=99999999999999999999", meant="huge", ours=lambda c: c["mistakes"])
_programs = "[program:a]\ncommand=/a\n[program:b]\ncommand=/b\n[program:c]\ncommand=/c\npriority=5\n"
for _i, _lines in enumerate(["programs=a,b", "programs=b, a", "programs=", "", "programs=a\npriority=3", "programs=nosuch", "programs=a\npriority=x", "programs=c,a,b", "programs=a b"]):
    case(f"group {_i} {_lines!r}", f"[supervisord]\n[group:g]\n{_lines}\n{_programs}")
case("group with an unknown program behind a known one", f"[supervisord]\n[group:g]\nprograms=a,nosuch\n{_programs}", meant="blame", ours=lambda c: "[group:g] names unknown" in c["mistakes"][0])
case("group with a stray comma", f"[supervisord]\n[group:g]\nprograms=a,,b,\n{_programs}", meant="unused-commas", ours=lambda c: len(c["groups"][0]["processes"]) in (1, 2))
case("program in two groups", f"[supervisord]\n[group:g]\nprograms=a\n[group:h]\nprograms=a,b\n{_programs}")
case("group with the name of its program", f"[supervisord]\n[group:a]\nprograms=a,b\n{_programs}")
case("group with the name of another program", f"[supervisord]\n[group:a]\nprograms=b,c\n{_programs}", meant="same-name", ours=lambda c: "already defined" in c["mistakes"][0])
case("order of groups", "[supervisord]\n[program:z]\ncommand=/z\npriority=1\n[program:a]\ncommand=/a\n[program:m]\ncommand=/m\npriority=1\n")
case("order of processes", "[supervisord]\n[group:g]\nprograms=z,a,m\n[program:z]\ncommand=/z\npriority=1\n[program:a]\ncommand=/a\n[program:m]\ncommand=/m\npriority=1\n")
case("rpcinterface", "[supervisord]\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n")
case("rpcinterface of another", "[supervisord]\n[rpcinterface:twiddler]\nsupervisor.rpcinterface_factory = supervisor_twiddler.rpcinterface:make_twiddler_rpcinterface\n",
     meant="plugin", ours=lambda c: not c["mistakes"] and len(c["warnings"]) == 1 and "twiddler" in c["warnings"][0])
case("rpcinterface without a factory", "[supervisord]\n[rpcinterface:supervisor]\n")
case("ctlplugin", "[supervisord]\n[ctlplugin:cache]\nsupervisor.ctl_factory = supervisor_cache.controllerplugin:make\n")
case("supervisorctl", "[supervisord]\n[supervisorctl]\nserverurl=unix:///tmp/x.sock\nusername=a\npassword=b\nprompt=p\nhistory_file=~/h\n")
case("old-style syslog", "[supervisord]\n[program:x]\ncommand=/x\nstdout_logfile=syslog\nstderr_logfile=SYSLOG\n")


def _process(config):
    return config["groups"][0]["processes"][0]
