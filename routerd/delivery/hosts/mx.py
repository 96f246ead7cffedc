"""Which hosts take the mail of a domain: what follows from what DNS says of it (RFC 5321 5.1). Pure.

What is certain is an outcome; what cannot be told now is a `Deferred`, never a `Failed`.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Protocol, TypeVar

from routerd.auth.dns_answers import Absent, Answer, Records, Trouble
from routerd.delivery.hosts.host import TcpHost
from routerd.delivery.outcome import Deferred, Failed, Stage

MAX_HOSTS = 10  # whose addresses are asked for; of a hundred MX records those that are preferred
MAX_ADDRESSES = 4  # of one host that an attempt tries
MAX_TRIES = 10  # addresses of all hosts that an attempt tries
MAX_NAMED = 3  # hosts that a reason names

LOOPBACK = "a loopback address"

NO_SUCH_SYSTEM = "5.1.2"  # RFC 3463 3.2
_NULL_MX = "5.1.10"  # RFC 7505 4.2
_LOOP = "5.4.6"  # RFC 3463 3.5

_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # RFC 6890 2.2.2

_T = TypeVar("_T")


class Shuffled(Protocol):
    """Gives the same things in an order by chance."""

    def __call__(self, things: Sequence[_T], /) -> list[_T]: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """One MX record; `name` without its last dot."""

    preference: int
    name: str


@dataclass(frozen=True, slots=True)
class Exchanges:
    """The MX records of a domain in the order in which they are to be tried, each host once."""

    domain: str
    hosts: tuple[Exchange, ...]
    is_implicit: bool = False  # there is no MX: the domain's own addresses stand for one

    def short_of(self, ours: Callable[[str], bool]) -> "Exchanges":
        """Without those that are ourselves, and whatever is not preferred to them: RFC 5321 5.1 against loops."""
        nearest = min((host.preference for host in self.hosts if ours(host.name)), default=None)
        if nearest is None:
            return self
        return replace(self, hosts=tuple(host for host in self.hosts if host.preference < nearest))


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of one host, in the order in which they are to be tried. `trouble`: why there may be others."""

    addresses: tuple[str, ...]
    trouble: str = ""


def exchanges_of(domain: str, answer: Answer, shuffled: Shuffled) -> Exchanges | Deferred | Failed:
    """What the answer to the question for MX records of `domain` means."""
    match answer:
        case Trouble(reason):
            return Deferred(f"cannot look up the MX of {domain}: {reason}", Stage.DNS)
        case Absent(is_nxdomain=True):
            return Failed(f"there is no domain {domain} in DNS (NXDOMAIN)", Stage.DNS, status=NO_SUCH_SYSTEM)
        case Absent():
            return Exchanges(domain, (Exchange(0, domain),), is_implicit=True)
        case Records(values):
            preferences: dict[str, int] = {}
            for preference, name in map(_read, values):
                preferences[name] = min(preference, preferences.get(name, preference))
            preferences.pop(".", None)  # beside others it means nothing: RFC 7505 3
            if not preferences:
                why = f"{domain} takes no mail: DNS says so by a null MX"
                return Failed(why, Stage.DNS, status=_NULL_MX)
            hosts = shuffled([Exchange(preference, name) for name, preference in preferences.items()])
            return Exchanges(domain, tuple(sorted(hosts, key=lambda host: host.preference)))


def addresses_of(four: Answer, six: Answer, shuffled: Shuffled) -> Addresses:
    """The answers to the questions for A and AAAA records of one host, as one.

    The families take turns, so that neither hides the other. IPv4 begins: more servers judge a sender by IPv6 harshly.
    """
    families = [shuffled(answer.values) if isinstance(answer, Records) else [] for answer in (four, six)]
    found = tuple(address for address in chain(*zip_longest(*families)) if address is not None)
    trouble = next((answer.reason for answer in (four, six) if isinstance(answer, Trouble)), "")
    return Addresses(found, trouble)


def hosts_of(
    exchanges: Exchanges,
    found: Mapping[str, Addresses],
    is_ours: Callable[[str], bool],
    unfit: Callable[[str], str],
    port: int,
) -> tuple[TcpHost, ...] | Deferred | Failed:
    """The hosts to connect to, in order. `found` has the first of `exchanges`; `is_ours` and `unfit` are asked about
    addresses.
    """
    fit = {name: [one for one in addresses.addresses if not unfit(one)] for name, addresses in found.items()}
    ours = {name for name, addresses in fit.items() if any(map(is_ours, addresses))}
    left = exchanges.short_of(ours.__contains__)
    if not left.hosts:
        return leads_back(exchanges, ours.__contains__)
    of_each = {host.name: fit[host.name][:MAX_ADDRESSES] for host in left.hosts if host.name in fit}
    counts = _shares([len(addresses) for addresses in of_each.values()])
    hosts = tuple(
        TcpHost(name, port, address)
        for (name, addresses), count in zip(of_each.items(), counts, strict=True)
        for address in addresses[:count]
    )
    return hosts or _without_addresses(left, found, unfit)


def unfit(address: str) -> str:
    """What is wrong with an address to which no mail can be sent, whatever DNS says; "" with any other.

    Private addresses (RFC 1918, RFC 4193) are none of these: they are those of other hosts of ours.
    """
    ip = plain_address(address)
    if ip == _BROADCAST:
        return "the broadcast address"
    if ip.is_unspecified or ip in _THIS_NETWORK:
        return "an unspecified address"
    if ip.is_multicast:
        return "a multicast address"
    return LOOPBACK if ip.is_loopback else ""


def plain_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address is itself inside an IPv6 one, too. A zone tells nothing."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return (ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None) or ip


def leads_back(exchanges: Exchanges, ours: Callable[[str], bool]) -> Failed:
    """Nobody takes mail for this domain but ourselves, and it is no inbox's."""
    name = next(host.name for host in exchanges.hosts if ours(host.name))
    who = name if exchanges.is_implicit else f"{name}, the MX of {exchanges.domain},"
    why = f"{who} is this host, so copies would come back (a loop); name the server of its mailboxes under 'delivery'"
    return Failed(why, Stage.DNS, status=_LOOP)


def literal_host(domain: str, port: int) -> TcpHost | Failed | None:
    """The host that an address literal names (RFC 5321 4.1.3). None: `domain` is none."""
    if not domain.startswith("["):
        return None
    inside = domain[1:-1]
    is_six = inside[:5].lower() == "ipv6:"
    try:
        address = str(ipaddress.IPv6Address(inside[5:]) if is_six else ipaddress.IPv4Address(inside))
    except ValueError:
        return Failed(f"{domain} is no address literal", Stage.DNS, status=NO_SUCH_SYSTEM)
    return TcpHost(address, port, address)


def _shares(counts: Sequence[int]) -> list[int]:
    """How many addresses of each host are tried: in turn one more of each, so that none takes the last one's place."""
    shares = [0] * len(counts)
    for level in range(1, MAX_ADDRESSES + 1):
        for index, count in enumerate(counts):
            if count >= level and sum(shares) < MAX_TRIES:
                shares[index] = level
    return shares


def _without_addresses(
    exchanges: Exchanges, found: Mapping[str, Addresses], unfit: Callable[[str], str]
) -> Deferred | Failed:
    domain = exchanges.domain
    names = [host.name for host in exchanges.hosts]
    named = {name: f" ({one} is {unfit(one)})" for name in found for one in found[name].addresses[:1]}
    for name in names:
        if name in found and found[name].trouble:
            whose = domain if exchanges.is_implicit else f"{name}, an MX of {domain}"
            return Deferred(f"cannot look up the address of {whose}: {found[name].trouble}", Stage.DNS)
    if exchanges.is_implicit:
        said = f"no address in DNS that mail can be sent to{named[domain]}" if domain in named else ""
        why = f"{domain} has {said or 'neither MX nor address in DNS'}"
        return Failed(why, Stage.DNS, status=NO_SUCH_SYSTEM)
    others = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    that = " that mail can be sent to" if named else ""
    listed = ", ".join(name + named.get(name, "") for name in names[:MAX_NAMED])
    why = f"no MX of {domain} has an address in DNS{that}: {listed}{others}"
    if not found.keys() >= set(names):  # another attempt asks for others
        return Deferred(why, Stage.DNS)
    return Failed(why, Stage.DNS, status=NO_SUCH_SYSTEM)


def _read(value: str) -> tuple[int, str]:
    preference, _, name = value.partition(" ")
    return int(preference), name
