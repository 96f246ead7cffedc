"""Rulesets and messages at random: the index, every rule one by one and the plain reference say the same."""

import random
import sys
from pathlib import Path
from typing import Any

from harness import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1] / "unit" / "rules"))

import reference
from deciding import check_decision
from made_rules import LANGUAGES, LISTS, compiled, messages, rulesets
from test_rules_by_reference import summary

from routerd.rules.facts import Facts

SLOW_MS = 2_000
FEW = 15  # executions that are run with the tests

_MOST_BYTES = 8_000


def make(source: random.Random) -> bytes:
    """The choices that hypothesis makes a ruleset and messages of."""
    return source.randbytes(source.randrange(1_000, _MOST_BYTES))


@given(rulesets, st.lists(messages, min_size=3, max_size=8))
@settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
def _agree(files: list[dict[str, Any]], seen: list[Facts]) -> None:
    ruleset = compiled(files)
    for facts in seen:
        check_decision(ruleset, facts)
        wanted = reference.decide(files, facts, LANGUAGES, LISTS)
        if summary(ruleset, facts) != wanted:
            raise AssertionError(f"{summary(ruleset, facts)}\nis by the reference\n{wanted}\n{files}\n{facts}")


def target(data: bytes) -> None:
    _agree.hypothesis.fuzz_one_input(data)


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
