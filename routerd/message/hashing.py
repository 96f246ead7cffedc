"""Hashes of small things, taken without giving the interpreter's lock away.

hashlib gives it away for what has 2,048 bytes, and `hmac.digest` for whatever it is. To win it back from busy threads
costs many times what the hash itself does, and the store's thread would wait for it in the midst of a transaction.
"""

import hmac
from functools import lru_cache
from typing import Protocol

from routerd.message.envelope import Raw

_KEPT_BYTES = 2_047  # hashed at once without giving the lock away
_SMALL_BYTES = 32_768  # hashed in a fraction of a thread's turn; what is larger lets others run meanwhile


class Hash(Protocol):
    def update(self, data: Raw | memoryview, /) -> None: ...


def feed(digest: Hash, data: Raw | memoryview) -> None:
    """`digest.update(data)`."""
    size_bytes = len(data)
    if size_bytes <= _KEPT_BYTES or size_bytes > _SMALL_BYTES:
        digest.update(data)
        return
    for start in range(0, size_bytes, _KEPT_BYTES):
        digest.update(data[start : start + _KEPT_BYTES])


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of a short message by one of the few keys that the store has."""
    made = _keyed(key).copy()
    made.update(message)
    return made.digest()


@lru_cache(16)
def _keyed(key: bytes) -> hmac.HMAC:
    """With the key hashed already."""
    return hmac.new(key, digestmod="sha256")
