"""Messages to one inbox or several, through rules and desk: from rule files to who gets what."""

from dataclasses import dataclass, field
from typing import Any

from rule_sets import ALL_GRANTED, AT, facts_of, raw_message, ruleset_of

from routerd.config.settings import Settings
from routerd.desk import consider
from routerd.desk.assign import assign
from routerd.desk.consider import Office, decide, proofs_of
from routerd.desk.plan import SOMEBODY, Conversation, Plan, Twin
from routerd.desk.roster import Roster
from routerd.message.address import parse_address
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, Recipient
from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset
from routerd.rules.decision import Decision

SUPPORT, BILLING = "support@example.com", "billing@example.com"
STRANGER = Client("192.0.2.1", 1, "c", Protocol.SMTP, "l")


def rule(name: str, then: str, when: str = "{always: true}", more: str = "") -> str:
    return f"  - {{name: {name}, when: {when}, then: {then}{more}}}\n"


def rules(*lines: str, head: str = "") -> str:
    return head + "rules:\n" + "".join(lines)


def decided(*files: str, **message: Any) -> Decision:
    """By the files named 1.yaml, 2.yaml, …, of a message to support@."""
    return ruleset_of(*files).decide(facts_of(**message))


def matched(*files: str, **message: Any) -> list[str]:
    return [str(match.rule) for match in decided(*files, **message).trace.matches]


def recipient(address: str, purpose: Purpose = Purpose.INBOX, inbox: str | None = None) -> Recipient:
    return Recipient(parse_address(address), purpose, inbox or address)


@dataclass(frozen=True)
class State:
    """The desk's state: what is known of the conversation, and whose turn was last."""

    conversation: Conversation | None = None
    twin: Twin | None = None
    turns: dict[str, str] = field(default_factory=dict)

    def last_turn(self, team: str) -> str | None:
        return self.turns.get(team)

    def load(self, member: str) -> int:
        del member
        return 0

    def last_owner(self, customer: str) -> str | None:
        del customer
        return None


@dataclass(frozen=True)
class Mailed:
    """A message that came to `recipients`, and what becomes of it."""

    decisions: tuple[Decision, ...]
    plan: Plan

    @property
    def copies(self) -> list[tuple[str, str]]:
        return [(copy.member, copy.role.value) for copy in self.plan.copies]

    @property
    def held(self) -> dict[str, str]:
        return {copy.member: copy.held for copy in self.plan.copies if copy.held}


def mailed(
    *files: str,
    rcpt: tuple[Recipient | str, ...] = (SUPPORT,),
    state: State | None = None,
    settings: Settings = ALL_GRANTED,
    **message: Any,
) -> Mailed:
    """`rcpt`: the recipients in their order. `message` is what `raw_message` takes."""
    named = {f"{number}.yaml": text.encode() for number, text in enumerate(files, 1)}
    compiled = compile_ruleset(named, settings)
    assert compiled.ruleset is not None, compiled.problems
    roster, state = Roster(settings), state or State()
    envelope = Envelope("a@b.example", tuple(recipient(one) if isinstance(one, str) else one for one in rcpt))
    office = Office(settings, roster, compiled.ruleset)
    view = MessageView(raw_message(**message))
    proofs = proofs_of(view, STRANGER, office)
    facts = consider.facts_of(view, envelope, STRANGER, AT, office, proofs, state.conversation)
    decisions = decide(facts, envelope, office)
    return Mailed(decisions, assign(decisions, roster, state, AT, lambda names: names[0], SOMEBODY))
