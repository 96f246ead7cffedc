"""The exchange behind AUTH: the mechanisms PLAIN and LOGIN (RFC 4954, RFC 4616, draft-murchison-sasl-login). Pure.

Nothing of a response is ever in an error: it may be a password, or what somebody took for one.
"""

import binascii
from base64 import b64encode
from dataclasses import dataclass, field

from routerd.intake.protocol import refusals
from routerd.intake.protocol.events import CheckLogin
from routerd.intake.protocol.refusals import CommandError

RESPONSE_OCTETS = 12_288  # RFC 4954 4, with CRLF
CANCEL = b"*"
_EMPTY = b"="  # an initial response of no octets; elsewhere it is an empty line
_PLAIN = "PLAIN"
_LOGIN = "LOGIN"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A login that waits for the client's next response. `name`: of LOGIN, once it is given."""

    mechanism: str
    name: str | None = field(default=None, repr=False)

    @property
    def challenge(self) -> bytes:
        """What to ask, in base64; clients look for these very words of LOGIN."""
        if self.mechanism == _PLAIN:
            return b""
        return b64encode(b"Username:" if self.name is None else b"Password:")

    def respond(self, response: bytes) -> "Exchange | CheckLogin":
        """What the client's line, without its line end, leads to. Raises CommandError."""
        return self._read(_decode(response))

    def respond_at_once(self, response: bytes) -> "Exchange | CheckLogin":
        """The same with the response that stands in the command itself."""
        return self._read(b"" if response == _EMPTY else _decode(response))

    def _read(self, message: bytes) -> "Exchange | CheckLogin":
        if self.mechanism == _PLAIN:
            return _read_plain(message)
        if self.name is None:
            return Exchange(_LOGIN, _text(message))
        return CheckLogin(self.name, _text(message))


def begin(mechanism: str) -> Exchange:
    """`mechanism` in any case. Raises CommandError."""
    name = mechanism.upper()
    if name not in (_PLAIN, _LOGIN):
        raise CommandError(refusals.UNKNOWN_MECHANISM)
    return Exchange(name)


def _read_plain(message: bytes) -> CheckLogin:
    """`[authzid] NUL authcid NUL password` (RFC 4616 2). Nobody acts for another."""
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise CommandError(refusals.BAD_RESPONSE)
    acts_for, name, password = parts
    if acts_for not in (b"", name):
        raise CommandError(refusals.ACTS_FOR_ANOTHER)
    return CheckLogin(_text(name), _text(password))


def _text(octets: bytes) -> str:
    """A name or a password: not empty, without NUL, in UTF-8."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandError(refusals.BAD_RESPONSE) from None
    if not text or "\0" in text:
        raise CommandError(refusals.BAD_RESPONSE)
    return text


def _decode(response: bytes) -> bytes:
    try:
        return binascii.a2b_base64(response, strict_mode=True)
    except binascii.Error:
        raise CommandError(refusals.BAD_BASE64) from None
