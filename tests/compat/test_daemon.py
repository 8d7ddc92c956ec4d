"""xsvd driven by Supervisor's own client, compared with supervisord driven by it; then our client on our daemon."""

import unittest

import scripts
from harness import CompatCase


class DrivenBySupervisorctl(CompatCase):
    """The real supervisorctl cannot tell which daemon it talks to."""


class DrivenByXsvctl(CompatCase):
    """Our pair, under Supervisor's name, against Supervisor's pair."""


def _add(case, name, client):
    config, steps = scripts.EVERY[name]
    test = lambda self: self.compare(name, config, steps, "xsvd", client)
    test.length = len(steps)
    setattr(case, "test_" + name, test)


# These say nothing about a daemon.
CLIENT_ONLY = {"help_texts", "options", "unreachable", "sectionless"}

for _name in scripts.EVERY:
    if _name not in CLIENT_ONLY:
        _add(DrivenBySupervisorctl, _name, "supervisorctl")
        _add(DrivenByXsvctl, _name, "link")


if __name__ == "__main__":
    unittest.main()
