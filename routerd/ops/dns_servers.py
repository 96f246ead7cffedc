"""Which resolvers are asked, and in what order: those of the config, else those of /etc/resolv.conf as it is now."""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from routerd.config.settings import HostPort

RESOLV_CONF = Path("/etc/resolv.conf")
MAX_SERVERS = 3  # resolv.conf(5), MAXNS
MAX_BYTES = 65_536
LOOK_SECONDS = 5.0  # how often the file is looked at
PORT = 53

_Stamp = tuple[int, int, int]


class DnsServers:
    """`adopt` is called before the first question."""

    def __init__(self, *, now_seconds: Callable[[], float] = monotonic, resolv_conf: Path = RESOLV_CONF) -> None:
        self._now = now_seconds
        self._file = resolv_conf
        self._configured: tuple[HostPort, ...] = ()
        self._in_file: tuple[HostPort, ...] = ()
        self._stamp: _Stamp | None = None
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()
        self._preferred: HostPort | None = None  # which answered last

    def adopt(self, configured: Sequence[HostPort]) -> bool:
        """Takes the config's servers; True where they are others than before. The file is looked at anew."""
        changed = tuple(configured) != self._configured
        self._configured = tuple(configured)
        self._looked_at = None
        return changed

    def prefer(self, server: HostPort) -> None:
        """It has answered: it is asked first from now on, so that one that is down costs its time-out once."""
        self._preferred = server

    async def in_turn(self) -> tuple[HostPort, ...]:
        """The servers in the order in which to ask them; none where none is known."""
        servers = self._configured or await self._of_file()
        first = self._preferred
        if first is None or first not in servers or first == servers[0]:
            return servers
        return (first, *(server for server in servers if server != first))

    async def _of_file(self) -> tuple[HostPort, ...]:
        async with self._looking:  # those who ask at once wait for the first look, or they would know of no server
            now = self._now()
            if self._looked_at is None or now - self._looked_at >= LOOK_SECONDS:
                self._stamp, self._in_file = await asyncio.to_thread(_look, self._file, self._stamp, self._in_file)
                self._looked_at = now
        return self._in_file


def _look(file: Path, stamp: _Stamp | None, known: tuple[HostPort, ...]) -> tuple[_Stamp | None, tuple[HostPort, ...]]:
    """Reads `file` where it has changed since `stamp`; one that cannot be read names no server."""
    try:
        found = file.stat()
        now = (found.st_ino, found.st_size, found.st_mtime_ns)
        if now == stamp:
            return stamp, known
        with file.open("rb") as opened:
            return now, parse_resolv_conf(opened.read(MAX_BYTES))
    except OSError:
        return None, ()


def parse_resolv_conf(text: bytes) -> tuple[HostPort, ...]:
    """Its `nameserver` lines (resolv.conf(5)); others, and what is no IP address, say nothing. Never raises."""
    servers: dict[HostPort, None] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]):
            servers[HostPort(words[1], PORT)] = None
    return tuple(servers)[:MAX_SERVERS]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
