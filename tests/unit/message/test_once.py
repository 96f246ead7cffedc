"""Properties that are read once."""

import threading

from routerd.message.once import once


class Slow:
    def __init__(self, ready: threading.Event) -> None:
        self.entered = threading.Event()
        self.ready = ready
        self.reads = 0

    @once
    def value(self) -> int:
        """Some value."""
        self.entered.set()
        self.reads += 1
        assert self.ready.wait(30)
        return 7


def test_is_read_once() -> None:
    """The second time nothing is computed."""
    ready = threading.Event()
    ready.set()
    slow = Slow(ready)
    assert (slow.value, slow.value, slow.reads) == (7, 7, 1)
    assert Slow.value.__doc__ == "Some value."


def test_one_that_is_being_read_holds_up_no_other() -> None:
    """While a thread reads it of one message, the loop can read it of another."""
    ready = threading.Event()
    slow, other = Slow(threading.Event()), Slow(ready)
    ready.set()
    reading = threading.Thread(target=lambda: slow.value)
    reading.start()
    assert slow.entered.wait(30)
    finished: list[int] = []
    reader = threading.Thread(target=lambda: finished.append(other.value), daemon=True)
    reader.start()
    reader.join(30)
    slow.ready.set()
    reading.join(30)
    assert finished == [7]
