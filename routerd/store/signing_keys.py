"""The rings of keys as rows, how they turn, and how the running daemon has them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from routerd.message.key_ring import AHEAD_DAYS, KeyRing, SigningKey, day_of
from routerd.message.srs import MAX_LIFE as SRS_LIFE
from routerd.message.token import BOUNCE, TRACE
from routerd.store.base import Retention
from routerd.store.batch import Batch
from routerd.store.connection import Connection, select, select_one
from routerd.store.rows import from_micros

RINGS = (BOUNCE, TRACE)

_SECRET_BYTES = 32
_ONE_DAY = timedelta(days=1)  # a token expires some time after the end of its day
_READ = "SELECT number, first_day, secret FROM keys WHERE purpose = ?"
_ADD = "INSERT INTO keys VALUES (?, ?, ?, ?)"
_NEXT_NUMBER = "SELECT 1 + coalesce(max(number), 0) FROM keys WHERE purpose = ?"
_OLDEST_WAITING = "SELECT min(created_at) FROM copies WHERE finished_at IS NULL"


class RingInForce:
    """The ring as it is now. Whoever has this needs no telling when a key comes or goes."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._followers: list[Callable[[KeyRing], None]] = []

    def of(self, day: int) -> bytes:
        return self._ring.of(day)

    @property
    def first_day(self) -> int:
        return self._ring.first_day

    @property
    def ring(self) -> KeyRing:
        return self._ring

    def adopt(self, ring: KeyRing) -> None:
        self._ring = ring
        for follow in self._followers:
            follow(ring)

    def follow(self, follower: Callable[[KeyRing], None]) -> None:
        """It is told of each change: whoever has a ring of his own elsewhere."""
        self._followers.append(follower)


def read_ring(db: Connection, purpose: str) -> KeyRing | None:
    rows = select(db, _READ, (purpose,))
    return KeyRing.of_keys([SigningKey(number, day, bytes(secret)) for number, day, secret in rows]) if rows else None


def ring_begun(batch: Batch, purpose: str, now: datetime) -> KeyRing:
    """The ring; where there is none yet, a new one with a key of today."""
    return read_ring(batch.db, purpose) or _read_with(batch, purpose, day_of(now))


def _brought_back(batch: Batch, purpose: str, ring: KeyRing, today: int) -> KeyRing:
    """The ring, whose first key has signed since it was made, also where the clock was ahead then: it stays the first,
    whatever key is added now."""
    first = ring.keys[0]
    if first.first_day <= today:
        return ring
    batch.db.execute("UPDATE keys SET first_day = ? WHERE purpose = ? AND number = ?", (today, purpose, first.number))
    return KeyRing.of_keys((replace(first, first_day=today), *ring.keys[1:]))


def turn(batch: Batch, now: datetime, retention: Retention) -> dict[str, KeyRing]:
    """Adds the keys that are due, ahead of the day from which they sign, and erases those that prove nothing any more:
    the rings that are others now.

    A token proves something until it expires. A trace does as long as its message may be on its way: as long as copies
    of such an age wait here, and for what waits elsewhere as long as the tokens.
    """
    today = day_of(now)
    oldest = select_one(batch.db, _OLDEST_WAITING)
    waiting_from = today if oldest is None or oldest[0] is None else day_of(from_micros(oldest[0]))
    held_from = day_of(now - max(retention.events, SRS_LIFE) - _ONE_DAY)
    turned = {}
    for purpose in RINGS:
        ring = read_ring(batch.db, purpose)
        if ring is None:
            continue
        before, ring = ring, _brought_back(batch, purpose, ring, today)
        worn_out = ring.worn_out(min(waiting_from, held_from))
        _erase(batch, purpose, worn_out)
        if ring.is_due(today):
            turned[purpose] = _read_with(batch, purpose, today + AHEAD_DAYS)
        elif worn_out:
            turned[purpose] = KeyRing(tuple(key for key in ring.keys if key not in worn_out))
        elif ring is not before:
            turned[purpose] = ring
    return turned


def renew(batch: Batch, now: datetime, *, revoke: bool) -> dict[str, KeyRing]:
    """The rings with another key each, which signs AHEAD_DAYS from now.

    `revoke`: the key of addresses signs at once, for all days, and those before are erased: no address that was given
    out holds any more. Traces go on being known: of them no stranger has a use, and without them mail goes in circles.
    """
    today = day_of(now)
    renewed = {}
    for purpose in RINGS:
        ring = _brought_back(batch, purpose, ring_begun(batch, purpose, now), today)
        if revoke and purpose == BOUNCE:
            renewed[purpose] = _read_with(batch, purpose, today, instead_of=ring.keys)
        else:
            unused = tuple(key for key in ring.keys if key.first_day == today + AHEAD_DAYS)
            renewed[purpose] = _read_with(batch, purpose, today + AHEAD_DAYS, instead_of=unused)
    return renewed


def _read_with(batch: Batch, purpose: str, first_day: int, instead_of: Sequence[SigningKey] = ()) -> KeyRing:
    number = select(batch.db, _NEXT_NUMBER, (purpose,))[0][0]
    _erase(batch, purpose, instead_of)
    batch.db.execute(_ADD, (purpose, number, first_day, secrets.token_bytes(_SECRET_BYTES)))
    ring = read_ring(batch.db, purpose)
    assert ring is not None  # noqa: S101 - it was just added to
    return ring


def _erase(batch: Batch, purpose: str, keys: Sequence[SigningKey]) -> None:
    for key in keys:
        batch.db.execute("DELETE FROM keys WHERE purpose = ? AND number = ?", (purpose, key.number))
