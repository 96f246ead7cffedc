"""What a new owner gets."""

from dataclasses import replace
from datetime import timedelta

from desk_house import ANNA, KNOWN, NOW, FullState, house, mail, text_of

from routerd.desk.changes import Part, Role
from routerd.desk.owning import MAX_RESENT, hand_over, shown, with_handover
from routerd.desk.plan import Event, Past, Sent
from routerd.desk.timers import unchanged
from routerd.message.envelope import QueueId
from routerd.message.view import MessageView
from routerd.rules.decision import Priority

HOUR = timedelta(hours=1)


def said(number: int, part: Part = Part.CUSTOMER, member: str | None = None, *holders: str, kept: bool = True) -> Past:
    at = NOW - timedelta(days=3) + number * HOUR
    return Past(number, QueueId(f"Q{number}"), part, member, at, f"{number}@klient.pl", kept, holders)


def test_all_that_was_said_oldest_first_and_a_summary() -> None:
    """Copies as of a watcher; the summary says why it is his, how it stands and who said what."""
    state = FullState(messages=(said(1), said(2, Part.ANSWER, "ewa"), said(3)), answers=(Sent(2, "ewa", NOW, 2),))
    told = house()
    handed = hand_over(KNOWN, "jan", "ewa assigned it to jan", state, told, NOW)
    assert [(one.message, one.copy.member, one.copy.role) for one in handed.resent] == [
        (number, "jan", Role.WATCHER) for number in (1, 2, 3)
    ]
    (summary,) = handed.authored
    assert [(copy.member, copy.role) for copy in summary.copies] == [("jan", Role.DESK)]
    text = text_of(summary.raw)
    for part in ("ewa assigned it to jan", "Skarga na fakturę", ANNA[1], "Ewa Nowak answered", "the customer wrote"):
        assert part in text
    view = MessageView(summary.raw)
    assert "auto" in view.kinds
    assert view.references == ("1@klient.pl", "2@klient.pl", "3@klient.pl")
    (event,) = handed.events
    assert event == Event("owner_changed", {"from": "ewa", "to": "jan", "why": "ewa assigned it to jan"})


def test_the_latest_twenty_at_most() -> None:
    """Of what was said; what routerd itself wrote counts for nothing."""
    messages = tuple(said(number, Part.TOLD if number % 3 == 0 else Part.CUSTOMER) for number in range(1, 61))
    handed = hand_over(KNOWN, "jan", "x", FullState(messages=messages), house(), NOW)
    numbers = [one.message for one in handed.resent]
    assert numbers == [number for number in range(1, 61) if number % 3][-MAX_RESENT:]


def test_nothing_that_he_has_or_wrote_or_that_is_not_kept() -> None:
    messages = (
        said(1, Part.CUSTOMER, None, "jan", "ewa"),
        said(2, Part.ANSWER, "jan"),
        said(3, kept=False),
        said(4, Part.CUSTOMER, None, "ewa"),
    )
    handed = hand_over(KNOWN, "jan", "x", FullState(messages=messages), house(), NOW)
    assert [one.message for one in handed.resent] == [4]
    assert "(not kept any more)" in text_of(handed.authored[0].raw)


def test_the_summary_tells_what_he_did_himself() -> None:
    """Else it would read as if nobody had answered."""
    answered = (said(1), said(2, Part.ANSWER, "jan"), said(3))
    handed = hand_over(KNOWN, "jan", "x", FullState(messages=answered, answers=(Sent(2, "jan", NOW, 2),)), house(), NOW)
    assert [one.message for one in handed.resent] == [1, 3]
    assert "Jan Wójcik answered" in text_of(handed.authored[0].raw)


def test_no_draft_and_nothing_held_goes_along() -> None:
    others = (said(1, Part.DRAFT, "ewa"), said(2, Part.TOLD), said(3, Part.AWAY, "ewa"), said(4, Part.ANSWER, "ewa"))
    state = FullState(messages=others)
    assert shown("jan", KNOWN, state, house()) == ()


def test_a_note_comes_as_a_note() -> None:
    """Under a head of its own: whoever replies to all of it writes to colleagues, whoever stood in its To and Cc."""
    raw = mail("He is angry.", "ewa@example.com", To="support+note@example.com, anna@klient.pl", Cc="x@klient.pl")
    state = FullState(messages=(said(1, Part.NOTE, "ewa"),), contents={1: raw})
    (one,) = shown("jan", KNOWN, state, house())
    assert b"[note] " in one.copy.head
    assert b"klient.pl" not in one.copy.head


def test_the_owner_himself_gets_nothing() -> None:
    state = FullState(messages=(said(1),))
    handed = hand_over(KNOWN, KNOWN.owner, "x", state, house(), NOW)
    assert (handed.resent, handed.authored, handed.events) == ((), (), ())


def test_a_plan_with_a_new_owner_tells_of_it_once() -> None:
    state, told = FullState(messages=(said(1),)), house()
    event = Event("owner_changed", {"from": "ewa", "to": "jan", "why": "jan answered"})
    moved = replace(unchanged(KNOWN, event), owner="jan")
    plan = with_handover(moved, KNOWN, state, told, NOW)
    assert plan.events == (event,)
    assert "jan answered" in text_of(plan.authored[0].raw)
    silent = with_handover(replace(moved, events=(), why="owner by jan"), KNOWN, state, told, NOW)
    assert [one.kind for one in silent.events] == ["owner_changed"]
    assert with_handover(unchanged(KNOWN), KNOWN, state, told, NOW) == unchanged(KNOWN)


def test_notes_of_commands_alone_do_not_come_nor_what_was_refused_with_them() -> None:
    """Nobody had those; what stands below commands that were obeyed is a note."""
    texts = ("#close", "#label +x\n\nHe is angry.", "#clsoe\n\nShe lies.", "Angry.", "")
    contents = {number: mail(text, "ewa@example.com") for number, text in enumerate(texts, 1)}
    messages = [said(number, Part.NOTE, "ewa") for number in contents]
    messages[1] = said(2, Part.NOTE, "ewa", "omar")
    state = FullState(messages=tuple(messages), contents=contents)
    assert [one.message for one in shown("jan", KNOWN, state, house())] == [2, 4, 5]


def test_the_summary_says_how_it_stands_with_what_has_just_been_done() -> None:
    """A label that the same note gives is in it; so is since when somebody waits, in the same words as all moments."""
    after = replace(KNOWN, standing=replace(KNOWN.standing, labels=("urgent",), priority=Priority.HIGH))
    plan = replace(
        unchanged(KNOWN), owner="jan", why="owner by command: ewa assigned it to jan", standing=after.standing
    )
    (summary,) = with_handover(plan, KNOWN, FullState(), house(), NOW).authored
    assert text_of(summary.raw).splitlines() == [
        "This conversation of support@example.com is yours now; it was Ewa Nowak's.",
        "Why: ewa assigned it to jan.",
        "",
        "Subject: Skarga na fakturę",
        "With: Anna Klient <anna@klient.pl>",
        "State: open; the customer has been waiting since 2026-12-24 10:00 UTC",
        "Priority: high",
        "Labels: urgent",
    ]
