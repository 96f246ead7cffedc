"""The host of a dialogue: feeds it what a client sends, and does what it asks for: replies, commits, logins."""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter

import structlog

from routerd.intake.clients.peer import Peer
from routerd.intake.clients.proxy_protocol import begins_header
from routerd.intake.gate import Gate
from routerd.intake.keeping.backlog import Backlog
from routerd.intake.keeping.keeper import ContentKeeper
from routerd.intake.limits.patience import Readings
from routerd.intake.link import Link
from routerd.intake.protocol import refusals
from routerd.intake.protocol.dialogue import Dialogue
from routerd.intake.protocol.events import (
    CheckLogin,
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
from routerd.intake.verdicts import Arriving, for_each, verdicts_on
from routerd.message.address import Address
from routerd.message.envelope import Client, Envelope, Recipient, Refused

log = structlog.get_logger()

_RECIPIENT_BYTES = 600  # that a granted recipient takes, about
_WORTH_WRITING_BYTES = 65_536  # less is not worth a file
_PORTION_BYTES = 8192  # fed at once; a read is up to 256 kB, which can be ten thousand commands
_CONTENT_PORTION_BYTES = 65_536  # likewise, of content, which costs little; commands may stand behind it
_CONTENT = Phase.CONTENT  # to ask an Enum for a member takes longer than all else of a comparison


class Host:
    """Of one client that was let in, from the greeting to the end.

    While it is busy (a verdict, a login, the disk, a handshake or the time of the greeting is awaited) or what it says
    lies unread, what comes goes to the backlog; so does what is too much at once. `upgrade` begins a TLS handshake, at
    whose end `secured` is called.
    """

    __slots__ = (
        "_at_eof", "_backlog", "_content", "_dialogue", "_findings", "_gate", "_going_on", "_has_heard", "_is_busy",
        "_is_over", "_link", "_now", "_peer", "_readings", "_reception", "_recipients", "_terms", "_upgrade",
        "_welcome",
    )  # fmt: skip

    def __init__(
        self, gate: Gate, peer: Peer, link: Link, backlog: Backlog, readings: Readings, upgrade: Callable[[], None]
    ) -> None:
        reception = gate.reception
        self._now = reception.seconds
        self._gate = gate
        self._reception = reception
        self._peer = peer
        self._link = link
        self._backlog = backlog
        self._readings = readings
        self._upgrade = upgrade
        self._terms = terms = gate.terms(trusted=peer.trusted)
        self._dialogue = Dialogue(
            terms, self._look_up, self._room_for, trusted=peer.trusted, in_tls=link.tls is not None
        )
        self._content = ContentKeeper(reception.memory, reception.spool_folder, trusted=peer.trusted)
        self._findings = gate.look_up(peer)  # what DNS says of the client; None: nothing is asked
        self._welcome: asyncio.Task[None] | None = None  # a greeting that waits
        self._recipients = 0  # granted, and counted against the memory in flight
        self._going_on: asyncio.Handle | None = None  # when the others have had their turn
        self._is_busy = False
        self._is_over = False
        self._at_eof = False
        self._has_heard = False

    @property
    def phase(self) -> Phase:
        return self._dialogue.phase

    @property
    def awaits_client(self) -> bool:
        """Whether it is the client's turn."""
        return not self._is_busy and self.phase is not Phase.GREETING

    # The greeting

    def welcome(self) -> None:
        """Greets; at once where nothing must be awaited before."""
        delay_seconds = self._gate.greeting_delay_seconds(self._peer)
        if delay_seconds or (self._findings is not None and self._gate.may_refuse_clients):
            self._is_busy = not self._terms.refuse_early
            self._welcome = self._reception.accompany(self._greet_later(delay_seconds))
            self.go_on()
        else:
            self._perform(self._dialogue.greet())
            self.go_on()

    async def _greet_later(self, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        if self._findings is not None and self._gate.may_refuse_clients:
            refused = self._gate.refused_client(await self._findings, self._peer)
            if refused is not None:
                self._dialogue.refuse_client(*refused)
        self._resume_with(Dialogue.greet)

    # What comes

    def hear(self, data: bytes) -> None:
        # As `_must_wait`, but for a connection that is closed: nothing comes from one.
        must_wait = self._is_busy or self._readings.unread_since is not None
        if must_wait or self._backlog.pieces or len(data) > _PORTION_BYTES:
            if self._link.is_open:
                self._backlog.add(data)
                self.go_on()
        else:
            self._feed(data)

    def hear_end(self) -> bool:
        """The client has ended its half. True keeps ours open: what it has said is still answered."""
        self._at_eof = True
        return (self._is_busy or bool(self._backlog)) and self._link.tls is None

    def _feed(self, data: bytes) -> None:
        dialogue = self._dialogue
        if not self._has_heard:
            self._has_heard = True
            if begins_header(data):
                self._gate.note_unlisted_proxy(self._peer)
        events = dialogue.feed(data)
        in_content = dialogue.phase is _CONTENT
        if in_content:
            self._readings.hear_content(self._now(), len(data), self._reception.timeouts(trusted=self._peer.trusted))
        elif events:
            self._readings.hear_commands(self._now())
        self._perform(events)
        if dialogue.granted != self._recipients:
            self._count_recipients(dialogue.granted)
        if in_content and self._content.must_write_out and not self._is_busy:
            self._write_out_soon()

    def secured(self) -> None:
        """The handshake is done."""
        self._resume_with(Dialogue.secured)

    def _resume_with(self, go_on: Callable[[Dialogue], Sequence[Event]]) -> None:
        """What was awaited has come; then what the client has said meanwhile."""
        self._is_busy = False
        if not self._is_over:
            self._readings.heard_at = self._now()
            self._perform(go_on(self._dialogue))
            if self._recipients != self._dialogue.granted:
                self._count_recipients(self._dialogue.granted)
            self.go_on()

    def go_on(self) -> None:
        """With what was kept, then with reading; a client that has ended its half is let go. Not while it leaves unread
        what we say. Many commands take turns with what others send.
        """
        backlog = self._backlog
        while backlog.pieces and not self._must_wait and self._going_on is None:
            in_content = self.phase is _CONTENT
            self._feed(backlog.take(_CONTENT_PORTION_BYTES if in_content else _PORTION_BYTES))
            if backlog.pieces and not in_content:
                self.go_on_soon()
        if backlog.pieces:
            self._link.pause_reading()
        elif self._must_wait:
            return
        elif self._at_eof:
            self._link.close()
        else:
            self._link.resume_reading()

    def go_on_soon(self) -> None:
        if self._going_on is None:
            self._going_on = self._reception.loop.call_soon(self._go_on_now)

    def _go_on_now(self) -> None:
        self._going_on = None
        began = perf_counter()
        self.go_on()
        self._readings.spent_seconds += perf_counter() - began

    @property
    def _must_wait(self) -> bool:
        return self._is_busy or self._readings.unread_since is not None or not self._link.is_open

    # What the dialogue asks for

    def _perform(self, events: Sequence[Event]) -> None:
        for event in events:
            if type(event) is Say:  # mostly; a class pattern takes four times as long
                self._link.write(event.data)
                continue
            match event:
                case Content(piece):
                    self._keep(piece)
                case MessageDone(envelope):
                    self._conclude(envelope)
                case CommandRefused(reason, refused, about, sender):
                    self._gate.count_refusal(reason, refused, about, self._peer, sender)
                case ContentDropped():
                    self._content.drop()
                case CheckLogin(login, password):
                    self._is_busy = True
                    self._reception.accompany(self._check_login(login, password))
                case UpgradeTls():
                    self._is_busy = True
                    self._upgrade()
                case Close():
                    self._link.close()

    def _count_recipients(self, granted: int) -> None:
        """A thousand of them are as large as a message, and need no DATA."""
        self._reception.memory.hold((granted - self._recipients) * _RECIPIENT_BYTES)
        self._recipients = granted

    def _look_up(self, address: Address | None) -> Recipient | Declined:
        if not self._reception.memory.has_room(_RECIPIENT_BYTES, trusted=self._peer.trusted):
            return refusals.NO_MEMORY
        client = None if self._peer.trusted else self._peer.key
        return self._reception.recipient_of(address, client, self._now())

    def _room_for(self, size_bytes: int) -> Declined | None:
        return self._reception.pressure.room_for(size_bytes, trusted=self._peer.trusted)

    def _write_out_soon(self) -> None:
        """More is in memory than one message may have there."""
        no_space = self._reception.pressure.room_to_spool(self._content.size_bytes)
        if no_space is not None:
            self._perform(self._dialogue.refuse_content(no_space))
        else:
            self._start_writing_out()

    def spare_memory(self) -> None:
        """Called now and then. Where memory is short, a message waits for its end on the disk: else slow senders, each
        of a part that fits in memory, would keep it from all others.
        """
        pressure, content = self._reception.pressure, self._content
        if self.phase is not Phase.CONTENT or self._is_busy or content.memory_bytes < _WORTH_WRITING_BYTES:
            return
        if pressure.is_short_of_memory and pressure.room_to_spool(content.size_bytes) is None:
            self._start_writing_out()

    def _start_writing_out(self) -> None:
        self._is_busy = True
        self._link.pause_reading()
        self._reception.start(self._write_out())

    def _keep(self, piece: bytes) -> None:
        if not self._content.keep(piece) and self._dialogue.phase is Phase.CONTENT:
            self._perform(self._dialogue.refuse_content(refusals.NO_MEMORY))

    def _conclude(self, envelope: Envelope) -> None:
        spool = self._content.hand_over()
        if spool is None:
            refused = refusals.NO_MEMORY
            self._gate.count_refusal(refused.reason, refused, envelope.sender, self._peer)
            self._perform(self._dialogue.answer(for_each(refused, envelope, self._terms.protocol)))
            return
        self._is_busy = True
        at = self._reception.now()
        arriving = Arriving(self._reception.queue_ids.make(at), envelope, self._client(), at, spool)
        self._reception.start(self._await_verdicts(arriving))

    def _client(self) -> Client:
        terms, peer, dialogue = self._terms, self._peer, self._dialogue
        return Client(
            peer.address,
            peer.port,
            dialogue.helo,
            terms.protocol,
            terms.listener,
            dialogue.esmtp,
            self._link.tls,
            peer.trusted,
            dialogue.member,
        )

    # What takes time

    async def _await_verdicts(self, arriving: Arriving) -> None:
        """Nobody cancels it: a client that leaves, or a drain, waits for the commit."""
        self._gate.count_received(self._readings.spent_seconds)
        self._readings.spent_seconds = 0.0
        verdicts = await verdicts_on(self._gate, arriving, self._findings)
        if self._is_over:
            log.info(
                "client_left_before_answer", id=arriving.id, listener=self._gate.name, client=arriving.client.address
            )
        self._resume_with(lambda dialogue: dialogue.answer(verdicts))

    async def _write_out(self) -> None:
        is_written = await self._content.write_out()
        if self._is_over or self.phase is not Phase.CONTENT:
            self._content.drop()
        self._resume_with(lambda dialogue: [] if is_written else dialogue.refuse_content(refusals.NO_SPACE))

    async def _check_login(self, login: str, password: str) -> None:
        answer = await self._reception.logins.check(login, password, self._peer.key or "")
        self._gate.count_login(answer)
        self._resume_with(lambda dialogue: dialogue.logged_in(answer))

    # The end

    def leave(self, refused: Refused, *, finish_content: bool = False) -> None:
        """As Dialogue.leave says."""
        self._perform(self._dialogue.leave(refused, finish_content=finish_content))

    def end(self) -> None:
        """The connection is lost. A commit goes on."""
        self._is_over = True
        if self._going_on is not None:
            self._going_on.cancel()
        self._content.drop()
        if self._recipients:
            self._count_recipients(0)
        if self._welcome is not None:
            self._welcome.cancel()
        if self._findings is not None and self.phase is not Phase.ANSWER:
            self._findings.cancel()
        del self._dialogue  # which holds us, by what it asks; see the session's end
