"""A desk whose members answer: a router with a real store, and what its copies look like on their way out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from whole_router import whole_router

from routerd.auth.signers import NO_SIGNERS, Signers
from routerd.config.settings import Settings
from routerd.delivery.aftermath.bounces import Bounces
from routerd.delivery.aftermath.notifier import Bureau, Notifier
from routerd.delivery.aftermath.probes import Probes
from routerd.delivery.desk_addresses import DeskAddresses
from routerd.delivery.letter import ReturnPaths, content_of
from routerd.delivery.routes import Routes
from routerd.desk.changes import Role
from routerd.desk.matter import House
from routerd.desk.roster import Roster
from routerd.intake.queue_ids import QueueIds
from routerd.intake.recipients import Directory
from routerd.message.address import parse_address
from routerd.message.envelope import Client, Envelope, Protocol, QueueId, Received, Recipient, Verdict
from routerd.message.token import BOUNCE
from routerd.ops.metrics import Metrics
from routerd.rules.compile import compile_ruleset
from routerd.settling import Live
from routerd.store.base import Conclusion, Copy
from routerd.store.marks import InHand
from routerd.store.sqlite import open_store
from routerd.undelivered import UndeliveredAnswers

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
SUPPORT = "support@example.com"
ANNA = "anna@klient.pl"


def settings(**changes: object) -> Settings:
    values: dict[str, object] = {
        "hostname": "mx1.example.com",
        "postmaster": "jan",
        "members": {
            "jan": {"name": "Jan Wójcik", "mailbox": "jan@team.example"},
            "ewa": {"name": "Ewa Nowak", "mailbox": "ewa@team.example"},
            "omar": {"mailbox": "omar@team.example"},
        },
        "inboxes": {SUPPORT: {"default": "ewa"}, "billing@example.com": {"default": "omar"}},
        "delivery": [
            {"domain": "team.example", "maildir": "/var/mail/{local}", "trusts_us": True},
            {"domain": "*", "mx": True},
        ],
        "limits_of_rules": [{"files": "*", "actions": ["all"]}],
        "listen": [{"systemd": "listener"}],
    }
    return Settings.model_validate({**values, **changes})


@dataclass(frozen=True)
class Out:
    """A copy as it leaves."""

    copy: Copy
    sender: str  # MAIL FROM
    raw: bytes

    @property
    def mail(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)  # type: ignore[return-value]

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    def address(self, field: str) -> str:
        """The bare address in a field, also where it is a mailto URL."""
        value = str(self.mail[field])
        return value.rpartition("<")[2].rstrip(">").removeprefix("mailto:")


class AnswerDesk:
    """`rules`: of one file."""

    def __init__(self, folder: Path, rules: str = "", signers: Signers = NO_SIGNERS, **changes: object) -> None:
        self.settings = settings(**changes)
        self.metrics = Metrics()
        self.store = open_store(folder)
        self.now = NOW
        self.signers = signers
        self._key = self.store.keys(BOUNCE)
        ruleset = compile_ruleset({"10.yaml": rules.encode()} if rules else {}, self.settings).ruleset
        assert ruleset is not None
        self.live = Live(self.settings, Roster(self.settings), ruleset, Routes(self.settings))
        self._given: list[Copy] = []
        self._count = 0
        new_id = QueueIds(bytes).make
        probes = Probes(lambda: self.settings, self._key, bytes, lambda: self.now)
        self.bounces = Bounces(self.store, lambda copy, reason, tried: None, self.metrics, self, probes)
        hands = InHand(folder / "in-hand")
        self.router = whole_router(
            self.live, self.store, hands, self._take, self.bounces, self._bureau, self.metrics, new_id
        )

        def house(live: Live) -> House:
            return House(live.settings, live.roster, lambda names: names[0], new_id)

        answers = UndeliveredAnswers(self.store, lambda: self.live, house, self._take)
        self.notifier = Notifier(
            self.store, self._bureau, lambda _: self._id(), self._take, self.metrics, lambda: self.now, answers.tell
        )

    async def close(self) -> None:
        await self.store.close()

    # What comes in.

    async def customer(self, text: str = "Where is it?", *, to: str = SUPPORT, **fields: str) -> tuple[Verdict, ...]:
        """A mail of Anna's, or of who stands in `From`."""
        header = {
            "From": f"Anna Klient <{ANNA}>",
            "To": to,
            "Subject": "Parcel",
            "Message-ID": f"<{self._id()}@klient>",
        }
        return await self.send(header | _named(fields), text, (to,))

    async def member(
        self, name: str, to: str | Sequence[str], text: str = "Here it is.", **fields: str
    ) -> tuple[Verdict, ...]:
        """A mail that a member who has logged in sends."""
        recipients = (to,) if isinstance(to, str) else tuple(to)
        header = {
            "From": f"{name} <{name}@team.example>",
            "To": ", ".join(recipients),
            "Subject": "Re: Parcel",
            "Message-ID": f"<{self._id()}@team>",
        }
        return await self.send(header | _named(fields), text, recipients, member=name)

    async def send(
        self, header: dict[str, str], text: str, to: Sequence[str], *, member: str | None = None, sender: str = ""
    ) -> tuple[Verdict, ...]:
        lines = [f"{name}: {value}" for name, value in header.items() if value]
        raw = "\r\n".join((*lines, "", text.replace("\n", "\r\n"), "")).encode()
        author = header["From"].rpartition("<")[2].rstrip(">")
        return await self.raw(raw, to, member=member, sender=sender or author)

    async def raw(
        self, raw: bytes, to: Sequence[str], *, member: str | None = None, sender: str = ANNA, trusted: bool = False
    ) -> tuple[Verdict, ...]:
        """`trusted`: by a hop whose results are believed."""
        return await self.router.accept(self.received(raw, to, member=member, sender=sender, trusted=trusted))

    def received(
        self, raw: bytes, to: Sequence[str], *, member: str | None = None, sender: str = ANNA, trusted: bool = False
    ) -> Received:
        directory = Directory(self.settings, self._key)
        found = [directory.look_up(parse_address(one), self.now) for one in to]
        recipients = tuple(one for one in found if isinstance(one, Recipient))
        assert len(recipients) == len(to), found
        client = Client("192.0.2.1", 1, "client", Protocol.SMTP, "listener", trusted=trusted, member=member)
        return Received(self._id(), Envelope(sender, recipients), client, raw, self.now)

    # What goes out.

    async def out(self) -> list[Out]:
        """What was handed to delivery since it was asked last."""
        given, self._given = self._given, []
        return [await self._left(copy) for copy in given]

    async def outside(self) -> list[Out]:
        """Of that, what goes to nobody of ours; the rest is forgotten."""
        return [one for one in await self.out() if one.copy.role in (Role.ANSWER, Role.FORWARD)]

    async def of(self, member: str) -> Out:
        """Of that, the only one for a member; the rest is forgotten."""
        [found] = [one for one in await self.out() if one.copy.member == member]
        return found

    async def conclude(self, copy: Copy, conclusion: Conclusion) -> None:
        await self.store.conclude(copy, conclusion, self.now)
        await self.notifier.tell()

    def pass_by(self, time: timedelta) -> None:
        self.now += time

    async def _left(self, copy: Copy) -> Out:
        route = self.live.routes.route_for(copy.mailbox)
        trusts_us = route is not None and route.trusts_us
        fields = DeskAddresses(self.settings, self._key).fields_of(copy, trusts_us=trusts_us)
        raw = await self.store.content(copy)
        content, fault = content_of(copy, raw, trusts_us=trusts_us, desk=fields, signers=self.signers)
        assert fault is None
        paths = ReturnPaths(self.settings.return_path, self.settings.addresses, self._key)
        return Out(copy, paths.of(copy, self.now), b"".join(content.pieces()))

    def _take(self, copies: Sequence[Copy], _raw: object) -> None:
        self._given.extend(copies)

    def offer(self, copies: Sequence[Copy]) -> None:
        self._given.extend(copies)

    def forget(self, numbers: Collection[int]) -> None:
        pass

    def _bureau(self) -> Bureau:
        return Bureau(self.settings, self.live.roster, self.live.routes, self.signers)

    def _id(self) -> QueueId:
        self._count += 1
        return QueueId(f"01J{self._count:023}")


def _named(fields: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in fields.items()}
