"""Inboxes, their aliases and the members' mailboxes: each address has one meaning, and no copy comes back to us."""

from collections.abc import Iterator

from routerd.config.draft import Draft
from routerd.config.nearest import quoted
from routerd.config.settings import Addresses
from routerd.config.yaml_source import Problem
from routerd.message.address import Address

MAX_INBOX_LOCAL = 30  # a return path is the inbox's local part, a delimiter and up to 33 characters; RFC 5321 takes 64
_ROLE_ACCOUNTS = ("postmaster", "abuse")  # RFC 2142; routerd takes them for each inbox's domain


def check(draft: Draft) -> Iterator[Problem]:
    taken = _Taken(draft.settings.addresses)
    yield from _inboxes(draft, taken)
    yield from _members(draft, taken)
    yield from _own_domain(draft)


class _Taken:
    """The addresses that routerd takes mail for, and what each of them is."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self.what: dict[str, str] = {}
        self._domains: set[str] = set()

    def add(self, address: Address, what: str) -> str | None:
        """What `address` is already, or None; then it is `what` from now on."""
        before = self.what.get(address.key)
        if before is None:
            self.what[address.key] = what
            self._domains.add(address.domain)
        return before

    def meaning(self, address: Address) -> str | None:
        """What routerd would take mail to `address` for; None where it is not ours."""
        found = self.what.get(address.key)
        if found:
            return found
        base = self.what.get(address.without_detail(self._addresses.delimiter)[0].key)
        if base:
            return f"{base} with a detail"
        if address.local.lower() in _ROLE_ACCOUNTS and address.domain in self._domains:
            return "the postmaster's address at an inbox's domain"
        if self._addresses.style == "domain" and address.domain == self._addresses.domain:
            return "at the domain of routerd's own addresses"
        return None


def _inboxes(draft: Draft, taken: _Taken) -> Iterator[Problem]:
    for inbox in draft.inboxes:
        before = taken.add(inbox.address, f"the inbox {inbox.address.key}")
        if before:
            yield draft.at_key("inboxes", inbox.key, message=f"{quoted(inbox.key)} is {before} already")
        yield from _inbox_name(draft, inbox.key, inbox.address)
    for inbox in draft.inboxes:
        for index, alias in enumerate(inbox.aliases):
            before = taken.add(alias, f"an alias of {inbox.address.key}")
            if before:
                place = ("inboxes", inbox.key, "aliases", index)
                yield draft.at(*place, message=f"{quoted(str(alias))} is {before} already")


def _inbox_name(draft: Draft, written: str, address: Address) -> Iterator[Problem]:
    delimiter = draft.settings.addresses.delimiter
    if len(address.local) > MAX_INBOX_LOCAL:
        wrong = (
            f"{quoted(written)} has more than {MAX_INBOX_LOCAL} characters before the @; its return paths would not fit"
        )
        yield draft.at_key("inboxes", written, message=wrong)
    if delimiter in address.local:
        wrong = f"{quoted(written)} contains the delimiter {quoted(delimiter)}; mail to it would be taken for a detail"
        yield draft.at_key("inboxes", written, message=wrong)


def _members(draft: Draft, taken: _Taken) -> Iterator[Problem]:
    mailboxes: dict[str, str] = {}
    writers: dict[str, str] = {}
    for name, member in draft.settings.members.items():
        place = ("members", name, "mailbox")
        meaning = taken.meaning(member.mailbox)
        if meaning:
            yield draft.at(
                *place, message=f"the mailbox {member.mailbox} is {meaning}: copies would come back (a loop)"
            )
        first = mailboxes.setdefault(member.mailbox.key, name)
        if first != name:
            wrong = f"the mailbox {member.mailbox} is that of {quoted(first)} already; copies could not be told apart"
            yield draft.at(*place, message=wrong)
        writers.setdefault(member.mailbox.key, name)
        shown = member.show.mailbox_for("label")
        meaning = taken.meaning(shown) if shown is not None else None
        if meaning:
            wrong = f"{member.show.mailbox} is {meaning}: copies would come back (a loop)"
            yield draft.at("members", name, "show", "mailbox", message=wrong)
    for name, member in draft.settings.members.items():
        for index, address in enumerate(member.addresses):
            place_of = ("members", name, "addresses", index)
            meaning = taken.meaning(address)
            if meaning:
                yield draft.at(*place_of, message=f"{address} is {meaning}, so no person's own address")
            first = writers.setdefault(address.key, name)
            if first != name:
                yield draft.at(*place_of, message=f"{address} is an address of {quoted(first)} already")


def _own_domain(draft: Draft) -> Iterator[Problem]:
    addresses = draft.settings.addresses
    if not draft.reading.is_whole("addresses"):
        return
    if addresses.style == "domain" and addresses.domain is None:
        yield draft.at("addresses", message="'style: domain' needs 'domain', such as desk.example.com")
    if addresses.style == "domain":
        yield from _same_there(draft)
    if addresses.style == "plus" and addresses.domain is not None:
        yield draft.at_key("addresses", "domain", message="'domain' has a meaning only with 'style: domain'")


def _same_there(draft: Draft) -> Iterator[Problem]:
    """At the domain of our own addresses inboxes are told apart by their names alone."""
    domain, seen = draft.settings.addresses.domain or "", dict[str, str]()
    for inbox in draft.inboxes:
        first = seen.setdefault(inbox.address.local.lower(), inbox.key)
        if first != inbox.key:
            wrong = f"{quoted(inbox.key)} and {quoted(first)} would have the same addresses at {domain}; rename one"
            yield draft.at_key("inboxes", inbox.key, message=wrong)
