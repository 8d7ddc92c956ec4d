"""xsvctl reload and SIGHUP apply the difference between two configurations, or nothing at all."""
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import xsvd


def sleeper(name, seconds=1000, extra=""):
    return f"[program:{name}]\ncommand = /bin/sleep {seconds}\nstartsecs = 0\n{extra}\n"


def echo(name, where, extra=""):
    return f"[program:{name}]\ncommand = /bin/cat\nsocket = {where}\nactivation = per_connection\n{extra}\n"


class Difference(xsvd.TestCase):
    def test_added_changed_removed_and_untouched(self):
        daemon = self.daemon(sleeper("stays") + sleeper("changes") + sleeper("goes"))
        pids = {name: daemon.wait_for_pid(name) for name in ("stays", "changes", "goes")}
        gone = xsvd.Process(pids["goes"])
        answer = daemon.reload(sleeper("stays") + sleeper("changes", 2000) + sleeper("comes"))
        for name in ("changes", "goes", "comes"):
            self.assertIn(name, answer.out)
        self.assertNotIn("stays", answer.out)
        self.assertEqual(daemon.pid_of("stays"), pids["stays"])
        self.assertEventually(lambda: not gone.is_there(), "the removed program ends")
        self.assertEqual(set(daemon.all_info()), {"stays", "changes", "comes"})
        new = daemon.wait_for_pid("changes", other_than=pids["changes"])
        self.assertEventually(lambda: xsvd.Process(new).title == "/bin/sleep 2000", "the new command runs")
        daemon.wait_for_pid("comes")

    def test_an_unchanged_configuration_changes_nothing(self):
        config = sleeper("one") + echo("two", "unix:@DIR@/two.sock")
        daemon = self.daemon(config)
        pid, inode = daemon.wait_for_pid("one"), xsvd.listener_inode(path=str(daemon.dir / "two.sock"))
        daemon.reload("; only a comment\n" + config)
        self.assertEqual((daemon.pid_of("one"), xsvd.listener_inode(path=str(daemon.dir / "two.sock"))), (pid, inode))

    def test_policy_applies_at_once_without_a_restart(self):
        daemon = self.daemon(sleeper("one", extra="autorestart = true"))
        pid = daemon.wait_for_pid("one")
        daemon.reload(sleeper("one", extra="autorestart = false"))
        self.assertEqual(daemon.pid_of("one"), pid)
        os.kill(pid, signal.SIGKILL)
        daemon.wait_for("one", "EXITED")

    def test_diff_tells_and_does_nothing(self):
        daemon = self.daemon(sleeper("one") + sleeper("two"))
        pid = daemon.wait_for_pid("one")
        daemon.write(sleeper("one", 2000) + sleeper("three"))
        answer = daemon.ctl("diff")
        for name in ("one", "two", "three"):
            self.assertIn(name, answer.out)
        self.assertEqual(daemon.pid_of("one"), pid)
        self.assertEqual(set(daemon.all_info()), {"one", "two"})

    def test_sighup_reloads(self):
        daemon = self.daemon(sleeper("one"))
        pid = daemon.wait_for_pid("one")
        daemon.write(sleeper("one") + sleeper("two"))
        os.kill(daemon.pid, signal.SIGHUP)
        xsvd.until(lambda: "two" in daemon.all_info(), "the new program is there")
        self.assertEqual(daemon.pid_of("one"), pid)

    def test_reread_and_update_as_supervisor_does_it(self):
        daemon = self.daemon(sleeper("one") + sleeper("goes"))
        daemon.wait_for_pid("one")
        daemon.write(sleeper("one", 2000) + sleeper("comes"))
        self.assertEqual(daemon.ctl("reread")[:2], (0, "comes: available\ngoes: disappeared\none: changed\n"))
        self.assertEqual(daemon.ctl("update")[:2], (0, "goes: stopped\ngoes: removed process group\none: stopped\n"
                                                       "one: updated process group\ncomes: added process group\n"))
        self.assertEqual(daemon.ctl("update")[:2], (0, ""))

    def test_update_leaves_stopped_what_was_stopped_and_running_what_ran(self):   # B26
        def programs(number):
            return "".join(f"""
[program:{name}]
command = /bin/sleep {number}
autostart = {autostart}
startsecs = 0
""" for name, autostart in (("ran", "true"), ("was_stopped", "true"), ("by_hand", "false"), ("never", "false"))) + """
[group:all_of_it]
programs = ran, was_stopped, by_hand, never
"""
        daemon = self.daemon(programs(1000))
        self.assertIs(daemon.rpc.startProcess("all_of_it:by_hand"), True)
        daemon.ctl("stop", "all_of_it:was_stopped", check=True)
        daemon.write(programs(1001))
        self.assertEqual(daemon.ctl("update")[:2], (0, "all_of_it: stopped\nall_of_it: updated process group\n"))
        for name, state in (("ran", "RUNNING"), ("was_stopped", "STOPPED"), ("by_hand", "RUNNING"), ("never", "STOPPED")):
            daemon.wait_for(f"all_of_it:{name}", state)
        self.assertIn(b"1001", Path(f"/proc/{daemon.pid_of('all_of_it:by_hand')}/cmdline").read_bytes())

        # Much later, or without a group stop, it is a new group.
        daemon.rpc.stopProcessGroup("all_of_it")
        daemon.rpc.removeProcessGroup("all_of_it")
        time.sleep(2.1)  # the memory's
        daemon.rpc.addProcessGroup("all_of_it")
        for name, state in (("ran", "RUNNING"), ("was_stopped", "RUNNING"), ("by_hand", "STOPPED")):
            daemon.wait_for(f"all_of_it:{name}", state)


class Sockets(xsvd.TestCase):
    def test_a_socket_in_both_configurations_keeps_its_inode(self):
        port = xsvd.free_port()
        daemon = self.daemon(echo("a", f"tcp4:127.0.0.1:{port}"))
        inode = xsvd.listener_inode(port)
        daemon.reload(echo("a", f"tcp4:127.0.0.1:{port}, unix:@DIR@/a.sock", "max_instances = 3"))
        self.assertEqual(xsvd.listener_inode(port), inode)
        self.assertEqual(xsvd.talk(str(daemon.dir / "a.sock"), b"x"), b"x")
        daemon.reload(echo("a", f"tcp4:127.0.0.1:{port}"))
        self.assertEqual(xsvd.listener_inode(port), inode)
        self.assertTrue(xsvd.is_refused(str(daemon.dir / "a.sock")))
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x"), b"x")

    def test_a_socket_moves_between_programs(self):
        port = xsvd.free_port()
        one, two = f"tcp4:127.0.0.1:{port}", f"tcp4:127.0.0.1:{xsvd.free_port()}"
        daemon = self.daemon(echo("a", one) + echo("b", two))
        inode = xsvd.listener_inode(port)
        for _ in range(5):
            one, two = two, one
            daemon.reload(echo("a", one) + echo("b", two))
            self.assertEqual(xsvd.listener_inode(port), inode)
            self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x"), b"x")

    def test_a_connection_in_progress_survives_a_change_of_its_program(self):
        port = xsvd.free_port()
        daemon = self.daemon(echo("a", f"tcp4:127.0.0.1:{port}"))
        with xsvd.connect(("127.0.0.1", port)) as caller:
            caller.sendall(b"before")
            self.assertEqual(caller.recv(100), b"before")
            daemon.reload(echo("a", f"tcp4:127.0.0.1:{port}", "environment = NEW=1"))
            caller.sendall(b"after")
            self.assertEqual(caller.recv(100), b"after")

    def test_a_removed_socket_is_refused(self):
        port = xsvd.free_port()
        daemon = self.daemon(echo("a", f"tcp4:127.0.0.1:{port}") + sleeper("other"))
        daemon.reload(sleeper("other"))
        self.assertEventually(lambda: xsvd.is_refused(("127.0.0.1", port)), "the port is closed, also in the guardian", 5)

    def test_an_on_demand_program_that_changed_is_restarted_behind_its_open_port(self):
        port = xsvd.free_port()
        serve = f"[program:web]\ncommand = {xsvd.PROGRAM} serve\nsocket = tcp4:127.0.0.1:{port}\nstartsecs = 0\n"
        daemon = self.daemon(serve)
        first = int(xsvd.talk(("127.0.0.1", port), b"x\n").split()[0])
        inode = xsvd.listener_inode(port)
        daemon.reload(serve + "environment = NEW=1\n")
        second = int(xsvd.talk(("127.0.0.1", port), b"x\n").split()[0])
        self.assertNotEqual(first, second)
        self.assertEqual(xsvd.listener_inode(port), inode)


    def test_callers_who_queue_during_a_reload_are_served(self):
        port = xsvd.free_port()
        serve = f"[program:web]\ncommand = {xsvd.PROGRAM} serve\nsocket = tcp4:127.0.0.1:{port}\nstartsecs = 0\n"
        daemon = self.daemon(serve + sleeper("goes"))
        pid, inode = int(xsvd.talk(("127.0.0.1", port), b"x\n").split()[0]), xsvd.listener_inode(port)
        os.kill(pid, signal.SIGSTOP)
        callers = [xsvd.connect(("127.0.0.1", port)) for _ in range(20)]
        daemon.supervisord = "loglevel = debug"
        daemon.reload(serve)
        os.kill(pid, signal.SIGCONT)
        for number, caller in enumerate(callers):
            with caller:
                caller.sendall(b"%d\n" % number)
                self.assertEqual(xsvd.read_all(caller), b"%d web %d\n" % (pid, number))
        self.assertEqual((set(daemon.all_info()), xsvd.listener_inode(port)), ({"web"}, inode))

    def test_a_connection_of_a_removed_program_may_finish_and_is_then_ended(self):
        ports = {"finishes": xsvd.free_port(), "is-ended": xsvd.free_port()}
        daemon = self.daemon("".join(f"""
            [program:{name}]
            command = /bin/sh -c "trap 'echo terminated; exit' TERM; while read -r line; do echo $line; done"
            socket = tcp4:127.0.0.1:{port}
            activation = per_connection
            stopwaitsecs = {3600 if name == "finishes" else 2}
            """ for name, port in ports.items()))
        with xsvd.connect(("127.0.0.1", ports["finishes"])) as patient, xsvd.connect(("127.0.0.1", ports["is-ended"])) as hasty:
            for caller in (patient, hasty):
                caller.sendall(b"one\n")
                self.assertEqual(caller.recv(100), b"one\n")
            daemon.reload("")
            for port in ports.values():
                self.assertEventually(lambda port=port: xsvd.is_refused(("127.0.0.1", port)), "nobody else is let in")
            self.assertEqual(xsvd.read_all(hasty), b"terminated\n")   # and not killed
            patient.sendall(b"two\n")
            self.assertEqual(patient.recv(100), b"two\n")


class Mistakes(xsvd.TestCase):
    def test_a_mistake_changes_nothing_and_every_one_is_named(self):   # B31
        port = xsvd.free_port()
        good = sleeper("one") + echo("two", f"tcp4:127.0.0.1:{port}")
        daemon = self.daemon(good)
        pid, inode = daemon.wait_for_pid("one"), xsvd.listener_inode(port)
        bad = sleeper("one", 2000) + "[program:three]\ncommand = /bin/true\nstartsecs = soon\nautostart = perhaps\nsocket = tcp:99999\n"
        answer = daemon.reload(bad, check=False)
        self.assertNotEqual(answer.code, 0)
        said = answer.out + answer.err
        first = daemon.first_line + bad[:bad.index("startsecs = soon")].count("\n")
        for line, key in ((first, "startsecs"), (first + 1, "autostart"), (first + 2, "socket")):
            self.assertRegex(said, rf"xsvd\.conf:{line}\b.*{key}")
        self.assertEqual((daemon.pid_of("one"), xsvd.listener_inode(port)), (pid, inode))
        self.assertEqual(set(daemon.all_info()), {"one", "two"})
        check = daemon.ctl("check", str(daemon.config))
        self.assertNotEqual(check.code, 0)
        self.assertRegex(check.out + check.err, rf"xsvd\.conf:{first}\b")
        daemon.reload(good)
        self.assertEqual(daemon.pid_of("one"), pid)

    def test_a_port_that_cannot_be_bound_changes_nothing(self):
        port, taken = xsvd.free_port(), xsvd.free_port()
        good = sleeper("one") + echo("two", f"tcp4:127.0.0.1:{port}")
        daemon = self.daemon(good)
        pid = daemon.wait_for_pid("one")
        with socket.create_server(("127.0.0.1", taken)):
            answer = daemon.reload(sleeper("one", 2000) + echo("three", f"tcp4:127.0.0.1:{taken}"), check=False)
        self.assertNotEqual(answer.code, 0)
        self.assertRegex((answer.out + answer.err).lower(), rf"{taken}.*in use")
        self.assertEqual(daemon.pid_of("one"), pid)
        self.assertEqual(set(daemon.all_info()), {"one", "two"})
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x"), b"x")

    def test_a_missing_file_changes_nothing(self):   # B17
        daemon = self.daemon(sleeper("one"))
        pid = daemon.wait_for_pid("one")
        os.rename(daemon.config, daemon.dir / "away")
        done = subprocess.run([xsvd.XSVCTL, "-s", f"unix://{daemon.socket}", "reload"], capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("xsvd.conf", done.stdout + done.stderr)
        os.rename(daemon.dir / "away", daemon.config)
        self.assertEqual(daemon.pid_of("one"), pid)

    def test_unknown_keys_warn_with_the_nearest_known_one(self):
        daemon = self.daemon(sleeper("one", extra="startsecz = 3"))
        check = daemon.ctl("check", str(daemon.config))
        self.assertEqual(check.code, 0)
        self.assertRegex(check.out + check.err, r"startsecz.*startsecs")


if __name__ == "__main__":
    xsvd.main()
