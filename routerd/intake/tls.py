"""TLS of the listeners: the certificate, and the handshake on a connection that is open already."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

from routerd.config.certificate import good_until
from routerd.config.settings import TlsFiles

_SHUTDOWN_SECONDS = 5.0  # for the client's part in the end of TLS; then the connection is cut
_READ_BYTES = 32_768  # at a time, encrypted; both loops take 256 KiB, and OpenSSL's buffers never shrink again


@dataclass(frozen=True, slots=True)
class Pem:
    """What was read from the files of a certificate and its key."""

    certificate: bytes
    key: bytes = field(repr=False)


class ServerContext(ssl.SSLContext):
    """With what is to be known of its certificate. `pem`: by which another process makes the same, whatever the files
    hold by then."""

    certificate: Path
    pem: Pem
    good_until: datetime | None  # None: it cannot be told


def tls_context(files: TlsFiles) -> ServerContext:
    """For servers: TLS 1.2 and later, nothing asked of the client. Raises OSError (ssl.SSLError is one)."""
    return context_of(Pem(files.certificate.read_bytes(), files.key.read_bytes()), files.certificate)


def context_of(pem: Pem, certificate: Path) -> ServerContext:
    """`certificate`: the file it is from. Raises as `tls_context`."""
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # OpenSSL reads files alone: these have no name, and are of this process only.
    with _in_memory(pem.certificate) as its_path, _in_memory(pem.key) as key_path:
        context.load_cert_chain(its_path, key_path)
    context.certificate = certificate
    context.pem = pem
    context.good_until = good_until(pem.certificate)
    return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path at which it can be read."""
    with os.fdopen(os.memfd_create("pem"), "wb", buffering=0) as file:
        file.write(content)
        yield f"/proc/self/fd/{file.fileno()}"


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
    loop.call_soon(_read_little, transport)
    if first:
        loop.call_soon(_hand_on, loop, transport, first)
    secure = await loop.start_tls(
        transport,
        protocol,
        context,
        server_side=True,
        ssl_handshake_timeout=timeout_seconds,
        ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    if secure is not None:
        cast(_Reined, secure).set_read_buffer_limits(_READ_BYTES)
    return secure


class _Buffered(Protocol):
    """What both loops put between a transport and TLS."""

    def get_buffer(self, sizehint: int) -> memoryview: ...

    def buffer_updated(self, nbytes: int) -> None: ...

    def eof_received(self) -> bool | None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class _Reined(Protocol):
    """The transport inside TLS; what it has not handed on when reading pauses is bounded by this."""

    def set_read_buffer_limits(self, high: int) -> None: ...


class _SmallReads(asyncio.BufferedProtocol):
    """Has TLS fed in small portions, so that a connection costs no more memory than they do."""

    def __init__(self, inner: _Buffered) -> None:
        self._inner = inner
        self.buffer_updated = inner.buffer_updated  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loops ask for all they can get
        return self._inner.get_buffer(_READ_BYTES)[:_READ_BYTES]

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


# Both run behind the first step of `start_tls`. That has made TLS the transport's protocol, and has asked the loop to
# tell it of the connection and then to read; what is asked of the loop now comes after the one and, as reading takes
# another turn, before the first bytes of the other.


def _read_little(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.set_protocol(_SmallReads(cast(_Buffered, transport.get_protocol())))


def _hand_on(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, first: bytes) -> None:
    loop.call_soon(_feed, transport, cast(_Buffered, transport.get_protocol()), first)


def _feed(transport: asyncio.Transport, inner: _Buffered, data: bytes) -> None:
    """As a transport feeds a buffered protocol."""
    while data and not transport.is_closing():
        room = inner.get_buffer(len(data))
        count = min(len(room), len(data))
        room[:count] = data[:count]
        inner.buffer_updated(count)
        data = data[count:]
