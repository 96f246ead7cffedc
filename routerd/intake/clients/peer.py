"""Who is at the other end of a connection, as far as the network says."""

from typing import Any, NamedTuple

from routerd.intake.clients.networks import TrustedNetworks, plain_address
from routerd.intake.clients.proxy_protocol import Origin
from routerd.message.client_key import client_key


class Peer(NamedTuple):
    """`address`: "" is a unix socket. `trusted`: a hop that may hand mail over, never an identity."""

    address: str
    port: int
    trusted: bool

    @property
    def key(self) -> str | None:
        """By what a client's connections and tries are counted; None: a unix socket, behind which are many."""
        return client_key(self.address) if self.address else None


NOBODY = Peer("", 0, trusted=False)


def peer_of(peername: Any, trusted: TrustedNetworks) -> Peer:
    """From what a transport says of its other end: a pair or more, or the path of a unix socket."""
    if not isinstance(peername, tuple):
        return Peer("", 0, "" in trusted)
    address = plain_address(peername[0])
    return Peer(address, peername[1], address in trusted)


def peer_behind(proxy: Peer, origin: Origin, trusted: TrustedNetworks) -> Peer:
    """Whose connection a proxy hands on. Where it does not say, it is the proxy's own, which is nobody to be trusted:
    anyone may have come through it.
    """
    if origin.address is None:
        return proxy._replace(trusted=False)
    return Peer(origin.address, origin.port, origin.address in trusted)
