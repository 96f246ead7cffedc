"""Crowds of hostile clients at a real daemon: it stays small, serves others, and is as before once they have gone.

A small crowd of each kind; tests/bench/hostile.py brings two hundred.
"""

from pathlib import Path

import pytest
from peers.hostile import KINDS
from peers.siege import MEMORY_BYTES, open_fortress

CLIENTS = 30
_NAMES = tuple(KINDS)


@pytest.mark.parametrize("first", range(4))
@pytest.mark.timeout(280)
def test_hostile_clients_are_withstood(first: int, tmp_path: Path) -> None:
    """Kind after kind, at one daemon."""
    with open_fortress(tmp_path) as fortress:
        for name in _NAMES[first::4]:
            siege = fortress.withstand(KINDS[name], CLIENTS, good_messages=2)
            assert siege.grown_bytes < MEMORY_BYTES, name
            assert siege.served == 2, (name, siege.refused)
            assert siege.left_descriptors <= 0, name
            assert not siege.errors, name
