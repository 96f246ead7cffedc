"""The subclass of aiosmtpd's SMTP: one connection from connect to its end.

aiosmtpd gives the protocol class; what that makes for each connection, and the task that reads it, are not needed. Who
comes is worked out by arrival.py; host.py answers him. Bytes go there straight from the transport.
"""

import asyncio
from time import perf_counter
from typing import cast

from aiosmtpd.smtp import SMTP

from routerd.intake.arrival import Arrival, Step, TurnedAway
from routerd.intake.clients.peer import Peer
from routerd.intake.gate import Gate
from routerd.intake.host import Host
from routerd.intake.keeping.backlog import Backlog
from routerd.intake.limits.patience import Readings, is_mute, overdue
from routerd.intake.link import Link
from routerd.intake.protocol import refusals
from routerd.intake.protocol.events import Phase
from routerd.intake.protocol.replies import refusal
from routerd.ops.system_words import in_words

_TLS_BYTES = 200_000  # that a connection in TLS takes while content comes, as measured; idle, a quarter of it


class HostedSession(SMTP):
    """What it counts lives from its beginning to its end, through STARTTLS."""

    # Without a dict an idle connection takes half the memory: that would hold what the library thinks of, too.
    __slots__ = (
        "_arrival", "_backlog", "_gate", "_handshake", "_host", "_is_over", "_link", "_readings", "_reception",
        "_tls_bytes", "_unread_bytes",
    )  # fmt: skip

    _link: Link

    # Not super().__init__: it inspects every member of the class, for tables that nobody reads here. That took a third
    # of a short session's CPU.
    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._reception = reception = gate.reception
        self._arrival = Arrival(reception)
        self._backlog = Backlog(reception.memory)
        self._host: Host | None = None  # while a client is let in
        self._handshake: asyncio.Task[None] | None = None
        self._is_over = False
        self._tls_bytes = 0  # counted against the memory in flight, as what follows
        self._unread_bytes = 0  # of what we say
        now = reception.seconds()
        self._readings = Readings(now, now)

    def __del__(self) -> None:
        """Not the library's, which looks for what its own __init__ has made."""

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        began = perf_counter()
        self._link = Link(cast(asyncio.Transport, transport))
        self._gate.open_connections += 1
        self._reception.sessions.add(self)
        self._go_in(self._arrival.begin(transport.get_extra_info("peername")))
        self._readings.spent_seconds += perf_counter() - began

    def data_received(self, data: bytes) -> None:
        began = perf_counter()
        if self._host is not None:
            self._host.hear(data)
        elif self._arrival.awaits_header:
            self._go_in(self._arrival.hear(data, self._backlog))
        elif self._link.is_open:  # around the handshake of implicit TLS
            self._backlog.add(data)
            self._link.pause_reading()
        self._readings.spent_seconds += perf_counter() - began

    def eof_received(self) -> bool:
        """True keeps our half open."""
        return self._host is not None and self._host.hear_end()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - aiosmtpd's name
        """Ends the session, never what it handed to the reception."""
        if self._is_over:
            return
        self._is_over = True
        self._link.let_go()
        self._arrival.end()
        if self._host is not None:
            self._host.end()
            self._host = None  # it holds us too: without such circles all is freed at once, while it is in the caches
        if self._backlog.pieces:
            self._backlog.take_all()
        self._reception.memory.give_back(self._tls_bytes)
        self._count_unread(0)
        self._gate.open_connections -= 1
        self._reception.leave(self)

    def pause_writing(self) -> None:
        self._readings.unread_since = self._reception.seconds()
        self._link.pause_reading()
        self._count_unread(self._link.unread_bytes)

    def resume_writing(self) -> None:
        self._readings.unread_since = None
        self._count_unread(0)
        if self._host is not None:
            self._host.go_on_soon()

    def _count_unread(self, size_bytes: int) -> None:
        self._reception.memory.hold(size_bytes - self._unread_bytes)
        self._unread_bytes = size_bytes

    # From connect to greeting

    def _go_in(self, step: Step) -> None:
        if isinstance(step, TurnedAway):
            self._gate.count_refusal(step.reason, step.refused, step.about, self._arrival.peer)
            if step.refused is not None and not self._gate.is_implicit_tls:
                self._link.write(refusal(step.refused))
            self._link.close()
        elif isinstance(step, Peer):
            if self._gate.is_implicit_tls:
                self._begin_handshake()
            else:
                self._let_in()

    def _let_in(self) -> None:
        peer = self._arrival.peer
        self._host = Host(self._gate, peer, self._link, self._backlog, self._readings, self._begin_handshake)
        if self._reception.is_draining:
            self._host.leave(refusals.SHUTTING_DOWN)
        else:
            self._host.welcome()

    def _begin_handshake(self) -> None:
        self._link.pause_reading()
        self._tls_bytes = _TLS_BYTES
        self._reception.memory.hold(_TLS_BYTES)
        self._handshake = self._reception.accompany(self._shake_hands())

    async def _shake_hands(self) -> None:
        """Before there is a host (implicit TLS), or for it (STARTTLS)."""
        gate, came = self._gate, self._backlog.take_all()
        first = came if self._host is None else b""  # RFC 3207 4.2: what was said in the clear is forgotten
        timeout_seconds = self._reception.timeouts(trusted=self._arrival.peer.trusted).handshake_seconds
        is_secure = False
        try:
            if gate.tls is not None:
                is_secure = await self._link.secure(self, gate.tls, timeout_seconds=timeout_seconds, first=first)
        except OSError as error:  # as ssl.SSLError and TimeoutError are
            gate.count_refusal("tls_handshake", None, in_words(error), self._arrival.peer)
        finally:
            if not is_secure:
                self._link.abort()
                self.connection_lost(None)  # nobody else says so of a connection that is lost in a handshake
        if not is_secure:
            return
        self._readings.unread_since = None  # of the transport that was
        self._count_unread(0)
        if self._host is None:
            self._let_in()
        else:
            self._host.secured()

    # Time, and the end

    def check_time(self, now: float) -> None:
        """Called now and then; `now` is the loop's. Ends what has waited too long."""
        host, readings = self._host, self._readings
        timeouts = self._reception.timeouts(trusted=self._arrival.peer.trusted)
        if readings.closing_since is None and not self._link.is_open:
            readings.closing_since = now
        if is_mute(readings, timeouts, now):
            self._reception.count_refusal("unread")
            self._link.abort()
        elif self._arrival.awaits_header and now - readings.began_at > timeouts.proxy_header_seconds:
            self._go_in(self._arrival.give_up("no header came"))
        elif host is not None and host.awaits_client:
            refused = overdue(readings, timeouts, now, in_content=host.phase is Phase.CONTENT)
            if refused is not None:
                self._gate.count_refusal("timeout", refused, "", self._arrival.peer)
                host.leave(refused)
            else:
                host.spare_memory()

    def retire(self) -> None:
        """Says 421 as soon as no message is in hand."""
        self._leave(finish_content=True)

    def give_up(self) -> None:
        """The drain's deadline: says 421 to whoever still sends content."""
        self._leave(finish_content=False)

    def _leave(self, *, finish_content: bool) -> None:
        if self._handshake is not None and not self._handshake.done():
            self._handshake.cancel()
        elif self._host is None:
            self._link.abort()
        else:
            self._host.leave(refusals.SHUTTING_DOWN, finish_content=finish_content)
