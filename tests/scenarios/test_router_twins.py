"""The router with a real store: what comes more than once, by one way or by two."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from router_desk import BILLING, HOLDING, NOW, ONE, REJECTING, SUPPORT, Desk

from routerd.message.envelope import (
    Accepted,
    ClientFindings,
    Protocol,
)
from routerd.store.base import CopyState


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path / "state")
    yield made
    await made.store.close()
    made.hands.close()


async def test_the_same_message_again_rests_while_its_first_coming_goes_out(desk: Desk) -> None:
    """A mail server that missed our 250 tries again: one copy all the same."""
    for _ in range(2):
        [verdict] = await desk.send(SUPPORT, header=ONE)
        assert isinstance(verdict, Accepted)
    assert [copy.member for copy in desk.copies] == ["jan"]


async def test_a_resent_message_is_delivered_when_the_first_was_held_or_dropped(desk: Desk) -> None:
    """What helps nobody is no reason to swallow its repetition."""
    desk.use(HOLDING)
    await desk.send(SUPPORT, header=ONE)
    [held] = desk.copies
    assert held.state is CopyState.HELD
    desk.use("")
    await desk.send(SUPPORT, header=ONE)
    await desk.store.change_copies([held.number], CopyState.DROPPED, "not wanted", NOW)
    assert [copy.state for copy in desk.copies] == [CopyState.HELD, CopyState.QUEUED]


async def test_what_comes_a_week_later_is_meant(desk: Desk) -> None:
    await desk.send(SUPPORT, header=ONE)
    await desk.send(SUPPORT, header=ONE, at=NOW + timedelta(days=7))
    assert len(desk.copies) == 2


async def test_a_forgery_that_comes_first_does_not_swallow_the_message(desk: Desk) -> None:
    """Same Message-ID, same body; another Reply-To makes it another message."""
    await desk.send(SUPPORT, header=ONE + "Reply-To: evil@klient.example\r\n")
    await desk.send(SUPPORT, header=ONE)
    assert len(desk.copies) == 2


async def test_a_copy_from_a_listed_client_does_not_swallow_the_message(desk: Desk) -> None:
    """Rules may have held it for that; the true one comes from elsewhere."""
    await desk.send(SUPPORT, header=ONE, findings=ClientFindings("pass", listed_in=frozenset({"bl.test"})))
    await desk.send(SUPPORT, header=ONE, findings=ClientFindings("pass"))
    await desk.send(SUPPORT, header=ONE, findings=ClientFindings("pass", unanswered=frozenset({"bl.test"})))
    assert len(desk.copies) == 2


async def test_a_recipient_refused_by_lmtp_gets_the_message_when_it_is_sent_again(desk: Desk) -> None:
    """Each recipient has an answer of its own, and what was refused was not taken."""
    desk.use(REJECTING)
    first = await desk.send(SUPPORT, BILLING, header=ONE, protocol=Protocol.LMTP)
    assert [isinstance(verdict, Accepted) for verdict in first] == [True, False]
    assert [copy.member for copy in desk.copies] == ["jan"]
    desk.use("")
    [second] = await desk.send(BILLING, header=ONE, protocol=Protocol.LMTP)
    assert isinstance(second, Accepted)
    assert [copy.member for copy in desk.copies] == ["jan", "ewa"]


async def test_the_same_message_to_another_inbox_joins_and_its_owner_watches(desk: Desk) -> None:
    await desk.send(SUPPORT, header=ONE)
    await desk.send(BILLING, header=ONE)
    assert [(copy.member, str(copy.role)) for copy in desk.copies] == [("jan", "owner"), ("ewa", "watcher")]
