"""What the desk knows when it settles what follows on a message: the message itself, and the house it came to. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from routerd.config.settings import Settings
from routerd.desk.changes import Back
from routerd.desk.pick import Choose
from routerd.desk.plan import SOMEBODY, Author, FullDeskState
from routerd.desk.reply_due import ReplyDue
from routerd.desk.roster import Roster
from routerd.desk.said import Kind, Said
from routerd.message.envelope import QueueId, Received
from routerd.message.light import light
from routerd.rules.decision import Decision

MERE_MAIL = Said(Kind.MAIL)  # for the rules, from nobody of ours


@light
@dataclass(frozen=True, slots=True)
class Matter:
    """One message as it is before the transaction: what was heard of it and decided about it."""

    received: Received
    decisions: tuple[Decision, ...]  # one for each inbox, the home inbox's first
    author: Author = SOMEBODY
    said: Said = MERE_MAIL
    message_id: str | None = None  # without brackets; not of MERE_MAIL
    subject: str = ""  # likewise
    direct: frozenset[str] = frozenset()  # addresses of To and Cc, in lower case; likewise
    is_calendar_reply: bool = False  # likewise
    reply_due: ReplyDue | None = None  # an automatic reply that a rule wants
    reply_name: str = ""  # who wrote it, as members see him whom they may answer through us

    @property
    def at(self) -> datetime:
        return self.received.at

    @property
    def answered_by(self) -> str:
        """The member who answers a customer by it; "" where nobody does."""
        return self.said.member or "" if self.said.kind is Kind.ANSWER else ""


@light
@dataclass(frozen=True, slots=True)
class House:
    """Where a plan is made: the config, its people, and what chance there is."""

    settings: Settings
    roster: Roster
    choose: Choose  # one of several, for `pick: random`
    new_id: Callable[[datetime], QueueId]  # of a mail that routerd writes

    def as_of(self, state: FullDeskState, back: Back | None = None) -> "House":
        """With the absences that the store knows of, beside those of the config; but for who is there again."""
        absences = state.absences()
        if back is not None:
            absences = tuple(absence for absence in absences if absence.member != back.member)
        roster = self.roster.with_absences(absences)
        return self if roster is self.roster else replace(self, roster=roster)
