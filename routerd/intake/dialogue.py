"""One SMTP or LMTP session as values: bytes in, replies and events out (RFC 5321, RFC 2033, RFC 2920, RFC 3207). Pure.

Fed whole or octet by octet it says and does the same. Replies to a pipelined group come in one `Say`.
"""

from collections.abc import Callable, Sequence

from routerd.intake import refusals
from routerd.intake.command_order import IDLE, out_of_order, unknown
from routerd.intake.data import DataDecoder, Defect
from routerd.intake.events import (
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
from routerd.intake.granted import Granted
from routerd.intake.parameters import CommandError, parse_helo, parse_mail, parse_rcpt
from routerd.intake.terms import HELP, Terms, acceptance, ehlo_reply, greeting, refusal
from routerd.message.envelope import Accepted, Envelope, Protocol, Purpose, Refused, Verdict

COMMAND_OCTETS = 512  # RFC 5321 4.5.3.1.4, with CRLF
PATH_COMMAND_OCTETS = 1024  # MAIL and RCPT with the parameters of their extensions
CONTENT_PATIENCE = 4  # times the largest message: so much is read and thrown away before the connection is closed


class Dialogue:
    """A session's state. The host writes what is said, does what the events name, and feeds what it reads.

    `look_up` says whose an address is; `room_for(size_bytes)` why a message of that size may not come now; `trusted`:
    the client is a hop of ours; `in_tls`: the connection began in TLS.
    """

    def __init__(
        self, terms: Terms, look_up: LookUp, room_for: RoomFor, *, trusted: bool, in_tls: bool = False
    ) -> None:
        self._terms = terms
        self._look_up = look_up
        self._room_for = room_for
        self._trusted = trusted
        self._normalises = terms.normalises(trusted=trusted)
        self._lmtp = terms.protocol is Protocol.LMTP
        self.phase = Phase.GREETING
        self.in_tls = in_tls
        self.member: str | None = None  # who has logged in
        self._client_refused: tuple[Refused, str] | None = None
        self.helo = ""
        self.esmtp = False
        self._errors = 0
        self._idle = 0
        self._leaving: Refused | None = None  # said when the message in hand is answered
        self._buffer = b""
        self._at = 0  # what of the buffer is done
        self._overlong = False  # the line that is coming has outgrown its limit; its beginning is gone
        self._said: list[bytes] = []
        self._events: list[Event] = []
        self._reset()

    def _reset(self) -> None:
        self._mail = False
        self._sender = ""
        self._body_8bit = False
        self._smtputf8 = False
        self._granted = Granted()
        self._rcpt_refused = False
        self._decoder: DataDecoder | None = None  # only while content comes
        self._content_refused: Refused | None = None

    # What the host calls

    def greet(self) -> list[Event]:
        """To be called once, when the client may speak; what came before waits for it, unless it was refused."""
        if self.phase is not Phase.GREETING:
            return []
        self.phase = Phase.COMMANDS
        self._said.append(greeting(self._terms))
        return self._run()

    def refuse_client(self, refused: Refused, reason: str) -> None:
        """From now on every recipient but the postmaster is refused so; `reason` is the word it is counted under."""
        self._client_refused = refused, reason

    def logged_in(self, answer: LoggedIn | Refused) -> list[Event]:
        """The answer to CheckLogin."""
        if self.phase is not Phase.CREDENTIALS:
            return []
        self.phase = Phase.COMMANDS
        if isinstance(answer, LoggedIn):
            self.member = answer.member
            self._said.append(b"235 2.7.0 You are logged in\r\n")
        else:
            self._refuse(answer, "login", "")
        return self._run()

    def feed(self, data: bytes) -> list[Event]:
        """What the client sent. While an answer is awaited it is only kept: the host should stop reading."""
        if self.phase in (Phase.HANDSHAKE, Phase.CLOSED):
            return []
        if self.phase is Phase.GREETING and self._terms.refuse_early:
            self._refuse(refusals.EARLY, "early_talker", "")
            self._close()
            return self._flushed()
        self._buffer = self._buffer[self._at :] + data if self._buffer else data
        self._at = 0
        return self._run()

    def answer(self, verdicts: Sequence[Verdict]) -> list[Event]:
        """The verdict on the message: one, for LMTP one per recipient of the envelope. Anything else means 451."""
        if self.phase is not Phase.ANSWER:
            return []
        wanted = len(self._granted.recipients) if self._lmtp else 1
        if len(verdicts) != wanted:
            verdicts = (refusals.TRY_LATER,) * wanted
        if self._lmtp:
            verdicts = self._granted.for_each_rcpt(verdicts)
        self.phase = Phase.COMMANDS
        for verdict in verdicts:
            if isinstance(verdict, Accepted):
                self._said.append(acceptance(verdict))
            else:
                self._said.append(refusal(verdict))
                if verdict.code == 421:  # RFC 5321 3.8: behind it the connection ends
                    self._close()
        self._idle = 0
        self._reset()
        self._leave_if_due()
        return self._run()

    def secured(self) -> list[Event]:
        """The handshake is done; the client says hello again (RFC 3207 4.2)."""
        if self.phase is Phase.HANDSHAKE:
            self.phase = Phase.COMMANDS
            self.in_tls = True
            self.esmtp = False
            self.helo = ""
            self._reset()
        return []

    def refuse_content(self, refused: Refused) -> list[Event]:
        """The host cannot keep the content that is coming: it is read to its end, then answered so."""
        if self.phase is Phase.CONTENT and self._content_refused is None:
            self._content_refused = refused
            return [ContentDropped()]
        return []

    def leave(self, refused: Refused, *, finish_content: bool = False) -> list[Event]:
        """Says a 421 and closes. A message whose verdict is awaited is answered first; with `finish_content` also one
        whose content is still coming.
        """
        if self.phase is Phase.ANSWER or (finish_content and self.phase is Phase.CONTENT):
            self._leaving = refused
            return []
        if self.phase is Phase.CLOSED:
            return []
        dropped: list[Event] = [ContentDropped()] if self.phase is Phase.CONTENT else []
        if self.phase is not Phase.HANDSHAKE:
            self._said.append(refusal(refused))
        self._close()
        return dropped + self._flushed()

    # The bytes

    def _run(self) -> list[Event]:
        while self._at < len(self._buffer):
            if self._decoder is not None:
                self._take_content(self._decoder)
            elif self.phase is not Phase.COMMANDS or not self._take_line():
                break
        else:
            self._buffer = b""
            self._at = 0
        return self._flushed()

    def _flushed(self) -> list[Event]:
        self._say_all()
        if self.phase is Phase.CLOSED and not (self._events and isinstance(self._events[-1], Close)):
            self._events.append(Close())
        events = self._events
        self._events = []
        return events

    def _say_all(self) -> None:
        if self._said:
            self._events.append(Say(b"".join(self._said)))
            self._said.clear()

    def _close(self) -> None:
        self.phase = Phase.CLOSED
        self._buffer = b""
        self._at = 0

    def _take_line(self) -> bool:
        """One command, if its line is whole."""
        end = self._buffer.find(b"\n", self._at)
        if end < 0:
            if self._overlong or len(self._buffer) - self._at > PATH_COMMAND_OCTETS:
                self._overlong = True
                self._buffer = b""  # bounded, however long the line gets
                self._at = 0
            return False
        line = self._buffer[self._at : end]
        overlong = self._overlong or len(line) >= PATH_COMMAND_OCTETS
        self._at = end + 1
        self._overlong = False
        if overlong:
            self._refuse(refusals.OVERLONG, "syntax", "")
            return True
        if line.endswith(b"\r"):
            line = line[:-1]
        elif not self._normalises:
            self._refuse(refusals.BAD_LINE, "bare_newline", "")
            return True
        self._take_command(line)
        return True

    def _take_command(self, line: bytes) -> None:
        if b"\r" in line or b"\0" in line:
            self._refuse(refusals.BAD_LINE, "syntax", "")
            return
        try:
            text = line.decode("utf-8" if self._terms.smtputf8 else "ascii").rstrip(" \t")
        except UnicodeDecodeError:
            self._refuse(refusals.NOT_ASCII, "syntax", "")
            return
        word, _, argument = text.partition(" ")
        verb = word.upper() if word.isascii() else word  # "\u017ftarttls".upper() is a command
        if len(line) > COMMAND_OCTETS - 2 and verb not in ("MAIL", "RCPT"):
            self._refuse(refusals.OVERLONG, "syntax", verb)
            return
        command = _COMMANDS.get(verb)
        if command is None:
            self._refuse(*unknown(verb), verb)
            return
        unfit = out_of_order(verb, argument, need_tls=self._terms.tls_required and not self.in_tls)
        if unfit is not None:
            self._refuse(*unfit, verb)
            return
        if verb in IDLE:
            self._idle += 1
            if self._idle > self._terms.idle_commands:
                self._refuse(Refused(421, "4.7.0", "Too many commands without mail"), "idle_commands", verb)
                return
        try:
            command(self, argument.lstrip(" "))
        except CommandError as error:
            self._refuse(error.refused, "syntax", argument)

    def _refuse(self, refused: Refused, reason: str, about: str) -> None:
        """Says it and counts it; too many errors end the session."""
        self._said.append(refusal(refused))
        self._events.append(CommandRefused(reason, refused, about))
        if refused.code == 421:
            self._close()
        elif refused.code >= 500 and not (self._trusted and isinstance(refused, Declined)):
            # A hop of ours may hand over mail for many unknown recipients; that is no attack.
            self._errors += 1
            if self._errors >= self._terms.errors:
                too_many = Refused(421, "4.7.0", "Too many errors")
                self._said.append(refusal(too_many))
                self._events.append(CommandRefused("too_many_errors", too_many, ""))
                self._close()

    # Commands

    def _hello(self, argument: str, *, esmtp: bool, lmtp: bool) -> None:
        if lmtp is not self._lmtp:
            raise CommandError(500, "5.5.1", "This is LMTP; say LHLO" if self._lmtp else "This is not LMTP")
        self.helo = parse_helo(argument)
        self.esmtp = esmtp
        self._reset()
        if esmtp:
            self._said.append(ehlo_reply(self._terms, in_tls=self.in_tls))
        else:
            self._said.append(f"250 {self._terms.hostname}\r\n".encode("ascii"))

    def _helo(self, argument: str) -> None:
        self._hello(argument, esmtp=False, lmtp=False)

    def _ehlo(self, argument: str) -> None:
        self._hello(argument, esmtp=True, lmtp=False)

    def _lhlo(self, argument: str) -> None:
        self._hello(argument, esmtp=True, lmtp=True)

    def _mail_from(self, argument: str) -> None:
        if not self.helo:
            return self._refuse(refusals.HELLO_FIRST, "sequence", "MAIL")
        if self._mail:
            return self._refuse(Refused(503, "5.5.1", "MAIL was said already"), "sequence", "MAIL")
        mail = parse_mail(argument, esmtp=self.esmtp, smtputf8_offered=self._terms.smtputf8)
        if mail.size_bytes > self._terms.message_size:
            return self._refuse(refusals.OF_CONTENT[Defect.TOO_BIG], "too_big", mail.sender)
        no_room = self._room_for(mail.size_bytes)
        if no_room is not None:
            return self._refuse(no_room, "no_room", mail.sender)
        self._mail = True
        self._sender = mail.sender
        self._body_8bit = mail.body_8bit
        self._smtputf8 = mail.smtputf8
        self._said.append(b"250 2.1.0 Ok\r\n")
        return None

    def _rcpt_to(self, argument: str) -> None:
        if not self._mail:
            return self._refuse(refusals.MAIL_FIRST, "sequence", "RCPT")
        self._rcpt_refused = True
        address = parse_rcpt(argument, smtputf8=self._smtputf8)
        if len(self._granted.keys) >= self._terms.recipients:
            return self._refuse(Refused(452, "4.5.3", "Too many recipients"), "too_many_recipients", argument)
        recipient = self._look_up(address)
        if isinstance(recipient, Refused):
            return self._refuse(recipient, recipient.reason, argument)
        if self._client_refused is not None and recipient.purpose is not Purpose.POSTMASTER:
            return self._refuse(*self._client_refused, argument)
        self._granted.add(recipient)
        self._said.append(b"250 2.1.5 Ok\r\n")
        return None

    def _data(self, _: str) -> None:
        if not self._mail:
            return self._refuse(refusals.MAIL_FIRST, "sequence", "DATA")
        if not self._granted.keys:
            if self._rcpt_refused and not self._lmtp:
                return self._refuse(Refused(554, "5.5.1", "No valid recipients"), "sequence", "DATA")
            return self._refuse(Refused(503, "5.5.1", "RCPT comes first"), "sequence", "DATA")  # RFC 2033 4.2
        no_room = self._room_for(0)
        if no_room is not None:
            return self._refuse(no_room, "no_room", "DATA")
        self._decoder = DataDecoder(self._terms.message_size, normalise=self._normalises)
        self.phase = Phase.CONTENT
        self._said.append(b"354 End data with <CR><LF>.<CR><LF>\r\n")
        return None

    def _rset(self, _: str) -> None:
        self._reset()
        self._said.append(b"250 2.0.0 Ok\r\n")

    def _noop(self, _: str) -> None:
        self._said.append(b"250 2.0.0 Ok\r\n")

    def _quit(self, _: str) -> None:
        self._said.append(b"221 2.0.0 Bye\r\n")
        self._close()

    def _vrfy(self, argument: str) -> None:
        if not argument:
            raise CommandError(501, "5.5.4", "Syntax: VRFY address")
        self._said.append(b"252 2.0.0 Send some mail and see\r\n")

    def _help(self, _: str) -> None:
        self._said.append(HELP)

    def _not_offered(self, _: str) -> None:
        self._refuse(refusals.NOT_OFFERED, "not_offered", "")

    def _starttls(self, _: str) -> None:
        if not self._terms.starttls:
            return self._refuse(refusals.NOT_OFFERED, "not_offered", "STARTTLS")
        if self.in_tls:
            return self._refuse(Refused(503, "5.5.1", "This is TLS already"), "sequence", "STARTTLS")
        self._said.append(b"220 2.0.0 Ready\r\n")
        self._say_all()
        self._events.append(UpgradeTls())
        self.phase = Phase.HANDSHAKE
        self._buffer = b""
        self._at = 0
        return None

    # Content

    def _take_content(self, decoder: DataDecoder) -> None:
        had_defect = decoder.defect is not None
        piece = decoder.feed(self._buffer[self._at :] if self._at else self._buffer)
        self._buffer = decoder.rest
        self._at = 0
        if decoder.defect is not None:
            if not had_defect and self._content_refused is None:
                self._events.append(ContentDropped())
        elif piece and self._content_refused is None:
            self._say_all()
            self._events.append(Content(piece))
        if decoder.finished or decoder.size_bytes > CONTENT_PATIENCE * self._terms.message_size:
            self._end_content(decoder)

    def _end_content(self, decoder: DataDecoder) -> None:
        refused, reason = self._content_refused, "no_room"
        if refused is None and decoder.defect is not None:
            refused, reason = refusals.OF_CONTENT[decoder.defect], decoder.defect.value
        if refused is None:
            self._say_all()
            recipients = tuple(self._granted.recipients.values())
            self._events.append(MessageDone(Envelope(self._sender, recipients, self._body_8bit, self._smtputf8)))
            self.phase = Phase.ANSWER
            self._decoder = None
            return
        self._said.extend([refusal(refused)] * (len(self._granted.keys) if self._lmtp else 1))
        self._events.append(CommandRefused(reason, refused, self._sender))
        self.phase = Phase.COMMANDS
        if decoder.size_bytes > CONTENT_PATIENCE * self._terms.message_size:
            self._close()
        self._reset()
        self._leave_if_due()

    def _leave_if_due(self) -> None:
        if self._leaving is not None and self.phase is not Phase.CLOSED:
            self._said.append(refusal(self._leaving))
            self._close()


_COMMANDS: dict[str, Callable[[Dialogue, str], None]] = {
    "HELO": Dialogue._helo,
    "EHLO": Dialogue._ehlo,
    "LHLO": Dialogue._lhlo,
    "MAIL": Dialogue._mail_from,
    "RCPT": Dialogue._rcpt_to,
    "DATA": Dialogue._data,
    "RSET": Dialogue._rset,
    "NOOP": Dialogue._noop,
    "QUIT": Dialogue._quit,
    "VRFY": Dialogue._vrfy,
    "HELP": Dialogue._help,
    "STARTTLS": Dialogue._starttls,
    **dict.fromkeys(("AUTH", "EXPN", "ETRN", "BDAT"), Dialogue._not_offered),
}
