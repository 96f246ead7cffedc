"""The conditions on addresses of the header and of the envelope."""

from collections.abc import Iterator
from dataclasses import dataclass

from routerd.rules.conditions.truth import Clue, Condition, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen
from routerd.rules.matching.found import shown
from routerd.rules.matching.patterns import Pattern
from routerd.rules.matching.regex import Regex

_NO, _UNKNOWN, _YES = Truth.NO, Truth.UNKNOWN, Truth.YES
_SHOWN_ADDRESSES = 5
_MAX_CLUES = 1_000  # addresses: a longer list is asked of every message, which takes a look into a set


@dataclass(frozen=True, slots=True)
class AddressForms:
    """What a list of addresses is made of: `anna@klient.pl`, `klient.pl`, `.gov.pl`, globs. Lower case, A-labels."""

    written: tuple[str, ...]
    exact: frozenset[str]
    domains: frozenset[str]
    suffixes: frozenset[str]  # ".gov.pl": with the dot
    globs: tuple[Pattern, ...]
    source: str = ""  # the path of the list that they are, of which `written` has only the globs

    def fits(self, address: str) -> bool:
        if address in self.exact:
            return True
        domain = address.rpartition("@")[2]
        if domain in self.domains or (self.suffixes and not self.suffixes.isdisjoint(dotted_ends(domain))):
            return True
        return any(glob.fits(address) for glob in self.globs)

    @property
    def plain(self) -> frozenset[str]:
        """All but the globs."""
        return self.exact.union(self.domains, self.suffixes)

    def describe(self) -> str:
        if self.source:
            return f"in {self.source}"
        more = f", … ({len(self.written)} in all)" if len(self.written) > _SHOWN_ADDRESSES else ""
        return ", ".join(shown(form) for form in self.written[:_SHOWN_ADDRESSES]) + more


@dataclass(frozen=True, slots=True)
class AddressCondition(Condition):
    """Addresses of a header or of the envelope: one of them fits."""

    field: str
    forms: AddressForms

    @property
    def cost(self) -> int:
        return 1 if self.field in ("inbox", "sender", "recipient") else 2

    def truth(self, seen: Seen) -> Truth:
        fits = self.forms.fits
        for address in seen.addresses(self.field):
            if fits(address):
                return _YES
        return _NO

    @property
    def clues(self) -> frozenset[Clue] | None:
        forms = self.forms
        if forms.globs or len(forms.exact) + len(forms.domains) + len(forms.suffixes) > _MAX_CLUES:
            return None
        return frozenset(Clue(self.field, form, is_address=True) for form in self.forms.plain)

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        address = next(address for address in seen.addresses(self.field) if self.forms.fits(address))
        written_out = address in self.forms.exact and not self.forms.source
        return (Evidence(self.field, shown(address), "" if written_out else self.forms.describe()),)

    def describe(self) -> str:
        return f"{self.field} {self.forms.describe()}"

    def saw(self, seen: Seen) -> str:
        return _saw_addresses(self.field, seen)


@dataclass(frozen=True, slots=True)
class AddressOtherThan(Condition):
    """There is an address that fits none of these."""

    field: str
    forms: tuple[AddressForms, ...]

    @property
    def cost(self) -> int:
        return 2

    def truth(self, seen: Seen) -> Truth:
        return _NO if self._other(seen) is None else _YES

    def _other(self, seen: Seen) -> str | None:
        addresses = seen.addresses(self.field)
        return next((one for one in addresses if not any(forms.fits(one) for forms in self.forms)), None)

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence(self.field, shown(self._other(seen) or ""), self._asked()),)

    def _asked(self) -> str:
        return f"other_than {', '.join(forms.describe() for forms in self.forms)}"

    def describe(self) -> str:
        return f"{self.field} {self._asked()}"

    def saw(self, seen: Seen) -> str:
        return _saw_addresses(self.field, seen)


@dataclass(frozen=True, slots=True)
class AddressRegex(Condition):
    """A regex on addresses: one of them has what it looks for."""

    field: str
    regexes: tuple[Regex, ...]

    @property
    def cost(self) -> int:
        return 12

    def truth(self, seen: Seen) -> Truth:
        return _YES if self._hit(seen) else _NO

    def _hit(self, seen: Seen) -> tuple[str, str] | None:
        for part in seen.address_texts(self.field):
            for regex in self.regexes:
                if regex.found(part.visible):
                    return part.original, regex.written
        return None

    @property
    def clues(self) -> frozenset[Clue] | None:
        return frozenset(
            clue
            for regex in self.regexes
            for clue in (
                [Clue(self.field, literal) for literal in regex.literals]
                or [Clue(self.field, regex.pattern.source, is_pattern=True)]
            )
        )

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        address, written = self._hit(seen) or ("", "")
        return (Evidence(self.field, shown(address), f"regex {shown(written)}"),)

    def describe(self) -> str:
        return f"{self.field} regex {', '.join(shown(regex.written) for regex in self.regexes)}"

    def saw(self, seen: Seen) -> str:
        return _saw_addresses(self.field, seen)


@dataclass(frozen=True, slots=True)
class AddressExists(Condition):
    """There is an address in the field, or there is none."""

    field: str
    wanted: bool

    @property
    def cost(self) -> int:
        return 2

    def truth(self, seen: Seen) -> Truth:
        return _YES if bool(seen.addresses(self.field)) is self.wanted else _NO

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        found = ", ".join(seen.addresses(self.field)[:_SHOWN_ADDRESSES])
        return (Evidence(self.field, shown(found), f"exists {_word(self.wanted)}"),)

    def describe(self) -> str:
        return f"{self.field} exists {_word(self.wanted)}"

    def saw(self, seen: Seen) -> str:
        return _saw_addresses(self.field, seen)


def dotted_ends(domain: str) -> Iterator[str]:
    """`.` and the domain, and each shorter end of it that begins with a dot."""
    dotted = "." + domain
    at = 0
    while at >= 0:
        yield dotted[at:]
        at = dotted.find(".", at + 1)


def _saw_addresses(field: str, seen: Seen) -> str:
    addresses = seen.addresses(field)
    if not addresses:
        return f"no {field}"
    return f"{field} is {shown(', '.join(addresses[:_SHOWN_ADDRESSES]))}"


def _word(wanted: bool) -> str:
    return "true" if wanted else "false"
