"""Counts by key in memory that several processes see, each writing to its own slot alone: no locks. Pure.

A slot is a table of buckets, a bucket eight keys (their hashes, in 64 bits) and eight numbers. A key stands in the one
bucket that its hash names, or nowhere. Who reads another's slot may see a key with the number of the one that stood
there before, for the moment in which that changes.
"""

from collections.abc import Sequence
from struct import Struct

WAYS = 8  # keys of a bucket: 64 bytes of keys, 64 of numbers
BUCKET_WORDS = 2 * WAYS
WORD_BYTES = 8

_FREE = 0
_MASK = (1 << 64) - 1
_KEYS = Struct(f"={WAYS}Q")


def hash_of(key: str) -> int:
    """Python's own, for it costs nothing: under a secret that is drawn when the interpreter starts, so that nobody
    outside can choose keys which meet, and which all processes forked from it share. Never 0.
    """
    return hash(key) & _MASK or 1


class Cells:
    """One table in every slot, in `words` (of 64 bits); `starts` says where it begins in each, `own` which is ours."""

    def __init__(self, words: memoryview, starts: Sequence[int], own: int, buckets: int) -> None:
        self._words = words
        self._octets = words.cast("B")
        self._own = starts[own]
        self._others = [start for slot, start in enumerate(starts) if slot != own]
        self._buckets = buckets

    def find(self, hashed: int) -> int | None:
        """Where the key's number is in our slot; None where it has none."""
        return self._find(self._own + hashed % self._buckets * BUCKET_WORDS, hashed)

    def find_free(self, hashed: int) -> int | None:
        """Where a new key's number may be in our slot; None where its bucket is full."""
        return self._find(self._own + hashed % self._buckets * BUCKET_WORDS, _FREE)

    def numbers_at(self, hashed: int) -> range:
        """Where the numbers of the key's bucket are, in our slot."""
        first = self._own + hashed % self._buckets * BUCKET_WORDS + WAYS
        return range(first, first + WAYS)

    def put(self, hashed: int, at: int, number: int) -> None:
        """A key's first number. It is there before its key is."""
        self.free(at)
        self._words[at] = number
        self._words[at - WAYS] = hashed

    def free(self, at: int) -> None:
        self._words[at - WAYS] = _FREE

    def read(self, at: int) -> int:
        number: int = self._words[at]
        return number

    def write(self, at: int, number: int) -> None:
        self._words[at] = number

    def of_others(self, hashed: int) -> list[int]:
        """The numbers that the other slots have for a key."""
        offset = hashed % self._buckets * BUCKET_WORDS
        found = [self._find(start + offset, hashed) for start in self._others]
        return [self.read(at) for at in found if at is not None]

    def _find(self, bucket: int, hashed: int) -> int | None:
        keys = _KEYS.unpack_from(self._octets, bucket * WORD_BYTES)
        return bucket + WAYS + keys.index(hashed) if hashed in keys else None
