"""What the desk does beside sending a message's copies is written with it, read back, and fires once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from desk_entries import Look, an_entry, begun, told
from store_entries import INBOX, NOW, RAW, annotation, entry, new_id, received, thread

from routerd.desk.changes import (
    Absence,
    AbsenceSource,
    Answered,
    Authored,
    Back,
    Held,
    HeldEnd,
    HeldEnded,
    HeldForApproval,
    HeldKind,
    NewHeld,
    Part,
    Replied,
    Role,
    Timer,
    TimerKind,
)
from routerd.desk.plan import ConversationState, Event, FullDeskState, Plan, Standing
from routerd.store.base import (
    Deed,
    DueTimer,
    Known,
    NewCopy,
    PlanFailedError,
    Settled,
    SettledMail,
    StoreError,
    ThreadKeys,
)
from routerd.store.bodies import MAX_ROW_BYTES, BodyFiles
from routerd.store.sqlite import SqliteStore, open_store

HOUR = timedelta(hours=1)
DESTINATION = "smtp:mail.example.com:25"


async def seen_by(store: SqliteStore, look: Look, keys: ThreadKeys, known: Known) -> None:
    await store.commit(an_entry(known, keys, look=look))


async def test_authored_mails_are_queued_with_their_cause(store: SqliteStore) -> None:
    """They have ids and bytes of their own, and answers to them find the conversation."""
    _, known = await begun(store)
    mail = told()
    committed = await store.commit(an_entry(known, thread("2@klient.pl", "1@klient.pl"), mails=(mail,)))
    (copy,) = committed.others
    assert copy.queue_id == mail.mail.id
    assert bytes(await store.content(copy)) == mail.mail.raw
    found = await store.due(DESTINATION, NOW, 10, frozenset())
    assert [one.id for one in found] == ["".join(copy.id) for copy in (*found[:2], copy)]
    again = await store.recall(thread("3@x", mail.mail.message_id))
    assert again.conversation is not None
    assert known.conversation is not None
    assert again.conversation.id == known.conversation.id


async def test_a_token_finds_its_conversation_before_all_references(store: SqliteStore) -> None:
    committed, known = await begun(store)
    await store.commit(an_entry(keys=thread("other@klient.pl")))
    keys = replace(thread("2@klient.pl", "other@klient.pl"), copy=committed.copies[0].number)
    assert await store.recall(keys) == known
    stranger = replace(keys, author="eve@evil.example")
    assert (await store.recall(stranger)).suspect
    assert await store.recall(replace(stranger, vouched=True)) == known


async def test_the_state_tells_what_was_seen_sent_and_held(store: SqliteStore) -> None:
    """Seen is the message whose copy the token names; without one the newest reference of the conversation."""
    first, known = await begun(store)
    keys = replace(thread("2@ewa", "1@klient.pl"), copy=first.copies[0].number)
    found: list[Any] = []

    def look(state: FullDeskState) -> None:
        found[:] = [state.seen, state.sent(), state.held(), state.past(10), state.waiting_for_a_word()]

    sent = await store.commit(an_entry(known, keys, look=look, part=Part.ANSWER, member="ewa", sent=True, after=HOUR))
    message = first.copies[0].message
    assert [one.message if one else None for one in found[:1]] == [message]
    assert (found[1], found[2]) == ((), ())
    known = await store.recall(keys)
    later = thread("3@jan", "2@ewa")
    held = an_entry(
        known, later, look=look, part=Part.ANSWER, member="jan", new_held=NewHeld(HeldKind.CONFLICT, ("lead",))
    )
    await store.commit(held)
    assert [one.message for one in found[:1] if one] == [sent.copies[0].message]
    assert [(one.member, one.at, one.after) for one in found[1]] == [("ewa", NOW + HOUR, sent.copies[0].message)]
    known = await store.recall(later)
    await seen_by(store, look, thread("4@klient.pl", "3@jan"), known)
    (waiting,) = found[2]
    assert (waiting.kind, waiting.member, waiting.release) == (HeldKind.CONFLICT, "jan", ("lead",))
    assert found[4] == ((known.conversation, waiting),)
    assert [(one.part, one.member) for one in found[3]] == [
        (Part.CUSTOMER, None),
        (Part.ANSWER, "ewa"),
        (Part.ANSWER, "jan"),
    ]


async def test_a_held_answer_keeps_its_bytes_and_is_sent_once(store: SqliteStore) -> None:
    """It goes out as a copy of its own message; that #send came twice undoes the second transaction whole."""
    _, known = await begun(store)
    keys = thread("2@jan", "1@klient.pl")
    await store.commit(
        an_entry(known, keys, copies=(), part=Part.ANSWER, member="jan", new_held=NewHeld(HeldKind.CONFLICT))
    )
    known = await store.recall(keys)
    found: list[Any] = []

    def look(state: FullDeskState) -> None:
        found[:] = [state.held()[0], state.content(state.held()[0].message)]

    ask = thread("3@jan", "2@jan")
    await seen_by(store, look, ask, known)
    held, content = found
    assert content == RAW
    known = await store.recall(ask)
    ended = (HeldEnded(held.id, HeldEnd.SENT),)
    customer = NewCopy("anna@klient.pl", "anna@klient.pl", "mx:klient.pl", Role.ANSWER)
    ways = ((held.message, customer),)
    answered = Answered("jan", HOUR, None, is_first=True)
    send = an_entry(known, thread("4@jan", "3@jan"), resent=ways, held_ended=ended, answered=answered, after=2 * HOUR)
    (out,) = (await store.commit(send)).others
    assert (out.message, out.role, out.mailbox) == (held.message, Role.ANSWER, "anna@klient.pl")
    known = await store.recall(thread("5@jan", "4@jan"))
    with pytest.raises(StoreError, match="does not wait"):
        await store.commit(an_entry(known, thread("5@jan", "4@jan"), resent=ways, held_ended=ended))
    assert [copy.id for copy in await store.due("mx:klient.pl", NOW + 3 * HOUR, 10, frozenset())] == [out.id]


async def test_what_was_held_for_its_author_may_come_to_wait_for_others(store: SqliteStore) -> None:
    """With another kind and other people's word; who wrote it, and when, stays."""
    _, known = await begun(store)
    first, second, third, last = (thread(f"{number}@jan", "1@klient.pl") for number in range(2, 6))
    found: list[Held] = []
    await store.commit(an_entry(known, first, part=Part.ANSWER, member="jan", new_held=NewHeld(HeldKind.CONFLICT)))
    await seen_by(store, lambda state: found.extend(state.held()), second, await store.recall(second))
    asked = (HeldForApproval(found[0].id, ("duty",)),)
    await store.commit(an_entry(await store.recall(third), third, held_for_approval=asked))
    await seen_by(store, lambda state: found.extend(state.held()), last, await store.recall(last))
    assert found[1:] == [replace(found[0], kind=HeldKind.APPROVAL, release=("duty",))]


@pytest.mark.parametrize("part", [Part.NOTE, Part.DRAFT, Part.ANSWER, Part.TOLD, Part.AWAY])
async def test_what_is_said_among_members_begins_no_conversation(store: SqliteStore, part: Part) -> None:
    """Neither does what refers to it find one, nor what else belongs to none."""
    first = await store.commit(an_entry(keys=thread("1@ewa"), part=part, member="ewa"))
    assert await store.recall(thread("2@ewa", "1@ewa")) == Known()
    found: list[Any] = []

    def look(state: FullDeskState) -> None:
        found[:] = [state.conversation, state.past(10), state.sent(), state.held(), state.seen]

    keys = replace(thread("2@jan"), copy=first.copies[0].number)
    await store.commit(an_entry(keys=keys, look=look, part=part))
    assert found[:4] == [None, (), (), ()]
    assert found[4] is not None


async def test_a_reference_to_what_is_in_no_conversation_hides_no_other(store: SqliteStore) -> None:
    _, known = await begun(store)
    await store.commit(an_entry(keys=thread("note@ewa"), part=Part.NOTE))
    assert await store.recall(thread("2@klient.pl", "1@klient.pl", "note@ewa")) == known


async def test_whom_a_note_names_in_its_header_takes_no_part(store: SqliteStore) -> None:
    _, known = await begun(store)
    keys = thread("2@ewa", "1@klient.pl", participants=("eve@evil.example",))
    await store.commit(an_entry(known, keys, part=Part.NOTE))
    by_eve = thread("3@eve", "1@klient.pl", author="eve@evil.example")
    assert (await store.recall(by_eve)).suspect
    known = await store.recall(thread("3@klient.pl", "1@klient.pl"))
    await store.commit(an_entry(known, replace(keys, message_id="4@ewa"), part=Part.ANSWER))
    assert (await store.recall(by_eve)).conversation is not None


async def test_bytes_that_are_kept_in_a_file_are_there_too(store: SqliteStore, state: Path) -> None:
    """For a message and for a deed; of a file that is gone there is nothing."""
    large = RAW + b"x" * MAX_ROW_BYTES
    committed = await store.commit(entry(got=received(large), keys=thread("1@klient.pl")))
    known = await store.recall(thread("2@klient.pl", "1@klient.pl"))
    found: list[bytes | None] = []

    def look(state: FullDeskState) -> None:
        content = state.content(committed.copies[0].message)
        found.append(None if content is None else bytes(content))

    await store.commit(an_entry(known, thread("2@klient.pl", "1@klient.pl"), look=look))
    assert known.conversation is not None
    await store.act(Deed(known.conversation.id, NOW, look))
    BodyFiles(state).remove(committed.id)
    await store.act(Deed(known.conversation.id, NOW, look))
    assert found == [large, large, None]


async def test_absences_come_and_go(store: SqliteStore) -> None:
    away = Absence("ewa", AbsenceSource.NOTICED, NOW, NOW + HOUR, "jan")
    found: list[Any] = []

    def look(state: FullDeskState) -> None:
        found[:] = state.absences()

    await store.commit(an_entry(absences=(away, replace(away, member="jan", until=None, deputy=None))))
    await store.commit(an_entry(absences=(Back("jan"),), look=look))
    assert {one.member for one in found} == {"ewa", "jan"}
    await store.commit(an_entry(look=look))
    assert found == [away]


async def test_open_conversations_are_told_the_longest_waiting_first(store: SqliteStore) -> None:
    quiet = Standing(subject="quiet")
    waits = Standing(subject="waits", waiting_since=NOW)
    long = Standing(subject="long", waiting_since=NOW - HOUR)
    closed = Standing(subject="closed", waiting_since=NOW, state=ConversationState.CLOSED)
    for standing in (quiet, waits, long, closed):
        await store.commit(an_entry(standing=standing))
    await store.commit(an_entry(standing=replace(waits, subject="jan"), owner="jan", inbox="sales@example.com"))
    found: list[Any] = []

    def look(state: FullDeskState) -> None:
        wanted = (
            state.open_conversations(),
            state.open_conversations(limit=1),
            state.open_conversations(owner="jan"),
            state.open_conversations(inbox=INBOX),
        )
        found[:] = [[one.standing.subject for one in some] for some in wanted]

    await store.act(Deed(None, NOW, look))
    assert found == [["long", "waits", "jan", "quiet"], ["long"], ["jan"], ["long", "waits", "quiet"]]


async def test_automatic_replies_are_counted(store: SqliteStore) -> None:
    """Whatever detail stands behind the + of an address."""
    _, known = await begun(store)
    queue_id = new_id()
    reply = Authored(
        queue_id,
        Part.REPLIED,
        RAW,
        f"{queue_id}@example.com",
        (),
        from_null=True,
        replied=Replied("anna+1@klient.pl", "received"),
    )
    mail = SettledMail(reply, annotation(queue_id), ())
    keys = thread("2@klient.pl", "1@klient.pl")
    await store.commit(an_entry(known, keys, mails=(mail,)))
    found: list[int] = []

    def look(state: FullDeskState) -> None:
        found[:] = [
            state.replies(NOW - HOUR, address="anna@klient.pl"),
            state.replies(NOW - HOUR, address="anna+2@klient.pl"),
            state.replies(NOW - HOUR, address="anna@klient.pl", template="other"),
            state.replies(NOW - HOUR, address="eve@evil.example"),
            state.replies(NOW - HOUR, address="anna@evil.klient.pl"),
            state.replies(NOW - HOUR, address="ann@klient.pl"),
            state.replies(NOW - HOUR, address=""),
            state.replies(NOW - HOUR),
            state.replies(NOW),
        ]

    known = await store.recall(keys)
    await seen_by(store, look, thread("3@klient.pl", "2@klient.pl"), known)
    assert found == [1, 1, 0, 0, 0, 0, 0, 1, 0]


class TestTimers:
    REMIND = Timer(TimerKind.REMIND, NOW + HOUR)
    OVERDUE = Timer(TimerKind.OVERDUE, NOW + 2 * HOUR)

    async def test_they_are_due_in_their_order(self, store: SqliteStore) -> None:
        await store.commit(an_entry(timers=(self.OVERDUE, self.REMIND)))
        assert await store.next_timer() == self.REMIND.at
        assert await store.due_timers(NOW, 10) == ()
        due = await store.due_timers(NOW + 3 * HOUR, 10)
        assert [one.timer for one in due] == [self.REMIND, self.OVERDUE]

    async def test_a_plan_gives_all_of_a_conversation_anew(self, store: SqliteStore) -> None:
        await store.commit(an_entry(keys=thread("1@klient.pl"), timers=(self.OVERDUE, self.REMIND)))
        keys = thread("2@klient.pl", "1@klient.pl")
        await store.commit(an_entry(await store.recall(keys), keys, timers=()))
        assert await store.next_timer() is None

    async def test_one_fires_once_with_all_that_follows(self, store: SqliteStore, state: Path) -> None:
        """Also over a restart; a second deed for it does nothing."""
        await store.commit(an_entry(keys=thread("1@klient.pl"), timers=(self.REMIND, self.OVERDUE)))
        (due,) = await store.due_timers(NOW + HOUR, 10)
        mail = told("hurry")

        def settle(desk: FullDeskState) -> Settled:
            assert desk.conversation is not None
            plan = Plan(INBOX, "jan", None, "why", joins=desk.conversation.id, standing=Standing(("overdue",), 1))
            return Settled(plan, annotation("x"), (), mails=(mail,))

        deed = Deed(due.conversation, NOW + HOUR, settle, due)
        (copy,) = await store.act(deed)
        assert copy.queue_id == mail.mail.id
        assert await store.act(deed) == ()
        await store.close()
        store = open_store(state)
        assert [one.timer for one in await store.due_timers(NOW + 3 * HOUR, 10)] == [self.OVERDUE]
        known = await store.recall(thread("2@klient.pl", "1@klient.pl"))
        assert known.conversation is not None
        assert (known.conversation.owner, known.conversation.standing.labels) == ("jan", ("overdue",))
        await store.close()

    async def test_one_that_fails_stays(self, store: SqliteStore) -> None:
        await store.commit(an_entry(timers=(self.REMIND,)))
        (due,) = await store.due_timers(NOW + HOUR, 10)

        def fail(desk: FullDeskState) -> Settled:
            raise ZeroDivisionError

        with pytest.raises(PlanFailedError):
            await store.act(Deed(due.conversation, NOW + HOUR, fail, due))
        assert await store.due_timers(NOW + HOUR, 10) == (due,)

    async def test_one_that_is_for_nothing_any_more_goes(self, store: SqliteStore) -> None:
        await store.commit(an_entry(timers=(self.REMIND,)))
        (due,) = await store.due_timers(NOW + HOUR, 10)
        assert await store.act(Deed(due.conversation, NOW + HOUR, lambda _: None, due)) == ()
        assert await store.next_timer() is None

    async def test_one_of_no_conversation(self, store: SqliteStore) -> None:
        digest = Timer(TimerKind.DIGEST, NOW + HOUR, "ewa")

        def settle(_: FullDeskState) -> Settled:
            return Settled(Plan(INBOX, "ewa", None, "", timers=(digest,)), annotation("x"), ())

        await store.act(Deed(None, NOW, settle))
        await store.act(Deed(None, NOW, settle))
        assert await store.due_timers(NOW + HOUR, 10) == (DueTimer(1, digest, None),)

    async def test_one_that_was_put_off_meanwhile_fires_in_its_new_time(self, store: SqliteStore) -> None:
        def set_to(hours: int) -> Callable[[FullDeskState], Settled]:
            digest = Timer(TimerKind.DIGEST, NOW + hours * HOUR, "ewa")
            return lambda _: Settled(Plan(INBOX, "ewa", None, "", timers=(digest,)), annotation("x"), ())

        await store.act(Deed(None, NOW, set_to(1)))
        (due,) = await store.due_timers(NOW + HOUR, 10)
        await store.act(Deed(None, NOW, set_to(24)))
        assert await store.act(Deed(None, NOW + HOUR, set_to(48), due)) == ()
        assert await store.next_timer() == NOW + 24 * HOUR


async def test_a_conversation_that_closes_keeps_the_moment(store: SqliteStore, state: Path) -> None:
    closed = Standing(("x",), 1, ConversationState.CLOSED)
    await store.commit(an_entry(keys=thread("1@klient.pl"), standing=closed))
    keys = thread("2@klient.pl", "1@klient.pl")
    await store.commit(an_entry(await store.recall(keys), keys, standing=replace(closed, messages=2), after=HOUR))
    known = await store.recall(keys)
    assert known.conversation is not None
    assert known.conversation.standing == replace(closed, messages=2)


async def test_what_happened_is_told_in_its_order(store: SqliteStore) -> None:
    """Of messages and of the conversation itself; the latest where there is more than was asked for."""
    _, known = await begun(store)
    assert known.conversation is not None
    found: list[Any] = []

    def look(state: FullDeskState) -> None:
        found[:] = [state.happened(10), state.happened(1)]

    def settle(state: FullDeskState) -> Settled:
        assert state.conversation is not None
        event = Event("conversation_woken", {"why": "timer"})
        plan = Plan(INBOX, "jan", None, "why", joins=state.conversation.id, events=(event,))
        return Settled(plan, annotation(new_id()), ())

    await store.act(Deed(known.conversation.id, NOW + HOUR, settle))
    keys = thread("2@klient.pl", "1@klient.pl")
    await store.commit(an_entry(await store.recall(keys), keys, look=look, after=2 * HOUR))
    assert [(one.at, one.kind) for one in found[0]][-1] == (NOW + HOUR, "conversation_woken")
    assert [one.at for one in found[0]] == sorted(one.at for one in found[0])
    assert [(one.kind, one.data) for one in found[1]] == [("conversation_woken", {"why": "timer"})]
