"""DNS as tests tell it: zones as values, and what was asked of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Trouble

NXDOMAIN = Absent(is_nxdomain=True, seconds=60)
NO_DATA = Absent(is_nxdomain=False, seconds=60)
SERVFAIL = Trouble("the DNS server said SERVFAIL")


@dataclass
class Zones:
    """`look_up` is a LookUp. What is not there does not exist; what is None is trouble."""

    records: Mapping[tuple[str, str], Sequence[str] | None]
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def look_up(self, name: str, kind: RecordKind) -> Answer:
        name = name.lower().removesuffix(".")
        self.asked.append((name, kind.value))
        if (name, kind.value) in self.records:
            values = self.records[name, kind.value]
            return SERVFAIL if values is None else Records(tuple(values), 60)
        return NO_DATA if any(other == name for other, _ in self.records) else NXDOMAIN
