"""From where copies leave."""

from datetime import timedelta

import pytest
from copies import NOW, a_copy

from routerd.config.settings import Addresses
from routerd.delivery.letter import ReturnPaths
from routerd.desk.changes import Role
from routerd.message.address import parse_address
from routerd.message.srs import read_srs, unwrap

KEY = b"k" * 32


@pytest.mark.parametrize("role", list(Role))
def test_return_paths(role: Role) -> None:
    """Our own; or the stranger's where that is wanted, but never for what goes outside; none for what came back."""
    ours, kept, wrapped = (ReturnPaths(style, Addresses(), KEY) for style in ("inbox", "keep", "srs"))
    copy = a_copy(role=role)
    assert ours.of(copy, NOW).startswith("support+b.")
    assert (kept.of(copy, NOW) == "anna@klient.test") is (role is not Role.FORWARD)
    assert wrapped.of(copy, NOW).startswith("SRS0=") is (role is not Role.FORWARD)
    for paths in (ours, kept, wrapped):
        assert paths.of(a_copy(role=role, to_return_path=True), NOW) == ""


def test_a_wrapped_sender_leads_back_to_him() -> None:
    """At the inbox's domain."""
    path = parse_address(ReturnPaths("srs", Addresses(), KEY).of(a_copy(), NOW))
    held = unwrap(path.local)
    assert held is not None
    assert str(read_srs(held, path.domain, KEY, NOW, timedelta(days=14))) == "anna@klient.test"


@pytest.mark.parametrize("sender", ["", "support@example.com", "a" * 60 + "@klient.test", "żaba@klient.test"])
def test_a_sender_who_cannot_be_wrapped_gives_way_to_our_own(sender: str) -> None:
    """Then the bounce is read here, and nothing is lost."""
    copy = a_copy(sender=sender)
    domain = copy.annotation.inbox.partition("@")[2]
    if sender.startswith("support"):
        copy = a_copy(sender=f"jan@{domain}")
    path = ReturnPaths("srs", Addresses(), KEY).of(copy, NOW)
    assert path.startswith("support+b.")
