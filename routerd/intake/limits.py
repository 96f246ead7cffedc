"""How much at once: connections in all and per client, memory in flight, forged return paths."""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable

from routerd.config.intake_settings import Limits
from routerd.intake.events import Declined
from routerd.message.envelope import Refused

_IPV6_SITE = 64  # bits: one customer's network has a /64, so one address of it says nothing
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

TOO_MANY = Refused(421, "4.3.2", "Too many connections; try again later")
TOO_MANY_OF_CLIENT = Refused(421, "4.7.0", "Too many connections from your address; try again later")
RETURN_PATH_FLOODED = Declined(450, "4.7.1", "Too much mail for this return path", "return_path_flood")
TOO_MANY_FORGED = Declined(421, "4.7.0", "Too many addresses that we never gave out", "forged_token")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def plain_address(address: str) -> str:
    """An IP address as config and logs write it: without a zone, IPv4 not mapped into IPv6. "" is a unix socket."""
    address = address.partition("%")[0]
    if address.startswith("::"):
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
        return str(mapped) if mapped else address
    return address


def client_key(address: str) -> str:
    """By what one client's connections are counted: its address, or its /64.

    Where a translator or tunnel puts IPv4 addresses into IPv6, all the world may share a /64, or one host have many:
    there it is the IPv4 address (RFC 6052 2.1, RFC 3056 2). `address` is plain.
    """
    if ":" not in address:
        return address
    ip = ipaddress.IPv6Address(address)
    if ip in _NAT64:
        return str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    if ip.sixtofour is not None:
        return str(ip.sixtofour)
    return str(ipaddress.IPv6Network((ip, _IPV6_SITE), strict=False))


class TrustedNetworks:
    """`trusted_networks`, with the answers for clients seen lately."""

    REMEMBERED = 4096

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)
        self._answers: OrderedDict[str, bool] = OrderedDict()

    def __contains__(self, address: str) -> bool:
        """A peer on a unix socket is on this machine, let in by the socket's mode: trusted."""
        answer = self._answers.get(address)
        if answer is None:
            answer = self._answers[address] = self._is_in(address)
            if len(self._answers) > self.REMEMBERED:
                self._answers.popitem(last=False)
        return answer

    def _is_in(self, address: str) -> bool:
        if not address:
            return True
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip.version == network.version and ip in network for network in self._networks)


class Connections:
    """Open connections of all listeners, counted in all and by client.

    The last tenth is for clients in `trusted_networks`, where there are any: no flood of strangers shuts them out.
    """

    def __init__(self, in_all: int, per_client: int) -> None:
        self.in_all = in_all
        self.per_client = per_client
        self.per_trusted_client: int | None = None
        self.kept = 0  # for trusted clients
        self.open = 0
        self._by_client: dict[str, int] = {}

    def adopt(self, limits: Limits, *, has_trusted: bool) -> None:
        """For connections that come from now on."""
        self.in_all = limits.connections
        self.per_client = limits.connections_per_client
        self.per_trusted_client = limits.trusted.connections_per_client
        self.kept = _kept(limits.connections, has_trusted=has_trusted)

    def admit(self, client: str | None, *, trusted: bool = False) -> Refused | None:
        """`client`: of `client_key`, None where it is counted in all only. None is a yes, to be undone by `release`."""
        if self.open >= self.in_all - (0 if trusted else self.kept):
            return TOO_MANY
        if client is not None:
            most = self.per_trusted_client if trusted else self.per_client
            count = self._by_client.get(client, 0)
            if most is not None and count >= most:
                return TOO_MANY_OF_CLIENT
            self._by_client[client] = count + 1
        self.open += 1
        return None

    def release(self, client: str | None) -> None:
        self.open -= 1
        if client is not None:
            count = self._by_client[client] - 1
            if count:
                self._by_client[client] = count
            else:
                del self._by_client[client]


class Memory:
    """Bytes of messages that are in memory between the first byte of DATA and the answer. The last tenth is kept as
    with Connections.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.kept_bytes = 0  # for trusted clients
        self.used_bytes = 0

    def adopt(self, limits: Limits, *, has_trusted: bool) -> None:
        self.limit_bytes = limits.memory
        self.kept_bytes = _kept(limits.memory, has_trusted=has_trusted)

    def has_room(self, size_bytes: int, *, trusted: bool = False) -> bool:
        return self.used_bytes + size_bytes <= self.limit_bytes - (0 if trusted else self.kept_bytes)

    def share(self) -> float:
        """How much is used of what strangers may have; 1.0 is all."""
        return self.used_bytes / (self.limit_bytes - self.kept_bytes)

    def take(self, size_bytes: int, *, trusted: bool = False) -> bool:
        """Counts them; False, and not counted, where they are too many."""
        if not self.has_room(size_bytes, trusted=trusted):
            return False
        self.used_bytes += size_bytes
        return True

    def hold(self, size_bytes: int) -> None:
        """Counts what is here already and cannot be refused."""
        self.used_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        self.used_bytes -= size_bytes


def _kept(limit: int, *, has_trusted: bool) -> int:
    return limit // 10 if has_trusted else 0


class Tally:
    """Counts by key within a window; those that had their share are turned away until it ends."""

    def __init__(self, allowed: int, window_seconds: float, remembered: int = 10_000) -> None:
        self._allowed = allowed
        self._window_seconds = window_seconds
        self._remembered = remembered
        self._since: OrderedDict[str, tuple[float, int]] = OrderedDict()  # key → (window's begin, count)

    def count(self, key: str, now_seconds: float) -> bool:
        """Counts one; True where that is more than `allowed`."""
        began, count = self._since.pop(key, (now_seconds, 0))
        if now_seconds - began > self._window_seconds:
            began, count = now_seconds, 0
        self._since[key] = (began, count + 1)
        if len(self._since) > self._remembered:
            self._since.popitem(last=False)
        return count + 1 > self._allowed

    def is_spent(self, key: str, now_seconds: float) -> bool:
        """Whether the key has had its share; nothing is counted."""
        began, count = self._since.get(key, (now_seconds, 0))
        return count >= self._allowed and now_seconds - began <= self._window_seconds


def forged_return_paths() -> Tally:
    """By client: some bounces are mangled on their way, so a few are let by."""
    return Tally(allowed=10, window_seconds=3600.0)


def used_return_paths() -> Tally:
    """By copy: its bounces, its delays and an automatic answer or two; whoever saw the address may send no flood."""
    return Tally(allowed=20, window_seconds=86_400.0)
