"""Which addresses are ours, and why: the whole of what keeps routerd from being an open relay."""

from dataclasses import replace
from datetime import datetime, timedelta

from routerd.config.settings import Settings
from routerd.intake.protocol.events import Declined
from routerd.message.address import Address, parse_address
from routerd.message.envelope import Purpose, Recipient
from routerd.message.key_ring import Keys
from routerd.message.srs import Wrapped, read_srs, unwrap
from routerd.message.token import (
    ANSWER,
    BOUNCE,
    DRAFT,
    NOTE,
    ExpiredTokenError,
    TokenError,
    detail_token,
    read_address,
    read_return_path,
)

TOKEN_LIFE = timedelta(days=14)  # of what bounces come back to
_OF_DESK = {ANSWER: Purpose.ANSWER, NOTE: Purpose.NOTE, DRAFT: Purpose.DRAFT}
_OF_DESK_BY_WORD = {"note": Purpose.NOTE, "draft": Purpose.DRAFT}  # the conversation is found by References
_INBOX = Purpose.INBOX  # to ask an Enum for a member takes as long as all else of a look-up
_ROUTING = frozenset("%!@")  # user%far.example@here, far.example!user@here, "user@far.example"@here
_FOR_POSTMASTER = frozenset({"postmaster", "abuse"})  # RFC 5321 4.5.1, RFC 2142

_UNKNOWN = Declined(550, "5.1.1", "No such address here", "unknown_recipient")
_RELAYING = Declined(550, "5.7.1", "Relaying denied", "relaying")
_FORGED = Declined(550, "5.7.1", "Not an address that we gave out", "forged_token")
_EXPIRED = Declined(550, "5.1.1", "This address has expired", "expired_token")


def _with_way_out(declined: Declined, bare: str) -> Declined:
    """For who answers a copy of long ago, or of before the keys were revoked."""
    return replace(declined, text=f"{declined.text}; write to {bare} instead") if bare.isascii() else declined


class Directory:
    """A snapshot of one config's addresses; a reload makes another.

    Members' mailboxes are not in it: whoever writes to them does not go through routerd, trusted or not. `keys` are
    those of tokens. A token says which copy is meant, and never who speaks.
    """

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._keys = keys
        self._delimiter = settings.addresses.delimiter
        self._desk_life = settings.retain.events
        self._inboxes: dict[str, str] = {}  # key of an inbox or alias → the inbox as the config writes it
        self._by_local: dict[str, str] = {}  # for what is at `addresses.domain`, where inboxes' domains are not seen
        self._domains: set[str] = set()
        for inbox, options in settings.inboxes.items():
            address = parse_address(inbox)
            self._inboxes[address.key] = inbox
            self._by_local.setdefault(address.local.lower(), inbox)
            self._domains.add(address.domain)
            for alias in options.aliases:
                self._inboxes.setdefault(alias.key, inbox)
                self._domains.add(alias.domain)
        self._own_domain = settings.addresses.domain.lower() if settings.addresses.domain is not None else None
        if self._own_domain is not None:
            self._domains.add(self._own_domain)
        self._bare_postmaster = Address("postmaster", parse_address(next(iter(settings.inboxes))).domain)

    def inbox_of(self, address: Address | None) -> Recipient | None:
        """What `look_up` gives where the address is listed."""
        inbox = self._inboxes.get(address.key) if address is not None else None
        return None if inbox is None or address is None else Recipient(address, _INBOX, inbox)

    def look_up(self, address: Address | None, now: datetime) -> Recipient | Declined:
        """Whose `address` is; None is `<Postmaster>`. A listed address goes before any reading of its parts.

        A local part that would route the mail on, were it obeyed, is refused as that.
        """
        if address is None:
            address = self._bare_postmaster
        if address.domain not in self._domains:
            return _RELAYING
        listed = self.inbox_of(address)
        if listed is not None:
            return listed
        if address.local.lower() in _FOR_POSTMASTER:
            return Recipient(address, Purpose.POSTMASTER, address.key)
        wrapped = unwrap(address.local)
        if wrapped is not None:
            return self._wrapped(address, wrapped, now)
        if not _ROUTING.isdisjoint(address.local):
            return _RELAYING
        return self._with_detail(address, now)

    def _with_detail(self, address: Address, now: datetime) -> Recipient | Declined:
        """`inbox+detail`; the longest inbox that fits, where inboxes have the delimiter in their own names."""
        for base, detail in address.splits(self._delimiter):
            token = detail_token(detail, BOUNCE)
            if token is not None:
                return self._return_path(address, base, token, now)
            inbox = self._inbox_at(base)
            if inbox is not None:
                return self._of_inbox(address, base, inbox, detail, now)
        return _UNKNOWN

    def _inbox_at(self, base: Address) -> str | None:
        """Of an address without its detail; at the domain of our own addresses, by the name alone."""
        inbox = self._inboxes.get(base.key)
        return self._by_local.get(base.local.lower()) if inbox is None and base.domain == self._own_domain else inbox

    def _of_inbox(
        self, address: Address, base: Address, inbox: str, detail: str, now: datetime
    ) -> Recipient | Declined:
        purpose = _OF_DESK_BY_WORD.get(detail.lower())
        if purpose is not None:
            return Recipient(address, purpose, inbox)
        purpose, token = _OF_DESK.get(detail[:1].lower()), detail_token(detail, detail[:1].lower())
        if purpose is None or token is None:
            is_real = base.key in self._inboxes
            return Recipient(address, Purpose.INBOX, inbox, detail) if is_real else _UNKNOWN
        try:
            number = read_address(detail[0].lower(), base, token, self._keys, now, self._desk_life)
        except ExpiredTokenError:
            return _with_way_out(_EXPIRED, self._bare(purpose, base, inbox))
        except TokenError:
            return _with_way_out(_FORGED, self._bare(purpose, base, inbox))
        return Recipient(address, purpose, inbox, copy_number=number)

    def _bare(self, purpose: Purpose, base: Address, inbox: str) -> str:
        """What takes the same without a token: a note must not come to where customers are answered."""
        word = next((word for word, found in _OF_DESK_BY_WORD.items() if found is purpose), None)
        return inbox if word is None else str(Address(f"{base.local}{self._delimiter}{word}", base.domain))

    def _wrapped(self, address: Address, wrapped: Wrapped, now: datetime) -> Recipient | Declined:
        """A stranger's own address inside one of ours: the hash proves that we put it there, lately and for him."""
        try:
            original = read_srs(wrapped, address.domain, self._keys, now, TOKEN_LIFE)
        except ExpiredTokenError:
            return _EXPIRED
        except TokenError:
            return _FORGED
        return Recipient(address, Purpose.WRAPPED, address.key, original=original)

    def _return_path(self, address: Address, base: Address, token: str, now: datetime) -> Recipient | Declined:
        """The token proves itself and its address: an inbox that the config has lost still gets its late bounces."""
        try:
            number = read_return_path(base, token, self._keys, now, TOKEN_LIFE)
        except ExpiredTokenError:
            return _EXPIRED
        except TokenError:
            return _FORGED
        inbox = self._inboxes.get(base.key) or self._by_local.get(base.local.lower(), base.key)
        return Recipient(address, Purpose.RETURN_PATH, inbox, copy_number=number)
