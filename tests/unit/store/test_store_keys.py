"""The rings of keys in the store: they turn, are renewed and revoked, and what is erased is gone from the files."""

import os
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from store_entries import NOW, RETENTION, entry

from routerd.message.key_ring import AHEAD_DAYS, PERIOD_DAYS, KeyRing, day_of
from routerd.message.token import BOUNCE, TRACE, ForgedTokenError, TokenError, make_token, read_token, trace_mac
from routerd.store.base import Done
from routerd.store.connection import APPLICATION_ID, FILE_NAME, Connection
from routerd.store.migration import schema_files
from routerd.store.queue_view import QueueView
from routerd.store.signing_keys import RINGS
from routerd.store.sqlite import SqliteStore, open_store

ONE_DAY = timedelta(days=1)
LONG = timedelta(days=10_000)


def now() -> datetime:
    """A first key is of today."""
    return datetime.now(UTC)


def bytes_of(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in state.glob(f"{FILE_NAME}*"))


def ring_in(state: Path, purpose: str = BOUNCE) -> KeyRing:
    with QueueView.open(state) as view:
        ring = view.keys(purpose)
    assert ring is not None
    return ring


async def test_rings_are_kept(state: Path) -> None:
    """Another for each purpose, the same after a restart, and as commands see them."""
    store = open_store(state)
    rings = {purpose: store.keys(purpose).ring for purpose in RINGS}
    assert len({ring.of(0) for ring in rings.values()}) == len(RINGS)
    assert {len(ring.of(0)) for ring in rings.values()} == {32}
    await store.close()
    store = open_store(state)
    assert {purpose: store.keys(purpose).ring for purpose in RINGS} == rings
    assert {purpose: ring_in(state, purpose) for purpose in RINGS} == rings
    await store.close()


async def test_a_ring_turns_by_itself(store: SqliteStore, state: Path) -> None:
    """Day after day for four years: whoever has the ring reads what was signed as long as it holds, also where he read
    the state a day ago; and keys whose tokens have all expired are gone from the files."""
    keys, at = store.keys(BOUNCE), now()
    store.keys(TRACE)
    first = keys.of(0)
    given: list[tuple[datetime, str]] = []
    seen = set()
    before = keys.ring
    for _ in range(0, 1_500, 10):
        at += 10 * ONE_DAY
        await store.sweep(at, RETENTION)
        yesterday, before = before, keys.ring
        given.append((at, make_token(7, at, BOUNCE, keys)))
        seen.add(keys.of(day_of(at)))
        for made_at, token in given:
            if at - made_at <= RETENTION.events:
                assert read_token(token, BOUNCE, keys, at, RETENTION.events) == 7
        if at - ONE_DAY < given[0][0]:
            assert read_token(given[-1][1], BOUNCE, yesterday, at, LONG) == 7
    assert 1_500 // PERIOD_DAYS - 1 <= len(seen) <= 1_500 // PERIOD_DAYS + 1
    assert first not in {key.secret for key in keys.ring.keys}
    assert len(keys.ring.keys) <= (RETENTION.events.days + 43) // PERIOD_DAYS + 3
    await store.close()
    assert first not in bytes_of(state)
    assert keys.of(day_of(at)) in bytes_of(state)


async def test_a_key_is_in_the_state_before_it_signs(store: SqliteStore, state: Path) -> None:
    """A snapshot of the last whole day knows what is signed by now."""
    keys, at = store.keys(BOUNCE), now()
    snapshot = ring_in(state)
    for _ in range(2 * PERIOD_DAYS):
        at += ONE_DAY
        token = make_token(7, at, BOUNCE, keys)
        assert read_token(token, BOUNCE, snapshot, at, LONG) == 7
        snapshot = ring_in(state)  # of this day
        await store.sweep(at + timedelta(hours=13), RETENTION)
    assert len(keys.ring.keys) >= 2


async def test_a_trace_is_known_as_long_as_its_message_waits(store: SqliteStore) -> None:
    """What is held for years leaves as it came, and comes in no circles then."""
    (copy,) = (await store.commit(entry())).copies
    keys, at = store.keys(TRACE), now()
    mac = trace_mac(keys, copy.queue_id, "support@example.com")
    for _ in range(60):
        at += 30 * ONE_DAY
        await store.sweep(at, RETENTION)
    assert trace_mac(keys, copy.queue_id, "support@example.com") == mac
    await store.conclude(copy, Done("250"), at)
    await store.sweep(at, RETENTION)
    assert trace_mac(keys, copy.queue_id, "support@example.com") != mac


async def test_new_keys_sign_ahead(store: SqliteStore) -> None:
    """Those before go on until then; asked twice in a day, there is one all the same."""
    at = now()
    rings = {purpose: store.keys(purpose) for purpose in RINGS}
    signed = {purpose: keys.of(day_of(at)) for purpose, keys in rings.items()}
    for _ in range(2):
        await store.renew_keys(at, revoke=False)
    for purpose, keys in rings.items():
        assert [key.first_day - day_of(at) for key in keys.ring.keys] == [0, AHEAD_DAYS]
        assert keys.of(day_of(at)) == signed[purpose] != keys.of(day_of(at) + AHEAD_DAYS)


@pytest.mark.parametrize("turns_by_itself", [True, False])
async def test_a_ring_of_a_clock_that_was_ahead_goes_on(state: Path, *, turns_by_itself: bool) -> None:
    """As of a machine that begins with a wrong clock: what is given out then holds under keys that come later."""
    at = now()
    with time_machine.travel(at + LONG):
        store = open_store(state)
        keys = store.keys(BOUNCE)
    token = make_token(7, at, BOUNCE, keys)
    if turns_by_itself:
        for days in (1, PERIOD_DAYS + 1):
            await store.sweep(at + days * ONE_DAY, RETENTION)
    else:
        await store.renew_keys(at, revoke=False)
    later = at + (PERIOD_DAYS + AHEAD_DAYS + 1) * ONE_DAY
    assert len({keys.of(day_of(one)) for one in (at, later)}) == 2
    for moment in (at, later):
        assert read_token(token, BOUNCE, keys, moment, LONG) == 7
    await store.close()


async def test_revoked_keys_prove_nothing(store: SqliteStore, state: Path) -> None:
    """Of addresses: not for any day. What is given out from then on holds, of whatever day, and loops stay known."""
    at = now()
    keys, traces = store.keys(BOUNCE), store.keys(TRACE)
    leaked, mac = keys.ring, trace_mac(traces, "01J", "support@example.com")
    await store.renew_keys(at, revoke=True)
    for days in (-3, -1, 0, 1, 100):
        with pytest.raises(TokenError):
            read_token(make_token(7, at + days * ONE_DAY, BOUNCE, leaked), BOUNCE, keys, at, LONG)
        assert read_token(make_token(7, at + days * ONE_DAY, BOUNCE, keys), BOUNCE, keys, at, LONG) == 7
    with pytest.raises(ForgedTokenError):
        read_token(make_token(7, at, BOUNCE, leaked), BOUNCE, keys, at, LONG)
    assert trace_mac(traces, "01J", "support@example.com") == mac
    assert [key.number for key in keys.ring.keys] == [2]
    await store.close()
    assert leaked.of(0) not in bytes_of(state)
    assert ring_in(state) == keys.ring


async def test_the_one_key_of_an_older_state_goes_on(state: Path) -> None:
    """What it signed is read, and it is followed by another soon."""
    state.mkdir()
    with closing(Connection(str(state / FILE_NAME))) as db:
        db.execute("PRAGMA journal_mode=WAL")
        for number in range(1, 7):
            db.execute(dict(schema_files())[number])
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("PRAGMA user_version=6")
        for purpose in ("b", "trace", "forget"):
            db.execute("INSERT INTO secrets VALUES (?, ?)", (purpose, purpose.encode().ljust(32)))
    old = KeyRing.begun(b"b".ljust(32))
    token = make_token(7, NOW, BOUNCE, old)
    store = open_store(state)
    keys = store.keys(BOUNCE)
    assert read_token(token, BOUNCE, keys, NOW, LONG) == 7
    assert store.keys(TRACE).of(0) == b"trace".ljust(32)
    assert store.key("forget") == b"forget".ljust(32)
    await store.sweep(NOW, RETENTION)
    assert [key.first_day for key in keys.ring.keys] == [0, day_of(NOW) + AHEAD_DAYS]
    assert read_token(token, BOUNCE, keys, NOW + 300 * ONE_DAY, LONG) == 7
    await store.close()


@pytest.mark.parametrize("point", ["before-write:7", "after-write:20", "before-write:120", "after-write:309"])
async def test_no_token_is_lost_by_a_death(state: Path, point: str) -> None:
    """Whatever was given out before the process was killed is read by the state that it leaves; what was revoked is
    not."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("keys_stream.py")), str(state)],
        env={**os.environ, "ROUTERD_CRASH_AT": point},
        stdout=subprocess.PIPE,
        timeout=240,
        check=False,
    )
    assert done.returncode == -9
    revoked, _, good = done.stdout.decode().rpartition("revoked\n")
    ring = ring_in_dead(state)
    rows = [line.split() for line in good.splitlines()]
    for moment, number, token in rows:
        at = datetime.fromisoformat(moment)
        if datetime.fromisoformat(rows[-1][0]) - at <= RETENTION.events:
            assert read_token(token, BOUNCE, ring, at, LONG) == int(number)
    for line in revoked.splitlines()[-5:-1]:
        moment, _, token = line.split()
        with pytest.raises(TokenError):
            read_token(token, BOUNCE, ring, datetime.fromisoformat(moment), LONG)


def ring_in_dead(state: Path) -> KeyRing:
    store = open_store(state)
    try:
        return store.keys(BOUNCE).ring
    finally:
        store.close_and_wait()
