"""What the postmaster is to hear of: read for the next notices, and marked as told."""

from datetime import datetime, timedelta

from routerd.message.envelope import QueueId
from routerd.store.base import Copy, Trouble, TroubleKind, Untold
from routerd.store.batch import Batch
from routerd.store.connection import Connection, select
from routerd.store.rows import COPY_COLUMNS, Row, bindable, from_micros, read_copies, storable, to_micros

MAX_ABOUT = 20  # mailboxes whose notices are written at once
MAX_LISTED = 20  # copies that one notice tells of by name
NOTICES_KEPT = timedelta(days=7)  # the moments of the last ones
FORGOTTEN_AT_ONCE = 1000

_DUE = """
SELECT t.about, max(t.number) FROM troubles AS t LEFT JOIN notices AS n ON n.about = t.about
WHERE t.told = 0 AND (n.at IS NULL OR n.at <= ? OR n.at > ?)
GROUP BY t.about ORDER BY min(t.number) LIMIT ?
"""
_LISTED = f"""
SELECT {COPY_COLUMNS}, t.kind, t.reason, t.taken_by, t.at, t.status, count(*) OVER ()
FROM troubles AS t JOIN copies AS c ON c.number = t.copy JOIN messages AS m ON m.number = c.message
WHERE t.told = 0 AND t.about = CAST(? AS TEXT) AND t.number <= ? AND (t.kind <> 'late' OR c.state = 'queued')
ORDER BY t.kind = 'late', t.number LIMIT ?
"""  # noqa: S608 - constants
_TELL = "UPDATE troubles SET told = 1 WHERE told = 0 AND about = CAST(? AS TEXT) AND number <= ?"
_TOLD_AT = "INSERT INTO notices VALUES (?, ?) ON CONFLICT (about) DO UPDATE SET at = excluded.at"
# What is told is kept while the copy is open, so that of a late one it is told once.
_FORGET = """
DELETE FROM troubles WHERE number IN (
  SELECT t.number FROM troubles AS t WHERE t.told = 1
  AND NOT EXISTS (SELECT 1 FROM copies AS c WHERE c.number = t.copy AND c.finished_at IS NULL) LIMIT ?
)
"""
_FORGET_NOTICES = "DELETE FROM notices WHERE at < ?"


def read_untold(db: Connection, now: datetime, apart: timedelta) -> tuple[Untold, ...]:
    """At most MAX_ABOUT, those that wait longest first."""
    due = select(db, _DUE, (to_micros(now - apart), to_micros(now), MAX_ABOUT))
    return tuple(_untold(db, about, last) for about, last in due)


def tell(batch: Batch, untold: Untold, notice: QueueId, at: datetime) -> None:
    """All of it is told by `notice`, and the histories of the messages that it lists say so."""
    tell_nobody(batch, untold)
    batch.db.execute(_TOLD_AT, (untold.about, to_micros(at)))
    for trouble in untold.troubles:
        told = {"copy": trouble.copy.id, "kind": str(trouble.kind), "notice": notice}
        batch.add_event(trouble.copy.message, to_micros(at), "postmaster_told", told)


def tell_nobody(batch: Batch, untold: Untold) -> None:
    batch.flush()
    batch.db.execute(_TELL, (untold.about, untold.up_to))


def forget_told(batch: Batch, now: datetime) -> None:
    """Some of it, each time."""
    batch.flush()
    batch.db.execute(_FORGET, (FORGOTTEN_AT_ONCE,))
    batch.db.execute(_FORGET_NOTICES, (to_micros(now - NOTICES_KEPT),))


def _untold(db: Connection, about: str, last: int) -> Untold:
    rows = select(db, _LISTED, (bindable(about), last, MAX_LISTED))
    troubles = tuple(_trouble(row, copy) for row, copy in zip(rows, read_copies(rows), strict=True))
    return Untold(storable(about), troubles, total=rows[0][23] if rows else 0, up_to=last)


def _trouble(row: Row, copy: Copy) -> Trouble:
    kind, reason, taken_by, at, status = row[18:23]
    known = TroubleKind(kind) if kind in set(TroubleKind) else TroubleKind.HELD
    return Trouble(copy, known, storable(reason), storable(taken_by), from_micros(at), storable(status))
