"""A TCP server that speaks TLS: its versions, its certificate and the clients', and what a reload does to them."""
import base64
import http.client
import os
import socket
import ssl
import subprocess
import unittest
import warnings
import xmlrpc.client
from pathlib import Path

import xsvd

SLEEPER = "[program:sleeper]\ncommand = /bin/sleep 1000\nstartsecs = 0\n"


def make_certificate(folder, name, authority=None):
    """NAME.pem and NAME.key; signed by itself, or by another one."""
    subject = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.key", "-days", "2",
               "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    signer = ["-CA", f"{folder}/{authority}.pem", "-CAkey", f"{folder}/{authority}.key"] if authority else []
    subprocess.run(["openssl", "req", "-x509", *subject, *signer, "-out", f"{folder}/{name}.pem"], check=True, capture_output=True)
    os.chmod(f"{folder}/{name}.key", 0o600)


@unittest.skipUnless(xsvd.have("openssl"), "openssl makes the certificates")
class Tls(xsvd.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(warnings.catch_warnings())
        warnings.simplefilter("ignore", DeprecationWarning)   # of the versions that are to be refused
        import tempfile
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="xsvd-"))
        cls.certificates = Path(folder)
        for name, authority in (("server", None), ("other", None), ("clients", None), ("client", "clients"), ("stranger", "other")):
            make_certificate(folder, name, authority)

    def server(self, certificate="server", keys=""):
        return f"[inet_http_server]\nport = 127.0.0.1:{self.port}\nusername = admin\npassword = secret\ncertificate = {self.certificates}/{certificate}.pem\n" \
               f"certificate_key = {self.certificates}/{certificate}.key\n{keys}\n" + SLEEPER

    def start(self, **options):
        self.port = xsvd.free_port()
        daemon = self.daemon(self.server(**options))
        daemon.wait_for_pid("sleeper")
        return daemon

    def context(self, certificate="server", client=None, version=None):
        context = ssl.create_default_context(cafile=self.certificates / f"{certificate}.pem")
        if client:
            context.load_cert_chain(self.certificates / f"{client}.pem", self.certificates / f"{client}.key")
        if version:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
        return context

    def ask(self, context):
        """The version spoken and the status of an answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=xsvd.PATIENCE, context=context)
        try:
            connection.request("GET", "/ok.html", headers={"Authorization": "Basic " + base64.b64encode(b"admin:secret").decode()})
            version = connection.sock.version()
            return version, connection.getresponse().status
        finally:
            connection.close()

    def test_only_tls_from_1_2_on_is_spoken(self):
        daemon = self.start()
        self.assertEqual(self.ask(self.context()), ("TLSv1.3", 200))
        self.assertEqual(self.ask(self.context(version=ssl.TLSVersion.TLSv1_2)), ("TLSv1.2", 200))
        for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.assertRaises(OSError):
                self.ask(self.context(version=old))
        self.assertNotIn(b"HTTP", xsvd.talk(("127.0.0.1", self.port), b"GET /ok.html HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.ask(self.context("other"))
        rpc = xmlrpc.client.ServerProxy(f"https://admin:secret@127.0.0.1:{self.port}/RPC2", context=self.context())
        self.assertEqual(rpc.supervisor.getPID(), daemon.pid)
        self.assertTrue(rpc.supervisor.stopProcess("sleeper"))
        self.assertEqual(len(rpc.supervisor.getAllProcessInfo()), 1)
        self.assertEqual(daemon.ctl("status", "sleeper").code, 3)

    def test_large_answers_and_many_requests_on_one_connection(self):
        daemon = self.start()
        text = "x" * 500_000
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=xsvd.PATIENCE, context=self.context())
        login = {"Authorization": "Basic " + base64.b64encode(b"admin:secret").decode(), "Content-Type": "text/xml"}
        for _ in range(20):
            body = xmlrpc.client.dumps((text,), "supervisor.getProcessInfo")
            connection.request("POST", "/RPC2", body, login)
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            self.assertGreater(len(answer.read()), len(text))   # the fault names it
        connection.close()
        self.assertEqual(daemon.ctl("pid").code, 0)

    def test_clients_need_a_certificate_where_authorities_are_named(self):
        self.start(keys=f"client_certificates = {self.certificates}/clients.pem")
        self.assertEqual(self.ask(self.context(client="client"))[1], 200)
        for client in (None, "stranger"):
            with self.assertRaises((OSError, http.client.HTTPException)):
                self.ask(self.context(client=client))

    def test_the_client_speaks_it_too(self):
        self.start(keys=f"client_certificates = {self.certificates}/clients.pem")
        folder = self.folder()

        def ctl(*keys):
            lines = "\n".join(f"{key} = {self.certificates}/{name}" for key, name in keys)
            (folder / "x.conf").write_text(f"[supervisorctl]\nserverurl = https://localhost:{self.port}\nusername = admin\npassword = secret\n{lines}\n")
            return subprocess.run([xsvd.XSVCTL, "-c", folder / "x.conf", "status", "sleeper"], capture_output=True, text=True, check=False)
        own = [("certificate", "client.pem"), ("certificate_key", "client.key")]
        self.assertIn("RUNNING", ctl(("ca_certificate", "server.pem"), *own).stdout)
        for keys in ([("ca_certificate", "other.pem"), *own], own, [("ca_certificate", "server.pem")]):
            done = ctl(*keys)
            self.assertNotEqual(done.returncode, 0)
            self.assertNotIn("RUNNING", done.stdout)

    def test_a_reload_takes_what_is_new_and_keeps_what_is_good(self):
        self.port = xsvd.free_port()
        plain = f"[inet_http_server]\nport = 127.0.0.1:{self.port}\nusername = admin\npassword = secret\n" + SLEEPER
        daemon = self.daemon(plain)
        pid = daemon.wait_for_pid("sleeper")
        web = daemon.roles()["web"]
        if xsvd.is_root():
            self.assertNotIn("libssl", Path(f"/proc/{web}/maps").read_text(encoding="utf-8"))
        daemon.reload(self.server())   # another web process, which has the library
        xsvd.until(lambda: daemon.roles().get("web", web) != web, "a web process with TLS")
        daemon.wait_until_ready()
        self.assertEqual(self.ask(self.context())[1], 200)
        web = daemon.roles()["web"]
        daemon.reload(self.server("other"))
        self.assertEqual(self.ask(self.context("other"))[1], 200)
        os.chmod(self.certificates / "server.key", 0o644)
        self.addCleanup(os.chmod, self.certificates / "server.key", 0o600)
        answer = daemon.reload(self.server("server"), check=False)
        self.assertNotEqual(answer.code, 0)
        self.assertIn("others than its owner can read the key", answer.out + answer.err)
        self.assertEqual(self.ask(self.context("other"))[1], 200)
        answer = daemon.reload(self.server("nosuch"), check=False)
        self.assertNotEqual(answer.code, 0)
        self.assertEqual(self.ask(self.context("other"))[1], 200)
        engine = daemon.engine()
        os.kill(engine, 9)
        daemon.wait_for_engine(other_than=engine)
        daemon.wait_until_ready()
        self.assertEqual(self.ask(self.context("other"))[1], 200)
        self.assertEqual((daemon.roles()["web"], daemon.pid_of("sleeper")), (web, pid))
        daemon.reload(plain)
        self.assertIn(b" 401 ", xsvd.talk(("127.0.0.1", self.port), b"GET /ok.html HTTP/1.1\r\nHost: localhost\r\n\r\n"))

    def test_a_key_that_does_not_fit_serves_nobody(self):
        self.port = xsvd.free_port()
        daemon = self.daemon(self.server().replace("server.key", "other.key"))
        daemon.wait_for_log("ERRO web: .*the key does not fit the certificate")
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.ask(self.context())

    def test_slow_handshakes_keep_nobody_waiting(self):
        daemon = self.start()
        sockets = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(40)]
        self.addCleanup(lambda: [s.close() for s in sockets])
        for s in sockets:
            s.sendall(b"\x16\x03\x01\x02")
        self.assertEqual(self.ask(self.context())[1], 200)
        self.assertEqual(daemon.ctl("pid").code, 0)


if __name__ == "__main__":
    xsvd.main()
