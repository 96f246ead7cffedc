"""What somebody says to the desk by one message, as values: read by `hearing`, obeyed by what makes the plan."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from routerd.rules.decision import Priority


@dataclass(frozen=True, slots=True)
class Take:
    """#take: the speaker owns it."""


@dataclass(frozen=True, slots=True)
class AssignTo:
    """#assign jan"""

    target: str  # a member or a team


@dataclass(frozen=True, slots=True)
class Label:
    """#label +urgent -newsletter"""

    add: tuple[str, ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetPriority:
    """#priority high"""

    priority: Priority


@dataclass(frozen=True, slots=True)
class Close:
    """#close"""


@dataclass(frozen=True, slots=True)
class Open:
    """#open"""


@dataclass(frozen=True, slots=True)
class Snooze:
    """#snooze 2d, #snooze monday 9:00: until that moment, in the time of the speaker's calendar."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Watch:
    """#watch"""


@dataclass(frozen=True, slots=True)
class Unwatch:
    """#unwatch"""


@dataclass(frozen=True, slots=True)
class Away:
    """#away until 2026-12-01 [deputy jan]; `until` None: until he writes or says #back."""

    until: datetime | None
    deputy: str | None


@dataclass(frozen=True, slots=True)
class BackAgain:
    """#back"""


@dataclass(frozen=True, slots=True)
class Send:
    """#send: the held answer or draft goes out."""


@dataclass(frozen=True, slots=True)
class Drop:
    """#drop: the held answer or draft does not."""


@dataclass(frozen=True, slots=True)
class History:
    """#history"""


@dataclass(frozen=True, slots=True)
class Help:
    """#help"""


Command = (
    Take
    | AssignTo
    | Label
    | SetPriority
    | Close
    | Open
    | Snooze
    | Watch
    | Unwatch
    | Away
    | BackAgain
    | Send
    | Drop
    | History
    | Help
)


_NAMES: dict[type[object], str] = {
    Take: "take",
    AssignTo: "assign",
    Label: "label",
    SetPriority: "priority",
    Close: "close",
    Open: "open",
    Snooze: "snooze",
    Watch: "watch",
    Unwatch: "unwatch",
    Away: "away",
    BackAgain: "back",
    Send: "send",
    Drop: "drop",
    History: "history",
    Help: "help",
}
COMMANDS = tuple(_NAMES.values())


def name_of(command: Command) -> str:
    """As it is written behind the #."""
    return _NAMES[type(command)]


@dataclass(frozen=True, slots=True)
class BadCommand:
    """Nothing of the mail is done."""

    line: str  # as written
    name: str  # a command's, or "unknown"
    problem: str  # what is wrong, and what would be right, to be read by who wrote it


@dataclass(frozen=True, slots=True)
class Spoken:
    """The text of a note or draft, its commands apart."""

    commands: tuple[Command, ...] = ()
    bad: tuple[BadCommand, ...] = ()
    text: str = ""  # what is left: his own words, without signature
    named: tuple[str, ...] = ()  # members and teams named as @name, in their order
    whole: str = ""  # as it was written, commands and all
    unclear: tuple[str, ...] = ()  # what is wrong with a @name that is nobody's, in sentences
    has_more: bool = False  # something is attached, or passed on below it
    lines: tuple[str, ...] = ()  # the commands, as written


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says something to the desk, proven."""

    member: str | None
    has_logged_in: bool = False  # or comes from where only members are; else he is known by what the mail bears
    is_unsure: bool = False  # it could not be told now
    is_sent_on: bool = False  # nothing proves whom it was written to: anybody who has it may have sent it
    is_claimed: bool = False  # nobody proven, and its From is a member's own address
    missing: str = ""  # why it is nobody, in ASCII


class Kind(StrEnum):
    """What a message is to the desk."""

    MAIL = "mail"  # rules read it: from a customer, or from anyone to an inbox
    ANSWER = "answer"  # of a member, to the customer, through us
    NOTE = "note"
    DRAFT = "draft"
    AWAY = "away"  # a member's out-of-office to one of our addresses
    UNHEARD = "unheard"  # a member's to such an address, that a machine is said to have written: nothing is done of it
    BARRED = "barred"  # to a note or draft address by whom we do not know; an answer in a member's name, unproven


@dataclass(frozen=True, slots=True)
class Said:
    kind: Kind
    member: str | None = None  # who says it, proven
    spoken: Spoken = Spoken()  # of an ANSWER, NOTE or DRAFT
    missing: str = ""  # BARRED: what would have proven who speaks; UNHEARD: what says that a machine wrote it
    temporary: bool = False  # BARRED: it may be told later
