"""What `routerd trace` makes of each thing that may have happened."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from event_kinds import written_kinds

from routerd.cli.trace_report import print_life
from routerd.desk.changes import Role
from routerd.message.annotation import Annotation
from routerd.message.envelope import CopyId, QueueId
from routerd.store.base import NOBODY_LEFT, CopyState
from routerd.store.history import MessageHistory, PastEvent, QueuedCopy
from routerd.store.stored_json import StoredEnvelope, StoredPlan

ID = QueueId("01KJVX7GQ2M4T8Z0R5B6C9D1EF")
NOW = datetime(2026, 3, 4, 9, 12, tzinfo=UTC)
COPY = QueuedCopy(
    number=1,
    id=CopyId(f"{ID}-1"),
    queue_id=ID,
    state=CopyState.DELIVERED,
    role=Role.OWNER,
    member="ewa",
    mailbox="ewa@example.com",
    destination="maildir",
    inbox="support@example.com",
    sender="",
    size_bytes=1,
    attempts=1,
    created_at=NOW,
    next_attempt_at=None,
    finished_at=NOW + timedelta(seconds=1),
    reason="",
)
HISTORY = MessageHistory(
    queue_id=ID,
    received_at=NOW,
    sender="",
    size_bytes=1,
    message_id=None,
    envelope=StoredEnvelope(("support@example.com",), ("support@example.com",), "", "", "ESMTP", ""),
    plan=StoredPlan("support@example.com", "ewa", None, "owner by default", (), None, ()),
    annotation=Annotation(ID, "support@example.com", "ewa@example.com", "Ewa"),
    decisions=(),
    twin_of=None,
    namesakes=(),
    has_bytes=True,
    copies=(COPY,),
    events=(),
)

EVENTS = [
    ("bounce_received", {"by": "ID9"}, "something came back that is to be read by a person: the message ID9"),
    (
        "bounce_received",
        {"action": "failed", "status": "5.1.1", "diagnostic": "550 no", "from": "mx.far.test", "by": "ID9"},
        "a bounce came back from mx.far.test: failed 5.1.1 550 no",
    ),
    ("bounce_received", {"action": "delayed"}, "a bounce came back from a server without a name: delayed"),
    (
        "bounce_received",
        {"action": "failed", "status": "5.1.1", "from": "mx.far.test", "state": "rerouted"},
        "a bounce came back from mx.far.test: failed 5.1.1; the copy was rerouted already, that changed nothing",
    ),
    (
        "bounce_received",
        {"action": "failed", "state": "delivered"},
        "a bounce came back from a server without a name: failed",
    ),
    ("copy_failed", {"reason": "550 no", "by": "bounce"}, "given up: 550 no"),
    ("copy_held", {"attempt": 2, "reason": "554 no", "tried": ["ewa"]}, "held: 554 no"),
    ("copy_delivered", {"attempt": 2, "reply": ""}, "delivered; its server said nothing"),
    ("copy_deferred", {"attempt": 2, "reason": "451", "next_attempt_at": "soon"}, "not delivered: 451"),
    (
        "conclusion_ignored",
        {"conclusion": "Done", "state": "rerouted", "reason": "250 ok"},
        "an attempt ended when the copy was rerouted already; that changed nothing: 250 ok",
    ),
]


def told(capsys: pytest.CaptureFixture[str], history: MessageHistory) -> list[str]:
    print_life(history, lambda copy: copy.destination)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("kind", "data", "sentence"), EVENTS)
def test_each_event_is_a_sentence(
    capsys: pytest.CaptureFixture[str], kind: str, data: dict[str, object], sentence: str
) -> None:
    """With its attempt's number where it was one, the peer's words, and whose hand it was."""
    event = PastEvent(NOW + timedelta(days=1), kind, {"copy": COPY.id, "member": "ewa", **data})
    attempt = ", attempt 2" if "attempt" in data else ""
    lines = told(capsys, replace(HISTORY, events=(event,)))
    assert f"2026-03-05 09:12:00Z  copy 1 for ewa{attempt}: {sentence}" in lines


@pytest.mark.parametrize("kind", sorted(written_kinds()))
def test_every_event_that_can_be_written_is_told_in_words(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """But for what is told where the message came in."""
    event = PastEvent(NOW, kind, {"copy": COPY.id, "member": "ewa", "by": "jan", "why": "so"})
    said = told(capsys, replace(HISTORY, events=(event,)))
    assert not [line for line in said if "_" in kind and kind in line]
    assert not [line for line in said if f"Z  {kind.replace('_', ' ')}: " in line]
    is_told_before = kind in ("message_assigned", "message_joined")
    assert len(said) == len(told(capsys, HISTORY)) + (not is_told_before)


def test_what_is_said_to_the_desk_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        ("answer_sent", {"member": "ewa", "to": ["a@b.test", "c@d.test"], "by": "jan"}),
        ("answer_held", {"member": "ewa", "kind": "conflict"}),
        ("note_written", {"member": "ewa", "to": []}),
        ("copy_added", {"copy": f"{ID}-3", "member": "jan", "why": "jan took it"}),
        ("mail_written", {"part": "told", "why": "the daily summary"}),
        ("conversation_closed", {"by": "ewa", "why": "command"}),
    ]
    lines = told(capsys, replace(HISTORY, events=tuple(PastEvent(NOW, kind, data) for kind, data in events)))
    assert [line.removeprefix("2026-03-04 09:12:00Z  ") for line in lines[-7:-1]] == [
        "the answer of ewa went out to a@b.test, c@d.test; jan let it go: #send",
        "the answer of ewa is held: somebody else had answered meanwhile",
        "ewa noted it, for nobody",
        "copy 3 for jan: made later: jan took it",
        "routerd wrote it: the daily summary",
        "closed by ewa",
    ]


def test_an_event_that_nobody_foresaw_is_told_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a newer routerd; nothing in it steers the terminal."""
    events = (PastEvent(NOW, "copy_sung", {"tune": "\x1b[2J"}), PastEvent(NOW, "damaged", {"part": "plan"}))
    lines = told(capsys, replace(HISTORY, events=events))
    assert "2026-03-04 09:12:00Z  copy sung: tune <U+001B>[2J" in lines
    assert "2026-03-04 09:12:00Z  what is kept of its plan is damaged" in lines


def test_what_came_back_names_the_copy_that_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    """With the command for a person who has read that the mailbox is no more."""
    event = PastEvent(NOW, "came_back", {"copy": "01KJVX-2", "mailbox": "ewa@example.com"})
    lines = told(capsys, replace(HISTORY, events=(event,)))
    assert (
        "2026-03-04 09:12:00Z  it came back for 01KJVX-2, sent to ewa@example.com, and is to be read by a person:"
        " 'routerd queue bounce 01KJVX-2' takes that as refused"
    ) in lines


def test_a_copy_that_is_due_is_not_told_to_be_tried_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """A moment that has passed says nothing to who waits for it."""
    waits = replace(COPY, state=CopyState.QUEUED, attempts=0, finished_at=None)
    lines = told(capsys, replace(HISTORY, copies=(replace(waits, next_attempt_at=NOW),)))
    assert (
        "copy 1 for ewa is due: not tried yet; the daemon tries it as soon as its destination takes more" in lines[-1]
    )
    later = datetime.now(UTC) + timedelta(hours=1)
    lines = told(capsys, replace(HISTORY, copies=(replace(waits, next_attempt_at=later),)))
    assert f"'routerd queue retry {COPY.id}' tries it at once" in lines[-1]


def test_a_conversation_that_changes_hands_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """From whom to whom, and why."""
    event = PastEvent(NOW, "owner_changed", {"from": "jan", "to": "ewa", "why": "jan is away"})
    lines = told(capsys, replace(HISTORY, events=(event,)))
    assert "2026-03-04 09:12:00Z  the conversation goes from jan to ewa: jan is away" in lines


def test_what_routerd_wrote_itself_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    """A notice has no client; what comes from nobody is called what it is."""
    lines = told(capsys, HISTORY)
    assert lines[0].endswith("from <> (a bounce or another automatic mail) for support@example.com")
    assert lines[1].strip() == "written by routerd itself; 1 byte; Message-ID none"


def test_who_is_proven_to_have_written_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """By what we found ourselves, or by what a hop says, of which nothing else is kept; of nobody else a word."""
    envelope = replace(HISTORY.envelope, listener="0.0.0.0:25", client="192.0.2.7")
    by_jan = replace(HISTORY, envelope=envelope, member="jan")
    assert "by jan, who is proven by what a trusted hop says of it, or by the listener for members alone" in "\n".join(
        told(capsys, by_jan)
    )
    found = replace(by_jan, annotation=replace(by_jan.annotation, auth_results="mx; dmarc=pass"))
    assert "by jan, who is proven; verified of its sender: dmarc=pass" in "\n".join(told(capsys, found))
    assert "its sender is not verified" in "\n".join(told(capsys, replace(by_jan, member="")))


def test_what_stands_now_is_told_of_every_state(capsys: pytest.CaptureFixture[str]) -> None:
    """With what can be done about it; of what another copy took the place of, nothing."""
    states = {
        CopyState.QUEUED: "waits: tried once; 'routerd queue retry",
        CopyState.HELD: "is held until the postmaster acts: no reason was given; 'routerd queue release",
        CopyState.DELIVERED: "was delivered to ewa@example.com by maildir at 2026-03-04 09:12:01Z",
        CopyState.FAILED: "was given up: no reason was given; it is not the owner's, who has one of his own",
        CopyState.DROPPED: "was dropped at 2026-03-04 09:12:01Z",
    }
    for state, sentence in states.items():
        last = told(capsys, replace(HISTORY, copies=(replace(COPY, state=state),)))[-1]
        assert last.startswith(f"now{' ' * 19}copy 1 for ewa {sentence}")
    alone = replace(COPY, state=CopyState.HELD, reason=f"550 no{NOBODY_LEFT}")
    last = told(capsys, replace(HISTORY, copies=(alone,)))[-1]
    assert "mend one of the mailboxes, or routerd.yaml; then 'routerd queue release" in last
    assert "'bounce'" not in last
    rerouted = told(capsys, replace(HISTORY, copies=(replace(COPY, state=CopyState.REROUTED),)))
    assert not any(line.startswith("now") for line in rerouted)


def test_a_message_that_came_twice_names_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody gets a second copy; and bytes that are gone are said to be."""
    twin = told(capsys, replace(HISTORY, copies=(), has_bytes=False, twin_of=QueueId("ID7")))
    assert twin[-1].endswith("nobody was sent a copy: see ID7")
    assert told(capsys, replace(HISTORY, has_bytes=False))[-1].endswith("its bytes are no longer kept, its history is")
