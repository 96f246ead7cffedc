"""Which copies of the queue are meant: the postmaster's filters as one question to the store."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from routerd.desk.changes import Role
from routerd.store.base import CopyState
from routerd.store.connection import Connection, Value, select
from routerd.store.life import OPEN
from routerd.store.rows import bindable, message_key, to_micros
from routerd.store.stored_json import texts_to_json

INBOX = "iif(json_valid(m.plan_json), json_extract(m.plan_json, '$.inbox'), '')"

_STATES = ",".join(f"'{state}'" for state in CopyState)
_BY_QUEUE_ID = "SELECT queue_id, number FROM messages WHERE queue_id IN (SELECT value FROM json_each(?))"
_BY_MESSAGE_ID = "SELECT message_id, number FROM messages WHERE message_id IN (SELECT value FROM json_each(?))"
_COPIES_OF = "SELECT message, suffix, number FROM copies WHERE message IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Selection:
    """The copies that fit all that is given; None is whatever there is."""

    numbers: Collection[int] | None = None
    destinations: Collection[str] | None = None
    inbox: str | None = None
    member: str | None = None
    owner: str | None = None  # the member whom a copy makes the owner
    states: Collection[CopyState] = OPEN
    created_by: datetime | None = None  # then, or before
    created_since: datetime | None = None

    def where(self) -> tuple[str, list[Value]]:
        """A condition on `copies AS c JOIN messages AS m`, and what it is bound to."""
        is_wanted = f"c.state IN ({','.join('?' * len(self.states))})"
        clauses = [f"({is_wanted} OR c.state NOT IN ({_STATES}))" if CopyState.HELD in self.states else is_wanted]
        bindings: list[Value] = [str(state) for state in self.states]
        given: tuple[tuple[str, Value], ...] = (
            (f"{INBOX} = ?", self.inbox),
            ("c.member = ?", self.member),
            ("c.member = ?", self.owner),
            ("c.role = ?", str(Role.OWNER) if self.owner is not None else None),
            ("c.created_at <= ?", to_micros(self.created_by) if self.created_by else None),
            ("c.created_at >= ?", to_micros(self.created_since) if self.created_since else None),
        )
        for condition, value in given:
            if value is not None:
                clauses.append(condition)
                bindings.append(value)
        if self.destinations is not None:
            clauses.append(f"c.destination IN ({','.join(['CAST(? AS TEXT)'] * len(self.destinations))})")
            bindings.extend(map(bindable, self.destinations))
        if self.numbers is not None:
            clauses.append("c.number IN (SELECT value FROM json_each(?))")
            bindings.append(numbers_to_json(self.numbers))
        elif OPEN.issuperset(self.states):
            clauses.append("c.finished_at IS NULL")  # what the index of the open copies asks for
        return " AND ".join(clauses), bindings


@dataclass(frozen=True, slots=True)
class Named:
    """What ids stand for."""

    copies: frozenset[int]  # numbers
    one_by_one: frozenset[int]  # those of them that are named by their own ids
    unknown: tuple[str, ...]  # of these nothing is known


def named(db: Connection, ids: Sequence[str]) -> Named:
    """Each id is a copy's, or a message's for all of its copies, or a Message-ID for all messages that bear it."""
    wanted = {one: _parts(one) for one in ids}
    by_queue_id = _messages(db, _BY_QUEUE_ID, {queue_id for queue_id, _, _ in wanted.values()})
    by_message_id = _messages(db, _BY_MESSAGE_ID, {key for _, _, key in wanted.values()})
    found = {number for numbers in (*by_queue_id.values(), *by_message_id.values()) for number in numbers}
    copies = {
        (message, suffix): number for message, suffix, number in select(db, _COPIES_OF, (numbers_to_json(found),))
    }
    of_message: dict[int, list[int]] = {}
    for (message, _), number in copies.items():
        of_message.setdefault(message, []).append(number)
    numbers: set[int] = set()
    one_by_one: set[int] = set()
    unknown = []
    for one, (queue_id, suffix, key) in wanted.items():
        messages = by_queue_id.get(queue_id, ())
        if suffix is not None:
            fitting = [copies[message, suffix] for message in messages if (message, suffix) in copies]
            one_by_one.update(fitting)
            if fitting:
                continue
            messages = ()
        messages = messages or by_message_id.get(key, ())
        numbers.update(number for message in messages for number in of_message.get(message, ()))
        if not messages:
            unknown.append(one)
    return Named(frozenset(numbers | one_by_one), frozenset(one_by_one), tuple(unknown))


def numbers_to_json(numbers: Collection[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"


def _parts(name: str) -> tuple[str, int | None, str]:
    """As a queue id with a copy's suffix, and as a Message-ID."""
    queue_id, dash, suffix = name.partition("-")
    is_copy = bool(dash) and suffix.isascii() and suffix.isdecimal() and len(suffix) < 10
    key = message_key(name.removeprefix("<").removesuffix(">"))
    return (queue_id.upper() if is_copy or not dash else "", int(suffix) if is_copy else None, key)


def _messages(db: Connection, question: str, keys: Collection[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for key, number in select(db, question, (texts_to_json(keys),)):
        found.setdefault(key, []).append(number)
    return found
