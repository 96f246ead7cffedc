import pytest

from routerd.store import waits
from routerd.store.waits import Waits


def test_the_oldest_of_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends first, the age told is that of the one that has waited longest; at rest it is nothing."""
    now = 100.0
    monkeypatch.setattr(waits, "monotonic", lambda: now)
    under_way = Waits()
    assert under_way.oldest_seconds() == 0.0
    first, second = under_way.one(), under_way.one()
    with second:
        pass
    with first:
        now = 103.0
        with under_way.one():
            now = 105.0
            assert under_way.oldest_seconds() == 5.0
        with pytest.raises(ValueError, match="full"), under_way.one():
            raise ValueError("full")
    assert under_way.oldest_seconds() == 0.0
    with under_way.one():
        assert under_way.oldest_seconds() == 0.0
