"""Work on messages that may be hostile."""

import threading
from pathlib import Path

import pytest

from routerd.store.marked_work import OFF_LOOP_BYTES, MarkedWork
from routerd.store.marks import InHand, digest_of

RAW = b"Subject: x\r\n\r\nx\r\n"


def suspects(path: Path) -> bool:
    """Whether whoever finds the file after a death takes the message for the cause."""
    copy = path.with_name("found")
    copy.write_bytes(path.read_bytes())
    found = InHand(copy)
    try:
        return found.is_suspect(digest_of(RAW))
    finally:
        found.close()


async def test_a_message_is_marked_while_it_is_worked_on_and_not_between(tmp_path: Path) -> None:
    """Many wait for DNS when a machine dies, and none of them is to blame."""
    hands = InHand(tmp_path / "in-hand")
    work = MarkedWork(hands, digest_of(RAW), RAW)
    assert await work(lambda: suspects(tmp_path / "in-hand"))
    assert not suspects(tmp_path / "in-hand")
    with pytest.raises(ZeroDivisionError):
        await work(lambda: 1 // 0)
    assert not suspects(tmp_path / "in-hand")
    hands.close()


@pytest.mark.parametrize(("octets", "on_loop"), [(OFF_LOOP_BYTES, True), (OFF_LOOP_BYTES + 1, False)])
async def test_work_on_a_large_message_holds_up_nobody(tmp_path: Path, octets: int, on_loop: bool) -> None:
    """It is done in a thread."""
    hands = InHand(tmp_path / "in-hand")
    work = MarkedWork(hands, digest_of(RAW), b"x" * octets)
    assert (await work(threading.current_thread) is threading.current_thread()) is on_loop
    hands.close()
