"""Clients that stay: logs as they grow, the foreground, and the shell on a terminal. Each client on both daemons, compared with
Supervisor's pair."""

import concurrent.futures
import os
import unittest

import scripts
from harness import CompatCase, Sandbox

CLIENTS = ("supervisorctl", "link", "xsvctl")
PAIRS = [(daemon, client) for daemon in ("supervisord", "xsvd") for client in CLIENTS]


class PairCase(CompatCase):
    def play(self, daemon, client, config, conversation):
        with Sandbox(daemon, client) as sandbox:
            sandbox.start(config)
            return conversation(sandbox)

    def play_all(self, config, conversation, pairs=PAIRS):
        """What each pair answers; Supervisor's own is the first."""
        with concurrent.futures.ThreadPoolExecutor(len(pairs)) as pool:
            played = {pair: pool.submit(self.play, *pair, config, conversation) for pair in pairs}
            return {pair: each.result() for pair, each in played.items()}

    def check_equal(self, config, conversation, pairs=PAIRS):
        found = self.play_all(config, conversation, pairs)
        for pair in pairs[1:]:
            with self.subTest(daemon=pair[0], client=pair[1]):
                self.assertEqual(repr(found[pairs[0]]), repr(found[pair]))


TALKER = scripts.BASE + r"""
[program:talker]
command = sh -c 'echo begin; while read line; do echo "got $line"; echo "also $line" >&2; done; sleep 1000'
startsecs = 0
stdout_logfile = @DIR@/talker.log
stderr_logfile = @DIR@/talker.err
stdout_logfile_maxbytes = 100
stdout_logfile_backups = 2
"""


def tell(sandbox, line):
    sandbox.server().supervisor.sendProcessStdin("talker", line + "\n")


def follow_talker(sandbox):
    sandbox.wait_for_text("talker.log", "begin")
    stream = sandbox.follow("tail", "-f", "talker")
    stream.wait_for("begin")
    return stream


class Streams(PairCase):
    def test_tail_f_goes_on_over_clear(self):
        def conversation(sandbox):
            stream = follow_talker(sandbox)
            tell(sandbox, "one")
            stream.wait_for("got one")
            sandbox.server().supervisor.clearProcessLogs("talker")
            tell(sandbox, "two")
            stream.wait_for("got two")
            return stream.interrupt()
        self.check_equal(TALKER, conversation)

    def test_tail_f_goes_on_over_rotation(self):
        """What was written last before the rotation is lost on Supervisor's readers, so it is not asked for."""
        def conversation(sandbox):
            stream = follow_talker(sandbox)
            tell(sandbox, "one " + 100 * "x")
            sandbox.wait_for_text("talker.log.1", "got one")
            tell(sandbox, "two")
            stream.wait_for("got two")
            return stream.interrupt().code
        self.check_equal(TALKER, conversation)

    def test_tail_f_of_the_other_channel(self):
        def conversation(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            tell(sandbox, "one")
            sandbox.wait_for_text("talker.err", "also one")
            stream = sandbox.follow("tail", "-f", "talker", "stderr")
            stream.wait_for("also one")
            tell(sandbox, "two")
            stream.wait_for("also two")
            return stream.interrupt()
        self.check_equal(TALKER, conversation)

    def test_maintail_f(self):
        def conversation(sandbox):
            stream = sandbox.follow("maintail", "-f")
            stream.wait_for("entered RUNNING state")
            result = stream.interrupt()
            result.out = result.out.splitlines()[0] + "|" + result.out[-1]   # log-text
            return result
        self.check_equal(TALKER, conversation)

    def test_fg_sends_lines_and_shows_both_streams(self):
        def conversation(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            stream = sandbox.follow("fg", "talker")
            stream.wait_for("begin")
            stream.process.stdin.write(b"hello\n")
            stream.process.stdin.flush()
            stream.wait_for("got hello")
            stream.wait_for("also hello")
            result = stream.interrupt(last_words="Exiting foreground\n")   # fg-end
            result.out = "\n".join(sorted(result.out.splitlines()))   # two streams, two orders
            return result
        self.check_equal(TALKER, conversation)

    def test_fg_notices_that_the_program_ended(self):
        def conversation(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            stream = sandbox.follow("fg", "talker")
            stream.wait_for("begin")
            sandbox.server().supervisor.stopProcess("talker")
            stream.process.stdin.write(b"hello\n")
            stream.process.stdin.flush()
            return stream.end_after("Process got killed\nExiting foreground\n").out   # fg-end
        self.check_equal(TALKER, conversation)

    def test_fg_ends_at_the_end_of_its_input(self):
        """fg-end: Supervisor's client does not come back for seconds."""
        def conversation(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            return sandbox.run("fg", "talker", stdin="")
        for pair, result in self.play_all(TALKER, conversation, [pair for pair in PAIRS if pair[1] != "supervisorctl"]).items():
            with self.subTest(pair=pair):
                self.assertTrue(result.out.endswith("Exiting foreground\n"), result)
                self.assertEqual(result.code, 0)


class Typed:
    """The shell of one client on a terminal, prompt by prompt."""

    def __init__(self, sandbox, prompt="ready> "):
        self.terminal, self.prompt = sandbox.terminal(), prompt
        self.terminal.wait_for(prompt)

    def line(self, text, *answers):
        self.terminal.type(text + "\n")
        self.terminal.wait_for(*answers, "\n", self.prompt)

    def leave(self, by="quit\n"):
        self.terminal.type(by)
        return self.terminal.finish()


class OnATerminal(PairCase):
    NAMED_SUPERVISORCTL = [pair for pair in PAIRS if pair[1] != "xsvctl"]

    def up(self, conversation):
        def whole(sandbox):
            for step in scripts.ALL_UP:
                step(sandbox)
            return conversation(sandbox)
        return whole

    def test_shell(self):
        def conversation(sandbox):
            shell = Typed(sandbox)
            for line, *answers in (("status sleeper", "RUNNING"), ("pid exited", "0"), ("help version", "remote"), ("nosuch", "Unknown"),
                                   ("", ), ("   ", ), ("?stop", "Stop a process"), ("version x", "accepts no arguments"),
                                   ("tail nosuch", "no such process name"), ("stop sleeper", "stopped"), ("status sleeper", "STOPPED"),
                                   ("open ftp://x", "url must be"), ("open unix://" + sandbox.socket,)):
                shell.line(line, *answers)
            return shell.leave()
        self.check_equal(scripts.PROGRAMS, self.up(conversation), self.NAMED_SUPERVISORCTL)

    def test_every_way_out(self):
        def conversation(sandbox):
            return [Typed(sandbox).leave(way).code for way in ("exit\n", "EOF\n", "\x04")]
        self.check_equal(scripts.PROGRAMS, self.up(conversation))

    def test_login(self):
        def conversation(sandbox):
            terminal = sandbox.terminal("-i", "status", "sleeper")
            terminal.wait_for("Username:")
            terminal.type("user\n", at_prompt=False)
            terminal.wait_for("Password:")
            terminal.type("123\n")
            return terminal.finish()
        self.check_equal(scripts.WITHOUT_LOGIN, self.up(conversation))

    def test_a_wrong_password_is_asked_for_again(self):
        def conversation(sandbox):
            terminal = sandbox.terminal("-i", "pid", "exited")
            for password in ("wrong", "123"):
                terminal.wait_for("Username:")
                terminal.type("user\n", at_prompt=False)
                terminal.wait_for("Password:")
                terminal.type(password + "\n")
            return terminal.finish()
        self.check_equal(scripts.WITHOUT_LOGIN, self.up(conversation))

    def test_confirmation(self):
        def conversation(sandbox):
            shell = Typed(sandbox)
            shell.terminal.type("shutdown\n")
            shell.terminal.wait_for("y/N? ")
            shell.terminal.type("no\n", at_prompt=False)
            shell.terminal.wait_for("\n", "ready> ")
            return shell.leave().code, sandbox.server().supervisor.getState()["statename"]
        self.check_equal(scripts.PROGRAMS, self.up(conversation))

    def test_interrupt_at_the_prompt_leaves_with_code_0(self):
        def conversation(sandbox):
            terminal = sandbox.terminal()
            terminal.wait_for("ready> ")
            terminal.type("\x03")
            return terminal.finish(again=b"\x03").code
        self.check_equal(scripts.PROGRAMS, self.up(conversation))

    def test_interrupt_ends_a_stream_and_not_the_shell(self):
        def conversation(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            shell = Typed(sandbox)
            for command in ("tail -f talker", "maintail -f", "tail -f talker"):
                shell.terminal.type(command + "\n")
                shell.terminal.wait_for("==> Press Ctrl-C to exit <==", "\n", "entered RUNNING" if command[0] == "m" else "begin")
                shell.terminal.type("\x03", at_prompt=False)
                shell.terminal.wait_for("\n", "ready> ")
            shell.line("pid nosuch", "No such process nosuch")
            return shell.leave().code
        self.check_equal(TALKER, conversation)

    def test_the_foreground_in_the_shell(self):
        """fg-end: not on Supervisor's client, whose prompt may not come back."""
        def conversation(sandbox):
            sandbox.wait_for_text("talker.log", "begin")
            shell = Typed(sandbox)
            shell.terminal.type("fg talker\n")
            shell.terminal.wait_for("==> Press Ctrl-C to exit <==", "begin")
            shell.terminal.type("hello\n", at_prompt=False)
            shell.terminal.wait_for("got hello")
            shell.terminal.type("\x03", at_prompt=False)
            shell.terminal.wait_for("Exiting foreground", "\n", "ready> ")
            shell.line("pid nosuch", "No such process nosuch")
            return shell.leave().code
        for pair, code in self.play_all(TALKER, conversation, [pair for pair in PAIRS if pair[1] != "supervisorctl"]).items():
            with self.subTest(pair=pair):
                self.assertEqual(code, 0)

    def test_names_are_completed(self):
        """What follows the prompt after each line is what was completed and done."""
        def conversation(sandbox):
            shell = Typed(sandbox)
            shown = []
            for typed, completed, answer in (("pid exi\t", "pid exited", "0"), ("pid grp:gb\t", "pid grp:gb", ""), ("vers\t", "version", ""),
                                             ("help mai\t", "help maintail", "Continuous"), ("remove nosu\t", "remove nosu", "no such"),
                                             ("status many:*\t", "status many:*", "RUNNING"), ("update gr\t", "update grp", "")):
                shell.terminal.type(typed)
                shell.terminal.wait_for(completed)
                shell.line("", answer)
                shown.append((completed, answer))
            return shown, shell.leave().code
        self.check_equal(scripts.PROGRAMS, self.up(conversation))

    def test_the_history_is_kept_and_read(self):
        """Also by the other client: whoever changes over finds what was typed before."""
        def conversation(sandbox):
            kept = []
            for client in ("supervisorctl", sandbox.client, "supervisorctl"):
                sandbox.client = client
                shell = Typed(sandbox)
                shell.line("pid exited", "0")
                shell.line("pid exited", "0")
                shell.line("\x10\x10\x10" if kept else "pid nosuch", "No such process nosuch")   # three lines back
                shell.leave()
                kept.append(sandbox.read("history"))
            return kept
        config = scripts.PROGRAMS.replace("prompt = ready", "prompt = ready\nhistory_file = @DIR@/history")
        self.check_equal(config, self.up(conversation), [("supervisord", client) for client in CLIENTS])

    def test_the_option_for_the_history(self):
        """Supervisor's -r has no effect (C9); xsvctl's has."""
        def conversation(sandbox):
            terminal = sandbox.terminal("-r", os.path.join(sandbox.folder, "other"))
            terminal.wait_for("ready> ")
            terminal.type("quit\n")
            terminal.finish()
            return os.path.exists(os.path.join(sandbox.folder, "other"))
        found = self.play_all(scripts.PROGRAMS, self.up(conversation), [("supervisord", client) for client in CLIENTS])
        self.assertEqual(list(found.values()), [False, False, True])


if __name__ == "__main__":
    unittest.main()
