"""What routerd signs and knows again: tokens in its own addresses and the trace by which a loop is found.

All MACs are HMAC-SHA256 cut to 80 bits (RFC 2104 5), with the purpose inside, compared in constant time.
"""

import hmac
import re
from base64 import b32decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from routerd.message.address import Address
from routerd.message.hashing import hmac_sha256
from routerd.message.key_ring import Keys, day_of

# The purposes of our own addresses: support+b.TOKEN@example.com
BOUNCE = "b"  # the return path
ANSWER = "c"  # what a member answers to the customer
NOTE = "n"  # a note to colleagues, and commands
DRAFT = "d"
TRACE = "trace"  # the purpose of the keys of traces; all of these addresses have those of BOUNCE
NOTICE = "notice"  # what stands in the trace of mail that we wrote ourselves, in the place of an inbox
TOKEN_LENGTH = 29  # base32 of 16 bits of day, 48 of number, 80 of MAC
MAX_RETURN_PATH_LOCAL = 64 - len("+b.") - TOKEN_LENGTH  # octets of an inbox's local part (RFC 5321 4.5.3.1.1)

_MAC_BYTES = 10
_HEAD_BYTES = 8
_DAYS = 1 << 16  # the day wraps in 2149
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MILLISECONDS = 86_400_000
_TOKEN = re.compile(rf"[a-z2-7]{{{TOKEN_LENGTH}}}\Z")
_ANY_TOKEN = "a" * TOKEN_LENGTH
_MAC = re.compile(r"[a-z2-7]{16}\Z")
_MAX_TRACE_CHARACTERS = 8_192
_MOMENT_CHARACTERS = 10  # of a queue id: milliseconds since 1970
_CROCKFORD = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789abcdefghijklmnopqrstuv")
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 6, in lower case
_AS_BASE32 = _BASE32.encode().ljust(0x100, b"?")
_SPREAD = 32  # characters that are made at once
_SPREAD_BITS = _SPREAD * 5


def _spreading() -> Iterator[tuple[int, int, int]]:
    """How groups of 5 bits become bytes: what stays of the number, what is moved, and how far."""
    size = _SPREAD  # of a run of groups that stand together
    while size > 1:
        half = size // 2
        starts = range(0, _SPREAD * 8, size * 8)
        run = (1 << half * 5) - 1
        yield sum(run << start for start in starts), sum(run << start + half * 5 for start in starts), half * 3
        size = half


_SPREADING = tuple(_spreading())


class TokenError(ValueError):
    """Not a token that may be used now."""


class ForgedTokenError(TokenError):
    """Not one of ours, or ours for another purpose."""


class ExpiredTokenError(TokenError):
    """One of ours, too old."""


class AddressStyle(Protocol):
    """How our own addresses look: the settings' `addresses`."""

    @property
    def style(self) -> str: ...  # plus | domain

    @property
    def delimiter(self) -> str: ...

    @property
    def domain(self) -> str | None: ...


def make_token(number: int, at: datetime, purpose: str, keys: Keys) -> str:
    """29 characters of lower-case base32 that name `number` (below 2**48) for `purpose`. `at` is aware.

    The same day, number, purpose and ring give the same token. Raises ValueError for a number out of range.
    """
    if not 0 <= number < 1 << 48:
        raise ValueError("a token's number has 48 bits")
    day = day_of(at)
    head = (day % _DAYS).to_bytes(2, "big") + number.to_bytes(6, "big")
    return _base32(head + _mac(keys.of(day), f"token {purpose}", head))


def read_token(text: str, purpose: str, keys: Keys, now: datetime, max_age: timedelta) -> int:
    """The number that `text` (any case) names. Raises ForgedTokenError, ExpiredTokenError.

    A token knows its day, not its hour: it expires `max_age` after the end of that day (UTC). Of one from before all
    keys nobody can tell any more whether it was ours; it has expired, or was revoked.
    """
    text = text.lower()
    if not _TOKEN.match(text):
        raise ForgedTokenError("not a token")
    packed = b32decode(text.upper() + "===")
    head, mac = packed[:_HEAD_BYTES], packed[_HEAD_BYTES:]
    today = day_of(now)
    age_days = (today - int.from_bytes(head[:2], "big")) % _DAYS
    if age_days >= _DAYS // 2:
        age_days -= _DAYS  # it is from tomorrow: a clock was set back
    day = today - age_days
    # The last character has one bit to spare: only one spelling is ours.
    if not hmac.compare_digest(mac, _mac(keys.of(day), f"token {purpose}", head)) or _base32(packed) != text:
        if 0 <= day < keys.first_day:
            raise ExpiredTokenError("no key of its day is kept")
        raise ForgedTokenError("not a token of ours")
    if age_days >= 0 and now - (_EPOCH + timedelta(days=day + 1)) > max_age:
        raise ExpiredTokenError("token has expired")
    return int.from_bytes(head[2:], "big")


def issue_return_path(inbox: Address, number: int, at: datetime, addresses: AddressStyle, keys: Keys) -> str:
    """The envelope sender of copy `number`, by which its bounce comes back: `support+b.TOKEN@example.com`."""
    return issue_address(BOUNCE, inbox, number, at, addresses, keys)


def issue_address(letter: str, inbox: Address, number: int, at: datetime, addresses: AddressStyle, keys: Keys) -> str:
    """The address of copy `number` for the purpose `letter`: `support+c.TOKEN@example.com`.

    The token holds for this address only. An inbox whose local part is longer than MAX_RETURN_PATH_LOCAL gets one that
    some servers refuse. Raises ValueError for a number out of range.
    """
    before, behind, purpose = _form_of(letter, inbox.local, return_path_domain(inbox, addresses), addresses.delimiter)
    return f"{before}{make_token(number, at, purpose, keys)}{behind}"


@lru_cache(4096)
def _form_of(letter: str, local: str, domain: str, delimiter: str) -> tuple[str, str, str]:
    """What stands before and behind the token in an address, and what the token is for."""
    whole = str(Address(f"{local}{delimiter}{letter}.{_ANY_TOKEN}", domain))
    before, _, behind = whole.rpartition(_ANY_TOKEN)
    return before, behind, _purpose_at(letter, Address(local, domain))


def return_path_domain(inbox: Address, addresses: AddressStyle) -> str:
    """At which domain an inbox's own addresses are, to which bounces and answers come back, in lower case."""
    domain = addresses.domain if addresses.style == "domain" and addresses.domain else inbox.domain
    return domain.lower()


def read_return_path(base: Address, token: str, keys: Keys, now: datetime, max_age: timedelta) -> int:
    """The copy that `token` names in a return path of `base` (without the detail). Raises as `read_token` does."""
    return read_address(BOUNCE, base, token, keys, now, max_age)


def read_address(letter: str, base: Address, token: str, keys: Keys, now: datetime, max_age: timedelta) -> int:
    """The copy that `token` names in an address of `base` (without the detail) for the purpose `letter`. Raises as
    `read_token` does.
    """
    return read_token(token, _purpose_at(letter, base), keys, now, max_age)


def _purpose_at(letter: str, base: Address) -> str:
    return f"{letter} {base.key}"


def detail_token(detail: str, purpose_letter: str) -> str | None:
    """The token in an address's detail, `b.TOKEN` for the letter `b` (any case); None where it has not that shape."""
    letter, dot, token = detail.lower().partition(".")
    if not dot or letter != purpose_letter or not _TOKEN.match(token):
        return None
    return token


def trace_mac(keys: Keys, queue_id: str, inbox: str) -> str:
    """By which the daemon that has `keys` knows that it delivered message `queue_id` for `inbox`."""
    traced = f"{queue_id}\n{inbox.lower()}".encode("utf-8", "surrogatepass")
    return _base32(_mac(keys.of(_day_of_id(queue_id)), "trace", traced))


def is_own_trace(header_value: bytes | str, keys: Keys, inbox: str) -> bool:
    """Whether this X-Routerd-Trace value (`QUEUEID MAC [MAC…]`) says that we handled it for `inbox`. Never raises."""
    text = header_value.decode("latin-1") if isinstance(header_value, bytes) else header_value
    queue_id, *macs = text[:_MAX_TRACE_CHARACTERS].split() or [""]
    if not macs:
        return False
    own = trace_mac(keys, queue_id, inbox)
    return any(_MAC.match(mac) and hmac.compare_digest(mac, own) for mac in map(str.lower, macs))


def _day_of_id(queue_id: str) -> int:
    """In which a queue id was made. Of what is none some day that is always the same."""
    try:
        return int(queue_id[:_MOMENT_CHARACTERS].translate(_CROCKFORD), 32) // _DAY_MILLISECONDS
    except ValueError:
        return 0


def _mac(key: bytes, purpose: str, message: bytes) -> bytes:
    return hmac_sha256(key, purpose.encode() + b"\0", message)[:_MAC_BYTES]


def _base32(data: bytes) -> str:
    """Lower-case base32 without padding. All characters at once: every fifth bit is moved to where a byte begins, by
    halves, then by quarters and so on, in a third of the time that it takes to look up one after the other."""
    number = int.from_bytes(data, "big") << (_SPREAD_BITS - len(data) * 8)
    for low, high, shift in _SPREADING:
        number = number & low | (number & high) << shift
    return number.to_bytes(_SPREAD, "big").translate(_AS_BASE32)[: -(-len(data) * 8 // 5)].decode("ascii")
