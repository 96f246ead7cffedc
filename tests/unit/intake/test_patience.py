"""How long a client may take, by readings of a clock."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from routerd.config.intake_settings import Limits
from routerd.intake.limits.patience import Readings, Timeouts, hurried, is_mute, overdue, timeouts_of
from routerd.intake.protocol import refusals
from routerd.message.envelope import Refused

TIMEOUTS = Timeouts(idle_seconds=300, least_bytes_per_second=100, session_seconds=3600, unread_seconds=60)


@pytest.mark.parametrize(
    ("began", "heard", "now", "refused"),
    [
        (0, 0, 300, None),
        (0, 0, 300.1, refusals.IDLE_TOO_LONG),
        (0, 3500, 3600, None),
        (0, 3500, 3600.1, refusals.TOO_LONG),
        (0, 3000, 3600.1, refusals.IDLE_TOO_LONG),
    ],
)
def test_between_messages(began: float, heard: float, now: float, refused: Refused | None) -> None:
    """Silence first, then the length of it all."""
    assert overdue(Readings(began, heard), TIMEOUTS, now, in_content=False) == refused


@pytest.mark.parametrize(
    ("pieces", "refused_at"),
    [
        ([(0, 1)], 300),  # a slow beginning is nobody's fault
        ([(0, 1), (100, 5_000)], 350),
        ([(0, 1), (100, 9_000), (200, 11_000)], 500),
        ([(100 * n, 10_000) for n in range(40)], 4200),  # however long it takes
        ([(0, 1), (1, 1_000_000)], 301),  # a million octets are worth no three hours
        ([(0, 1), (1, 1_000_000), *((290 * n, 1) for n in range(1, 4))], 301.02),
    ],
)
def test_in_content(pieces: Sequence[tuple[float, int]], refused_at: float) -> None:
    """Octet after octet is not enough, not behind many either; the session's length does not count."""
    readings = Readings(0, 0)
    for now, size in pieces:
        readings.hear_content(now, size, TIMEOUTS)
    readings.heard_at = refused_at
    assert overdue(readings, TIMEOUTS, refused_at, in_content=True) is None
    assert overdue(readings, TIMEOUTS, refused_at + 0.1, in_content=True) == refusals.TOO_SLOW


def test_each_message_is_measured_by_itself() -> None:
    """A fast one before earns a slow one nothing."""
    readings = Readings(0, 0)
    readings.hear_content(0, 50_000_000, TIMEOUTS)
    readings.hear_commands(1)
    readings.hear_content(2, 1, TIMEOUTS)
    readings.hear_content(400, 1, TIMEOUTS)
    assert overdue(readings, TIMEOUTS, 400, in_content=True) == refusals.TOO_SLOW


def test_who_does_not_read_is_told_nothing_more() -> None:
    """Words would only wait with the others; after the grace it is mute, and so is who does not let us close."""
    unread = Readings(0, 0, unread_since=0)
    assert overdue(unread, TIMEOUTS, 10_000, in_content=False) is None
    assert [is_mute(unread, TIMEOUTS, now) for now in (60, 60.1)] == [False, True]
    closing = Readings(0, 0, unread_since=0, closing_since=50)
    assert [is_mute(closing, TIMEOUTS, now) for now in (110, 110.1)] == [False, True]
    assert not is_mute(Readings(0, 0), TIMEOUTS, 10_000)


def test_where_few_places_are_left_strangers_have_less_time() -> None:
    """Shorter ones of the config stay."""
    hurry = hurried(Timeouts())
    assert (hurry.idle_seconds, hurry.session_seconds, hurry.least_bytes_per_second) == (30, 300, 100)
    assert hurried(Timeouts(idle_seconds=10, session_seconds=20)).idle_seconds == 10
    assert overdue(Readings(0, 0), hurry, 30.1, in_content=False) == refusals.IDLE_TOO_LONG


def test_trusted_hops_have_times_of_their_own() -> None:
    """Where they are given; else those of all."""
    limits = Limits.model_validate({"idle": "2m", "session": "10m", "least_rate": "1KB", "trusted": {"idle": "1h"}})
    assert timeouts_of(limits, trusted=False) == Timeouts(120, 1000, 600)
    assert timeouts_of(limits, trusted=True) == Timeouts(3600, 1000, 600)
    assert limits.idle == timedelta(minutes=2)
