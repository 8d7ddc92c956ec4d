"""No descriptors, no processes: everything pauses and resumes by itself; no caller is refused."""
import contextlib
import os
import resource
import time
import unittest

import xsvd


def cat(port, *settings):
    return "\n".join([f"[program:echo]\ncommand = /bin/cat\nsocket = tcp4:127.0.0.1:{port}\nactivation = per_connection",
                      "connection_log = none\nmax_instances = 1000", *settings]) + "\n"


class Thousands(xsvd.TestCase):
    def test_a_daemon_with_thousands_of_sockets_starts_reloads_and_ends(self):
        count = 2000
        ports = [xsvd.free_port() for _ in range(4)]
        folder = self.folder()
        text = "".join(f"[program:s{n}]\ncommand = /bin/cat\nsocket = unix:{folder}/{n}\nactivation = per_connection\nstdout_logfile = NONE\nstderr_logfile = NONE\n"
                       for n in range(count))
        text += "".join(f"[program:t{port}]\ncommand = /bin/cat\nsocket = tcp4:127.0.0.1:{port}\nactivation = per_connection\n" for port in ports)
        daemon = self.daemon(text)
        for address in (f"{folder}/0", f"{folder}/{count - 1}", ("127.0.0.1", ports[-1])):
            self.assertEqual(xsvd.talk(address, b"x"), b"x")
        daemon.reload(text.replace("command = /bin/cat", "command = /bin/cat -u"))
        self.assertEqual(xsvd.talk(f"{folder}/7", b"x"), b"x")
        daemon.stop()   # with 0, and nothing is left: what the engine said last has arrived
        self.assertFalse(os.path.exists(f"{folder}/7"))
        self.assertNotIn("took over", daemon.read_log())


class Exhaustion(xsvd.TestCase):
    def callers(self, port, count):
        found = []
        for number in range(count):
            s = xsvd.connect(("127.0.0.1", port))
            self.addCleanup(s.close)
            s.sendall(b"%d" % number)
            found.append(s)
        return found

    def assert_all_served(self, callers):
        """Each gets its answer; whoever has it leaves, and makes room for the next."""
        waiting = dict(enumerate(callers))
        deadline = time.monotonic() + 2 * xsvd.PATIENCE
        while waiting and time.monotonic() < deadline:
            for number in [n for n, s in waiting.items() if xsvd.readable(s, 0.001)]:
                s = waiting.pop(number)
                self.assertEqual(s.recv(100), b"%d" % number)
                s.close()
        self.assertEqual(len(waiting), 0, "callers who were not served")

    def test_a_full_descriptor_table_pauses_and_resumes(self):
        port = xsvd.free_port()
        daemon = self.daemon(cat(port))
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"x"), b"x")
        engine = daemon.engine()
        taken = {int(fd) for fd in os.listdir(f"/proc/{engine}/fd")}
        lowest_free = min(set(range(len(taken) + 1)) - taken)
        before = resource.prlimit(engine, resource.RLIMIT_NOFILE)
        resource.prlimit(engine, resource.RLIMIT_NOFILE, (lowest_free, before[1]))
        callers = self.callers(port, 20)
        cpu = daemon.cpu()
        time.sleep(3)  # it is to wait without working
        self.assertLess(daemon.cpu() - cpu, 0.3)
        resource.prlimit(engine, resource.RLIMIT_NOFILE, before)
        self.assert_all_served(callers)
        self.assertEqual(daemon.engine(), engine)
        self.assertEqual(daemon.ctl("status", "echo").code, 0)

    def test_few_descriptors_and_many_callers(self):
        def lower():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        port = xsvd.free_port()
        daemon = self.daemon(cat(port), supervisord="minfds = 64", preexec=lower)
        engine = daemon.engine()
        callers = self.callers(port, 200)
        cpu = daemon.cpu()
        self.assertEqual(daemon.ctl("status", "echo").code, 0)
        time.sleep(1)
        self.assertLess(daemon.cpu() - cpu, 0.5)
        self.assert_all_served(callers)
        self.assertEqual(daemon.engine(), engine)
        self.assertEqual(xsvd.talk(("127.0.0.1", port), b"after"), b"after")

    @unittest.skipUnless(xsvd.is_root() and os.access("/sys/fs/cgroup/pids/cgroup.procs", os.W_OK), "needs a pids cgroup")
    def test_refused_forks_pause_and_resume(self):
        group = f"/sys/fs/cgroup/pids/xsvd-test-{os.getpid()}"
        os.mkdir(group)
        self.addCleanup(lambda: xsvd.until(lambda: self.removed(group), "the cgroup is empty"))

        def enter():
            with open(f"{group}/cgroup.procs", "w", encoding="ascii") as file:
                file.write("0")

        def allow(count):
            with open(f"{group}/pids.max", "w", encoding="ascii") as file:
                file.write(str(count))
        port = xsvd.free_port()
        daemon = self.daemon(cat(port) + "[program:sleeper]\ncommand = /bin/sleep 1000\nstartsecs = 0\n", preexec=enter)
        sleeper = daemon.wait_for_pid("sleeper")
        with open(f"{group}/pids.current", encoding="ascii") as file:
            allow(int(file.read()))
        callers = self.callers(port, 20)
        cpu = daemon.cpu()
        time.sleep(2)  # it is to wait without working
        self.assertLess(daemon.cpu() - cpu, 0.4)
        self.assertFalse(any(xsvd.readable(s, 0) for s in callers))
        self.assertEqual(daemon.pid_of("sleeper"), sleeper)
        allow("max")
        self.assert_all_served(callers)
        self.assertEqual(daemon.state("echo"), "RUNNING")

    def removed(self, group):
        with contextlib.suppress(OSError):
            os.rmdir(group)
        return not os.path.exists(group)


if __name__ == "__main__":
    xsvd.main()
