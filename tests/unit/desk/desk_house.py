"""A house, and a state given by hand, for what is said to the desk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from routerd.config.settings import Settings
from routerd.desk.changes import Absence, Held
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, ConversationId, Past, Seen, Sent, Standing, Twin
from routerd.desk.roster import Roster
from routerd.message.annotate import Annotation
from routerd.message.envelope import QueueId

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

    def content(self, message: int) -> bytes | None:
        return self.contents.get(message)

    def annotation(self, message: int) -> Annotation | None:
        return Annotation(f"Q{message}", SUPPORT, "", "") if message in self.contents else None

    def absences(self) -> tuple[Absence, ...]:
        return self.away

    def replies(self, since: datetime, *, address: str | None = None, template: str | None = None) -> int:
        del since, address, template
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
