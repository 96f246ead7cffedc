"""One password as it is kept: `$scrypt$ln=15,r=8,p=3$SALT$HASH`, as passlib and others write it (RFC 7914)."""

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass

LEAST_CHARACTERS = 8
MOST_OCTETS = 1000
SALT_OCTETS = 16

_LN, _R, _P = 15, 8, 3  # 32 MB and some 0.2 s; OWASP's second choice, a quarter of the memory of its first
_HASH_OCTETS = 32
_MOST_MEMORY_BYTES = 64 << 20  # of one hash while it is made
_MOST_WORK_BYTES = 256 << 20  # memory times passes: about a second
_LEAST_WORK_BYTES = 16 << 20  # less is guessed too fast
_FORM = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)\Z")


class PasswordError(ValueError):
    """No password that may be set, or no hash that may be kept; the message says why, without either."""


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """`ln` is the binary logarithm of scrypt's N."""

    ln: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def __str__(self) -> str:
        return f"$scrypt$ln={self.ln},r={self.r},p={self.p}${_encoded(self.salt)}${_encoded(self.digest)}"

    @property
    def work_bytes(self) -> int:
        """What it costs to try one: memory times passes."""
        return ((128 * self.r) << self.ln) * self.p

    def is_of(self, password: str) -> bool:
        """Whether it was made from `password`: takes up to a second and 64 MB, lets other threads run meanwhile."""
        return hmac.compare_digest(self._of(prepared(password)), self.digest)

    def _of(self, password: bytes) -> bytes:
        return _scrypt(password, self.salt, self.ln, self.r, self.p, len(self.digest))


def make_hash(password: str, salt: bytes) -> PasswordHash:
    """Of a password to be set, `salt` being random. Takes as long as `is_of`. Raises PasswordError for a weak one."""
    if len(password) < LEAST_CHARACTERS:
        raise PasswordError(f"the password has fewer than {LEAST_CHARACTERS} characters")
    if len(password.encode("utf-8", "surrogatepass")) > MOST_OCTETS:
        raise PasswordError(f"the password has more than {MOST_OCTETS} octets")
    octets = prepared(password)
    if any(unicodedata.category(character) == "Cc" for character in password):
        raise PasswordError("the password holds a control character, which no mail client can send")
    if not octets.strip():
        raise PasswordError("the password is spaces alone")
    return PasswordHash(_LN, _R, _P, salt, _scrypt(octets, salt, _LN, _R, _P, _HASH_OCTETS))


def dummy_hash(like: PasswordHash | None, salt: bytes) -> PasswordHash:
    """Of no password, as costly to try as `like`, or as one that `make_hash` makes."""
    ln, r, p = (like.ln, like.r, like.p) if like else (_LN, _R, _P)
    return PasswordHash(ln, r, p, salt, bytes(_HASH_OCTETS))


def parse_hash(text: str) -> PasswordHash:
    """Raises PasswordError, also for one that is guessed too fast or would take too much to try."""
    found = _FORM.match(text)
    if found is None:
        raise PasswordError("is not $scrypt$ln=…,r=…,p=…$SALT$HASH, as 'routerd password' writes it")
    ln, r, p = (int(number) for number in found.group(1, 2, 3))
    if not (r and p):
        raise PasswordError("has r or p of 0")
    memory_bytes = (128 * r) << ln
    if memory_bytes > _MOST_MEMORY_BYTES or memory_bytes * p > _MOST_WORK_BYTES:
        raise PasswordError(f"would take too much work (ln={ln},r={r},p={p}); set the password anew")
    if memory_bytes * p < _LEAST_WORK_BYTES or ln < 10:
        raise PasswordError(f"is guessed too fast (ln={ln},r={r},p={p}); set the password anew")
    salt, digest = _decoded(found[4], "salt", 8, 64), _decoded(found[5], "hash", 32, 64)
    return PasswordHash(ln, r, p, salt, digest)


def prepared(password: str) -> bytes:
    """The octets that stand for it however it was typed (RFC 8265 4.2.2, OpaqueString): any space is one, NFC.

    Longer than any that is set it stays as it is: to normalise takes a time that grows with the square of its length.
    Surrogates, which no client can have meant, are kept apart from all that is text.
    """
    typed = password.encode("utf-8", "surrogatepass")
    if password.isascii() or len(typed) > MOST_OCTETS:
        return typed
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced).encode("utf-8", "surrogatepass")


def _scrypt(password: bytes, salt: bytes, ln: int, r: int, p: int, octets: int) -> bytes:
    n = 1 << ln
    memory = 128 * r * (n + p + 2)  # RFC 7914 6: V, B and what one pass needs
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=memory + (1 << 20), dklen=octets)


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode().rstrip("=")


def _decoded(text: str, what: str, least: int, most: int) -> bytes:
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        octets = b""
    if _encoded(octets) != text or not least <= len(octets) <= most:
        raise PasswordError(f"has a {what} that is not {least} to {most} octets in base64 without '='")
    return octets
