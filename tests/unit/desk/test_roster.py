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


def test_who_has_left_is_called_as_he_was_in_the_config() -> None:
    """What he wrote is told of still."""
    roster = Roster(
        settings(
            members={"ewa": {"name": "Ewa Nowak", "mailbox": "e@example.com"}, "jan": {"mailbox": "j@example.com"}}
        )
    )
    assert [roster.display_name(name) for name in ("ewa", "jan", "gone")] == ["Ewa Nowak", "jan", "gone"]


INBOXES = {
    "support@example.com": {"default": "adam", "aliases": ["help@example.org"]},
    "customer-care@example.com": {"default": "adam"},
}
MEMBERS = {"adam": {"mailbox": "adam@example.com", "addresses": ["a.nowak@team.example"]}}
STYLES: dict[str, dict[str, str]] = {
    "plus": {},
    "minus": {"delimiter": "-"},
    "dot": {"delimiter": "."},
    "domain": {"style": "domain", "domain": "Desk.example.com"},
}


@pytest.mark.parametrize("style", STYLES)
def test_no_address_of_ours_is_outside(style: str) -> None:
    """Inboxes and their aliases, members, the postmaster's; our own by whatever token, forged and old ones, too."""
    roster = Roster(settings(members=MEMBERS, inboxes=INBOXES, addresses=STYLES[style], teams={}, postmaster="adam"))
    sign = STYLES[style].get("delimiter", "+")
    named = [
        *("support@example.com", "help@example.org", "customer-care@example.com"),
        *("adam@example.com", "a.nowak@team.example", f"adam{sign}urgent@example.com"),
        *("postmaster@example.com", "abuse@example.org", "srs0=abcd=xy=klient.pl=anna@example.com"),
    ]
    at = "desk.example.com" if style == "domain" else "example.com"
    for inbox in ("support", "customer-care"):
        details = ("b.token", "c.token", "n.token", "d.token", "note", "draft", "anything", "c.")
        named += [f"{inbox}{sign}{detail}@{at}" for detail in details]
    assert [address for address in named if not roster.is_ours(address)] == []
    for inbox in ("support", "customer-care"):
        kinds = [roster.takes_from_members(f"{inbox}{sign}{detail}@{at}") for detail in ("n.x", "note", "d.x", "draft")]
        assert kinds == ["note", "note", "draft", "draft"]
        assert roster.takes_from_members(f"{inbox}{sign}c.x@{at}") is None


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "address",
    ["ceo@example.com", "list@example.com", "support@klient.pl", "postmaster@klient.pl", "customer@example.com"],
)
def test_people_of_our_domains_who_are_no_members_are_outside(address: str, style: str) -> None:
    """A customer's Cc to the boss is meant: he gets the answer, too."""
    roster = Roster(settings(members=MEMBERS, inboxes=INBOXES, addresses=STYLES[style], teams={}, postmaster="adam"))
    assert not roster.is_ours(address)
