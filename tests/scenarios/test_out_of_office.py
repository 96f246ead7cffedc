"""An owner's out-of-office comes back to his copy's return path, and what follows on it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from router_desk import SETTINGS
from talk import ANNA, FIRST, JAN, Mail, Talk

from routerd.desk.changes import AbsenceSource, Role, TimerKind
from routerd.store.base import Copy

AWAY = Mail(
    f"Jan <{JAN}>",
    "away",
    "A",
    refs="1",
    rcpt="b:1:jan",
    subject="Automatic reply: parcel",
    body="I am on holiday.",
    more="Auto-Submitted: auto-replied",
    member="jan",
    sender="",
    part="away",
)
REPLY = Mail(ANNA, "2", "A", refs="1", subject="Re: parcel", part="customer")
BACK = Mail(
    f"Jan <{JAN}>", "back", "A", refs="1", rcpt="n:1:jan", subject="Re: parcel", body="#back", member="jan", part="note"
)
DEPUTY = SETTINGS.model_copy(
    update={"members": {**SETTINGS.members, "jan": SETTINGS.members["jan"].model_copy(update={"deputy": "omar"})}}
)


def who_gets(copies: list[Copy]) -> set[tuple[str, str]]:
    return {(copy.member, str(copy.role)) for copy in copies}


@pytest.mark.parametrize("sender", ["", JAN])
async def test_the_deputy_gets_the_next_message_and_what_was_said_so_far(sender: str, tmp_path: Path) -> None:
    """The owner is told once that he counts as away, and keeps a copy; the copy of who has it says for whom."""
    talk = Talk(tmp_path, DEPUTY)
    copies = talk.desk.copies
    await talk.say(FIRST)
    await talk.say(replace(AWAY, sender=sender))
    assert who_gets(copies[1:]) == {("jan", Role.DESK)}
    (absence,) = await talk.desk.store.absences()
    assert (absence.member, absence.source) == ("jan", AbsenceSource.NOTICED)
    seen = len(copies)
    await talk.say(REPLY)
    assert who_gets(copies[seen:]) == {
        ("omar", Role.OWNER),
        ("jan", Role.WATCHER),
        ("omar", "watcher"),
        ("omar", "desk"),
    }
    (owner,) = (copy for copy in copies[seen:] if copy.role is Role.OWNER)
    assert "omar, deputy of jan who is away" in owner.annotation.why
    seen = len(copies)
    await talk.say(replace(AWAY, id="again", sender=sender))
    assert copies[seen:] == []
    await talk.close()


async def test_it_is_no_bounce(tmp_path: Path) -> None:
    """Neither the message's history nor the postmaster hears of one."""
    talk = Talk(tmp_path, DEPUTY)
    await talk.say(FIRST)
    await talk.say(AWAY)
    await talk.say(replace(AWAY, id="other", more="Auto-Submitted: auto-generated", subject="Away"))
    assert {copy.member for copy in talk.desk.copies} == {"jan"}
    await talk.close()


async def test_an_out_of_office_that_is_proven_to_be_nobodys_marks_nobody(tmp_path: Path) -> None:
    """A stranger who knows the return path of a copy takes no member out; it is the postmaster's to read."""
    talk = Talk(tmp_path, DEPUTY)
    await talk.say(FIRST)
    await talk.say(replace(AWAY, member="", part="aside", sender=JAN, into="B", suspect=True))
    assert await talk.desk.store.absences() == ()
    await talk.close()


@pytest.mark.parametrize("word", [BACK, replace(BACK, body="Thanks, I see to it."), replace(BACK, rcpt="support")])
async def test_his_word_ends_it(word: Mail, tmp_path: Path) -> None:
    """#back, or any mail of his."""
    talk = Talk(tmp_path, DEPUTY)
    await talk.say(FIRST)
    await talk.say(AWAY)
    await talk.say(replace(word, part=""))
    assert await talk.desk.store.absences() == ()
    seen = len(talk.desk.copies)
    await talk.say(REPLY)
    assert ("jan", Role.OWNER) in who_gets(talk.desk.copies[seen:])
    await talk.close()


async def test_it_ends_after_fourteen_days(tmp_path: Path) -> None:
    """By a timer; and from then on he counts as there, whether it has fired or not."""
    talk = Talk(tmp_path, DEPUTY)
    await talk.say(FIRST)
    await talk.say(AWAY)
    due = await talk.desk.store.due_timers(talk.at + timedelta(days=14), 10)
    assert [(one.timer.kind, one.timer.data, one.conversation) for one in due] == [(TimerKind.BACK, "jan", None)]
    seen = len(talk.desk.copies)
    await talk.say(replace(REPLY, after=timedelta(days=15)))
    assert who_gets(talk.desk.copies[seen:]) == {("jan", Role.OWNER)}
    await talk.close()


async def test_away_by_command_hands_over_what_is_open(tmp_path: Path) -> None:
    """Where the config says `handover: all`: each open conversation of his has its timer."""
    jan = SETTINGS.members["jan"].model_copy(update={"deputy": "omar", "handover": "all"})
    talk = Talk(tmp_path, SETTINGS.model_copy(update={"members": {**SETTINGS.members, "jan": jan}}))
    await talk.say(FIRST)
    await talk.say(Mail(ANNA, "x", "B"))
    await talk.say(replace(BACK, body="#away until 2026-02-01"))
    due = await talk.desk.store.due_timers(talk.at, 10)
    assert [(one.timer.kind, one.timer.data) for one in due] == [(TimerKind.HANDOVER, "jan")] * 2
    (absence,) = await talk.desk.store.absences()
    assert (absence.source, absence.until is None) == (AbsenceSource.COMMAND, False)
    await talk.close()
