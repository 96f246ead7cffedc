"""/etc/resolv.conf as resolv.conf(5) has it, and whatever else may stand in it."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.ops.dns_servers import MAX_SERVERS, DnsServers, parse_resolv_conf


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        (b"", []),
        (b"nameserver 127.0.0.53\nnameserver 2001:db8::1\n", ["127.0.0.53", "2001:db8::1"]),
        (b"nameserver\t127.0.0.1 # the near one\r\nnameserver 127.0.0.1\n", ["127.0.0.1"]),
        (b"nameserver fe80::1%eth0\n", ["fe80::1%eth0"]),
        (b"#nameserver 127.0.0.1\n;nameserver 127.0.0.2\nnameserver\nNameserver 127.0.0.3\n", []),
        (b"nameserver mail.example.com\nnameserver 1\nnameserver 127.0.0.1x\n", []),
        (b"".join(b"nameserver 192.0.2.%d\n" % number for number in range(9)), ["192.0.2.0", "192.0.2.1", "192.0.2.2"]),
    ],
)
def test_name_servers(text: bytes, hosts: list[str]) -> None:
    """In their order, each once, the first three; what is no IP address is passed over."""
    assert [server.host for server in parse_resolv_conf(text)] == hosts


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(b"nameserver "), st.just(b"\n"), st.just(b"::1"))))
def test_never_raises(parts: list[bytes]) -> None:
    assert len(parse_resolv_conf(b"".join(parts))) <= MAX_SERVERS


async def test_those_who_ask_at_once_know_the_same_servers(tmp_path: Path) -> None:
    """The first message after the start asks for many names together: none of them is told that there is no server."""
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\n")
    servers = DnsServers(resolv_conf=file, now_seconds=lambda: 0.0)
    found = await asyncio.gather(*(servers.in_turn() for _ in range(5)))
    assert {tuple(server.host for server in one) for one in found} == {("127.0.0.1",)}
