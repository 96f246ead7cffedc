"""What is known of each rule by itself: that no message matches it, or that every one does."""

from collections.abc import Sequence
from dataclasses import dataclass

from routerd.rules.lint.asking import Asked, Place
from routerd.rules.lint.effort import Effort, SpentError, Unseen
from routerd.rules.lint.verdict import is_always, is_never


@dataclass(frozen=True, slots=True)
class Alone:
    """Places of rules. `always`: that match every message at the inboxes of their files."""

    never: frozenset[Place]
    always: frozenset[Place]


def look_alone(asked: Sequence[Asked], effort: Effort, unseen: list[Unseen]) -> Alone:
    never, always = set(), set()
    for done, one in enumerate(asked):
        try:
            if is_never(one.formula, effort):
                never.add(one.place)
            elif one.formula == one.scope or is_always(one.formula, effort):
                always.add(one.place)
        except SpentError:
            unseen.append(Unseen("never", f"only the first {done:,} of {len(asked):,} rules were looked at"))
            break
    return Alone(frozenset(never), frozenset(always))
