"""How it went between two moments: what the report counts and measures."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from routerd.desk.changes import HeldKind
from routerd.desk.plan import Went
from routerd.store.connection import Connection, select
from routerd.store.rows import from_micros, storable, to_micros
from routerd.store.stored_json import texts_from_json

_MICROSECOND = timedelta(microseconds=1)
_QUARTER = 900_000_000  # microseconds: the clocks of all countries differ by whole quarters of an hour

Durations = list[float]
"""In microseconds, whole ones: Python sorts floats in half the time that it takes for integers as large as these."""

Worked = Callable[[Sequence[tuple[int, int]]], Durations]
"""Given pairs of moments, in microseconds since 1970-01-01 UTC: the working time between those of each."""

Working = Callable[[str, str | None], Worked]
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
_OWN_KEYS = {By.MEMBER: "x.member", By.TEAM: "x.team", By.INBOX: "x.inbox"}
_HELD_KEYS = {By.MEMBER: "x.member"}

_KEYS = "SELECT c.number, {key} FROM conversations AS c"
# Rows are grouped here, where it takes no sorting.
_RECEIVED = "SELECT {key}, x.at / ? FROM counted AS x WHERE x.kind = 'received' AND x.at >= ? AND x.at < ?"
_REASSIGNED = """
SELECT {key}, count(*) FROM counted AS x WHERE x.kind = 'reassigned' AND x.at >= ? AND x.at < ? GROUP BY 1
"""
_ANSWERS = """
SELECT {key}, x.at / ?, x.is_first, CAST(x.waited AS REAL), CAST(x.waited_working AS REAL) FROM answers AS x
WHERE x.at >= ? AND x.at < ?
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
    first: Durations = field(default_factory=list)
    first_working: Durations = field(default_factory=list)
    resolution: Durations = field(default_factory=list)
    resolution_working: Durations = field(default_factory=list)

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
    table = _Table(db, by)
    received = _count_received(table, span, groups)
    answered = _measure_answers(table, span, groups)
    _measure_closed(db, by, span, groups, working)
    _count_others(table, by, span, groups)
    found = [gathered.figures(name) for name, gathered in groups.named.items()]
    found.sort(key=lambda one: (-one.received, -one.answered, one.name))
    days = tuple(_days(received, answered, since, until, zone))
    return Report(by, since, until, tuple(found), groups.total.figures(""), days)


def how_it_went(
    db: Connection, since: datetime, until: datetime, *, team: str | None = None, member: str | None = None
) -> Went:
    """In short, with a team or a member."""
    column, name = ("x.team", team) if member is None else ("x.member", member)
    given = (_QUARTER, to_micros(since), to_micros(until), name)
    received = select(db, f"{_RECEIVED.format(key=column)} AND {column} = ?", given)
    answers = select(db, f"{_ANSWERS.format(key=column)} AND {column} = ?", given)
    first = [waited if worked is None else worked for _, _, is_first, waited, worked in answers if is_first]
    spread = _spread([waited for waited in first if waited is not None])
    return Went(len(received), len(answers), (spread.median, spread.ninetieth) if spread else None)


class _Table:
    """The tables of what was counted, whose own column names the group, or else their conversation."""

    def __init__(self, db: Connection, by: By) -> None:
        self.db = db
        self._own = _OWN_KEYS.get(by)
        # Read in one go: to join each row with its conversation takes four times as long.
        keys = () if self._own else select(db, _KEYS.format(key=_CONVERSATION_KEYS[by]))
        self._keys: dict[int, str | None] = dict(keys)

    def rows(self, question: str, given: Sequence[int]) -> list[tuple[Any, ...]]:
        """`keys` takes their first column."""
        return select(self.db, question.format(key=self._own or "x.conversation"), given)

    def keys(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[str | None]:
        """Of the group of each."""
        first = (row[0] for row in rows)
        return first if self._own else map(self._keys.get, first)


def _count_received(table: _Table, span: tuple[int, int], groups: _Groups) -> Counter[int]:
    """Gives how many there were in each quarter of an hour."""
    rows = table.rows(_RECEIVED, (_QUARTER, *span))
    for name, count in Counter(table.keys(rows)).items():
        for group in groups.of(name):
            group.received += count
    return Counter(row[1] for row in rows)


def _measure_answers(table: _Table, span: tuple[int, int], groups: _Groups) -> Counter[int]:
    """Gives how many there were in each quarter of an hour."""
    rows = table.rows(_ANSWERS, (_QUARTER, *span))
    names = list(table.keys(rows))
    found: dict[str | None, tuple[Durations, Durations]] = defaultdict(lambda: ([], []))
    for name, (_, _, is_first, waited, worked) in zip(names, rows, strict=True):
        if is_first:
            first, first_working = found[name]
            if waited is not None:
                first.append(waited)
            if worked is not None:
                first_working.append(worked)
    for name, count in Counter(names).items():
        for group in groups.of(name):
            group.answered += count
    for name, (first, first_working) in found.items():
        first.sort()
        first_working.sort()
        for group in groups.of(name):
            group.first += first
            group.first_working += first_working
    return Counter(row[1] for row in rows)


def _measure_closed(db: Connection, by: By, span: tuple[int, int], groups: _Groups, working: Working | None) -> None:
    found: dict[tuple[str | None, str, str | None], list[tuple[int, int]]] = defaultdict(list)
    for name, owner, team, began, resolved in select(db, _CLOSED.format(key=_CONVERSATION_KEYS[by]), span):
        found[name, owner, team].append((began, resolved))
    for (name, owner, team), spans in found.items():
        resolution = sorted([float(resolved - began) for began, resolved in spans])
        worked = sorted(working(storable(owner), team)(spans)) if working else []
        for group in groups.of(name):
            group.resolution += resolution
            group.resolution_working += worked


def _count_others(table: _Table, by: By, span: tuple[int, int], groups: _Groups) -> None:
    reassigned = table.rows(_REASSIGNED, span)
    for name, (_, count) in zip(table.keys(reassigned), reassigned, strict=True):
        for group in groups.of(name):
            group.reassigned += count
    for name, count, overdue in select(table.db, _WAITING.format(key=_CONVERSATION_KEYS[by])):
        for group in groups.of(name):
            group.waiting += count
            group.overdue += overdue
    key = _HELD_KEYS.get(by, _CONVERSATION_KEYS[by])
    for name, count in select(table.db, _HELD.format(key=key), (str(HeldKind.CONFLICT), *span)):
        for group in groups.of(name):
            group.held += count


def _days(
    received: Mapping[int, int], answered: Mapping[int, int], since: datetime, until: datetime, zone: tzinfo
) -> Iterator[DayFigures]:
    came, went = _by_day(received, zone), _by_day(answered, zone)
    day = since.astimezone(zone).date()
    last = (until - _MICROSECOND).astimezone(zone).date()
    while day <= last:
        begin = datetime(day.year, day.month, day.day, tzinfo=zone)
        yield DayFigures(begin, came[day], went[day])
        day += timedelta(days=1)


def _by_day(quarters: Mapping[int, int], zone: tzinfo) -> Counter[date]:
    days: Counter[date] = Counter()
    for quarter, count in quarters.items():
        days[from_micros(quarter * _QUARTER).astimezone(zone).date()] += count
    return days


def _spread(micros: Durations) -> Spread | None:
    """Of durations that are sorted in runs, which sorting but merges."""
    if not micros:
        return None
    ordered = sorted(micros)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2
    ninetieth = ordered[-(-9 * len(ordered) // 10) - 1]
    return Spread(len(ordered), timedelta(microseconds=median), timedelta(microseconds=ninetieth))
