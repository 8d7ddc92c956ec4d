"""Every script of the scripts_*.py beside this file, by name."""

import scripts
import scripts_daemon
import scripts_processes


def _scripts_of(module):
    return {name: value for name, value in vars(module).items()
            if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], list)}


# These look at what a daemon does, whichever client asks: nothing to be learnt from our client on the real daemon.
ABOUT_THE_DAEMON = {**_scripts_of(scripts_processes), **_scripts_of(scripts_daemon)}
EVERY = {**_scripts_of(scripts), **ABOUT_THE_DAEMON}
