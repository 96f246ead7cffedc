"""Names of next hops are looked up beside everything else."""

import asyncio
import socket
import threading

import pytest

from routerd.delivery.hosts.host import TcpHost, UnixHost
from routerd.delivery.hosts.look_up import MAX_ADDRESSES, LookUp


async def test_what_is_an_address_is_not_looked_up(monkeypatch):
    """Nor is a path, nor a name whose address is known."""
    monkeypatch.setattr(socket, "getaddrinfo", None)
    look_up = LookUp()
    assert await look_up.addresses_of(UnixHost("/run/x")) == ["/run/x"]
    assert await look_up.addresses_of(TcpHost("192.0.2.1", 25)) == ["192.0.2.1"]
    assert await look_up.addresses_of(TcpHost("2001:db8::1", 25)) == ["2001:db8::1"]
    assert await look_up.addresses_of(TcpHost("mx.example.com", 25, "192.0.2.7")) == ["192.0.2.7"]


async def test_a_silent_resolver_is_asked_once_a_name_and_stops_nobody_else(monkeypatch):
    """Twenty copies for one name make one question; who gives up waiting takes it from no other."""
    answered, asked = threading.Event(), []

    def silent(host, port, *_):
        asked.append(host)
        answered.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", port)) for number in range(20)]

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    look_up = LookUp()
    host = TcpHost("mail.example.com", 25)
    waiting = [asyncio.ensure_future(look_up.addresses_of(host)) for _ in range(20)]
    other = asyncio.ensure_future(look_up.addresses_of(TcpHost("other.example.com", 25)))
    while len(asked) < 2:
        await asyncio.sleep(0)
    assert await asyncio.to_thread(lambda: "done") == "done"
    waiting[0].cancel()
    answered.set()
    found = await asyncio.gather(*waiting[1:])
    assert all(addresses == [f"192.0.2.{number}" for number in range(MAX_ADDRESSES)] for addresses in found)
    assert len(await other) == MAX_ADDRESSES
    assert sorted(asked) == ["mail.example.com", "other.example.com"]


async def test_a_name_that_is_not_there_is_asked_anew(monkeypatch):
    """A failure is told to who asked, and is not remembered."""
    answers = iter([socket.gaierror(socket.EAI_NONAME, "not known"), None])

    def look(host, port, *_):
        if error := next(answers):
            raise error
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    look_up = LookUp()
    host = TcpHost("mail.example.com", 25)
    with pytest.raises(OSError, match="not known"):
        await look_up.addresses_of(host)
    assert await look_up.addresses_of(host) == ["192.0.2.1"]
