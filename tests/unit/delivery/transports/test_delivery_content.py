"""Bytes on their way out: dot stuffing and line ends, in whatever pieces they come."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from routerd.delivery.transports.content import PIECE_BYTES, Content, dot_stuffed, with_lf

MAIL_BYTES = st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"a", b"\xff", b"\0"])).map(b"".join)


def cut_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def unstuffed(wire: bytes) -> bytes:
    """As a server reads it: RFC 5321 4.5.2."""
    assert wire.endswith(b".\r\n")
    body = wire[: -len(b".\r\n")]
    return re.sub(rb"(^|\r\n)\.", rb"\1", body)


@given(MAIL_BYTES, st.lists(st.integers(0, 30)))
def test_the_same_goes_out_in_whatever_pieces_it_comes(data, cuts):
    """Pieces may be cut anywhere, between CR and LF and before a dot too."""
    assert b"".join(dot_stuffed(iter(cut_at(data, cuts)))) == b"".join(dot_stuffed(iter([data])))


@given(MAIL_BYTES, MAIL_BYTES)
def test_in_one_piece_goes_out_what_goes_out_in_many(head, body):
    """What is small has a way of its own, to the same bytes."""
    content = Content(head, b"from..to" + body, len(b"from..to"))
    assert b"".join(content.on_the_wire()) == b"".join(dot_stuffed(content.pieces()))


@given(MAIL_BYTES, st.lists(st.integers(0, 30)))
def test_no_bare_cr_or_lf_and_no_early_end(data, cuts):
    """Every line end is CRLF, the only line that is a dot is the last, and a server reads what was meant."""
    wire = b"".join(dot_stuffed(iter(cut_at(data, cuts))))
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)
    assert b"\r\n.\r\n" not in wire[:-2]
    canonical = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    if canonical and not canonical.endswith(b"\r\n"):
        canonical += b"\r\n"
    assert unstuffed(wire) == canonical


@given(MAIL_BYTES, st.integers(0, 30))
def test_what_intake_has_looked_at_goes_out_the_same(data, body_start):
    """Though its body is neither joined with the head nor looked through again."""
    raw = b"Subject: x\r\n\r\n" + re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    starts = [0, *(found.end() for found in re.finditer(b"\r\n", raw))]
    start = starts[body_start % len(starts)]
    for head in (b"X-Labels: x\r\n\r\n", b".: bare\n\n", b"no end"):
        looked_at, not_yet = Content(head, raw, start, is_looked_at=True), Content(head, raw, start)
        assert b"".join(looked_at.on_the_wire()) == b"".join(not_yet.on_the_wire())
        assert b"".join(looked_at.on_the_wire()) == b"".join(dot_stuffed(not_yet.pieces()))


def test_a_body_of_dots_goes_out_whole():
    """However many lines begin with one."""
    body = b".\r\n" * 100 + b"..\r\n.x"
    wire = b"".join(Content(b"A: b\r\n\r\n", body, 0, is_looked_at=True).on_the_wire())
    assert wire == b"A: b\r\n\r\n" + b"..\r\n" * 100 + b"...\r\n..x\r\n.\r\n"


@given(MAIL_BYTES, st.lists(st.integers(0, 30)))
def test_a_maildir_gets_lf_only(data, cuts):
    """CRLF becomes LF, also where a piece ends between the two."""
    assert b"".join(with_lf(iter(cut_at(data, cuts)))) == re.sub(rb"\r\n|\r", b"\n", data)


def test_large_content_comes_in_pieces_and_whole():
    """Nothing is lost or joined where the original is larger than a piece."""
    raw = b"old: header\r\n\r\n" + b"\xff" + b"x" * (3 * PIECE_BYTES)
    content = Content(b"new: header\r\n\r\n", raw, 15)
    pieces = list(content.pieces())
    assert b"".join(pieces) == b"new: header\r\n\r\n" + raw[15:]
    assert content.size_bytes == len(b"".join(pieces))
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert content.has_8bit()
    assert not Content(b"a\r\n").has_8bit()
