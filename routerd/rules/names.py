"""The names of `routerd.yaml` that rules may use, and the nearest right one for one that is wrong."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from routerd.config.nearest import did_you_mean
from routerd.config.settings import Settings
from routerd.config.working_hours import WorkingHours
from routerd.message.address import Address

ROLE_ACCOUNTS = ("postmaster", "abuse")  # RFC 2142; routerd takes them for each inbox's domain
_LISTED = 12  # names that a message lists


@dataclass(frozen=True, slots=True)
class Names:
    """What rules and their tests know of the settings."""

    members: Mapping[str, tuple[str, ...]]  # name → addresses in lower case
    teams: Mapping[str, tuple[str, ...]]  # name → members
    inboxes: Mapping[str, str]  # address or alias in lower case → the inbox's address
    defaults: Mapping[str, str]  # inbox → member or team
    own_addresses: frozenset[str]  # all inboxes and their aliases, in lower case
    text_limit: int  # bytes of text per part that rules see
    delimiter: str
    own_domain: str | None = None  # of routerd's own addresses
    routes: frozenset[str] = frozenset({"*"})  # the domains that mail can be delivered to; * is any
    calendars: Mapping[str, WorkingHours] = field(default_factory=dict)
    templates: tuple[str, ...] = ()  # of automatic replies
    dnsbl: tuple[str, ...] = ()  # the DNS lists that clients are looked up in

    @property
    def targets(self) -> tuple[str, ...]:
        """What `assign` and `watch` may name."""
        return (*self.members, *self.teams)

    def member_with(self, address: Address) -> str | None:
        """The member whose mailbox or other address it is."""
        return next((name for name, addresses in self.members.items() if address.key in addresses), None)

    def is_own(self, address: Address) -> bool:
        """Whether routerd takes mail for it: an inbox, perhaps with a detail, or a role account of its domain."""
        base = address.without_detail(self.delimiter)[0]
        if {address.key, base.key} & self.own_addresses or address.domain == self.own_domain:
            return True
        domains = {inbox.rpartition("@")[2] for inbox in self.own_addresses}
        return address.local.lower() in ROLE_ACCOUNTS and address.domain in domains

    def has_route(self, address: Address) -> bool:
        return not self.routes.isdisjoint(("*", address.domain))


def names_of(settings: Settings) -> Names:
    members = {
        name: tuple(address.key for address in (member.mailbox, *member.addresses))
        for name, member in settings.members.items()
    }
    inboxes = {}
    for address, inbox in settings.inboxes.items():
        inboxes[address.lower()] = address
        inboxes.update((alias.key, address) for alias in inbox.aliases)
    return Names(
        members=members,
        teams={name: team.members for name, team in settings.teams.items()},
        inboxes=inboxes,
        defaults={address: inbox.default for address, inbox in settings.inboxes.items()},
        own_addresses=frozenset(inboxes),
        text_limit=settings.limits.rule_text,
        delimiter=settings.addresses.delimiter,
        own_domain=settings.addresses.domain,
        routes=frozenset(route.domain.lower() for route in settings.delivery),
        calendars={name: calendar.working_hours for name, calendar in settings.calendars.items()},
        templates=settings.templates.names if settings.templates else (),
        dnsbl=tuple(entry.zone for entry in settings.dnsbl),
    )


def suggestion(name: str, known: Collection[str]) -> str:
    """The end of a sentence about a wrong name: `; did you mean 'finance'?`, or what there is where that is little."""
    meant = did_you_mean(name, known)
    if meant or not known or len(known) > _LISTED:
        return meant
    return f"; there is {', '.join(known)}" if len(known) > 1 else f"; there is only {next(iter(known))}"
