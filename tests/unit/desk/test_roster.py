"""Whose mailbox is whose."""

import pytest
from desk_house import settings

from routerd.desk.roster import Roster

ROSTER = Roster(
    settings(
        members={
            "ewa": {"mailbox": "ewa@example.com", "show": {"mailbox": "ewa+{label}@sorted.example.com"}},
            "adam": {"mailbox": "adam@example.com"},
        },
        teams={"duty": {"members": ["adam"]}},
        inboxes={"support@example.com": {"default": "duty"}},
    )
)


@pytest.mark.parametrize(
    ("labels", "mailbox"),
    [
        (("invoice", "urgent"), "ewa+invoice@sorted.example.com"),
        (("faktura-ą", "urgent"), "ewa+urgent@sorted.example.com"),
        (("fin/late",), "ewa+fin/late@sorted.example.com"),
        (("a..b", "x."), "ewa@example.com"),
        (("x" * 64,), "ewa@example.com"),
        ((), "ewa@example.com"),
    ],
)
def test_copies_go_where_their_labels_are_filed(labels: tuple[str, ...], mailbox: str) -> None:
    """The first that an address can hold; who has no such address gets all in one place."""
    assert str(ROSTER.mailbox_for("ewa", labels)) == mailbox
    assert str(ROSTER.mailbox_for("adam", labels)) == "adam@example.com"
