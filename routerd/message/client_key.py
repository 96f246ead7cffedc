"""By what one client is counted, wherever that is done. Pure."""

import ipaddress

_IPV6_SITE = 64  # bits: one customer's network has a /64, so one address of it says nothing
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def client_key(address: str) -> str:
    """Its address, or its /64.

    Where a translator or tunnel puts IPv4 addresses into IPv6, all the world may share a /64, or one host have many:
    there it is the IPv4 address (RFC 6052 2.1, RFC 3056 2). `address` is plain: see `networks.plain_address`.
    """
    if ":" not in address:
        return address
    ip = ipaddress.IPv6Address(address)
    if ip in _NAT64:
        return str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    if ip.sixtofour is not None:
        return str(ip.sixtofour)
    return str(ipaddress.IPv6Network((ip, _IPV6_SITE), strict=False))
