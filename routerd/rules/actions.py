"""What a rule does when it matches, as values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from routerd.config.values import format_duration
from routerd.rules.decision import Evidence, Priority, Reply

_MOST_SHOWN = 3  # addresses that have no row


@dataclass(frozen=True, slots=True)
class AssignTo:
    """A member or a team; `pick` takes the place of the team's own way of picking."""

    target: str
    pick: str | None = None

    def describe(self) -> str:
        return f"{self.target} (pick: {self.pick})" if self.pick else self.target


@dataclass(frozen=True, slots=True)
class AssignBy:
    """A look-up table: whom an address, or else its domain, belongs to. No row: the rule does not assign."""

    field: str  # whose addresses are looked up, such as customer
    table: str  # the file's path inside the rules folder
    rows: Mapping[str, str]  # address or domain in lower case → member or team

    def look_up(self, addresses: tuple[str, ...]) -> tuple[str | None, Evidence]:
        """The target of the first address that has a row, of itself before its domain; and what was found where."""
        for address in addresses:
            for key in (address, address.rpartition("@")[2]):
                target = self.rows.get(key)
                if target is not None:
                    return target, Evidence(self.field, address, f"{key} → {target} in {self.table}")
        if not addresses:
            return None, Evidence(self.field, "", f"is absent, so it has no row in {self.table}")
        return None, Evidence(self.field, ", ".join(addresses[:_MOST_SHOWN]), f"no row in {self.table}")

    def describe(self) -> str:
        return f"by {self.field} in {self.table}"


@dataclass(frozen=True, slots=True)
class Actions:
    """`then` of one rule."""

    assign: AssignTo | AssignBy | None = None
    reassign: bool = False  # `assign` holds in a known conversation, too
    labels: tuple[str, ...] = ()
    priority: Priority | None = None
    watch: tuple[str, ...] = ()
    respond_within: timedelta | None = None
    headers: tuple[tuple[str, str], ...] = ()  # names as written
    forward: tuple[str, ...] = ()
    hold: str | None = None
    reject: str | None = None
    approve: tuple[str, ...] = ()  # members and teams: an answer waits for the #send of one of them
    reply: Reply | None = None
    stop: str | None = None  # "file" or "all"

    def describe(self) -> str:
        """In one line, as a rule on trial says what it would do: `assign finance, label invoice`."""
        return ", ".join(self._said())

    def _said(self) -> Iterator[str]:
        if self.assign is not None:
            yield f"{'reassign' if self.reassign else 'assign'} {self.assign.describe()}"
        yield from (f"label {label}" for label in self.labels)
        if self.priority is not None:
            yield f"priority {self.priority}"
        yield from (f"watch {target}" for target in self.watch)
        if self.respond_within is not None:
            yield f"respond_within {format_duration(self.respond_within)}"
        yield from (f"header {name}: {value}" for name, value in self.headers)
        yield from (f"forward {address}" for address in self.forward)
        if self.hold is not None:
            yield f"hold ({self.hold})"
        if self.reject is not None:
            yield f"reject ({self.reject})"
        yield from (f"approve {target}" for target in self.approve)
        if self.reply is not None:
            yield f"reply {self.reply.describe()}"
        if self.stop is not None:
            yield "stop" if self.stop == "file" else "stop all"
