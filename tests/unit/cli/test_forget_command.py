"""`routerd forget`: asks, forgets, says what it cannot reach."""

import json
from pathlib import Path

import pytest
from desk_at_work import HOUR, MONDAY, DeskAtWork

from routerd.desk.changes import Part
from routerd.desk.plan import Standing

ANNA = "anna@klient.pl"


@pytest.fixture
def desk(tmp_path: Path) -> DeskAtWork:
    """Two messages of Anna's in one conversation, one of Bob's in another; all of them wait for delivery."""
    desk = DeskAtWork(tmp_path)
    desk.came(standing=Standing(subject="tajemnica"), customer=ANNA)
    desk.came(MONDAY + HOUR, 1)
    desk.came(MONDAY + HOUR, sender="bob@far.example", customer="bob@far.example")
    return desk


def test_a_person_is_forgotten_and_the_rest_stays(desk: DeskAtWork) -> None:
    """It says what it did, and what it cannot reach; done again it finds nothing more."""
    result = desk.run("forget", "--yes", "Anna@Klient.pl")
    assert result.exit_code == 0
    done, elsewhere = result.stdout.splitlines()
    assert done == "Forgotten: 2 messages in 1 conversation. 2 copies that waited for delivery went, too."
    assert elsewhere.startswith("Members' mailboxes keep their copies")
    assert not [path for path in desk.state.rglob("*") if path.is_file() and b"anna@" in path.read_bytes().lower()]
    listed = json.loads(desk.run("conversations", "--json").stdout)
    assert {one["id"]: (one["customer"] or "").endswith("@forgotten.invalid") for one in listed} == {1: True, 2: False}
    again = json.loads(desk.run("forget", "--yes", "--json", ANNA).stdout)
    assert again == {"messages": 0, "conversations": 0, "dropped": 0, "waiting": []}
    assert "@forgotten.invalid wrote" in desk.run("conversation", "1").stdout


def test_without_a_yes_nothing_is_forgotten(desk: DeskAtWork) -> None:
    result = desk.run("forget", ANNA)
    assert result.exit_code == 1
    assert "1 conversation with anna@klient.pl" in result.stderr
    assert "nothing was forgotten (--yes forgets without a question)" in result.stderr
    assert json.loads(desk.run("conversations", "--json", "--customer", ANNA).stdout)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("ewa@example.com", "it is ewa's, a member"),
        ("help@example.com", "it is the inbox support@example.com"),
        ("support+x@example.com", "it is the inbox support@example.com"),
        ("anna", "Invalid value for ADDRESS"),
    ],
)
def test_only_strangers_are_forgotten(desk: DeskAtWork, address: str, why: str) -> None:
    result = desk.run("forget", "--yes", address)
    assert result.exit_code == 2
    assert why in result.stderr


def test_what_others_wait_for_is_left_and_named(desk: DeskAtWork) -> None:
    """And the command says that it is to be said again, also by its exit status."""
    left = desk.came(MONDAY + HOUR, 1, sender="bob@far.example", part=Part.ASIDE)
    result = desk.run("forget", "--yes", ANNA)
    assert result.exit_code == 1
    assert result.stdout.startswith("Forgotten: 2 messages in 1 conversation.")
    assert f"1 message that somebody else wrote was left, for others wait for a copy: {left.id}." in result.stderr
    assert "Say the same again when" in result.stderr
    told = json.loads(desk.run("forget", "--yes", "--json", ANNA).stdout)
    assert told["waiting"] == [left.id]
