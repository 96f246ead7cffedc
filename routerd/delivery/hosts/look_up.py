"""The addresses of next hops that are named in the config, as the system knows them (hosts file, DNS)."""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

from routerd.delivery.hosts.host import Host, UnixHost

MAX_ADDRESSES = 8
THREADS = 16


class LookUp:
    """In threads of its own: the system's resolver waits for half a minute where DNS is silent, and nothing else should
    wait with it. Of each name there is one question at a time. The threads end when nobody has it any more.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="look-up")
        self._asked: dict[Host, asyncio.Future[Sequence[Any]]] = {}

    async def addresses_of(self, host: Host) -> list[str]:
        """In the order in which to try them. Raises OSError."""
        if isinstance(host, UnixHost):
            return [host.path]
        if host.address or _is_address(host.host):
            return [host.address or host.host]
        asked = self._asked.get(host)
        if asked is None:
            asked = self._asked[host] = asyncio.get_running_loop().run_in_executor(
                self._threads, socket.getaddrinfo, host.host, host.port, socket.AF_UNSPEC, socket.SOCK_STREAM
            )
            asked.add_done_callback(lambda asked: self._forget(host, asked))
        found = await asyncio.shield(asked)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))[:MAX_ADDRESSES]

    def _forget(self, host: Host, asked: asyncio.Future[Sequence[Any]]) -> None:
        del self._asked[host]
        if not asked.cancelled():
            asked.exception()  # perhaps nobody waits for it any more


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
