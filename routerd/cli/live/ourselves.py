"""By which addresses others see this machine."""

import ipaddress
import socket
from collections.abc import Iterable

from routerd.auth.dns_answers import LookUp, RecordKind, Records, Trouble

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Nothing is sent there: the kernel only says from which address it would.
_FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


async def our_addresses(hostname: str, given: Iterable[IpAddress], look_up: LookUp) -> tuple[IpAddress, ...]:
    """Those `given`; else the public ones from which the kernel would send; else those of `hostname` by DNS."""
    found = tuple(given) or tuple(address for address in _local_addresses() if address.is_global)
    if found:
        return found
    by_name = await addresses_of(hostname, look_up)
    return () if isinstance(by_name, Trouble) else by_name


async def addresses_of(name: str, look_up: LookUp) -> tuple[IpAddress, ...] | Trouble:
    """By A and AAAA: those that there are; Trouble where none was found and DNS cannot tell of all."""
    found: list[IpAddress] = []
    trouble: Trouble | None = None
    for kind in (RecordKind.A, RecordKind.AAAA):
        match await look_up(name, kind):
            case Records(values):
                found += map(ipaddress.ip_address, values)
            case Trouble() as told:
                trouble = told
    return trouble if trouble is not None and not found else tuple(found)


def _local_addresses() -> Iterable[IpAddress]:
    for family, far in _FAR:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            try:
                asking.connect((far, 25))
            except OSError:  # no such network here
                continue
            yield ipaddress.ip_address(asking.getsockname()[0])
