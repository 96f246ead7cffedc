"""Header spans, and the forged fields that are cut from them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.header_readers import READERS

from routerd.message.forged import MAX_JUDGED_FIELDS, claimed_ids, cut_forged
from routerd.message.headers import MAX_FIELDS, HeaderBlock, find_header_end

IDS = ("mx1.example.com",)


def names(raw: bytes) -> list[str]:
    return [field.name_lower for field in HeaderBlock.scan(raw).fields]


@pytest.mark.parametrize(
    ("raw", "fields_end", "body_start", "closed"),
    [
        (b"", 0, 0, False),
        (b"\r\n", 0, 2, True),
        (b"\nbody", 0, 1, True),
        (b"A: b\r\n\r\nbody", 6, 8, True),
        (b"A: b\n\nbody", 5, 6, True),
        (b"A: b\r\n\nbody", 6, 7, True),
        (b"A: b\n\r\nbody", 5, 7, True),
        (b"A: b\r\n \r\n c\r\n\r\nbody", 13, 15, True),
        (b"A: b\r\ngarbage\r\nC: d\r\n\r\nbody", 21, 23, True),
        (b"A: b\r\n\0\r\nC: d\r\n\r\nbody", 15, 17, True),
        (b"A: b\r\r\nC: d\r\n\r\nbody", 13, 15, True),
        (b"A: b", 4, 4, False),
        (b"A: b\r\n c\r\n", 10, 10, False),
        (b"A: b\r\ngarbage\r\nC: d\r\n", 6, 6, False),
        (b"hello world\r\n", 0, 0, False),
        (b" A: b\r\n", 0, 0, False),
        (b"From x@y Mon\r\nA: b\r\n", 20, 20, False),
    ],
)
def test_where_the_header_ends(raw: bytes, fields_end: int, body_start: int, closed: bool) -> None:
    """At the first truly empty line; without one, at the first line that is no field."""
    assert find_header_end(raw) == (fields_end, body_start, closed)


def test_fields_and_their_spans() -> None:
    """Spans hold a field with its continuations and line ends; values are unfolded and trimmed."""
    raw = b"Subject: a\r\n\tb\r\nX-One:1\r\nsubject :  c  \r\nEmpty:\r\n\r\nSubject: body\r\n"
    block = HeaderBlock.scan(raw)
    assert [raw[field.start : field.end] for field in block.fields] == [
        b"Subject: a\r\n\tb\r\n",
        b"X-One:1\r\n",
        b"subject :  c  \r\n",
        b"Empty:\r\n",
    ]
    assert block.raw_values("SUBJECT") == [b"a\tb", b"c"]
    assert block.raw_values("empty") == [b""]
    assert block.raw_values("none") == []
    assert block.count("Subject") == 2
    assert raw[block.body_start :] == b"Subject: body\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"A: b\nC: d\n\n", ["a", "c"]),
        (b"A: b\rC: d\r\n\r\n", ["a", "c"]),
        (b"A: b\r\ngarbage\r\nC: d\r\n\r\n", ["a", "c"]),
        (b"A\t: b\r\nC\r\n : d\r\n\r\n", ["a", "c"]),
        (b"\0A: b\r\nC\0: d\r\n\r\n", ["a", "c"]),
        (b"From a@b Mon Jan  1 00:00:00 2026\r\n x: y\r\nC: d\r\n\r\n", ["c"]),
        (b" x: y\r\nC: d\r\n\r\n", ["c"]),
        (b"two words: b\r\nC: d\r\n\r\n", ["c"]),
        (b": b\r\nC: d\r\n\r\n", ["c"]),
        (b"A: b\r\n \r\n\t\r\n c\r\nC: d\r\n\r\n", ["a", "c"]),
    ],
)
def test_odd_spellings_are_fields(raw: bytes, expected: list[str]) -> None:
    """What some parser takes for a field is one; what none does is passed over."""
    assert names(raw) == expected


@given(st.binary(max_size=200), st.text(alphabet="Aa: \t\r\n\0-x", max_size=60).map(str.encode))
def test_scan_never_raises(noise: bytes, lines: bytes) -> None:
    """Any bytes have a header; spans follow each other inside it."""
    raw = lines + noise
    block = HeaderBlock.scan(raw)
    at = 0
    for field in block.fields:
        assert at <= field.start < field.value_start <= field.end <= block.body_start
        at = field.end
        block.raw_value(field)


def test_the_list_is_bounded() -> None:
    """A million fields make no million objects, and the body is still found."""
    raw = b"A: b\r\n" * 200_000 + b"\r\nbody"
    block = HeaderBlock.scan(raw)
    assert len(block.fields) == MAX_FIELDS
    assert raw[block.body_start :] == b"body"


FORGED = [
    b"X-Labels: x",
    b"x-labels: x",
    b"X-LABELS:x",
    b"X-Labels : x",
    b"X-Labels\t: x",
    b"X-Labels \t :",
    b"x-labels:\r\n x",
    b"X-Labels: a\r\n b\r\n\t\r\n c",
    b"X-Labels\r\n : x",
    b"X-La\r\n bels: x",
    b"\0X-Labels: x",
    b"X-Labels\0: x",
    b"X-\0Labels: x",
    b"\x0bX-Labels: x",
    b"\xef\xbb\xbfX-Labels: x",
    b"X-Labels\xc2\xa0: x",
    b"\rX-Labels: x",
    b"X-Labels\r: x",
    b"X-La\rbels: x",
    b"X-Labels: x\r",
    b"X-Assigned-To: x",
    b"X-Assigned-Name: x",
    b"X-Assigned-Anything: x",
    b"x-assigned-: x",
    b"X-Routerd-Why: x",
    b"X-Routerd-Trace: x",
    b"x-ROUTERD-new-one : x",
    b"X-Routerd-two words: x",
    b"X-Labels: a\r\n X-Labels: b",
    b"garbage\r\n X-Labels: b",
    b"Authentication-Results: mx1.example.com; dmarc=pass",
    b"authentication-results :\r\n mx1.example.com; dmarc=pass",
    b"Authentication-Results: (c (d) \\) ) MX1.Example.COM (x) 1; dmarc=pass",
    b'Authentication-Results: "mx1.example.com"; none',
    b'Authentication-Results: "mx1\\.example.com"; none',
    b"Authentication-Results: mx1.example.com.; none",
    b"Authentication-Results: mx1.example.com/1; none",
    b"Authentication-Results: mx1.example.com",
    b"Authentication-Results: mx1.\0example.com; none",
    b"Authentication-Results: (unclosed; mx1.example.com; none",
    b'Authentication-Results: "unclosed; mx1.example.com; none',
    b"Authentication-Results: mx1.example.com\r; none",
    b"Authentication-Results: other.example\rAuthentication-Results: mx1.example.com; none",
]


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_forged_fields_are_cut_wherever_they_stand(forged: bytes, end: bytes) -> None:
    """Whatever its spelling and its place, a forged field goes, and nothing else."""
    forged = forged.replace(b"\r\n", end) + end
    kept = [b"Received: by x;" + end + b" now" + end, b"garbage" + end, b"Subject: X-Labels: y" + end + b" z" + end]
    for at in range(len(kept) + 1):
        header = b"".join(kept[:at]) + forged + b"".join(kept[at:])
        assert cut_forged(header, IDS) == b"".join(kept)
    assert cut_forged(forged * 3, IDS) == b""


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b"Subject: a\rX-Labels: x\r\nTo: b\r\n", b"Subject: a\r\nTo: b\r\n"),
        (b"Subject: a\rX-Labels: x\r\n y\r\nTo: b\r\n", b"Subject: a\r\nTo: b\r\n"),
        (b"Subject: a\r\r X\rX-Labels: x\rX-Assigned-To: y\r\nTo: b\r\n", b"Subject: a\r\r X\r\nTo: b\r\n"),
        (b"Subject: a\rX-Labels: x\rTo: b\r\n", b"Subject: a\rTo: b\r\n"),
        (b"Subject: a\nX-Labels: x\r\nTo: b\r\n", b"Subject: a\nTo: b\r\n"),
        (b"X-La\rX-Labels: f\rbels: x\r\nTo: b\r\n", b"To: b\r\n"),
        (b"A: b\r\n\rX-Labels: x\r\nTo: b\r\n", b"A: b\r\nTo: b\r\n"),
        (b"A: b\r\r\nX-Labels: x\r\r\nTo: b\r\n", b"A: b\r\r\nTo: b\r\n"),
    ],
)
def test_bare_line_ends(header: bytes, kept: bytes) -> None:
    """A field behind a bare CR or LF goes alone; no cut leaves an empty line or joins another forgery."""
    assert cut_forged(header, IDS) == kept


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Subject: hello\r\n X-Labels: part of the subject\r\n",
        b"X-Label: x\r\n",
        b"X-Labelset: x\r\n",
        b"X-Assigned: x\r\n",
        b"X-Routerdx: y\r\n",
        b"XX-Labels: x\r\n",
        b"X-Labels\r\n",
        b"my X-Labels: x\r\n",
        b"ARC-Authentication-Results: i=1; mx1.example.com; dmarc=pass\r\n",
        b"X-Authentication-Results: mx1.example.com; dmarc=pass\r\n",
        b"Authentication-Results: mx.other.net; dmarc=pass header.from=mx1.example.com\r\n",
        b"Authentication-Results: mx.other.net (mx1.example.com); spf=pass\r\n",
        b"Authentication-Results: smtp.helo=mx1.example.com\r\n",
        b"Authentication-Results: xmx1.example.com; none\r\n",
        b"Authentication-Results:\r\n",
        b"Received: from a\r\n\tby b;\r\n \t\r\n now\r\nDelivered-To: x\r\nImportance: high\r\n",
        b"A:\xff\0\r\n",
    ],
)
def test_what_is_not_ours_stays(header: bytes) -> None:
    """Names that only look alike, other authserv-ids and all else stay byte for byte."""
    assert cut_forged(header, IDS) == header


@pytest.mark.parametrize(
    "top",
    [
        b" orphan\r\n",
        b"\tX-Labels: x\r\n \r\n",
        b"From a@b Mon\r\n",
        b">From a@b Mon\r\n X-Labels: x\r\n",
        b" x\r\nFrom a@b\r\n",
    ],
)
def test_what_must_not_stand_below_ours(top: bytes) -> None:
    """Continuations of nothing would belong to our last field; an mbox line would end the header there."""
    assert cut_forged(top + b"Subject: a\r\n", IDS) == b"Subject: a\r\n"


def test_many_results_fields() -> None:
    """Past a thousand fields they are not read one by one any more: the rest goes."""
    field = b"Authentication-Results: other.example; none\r\n"
    assert cut_forged(field * (MAX_JUDGED_FIELDS + 50), IDS) == field * MAX_JUDGED_FIELDS


def test_claims() -> None:
    """A claim is what stands before the first semicolon, comments apart."""
    assert claimed_ids(b" mx.a (mx.b) 1; mx.c") == {"mx.a", "1"}
    assert claimed_ids(b"(mx.b (; mx.c)); mx.d") == set()
    assert "mx.d" in claimed_ids(b"(mx.b; mx.c; mx.d")
    assert "mx.d" in claimed_ids(b'"m\\x.d" (mx.b')
    assert "mx.a" in claimed_ids(b"mx.a\x0b1; mx.c")
    assert "mx.a" in claimed_ids(b"m\0x.a; mx.c")
    assert "mx.a" in claimed_ids("mx.a\u00a01; mx.c".encode())


@pytest.mark.parametrize(
    "unit",
    [
        b"\n",
        b"\r",
        b" \n",
        b"\r ",
        b"\n ",
        b"a\n ",
        b"a\r ",
        b"x-\n ",
        b"X-Labels:\r",
        b"\0",
        b"\0\n\t",
        b"x-assigned-",
        b"A:b\n",
    ],
)
@pytest.mark.parametrize("ending", [b"", b"x", b":", b"\r\n\r\n"])
def test_hostile_headers_are_linear(unit: bytes, ending: bytes) -> None:
    """Half a megabyte of anything are cut and listed in a time that a quadratic pattern would not meet."""
    raw = b"A: b" + unit * (500_000 // len(unit)) + ending
    end = find_header_end(raw)
    cut_forged(raw[: end.fields_end], IDS)
    HeaderBlock.scan(raw)


FORBIDDEN = re.compile(r"x-labels|x-(?:routerd|assigned)-.*", re.DOTALL)
PIECES = [b"X-Labels", b"x-la", b"bels", b"X-Routerd-Why", b"X-", b"Assigned-To", b"Subject", b"garbage", b"From x"]
MARKS = [b":", b": ", b" :", b" ", b"\t", b"\r\n", b"\n", b"\r", b"\r\n ", b"\n\t", b"\r ", b"\0", b"\r\r", b"\x0b"]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES + MARKS * 2), max_size=24).map(b"".join))
def test_no_parser_sees_a_forgery(text: bytes) -> None:
    """Whatever the pieces are put together to, no known way of reading headers finds one of our names."""
    raw = text + b"\r\n\r\nbody"
    end = find_header_end(raw)
    kept = cut_forged(raw[: end.fields_end], IDS)
    assert not re.search(rb"(?:\A|\n)\r?\n", kept)
    below_ours = b"Received: ours\r\n" + kept
    assert cut_forged(below_ours, IDS) == below_ours
    for parser in READERS:
        seen = parser(below_ours)
        assert not [name for name in seen if FORBIDDEN.fullmatch(name)], parser


@given(st.lists(st.sampled_from([*FORGED, b"A: b", b"Subject: X-Labels: a\r\n b", b"garbage", b"C:"]), max_size=12))
def test_fields_that_stay_keep_their_bytes_and_order(lines: list[bytes]) -> None:
    """Out is in, less whole forged fields."""
    header = b"".join(line + b"\r\n" for line in lines)
    assert cut_forged(header, IDS) == b"".join(line + b"\r\n" for line in lines if line not in FORGED)
