"""Members, teams and inboxes, and who is there on a given day."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from datetime import datetime
from functools import cached_property
from typing import Literal

from routerd.config.settings import Inbox, Member, Settings, Team
from routerd.config.working_hours import WorkingHours
from routerd.desk.changes import Absence
from routerd.desk.naming import Named, Names
from routerd.message.address import Address
from routerd.message.srs import unwrap

_FOR_MEMBERS: dict[str, Literal["note", "draft"]] = {"note": "note", "n.": "note", "draft": "draft", "d.": "draft"}

_FOR_POSTMASTER = frozenset({"postmaster", "abuse"})  # RFC 5321 4.5.1, RFC 2142
MAX_LOCAL = 256  # characters; a longer one is no address of ours (RFC 5321 4.5.3.1.1)


class Roster:
    """The people of one config, and who said that they are away. Immutable; a reload makes a new one."""

    _absences: Mapping[str, Absence]

    def __init__(self, settings: Settings) -> None:
        self._members = settings.members
        self._teams = settings.teams
        self._inboxes = settings.inboxes
        self._postmaster = settings.postmaster
        self._calendars = {name: calendar.working_hours for name, calendar in settings.calendars.items()}
        self._absences = {}
        self._delimiter = settings.addresses.delimiter
        self._inbox_of = {
            key: inbox for inbox, found in settings.inboxes.items() for key in (inbox, *(a.key for a in found.aliases))
        }
        self._domain = (settings.addresses.domain or "").lower()
        self._domains = frozenset(address.rpartition("@")[2] for address in (*self._inbox_of, f"@{self._domain}"))
        self._locals = frozenset(inbox.rpartition("@")[0].lower() for inbox in settings.inboxes)
        self._by_address = {
            address.key: name
            for name, member in settings.members.items()
            for address in (*member.addresses, member.mailbox)
        }

    def with_absences(self, absences: Iterable[Absence]) -> "Roster":
        """The same people, with these absences beside those of the config."""
        by_member = {absence.member: absence for absence in absences}
        if not by_member:
            return self
        roster = copy(self)
        roster._absences = by_member
        return roster

    @property
    def postmaster(self) -> str:
        """The member or team that is last in line."""
        return self._postmaster

    @property
    def members(self) -> frozenset[str]:
        return frozenset(self._members)

    @property
    def names(self) -> tuple[str, ...]:
        """Of members and teams."""
        return (*self._members, *self._teams)

    @cached_property
    def called(self) -> Names:
        """By what people call them."""
        addresses = ((name, (*one.addresses, one.mailbox)) for name, one in self._members.items())
        keys = {name: tuple(dict.fromkeys(address.key for address in found)) for name, found in addresses}
        members = (Named(name, one.name or "", keys[name]) for name, one in self._members.items())
        return Names((*members, *map(Named, self._teams)))

    def member(self, name: str) -> Member | None:
        return self._members.get(name)

    def team(self, name: str) -> Team | None:
        return self._teams.get(name)

    def inbox(self, address: str) -> Inbox | None:
        return self._inboxes.get(address)

    def mailbox(self, member: str) -> Address:
        """Where the member's copies go. Raises KeyError for a name that is no member."""
        return self._members[member].mailbox

    def mailbox_for(self, member: str, labels: Iterable[str]) -> Address:
        """Where a copy with these labels goes: the member may have such sorted by its address."""
        found = self._members[member]
        if found.show.mailbox is None:
            return found.mailbox
        return next((box for box in map(found.show.mailbox_for, labels) if box is not None), found.mailbox)

    def display_name(self, member: str) -> str:
        """How people see him named. Of who has left nothing but the name in the config is known."""
        found = self._members.get(member)
        return found.name or member if found is not None else member

    @cached_property  # asked by each message
    def own_addresses(self) -> frozenset[str]:
        """All inboxes and their aliases, in lower case."""
        return frozenset(self._inbox_of)

    def inbox_of(self, address: str) -> str | None:
        """The inbox that an address in lower case belongs to: exact, an alias, or with a detail; None for others."""
        found = self._inbox_of.get(address)
        if found is None and self._delimiter in address:
            domain = address.rpartition("@")[2]
            bases = (self._inbox_of.get(f"{base}@{domain}") for base, _ in self._splits(address))
            found = next((inbox for inbox in bases if inbox is not None), None)
        return found

    def is_ours(self, address: str) -> bool:
        """Whether an address in lower case is of an inbox, of the desk or of a member, with whatever detail.

        Others in our domains are people like any outside: an answer may go to them.
        """
        if self.inbox_of(address) is not None or address in self._by_address:
            return True
        local, _, domain = address.rpartition("@")
        if domain in self._domains and (local in _FOR_POSTMASTER or unwrap(local) is not None):
            return True
        if domain == self._domain and local in self._locals:
            return True
        return self._delimiter in local and any(
            f"{base}@{domain}" in self._by_address or (domain == self._domain and base in self._locals)
            for base, _ in self._splits(address)
        )

    def takes_from_members(self, address: str) -> Literal["note", "draft"] | None:
        """What an address in lower case is for by its form, whatever its token: notes, drafts, or None for others."""
        for base, detail in self._splits(address):
            found = _FOR_MEMBERS.get(detail if detail in _FOR_MEMBERS else detail[:2])
            if found is not None and self.is_ours(f"{base}@{address.rpartition('@')[2]}"):
                return found
        return None

    def _splits(self, address: str) -> Iterator[tuple[str, str]]:
        """The local part as a name with a detail, in all ways, the longest name first: it may hold the delimiter."""
        local = address.rpartition("@")[0]
        if len(local) <= MAX_LOCAL:
            at = local.rfind(self._delimiter)
            while at > 0:
                yield local[:at], local[at + len(self._delimiter) :]
                at = local.rfind(self._delimiter, 0, at)

    def default_of(self, inbox: str) -> str:
        """Who owns what no rule assigns; the postmaster for an address that is no inbox."""
        found = self._inboxes.get(inbox)
        return found.default if found else self._postmaster

    def member_with(self, address: str) -> str | None:
        """The member who writes from `address` (in lower case), or None."""
        return self._by_address.get(address)

    def people(self, name: str) -> tuple[str, ...]:
        """The members that a name of a member or team stands for; none for a name nobody bears."""
        if name in self._members:
            return (name,)
        team = self._teams.get(name)
        return team.members if team else ()

    def approvers(self, author: str, names: Iterable[str]) -> tuple[str, ...]:
        """Of the members and teams who must approve an answer, those whose word counts: not its author's, but where
        nobody else is among them. None where none of them is left."""
        people = tuple(dict.fromkeys(member for name in names for member in self.people(name)))
        return tuple(one for one in people if one != author) or people

    def working_hours(self, member: str, team: str | None) -> WorkingHours | None:
        """By which time counts for what `member` owns: the calendar of the team it was picked from, else the member's;
        None: by the clock."""
        for found in (self._teams.get(team or ""), self._members.get(member)):
            if found is not None and found.calendar is not None:
                return self._calendars.get(found.calendar)
        return None

    def is_on_duty(self, member: str, now: datetime) -> bool:
        """Whether it is a working moment of the member's own calendar; without one always."""
        name = self._members[member].calendar
        hours = self._calendars.get(name) if name is not None else None
        return hours is None or hours.includes(now)

    def absence(self, member: str, now: datetime) -> Absence | None:
        """The member's that is not in the config and lasts."""
        absence = self._absences.get(member)
        return absence if absence is not None and (absence.until is None or now < absence.until) else None

    def is_away(self, member: str, now: datetime) -> bool:
        if self._absences and self.absence(member, now) is not None:
            return True
        return self.is_away_by_config(member, now)

    def is_away_by_config(self, member: str, now: datetime) -> bool:
        today = now.date()
        return any(days.first <= today <= days.last for days in self._members[member].away)

    def deputies(self, member: str) -> Iterator[str]:
        """The member's deputy, that one's deputy, and so on, each once."""
        seen = {member}
        deputy = self._deputy_of(member)
        while deputy is not None and deputy not in seen:
            seen.add(deputy)
            yield deputy
            deputy = self._deputy_of(deputy)

    def _deputy_of(self, member: str) -> str | None:
        """Whom the member named when he went goes before the config's."""
        absence = self._absences.get(member)
        if absence is not None and absence.deputy in self._members:
            return absence.deputy
        return self._members[member].deputy
