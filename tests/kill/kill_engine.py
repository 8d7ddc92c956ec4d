#!/usr/bin/python3
"""Kills the engine at random moments under load, and counts what that cost anybody: scene.py says what is counted.

    kill_engine.py [--connections 10000] [--kills 100] [--seed N]
"""
import os
import signal
import sys
import time

import scene


def one_kill(daemon, source, probe):
    time.sleep(source.random() * 0.03)  # a random moment is the point
    engine = daemon.wait_for_engine()
    begun = time.monotonic()
    os.kill(engine, signal.SIGKILL)
    if not scene.is_answered(probe):
        raise AssertionError("the probe got a short answer")
    took = time.monotonic() - begun
    daemon.wait_for_engine(other_than=engine)
    return took


if __name__ == "__main__":
    sys.exit(scene.main(__doc__, 10_000, 100, scene.under_load(one_kill)))
