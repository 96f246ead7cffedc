"""Nothing is relayed: whatever is tried, by whomever, only mail for our inboxes goes on, and only to their members."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from peers.daemon import RouterdDaemon
from relay_attempt import Door, Taken, Taking, carry_on, relayed, try_trick
from relay_tricks import TRICKS, Trick

OWNER = b"<jan@mail.example.com>"
SUPPORT = b"<support@example.com>"
GOOD = Trick(SUPPORT, ours=True)
TRUSTED = "127.0.0.2"
DOORS = (
    Door("a stranger"),
    Door("a stranger pipelines", pipelined=True),
    Door("a stranger names a good recipient first", good=SUPPORT),
    Door("a stranger has SMTPUTF8", smtputf8=True),
    Door("a trusted hop", source=TRUSTED),
    Door("a trusted hop names a good recipient first", source=TRUSTED, good=SUPPORT, pipelined=True),
    Door("a stranger by LMTP", lmtp=True),
    Door("a trusted hop by LMTP names a good recipient first", source=TRUSTED, lmtp=True, good=SUPPORT),
)
CONFIG = """\
hostname: mx1.example.com
state: {folder}/state
rules: {folder}/rules.d
listen:
  - {{address: "127.0.0.1:{smtp_port}", smtputf8: true}}
  - {{address: "127.0.0.1:{lmtp_port}", protocol: lmtp}}
trusted_networks: [127.0.0.2/32]
http: {{address: "127.0.0.1:{http_port}"}}
postmaster: duty
members:
  ewa: {{mailbox: ewa@mail.example.com, addresses: [ewa.nowak@example.com]}}
  jan: {{mailbox: jan@mail.example.com}}
teams:
  duty: {{members: [jan], pick: first}}
inboxes:
  support@example.com: {{default: duty, aliases: [help@desk.example.net]}}
  billing@example.com: {{default: duty}}
delivery:
{delivery}
"""


class _NextHop:
    """Takes whatever is carried on, for everybody."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.server = Taking(self.taken.append)

    @property
    def markers(self) -> set[bytes | None]:
        return {message.marker for message in self.taken}


@pytest.fixture
def next_hop() -> Iterator[_NextHop]:
    hop = _NextHop()
    with hop.server:
        yield hop


@pytest.fixture
def desk(routerd: Callable[..., RouterdDaemon], next_hop: _NextHop) -> RouterdDaemon:
    """A daemon that sends all mail there; 127.0.0.2 is a trusted hop, any other address a stranger."""
    return routerd(
        config=CONFIG, rules={}, delivery=f'  - {{domain: "*", smtp: "127.0.0.1:{next_hop.server.port}", tls: none}}'
    )


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_nothing_is_relayed(desk: RouterdDaemon, next_hop: _NextHop, wait_until: Any, door: Door) -> None:
    """Every trick is refused for good, and all that comes to the next hop is an inbox's mail for its owner."""
    door = replace(door, port=desk.lmtp_port if door.lmtp else desk.smtp_port)
    first = try_trick(Door("first", desk.smtp_port), GOOD, 0)
    wait_until(lambda: next_hop.taken, "a copy, whose return path is a real one", trouble=desk.log_text)
    [token] = re.findall(rb"<support\+b\.(\w+)@example\.com>", next_hop.taken[0].sender)
    tried = [first, *(try_trick(door, trick, number, token) for number, trick in enumerate(TRICKS))]
    assert [one.trouble for one in tried if one.trouble] == []
    wait_until(
        lambda: {one.marker for one in tried if one.accepted} <= next_hop.markers and _queue(desk) == [],
        "every accepted message at the next hop and an empty queue",
        trouble=desk.log_text,
    )
    assert relayed(tried, next_hop.taken, OWNER) == []


@pytest.mark.parametrize("good", [None, SUPPORT])
@pytest.mark.parametrize("lmtp", [False, True])
def test_a_relay_would_be_seen(next_hop: _NextHop, lmtp: bool, good: bytes | None) -> None:
    """A server that carries everything on is found out by every trick."""
    with Taking(carry_on(next_hop.server.port), lmtp=lmtp) as open_relay:
        door = Door("open", open_relay.port, lmtp=lmtp, good=good)
        tried = [try_trick(door, trick, number, b"t") for number, trick in enumerate(TRICKS)]
    found = {trick for trick, _ in relayed(tried, next_hop.taken, OWNER)}
    assert [str(one) for one in tried if one.trick not in found and not one.trick.ours] == []
    assert all(one.trouble for one in tried if not one.trick.ours)


def test_there_are_enough_tricks() -> None:
    """Each is there once."""
    assert len({(trick.before, trick.mail, trick.rcpt) for trick in TRICKS}) == len(TRICKS) >= 40


def _queue(desk: RouterdDaemon) -> Any:
    return json.loads(desk.command("queue", "list", "--json").stdout)
