"""`always-by-not`: a `not` as an alternative under `any`, which nearly every message meets."""

from collections.abc import Iterable, Iterator

from routerd.rules.finding import Finding
from routerd.rules.lint.asking import Asked
from routerd.rules.lint.witness import Prover, matched
from routerd.rules.lint.written import WrittenRule


def find_always_by_not(written: Iterable[WrittenRule], asked: Iterable[Asked], prover: Prover) -> Iterator[Finding]:
    by_ref = {one.rule.ref: one for one in asked}
    for rule in written:
        if rule.ref in by_ref and "always-by-not" in by_ref[rule.ref].rule.allow:
            continue
        for mark in rule.always_by_not():
            yield Finding(
                "always-by-not",
                mark,
                "under `any` this `not` lets nearly every message in; put it beside `any`, where it must hold, too",
                (rule.ref,),
                _witness(by_ref[rule.ref], prover) if rule.ref in by_ref else "",
            )


def _witness(one: Asked, prover: Prover) -> str:
    """A message that says nothing of what is asked for."""
    ref = one.rule.ref
    return prover.show("always-by-not", [frozenset()], one.inboxes, lambda decision, _: ref in matched(decision))
