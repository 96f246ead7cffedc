"""Rows as values: copies, moments, and the texts that a column can hold."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import Any

from routerd.desk.changes import Role
from routerd.message.annotation import Annotation
from routerd.message.envelope import CopyId, QueueId
from routerd.store.base import Copy, CopyState
from routerd.store.connection import Connection, Value
from routerd.store.stored_json import annotation_from_json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MICROS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_MAX_KEY_CHARACTERS = 250
ROLES = frozenset(Role)
_ANY_COUNT = 16  # up to so many rows each number has its statement; above, only these steps
_STEP = 8
_MOST_ROWS = 64

COPY_COLUMNS = (
    "c.number, c.message, c.suffix, m.queue_id, c.member, c.mailbox, c.destination, c.role, m.sender, m.to_return_path,"
    " m.size_bytes, c.team, c.created_at, c.state, c.attempts, c.next_attempt_at, c.reason,"
    " coalesce(c.annotation_json, m.annotation_json)"
)
COPIES = "copies AS c JOIN messages AS m ON m.number = c.message"

Row = Sequence[Any]


def to_micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def micros_or_none(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def from_micros(micros: int) -> datetime:
    """A number that is no moment, as nobody stored it, gives the nearest."""
    return _EPOCH + timedelta(microseconds=min(max(micros, 0), _LAST_MICROS))


def to_minute(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(minutes=1)


def storable(text: str) -> str:
    """A lone surrogate, which UTF-8 cannot hold, is written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def bindable(text: str) -> str | bytes:
    """Text as `select` gives it, to look for what is stored; in SQL it stands in CAST(? AS TEXT)."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape")


def copy_state(text: str) -> CopyState:
    """A state that there is not, as nobody stored it, is the postmaster's affair: held."""
    try:
        return CopyState(text)
    except ValueError:
        return CopyState.HELD


def message_key(message_id: str) -> str:
    """A Message-ID as it is looked up: whoever sends one of a megabyte does not grow the index by it."""
    if len(message_id) > _MAX_KEY_CHARACTERS:
        return "sha256:" + sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()
    return storable(message_id)


def copy_id(queue_id: str, suffix: int) -> CopyId:
    return CopyId(f"{queue_id}-{suffix}")


def read_copies(rows: Iterable[Row]) -> Iterator[Copy]:
    """Of rows of COPY_COLUMNS, as `select` gives them. Copies of one message share its annotation.

    Never raises: a copy that cannot be read whole comes with its `damage`, and with what can be read.
    """
    known: dict[str, Annotation] = {}
    for row in rows:
        stored: str = row[17]
        damage = _damage(row)
        annotation = known.get(stored)
        if annotation is None:
            try:
                annotation = known[stored] = annotation_from_json(stored)
            except Exception as error:  # whatever damaged JSON makes of itself
                annotation = Annotation(queue_id=storable(row[3]), inbox="", assigned_to="", assigned_name="")
                damage = damage or f"annotation_json: {type(error).__name__}: {error}"
        yield Copy(
            number=row[0],
            id=copy_id(storable(row[3]), row[2]),
            queue_id=QueueId(storable(row[3])),
            message=row[1],
            member=storable(row[4]),
            mailbox=storable(row[5]),
            destination=storable(row[6]),
            role=Role(row[7]) if row[7] in ROLES else Role.OWNER,
            sender=storable(row[8]),
            to_return_path=bool(row[9]),
            size_bytes=row[10],
            team=None if row[11] is None else storable(row[11]),
            created_at=from_micros(row[12]),
            state=copy_state(row[13]),
            attempts=row[14],
            next_attempt_at=None if row[15] is None else from_micros(row[15]),
            reason=storable(row[16]),
            annotation=annotation,
            damage=damage and f"the stored row is damaged: {damage}",
        )


def _damage(row: Row) -> str:
    """Of the columns without which a copy cannot be sent; the annotation aside."""
    if row[7] not in ROLES:
        return f"no role: {storable(row[7])!r}"
    for name, text in (("queue_id", row[3]), ("member", row[4]), ("mailbox", row[5]), ("sender", row[8])):
        if not text.isascii() and storable(text) != text:
            return f"{name} is not UTF-8"
    return ""


class RowWriter:
    """Writes many rows with one statement. `statement` holds the word ROWS where they stand.

    SQLite is let run without the interpreter's lock, and to get that back costs a busy process far more than the
    statement itself: what counts is how many statements there are. Of few sizes, so that they all stay prepared.
    """

    def __init__(self, statement: str, columns: int) -> None:
        self._statement = statement
        self._row = f"({','.join('?' * columns)})"
        self._sized: dict[int, str] = {}  # by the number of rows

    @classmethod
    def inserting(cls, table: str, columns: Sequence[str], otherwise: str = "") -> "RowWriter":
        """`otherwise`: what stands behind the rows, such as ON CONFLICT."""
        return cls(f"INSERT INTO {table} ({','.join(columns)}) VALUES ROWS {otherwise}", len(columns))  # noqa: S608

    def write(self, db: Connection, rows: Sequence[Sequence[Value]]) -> None:
        start = 0
        while start < len(rows):
            count = _count_at_once(len(rows) - start)
            bindings = tuple(chain.from_iterable(rows[start : start + count]))
            db.execute(self._of(count), bindings)
            start += count

    def _of(self, count: int) -> str:
        statement = self._sized.get(count)
        if statement is None:
            statement = self._sized[count] = self._statement.replace("ROWS", ",".join([self._row] * count))
        return statement


def _count_at_once(rows: int) -> int:
    if rows <= _ANY_COUNT:
        return rows
    return min(rows // _STEP * _STEP, _MOST_ROWS)


def with_any_detail(address: str) -> tuple[str, tuple[Value, ...]]:
    """A clause, and its values: the column `address` is that, whatever stands behind a + in the one or the other."""
    local, _, domain = address.rpartition("@")
    base = local.partition("+")[0] or local
    suffix = f"@{domain}"
    clause = "(address = ? OR (address >= ? AND address < ? AND substr(address, ?) = ?))"
    return clause, (base + suffix, f"{base}+", f"{base},", -len(suffix), suffix)
