"""The bytes of DATA, decoded in bulk: the end found, dots unstuffed, line ends judged (RFC 5321 4.5.2, 2.3.8). Pure.

Only CRLF "." CRLF ends a message. A line begins behind CRLF and nowhere else, so no other server's idea of a line can
make two messages of one.
"""

import re
from collections.abc import Callable, Set
from enum import Enum

from routerd.message.line_ends import has_bare

_END = b"\r\n.\r\n"
_DOT_LINE = b"\r\n."
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Defect(Enum):
    """Why content cannot be taken, the gravest first."""

    TOO_BIG = "too_big"
    BARE_NEWLINE = "bare_newline"
    NUL = "nul"
    HEADER_TOO_BIG = "header_too_big"
    TOO_MANY_FIELDS = "too_many_fields"
    LINE_TOO_LONG = "line_too_long"


_GRAVEST = frozenset((Defect.TOO_BIG, Defect.BARE_NEWLINE, Defect.NUL))  # found here; behind these no other counts


def gravest(defects: Set[Defect]) -> Defect | None:
    return next((defect for defect in Defect if defect in defects), None) if defects else None


class DataDecoder:
    """Takes chunks as they come, gives the content's bytes; keeps at most four of them back.

    `limit_bytes`: content beyond it is TOO_BIG. `normalise`: a bare CR or LF becomes CRLF (a run of CR before LF, one
    CRLF); otherwise it is a defect. `look` is shown the content, and may find a defect in it. After a defect nothing
    more is given out, but the end is still looked for.
    """

    __slots__ = ("_defects", "_held", "_limit", "_look", "_normalise", "_virgin", "finished", "rest", "size_bytes")

    def __init__(
        self, limit_bytes: int, *, normalise: bool, look: Callable[[bytes], Defect | None] | None = None
    ) -> None:
        self._limit = limit_bytes
        self._normalise = normalise
        self._look = look
        self._held = b"\r\n"  # the end of the DATA command's own line: a first "." may end the content
        self._virgin = True  # those two octets are still in front
        self._defects: set[Defect] = set()
        self.finished = False
        self.rest = b""  # what came behind the end; commands again
        self.size_bytes = 0

    @property
    def defect(self) -> Defect | None:
        """The gravest defect so far; final once `finished`."""
        return gravest(self._defects)

    def feed(self, chunk: bytes) -> bytes:
        """The content that is certain by now; b"" after a defect. Not to be called once `finished`."""
        window = self._held + chunk
        dot_line = window.find(_DOT_LINE)
        end = window.find(_END, dot_line) if dot_line >= 0 else -1
        if end >= 0:
            self.finished = True
            self._held = b""
            self.rest = window[end + 5 :]
            # Where no other line begins with a dot, nothing is stuffed: that costs as much as all else here.
            return self._judge(window[: end + 2], stuffed=dot_line < end)
        held = _beginning_of_end(window)
        self._held = window[len(window) - held :]
        return self._judge(window[: len(window) - held], stuffed=dot_line >= 0)

    def _judge(self, content: bytes, *, stuffed: bool) -> bytes:
        """`content` never parts a CR from its LF: what might be half a line end is held."""
        if stuffed:
            content = content.replace(b"\r\n.", b"\r\n")
        if has_bare(content):
            if self._normalise:
                content = _BARE.sub(_one_line_end, content)
            else:
                self._defects.add(Defect.BARE_NEWLINE)
        if b"\0" in content:
            self._defects.add(Defect.NUL)
        if self._virgin and content:
            content = content[2:]
            self._virgin = False
        self.size_bytes += len(content)
        if self.size_bytes > self._limit:
            self._defects.add(Defect.TOO_BIG)
        if self._look is not None and self._defects.isdisjoint(_GRAVEST):
            defect = self._look(content)
            if defect is not None:
                self._defects.add(defect)
        return b"" if self._defects else content


def _beginning_of_end(window: bytes) -> int:
    """How many octets at the end of `window` may be the beginning of CRLF "." CRLF."""
    for length in (4, 3, 2, 1):
        if window.endswith(_END[:length]):
            return length
    return 0


def _one_line_end(found: re.Match[bytes]) -> bytes:
    """A CR that another follows (as behind the end of what was judged) vanishes into that one's line end."""
    behind = found.string[found.end() : found.end() + 1]
    return b"" if found[0] == b"\r" and behind in (b"\r", b"") else b"\r\n"
