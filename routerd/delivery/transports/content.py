"""A copy's bytes on their way out: never joined where they are large, never a bare CR or LF."""

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from routerd.message.envelope import Raw
from routerd.message.line_ends import has_bare

PIECE_BYTES = 256 * 1024

_MAX_CUTS = 20  # where dots are put in; more of them, and the body is made anew
_DOT_LINE = b"\r\n."
_BREAK = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Content:
    """`head` and then `raw` from `body_start` on.

    `is_looked_at`: `raw` was in no other hands than intake's, which let no bare CR or LF in.
    """

    head: bytes
    raw: Raw = b""
    body_start: int = 0
    is_looked_at: bool = False
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_bytes", len(self.head) + len(self.raw) - self.body_start)

    @property
    def is_on_disk(self) -> bool:
        """Reading it may wait for the disk."""
        return isinstance(self.raw, mmap.mmap)

    @property
    def is_small(self) -> bool:
        """It goes in one piece."""
        return self.size_bytes <= PIECE_BYTES

    def pieces(self) -> Iterator[bytes]:
        """The bytes, at most 256 KiB at a time (the head may be longer)."""
        if self.is_small:
            yield self.head + self.raw[self.body_start :]
            return
        yield self.head
        for start in range(self.body_start, len(self.raw), PIECE_BYTES):
            yield self.raw[start : start + PIECE_BYTES]

    def has_8bit(self) -> bool:
        """Reads all of it."""
        if isinstance(self.raw, bytes) and self.head.isascii() and self.raw.isascii():
            return False  # and nothing was copied
        return not all(piece.isascii() for piece in self.pieces())

    def on_the_wire(self) -> list[bytes | memoryview]:
        """All of `dot_stuffed`, where it is small: without the generators, which take half of the time.

        A body that intake has looked at is neither joined with the head nor looked through again: for 100 KB that would
        take five times as long as to find the lines that begin with a dot.
        """
        head, raw, start = self.head, self.raw, self.body_start
        if self.is_looked_at and isinstance(raw, bytes) and head.endswith(b"\n"):
            return [_dot_before(head), _stuffed_within(head), *_stuffed_body(raw, start)]
        data = _stuffed_within(head + raw[start:])
        return [_dot_before(data), data, b".\r\n" if data.endswith(b"\n") or not data else b"\r\n.\r\n"]


def dot_stuffed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content as it follows DATA, with its final dot (RFC 5321 4.5.2); bare CR and LF become CRLF."""
    at_line_start = True
    for piece in _whole_line_ends(pieces):
        stuffed = _stuffed_within(piece)
        yield _dot_before(stuffed) + stuffed if at_line_start else stuffed
        at_line_start = stuffed.endswith(b"\n")
    yield b".\r\n" if at_line_start else b"\r\n.\r\n"


def _stuffed_body(raw: bytes, start: int) -> Iterator[bytes | memoryview]:
    """What stands from the beginning of a line at `start` on, and the final dot. CRLF is its only line end."""
    whole = memoryview(raw)
    is_line_whole = start == len(raw) or raw.endswith(b"\r\n")
    at = start if raw.startswith(b".", start) else _next_dot(raw, start)
    for _ in range(_MAX_CUTS):
        if at < 0:
            break
        yield whole[start:at]
        yield b"."
        start, at = at, _next_dot(raw, at)
    yield whole[start:] if at < 0 else raw[start:].replace(_DOT_LINE, b"\r\n..")
    yield b".\r\n" if is_line_whole else b"\r\n.\r\n"


def _next_dot(raw: bytes, start: int) -> int:
    """That begins a line; -1: none does."""
    found = raw.find(_DOT_LINE, start)
    return found if found < 0 else found + len(_DOT_LINE) - 1


def with_lf(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content as a Maildir keeps it: line ends are LF."""
    for piece in _whole_line_ends(pieces):
        lines = piece.splitlines()  # at CR, LF and CR LF, nothing else; a fifth of the time of replacing
        yield b"\n".join([*lines, b""]) if piece.endswith((b"\r", b"\n")) else b"\n".join(lines)


def _whole_line_ends(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of which none is empty and none ends between CR and LF."""
    kept = b""
    for piece in pieces:
        data = kept + piece if kept else piece
        kept = b""
        if data.endswith(b"\r"):
            kept, data = b"\r", data[:-1]
        if data:
            yield data
    if kept:
        yield kept


def _stuffed_within(data: bytes) -> bytes:
    """But for a dot in front: where a line begins there is known to who asks."""
    if has_bare(data):
        data = _BREAK.sub(b"\r\n", data)
    # To look from behind takes half as long as to look for what is replaced; hardly any message has such a line.
    return data.replace(_DOT_LINE, b"\r\n..") if data.rfind(b"\n.") >= 0 else data


def _dot_before(line: bytes) -> bytes:
    return b"." if line.startswith(b".") else b""
