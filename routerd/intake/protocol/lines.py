"""What a client sends, cut into lines at LF. Pure."""

TOO_LONG = b""  # no line: one has its LF


class LineReader:
    """Keeps what is not taken yet. However long a line gets, no more of it is kept than the limit."""

    __slots__ = ("_at", "_is_overlong", "_looked_at", "left")

    def __init__(self) -> None:
        self.left = b""  # not empty as long as there is anything to take
        self._at = 0  # what stands before it is taken
        self._looked_at = 0  # there is no LF between `_at` and it
        self._is_overlong = False  # the line that is coming has outgrown its limit; its beginning is gone

    def feed(self, data: bytes) -> None:
        if self.left:
            self.left = self.left[self._at :] + data
            self._looked_at -= self._at
            self._at = 0
        else:
            self.left = data

    def take(self, limit_octets: int) -> bytes | None:
        """The next line with its LF, TOO_LONG for one of more octets than allowed, None if none is whole."""
        buffer = self.left
        end = buffer.find(b"\n", self._looked_at) + 1
        if not end:
            self._looked_at = len(buffer)
            if len(buffer) - self._at > limit_octets:
                self._is_overlong = True
                self.clear()
            return None
        line = buffer[self._at : end]
        if self._is_overlong or len(line) > limit_octets:
            self._is_overlong = False
            line = TOO_LONG
        if end == len(buffer):
            self.left = b""
            end = 0
        self._at = self._looked_at = end
        return line

    def take_all(self) -> bytes:
        """What is left, lines or not."""
        rest = self.left[self._at :] if self._at else self.left
        self.clear()
        return rest

    def clear(self) -> None:
        self.left = b""
        self._at = self._looked_at = 0
