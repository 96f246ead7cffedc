"""What will be done with one message: made from its decisions on the state as it is, committed as one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Protocol

from routerd.desk.changes import (
    Absence,
    Answered,
    Authored,
    Back,
    Held,
    HeldEnded,
    HeldForApproval,
    HeldId,
    NewHeld,
    Part,
    PlannedCopy,
    Resent,
    Timer,
)
from routerd.message.annotation import Annotation
from routerd.message.envelope import QueueId, Raw
from routerd.message.light import light
from routerd.rules.decision import Priority

ConversationId = NewType("ConversationId", int)


class Voice(StrEnum):
    """What a message is to its conversation."""

    CUSTOMER = "customer"  # waits for an answer
    MEMBER = "member"  # answers somebody outside
    ASIDE = "aside"  # of a machine, or of colleagues among themselves: nobody waits


@light
@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a message, as far as a plan depends on it."""

    voice: Voice = Voice.CUSTOMER
    customer: str | None = None  # the address that conversations are looked up by, in lower case
    outside: tuple[tuple[str, str], ...] = ()  # whom an answer to it goes to: names and addresses, none of ours
    subject: str = ""  # of what begins a conversation, without prefixes
    member: str | None = None  # of ours, proven, and no machine of his


SOMEBODY = Author()  # of whom nothing is known


class ConversationState(StrEnum):
    OPEN = "open"  # somebody waits for an answer, or it was opened by hand
    ANSWERED = "answered"
    SNOOZED = "snoozed"  # until a moment, or the next message of the customer
    CLOSED = "closed"


@light
@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation stands after its latest message."""

    labels: tuple[str, ...] = ()  # of all its messages
    messages: int = 1
    state: ConversationState = ConversationState.OPEN
    waiting_since: datetime | None = None  # the first message that nobody has answered
    respond_by: datetime | None = None  # the earliest that was promised and is open
    also: tuple[tuple[str, str], ...] = ()  # other inboxes, and the member who watches for each
    watchers: tuple[str, ...] = ()  # members who get all that comes
    snoozed_until: datetime | None = None
    answers: int = 0  # that went out
    answered_at: datetime | None = None  # the latest
    overdue: bool = False  # what was promised has passed without an answer
    subject: str = ""  # of its first message, without prefixes
    outside: tuple[tuple[str, str], ...] = ()  # whom an answer goes to: names and addresses, the customer's first
    approve: tuple[str, ...] = ()  # members and teams one of whom must say #send before an answer goes out
    priority: Priority | None = None  # set by hand: it goes before what rules give
    remind_at: datetime | None = None  # when the owner is told that time runs out; None: nothing is promised, or he was
    escalated: int = 0  # steps of the inbox's `escalate` that were taken

    @property
    def named_outside(self) -> tuple[str, ...]:
        """Whom an answer goes to, as people read it."""
        return tuple(f"{name} <{address}>" if name else address for name, address in self.outside)


@light
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
    parts: frozenset[Part] = frozenset()  # what it was, each time that it came
    rows: frozenset[int] = frozenset()  # of each time


@dataclass(frozen=True, slots=True)
class Seen:
    """The copy whose token a member's mail came to: what he had before his eyes when he wrote."""

    message: int  # the store's row
    member: str  # whose copy it was
    at: datetime  # when that message came
    held: HeldId | None = None  # the held answer or draft that it showed


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer that went out in this conversation."""

    message: int  # the store's row
    member: str
    at: datetime  # when it went out
    after: int  # the largest row of all when it went out: who has seen a larger one wrote after it


@dataclass(frozen=True, slots=True)
class Past:
    """One earlier message of the conversation."""

    message: int  # the store's row
    queue_id: QueueId
    part: Part
    member: str | None  # who wrote it, of ours
    at: datetime
    message_id: str | None
    has_bytes: bool  # they are kept still
    members: tuple[str, ...] = ()  # who has a copy of it


@dataclass(frozen=True, slots=True)
class Went:
    """How it went for some time."""

    received: int  # customers' messages
    answered: int  # answers that went out
    first_response: tuple[timedelta, timedelta] | None  # the median, and what 90 % did not exceed; in working hours


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the conversation's past."""

    at: datetime
    kind: str
    data: Mapping[str, object]


class DeskState(Protocol):
    """The state inside the writer's transaction, as far as it takes to say who owns a message."""

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


class FullDeskState(DeskState, Protocol):
    """All of it, for what is said to the desk itself, and for what happens without a message."""

    @property
    def seen(self) -> Seen | None:
        """By the token of the message's recipient; None without one, or where that copy is forgotten."""

    def sent(self) -> tuple[Sent, ...]:
        """The answers of the conversation, in the order in which they went out; the latest hundred."""

    def held(self) -> tuple[Held, ...]:
        """What waits for #send in the conversation, oldest first."""

    def past(self, limit: int) -> tuple[Past, ...]:
        """The latest messages of the conversation, oldest first."""

    def happened(self, limit: int) -> tuple[Happened, ...]:
        """The latest events of the conversation and its messages, oldest first."""

    def content(self, message: int) -> Raw | None:
        """A message's bytes as received or authored; None where they are not kept any more."""

    def annotation(self, message: int) -> Annotation | None:
        """What a message's copies bear but for those with an own one; None where it is forgotten."""

    def absences(self) -> tuple[Absence, ...]:
        """Those that are not in the config, of all members, whether over or not."""

    def open_conversations(
        self, *, owner: str | None = None, inbox: str | None = None, limit: int = 200
    ) -> tuple[Conversation, ...]:
        """Those that are OPEN, of one owner or inbox: those for an answer to which somebody waits first, the longest
        waiting first of all."""

    def waiting_for_a_word(self, limit: int = 1_000) -> tuple[tuple[Conversation, Held], ...]:
        """What waits for #send, in all conversations, oldest first."""

    def went(self, since: datetime, until: datetime, *, team: str | None = None, member: str | None = None) -> Went:
        """Between the two moments, with all of a team or one member."""

    def replies(
        self, since: datetime, *, address: str | None = None, template: str | None = None, inbox: str | None = None
    ) -> int:
        """Automatic replies since then: all, or those to one address, of one template, of one inbox.

        Addresses that differ in what stands behind a + are one: some senders have another one for each mail.
        """


@light
@dataclass(frozen=True, slots=True)
class Event:
    """One line of a message's history: a past participle and what belongs to it (JSON values)."""

    kind: str
    data: dict[str, object] = field(default_factory=dict)


@light
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
    joins: ConversationId | None = None  # None: a new conversation, or where `part` is NEVER_FIRST, none at all
    twin: Twin | None = None  # joins a message that is already here
    events: tuple[Event, ...] = ()
    customer: str | None = None  # of a new conversation
    standing: Standing = Standing()
    part: Part = Part.CUSTOMER  # of the message itself
    member: str | None = None  # who wrote it, of ours
    authored: tuple[Authored, ...] = ()
    resent: tuple[Resent, ...] = ()
    sent: bool = False  # the message, an ANSWER, goes out to somebody with this plan
    timers: tuple[Timer, ...] | None = None  # all of the conversation from now on; None: they stay as they are
    new_held: NewHeld | None = None
    held_ended: tuple[HeldEnded, ...] = ()
    held_for_approval: tuple[HeldForApproval, ...] = ()
    absences: tuple[Absence | Back, ...] = ()
    hands_over: tuple[str, ...] = ()  # members whose open conversations go to somebody else, each by a timer of its own
    answered: Answered | None = None
    reply_withheld: str = ""  # why an automatic reply that a rule wanted does not go out
