"""A hook for the crash tests, and nothing else: dies by SIGKILL at a named place.

`ROUTERD_CRASH_AT=NAME` or `NAME:COUNT` in the environment kills the process when it comes to that place for the first,
or the COUNT-th, time. Names: before-body-file, within-body-file, after-body-file, before-commit, after-commit,
after-answer (of messages), before-write, after-write (of anything else), before-forget-file (store); after-delivery,
before-conclude, before-reroute, after-reroute, before-bounce, after-bounce (delivery). Without the variable, which is
looked at once, nothing happens anywhere.
"""

import os
import signal
import threading

_NAME, _, _COUNT = os.environ.get("ROUTERD_CRASH_AT", "").partition(":")
_lock = threading.Lock()
_left = int(_COUNT) if _COUNT.isdigit() else 1


def reach(name: str) -> None:
    """Marks the place `name`."""
    if _NAME and name == _NAME:
        _count_down()


def _count_down() -> None:
    global _left  # noqa: PLW0603 - one countdown for the process that it ends
    with _lock:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
