"""What a client sent while its session could not listen."""

from routerd.intake.limits.capacity import Memory


class Backlog:
    """Bytes in the order they came, counted against the memory in flight."""

    __slots__ = ("_memory", "_pieces", "_size_bytes")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size_bytes += len(data)
        self._memory.hold(len(data))

    def take(self) -> bytes:
        """All of it; nothing is left."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._memory.give_back(self._size_bytes)
        self._size_bytes = 0
        return data
