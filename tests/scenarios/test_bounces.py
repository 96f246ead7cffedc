"""Reports that come back to copies' return paths, through the router and a real store."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from whole_router import whole_router

from routerd.auth.signers import Signers
from routerd.config.settings import Settings
from routerd.delivery.aftermath.bounces import Bounces
from routerd.delivery.aftermath.notifier import Bureau
from routerd.delivery.aftermath.probes import Probes
from routerd.delivery.aftermath.succession import take_over
from routerd.delivery.routes import Routes
from routerd.desk.changes import Role
from routerd.desk.roster import Roster
from routerd.intake.queue_ids import QueueIds
from routerd.intake.recipients import Directory
from routerd.message.address import parse_address
from routerd.message.envelope import (
    Accepted,
    Client,
    Envelope,
    Protocol,
    Purpose,
    QueueId,
    Received,
    Recipient,
    Refused,
    Verdict,
)
from routerd.message.token import BOUNCE
from routerd.ops.metrics import Metrics
from routerd.rules.compile import compile_ruleset
from routerd.settling import Live
from routerd.store.base import Copy, CopyState, Done, NewCopy, Retention, StoreError
from routerd.store.marks import InHand
from routerd.store.queue_view import MessageHistory, QueueView
from routerd.store.sqlite import SqliteStore, open_store

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
SUPPORT = "support@example.com"
SETTINGS = Settings.model_validate(
    {
        "hostname": "mx1.example.com",
        "postmaster": "duty",
        "members": {
            "jan": {"mailbox": "jan@mail.example.com"},
            "ewa": {"mailbox": "ewa@mail.example.com", "deputy": "omar"},
            "omar": {"mailbox": "omar@mail.example.com"},
        },
        "teams": {"duty": {"members": ["jan"], "pick": "first"}},
        "inboxes": {SUPPORT: {"default": "ewa"}},
        "delivery": [{"domain": "*", "smtp": ["mail.example.com:25"]}],
        "limits_of_rules": [{"files": "*", "actions": ["all"]}],
    }
)
WATCHED = "rules:\n  - {name: w, when: {subject: parcel}, then: {watch: omar, forward: archive@far.example}}\n"
REPORT = """From: MAILER-DAEMON@mail.example.com
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com

Final-Recipient: rfc822; {mailbox}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {words}
--b--
"""


class Desk:
    """A router whose copies are delivered by hand."""

    def __init__(self, folder: Path, rules: str = "") -> None:
        self.folder = folder
        self.metrics = Metrics()
        self.store: SqliteStore = open_store(folder)
        self.hands = InHand(folder / "in-hand")
        self.offered: list[Copy] = []
        self.forgotten: set[int] = set()
        self._live = self._made_live(rules)
        self.settings = SETTINGS
        self.probes = Probes(lambda: self.settings, self.store.keys(BOUNCE), os.urandom, lambda: NOW)
        bounces = Bounces(self.store, self._next, self.metrics, self, self.probes)
        bureau = Bureau(SETTINGS, Roster(SETTINGS), Routes(SETTINGS), Signers())
        new_id = QueueIds(bytes).make
        self.router = whole_router(
            self._live, self.store, self.hands, self._take, bounces, lambda: bureau, self.metrics, new_id
        )
        self._count = 0

    async def accept(self, recipient: Recipient, raw: str, sender: str, at: datetime) -> Verdict:
        self._count += 1
        queue_id = QueueId(f"01J{self._count:023}")
        client = Client("192.0.2.1", 1, "client", Protocol.SMTP, "listener")
        received = Received(queue_id, Envelope(sender, (recipient,)), client, raw.replace("\n", "\r\n").encode(), at)
        [verdict] = await self.router.accept(received)
        return verdict

    async def delivered(self) -> list[Copy]:
        """A message comes, and its copies go out."""
        await self.accept(Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT), PARCEL, "anna@klient.pl", NOW)
        return [await self.deliver(copy) for copy in self.offered]

    async def deliver(self, copy: Copy) -> Copy:
        await self.store.conclude(copy, Done("250 ok"), NOW)
        found = await self.store.copy_by_number(copy.number)
        assert found is not None
        return found

    async def bounce(self, copy: Copy, raw: str = "", *, at: datetime = NOW, sender: str = "", **said: str) -> Verdict:
        filled = raw or REPORT.format(
            **{"mailbox": copy.mailbox, "action": "failed", "status": "5.1.1", "words": "550 5.1.1 unknown", **said}
        )
        address = parse_address("support+b.token@example.com")
        recipient = Recipient(address, Purpose.RETURN_PATH, SUPPORT, copy_number=copy.number)
        return await self.accept(recipient, filled, sender, at)

    async def state(self, copy: Copy) -> CopyState:
        found = await self.store.copy_by_number(copy.number)
        assert found is not None
        return found.state

    def history(self, copy: Copy) -> MessageHistory:
        with QueueView.open(self.folder) as view:
            history = view.show(copy.queue_id)
        assert history is not None
        return history

    def events(self, copy: Copy) -> list[str]:
        return [event.kind for event in self.history(copy).events]

    async def all_copies(self, copy: Copy) -> dict[str, CopyState]:
        return {found.member: found.state for found in await self.store.find_copies([copy.queue_id])}

    def offer(self, copies: Sequence[Copy]) -> None:
        self.offered.extend(copies)

    def forget(self, numbers: Collection[int]) -> None:
        self.forgotten |= set(numbers)

    async def close(self) -> None:
        await self.store.close()
        self.hands.close()

    def _take(self, copies: Sequence[Copy], _raw: object) -> None:
        self.offered.extend(copies)

    def _next(self, copy: Copy, reason: str, tried: frozenset[str]) -> NewCopy | None:
        return take_over(copy, reason, tried, NOW, self._live.roster, self._live.routes)

    def _made_live(self, rules: str) -> Live:
        ruleset = compile_ruleset({"10.yaml": rules.encode()} if rules else {}, SETTINGS).ruleset
        assert ruleset is not None
        return Live(SETTINGS, Roster(SETTINGS), ruleset, Routes(SETTINGS))


PARCEL = "From: anna@klient.pl\nSubject: parcel\n\nWhere is it?\n"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path / "state")
    yield made
    await made.close()


async def test_a_late_bounce_takes_the_message_to_the_next_in_line(desk: Desk) -> None:
    """From the kept bytes, with the reason on the copy; the bounce itself goes nowhere."""
    [copy] = await desk.delivered()
    verdict = await desk.bounce(copy, at=NOW + timedelta(days=2))
    assert isinstance(verdict, Accepted)
    assert await desk.all_copies(copy) == {"ewa": CopyState.REROUTED, "omar": CopyState.QUEUED}
    successor = desk.offered[-1]
    assert successor.member == "omar"
    assert "a bounce came back from mail.example.com: smtp; 550 5.1.1 unknown" in successor.annotation.why
    assert "rerouted" in successor.annotation.labels
    assert await desk.store.content(successor) == PARCEL.replace("\n", "\r\n").encode()
    [event] = [event for event in desk.history(copy).events if event.kind == "bounce_received"]
    assert event.data["status"] == "5.1.1"
    assert event.data["by"] == verdict.id
    assert await desk.store.find_copies([verdict.id]) == ()


async def test_a_bounce_of_the_next_in_line_goes_on_down_the_line(desk: Desk) -> None:
    """Deputy, then the postmaster's team; when all have bounced it is held."""
    [copy] = await desk.delivered()
    for member in ("omar", "jan"):
        await desk.bounce(copy)
        copy = await desk.deliver(desk.offered[-1])
        assert copy.member == member
    await desk.bounce(copy)
    assert await desk.all_copies(copy) == {
        "ewa": CopyState.REROUTED,
        "omar": CopyState.REROUTED,
        "jan": CopyState.HELD,
    }


async def test_a_bounce_is_believed_once(desk: Desk) -> None:
    """Sent again, it is one more line of the history."""
    [copy] = await desk.delivered()
    for _ in range(3):
        await desk.bounce(copy)
    assert await desk.all_copies(copy) == {"ewa": CopyState.REROUTED, "omar": CopyState.QUEUED}
    assert desk.events(copy).count("bounce_received") == 3
    assert len(desk.offered) == 2


@pytest.mark.parametrize(
    ("status", "words", "state"),
    [
        ("5.1.1", "550 5.1.1 unknown", CopyState.REROUTED),
        ("5.2.2", "552 5.2.2 full", CopyState.REROUTED),
        ("4.2.2", "452 4.2.2 full, and given up", CopyState.REROUTED),
        ("5.0.0", "550 no", CopyState.REROUTED),
        ("5.3.4", "552 5.3.4 too large", CopyState.HELD),
        ("5.6.0", "554 5.6.0 bad content", CopyState.HELD),
        ("5.7.1", "550 5.7.1 spam", CopyState.HELD),
        ("5.0.0", "554 5.7.1 spam", CopyState.HELD),
        ("5.0.0", "554 virus (in reply to end of DATA command)", CopyState.HELD),
    ],
)
async def test_what_follows_is_what_the_table_says(desk: Desk, status: str, words: str, state: CopyState) -> None:
    """A mailbox's failure goes round the team, what would fail for everybody does not."""
    [copy] = await desk.delivered()
    await desk.bounce(copy, status=status, words=words)
    assert await desk.state(copy) is state
    assert words in desk.history(copy).copies[0].reason


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
async def test_only_a_failure_moves_a_copy(desk: Desk, action: str) -> None:
    """The rest is known from the history, and bothers nobody."""
    [copy] = await desk.delivered()
    verdict = await desk.bounce(copy, action=action, status="4.4.1")
    assert isinstance(verdict, Accepted)
    assert await desk.state(copy) is CopyState.DELIVERED
    assert desk.events(copy)[-1] == "bounce_received"
    assert len(desk.offered) == 1


async def test_a_watchers_bounce_and_a_forwards_are_noted(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "state", WATCHED)
    owner, *others = await desk.delivered()
    assert [copy.role for copy in others] == [Role.WATCHER, Role.FORWARD]
    for copy in others:
        await desk.bounce(copy)
        assert await desk.state(copy) is CopyState.FAILED
    assert await desk.state(owner) is CopyState.DELIVERED
    assert len(desk.offered) == 3
    await desk.close()


async def test_a_bounce_for_another_mailbox_is_the_postmasters_to_read(desk: Desk) -> None:
    """The token proves the copy, not that the report is of its mailbox: a list behind it has mailboxes of its own."""
    [copy] = await desk.delivered()
    verdict = await desk.bounce(copy, mailbox="phone@carrier.example")
    assert await desk.state(copy) is CopyState.DELIVERED
    assert isinstance(verdict, Accepted)
    [read] = await desk.store.find_copies([verdict.id])
    assert (read.member, read.annotation.labels) == ("jan", ("bounce",))
    [event] = [event for event in desk.history(copy).events if event.kind == "bounce_received"]
    assert event.data["by"] == verdict.id
    [about] = [event for event in desk.history(read).events if event.kind == "came_back"]
    assert about.data == {"copy": copy.id, "mailbox": "ewa@mail.example.com"}


async def test_an_out_of_office_is_no_bounce(desk: Desk) -> None:
    [copy] = await desk.delivered()
    raw = "From: ewa@mail.example.com\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nAway. 550 5.1.1\n"
    verdict = await desk.bounce(copy, raw)
    assert isinstance(verdict, Accepted)
    assert await desk.state(copy) is CopyState.DELIVERED
    [read] = await desk.store.find_copies([verdict.id])
    assert read.member == "jan"


async def test_when_the_bytes_are_gone_the_postmaster_gets_the_bounce(desk: Desk) -> None:
    """It often holds the message, or its header: the last that is left of it."""
    [copy] = await desk.delivered()
    late = NOW + timedelta(days=9)
    forgotten = NOW + timedelta(days=100)  # as of an open conversation in which nothing happens any more
    await desk.store.sweep(forgotten, Retention(timedelta(days=7), timedelta(days=730), timedelta(0)))
    verdict = await desk.bounce(copy, at=late)
    assert isinstance(verdict, Accepted)
    assert await desk.state(copy) is CopyState.DELIVERED
    [read] = await desk.store.find_copies([verdict.id])
    assert read.member == "jan"


async def test_a_bounce_for_a_copy_that_still_waits_ends_its_attempts(desk: Desk) -> None:
    """The reply to the final dot was lost, the server had the message: what it says now is true of it."""
    await desk.accept(Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT), PARCEL, "anna@klient.pl", NOW)
    [copy] = desk.offered
    await desk.bounce(copy)
    assert await desk.all_copies(copy) == {"ewa": CopyState.REROUTED, "omar": CopyState.QUEUED}
    assert desk.forgotten == {copy.number}


async def test_a_server_that_hangs_up_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its report is written when it goes: delivery hears of that all the same, and begins no copy that was rerouted."""
    await desk.accept(Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT), PARCEL, "anna@klient.pl", NOW)
    [copy] = desk.offered
    bounce, written, answered = desk.store.bounce, asyncio.Event(), asyncio.Event()

    async def slowly(*asked: Any) -> Any:
        done = await bounce(*asked)
        written.set()
        await answered.wait()
        return done

    monkeypatch.setattr(desk.store, "bounce", slowly)
    bouncing = asyncio.create_task(desk.bounce(copy))
    await written.wait()
    bouncing.cancel()
    with suppress(asyncio.CancelledError):
        await bouncing
    answered.set()
    async with asyncio.timeout(60):
        while copy.number not in desk.forgotten:
            await asyncio.sleep(0)
    assert [other.member for other in desk.offered] == ["ewa", "omar"]


async def test_a_held_copy_stays_the_postmasters(desk: Desk) -> None:
    [copy] = await desk.delivered()
    await desk.bounce(copy, status="5.7.1", words="550 5.7.1 spam")
    await desk.bounce(copy)
    assert await desk.all_copies(copy) == {"ewa": CopyState.HELD}


async def test_released_after_a_bounce_it_may_bounce_again(desk: Desk) -> None:
    """Believed once for each delivery: the second failure must not be lost."""
    [copy] = await desk.delivered()
    await desk.bounce(copy, status="5.7.1", words="550 5.7.1 spam")
    [released] = await desk.store.change_copies([copy.number], CopyState.QUEUED, "", NOW)
    await desk.deliver(released)
    await desk.bounce(copy, status="5.7.1", words="550 5.7.1 spam")
    assert await desk.state(copy) is CopyState.HELD


async def test_a_store_that_fails_leaves_the_bounce_with_its_server(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """451: it comes again, and nothing was half done."""
    [copy] = await desk.delivered()

    async def fail(*_: object) -> None:
        raise StoreError("no disk")

    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "bounce", fail)
        verdict = await desk.bounce(copy)
    assert isinstance(verdict, Refused)
    assert verdict.code == 451
    assert await desk.all_copies(copy) == {"ewa": CopyState.DELIVERED}


async def test_the_conversation_goes_with_the_copy(desk: Desk) -> None:
    """The customer's next message goes to who has the last one."""
    await desk.accept(
        Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT), f"Message-ID: <1@k>\n{PARCEL}", "anna@klient.pl", NOW
    )
    [copy] = desk.offered
    await desk.deliver(copy)
    await desk.bounce(copy)
    again = f"Message-ID: <2@k>\nReferences: <1@k>\n{PARCEL}"
    await desk.accept(Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT), again, "anna@klient.pl", NOW)
    assert desk.offered[-1].member == "omar"


async def test_a_probe_arrives_and_is_kept_nowhere(desk: Desk) -> None:
    """It is told to who asked for it; what nobody asked for, or what comes late, is a message like any other."""

    async def other(command: dict[str, Any]) -> dict[str, Any]:
        return {"other": command}

    do = desk.probes.before(other)
    probes = (await do({"do": "probe"}))["addresses"]
    assert [probe["kind"] for probe in probes] == ["bounces", "answers", "notes", "drafts"]
    assert await do({"do": "probed"}) == {"came": {}, "lost_detail": []}
    directory, came = Directory(SETTINGS, desk.store.keys(BOUNCE)), {}
    purposes = (Purpose.RETURN_PATH, Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT)
    for probe, purpose in zip(probes, purposes, strict=True):
        recipient = directory.look_up(parse_address(probe["address"]), NOW)
        assert isinstance(recipient, Recipient)
        assert (recipient.purpose, recipient.copy_number) == (purpose, probe["number"])
        assert isinstance(await desk.accept(recipient, "Subject: probe\n\nx\n", "", NOW), Accepted)
        came[str(probe["number"])] = "192.0.2.1"
        assert await do({"do": "probed"}) == {"came": came, "lost_detail": []}
    assert desk.offered == []
    number = probes[0]["number"] ^ 1
    unknown = Recipient(parse_address(probes[0]["address"]), Purpose.RETURN_PATH, SUPPORT, copy_number=number)
    await desk.accept(unknown, "Subject: probe\n\nx\n", "", NOW)
    assert len(desk.offered) == 1
    assert await do({"do": "retry"}) == {"other": {"do": "retry"}}


async def test_a_probe_comes_to_a_wrapped_sender(desk: Desk) -> None:
    """Where copies leave from such (`return_path: srs`). It is sent back to nobody; what is no probe is."""
    desk.settings = SETTINGS.model_copy(update={"return_path": "srs"})

    async def other(command: dict[str, Any]) -> dict[str, Any]:
        return command

    do = desk.probes.before(other)
    probes = (await do({"do": "probe"}))["addresses"]
    assert [probe["kind"] for probe in probes] == ["bounces", "answers", "notes", "drafts", "wrapped"]
    wrapped = probes[-1]
    recipient = Directory(SETTINGS, desk.store.keys(BOUNCE)).look_up(parse_address(wrapped["address"]), NOW)
    assert isinstance(recipient, Recipient)
    assert recipient.purpose is Purpose.WRAPPED
    named = f"X-Routerd-Probe: <{wrapped['address']}>\nSubject: probe\n\nx\n"
    assert isinstance(await desk.accept(recipient, named, "", NOW), Accepted)
    assert desk.offered == []
    assert await do({"do": "probed"}) == {"came": {str(wrapped["number"]): "192.0.2.1"}, "lost_detail": []}
    await desk.accept(recipient, named.replace("Probe: <", "Probe: <x"), "", NOW)
    assert [copy.mailbox for copy in desk.offered] == [f"{wrapped['number']}.probe@probe.invalid"]


async def test_a_probe_that_lost_its_detail_is_known_by_its_name(desk: Desk) -> None:
    """It came to the inbox itself, as all mail to the address would: nobody gets it. No other name is known."""
    inbox = Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT)

    async def other(command: dict[str, Any]) -> dict[str, Any]:
        return command

    do = desk.probes.before(other)
    answers = (await do({"do": "probe"}))["addresses"][1]
    await desk.accept(inbox, f"X-Routerd-Probe: <{answers['address']}>\n\nx\n", "", NOW)
    assert desk.offered == []
    number = str(answers["number"])
    assert await do({"do": "probed"}) == {"came": {number: "192.0.2.1"}, "lost_detail": [number]}
    await desk.accept(inbox, f"X-Routerd-Probe: <{answers['address']}x>\n\nx\n", "", NOW)
    assert len(desk.offered) == 1
