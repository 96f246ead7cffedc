"""Who comes, and whether there is a place for him."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.config.settings import Settings
from routerd.intake.arrival import Arrival, TurnedAway
from routerd.intake.clients.networks import TrustedNetworks
from routerd.intake.clients.peer import Peer, peer_behind, peer_of
from routerd.intake.clients.proxy_protocol import Origin
from routerd.intake.keeping.backlog import Backlog
from routerd.intake.limits.capacity import Memory
from routerd.intake.reception import Reception, World
from routerd.message.envelope import Received, Verdict
from routerd.ops.metrics import Metrics

HEADER = b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 25\r\n"
PROXY = ("192.0.2.9", 5000)
TRUSTED = TrustedNetworks([])


async def _accept(_: Received) -> tuple[Verdict, ...]:
    return ()


def reception(**more: object) -> Reception:
    settings = Settings.model_validate(
        {
            "hostname": "mx.desk.test",
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@members.test"}},
            "inboxes": {"support@desk.test": {"default": "jan"}},
            "delivery": [{"domain": "*", "smtp": "next.test:25"}],
            "proxies": ["192.0.2.0/24"],
            **more,
        }
    )
    return Reception(settings, _accept, Metrics(), b"k" * 32, World(now=lambda: datetime(2026, 1, 1, tzinfo=UTC)))


@given(st.lists(st.integers(1, len(HEADER) + 3), max_size=5))
def test_a_header_in_any_pieces(cuts: list[int]) -> None:
    """Gives the same peer, and what stands behind it goes to the backlog whole."""

    async def arrive() -> None:
        memory = Memory(1000)
        arrival, backlog = Arrival(reception()), Backlog(memory)
        assert arrival.begin(PROXY) is None
        data, heard = HEADER + b"EHLO", b""
        step = None
        for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
            piece = data[begin:end]
            if arrival.awaits_header:
                step = arrival.hear(piece, backlog)
                heard += backlog.take_all()
            else:
                heard += piece
        assert step == arrival.peer == Peer("198.51.100.7", 40000, trusted=False)
        assert heard == b"EHLO"
        assert memory.used_bytes == 0

    asyncio.run(arrive())


async def test_places_are_given_back_once() -> None:
    """A header changes under whom a place is counted, never how many there are."""
    shared = reception(limits={"connections": 2, "connections_per_client": 1})
    backlog = Backlog(Memory(1000))
    first, second, third = (Arrival(shared) for _ in range(3))
    first.begin(PROXY)
    assert isinstance(first.hear(HEADER, backlog), Peer)
    second.begin(PROXY)
    refused = second.hear(HEADER, backlog)
    assert isinstance(refused, TurnedAway)
    assert refused.reason == "connections"
    assert shared.connections.open == 1
    second.end()
    first.end()
    first.end()
    assert shared.connections.open == 0
    assert isinstance(third.begin(("203.0.113.1", 1)), Peer)


async def test_what_is_no_header_is_answered_with_nothing() -> None:
    """Its place is given back at the end of its connection, as all are."""
    shared = reception()
    arrival = Arrival(shared)
    arrival.begin(PROXY)
    refused = arrival.hear(b"EHLO x\r\n", Backlog(Memory(1000)))
    assert isinstance(refused, TurnedAway)
    assert (refused.reason, refused.refused) == ("proxy_protocol", None)
    arrival.end()
    assert shared.connections.open == 0


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("192.0.2.1", 25), "192.0.2.1"),
        (("::ffff:192.0.2.1", 25, 0, 0), "192.0.2.1"),
        (("fe80::1%eth0", 25, 0, 2), "fe80::1"),
        ("", ""),
        (b"\0abstract", ""),
        (None, ""),
    ],
)
def test_peers_by_their_transports(peername: object, address: str) -> None:
    """A unix socket has no address, and is this machine's own."""
    peer = peer_of(peername, TRUSTED)
    assert peer.address == address
    assert peer.trusted is (address == "")


def test_a_balancer_lends_its_trust_to_nobody() -> None:
    """Whether it names the client or not."""
    proxy = Peer("10.0.0.1", 1, trusted=True)
    assert peer_behind(proxy, Origin(None), TRUSTED) == Peer("10.0.0.1", 1, trusted=False)
    assert peer_behind(proxy, Origin("192.0.2.1", 7), TRUSTED) == Peer("192.0.2.1", 7, trusted=False)
