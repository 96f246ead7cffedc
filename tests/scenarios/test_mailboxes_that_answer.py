"""Mailboxes that answer by themselves and do not say so: what they send looks like what their members write."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from answer_desk import AnswerDesk

from routerd.desk.by_itself import MAX_ANSWERS, MAX_NOTES

AWAY = "I am on holiday until Monday and read no mail. Jan Wójcik stands in for me."


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AnswerDesk]:
    desk = AnswerDesk(tmp_path)
    yield desk
    await desk.close()


async def asked(desk: AnswerDesk, text: str = "Where is it?", **fields: str) -> str:
    """Anna has written; where Ewa, who owns it, answers to."""
    await desk.customer(text, **fields)
    return next(one.address("Reply-To") for one in await desk.out() if one.copy.member == "ewa")


async def asked_again(desk: AnswerDesk, number: int = 2) -> str:
    return await asked(desk, f"And {number}?", References="<1@klient>", Message_ID=f"<{number}@klient>")


async def test_what_says_the_same_again_is_held_and_comes_back(desk: AnswerDesk) -> None:
    """The first one nothing tells from an answer. #send has the second one sent all the same."""
    await desk.member("ewa", await asked(desk, Message_ID="<1@klient>"), AWAY)
    assert len(await desk.outside()) == 1
    await desk.member("ewa", await asked_again(desk), f"{AWAY}\n\nOn Monday Anna wrote:\n> And 2?")
    [returned] = await desk.out()
    assert (returned.copy.member, returned.mail["Subject"]) == ("ewa", "[not sent] Re: Parcel")
    assert "as if your mailbox had answered by itself" in returned.mail.get_content()
    assert desk.metrics.said_by_itself.labels("answer")._value.get() == 1
    await desk.member("ewa", returned.address("Reply-To"), "#send")
    [sent] = await desk.outside()
    assert sent.body.startswith(AWAY.encode())


@pytest.mark.parametrize("text", ["Thank you!", ""])
async def test_a_short_word_may_be_said_twice(desk: AnswerDesk, text: str) -> None:
    await desk.member("ewa", await asked(desk, Message_ID="<1@klient>"), text)
    await desk.member("ewa", await asked_again(desk), text)
    assert len(await desk.outside()) == 1


async def test_what_was_said_the_day_before_may_be_said_again(desk: AnswerDesk) -> None:
    await desk.member("ewa", await asked(desk, Message_ID="<1@klient>"), AWAY)
    desk.pass_by(timedelta(days=1))
    await desk.member("ewa", await asked_again(desk), AWAY)
    assert len(await desk.outside()) == 1


async def test_too_many_answers_within_an_hour_are_held(desk: AnswerDesk) -> None:
    """Whatever they say; those of others and of other hours do not count."""
    answers_to = await asked(desk, Message_ID="<1@klient>")
    for number in range(MAX_ANSWERS + 1):
        await desk.member("ewa", answers_to, f"You have written, and I am not there: {number}")
    assert len(await desk.outside()) == MAX_ANSWERS
    desk.pass_by(timedelta(hours=1))
    await desk.member("ewa", answers_to, "Now I am there again.")
    assert len(await desk.outside()) == 1


async def test_two_who_answer_each_others_notes_end(desk: AnswerDesk) -> None:
    """Each note answers the one before; what is too much is kept, and each of them is told of it once."""
    await desk.customer(Message_ID="<1@klient>")
    note_address = (await desk.of("ewa")).address("X-Routerd-Note")
    await desk.member("ewa", note_address, "@jan, do you know this?")
    shown = 0
    for _ in range(4 * MAX_NOTES):
        came = [one for one in await desk.out() if one.copy.member in ("ewa", "jan") and "Reply-To" in one.mail]
        shown += len(came)
        if not came:
            break
        for one in came:
            await desk.member(one.copy.member, one.address("Reply-To"), AWAY, References="<1@klient>")
    else:
        pytest.fail("they would go on")
    assert shown > MAX_NOTES
    assert desk.metrics.said_by_itself.labels("note")._value.get() > 0
