"""Events in words, for who reads a conversation's timeline."""

from datetime import UTC, datetime

import pytest
from event_kinds import written_kinds

from routerd.cli.event_sentences import _SENTENCES, event_sentence
from routerd.store.history import PastEvent

AT = datetime(2026, 3, 4, tzinfo=UTC)


def told(kind: str, /, **data: object) -> str:
    return event_sentence(PastEvent(AT, kind, data))


def test_every_event_that_can_be_written_has_its_words() -> None:
    """Each kind that stands in routerd's code; what happened to copies, 'routerd trace' tells."""
    kinds = {kind for kind in written_kinds() if not kind.startswith("copy_")}
    assert {"answer_sent", "conversation_snoozed", "came_back"} < kinds
    assert not kinds - set(_SENTENCES)


@pytest.mark.parametrize("kind", _SENTENCES)
def test_whatever_is_kept_of_it_is_told(kind: str) -> None:
    """Stored damaged, or by another routerd, an event may have anything in it, or nothing."""
    for data in ({}, {"to": 7, "until": "soon", "added": "x", "removed": None, "of": ["a", 1], "respond_by": 5}):
        said = told(kind, **data)
        assert "None" not in said
        assert said == said.strip()


def test_some_are_told_with_who_and_why() -> None:
    assert told("labels_changed", by="jan", added=["a"], removed=["b"]) == "labels: +a -b, by jan"
    assert told("away_begun", member="ewa", until="2026-03-05T00:00:00+00:00", why="noticed") == (
        "ewa is away until 2026-03-05 00:00:00Z: noticed"
    )
    assert told("held_dropped", by="jan", member="ewa", kind="draft") == "jan dropped it: #drop"
    assert told("conversation_escalated", steps=1, watch=["amal"], owner="jan") == (
        "escalated; the owner is jan, amal watches"
    )
    assert told("conversation_closed", by="jan", why="command") == "closed by jan"
    assert told("conversation_closed", why="no word for 14d since the answer") == (
        "closed: no word for 14d since the answer"
    )
    assert told("conversation_snoozed", by="jan", until="2026-03-05T00:00:00+00:00", why="command") == (
        "put off until 2026-03-05 00:00:00Z by jan"
    )
    assert told("conversation_opened", by="jan", why="command") == "opened again by jan"
    assert told("copy_delivered", copy="1-1") == ""
    assert told("invented_later", member="ewa", to=["a", "b"], none=None) == "invented later: member ewa, to a, b"
