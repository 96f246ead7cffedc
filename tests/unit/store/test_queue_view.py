"""What commands see of the queue, with a daemon and without one."""

import os
import shutil
from pathlib import Path

import pytest
from store_entries import INBOX, NOW, copy_for, entry, received, thread

from routerd.desk.changes import Role
from routerd.store.base import CopyState, Done, Known, StoreError
from routerd.store.connection import Connection, open_onlooker
from routerd.store.queue_view import QueueView, as_owner
from routerd.store.salvage import salvaged
from routerd.store.selection import Selection
from routerd.store.sqlite import open_store


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


async def test_listing_beside_a_running_daemon(state: Path) -> None:
    """What was committed a moment ago is seen, also through a view that was open before."""
    store = open_store(state)
    with QueueView.open(state) as view:
        assert view.list() == []
        committed = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER, at="far.test")))
        assert [copy.id for copy in view.list()] == [copy.id for copy in committed.copies]
        await store.conclude(committed.copies[0], Done("250"), NOW)
        assert [copy.member for copy in view.list()] == ["jan"]
        assert [copy.member for copy in view.list(Selection(states=list(CopyState)))] == ["ewa", "jan"]
        assert [copy.member for copy in view.list(Selection(states=[CopyState.DELIVERED]))] == ["ewa"]
        assert view.list(Selection(member="ewa")) == []
        assert len(view.list(Selection(member="jan", inbox=INBOX, destinations=["smtp:mail.far.test:25"]))) == 1
        assert view.list(Selection(inbox="other@example.com")) == []
    await store.close()


async def test_looking_makes_no_file(state: Path, tmp_path: Path) -> None:
    """Neither beside a daemon, nor after its end, nor after its death."""
    store = open_store(state)
    await store.commit(entry())
    before = names(state)
    dead = tmp_path / "dead"
    shutil.copytree(state, dead)
    with QueueView.open(state) as view:
        assert len(view.list()) == 1
    assert names(state) == before
    await store.close()
    for folder in (state, dead):
        before = names(folder)
        stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        with QueueView.open(folder) as view:
            assert len(view.list()) == 1
        assert names(folder) == before
        assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps


async def test_a_read_only_state_can_be_looked_at(state: Path) -> None:
    """A clean state on a medium that cannot be written."""
    store = open_store(state)
    await store.commit(entry())
    await store.close()
    (state / "routerd.db").chmod(0o400)
    state.chmod(0o500)
    with QueueView.open(state) as view:
        assert len(view.list()) == 1
    state.chmod(0o700)


async def test_a_daemon_that_starts_meanwhile_is_noticed(state: Path) -> None:
    """A view of a state at rest gives what is true now, once somebody works on it."""
    store = open_store(state)
    await store.close()
    with QueueView.open(state) as view:
        assert view.list() == []
        store = open_store(state)
        await store.commit(entry())
        assert len(view.list()) == 1
        await store.close()


async def test_a_daemon_that_ends_meanwhile_is_no_trouble(state: Path) -> None:
    """The view goes on with what it has open."""
    store = open_store(state)
    await store.commit(entry())
    with QueueView.open(state) as view:
        await store.close()
        assert len(view.list()) == 1
    with QueueView.open(state) as view:
        assert len(view.list()) == 1


async def test_a_log_without_its_index_is_said_to_be(state: Path, tmp_path: Path) -> None:
    """A copy that somebody made of a running state, without the index: no file is made, the way out is named."""
    store = open_store(state)
    await store.commit(entry())
    copied = tmp_path / "copied"
    shutil.copytree(state, copied)
    (copied / "routerd.db-shm").unlink()
    with pytest.raises(StoreError, match="start the daemon"):
        QueueView.open(copied)
    await store.close()


async def test_show_finds_by_every_name(state: Path) -> None:
    """Queue id, copy id, Message-ID with and without brackets; nothing for what is not there."""
    store = open_store(state)
    committed = await store.commit(entry(keys=thread("a-1@klient.pl")))
    await store.close()
    with QueueView.open(state) as view:
        for name in (committed.id, committed.id.lower(), committed.copies[0].id, "a-1@klient.pl", "<a-1@klient.pl>"):
            history = view.show(name)
            assert history is not None, name
            assert history.queue_id == committed.id
        assert view.show("nothing") is None
    assert (history.sender, history.envelope.recipients, history.envelope.client) == (
        "anna@klient.pl",
        (INBOX,),
        "192.0.2.7",
    )
    assert history.has_bytes
    assert history.copies[0].state is CopyState.QUEUED


async def test_a_view_recalls_as_the_daemon_does(state: Path) -> None:
    """`explain` decides on the same conversation."""
    store = open_store(state)
    await store.commit(entry(keys=thread("a@klient.pl"), turns=(("finance", "jan"),)))
    reply = thread("b@klient.pl", "a@klient.pl")
    known = await store.recall(reply)
    with QueueView.open(state) as view:
        assert view.recall(reply) == known != Known()
        desk = view.desk_state(reply, NOW)
        assert desk.conversation == known.conversation
        assert (desk.last_turn("finance"), desk.last_turn("sales"), desk.load("ewa")) == ("jan", None, 1)
    await store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as somebody else")
async def test_root_acts_as_the_states_owner(state: Path) -> None:
    """What root's command makes there belongs to the owner, and root is root again afterwards."""
    store = open_store(state)
    await store.commit(entry(got=received()))
    await store.close()
    os.chown(state, 65534, 65534)
    for path in state.rglob("*"):
        os.chown(path, 65534, 65534)
    for parent in state.parents:
        if parent.stat().st_mode & 0o001 == 0 and str(parent).startswith(str(Path(state).parents[1])):
            parent.chmod(0o711)
    with as_owner(state):
        assert (os.geteuid(), os.getegid()) == (65534, 65534)
    assert (os.geteuid(), os.getegid()) == (0, 0)


async def test_a_log_with_nothing_in_it_hides_no_queue(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a command leaves it that found no room on the disk: a header, and an index that nobody keeps.

    Nobody waits for SQLite, which would look for another index for ten seconds.
    """
    opened = []

    def opening(path: Path, *, at_rest: bool) -> Connection:
        opened.append(at_rest)
        return open_onlooker(path, at_rest=at_rest)

    monkeypatch.setattr("routerd.store.queue_view.open_onlooker", opening)
    store = open_store(state)
    await store.commit(entry())
    header = (state / "routerd.db-wal").read_bytes()[:32]
    await store.close()
    (state / "routerd.db-wal").write_bytes(header)
    (state / "routerd.db-shm").write_bytes(bytes(32_768))
    with QueueView.open(state) as view:
        assert len(view.list()) == 1
    assert set(opened) == {True}
    assert len(list(salvaged(state))) == 1
