"""A state with very many conversations, written row by row: the store itself would take minutes."""

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw

from routerd.store.sqlite import open_store

MEMBERS = ("ewa", "jan", "amal", "ola", "noa")
TEAMS = ("duty", "sales", None)
INBOXES = ("support@example.com", "sales@example.com", "billing@example.com")
LABELS = ("complaint", "urgent", "invoice", "شكوى", "zwrot", "newsletter")
RULES = ("20-billing.yaml/invoices", "30-sales.yaml/orders", "40-support.yaml/complaints", "90-rest.yaml/all")
WORDS = ("faktura", "numer", "zamowienie", "drukarka", "reklamacja", "zwrot", "pilne", "order", "invoice", "printer")
_MICROSECONDS = 1_000_000


def write_conversations(state: Path, count: int, now: datetime | None = None, span: timedelta | None = None) -> None:
    """`count` of them, begun in the `span` (30 days) before `now`, in working hours rather than at night."""
    asyncio.run(_make(state))
    now, span = now or datetime.now(UTC), span or timedelta(days=30)
    db = apsw.Connection(str(state / "routerd.db"))
    chance = random.Random(7)
    with db:
        rows: dict[str, list[tuple[object, ...]]] = {}
        for number in range(1, count + 1):
            for statement, row in _conversation(number, now, span, chance):
                rows.setdefault(statement, []).append(row)
        for statement, found in rows.items():
            db.executemany(statement, found)
    db.close()


async def _make(state: Path) -> None:
    store = open_store(state)
    await store.close()


def _conversation(
    number: int, now: datetime, span: timedelta, chance: random.Random
) -> Iterator[tuple[str, tuple[object, ...]]]:
    begun = now - span * chance.random()
    if begun.weekday() > 4 and chance.random() < 0.8:
        begun -= timedelta(days=3)
    begun = begun.replace(hour=min(int(chance.triangular(0, 24, 11)), 23)) if begun.date() < now.date() else begun
    at = _micros(begun)
    waited = int(chance.lognormvariate(8.7, 1.2)) * _MICROSECONDS
    is_answered = at + waited < _micros(now) and chance.random() < 0.96
    is_closed = is_answered and chance.random() < 0.8
    closed_at = at + waited + int(chance.lognormvariate(9.5, 1)) * _MICROSECONDS
    is_closed = is_closed and closed_at < _micros(now)
    owner, team = chance.choice(MEMBERS), chance.choice(TEAMS)
    inbox = chance.choices(INBOXES, (6, 3, 1))[0]
    labels = chance.sample(LABELS, chance.choice((0, 1, 1, 2)))
    state = "closed" if is_closed else "answered" if is_answered else "open"
    overdue = int(not is_answered and chance.random() < 0.3)
    customer = f"klient{number % 5000}@example.net"
    subject = " ".join(chance.sample(WORDS, 3))
    yield (
        "INSERT INTO conversations (number, inbox, owner, team, version, participants_json, began_at, last_at,"
        " customer, labels_json, messages, state, waiting_since, answers, answered_at, overdue, subject, closed_at,"
        " rules_json)"
        " VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, 2, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            inbox,
            owner,
            team,
            json.dumps([customer, inbox]),
            at,
            closed_at if is_closed else at + waited * is_answered,
            customer,
            json.dumps(labels),
            state,
            None if is_answered else at,
            int(is_answered),
            at + waited if is_answered else None,
            overdue,
            subject,
            closed_at if is_closed else None,
            json.dumps([chance.choice(RULES)]),
        ),
    )
    counted = "INSERT INTO counted (at, message, kind, conversation, member, inbox, team) VALUES (?, ?, ?, ?, ?, ?, ?)"
    yield counted, (at, number, "received", number, owner, inbox, team)
    if chance.random() < 0.06:
        yield counted, (at + 1, number, "reassigned", number, owner, inbox, team)
    if is_answered:
        yield (
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (number, number, at + waited, owner, inbox, team, waited, waited // 3),
        )
    text = " ".join(chance.choices(WORDS, k=30)) + f" numer {number}"
    yield "INSERT INTO words (rowid, head, text) VALUES (?, ?, ?)", (number, f"{subject} {customer}", text)
    yield "INSERT INTO searched VALUES (?, ?)", (number, number)
    yield (
        "INSERT INTO messages (number, queue_id, received_at, sender, to_return_path, envelope_json, size_bytes,"
        " message_id, content_hash, conversation, decisions_json, plan_json, annotation_json)"
        " VALUES (?, ?, ?, ?, 0, '{}', 2000, ?, x'00', ?, '[]', '{}', '{}')",
        (number, f"01KQ{number:022d}", at, customer, f"{number}@example.net", number),
    )


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * _MICROSECONDS
