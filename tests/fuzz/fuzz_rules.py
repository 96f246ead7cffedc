"""Hostile rule files: never raise, problems and findings have their places, and what compiles decides as it should."""

import random
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path

import fuzz_message
from harness import run
from placed import check_said, lines_of
from rule_text import list_file, rule_file, split_by, table_file

sys.path.append(str(Path(__file__).parents[1] / "unit" / "rules"))

from deciding import check_decision
from rule_sets import ALL_GRANTED, SETTINGS, facts_of, raw_message, settings_with

from routerd.rules.compile import Compiled, compile_ruleset
from routerd.rules.decision import Decision
from routerd.rules.facts import ConversationFacts, DnsLists
from routerd.rules.lint.findings import find_all
from routerd.rules.reading.cases import Given
from routerd.rules.trying.cases import Placed, run_case

SLOW_MS = 5_000.0
FEW = 100  # executions that are run with the tests

_BREAK = b"\n=====\n"
_MOST_FLOODED = 200_000
_MOST_SMALL = 2_000
_MOST_OF_MESSAGE = 20_000
_LIMITED = settings_with(
    limits_of_rules=[
        {
            "files": "0*",
            "inboxes": ["support@example.com"],
            "labels": ["r*"],
            "assign": ["finance"],
            "actions": ["hold"],
        },
        {"files": "1-*", "actions": ["all"]},
    ]
)
_SETTINGS = (ALL_GRANTED, SETTINGS, _LIMITED)


def make(source: random.Random) -> bytes:
    """Which settings, two rule files, a list, a look-up table and a message."""
    wild = source.random() < 0.5
    most = _MOST_FLOODED if source.random() < 0.05 else _MOST_SMALL
    number = source.randrange(len(_SETTINGS)) if wild else 0
    files = [rule_file(source, wild=wild, most=most)]
    files.append(rule_file(source, wild=wild, most=most) if source.random() < 0.3 else b"")
    listed = list_file(source, wild=wild and source.random() < 0.3, most=most)
    table = table_file(source, wild=wild and source.random() < 0.3)
    message = fuzz_message.make(source)[:_MOST_OF_MESSAGE] if source.random() < 0.3 else b""
    return _BREAK.join([b"%d" % number, *files, listed, table, message])


def target(data: bytes) -> None:
    number, one, other, listed, table, message = split_by(data, _BREAK, 6)
    settings = _SETTINGS[int(number) if number.isdigit() and int(number) < len(_SETTINGS) else 0]
    rule_files = {"0.yaml": one} | ({"1-b.yaml": other} if other else {})
    beside = {"lists/a.txt": listed, "lists/b.csv": table}

    def read_beside(path: str) -> bytes:
        if path not in beside:
            raise FileNotFoundError(2, "there is no such file", path)
        return beside[path]

    compiled = compile_ruleset(rule_files, settings, read_beside=read_beside)
    if (compiled.ruleset is None) is not bool(compiled.problems):
        raise AssertionError(f"a ruleset with problems, or neither: {compiled.problems}")
    lines = {name: lines_of(text, of_yaml=name in rule_files) for name, text in (rule_files | beside).items()}
    for problem in compiled.problems:
        check_said(problem, lines)
    if compiled.ruleset is not None:
        _check_ruleset(compiled, message)
        for finding in find_all(compiled, settings, beside=beside, strict=True).listed:
            check_said(finding, lines)


def _check_ruleset(compiled: Compiled, message: bytes) -> None:
    ruleset = compiled.ruleset
    assert ruleset is not None
    for raw, about in (*_messages(), *([(message, {})] if message else [])):
        check_decision(ruleset, facts_of(raw, **about))
    for case in compiled.cases:
        if sum(attached.size_bytes for attached in case.message.attachments) < 1_000_000:
            result = run_case(case, ruleset, _assign, lambda name: b"Subject: " + name.encode("utf-8", "replace"))
            if result.facts is not None and not case.given.trials_live:
                check_decision(ruleset, result.facts)


def _assign(decisions: tuple[Decision, ...], _given: Given) -> Placed:
    (decision,) = decisions
    return Placed(decision.inbox, decision.assign.target if decision.assign else "jan")


@cache
def _messages() -> tuple[tuple[bytes, dict[str, object]], ...]:
    known = ConversationFacts("ewa", "finance", frozenset(["red"]), "open", 2, timedelta(hours=3))
    return (
        (raw_message(subject="Skarga na fakturę", text="Aaaaa " * 20 + "\n\n> skarga na Łódź\n"), {}),
        (
            raw_message(
                subject="Re: invoice 12", text="بالشكوى 发票 жалоба x-y", headers=(("X-Test", "a"), ("X-Test", "na"))
            ),
            {
                "conversation": known,
                "internal": None,
                "dnsbl": DnsLists(unanswered=frozenset(["zen.example"])),
                "results": {"dmarc": "pass", "spf": "temperror"},
            },
        ),
        (
            raw_message(
                subject="", text="", sender="x@a.gov.pl", attachments=[("Skarga.pdf", "application/pdf", b"x" * 9)]
            ),
            {
                "inbox": "billing@example.com",
                "at": None,
                "mail_from": "",
                "dnsbl": DnsLists(frozenset(["zen.example"])),
            },
        ),
        (b"\xff\x00: a\r\n\r\n" + b"a" * 3_000, {"internal": True}),
    )


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
