"""What is decided of rules, and what is left open: one table of pairs for each."""

import pytest
from rule_sets import ALL_GRANTED, ruleset_of

from routerd.config.settings import Settings
from routerd.rules.compile import compile_ruleset
from routerd.rules.lint.alone import look_alone
from routerd.rules.lint.asking import asked_by
from routerd.rules.lint.atoms import KindAtom, TextAtom
from routerd.rules.lint.effort import Effort, Unseen
from routerd.rules.lint.findings import MOST_SHOWN, find_all
from routerd.rules.lint.formula import (
    FALSE,
    MAX_ATOMS,
    TRUE,
    And,
    Formula,
    Is,
    Not,
    Or,
    TooManyError,
    World,
    simplified,
)
from routerd.rules.lint.parts import parts_of, plainly_wherever
from routerd.rules.lint.related import Bearing
from routerd.rules.lint.shadowed import find_shadows
from routerd.rules.lint.verdict import holds_wherever, is_always, is_never

IMPLIED = [
    ("{subject: skarga pilna}", "{subject: skarga}"),
    ("{subject: skarga}", "{text: skarg}"),
    ("{subject: skarga}", "{everything: [x, skarg]}"),
    ("{body: skarga}", "{everything: skarga}"),
    ("{subject: {equals: na skarga}}", "{subject: {word: skarga}}"),
    ("{subject: {equals: na skarga}}", "{all: [{subject: {starts_with: na}}, {subject: {ends_with: ga}}]}"),
    ("{subject: {equals: a}}", "{not: {subject: {starts_with: b}}}"),
    ("{subject: {starts_with: ab}}", "{not: {subject: {starts_with: ac}}}"),
    ("{subject: {word: بالشكوى}}", "{subject: شكوى}"),
    ("{subject: {word: na skarga pilna}}", "{subject: {word: skarga pilna}}"),
    ("{from: anna@sub.klient.pl}", "{from: .klient.pl}"),
    ("{from: klient.pl}", "{from: {exists: true}}"),
    ("{subject: x}", "{not: {subject: {exists: false}}}"),
    ("{size: {over: 5MB}}", "{size: {over: 3MB}}"),
    ("{size: {equals: 7}}", "{not: {size: {over: 7}}}"),
    ("{attachment: {name: x}}", "{attachment: {exists: true}}"),
    ("{inbox: support@example.com}", "{not: {inbox: billing@example.com}}"),
    ("{is: internal}", "{is: [internal, auto]}"),
    ("{subject: {regex: 'a+'}}", "{text: {regex: ['a+', 'b']}}"),
    ("{subject: {stem: skarga}}", "{text: {stem: skarga, also: skardze}}"),
    ("{all: [{subject: a}, {body: b}, {is: auto}]}", "{any: [{is: auto}, {body: b}]}"),
    ("{not: {text: a}}", "{not: {subject: [a, ab]}}"),
    ("{subject: [t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15, t16, t17, t18, t19, t20]}",
     "{subject: [t20, t19, t18, t17, t16, t15, t14, t13, t12, t11, t10, t9, t8, t7, t6, t5, t4, t3, t2, t1]}"),
]  # fmt: skip
OPEN = [
    ("{subject: skarga}", "{subject: skarga pilna}"),
    ("{text: skarga}", "{subject: skarga}"),
    ("{subject: {word: skarga pilna}}", "{subject: skarga pilna}"),  # "skarga, pilna"
    ("{body: a b}", "{everything: a b}"),  # a cut quote may have stood between
    ("{from: a@klient.pl}", "{not: {from: b@klient.pl}}"),  # there may be two authors
    ("{header: {X-A: {equals: a}}}", "{not: {header: {X-A: {equals: b}}}}"),  # and two such headers
    ("{from: .klient.pl}", "{from: klient.pl}"),
    ("{subject: {regex: a}}", "{subject: a}"),
    ("{subject: {stem: skarga}}", "{subject: skarg}"),
    ("{subject: {contains: Abc, exact: true}}", "{subject: {contains: abd, exact: true}}"),
    ("{always: true}", "{any: [{is: internal}, {not: {is: internal}}]}"),  # it may not be told at all
    ("{always: true}", "{any: [{auth: {spf: pass}}, {not: {auth: {spf: pass}}}]}"),
]
NEVER = [
    "{subject: {equals: a}, not: {subject: a}}",
    "{all: [{subject: {equals: a}}, {subject: {equals: b}}]}",
    "{all: [{size: {over: 5}}, {size: {under: 6}}]}",
    "{all: [{attachments: {over: 1}}, {attachments: {equals: 0}}]}",
    "{subject: x, not: {text: x}}",
    "{from: {exists: false}, any: [{from: klient.pl}]}",
    "{is: internal, not: {is: internal}}",
    "{sender: a@klient.pl, not: {sender: .pl}}",
    "{inbox: support@example.com, not: {inbox: [support@example.com, billing@example.com]}}",
]
SOMETIMES = [
    "{text: x, not: {subject: x}}",
    "{all: [{from: a@klient.pl}, {from: b@klient.pl}]}",
    "{all: [{subject: {word: a b}}, {not: {subject: a b}}]}",
    "{all: [{subject: {contains: A, exact: true}}, {not: {subject: b}}]}",
    "{is: [reply, forward], not: {is: reply}}",
]


def effort() -> Effort:
    return Effort(100_000)


def wherever(upper: Formula, lower: Formula) -> bool:
    return plainly_wherever(parts_of(upper), parts_of(lower), effort()) or holds_wherever(upper, lower, effort())


def asked(*whens: str) -> list[Formula]:
    rules = "".join(f"  - {{name: r{number}, when: {when}, then: {{label: x}}}}\n" for number, when in enumerate(whens))
    return [one.formula for one in asked_by(ruleset_of(f"rules:\n{rules}"))[0]]


@pytest.mark.parametrize(("lower", "upper"), IMPLIED)
def test_one_holds_wherever_the_other_does(lower: str, upper: str) -> None:
    given, wanted = asked(lower, upper)
    assert wherever(wanted, given)


@pytest.mark.parametrize(("lower", "upper"), OPEN)
def test_what_may_be_otherwise_is_not_claimed(lower: str, upper: str) -> None:
    given, wanted = asked(lower, upper)
    assert not wherever(wanted, given)


@pytest.mark.parametrize("when", NEVER)
def test_nothing_meets_a_contradiction(when: str) -> None:
    assert is_never(asked(when)[0], effort())


@pytest.mark.parametrize("when", SOMETIMES)
def test_what_some_message_meets_is_no_contradiction(when: str) -> None:
    assert not is_never(asked(when)[0], effort())


def test_what_every_message_meets() -> None:
    """A text has a term or has it not; what can be unknown need not be either."""
    term, unknown, inboxes = asked(
        "{any: [{subject: a}, {not: {subject: a}}]}",
        "{any: [{is: internal}, {not: {is: internal}}]}",
        "{inbox: [support@example.com, billing@example.com]}",
    )
    assert [is_always(one, effort()) for one in (term, unknown, inboxes)] == [True, False, True]


def test_more_atoms_than_are_decided() -> None:
    """What has nothing to do with the rest is one atom; the rest is counted."""
    kinds = [Is(KindAtom(str(number))) for number in range(MAX_ATOMS + 1)]
    assert World(effort(), Or(tuple(kinds))).ways[0]
    with pytest.raises(TooManyError):
        World(effort(), And(tuple(kinds)))


def test_ways_are_those_of_a_truth_table() -> None:
    """Each way is a set of atoms that are true together, and the few come first."""
    a, b = Is(TextAtom("subject", "contains", "ab")), Is(TextAtom("subject", "contains", "b"))
    world = World(effort(), Or((a, b)), TRUE, FALSE)
    assert world.true_in(world.ways[0], 9) == [frozenset({b.atom}), frozenset({a.atom, b.atom})]
    assert world.true_in(world.ways[1], 9)[0] == frozenset()
    assert world.ways[2] == 0


def test_formulas_are_made_simple() -> None:
    atom = Is(KindAtom("auto"))
    assert simplified(And((TRUE, Or((FALSE, atom)), And((atom,))))) == atom
    assert simplified(Not(And((atom, FALSE)))) == TRUE


def found(*files: str, settings: Settings = ALL_GRANTED) -> list[str]:
    compiled = compile_ruleset({f"{number}.yaml": text.encode() for number, text in enumerate(files, 1)}, settings)
    assert not compiled.problems, compiled.problems
    return [f"{one.kind} {one.mark}" for one in find_all(compiled, settings).listed]


def test_a_stop_in_between_lets_the_lower_one_count() -> None:
    """What ends the upper rule's file before it leaves the message to the file below."""
    upper = "  - {name: a, when: {subject: hello}, then: {assign: ewa}}\n"
    stop = "  - {name: s, when: {body: enough}, then: {label: x, stop: true}}\n"
    lower = "rules:\n  - {name: b, when: {subject: hello there}, then: {assign: jan}}\n"
    assert found(f"rules:\n{upper}", lower) == ["shadowed 2.yaml:2:5"]
    assert found(f"rules:\n{stop}{upper}", lower) == ["two-owners 2.yaml:2:5"]


def test_rules_for_other_inboxes_have_nothing_to_do_with_each_other() -> None:
    one = "inbox: support@example.com\nrules: [{name: a, when: {subject: hello}, then: {assign: ewa}}]\n"
    other = "inbox: billing@example.com\nrules: [{name: a, when: {subject: hello}, then: {assign: jan}}]\n"
    assert found(one, other) == []


def test_what_reassigns_is_not_shadowed_by_what_does_not() -> None:
    """In a known conversation the lower one gives the owner."""
    upper = "{name: a, when: {subject: hello}, then: {assign: ewa}}"
    lower = "{name: b, when: {subject: hello there}, then: {assign: jan, reassign: true}}"
    assert found(f"rules: [{upper}, {lower}]") == [f"two-owners 1.yaml:1:{11 + len(upper)}"]


def test_rules_on_trial_shadow_nothing() -> None:
    upper = "{name: a, mode: trial, when: {subject: hello}, then: {assign: ewa}}"
    assert found(f"rules: [{upper}, {{name: b, when: {{subject: hello}}, then: {{assign: jan}}}}]") == []


def test_a_label_is_another_one_further_down() -> None:
    """Between two rules that read a label, a third may give it."""
    rules = [
        "{name: g, when: {subject: hello}, then: {label: x}}",
        "{name: a, when: {not: {label: x}}, then: {assign: ewa}}",
        "{name: h, when: {body: hello}, then: {label: x}}",
        "{name: b, when: {not: {label: x}}, then: {assign: jan}}",
        "{name: c, when: {label: x}, then: {assign: omar}}",
    ]
    assert [one.split()[0] for one in found(f"rules: [{', '.join(rules)}]")] == ["shadowed"]


def test_one_pair_is_told_once_and_many_are_counted() -> None:
    """A term that all have in common makes no more than a bounded list of findings."""
    rules = [
        f"{{name: r{number}, when: {{subject: hello{number:03}, body: hello}}, then: {{assign: {who}}}}}"
        for number, who in zip(range(150), ["ewa", "jan"] * 75, strict=True)
    ]
    compiled = compile_ruleset({"1.yaml": f"rules: [{', '.join(rules)}]".encode()}, ALL_GRANTED)
    findings = find_all(compiled, ALL_GRANTED)
    assert len(findings.listed) == MOST_SHOWN
    assert findings.more["two-owners"] >= 100
    assert len({(one.mark, one.message) for one in findings.listed}) == MOST_SHOWN


def test_several_rules_hide_one_together() -> None:
    """One of them matches whenever the lower one does, though none by itself; so do a condition and its opposite."""
    upper = "{name: a, when: {subject: hello}, then: {assign: ewa}}, "
    upper += "{name: b, when: {body: hello}, then: {assign: jan}}"
    opposite = upper.replace("{body: hello}", "{not: {subject: hello}}")
    lower = "{name: c, when: {text: hello there}, then: {assign: omar}}"
    other = "{name: c, when: {from: klient.pl}, then: {assign: omar}}"
    place = f"shadowed 1.yaml:1:{11 + len(upper)}"
    assert place in found(f"rules: [{upper}, {lower}]")
    assert found(f"rules: [{opposite}, {other}]") == [f"shadowed 1.yaml:1:{11 + len(opposite)}"]
    assert not any("shadowed" in one for one in found(f"rules: [{upper}, {other}]"))


def test_rules_that_stop_hide_what_is_below_them_in_their_file_alone() -> None:
    """What they leave to the files below is still decided there."""
    stops = (
        "{name: a, when: {subject: hello}, then: {label: x, stop: true}}, "
        "{name: b, when: {not: {subject: hello}}, then: {label: y, stop: true}}"
    )
    lower = "{name: c, when: {from: klient.pl}, then: {assign: omar}}"
    assert found(f"rules: [{stops}, {lower}]") == [f"shadowed 1.yaml:1:{11 + len(stops)}"]
    assert found(f"rules: [{stops}]", f"rules: [{lower}]") == []


def test_what_was_not_looked_at_is_said() -> None:
    """Steps are counted; where none are left, it is said how many rules were looked at."""
    rules = [
        f"{{name: r{number}, when: {{subject: [hi, x{number:02}]}}, then: {{assign: {who}}}}}"
        for number, who in zip(range(30), ["ewa", "jan"] * 15, strict=True)
    ]
    every, _ = asked_by(ruleset_of(f"rules: [{', '.join(rules)}]"))
    unseen: list[Unseen] = []
    alone = look_alone(every, effort(), unseen)
    find_shadows(every, alone, Bearing(every), effort(), unseen)
    assert [one.message.partition(",")[0] for one in unseen] == [
        "17 rules were compared with the first 12 above that ask for the same"
    ]
    find_shadows(every, alone, Bearing(every), Effort(30), unseen)
    assert "of 30 rules were compared with those above them" in unseen[1].message
