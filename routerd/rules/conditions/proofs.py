"""The conditions on what others say of the sender: verification results, and DNS lists."""

from dataclasses import dataclass

from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen
from routerd.rules.matching.found import shown

TEMPORARY = "temperror"  # RFC 8601 2.7: it could not be told then


@dataclass(frozen=True, slots=True)
class AuthCondition(Condition):
    """One method's result is one of these; none is no, and one that could not be told then cannot be told."""

    method: str
    results: tuple[str, ...]

    @property
    def cost(self) -> int:
        return 0

    def truth(self, seen: Seen) -> Truth:
        result = seen.facts.results.get(self.method)
        if result == TEMPORARY:
            return Truth.UNKNOWN
        return Truth.YES if result in self.results else Truth.NO

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence(f"auth {self.method}", seen.facts.results[self.method], ", ".join(self.results)),)

    def describe(self) -> str:
        return f"auth {self.method} {', '.join(self.results)}"

    def saw(self, seen: Seen) -> str:
        result = seen.facts.results.get(self.method)
        return f"{self.method}={shown(result)}" if result else f"no result of {self.method}"


@dataclass(frozen=True, slots=True)
class DnsblCondition(Condition):
    """The client is on one of these lists; it cannot be told where it is on none, but one did not answer."""

    lists: tuple[str, ...]

    @property
    def cost(self) -> int:
        return 0

    def truth(self, seen: Seen) -> Truth:
        dnsbl = seen.facts.dnsbl
        if not dnsbl.listed.isdisjoint(self.lists):
            return Truth.YES
        return Truth.NO if dnsbl.unanswered.isdisjoint(self.lists) else Truth.UNKNOWN

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        listed = seen.facts.dnsbl.listed
        return (Evidence("dnsbl", "", ", ".join(name for name in self.lists if name in listed)),)

    def describe(self) -> str:
        return f"dnsbl {', '.join(self.lists)}"

    def saw(self, seen: Seen) -> str:
        dnsbl = seen.facts.dnsbl
        silent = [name for name in self.lists if name in dnsbl.unanswered]
        if silent:
            return f"{', '.join(silent)} did not answer"
        return f"the client is on {', '.join(sorted(dnsbl.listed)) or 'no list'}"
