"""The smallest things that rules ask of a message, and which of them can be so together.

An atom is true or false of a message at an inbox. What is said of two atoms here holds for every message; what is not
known of them is left open, so that nothing is called impossible that some message can be.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from routerd.rules.matching.phrases import Phrase, Words

JOINED_FIELDS = {"text": ("subject", "body"), "everything": ("subject", "whole")}
_SINGLE_TEXTS = frozenset(("subject", "body", "whole"))  # of which a message has one at most
_NO_ADDRESS_IS_TWO = frozenset(("sender",))

Pair = tuple[bool, bool]


@dataclass(frozen=True, slots=True)
class TextAtom:
    """One text of `field` meets the operator with this one term; for `regex` the term as it is written, else folded."""

    field: str
    operator: str  # contains, word, stem, equals, starts_with, ends_with, regex
    term: str
    words: tuple[str, ...] = ()  # of a term of `word`; the stems of each word of a term of `stem`

    @property
    def group(self) -> str:
        return f"text {self.field}"


@dataclass(frozen=True, slots=True)
class ThereAtom:
    """The field is there: a text that is not blank, an address, an attachment."""

    field: str
    is_text: bool = True

    @property
    def group(self) -> str:
        return f"{'text' if self.is_text else 'address'} {self.field}"


@dataclass(frozen=True, slots=True)
class AddressAtom:
    """One address of `field` has this form."""

    field: str
    kind: str  # exact, domain, suffix (with its dot), glob, regex
    form: str

    @property
    def group(self) -> str:
        return f"address {self.field}"


@dataclass(frozen=True, slots=True)
class NumberAtom:
    """A number that every message has lies between two, both included; `most` None: there is no bound."""

    field: str
    least: int
    most: int | None

    @property
    def group(self) -> str:
        return f"number {self.field}"


@dataclass(frozen=True, slots=True)
class InboxAtom:
    """It came to one of these inboxes, not to one of the `others`."""

    inboxes: frozenset[str]
    others: frozenset[str]

    @property
    def group(self) -> str:
        return "inbox"


@dataclass(frozen=True, slots=True)
class KindAtom:
    """What sort of message it is."""

    kind: str

    @property
    def group(self) -> str:
        return f"kind {self.kind}"


@dataclass(frozen=True, slots=True)
class LabelAtom:
    """A label was given by one of the first `givers` rules that give it."""

    label: str
    givers: int

    @property
    def group(self) -> str:
        return f"label {self.label}"


@dataclass(frozen=True, slots=True)
class OpaqueAtom:
    """A condition that is not looked into; `needs` the group in which something must be there for it to hold."""

    key: object
    needs: str = ""

    @property
    def group(self) -> str:
        return self.needs or f"opaque {hash(self.key)}"


@dataclass(frozen=True, slots=True)
class ToldAtom:
    """It can be told of something, which may be unknown too, that it holds (`truth`), or that it does not."""

    key: object
    truth: bool

    @property
    def group(self) -> str:
        return f"told {hash(self.key)}"


@dataclass(frozen=True, slots=True)
class EitherAtom:
    """Any of several atoms that have to do with no other one."""

    atoms: tuple["Atom", ...]

    @property
    def group(self) -> str:
        return ""


Atom = (
    TextAtom
    | ThereAtom
    | AddressAtom
    | NumberAtom
    | InboxAtom
    | KindAtom
    | LabelAtom
    | OpaqueAtom
    | ToldAtom
    | EitherAtom
)


def impossible(one: Atom, other: Atom) -> Iterator[Pair]:
    """The values that the two cannot have together."""
    if one.group != other.group:
        if _body_is_in_whole(one, other):
            yield True, False
        if _body_is_in_whole(other, one):
            yield False, True
        return
    if implies(one, other):
        yield True, False
    if implies(other, one):
        yield False, True
    if _excludes(one, other) or _excludes(other, one):
        yield True, True
    if _covers(one, other):
        yield False, False


def _body_is_in_whole(one: Atom, other: Atom) -> bool:
    """Quotes are cut by lines, so what has no space stands in the whole text as it stands in the new one."""
    match one, other:
        case TextAtom("body", "contains", term), TextAtom("whole", "contains", wanted):
            return wanted in term and " " not in wanted
        case (TextAtom("body"), ThereAtom("whole")) | (ThereAtom("body", True), ThereAtom("whole")):
            return True
    return False


def implies(one: Atom, other: Atom) -> bool:
    """Whether `other` holds wherever `one` does; both are of one group."""
    holds = False
    match one, other:
        case ((TextAtom() | AddressAtom() | OpaqueAtom()), ThereAtom()):
            holds = True
        case TextAtom(), TextAtom():
            holds = _text_implies(one, other)
        case AddressAtom(), AddressAtom():
            holds = _address_implies(one, other)
        case NumberAtom(), NumberAtom():
            above = one.least >= other.least
            holds = above and (other.most is None or (one.most is not None and one.most <= other.most))
        case InboxAtom(), InboxAtom():
            holds = one.inboxes <= other.inboxes
        case LabelAtom(), LabelAtom():
            holds = one.givers <= other.givers
    return holds


def _text_implies(one: TextAtom, other: TextAtom) -> bool:
    match one.operator, other.operator:
        case (("regex" | "stem"), _) | (_, ("regex" | "stem")):
            holds = one == other
        case "equals", _:
            holds = _of_that_text(one.term, other)
        case "word", "word":
            holds = _stand_in(other.words, one.words)
        case "word", "contains":
            holds = any(other.term in word for word in one.words)
        case (("contains" | "starts_with" | "ends_with"), "contains"):
            holds = other.term in one.term
        case "starts_with", "starts_with":
            holds = one.term.startswith(other.term)
        case "ends_with", "ends_with":
            holds = one.term.endswith(other.term)
        case _:
            holds = False
    return holds


def _of_that_text(text: str, asked: TextAtom) -> bool:
    """Whether a text that is just this one meets what is asked."""
    match asked.operator:
        case "contains":
            return asked.term in text
        case "equals":
            return asked.term == text
        case "starts_with":
            return text.startswith(asked.term)
        case "ends_with":
            return text.endswith(asked.term)
    return Words(text).has(Phrase(asked.words))


def _stand_in(words: tuple[str, ...], longer: tuple[str, ...]) -> bool:
    return any(longer[at : at + len(words)] == words for at in range(len(longer) - len(words) + 1))


def _address_implies(one: AddressAtom, other: AddressAtom) -> bool:
    match one.kind, other.kind:
        case "exact", "domain":
            return one.form.rpartition("@")[2] == other.form
        case "exact", "suffix":
            return ("." + one.form.rpartition("@")[2]).endswith(other.form)
        case "domain", "suffix":
            return ("." + one.form).endswith(other.form)
        case "suffix", "suffix":
            return one.form.endswith(other.form)
    return one == other


def _excludes(one: Atom, other: Atom) -> bool:
    excluded = False
    match one, other:
        case TextAtom(field, "equals", term), TextAtom(operator=operator) if field in _SINGLE_TEXTS:
            excluded = operator not in ("regex", "stem") and not _of_that_text(term, other)
        case TextAtom(field, "starts_with", start), TextAtom(_, "starts_with", other_start) if field in _SINGLE_TEXTS:
            excluded = not start.startswith(other_start) and not other_start.startswith(start)
        case TextAtom(field, "ends_with", end), TextAtom(_, "ends_with", other_end) if field in _SINGLE_TEXTS:
            excluded = not end.endswith(other_end) and not other_end.endswith(end)
        case AddressAtom(field, "exact"), AddressAtom(_, kind) if field in _NO_ADDRESS_IS_TWO:
            excluded = kind in ("exact", "domain", "suffix") and one != other and not _address_implies(one, other)
        case NumberAtom(), NumberAtom():
            excluded = one.most is not None and one.most < other.least
        case InboxAtom(), InboxAtom():
            excluded = not one.inboxes & other.inboxes
        case ToldAtom(), ToldAtom():
            excluded = one.key == other.key and one.truth is not other.truth
    return excluded


def _covers(one: Atom, other: Atom) -> bool:
    """Whether one of the two holds of every message."""
    match one, other:
        case NumberAtom(), NumberAtom():
            low, high = (one, other) if one.least <= other.least else (other, one)
            return low.least <= 0 and high.most is None and (low.most is None or low.most >= high.least - 1)
        case InboxAtom(), InboxAtom():
            return not one.others & other.others
    return False
