"""A state with conversations, written by the store itself, and the commands that look at them; no daemon runs."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click.testing
from filled_desk import INBOX, decision, name

from routerd.cli.main import routerd
from routerd.desk.changes import PlannedCopy, Role
from routerd.desk.plan import ConversationId, Event, FullDeskState, Plan, Standing
from routerd.message.address import parse_address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, Received, Recipient
from routerd.store.base import Committed, Deed, Entry, Known, NewCopy, Settled, SettledMail, ThreadKeys
from routerd.store.sqlite import open_store

CONFIG = """\
hostname: mx1.example.com
state: {state}
postmaster: lead
members:
  ewa: {{mailbox: ewa@example.com, name: Ewa Nowak}}
  jan: {{mailbox: jan@example.com}}
  amal: {{mailbox: amal@example.com, name: أمل حداد}}
teams:
  lead: {{members: [amal]}}
  duty: {{members: [ewa, jan], calendar: office}}
calendars:
  office: {{zone: Europe/Warsaw, hours: "08:00-16:00"}}
inboxes:
  support@example.com: {{default: duty, aliases: [help@example.com]}}
  sales@example.com: {{default: duty}}
delivery:
  - {{domain: "*", smtp: "mail.example.com:25"}}
{more}"""
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class DeskAtWork:
    """A state in `folder`. Messages are 1, 2, …; what is said of a plan goes before `Plan`'s defaults."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.config = folder / "routerd.yaml"
        self.configure("")
        self._messages = 0

    def configure(self, more: str) -> None:
        self.config.write_text(CONFIG.format(state=self.state, more=more))

    def run(self, *arguments: str) -> click.testing.Result:
        command, *rest = arguments
        return click.testing.CliRunner().invoke(
            routerd, [command, "-c", str(self.config), *rest], catch_exceptions=False
        )

    def came(
        self,
        at: datetime = MONDAY,
        to: int | None = None,
        copies: tuple[PlannedCopy, ...] = (PlannedCopy("ewa", Role.OWNER),),
        mails: tuple[SettledMail, ...] = (),
        sender: str = "anna@klient.pl",
        **plan: Any,
    ) -> Committed:
        """A message; `to`: the number of one of its conversation."""
        return asyncio.run(self._came(at, to, copies, mails, sender, plan))

    def happened(self, conversation: int, at: datetime, *events: Event, **plan: Any) -> None:
        """Without a message."""

        def settle(state: FullDeskState) -> Settled:
            assert state.conversation is not None
            made = _plan({"joins": state.conversation.id, "standing": state.conversation.standing, **plan})
            return Settled(replace(made, copies=(), events=events), Annotation("x", INBOX, "", ""), ())

        async def act() -> None:
            store = open_store(self.state)
            await store.act(Deed(ConversationId(conversation), at, settle))
            await store.close()

        asyncio.run(act())

    async def _came(
        self,
        at: datetime,
        to: int | None,
        copies: tuple[PlannedCopy, ...],
        mails: tuple[SettledMail, ...],
        sender: str,
        plan: dict[str, Any],
    ) -> Committed:
        self._messages += 1
        number = self._messages
        client = Client("192.0.2.7", 4000, "mx.klient.pl", Protocol.SMTP, "0.0.0.0:25")
        sent_to = (Recipient(parse_address(INBOX), Purpose.INBOX, INBOX),)
        raw = f"From: {sender}\r\nSubject: {number}\r\n\r\ntext\r\n".encode()
        received = Received(name(number), Envelope(sender, sent_to), client, raw, at)
        references = () if to is None else (f"{to}@klient.pl",)
        thread = ThreadKeys(f"{number}@klient.pl", references, (sender, INBOX), sender, vouched=True)

        def settle(state: FullDeskState) -> Settled:
            known = state.conversation
            joins = {} if known is None else {"joins": known.id, "owner": known.owner, "standing": known.standing}
            made = _plan({"copies": copies, **joins, **plan})
            new = tuple(_new_copy(copy) for copy in copies)
            return Settled(made, Annotation(received.id, INBOX, "ewa@example.com", "Ewa"), new, mails)

        store = open_store(self.state)
        known = await store.recall(thread) if references else Known()
        committed = await store.commit(Entry(received, thread, known, (decision(),), settle))
        await store.close()
        return committed


def _plan(fields: dict[str, Any]) -> Plan:
    usual = {"inbox": INBOX, "owner": "ewa", "team": "duty", "why": "owner by duty/first", "standing": Standing()}
    return Plan(**{**usual, **fields})


def _new_copy(copy: PlannedCopy) -> NewCopy:
    mailbox = copy.member if "@" in copy.member else f"{copy.member}@example.com"
    return NewCopy(copy.member, mailbox, "smtp:mail.example.com:25", copy.role)
