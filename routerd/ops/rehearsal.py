"""Hooks for tests with a real daemon, and nothing else.

`ROUTERD_REHEARSAL=notices:0.5,timers:0.2,sweeps:10,loopback` in the environment has it look for notices to write every
half second, for timers every fifth of one also right after the clock was set, for what is old enough to be forgotten
every ten, and go to mail exchangers whose addresses are loopback ones. Without the variable, which is looked at once,
all is as it is.
"""

import os
from datetime import timedelta

_SAID = dict(part.partition(":")[::2] for part in os.environ.get("ROUTERD_REHEARSAL", "").split(","))

REACHES_LOOPBACK = "loopback" in _SAID


def notices_every(usual: timedelta) -> timedelta:
    """How often notices are looked for."""
    return _every("notices", usual)


def sweeps_every(usual: timedelta) -> timedelta:
    """How often is forgotten what need not be kept any longer."""
    return _every("sweeps", usual)


def timers_every() -> timedelta | None:
    """How often timers are looked for, without a rest when the clock was set; None: as usual."""
    seconds = _SAID.get("timers", "")
    return timedelta(seconds=float(seconds)) if seconds else None


def _every(what: str, usual: timedelta) -> timedelta:
    seconds = _SAID.get(what, "")
    return timedelta(seconds=float(seconds)) if seconds else usual
