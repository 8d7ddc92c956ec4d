"""Callers notice nothing of reloads: not those of other programs, and not when their socket moves between programs.

XSV_FULL=1: 100,000 connections through 200 reloads, and 100 moves."""
import json
import os
import subprocess

import xsvd

FULL = os.environ.get("XSV_FULL") == "1"
CONNECTIONS, RELOADS, MOVES = (100_000, 200, 100) if FULL else (10_000, 20, 20)


class UnderLoad(xsvd.TestCase):
    def load(self, connections, *addresses):
        process = subprocess.Popen([xsvd.LOAD, "--connections", str(connections), "--concurrency", "32", "--until-eof", *addresses],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def finish(self, process):
        out, _ = process.communicate(timeout=600)
        result = json.loads(out)
        print(json.dumps(result))
        for what in ("refused", "reset", "short", "wrong", "given_up", "other"):
            self.assertEqual(result[what], 0, result["first_failure"])
        self.assertEqual(result["answered"], result["connections"])
        return result

    def test_reloads_of_other_programs(self):
        ports = [xsvd.free_port() for _ in range(4)]
        served = "".join(f"[program:s{i}]\ncommand = {xsvd.CHILD} answer\nsocket = tcp4:127.0.0.1:{port}, unix:@DIR@/s{i}\n"
                         "activation = per_connection\nmax_instances = 100\nconnection_log = none\n" for i, port in enumerate(ports[:3]))
        served += f"[program:w]\ncommand = {xsvd.CHILD} serve\nsocket = tcp4:127.0.0.1:{ports[3]}\n"

        def others(turn):
            return f"[program:changing]\ncommand = /bin/sleep {1000 + turn}\n" + (
                "[program:coming]\ncommand = /bin/sleep 1000\nsocket = unix:@DIR@/coming\n" if turn % 2 else "")
        daemon = self.daemon(served + others(0))
        inodes = [xsvd.listener_inode(port) for port in ports]
        load = self.load(CONNECTIONS, *[f"tcp:127.0.0.1:{port}" for port in ports], *[f"unix:{daemon.dir}/s{i}" for i in range(3)])
        for turn in range(1, RELOADS + 1):
            daemon.reload(served + others(turn))
        result = self.finish(load)
        self.assertGreaterEqual(result["answered"], CONNECTIONS)
        self.assertEqual([xsvd.listener_inode(port) for port in ports], inodes)
        daemon.wait_for_reaping()

    def test_a_socket_that_moves(self):
        moving, other = xsvd.free_port(), xsvd.free_port()

        def config(turn):
            ports = (moving, other) if turn % 2 == 0 else (other, moving)
            return "".join(f"[program:{name}]\ncommand = {xsvd.CHILD} answer\nsocket = tcp4:127.0.0.1:{port}\n"
                           "activation = per_connection\nmax_instances = 100\nconnection_log = none\n" for name, port in zip("ab", ports))
        daemon = self.daemon(config(0))
        inode = xsvd.listener_inode(moving)
        load = self.load(1000, f"tcp:127.0.0.1:{moving}", f"tcp:127.0.0.1:{other}")
        for turn in range(1, MOVES + 1):
            daemon.reload(config(turn))
            self.assertEqual(xsvd.listener_inode(moving), inode)
        self.finish(load)


if __name__ == "__main__":
    xsvd.main()
