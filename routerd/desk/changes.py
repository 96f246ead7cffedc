"""What a plan does beside sending copies of its message: mail that routerd writes, timers, held answers, absences."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from routerd.message.envelope import QueueId
from routerd.message.light import light

HeldId = NewType("HeldId", int)


class Part(StrEnum):
    """What a message is in its conversation; the store keeps it with the message."""

    CUSTOMER = "customer"  # came from outside, or from a member who asks like a customer
    ASIDE = "aside"  # of a machine, or of colleagues among themselves
    REPLY = "reply"  # a member's to somebody outside that went past us: we only have a copy
    ANSWER = "answer"  # a member's, to go out through us
    NOTE = "note"
    DRAFT = "draft"
    TOLD = "told"  # what routerd itself has to say: returned answers, summaries, reminders, digests, notices, bounces
    AWAY = "away"  # a member's out-of-office
    REPLIED = "replied"  # an automatic reply to a customer: ours
    CALENDAR = "calendar"  # a member's answer to an invitation, for the customer's calendar; nobody is answered by it


# One of these that comes without a conversation begins none.
NEVER_FIRST = frozenset({Part.ANSWER, Part.NOTE, Part.DRAFT, Part.TOLD, Part.AWAY, Part.REPLIED, Part.CALENDAR})
# What stands in their headers makes nobody a participant.
AMONG_US = frozenset({Part.NOTE, Part.DRAFT, Part.TOLD, Part.AWAY})


class Role(StrEnum):
    """In what part somebody gets a copy."""

    OWNER = "owner"
    WATCHER = "watcher"
    TEAMMATE = "teammate"  # an inbox with `copies: team`
    FORWARD = "forward"  # nobody of ours: a rule's address outside
    ANSWER = "answer"  # a customer: what a member answered, or routerd by itself. Nothing internal is in it
    DESK = "desk"  # a member, of a note or draft, or of what routerd wrote


@light
@dataclass(frozen=True, slots=True)
class PlannedCopy:
    """One copy of a message. `head`: the header that it goes out under, with its empty line, in the place of the
    message's own; b"": the message's own, annotated. The body is the message's in any case."""

    member: str  # of a FORWARD and an ANSWER its address
    role: Role
    held: str | None = None  # the reason: it waits for the postmaster's hand
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class Resent:
    """One more copy of an earlier message of the conversation: of a held answer that goes out now, or for somebody who
    takes part from now on."""

    message: int  # the store's row
    copy: PlannedCopy
    customer: str = ""  # whom a reply to a colleague's answer goes to by it; "": such a reply is for colleagues


@dataclass(frozen=True, slots=True)
class Authored:
    """A mail that routerd writes, small: whole but for what each copy gets on its way out (Reply-To, signature)."""

    id: QueueId  # of its own
    part: Part  # TOLD or REPLIED
    raw: bytes
    message_id: str  # without brackets: by which answers to it find the conversation
    copies: tuple[PlannedCopy, ...]  # of the role DESK, or of a REPLIED, ANSWER
    shows_new: bool = False  # the answer or draft that the plan's own message is, held by this plan
    shows: HeldId | None = None  # the held answer or draft that it tells of: #send to it means that one
    from_null: bool = False  # it leaves from <>
    member: str | None = None  # whose word it brings, of ours
    replied: "Replied | None" = None  # what it counts for, of those that may go out
    why: str = ""  # in words, for the timeline


class HeldKind(StrEnum):
    CONFLICT = "conflict"  # somebody else answered meanwhile
    COMMAND = "command"  # its text opens with #word
    DRAFT = "draft"
    APPROVAL = "approval"  # a rule wants somebody's #send
    BY_ITSELF = "by_itself"  # it looks as if its author's mailbox had answered, and not he


# Of these the author says whether they go out all the same, and without a word of his they are dropped. A draft and
# what waits for somebody else's word may wait: neither was said to be sent by its author alone.
WAITS_FOR_AUTHOR = frozenset({HeldKind.CONFLICT, HeldKind.COMMAND, HeldKind.BY_ITSELF})


class HeldEnd(StrEnum):
    SENT = "sent"
    DROPPED = "dropped"
    REPLACED = "replaced"  # by a newer version of the draft


@dataclass(frozen=True, slots=True)
class Held:
    """An answer or draft that waits for `#send`. Its bytes are those of `message`."""

    id: HeldId
    kind: HeldKind
    member: str  # who wrote it
    message: int  # the store's row
    at: datetime
    release: tuple[str, ...] = ()  # members and teams whose #send counts; (): the author's, the owner's and watchers'


@dataclass(frozen=True, slots=True)
class NewHeld:
    """The plan's own message waits; of a draft, its own copies show it."""

    kind: HeldKind
    release: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldEnded:
    id: HeldId
    end: HeldEnd


@dataclass(frozen=True, slots=True)
class HeldForApproval:
    """What was held for another reason waits for somebody else's word from now on."""

    id: HeldId
    release: tuple[str, ...]  # members and teams whose #send counts


class TimerKind(StrEnum):
    REMIND = "remind"  # 75 % of what was promised have passed
    OVERDUE = "overdue"
    ESCALATE = "escalate"  # data: the step's number, from 0
    CLOSE = "close"  # close_after of silence after an answer
    WAKE = "wake"  # from a snooze
    DROP = "drop"  # a held answer; data: its number
    BACK = "back"  # an absence ends; data: the member. The store sets it with the absence
    HANDOVER = "handover"  # its owner, the member in data, went away; the store sets it
    TAKEN = "taken"  # a copy went to the next in line, and so did it; data: whose it was. The store sets it
    DIGEST = "digest"  # data: the member


NEW_HELD = "new"  # data of a DROP: of what the plan itself holds, which has no number yet


@light
@dataclass(frozen=True, slots=True)
class Timer:
    """Fires once at `at` or later, also over restarts. `data` tells timers of one kind and conversation apart."""

    kind: TimerKind
    at: datetime
    data: str = ""


class AbsenceSource(StrEnum):
    COMMAND = "command"  # #away
    NOTICED = "noticed"  # an out-of-office of his


@dataclass(frozen=True, slots=True)
class Absence:
    """Beside those of the config. `until` None: until he writes or says #back."""

    member: str
    source: AbsenceSource
    since: datetime
    until: datetime | None
    deputy: str | None = None


@dataclass(frozen=True, slots=True)
class Back:
    """The member is there again."""

    member: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that went out: what the figures need. Times None: nobody was waiting."""

    member: str
    waited: timedelta | None  # by the clock, since the first message that nobody had answered
    waited_working: timedelta | None  # in working hours of the owner's calendar
    is_first: bool  # of the conversation


@dataclass(frozen=True, slots=True)
class Replied:
    """Counted so that not too many go out: an automatic reply, or what was told of there being too many."""

    address: str  # in lower case; "" of what was told
    template: str
