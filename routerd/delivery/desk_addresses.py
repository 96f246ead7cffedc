"""By which addresses the reader of a copy speaks to the desk. Made from the copy's number, the same at each attempt."""

from dataclasses import dataclass, replace
from functools import lru_cache

from routerd.config.settings import Inbox, Settings
from routerd.desk.changes import Role
from routerd.message.address import Address, parse_address
from routerd.message.address_list import Mailbox
from routerd.message.desk_fields import NO_DESK_FIELDS, DeskFields, name_of_inbox
from routerd.message.key_ring import Keys
from routerd.message.subject_tag import tag_of
from routerd.message.token import ANSWER, DRAFT, NOTE, issue_address
from routerd.store.base import Copy

_OUTSIDE = frozenset({Role.FORWARD, Role.ANSWER})


@dataclass(frozen=True, slots=True)
class DeskAddresses:
    """`keys` are the store's for our own addresses."""

    settings: Settings
    keys: Keys

    def fields_of(self, copy: Copy, *, trusts_us: bool) -> DeskFields:
        """For members alone: what goes outside has none of them. `trusts_us`: the mailbox's server accepts what we
        change."""
        inbox = self.settings.inboxes.get(copy.annotation.inbox)
        if inbox is None or copy.role in _OUTSIDE:
            return NO_DESK_FIELDS
        note, draft = self._issue(NOTE, copy), self._issue(DRAFT, copy)
        among_us = Mailbox(f"{name_of_inbox(copy.annotation.inbox)} (note)", note)
        if copy.role is Role.DESK:
            return DeskFields(note, draft, among_us)
        by_member = bool(copy.annotation.answered_by)
        if by_member and not copy.annotation.reply_name:
            return self._of_answer(copy, DeskFields(note, draft, among_us), inbox, trusts_us=trusts_us)
        reply_to = self._reply_to(copy, inbox, trusts_us=trusts_us)
        sender = Mailbox(reply_to.name, copy.annotation.inbox) if reply_to is not None and not trusts_us else None
        goes_by_tags = (trusts_us or sender is not None) and self._wants_tags(copy.member)
        tag = tag_of(copy.annotation.labels) if goes_by_tags else ""
        cuts_tags = by_member and (trusts_us or sender is not None)
        return DeskFields(note, draft, reply_to, sender, tag, cuts_tags, goes_by_tags)

    def _of_answer(self, copy: Copy, fields: DeskFields, inbox: Inbox, *, trusts_us: bool) -> DeskFields:
        """What is replied to a colleague who answered is a note, wherever replies come by us."""
        if not self._is_by_us(inbox, trusts_us=trusts_us):
            return replace(fields, reply_to=None, cuts_tags=trusts_us)
        fields = replace(fields, cuts_tags=True)
        if trusts_us:
            return fields
        member = self.settings.members.get(copy.annotation.answered_by)
        author = member.name if member is not None and member.name else copy.annotation.answered_by
        return replace(fields, sender=self._via(author, copy, copy.annotation.inbox))

    @staticmethod
    def _is_by_us(inbox: Inbox, *, trusts_us: bool) -> bool:
        return inbox.takes_answers(trusts_us=trusts_us) and (trusts_us or inbox.from_via)

    @staticmethod
    def _via(author: str, copy: Copy, address: str) -> Mailbox:
        return Mailbox(f"{author} via {name_of_inbox(copy.annotation.inbox)}", address)

    def _reply_to(self, copy: Copy, inbox: Inbox, *, trusts_us: bool) -> Mailbox | None:
        """Where an answer goes to the customer through us; None: he is answered past us."""
        author = copy.annotation.reply_name
        if not author or not self._is_by_us(inbox, trusts_us=trusts_us):
            return None
        return self._via(author, copy, self._issue(ANSWER, copy))

    def _wants_tags(self, member: str) -> bool:
        found = self.settings.members.get(member)
        return found is not None and found.show.subject_tag

    def _issue(self, letter: str, copy: Copy) -> str:
        inbox = _inbox_address(copy.annotation.inbox)
        return issue_address(letter, inbox, copy.number, copy.created_at, self.settings.addresses, self.keys)


@lru_cache(1000)
def _inbox_address(inbox: str) -> Address:
    return parse_address(inbox)
