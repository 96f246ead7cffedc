"""Runs the cases of `tests:`: each through the whole ruleset, by the same code as real mail."""

from collections.abc import Callable
from dataclasses import dataclass

from routerd.message.compose import Attached, Draft, compose_message
from routerd.message.view import MessageView
from routerd.rules.conditions.proofs import TEMPORARY
from routerd.rules.conditions.time import asks_when
from routerd.rules.conditions.truth import Truth
from routerd.rules.decision import Decision, RuleRef
from routerd.rules.facts import DnsLists, Facts
from routerd.rules.reading.cases import Case, Given, TestMessage, inbox_of
from routerd.rules.ruleset import Ruleset
from routerd.rules.trying.expected import Difference, Placed, differences_of

_MAX_ASKING = 4  # rules that ask for the moment, all of whose ways are tried

AssignCase = Callable[[tuple[Decision, ...], Given], Placed]
LoadEml = Callable[[str], bytes]  # a name inside the rules folder; may raise OSError


@dataclass(frozen=True, slots=True)
class CaseResult:
    """`error` says why the case could not run; with `todo` a case that fails is as it should be."""

    case: Case
    differences: tuple[Difference, ...] = ()
    decision: Decision | None = None
    facts: Facts | None = None
    placed: Placed | None = None
    error: str = ""

    @property
    def met(self) -> bool:
        return not self.differences and not self.error

    @property
    def passed(self) -> bool:
        return self.met is not self.case.todo


def run_case(case: Case, ruleset: Ruleset, assign: AssignCase, load_eml: LoadEml | None = None) -> CaseResult:
    """Never raises for what a case says. `load_eml` reads the files that `eml:` names."""
    try:
        raw = _raw_message(case, load_eml)
    except OSError as error:
        return CaseResult(case, error=f"eml: {error.strerror or error}")
    view = MessageView(raw, text_limit=ruleset.names.text_limit)
    recipient, wrong = _recipient(case, view, ruleset)
    inbox = inbox_of(recipient, ruleset.names)
    if wrong or inbox is None:
        return CaseResult(case, error=wrong or f"{recipient} is no inbox")
    facts = Facts(
        view=view,
        sender=view.author.address if view.author else "",
        recipients=(recipient,),
        inbox=inbox,
        own_addresses=ruleset.names.own_addresses,
        internal=_internal(case.given, view, ruleset),
        at=case.given.at if case.given.at_is_said else None,
        results=case.given.results,
        dnsbl=DnsLists(frozenset(case.given.listed)),
        conversation=case.given.conversation,
        delimiter=ruleset.names.delimiter,
    )
    return judge_case(case, facts, ruleset, assign)


def judge_case(case: Case, facts: Facts, ruleset: Ruleset, assign: AssignCase) -> CaseResult:
    """What `ruleset` makes of a case whose facts are known, as from `CaseResult.facts` of another ruleset."""
    decision = ruleset.decide(facts, case.given.trials_live)
    placed = assign((decision,), case.given)
    wrong = _needs_moment(case, facts, ruleset, assign) or _expects_drawn(case, placed)
    if wrong:
        return CaseResult(case, decision=decision, facts=facts, placed=placed, error=wrong)
    differences = tuple(differences_of(case, decision, placed, ruleset))
    return CaseResult(case, differences, decision, facts, placed)


def _needs_moment(case: Case, facts: Facts, ruleset: Ruleset, assign: AssignCase) -> str:
    """What is expected hangs on when the message arrives, and that is not said.

    Tried is every way in which the rules that ask for the moment may come out.
    """
    if case.given.at_is_said:
        return ""
    asking: dict[RuleRef, None] = {}
    verdicts: set[bool] = set()
    ways: list[dict[RuleRef, Truth]] = [{}]
    while ways:
        told = ways.pop()
        decision = ruleset.decide(facts, case.given.trials_live, told)
        asks = _asks_moment(decision, case.given.trials_live, ruleset)
        if asks is not None:
            asking[asks] = None
            if len(told) == _MAX_ASKING:
                break
            ways += ({**told, asks: truth} for truth in (Truth.YES, Truth.NO))
        else:
            verdicts.add(not differences_of(case, decision, assign((decision,), case.given), ruleset))
    if not asking or (not ways and len(verdicts) == 1):
        return ""
    return f"{next(iter(asking))} asks when the message arrives; say it with given: {{at: 2025-01-15T10:00:00Z}}"


def _asks_moment(decision: Decision, trials_live: bool, ruleset: Ruleset) -> RuleRef | None:
    """The first rule that has an effect and cannot be told without the moment."""
    unknown = {skipped.rule for skipped in decision.trace.unknown}
    if not unknown:
        return None
    rules = (rule for file in ruleset.files for rule in file.rules if trials_live or not rule.trial)
    return next((rule.ref for rule in rules if rule.ref in unknown and asks_when(rule.when)), None)


def _expects_drawn(case: Case, placed: Placed) -> str:
    if placed.picked_at_random and any(expected.key == "owner" for expected in case.expect):
        return "the owner is picked at random; expect `team` in place of `owner`"
    return ""


def _internal(given: Given, view: MessageView, ruleset: Ruleset) -> bool | None:
    """Whether a member wrote it: as the case says, else where DMARC proves his address."""
    if given.internal is not None:
        return given.internal
    author = view.author.address.lower() if view.author else ""
    if not any(author in addresses for addresses in ruleset.names.members.values()):
        return False
    result = given.results.get("dmarc")
    return None if result == TEMPORARY else result == "pass"


def _raw_message(case: Case, load_eml: LoadEml | None) -> bytes:
    message = case.message
    if message.eml is not None:
        if load_eml is None:
            raise FileNotFoundError(2, "files cannot be read here")
        return _with_crlf(load_eml(message.eml))
    return compose_message(
        Draft(
            sender=message.sender,
            to=message.to,
            subject=message.subject,
            at=case.given.at,
            text=message.body,
            html=message.html,
            headers=message.headers,
            attachments=_attached(message),
        )
    )


def _attached(message: TestMessage) -> tuple[Attached, ...]:
    return tuple(Attached(one.name, one.type, b"x" * one.size_bytes) for one in message.attachments)


def _with_crlf(raw: bytes) -> bytes:
    """As intake would have it; files on disk mostly have LF."""
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _recipient(case: Case, view: MessageView, ruleset: Ruleset) -> tuple[str, str]:
    """RCPT TO: as given, else the one inbox in `to`; and what is wrong with that."""
    if case.given.recipient is not None:
        return case.given.recipient, ""
    named: dict[str, str] = {}
    for mailbox in view.addresses("to"):
        inbox = inbox_of(mailbox.address, ruleset.names)
        if inbox is not None:
            named.setdefault(inbox, mailbox.address)
    if len(named) == 1:
        return next(iter(named.values())), ""
    if named:
        return "", f"`to` names {len(named)} inboxes ({', '.join(named)}); say which with given: {{recipient: …}}"
    return "", "`to` names no inbox; say which it comes to with given: {recipient: …}"
