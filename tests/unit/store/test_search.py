"""Conversations are found by the words of their messages, folded as rules fold them."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from desk_entries import an_entry
from store_entries import NOW, RETENTION, entry, received, thread

from routerd.desk.changes import Part
from routerd.desk.plan import ConversationState, Standing
from routerd.store.base import Done
from routerd.store.bodies import MAX_ROW_BYTES
from routerd.store.conversations import Wanted
from routerd.store.indexing import AT_ONCE, Indexing, words_of
from routerd.store.marks import InHand, digest_of
from routerd.store.queue_view import QueueView
from routerd.store.search import search_query
from routerd.store.sqlite import SqliteStore
from routerd.store.word_index import Words

DAY = timedelta(days=1)
COMPLAINT = (
    "From: Łucja Żółć <lucja@klient.pl>\r\nTo: support@example.com\r\nSubject: Faktura nr 123/2026\r\n"
    'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
    "--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nProszę o korektę faktury.\r\nمرحبا بكم\r\n\r\n"
    '--x\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="zdjęcie.pdf"\r\n\r\n'
    "x\r\n--x--\r\n"
).encode()


@pytest.fixture
def indexing(store: SqliteStore, state: Path) -> Indexing:
    return Indexing(store, InHand(state / "marks"))


def found(state: Path, text: str) -> list[int]:
    with QueueView.open(state) as view:
        return [one.conversation.id for one in view.conversations(Wanted(search=text))]


async def test_words_are_found_however_they_are_written(store: SqliteStore, state: Path, indexing: Indexing) -> None:
    """In the subject, in names and addresses, in the text and in files' names; all of them in one message."""
    await store.commit(entry(got=received(COMPLAINT)))
    await store.commit(entry(got=received(b"Subject: faktura\r\n\r\n123 korekta\r\n")))
    await indexing.step()
    for text in (
        "faktura 123 2026", "FAKTURA  123/2026", "łucja", "ZOLC", "lucja@klient.pl", "proszę korekt*",
        '"o korektę faktury"', "zdjecie.pdf", "مَرْحَبًا", "support@example.com żółć",
    ):  # fmt: skip
        assert found(state, text) == [1], text
    assert found(state, "faktura 123") == [2, 1]
    for text in ("fakturze", '"korektę o"', "korekt", "NOT faktura", "faktura OR xyz"):
        assert found(state, text) == [], text


async def test_a_search_goes_with_other_wishes(store: SqliteStore, state: Path, indexing: Indexing) -> None:
    """A conversation is listed once, whichever of its messages have the words."""
    for _ in range(2):
        await store.commit(entry(got=received(COMPLAINT)))
    first = await store.commit(entry(got=received(COMPLAINT), keys=thread("1@klient.pl")))
    keys = thread("2@klient.pl", "1@klient.pl")
    await store.commit(entry(got=received(COMPLAINT), keys=keys, known=await store.recall(keys)))
    await indexing.step()
    assert found(state, "faktura") == [3, 2, 1]
    with QueueView.open(state) as view:
        wanted = Wanted(search="faktura", states=(ConversationState.CLOSED,))
        assert view.conversations(wanted) == ()
        whole = view.conversation(first.id)
        assert whole is not None
        assert len(whole.messages) == 2


async def test_notes_are_found_and_what_is_in_no_conversation_is_not(
    store: SqliteStore, state: Path, indexing: Indexing
) -> None:
    await store.commit(entry(keys=thread("1@klient.pl")))
    keys = thread("2@ewa", "1@klient.pl")
    note = received(b"Subject: x\r\n\r\nTajemnica\r\n")
    known = await store.recall(keys)
    made = an_entry(known, keys, part=Part.NOTE)
    await store.commit(replace(made, received=note))
    apart = an_entry(keys=thread("3@ewa"), part=Part.NOTE)
    await store.commit(replace(apart, received=received(b"Subject: y\r\n\r\nOsobno\r\n")))
    await indexing.step()
    assert found(state, "tajemnica") == [1]
    assert found(state, "osobno") == []


async def test_large_messages_are_read_to_a_bound(store: SqliteStore, state: Path, indexing: Indexing) -> None:
    await store.commit(
        entry(got=received(b"Subject: x\r\n\r\nbeginning\r\n" + b"padding\r\n" * MAX_ROW_BYTES + b"ending\r\n"))
    )
    await indexing.step()
    assert found(state, "beginning") == [1]
    assert found(state, "ending") == []


async def test_it_goes_on_where_it_was(store: SqliteStore, state: Path, indexing: Indexing) -> None:
    """A few at a time; nothing twice, and nothing left out."""
    for _ in range(AT_ONCE + 5):
        await store.commit(entry())
    assert await indexing.step()
    assert len(await store.unindexed(100)) == 5
    assert not await indexing.step()
    assert not await indexing.step()
    assert len(found(state, "faktura")) == AT_ONCE + 5


async def test_it_runs_beside_the_mail(store: SqliteStore, state: Path) -> None:
    await store.commit(entry())
    task = asyncio.create_task(Indexing(store, InHand(state / "marks"), look_every_seconds=0.0).run())
    while await store.unindexed(1):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert found(state, "faktura") == [1]


async def test_of_a_message_that_killed_the_process_only_the_head_is_known(store: SqliteStore, state: Path) -> None:
    """It is not looked at a second time."""
    standing = Standing(subject="Skarga")
    await store.commit(an_entry(standing=standing))
    hands = InHand(state / "marks")
    hands.holding(digest_of(received().raw)).__enter__()
    hands.close()
    await Indexing(store, InHand(state / "marks")).step()
    assert found(state, "skarga anna@klient.pl") == [1]
    assert found(state, "cześć") == []


async def test_when_bytes_go_the_head_is_left(store: SqliteStore, state: Path, indexing: Indexing) -> None:
    """Subject and participants, as long as the conversation is known; also where the words were not in yet."""
    closed = Standing(state=ConversationState.CLOSED, subject="Skarga")
    for _ in range(2):
        committed = await store.commit(an_entry(standing=closed))
        await store.conclude(committed.copies[0], Done("250"), NOW)
        if committed.copies[0].number == 1:
            await indexing.step()
    assert found(state, "cześć") == [1]
    await store.sweep(NOW + 8 * DAY, RETENTION)
    assert found(state, "cześć") == []
    assert found(state, "skarga klient") == [1]
    await indexing.step()
    assert found(state, "skarga klient") == [2, 1]


async def test_words_come_too_late_for_bytes_that_are_gone(store: SqliteStore, state: Path) -> None:
    committed = await store.commit(an_entry(standing=Standing(subject="Skarga", state=ConversationState.CLOSED)))
    await store.conclude(committed.copies[0], Done("250"), NOW)
    await store.sweep(NOW + 8 * DAY, RETENTION)
    await store.index_words([Words(1, 1, "skarga", "tajemnica")], 1)
    assert found(state, "tajemnica") == []
    assert found(state, "skarga") == [1]


def test_words_of_what_is_no_message() -> None:
    """Whatever it holds."""
    for raw in (b"", b"\0\xff\xfe", b"Subject: \xff\x00\r\n\r\n\xed\xa0\x80", b"\r\n" * 1000):
        head, text = words_of(raw)
        assert head
        assert isinstance(text, str)


@pytest.mark.parametrize("text", ["", " ", '""', "*", "?! -"])
def test_a_search_needs_a_word(text: str) -> None:
    with pytest.raises(ValueError, match="no word"):
        search_query(text)


def test_a_search_is_folded_and_quoted() -> None:
    """What FTS5 takes for its own language is looked for as words."""
    assert search_query('Fakturę AND "Pani Łucja" inv* NEAR(x)') == (
        '"fakture" AND "and" AND "pani lucja" AND "inv"* AND "near x"'
    )
