"""Entries with plans of the desk, for the store's tests."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from store_entries import NOW, annotation, copy_for, entry, new_id, received, settled, thread

from routerd.desk.changes import Authored, Part, Role
from routerd.desk.plan import FullDeskState
from routerd.store.base import Committed, Entry, Known, NewCopy, Settled, SettledMail, ThreadKeys
from routerd.store.sqlite import SqliteStore

Look = Callable[[FullDeskState], None]


def an_entry(
    known: Known | None = None,
    keys: ThreadKeys | None = None,
    copies: tuple[NewCopy, ...] = (),
    mails: tuple[SettledMail, ...] = (),
    resent: tuple[tuple[int, NewCopy], ...] = (),
    look: Look = lambda _: None,
    after: timedelta = timedelta(0),
    **plan: Any,
) -> Entry:
    """`plan`: fields of the plan. `look` sees the state inside the transaction."""
    got = received(at=NOW + after)

    def settle(state: FullDeskState) -> Settled:
        look(state)
        made = settled(got.id, state, copies or (copy_for("ewa"),))
        return replace(made, plan=replace(made.plan, **plan), mails=mails, resent=resent)

    return entry(got=got, keys=keys, known=known, settle=settle)


def told(text: str = "hello", **fields: Any) -> SettledMail:
    queue_id = new_id()
    raw = f"From: routerd@example.com\r\nSubject: {text}\r\n\r\n{text}\r\n".encode()
    mail = Authored(queue_id, Part.TOLD, raw, f"{queue_id}@example.com", (), **fields)
    return SettledMail(mail, annotation(queue_id), (copy_for("ewa", Role.DESK),))


async def begun(store: SqliteStore) -> tuple[Committed, Known]:
    """A customer's message, and its conversation."""
    committed = await store.commit(an_entry(keys=thread("1@klient.pl")))
    return committed, await store.recall(thread("2@klient.pl", "1@klient.pl"))
