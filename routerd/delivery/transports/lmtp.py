"""Delivery to an LMTP server (RFC 2033) over TCP or a unix socket: SMTP's next hop with another greeting."""

from routerd.config.settings import Route, TlsPolicy
from routerd.delivery.hosts.host import Host, TcpHost, UnixHost
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.smtp import DEFAULT_TIMEOUTS, NextHop, Shared, TlsContexts, always
from routerd.delivery.transports.smtp_actions import Login


def lmtp_host(text: str) -> Host:
    """`unix:/path` or `HOST:PORT`, IPv6 in brackets. Raises ValueError."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{text!r} is not unix:/path: the path must be absolute")
        return UnixHost(path)
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is neither unix:/path nor HOST:PORT")
    return TcpHost(host, int(port))


def lmtp_next_hop(
    route: Route,
    hostname: str,
    contexts: TlsContexts,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    shared: Shared | None = None,
) -> NextHop:
    """For a route with `lmtp:`. On a unix socket nobody listens in: TLS is not asked for there."""
    host = lmtp_host(route.lmtp or "")
    private = isinstance(host, UnixHost)
    login = Login(hostname, lmtp=True, tls=TlsPolicy.NONE if private else route.tls, private=private)
    find = always(host)
    return NextHop(find, login, contexts, auth=route.auth, timeouts=timeouts, names_host=False, shared=shared)
