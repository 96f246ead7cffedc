"""One connection to a next hop: the thin asyncio part around `smtp_wire.Client`."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from routerd.delivery.hosts.host import Host, TcpHost, UnixHost
from routerd.delivery.hosts.look_up import LookUp
from routerd.delivery.outcome import Deferred, Outcome, Stage
from routerd.delivery.transports.content import Content, dot_stuffed
from routerd.delivery.transports.smtp_actions import (
    Action,
    Broken,
    Finished,
    Login,
    Ready,
    Send,
    SendContent,
    Transaction,
    Upgrade,
)
from routerd.delivery.transports.smtp_wire import Client
from routerd.ops.system_words import in_words

MAX_UNREAD_BYTES = 256 * 1024
_JOINED_BYTES = 16_384  # what is no larger is copied sooner than handed over in pieces, and is one record of TLS


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321 4.5.3.2; sending and waiting for the reply have their own.

    Each is for the whole of what is waited for: a peer that lets fall a byte now and then gets no more time by it.
    """

    connect: float = 30
    greeting: float = 300
    hello: float = 300
    tls: float = 120
    auth: float = 300
    mail: float = 300
    rcpt: float = 300
    data: float = 120
    content: float = 600
    send: float = 180  # one write: a piece of the content, 256 KiB

    def of_reply(self, stage: Stage | None) -> float:
        seconds: float = getattr(self, stage or "mail")
        return seconds


class Connection(asyncio.Protocol):
    """Made by `open_connection`. Used by one task at a time; idle in between."""

    def __init__(self, login: Login, host: Host, timeouts: Timeouts) -> None:
        self.host = host
        self.host_name = str(host)
        self.carried = 0  # transactions begun
        self.idle_since = 0.0
        self.opened_at = 0.0
        self._client = Client(login)
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._lost = ""  # why the connection is gone
        self._has_expired = False
        self._blocked = False
        self._waiter: asyncio.Future[None] | None = None
        self._patience = _Patience(self._loop, self._expire)
        self._awaited = -1  # which reply `_reply_by` is for
        self._reply_by = 0.0  # of the loop's clock

    @property
    def is_usable(self) -> bool:
        """It may carry another transaction, as far as is known here: an idle one has not spoken or hung up."""
        return self._client.usable and not self._lost and not self._unread

    @property
    def mail_was_answered(self) -> bool:
        return self._client.mail_was_answered

    @property
    def was_hung_up(self) -> bool:
        """By the next hop, not by our patience."""
        return bool(self._lost) and not self._has_expired

    async def log_in(self, context: ssl.SSLContext) -> Deferred | None:
        """From the greeting to where a transaction may start; or why not. `context` is for STARTTLS."""
        actions = await self._answers()
        while True:
            for action in actions:
                if isinstance(action, Broken):
                    return action.outcome
            for action in actions:
                match action:
                    case Send(data):
                        await self._write(data)
                    case Upgrade():
                        actions = await self._start_tls(context)
                        break
                    case Ready():
                        self.opened_at = self._loop.time()
                        return None
                    case _:
                        raise RuntimeError(f"{action} before a transaction")
            else:
                actions = await self._answers()

    async def carry(self, transaction: Transaction, content: Content) -> tuple[Outcome, ...]:
        """One message; an outcome per recipient. Raises nothing but what reading `content` raises.

        What need not wait makes no coroutine, and what an action is is asked by its type: each message pays for it.
        """
        self.carried += 1
        actions = self._client.start(transaction)
        while True:
            for action in actions:
                kind = type(action)
                if kind is Send:
                    if self._put(action.data):  # type: ignore[union-attr]
                        await self._all_sent()
                elif kind is SendContent:
                    if not content.is_small:
                        await self._write_pieces(content)
                    elif self._put_small(content):
                        await self._all_sent()
                elif kind is Finished:
                    return action.outcomes  # type: ignore[union-attr]
                else:
                    raise RuntimeError(f"{action} inside a transaction")
            actions = await self._answers()

    def quit(self) -> None:
        """Takes leave without waiting for the answer."""
        if self._transport and not self._lost:
            self._transport.write(self._client.quit())
            self._transport.close()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    async def _answers(self) -> list[Action]:
        """What the client makes of the next bytes, or of their absence."""
        if not self._unread and not self._lost:
            await self._wait(self._reply_deadline(), "did not answer in time")
        if not self._unread:
            return self._client.lost(self._lost)
        data = bytes(self._unread)
        self._unread.clear()
        return self._client.receive(data)

    def _reply_deadline(self) -> float:
        """One for each reply, whatever comes of it meanwhile."""
        if self._awaited != self._client.replies:
            self._awaited = self._client.replies
            self._reply_by = self._loop.time() + self._timeouts.of_reply(self._client.awaiting)
        return self._reply_by

    async def _write(self, data: bytes) -> None:
        """Gives when the kernel has it all. A connection that is gone shows at the next answer."""
        if self._put(data):
            await self._all_sent()

    def _put(self, data: bytes) -> bool:
        """Whether `_all_sent` is to be waited for."""
        if self._lost or self._transport is None:
            return False
        self._transport.write(data)
        return self._blocked

    async def _all_sent(self) -> None:
        deadline = self._loop.time() + self._timeouts.send
        while self._blocked and not self._lost:
            await self._wait(deadline, "does not take what is sent")

    def _put_small(self, content: Content) -> bool:
        """What has room in one piece, as `_put` does."""
        self._client.content_sent()
        if self._lost or self._transport is None:
            return False
        pieces = content.on_the_wire()
        if content.size_bytes <= _JOINED_BYTES:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)
        return self._blocked

    async def _write_pieces(self, content: Content) -> None:
        pieces = dot_stuffed(content.pieces())
        while not self._lost and not self._unread:  # an early answer ends it: what follows would be for nothing
            piece = await asyncio.to_thread(_next_piece, pieces) if content.is_on_disk else _next_piece(pieces)
            if piece is None:
                self._client.content_sent()
                return
            await self._write(piece)

    async def _start_tls(self, context: ssl.SSLContext) -> list[Action]:
        name = self.host.host if isinstance(self.host, TcpHost) else "localhost"
        transport = self._transport
        if self._lost or transport is None:
            return self._client.lost(self._lost)
        try:
            upgraded = await self._loop.start_tls(
                transport, self, context, server_hostname=name, ssl_handshake_timeout=self._timeouts.tls
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; ValueError: a name that no certificate has
            transport.abort()
            # By now TLS has the transport: nobody tells of its end. An error without words is the other side's.
            self._lost = in_words(error) if str(error) else "the connection was closed"
            return [Broken(self._client.tls_failed(self._lost))]
        if upgraded is None:
            return [Broken(self._client.tls_failed("the connection was closed"))]
        self._use(upgraded)
        return self._client.tls_started()

    async def _wait(self, deadline: float, why: str) -> None:
        self._waiter = waiter = self._loop.create_future()
        self._patience.begin(deadline, why)
        try:
            await waiter
        finally:
            self._patience.end()
            self._waiter = None

    def _expire(self, why: str) -> None:
        self._has_expired = self._has_expired or not self._lost
        self._lost = self._lost or why
        self.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # so that `resume_writing` means: the kernel has it all
        self._blocked = False

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._use(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) > MAX_UNREAD_BYTES:
            self._expire("sends without end")
        self._wake()

    def eof_received(self) -> bool:
        self._lost = self._lost or "closed the connection"
        self._wake()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._patience.give_up()
        self._lost = self._lost or (f"closed the connection: {in_words(error)}" if error else "closed the connection")
        self._wake()

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self._wake()


class _Patience:
    """A deadline that moves with each answer, on one timer: it is set anew only where it rings too early.

    A timer for each answer costs more than all else that waiting needs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[str], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._deadline = inf  # of the loop's clock
        self._why = ""
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = inf

    def begin(self, deadline: float, why: str) -> None:
        self._deadline = deadline
        self._why = why
        if self._deadline < self._rings_at:
            self._set()

    def end(self) -> None:
        self._deadline = inf

    def give_up(self) -> None:
        """No timer is left behind."""
        if self._timer:
            self._timer.cancel()
        self._timer, self._rings_at = None, inf

    def _set(self) -> None:
        self.give_up()
        self._rings_at = self._deadline
        self._timer = self._loop.call_at(self._rings_at, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_at = None, inf
        if self._deadline <= self._loop.time():
            self._expire(self._why)
        elif self._deadline < inf:
            self._set()


def _next_piece(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


async def open_connection(
    host: Host, login: Login, context: ssl.SSLContext, timeouts: Timeouts, look_up: LookUp
) -> Connection | Deferred:
    """A connection that is ready for a transaction, or why there is none."""
    connection = Connection(login, host, timeouts)
    trouble = await _connect(connection, host, timeouts.connect, look_up)
    if trouble:
        return trouble
    try:
        refusal = await connection.log_in(context)
    except BaseException:
        connection.abort()
        raise
    if refusal:
        connection.quit()
        return refusal
    return connection


async def _connect(connection: Connection, host: Host, seconds: float, look_up: LookUp) -> Deferred | None:
    """Each address of the host in turn, with a time-out of its own: a black hole in one family hides no other."""
    loop = asyncio.get_running_loop()
    why = "no address"
    try:
        async with asyncio.timeout(seconds):
            addresses = await look_up.addresses_of(host)
    except TimeoutError:
        return Deferred(f"cannot look up {host} in time", Stage.CONNECT)
    except OSError as error:
        return Deferred(f"cannot look up {host}: {in_words(error)}", Stage.CONNECT)
    for address in addresses:
        try:
            async with asyncio.timeout(seconds):
                if isinstance(host, UnixHost):
                    await loop.create_unix_connection(lambda: connection, host.path)
                else:
                    await loop.create_connection(lambda: connection, address, host.port)
        except TimeoutError:
            why = f"no answer from {address} in {seconds:g} s"
        except OSError as error:
            why = in_words(error)
        else:
            return None
    return Deferred(f"cannot connect to {host}: {why}", Stage.CONNECT)
