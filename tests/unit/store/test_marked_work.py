"""Work on messages that may be hostile."""

import threading
from pathlib import Path

import pytest

from routerd.store.marked_work import OFF_LOOP_BYTES, OFF_LOOP_GLANCE_BYTES, MarkedWork
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


@pytest.mark.parametrize(
    ("octets", "bytes_read", "on_loop"),
    [
        (OFF_LOOP_GLANCE_BYTES, OFF_LOOP_BYTES, True),
        (OFF_LOOP_GLANCE_BYTES, OFF_LOOP_BYTES + 1, False),
        (OFF_LOOP_GLANCE_BYTES + 1, 0, False),
        (OFF_LOOP_BYTES, OFF_LOOP_BYTES + 1, True),
    ],
)
async def test_what_nobody_reads_makes_no_message_large(
    tmp_path: Path, octets: int, bytes_read: int, on_loop: bool
) -> None:
    """A thread for an attachment that is not decoded would cost more than the message."""
    hands = InHand(tmp_path / "in-hand")
    work = MarkedWork(hands, digest_of(RAW), b"x" * octets)
    await work.weigh(lambda: bytes_read)
    assert (await work(threading.current_thread) is threading.current_thread()) is on_loop
    hands.close()


@pytest.mark.parametrize(("octets", "on_loop"), [(OFF_LOOP_GLANCE_BYTES, True), (OFF_LOOP_GLANCE_BYTES + 1, False)])
async def test_a_glance_holds_up_nobody_for_long(tmp_path: Path, octets: int, on_loop: bool) -> None:
    """What is very large is not even gone over once while others wait; and it is marked."""
    hands = InHand(tmp_path / "in-hand")
    work = MarkedWork(hands, digest_of(RAW), b"x" * octets)
    assert (await work.glance(threading.current_thread) is threading.current_thread()) is on_loop
    assert await work.glance(lambda: suspects(tmp_path / "in-hand"))
    hands.close()
