"""What a member wrote and signed, sent on by somebody who got it, through a hop that tells of DMARC alone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from answer_desk import ANNA, SUPPORT, AnswerDesk

from routerd.desk.changes import Role
from routerd.message.envelope import Accepted, Refused, Verdict

FOUND = "Authentication-Results: mx.example.com; dmarc=pass header.from=team.example"
ALL = "from:to:cc:subject:date:message-id:references:in-reply-to"
BOB = "bob@klient.pl"
ONCE = "<once@team.example>"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AnswerDesk]:
    made = AnswerDesk(
        tmp_path, authserv_ids=["mx.example.com"], inboxes={SUPPORT: {"default": "ewa"}}, retain={"events": "2y"}
    )
    yield made
    await made.close()


async def by_hop(
    desk: AnswerDesk,
    rcpt: str,
    to: str,
    text: str = "Here it is.",
    *,
    sender: str = "ewa@team.example",
    above: str = FOUND,
    signed: str = ALL,
    message_id: str = ONCE,
    more: str = "",
) -> Verdict:
    lines = (
        above,
        f"DKIM-Signature: v=1; a=rsa-sha256; d=team.example; s=s1; h={signed}; b=AAAA" if signed else "",
        f"From: Ewa <ewa@team.example>\r\nTo: {to}\r\nSubject: Re: Parcel",
        f"Message-ID: {message_id}" if message_id else "",
        more,
    )
    raw = "\r\n".join((*filter(None, lines), "", text, "")).encode()
    [verdict] = await desk.raw(raw, (rcpt,), sender=sender, trusted=True)
    return verdict


async def addresses(desk: AnswerDesk) -> tuple[str, str, str]:
    await desk.customer(Message_ID="<1@klient>")
    copy = await desk.of("ewa")
    return copy.address("Reply-To"), copy.address("X-Routerd-Note"), copy.address("X-Routerd-Draft")


LATER = [timedelta(0), timedelta(days=3), timedelta(days=300)]


@pytest.mark.parametrize("after", LATER)
async def test_an_answer_that_the_customer_got_is_not_sent_again(desk: AnswerDesk, after: timedelta) -> None:
    """From another sender, by another way, with a further field on top, whenever; nobody hears a word of it."""
    answer, note, draft = await addresses(desk)
    to = f"{ANNA}, {answer}"
    assert isinstance(await by_hop(desk, answer, to, more=f"Cc: {BOB}"), Accepted)
    assert [one.copy.role for one in await desk.out()] == []  # she has it already
    await desk.customer(From=f"Bob <{BOB}>", Message_ID="<2@klient>", References=ONCE)
    await desk.out()
    desk.pass_by(after)
    again = FOUND + "; spf=pass smtp.mailfrom=x@zly.test"
    await by_hop(desk, answer, to, sender="x@zly.test", above=f"{again}\r\nX-Mine: 1", more=f"Cc: {BOB}")
    for hidden in (note, draft):
        refused = await by_hop(desk, hidden, to, sender="x@zly.test", more=f"Cc: {BOB}")
        assert isinstance(refused, Refused)
    assert [one.copy.role for one in await desk.out()] == []


@pytest.mark.parametrize("after", LATER)
async def test_an_answer_to_an_invitation_passes_once(desk: AnswerDesk, after: timedelta) -> None:
    """Who has it could send the customer's calendar the yes of last year, when it was a no since."""
    answer, _, _ = await addresses(desk)
    reply = "Content-Type: text/calendar; method=REPLY"
    await by_hop(desk, answer, answer, more=reply)
    assert [one.copy.mailbox for one in await desk.outside()] == [ANNA]
    desk.pass_by(after)
    again = await by_hop(desk, answer, answer, sender="x@zly.test", above=f"{FOUND}\r\nX-Mine: 1", more=reply)
    assert isinstance(again, Accepted)
    assert await desk.out() == []


@pytest.mark.parametrize("after", LATER)
async def test_a_command_is_obeyed_once(desk: AnswerDesk, after: timedelta) -> None:
    """Though the customer stood in Cc."""
    answer, note, _ = await addresses(desk)
    await by_hop(desk, note, f"{note}, {ANNA}", "#close")
    await desk.customer("Not done!", References=ONCE)
    await desk.customer("Not done!", In_Reply_To="<1@klient>")
    desk.pass_by(after)
    await desk.out()
    assert isinstance(await by_hop(desk, note, f"{note}, {ANNA}", "#close", sender=ANNA, more="X: y"), Accepted)
    assert isinstance(await by_hop(desk, answer, f"{note}, {ANNA}", "#close", sender=ANNA), Refused)
    assert all(one.copy.role not in (Role.ANSWER, Role.DESK) for one in await desk.out())


@pytest.mark.parametrize("after", LATER)
async def test_a_command_of_no_conversation_is_obeyed_once(desk: AnswerDesk, after: timedelta) -> None:
    """Who came back long ago is not away again."""
    to = f"support+note@example.com, {ANNA}"
    await by_hop(desk, "support+note@example.com", to, "#away")
    assert [one.member for one in await desk.store.absences()] == ["ewa"]
    await desk.member("ewa", "support+note@example.com", "#back")
    assert await desk.store.absences() == ()
    desk.pass_by(after)
    await by_hop(desk, "support+note@example.com", to, "#away", sender=ANNA, more="X: y")
    assert await desk.store.absences() == ()


async def test_an_out_of_office_is_noticed_once(desk: AnswerDesk) -> None:
    """Who writes to a member on his holiday may send it on when he is back; nor does he write by it."""
    await addresses(desk)
    auto = "Auto-Submitted: auto-replied\r\nIn-Reply-To: <1@klient>"
    await by_hop(desk, SUPPORT, SUPPORT, "Away.", sender="ewa@team.example", more=auto)
    assert [one.member for one in await desk.store.absences()] == ["ewa"]
    await desk.member("ewa", "support+note@example.com", "#back")
    await by_hop(desk, SUPPORT, SUPPORT, "Away.", sender="x@zly.test", more=auto)
    assert await desk.store.absences() == ()


@pytest.mark.parametrize(
    ("signed", "message_id"),
    [("from:subject:date", ONCE), ("from:to:subject", ONCE), ("from:to:message-id:references", ""), (ALL, "")],
)
async def test_what_may_be_sent_on_under_another_name_is_not_heard(
    desk: AnswerDesk, signed: str, message_id: str
) -> None:
    """The hop says nothing of signatures, and the one in the message leaves To or Message-ID open; or there is none."""
    answer, note, _ = await addresses(desk)
    refused = await by_hop(desk, note, note, "#close", signed=signed, message_id=message_id)
    assert isinstance(refused, Refused)
    assert await desk.out() == []
    assert isinstance(await by_hop(desk, answer, answer, signed=signed, message_id=message_id), Refused)
    assert await desk.out() == []


async def test_what_the_hop_says_of_spf_is_enough(desk: AnswerDesk) -> None:
    """Nobody else sends from there, so nobody has sent it on."""
    answer, _, _ = await addresses(desk)
    above = f"{FOUND}; spf=pass smtp.mailfrom=ewa@team.example"
    await by_hop(desk, answer, answer, signed="from:subject", above=above)
    assert [one.copy.mailbox for one in await desk.outside()] == [ANNA]
