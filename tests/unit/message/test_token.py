"""Return path tokens and the trace of a loop."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.address import Address, parse_address
from routerd.message.key_ring import KeyRing
from routerd.message.token import (
    BOUNCE,
    MAX_RETURN_PATH_LOCAL,
    ExpiredTokenError,
    ForgedTokenError,
    detail_token,
    is_own_trace,
    issue_return_path,
    make_token,
    read_return_path,
    read_token,
    trace_mac,
)

KEY = KeyRing.begun(bytes(range(32)))
NOW = datetime(2026, 3, 4, 23, 59, tzinfo=UTC)
FORTNIGHT = timedelta(days=14)


@dataclass(frozen=True)
class Style:
    style: str = "plus"
    delimiter: str = "+"
    domain: str | None = None


@given(st.integers(0, 2**48 - 1), st.datetimes(datetime(2020, 1, 1), datetime(2148, 1, 1), timezones=st.just(UTC)))
def test_round_trip(number: int, at: datetime) -> None:
    """A token gives its number back, in any case, on its day and until it expires."""
    token = make_token(number, at, BOUNCE, KEY)
    assert len(token) == 29
    assert token == token.lower()
    assert read_token(token, BOUNCE, KEY, at, timedelta(0)) == number
    assert read_token(token.upper(), BOUNCE, KEY, at + FORTNIGHT, FORTNIGHT) == number
    with pytest.raises(ExpiredTokenError):
        read_token(token, BOUNCE, KEY, at + FORTNIGHT + timedelta(days=1, microseconds=1), FORTNIGHT)


def test_a_minute_over_midnight_is_no_day() -> None:
    """A token of 23:59 with a life of an hour holds at 00:01."""
    token = make_token(7, NOW, BOUNCE, KEY)
    assert read_token(token, BOUNCE, KEY, NOW + timedelta(minutes=2), timedelta(hours=1)) == 7


def test_a_clock_set_back_does_not_expire_tokens() -> None:
    """A token from tomorrow is fresh."""
    token = make_token(7, NOW + timedelta(days=1), BOUNCE, KEY)
    assert read_token(token, BOUNCE, KEY, NOW, timedelta(0)) == 7


@pytest.mark.parametrize("at", range(29))
def test_every_character_counts(at: int) -> None:
    """Any other character in any place makes it forged, the last one's spare bit included."""
    token = make_token(123_456, NOW, BOUNCE, KEY)
    for letter in "abcdefghijklmnopqrstuvwxyz234567":
        if letter != token[at]:
            with pytest.raises(ForgedTokenError):
                read_token(token[:at] + letter + token[at + 1 :], BOUNCE, KEY, NOW, FORTNIGHT)


def test_purpose_and_key_are_inside() -> None:
    """A token for one purpose or of another key is forged."""
    token = make_token(1, NOW, BOUNCE, KEY)
    for purpose, key in (("r", KEY), (BOUNCE, KeyRing.begun(bytes(32)))):
        with pytest.raises(ForgedTokenError):
            read_token(token, purpose, key, NOW, FORTNIGHT)


@given(st.text(max_size=40))
def test_any_text_is_forged(text: str) -> None:
    """What is no token is forged, whatever it is."""
    with pytest.raises(ForgedTokenError):
        read_token(text, BOUNCE, KEY, NOW, FORTNIGHT)


@pytest.mark.parametrize("number", [-1, 2**48])
def test_numbers_out_of_range(number: int) -> None:
    """A number that does not fit is refused, not cut."""
    with pytest.raises(ValueError):
        make_token(number, NOW, BOUNCE, KEY)


def test_return_paths() -> None:
    """The return path is the inbox with a token as its detail, or that at the domain of our own addresses."""
    inbox = Address("support", "example.com")
    for style, pattern in (
        (Style(), r"support\+b\.([a-z2-7]{29})@example\.com"),
        (Style("domain", "-", "desk.example.com"), r"support-b\.([a-z2-7]{29})@desk\.example\.com"),
    ):
        found = re.fullmatch(pattern, issue_return_path(inbox, 7, NOW, style, KEY))
        assert found
        base = Address("Support", style.domain or "example.com")
        assert read_return_path(base, found[1], KEY, NOW, FORTNIGHT) == 7
        for other in (Address("billing", base.domain), Address("support", "other.example")):
            with pytest.raises(ForgedTokenError):
                read_return_path(other, found[1], KEY, NOW, FORTNIGHT)


def test_return_path_of_the_longest_inbox_can_be_read_again() -> None:
    """An inbox at the limit gives a return path that is an address, and its detail gives the token."""
    inbox = Address("s" * MAX_RETURN_PATH_LOCAL, "example.com")
    address = parse_address(issue_return_path(inbox, 2**48 - 1, NOW, Style(), KEY))
    assert len(address.local) == 64
    base, detail = address.without_detail("+")
    assert detail is not None
    token = detail_token(detail.upper(), BOUNCE)
    assert token is not None
    assert read_return_path(base, token, KEY, NOW, FORTNIGHT) == 2**48 - 1


@pytest.mark.parametrize(
    "detail", ["", "b", "b.", "b.short", "r." + "a" * 29, "b." + "a" * 30, "b." + "1" * 29, "b." + "ż" * 29]
)
def test_details_that_are_no_tokens(detail: str) -> None:
    """A detail of another shape is some user's own."""
    assert detail_token(detail, BOUNCE) is None


def test_trace_is_known_again() -> None:
    """The trace that we wrote for this inbox is ours, whatever the case, among other inboxes' MACs."""
    ours = trace_mac(KEY, "01J", "support@example.com")
    other = trace_mac(KEY, "01J", "billing@example.com")
    assert is_own_trace(f"01J {other} {ours}", KEY, "support@example.com")
    assert is_own_trace(f" 01J\t{ours.upper()} ".encode(), KEY, "Support@Example.com")
    assert not is_own_trace(f"01J {other}", KEY, "support@example.com")
    assert not is_own_trace(f"01K {ours}", KEY, "support@example.com")
    assert not is_own_trace(f"01J {ours}", KeyRing.begun(bytes(32)), "support@example.com")


@given(st.one_of(st.binary(max_size=80), st.text(max_size=80)))
def test_trace_never_raises(value: bytes | str) -> None:
    """Nothing that stands in a header is an exception, or ours."""
    assert not is_own_trace(value, KEY, "support@example.com")


def test_a_long_trace_is_bounded() -> None:
    """A megabyte of MACs is not compared one by one."""
    assert not is_own_trace("01J " + "a" * 16 + " bbbbbbbbbbbbbbbb" * 60_000, KEY, "support@example.com")
