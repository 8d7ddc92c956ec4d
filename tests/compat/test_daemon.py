"""xsvd driven by Supervisor's own client, compared with supervisord driven by it; then our client on our daemon."""

import unittest

from scripts_all import EVERY
from harness import CompatCase


class DrivenBySupervisorctl(CompatCase):
    """The real supervisorctl cannot tell which daemon it talks to."""


class DrivenByOurSupervisorctl(CompatCase):
    """Our pair, under Supervisor's name, against Supervisor's pair."""


class DrivenByXsvctl(CompatCase):
    """Our pair under its own name."""


def _add(case, name, client):
    config, steps = EVERY[name]
    test = lambda self: self.compare(name, config, steps, "xsvd", client)
    test.length = len(steps)
    setattr(case, "test_" + name, test)


# These say nothing about a daemon.
CLIENT_ONLY = {"help_texts", "options", "unreachable", "sectionless"}
# Under its own name our client has its own help, usage text, advice and reload.
OWN = {"syntax", "shutting_down", "piped_shell", "life_of_a_daemon"}

for _name in EVERY:
    if _name not in CLIENT_ONLY:
        _add(DrivenBySupervisorctl, _name, "supervisorctl")
        _add(DrivenByOurSupervisorctl, _name, "link")
        if _name not in OWN:
            _add(DrivenByXsvctl, _name, "xsvctl")


if __name__ == "__main__":
    unittest.main()
