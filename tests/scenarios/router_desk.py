"""A router with a real store, whose copies nobody delivers."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from whole_router import whole_router

from routerd.auth.signers import Signers
from routerd.config.settings import Settings
from routerd.delivery.aftermath.bounces import Bounces
from routerd.delivery.aftermath.notifier import Bureau
from routerd.delivery.aftermath.probes import Probes
from routerd.delivery.routes import Routes
from routerd.desk.roster import Roster
from routerd.intake.queue_ids import QueueIds
from routerd.message.address import parse_address
from routerd.message.envelope import (
    Client,
    ClientFindings,
    Envelope,
    Protocol,
    Purpose,
    QueueId,
    Received,
    Recipient,
    Verdict,
)
from routerd.message.token import BOUNCE
from routerd.ops.metrics import Metrics
from routerd.rules.compile import compile_ruleset
from routerd.settling import Live
from routerd.store.base import Copy
from routerd.store.marks import InHand
from routerd.store.sqlite import SqliteStore, open_store

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
SUPPORT, BILLING = "support@example.com", "billing@example.com"
SETTINGS = Settings.model_validate(
    {
        "hostname": "mx1.example.com",
        "postmaster": "jan",
        "members": {
            "jan": {"mailbox": "jan@mail.example.com"},
            "ewa": {"mailbox": "ewa@mail.example.com"},
            "omar": {"mailbox": "omar@mail.example.com"},
        },
        "inboxes": {SUPPORT: {"default": "jan"}, BILLING: {"default": "ewa"}},
        "delivery": [{"domain": "*", "maildir": "/var/mail/{local}"}],
        "limits_of_rules": [{"files": "*", "actions": ["all"]}],
        "listen": [{"systemd": "listener"}, {"systemd": "through", "reject_through": True}],
    }
)
HOLDING = "rules:\n  - {name: look first, when: {subject: parcel}, then: {hold: look first}}\n"
REJECTING = "inbox: billing@example.com\nrules:\n  - {name: no, when: {subject: parcel}, then: {reject: no thanks}}\n"
ONE = "Message-ID: <1@klient.pl>\r\n"


class Desk:
    """A router whose copies nobody delivers."""

    def __init__(self, folder: Path, settings: Settings = SETTINGS) -> None:
        self._settings = settings
        self.live = self._live("")
        self.metrics = Metrics()
        self.store: SqliteStore = open_store(folder)
        self.hands = InHand(folder / "in-hand")
        self.copies: list[Copy] = []
        probes = Probes(lambda: settings, self.store.keys(BOUNCE), bytes, lambda: NOW)
        bounces = Bounces(self.store, lambda copy, reason, tried: None, self.metrics, self, probes)
        new_id = QueueIds(bytes).make
        self._router = whole_router(
            self.live, self.store, self.hands, self._take, bounces, self._bureau, self.metrics, new_id
        )
        self._count = 0

    def _bureau(self) -> Bureau:
        return Bureau(self._settings, Roster(self._settings), Routes(self._settings), Signers())

    def use(self, rules: str) -> None:
        self.live = self._live(rules)
        self._router.adopt(self.live)

    async def send(
        self,
        *inboxes: str,
        header: str = "",
        at: datetime = NOW,
        protocol: Protocol = Protocol.SMTP,
        findings: ClientFindings = ClientFindings(),  # noqa: B008 - frozen
        **more: str,
    ) -> tuple[Verdict, ...]:
        self._count += 1
        listener = more.get("listener", "listener")
        trusted = bool(more.get("trusted"))
        client = Client("192.0.2.1", 1, "client", protocol, listener, trusted=trusted, findings=findings)
        recipients = tuple(Recipient(parse_address(one), Purpose.INBOX, one) for one in inboxes)
        raw = f"From: {more.get('author', 'anna@klient.pl')}\r\nSubject: parcel\r\n{header}\r\nbody\r\n".encode()
        envelope = Envelope(more.get("sender", "anna@klient.pl"), recipients)
        return await self.accept(Received(QueueId(f"01J{self._count:023}"), envelope, client, raw, at))

    async def accept(self, received: Received) -> tuple[Verdict, ...]:
        return await self._router.accept(received)

    def _take(self, copies: object, _raw: object) -> None:
        self.copies.extend(copies)  # type: ignore[arg-type]

    def offer(self, copies: Sequence[Copy]) -> None:
        self.copies.extend(copies)

    def forget(self, numbers: Collection[int]) -> None:
        pass

    def _live(self, rules: str) -> Live:
        settings = self._settings
        ruleset = compile_ruleset({"10.yaml": rules.encode()} if rules else {}, settings).ruleset
        assert ruleset is not None
        return Live(settings, Roster(settings), ruleset, Routes(settings))
