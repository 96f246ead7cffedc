"""Which destinations may begin an attempt where not all can at once. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from routerd.delivery.lanes.lane import Lane

MAX_AT_ONCE = 200  # attempts over all destinations, each with a socket or a file

_Line = dict[str, Lane]  # by destination, in the order in which they asked


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave to make attempts: begun once, and given back."""

    lane: Lane
    is_proven: bool

    def begin(self) -> None:
        """Its hand is at work. Up to here it counts as one for whom a copy waits: a single fresh copy does not set as
        many hands to work as the lane allows, all but one of which would find nothing."""
        self.lane.beginning -= 1


class Turns:
    """Where it is crowded, destinations take turns, one attempt each.

    A quarter of the room is for those whose next hop answers, and another quarter is not for the second attempt at one
    of which that is not known: those that are dead, however many copies wait for them, leave room for the others.
    """

    def __init__(self, most: int = MAX_AT_ONCE) -> None:
        self._most = most
        self._most_first = most - most // 4
        self._most_further = most // 2
        self._taken = 0
        self._unproven = 0
        self._proven_line: _Line = {}
        self._first_line: _Line = {}  # unproven, and not under way at all
        self._further_line: _Line = {}
        self._proven_is_next = True

    @property
    def somebody_waits(self) -> bool:
        """Whoever has a turn should make one attempt only, and ask again."""
        return bool(self._proven_line or self._first_line or self._further_line)

    def ask(self, lane: Lane) -> None:
        """Puts it at the end of its line, unless it stands there."""
        if not lane.may_start:
            return
        own = self._proven_line if lane.answers else self._further_line if lane.active else self._first_line
        if lane.destination in own:
            return
        for line in (self._proven_line, self._first_line, self._further_line):
            line.pop(lane.destination, None)
        own[lane.destination] = lane

    def give(self) -> Iterator[Turn]:
        """The turns that can be taken now; each counts as active from here on."""
        while self._taken < self._most and (lane := self._next()) is not None:
            if not lane.may_start:
                continue  # it has thought otherwise
            turn = Turn(lane, lane.answers)
            lane.active += 1
            lane.beginning += 1
            self._taken += 1
            self._unproven += not turn.is_proven
            self.ask(lane)
            yield turn

    def give_back(self, turn: Turn) -> None:
        turn.lane.active -= 1
        self._taken -= 1
        self._unproven -= not turn.is_proven

    def _next(self) -> Lane | None:
        unproven: _Line = {}
        if self._first_line and self._unproven < self._most_first:
            unproven = self._first_line
        elif self._unproven < self._most_further:
            unproven = self._further_line
        line = self._proven_line or unproven if self._proven_is_next else unproven or self._proven_line
        self._proven_is_next = not self._proven_is_next
        return line.pop(next(iter(line))) if line else None
