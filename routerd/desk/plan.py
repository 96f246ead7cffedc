"""What will be done with one message: made from its decisions on the state as it is, committed as one."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol

from routerd.rules.decision import Priority

ConversationId = NewType("ConversationId", int)


class Role(StrEnum):
    """In what part somebody gets a copy."""

    OWNER = "owner"
    WATCHER = "watcher"
    TEAMMATE = "teammate"  # an inbox with `copies: team`
    FORWARD = "forward"  # nobody of ours: a rule's address outside


class Voice(StrEnum):
    """What a message is to its conversation."""

    CUSTOMER = "customer"  # waits for an answer
    MEMBER = "member"  # answers somebody outside
    ASIDE = "aside"  # of a machine, or of colleagues among themselves: nobody waits


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a message, as far as a plan depends on it."""

    voice: Voice = Voice.CUSTOMER
    customer: str | None = None  # the address that conversations are looked up by, in lower case


SOMEBODY = Author()  # of whom nothing is known


class ConversationState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation stands after its latest message."""

    labels: tuple[str, ...] = ()  # of all its messages
    messages: int = 1
    state: ConversationState = ConversationState.OPEN
    waiting_since: datetime | None = None  # the first message that nobody has answered
    respond_by: datetime | None = None  # the earliest that was promised and is open
    also: tuple[tuple[str, str], ...] = ()  # other inboxes, and the member who watches for each


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is known of the conversation that a message belongs to."""

    id: ConversationId
    inbox: str
    owner: str  # member
    team: str | None
    version: int  # moves with every change
    standing: Standing = Standing()


@dataclass(frozen=True, slots=True)
class Twin:
    """An earlier message of the same Message-ID and content."""

    message: int  # the store's row
    queue_id: str
    inboxes: tuple[str, ...]
    members: tuple[str, ...]  # who has a copy of it


class DeskState(Protocol):
    """The state inside the writer's transaction, as far as a plan depends on it."""

    @property
    def conversation(self) -> Conversation | None: ...

    @property
    def twin(self) -> Twin | None: ...

    def last_turn(self, team: str) -> str | None:
        """The member who had the team's last turn in its rotation."""

    def load(self, member: str) -> int:
        """Messages assigned to the member in the last 24 hours."""

    def last_owner(self, customer: str) -> str | None:
        """The member who owns the latest conversation with `customer` (an address in lower case)."""


@dataclass(frozen=True, slots=True)
class PlannedCopy:
    member: str  # of a FORWARD its address
    role: Role
    held: str | None = None  # the reason: it waits for the postmaster's hand


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a message's history: a past participle and what belongs to it (JSON values)."""

    kind: str
    data: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    inbox: str  # where the conversation lives
    owner: str  # member
    team: str | None  # the team that was picked from
    why: str  # of the owner: "owner by finance/round_robin"
    labels: tuple[str, ...] = ()
    priority: Priority | None = None
    respond_by: datetime | None = None
    headers: tuple[tuple[str, str], ...] = ()  # that rules give
    also: tuple[tuple[str, str], ...] = ()  # other inboxes and the member their rules named
    copies: tuple[PlannedCopy, ...] = ()
    turns: tuple[tuple[str, str], ...] = ()  # (team, member): rotations to move on
    joins: ConversationId | None = None  # None: a new conversation
    twin: Twin | None = None  # joins a message that is already here
    events: tuple[Event, ...] = ()
    customer: str | None = None  # of a new conversation
    standing: Standing = Standing()
