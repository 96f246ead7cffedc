"""Which rules a message may match at all: found by what stands in it, so that the rest need not be asked."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from routerd.rules.conditions.addresses import dotted_ends
from routerd.rules.conditions.truth import Clue, Condition
from routerd.rules.facts import ADDRESS_FIELDS, Seen
from routerd.rules.matching.literals import Literals
from routerd.rules.matching.patterns import PatternSet

_Numbers = dict[str, list[int]]  # form → the conditions that it is a clue of
_LONG_TEXTS = frozenset(("body", "text", "everything"))
_NONE: list[int] = []
_RARE = 3  # bits: clues of up to seven conditions are told apart by what they cost


class _Search(NamedTuple):
    """What is looked for in one field."""

    by_address: _Numbers
    by_literal: _Numbers
    literals: Literals
    patterns: PatternSet | None
    by_pattern: tuple[list[int], ...]
    by_stem: dict[str, _Numbers]  # by language


class RuleIndex:
    """Of the conditions of every file, from top to bottom. Never changes once made."""

    __slots__ = (
        "_always", "_by_address", "_by_literal", "_by_stem", "_fields", "_fields_with_clues", "_files", "_searches",
        "_starts",
    )  # fmt: skip

    def __init__(self, files: Sequence[Sequence[Condition]]) -> None:
        self._starts = list(accumulate(map(len, files), initial=0))
        self._files = [file for file, conditions in enumerate(files) for _ in conditions]  # by number
        self._always: list[list[int]] = [[] for _ in files]  # without clues
        self._fields: list[dict[str, None]] = [{} for _ in files]  # in which a file has clues
        self._by_literal: dict[str, _Numbers] = {}  # by field
        self._by_address: dict[str, _Numbers] = {}
        self._by_stem: dict[str, dict[str, _Numbers]] = {}  # by field, and by language
        self._searches: dict[str, _Search] = {}  # by field
        self._read([condition for conditions in files for condition in conditions])

    def asked_of(self, seen: Seen) -> "Asked":
        return Asked(self, seen)

    def _read(self, conditions: Sequence[Condition]) -> None:
        patterns: dict[str, _Numbers] = {}
        choices = [condition.clue_choices for condition in conditions]
        wanted_by = Counter(clue for sets in choices for clues in sets for clue in clues)
        for number, sets in enumerate(choices):
            file = self._files[number]
            if not sets:
                self._always[file].append(number - self._starts[file])
                continue
            for clue in _most_telling(sets, wanted_by):
                self._forms_like(clue, patterns).setdefault(clue.form, []).append(number)
                self._fields[file][clue.field] = None
        self._fields_with_clues = frozenset(field for fields in self._fields for field in fields)
        # One automaton for all files, so that a text is searched once; but a small one for the long texts: most of the
        # time goes into loading it from memory.
        in_long_texts = Literals(self._literals_of(_LONG_TEXTS))
        in_others = Literals(self._literals_of(self._by_literal.keys() - _LONG_TEXTS))
        for field in self._fields_with_clues:
            asked_for = patterns.get(field, {})
            self._searches[field] = _Search(
                self._by_address.get(field, {}),
                self._by_literal.get(field, {}),
                in_long_texts if field in _LONG_TEXTS else in_others,
                PatternSet(tuple(asked_for)) if asked_for else None,
                tuple(asked_for.values()),
                self._by_stem.get(field, {}),
            )

    def _literals_of(self, fields: Iterable[str]) -> set[str]:
        return {literal for field in fields for literal in self._by_literal.get(field, ())}

    def _forms_like(self, clue: Clue, patterns: dict[str, _Numbers]) -> _Numbers:
        """The forms that are looked for in the same way as this one."""
        if clue.language:
            return self._by_stem.setdefault(clue.field, {}).setdefault(clue.language, {})
        by_field = self._by_address if clue.is_address else patterns if clue.is_pattern else self._by_literal
        return by_field.setdefault(clue.field, {})

    def _found_in(self, field: str, seen: Seen) -> Iterator[list[int]]:
        """The conditions of which a clue is in the field."""
        by_address, by_literal, literals, patterns, by_pattern, by_stem = self._searches[field]
        if by_address:
            forms = {form for address in seen.addresses(field) for form in _forms_of(address)}
            for form in by_address.keys() & forms:
                yield by_address[form]
        if not by_literal and patterns is None and not by_stem:
            return
        for part in seen.address_texts(field) if field in ADDRESS_FIELDS else seen.texts.parts(field):
            if by_literal:
                for literal in part.found_of(literals):
                    yield by_literal.get(literal, _NONE)
            if patterns is not None:
                for place in part.fitting(patterns):
                    yield by_pattern[place]
            for language, numbers in by_stem.items():
                for stem in part.stemmed.stems_among(numbers.keys(), language):
                    yield numbers[stem]

    def add_found_in(self, field: str, seen: Seen, by_file: dict[int, list[int]]) -> None:
        """The conditions of which a clue is in the field, as their files count them; some twice."""
        for numbers in self._found_in(field, seen):
            for number in numbers:
                file = self._files[number]
                by_file.setdefault(file, []).append(number - self._starts[file])

    @property
    def fields(self) -> frozenset[str]:
        """All in which there are clues."""
        return self._fields_with_clues

    def fields_of(self, file: int) -> Mapping[str, None]:
        return self._fields[file]

    def always(self, file: int) -> list[int]:
        return self._always[file]


class Asked:
    """What one message has of the clues. A field is searched when the first file with clues in it is asked."""

    __slots__ = ("_found", "_index", "_left", "_seen")

    def __init__(self, index: RuleIndex, seen: Seen) -> None:
        self._index = index
        self._seen = seen
        self._left = set(index.fields)  # to be searched
        self._found: dict[int, list[int]] = {}  # by file

    def to_ask(self, file: int) -> list[int]:
        """The conditions of a file, by their number in it, that may be other than NO, in their order."""
        index = self._index
        if self._left:
            for field in index.fields_of(file):
                if field in self._left:
                    index.add_found_in(field, self._seen, self._found)
                    self._left.remove(field)
        found, always = self._found.get(file), index.always(file)
        return always if found is None else sorted({*found, *always})


def _most_telling(sets: Sequence[frozenset[Clue]], wanted_by: Mapping[Clue, int]) -> frozenset[Clue]:
    """Those that the fewest conditions want; of about as many the first, which is the cheapest to look for."""
    return min(sets, key=lambda clues: max(0, sum(wanted_by[clue] for clue in clues).bit_length() - _RARE))


def _forms_of(address: str) -> Iterator[str]:
    """The ways in which a rule can name it: itself, its domain, `.` and the domain or an end of it."""
    domain = address.rpartition("@")[2]
    yield address
    yield domain
    yield from dotted_ends(domain)
