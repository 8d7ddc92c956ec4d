"""Ansible's own module for Supervisor."""

import json
import os
import subprocess
import unittest

from harness import PASSWORD, PYTHON, USER
from third_party import CONFIG, ON_DEMAND, PACKAGES, Place, ThirdParty

FRESH = """
[program:fresh]
command = sleep 1000
startsecs = 0
"""


class Ansible(ThirdParty):
    """community.general.supervisorctl, run as Ansible runs it on a host: a file that gets its arguments as JSON."""

    MODULE = os.path.join(PACKAGES, "ansible_collections/community/general/plugins/modules/supervisorctl.py")

    def ask(self, place, name, state, **more):
        arguments = {"name": name, "state": state, "config": place.config, "supervisorctl_path": place.client_command()[-1], **more}
        done = subprocess.run([PYTHON, "-B", self.MODULE], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), text=True,
                              capture_output=True, env=place.environment(), cwd=place.folder, timeout=120, check=False)
        answer = json.loads(place.mask(done.stdout))
        del answer["invocation"]
        return {key: value for key, value in answer.items() if not key.startswith(("cmd", "ansible_facts"))}

    def talk(self, place):
        def ask(*arguments, **more):
            answers.append((arguments, self.ask(place, *arguments, **more)))
        answers = []
        ask("sleeper", "present")
        ask("fresh", "started")
        place.write_config(CONFIG + FRESH)
        ask("fresh", "present")
        place.wait_for_state("fresh", "RUNNING")
        ask("fresh", "present")
        ask("fresh", "absent")   # it runs
        ask("fresh", "stopped")
        ask("fresh", "absent")
        ask("fresh", "absent")
        ask("sleeper", "started")
        ask("sleeper", "stopped", _ansible_check_mode=True)
        ask("sleeper", "stopped")
        ask("sleeper", "stopped")
        ask("sleeper", "started")
        ask("sleeper", "restarted")
        ask("sleeper", "signalled", signal="CONT")
        ask("sleeper", "signalled", signal="NOSUCH")
        ask("grp:", "stopped")
        ask("grp:", "stopped")
        ask("grp:", "started")
        ask("missing", "started")
        ask("sleeper", "started", server_url=f"http://127.0.0.1:{place.port}", username=USER, password=PASSWORD)
        ask("sleeper", "started", server_url=f"http://127.0.0.1:{place.port}", username=USER, password="wrong")
        return answers

    def test_every_state_of_the_module(self):
        answers = self.alike(CONFIG, self.talk, ("supervisorctl", "link"))
        changed = [(arguments, answer.get("changed")) for arguments, answer in answers if "msg" not in answer]
        self.assertIn((("fresh", "present"), True), changed)
        self.assertIn((("fresh", "present"), False), changed)
        self.assertEqual([answer["msg"] for arguments, answer in answers if arguments == ("fresh", "started")], ["ERROR (no such process)"])
    test_every_state_of_the_module.length = 60

    def test_programs_on_demand(self):
        with Place("xsvd", "link") as place:
            place.start(ON_DEMAND)
            for name in ("waits", "each"):
                with self.subTest(name):
                    self.assertFalse(self.ask(place, name, "started")["changed"])
                    self.assertFalse(self.ask(place, name, "present")["changed"])
                    self.assertEqual(self.ask(place, name, "signalled", signal="CONT")["affected"], [name])
                    self.assertEqual(self.ask(place, name, "restarted")["affected"], [name])
                    self.assertEqual(self.ask(place, name, "stopped")["affected"], [name])
                    self.assertFalse(self.ask(place, name, "stopped")["changed"])
                    self.assertEqual(self.ask(place, name, "started")["affected"], [name])


if __name__ == "__main__":
    unittest.main()
