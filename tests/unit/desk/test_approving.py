"""Whose #send counts where a rule wants somebody's word, and what becomes of it while they are away."""

from datetime import timedelta

import pytest
from desk_house import NOW, settings

from routerd.desk.approving import approvers_of, is_anybody_there, said_of_approvers
from routerd.desk.changes import Absence, AbsenceSource
from routerd.desk.roster import Roster

AWAY = "2026-12-20..2026-12-31"


def roster(absences: tuple[Absence, ...] = (), **members: dict[str, object]) -> Roster:
    made = {
        name: {"mailbox": f"{name}@example.com", **members.get(name, {})} for name in ("ewa", "jan", "omar", "adam")
    }
    return Roster(settings(members=made)).with_absences(absences)


def gone(deputy: str | None = None) -> dict[str, object]:
    return {"away": AWAY, "deputy": deputy}


def told(found: Roster, author: str = "jan", *names: str) -> tuple[tuple[str, ...], str, bool]:
    asked = names or ("omar",)
    return (
        approvers_of(author, asked, found, NOW),
        said_of_approvers(author, asked, found, NOW),
        is_anybody_there(author, asked, found, NOW),
    )


def test_who_is_there_needs_nobody_to_stand_in() -> None:
    """Nor do two of whom one is there."""
    assert told(roster(omar={"deputy": "adam"})) == (("omar",), "omar", True)
    assert told(roster(omar=gone("adam")), "jan", "omar", "ewa") == (("omar", "ewa"), "ewa", True)


def test_the_deputy_of_an_approver_who_is_away_has_his_word() -> None:
    """That one's deputy where he is away, too, and so on. The word of who is away counts as well: he may say it."""
    assert told(roster(omar=gone("adam"))) == (("omar", "adam"), "adam, as omar is away until 2026-12-31", True)
    assert told(roster(omar=gone("adam"), adam=gone("ewa")))[0] == ("omar", "ewa")


def test_nobody_stands_in_for_the_approver_of_his_own_answer() -> None:
    """Four eyes are meant: another deputy further on in the chain may."""
    assert told(roster(omar=gone("jan"))) == (("omar",), "omar, who is away until 2026-12-31", False)
    assert told(roster(omar=gone("jan"), jan={"deputy": "ewa"}))[0] == ("omar", "ewa")


def test_where_nobody_is_there_it_is_said_who_could_say_it() -> None:
    found = roster(omar=gone(), ewa=gone())
    said = "omar, who is away until 2026-12-31 or ewa, who is away until 2026-12-31"
    assert told(found, "jan", "omar", "ewa") == (("omar", "ewa"), said, False)


@pytest.mark.parametrize(
    ("until", "said"), [(timedelta(days=2), " until 2026-12-26"), (None, "")], ids=["until a day", "until he is back"]
)
def test_who_says_himself_that_he_is_away_names_his_deputy(until: timedelta | None, said: str) -> None:
    absence = Absence("omar", AbsenceSource.COMMAND, NOW, None if until is None else NOW + until, "adam")
    assert told(roster((absence,))) == (("omar", "adam"), f"adam, as omar is away{said}", True)


def test_where_its_author_is_the_only_one_to_ask_nobody_is() -> None:
    assert told(roster(), "omar") == (("omar",), "omar", True)
    assert told(roster(), "jan", "nobody") == ((), "", False)
