"""Bytes of any client → the same session in any chunks: well-formed replies, legal phases, nobody taken unasked.

The first line of an input names what the listener grants and the host does; behind it is what the client sends, in
which `{pause}` is a moment when the host does what it has put off: the greeting, a handshake.
"""

import random
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from corpus import corpus_of
from harness import run
from pieces import join, spoil

from routerd.intake.protocol.dialogue import Dialogue
from routerd.intake.protocol.events import (
    CheckLogin,
    Close,
    CommandRefused,
    Content,
    ContentDropped,
    Declined,
    Event,
    LoggedIn,
    MessageDone,
    Phase,
    Say,
    UpgradeTls,
)
from routerd.intake.protocol.refusals import NO_SPACE, UNKNOWN_MECHANISM
from routerd.intake.protocol.sasl import RESPONSE_OCTETS
from routerd.intake.protocol.terms import Terms
from routerd.message.address import Address, parse_address
from routerd.message.envelope import Accepted, Envelope, Protocol, Purpose, QueueId, Recipient, Refused, Verdict

SLOW_MS = 300.0  # for the 20 KB that `make` gives at most, which are read octet by octet too

FEW = 100  # inputs in the tests of each commit

_MOST_BYTES = 20_000
_PAUSE = b"{pause}"
_FLAGS = (
    "lmtp",
    "trusted",
    "tls",
    "starttls",
    "required",
    "auth",
    "utf8",
    "early",
    "late",
    "refused",
    "full",
    "strict",
)

_PATHS = (
    b"<a@desk.test>", b"<support@desk.test>", b"<nobody@desk.test>", b"<x@far.test>", b"<>", b"<Postmaster>",
    b"<postmaster@desk.test>", b'<"a b"@desk.test>', b"<@far.test:a@desk.test>", b"<a%far.test@desk.test>",
    b"<a@[192.0.2.1]>", b"<a@[IPv6:::1]>", "<żaba@desk.test>".encode(), b"<a@xn--a.test>", b"<a@desk.test", b"<<a>>",
    b"<=?utf-8?q?a=0d=0a?=@desk.test>", b"<" + b"a" * 300 + b"@desk.test>",
)  # fmt: skip
_PARAMETERS = (
    b"", b"", b"", b" SIZE=10", b" SIZE=999999", b" SIZE=x", b" BODY=8BITMIME", b" BODY=BINARYMIME", b" SMTPUTF8",
    b" AUTH=<>", b" AUTH=e+3Dmc2@example.test", b" AUTH=+3d", b" RET=HDRS", b" NOTIFY=NEVER", b" ENVID=1",
    b" ORCPT=rfc822;a@b", b" X", b" =", b"  ",
)  # fmt: skip
_COMMANDS = (
    b"EHLO x", b"HELO x", b"LHLO x", b"EHLO [192.0.2.1]", b"EHLO", b"EHLO -", b"DATA", b"RSET", b"NOOP", b"NOOP x",
    b"QUIT",
    b"HELP", b"VRFY a", b"EXPN a", b"ETRN a", b"BDAT 3 LAST", b"STARTTLS", b"STARTTLS now", b"AUTH", b"AUTH PLAIN",
    b"auth login", b"AUTH LOGIN ", b"AUTH PLAIN =", b"AUTH CRAM-MD5", b"*", b"=", b"", b"XYZZY", b"GET / HTTP/1.1",
    b"\xff",
    "ſtarttls".encode(), b"NOOP " + b"x" * 600, b"NOOP " + b"x" * 3000, b"AUTH PLAIN " + b"A" * 13_000,
)  # fmt: skip
_CONTENT = (
    b".", b"..", b"...", b"", b"Subject: x", b" fold", b"x" * 100, b"\0", b"a\rb", b"a\nb", b"\n.", b"\r.\r", b".\r",
    b"X: " + b"y" * 400, b"body",
)  # fmt: skip
_ENDS = (b"\r\n",) * 20 + (b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\0\r\n", b"")
_NEXT = {
    Phase.GREETING: {Phase.COMMANDS, Phase.CONTENT, Phase.ANSWER, Phase.CREDENTIALS, Phase.HANDSHAKE},
    Phase.COMMANDS: {Phase.CONTENT, Phase.ANSWER, Phase.CREDENTIALS, Phase.HANDSHAKE},
    Phase.CONTENT: {Phase.COMMANDS, Phase.ANSWER, Phase.CREDENTIALS, Phase.HANDSHAKE},
    Phase.ANSWER: {Phase.COMMANDS, Phase.CONTENT, Phase.CREDENTIALS, Phase.HANDSHAKE},
    Phase.CREDENTIALS: {Phase.COMMANDS, Phase.CONTENT, Phase.ANSWER, Phase.HANDSHAKE},
    Phase.HANDSHAKE: {Phase.COMMANDS},
    Phase.CLOSED: set(),
}
_REPLY = re.compile(r"(?:([2345][0-9]{2})-[!-~][ -~]*\r\n)*([2345][0-9]{2}) ([ -~]*)\r\n")
_STATUS = re.compile(r"([245])\.[0-9]{1,3}\.[0-9]{1,3} [ -~]")
_WITHOUT_STATUS = frozenset({"220", "334", "354"})
_MEMBER = "ewa"
_PASSWORD = "right horse"


def make(source: random.Random) -> bytes:
    kept = corpus_of("fuzz_session")
    if source.random() < 0.3:
        return spoil(source, source.choice(kept))[:_MOST_BYTES]
    flags = " ".join(source.sample(_FLAGS, source.randrange(5)))
    if source.random() < 0.1:
        return flags.encode() + b"\n" + join(source, [*_COMMANDS, *_PATHS, *_ENDS, *_CONTENT], 60)[:_MOST_BYTES]
    lines = [b"LHLO x" if "lmtp" in flags else b"EHLO x"] if source.random() < 0.9 else []
    for _ in range(source.randrange(1, 12)):
        lines += source.choice((_some_mail, _some_mail, _some_login, _some_commands))(source)
    sent = b"".join(line + (source.choice(_ENDS) if source.random() < 0.05 else b"\r\n") for line in lines)
    return spoil(source, flags.encode() + b"\n" + sent)[:_MOST_BYTES]


def _some_commands(source: random.Random) -> list[bytes]:
    return [source.choice((*_COMMANDS, _PAUSE)) for _ in range(source.randrange(1, 4))]


def _some_mail(source: random.Random) -> list[bytes]:
    mail = [b"MAIL FROM:" + source.choice(_PATHS[:5]) + source.choice(_PARAMETERS)]
    for _ in range(source.choice((1, 1, 1, 2, 5, 12))):
        mail.append(
            b"RCPT TO:"
            + source.choice(_PATHS)
            + source.choice(_PARAMETERS[:3] if source.random() < 0.9 else _PARAMETERS)
        )
    mail.append(b"DATA")
    if source.random() < 0.1:
        return mail
    return [*mail, *source.choices(_CONTENT, k=source.choice((0, 1, 5, 30))), b"."]


def _some_login(source: random.Random) -> list[bytes]:
    name = source.choice((_MEMBER, _MEMBER, "jan", "", "ż", "a\0b"))
    password = source.choice((_PASSWORD, _PASSWORD, "wrong", "", "\0"))
    acts_for = source.choice(("", "", _MEMBER, "other"))
    plain = b64encode(f"{acts_for}\0{name}\0{password}".encode())
    one, other = b64encode(name.encode()), b64encode(password.encode())
    return source.choice(
        (
            [b"AUTH PLAIN " + plain],
            [b"AUTH PLAIN", plain],
            [b"AUTH LOGIN", one, other],
            [b"AUTH LOGIN " + one, other],
            [b"AUTH LOGIN", one, b"*"],
            [b"AUTH PLAIN", plain[:-1]],
            [b"AUTH PLAIN", b"A" * source.choice((400, 12_287, 13_000))],
            [b"AUTH LOGIN", b"/w==", other],
        )
    )


def target(data: bytes) -> None:
    line, _, sent = data.partition(b"\n")
    flags = frozenset(line.decode("latin-1").split())
    sizes = random.Random(len(data))
    whole = _Host(flags)
    whole.play(sent, lambda: len(sent) + 1)
    for puts_off, size in ((False, lambda: 1), (True, lambda: sizes.choice((1, 2, 5, 40, 700)))):
        other = _Host(flags, puts_off=puts_off)
        other.play(sent, size)
        if other.heard != whole.heard:
            raise AssertionError(f"in other chunks it went otherwise:\n{whole.heard}\n{other.heard}")


@dataclass
class _Heard:
    said: str = ""
    messages: list[tuple[Envelope, bytes]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    logins: list[CheckLogin] = field(default_factory=list)
    handshakes: int = 0
    closed: bool = False


class _Host:
    """Does what a host does. `puts_off`: its answers come when all of a piece is fed, not at once."""

    def __init__(self, flags: frozenset[str], *, puts_off: bool = False) -> None:
        self._flags = flags
        self._puts_off = puts_off
        self._terms = Terms(
            hostname="mx.desk.test",
            listener="x",
            protocol=Protocol.LMTP if "lmtp" in flags else Protocol.SMTP,
            message_size=2000,
            recipients=8,
            messages=None if "trusted" in flags else 5,
            errors=12,
            commands=None if "trusted" in flags else 60,
            idle_commands=10,
            starttls="starttls" in flags,
            tls_required="required" in flags,
            auth="auth" in flags,
            refuse_early="early" in flags,
            smtputf8="utf8" in flags,
            bare_newlines="refuse" if "strict" in flags else "auto",
            header_size=500,
            header_fields=12,
            line_size=600,
        )
        self.heard = _Heard()
        self._granted: set[str] = set()
        self._pieces: list[bytes] = []
        self._asked: list[CheckLogin | MessageDone] = []
        self._dialogue = Dialogue(
            self._terms, self._look_up, self._room_for, trusted="trusted" in flags, in_tls="tls" in flags
        )
        self._seen = Phase.GREETING
        self._new_bytes = 0  # that were not looked at before the last feed
        if "refused" in flags:
            self._dialogue.refuse_client(Refused(550, "5.7.1", "Not from you"), "dnsbl")

    def play(self, sent: bytes, size: Callable[[], int]) -> None:
        """Feeds it in chunks of what `size` gives."""
        if "late" not in self._flags:
            self._take(self._dialogue.greet())
        for part in sent.split(_PAUSE):
            at = 0
            while at < len(part):
                end = at + size()
                chunk = part[at:end]
                self._new_bytes = len(chunk) + (self._new_bytes if self._seen is Phase.GREETING else 0)
                self._take(self._dialogue.feed(chunk))
                self._answer()
                at = end
            self._do_what_was_put_off()

    def _do_what_was_put_off(self) -> None:
        self._take(self._dialogue.greet())
        if self._dialogue.phase is Phase.HANDSHAKE:
            self._take(self._dialogue.secured())
        self._answer()

    def _take(self, events: Iterable[Event]) -> None:
        heard = self.heard
        for event in events:
            if heard.closed:
                raise AssertionError(f"{event} behind the end")
            match event:
                case Say(data):
                    heard.said += _well_formed(data)
                case Content(piece):
                    self._pieces.append(piece)
                case ContentDropped():
                    self._pieces.clear()
                case CommandRefused(reason, refused, about):
                    heard.reasons.append(reason)
                    if _PASSWORD in about or (self._terms.auth and refused is UNKNOWN_MECHANISM and about != "AUTH"):
                        raise AssertionError(f"{about!r} may be a password")
                case UpgradeTls():
                    heard.handshakes += 1
                case CheckLogin():
                    _check_login(event)
                    heard.logins.append(event)
                    self._asked.append(event)
                case MessageDone(envelope):
                    self._check_message(envelope)
                    self._asked.append(event)
                case Close():
                    heard.closed = True
        self._check_phase()
        if not self._puts_off:
            self._answer()

    def _answer(self) -> None:
        while self._asked:
            asked = self._asked.pop()
            if isinstance(asked, CheckLogin):
                holds = (asked.login, asked.password) == (_MEMBER, _PASSWORD)
                answer = LoggedIn(_MEMBER) if holds else Refused(535, "5.7.8", "Wrong")
                self._take(self._dialogue.logged_in(answer))
            else:
                self._take(self._dialogue.answer(self._verdicts(asked.envelope)))

    def _verdicts(self, envelope: Envelope) -> list[Verdict]:
        each = len(envelope.recipients) if self._terms.protocol is Protocol.LMTP else 1
        number = len(self.heard.messages)
        return [Refused(550, "5.7.1", "No") if number % 3 == 2 else Accepted(QueueId(f"Q{number}"))] * each

    def _look_up(self, address: Address | None) -> Recipient | Declined:
        address = address or Address("postmaster", "desk.test")
        if address.domain != "desk.test":
            return Declined(550, "5.7.1", "Relaying denied", "relaying")
        if address.local == "nobody":
            return Declined(550, "5.1.1", "No such address here", "unknown_recipient")
        purpose = Purpose.POSTMASTER if address.local == "postmaster" else Purpose.INBOX
        if purpose is Purpose.POSTMASTER or "refused" not in self._flags:
            self._granted.add(address.key)
        return Recipient(address, purpose, address.key)

    def _room_for(self, size_bytes: int) -> Declined | None:
        return NO_SPACE if "full" in self._flags and size_bytes == 10 else None

    def _check_message(self, envelope: Envelope) -> None:
        content = b"".join(self._pieces)
        self._pieces.clear()
        self.heard.messages.append((envelope, content))
        keys = [recipient.address.key for recipient in envelope.recipients]
        if not keys or len(set(keys)) != len(keys) or not self._granted.issuperset(keys):
            raise AssertionError(f"{keys} are not those that were granted, each once")
        if len(keys) > self._terms.recipients or len(content) > self._terms.message_size:
            raise AssertionError("more than the terms allow")
        if b"\0" in content or content.count(b"\r") != content.count(b"\n") != content.count(b"\r\n"):
            raise AssertionError(f"{content!r} has bare line ends or NUL")
        if content and not content.endswith(b"\r\n"):
            raise AssertionError(f"{content!r} ends in the middle of a line")
        if envelope.sender:
            parse_address(envelope.sender, utf8=envelope.smtputf8)
        dialogue = self._dialogue
        if self._terms.auth and (dialogue.member != _MEMBER or not dialogue.in_tls):
            raise AssertionError("mail came from nobody who had logged in")
        if not dialogue.helo or (self._terms.tls_required and not dialogue.in_tls):
            raise AssertionError("mail came too early")

    def _check_phase(self) -> None:
        phase = self._dialogue.phase
        if phase is not self._seen and phase is not Phase.CLOSED and phase not in _NEXT[self._seen]:
            raise AssertionError(f"from {self._seen} to {phase}")
        self._seen = phase
        if (phase is Phase.CLOSED) is not self.heard.closed:
            raise AssertionError(f"{phase}, and closed is {self.heard.closed}")
        kept = len(self._dialogue._lines.left)  # nothing else shows how much is kept
        if phase in (Phase.COMMANDS, Phase.CONTENT, Phase.CLOSED) and kept > RESPONSE_OCTETS + self._new_bytes:
            raise AssertionError(f"{kept} octets are kept of one line")


def _check_login(asked: CheckLogin) -> None:
    if not asked.login or not asked.password or "\0" in asked.login + asked.password:
        raise AssertionError("a login that nobody can have")
    if "password" in repr(asked):
        raise AssertionError(f"{asked!r} shows the password")


def _well_formed(data: bytes) -> str:
    """Whole replies, each line within 512 octets, with its status where one belongs. Raises AssertionError."""
    text = data.decode("ascii")
    at = 0
    while at < len(text):
        reply = _REPLY.match(text, at)
        if reply is None or max(map(len, reply[0].splitlines(keepends=True))) > 512:
            raise AssertionError(f"{text[at:]!r} is no reply")
        code, status = reply[2], _STATUS.match(reply[3])
        if status is None:
            if code not in _WITHOUT_STATUS and reply[0][4:].split("\r\n")[0] != "mx.desk.test":
                raise AssertionError(f"{reply[0]!r} has no status")
        elif status[1] != code[0]:
            raise AssertionError(f"{reply[0]!r}: code and status differ")
        at = reply.end()
    return text


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
