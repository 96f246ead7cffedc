"""TLS of the listeners: the certificate, and the handshake on a connection that is open already."""

import asyncio
import ssl
from typing import Protocol, cast

from routerd.config.settings import TlsFiles

_SHUTDOWN_SECONDS = 5.0  # for the client's part in the end of TLS; then the connection is cut


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """For servers: TLS 1.2 and later, nothing asked of the client. Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(files.certificate, files.key)
    return context


def describe_tls(tls: ssl.SSLObject | None) -> str | None:
    """Version and cipher, as Received has them; None where there is no TLS."""
    if tls is None:
        return None
    cipher = tls.cipher()
    return f"{tls.version()} {cipher[0]}" if cipher else tls.version()


async def shake_hands(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    timeout_seconds: float,
    first: bytes = b"",
) -> asyncio.Transport | None:
    """The server's side of a handshake. `first`: its beginning, where it was read before (behind a PROXY header).

    Gives the transport inside TLS; None where the connection has ended meanwhile. Raises OSError.
    """
    loop = asyncio.get_running_loop()
    if first:
        loop.call_soon(_hand_on, loop, transport, first)
    return await loop.start_tls(
        transport,
        protocol,
        context,
        server_side=True,
        ssl_handshake_timeout=timeout_seconds,
        ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
    )


class _Buffered(Protocol):
    def get_buffer(self, sizehint: int) -> memoryview: ...

    def buffer_updated(self, nbytes: int) -> None: ...


def _hand_on(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, first: bytes) -> None:
    """Runs behind the first step of `start_tls`. That has made TLS the transport's protocol, and has asked the loop to
    tell it of the connection and then to read; what is asked of the loop now comes after the one and, as reading takes
    another turn, before the first bytes of the other.
    """
    inner = cast(_Buffered, transport.get_protocol())
    loop.call_soon(_feed, transport, inner, first)


def _feed(transport: asyncio.Transport, inner: _Buffered, data: bytes) -> None:
    """As a transport feeds a buffered protocol."""
    while data and not transport.is_closing():
        room = inner.get_buffer(len(data))
        count = min(len(room), len(data))
        room[:count] = data[:count]
        inner.buffer_updated(count)
        data = data[count:]
