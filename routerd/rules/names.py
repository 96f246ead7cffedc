"""The names of `routerd.yaml` that rules may use, and the nearest right one for one that is wrong."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from routerd.config.nearest import did_you_mean
from routerd.config.settings import Settings

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

    @property
    def targets(self) -> tuple[str, ...]:
        """What `assign` and `watch` may name."""
        return (*self.members, *self.teams)


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
    )


def suggestion(name: str, known: Collection[str]) -> str:
    """The end of a sentence about a wrong name: `; did you mean 'finance'?`, or what there is where that is little."""
    meant = did_you_mean(name, known)
    if meant or not known or len(known) > _LISTED:
        return meant
    return f"; there is {', '.join(known)}" if len(known) > 1 else f"; there is only {next(iter(known))}"
