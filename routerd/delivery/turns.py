"""Which destinations may begin an attempt where not all can at once. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from routerd.delivery.lane import Lane

MAX_AT_ONCE = 200  # attempts over all destinations, each with a socket or a file


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave to make attempts, until it is given back."""

    lane: Lane
    is_proven: bool


class Turns:
    """Where it is crowded, destinations take turns, one attempt each. A quarter of the room is for those whose next hop
    answers: those that do not, however many they are, never take it all.
    """

    def __init__(self, most: int = MAX_AT_ONCE) -> None:
        self._most = most
        self._most_unproven = most - most // 4
        self._taken = 0
        self._unproven = 0
        self._proven_in_line: dict[str, Lane] = {}  # in the order in which they asked
        self._unproven_in_line: dict[str, Lane] = {}
        self._proven_first = True

    @property
    def somebody_waits(self) -> bool:
        """Whoever has a turn should make one attempt only, and ask again."""
        return bool(self._proven_in_line or self._unproven_in_line)

    def ask(self, lane: Lane) -> None:
        """Puts it in line, as far back as it goes, unless it stands there."""
        if lane.may_start:
            in_line = self._proven_in_line if lane.answers else self._unproven_in_line
            in_line.setdefault(lane.destination, lane)

    def give(self) -> Iterator[Turn]:
        """The turns that can be taken now; each counts as active from here on."""
        while self._taken < self._most and (lane := self._next()) is not None:
            if not lane.may_start:
                continue  # it has thought otherwise
            turn = Turn(lane, lane.answers)
            lane.active += 1
            self._taken += 1
            self._unproven += not turn.is_proven
            self.ask(lane)
            yield turn

    def give_back(self, turn: Turn) -> None:
        turn.lane.active -= 1
        self._taken -= 1
        self._unproven -= not turn.is_proven

    def _next(self) -> Lane | None:
        unproven = self._unproven_in_line if self._unproven < self._most_unproven else {}
        first, second = self._proven_in_line, unproven
        if not self._proven_first:
            first, second = second, first
        self._proven_first = not self._proven_first
        line = first or second
        return line.pop(next(iter(line))) if line else None
