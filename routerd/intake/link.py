"""A session's hold on its transport: writing, the reins of reading, TLS, the end."""

import asyncio
import ssl

from routerd.intake.tls import describe_tls, shake_hands

_UNREAD_BYTES = 16_384  # said and not yet read: beyond it nothing is heard, so who never reads costs little


class Link:
    """One connection, in the clear and then perhaps in TLS. What is asked of it once it has ended does nothing."""

    __slots__ = ("_is_paused", "_transport", "tls")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.tls: str | None = None  # version and cipher
        self._take(transport)

    def _take(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=_UNREAD_BYTES)
        self._transport: asyncio.Transport | None = transport
        self._is_paused = False

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        transport = self._transport
        if transport is not None and not self._is_paused and not transport.is_closing():
            self._is_paused = True
            transport.pause_reading()

    def resume_reading(self) -> None:
        transport = self._transport
        if transport is not None and self._is_paused and not transport.is_closing():
            self._is_paused = False
            transport.resume_reading()

    @property
    def unread_bytes(self) -> int:
        """Of what was said, what the system has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Once all that was said is written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """At once."""
        if self._transport is not None:
            self._transport.abort()

    def let_go(self) -> None:
        """The connection is lost."""
        self._transport = None

    async def secure(
        self, protocol: asyncio.Protocol, context: ssl.SSLContext, *, timeout_seconds: float, first: bytes = b""
    ) -> bool:
        """The handshake; `first` is what came of it already. False: the client has left. Raises OSError."""
        plain = self._transport
        if plain is None:
            return False
        transport = await shake_hands(plain, protocol, context, timeout_seconds=timeout_seconds, first=first)
        if transport is None or self._transport is None:
            return False
        self._take(transport)
        self.tls = describe_tls(transport.get_extra_info("ssl_object"))
        return True
