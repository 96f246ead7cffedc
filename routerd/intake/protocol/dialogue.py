"""One SMTP or LMTP session as values: bytes in, replies and events out (RFC 5321, RFC 2033, RFC 2920, RFC 3207). Pure.

Fed whole or octet by octet it says and does the same. Replies to a pipelined group come in one `Say`.
"""

from collections.abc import Sequence

from routerd.intake.protocol import logging_in, refusals, replies
from routerd.intake.protocol.allowance import CONTENT
from routerd.intake.protocol.command_line import longest_line, obey, unfit_line
from routerd.intake.protocol.commands import Answer
from routerd.intake.protocol.content import ContentReader
from routerd.intake.protocol.events import (
    Close,
    CommandRefused,
    Content,
    ContentDropped,
    Declined,
    Event,
    LoggedIn,
    LookUp,
    MessageDone,
    Phase,
    RoomFor,
    Say,
    UpgradeTls,
)
from routerd.intake.protocol.lines import TOO_LONG, LineReader
from routerd.intake.protocol.sasl import Exchange
from routerd.intake.protocol.standing import Standing
from routerd.intake.protocol.terms import Terms
from routerd.message.envelope import Accepted, Refused, Verdict

_COMMANDS = Phase.COMMANDS  # to ask an Enum for a member takes longer than all else of a comparison


class Dialogue:
    """A session's state. The host writes what is said, does what the events name, and feeds what it reads.

    `look_up` says whose an address is; `room_for(size_bytes)` why a message of that size may not come now; `trusted`:
    the client is a hop of ours; `in_tls`: the connection began in TLS.
    """

    def __init__(
        self, terms: Terms, look_up: LookUp, room_for: RoomFor, *, trusted: bool, in_tls: bool = False
    ) -> None:
        self._session = Standing(terms, look_up, room_for, trusted=trusted, in_tls=in_tls)
        self._normalises = terms.normalises(trusted=trusted)
        self._lines = LineReader()
        self._line_octets = longest_line(self._session)
        self._content: ContentReader | None = None  # only while it comes
        self._leaving: Refused | None = None  # said when the message in hand is answered
        self._is_ending = False  # Close is the next event but for what is said
        self._said: list[bytes] = []
        self._events: list[Event] = []

    # What the host may ask

    @property
    def phase(self) -> Phase:
        return self._session.phase

    @property
    def in_tls(self) -> bool:
        return self._session.in_tls

    @property
    def helo(self) -> str:
        """The client's name for itself; "" until it said it."""
        return self._session.helo

    @property
    def esmtp(self) -> bool:
        return self._session.esmtp

    @property
    def member(self) -> str | None:
        """Who has logged in, as the config names him."""
        return self._session.member

    @property
    def granted(self) -> int:
        """How many recipients the message that is under way has by now."""
        transaction = self._session.transaction
        return transaction.granted if transaction is not None else 0

    # What the host calls

    def greet(self) -> list[Event]:
        """To be called once, when the client may speak; what came before waits for it, unless it was refused."""
        if self.phase is not Phase.GREETING:
            return []
        self._session.phase = Phase.COMMANDS
        self._said.append(replies.greeting(self._session.terms))
        return self._run()

    def feed(self, data: bytes) -> list[Event]:
        """What the client sent. While an answer is awaited it is only kept: the host should stop reading."""
        if self._session.phase is not _COMMANDS and not self._hears(data):
            return self._flushed()
        self._lines.feed(data)
        return self._run()

    def refuse_client(self, refused: Refused, reason: str) -> None:
        """From now on every recipient but the postmaster is refused so; `reason` is the word it is counted under."""
        self._session.client_refused = refused, reason

    def logged_in(self, answer: LoggedIn | Refused) -> list[Event]:
        """The answer to CheckLogin."""
        if self.phase is not Phase.CREDENTIALS:
            return []
        self._session.phase = Phase.COMMANDS
        self._act_on(logging_in.conclude(self._session, answer), "AUTH")
        return self._run()

    def answer(self, verdicts: Sequence[Verdict]) -> list[Event]:
        """The verdict on the message: one, for LMTP one per recipient of the envelope. Anything else means 451."""
        session, transaction = self._session, self._session.transaction
        if session.phase is not Phase.ANSWER or transaction is None:
            return []
        wanted = transaction.recipients if session.is_lmtp else 1
        if len(verdicts) != wanted:
            verdicts = (refusals.TRY_LATER,) * wanted
        if session.is_lmtp:
            verdicts = transaction.for_each_rcpt(verdicts)
        session.phase = Phase.COMMANDS
        session.transaction = None
        self._session.allowance.forgive_idling()
        for verdict in verdicts:
            if isinstance(verdict, Accepted):
                self._said.append(replies.acceptance(verdict))
            else:
                self._said.append(replies.refusal(verdict))
                if verdict.code == 421:  # RFC 5321 3.8: behind it the connection ends
                    self._close()
        self._leave_if_due()
        return self._run()

    def secured(self) -> list[Event]:
        """The handshake is done; the client says hello again (RFC 3207 4.2)."""
        if self.phase is Phase.HANDSHAKE:
            self._session.phase = Phase.COMMANDS
            self._session.forget_the_clear()
            self._line_octets = longest_line(self._session)
        return []

    def refuse_content(self, refused: Declined) -> list[Event]:
        """The host cannot keep the content that is coming: it is read to its end, then answered so."""
        if self._content is None or self._content.is_refused:
            return []
        self._content.refuse(refused)
        return [ContentDropped()]

    def leave(self, refused: Refused, *, finish_content: bool = False) -> list[Event]:
        """Says a 421 and closes. A message whose verdict is awaited is answered first; with `finish_content` also one
        whose content is still coming.
        """
        phase = self.phase
        if phase is Phase.ANSWER or (finish_content and phase is Phase.CONTENT):
            self._leaving = refused
            return []
        if phase is Phase.CLOSED:
            return []
        dropped: list[Event] = [ContentDropped()] if phase is Phase.CONTENT else []
        if phase is not Phase.HANDSHAKE:
            self._said.append(replies.refusal(refused))
        self._close()
        return dropped + self._flushed()

    # The bytes

    def _hears(self, data: bytes) -> bool:
        """Whether what comes now will be read, if not at once."""
        phase = self._session.phase
        if phase is Phase.GREETING and self._session.terms.refuse_early and data:
            self._refuse(CommandRefused("early_talker", refusals.EARLY, ""), "")
            self._close()
            return False
        return phase is not Phase.HANDSHAKE and phase is not Phase.CLOSED

    def _run(self) -> list[Event]:
        session, lines = self._session, self._lines
        while lines.left:
            if self._content is not None:
                self._take_content(self._content)
            elif session.phase is not _COMMANDS:
                break
            else:
                line = lines.take(self._line_octets)
                if line is None:
                    break
                self._take_line(line)
        return self._flushed()

    def _take_line(self, line: bytes) -> None:
        session = self._session
        unfit = session.allowance.for_line()
        if unfit is None and (line.find(b"\r") != len(line) - 2 or b"\0" in line):
            unfit = unfit_line(line, normalises=self._normalises)
        if session.exchange is not None:
            self._act_on(self._respond(session.exchange, line, unfit), "AUTH")
        elif unfit is not None:
            self._refuse(unfit, "")
        else:
            answer, verb = obey(session, line)
            if type(answer) is bytes and session.phase is _COMMANDS:  # as mostly; `_act_on` would do the same
                self._said.append(answer)
            else:
                self._act_on(answer, verb)

    def _respond(self, exchange: Exchange, line: bytes, unfit: CommandRefused | None) -> Answer:
        """The next response of an AUTH; a line that cannot be read ends it (RFC 4954 4)."""
        if unfit is None:
            return logging_in.respond(self._session, exchange, line.rstrip(b"\r\n"))
        self._session.exchange = None
        is_overlong = line == TOO_LONG and unfit.refused is refusals.OVERLONG
        return CommandRefused("syntax", refusals.OVERLONG_RESPONSE, "AUTH") if is_overlong else unfit

    def _act_on(self, answer: Answer, verb: str) -> None:
        if isinstance(answer, bytes):
            self._said.append(answer)
            if self._session.phase is not Phase.COMMANDS:
                self._enter(self._session.phase)
        elif isinstance(answer, CommandRefused):
            self._refuse(answer, verb)
        else:
            self._session.phase = Phase.CREDENTIALS
            self._say_all()
            self._events.append(answer)

    def _enter(self, phase: Phase) -> None:
        """Into what a command has led to."""
        if phase is Phase.CONTENT:
            self._content = ContentReader(self._session.terms, normalises=self._normalises)
        elif phase is Phase.HANDSHAKE:
            self._say_all()
            self._events.append(UpgradeTls())
            self._lines.clear()  # plaintext that came behind it would be taken for what was said inside TLS
        elif phase is Phase.CLOSED:
            self._close()

    # Content

    def _take_content(self, content: ContentReader) -> None:
        was_refused = content.is_refused
        piece = content.feed(self._lines.take_all())
        if content.is_refused:
            if not was_refused:
                self._events.append(ContentDropped())
        elif piece:
            self._say_all()
            self._events.append(Content(piece))
        if content.is_over:
            self._lines.feed(content.rest)
            self._end_content(content)

    def _end_content(self, content: ContentReader) -> None:
        session, transaction = self._session, self._session.transaction
        self._content = None
        session.messages += 1
        refusal = content.refusal
        if transaction is None:
            raise AssertionError("content without a transaction")
        if refusal is None:
            self._say_all()
            self._events.append(MessageDone(transaction.envelope()))
            session.phase = Phase.ANSWER
            return
        refused, reason = refusal
        session.phase = Phase.COMMANDS
        session.transaction = None
        if session.is_lmtp:  # RFC 2033 4.2: a reply for each
            self._said.extend([replies.refusal(refused)] * (transaction.granted - 1))
        self._refuse(CommandRefused(reason, refused, transaction.mail.sender), CONTENT)
        if content.is_endless:
            self._close()
        self._leave_if_due()

    # The end of it

    def _refuse(self, refused: CommandRefused, verb: str) -> None:
        """Says it and counts it; a 421, or one refusal too many, ends the session."""
        self._said.append(replies.refusal(refused.refused))
        self._events.append(refused)
        if refused.refused.code == 421:
            self._close()
            return
        too_many = self._session.allowance.for_refused(refused, verb)
        if too_many is not None:
            self._refuse(too_many, verb)

    def _leave_if_due(self) -> None:
        if self._leaving is not None and self.phase is not Phase.CLOSED:
            self._said.append(replies.refusal(self._leaving))
            self._close()

    def _close(self) -> None:
        self._session.phase = Phase.CLOSED
        self._is_ending = True
        self._content = None
        self._lines.clear()

    def _flushed(self) -> list[Event]:
        said = self._said
        if len(said) == 1 and not self._events and not self._is_ending:  # mostly
            return [Say(said.pop())]
        self._say_all()
        events, self._events = self._events, []
        return events

    def _say_all(self) -> None:
        if self._said:
            self._events.append(Say(b"".join(self._said)))
            self._said.clear()
        if self._is_ending:
            self._is_ending = False
            self._events.append(Close())
