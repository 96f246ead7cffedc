"""A copy's bytes on their way out: never joined where they are large, never a bare CR or LF."""

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from routerd.message.envelope import Raw

PIECE_BYTES = 256 * 1024

_BREAK = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Content:
    """`head` and then `raw` from `body_start` on."""

    head: bytes
    raw: Raw = b""
    body_start: int = 0
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

    def on_the_wire(self) -> bytes:
        """All of `dot_stuffed`, where it is small: without the generators, which take half of the time, and with a body
        that goes as it came copied once."""
        head, raw, start = self.head, self.raw, self.body_start
        if head.endswith(b"\n") and raw[start : start + 1] not in (b".", b"\n") and _goes_as_it_is(raw):
            end = b".\r\n" if start == len(raw) or raw[-1:] == b"\n" else b"\r\n.\r\n"
            return b"".join((_dot_before(head), _stuffed_within(head), memoryview(raw)[start:], end))
        data = _stuffed_within(head + raw[start:])
        end = b".\r\n" if data.endswith(b"\n") or not data else b"\r\n.\r\n"
        return b"".join((_dot_before(data), data, end))


def dot_stuffed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content as it follows DATA, with its final dot (RFC 5321 4.5.2); bare CR and LF become CRLF."""
    at_line_start = True
    for piece in _whole_line_ends(pieces):
        stuffed = _stuffed_within(piece)
        yield _dot_before(stuffed) + stuffed if at_line_start else stuffed
        at_line_start = stuffed.endswith(b"\n")
    yield b".\r\n" if at_line_start else b"\r\n.\r\n"


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


def _goes_as_it_is(data: Raw) -> bool:
    """Whether every line ends in CRLF and none begins with a dot, but perhaps the first. Where no CR or LF is left
    without the pairs all are pairs: to see that takes half the time of counting them."""
    if isinstance(data, mmap.mmap):
        return False
    rest = data.replace(b"\r\n", b"")
    return b"\r" not in rest and b"\n" not in rest and data.rfind(b"\n.") < 0


def _stuffed_within(data: bytes) -> bytes:
    """But for a dot in front: where a line begins there is known to who asks."""
    return data if _goes_as_it_is(data) else _BREAK.sub(b"\r\n", data).replace(b"\r\n.", b"\r\n..")


def _dot_before(line: bytes) -> bytes:
    return b"." if line.startswith(b".") else b""
