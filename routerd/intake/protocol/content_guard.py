"""Bounds on a message's header and lines, watched while the content comes (RFC 5321 4.5.3.1, RFC 5322 2.1.1). Pure.

What counts as the header's end, and as a field in it, is what `message/headers.py` finds in the whole message.
"""

import re

from routerd.intake.protocol.data import Defect, gravest

_LINE_END = b"\r\n"
_EMPTY_LINE = b"\r\n\r\n"
# A line is looked at together with the line end before it. What has begun as fields do stays header, whatever comes:
_SURE = re.compile(rb"(?:\r\n(?:[!-9;-~]++[ \t]*+:|[ \t])[^\r\n]*+|(?!))*+")
_MAY_BE_FIELD = re.compile(rb"(?:\r\n(?:[!-9;-~]++[ \t]*+|(?!))?+|(?!))?+\r?+\Z")
_FIELD = re.compile(rb"\r\n[^!-~ \t\r\n]*+[!-9;-~][^ \t\r\n:]*+(?:[ \t]|\r\n[ \t])*+:")
_LAST_LINE_UNFOLDED = re.compile(rb"(?s:.*)(\r\n)(?![ \t]|\r?\Z)")
_NAME_BYTE = re.compile(rb"[!-9;-~]")


class ContentGuard:
    """Is shown the content piece by piece, wherever it is cut; CRLF is its only line end. Keeps none of it.

    `header_size` in octets, without the empty line; `line_size` with the line's CRLF. While every line is a field, all
    that came is header. Behind a line that is none, it depends on an empty line that may come yet: there the bounds
    are held against all before it.
    """

    __slots__ = (
        "_defects",
        "_fields",
        "_header_fields",
        "_header_size",
        "_in_header",
        "_is_sure",
        "_line_bytes",
        "_line_size",
        "_open",
        "_seen_bytes",
    )

    def __init__(self, header_size: int, header_fields: int, line_size: int) -> None:
        self._header_size = header_size
        self._header_fields = header_fields
        self._line_size = line_size
        self._in_header = True
        self._is_sure = True  # every line so far is a field
        self._open = _LINE_END  # a short stand-in for the unfinished field, with the line end before it
        self._seen_bytes = 0
        self._fields = 0
        self._line_bytes = 0  # of the unfinished line
        self._defects: set[Defect] = set()

    @property
    def defect(self) -> Defect | None:
        """The gravest so far; where the content is cut makes no difference to it in the end."""
        return gravest(self._defects)

    def look(self, piece: bytes) -> Defect | None:
        """`defect`, with this piece."""
        if self._in_header:
            self._look_at_header(piece)
        if Defect.LINE_TOO_LONG not in self._defects:
            self._look_at_lines(piece)
        return gravest(self._defects) if self._defects else None

    def _look_at_header(self, piece: bytes) -> None:
        window = self._open + piece
        before_window = self._seen_bytes - len(self._open)
        end = window.find(_EMPTY_LINE)
        if end >= 0:
            self._in_header = False
            self._judge_size(before_window + end + len(_LINE_END))
            self._judge_fields(window, end)
            return
        if not self._seen_bytes and piece.startswith((b" ", b"\t")):
            self._is_sure = False  # a fold of nothing
        if self._is_sure:
            self._judge_what_is_sure(window, before_window)
        self._fields += len(_FIELD.findall(window))
        self._open = _stand_in(window)
        self._seen_bytes += len(piece)

    def _judge_what_is_sure(self, window: bytes, before_window: int) -> None:
        found = _SURE.match(window)
        end = found.end() if found else 0
        if end:  # else all before the unfinished line was judged when that began
            line_end = len(_LINE_END) if window.startswith(_LINE_END, end) else 0
            self._judge_size(before_window + end + line_end)
            self._judge_fields(window, end)
        self._is_sure = _MAY_BE_FIELD.match(window, end) is not None

    def _judge_size(self, header_bytes: int) -> None:
        if header_bytes > self._header_size:
            self._defects.add(Defect.HEADER_TOO_BIG)

    def _judge_fields(self, window: bytes, end: int) -> None:
        lines = window.count(_LINE_END, 0, end)
        if self._fields + lines > self._header_fields < self._fields + len(_FIELD.findall(window, 0, end)):
            self._defects.add(Defect.TOO_MANY_FIELDS)

    def _look_at_lines(self, piece: bytes) -> None:
        """Goes from line end to line end in steps of the longest line: one, for lines as they should be."""
        start, room = 0, self._line_size - self._line_bytes
        while len(piece) - start >= room:
            newline = piece.rfind(b"\n", start, start + room)
            if newline < 0:
                self._defects.add(Defect.LINE_TOO_LONG)
                return
            start, room = newline + 1, self._line_size
        newline = piece.rfind(b"\n", start)
        if start or newline >= 0:
            self._line_bytes = len(piece) - max(start, newline + 1)
        else:
            self._line_bytes += len(piece)


def _stand_in(window: bytes) -> bytes:
    """A few octets that, in front of what comes next, give the same answers as all of `window`.

    A field that was counted, or a line that can be none any more, is as good as a fold of what is before it.
    """
    last = _LAST_LINE_UNFOLDED.match(window)
    line = window[(last.start(1) if last else 0) + len(_LINE_END) :]
    bare = line.rstrip(b"\r\n")
    name = bare.strip(b" \t\r\n")
    if b":" in line or b" " in name or b"\t" in name or bare.startswith((b" ", b"\t")):
        short = b" "
    else:
        short = b"a" if _NAME_BYTE.search(name) else b"\x80" if name else b""
        short += b" " if bare.endswith((b" ", b"\t")) else b""
    return _LINE_END + short + line[len(bare) :][-3:]  # at most CR LF CR
