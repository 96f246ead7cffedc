"""How far `check` looks: steps are counted, never the clock, so that the same rules always give the same findings."""

from dataclasses import dataclass


class SpentError(Exception):
    """There are no steps left."""


class Effort:
    """The steps that may still be taken. One is about as much as comparing two atoms: a few microseconds."""

    __slots__ = ("_left",)

    def __init__(self, steps: int) -> None:
        self._left = steps

    def take(self, steps: int) -> None:
        """Raises SpentError where no steps were left; the last ones may be more than were."""
        if self._left <= 0:
            raise SpentError
        self._left -= steps


@dataclass(frozen=True, slots=True)
class Unseen:
    """Of one kind of finding, what was not looked at, in words."""

    kind: str
    message: str
