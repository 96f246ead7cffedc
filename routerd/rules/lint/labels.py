"""`label-order`, `label-unknown`, `label-twins`, `label-own`: labels that are read where they cannot be, look like
others, or are not for rules to give."""

from collections.abc import Collection, Iterable, Iterator

from routerd.config.yaml_source import Mark
from routerd.message.fold import fold
from routerd.rules.finding import Finding
from routerd.rules.labels import check_label
from routerd.rules.lint.asking import Asked, Givers
from routerd.rules.lint.written import WrittenRule
from routerd.rules.names import suggestion


def find_labels(
    written: Iterable[WrittenRule], asked: Iterable[Asked], givers: Givers, own: Collection[str]
) -> Iterator[Finding]:
    """`own`: what routerd gives by itself."""
    by_ref = {one.rule.ref: one for one in asked}
    by_place = {one.place: one for one in by_ref.values()}
    given: dict[str, tuple[Mark, WrittenRule]] = {}
    for rule in written:
        one = by_ref.get(rule.ref)
        if one is None:
            continue
        for scalar in rule.labels_read():
            label, _ = check_label(scalar.text)
            if not givers.gives(label):
                meant = suggestion(label, tuple(givers.labels))
                yield Finding("label-unknown", scalar.mark, f"no rule gives the label {label!r}{meant}", (rule.ref,))
            elif not givers.above(label, one.place):
                giver = by_place[givers.first(label)]
                yield Finding("label-order", scalar.mark, _of_order(label, giver, one), (rule.ref,))
        for scalar in rule.labels_given():
            label, _ = check_label(scalar.text)
            given.setdefault(label, (scalar.mark, rule))
            if label in own:
                said = f"the label {label!r} is routerd's own, which says something else by it; call this one otherwise"
                yield Finding("label-own", scalar.mark, said, (rule.ref,))
    yield from _twins(given)


def _of_order(label: str, giver: Asked, reader: Asked) -> str:
    if giver is reader:
        return f"the label {label!r} is given by this rule itself, and by none above it, so it is never seen here"
    named = f"{giver.rule.ref.name!r} ({giver.rule.mark})"
    return f"the label {label!r} is given by no rule above, so it is never seen here; move {named} above this one"


def _twins(given: dict[str, tuple[Mark, WrittenRule]]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for label, (mark, rule) in given.items():
        other = first.setdefault(fold(label), label)
        if other != label:
            other_mark, other_rule = given[other]
            yield Finding(
                "label-twins",
                mark,
                f"the label {label!r} looks like {other!r} ({other_mark}), and is another; write them alike",
                (rule.ref, other_rule.ref),
            )
