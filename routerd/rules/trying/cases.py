"""Runs the cases of `tests:`: each through the whole ruleset, by the same code as real mail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from routerd.message.compose import Attached, Draft, compose_message
from routerd.message.view import MessageView
from routerd.rules.conditions.proofs import TEMPORARY
from routerd.rules.conditions.time import asks_when
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.rules.reading.cases import Case, Expectation, Given, TestMessage, inbox_of
from routerd.rules.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class Placed:
    """What the desk made of a case's decision."""

    inbox: str
    owner: str  # member
    picked_at_random: bool = False
    watchers: tuple[str, ...] = ()  # members


AssignCase = Callable[[tuple[Decision, ...], Given], Placed]
LoadEml = Callable[[str], bytes]  # a name inside the rules folder; may raise OSError


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of `expect` that was not met."""

    expectation: Expectation
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.expectation.key}: expected {self.expected}, got {self.got}"


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
        conversation=case.given.conversation,
        delimiter=ruleset.names.delimiter,
    )
    return judge_case(case, facts, ruleset, assign)


def judge_case(case: Case, facts: Facts, ruleset: Ruleset, assign: AssignCase) -> CaseResult:
    """What `ruleset` makes of a case whose facts are known, as from `CaseResult.facts` of another ruleset."""
    decision = ruleset.decide(facts, case.given.trials_live)
    placed = assign((decision,), case.given)
    wrong = _needs_moment(case, decision, ruleset) or _expects_drawn(case, placed)
    if wrong:
        return CaseResult(case, decision=decision, facts=facts, placed=placed, error=wrong)
    differences = tuple(_differences(case, decision, placed, ruleset))
    return CaseResult(case, differences, decision, facts, placed)


def _needs_moment(case: Case, decision: Decision, ruleset: Ruleset) -> str:
    """What comes of the case hangs on when its message arrives, and that is not said."""
    if case.given.at_is_said or not decision.trace.unknown:
        return ""
    unknown = {skipped.rule for skipped in decision.trace.unknown}
    for rule in (rule for file in ruleset.files for rule in file.rules):
        has_effect = case.given.trials_live or not rule.trial
        if rule.ref in unknown and has_effect and asks_when(rule.when):
            return f"{rule.ref} asks when the message arrives; say it with given: {{at: 2025-01-15T10:00:00Z}}"
    return ""


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


def _differences(case: Case, decision: Decision, placed: Placed, ruleset: Ruleset) -> list[Difference]:
    differences = []
    for expectation in case.expect:
        difference = _CHECKS[expectation.key](_Ran(case, decision, placed, ruleset), expectation)
        if difference is not None:
            differences.append(difference)
    return differences


@dataclass(frozen=True, slots=True)
class _Ran:
    case: Case
    decision: Decision
    placed: Placed
    ruleset: Ruleset

    @property
    def target(self) -> str | None:
        """The member or team that the rules or the inbox's default named; of a known conversation its own team, unless
        a rule reassigns it."""
        conversation = self.case.given.conversation
        if conversation is not None:
            reassign = self.decision.reassign
            return reassign.target if reassign else conversation.team
        assign = self.decision.assign
        return assign.target if assign else self.ruleset.names.defaults[self.decision.inbox]

    @property
    def team(self) -> str:
        target = self.target
        return target if target and target in self.ruleset.names.teams else "none"

    @property
    def all_rules(self) -> tuple[str, ...]:
        return tuple(str(match.rule) for match in self.decision.trace.matches)

    @property
    def own_rules(self) -> tuple[str, ...]:
        matches = self.decision.trace.matches
        return tuple(match.rule.name for match in matches if match.rule.file == self.case.file)

    def people(self, names: tuple[str, ...]) -> set[str]:
        """Members, and the members of teams, less the owner: he has his copy."""
        teams = self.ruleset.names.teams
        return {member for name in names for member in teams.get(name, (name,))} - {self.placed.owner}


_Check = Callable[[_Ran, Expectation], Difference | None]


def _one(value: Callable[[_Ran], str]) -> _Check:
    def check(ran: _Ran, expected: Expectation) -> Difference | None:
        got = value(ran)
        return None if got == expected.values[0] else Difference(expected, expected.values[0], got)

    return check


def _in_order(value: Callable[[_Ran], tuple[str, ...]]) -> _Check:
    def check(ran: _Ran, expected: Expectation) -> Difference | None:
        got = value(ran)
        return None if got == expected.values else Difference(expected, _listed(expected.values), _listed(got))

    return check


def _labels(ran: _Ran, expected: Expectation) -> Difference | None:
    got = ran.decision.labels
    met = {
        "labels": set(expected.values) <= set(got),
        "labels_exactly": set(expected.values) == set(got),
        "labels_exclude": not set(expected.values) & set(got),
    }[expected.key]
    return None if met else Difference(expected, _listed(expected.values), _listed(got))


def _watchers(ran: _Ran, expected: Expectation) -> Difference | None:
    if ran.people(expected.values) == set(ran.placed.watchers):
        return None
    return Difference(expected, _listed(expected.values), _listed(ran.placed.watchers))


def _reason(value: Callable[[_Ran], str | None]) -> _Check:
    """`true`, `false`, or the reason itself."""

    def check(ran: _Ran, expected: Expectation) -> Difference | None:
        got, wanted = value(ran), expected.values[0]
        met = (got is not None) is (wanted == "true") if wanted in ("true", "false") else got == wanted
        return None if met else Difference(expected, wanted, got or "false")

    return check


def _priority(ran: _Ran) -> str:
    return ran.decision.priority.value if ran.decision.priority else "none"


def _inbox(ran: _Ran, expected: Expectation) -> Difference | None:
    wanted = inbox_of(expected.values[0], ran.ruleset.names)
    return None if wanted == ran.placed.inbox else Difference(expected, expected.values[0], ran.placed.inbox)


def _listed(values: tuple[str, ...]) -> str:
    return f"[{', '.join(values)}]"


_CHECKS: Mapping[str, _Check] = {
    "owner": _one(lambda ran: ran.placed.owner),
    "team": _one(lambda ran: ran.team),
    "labels": _labels,
    "labels_exactly": _labels,
    "labels_exclude": _labels,
    "rules": _in_order(lambda ran: ran.own_rules),
    "all_rules": _in_order(lambda ran: ran.all_rules),
    "priority": _one(_priority),
    "watchers": _watchers,
    "held": _reason(lambda ran: ran.decision.hold),
    "rejected": _reason(lambda ran: ran.decision.reject),
    "inbox": _inbox,
}
