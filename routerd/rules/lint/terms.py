"""What one term tells: `short-term`, `foreign-comma`, `quotes-in-term`, `own-domain`, and prefixes of a subject."""

import unicodedata
from collections.abc import Iterator

from routerd.config.nearest import quoted
from routerd.message.fold import fold
from routerd.message.subject import cut_prefixes
from routerd.rules.finding import Finding
from routerd.rules.lint.written import WrittenRule, WrittenTerm
from routerd.rules.names import Names
from routerd.rules.reading.list_files import ListFiles

_FOREIGN_COMMAS = "،、，"
_QUOTATION_MARKS = "\"„“”‟«»‹›‚‘’'「」『』"
_LEAST_LETTERS = {"LATIN": 3, "CYRILLIC": 3, "GREEK": 3, "ARABIC": 2}  # of other scripts one says enough
_AS_WRITTEN = frozenset(("regex", "exists"))
_FIELDS_OF_SENDERS = frozenset(("from", "customer"))


def find_in_terms(rule: WrittenRule, lists: ListFiles, names: Names) -> Iterator[Finding]:
    own_domains = frozenset(address.rpartition("@")[2] for address in names.own_addresses)
    for term in rule.terms(lists):
        if term.operator in _AS_WRITTEN:
            continue
        for kind, said in _said_of(term, own_domains):
            yield Finding(kind, term.mark, said, (rule.ref,))


def _said_of(term: WrittenTerm, own_domains: frozenset[str]) -> Iterator[tuple[str, str]]:
    if term.operator == "address":
        if term.field in _FIELDS_OF_SENDERS and term.wanted and _domain_of(term.text) in own_domains:
            yield (
                "own-domain",
                f"anyone can write {quoted(term.text)} into From; for mail of members write `is: internal`, which is "
                "also authenticated",
            )
        return
    comma = next((letter for letter in term.text if letter in _FOREIGN_COMMAS), None)
    if comma and term.plain:
        yield (
            "foreign-comma",
            f"{quoted(term.text)} is one term: {quoted(comma)} does not part a list, ',' does; if it is meant, put the "
            "term in quotes",
        )
    if term.text[:1] in _QUOTATION_MARKS or term.text[-1:] in _QUOTATION_MARKS:
        bare = term.text.strip(_QUOTATION_MARKS)
        yield "quotes-in-term", f"the quotation marks belong to the term {quoted(term.text)}; write {quoted(bare)}"
    if term.operator == "contains" and _is_short(fold(term.text)):
        yield "short-term", f"{quoted(term.text)} stands inside many words; write `word`, or more of it"
    prefix = cut_prefixes(term.text)
    if term.field == "subject" and term.operator in ("starts_with", "equals") and prefix.meaning is not None:
        yield (
            "never",
            f"no subject begins with {quoted(term.text)} here: prefixes are cut before rules see it; write "
            f"`is: {prefix.meaning}`",
        )


def _domain_of(text: str) -> str:
    """The domain that a form stands for; "" where it is one address."""
    local, at, domain = text.strip().lower().rpartition("@")
    return domain.removeprefix(".").removeprefix("*.") if not at or local in ("", "*") else ""


def _is_short(folded: str) -> bool:
    """Whether it has letters or digits, and fewer characters than its script needs."""
    needed = [_needed(letter) for letter in folded if letter.isalnum()]
    return bool(needed) and len(folded) < min(needed)


def _needed(letter: str) -> int:
    if letter.isdigit():
        return 3
    script = unicodedata.name(letter, "").partition(" ")[0]
    return _LEAST_LETTERS.get(script, 1)
