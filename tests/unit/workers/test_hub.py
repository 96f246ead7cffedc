"""What the hub says of a worker that is silent, and of one that has ended."""

import asyncio
import signal
from typing import cast

import pytest

from routerd.workers.hub import ask_within, end_of
from routerd.workers.seat import Seat, why_unfit


class _Link:
    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def ask(self, _words: object) -> object:
        if self._error is not None:
            raise self._error
        return await asyncio.Event().wait()


class _Seat:
    def __init__(self, error: Exception | None = None) -> None:
        self.link = _Link(error)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "silent for 0.01 s"),
        (TimeoutError("no answer from the resolver"), "no answer from the resolver"),
        (ValueError("tls.key: not a key"), "tls.key: not a key"),
        (TimeoutError(), "TimeoutError()"),
    ],
)
async def test_reason_tells_silence_from_what_a_worker_says(error: Exception | None, reason: str) -> None:
    """Its own words, or how long there were none."""
    with pytest.raises(Exception) as raised:
        await ask_within(0.01, cast(Seat, _Seat(error)), "?")
    assert why_unfit(raised.value) == reason


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, {"status": 1}),
        (-signal.SIGKILL, {"signal": "SIGKILL"}),
        (-signal.SIGSEGV, {"signal": "SIGSEGV"}),
        (-40, {"signal": 40}),
    ],
)
def test_end_by_a_signal_bears_its_name(status: int, said: dict[str, str | int]) -> None:
    """Most of the real-time ones have none."""
    assert end_of(status) == said
