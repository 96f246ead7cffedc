import ipaddress
import os
from datetime import UTC, datetime, timedelta

import pytest

from routerd.config.settings import Limits, TrustedLimits
from routerd.intake.clients.networks import TrustedNetworks, plain_address
from routerd.intake.limits.counts import Counted, Counts, OwnCounts
from routerd.intake.limits.shared_counts import SharedMap
from routerd.intake.limits.tally import OwnTally
from routerd.intake.queue_ids import QueueIds
from routerd.message.client_key import client_key


@pytest.fixture(params=["own", "shared"])
def counts(request: pytest.FixtureRequest) -> Counts:
    """Of one process, or of one of several."""
    return OwnCounts(os.urandom) if request.param == "own" else SharedMap(3, os.urandom).of(1)


def test_connections_in_all_and_per_client(counts: Counts) -> None:
    """The limits hold, a release makes room again, and nothing is kept of clients that have gone."""
    connections = counts.connections()
    connections.adopt(Limits(connections=3, connections_per_client=2), has_trusted=False)
    assert [connections.admit("a"), connections.admit("a")] == [None, None]
    refused = connections.admit("a")
    assert refused is not None
    assert refused.status == "4.7.0"
    assert connections.admit(None) is None
    refused = connections.admit("b")
    assert refused is not None
    assert refused.status == "4.3.2"
    connections.release("a")
    assert connections.admit("a") is None
    for client in ("a", "a", None):
        connections.release(client)
    assert connections.open == 0
    assert not connections._by_client


def test_the_last_tenth_of_connections_is_for_hops(counts: Counts) -> None:
    """A flood of strangers does not shut out one's own Postfix, which has its own limit or none."""
    connections = counts.connections()
    connections.adopt(Limits(connections=20, connections_per_client=20), has_trusted=True)
    assert [connections.admit("a") is None for _ in range(20)] == [True] * 18 + [False] * 2
    assert [connections.admit("hop", trusted=True) is None for _ in range(3)] == [True] * 2 + [False]
    connections.adopt(
        Limits(connections=100, connections_per_client=20, trusted=TrustedLimits(connections_per_client=3)),
        has_trusted=False,
    )
    assert [connections.admit("hop", trusted=True) is None for _ in range(2)] == [True, False]
    assert [connections.admit(str(number)) is None for number in range(80)] == [True] * 79 + [False]
    for client in (*["a"] * 18, *["hop"] * 3, *map(str, range(79))):
        connections.release(client)
    assert connections.open == 0
    assert not connections._by_client


@pytest.mark.parametrize(
    ("peer", "plain", "key"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2:3:4", "2001:db8::1:2:3:4", "2001:db8::/64"),
        ("::ffff:c000:201", "192.0.2.1", "192.0.2.1"),
        ("::1", "::1", "::/64"),
        ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.1", "192.0.2.1"),
        ("2002:c000:201:77::1", "2002:c000:201:77::1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("", "", ""),
    ],
)
def test_one_client_is_an_address_or_a_network(peer: str, plain: str, key: str) -> None:
    """IPv6 clients count by their /64; an IPv4 address that was mapped, translated or tunnelled, by that."""
    assert plain_address(peer) == plain
    assert client_key(plain) == key


def test_trusted_networks() -> None:
    """By network, of either family; a unix socket's peer is on this machine; nonsense is nobody's."""
    trusted = TrustedNetworks([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")])
    for _ in range(2):
        assert "10.1.2.3" in trusted
        assert "2001:db8::1" in trusted
        assert "" in trusted
        assert "11.0.0.1" not in trusted
        assert "::1" not in trusted
        assert "nonsense" not in trusted
    for number in range(TrustedNetworks.REMEMBERED + 10):
        assert f"11.0.{number >> 8}.{number & 255}" not in trusted
    assert len(trusted._answers) == TrustedNetworks.REMEMBERED


def test_memory_is_taken_and_given_back(counts: Counts) -> None:
    """What does not fit is not counted."""
    memory = counts.memory()
    memory.adopt(Limits(memory=1200), has_trusted=False)
    assert memory.take(600)
    assert not memory.take(401)
    assert memory.take(400)
    assert not memory.take(1, trusted=True)
    memory.give_back(1000)
    assert memory.used_bytes == 0


def test_the_last_tenth_of_memory_is_for_hops(counts: Counts) -> None:
    """Where there are any; a sixth of the limit is for what the allocator leaves between pieces."""
    memory = counts.memory()
    memory.adopt(Limits(memory=1200), has_trusted=True)
    assert memory.take(900)
    assert memory.share() == 1.0
    assert not memory.take(1)
    assert memory.take(100, trusted=True)
    memory.adopt(Limits(memory=2400), has_trusted=False)
    assert memory.take(1000)


def test_a_tally_lets_a_few_by_and_then_turns_away_until_the_window_ends(counts: Counts) -> None:
    """By key."""
    tally = counts.tally(Counted.REFUSALS, allowed=3, window_seconds=60.0)
    assert [tally.count("a", 0.0) for _ in range(4)] == [False, False, False, True]
    assert not tally.count("b", 0.0)
    assert tally.count("a", 59.0)
    assert tally.is_spent("a", 59.0)
    assert not tally.is_spent("a", 61.0)
    assert not tally.is_spent("c", 0.0)
    assert not tally.count("a", 61.0)


def test_what_a_tally_remembers_is_bounded() -> None:
    """What was counted longest ago is forgotten."""
    tally = OwnTally(allowed=3, window_seconds=60.0, remembered=5)
    for number in range(10):
        tally.count(str(number), 61.0)
    assert len(tally._since) == 5


def test_queue_ids_sort_by_their_moment() -> None:
    """26 characters that rise strictly, within a millisecond and when the clock goes back."""
    ids = QueueIds(lambda count: b"\xff" * count)
    at = datetime(2026, 11, 22, tzinfo=UTC)
    moments = [at, at, at, at + timedelta(milliseconds=1), at - timedelta(hours=1), at + timedelta(hours=1)]
    made = [ids.make(moment) for moment in moments]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {len(one) for one in made} == {26}


def test_queue_ids_are_ulids() -> None:
    """48 bits of milliseconds, then 80 of chance, in Crockford's alphabet."""
    ids = QueueIds(bytes)
    assert ids.make(datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)) == "00000000010000000000000000"
