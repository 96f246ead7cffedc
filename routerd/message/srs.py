"""The Sender Rewriting Scheme: the stranger's address, wrapped into one of ours, so that a bounce finds the way back.

    anna@klient.pl                   SRS0=HASH=TT=klient.pl=anna@example.com
    SRS0=opaque@forwarder.example    SRS1=HASH=forwarder.example==opaque@example.com

As libsrs2, Mail::SRS and PostSRSd write it: HASH is the beginning of HMAC-SHA1 in base64, over what follows it without
its dividing `=`, in lower case; TT is the day in base32, which wraps every 1,024 days. An address that is wrapped
already is not wrapped a second time: its bounce goes to the forwarder who wrapped it.

What is our own here: the hash is longer than the usual 4 characters, which anybody with a million tries guesses; and
the secret changes with the domain and with time, so that an address holds for one domain, none holds again when its day
comes round, and an SRS1, which names no day, ends too.
"""

import hmac
import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta

from routerd.message.address import Address, AddressError, parse_address
from routerd.message.key_ring import Keys, day_of
from routerd.message.token import AddressStyle, ExpiredTokenError, ForgedTokenError, return_path_domain

HASH_LENGTH = 8  # characters; compared without case they are 42 bits
USUAL_HASH_LENGTH = 4

_DAYS = 1 << 10  # the day wraps so
_PERIOD_DAYS = 14  # then comes another secret; an SRS1 holds to the end of the next one
MAX_LIFE = timedelta(days=3 * _PERIOD_DAYS)  # until nothing is read by a key that another has followed
_STAMP = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_HASH = rf"[A-Za-z0-9+/_-]{{{USUAL_HASH_LENGTH},27}}"
_SRS0 = re.compile(rf"srs0[-+=]({_HASH})=([a-z2-7]{{2}})=([^=]+)=(.+)\Z", re.IGNORECASE | re.DOTALL)
_SRS1 = re.compile(rf"srs1[-+=]({_HASH})=([^=]+)=([-+=].+)\Z", re.IGNORECASE | re.DOTALL)
_FOREIGN_SRS0 = re.compile(r"srs0([-+=].+)\Z", re.IGNORECASE | re.DOTALL)
_FOREIGN_SRS1 = re.compile(r"srs1[-+=][^=]*=([^=]+)=([-+=].+)\Z", re.IGNORECASE | re.DOTALL)
_ALIKE = str.maketrans("+/", "-_")  # base64 is written in two ways


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What a local part of this scheme holds; whether it is ours is not known yet."""

    hash: str
    signed: tuple[str, ...]  # what the hash is over
    stamp: str | None  # the day; None: an SRS1
    user: str
    host: str

    def fits(self, secret: bytes, least: int = USUAL_HASH_LENGTH) -> bool:
        """Whether the hash was made with `secret` and has `least` characters: who gives fewer guesses sooner.

        Case says nothing, as servers on the way may have changed it.
        """
        if len(self.hash) < least:
            return False
        wanted = srs_hash(self.signed, secret, len(self.hash)).lower()
        return hmac.compare_digest(self.hash.translate(_ALIKE).lower().encode(), wanted.encode())


def wrap(sender: Address, at: datetime, secret: bytes, hash_length: int = USUAL_HASH_LENGTH) -> str:
    """The local part under which `sender`'s bounce comes back. `at` is aware."""
    if found := _FOREIGN_SRS1.match(sender.local):
        host, user = found[1], found[2]
    elif found := _FOREIGN_SRS0.match(sender.local):
        host, user = sender.domain, found[1]
    else:
        stamp = _stamp(day_of(at))
        signed = stamp, sender.domain, sender.local
        return f"SRS0={srs_hash(signed, secret, hash_length)}={stamp}={sender.domain}={sender.local}"
    return f"SRS1={srs_hash((host, user), secret, hash_length)}={host}={user}"


def unwrap(local: str) -> Wrapped | None:
    """None: not a local part of this scheme."""
    if found := _SRS0.match(local):
        hash_, stamp, host, user = found.groups()
        return Wrapped(hash_, (stamp, host, user), stamp, user, host)
    if found := _SRS1.match(local):
        hash_, host, user = found.groups()
        return Wrapped(hash_, (host, user), None, f"SRS0{user}", host)
    return None


def srs_hash(signed: tuple[str, ...], secret: bytes, length: int) -> str:
    data = "".join(signed).encode("utf-8", "surrogatepass").lower()  # of bytes: the letters of ASCII only
    return b64encode(hmac.digest(secret, data, "sha1"), b"-_").decode("ascii")[:length]


def age_in_days(stamp: str, at: datetime) -> int:
    """0 to 1,022, or -1: from tomorrow, as a clock was set back. What is further ahead is long ago."""
    high, low = (_STAMP.index(character) for character in stamp.upper())
    age = (day_of(at) - (high << 5 | low)) % _DAYS
    return -1 if age == _DAYS - 1 else age


def issue_srs(sender: str, inbox: Address, at: datetime, addresses: AddressStyle, keys: Keys) -> str | None:
    """The envelope sender that stands for `sender` at the domain of return paths. `keys`: their secrets.

    None where there is none that every server takes: for the null sender, for one of this very domain, one that is not
    ASCII or at an address literal, and where the local part would be longer than 64 octets (RFC 5321 4.5.3.1.1).
    """
    domain = return_path_domain(inbox, addresses)
    try:
        local = wrap(parse_address(sender), at, _secret(keys, domain, day_of(at)), HASH_LENGTH)
        held = unwrap(local)
        if held is None or held.host.lower() == domain or held.host.startswith("["):
            return None
        text = str(Address(local, domain))
        return text if parse_address(text).local == local else None
    except AddressError:
        return None


def read_srs(wrapped: Wrapped, domain: str, keys: Keys, now: datetime, max_age: timedelta) -> Address:
    """Whose bounces come to `wrapped` at `domain`. Raises ForgedTokenError, ExpiredTokenError.

    It expires `max_age` (whole days) after the end of its day (UTC); an SRS1 two to four weeks after it was made.
    """
    today = day_of(now)
    if wrapped.stamp is None:
        age, days = 0, [today, today - _PERIOD_DAYS]
    else:
        age = age_in_days(wrapped.stamp, now)
        days = [today - age]
    if not any(wrapped.fits(_secret(keys, domain, day), HASH_LENGTH) for day in days):
        if wrapped.stamp is not None and days[0] < keys.first_day:
            raise ExpiredTokenError("no key of its day is kept")
        raise ForgedTokenError("not an address of ours")
    if age > max_age.days:
        raise ExpiredTokenError("address has expired")
    try:
        return parse_address(str(Address(wrapped.user, wrapped.host)))
    except AddressError as error:
        raise ForgedTokenError(f"what it holds is no address: {error}") from None


def _secret(keys: Keys, domain: str, day: int) -> bytes:
    """One key for the whole period, as an SRS1 names no day."""
    period = day // _PERIOD_DAYS
    return hmac.digest(keys.of(period * _PERIOD_DAYS), f"srs\0{domain}\0{period}".encode(), "sha256")


def _stamp(day: int) -> str:
    return _STAMP[day >> 5 & 31] + _STAMP[day & 31]
