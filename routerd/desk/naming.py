"""By what members and teams are called in a mail: names in the config, names as people write them, addresses. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routerd.config.nearest import did_you_mean, quoted
from routerd.message.fold import fold

MAX_LISTED = 30
_BETWEEN = re.compile(r"[\s._-]+")


@dataclass(frozen=True, slots=True)
class Named:
    """A member or a team. `name`: in the config, by which everything else knows it."""

    name: str
    display_name: str = ""
    addresses: tuple[str, ...] = ()  # in lower case

    def __str__(self) -> str:
        return f"{self.name} ({self.display_name})" if self.display_name not in ("", self.name) else self.name


class Names:
    """Who is meant. What more than one could be called by is nobody's; but a name in the config goes before all else,
    an address and a whole name before a part of one.
    """

    def __init__(self, people: Iterable[Named]) -> None:
        self._people = {one.name: one for one in people}
        tiers: tuple[dict[str, dict[str, None]], ...] = ({}, {}, {})
        for one in self._people.values():
            for tier, forms in zip(tiers, _forms(one), strict=True):
                for form in filter(None, forms):
                    tier.setdefault(form, {})[one.name] = None
        self._tiers: tuple[Mapping[str, Mapping[str, None]], ...] = tiers

    def called(self, text: str) -> tuple[str, ...]:
        """All whom `text` may mean: one where it is clear, none where nobody is called so."""
        written = text.strip()
        found = self._tiers[0].get(_exactly(written))
        for tier in self._tiers[1:]:
            found = found or tier.get(_loosely(written))
        return tuple(found or ())

    def one(self, text: str) -> str:
        """Raises ValueError, which says what would be right."""
        found = self.called(text)
        if len(found) == 1:
            return found[0]
        raise ValueError(self.unclear(text))

    def unclear(self, text: str) -> str:
        """What is wrong with a name that is not one's, and what would be right."""
        found = self.called(text)
        if found:
            *first, last = (str(self._people[name]) for name in found)
            return f"{quoted(text)} may be {', '.join(first)} or {last}; write which, by the name in front"
        listed = ", ".join(str(one) for one in list(self._people.values())[:MAX_LISTED])
        more = ", …" if len(self._people) > MAX_LISTED else ""
        written = (form for one in self._people.values() for form in (one.name, one.display_name) if form)
        likely = did_you_mean(text, [word for form in written for word in (form, *form.split())]) or "."
        return f"there is no member or team {quoted(text)}{likely} There are: {listed}{more}"


def _forms(one: Named) -> tuple[Iterable[str], Iterable[str], Iterable[str]]:
    whole = _loosely(one.display_name)
    locals_ = (_loosely(address.rpartition("@")[0]) for address in one.addresses)
    parts = (*whole.split(), *locals_)
    addresses = (_loosely(address) for address in one.addresses)
    return (_exactly(one.name),), (_loosely(one.name), whole, *addresses), (part for part in parts if len(part) > 1)


def _exactly(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _loosely(text: str) -> str:
    """As people write it: without accents, whatever stands between its parts."""
    return _BETWEEN.sub(" ", fold(text)).strip()
