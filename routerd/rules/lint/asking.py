"""What a rule asks, as a formula that is true of a message exactly where the rule matches.

What may be unknown (`is: internal`, all that is not looked into) has two atoms: it can be told that it holds, it can
be told that it does not. So a formula says when a three-valued condition is YES, and its opposite when it is NO.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from routerd.message.fold import fold
from routerd.rules.conditions.addresses import AddressCondition, AddressExists, AddressRegex
from routerd.rules.conditions.attachment import AttachmentCondition
from routerd.rules.conditions.kinds import KindCondition, LabelCondition
from routerd.rules.conditions.numbers import CountCondition, NumberTest, SizeCondition
from routerd.rules.conditions.terms import StemTerm, WordTerm
from routerd.rules.conditions.text import TextCondition
from routerd.rules.conditions.text_tests import (
    Contains,
    EndsWith,
    Equals,
    FitsRegex,
    HasStems,
    HasWords,
    IsThere,
    OfTerms,
    StartsWith,
    TextTest,
    WithAlso,
)
from routerd.rules.conditions.truth import All, Always, AnyOf, Condition, NoneOf
from routerd.rules.lint.atoms import (
    AddressAtom,
    Atom,
    InboxAtom,
    KindAtom,
    LabelAtom,
    NumberAtom,
    OpaqueAtom,
    TextAtom,
    ThereAtom,
    ToldAtom,
)
from routerd.rules.lint.formula import FALSE, MAX_COMPARED, TRUE, And, Formula, Is, Not, Or, atoms_in, simplified
from routerd.rules.lint.parts import Part, parts_of
from routerd.rules.matching.patterns import is_glob
from routerd.rules.ruleset import Rule, RuleFile, Ruleset

Place = tuple[int, int]  # number of the file, number of the rule in it
_MAX_ALTERNATIVES = 2_000  # entries of one list that are told apart; a longer one is one atom
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule at its place, what it asks, and the inboxes whose mail its file reads."""

    rule: Rule
    place: Place
    formula: Formula  # with the file's inboxes
    parts: tuple[Part, ...]  # of the formula
    atoms: tuple[Atom, ...]  # of the formula, each once
    scope: Formula  # the file's inboxes alone
    inboxes: frozenset[str]
    is_limited: bool  # to less than all inboxes

    @property
    def is_small(self) -> bool:
        """Whether all ways in which it is true may be looked at."""
        return len(self.atoms) <= MAX_COMPARED


class Givers:
    """Which rules give which label, and for which inboxes. Rules on trial give none."""

    def __init__(self, ruleset: Ruleset, every_inbox: frozenset[str]) -> None:
        self._every_inbox = every_inbox
        self._by_label: dict[str, list[tuple[Place, frozenset[str]]]] = {}
        for number, file in enumerate(ruleset.files):
            for at, rule in enumerate(file.rules):
                for label in () if rule.trial else rule.then.labels:
                    self._by_label.setdefault(label, []).append(((number, at), self.inboxes_of(file)))

    def inboxes_of(self, file: RuleFile) -> frozenset[str]:
        return self._every_inbox if file.inboxes is None else file.inboxes

    def gives(self, label: str) -> bool:
        return label in self._by_label

    def above(self, label: str, place: Place) -> int:
        """How many rules above give it, for whatever inbox."""
        return bisect_left([given for given, _ in self._by_label.get(label, ())], place)

    def reach(self, label: str, place: Place, inboxes: frozenset[str]) -> bool:
        """Whether a rule above gives it to mail for one of these inboxes."""
        given = self._by_label.get(label, ())[: self.above(label, place)]
        return any(its_inboxes & inboxes for _, its_inboxes in given)

    def first(self, label: str) -> Place:
        return self._by_label[label][0][0]

    @property
    def labels(self) -> Iterable[str]:
        return self._by_label


def asked_by(ruleset: Ruleset) -> tuple[tuple[Asked, ...], Givers]:
    """Every rule, in the order in which they are read."""
    every_inbox = frozenset(inbox.lower() for inbox in ruleset.names.inboxes.values())
    givers = Givers(ruleset, every_inbox)
    asked = []
    for number, file in enumerate(ruleset.files):
        inboxes = givers.inboxes_of(file)
        scope = _of_inboxes(inboxes, every_inbox)
        for at, rule in enumerate(file.rules):
            reader = _ConditionReader(every_inbox, inboxes, givers, (number, at))
            formula = simplified(And((scope, reader.holds(rule.when))))
            atoms = tuple(dict.fromkeys(atoms_in(formula)))
            its_parts = parts_of(formula)
            is_limited = inboxes < every_inbox
            asked.append(Asked(rule, (number, at), formula, its_parts, atoms, scope, inboxes, is_limited))
    return tuple(asked), givers


class _ConditionReader:
    def __init__(self, every_inbox: frozenset[str], inboxes: frozenset[str], givers: Givers, place: Place) -> None:
        self._every_inbox = every_inbox
        self._inboxes = inboxes
        self._givers = givers
        self._place = place

    def holds(self, condition: Condition) -> Formula:
        """True where the condition is YES."""
        match condition:
            case All():
                return And(tuple(map(self.holds, condition.parts)))
            case AnyOf():
                return Or(tuple(map(self.holds, condition.parts)))
            case NoneOf():
                return And(tuple(map(self.fails, condition.parts)))
        return self._leaf(condition, True)

    def fails(self, condition: Condition) -> Formula:
        """True where the condition is NO."""
        match condition:
            case All():
                return Or(tuple(map(self.fails, condition.parts)))
            case AnyOf():
                return And(tuple(map(self.fails, condition.parts)))
            case NoneOf():
                return Or(tuple(map(self.holds, condition.parts)))
        return self._leaf(condition, False)

    def _leaf(self, condition: Condition, truth: bool) -> Formula:
        if isinstance(condition, KindCondition):
            return self._kinds(condition, truth)
        known = self._known(condition)
        if known is None:
            return Is(ToldAtom(_key(condition), truth))
        return known if truth else Not(known)

    def _kinds(self, condition: KindCondition, truth: bool) -> Formula:
        if truth:
            return Or(tuple(_kind(kind, True) for kind in condition.kinds))
        return And(tuple(_kind(kind, False) for kind in condition.kinds))

    def _known(self, condition: Condition) -> Formula | None:
        """What is always either YES or NO; None for what may be unknown."""
        formula: Formula | None = None
        match condition:
            case Always():
                formula = TRUE
            case TextCondition():
                formula = _text(condition.field, condition.test)
            case AddressCondition():
                formula = self._addresses(condition)
            case AddressRegex():
                formula = _any_of(condition.regexes, lambda one: AddressAtom(condition.field, "regex", one.written))
            case AddressExists():
                formula = _there(ThereAtom(condition.field, is_text=False), condition.wanted)
            case SizeCondition():
                formula = _number("size", condition.test)
            case CountCondition():
                formula = _number(condition.field, condition.test)
            case AttachmentCondition(exists=bool(wanted)):
                formula = _there(ThereAtom("attachment", is_text=False), wanted)
            case AttachmentCondition():
                formula = Is(OpaqueAtom(_key(condition), "address attachment"))
            case LabelCondition():
                formula = Or(tuple(map(self._label, condition.labels)))
        return formula

    def _addresses(self, condition: AddressCondition) -> Formula:
        field, forms = condition.field, condition.forms
        if field == "inbox":
            fitting = frozenset(inbox for inbox in self._every_inbox if forms.fits(inbox))
            return _of_inboxes(fitting, self._every_inbox)
        told_apart = [("exact", form) for form in sorted(forms.exact)]
        told_apart += [("domain", form) for form in sorted(forms.domains)]
        told_apart += [("suffix", form) for form in sorted(forms.suffixes)]
        told_apart += [("glob", written) for written in forms.written if is_glob(written)]
        if len(told_apart) > _MAX_ALTERNATIVES:
            return Is(OpaqueAtom((field, forms), f"address {field}"))
        return _any_of(told_apart, lambda form: AddressAtom(field, *form))

    def _label(self, label: str) -> Formula:
        """A label that nothing above gives is for other findings to say; one given elsewhere alone is never seen."""
        above = self._givers.above(label, self._place)
        if above and not self._givers.reach(label, self._place, self._inboxes):
            return FALSE
        return Is(LabelAtom(label, above))


def _text(field: str, test: TextTest) -> Formula:
    formula: Formula
    match test:
        case IsThere():
            formula = _there(ThereAtom(field), test.wanted)
        case WithAlso():
            formula = Or((_text(field, test.test), _text(field, test.also)))
        case OfTerms() if len(test.terms) <= _MAX_ALTERNATIVES:
            formula = _terms(field, test)
        case _:
            formula = Is(OpaqueAtom((field, _key(test)), f"text {field}"))
    return formula


def _terms(field: str, test: OfTerms[Any]) -> Formula:
    formula: Formula
    match test:
        case FitsRegex():
            formula = _any_of(test.terms, lambda term: TextAtom(field, "regex", term.written))
        case HasStems():
            formula = _any_of(test.terms, lambda term: _stem(field, term))
        case HasWords():
            formula = _any_of(test.terms, lambda term: _word(field, term))
        case Contains() | Equals() | StartsWith() | EndsWith():
            formula = _any_of(test.terms, lambda term: TextAtom(field, test.operator, term.folded))
        case _:
            formula = Is(OpaqueAtom((field, _key(test)), f"text {field}"))
    return formula


def _word(field: str, term: WordTerm) -> Atom:
    words = term.phrase.words
    return TextAtom(field, "word", " ".join(words), words)


def _stem(field: str, term: StemTerm) -> Atom:
    stems = tuple(" ".join(sorted(f"{stem.language}:{stem.text}" for stem in word)) for word in term.phrase.words)
    return TextAtom(field, "stem", fold(term.written).strip(), stems)


def _kind(kind: str, truth: bool) -> Formula:
    if kind == "internal":
        return Is(ToldAtom("internal", truth))
    return Is(KindAtom(kind)) if truth else Not(Is(KindAtom(kind)))


def _number(field: str, test: NumberTest) -> Formula:
    """Sizes and counts are whole numbers from 0 on."""
    least, most = {
        "over": (test.number + 1, None),
        "under": (0, test.number - 1),
        "equals": (test.number, test.number),
    }[test.operator]
    if most is not None and most < max(least, 0):
        return FALSE
    return TRUE if least <= 0 and most is None else Is(NumberAtom(field, least, most))


def _of_inboxes(inboxes: frozenset[str], every_inbox: frozenset[str]) -> Formula:
    if not inboxes or inboxes >= every_inbox:
        return TRUE if inboxes else FALSE
    return Is(InboxAtom(inboxes, every_inbox - inboxes))


def _there(atom: ThereAtom, wanted: bool) -> Formula:
    return Is(atom) if wanted else Not(Is(atom))


def _any_of(parts: Iterable[_Part], atom_of: Callable[[_Part], Atom]) -> Formula:
    return Or(tuple(dict.fromkeys(Is(atom_of(part)) for part in parts)))


def _key(value: object) -> object:
    """What stands for something that is not looked into: itself, or its identity where it cannot be compared."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value
