"""A session's message while its content comes: in a spool, counted against the memory in flight."""

import asyncio
from pathlib import Path

import structlog

from routerd.intake.keeping.spool import Spool
from routerd.intake.limits.capacity import Memory

log = structlog.get_logger()


class ContentKeeper:
    """Of one message after the other. What is dropped while a thread writes it out is freed when that has ended."""

    __slots__ = ("_folder", "_is_lost", "_memory", "_spool", "_trusted", "_writing_out")

    def __init__(self, memory: Memory, folder: Path | None, *, trusted: bool) -> None:
        self._memory = memory
        self._folder = folder
        self._trusted = trusted
        self._spool: Spool | None = None
        self._writing_out = False
        self._is_lost = False

    def keep(self, piece: bytes) -> bool:
        """False: there is no room; what came of the message is lost too."""
        if self._is_lost or not self._memory.take(len(piece), trusted=self._trusted):
            self.drop()
            self._is_lost = True
            return False
        if self._spool is None:
            self._spool = Spool(self._folder)
        self._spool.append(piece)
        return True

    def drop(self) -> None:
        """The message that comes is refused, or its sender gone."""
        self._is_lost = False
        if self._spool is not None and not self._writing_out:
            self._memory.give_back(self._spool.memory_bytes)
            self._spool.discard()
            self._spool = None

    def hand_over(self) -> Spool | None:
        """The whole message, with the duty to give back its memory; None: it is lost."""
        spool, self._spool = self._spool, None
        is_lost, self._is_lost = self._is_lost, False
        return None if is_lost else spool or Spool(None)

    @property
    def size_bytes(self) -> int:
        """Of what has come, wherever it is."""
        return self._spool.size_bytes if self._spool is not None else 0

    @property
    def memory_bytes(self) -> int:
        """Of what has come, what is not on the disk."""
        return self._spool.memory_bytes if self._spool is not None else 0

    @property
    def must_write_out(self) -> bool:
        return self._spool is not None and self._spool.is_full and not self._writing_out

    async def write_out(self) -> bool:
        """Moves to the disk what is in memory; False: it failed. Until it ends nothing may be kept or handed over."""
        spool = self._spool
        if spool is None:
            return True
        in_memory_bytes = spool.memory_bytes
        self._writing_out = True
        try:
            await asyncio.get_running_loop().run_in_executor(None, spool.write_out)
            self._memory.give_back(in_memory_bytes)
        except OSError as error:
            log.warning("spool_failed", reason=str(error))
            return False
        finally:
            self._writing_out = False
        return True
