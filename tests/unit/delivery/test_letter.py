"""From where copies leave."""

import pytest
from copies import NOW, a_copy

from routerd.config.settings import Addresses
from routerd.delivery.letter import ReturnPaths
from routerd.desk.plan import Role


@pytest.mark.parametrize("role", list(Role))
def test_return_paths(role: Role) -> None:
    """Our own; or the stranger's where that is wanted, but never for what goes outside; none for what came back."""
    ours, kept = (ReturnPaths(style, Addresses(), b"k" * 32) for style in ("inbox", "keep"))
    copy = a_copy(role=role)
    assert ours.of(copy, NOW).startswith("support+b.")
    assert (kept.of(copy, NOW) == "anna@klient.test") is (role is not Role.FORWARD)
    assert kept.of(a_copy(role=role, to_return_path=True), NOW) == ""
