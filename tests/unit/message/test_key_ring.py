"""Keys follow one another, and each is found by the day on which it signed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.config.settings import Addresses
from routerd.intake.queue_ids import QueueIds
from routerd.message.address import parse_address
from routerd.message.key_ring import AHEAD_DAYS, PERIOD_DAYS, KeyRing, SigningKey, day_of
from routerd.message.srs import MAX_LIFE, issue_srs, read_srs, unwrap
from routerd.message.token import (
    BOUNCE,
    ExpiredTokenError,
    ForgedTokenError,
    is_own_trace,
    make_token,
    read_token,
    trace_mac,
)

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
TODAY = day_of(NOW)
LONG = timedelta(days=10_000)
SUPPORT = parse_address("support@example.com")

first_days = st.lists(st.integers(TODAY - 2_000, TODAY + 400), min_size=1, max_size=6, unique=True)


def ring_of(days: list[int]) -> KeyRing:
    return KeyRing.of_keys([SigningKey(number, day, bytes([number]) * 32) for number, day in enumerate(days, 1)])


@given(first_days, st.integers(-2_400, 400))
def test_what_was_signed_on_any_day_is_read_on_any_later_one(days: list[int], day: int) -> None:
    """By tokens, SRS and traces alike; and no less where keys have come meanwhile."""
    ring, at = ring_of(days), NOW + timedelta(days=day)
    later = KeyRing.of_keys([*ring.keys, SigningKey(9, max(*days, day_of(at), TODAY) + AHEAD_DAYS, b"9" * 32)])
    token = make_token(7, at, BOUNCE, ring)
    assert read_token(token, BOUNCE, later, max(at, NOW), LONG) == 7
    path = parse_address(str(issue_srs("anna@klient.pl", SUPPORT, at, Addresses(), ring)))
    wrapped = unwrap(path.local)
    assert wrapped is not None
    assert str(read_srs(wrapped, path.domain, later, at + timedelta(days=14), timedelta(days=14))) == "anna@klient.pl"
    queue_id = QueueIds(bytes).make(at)
    assert is_own_trace(f"{queue_id} {trace_mac(ring, queue_id, 'a@b.test')}", later, "a@b.test")


@given(first_days, st.integers(TODAY - 2_000, TODAY + 400))
def test_a_key_that_is_worn_out_signed_nothing_since(days: list[int], day: int) -> None:
    """Without it all that was signed from that day on is read as before; and one always stays."""
    ring = ring_of(days)
    worn_out = ring.worn_out(day)
    left = KeyRing(tuple(key for key in ring.keys if key not in worn_out))
    assert left.keys
    assert all(left.of(later) == ring.of(later) for later in range(day, day + 500, 7))
    assert all(ring.of(later) != key.secret for key in worn_out for later in (day, day + 1, day + 400))


def test_a_ring_turns_every_ninety_days_and_is_told_before() -> None:
    """Day after day for three years: no two keys are nearer, none comes late, and each is known for a whole day."""
    ring = KeyRing.begun(b"1" * 32, TODAY)
    for today in range(TODAY, TODAY + 1_100):
        if ring.is_due(today):
            ring = KeyRing.of_keys([*ring.keys, SigningKey(len(ring.keys) + 1, today + AHEAD_DAYS, b"2" * 32)])
        assert today - ring.signing(today).first_day < PERIOD_DAYS
    apart = {later.first_day - key.first_day for key, later in zip(ring.keys, ring.keys[1:], strict=False)}
    assert apart == {PERIOD_DAYS}
    assert AHEAD_DAYS >= 2  # written late in the day, it is known all the next one


def test_a_key_of_a_time_to_come_keeps_none_away() -> None:
    """The clock was ahead once: until then the ring turns as ever."""
    ring = KeyRing.of_keys([SigningKey(1, TODAY - 88, b"1" * 32), SigningKey(2, TODAY + 3_000, b"2" * 32)])
    assert ring.is_due(TODAY)
    assert ring.signing(TODAY).number == 1


def test_what_was_signed_before_all_keys_has_expired() -> None:
    """Whether it was ours nobody can tell any more. What claims a day of ours, and is none, is forged."""
    old, new = KeyRing.begun(b"1" * 32), KeyRing.begun(b"2" * 32, TODAY)
    for days, error in ((1, ExpiredTokenError), (0, ForgedTokenError), (-1, ForgedTokenError)):
        at = NOW - timedelta(days=days)
        with pytest.raises(error):
            read_token(make_token(7, at, BOUNCE, old), BOUNCE, new, NOW, LONG)
        path = parse_address(str(issue_srs("anna@klient.pl", SUPPORT, at, Addresses(), old)))
        wrapped = unwrap(path.local)
        assert wrapped is not None
        with pytest.raises(error):
            read_srs(wrapped, path.domain, new, NOW, MAX_LIFE)


def test_what_waits_since_before_all_keys_gets_an_address_that_holds() -> None:
    """A copy's addresses are of the day on which it was made, at whatever time it leaves."""
    new = KeyRing.begun(b"2" * 32, TODAY)
    assert read_token(make_token(7, NOW - timedelta(days=3), BOUNCE, new), BOUNCE, new, NOW, LONG) == 7


@given(st.text(max_size=30))
def test_no_queue_id_is_too_odd_to_trace(queue_id: str) -> None:
    ring = ring_of([TODAY - 90, TODAY])
    assert trace_mac(ring, queue_id, "a@b.test") == trace_mac(ring, queue_id, "A@b.test")
