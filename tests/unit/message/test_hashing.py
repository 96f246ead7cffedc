"""Hashes of small things."""

import hashlib
import hmac
import mmap

import pytest

from routerd.message.hashing import feed, hmac_sha256


@pytest.mark.parametrize("size_bytes", [0, 1, 2_047, 2_048, 4_094, 4_095, 32_768, 32_769, 100_000])
def test_it_is_the_hash_of_the_whole_in_whatever_pieces_it_is_fed(size_bytes: int) -> None:
    """Bytes, views and maps of every size give what hashlib gives of them in one piece."""
    data = bytes(number % 251 for number in range(size_bytes))
    wanted = hashlib.sha256(data).digest()
    given: list[bytes | memoryview | mmap.mmap] = [data, memoryview(data)]
    if data:
        file = mmap.mmap(-1, size_bytes)
        file[:] = data
        given.append(file)
    for one in given:
        digest = hashlib.sha256()
        feed(digest, one)
        assert digest.digest() == wanted


def test_a_key_is_used_again_without_a_trace_of_what_it_signed() -> None:
    """RFC 4231 4.3, twice, with another message and another key between."""
    wanted = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert hmac_sha256(b"Jefe", b"what do ya", b" want for nothing?") == wanted
    assert hmac_sha256(b"Jefe", b"", b"else") == hmac.digest(b"Jefe", b"else", "sha256")
    assert hmac_sha256(b"other" * 40, b"", b"") == hmac.digest(b"other" * 40, b"", "sha256")
    assert hmac_sha256(b"Jefe", b"what do ya", b" want for nothing?") == wanted
