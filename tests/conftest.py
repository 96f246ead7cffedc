"""What all tests share: real programs or a reason why not, free ports, waiting for something to hold."""

import os
import shutil
import socket
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

ON_CI = os.environ.get("CI") == "true"
PROGRAM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def unavailable(reason: str) -> None:
    """Skips the test with `reason`; fails it on CI, where everything has to be there."""
    if ON_CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def need() -> Callable[[str, str], str]:
    """`need("postfix", "postfix")` gives the program's path, or ends the test naming the Debian package to install."""

    def find(program: str, package: str) -> str:
        found = shutil.which(program, path=PROGRAM_PATH)
        if found is None:
            unavailable(f"{program} is not installed; apt install {package}")
        return str(found)

    return find


@pytest.fixture(scope="session")
def need_root() -> Callable[[str], None]:
    """`need_root("postfix")` ends the test where it does not run as root."""

    def check(program: str) -> None:
        if os.geteuid() != 0:
            unavailable(f"{program} must be started by root")

    return check


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port on 127.0.0.1 that nobody listens on; never the same one twice in this process."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in given:
                given.add(port)
                return port

    return find


def wait_for(condition: Callable[[], T], what: str, seconds: float = 60.0, trouble: Callable[[], str] = str) -> T:
    """Polls until `condition` gives something true, and gives that; fails the test after `seconds`.

    `what` says what was waited for; `trouble` adds what a reader then wants to see, such as the end of a log.
    """
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s for {what}, last seen: {found!r}\n{trouble()}", pytrace=False)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., object]:
    """`wait_until(lambda: queue.empty(), "an empty queue")`, for what real programs do in their own time."""
    return wait_for
