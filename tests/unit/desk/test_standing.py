"""How a conversation stands after one more message."""

from datetime import UTC, datetime, timedelta

import pytest

from routerd.desk.plan import Voice
from routerd.desk.standing import Promise, after_message

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SOON, LATE = NOW + timedelta(hours=1), NOW + timedelta(hours=4)


@pytest.mark.parametrize(
    ("voices", "promised"),
    [
        ([(Voice.CUSTOMER, LATE)], LATE),
        ([(Voice.CUSTOMER, LATE), (Voice.CUSTOMER, SOON)], SOON),
        ([(Voice.CUSTOMER, SOON), (Voice.CUSTOMER, LATE)], SOON),
        ([(Voice.CUSTOMER, SOON), (Voice.ASIDE, LATE)], SOON),
        ([(Voice.CUSTOMER, LATE), (Voice.ASIDE, SOON)], LATE),  # a machine's message promises nothing
        ([(Voice.CUSTOMER, SOON), (Voice.MEMBER, SOON)], None),  # nor does the answer itself
        ([(Voice.CUSTOMER, SOON), (Voice.MEMBER, None), (Voice.CUSTOMER, LATE)], LATE),
        ([(Voice.ASIDE, SOON)], None),
    ],
)
def test_what_is_promised_is_promised_to_who_waits(
    voices: list[tuple[Voice, datetime | None]], promised: datetime | None
) -> None:
    """The earliest that is open counts; a member's answer ends it, and neither he nor a machine is promised one."""
    standing = None
    for voice, respond_by in voices:
        promise = Promise(respond_by, respond_by - timedelta(minutes=1)) if respond_by else None
        standing = after_message(standing, voice, NOW, promise=promise)
    assert standing is not None
    assert standing.respond_by == promised
    assert standing.remind_at == (promised - timedelta(minutes=1) if promised else None)
