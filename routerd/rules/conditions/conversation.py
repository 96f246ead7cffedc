"""The condition on the conversation that a message belongs to, as it was before the message."""

from dataclasses import dataclass
from datetime import timedelta

from routerd.config.values import format_duration
from routerd.rules.conditions.numbers import NumberTest
from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import ConversationFacts, Seen


@dataclass(frozen=True, slots=True)
class Owners:
    """Members and teams: the owner is one of them, was picked from one of them, or is in one of them."""

    written: tuple[str, ...]
    members: frozenset[str]  # those named, and those of the teams named

    def have(self, conversation: ConversationFacts) -> bool:
        return conversation.owner in self.members or conversation.team in self.written


@dataclass(frozen=True, slots=True)
class ConversationCondition(Condition):
    """All that is asked holds of it. Without a conversation it has no messages, and all else is not there."""

    known: bool | None = None
    owners: Owners | None = None
    labels: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    messages: NumberTest | None = None
    waiting: NumberTest | None = None  # seconds

    @property
    def cost(self) -> int:
        return 0

    def truth(self, seen: Seen) -> Truth:
        return Truth.YES if self._holds(seen.facts.conversation) else Truth.NO

    def _holds(self, conversation: ConversationFacts | None) -> bool:
        if self.known is not None and (conversation is not None) is not self.known:
            return False
        if self.messages is not None and not self.messages.holds(conversation.messages if conversation else 0):
            return False
        if conversation is None:
            return not (self.owners or self.labels or self.states or self.waiting)
        return self._fits(conversation)

    def _fits(self, conversation: ConversationFacts) -> bool:
        return (
            (self.owners is None or self.owners.have(conversation))
            and (not self.labels or not conversation.labels.isdisjoint(self.labels))
            and (not self.states or conversation.state in self.states)
            and (self.waiting is None or _waits(conversation.waiting, self.waiting))
        )

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence("conversation", shown_conversation(seen.facts.conversation), self._asked()),)

    def _asked(self) -> str:
        asked = []
        if self.known is not None:
            asked.append(f"known {'true' if self.known else 'false'}")
        if self.owners is not None:
            asked.append(f"owner {', '.join(self.owners.written)}")
        if self.labels:
            asked.append(f"label {', '.join(self.labels)}")
        if self.states:
            asked.append(f"state {', '.join(self.states)}")
        if self.messages is not None:
            asked.append(f"messages {self.messages.describe()}")
        if self.waiting is not None:
            asked.append(f"waiting {self.waiting.describe()}")
        return "; ".join(asked)

    def describe(self) -> str:
        return f"conversation {self._asked()}"

    def saw(self, seen: Seen) -> str:
        return shown_conversation(seen.facts.conversation) or "no known conversation"


def _waits(waiting: timedelta | None, test: NumberTest) -> bool:
    return waiting is not None and test.holds(int(waiting.total_seconds()))


def shown_conversation(conversation: ConversationFacts | None) -> str:
    """`owner ewa of finance, open, 3 messages, labels invoice, waiting 2h`; "" where there is none."""
    if conversation is None:
        return ""
    said = [f"owner {conversation.owner}" + (f" of {conversation.team}" if conversation.team else "")]
    said.append(conversation.state)
    said.append(f"{conversation.messages} message{'s' if conversation.messages != 1 else ''}")
    if conversation.labels:
        said.append(f"labels {' '.join(sorted(conversation.labels))}")
    if conversation.waiting is not None:
        said.append(f"waiting {format_duration(conversation.waiting)}")
    return ", ".join(said)
