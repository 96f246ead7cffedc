"""Address forms of rule files, as conditions."""

from collections.abc import Callable

from routerd.config.nearest import quoted
from routerd.config.yaml_source import Mapping, Node, Scalar
from routerd.message.address import AddressError, parse_address, parse_domain
from routerd.rules import keys
from routerd.rules.conditions.addresses import (
    AddressCondition,
    AddressExists,
    AddressForms,
    AddressOtherThan,
    AddressRegex,
)
from routerd.rules.conditions.truth import AnyOf, Condition
from routerd.rules.matching.patterns import Pattern, compile_glob, is_glob
from routerd.rules.reading.list_files import ListFile
from routerd.rules.reading.reader import Reader
from routerd.rules.reading.terms import entry_scalars, read_each, terms_and_lists
from routerd.rules.reading.text import one_operator, read_regexes

MAX_GLOBS = 1_000  # of one list; each is asked by itself, of every message

Canonical = Callable[[Scalar, str], str | None]  # another form of an address, or None where it is refused


def read_addresses(reader: Reader, key: str, node: Node, canonical: Canonical | None = None) -> Condition | None:
    """What stands behind an address key; `key` names the field.

    `canonical` is asked of every address that is written out.
    """
    if isinstance(node, Mapping) and node.get("in") is None:
        return _address_operator(reader, key, node, canonical)
    conditions = tuple(AddressCondition(key, forms) for forms in _all_forms(reader, key, node, canonical))
    return AnyOf(conditions) if len(conditions) > 1 else next(iter(conditions), None)


def _address_operator(reader: Reader, key: str, node: Mapping, canonical: Canonical | None) -> Condition | None:
    for name, _ in node.entries:
        if name.text in keys.NOT_FOR_ADDRESSES:
            reader.refuse(
                name.mark,
                f"{key} takes addresses, not {name.text!r}; write an address, a domain (klient.pl), .gov.pl with its "
                'subdomains, a glob such as "*@*.gov.pl", or {regex: …}',
            )
            return None
    operator = one_operator(reader, key, node, keys.ADDRESS_OPERATORS)
    if operator is None:
        return None
    name, value = operator
    if name.text == "exists":
        wanted = reader.flag(value, f"{key}: exists")
        return None if wanted is None else AddressExists(key, wanted)
    if name.text == "other_than":
        forms = _all_forms(reader, f"{key}: other_than", value, canonical)
        return AddressOtherThan(key, forms) if forms else None
    patterns = read_regexes(reader, key, value)
    return AddressRegex(key, tuple(term.regex for group in patterns for term in group.terms)) if patterns else None


def _all_forms(reader: Reader, what: str, node: Node, canonical: Canonical | None) -> tuple[AddressForms, ...]:
    """Those that stand here, and those of each list; a list is read once for all rules that name it."""
    scalars, lists = terms_and_lists(reader, what, node)
    found = [_forms(reader, what, scalars, canonical)]
    for file in lists:

        def read(file: ListFile) -> AddressForms:
            return _forms(reader, file.path, entry_scalars(file), canonical, file.path)

        # What is canonical, and allowed, depends on the rule file.
        found.append(read(file) if canonical else reader.lists.read_as(file, "addresses", read))
    return tuple(forms for forms in found if forms.plain or forms.globs)


def _forms(
    reader: Reader, what: str, scalars: list[Scalar], canonical: Canonical | None, source: str = ""
) -> AddressForms:
    exact: set[str] = set()
    domains: set[str] = set()
    suffixes: set[str] = set()
    globs: list[Pattern] = []

    def read(scalar: Scalar) -> None:
        text = scalar.text.strip()
        try:
            if is_glob(text):
                globs.append(compile_glob(_glob_in_a_labels(text)))
                if len(globs) == MAX_GLOBS + 1:
                    reader.refuse(scalar.mark, f"{what}: more than {MAX_GLOBS} globs; for subdomains write .gov.pl")
            elif text.startswith("."):
                suffixes.add("." + parse_domain(text[1:], utf8=True))
            elif "@" in text[1:]:
                address = parse_address(text, utf8=True).key
                known = canonical(scalar, address) if canonical else address
                exact.update([known] if known else [])
            else:
                domains.add(_domain(text))
        except AddressError as error:
            reader.refuse(scalar.mark, f"{what}: {quoted(scalar.text)} is not an address, a domain or a glob: {error}")

    read_each(reader, scalars, read)
    written = tuple(scalar.text for scalar in scalars if not source or is_glob(scalar.text))
    return AddressForms(written, frozenset(exact), frozenset(domains), frozenset(suffixes), tuple(globs), source)


def _domain(text: str) -> str:
    domain = parse_domain(text.removeprefix("@"), utf8=True)
    if "." not in domain and not text.startswith("@") and not domain.startswith("["):
        raise AddressError(f"a domain without a dot; for all of that host write '@{domain}'")
    return domain


def _glob_in_a_labels(glob: str) -> str:
    local, at, domain = glob.rpartition("@")
    labels = [label if label.isascii() else parse_domain(label, utf8=True) for label in domain.split(".")]
    return (local + at + ".".join(labels)).lower()
