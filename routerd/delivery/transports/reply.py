"""Replies of an SMTP or LMTP server (RFC 5321 4.2), read from whatever bytes it sends."""

import re
from dataclasses import dataclass

MAX_LINE_BYTES = 4096  # RFC 5321 4.5.3.1.5 says 512; servers say more
MAX_LINES = 128
MAX_TEXT = 1000  # characters of a reply that are kept as its words

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    lines: tuple[str, ...]  # without the code; control and invisible characters as "?"

    @property
    def kind(self) -> int:
        """2 done, 3 go on, 4 not now, 5 no."""
        return self.code // 100

    @property
    def status(self) -> str:
        """The enhanced status code (RFC 2034), "" without one or where it contradicts the code."""
        for line in self.lines:
            found = _STATUS.match(line)
            if found and int(found[1]) == self.kind:
                return found[0]
        return ""

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.lines)}"[:MAX_TEXT].rstrip()


class ReplyReader:
    """Bytes in, replies out, in memory bounded by one reply. `broken` says why no more can be read."""

    def __init__(self) -> None:
        self.broken = ""
        self._partial = b""
        self._code = 0
        self._lines: list[str] = []

    @property
    def has_partial(self) -> bool:
        """Something of an unfinished reply has come."""
        return bool(self._partial or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes. After `broken` is set, none."""
        if self.broken:
            return []
        *lines, self._partial = (self._partial + data).split(b"\n")
        replies: list[Reply] = []
        for line in lines:
            reply = self._take_line(line.removesuffix(b"\r"))
            if reply:
                replies.append(reply)
            if self.broken:
                return replies
        if len(self._partial) > MAX_LINE_BYTES:
            self._break("a reply line without end")
        return replies

    def _take_line(self, line: bytes) -> Reply | None:
        found = _LINE.match(line)
        if not found or len(line) > MAX_LINE_BYTES:
            self._break(f"not a reply: {_shown(line[:80])!r}")
            return None
        code = int(found[1])
        if self._lines and code != self._code:
            self._break(f"one reply with two codes, {self._code} and {code}")
            return None
        self._code = code
        self._lines.append(_shown(found[3] or b""))
        if found[2] != b"-":
            reply, self._lines = Reply(code, tuple(self._lines)), []
            return reply
        if len(self._lines) >= MAX_LINES:
            self._break("a reply of too many lines")
        return None

    def _break(self, why: str) -> None:
        self.broken, self._partial, self._lines = why, b"", []


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)
