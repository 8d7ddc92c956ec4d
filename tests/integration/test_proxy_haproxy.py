"""PROXY protocol headers, read by somebody else's parser."""
import os
import subprocess
import unittest

import xsvd

FORWARDERS = xsvd.BUILD / "forwarders"   # tests/bench/fetch_forwarders.sh unpacks Debian's haproxy there


@unittest.skipUnless((FORWARDERS / "usr/sbin/haproxy").exists(), "needs haproxy")
class Haproxy(xsvd.TestCase):
    def test_both_versions(self):
        """haproxy takes the header off, and says whom it found in it."""
        target, folder = xsvd.free_port(), self.folder()
        (folder / "haproxy.cfg").write_text(f"""
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen target
    bind 127.0.0.1:{target} accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port]"
""", encoding="utf-8")
        library = next(FORWARDERS.glob("usr/lib/*-linux-gnu"))
        haproxy = subprocess.Popen([FORWARDERS / "usr/sbin/haproxy", "-db", "-f", folder / "haproxy.cfg"], stderr=subprocess.DEVNULL,
                                   env={**os.environ, "LD_LIBRARY_PATH": str(library)})
        self.addCleanup(haproxy.wait)
        self.addCleanup(haproxy.kill)
        xsvd.until(lambda: not xsvd.is_refused(("127.0.0.1", target)), "haproxy")
        ports = {protocol: xsvd.free_port() for protocol in ("v1", "v2")}
        self.daemon("".join(f"""
[program:{protocol}]
socket = tcp:{port}
proxy_to = tcp:127.0.0.1:{target}
proxy_protocol = {protocol}
""" for protocol, port in ports.items()))
        for port in ports.values():
            for host in ("127.0.0.1", "::1"):
                with xsvd.connect((host, port)) as caller:
                    caller.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    wanted = f"{host} {caller.getsockname()[1]} {host} {port}".encode()
                    self.assertEqual(xsvd.read_all(caller).rpartition(b"\r\n")[2], wanted)


if __name__ == "__main__":
    unittest.main()
