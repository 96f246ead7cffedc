"""Where routerd listens: each listener has one place, none has another's, and what needs a certificate has one."""

import ipaddress
from collections.abc import Iterator, Sequence

from routerd.config.draft import Draft
from routerd.config.nearest import quoted
from routerd.config.plain import Loc
from routerd.config.settings import HostPort, Listener, ListenProtocol, ListenTls
from routerd.config.yaml_source import Problem

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_NEEDS_CERTIFICATE = (ListenTls.REQUIRED, ListenTls.IMPLICIT)


def check(draft: Draft) -> Iterator[Problem]:
    for index, listener in enumerate(draft.settings.listen):
        if draft.reading.known(("listen", index)) == ("listen", index):
            yield from _listener(draft, index, listener)
    yield from _overlaps(draft)
    yield from _http(draft)
    yield from _networks(draft, "trusted_networks", draft.settings.trusted_networks, "the hops that hand mail over")
    yield from _networks(draft, "proxies", draft.settings.proxies, "the load balancers")
    yield from _proxies_twice(draft)


def _listener(draft: Draft, index: int, listener: Listener) -> Iterator[Problem]:
    if draft.reading.is_whole("listen", index):
        if listener.address is None and listener.systemd is None:
            yield draft.at("listen", index, message="a listener needs 'address' or 'systemd'")
        if listener.address is not None and listener.systemd is not None:
            wrong = "a listener has 'address' or 'systemd', not both"
            yield draft.at_key("listen", index, "systemd", message=wrong)
    if listener.tls in _NEEDS_CERTIFICATE and draft.settings.tls is None and "tls" not in draft.first.values:
        wrong = (
            f"'tls: {listener.tls}' needs a certificate; add 'tls: {{certificate: …, key: …}}' at the top of the file"
        )
        yield draft.at("listen", index, "tls", message=wrong)
    if listener.protocol is ListenProtocol.LMTP and listener.address is not None and listener.address.port == 25:
        yield draft.at("listen", index, "address", message="LMTP must not be on port 25 (RFC 2033 section 5)")


def _overlaps(draft: Draft) -> Iterator[Problem]:
    addresses: list[tuple[Loc, HostPort, str]] = []
    names: set[str] = set()
    for index, listener in enumerate(draft.settings.listen):
        if listener.address is not None:
            addresses.append((("listen", index, "address"), listener.address, "the listener"))
        if listener.systemd is not None and listener.systemd in names:
            wrong = f"two listeners take the socket {quoted(listener.systemd)}"
            yield draft.at("listen", index, "systemd", message=wrong)
        names.add(listener.systemd or "")
    http = (("http", "address"), draft.settings.http.address, "http")
    addresses.insert(len(addresses) if "http" in draft.reading.values else 0, http)
    for position, (place, address, _) in enumerate(addresses):
        for _, other, what in addresses[:position]:
            if overlap(address, other):
                yield draft.at(*place, message=f"{address} is taken by {what} {other} already")
                break


def overlap(one: HostPort, other: HostPort) -> bool:
    """Whether both cannot be bound at once. `0.0.0.0` and `[::]` can: each takes its own family only."""
    if one.port != other.port or one.port == 0 or one.ip is None or other.ip is None:
        return False
    if one.ip.version != other.ip.version:
        return False
    return one.ip == other.ip or one.ip.is_unspecified or other.ip.is_unspecified


def _http(draft: Draft) -> Iterator[Problem]:
    http = draft.settings.http
    ip = http.address.ip
    if ip is not None and not ip.is_loopback and not http.token and not http.allow and draft.reading.is_whole("http"):
        wrong = f"{http.address} is not on loopback; add 'token' or 'allow', so that not everybody may read it"
        yield draft.at("http", "address", message=wrong)
    if http.token is not None and (not http.token.isascii() or " " in http.token):
        yield draft.at("http", "token", message="'token' must be ASCII without spaces, or no scraper can send it")


def _networks(draft: Draft, key: str, networks: Sequence[IpNetwork], whom: str) -> Iterator[Problem]:
    for index, network in enumerate(networks):
        if network.prefixlen == 0:
            yield draft.at(key, index, message=f"{network} is everybody; name {whom}")
        elif isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
            yield draft.at(key, index, message=f"{network} never fits; write it as an IPv4 network")


def _proxies_twice(draft: Draft) -> Iterator[Problem]:
    """Whoever may name any client is worth a list in which nobody hides in another's network."""
    proxies = draft.settings.proxies
    for index, network in enumerate(proxies):
        for other in proxies[:index]:
            if other.prefixlen and network.version == other.version and network.overlaps(other):
                yield draft.at("proxies", index, message=f"{network} overlaps with {other}; write one of them")
                break
