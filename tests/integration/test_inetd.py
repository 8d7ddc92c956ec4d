"""An inetd.conf served as it is, and imported."""
import json
import os
import pwd
import socket
import stat
import subprocess
import unittest

import xsvd

USER = pwd.getpwuid(os.getuid()).pw_name


class Inetd(xsvd.TestCase):
    def inetd(self, text, config="", **options):
        folder = self.folder()
        (folder / "inetd.conf").write_text(text.replace("@DIR@", str(folder)), encoding="utf-8")
        return folder, self.daemon(f"[include]\ninetd = {folder}/inetd.conf\n" + config, **options)

    def test_entries_are_served_as_by_inetd(self):
        port, other, third = xsvd.free_port(), xsvd.free_port(), xsvd.free_port(socket.SOCK_DGRAM)
        folder, daemon = self.inetd(f"""
# comments, a default host, and arguments that are nothing but words
127.0.0.1:
{port} stream tcp nowait {USER} /bin/cat cat
*:
{other} stream tcp nowait {USER} /bin/sh sh -c pwd;umask;echo>&2;env;echo$IFS$0 'me #
{third} dgram udp wait {USER} /bin/dd dd
    of=@DIR@/got count=1
#<off># 1 stream tcp nowait {USER} /bin/cat
""")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"hello"), b"hello")
        self.assertTrue(xsvd.is_refused(("::1", port)))
        for host in ("127.0.0.1", "::1"):
            said = xsvd.talk((host, other)).decode().split("\n")
            self.assertEqual(said[:3], ["/", "0022", ""])
            self.assertEqual(said[-2], "'me")
            self.assertIn("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", said)
            self.assertIn(f"TCPREMOTEIP={host}", said)
            self.assertFalse([line for line in said if line.startswith("HOME=")])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for text in (b"one", b"another"):
                sender.sendto(text, ("127.0.0.1", third))
                self.assertEventually(lambda: (folder / "got").exists() and (folder / "got").read_bytes() == text, f"{text!r} arrives")
        self.assertEqual(daemon.state("1"), "STOPPED")

    def test_a_unix_socket_is_open_to_everybody(self):
        folder, daemon = self.inetd(f"@DIR@/cat.sock stream unix nowait {USER} /bin/cat cat\n")
        self.assertEqual(stat.S_IMODE((folder / "cat.sock").stat().st_mode), 0o666)
        self.assertEqual(xsvd.talk(str(folder / "cat.sock"), b"hello"), b"hello")
        self.assertEqual(daemon.state("cat.sock"), "RUNNING")

    def test_a_broken_entry_is_named_and_the_others_run(self):
        port = xsvd.free_port()
        daemon = self.inetd(f"{port} stream tcp nwait {USER} /bin/cat cat\n{port + 1} stream tcp nowait nobody-of-this-name /bin/cat\n"
                            f"127.0.0.1:{port} stream tcp nowait {USER} /bin/echo echo good\n")[1]
        self.assertEqual(xsvd.talk(("127.0.0.1", port)), b"good\n")
        self.assertEqual(daemon.state(str(port)), "FATAL")
        self.assertRegex(daemon.ctl("why", str(port)).out, r"inetd\.conf:1: .* expected wait or nowait, got 'nwait'")
        self.assertEqual(daemon.state(str(port + 1)), "FATAL")

    def test_what_import_prints_is_the_same_configuration(self):
        port = xsvd.free_port()
        folder, daemon = self.inetd(f"{port} stream tcp nowait.100 {USER} /bin/sh sh -c cat;#;% # x\n"
                                    f"{port} dgram udp wait {USER} /bin/true true\n")
        printed = daemon.ctl("import", f"{folder}/inetd.conf", check=True).out
        self.assertIn(f"; {folder}/inetd.conf:1: different: wait: 100 calls a minute are served", printed)
        self.assertEqual(daemon.reload(printed).out, "No changes\n")
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"still"), b"still")

    def test_check_and_import_of_a_file_alone(self):
        file = self.folder() / "some.conf"
        file.write_text(f"2000 stream tcp nowait {USER} /bin/cat\n2001 stream tcp maybe {USER} /bin/cat\n", encoding="utf-8")
        run = lambda *words: subprocess.run([xsvd.XSVCTL, *words], capture_output=True, text=True, check=False)  # noqa: E731
        checked = run("check", file)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("some.conf:2: [program:2001] wait: expected wait or nowait, got 'maybe'\n", checked.stdout)
        self.assertIn("note: ", checked.stdout)
        imported = run("import", file)
        self.assertEqual((imported.returncode, imported.stderr), (1, "1 not carried over; the comments say why\n"))
        self.assertIn("\n[program:2000]\n", imported.stdout)
        self.assertIn("\n; [program:2001]\n", imported.stdout)
        # What cannot be read costs the others nothing.
        some = run("import", file.parent / "none", file, file.parent)
        self.assertEqual((some.returncode, some.stdout), (1, imported.stdout))
        errors = some.stderr.splitlines()
        self.assertEqual(len(errors), 3, errors)
        self.assertRegex(errors[0], rf"^ERROR: .*{file.parent}/none.*No such file")
        self.assertRegex(errors[1], rf"^ERROR: .*{file.parent}\b")
        some = json.loads(run("--json", "import", file.parent / "none", file).stdout)
        self.assertEqual((some["configuration"], some["programs"], len(some["errors"])), (imported.stdout, 1, 1))
        wrong = run("import", "--from", "launchd", file)
        self.assertEqual((wrong.returncode, wrong.stdout), (1, ""))
        self.assertEqual(wrong.stderr, "ERROR: --from: expected xinetd, inetd or systemd, got 'launchd'\n")


if __name__ == "__main__":
    unittest.main()
