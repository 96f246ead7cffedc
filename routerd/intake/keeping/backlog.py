"""What a client sent while its session could not listen."""

from collections import deque

from routerd.intake.limits.capacity import Memory


class Backlog:
    """Bytes in the order they came, counted against the memory in flight. `pieces` is true where there are any."""

    __slots__ = ("_at", "_memory", "_size_bytes", "pieces")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.pieces: deque[bytes] | None = None  # most sessions never need one, and an empty deque takes 600 bytes
        self._at = 0  # what stands before it in the first piece is taken
        self._size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def add(self, data: bytes) -> None:
        if self.pieces is None:
            self.pieces = deque()
        self.pieces.append(data)
        self._size_bytes += len(data)
        self._memory.hold(len(data))

    def take(self, most: int) -> bytes:
        """What came first, no more than `most` bytes of it."""
        if not self.pieces:
            return b""
        first, begin = self.pieces[0], self._at
        data = first[begin : begin + most]
        self._at += len(data)
        if self._at == len(first):
            self.pieces.popleft()
            self._at = 0
        self._give_back(len(data))
        return data

    def take_all(self) -> bytes:
        """Nothing is left."""
        if not self.pieces:
            return b""
        data = b"".join(self.pieces)[self._at :]
        self.pieces = None
        self._at = 0
        self._give_back(self._size_bytes)
        return data

    def _give_back(self, size_bytes: int) -> None:
        self._size_bytes -= size_bytes
        self._memory.give_back(size_bytes)
