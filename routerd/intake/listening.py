"""Listening sockets, before anybody accepts from them."""

import asyncio
import errno
import os
import socket
from collections.abc import Mapping, Sequence

from routerd.config.settings import HostPort, Listener

BACKLOG = 512

Listening = Mapping[str, Sequence[socket.socket]]
"""Listening sockets by the names of their listeners."""

_LEAST_OPEN_PORT = 1024  # those below are root's, as Linux has it by default


class ListenError(Exception):
    """A listener cannot be opened; the message names it and says why."""


async def open_listeners(listeners: Sequence[Listener], passed: Listening) -> dict[str, list[socket.socket]]:
    """All of them by name, or none. `passed`: those that systemd has opened. Raises ListenError."""
    opened: dict[str, list[socket.socket]] = {}
    try:
        for listener in listeners:
            if listener.systemd is not None:
                opened[listener.name] = list(passed_sockets(listener.systemd, passed))
            elif listener.address is not None:
                opened[listener.name] = await _bound(listener.address)
    except BaseException:
        for sockets in opened.values():
            for one in sockets:
                one.close()
        raise
    return opened


def passed_sockets(name: str, passed: Listening) -> Sequence[socket.socket]:
    """Those that systemd passed by that name. Raises ListenError."""
    found = passed.get(name, ())
    if not found:
        raise ListenError(f"systemd passed no socket named {name!r} (FileDescriptorName=)")
    return found


def listen_error(address: HostPort, error: OSError) -> ListenError:
    """In few words, with what helps."""
    why = os.strerror(error.errno) if error.errno else str(error)
    if error.errno == errno.EACCES and address.port < _LEAST_OPEN_PORT:
        why += f"; ports below {_LEAST_OPEN_PORT} are root's: have systemd open it, and write {{systemd: NAME}}"
    return ListenError(f"cannot listen on {address}: {why}")


def addresses_of(sockets: Sequence[socket.socket]) -> list[tuple[str, int]]:
    """Host and port that each is bound to; a unix socket is its path and port 0."""
    found = (one.getsockname() for one in sockets)
    return [(at[0], at[1]) if isinstance(at, tuple) else (str(at), 0) for at in found]


async def _bound(address: HostPort) -> list[socket.socket]:
    """One for each address that the host has, as asyncio's servers open them."""
    loop = asyncio.get_running_loop()
    opened: list[socket.socket] = []
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, at in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            opened.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.setblocking(False)
            one.bind(at)
            one.listen(BACKLOG)
    except OSError as error:
        for one in opened:
            one.close()
        raise listen_error(address, error) from error
    return opened
