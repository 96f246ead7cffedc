"""How it went between two moments: what the report counts and measures."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from routerd.desk.changes import HeldKind
from routerd.store.connection import Connection, select
from routerd.store.rows import from_micros, storable, to_micros
from routerd.store.stored_json import texts_from_json

_MICROSECOND = timedelta(microseconds=1)
_QUARTER = 900_000_000  # microseconds: the clocks of all countries differ by whole quarters of an hour

Between = Callable[[int, int], int]
"""Given two moments, in microseconds since 1970-01-01 UTC: the working time between them, in microseconds."""

Working = Callable[[str, str | None], Between]
"""Given owner and team: how their working time is measured."""


class By(StrEnum):
    MEMBER = "member"
    TEAM = "team"
    INBOX = "inbox"
    LABEL = "label"
    RULE = "rule"


# For each table the column that names the group. A conversation may have many labels and rules: it counts for each.
_CONVERSATION_KEYS = {
    By.MEMBER: "c.owner",
    By.TEAM: "c.team",
    By.INBOX: "c.inbox",
    By.LABEL: "c.labels_json",
    By.RULE: "c.rules_json",
}
_JOINED = "LEFT JOIN conversations AS c ON c.number = x.conversation"
_OWN_KEYS = {By.MEMBER: "x.member", By.TEAM: "x.team", By.INBOX: "x.inbox"}
_HELD_KEYS = {By.MEMBER: "x.member"}

# Rows are grouped here, where it takes no sorting. Answers stand as they came, the order of their time or near to it.
_COUNTED = "SELECT {key}, x.kind FROM counted AS x {joined} WHERE x.at >= ? AND x.at < ?"
_ANSWERS = """
SELECT {key}, x.is_first, x.waited, x.waited_working FROM answers AS x {joined} WHERE x.at >= ? AND x.at < ?
"""
# What a machine sent was closed when it came.
_CLOSED = """
SELECT {key}, c.owner, c.team, c.began_at, max(coalesce(c.answered_at, c.closed_at), c.began_at)
FROM conversations AS c WHERE c.closed_at >= ? AND c.closed_at < ? AND c.closed_at > c.began_at
"""
_WAITING = """
SELECT {key}, count(*), sum(c.overdue) FROM conversations AS c
WHERE c.state IN ('open', 'snoozed') AND c.waiting_since IS NOT NULL GROUP BY 1
"""
_HELD = """
SELECT {key}, count(*) FROM held AS x LEFT JOIN conversations AS c ON c.number = x.conversation
WHERE x.kind = ? AND x.at >= ? AND x.at < ? GROUP BY 1
"""
_RECEIVED_QUARTERS = "SELECT at / ?, count(*) FROM counted WHERE kind = 'received' AND at >= ? AND at < ? GROUP BY 1"
_ANSWERED_QUARTERS = "SELECT at / ?, count(*) FROM answers WHERE at >= ? AND at < ? GROUP BY 1"


@dataclass(frozen=True, slots=True)
class Spread:
    """Of so many durations the median and the 90th percentile (the least that 90 % do not exceed)."""

    count: int
    median: timedelta
    ninetieth: timedelta


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one group. Notes and automatic mail do not count."""

    name: str  # "": of those without team, label, rule
    received: int = 0  # customers' messages
    answered: int = 0  # answers that went out
    first_response: Spread | None = None  # by the clock, from the message to the conversation's first answer
    first_response_working: Spread | None = None
    resolution: Spread | None = None  # of conversations closed meanwhile: from the first message to the last answer
    resolution_working: Spread | None = None
    waiting: int = 0  # conversations, now
    overdue: int = 0  # of them
    reassigned: int = 0  # by hand
    held: int = 0  # second answers


@dataclass(frozen=True, slots=True)
class DayFigures:
    day: datetime  # its beginning
    received: int
    answered: int


@dataclass(frozen=True, slots=True)
class Report:
    by: By
    since: datetime
    until: datetime
    groups: tuple[Figures, ...]  # those with most received first
    total: Figures
    days: tuple[DayFigures, ...]  # each of them, also without any


@dataclass(slots=True)
class _Gathered:
    received: int = 0
    answered: int = 0
    waiting: int = 0
    overdue: int = 0
    reassigned: int = 0
    held: int = 0
    first: list[int] = field(default_factory=list)
    first_working: list[int] = field(default_factory=list)
    resolution: list[int] = field(default_factory=list)
    resolution_working: list[int] = field(default_factory=list)

    def figures(self, name: str) -> Figures:
        return Figures(
            name,
            self.received,
            self.answered,
            _spread(self.first),
            _spread(self.first_working),
            _spread(self.resolution),
            _spread(self.resolution_working),
            self.waiting,
            self.overdue,
            self.reassigned,
            self.held,
        )


class _Groups:
    """The groups that a row belongs to, and the total of all."""

    def __init__(self, by: By) -> None:
        self.total = _Gathered()
        self.named: dict[str, _Gathered] = {}
        self._is_list = by in (By.LABEL, By.RULE)
        self._of_key: dict[str | None, tuple[_Gathered, ...]] = {}

    def of(self, key: str | None) -> tuple[_Gathered, ...]:
        found = self._of_key.get(key)
        if found is None:
            names = dict.fromkeys(texts_from_json(key or "[]")) if self._is_list else {storable(key or ""): None}
            named = (self.named.setdefault(name, _Gathered()) for name in names or ("",))
            found = self._of_key[key] = (*named, self.total)
        return found


def report(
    db: Connection,
    by: By,
    since: datetime,
    until: datetime,
    *,
    zone: tzinfo,
    working: Working | None = None,
) -> Report:
    """`zone`: whose days are counted. `working` measures resolutions; first responses were, when they were given."""
    span = (to_micros(since), to_micros(until))
    groups = _Groups(by)
    _count(db, by, span, groups)
    _measure_answers(db, by, span, groups)
    _measure_closed(db, by, span, groups, working)
    found = [gathered.figures(name) for name, gathered in groups.named.items()]
    found.sort(key=lambda one: (-one.received, -one.answered, one.name))
    return Report(by, since, until, tuple(found), groups.total.figures(""), tuple(_days(db, span, since, until, zone)))


def _of_table(question: str, by: By) -> str:
    """Its own column names the group, or its conversation's does."""
    own = _OWN_KEYS.get(by)
    return question.format(key=own or _CONVERSATION_KEYS[by], joined="" if own else _JOINED)


def _count(db: Connection, by: By, span: tuple[int, int], groups: _Groups) -> None:
    for (name, kind), count in Counter(select(db, _of_table(_COUNTED, by), span)).items():
        for group in groups.of(name):
            if kind == "received":
                group.received += count
            elif kind == "reassigned":
                group.reassigned += count
    for name, count, overdue in select(db, _WAITING.format(key=_CONVERSATION_KEYS[by])):
        for group in groups.of(name):
            group.waiting += count
            group.overdue += overdue
    key = _HELD_KEYS.get(by, _CONVERSATION_KEYS[by])
    for name, count in select(db, _HELD.format(key=key), (str(HeldKind.CONFLICT), *span)):
        for group in groups.of(name):
            group.held += count


def _measure_answers(db: Connection, by: By, span: tuple[int, int], groups: _Groups) -> None:
    found: dict[str | None, list[tuple[Any, ...]]] = {}
    for name, *figures in select(db, _of_table(_ANSWERS, by), span):
        found.setdefault(name, []).append(tuple(figures))
    for name, rows in found.items():
        first = [waited for is_first, waited, _ in rows if is_first and waited is not None]
        first_working = [waited for is_first, _, waited in rows if is_first and waited is not None]
        for group in groups.of(name):
            group.answered += len(rows)
            group.first += first
            group.first_working += first_working


def _measure_closed(db: Connection, by: By, span: tuple[int, int], groups: _Groups, working: Working | None) -> None:
    found: dict[tuple[str | None, str, str | None], list[tuple[int, int]]] = {}
    for name, owner, team, began, resolved in select(db, _CLOSED.format(key=_CONVERSATION_KEYS[by]), span):
        found.setdefault((name, owner, team), []).append((began, resolved))
    for (name, owner, team), spans in found.items():
        resolution = [resolved - began for began, resolved in spans]
        between = working(storable(owner), team) if working else None
        worked = [between(began, resolved) for began, resolved in spans] if between else []
        for group in groups.of(name):
            group.resolution += resolution
            group.resolution_working += worked


def _days(
    db: Connection, span: tuple[int, int], since: datetime, until: datetime, zone: tzinfo
) -> Iterator[DayFigures]:
    received = _by_day(select(db, _RECEIVED_QUARTERS, (_QUARTER, *span)), zone)
    answered = _by_day(select(db, _ANSWERED_QUARTERS, (_QUARTER, *span)), zone)
    day = since.astimezone(zone).date()
    last = (until - _MICROSECOND).astimezone(zone).date()
    while day <= last:
        begin = datetime(day.year, day.month, day.day, tzinfo=zone)
        yield DayFigures(begin, received.get(day, 0), answered.get(day, 0))
        day += timedelta(days=1)


def _by_day(rows: Iterable[Sequence[Any]], zone: tzinfo) -> dict[Any, int]:
    days: dict[Any, int] = {}
    for quarter, count in rows:
        day = from_micros(quarter * _QUARTER).astimezone(zone).date()
        days[day] = days.get(day, 0) + count
    return days


def _spread(micros: list[int]) -> Spread | None:
    if not micros:
        return None
    ordered = sorted(micros)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2
    ninetieth = ordered[-(-9 * len(ordered) // 10) - 1]
    return Spread(len(ordered), timedelta(microseconds=median), timedelta(microseconds=ninetieth))
