"""With very many copies waiting: what is asked at every look costs no more than with few."""

import re
from datetime import timedelta

import pytest
from store_entries import NOW, copy_for, entry

from routerd.store import open_copies as statements
from routerd.store.base import CopyState
from routerd.store.connection import Connection
from routerd.store.sqlite import SqliteStore


@pytest.mark.parametrize("statement", [statements._DUE, statements._WAITING], ids=["due", "waiting"])
def test_what_each_look_asks_goes_by_the_index(store: SqliteStore, peek: Connection, statement: str) -> None:
    """No copies are gone through one by one, and none are sorted."""
    bindings = (b"x", 0, 1)[: statement.count("?")]
    plan = [row[3] for row in peek.execute(f"EXPLAIN QUERY PLAN {statement}", bindings)]
    assert any("copies_open (state=? AND destination=?" in step for step in plan)
    assert not [step for step in plan if re.search(r"SCAN (c|m|copies|messages)\b|TEMP B-TREE", step)]


async def test_each_destination_is_named_with_its_earliest_moment(store: SqliteStore) -> None:
    """However they are called; those whose copies are all held or finished are not."""
    names = ["a.test", "b.test", "zażółć.test", "ʒ.test"]
    for name in names:
        for minutes in (5, 1, 3):
            committed = await store.commit(entry(copy_for("ewa", at=name)))
            (copy,) = committed.copies
            await store.change_copies([copy.number], CopyState.QUEUED, "", NOW + timedelta(minutes=minutes))
    await store.commit(entry(copy_for("ewa", at="held.test", held="by rule")))
    assert await store.waiting() == {f"smtp:mail.{name}:25": NOW + timedelta(minutes=1) for name in names}


async def test_nothing_waits_nowhere(store: SqliteStore) -> None:
    """An empty queue has no destinations."""
    assert await store.waiting() == {}


async def test_a_reload_readdresses_whose_way_has_changed(store: SqliteStore) -> None:
    """All open copies of such a member, and nobody else's; a member that is gone keeps what he has."""
    for member in ("ewa", "jan", "gone"):
        for _ in range(3):
            await store.commit(entry(copy_for(member)))
    same = ("jan@example.com", "smtp:mail.example.com:25")
    await store.readdress({"ewa": ("ewa@new.test", "smtp:new.test:25"), "jan": same, "new": ("n@new.test", "maildir")})
    moved = await store.due("smtp:new.test:25", NOW, 10, frozenset())
    stayed = await store.due("smtp:mail.example.com:25", NOW, 10, frozenset())
    assert [copy.mailbox for copy in moved] == ["ewa@new.test"] * 3
    assert sorted(copy.member for copy in stayed) == ["gone"] * 3 + ["jan"] * 3


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM timers WHERE conversation = ? AND kind <> 'handover'",
        "SELECT number FROM held WHERE conversation = ? AND end IS NULL",
        "DELETE FROM held WHERE message = ?",
        "SELECT number FROM messages WHERE conversation = ? AND sent_at IS NOT NULL",
        "SELECT number FROM timers WHERE due_at <= ? ORDER BY due_at, number",
        "SELECT number FROM conversations WHERE state = 'open' AND inbox = ?",
    ],
)
def test_what_each_message_asks_of_the_desk_goes_by_an_index(
    store: SqliteStore, peek: Connection, statement: str
) -> None:
    """Timers and held answers of all other conversations are not gone through."""
    plan = [row[3] for row in peek.execute(f"EXPLAIN QUERY PLAN {statement}", (1,))]
    assert all(step.startswith("SEARCH") for step in plan), plan
