"""`never`: nothing can meet what a rule asks."""

from collections.abc import Iterable, Iterator

from routerd.rules.finding import Finding
from routerd.rules.lint.asking import Asked, Place

_SHOWN = 3  # inboxes


def find_never(asked: Iterable[Asked], never: frozenset[Place]) -> Iterator[Finding]:
    for one in asked:
        if one.place in never:
            name, asks = one.rule.ref.name, one.rule.when.describe()
            yield Finding(
                "never", one.rule.mark, f"no message can meet what {name!r} asks{_where(one)}: {asks}", (one.rule.ref,)
            )


def _where(one: Asked) -> str:
    """The inboxes of its file, where one might think of others."""
    inboxes = sorted(one.inboxes)
    return f" of mail to {', '.join(inboxes[:_SHOWN])}" if one.is_limited and len(inboxes) <= _SHOWN else ""
