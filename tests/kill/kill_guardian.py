#!/usr/bin/python3
"""Kills the guardian at random moments under load, each time when the engine has taken the place of the one before, and
counts what that cost anybody: scene.py says what is counted. Programs that end afterwards are children of the test by then.

    kill_guardian.py [--connections 5000] [--kills 30] [--seed N]
"""
import os
import re
import signal
import sys
import time

import orphans
import scene
import xsvd


# Of somebody else's child, Linux 6.15 and later tell how it ended.
ENDS_ARE_KNOWN = tuple(map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups())) >= (6, 15)


def one_kill(daemon, source, probe):
    time.sleep(source.random() * 0.03)  # a random moment is the point
    engine = daemon.wait_for_engine()
    begun = time.monotonic()
    os.kill(daemon.pid, signal.SIGKILL)
    if not scene.is_answered(probe):
        raise AssertionError("the probe got a short answer")
    took = time.monotonic() - begun
    daemon.inherit(engine)
    xsvd.until(daemon.has_all_roles, lambda: f"each role once, the guardian {engine}: {orphans.family()}")
    if not scene.is_answered(probe):
        raise AssertionError("the probe got a short answer of the new engine")
    return took


if __name__ == "__main__":
    sys.exit(scene.main(__doc__, 5_000, 30, scene.under_load(one_kill, ENDS_ARE_KNOWN), orphans.Daemon))
