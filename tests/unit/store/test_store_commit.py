"""Messages go in whole, decided inside the transaction, and come out as they were."""

import asyncio
import mmap
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from store_entries import (
    INBOX,
    NOW,
    RAW,
    annotation,
    copy_for,
    decision,
    entry,
    new_id,
    received,
    settle_for,
    settled,
    thread,
)

from routerd.desk.changes import Role
from routerd.desk.plan import DeskState, FullDeskState
from routerd.message.envelope import Purpose, QueueId
from routerd.store.base import CopyState, Done, Known, PlanFailedError, Settled, StaleError, StoreError
from routerd.store.connection import FILE_NAME, Connection
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store


async def test_a_committed_message_is_found_after_a_restart(state: Path) -> None:
    """What a commit gave is what `due`, `content` and the history give after the store was closed and opened again."""
    store = open_store(state)
    got = received()
    committed = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER), got=got))
    await store.close()
    store = open_store(state)
    found = await store.due("smtp:mail.example.com:25", NOW, 10, frozenset())
    assert tuple(found) == committed.copies
    assert [copy.id for copy in found] == [f"{got.id}-1", f"{got.id}-2"]
    assert found[0].annotation == annotation(got.id)
    assert await store.content(found[1]) == RAW
    await store.close()
    with QueueView.open(state) as view:
        history = view.show(got.id)
    assert history is not None
    assert history.decisions == (decision(),)
    assert history.plan.labels == ("invoice",)
    assert [event.kind for event in history.events] == ["message_assigned"]


async def test_files_are_the_owners_alone(store: SqliteStore, state: Path) -> None:
    """Nobody else reads mail in the state's folder."""
    await store.commit(entry(got=received(b"x" * 300_000)))
    assert state.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o077 for path in state.rglob("*")}
    assert set(modes.values()) == {0}, modes


@pytest.mark.parametrize("size", [0, 1, 256_000, 256_001, 3_000_000])
async def test_bytes_come_back_whatever_their_number(store: SqliteStore, size: int) -> None:
    """A row up to 256,000 bytes, a file above: the same bytes."""
    raw = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    committed = await store.commit(entry(got=received(raw)))
    content = await store.content(committed.copies[0])
    assert content[:] == raw
    assert isinstance(content, mmap.mmap) == (size > 256_000)
    assert committed.copies[0].size_bytes == size


async def test_a_mapped_message_is_taken(store: SqliteStore, tmp_path: Path) -> None:
    """A large message comes as a map of a temporary file, which may be gone right after."""
    path = tmp_path / "spooled"
    path.write_bytes(b"line\r\n" * 100_000)
    with path.open("rb") as file:
        raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    path.unlink()
    committed = await store.commit(entry(got=received(raw)))
    raw.close()
    assert (await store.content(committed.copies[0]))[:] == b"line\r\n" * 100_000


async def test_a_failing_plan_hurts_only_itself(store: SqliteStore) -> None:
    """Of many messages in one transaction the one whose plan fails is refused, with the reason; the others are in."""

    def fail(_: DeskState) -> Settled:
        raise KeyError("nobody")

    entries = [entry(settle=fail) if number == 7 else entry() for number in range(40)]
    outcomes = await asyncio.gather(*map(store.commit, entries), return_exceptions=True)
    failed = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)]
    assert failed == [7]
    assert isinstance(outcomes[7], PlanFailedError)
    assert isinstance(outcomes[7].__cause__, KeyError)
    assert (await store.counts()).copies == {CopyState.QUEUED: 39}


async def test_an_unforeseen_failure_hurts_only_itself(store: SqliteStore) -> None:
    """A row that the database refuses undoes the transaction; everyone else's message is in all the same, once."""
    known = received()
    await store.commit(entry(got=known))
    entries = [entry(got=received(id=known.id) if number == 3 else None) for number in range(20)]
    outcomes = await asyncio.gather(*map(store.commit, entries), return_exceptions=True)
    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)] == [3]
    assert isinstance(outcomes[3], StoreError)
    assert (await store.counts()).copies == {CopyState.QUEUED: 20}
    assert (
        len({copy.number for outcome in outcomes if not isinstance(outcome, BaseException) for copy in outcome.copies})
        == 19
    )


async def test_rotations_see_the_turns_of_the_same_transaction(store: SqliteStore, state: Path) -> None:
    """Forty messages at once take forty turns, one after the other; the last turn outlives a restart."""
    people = ["ewa", "jan", "ola"]

    def rotating(queue_id: str) -> object:
        def settle(team_state: DeskState) -> Settled:
            last = team_state.last_turn("finance")
            member = people[(people.index(last) + 1) % 3] if last else people[0]
            return settled(queue_id, team_state, (copy_for(member),), turns=(("finance", member),))

        return settle

    async def commit() -> str:
        got = received()
        return (await store.commit(entry(got=got, settle=rotating(got.id)))).copies[0].member  # type: ignore[arg-type]

    members = await asyncio.gather(*(commit() for _ in range(40)))
    assert list(members) == [people[number % 3] for number in range(40)]
    with QueueView.open(state) as view:
        assert view.desk_state(thread(), NOW).last_turn("finance") == "ewa"


async def test_what_is_remembered_is_what_is_stored(store: SqliteStore, state: Path) -> None:
    """Turns and absences that another process wrote are seen by the next message, and those of a message that could not
    be written by none."""
    seen: list[tuple[str | None, tuple[str, ...]]] = []

    async def commit(queue_id: QueueId, *turns: tuple[str, str]) -> None:
        def settle(desk: FullDeskState) -> Settled:
            seen.append((desk.last_turn("finance"), tuple(absence.member for absence in desk.absences())))
            return settled(queue_id, desk, (copy_for("ewa"),), turns=turns)

        await store.commit(entry(got=replace(received(), id=queue_id), settle=settle))

    first = new_id()
    await commit(first, ("finance", "ewa"))
    with pytest.raises(StoreError):
        await commit(first, ("finance", "ola"))  # its id is taken
    await commit(new_id())
    with closing(Connection(str(state / FILE_NAME))) as other:
        other.execute("UPDATE turns SET member = 'jan'")
        other.execute("INSERT INTO absences VALUES ('ola', 'command', 0, NULL, NULL)")
    await commit(new_id())
    assert seen == [(None, ()), ("ewa", ()), ("ewa", ()), ("jan", ("ola",))]


async def test_load_counts_what_was_assigned_in_a_day(store: SqliteStore) -> None:
    """Owners' copies of the last 24 hours count; watchers' and older ones do not; those of the same transaction do."""
    seen: list[int] = []

    def watching(queue_id: str) -> object:
        def settle(state: DeskState) -> Settled:
            seen.append(state.load("ewa"))
            return settled(queue_id, state, (copy_for("ewa"), copy_for("jan", Role.WATCHER)))

        return settle

    for at in (NOW - timedelta(hours=25), NOW - timedelta(hours=23), NOW - timedelta(minutes=1)):
        await store.commit(entry(got=received(at=at)))
    both = [received(), received()]
    await asyncio.gather(*(store.commit(entry(got=got, settle=watching(got.id))) for got in both))  # type: ignore[arg-type]
    assert seen == [2, 3]


async def test_a_held_copy_waits_for_the_postmaster(store: SqliteStore) -> None:
    """It is in the queue with its reason, and is never due."""
    committed = await store.commit(entry(copy_for("ewa", held="looks odd"), copy_for("jan", Role.WATCHER)))
    assert [copy.state for copy in committed.copies] == [CopyState.HELD, CopyState.QUEUED]
    assert committed.copies[0].reason == "looks odd"
    due = await store.due("smtp:mail.example.com:25", NOW + timedelta(days=30), 10, frozenset())
    assert [copy.member for copy in due] == ["jan"]
    assert (await store.counts()).copies == {CopyState.HELD: 1, CopyState.QUEUED: 1}


async def test_mail_to_a_return_path_is_marked(store: SqliteStore) -> None:
    """Its copies must leave from <>."""
    committed = await store.commit(entry(got=received(purpose=Purpose.RETURN_PATH)))
    assert committed.copies[0].to_return_path
    assert (await store.copy_by_number(committed.copies[0].number)) == committed.copies[0]


async def test_a_reply_finds_its_conversation(store: SqliteStore) -> None:
    """By the newest reference that is known; it joins, and the conversation's version moves."""
    first = await store.commit(entry(keys=thread("a@klient.pl")))
    reply = thread("b@klient.pl", "unheard@of", "a@klient.pl", "lost@klient.pl")
    known = await store.recall(reply)
    assert known.conversation is not None
    assert (known.conversation.owner, known.conversation.team, known.conversation.inbox) == ("ewa", "finance", INBOX)
    second = await store.commit(entry(copy_for("jan"), keys=reply, known=known))
    assert second.plan.joins == known.conversation.id
    again = await store.recall(thread(None, "b@klient.pl"))
    assert again.conversation is not None
    assert (again.conversation.id, again.conversation.owner) == (known.conversation.id, "jan")
    assert again.conversation.version == known.conversation.version + 1
    assert first.id != second.id


async def test_a_stranger_does_not_get_into_a_conversation(store: SqliteStore) -> None:
    """An author with no part in what he refers to is a suspect, and so is one who does not say who he is."""
    await store.commit(entry(keys=thread("a@klient.pl")))
    for author in ("mallory@example.net", None):
        assert await store.recall(thread("x@y", "a@klient.pl", author=author)) == Known(suspect=True)


async def test_a_taken_message_id_stays_with_its_first_message(store: SqliteStore) -> None:
    """A stranger who claims a known Message-ID does not draw the replies to himself."""
    await store.commit(entry(keys=thread("a@klient.pl")))
    await store.commit(
        entry(copy_for("jan"), keys=thread("a@klient.pl", participants=("mallory@example.net",), content_hash=b"other"))
    )
    known = await store.recall(thread("b@klient.pl", "a@klient.pl"))
    assert known.conversation is not None
    assert known.conversation.owner == "ewa"


async def test_recall_without_references_asks_nobody(state: Path) -> None:
    """Not even a closed store."""
    store = open_store(state)
    await store.close()
    assert await store.recall(thread("a@b")) == Known()
    with pytest.raises(StoreError):
        await store.recall(thread("a@b", "c@d"))


async def test_a_conversation_that_moved_is_stale(store: SqliteStore, peek: Connection) -> None:
    """Two replies decided on the same version: the second is refused, and nothing of it is written."""
    await store.commit(entry(keys=thread("a@klient.pl")))
    known = await store.recall(thread("b@klient.pl", "a@klient.pl"))
    replies = [entry(keys=thread(f"{name}@klient.pl", "a@klient.pl"), known=known) for name in "bc"]
    outcomes = await asyncio.gather(*map(store.commit, replies), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(StaleError) == 1
    assert peek.execute("SELECT count(*) FROM messages").get == 2


async def test_a_conversation_that_appeared_is_stale(store: SqliteStore) -> None:
    """Message and reply in one transaction: the reply was decided without the conversation, so it is decided again."""
    first, reply = entry(keys=thread("a@klient.pl")), thread("b@klient.pl", "a@klient.pl")
    known = await store.recall(reply)
    assert known == Known()
    outcomes = await asyncio.gather(
        store.commit(first), store.commit(entry(keys=reply, known=known)), return_exceptions=True
    )
    assert isinstance(outcomes[1], StaleError)
    await store.commit(entry(keys=reply, known=await store.recall(reply)))


async def test_a_stale_large_message_leaves_no_file(store: SqliteStore, state: Path) -> None:
    """The bytes that were written ahead are taken away again."""
    await store.commit(entry(keys=thread("a@klient.pl")))
    with pytest.raises(StaleError):
        await store.commit(entry(got=received(b"x" * 300_000), keys=thread("b@klient.pl", "a@klient.pl")))
    assert not [path for path in (state / "bodies").rglob("*") if path.is_file()]


async def test_a_cancelled_caller_loses_nothing(store: SqliteStore) -> None:
    """The client went away in mid-commit: the message is in, and the writer goes on."""
    tasks = [asyncio.create_task(store.commit(entry())) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 5
    await store.commit(entry())
    assert (await store.counts()).copies == {CopyState.QUEUED: 11}


async def test_odd_texts_are_stored(store: SqliteStore, state: Path) -> None:
    """Lone surrogates, NUL and a Message-ID of a megabyte neither fail nor get lost."""
    huge = "x" * 1_000_000 + "@y"
    keys = thread(huge, author="\udcff@x", participants=("\udcff@x",))
    committed = await store.commit(entry(copy_for("ewa", held="\udc80\x00 bad"), keys=keys))
    known = await store.recall(thread("next", huge, author="\udcff@x"))
    assert known.conversation is not None
    with QueueView.open(state) as view:
        history = view.show(f"<{huge}>")
    assert history is not None
    assert history.queue_id == committed.id


async def test_a_closed_store_takes_nothing(state: Path) -> None:
    """It says so, and what was waiting at the close was finished."""
    store = open_store(state)
    waiting = [asyncio.create_task(store.commit(entry())) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert len(await asyncio.gather(*waiting)) == 50
    with pytest.raises(StoreError):
        await store.commit(entry())
    await store.close()


async def test_due_gives_the_longest_due_first_and_skips(store: SqliteStore) -> None:
    """By destination, by moment, without those that are under way, never more than asked for."""
    for minutes in (3, 1, 2):
        await store.commit(entry(got=received(at=NOW + timedelta(minutes=minutes))))
    await store.commit(entry(copy_for("ewa", at="far.test")))
    late = NOW + timedelta(hours=1)
    due = await store.due("smtp:mail.example.com:25", late, 10, frozenset())
    assert [copy.created_at.minute for copy in due] == [1, 2, 3]
    skipped = await store.due("smtp:mail.example.com:25", late, 1, frozenset({due[0].number}))
    assert [copy.number for copy in skipped] == [due[1].number]
    assert len(await store.due("smtp:mail.example.com:25", NOW + timedelta(minutes=2), 10, frozenset())) == 2
    assert await store.waiting() == {
        "smtp:mail.example.com:25": NOW + timedelta(minutes=1),
        "smtp:mail.far.test:25": NOW,
    }
    assert (await store.counts()).oldest_at == NOW


async def test_numbers_are_not_given_twice(state: Path) -> None:
    """Over a restart and over a failed message the numbers go up: a return path's token names one copy for ever."""
    numbers = []
    for _ in range(3):
        store = open_store(state)
        numbers.append((await store.commit(entry())).copies[0].number)
        await store.close()
    assert sorted(set(numbers)) == numbers


async def test_copies_are_found_by_their_ids(store: SqliteStore) -> None:
    """A copy's id means that copy, a message's id all of its copies, an unknown one nothing."""
    one = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER)))
    two = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER)))
    found = await store.find_copies([one.copies[1].id, two.id, new_id(), "nonsense-1", ""])
    assert found == (one.copies[1], *two.copies)


async def test_settle_sees_the_state_as_recalled(store: SqliteStore) -> None:
    """The desk's state has the conversation that was recalled, and none for a suspect."""
    await store.commit(entry(keys=thread("a@klient.pl")))
    stranger = thread("x@y", "a@klient.pl", author="mallory@example.net")
    got = received()
    committed = await store.commit(
        entry(got=got, keys=stranger, known=Known(suspect=True), settle=settle_for(got.id, copy_for("jan")))
    )
    assert committed.plan.joins is None
    known = await store.recall(thread("b@klient.pl", "a@klient.pl"))
    assert known.conversation is not None
    assert known.conversation.owner == "ewa"


async def test_bytes_that_are_gone_are_said_to_be(store: SqliteStore, peek: Connection) -> None:
    """Asking for bytes that were swept is an error of the store, not a crash."""
    committed = await store.commit(entry())
    await store.conclude(committed.copies[0], Done("250 ok"), NOW)
    peek.execute("DELETE FROM bodies")
    with pytest.raises(StoreError, match="no longer kept"):
        await store.content(committed.copies[0])
