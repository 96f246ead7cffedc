"""How deep the parts of a message are nested (RFC 2046 5.1, 5.2.1), also where nobody looks at them any more."""

import re

from routerd.message.envelope import Raw
from routerd.message.headers import HeaderBlock
from routerd.message.mime import MAX_DEPTH, MAX_PART_HEADER, MAX_PARTS, Part, boundary_of, kind_of, opens_message

# Beyond these a dive is given up: what cannot be told is no ground to refuse a message for good.
MAX_LINES_READ = 500_000  # that may be delimiters
MAX_PARTS_READ = 20_000

_DELIMITER = re.compile(rb"\n--([^\r\n]*)")
_HEADER_STOP = re.compile(rb"\n(?:\r?\n|--)")


def is_nested_deeper(raw: Raw, root: Part, levels: int) -> bool:
    """Whether a part stands more than `levels` below `root`, the tree of `raw`. Most often the tree tells."""
    deepest, number = 0, 0
    waiting = [(root, 0)]
    while waiting:
        part, depth = waiting.pop()
        number += 1
        deepest = max(deepest, depth)
        waiting.extend((child, depth + 1) for child in part.children)
    if deepest > levels:
        return True
    return (deepest >= MAX_DEPTH or number >= MAX_PARTS) and _Dive(raw, levels).is_deeper(root)


class _Dive:
    """From delimiter to delimiter, top to bottom, with the boundaries that are open."""

    def __init__(self, raw: Raw, levels: int) -> None:
        self._raw = raw
        self._levels = levels
        self._open: dict[bytes, tuple[int, str]] = {}  # the innermost last: how deep its parts are, and of what default

    def is_deeper(self, root: Part) -> bool:
        at = max(root.start - 1, 0)
        if self._enter(root.headers, 0, "text/plain"):
            deepest, at = self._read_part(at, 1, "text/plain")
            if deepest > self._levels:
                return True
        lines, parts = 0, 0
        while parts < MAX_PARTS_READ and lines < MAX_LINES_READ:
            found = _DELIMITER.search(self._raw, at)
            if found is None:
                break
            lines += 1
            at = found.end()
            line = found[1].rstrip(b" \t")
            boundary = line if line in self._open else line.removesuffix(b"--")
            if boundary not in self._open:
                continue
            while next(reversed(self._open)) != boundary:
                self._open.popitem()
            depth, default_type = self._open[boundary]
            if boundary != line:
                self._open.popitem()
                continue
            parts += 1
            deepest, at = self._read_part(at, depth, default_type)
            if deepest > self._levels:
                return True
        return False

    def _read_part(self, line_end: int, depth: int, default_type: str) -> tuple[int, int]:
        """The part behind a delimiter, and the messages right within it: how deep it goes, and where that ends."""
        raw = self._raw
        while depth <= self._levels:
            at = raw.find(b"\n", line_end)
            stop = _HEADER_STOP.search(raw, at) if at >= 0 else None
            if stop is None:
                return depth, len(raw)
            header = raw[at + 1 : min(stop.start() + 1, at + MAX_PART_HEADER)]
            line_end = stop.start() if stop[0].endswith(b"--") else stop.end() - 1
            if not self._enter(HeaderBlock.scan(header), depth, default_type):
                return depth, line_end
            depth, default_type = depth + 1, "text/plain"
        return depth, line_end

    def _enter(self, headers: HeaderBlock, depth: int, default_type: str) -> bool:
        """Opens a multipart; True: it is a message, whose header is next."""
        kind, content_type = kind_of(headers, default_type)
        boundary = boundary_of(content_type) if kind.startswith("multipart/") else b""
        if boundary and boundary not in self._open:  # one that is open ends this part, it begins none in it
            self._open[boundary] = depth + 1, "message/rfc822" if kind == "multipart/digest" else "text/plain"
        return opens_message(kind, headers)
