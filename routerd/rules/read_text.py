"""Text operators, address forms and numbers of rule files, as values."""

from collections.abc import Callable
from typing import TypeVar

from routerd.config.nearest import quoted
from routerd.config.values import parse_size
from routerd.config.yaml_source import Mapping, Node, Scalar, Sequence
from routerd.message.address import AddressError, parse_address, parse_domain
from routerd.message.fold import fold, words
from routerd.rules import keys
from routerd.rules.conditions import (
    AddressCondition,
    AddressExists,
    AddressForms,
    AddressRegex,
)
from routerd.rules.facts import Phrase
from routerd.rules.number_conditions import NumberTest
from routerd.rules.patterns import Pattern, compile_glob, is_glob
from routerd.rules.reading import Reader
from routerd.rules.regex import Regex, RegexError, compile_regex
from routerd.rules.text_tests import (
    Contains,
    EndsWith,
    Equals,
    FitsRegex,
    HasWords,
    IsThere,
    StartsWith,
    Term,
    TextTest,
)
from routerd.rules.truth import Condition

MAX_TERM = 2_000  # characters
_NO_LISTS = "lists from files ({in: …}) are not available yet; write the entries here"

_Value = TypeVar("_Value")


def read_text_test(reader: Reader, key: str, node: Node) -> TextTest | None:
    """What stands behind a text key: a term, a list of terms, or one operator with its terms."""
    if not isinstance(node, Mapping):
        return _literal_test(reader, key, "contains", node)
    operator = one_operator(reader, key, node, keys.TEXT_OPERATORS, keys.LATER_TEXT_OPERATORS)
    if operator is None:
        return None
    name, value = operator
    if name.text == "exists":
        wanted = reader.flag(value, f"{key}: exists")
        return None if wanted is None else IsThere(wanted)
    if name.text == "regex":
        patterns = read_regexes(reader, key, value)
        return FitsRegex(patterns) if patterns else None
    return _literal_test(reader, key, name.text, value)


def _literal_test(reader: Reader, key: str, operator: str, node: Node) -> TextTest | None:
    what = f"{key}: {operator}"
    if operator == "word":
        phrases = _each_term(reader, what, node, lambda scalar: _phrase(reader, what, scalar))
        return HasWords(tuple(phrases)) if phrases else None
    trims = operator != "contains"
    terms = tuple(_each_term(reader, what, node, lambda scalar: _term(reader, what, scalar, trims)))
    if not terms:
        return None
    match operator:
        case "contains":
            return Contains(terms)
        case "equals":
            return Equals(terms)
        case "starts_with":
            return StartsWith(terms)
        case _:
            return EndsWith(terms)


def _each_term(reader: Reader, what: str, node: Node, read: Callable[[Scalar], _Value | None]) -> list[_Value]:
    """Every term once read; a list means any of these."""
    if isinstance(node, Mapping) and node.get("in") is not None:
        reader.refuse(node.mark, _NO_LISTS)
        return []
    if isinstance(node, Sequence):
        for item in node.items:
            if isinstance(item, Mapping) and item.get("in") is not None:
                reader.refuse(item.mark, _NO_LISTS)
                return []
    found = []
    for scalar in reader.texts(node, what):
        if len(scalar.text) > MAX_TERM:
            reader.refuse(scalar.mark, f"a term of {len(scalar.text)} characters; at most {MAX_TERM} are allowed")
            continue
        value = read(scalar)
        if value is not None:
            found.append(value)
    return found


def _term(reader: Reader, what: str, scalar: Scalar, trims: bool) -> Term | None:
    folded = fold(scalar.text)
    if trims:
        folded = folded.strip()
    if not folded.strip():
        reader.refuse(
            scalar.mark,
            f"{what}: nothing is left of {quoted(scalar.text)} when marks and invisible characters are gone",
        )
        return None
    return Term(scalar.text, folded)


def _phrase(reader: Reader, what: str, scalar: Scalar) -> tuple[str, Phrase] | None:
    found = tuple(words(fold(scalar.text)))
    if not found:
        reader.refuse(scalar.mark, f"{what}: {quoted(scalar.text)} has no letter or digit; use `contains`")
        return None
    return scalar.text, Phrase(found)


def read_regexes(reader: Reader, key: str, node: Node) -> tuple[Regex, ...]:
    def read(scalar: Scalar) -> Regex | None:
        try:
            return compile_regex(scalar.text)
        except RegexError as error:
            reader.refuse(scalar.mark, f"regex: {error}")
            return None

    return tuple(_each_term(reader, f"{key}: regex", node, read))


def one_operator(
    reader: Reader, key: str, node: Mapping, known: dict[str, str], later: tuple[str, ...]
) -> tuple[Scalar, Node] | None:
    """The one operator of a field. Two are refused with both ways to write what may be meant."""
    if not node.entries:
        reader.refuse(node.mark, f"{key} is empty")
        return None
    found = list(reader.known_entries(node, known, f"under {key}", later))
    if len(found) > 1:
        both = ", ".join(f"{{{key}: {{{name.text}: …}}}}" for name, _ in found)
        reader.refuse(
            found[1][0].mark,
            f"two operators on {key}; write `all: [{both}]` for both of them, `any: [{both}]` for either",
        )
        return None
    return found[0] if found and len(node.entries) == 1 else None


def read_number_test(reader: Reader, key: str, node: Node) -> NumberTest | None:
    if not isinstance(node, Mapping):
        reader.refuse(node.mark, f"{key} takes {{over: 5MB}}, {{under: 10KB}} or {{equals: 0}}")
        return None
    operator = one_operator(reader, key, node, keys.NUMBER_OPERATORS, ())
    if operator is None:
        return None
    name, value = operator
    scalar = reader.text(value, f"{key}: {name.text}")
    if scalar is None:
        return None
    try:
        return NumberTest(name.text, parse_size(scalar.text), scalar.text)
    except ValueError as error:
        reader.refuse(scalar.mark, str(error))
        return None


def read_addresses(reader: Reader, key: str, node: Node) -> Condition | None:
    """What stands behind an address key; `key` names the field."""
    if isinstance(node, Mapping):
        return _address_operator(reader, key, node)
    forms = read_address_forms(reader, key, node)
    return AddressCondition(key, forms) if forms else None


def _address_operator(reader: Reader, key: str, node: Mapping) -> Condition | None:
    for name, _ in node.entries:
        if name.text in keys.TEXT_OPERATORS and name.text not in keys.ADDRESS_OPERATORS:
            reader.refuse(
                name.mark,
                f"{key} takes addresses, not {name.text!r}; write an address, a domain (klient.pl), .gov.pl with its "
                'subdomains, a glob such as "*@*.gov.pl", or {regex: …}',
            )
            return None
    operator = one_operator(reader, key, node, keys.ADDRESS_OPERATORS, keys.LATER_ADDRESS_OPERATORS)
    if operator is None:
        return None
    name, value = operator
    if name.text == "exists":
        wanted = reader.flag(value, f"{key}: exists")
        return None if wanted is None else AddressExists(key, wanted)
    patterns = read_regexes(reader, key, value)
    return AddressRegex(key, patterns) if patterns else None


def read_address_forms(reader: Reader, key: str, node: Node) -> AddressForms | None:
    exact: list[str] = []
    domains: list[str] = []
    suffixes: list[str] = []
    globs: list[Pattern] = []

    def read(scalar: Scalar) -> str | None:
        text = scalar.text.strip()
        try:
            if is_glob(text):
                globs.append(compile_glob(_glob_in_a_labels(text)))
            elif text.startswith("."):
                suffixes.append("." + parse_domain(text[1:], utf8=True))
            elif "@" in text[1:]:
                exact.append(str(parse_address(text, utf8=True)).lower())
            else:
                domains.append(_domain(text))
        except (AddressError, UnicodeError) as error:
            reader.refuse(scalar.mark, f"{key}: {quoted(scalar.text)} is not an address, a domain or a glob: {error}")
            return None
        return scalar.text

    written = _each_term(reader, key, node, read)
    if not written:
        return None
    return AddressForms(tuple(written), frozenset(exact), frozenset(domains), tuple(suffixes), tuple(globs))


def _domain(text: str) -> str:
    domain = parse_domain(text.removeprefix("@"), utf8=True)
    if "." not in domain and not text.startswith("@") and not domain.startswith("["):
        raise AddressError(f"a domain without a dot; for all of that host write '@{domain}'")
    return domain


def _glob_in_a_labels(glob: str) -> str:
    local, at, domain = glob.rpartition("@")
    labels = [label if label.isascii() else label.encode("idna").decode("ascii") for label in domain.split(".")]
    return (local + at + ".".join(labels)).lower()
