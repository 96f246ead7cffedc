"""What the checks across keys look at: the settings as far as they could be read, and where everything stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pydantic import Field

from routerd.config.nearest import did_you_mean, quoted
from routerd.config.plain import Reading
from routerd.config.settings import Inbox, Member, Route, Settings
from routerd.config.values import Domain, InboxKey, Name, parse_mail_address
from routerd.config.yaml_source import Problem
from routerd.message.address import Address


class PartialSettings(Settings):
    """Settings of which any key may be absent, because what stood there was wrong."""

    hostname: Domain = "invalid"
    postmaster: str = ""
    members: dict[Name, Member] = Field({})
    inboxes: dict[InboxKey, Inbox] = Field({})
    delivery: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenInbox:
    key: str  # as it stands in the file
    address: Address
    aliases: tuple[Address, ...]


@dataclass(frozen=True)  # without slots: the names are worked out once, and asked for at every reference
class Draft:
    """`reading` has the positions of `settings`; `first` is the whole file, also what was wrong.

    `in_service`: what systemd hands to a service must be there. `reads_secrets`: the files of certificates, keys
    and passwords are looked at.
    """

    settings: Settings
    reading: Reading
    first: Reading
    in_service: bool
    reads_secrets: bool = True

    @cached_property
    def member_names(self) -> dict[str, None]:
        """Every name under `members` in the order of the file, also of one in which something is wrong."""
        return dict.fromkeys(self.first.keys_at("members"))

    @cached_property
    def team_names(self) -> dict[str, None]:
        """Every name under `teams`, likewise."""
        return dict.fromkeys(self.first.keys_at("teams"))

    @property
    def inboxes(self) -> Iterator["WrittenInbox"]:
        """The inboxes in the order of the file, also those that two spellings name."""
        for written in self.reading.keys_at("inboxes"):
            texts = self.reading.keys_at("inboxes", written)
            aliases = self.reading.value_at("inboxes", written, "aliases") if "aliases" in texts else []
            yield WrittenInbox(written, parse_mail_address(written), tuple(map(parse_mail_address, aliases)))

    def is_said(self, *loc: str | int) -> bool:
        """Whether the key at `loc` has the value that its writer means: it is right, or absent. Not for lists."""
        return loc not in self.reading.dropped

    def at(self, *loc: str | int, message: str) -> Problem:
        """A problem with the value at `loc`."""
        return Problem(self.reading.mark(*loc), message)

    def at_key(self, *loc: str | int, message: str) -> Problem:
        """A problem with the key of `loc`."""
        return Problem(self.reading.key_mark(*loc), message)

    def unknown(self, *loc: str | int, name: str, members_only: bool = False) -> Problem | None:
        """The problem with the name at `loc`, or None where there is such a member (or team)."""
        if name in self.member_names or (not members_only and name in self.team_names):
            return None
        if members_only and name in self.team_names:
            return self.at(*loc, message=f"{quoted(name)} is a team; name a member")
        choices = self.member_names if members_only else (*self.member_names, *self.team_names)
        kinds = "member" if members_only else "member or team"
        return self.at(*loc, message=f"no {kinds} {quoted(name)}{did_you_mean(name, choices)}")
