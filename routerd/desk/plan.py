"""What will be done with one message: made from its decisions on the state as it is, committed as one."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType, Protocol

from routerd.rules.decision import Priority

ConversationId = NewType("ConversationId", int)


class Role(StrEnum):
    """In what part a member gets a copy."""

    OWNER = "owner"
    WATCHER = "watcher"
    TEAMMATE = "teammate"  # an inbox with `copies: team`


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is known of the conversation that a message belongs to."""

    id: ConversationId
    inbox: str
    owner: str  # member
    team: str | None
    version: int  # moves with every change


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


@dataclass(frozen=True, slots=True)
class PlannedCopy:
    member: str
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
    also: tuple[tuple[str, str], ...] = ()  # other inboxes and the member their rules named
    copies: tuple[PlannedCopy, ...] = ()
    turns: tuple[tuple[str, str], ...] = ()  # (team, member): rotations to move on
    joins: ConversationId | None = None  # None: a new conversation
    twin: Twin | None = None  # joins a message that is already here
    events: tuple[Event, ...] = ()
