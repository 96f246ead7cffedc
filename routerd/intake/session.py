"""The subclass of aiosmtpd's SMTP that hosts a dialogue: connection, TLS, timeouts, the commit.

aiosmtpd gives the protocol class and its Session. Reading and dispatching of commands are the dialogue's: bytes go to
it straight from the transport, without a stream and a task per connection.
"""

import asyncio
import errno
import ssl
from collections.abc import Sequence

import structlog
from aiosmtpd.smtp import SMTP

from routerd.intake import refusals
from routerd.intake.dialogue import Dialogue
from routerd.intake.events import (
    Close,
    CommandRefused,
    Content,
    ContentDropped,
    Declined,
    Event,
    MessageDone,
    Phase,
    Say,
    UpgradeTls,
)
from routerd.intake.limits import RETURN_PATH_FLOODED, TOO_MANY_FORGED, client_key, plain_address
from routerd.intake.reception import Gate
from routerd.intake.spool import Spool
from routerd.intake.terms import refusal
from routerd.message.address import Address
from routerd.message.envelope import Client, Envelope, Protocol, Raw, Received, Recipient, Refused, Verdict
from routerd.store.base import StoreFullError

log = structlog.get_logger()


class HostedSession(SMTP):
    """One connection. What it counts lives from its beginning to its end, through STARTTLS."""

    transport: asyncio.Transport | None

    def __init__(self, gate: Gate) -> None:  # not super().__init__: see session_template
        self.__dict__.update(gate.template)
        self._gate = gate
        self._reception = gate.reception
        self._dialogue: Dialogue | None = None  # None: not let in, or gone
        self._client_key: str | None = None
        self._address = ""
        self._port = 0
        self._trusted = False
        self._tls: str | None = None
        self._busy = False  # a verdict, the disk or a handshake is awaited: what comes is only kept
        self._waiting: list[bytes] = []
        self._reading_paused = False
        self._handshake_began = False
        self._at_eof = False
        self._spool: Spool | None = None
        self._no_room = False
        self._writing_out = False  # a thread has the spool
        self._content_bytes = 0
        self._content_began_at = 0.0
        now = self.loop.time()
        self._began_at = now
        self._heard_at = now  # of the last whole command, or piece of content
        self._unread_since: float | None = None  # the client does not read what we say
        self._closing_since: float | None = None

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._address, self._port = plain_address(peer[0]), peer[1]
        self._trusted = self._address in self._reception.trusted
        key = None if self._trusted else client_key(self._address)
        refused = self._reception.connections.admit(key)
        if refused is not None:
            self._count_refusal("connections", refused, "")
            self._write(refusal(refused))
            self._close()
            return
        self._client_key = key
        self.session = self._create_session()
        self.session.peer = peer
        tls = transport.get_extra_info("ssl_object")
        self._tls = _describe_tls(tls)
        self._dialogue = Dialogue(
            self._gate.terms,
            self._look_up,
            self._room_for,
            trusted=self._trusted,
            in_tls=tls is not None,
        )
        self._gate.connections.inc()
        self._reception.sessions.add(self)
        if self._reception.is_draining:
            self._perform(self._dialogue.leave(refusals.SHUTTING_DOWN), self._dialogue)
        else:
            self._perform(self._dialogue.greet(), self._dialogue)

    def data_received(self, data: bytes) -> None:
        dialogue = self._dialogue
        if dialogue is None:
            return
        if not self._busy:
            self._feed(dialogue, data)
        elif dialogue.phase is not Phase.HANDSHAKE or self._handshake_began:
            self._waiting.append(data)
            self._reception.memory.hold(len(data))
            self._pause_reading()

    def eof_received(self) -> bool:
        """True keeps our half open: a verdict that is awaited is still told."""
        self._at_eof = True
        return self._busy and self._tls is None

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - aiosmtpd's name
        """Ends the session, never what it handed to the reception: a commit goes on."""
        dialogue, self._dialogue = self._dialogue, None
        self.transport = None
        if dialogue is None:
            return
        self._reception.connections.release(self._client_key)
        self._gate.connections.dec()
        self._drop_content()
        self._forget_waiting()
        self._reception.leave(self)

    def pause_writing(self) -> None:
        self._unread_since = self.loop.time()
        self._pause_reading()

    def resume_writing(self) -> None:
        self._unread_since = None
        self._go_on()

    # The dialogue's side

    def _feed(self, dialogue: Dialogue, data: bytes) -> None:
        events = dialogue.feed(data)
        in_content = dialogue.phase is Phase.CONTENT
        if events or in_content:
            self._heard_at = self.loop.time()
        if in_content:
            if not self._content_bytes:
                self._content_began_at = self._heard_at
            self._content_bytes += len(data)
        else:
            self._content_bytes = 0
        self._perform(events, dialogue)
        if self._spool is not None and self._spool.is_full and not self._busy:
            self._busy = self._writing_out = True
            self._pause_reading()
            self._reception.start(self._write_out(self._spool))

    def _perform(self, events: Sequence[Event], dialogue: Dialogue) -> None:
        for event in events:
            match event:
                case Say(data):
                    self._write(data)
                case Content(piece):
                    self._keep(piece)
                case MessageDone(envelope):
                    self._conclude(envelope, dialogue)
                case CommandRefused(reason, refused, about):
                    self._count_refusal(reason, refused, about)
                case ContentDropped():
                    self._drop_content()
                case UpgradeTls():
                    self._busy = True
                    self._pause_reading()
                    self._reception.start(self._upgrade())
                case Close():
                    self._close()

    def _look_up(self, address: Address | None) -> Recipient | Declined:
        reception = self._reception
        found = reception.directory.look_up(address, reception.now())
        if isinstance(found, Recipient):
            is_flood = found.copy_number is not None and reception.used_return_paths.is_spent(
                str(found.copy_number), self.loop.time()
            )
            return RETURN_PATH_FLOODED if is_flood else found
        if self._client_key is None or found.reason != "forged_token":
            return found
        return TOO_MANY_FORGED if reception.forged_return_paths.count(self._client_key, self.loop.time()) else found

    def _room_for(self, size_bytes: int) -> Refused | None:
        return None if self._reception.memory.has_room(size_bytes) else refusals.NO_ROOM

    def _keep(self, piece: bytes) -> None:
        if not self._reception.memory.take(len(piece)):
            self._drop_content()
            if self._dialogue is not None and self._dialogue.phase is Phase.CONTENT:
                self._dialogue.refuse_content(refusals.NO_ROOM)
            else:
                self._no_room = True  # the end came with it; MessageDone is next
            return
        if self._spool is None:
            self._spool = Spool(self._reception.spool_folder)
        self._spool.append(piece)

    def _drop_content(self) -> None:
        """Frees what came of a message; while a thread writes it out, `_write_out` does so at its end."""
        if self._spool is not None and not self._writing_out:
            self._reception.memory.give_back(self._spool.memory_bytes)
            self._spool.discard()
            self._spool = None

    def _conclude(self, envelope: Envelope, dialogue: Dialogue) -> None:
        spool, self._spool = self._spool, None
        if self._no_room:
            self._no_room = False
            self._count_refusal("no_room", refusals.NO_ROOM, envelope.sender)
            self._perform(dialogue.answer(self._for_each(refusals.NO_ROOM, envelope)), dialogue)
            return
        self._busy = True
        client = self._client(dialogue)
        self._reception.start(self._await_verdict(envelope, client, spool or Spool(None)))

    # What takes time

    async def _await_verdict(self, envelope: Envelope, client: Client, spool: Spool) -> None:
        """No timer runs here, and nobody cancels it: a client that leaves, or a drain, waits for the commit."""
        reception, gate = self._reception, self._gate
        began_at = self.loop.time()
        held_bytes = spool.memory_bytes
        received_at = reception.now()
        queue_id = reception.queue_ids.make(received_at)
        raw: Raw = b""
        verdicts: Sequence[Verdict]
        try:
            raw = await self.loop.run_in_executor(None, spool.finish) if spool.is_on_disk else spool.finish()
            verdicts = await reception.accept(Received(queue_id, envelope, client, raw, received_at))
        except Exception as error:
            log.exception("accept_failed", id=queue_id, listener=gate.name, client=client.address)
            reception.count_refusal("accept_failed")
            verdicts = self._for_each(refusals.NO_ROOM if _is_full(error) else refusals.TRY_LATER, envelope)
        finally:
            reception.memory.give_back(held_bytes)
        gate.count_verdicts(verdicts, len(raw), self.loop.time() - began_at)
        reception.count_return_paths(envelope, verdicts, self.loop.time())
        self._busy = False
        if self._dialogue is None:
            log.info("client_left_before_answer", id=queue_id, listener=gate.name, client=client.address)
            return
        self._heard_at = self.loop.time()
        self._perform(self._dialogue.answer(verdicts), self._dialogue)
        self._go_on()

    async def _write_out(self, spool: Spool) -> None:
        in_memory_bytes = spool.memory_bytes
        failed = False
        try:
            await self.loop.run_in_executor(None, spool.write_out)
            self._reception.memory.give_back(in_memory_bytes)
        except OSError as error:
            log.warning("spool_failed", reason=str(error))
            failed = True
        self._busy = self._writing_out = False
        if self._dialogue is None or self._dialogue.phase is not Phase.CONTENT:
            self._drop_content()
        elif failed:
            self._perform(self._dialogue.refuse_content(refusals.NO_ROOM), self._dialogue)
        self._go_on()

    async def _upgrade(self) -> None:
        plain, context = self.transport, self._gate.tls
        if plain is None or context is None:
            return
        self._handshake_began = True
        try:
            transport = await self.loop.start_tls(
                plain,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._reception.timeouts.handshake_seconds,
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            log.info("tls_handshake_failed", client=self._address, listener=self._gate.name, reason=str(error))
            self._reception.count_refusal("tls_handshake")
            plain.abort()
            self.connection_lost(None)
            return
        if transport is None or self._dialogue is None:
            self.connection_lost(None)
            return
        self.transport = transport
        self._reading_paused = False
        self._tls = _describe_tls(transport.get_extra_info("ssl_object"))
        self._heard_at = self.loop.time()
        self._busy = False
        self._dialogue.secured()
        self._go_on()

    def _go_on(self) -> None:
        """What came meanwhile, then on with reading; a client that ended its half is let go."""
        while self._waiting and not self._busy and self._dialogue is not None:
            data = b"".join(self._waiting)
            self._forget_waiting()
            self._feed(self._dialogue, data)
        transport = self.transport
        if self._busy or self._dialogue is None or transport is None or transport.is_closing():
            return
        if self._at_eof:
            self._close()
        elif self._reading_paused and self._unread_since is None:
            self._reading_paused = False
            transport.resume_reading()

    # Timeouts and the end

    def check_time(self, now: float) -> None:
        """Called now and then; `now` is the loop's. Ends what has waited too long."""
        limits, dialogue = self._reception.timeouts, self._dialogue
        if dialogue is None or self.transport is None:
            return
        since = self._closing_since if self._closing_since is not None else self._unread_since
        if since is not None and now - since > limits.unread_seconds:
            self._reception.count_refusal("unread")
            self.transport.abort()
        if since is not None or self._busy:
            return
        refused = None
        if now - self._heard_at > limits.idle_seconds:
            refused = refusals.IDLE_TOO_LONG
        elif dialogue.phase is Phase.CONTENT:
            elapsed = now - self._content_began_at
            if elapsed > limits.idle_seconds and self._content_bytes < elapsed * limits.least_bytes_per_second:
                refused = refusals.TOO_SLOW
        elif now - self._began_at > limits.session_seconds:
            refused = refusals.TOO_LONG
        if refused is not None:
            self._count_refusal("timeout", refused, "")
            self._perform(dialogue.leave(refused), dialogue)

    def retire(self) -> None:
        """Says 421 as soon as no message is in hand."""
        if self._dialogue is not None:
            self._perform(self._dialogue.leave(refusals.SHUTTING_DOWN, finish_content=True), self._dialogue)

    def give_up(self) -> None:
        """The drain's deadline: says 421 to whoever still sends content."""
        if self._dialogue is not None:
            self._perform(self._dialogue.leave(refusals.SHUTTING_DOWN), self._dialogue)

    def _close(self) -> None:
        if self.transport is not None and self._closing_since is None:
            self._closing_since = self.loop.time()
            self.transport.close()

    # Small things

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _pause_reading(self) -> None:
        if not self._reading_paused and self.transport is not None and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()

    def _forget_waiting(self) -> None:
        if self._waiting:
            self._reception.memory.give_back(sum(map(len, self._waiting)))
            self._waiting.clear()

    def _client(self, dialogue: Dialogue) -> Client:
        terms = self._gate.terms
        return Client(
            self._address,
            self._port,
            dialogue.helo,
            terms.protocol,
            terms.listener,
            dialogue.esmtp,
            self._tls,
            self._trusted,
        )

    def _for_each(self, refused: Refused, envelope: Envelope) -> tuple[Verdict, ...]:
        is_lmtp = self._gate.terms.protocol is Protocol.LMTP
        return (refused,) * (len(envelope.recipients) if is_lmtp else 1)

    def _count_refusal(self, reason: str, refused: Refused, about: str) -> None:
        self._reception.count_refusal(reason)
        log.info(
            "command_refused",
            reason=reason,
            reply=f"{refused.code} {refused.status} {refused.text}",
            about=about,
            client=self._address,
            listener=self._gate.name,
        )


def _describe_tls(tls: ssl.SSLObject | None) -> str | None:
    if tls is None:
        return None
    cipher = tls.cipher()
    return f"{tls.version()} {cipher[0]}" if cipher else tls.version()


def _is_full(error: Exception) -> bool:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or isinstance(error, StoreFullError)
