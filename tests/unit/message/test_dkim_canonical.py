"""The forms that DKIM hashes, against those of RFC 6376 3.4.5 and against a slow reading of the rules."""

import hashlib
import re
import time
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message import dkim_canonical
from routerd.message.dkim_canonical import Form, body_digest, canonical_field

_WORDS = st.sampled_from([b"a", b"b c", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"\r\n \r\n", b"   ", b"long" * 5])


def slow_body(form: Form, body: bytes) -> bytes:
    """As the RFC words it, a line after the other."""
    lines = body.split(b"\r\n")
    if form is Form.RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    text = b"\r\n".join(lines)
    return text + b"\r\n" if text or form is Form.SIMPLE else text


def test_relaxed_as_in_the_rfc() -> None:
    """RFC 6376 3.4.5, example 1."""
    fields = canonical_field(Form.RELAXED, b"A: X\r\n", 2) + canonical_field(Form.RELAXED, b"B : Y\t\r\n\tZ  \r\n", 3)
    assert fields == b"a:X\r\nb:Y Z\r\n"
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert body_digest(Form.RELAXED, body, 0) == hashlib.sha256(b" C\r\nD E\r\n").digest()


def test_simple_as_in_the_rfc() -> None:
    """RFC 6376 3.4.5, example 2."""
    for field in (b"A: X\r\n", b"B : Y\t\r\n\tZ  \r\n"):
        assert canonical_field(Form.SIMPLE, field, 2) == field
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert body_digest(Form.SIMPLE, body, 0) == hashlib.sha256(b" C \r\nD \t E\r\n").digest()


@pytest.mark.parametrize(
    ("form", "body", "digest"),
    [
        (Form.SIMPLE, b"", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        (Form.SIMPLE, b"\r\n\r\n", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        (Form.RELAXED, b"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        (Form.RELAXED, b" \r\n\t\r\n", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ],
)
def test_empty_bodies(form: Form, body: bytes, digest: str) -> None:
    """RFC 6376 3.4.3 and 3.4.4 name the hashes of nothing."""
    assert b64encode(body_digest(form, b"A: b\r\n\r\n" + body, 8)).decode() == digest


@given(words=st.lists(_WORDS, max_size=40), form=st.sampled_from(Form), piece=st.integers(3, 12))
def test_a_piece_at_a_time(words: list[bytes], form: Form, piece: int) -> None:
    """However the body falls into pieces, its digest is that of the whole."""
    body = b"".join(words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dkim_canonical, "PIECE_BYTES", piece)
        assert body_digest(form, b"x" + body, 1) == hashlib.sha256(slow_body(form, body)).digest()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\r\n" * 2_000_000, id="blank lines"),
        pytest.param(b" " * 4_000_000, id="spaces"),
        pytest.param(b"x" * 4_000_000, id="one line"),
        pytest.param(b"x" + b" \r\n" * 1_300_000 + b"x", id="lines of a space"),
        pytest.param(b" \t" * 2_000_000 + b"x", id="blanks before the end"),
    ],
)
@pytest.mark.parametrize("form", Form)
def test_time_is_linear(form: Form, body: bytes) -> None:
    """Four megabytes of the worst take a fraction of a second."""
    started = time.process_time()
    body_digest(form, body, 0)
    assert time.process_time() - started < 2
