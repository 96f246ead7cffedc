"""Rulesets at random: no message refutes what `check` claims of them.

`python tests/fuzz/fuzz_findings.py --rulesets 500 --messages 10000 --seed 3` puts each message through each ruleset of
which something is claimed: what is `shadowed` never gives the owner, or never matches; what is `never` never matches.
Without `--rulesets` it runs like the other targets: a ruleset an input, and the same few messages for all.
"""

import argparse
import functools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import harness

from routerd.config.settings import Settings
from routerd.message.compose import Attached, Draft, compose_message
from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset
from routerd.rules.conditions.kinds import LabelCondition
from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.decision import Decision, RuleRef
from routerd.rules.facts import ConversationFacts, Facts, Seen
from routerd.rules.finding import Finding
from routerd.rules.lint.findings import find_all
from routerd.rules.ruleset import Ruleset

INBOXES = ("support@example.com", "billing@example.com", "jobs@example.com")
SETTINGS = Settings.model_validate(
    {
        "hostname": "mx.example.com",
        "postmaster": "jan",
        "members": {name: {"mailbox": f"{name}@example.com"} for name in ("ewa", "jan", "omar")},
        "teams": {"finance": {"members": ["ewa", "jan"]}},
        "inboxes": {inbox: {"default": "jan"} for inbox in INBOXES},
        "delivery": [{"domain": "*", "smtp": "mail.example.com:25"}],
        "limits_of_rules": [{"files": "*", "actions": ["all"]}],
    }
)
AT = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)
TERMS = (
    "skarg", "skarga", "skarga pilna", "pilna", "a", "na", "na skarg", "faktura", "faktura na", "FAKTURĘ", "x-y", "y",
    "شكوى", "بالشكوى", "شكوى عاجلة", "12", "1",
)  # fmt: skip
WORDS = (*TERMS, "skargi", "pilna,", "(skarga)", "والشكوى", "fakturze", "!", "nas", "Re:", "foo", "12/2026")
ADDRESSES = ("anna@klient.pl", "klient.pl", ".klient.pl", ".pl", "jan@sub.klient.pl", "*@*.pl", "other.example")
SENDERS = ("anna@klient.pl", "jan@sub.klient.pl", "x@other.example", "ewa@example.com", "a@pl")
LABELS = ("red", "green", "blue")
REGEXES = (r"skarg\w", r"\bna\b", r"\d+", "faktur[aę]", "(?i)pilna$")
SMALL_CASES = 50  # messages that a ruleset meets in the suite
FEW = 60  # executions that are run with the tests


@dataclass(frozen=True, slots=True)
class Claim:
    """That a rule never matches, or that it never gives the owner."""

    rule: RuleRef
    when: Condition
    never_matches: bool
    said: str

    def may_be_refuted_by(self, facts: Facts) -> bool:
        """A rule that does not match refutes nothing; what depends on labels, only the whole ruleset tells."""
        return _reads_labels(self.when) or self.when.truth(Seen(facts)) is Truth.YES

    def is_refuted_by(self, decision: Decision) -> bool:
        if self.never_matches:
            return any(match.rule == self.rule for match in decision.trace.matches)
        return self.rule in {given.rule for given in (decision.assign, decision.reassign) if given}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A ruleset, and what is claimed of it."""

    files: dict[str, str]
    ruleset: Ruleset
    claims: tuple[Claim, ...]
    findings: Counter[str]


def claimed(source: random.Random) -> Claimed:
    files = _files(source)
    compiled = compile_ruleset({name: text.encode() for name, text in files.items()}, SETTINGS)
    assert compiled.ruleset is not None, compiled.problems
    found = find_all(compiled, SETTINGS)
    rules = {rule.ref: rule for file in compiled.ruleset.files for rule in file.rules}
    claims = tuple(
        Claim(rules[one.rules[0]].ref, rules[one.rules[0]].when, _is_of_matching(one), str(one))
        for one in found.listed
        if one.kind in ("shadowed", "never")
    )
    return Claimed(files, compiled.ruleset, claims, Counter(one.kind for one in found.listed))


def _is_of_matching(finding: Finding) -> bool:
    return finding.kind == "never" or "is never asked" in finding.message


def _reads_labels(condition: Condition) -> bool:
    return isinstance(condition, LabelCondition) or any(map(_reads_labels, getattr(condition, "parts", ())))


def refute(one: Claimed, facts: Facts) -> str:
    """What was claimed wrongly, and the message that shows it; "" where nothing was."""
    if not any(claim.may_be_refuted_by(facts) for claim in one.claims):
        return ""
    decision = one.ruleset.decide(facts)
    if decision.trace.failed:
        return f"failed: {decision.trace.failed}"
    for claim in one.claims:
        if claim.is_refuted_by(decision):
            raw = bytes(facts.view.raw).decode()
            texts = {name: facts.texts.folded(name) for name in ("subject", "body", "whole")}
            return f"{claim.said}\nis refuted at {facts.inbox} (internal: {facts.internal}) by {texts}\n{raw}\n" + (
                "\n".join(f"# {name}\n{text}" for name, text in one.files.items())
            )
    return ""


def make(source: random.Random) -> bytes:
    return source.randbytes(8)


def target(data: bytes) -> None:
    one = claimed(random.Random(data))
    for facts in _some_messages() if one.claims else ():
        wrong = refute(one, facts)
        if wrong:
            raise AssertionError(wrong)


@functools.cache
def _some_messages() -> tuple[Facts, ...]:
    return tuple(message(random.Random(f"message {number}")) for number in range(SMALL_CASES))


def message(source: random.Random) -> Facts:
    """One message at an inbox, whatever it says."""
    sender = source.choice(SENDERS)
    body = _text(source, 6)
    if source.random() < 0.3:
        body += f"\n{_text(source, 4)}"
    if source.random() < 0.4:
        body += f"\n\n> {_text(source, 5)}\n"
    headers = [("X-Test", _text(source, 2)) for _ in range(source.choice((0, 0, 1, 2)))]
    headers += [("Cc", source.choice(SENDERS))] if source.random() < 0.3 else []
    headers += [("Reply-To", source.choice(SENDERS))] if source.random() < 0.2 else []
    headers += [("Auto-Submitted", "auto-replied")] if source.random() < 0.2 else []
    draft = Draft(
        sender=f"{_text(source, 2)} <{sender}>" if source.random() < 0.5 else f"{sender}, {source.choice(SENDERS)}",
        to=(source.choice(INBOXES),),
        subject=source.choice(("", "", "Re: ", "Fwd: ")) + _text(source, 4),
        at=AT,
        text=body if source.random() < 0.9 else "",
        headers=tuple(headers),
        attachments=tuple(
            Attached(f"{_text(source, 1)}.pdf", "application/pdf", b"x" * source.choice((0, 9, 10, 11)))
            for _ in range(source.choice((0, 0, 1, 2)))
        ),
    )
    inbox = source.choice(INBOXES)
    known = ConversationFacts("ewa", None, frozenset(("red",)), "open", 3, timedelta(days=1))
    return Facts(
        view=MessageView(compose_message(draft)),
        sender=source.choice(("", sender)),
        recipients=(inbox,),
        inbox=inbox,
        own_addresses=frozenset(INBOXES),
        internal=source.choice((True, False, None)),
        at=AT,
        conversation=source.choice((None, known)),
    )


def _text(source: random.Random, most: int) -> str:
    return " ".join(source.choices(WORDS, k=source.randint(0, most)))


def _files(source: random.Random) -> dict[str, str]:
    files = {}
    for number in range(source.choice((1, 1, 2, 3))):
        rules = [_rule(source, at) for at in range(source.randint(2, 5))]
        content: dict[str, Any] = {"rules": rules}
        if source.random() < 0.4:
            content["inbox"] = source.sample(INBOXES, source.randint(1, 2))
        files[f"{number}.yaml"] = json.dumps(content, ensure_ascii=False)
    return files


def _rule(source: random.Random, number: int) -> dict[str, Any]:
    then: dict[str, Any] = {}
    if source.random() < 0.7:
        then["assign"] = source.choice(("ewa", "jan", "omar", "finance"))
        if source.random() < 0.1:
            then["reassign"] = True
    if source.random() < 0.4 or not then:
        then["label"] = source.choice(LABELS)
    if source.random() < 0.15:
        then["stop"] = source.choice((True, "all"))
    return {"name": f"r{number}", "when": _when(source, 2), "then": then}


def _when(source: random.Random, depth: int) -> dict[str, Any]:
    """One to three conditions that must all hold."""
    when: dict[str, Any] = {}
    for _ in range(source.choice((1, 1, 1, 2, 2, 3))):
        when |= _condition(source, depth)
    return when


def _condition(source: random.Random, depth: int) -> dict[str, Any]:
    kind = source.random()
    if depth and kind < 0.1:
        return {"any": [_when(source, depth - 1) for _ in range(source.randint(1, 3))]}
    if depth and kind < 0.17:
        return {"all": [_when(source, depth - 1) for _ in range(source.randint(1, 2))]}
    if depth and kind < 0.37:
        return {"not": [_when(source, depth - 1) for _ in range(source.randint(1, 2))]}
    if kind < 0.4:
        return {"always": True}
    return source.choice(_LEAVES)(source)


def _texts(source: random.Random) -> dict[str, Any]:
    return {source.choice(("subject", "subject", "body", "text", "everything", "from_name")): _text_value(source)}


def _text_value(source: random.Random) -> Any:
    terms = source.sample(TERMS, source.choice((1, 1, 1, 2, 3)))
    operator = source.choice(
        ("contains",) * 2 + ("word", "equals", "starts_with", "ends_with", "exists", "regex", "stem", "also", "exact")
    )
    match operator:
        case "contains":
            return terms
        case "exists":
            return {"exists": source.choice((True, False))}
        case "regex":
            return {"regex": source.choice(REGEXES)}
        case "also":
            return {"stem": terms[0], "also": source.choice(TERMS)}
        case "exact":
            return {"contains": terms, "exact": True}
    return {operator: terms}


def _numbers(source: random.Random) -> dict[str, Any]:
    operator = source.choice(("over", "under", "equals"))
    test = {operator: source.choice((1 if operator == "under" else 0, 1, 2, 500, 600, 700))}
    return {source.choice(("size", "attachments", "recipients")): test}


_LEAVES: tuple[Callable[[random.Random], dict[str, Any]], ...] = (
    _texts,
    _texts,
    _texts,
    lambda source: {"header": {"X-Test": _text_value(source)}},
    lambda source: {
        source.choice(("from", "from", "customer", "sender", "to", "cc", "reply_to")): source.choice(
            (source.sample(ADDRESSES, source.choice((1, 1, 2))), {"exists": source.choice((True, False))})
        )
    },
    lambda source: {"inbox": source.sample(INBOXES, source.randint(1, 2))},
    lambda source: {"is": source.sample(("internal", "reply", "auto", "forward"), source.choice((1, 1, 2)))},
    lambda source: {"label": source.sample(LABELS, source.choice((1, 1, 2)))},
    lambda source: {"conversation": {"known": source.choice((True, False))}},
    lambda source: {"attachment": {"exists": source.choice((True, False))}},
    lambda source: {"attachment": {"name": source.choice(TERMS)}},
    _numbers,
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rulesets", type=int, default=500)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _made(count: int, seed: int) -> Iterator[Claimed]:
    for number in range(count):
        yield claimed(random.Random(f"{seed}/{number}"))


def acceptance(rulesets: int, messages: int, seed: int) -> int:
    """1 where a claim was refuted. Messages go by one after the other, so that each is read and folded once."""
    started = time.monotonic()
    made = list(_made(rulesets, seed))
    findings: Counter[str] = sum((one.findings for one in made), Counter())
    with_claims = [one for one in made if one.claims]
    print(f"{rulesets} rulesets, of {len(with_claims)} something is claimed; findings: {dict(findings)}", flush=True)
    for number in range(messages):
        facts = message(random.Random(f"{seed}/message {number}"))
        for one in with_claims:
            wrong = refute(one, facts)
            if wrong:
                print(wrong)
                return 1
        if (number + 1) % 500 == 0:
            print(f"{number + 1} messages, {time.monotonic() - started:.0f} s: nothing is refuted", flush=True)
    return 0


if __name__ == "__main__":
    if "--rulesets" in sys.argv or "--messages" in sys.argv:
        asked = _arguments()
        sys.exit(acceptance(asked.rulesets, asked.messages, asked.seed))
    sys.exit(harness.run(target, make, slow_ms=20_000))
