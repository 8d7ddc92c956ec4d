"""Who may do what: by the kernel's word on unix sockets, by the server on TCP; and the line that every change leaves."""
import base64
import grp
import os
import pwd
import re
import subprocess
import unittest
import xmlrpc.client

import xsvd

SLEEPER = "[program:sleeper]\ncommand = /bin/sleep 1000\nstartsecs = 0\n"
# Two users and a group that every Debian has, and that run nothing.
ALICE, BOB, STAFF = pwd.getpwnam("games").pw_uid, pwd.getpwnam("news").pw_uid, grp.getgrnam("floppy").gr_gid
PYTHON = "/usr/bin/python3"   # which every user may run
CLIENT = """
import http.client, socket, sys, xmlrpc.client
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
class Transport(xmlrpc.client.Transport):
    def make_connection(self, host):
        return Connection("localhost")
proxy = xmlrpc.client.ServerProxy("http://localhost", Transport())
try:
    print(repr(getattr(proxy, sys.argv[2])(*eval(sys.argv[3]))))
except xmlrpc.client.Fault as fault:
    print("fault", fault.faultString)
except xmlrpc.client.ProtocolError as error:
    print("status", error.errcode)
"""


def ask(path, uid, method, *params, groups=()):
    """The answer to a call by this user, or the fault, or the HTTP status."""
    done = subprocess.run([PYTHON, "-I", "-c", CLIENT, path, method, repr(params)], capture_output=True, text=True, check=False, user=uid, group=uid,
                          extra_groups=list(groups), cwd="/", timeout=xsvd.PATIENCE)
    return done.stdout.strip() or done.stderr


@unittest.skipUnless(xsvd.is_root(), "only root can call as several users")
class Peers(xsvd.TestCase):
    def start(self, keys):
        folder = self.folder()
        os.chmod(folder, 0o755)
        self.door = f"{folder}/door.sock"
        daemon = self.daemon(f"[unix_http_server:door]\nfile = {self.door}\nchmod = 0777\n{keys}\n" + SLEEPER)
        daemon.wait_for_pid("sleeper")
        return daemon

    def test_each_peer_has_its_role(self):
        daemon = self.start(f"peers = games:operator, @floppy:viewer")
        state = ("supervisor.getState",)
        stop = ("supervisor.stopProcess", "sleeper")
        self.assertIn("RUNNING", ask(self.door, ALICE, *state))
        self.assertEqual(ask(self.door, ALICE, *stop), "True")
        self.assertEqual(ask(self.door, ALICE, "supervisor.shutdown"), "fault FAILED: supervisor.shutdown needs the role admin, not operator")
        self.assertIn("RUNNING", ask(self.door, BOB, *state, groups=[STAFF]))
        self.assertEqual(ask(self.door, BOB, "supervisor.startProcess", "sleeper", groups=[STAFF]),
                         "fault FAILED: supervisor.startProcess needs the role operator, not viewer")
        multicall = ("system.multicall", [{"methodName": "supervisor.startProcess", "params": ["sleeper"]}, {"methodName": "supervisor.getPID", "params": []}])
        answers = ask(self.door, BOB, *multicall, groups=[STAFF])
        self.assertIn("needs the role operator", answers)
        self.assertIn(str(daemon.pid), answers)
        self.assertEqual(ask(self.door, BOB, *state), "status 403")
        self.assertEqual(ask(self.door, 0, "supervisor.startProcess", "sleeper"), "True")
        log = daemon.read_log()
        self.assertRegex(log, rf"INFO audit: uid {ALICE} pid \d+ \(\S+\): supervisor.stopProcess\('sleeper'\): done\n")
        self.assertRegex(log, rf"INFO audit: uid {ALICE} pid \d+ \(\S+\): supervisor.shutdown\(\): FAILED: supervisor.shutdown needs the role admin")
        self.assertRegex(log, rf"INFO audit: uid {BOB} pid \d+ \(\S+\): supervisor.startProcess\('sleeper'\): FAILED")
        self.assertRegex(log, r"INFO audit: uid 0 pid \d+ \(\S+\): supervisor.startProcess\('sleeper'\): done\n")
        self.assertRegex(log, rf"WARN a client was turned away: uid {BOB} pid \d+ \(\S+\) has no role here\n")
        self.assertNotIn("getState", log)

    def test_a_server_caps_everybody_and_a_reload_counts_at_once(self):
        daemon = self.start("role = viewer")
        self.assertIn("needs the role operator, not viewer", ask(self.door, 0, "supervisor.stopProcess", "sleeper"))
        self.assertIn("RUNNING", ask(self.door, ALICE, "supervisor.getState"))
        daemon.reload(f"[unix_http_server:door]\nfile = {self.door}\nchmod = 0777\npeers = *:operator\n" + SLEEPER)
        self.assertEqual(ask(self.door, ALICE, "supervisor.stopProcess", "sleeper"), "True")
        self.assertIn("needs the role admin, not operator", ask(self.door, ALICE, "xsv.reload"))

    def test_who_is_connected_stays_himself_when_the_engine_is_replaced(self):
        daemon = self.start(f"peers = games:viewer")
        with xsvd.connect(self.door) as s:
            def call(method):
                body = xmlrpc.client.dumps((), method).encode()
                s.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                answer = b""
                while b"</methodResponse>" not in answer:
                    part = s.recv(65536)
                    if not part:
                        return None   # it came while no engine was there
                    answer += part
                return answer
            self.assertIn(b"RUNNING", call("supervisor.getState"))
            engine = daemon.engine()
            os.kill(engine, 9)
            daemon.wait_for_engine(other_than=engine)
            daemon.wait_until_ready()
            self.assertIn(b"RUNNING", call("supervisor.getState"))
            self.assertIn(b"SUCCESS", call("supervisor.stopAllProcesses").replace(b"OK", b"SUCCESS"))
        self.assertRegex(daemon.read_log(), r"audit: uid 0 pid \d+ \(\S+\): supervisor.stopAllProcesses\(\): done")

    def test_one_user_does_not_take_all_places(self):
        daemon = self.start("")
        script = f"""
import socket, sys
all, served = [], 0
for _ in range(100):
    s = socket.socket(socket.AF_UNIX)
    s.connect({self.door!r})
    all.append(s)
    try:
        s.sendall(b"GET /logtail/sleeper HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        served += b" 200 " in s.recv(20)
    except OSError:
        pass   # refused before it could ask
print(served, flush=True)
sys.stdin.read()
"""
        child = subprocess.Popen([PYTHON, "-I", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=ALICE, group=ALICE, extra_groups=[], cwd="/")
        with child:
            self.assertEqual(child.stdout.readline(), "16\n")
            self.assertIn("RUNNING", ask(self.door, BOB, "supervisor.getState"))
            self.assertEqual(daemon.ctl("status", "sleeper").code, 0)
            child.stdin.close()


class Servers(xsvd.TestCase):
    def test_a_tcp_server_has_a_role_and_its_users_are_in_the_audit(self):
        port = xsvd.free_port()
        daemon = self.daemon(f"[inet_http_server]\nport = 127.0.0.1:{port}\nusername = ops\npassword = secret\nrole = operator\n" + SLEEPER)
        daemon.wait_for_pid("sleeper")
        rpc = xmlrpc.client.ServerProxy(f"http://ops:secret@127.0.0.1:{port}/RPC2").supervisor
        self.assertTrue(rpc.stopProcess("sleeper"))
        with self.assertRaises(xmlrpc.client.Fault) as caught:
            rpc.sendProcessStdin("sleeper", "a secret")
        self.assertEqual(caught.exception.faultString, "FAILED: supervisor.sendProcessStdin needs the role admin, not operator")
        log = daemon.read_log()
        self.assertRegex(log, r"INFO audit: ops at 127\.0\.0\.1:\d+: supervisor.stopProcess\('sleeper'\): done\n")
        self.assertRegex(log, r"INFO audit: ops at 127\.0\.0\.1:\d+: supervisor.sendProcessStdin\('sleeper'\): FAILED")
        for secret in ("secret", base64.b64encode(b"ops:secret").decode()):
            self.assertNotIn(secret, re.sub("a secret", "", log))
        self.assertNotIn("a secret", log)

    def test_mistakes_in_roles_are_named(self):
        folder = self.folder()
        for keys, text in (("role = boss", "expected viewer, operator or admin, got 'boss'"), ("peers = alice", "expected NAME:ROLE, @GROUP:ROLE or *:ROLE, got 'alice'"),
                           ("peers = nobody-we-know:viewer", "Invalid user name nobody-we-know"), ("peers = @no-group-we-know:viewer", "Invalid group name no-group-we-know"),
                           ("peers = root:king", "expected viewer, operator or admin, got 'king'")):
            config = folder / "xsvd.conf"
            config.write_text(f"[unix_http_server]\nfile = {folder}/x.sock\n{keys}\n[supervisord]\n")
            done = subprocess.run([xsvd.XSVCTL, "check", config], capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(text, done.stdout + done.stderr)


if __name__ == "__main__":
    xsvd.main()
