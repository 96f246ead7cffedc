"""Headers with forgeries in every spelling → what is cut, what a copy bears: no way of reading finds a forged field.

The ways of reading are those of parsers in the field. What is not forged stays byte for byte; so does the body.
"""

import random
import re
import sys
from dataclasses import replace

from harness import run
from peers.header_readers import READERS
from pieces import join, spoil

from routerd.intake.protocol.content_guard import ContentGuard
from routerd.message.annotate import annotate, attach_original
from routerd.message.annotation import Annotation
from routerd.message.forged import cut_forged
from routerd.message.headers import HeaderBlock, find_header_end

SLOW_MS = 300.0  # for the 60 KB that `make` gives at most

_MOST_BYTES = 60_000
_IDS = ("mx1.example.com",)
_GIVEN = ("x-ticket-class", "importance")
_NAMES = (
    b"X-Labels", b"x-labels", b"X-La", b"bels", b"X-Routerd-Why", b"x-routerd-", b"X-", b"Assigned-To",
    b"X-Ticket-Class", b"Ticket", b"-Class", b"Importance", b"Authentication-Results", b"Subject", b"Received",
    b"X-Labels-Of-Mine", b"XX-Labels", b"From x", b">From x", b"garbage", b"DKIM-Signature",
)  # fmt: skip
_MARKS = (
    b":", b":", b": ", b" :", b" ", b"\t", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\t", b"\n\t",
    b"\0", b"\r\r", b"\r\r\n", b"\n\r", b"\x0b", b"\x0c", b"\x1c", b"\x7f", b"\x85", b"\xa0", b"\xff", b"\xe2\x80\xa8",
)  # fmt: skip
_VALUES = (
    b"mx1.example.com", b" mx1.example.com; spf=pass", b"other.example; none", b"(mx1.example.com)",
    b" a", b"\r\n\r\n", b"\n\n", b"\r\n.\r\n", b"(", b")", b'"', b"\\", b";",
)  # fmt: skip
_PIECES = [*_NAMES, *_MARKS, *_MARKS, *_VALUES]
_ANNOTATION = Annotation(
    queue_id="01JAAAAAAAAAAAAAAAAAAAAAAA",
    inbox="support@example.com",
    assigned_to="ewa@example.com",
    assigned_name="Ewa Nowak",
    labels=("complaint",),
    priority="high",
    headers=(("X-Ticket-Class", "B2B"),),
    auth_results="mx1.example.com; none",
    received="from a by mx1.example.com (routerd) with ESMTP id 01J; Wed, 15 Jan 2025 10:00:00 +0000",
    cut_authserv_ids=_IDS,
    cut_headers=_GIVEN,
)
_FORGED = re.compile(r"x-labels|x-(?:routerd|assigned)-.*|x-ticket-class|importance", re.DOTALL)
_BARE_ENDS = re.compile(rb"\r\n|\r|\n")


def make(source: random.Random) -> bytes:
    header = join(source, _PIECES, source.choice((6, 25, 120)))
    if source.random() < 0.3:
        header = spoil(source, header)
    if source.random() < 0.5:  # as intake lets it through
        header = _BARE_ENDS.sub(b"\r\n", header)
    body = source.choice((b"", b"\r\n\r\nbody\r\n", b"\n\nX-Labels: body\n", b"\r\n\r\n", b"\r\n"))
    return header[: _MOST_BYTES - len(body)] + body


def target(data: bytes) -> None:
    end = find_header_end(data)
    header = data[: end.fields_end]
    kept = cut_forged(header, _IDS, _GIVEN)
    _is_what_is_left(kept, header)
    below_ours = b"Received: ours\r\n" + kept
    if cut_forged(below_ours, _IDS, _GIVEN) != below_ours:
        raise AssertionError("cut twice, more goes")
    for read in READERS:
        seen = [name for name in read(below_ours) if _FORGED.fullmatch(name)]
        if seen:
            raise AssertionError(f"{read.__name__} sees {seen}")
    _judge_copy(data, end.body_start, kept)
    _judge_guard(_BARE_ENDS.sub(b"\r\n", data))


def _is_what_is_left(kept: bytes, header: bytes) -> None:
    """Some bytes are gone and none has come; whole lines go, and where no name of ours is spelt nothing does."""
    position = 0
    for line in re.findall(rb"[^\r\n]++|[\r\n]", kept):
        position = header.find(line, position) + len(line)
        if position < len(line):
            raise AssertionError(f"{line[:200]!r} is not in the header, or not in this order")
    letters = re.sub(rb"[^a-z]", b"", header.lower())
    if not re.search(rb"xlabels|xrouterd|xassigned|xticketclass|importance|authenticationresults", letters):
        orphans = re.match(rb"\A(?:[ \t][^\n]*\n?)*(?:>*From [^\n]*\n?(?:[ \t][^\n]*\n?)*)?", header)
        if kept != header and (orphans is None or kept != header[orphans.end() :]):
            raise AssertionError("something went that is no forgery")


def _judge_copy(data: bytes, body_start: int, kept: bytes) -> None:
    for annotation in (_ANNOTATION, replace(_ANNOTATION, priority=None, auth_results="", headers=())):
        annotated = annotate(data, annotation, "01J-1", may_add_priority=True)
        if annotated.body_start != body_start:
            raise AssertionError("the body is another")
        copy = annotated.head + data[annotated.body_start :]
        if find_header_end(copy)[1:] != (len(annotated.head), True):
            raise AssertionError("the copy's header does not end where it was ended")
        if kept and kept not in annotated.head:
            raise AssertionError("what was kept is not in the copy as it stood")
        if b"\r" not in data.replace(b"\r\n", b"") and b"\n" not in data.replace(b"\r\n", b""):  # as intake gives it
            ours = HeaderBlock.scan(annotate(b"\r\n", annotation, "01J-1", may_add_priority=True).head)
            seen = HeaderBlock.scan(copy)
            for name in ("x-assigned-to", "x-labels", "x-routerd-id", "x-ticket-class"):
                if seen.count(name) != ours.count(name):
                    raise AssertionError(f"{name} is there another time")
    if data not in attach_original(data, _ANNOTATION, "01J-1"):
        raise AssertionError("the original is not attached as it came")


def _judge_guard(content: bytes) -> None:
    """Whole and in pieces it finds the same, and a header above its bounds is found."""
    found = {size: _guarded(content, size) for size in (len(content) or 1, 1000, 1 if len(content) < 3000 else 61)}
    if len(set(found.values())) > 1:
        raise AssertionError(f"in pieces it differs: {found}")


def _guarded(content: bytes, size: int) -> object:
    guard = ContentGuard(header_size=2000, header_fields=20, line_size=1500)
    for at in range(0, len(content), size):
        guard.look(content[at : at + size])
    return guard.defect


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
