"""What the ruleset says of one message, with all that explains it."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from routerd.config.values import format_duration
from routerd.message.light import light


class Priority(StrEnum):
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class RuleRef:
    file: str  # the file's name inside the rules folder
    name: str

    def __str__(self) -> str:
        return f"{self.file}/{self.name}"


@light
@dataclass(frozen=True, slots=True)
class Evidence:
    """Why one condition held, or what a look-up found: `subject has "skargę" (contains skarg)`."""

    field: str  # the condition's key: subject, from, header X-Spam-Flag, …
    found: str  # what stands in the message, as written there, at most 80 characters; "" where the term says it all
    term: str  # operator and term of the rule: `contains skarg`; "" where found says it all

    def __str__(self) -> str:
        if not self.found:
            return f"{self.field} {self.term}"
        return f'{self.field} has "{self.found}"' + (f" ({self.term})" if self.term else "")


@light
@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matched, and why."""

    rule: RuleRef
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule on trial that matched: what it would have done, without effect."""

    rule: RuleRef
    evidence: tuple[Evidence, ...]
    would: str  # "assign finance, label invoice"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that could not say: an unknown answer, or a fault while it ran."""

    rule: RuleRef
    reason: str


@light
@dataclass(frozen=True, slots=True)
class Assign:
    """Whom to pick from: a member's or team's name, given by `rule`."""

    target: str
    rule: RuleRef
    pick: str | None = None  # the way of picking in place of the team's own, such as `last`


@dataclass(frozen=True, slots=True)
class Reply:
    """An automatic reply to the customer."""

    template: str
    once_per: timedelta  # to one address at most once in so long

    def describe(self) -> str:
        return f"{self.template}, once per {format_duration(self.once_per)}"


@light
@dataclass(frozen=True, slots=True)
class Trace:
    """What happened, rule by rule, in the order of evaluation."""

    matches: tuple[Match, ...] = ()
    unknown: tuple[Skipped, ...] = ()
    failed: tuple[Skipped, ...] = ()
    stopped_by: RuleRef | None = None
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()  # such as a field cut at limits.rule_text


@light
@dataclass(frozen=True, slots=True)
class Decision:
    """For one inbox. `assign` None: the inbox's default owns it.

    `reassign` counts in a known conversation, where `assign` does not: there its owner stays otherwise.
    """

    inbox: str
    assign: Assign | None = None
    reassign: Assign | None = None
    labels: tuple[str, ...] = ()
    priority: Priority | None = None
    watch: tuple[str, ...] = ()  # names of members and teams
    respond_within: timedelta | None = None  # in working hours
    headers: tuple[tuple[str, str], ...] = ()  # names as written, each once, and values
    forward: tuple[str, ...] = ()  # addresses outside
    hold: str | None = None
    reject: str | None = None
    approve: tuple[str, ...] = ()  # members and teams one of whom must say #send before an answer goes out
    reply: Reply | None = None
    reject_reason: str = "rule"  # the word under which that is counted
    trace: Trace = field(default=Trace())
    revision: str = ""
