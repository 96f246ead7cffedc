import mmap
import os
import tracemalloc
from pathlib import Path

import pytest

from routerd.intake.keeping.spool import Spool
from routerd.intake.limits.capacity import MEMORY_BYTES


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_small_messages_stay_in_memory(tmp_path: Path) -> None:
    """No file is made, and what came in one piece is not copied."""
    spool = Spool(tmp_path)
    piece = b"x" * 5000
    spool.append(piece)
    assert not spool.is_full
    assert spool.finish() is piece
    spool = Spool(tmp_path)
    for part in (b"a", b"b", b"c"):
        spool.append(part)
    assert spool.finish() == b"abc"
    assert spool.memory_bytes == 0


def test_large_messages_go_to_a_file_without_a_name(tmp_path: Path) -> None:
    """The map holds every byte in order; no name is left in the folder, and no descriptor once the map is closed."""
    before = _descriptors()
    spool = Spool(tmp_path)
    block = os.urandom(MEMORY_BYTES // 2 + 1)
    for _ in range(2):
        spool.append(block)
    assert spool.is_full
    spool.write_out()
    assert spool.is_on_disk
    assert not spool.memory_bytes
    spool.append(b"the end")
    raw = spool.finish()
    assert isinstance(raw, mmap.mmap)
    assert raw[:] == block + block + b"the end"
    assert not list(tmp_path.iterdir())
    raw.close()
    assert _descriptors() == before


def test_a_message_that_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    """Neither file nor descriptor nor memory."""
    before = _descriptors()
    spool = Spool(tmp_path)
    spool.append(b"x" * (MEMORY_BYTES + 1))
    spool.write_out()
    spool.append(b"y")
    spool.discard()
    assert not spool.memory_bytes
    assert not list(tmp_path.iterdir())
    assert _descriptors() == before


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    """The session answers 452 to it."""
    spool = Spool(tmp_path / "missing")
    spool.append(b"x")
    with pytest.raises(OSError):
        spool.write_out()


def test_octets_one_by_one_take_no_more_room_than_they_count_for(tmp_path: Path) -> None:
    """A client that sends a message in crumbs costs what is told of it, not fifty times that; the order stays."""
    spool = Spool(tmp_path)
    sent = os.urandom(20_000)
    tracemalloc.start()
    try:
        for at in range(0, len(sent), 2):
            spool.append(sent[at : at + 2])
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    spool.append(sent)
    spool.append(b"!")
    assert taken_bytes < 2 * len(sent)
    assert spool.memory_bytes == 2 * len(sent) + 1
    assert spool.finish() == sent * 2 + b"!"
