"""A house, and a state given by hand, for what is said to the desk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from routerd.config.settings import Settings
from routerd.desk.changes import Absence, Held
from routerd.desk.hearing import speaking_as, spoken_in
from routerd.desk.matter import House, Matter
from routerd.desk.plan import Conversation, ConversationId, Happened, Past, Seen, Sent, Standing, Twin, Went
from routerd.desk.roster import Roster
from routerd.desk.said import Kind, Said
from routerd.message.address import parse_address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Received, Recipient
from routerd.message.view import MessageView
from routerd.rules.decision import Decision

NOW = datetime(2026, 12, 24, 12, tzinfo=UTC)  # a Thursday
SUPPORT = "support@example.com"
ANNA = ("Anna Klient", "anna@klient.pl")
STANDING = Standing(waiting_since=NOW - timedelta(hours=2), outside=(ANNA,), subject="Skarga na fakturę")
KNOWN = Conversation(ConversationId(7), SUPPORT, "ewa", "finance", 3, STANDING)


@dataclass
class FullState:
    """A FullDeskState."""

    conversation: Conversation | None = KNOWN
    twin: Twin | None = None
    seen: Seen | None = None
    answers: tuple[Sent, ...] = ()
    waiting: tuple[Held, ...] = ()
    messages: tuple[Past, ...] = ()
    contents: Mapping[int, bytes] = field(default_factory=dict)
    events: tuple[Happened, ...] = ()
    away: tuple[Absence, ...] = ()
    turns: Mapping[str, str] = field(default_factory=dict)
    customers: Mapping[str, str] = field(default_factory=dict)

    def last_turn(self, team: str) -> str | None:
        return self.turns.get(team)

    def load(self, member: str) -> int:
        return len(member)

    def last_owner(self, customer: str) -> str | None:
        return self.customers.get(customer)

    def sent(self) -> tuple[Sent, ...]:
        return self.answers

    def held(self) -> tuple[Held, ...]:
        return self.waiting

    def past(self, limit: int) -> tuple[Past, ...]:
        return self.messages[-limit:]

    def happened(self, limit: int) -> tuple[Happened, ...]:
        return self.events[-limit:]

    def open_conversations(
        self, *, owner: str | None = None, inbox: str | None = None, limit: int = 200
    ) -> tuple[Conversation, ...]:
        del owner, inbox, limit
        return ()

    def waiting_for_a_word(self, limit: int = 1_000) -> tuple[tuple[Conversation, Held], ...]:
        del limit
        return tuple((self.conversation, held) for held in self.waiting if self.conversation is not None)

    def content(self, message: int) -> bytes | None:
        return self.contents.get(message)

    def annotation(self, message: int) -> Annotation | None:
        return Annotation(f"Q{message}", SUPPORT, "", "") if message in self.contents else None

    def absences(self) -> tuple[Absence, ...]:
        return self.away

    def went(self, since: datetime, until: datetime, *, team: str | None = None, member: str | None = None) -> Went:
        del since, until, team, member
        return Went(0, 0, None)

    def replies(
        self, since: datetime, *, address: str | None = None, template: str | None = None, inbox: str | None = None
    ) -> int:
        del since, address, template, inbox
        return 0


def settings(**changes: object) -> Settings:
    values: dict[str, object] = {
        "hostname": "mx1.example.com",
        "postmaster": "duty",
        "members": {
            "ewa": {"name": "Ewa Nowak", "mailbox": "ewa@example.com", "addresses": ["ewa.nowak@example.com"]},
            "jan": {"name": "Jan Wójcik", "mailbox": "jan@example.com"},
            "omar": {"name": "عمر", "mailbox": "omar@far.example"},
            "adam": {"mailbox": "adam@example.com"},
        },
        "teams": {
            "finance": {"members": ["ewa", "jan", "omar"], "pick": "round_robin", "fallback": "duty"},
            "duty": {"members": ["adam"], "pick": "first"},
        },
        "inboxes": {
            SUPPORT: {"default": "duty", "aliases": ["help@example.com"]},
            "billing@example.com": {"default": "finance"},
        },
        "delivery": [{"domain": "*", "maildir": "/var/mail/{local}"}],
    }
    values.update(changes)
    return Settings.model_validate(values)


def house(**changes: object) -> House:
    made = settings(**changes)
    numbers = iter(range(1, 1_000_000))
    return House(made, Roster(made), lambda names: names[-1], lambda _: QueueId(f"{next(numbers):026d}"))


CLIENT = Client("192.0.2.1", 40000, "client.example", Protocol.SMTP, "127.0.0.1:25", member="jan")


def mail(text: str, sender: str = "jan@example.com", **fields: str) -> bytes:
    """A member's mail as his client writes it; `fields` by their names with _ for -."""
    header = {"From": sender, "To": "support+note@example.com", "Subject": "Re: Skarga", "Message-ID": "<n1@jan>"}
    header |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"{name}: {value}" for name, value in header.items()]
    body = text.replace("\n", "\r\n")
    return "\r\n".join((*lines, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "", body)).encode()


def matter(kind: Kind, raw: bytes, told: House, member: str = "jan", at: datetime = NOW) -> Matter:
    """What a member's mail to a note or draft address comes to before the transaction."""
    view = MessageView(raw)
    address = parse_address("support+note@example.com")
    purpose = Purpose.NOTE if kind is Kind.NOTE else Purpose.DRAFT
    envelope = Envelope(f"{member}@example.com", (Recipient(address, purpose, SUPPORT),))
    said = Said(kind, member, spoken_in(view, speaking_as(member, told.roster, at)))
    received = Received(QueueId("Q".ljust(26, "0")), envelope, CLIENT, raw, at)
    return Matter(received, (Decision(SUPPORT),), said=said, message_id=view.message_id, subject=view.subject)


def text_of(raw: bytes) -> str:
    """What a mail that routerd wrote says."""
    return MessageView(raw).whole_text
