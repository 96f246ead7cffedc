"""`routerd conversations` and `routerd conversation`: which there are, how they stand, what happened in one."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click.testing
import pytest
from desk_at_work import HOUR, MONDAY, DeskAtWork
from filled_desk import INBOX, name

from routerd.cli.main import routerd
from routerd.desk.changes import (
    Answered,
    Authored,
    HeldEnd,
    HeldEnded,
    HeldId,
    HeldKind,
    NewHeld,
    Part,
    PlannedCopy,
    Role,
    Timer,
    TimerKind,
)
from routerd.desk.plan import ConversationState, Event, Standing
from routerd.message.annotation import Annotation
from routerd.store.base import NewCopy, SettledMail

WAITS = Standing(("skarga",), subject="Skarga \u202eevil", waiting_since=MONDAY, respond_by=MONDAY + 4 * HOUR)
CUSTOMER = PlannedCopy("anna@klient.pl", Role.ANSWER)


@pytest.fixture
def desk(tmp_path: Path) -> DeskAtWork:
    return DeskAtWork(tmp_path)


def test_a_list_says_how_each_stands(desk: DeskAtWork) -> None:
    """The latest first; an overdue one is called so; nothing steers the terminal."""
    desk.came(standing=replace(WAITS, overdue=True), customer="anna@klient.pl")
    closed = Standing((), subject="فاتورة", state=ConversationState.CLOSED)
    desk.came(MONDAY + HOUR, inbox="sales@example.com", owner="jan", standing=closed)
    result = desk.run("conversations")
    assert result.exit_code == 0
    assert "\u202e" not in result.output
    heading, second, first = (line.split() for line in result.stdout.splitlines())
    assert heading[:4] == ["ID", "STATE", "WAITS", "OWNER"]
    assert [second[number] for number in (0, 1, 2, 3, -1)] == ["2", "closed", "-", "jan", "فاتورة"]
    assert first[:2] == ["1", "overdue"]
    assert "anna@klient.pl" in first
    assert first[-2:] == ["Skarga", "<U+202E>evil"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((), [3, 2, 1]),
        (("--open",), [3, 1]),
        (("--state", "closed", "--open"), [3, 2, 1]),
        (("--state", "closed"), [2]),
        (("--overdue",), [1]),
        (("--held",), []),
        (("--owner", "jan"), [2]),
        (("--label", "skarga", "--owner", "ewa"), [1]),
        (("--inbox", "HELP@example.com"), [3, 1]),
        (("--customer", "Anna@klient.pl"), [1]),
        (("--limit", "2"), [3, 2]),
    ],
)
def test_each_filter_narrows_the_list(desk: DeskAtWork, filters: tuple[str, ...], found: list[int]) -> None:
    """An alias is as good as its inbox, and case does not count in addresses."""
    desk.came(standing=replace(WAITS, overdue=True), customer="anna@klient.pl")
    closed = Standing(("skarga",), state=ConversationState.CLOSED)
    desk.came(MONDAY + HOUR, inbox="sales@example.com", owner="jan", standing=closed)
    desk.came(MONDAY + 2 * HOUR)
    result = desk.run("conversations", "--json", *filters)
    assert [one["id"] for one in json.loads(result.stdout)] == found
    assert ("more: say which" in result.stderr) == ("--limit" in filters)


def test_a_list_says_where_something_waits_for_a_word(desk: DeskAtWork) -> None:
    """In a column that is there where it is so, and a filter."""
    desk.came(standing=WAITS)
    assert "HELD" not in desk.run("conversations").stdout
    desk.came(MONDAY + HOUR, standing=WAITS)
    desk.came(MONDAY + 2 * HOUR, 2, (), part=Part.ANSWER, member="jan", new_held=NewHeld(HeldKind.APPROVAL, ("omar",)))
    heading, *rows = (line.split() for line in desk.run("conversations").stdout.splitlines())
    assert [(row[0], row[heading.index("HELD")]) for row in rows] == [("2", "1"), ("1", "-")]
    assert [one["id"] for one in json.loads(desk.run("conversations", "--held", "--json").stdout)] == [2]


@pytest.mark.parametrize("word", ["release", "drop"])
def test_the_postmasters_hand_says_whose_word_an_answer_waits_for(desk: DeskAtWork, word: str) -> None:
    """It lets no answer go that a rule holds for somebody: he has not read it."""
    desk.came(standing=replace(WAITS, approve=("lead",)))
    new_held = NewHeld(HeldKind.APPROVAL, ("lead",))
    desk.came(MONDAY + HOUR, 1, (), part=Part.ANSWER, member="jan", new_held=new_held)
    arguments = ["queue", word, "-c", str(desk.config), name(2)]
    result = click.testing.CliRunner().invoke(routerd, arguments, catch_exceptions=False)
    assert result.exit_code == 1
    assert f"{name(2)}: this answer of jan waits in conversation 1 for the #send of أمل حداد" in result.stderr


def test_what_is_not_there_is_told(desk: DeskAtWork) -> None:
    """A name that nobody has is most likely a slip."""
    desk.came()
    assert desk.run("conversations", "--overdue").stderr == "No conversation fits.\n"
    assert json.loads(desk.run("conversations", "--overdue", "--json").stdout) == []
    slip = desk.run("conversations", "--owner", "eva")
    assert slip.exit_code == 2
    assert "did you mean 'ewa'?" in slip.stderr
    assert "no inbox" in desk.run("conversations", "--inbox", "x@example.com").stderr
    for text in ("", "?!"):
        wordless = desk.run("conversations", "--search", text)
        assert wordless.exit_code == 2
        assert "no word to look for" in wordless.stderr


def test_without_a_state_it_is_said(desk: DeskAtWork) -> None:
    for arguments in (("conversations",), ("conversation", "1"), ("conversation", "--json", "1")):
        result = desk.run(*arguments)
        assert result.exit_code == 1
        assert "the daemon has not run here" in result.stderr


def a_long_story(desk: DeskAtWork) -> None:
    """Anna complains, Jan and Ewa answer at once, Jan sends his all the same; a note, and a reminder."""
    assigned = Event("message_assigned", {"member": "ewa", "team": "duty", "why": "owner by duty/first"})
    desk.came(standing=WAITS, labels=("skarga",), customer="anna@klient.pl", events=(assigned,))
    note = (PlannedCopy("jan", Role.DESK),)
    desk.came(MONDAY + HOUR, 1, note, sender="ewa@example.com", part=Part.NOTE, member="ewa")
    answered = Answered("ewa", 2 * HOUR, 2 * HOUR, is_first=True)
    sent = Event("answer_sent", {"member": "ewa", "to": ["anna@klient.pl"]})
    stands = replace(WAITS, state=ConversationState.ANSWERED, waiting_since=None, respond_by=None, watchers=("jan",))
    desk.came(
        MONDAY + 2 * HOUR,
        1,
        (CUSTOMER,),
        sender="ewa@example.com",
        part=Part.ANSWER,
        member="ewa",
        sent=True,
        answered=answered,
        standing=stands,
        events=(sent,),
    )
    told = Authored(name(90), Part.TOLD, b"Subject: x\r\n\r\nx\r\n", "90@x", (), shows_new=True, why="Ewa has answered")
    mail = SettledMail(told, Annotation(name(90), INBOX, "", ""), (_desk_copy("jan"),))
    desk.came(
        MONDAY + 2 * HOUR,
        1,
        (),
        (mail,),
        "jan@example.com",
        part=Part.ANSWER,
        member="jan",
        authored=(told,),
        new_held=NewHeld(HeldKind.CONFLICT),
        events=(Event("answer_held", {"member": "jan", "kind": "conflict"}),),
        timers=(Timer(TimerKind.CLOSE, MONDAY + timedelta(days=14)),),
    )
    moved = Event("owner_changed", {"from": "ewa", "to": "jan", "why": "jan answered"})
    ended = (HeldEnded(HeldId(1), HeldEnd.SENT),)
    desk.happened(1, MONDAY + 3 * HOUR, moved, Event("something_new", {"about": ["a", "b"]}), held_ended=ended)


def _desk_copy(member: str) -> NewCopy:
    return NewCopy(member, f"{member}@example.com", "smtp:mail.example.com:25", Role.DESK)


def test_the_timeline_tells_who_what_when_and_why(desk: DeskAtWork) -> None:
    a_long_story(desk)
    result = desk.run("conversation", "1")
    assert result.exit_code == 0
    facts, _, told = result.stdout.partition("\n\n")
    assert facts.splitlines()[:3] == [
        "conversation: 1, Skarga <U+202E>evil",
        "inbox:        support@example.com",
        "state:        answered",
    ]
    assert "watched by:   jan" in facts
    assert "customer:     anna@klient.pl" in facts
    assert [line.removeprefix("2026-03-02 ") for line in told.splitlines()] == [
        f"09:00:00Z  anna@klient.pl wrote; labels: skarga [{name(1)}]",
        "09:00:00Z    given to ewa: owner by duty/first",
        f"10:00:00Z  ewa noted, to jan [{name(2)}]",
        f"11:00:00Z  ewa answered, to anna@klient.pl [{name(3)}]",
        f"11:00:00Z  jan wrote an answer, held: somebody else had answered meanwhile [{name(4)}]",
        f"11:00:00Z  routerd told jan: Ewa has answered [{name(90)}]",
        "12:00:00Z  the owner is jan, no longer ewa: jan answered",
        "12:00:00Z  something new: about a, b",
        "12:00:00Z  the held answer of jan was sent",
        "to come               at 2026-03-16 09:00:00Z: it closes, if nobody writes",
    ]


def test_a_conversation_is_found_by_any_of_its_messages(desk: DeskAtWork) -> None:
    """Its number, a queue id, a copy's id, a Message-ID with its brackets and without."""
    a_long_story(desk)
    told = [json.loads(desk.run("conversation", "--json", name).stdout) for name in ("1", name(2), f"{name(1)}-1")]
    told += [json.loads(desk.run("conversation", "--json", name).stdout) for name in ("<3@klient.pl>", "4@klient.pl")]
    assert all(one == told[0] for one in told)
    assert [mail["part"] for mail in told[0]["mails"]] == ["customer", "note", "answer", "answer", "told"]
    assert told[0]["waiting_for_send"][0]["end"] == "sent"
    assert told[0]["timers"] == [{"kind": "close", "at": "2026-03-16T09:00:00+00:00", "data": None}]
    assert told[0]["timeline"][0] == {
        "at": MONDAY.isoformat(),
        "text": f"anna@klient.pl wrote; labels: skarga [{name(1)}]",
    }
    unknown = desk.run("conversation", "99")
    assert unknown.exit_code == 1
    assert unknown.stderr == "no conversation is known by 99\n"


def test_a_draft_that_was_sent_was_shown_to_members_alone(desk: DeskAtWork) -> None:
    """The customer's copy of it is the answer."""
    desk.came(MONDAY, 1)
    copies = (PlannedCopy("jan", Role.DESK), CUSTOMER)
    desk.came(MONDAY + HOUR, 1, copies, sender="ewa@example.com", part=Part.DRAFT, member="ewa")
    assert "ewa wrote a draft, shown to jan [" in desk.run("conversation", "1").stdout
