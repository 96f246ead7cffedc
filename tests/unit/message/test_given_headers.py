"""Headers that rules give: added to copies, and cut from what comes in as ours are."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.header_readers import READERS
from test_annotate import FULL, PLAIN, copy_of, decoded
from test_headers import FORGED, IDS, MARKS

from routerd.message.annotate import attach_original
from routerd.message.forged import cut_forged, is_ours
from routerd.message.headers import find_header_end

GIVEN = ("X-Ticket-Class", "x-b2b")
SPELLINGS = {b"La\r\n bels": b"Ti\r\n cket-Class", b"Labels": b"Ticket-Class", b"labels": b"b2b", b"LABELS": b"B2B"}


def _as_given(forged: bytes) -> bytes:
    for ours, theirs in SPELLINGS.items():
        forged = forged.replace(ours, theirs)
    return forged


AS_GIVEN = [_as_given(one) for one in FORGED if _as_given(one) != one]


@pytest.mark.parametrize("forged", AS_GIVEN)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_given_header_is_cut_in_every_spelling(forged: bytes, end: bytes) -> None:
    """Wherever it stands, and nothing else goes with it; where no rule gives it, it stays."""
    forged = forged.replace(b"\r\n", end) + end
    kept = [b"Received: by x;" + end + b" now" + end, b"garbage" + end, b"Subject: X-B2B: y" + end + b" z" + end]
    for at in range(len(kept) + 1):
        header = b"".join(kept[:at]) + forged + b"".join(kept[at:])
        assert cut_forged(header, IDS, GIVEN) == b"".join(kept)
        assert cut_forged(header, IDS) == header


@pytest.mark.parametrize(
    "header",
    [
        b"X-Ticket: x\r\n",
        b"X-Ticket-Class-2: x\r\n",
        b"XX-B2B: x\r\n",
        b"X-B2B\r\n",
        b"my X-B2B: x\r\n",
        b"Subject: hello\r\n X-B2B: part of the subject\r\n",
        b"A:\xff\0\r\n",
        b"",
    ],
)
def test_what_only_looks_alike_stays(header: bytes) -> None:
    assert cut_forged(header, IDS, GIVEN) == header


PIECES = [b"X-Ticket", b"-Class", b"x-b2", b"b", b"X-", b"X-B2B", b"X-Labels", b"Subject", b"garbage", b"From x"]
FORBIDDEN = re.compile(r"x-labels|x-ticket-class|x-b2b")


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES + MARKS * 2), max_size=24).map(b"".join))
def test_no_parser_sees_a_given_header(text: bytes) -> None:
    """Whatever the pieces are put together to."""
    raw = text + b"\r\n\r\nbody"
    end = find_header_end(raw)
    kept = cut_forged(raw[: end.fields_end], IDS, GIVEN)
    below_ours = b"Received: ours\r\n" + kept
    assert cut_forged(below_ours, IDS, GIVEN) == below_ours
    for reader in READERS:
        assert not [name for name in reader(below_ours) if FORBIDDEN.fullmatch(name)], reader


@pytest.mark.parametrize("unit", [b"\n", b"\r", b" \n", b"\n ", b"a\n ", b"a\r ", b"x-\n ", b"\0", b"\0\n\t", b"A:b\n"])
@pytest.mark.parametrize("ending", [b"", b":", b"\r\n"])
def test_hostile_headers_are_linear(unit: bytes, ending: bytes) -> None:
    """Half a megabyte of anything, in a time that a quadratic way would not meet."""
    cut_forged(b"A: b" + unit * (500_000 // len(unit)) + ending, IDS, GIVEN)


def test_a_copy_bears_the_rules_header_and_not_the_strangers() -> None:
    annotation = replace(
        FULL, headers=(("X-Ticket-Class", "B2B"), ("X-Ort", "Łódź")), cut_headers=("x-ticket-class", "x-ort")
    )
    raw = b"X-Ticket-Class: VIP\r\nx-ort : here\r\nSubject: a\r\n\r\nbody\r\n"
    copy = copy_of(raw, annotation)
    assert copy.count(b"Ticket-Class") == 1
    assert decoded(copy, "X-Ticket-Class") == "B2B"
    assert decoded(copy, "X-Ort") == "Łódź"
    assert copy.endswith(b"\r\nSubject: a\r\n\r\nbody\r\n")


def test_a_deadline_is_a_date_as_in_date() -> None:
    copy = copy_of(b"\r\n", replace(PLAIN, respond_by="Thu, 15 Jan 2026 14:00:00 +0000"))
    assert b"\r\nX-Routerd-Respond-By: Thu, 15 Jan 2026 14:00:00 +0000\r\n" in copy


def test_a_copy_for_an_address_outside_names_nobody() -> None:
    """Also where the original could only be attached."""
    bare = replace(PLAIN, assigned_to="", assigned_name="", trace=("abc",), received=FULL.received)
    names = [line.partition(b":")[0] for line in copy_of(b"Subject: a\r\n\r\n", bare).splitlines() if b": " in line]
    assert names == [b"Delivered-To", b"X-Routerd-Id", b"X-Routerd-Copy", b"X-Routerd-Trace", b"Received", b"Subject"]
    attached = attach_original(b"Subject: a\r\n\r\n", bare, "01J-1")
    assert b"X-Assigned" not in attached
    assert b"\r\nTo:" not in attached


@pytest.mark.parametrize(
    ("name", "expected"),
    [("x-labels", True), ("x-labels-2", False), ("x-routerd-new", True), ("x-assigned-to", True), ("labels", False)],
)
def test_what_is_ours(name: str, expected: bool) -> None:
    assert is_ours(name) is expected
