"""How much at once: connections in all and per client, memory in flight, forged return paths."""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable

from routerd.intake.events import Declined
from routerd.message.envelope import Refused

_IPV6_SITE = 64  # bits: one customer's network has a /64, so one address of it says nothing

TOO_MANY = Refused(421, "4.3.2", "Too many connections; try again later")
TOO_MANY_OF_CLIENT = Refused(421, "4.7.0", "Too many connections from your address; try again later")
RETURN_PATH_FLOODED = Declined(450, "4.7.1", "Too much mail for this return path", "return_path_flood")
TOO_MANY_FORGED = Declined(421, "4.7.0", "Too many addresses that we never gave out", "forged_token")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def plain_address(address: str) -> str:
    """An IP address as config and logs write it: without a zone, IPv4 not mapped into IPv6. "" is a unix socket."""
    address = address.partition("%")[0]
    if address.startswith("::ffff:") and "." in address:
        return address[7:]
    return address


def client_key(address: str) -> str:
    """By what one client's connections are counted: its address, or its /64."""
    if ":" not in address:
        return address
    return str(ipaddress.IPv6Network((address, _IPV6_SITE), strict=False))


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
    """Open connections of all listeners. Trusted clients are counted in all, not by address."""

    def __init__(self, in_all: int, per_client: int) -> None:
        self.in_all = in_all
        self.per_client = per_client
        self.open = 0
        self._by_client: dict[str, int] = {}

    def admit(self, client: str | None) -> Refused | None:
        """`client`: of `client_key`, None where it is not counted. None is a yes, to be undone by `release`."""
        if self.open >= self.in_all:
            return TOO_MANY
        if client is not None:
            count = self._by_client.get(client, 0)
            if count >= self.per_client:
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
    """Bytes of messages that are in memory between the first byte of DATA and the answer."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    def has_room(self, size_bytes: int) -> bool:
        return self.used_bytes + size_bytes <= self.limit_bytes

    def take(self, size_bytes: int) -> bool:
        """Counts them; False, and not counted, where they are too many."""
        if not self.has_room(size_bytes):
            return False
        self.used_bytes += size_bytes
        return True

    def hold(self, size_bytes: int) -> None:
        """Counts what is here already and cannot be refused."""
        self.used_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        self.used_bytes -= size_bytes


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
