"""An even pace of mail for one system, sent by `steady.py` in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.letters import RECIPIENT, SENDER, SIZES
from bench.steady import Letters
from peers.machine import PeerError

_PROGRAM = Path(__file__).with_name("steady.py")


@dataclass(frozen=True, slots=True)
class Paced:
    """Percentiles (`p50`, `p99`, `p99.9`) in milliseconds."""

    messages: int
    rate: float  # a second; below the one asked for where the system did not keep up
    cpu: float  # the share of one processor that the sender took
    accept: Mapping[str, float]  # from the final dot to its answer
    whole: Mapping[str, float]  # from the moment at which the message was due


def paced_letters(client: str, *, automatic: bool = False) -> Letters:
    """What a Pace of this client sends."""
    return Letters(client, SENDER, RECIPIENT, SIZES["4KiB"], automatic=automatic)


class Pace:
    """Sends from now on. A context manager, so that no sender is left behind."""

    def __init__(
        self,
        port: int,
        rate: float,
        seconds: float,
        *,
        keep: bool = False,
        automatic: bool = False,
        client: str | None = None,
    ) -> None:
        options = [*("--port", str(port)), *("--rate", str(rate)), *("--seconds", str(seconds))]
        options += ["--sender", SENDER, "--recipient", RECIPIENT, *(["--client", client] if client else [])]
        options += [*(["--keep"] if keep else []), *(["--automatic"] if automatic else [])]
        self._seconds = seconds
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Pace":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> Paced:
        """Raises PeerError where a message was refused, or the system took far longer than it should."""
        try:
            told, trouble = self._process.communicate(timeout=self._seconds * 10 + 120)
        except subprocess.TimeoutExpired as error:
            raise PeerError("the system does not take what is sent to it") from error
        if self._process.returncode:
            raise PeerError(f"not all were taken: {trouble[-1000:]}")
        found: dict[str, Any] = json.loads(told)
        return Paced(**found)
