"""What a new process finds: its descriptors, identity, environment, signals and limits."""
import json
import os
import pwd
import resource
import signal
import unittest

import xsvd


class Spawning(xsvd.TestCase):
    def look(self, settings="", supervisord="", name="look", **options):
        daemon = self.daemon(f"[program:{name}]\ncommand = {xsvd.PROGRAM} stay @DIR@/look.json\n{settings}\n", supervisord=supervisord, **options)
        path = daemon.dir / "look.json"
        self.now = daemon
        return json.loads(xsvd.until(lambda: path.exists() and path.read_text(), "the program looks around"))

    def test_descriptors_signals_and_session(self):
        def ignore():
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        seen = self.look(preexec=ignore)
        self.assertEqual([seen["fds"][fd] for fd in ("0", "1", "2")], ["pipe", "pipe", "pipe"])
        self.assertLessEqual(set(seen["fds"]), {"0", "1", "2", "3"})  # 3: the folder while it is read
        self.assertEqual((seen["blocked"], seen["ignored"]), (0, 0))
        self.assertEqual((seen["session"], seen["group"]), (seen["pid"], seen["pid"]))

    def test_environment(self):
        seen = self.look('environment = A="1, 2",B=three\nenvironment_file = -@DIR@/may-be-absent',
                         'environment = A="daemon",C="daemon"', env={"FROM_OUTSIDE": "yes", "NOTIFY_SOCKET": "/x", "XSVD_SECRET": "1"})
        env = seen["env"]
        self.assertEqual((env["A"], env["B"], env["C"]), ("1, 2", "three", "daemon"))
        self.assertEqual(env["FROM_OUTSIDE"], "yes")
        self.assertEqual((env["SUPERVISOR_ENABLED"], env["SUPERVISOR_PROCESS_NAME"], env["SUPERVISOR_GROUP_NAME"]), ("1", "look", "look"))
        self.assertEqual(env["SUPERVISOR_SERVER_URL"], f"unix://{self.now.socket}")
        self.assertEqual([name for name in env if name.startswith(("XSVD_", "NOTIFY_", "LISTEN_"))], [])

    def test_environment_file(self):
        file = self.folder() / "env"
        file.write_text('# a comment\nFROM_FILE="a b"\nOTHER=1\n')
        seen = self.look(f"environment_file = {file}\nenvironment = OTHER=\"2\"")
        self.assertEqual((seen["env"]["FROM_FILE"], seen["env"]["OTHER"]), ("a b", "2"))

    def test_directory_umask_and_nice(self):
        folder = self.folder()
        seen = self.look(f"directory = {folder}\numask = 027\nnice = 5")
        self.assertEqual((seen["cwd"], seen["umask"], seen["nice"]), (str(folder.resolve()), 0o027, 5))

    def test_limits_and_the_original_nofile(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

        def lower():
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(1500, soft), hard))
        seen = self.look(preexec=lower)
        self.assertEqual(seen["nofile"][0], min(1500, soft), "a program gets the limit the daemon was started with")
        self.now.stop()
        seen = self.look("limits = nofile=200:300", name="limited")
        self.assertEqual(seen["nofile"], [200, 300])

    @unittest.skipUnless(xsvd.is_root(), "needs root")
    def test_identity(self):
        user = pwd.getpwnam("nobody")
        folder = self.folder()
        os.chown(folder, user.pw_uid, user.pw_gid)
        daemon = self.daemon(f"""
            [program:look]
            command = {xsvd.PROGRAM} stay {folder}/look.json
            user = nobody""")
        path = folder / "look.json"
        seen = json.loads(xsvd.until(lambda: path.exists() and path.read_text(), "the program looks around"))
        self.assertEqual((seen["uid"], seen["gid"]), (user.pw_uid, user.pw_gid))
        self.assertEqual(set(seen["groups"]) - {user.pw_gid}, set())
        self.assertEqual(seen["env"].get("HOME"), os.environ.get("HOME"), "as Supervisor: HOME is not changed")
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{daemon.pid_of('look')}/status", encoding="ascii"))
        self.assertEqual(int(status["CapEff"], 16), 0)

    @unittest.skipUnless(xsvd.is_root(), "needs root")
    def test_a_connections_program_has_its_user_too(self):
        port = xsvd.free_port()
        self.daemon(f"""
            [program:id]
            command = /usr/bin/id -un
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            user = nobody""")
        self.assertEqual(xsvd.talk(("127.0.0.1", port)), b"nobody\n")

    @unittest.skipUnless(xsvd.is_root(), "needs root")
    def test_the_helpers_have_no_rights(self):
        daemon = self.daemon("")
        web = daemon.roles()["web"]
        status = dict(line.rstrip("\n").split(":\t", 1) for line in open(f"/proc/{web}/status", encoding="ascii"))
        self.assertNotIn("0", status["Uid"].split())
        self.assertNotEqual(status["Uid"].split()[0], str(pwd.getpwnam("nobody").pw_uid))
        self.assertEqual(int(status["CapEff"], 16), 0)

    def test_run_gives_the_programs_environment(self):
        daemon = self.daemon("""
            [program:env]
            command = /usr/bin/env
            environment = FLAVOUR="plain"
            autostart = false""")
        answer = daemon.ctl("run", "env", check=True)
        self.assertIn("FLAVOUR=plain\n", answer.out)
        self.assertIn("SUPERVISOR_PROCESS_NAME=env\n", answer.out)


if __name__ == "__main__":
    xsvd.main()
