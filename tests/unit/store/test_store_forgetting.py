"""A person is forgotten: of his mail no byte is left in the state, and its history names a pseudonym."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from desk_entries import an_entry, told
from store_entries import INBOX, NOW, RETENTION, entry, received, thread

from routerd.desk.changes import Answered, HeldEnd, HeldKind, NewHeld, Part, Role, Timer, TimerKind
from routerd.desk.plan import ConversationState, Event, Standing
from routerd.message.envelope import Envelope
from routerd.store.base import CopyState, Done, Entry, Known, NewCopy
from routerd.store.conversations import Wanted
from routerd.store.figures import By
from routerd.store.forgetting import Forgotten
from routerd.store.indexing import Indexing
from routerd.store.marks import InHand
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store

ANNA = "anna@klient.pl"
SECRET = (
    b"From: Anna Sekretna <Anna@Klient.PL>\r\nTo: support@example.com\r\n"
    b"Subject: Tajemnica\r\n\r\nZupelnie prywatne\r\n"
)
TRACES = (b"@klient.pl", b"tajemnica", b"sekretna", b"prywatne", b"skrytka")


def files_with(state: Path, traces: tuple[bytes, ...] = TRACES) -> Iterator[tuple[str, bytes]]:
    for path in state.rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            yield from ((path.name, trace) for trace in traces if trace in content)


def by_anna(raw: bytes, keys_of: tuple[str, ...] = (), known: Known | None = None, **plan: Any) -> Entry:
    got = received(raw)
    keys = thread(f"{got.id}@klient.pl", *keys_of)
    standing = Standing(subject="Tajemnica", outside=(("Anna Sekretna", ANNA),), messages=1 + len(keys_of))
    events = (Event("message_assigned", {"member": "ewa", "why": f'subject has "tajemnica", from {ANNA}'}),)
    made = an_entry(known, keys, **{"standing": standing, "customer": ANNA, "events": events, **plan})
    return replace(made, received=got)


async def test_no_byte_of_a_person_is_left(store: SqliteStore, state: Path) -> None:
    """In rows, files, the index of words, and the log; what others wrote to others stays."""
    first = await store.commit(by_anna(SECRET))
    keys = thread("x@klient.pl", f"{first.id}@klient.pl")
    known = await store.recall(keys)
    large = await store.commit(by_anna(SECRET + b"skrytka\r\n" * 50_000, (f"{first.id}@klient.pl",), known))
    known = await store.recall(keys)
    answer = NewCopy(ANNA, ANNA, "mx:klient.pl", Role.ANSWER)
    sent = await store.commit(
        an_entry(
            known, keys, (answer,), part=Part.ANSWER, member="ewa", sent=True,
            answered=Answered("ewa", timedelta(hours=1), None, is_first=True), standing=Standing(subject="Tajemnica"),
        )
    )  # fmt: skip
    await store.conclude(first.copies[0], Done(f"250 ok {ANNA}"), NOW)
    await store.conclude(sent.copies[0], Done(f"250 <{ANNA}> taken"), NOW)
    other = received(b"From: jan@inny.pl\r\nSubject: Inna sprawa\r\n\r\nzostaje\r\n")
    other = replace(other, envelope=Envelope("jan@inny.pl", other.envelope.recipients))
    kept = await store.commit(
        entry(got=other, keys=thread("o@inny.pl", author="jan@inny.pl", participants=("jan@inny.pl",)))
    )
    await Indexing(store, InHand(state / "marks")).step()
    assert {trace for _, trace in files_with(state)} == set(TRACES)

    forgotten = await store.forget("Anna@Klient.pl", NOW)
    assert (forgotten.messages, forgotten.conversations, len(forgotten.dropped)) == (3, 1, 1)

    assert list(files_with(state)) == []
    assert bytes(await store.content(kept.copies[0])) == other.raw
    with QueueView.open(state) as view:
        whole = view.conversation(first.id)
        assert whole is not None
        assert [copy.state for copy in whole.messages[1].copies] == [CopyState.DROPPED]
        assert whole.listed.customer is not None
        assert whole.listed.customer.endswith("@forgotten.invalid")
        assert {copy.mailbox for copy in whole.messages[2].copies} == {whole.listed.customer}
        events = {event.kind: event.data for event in whole.messages[0].events}
        assert events["message_assigned"] == {"member": "ewa"}
        assert "person_forgotten" in events
        assert not [one for one in whole.messages if one.has_bytes]
        assert view.conversations(Wanted(search="tajemnica")) == ()
        assert len(view.conversations(Wanted(search="zostaje"))) == 1
        total = view.report(By.MEMBER, NOW, NOW + timedelta(days=1), zone=UTC).total
        assert (total.received, total.answered) == (3, 1)
    assert list((state / "bodies").rglob(large.id)) == []
    again = await store.recall(keys)
    assert again == Known()
    assert await store.forget(ANNA, NOW) == Forgotten(0, 0, ())


async def test_what_was_swept_before_is_overwritten_too(state: Path) -> None:
    store = open_store(state)
    for _ in range(30):
        committed = await store.commit(entry(got=received(SECRET * 20), closed=True))
        await store.conclude(committed.copies[0], Done("250"), NOW)
    await store.sweep(NOW + timedelta(days=30), RETENTION)
    await store.forget(ANNA, NOW)
    await store.close()
    assert list(files_with(state, (b"prywatne", b"sekretna"))) == []


async def test_an_answer_to_him_that_waits_is_dropped(store: SqliteStore, state: Path) -> None:
    first = await store.commit(by_anna(SECRET))
    keys = thread("2@jan", f"{first.id}@klient.pl")
    known = await store.recall(keys)
    mail = told(shows_new=True)
    await store.commit(an_entry(known, keys, mails=(mail,), part=Part.ANSWER, new_held=NewHeld(HeldKind.CONFLICT)))
    await store.forget(ANNA, NOW)
    with QueueView.open(state) as view:
        whole = view.conversation(first.id)
    assert whole is not None
    assert [one.end for one in whole.held] == [HeldEnd.DROPPED]


async def test_a_conversation_of_which_nothing_is_left_is_closed(store: SqliteStore, state: Path) -> None:
    """Nobody is reminded of it, and no summary lists it."""
    later = NOW + timedelta(hours=4)
    waits = Standing(waiting_since=NOW, respond_by=later, remind_at=later, outside=(("Anna Sekretna", ANNA),))
    first = await store.commit(by_anna(SECRET, standing=waits, timers=(Timer(TimerKind.OVERDUE, later),)))
    await store.forget(ANNA, NOW)
    with QueueView.open(state) as view:
        whole = view.conversation(first.id)
    assert whole is not None
    standing = whole.listed.conversation.standing
    assert (standing.state, standing.waiting_since, standing.respond_by) == (ConversationState.CLOSED, None, None)
    assert whole.timers == ()
    assert whole.events[-1].data == {"why": "who wrote it was forgotten, and nothing is left of it"}


async def test_of_others_conversations_only_what_he_wrote_goes(store: SqliteStore, state: Path) -> None:
    """He takes part in them no more."""
    people = ("jan@inny.pl", ANNA, INBOX)
    jan = received(b"From: jan@inny.pl\r\nSubject: Wspolne\r\n\r\nzostaje\r\n")
    jan = replace(jan, envelope=Envelope("jan@inny.pl", jan.envelope.recipients))
    its_keys = thread("1@inny.pl", author="jan@inny.pl", participants=people)
    first = await store.commit(replace(an_entry(keys=its_keys, customer="jan@inny.pl"), received=jan))
    keys = thread("2@klient.pl", "1@inny.pl")
    known = await store.recall(keys)
    second = await store.commit(replace(an_entry(known, keys), received=received(SECRET)))
    forgotten = await store.forget(ANNA, NOW)
    assert (forgotten.messages, forgotten.conversations, len(forgotten.dropped)) == (1, 1, 1)
    assert bytes(await store.content(first.copies[0])) == jan.raw
    with QueueView.open(state) as view:
        whole = view.conversation(first.id)
        found = view.show(second.id)
    assert whole is not None
    assert whole.participants == ("jan@inny.pl", INBOX)
    assert whole.listed.customer == "jan@inny.pl"
    assert found is not None
    assert not found.has_bytes
    assert (await store.recall(keys)).suspect


async def test_nobody_is_forgotten_whose_address_is_like_it(store: SqliteStore, state: Path) -> None:
    await store.commit(by_anna(SECRET))
    for address in ("na@klient.pl", "anna@klient", "anna%", "ANNA_KLIENT.PL", ""):
        assert await store.forget(address, NOW) == Forgotten(0, 0, ())
    assert list(files_with(state))


async def test_what_waits_for_others_is_not_lost_to_them(store: SqliteStore, state: Path) -> None:
    """A member's answer to Jan, with Anna in copy: hers is dropped, his goes out, and then the rest of it is forgotten,
    too. It is said which messages are left."""
    people = ("jan@inny.pl", ANNA, INBOX)
    jan = received(b"From: jan@inny.pl\r\nSubject: Wspolne\r\n\r\nzostaje\r\n")
    jan = replace(jan, envelope=Envelope("jan@inny.pl", jan.envelope.recipients))
    its_keys = thread("1@inny.pl", author="jan@inny.pl", participants=people)
    await store.commit(replace(an_entry(keys=its_keys, customer="jan@inny.pl"), received=jan))
    keys = thread("2@ewa", "1@inny.pl", author="ewa@example.com")
    to_both = [NewCopy(address, address, "mx:far", Role.ANSWER) for address in (ANNA, "jan@inny.pl")]
    got = received(b"From: ewa@example.com\r\nSubject: Re: Wspolne\r\n\r\nodpowiedz\r\n")
    got = replace(got, envelope=Envelope("ewa@example.com", got.envelope.recipients))
    answer = an_entry(await store.recall(keys), keys, tuple(to_both), part=Part.ANSWER, member="ewa", sent=True)
    sent = await store.commit(replace(answer, received=got))
    annas, jans = sent.copies
    forgotten = await store.forget(ANNA, NOW)
    assert forgotten == Forgotten(0, 1, (annas.number,), (sent.id,))
    (waiting,) = await store.due("mx:far", NOW, 10, frozenset())
    assert waiting.number == jans.number
    assert bytes(await store.content(waiting)) == got.raw
    again = await store.forget(ANNA, NOW)
    assert again == Forgotten(0, 0, (), (sent.id,))
    await store.conclude(waiting, Done("250"), NOW)
    assert await store.forget(ANNA, NOW) == Forgotten(1, 0, ())
    assert await store.forget(ANNA, NOW) == Forgotten(0, 0, ())
    assert ANNA.encode() not in b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())


async def test_a_third_persons_mail_in_his_own_conversation_reaches_its_owner(store: SqliteStore, state: Path) -> None:
    """It was accepted of somebody who did not ask to be forgotten. What he wrote himself goes."""
    first = await store.commit(by_anna(SECRET))
    keys = thread("3@inny.pl", f"{first.id}@klient.pl", author="jan@inny.pl", participants=("jan@inny.pl",))
    keys = replace(keys, vouched=True)
    got = received(b"From: jan@inny.pl\r\nTo: anna@klient.pl\r\nSubject: Re: Tajemnica\r\n\r\nja tez\r\n")
    got = replace(got, envelope=Envelope("jan@inny.pl", got.envelope.recipients))
    known = await store.recall(keys)
    third = await store.commit(replace(an_entry(known, keys, part=Part.ASIDE), received=got))
    forgotten = await store.forget(ANNA, NOW)
    assert (forgotten.messages, forgotten.waiting) == (1, (third.id,))
    assert forgotten.dropped == tuple(copy.number for copy in first.copies)
    for copy in third.copies:
        assert bytes(await store.content(copy)) == got.raw
        await store.conclude(copy, Done("250"), NOW)
    assert (await store.forget(ANNA, NOW)).messages == 1
    assert list(files_with(state, (b"anna@klient.pl", b"ja tez"))) == []
