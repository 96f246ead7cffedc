"""Addresses of clients: in one spelling, and whether they are trusted. Pure."""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def plain_address(address: str) -> str:
    """An IP address as config and logs write it: without a zone, IPv4 not mapped into IPv6. "" is a unix socket."""
    address = address.partition("%")[0]
    if address.startswith("::"):
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
        return str(mapped) if mapped else address
    return address


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
