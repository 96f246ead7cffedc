"""What the postmaster is told of copies that could not be delivered, with a real store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from routerd.auth.dkim_signing import Signer, sign_by_all
from routerd.auth.signers import Signers
from routerd.config.settings import Settings
from routerd.delivery.aftermath import notifier
from routerd.delivery.aftermath.notifier import Bureau, Notifier
from routerd.delivery.letter import ReturnPaths
from routerd.delivery.routes import Routes
from routerd.desk.changes import PlannedCopy, Role
from routerd.desk.consider import loops, passed_inboxes
from routerd.desk.plan import DeskState, Plan
from routerd.desk.roster import Roster
from routerd.message.address import parse_address
from routerd.message.annotate import annotate
from routerd.message.annotation import Annotation
from routerd.message.dkim_keys import KeyKind, new_private_key, parse_private_key
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Raw, Received, Recipient
from routerd.message.headers import HeaderBlock
from routerd.message.key_ring import KeyRing
from routerd.message.notice import Notice
from routerd.message.token import TRACE
from routerd.message.view import MessageView
from routerd.ops.metrics import Metrics
from routerd.rules.decision import Decision
from routerd.store.base import (
    Conclusion,
    Copy,
    CopyState,
    Done,
    Entry,
    Forgo,
    Hold,
    Known,
    NewCopy,
    Reroute,
    Retention,
    RetryAt,
    Settled,
    StoreError,
    ThreadKeys,
    Untold,
)
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
SUPPORT = "support@example.com"
SETTINGS = Settings.model_validate(
    {
        "hostname": "mx1.example.com",
        "postmaster": "duty",
        "members": {name: {"mailbox": f"{name}@mail.example.com"} for name in ("jan", "ewa", "omar")},
        "teams": {"duty": {"members": ["jan", "omar"], "pick": "first"}},
        "inboxes": {SUPPORT: {"default": "ewa"}},
        "delivery": [{"domain": "*", "smtp": ["mail.example.com:25"]}],
    }
)
ALONE = SETTINGS.model_copy(update={"postmaster": "jan"})
EWA = "ewa@mail.example.com"
RAW = b"From: anna@klient.pl\r\nSubject: faktura\r\n\r\nbody\r\n"


async def no_answer(untold: Untold, at: datetime) -> None:
    raise AssertionError("no copy is an answer's")


class Office:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics = Metrics()
        self.now = NOW
        self.sent: list[tuple[Copy, bytes]] = []
        self._count = 0
        self.open()

    def open(self) -> None:
        self.store: SqliteStore = open_store(self.folder)
        self.bureau = Bureau(SETTINGS, Roster(SETTINGS), Routes(SETTINGS), Signers())
        self.notifier = Notifier(
            self.store, lambda: self.bureau, lambda _: self._id(), self._take, self.metrics, lambda: self.now, no_answer
        )

    async def copy(self, member: str = "ewa", role: Role = Role.OWNER, raw: bytes = RAW) -> Copy:
        """A message for one member."""
        mailbox = member if role is Role.FORWARD else f"{member}@mail.example.com"
        queue_id = self._id()
        inbox = Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT)
        client = Client("192.0.2.1", 1, "client", Protocol.SMTP, "listener")
        received = Received(queue_id, Envelope("anna@klient.pl", (inbox,)), client, raw, NOW)
        plan = Plan(SUPPORT, member, None, "owner by test", copies=(PlannedCopy(member, role),))
        new = NewCopy(member, mailbox, "smtp:mail.example.com:25", role)

        def settle(_: DeskState) -> Settled:
            return Settled(plan, Annotation(queue_id, SUPPORT, mailbox, member), (new,))

        committed = await self.store.commit(Entry(received, ThreadKeys(None), Known(), (Decision(SUPPORT),), settle))
        return committed.copies[0]

    async def conclude(self, copy: Copy, conclusion: Conclusion) -> None:
        await self.store.conclude(copy, conclusion, self.now)

    async def told(self) -> list[str]:
        """Subjects of the notices that are written now."""
        self.sent.clear()
        await self.notifier.tell()
        return list(dict.fromkeys(MessageView(raw).subject for _, raw in self.sent))

    def _id(self) -> QueueId:
        self._count += 1
        return QueueId(f"01J{self._count:023}")

    def _take(self, copies: Sequence[Copy], raw: Raw) -> None:
        self.sent.extend((copy, bytes(raw)) for copy in copies)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path / "state")
    yield made
    await made.store.close()


def _to(member: str) -> Reroute:
    mailbox = f"{member}@mail.example.com"
    return Reroute("550 5.1.1 unknown", lambda _: NewCopy(member, mailbox, "smtp:mail.example.com:25", Role.OWNER))


async def test_a_rerouted_copy_is_told_to_all_of_the_postmasters_people(office: Office) -> None:
    """From nobody, into the queue like any mail, with the header of the message that it is about."""
    copy = await office.copy()
    await office.conclude(copy, _to("omar"))
    assert await office.told() == [f"Given to the next in line: mail for {EWA}"]
    assert [sent.member for sent, _ in office.sent] == ["jan", "omar"]
    first, raw = office.sent[0]
    assert first.to_return_path
    paths = ReturnPaths("keep", SETTINGS.addresses, KeyRing.begun(b"k" * 32))
    assert paths.of(first, NOW) == ""
    assert await office.store.content(first) == raw
    text = raw.decode()
    assert "Subject: faktura" in text
    assert "now for omar" in text
    with QueueView.open(office.folder) as view:
        history = view.show(copy.queue_id)
    assert history is not None
    assert history.events[-1].kind == "postmaster_told"
    assert history.events[-1].data["notice"] == first.queue_id


async def test_each_kind_of_trouble_is_told(office: Office) -> None:
    for conclusion, subject in (
        (Hold("552 5.3.4 too large"), f"Held: mail for {EWA}"),
        (Reroute("550 5.1.1 unknown", lambda _: None), f"Held: mail for {EWA}"),
        (RetryAt(NOW, "452 4.2.2 full", late=EWA), f"Late: mail for {EWA} still waits"),
    ):
        copy = await office.copy()
        await office.conclude(copy, conclusion)
        assert await office.told() == [subject]
        office.now += timedelta(hours=1)
    copy = await office.copy("archive@far.example", Role.FORWARD)
    await office.conclude(copy, Forgo("550 5.1.1 unknown"))
    assert await office.told() == ["Not delivered: a further copy for archive@far.example"]
    assert office.metrics.notices.labels("held")._value.get() == 2


@pytest.mark.parametrize(
    ("conclusion", "status"),
    [
        (Hold("far.test takes no mail: DNS says so by a null MX", status="5.1.10"), "5.1.10"),
        (Forgo("there is no domain far.test in DNS (NXDOMAIN)", status="5.1.2"), "5.1.2"),
        (Hold("next hop refused: 554 5.7.1 spam", status="5.0.0"), "5.7.1"),
        (Hold("no words"), "5.0.0"),
        (RetryAt(NOW, "no answer", late=EWA, status="4.4.1"), "4.4.1"),
        (RetryAt(NOW, "no words", late=EWA), "4.0.0"),
    ],
)
async def test_a_notice_says_the_status_where_words_do_not(office: Office, conclusion: Conclusion, status: str) -> None:
    """Of DNS there are no words of a server that hold it; the code that says most counts."""
    await office.conclude(await office.copy(role=Role.WATCHER), conclusion)
    await office.told()
    assert f"\r\nStatus: {status}\r\n".encode() in office.sent[0][1]


async def test_what_fails_is_told_of_by_itself(office: Office) -> None:
    """As often as it is looked for."""
    written = asyncio.Event()
    notifier = Notifier(
        office.store,
        lambda: office.bureau,
        lambda _: office._id(),
        lambda copies, raw: written.set(),
        office.metrics,
        lambda: NOW,
        no_answer,
        timedelta(),
    )
    looking = asyncio.create_task(notifier.run())
    await office.conclude(await office.copy(), Hold("552 5.3.4 too large"))
    await asyncio.wait_for(written.wait(), 60)
    looking.cancel()


async def test_what_goes_well_is_not_told(office: Office) -> None:
    for conclusion in (Done("250 ok"), RetryAt(NOW, "450 later")):
        await office.conclude(await office.copy(), conclusion)
    assert await office.told() == []


async def test_one_notice_an_hour_about_one_mailbox(office: Office) -> None:
    """What fails meanwhile is in the next one, all of it; another mailbox has its own."""
    await office.conclude(await office.copy(), _to("omar"))
    assert len(await office.told()) == 1
    for _ in range(30):
        await office.conclude(await office.copy(), _to("omar"))
    await office.conclude(await office.copy("jan"), _to("omar"))
    assert await office.told() == ["Given to the next in line: mail for jan@mail.example.com"]
    office.now += timedelta(minutes=59)
    assert await office.told() == []
    office.now += timedelta(minutes=1)
    assert await office.told() == [f"Given to the next in line: mail for {EWA} (30 copies)"]
    assert b"And 10 more copies" in office.sent[0][1]
    assert await office.told() == []


async def test_a_late_copy_is_told_once(office: Office) -> None:
    """However often it is deferred; and not at all where it has gone out before anybody was told."""
    first, second = await office.copy(), await office.copy()
    for copy in (first, second):
        await office.conclude(copy, RetryAt(NOW, "450 busy", late="smtp:mail.example.com:25"))
    await office.conclude(second, Done("250 ok"))
    assert await office.told() == ["Late: mail for smtp:mail.example.com:25 still waits"]
    for _ in range(3):
        office.now += timedelta(hours=2)
        await office.conclude(first, RetryAt(NOW, "450 busy", late="smtp:mail.example.com:25"))
        await office.store.sweep(office.now, Retention(timedelta(days=7), timedelta(days=730), timedelta(0)))
        assert await office.told() == []


async def test_no_notice_about_a_notice(office: Office) -> None:
    """When the postmaster's own mailbox refuses it, it goes down the line, and nobody writes of that."""
    await office.conclude(await office.copy(), Hold("554 5.6.0 bad"))
    await office.told()
    notice, _ = office.sent[0]
    await office.conclude(notice, _to("omar"))
    office.now += timedelta(hours=2)
    assert await office.told() == []


async def test_who_it_is_about_does_not_get_it(office: Office) -> None:
    """It would wait behind what it tells of."""
    await office.conclude(await office.copy("jan"), _to("omar"))
    await office.told()
    assert [copy.member for copy, _ in office.sent] == ["omar"]


async def test_it_comes_into_no_inbox_of_ours(office: Office) -> None:
    """A mailbox that forwards to us brings it back: a loop, at once."""
    await office.conclude(await office.copy(), Hold("554 5.6.0 bad"))
    await office.told()
    copy, raw = office.sent[0]
    out = annotate(raw, copy.annotation, copy.id, may_add_priority=True)
    view = MessageView(out.head + raw[out.body_start :])
    envelope = Envelope("", (Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT),))
    passed = passed_inboxes(view, office.store.keys(TRACE), [SUPPORT], envelope)
    assert loops(view, envelope, passed)


async def test_after_a_crash_it_is_told_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be told is in the store with the conclusion; told is what was committed with the notice."""
    await office.conclude(await office.copy(), Hold("554 5.6.0 bad"))

    async def fail(*_: object) -> None:
        raise StoreError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(office.store, "commit", fail)
        with pytest.raises(StoreError):
            await office.notifier.tell()
    await office.store.close()
    office.open()
    assert await office.told() == [f"Held: mail for {EWA}"]
    await office.store.close()
    office.open()
    office.now += timedelta(hours=2)
    assert await office.told() == []


async def test_a_copy_that_is_held_again_is_told_again(office: Office) -> None:
    copy = await office.copy()
    for _ in range(2):
        await office.conclude(copy, Hold("554 5.7.1 spam"))
        assert await office.told() == [f"Held: mail for {EWA}"]
        office.now += timedelta(hours=1)
        [copy] = await office.store.change_copies([copy.number], CopyState.QUEUED, "", office.now)


async def test_a_clock_that_was_ahead_does_not_silence_it(office: Office) -> None:
    office.now = NOW + timedelta(days=400)
    await office.conclude(await office.copy(), Hold("554 5.6.0 bad"))
    await office.told()
    office.now = NOW
    await office.conclude(await office.copy(), Hold("554 5.6.0 bad"))
    assert await office.told() == [f"Held: mail for {EWA}"]


async def test_what_cannot_be_written_keeps_no_other_untold(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own in one notice is an error in the log, and counted; the next is written all the same."""
    for member in ("ewa", "jan"):
        await office.conclude(await office.copy(member), Hold("554 5.6.0 bad"))
    whole = notifier.compose_notice

    def fail_for_ewa(notice: Notice) -> bytes:
        if notice.about == EWA:
            raise ValueError("a fault")
        return whole(notice)

    monkeypatch.setattr(notifier, "compose_notice", fail_for_ewa)
    assert await office.told() == ["Held: mail for jan@mail.example.com"]
    assert await office.told() == []
    assert office.metrics.notices.labels("nobody_to_tell")._value.get() == 1


async def test_nobody_left_to_tell_is_counted(office: Office) -> None:
    """The postmaster's only mailbox refuses mail: the queue and the log have it."""
    office.bureau = Bureau(ALONE, Roster(ALONE), Routes(ALONE), Signers())
    await office.conclude(await office.copy("jan"), Hold("550 5.1.1 unknown"))
    assert await office.told() == []
    assert office.metrics.notices.labels("nobody_to_tell")._value.get() == 1


async def test_notices_are_signed(office: Office) -> None:
    """By the keys of the domain that they come from, or of the one above it; what is stored is what is signed."""
    key = parse_private_key(new_private_key(KeyKind.ED25519))
    signers = Signers([Signer("example.com", "s1", key), Signer("example.com", "s2", key), Signer("x.test", "s", key)])
    office.bureau = replace(office.bureau, signers=signers)
    copy = await office.copy()
    await office.conclude(copy, _to("omar"))
    await office.told()
    raw = office.sent[0][1]
    assert [field.name_lower for field in HeaderBlock.scan(raw).fields[:3]] == ["dkim-signature"] * 2 + ["from"]
    unsigned = raw[raw.index(b"From: ") :]
    assert raw == sign_by_all(unsigned, signers.of("example.com"), NOW)
    assert await office.store.content(office.sent[0][0]) == raw
