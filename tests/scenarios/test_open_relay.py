"""Nothing is relayed: whatever is tried, by whomever, only mail for our inboxes goes on, and only to their members."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from peers.certificate import make_certificate
from peers.daemon import RouterdDaemon
from peers.machine import free_port
from relay_attempt import Door, Taken, Taking, carry_on, relayed, try_tricks
from relay_tricks import TRICKS, Trick

from routerd.config.password_hash import make_hash

OWNER = b"<jan@mail.example.com>"
SUPPORT = b"<support@example.com>"
GOOD = Trick(SUPPORT, ours=True)
LOGIN = ("jan", "correct-horse-7")
DOORS = (
    Door("a stranger"),
    Door("a stranger pipelines", pipelined=True),
    Door("a stranger names a good recipient first", good=SUPPORT),
    Door("a stranger has SMTPUTF8", smtputf8=True),
    Door("a trusted hop", trusted=True),
    Door("a trusted hop names a good recipient first", trusted=True, good=SUPPORT, pipelined=True),
    Door("a stranger by LMTP", lmtp=True),
    Door("a trusted hop by LMTP names a good recipient first", trusted=True, lmtp=True, good=SUPPORT),
    Door("a stranger behind a proxy", proxy_header=b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 25\r\n"),
    Door("a trusted hop behind a proxy", proxy_header=b"PROXY TCP4 127.0.1.99 127.0.0.1 40000 25\r\n", pipelined=True),
    Door("a member", login=LOGIN),
    Door("a member names a good recipient first", login=LOGIN, implicit_tls=True, good=SUPPORT, pipelined=True),
)
CONFIG = """\
hostname: mx1.example.com
state: {folder}/state
rules: {folder}/rules.d
listen:
  - {{address: "127.0.0.1:{smtp_port}", smtputf8: true}}
  - {{address: "127.0.0.1:{lmtp_port}", protocol: lmtp}}
  - {{address: "127.0.0.1:@submission@", tls: required, auth: required}}
  - {{address: "127.0.0.1:@submissions@", tls: implicit, auth: required}}
tls: {{certificate: "@certificate@", key: "@key@"}}
passwords: "@passwords@"
limits: {{errors: 10000}}
proxies: [127.0.2.0/24]
trusted_networks: [127.0.1.0/24]
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


@dataclass(frozen=True, slots=True)
class _Desk:
    daemon: RouterdDaemon
    next_hop: _NextHop
    submission_port: int
    submissions_port: int

    def known(self, door: Door) -> Door:
        """With the port of its listener, and an address that no other door comes from."""
        if door.login is not None:
            port = self.submissions_port if door.implicit_tls else self.submission_port
        else:
            port = self.daemon.lmtp_port if door.lmtp else self.daemon.smtp_port
        network = 2 if door.proxy_header else 1 if door.trusted else 0
        return replace(door, port=port, source=f"127.0.{network}.{10 + DOORS.index(door)}")

    def log_end(self) -> str:
        return self.daemon.log_text()[-3000:]

    def queue(self) -> Any:
        return json.loads(self.daemon.command("queue", "list", "--json").stdout)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Desk]:
    """It sends all mail to its next hop; 127.0.1.* are trusted, 127.0.2.* are proxies, and all others strangers."""
    folder = tmp_path_factory.mktemp("desk")
    certificate, key = make_certificate(folder, "mx1.example.com")
    passwords = folder / "passwords"
    passwords.write_text(f"jan:{make_hash(LOGIN[1], b'0123456789abcdef')}\n")
    passwords.chmod(0o600)
    submission, submissions = free_port(), free_port()
    config = CONFIG
    for name, what in {
        "submission": submission,
        "submissions": submissions,
        "certificate": certificate,
        "key": key,
        "passwords": passwords,
    }.items():
        config = config.replace(f"@{name}@", str(what))
    hop = _NextHop()
    delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{hop.server.port}", tls: none}}'
    with hop.server, RouterdDaemon(folder, config=config, rules={}, delivery=delivery) as daemon:
        yield _Desk(daemon, hop, submission, submissions)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_nothing_is_relayed(desk: _Desk, wait_until: Any, door: Door) -> None:
    """Every trick is refused for good, and all that comes to the next hop is an inbox's mail for its owner."""
    taken = desk.next_hop.taken
    taken.clear()
    [first] = try_tricks(Door(f"before {door.name}", desk.daemon.smtp_port), [GOOD], b"")
    wait_until(lambda: taken, "a copy, whose return path is a real one", trouble=desk.log_end)
    [token] = re.findall(rb"<support\+b\.(\w+)@example\.com>", taken[0].sender)
    tried = [first, *try_tricks(desk.known(door), TRICKS, token)]
    assert [one.trouble for one in tried if one.trouble] == []
    wait_until(
        lambda: {one.marker for one in tried if one.accepted} <= desk.next_hop.markers and desk.queue() == [],
        "every accepted message at the next hop and an empty queue",
        trouble=desk.log_end,
    )
    assert relayed(tried, taken, OWNER) == []


@pytest.mark.parametrize("good", [None, SUPPORT])
@pytest.mark.parametrize("lmtp", [False, True])
def test_a_relay_would_be_seen(next_hop: _NextHop, lmtp: bool, good: bytes | None) -> None:
    """A server that carries everything on is found out by every trick."""
    with Taking(carry_on(next_hop.server.port), lmtp=lmtp) as open_relay:
        door = Door("open", open_relay.port, lmtp=lmtp, good=good)
        tried = try_tricks(door, TRICKS, b"t")
    found = {trick for trick, _ in relayed(tried, next_hop.taken, OWNER)}
    assert [str(one) for one in tried if one.trick not in found and not one.trick.ours] == []
    assert all(one.trouble for one in tried if not one.trick.ours)


def test_there_are_enough_tricks() -> None:
    """Each is there once."""
    assert len({(trick.before, trick.mail, trick.rcpt) for trick in TRICKS}) == len(TRICKS) >= 40
