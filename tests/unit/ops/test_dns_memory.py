"""What DNS said, for as long as it holds, within bounds."""

import pytest

from routerd.ops import dns_memory
from routerd.ops.dns_memory import DnsMemory


def test_an_answer_holds_until_its_time() -> None:
    memory: DnsMemory[str, str] = DnsMemory()
    memory.put("q", "a", 10.0, 1)
    assert (memory.get("q", 9.9), memory.get("q", 10.0), memory.get("other", 0.0)) == ("a", None, None)
    memory.put("q", "b", 20.0, 1)
    assert memory.get("q", 10.0) == "b"
    memory.clear()
    assert (memory.get("q", 0.0), memory.octets) == (None, 0)


def test_neither_many_answers_nor_long_ones_take_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked longest ago goes first; an answer that alone is too long is not kept."""
    monkeypatch.setattr(dns_memory, "MAX_ANSWERS", 3)
    monkeypatch.setattr(dns_memory, "MAX_OCTETS", 10_000)
    memory: DnsMemory[int, str] = DnsMemory()
    for number in range(5):
        memory.put(number, "a", 10.0, 1)
    assert [memory.get(number, 0.0) for number in range(5)] == [None, None, "a", "a", "a"]
    memory.put(5, "long", 10.0, 9_000)
    assert [memory.get(number, 0.0) for number in range(6)] == [None, None, None, None, "a", "long"]
    memory.put(6, "too long", 10.0, 90_000)
    assert (len(memory), memory.octets) == (0, 0)
