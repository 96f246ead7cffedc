"""Drafts: who sees them, who sends them, and what takes their place."""

import base64
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

from desk_house import KNOWN, NOW, FullState, house, mail, matter, text_of

from routerd.desk.changes import Held, HeldEnd, HeldEnded, HeldId, HeldKind, NewHeld, Part, Role
from routerd.desk.drafting import draft_plan
from routerd.desk.plan import Plan, Seen
from routerd.desk.said import Kind

OWN = Held(HeldId(1), HeldKind.DRAFT, "jan", 11, NOW)
OTHERS = Held(HeldId(2), HeldKind.DRAFT, "omar", 12, NOW)
ANSWER = Held(HeldId(3), HeldKind.CONFLICT, "jan", 13, NOW)


def drafted(text: str, state: FullState | None = None, member: str = "jan", **fields: str) -> Plan:
    told = house()
    raw = mail(text, f"{member}@example.com", **fields)
    return draft_plan(matter(Kind.DRAFT, raw, told, member), state or FullState(), told)


def stands(**changes: object) -> FullState:
    return FullState(replace(KNOWN, standing=replace(KNOWN.standing, **changes)))  # type: ignore[arg-type]


def words_above(head: bytes) -> str:
    """What routerd says on top of it."""
    return base64.b64decode(head.partition(b"base64\r\n\r\n")[2].partition(b"--")[0]).decode()


def test_a_draft_is_held_and_shown_to_the_owner_the_watchers_and_whom_it_names() -> None:
    """Who may all send it, as they watch then; no customer gets anything."""
    plan = drafted("Szanowna Pani, @adam", stands(watchers=("omar",)))
    assert [(copy.member, copy.role) for copy in plan.copies] == [(n, Role.DESK) for n in ("ewa", "omar", "adam")]
    assert (plan.part, plan.new_held) == (Part.DRAFT, NewHeld(HeldKind.DRAFT))
    assert plan.standing == replace(KNOWN.standing, messages=2, watchers=("omar", "adam"))
    assert (plan.resent, plan.authored, plan.sent) == ((), (), False)
    head = message_from_bytes(plan.copies[0].head, policy=default)
    assert (head["From"], head["Subject"]) == ("Jan Wójcik <support+note@example.com>", "[draft] Re: Skarga")


def test_an_owner_sees_his_own_draft() -> None:
    """So that he has a mail to answer with #send. Where nobody else has it, it says so."""
    [copy] = drafted("Szanowna Pani", member="ewa").copies
    assert copy.member == "ewa"
    assert "Nobody else has it: a note with @NAME" in words_above(copy.head)
    assert "Nobody else" not in words_above(drafted("Szanowna Pani", stands(watchers=("omar",)), "ewa").copies[0].head)


def test_where_a_rule_wants_somebodys_word_he_sees_it_and_he_alone_sends_it() -> None:
    plan = drafted("Szanowna Pani", stands(approve=("duty",)))
    assert [copy.member for copy in plan.copies] == ["ewa", "adam"]
    assert plan.new_held == NewHeld(HeldKind.DRAFT, ("duty",))


def test_a_new_version_takes_the_place_of_the_old() -> None:
    """Of what its author had drafted, and of the draft that it answers; a held answer is none."""
    state = replace(stands(), waiting=(OWN, OTHERS, ANSWER))
    assert drafted("Szanowna Pani", state).held_ended == (HeldEnded(HeldId(1), HeldEnd.REPLACED),)
    shown = replace(state, seen=Seen(12, "ewa", NOW, HeldId(2)))
    assert drafted("Szanowna Pani", shown, "ewa").held_ended == (HeldEnded(HeldId(2), HeldEnd.REPLACED),)


def test_a_draft_cannot_begin_with_a_command() -> None:
    """It would go to the customer as it stands."""
    plan = drafted("#close\n\nSzanowna Pani, do widzenia.")
    assert (plan.copies, plan.new_held, plan.standing.state) == ((), None, KNOWN.standing.state)
    [told] = plan.authored
    assert [copy.member for copy in told.copies] == ["jan"]
    assert "no line of it can be a command" in text_of(told.raw)
    assert "> Szanowna Pani, do widzenia." in text_of(told.raw)


def test_commands_alone_are_obeyed_at_the_draft_address_too() -> None:
    """Who answers to all may well write there."""
    plan = drafted("#drop", replace(stands(), waiting=(OWN,)))
    assert plan.held_ended == (HeldEnded(HeldId(1), HeldEnd.DROPPED),)
    assert plan.part is Part.NOTE
