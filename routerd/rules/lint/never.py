"""`never`: nothing can meet what a rule asks."""

from collections.abc import Iterable, Iterator

from routerd.rules.finding import Finding
from routerd.rules.lint.asking import Asked
from routerd.rules.lint.verdict import is_never


def find_never(asked: Iterable[Asked]) -> Iterator[Finding]:
    for one in asked:
        if is_never(one.formula):
            yield Finding(
                "never",
                one.rule.mark,
                f"no message can meet what {one.rule.ref.name!r} asks: {one.rule.when.describe()}",
                (one.rule.ref,),
            )
