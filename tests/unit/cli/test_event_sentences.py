"""Events in words, for who reads a conversation's timeline."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import routerd
from routerd.cli.event_sentences import _SENTENCES, event_sentence
from routerd.store.history import PastEvent

AT = datetime(2026, 3, 4, tzinfo=UTC)


def told(kind: str, /, **data: object) -> str:
    return event_sentence(PastEvent(AT, kind, data))


def test_every_event_of_the_desk_has_its_words() -> None:
    """Each kind that stands in the desk's code."""
    desk = Path(routerd.__file__).parent / "desk"
    source = "".join(path.read_text() for path in desk.glob("*.py"))
    kinds = set(re.findall(r'Event\(\s*"([a-z_]+)"', source))
    assert len(kinds) > 20
    assert not kinds - set(_SENTENCES) - {"bounce_sent_back"}


@pytest.mark.parametrize("kind", _SENTENCES)
def test_whatever_is_kept_of_it_is_told(kind: str) -> None:
    """Stored damaged, or by another routerd, an event may have anything in it, or nothing."""
    for data in ({}, {"to": 7, "until": "soon", "added": "x", "removed": None, "of": ["a", 1], "respond_by": 5}):
        assert isinstance(told(kind, **data), str)


def test_some_are_told_with_who_and_why() -> None:
    assert told("labels_changed", by="jan", added=["a"], removed=["b"]) == "labels: +a -b, by jan"
    assert told("away_begun", member="ewa", until="2026-03-05T00:00:00+00:00", why="noticed") == (
        "ewa is away until 2026-03-05 00:00:00Z: noticed"
    )
    assert told("held_dropped", by="jan", member="ewa", kind="draft") == "jan dropped it: #drop"
    assert told("conversation_escalated", steps=1, watch=["amal"], owner="jan") == (
        "escalated; the owner is jan, amal watches"
    )
    assert told("copy_delivered", copy="1-1") == ""
    assert told("invented_later", member="ewa", to=["a", "b"], none=None) == "invented later: member ewa, to a, b"
