"""A state filled by the store itself, and the commands on it; no daemon runs."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click.testing

from routerd.cli import queue, trace
from routerd.desk.changes import PlannedCopy, Role
from routerd.desk.plan import DeskState, Event, Plan
from routerd.message.address import parse_address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, ClientFindings, Envelope, Protocol, Purpose, QueueId, Received, Recipient
from routerd.rules.decision import Decision, Evidence, Match, RuleRef, Skipped, Trace
from routerd.store.base import Copy, Done, Entry, Hold, Known, NewCopy, RetryAt, Settled, ThreadKeys
from routerd.store.history import MessageHistory
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store

CONFIG = """\
hostname: mx1.example.com
state: {state}
postmaster: duty
members:
  ewa: {{mailbox: ewa@example.com}}
  jan: {{mailbox: jan@example.com}}
teams:
  duty: {{members: [ewa, jan], pick: first}}
inboxes:
  support@example.com: {{default: duty, aliases: [help@example.com]}}
delivery:
  - {{domain: example.com, smtp: "mail.example.com:25"}}
  - {{domain: "*", lmtp: "unix:/run/lmtp"}}
"""
INBOX = "support@example.com"
RAW = b"From: Anna <anna@klient.pl>\r\nSubject: =?x?q?=1b?=\r\n\r\n\x1b[31mCze\xc5\x9b\xc4\x87\r\n"

Run = Callable[..., click.testing.Result]


def name(number: int) -> QueueId:
    return QueueId(f"01JQ{number:022d}")


def decision() -> Decision:
    rule = RuleRef("20-finance.yaml", "invoices")
    return Decision(
        INBOX,
        trace=Trace(
            matches=(Match(rule, (Evidence("subject", "faktura\u202e", "word faktura"),)),),
            unknown=(Skipped(RuleRef("05.yaml", "listed"), "DNS did not answer"),),
        ),
        revision="0123abcd",
    )


class Desk:
    """A state in `folder`, filled by the store itself, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.config = folder / "routerd.yaml"
        self.config.write_text(CONFIG.format(state=self.state))
        self._store: SqliteStore | None = None

    def commit(self, number: int, *, age: timedelta = timedelta(), **how: object) -> tuple[Copy, ...]:
        """A message with a copy for ewa, who owns it, and one for jan, who watches; and what became of them."""
        return asyncio.run(self._commit(number, age, **how))  # type: ignore[arg-type]

    async def _commit(
        self, number: int, age: timedelta, held: str | None = None, after: str = "", raw: bytes = RAW
    ) -> tuple[Copy, ...]:
        at = datetime.now(UTC) - age
        client = Client(
            "192.0.2.7", 4000, "mx.klient.pl", Protocol.SMTP, "0.0.0.0:25", findings=ClientFindings(name="a.klient.pl")
        )
        sent_to = (Recipient(parse_address(INBOX), Purpose.INBOX, INBOX),)
        received = Received(name(number), Envelope("anna@klient.pl", sent_to), client, raw, at)

        def settle(_: DeskState) -> Settled:
            assigned = Event("message_assigned", {"member": "ewa"})
            copies = (PlannedCopy("ewa", Role.OWNER, held), PlannedCopy("jan", Role.WATCHER))
            plan = Plan(INBOX, "ewa", None, "owner by duty/first", labels=("x",), copies=copies, events=(assigned,))
            there = {"ewa": "smtp:mail.example.com:25", "jan": "lmtp:unix:/run/lmtp"}
            new = tuple(
                NewCopy(c.member, f"{c.member}@example.com", there[c.member], c.role, None, c.held) for c in copies
            )
            annotation = Annotation(
                received.id, INBOX, "ewa@example.com", "Ewa", why="w", auth_results="mx; dmarc=pass"
            )
            return Settled(plan, annotation, new)

        store = open_store(self.state)
        committed = await store.commit(Entry(received, ThreadKeys("same@klient.pl"), Known(), (decision(),), settle))
        for text in filter(None, after.split(";")):
            how, _, words = text.partition(":")
            what, _, host = how.partition("@")
            conclusion = (
                Hold(words, host=host) if what == "hold" else RetryAt(at + timedelta(hours=1), words, host=host)
            )
            ended = Done(words, host=host) if what == "done" else conclusion
            await store.conclude(committed.copies[0], ended, at)
        await store.close()
        return committed.copies

    def queue(self, command: str, *options: str, answer: str = "") -> click.testing.Result:
        arguments = [command, "-c", str(self.config), *options]
        return click.testing.CliRunner().invoke(queue.command, arguments, input=answer, catch_exceptions=False)

    def trace(self, *options: str) -> click.testing.Result:
        arguments = ["-c", str(self.config), *options]
        return click.testing.CliRunner().invoke(trace.command, arguments, catch_exceptions=False)

    def listed(self, *options: str) -> list[str]:
        return [
            f"{copy['queue_id'][-1]}{copy['member']}"
            for copy in json.loads(self.queue("list", "--json", *options).stdout)
        ]

    def shown(self, number: int) -> MessageHistory:
        with QueueView.open(self.state) as view:
            found = view.show(name(number))
        assert found is not None
        return found

    def states(self, number: int) -> list[str]:
        return [str(copy.state) for copy in self.shown(number).copies]
