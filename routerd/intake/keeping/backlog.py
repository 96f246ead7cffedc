"""What a client sent while its session could not listen."""

from collections import deque

from routerd.intake.limits.capacity import Memory


class Backlog:
    """Bytes in the order they came, counted against the memory in flight."""

    __slots__ = ("_at", "_memory", "_pieces", "_size_bytes")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._pieces: deque[bytes] = deque()
        self._at = 0  # what stands before it in the first piece is taken
        self._size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size_bytes += len(data)
        self._memory.hold(len(data))

    def take(self, most: int) -> bytes:
        """What came first, no more than `most` bytes of it."""
        if not self._pieces:
            return b""
        first, begin = self._pieces[0], self._at
        data = first[begin : begin + most]
        self._at += len(data)
        if self._at == len(first):
            self._pieces.popleft()
            self._at = 0
        self._give_back(len(data))
        return data

    def take_all(self) -> bytes:
        """Nothing is left."""
        data = b"".join(self._pieces)[self._at :]
        self._pieces.clear()
        self._at = 0
        self._give_back(self._size_bytes)
        return data

    def _give_back(self, size_bytes: int) -> None:
        self._size_bytes -= size_bytes
        self._memory.give_back(size_bytes)
