"""Whether CRLF is the only line end."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.line_ends import has_bare


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\x85", b"\x0b", b"\x0c", b"\xe2\x80\xa8", b"\0"])))
def test_each_cr_has_its_lf(pieces: list[bytes]) -> None:
    """Nothing else ends a line, whatever Unicode says."""
    data = b"".join(pieces)
    assert has_bare(data) is bool(re.search(rb"\r(?!\n)|(?<!\r)\n", data))


@pytest.mark.parametrize("data", [b"\r", b"a\r\n\r", b"\r\r\n", b"\n", b"a\r\nb\n", b"\n\r"])
def test_the_last_octet_counts(data: bytes) -> None:
    """What follows is no excuse: callers hold back what might be half a line end."""
    assert has_bare(data)
