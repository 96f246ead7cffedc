"""What the rest of routerd and the store tell each other: values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from routerd.desk.changes import Authored, Role, Timer
from routerd.desk.plan import Conversation, ConversationId, FullDeskState, Plan
from routerd.message.annotation import Annotation
from routerd.message.envelope import CopyId, QueueId, Received
from routerd.message.light import light
from routerd.rules.decision import Decision


class StoreError(Exception):
    """The store could not do it; nothing of it took effect. The client keeps the message (451)."""

    mend = ""  # what the postmaster may do about it, as an end of the sentence


class StoreFullError(StoreError):
    """No room: ENOSPC, EDQUOT, SQLITE_FULL (452 4.3.1)."""


class StoreLockedError(StoreError):
    """Another daemon has this state."""


class StoreDamagedError(StoreError):
    """The database is not as it was written. Nothing is written to it any more; what can be read may be exported."""

    mend = "; 'routerd queue export all --to FOLDER' writes what can still be read"


class StoreUnsyncedError(StoreError):
    """What was written could not be made durable, and may not be tried again: only a restart mends it."""


class StoreMissingError(StoreError):
    """There is no state in that folder."""


class StoreVersionError(StoreError):
    """The state was written by a newer routerd."""


class StaleError(Exception):
    """The conversation moved since it was recalled: decide again. Nothing was written."""


class PlanFailedError(Exception):
    """`settle` raised (its exception is the cause). Nothing was written."""


class CopyState(StrEnum):
    QUEUED = "queued"
    HELD = "held"
    DELIVERED = "delivered"
    REROUTED = "rerouted"  # another copy took its place
    FAILED = "failed"  # a watcher's or teammate's copy that was refused
    DROPPED = "dropped"  # by the postmaster's hand


@light
@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """By what a message is tied to others."""

    message_id: str | None  # without its brackets
    references: tuple[str, ...] = ()  # References and In-Reply-To, newest last, at most 50
    participants: tuple[str, ...] = ()  # the addresses of From, Reply-To, To and Cc, in lower case
    author: str | None = None  # of From, in lower case
    content_hash: bytes = b""  # of the body and the headers that a resending does not change
    vouched: bool = False  # the author is a member, and proven to be: he needs no part in the conversation
    by_bytes: bool = False  # it could not be looked into: the same bytes in the same envelope are the same message
    copy: int | None = None  # that the token of a recipient names: its conversation goes before all references


@dataclass(frozen=True, slots=True)
class Known:
    """What step 4 recalled."""

    conversation: Conversation | None = None
    suspect: bool = False  # names a conversation in which its author has no part


@light
@dataclass(frozen=True, slots=True)
class NewCopy:
    """A copy to be: for whom, where to, and how it differs from the message's annotation (None: it does not)."""

    member: str
    mailbox: str
    destination: str  # the key of its route, by which delivery groups
    role: Role
    annotation: Annotation | None = None
    held: str | None = None  # the reason: it is written as held


NOBODY_LEFT = " (nobody is left to take it)"  # how the reason of such a copy ends

Line = Callable[["Copy", str, frozenset[str]], NewCopy | None]
"""Given a refused copy, why, and the members tried already: the copy that takes its place, or None (nobody is left)."""

StandIn = Callable[["Copy"], NewCopy | None]
"""Given a held copy that is to be released: the one that goes out in its place, or None."""


@dataclass(frozen=True, slots=True)
class SettledMail:
    """One mail that routerd wrote, and its ways."""

    mail: Authored
    annotation: Annotation
    copies: tuple[NewCopy, ...]


@light
@dataclass(frozen=True, slots=True)
class Settled:
    """A plan, and all that is written with it."""

    plan: Plan
    annotation: Annotation
    copies: tuple[NewCopy, ...]
    mails: tuple[SettledMail, ...] = ()  # of `plan.authored`
    resent: tuple[tuple[int, NewCopy], ...] = ()  # of `plan.resent`: the message's row, and its new copy


@light
@dataclass(frozen=True, slots=True)
class Entry:
    """One message for the writer. `settle` runs inside the transaction: pure, quick, may be run again."""

    received: Received
    thread: ThreadKeys
    known: Known
    decisions: tuple[Decision, ...]  # the home inbox's first
    settle: Callable[[FullDeskState], Settled]
    tells: "Untold | None" = None  # of a notice: what is told by it then; its copies leave from <>
    is_notice: bool = False  # of another routerd: its copies leave from <>, too, and nobody is told of their trouble


@dataclass(frozen=True, slots=True)
class DueTimer:
    number: int  # the store's own
    timer: Timer
    conversation: ConversationId | None


@dataclass(frozen=True, slots=True)
class Deed:
    """What the desk does without a message that causes it: a timer fires, an answer could not be delivered.

    `settle` runs inside the transaction: pure, quick, may be run again. None: nothing is to be done any more (the timer
    is gone all the same). Of the plan nothing is written that speaks of a message of its own: copies, part, new_held.
    """

    conversation: ConversationId | None
    at: datetime
    settle: Callable[[FullDeskState], Settled | None]
    fired: DueTimer | None = None
    tells: "Untold | None" = None  # what is told by it then


@light
@dataclass(frozen=True, slots=True)
class Copy:
    """One copy as delivery sees it."""

    number: int  # the store's own number, what a return path's token names
    id: CopyId
    queue_id: QueueId
    message: int  # the store's row of the message
    member: str
    mailbox: str
    destination: str
    role: Role
    sender: str  # the message's MAIL FROM
    to_return_path: bool  # the message came to a return path, or is some routerd's notice: its copies leave from <>
    size_bytes: int
    team: str | None
    created_at: datetime
    state: CopyState
    attempts: int
    next_attempt_at: datetime | None
    reason: str  # what the last attempt met; "" before the first
    annotation: Annotation
    damage: str = ""  # why its row cannot be read as it was written: then it is held, not sent


@light
@dataclass(frozen=True, slots=True)
class Committed:
    id: QueueId
    plan: Plan
    copies: tuple[Copy, ...]  # the queued and the held ones
    others: tuple[Copy, ...] = ()  # of authored mails, and of earlier messages: their bytes are in the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What every conclusion knows of the attempt that it follows.

    `host`: where that led; `status`: the enhanced code (RFC 3463) that it ended with. "": there was none.
    """

    host: str = ""
    status: str = ""


@light
@dataclass(frozen=True, slots=True)
class Done(Ending):
    reply: str  # the next hop's words


@dataclass(frozen=True, slots=True)
class RetryAt(Ending):
    """`late`: it has waited so long that the postmaster hears of it, once; what is in trouble, "" where it has not."""

    at: datetime
    reason: str
    late: str = ""


@dataclass(frozen=True, slots=True)
class Hold(Ending):
    reason: str


@dataclass(frozen=True, slots=True)
class Forgo(Ending):
    """A watcher's or teammate's copy that failed: noted, nothing more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reroute(Ending):
    """To the next in line: `line` is given the members already tried for this message; None: nobody is left (held)."""

    reason: str
    line: Callable[[frozenset[str]], NewCopy | None]


Conclusion = Done | RetryAt | Hold | Forgo | Reroute


class TroubleKind(StrEnum):
    """What the postmaster hears of, the weightiest first."""

    HELD = "held"  # nobody is left to take it, or it would fail for everybody
    REROUTED = "rerouted"
    FAILED = "failed"  # a watcher's, teammate's or forwarded copy
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One copy that the postmaster is to hear of."""

    copy: Copy  # as it is now
    kind: TroubleKind
    reason: str
    taken_by: str  # the member who got it instead; "": nobody
    at: datetime
    status: str = ""  # the enhanced code, where there is one


@dataclass(frozen=True, slots=True)
class Untold:
    """All that one notice tells: of one mailbox, of a destination that is in trouble as a whole, or of one copy of an
    answer, which is its author's to hear."""

    about: str
    troubles: tuple[Trouble, ...]  # the first of them; none where all have passed
    total: int
    up_to: int  # the store's own number of the last one


class Bounced(StrEnum):
    """What became of a copy by a bounce."""

    ACTED = "acted"  # rerouted, held, or given up
    NOTED = "noted"  # in the history: nothing more was to be done
    TOO_LATE = "too_late"  # there is nothing left that could be sent to somebody else; nothing was written


@dataclass(frozen=True, slots=True)
class QueueCounts:
    copies: Mapping[CopyState, int] = field(default_factory=dict)  # queued and held
    oldest_at: datetime | None = None  # of the queued and held


@dataclass(frozen=True, slots=True)
class SavedRuleset:
    revision: str
    files: Mapping[str, bytes]  # path inside the rules folder → content
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class Retention:
    bounce_window: timedelta
    events: timedelta
    bodies: timedelta
