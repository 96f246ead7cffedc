"""Answers of the DNS for as long as they hold, within bounds: whoever owns a zone decides how much it says."""

from collections import OrderedDict
from typing import Generic, TypeVar

MAX_ANSWERS = 20_000
MAX_OCTETS = 8_000_000  # of all together, roughly
_OCTETS_OF_ANY = 400  # what an entry costs beside its text

Q = TypeVar("Q")
A = TypeVar("A")


class DnsMemory(Generic[Q, A]):
    """What was asked longest ago is forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Q, tuple[float, int, A]] = OrderedDict()  # question → (until, octets, answer)
        self.octets = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, question: Q, now_seconds: float) -> A | None:
        known = self._known.get(question)
        return known[2] if known is not None and now_seconds < known[0] else None

    def put(self, question: Q, answer: A, until_seconds: float, text_octets: int) -> None:
        self._drop(question)
        octets = text_octets + _OCTETS_OF_ANY
        self._known[question] = (until_seconds, octets, answer)
        self.octets += octets
        while self._known and (len(self._known) > MAX_ANSWERS or self.octets > MAX_OCTETS):
            self._drop(next(iter(self._known)))

    def clear(self) -> None:
        self._known.clear()
        self.octets = 0

    def _drop(self, question: Q) -> None:
        known = self._known.pop(question, None)
        if known is not None:
            self.octets -= known[1]
