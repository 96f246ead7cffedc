"""A client that tries a trick whole, whatever it is answered, and a server that carries on all that it is told."""

import re
import socket
import socketserver
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from relay_tricks import Trick

ANSWER_SECONDS = 20.0
_MARKER = re.compile(rb"(?m)^X-Trick: (\S+)\r$")
_REFUSED_FOR_GOOD = re.compile(rb"5\d\d 5\.\d{1,3}\.\d{1,3} \S")


@dataclass(frozen=True, slots=True)
class Door:
    """How a client comes in, and what it says ahead of a trick."""

    name: str
    port: int = 0
    source: str = "127.0.0.1"
    trusted: bool = False
    lmtp: bool = False
    smtputf8: bool = False
    pipelined: bool = False
    good: bytes | None = None  # a recipient that is named first, and granted
    login: tuple[str, str] | None = None  # inside TLS
    implicit_tls: bool = False
    proxy_header: bytes = b""  # said first of all, in the clear


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trick was answered. `refusals`: to MAIL and RCPT; `granted`: its own RCPT was; `accepted`: its content."""

    trick: Trick
    door: Door
    marker: bytes
    refusals: tuple[bytes, ...]
    granted: bool
    accepted: bool

    def __str__(self) -> str:
        return f"{self.trick.name} {[one.decode(errors='replace').strip() for one in self.refusals]}"

    @property
    def trouble(self) -> str | None:
        """What is wrong with the answers themselves."""
        if self.granted is not self.trick.ours:
            return f"{self}: {'granted' if self.granted else 'not granted'}"
        if not all(_REFUSED_FOR_GOOD.match(refusal) for refusal in self.refusals):
            return f"{self}: a refusal that is not for good, or without its enhanced code"
        return None


@dataclass(frozen=True, slots=True)
class Taken:
    """A message at the next hop; paths with their brackets."""

    sender: bytes
    recipients: tuple[bytes, ...]
    content: bytes

    @property
    def marker(self) -> bytes | None:
        found = _MARKER.search(self.content)
        return found[1] if found else None


class Talk:
    """One connection of a client that does not look at what it sends."""

    def __init__(self, door: Door) -> None:
        self._socket = socket.create_connection(("127.0.0.1", door.port), ANSWER_SECONDS, (door.source, 0))
        self._socket.sendall(door.proxy_header)
        if door.implicit_tls:
            self._secure()
        self._incoming = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._incoming.close()
        self._socket.close()

    def say(self, lines: bytes, answers: int | None = None) -> list[bytes]:
        """Sends, and gives the replies: one for each line, or so many; fewer where the server has hung up."""
        try:
            self._socket.sendall(lines)
        except OSError:
            return []
        wanted = lines.count(b"\n") if answers is None else answers
        return [reply for reply in (self.reply() for _ in range(wanted)) if reply]

    def reply(self) -> bytes:
        """The last line of the next one; nothing where the connection has ended."""
        try:
            while line := self._incoming.readline():
                if line[3:4] != b"-":
                    return line
        except OSError:
            pass  # reset: ended, too
        return b""

    def start_tls(self) -> None:
        assert self.say(b"STARTTLS\r\n")[0].startswith(b"220 ")
        self._incoming.close()
        self._secure()
        self._incoming = self._socket.makefile("rb")

    def _secure(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)


def try_tricks(door: Door, tricks: Sequence[Trick], token: bytes) -> list[Tried]:
    """Each in a connection of its own; behind a login, which takes its time, several in one."""
    tried: list[Tried] = []
    for group in _in_groups(tricks, 1 if door.login is None else 40):
        with Talk(door) as talk:
            _introduce(talk, door)
            for trick in group:
                tried.append(_try_trick(talk, door, trick, len(tried), token))
                talk.say(b"RSET\r\n")
    return tried


def _in_groups(tricks: Sequence[Trick], size: int) -> Iterator[Sequence[Trick]]:
    return (tricks[at : at + size] for at in range(0, len(tricks), size))


def _try_trick(talk: Talk, door: Door, trick: Trick, number: int, token: bytes) -> Tried:
    """MAIL, RCPT, DATA and, where 354 is said, the content."""
    marker = b"%b-%d" % (door.name.replace(" ", "-").encode(), number)
    for line in trick.before:
        if any(reply.startswith(b"334") for reply in talk.say(line + b"\r\n")):
            talk.say(b"*\r\n")
    mail, first, own = _envelope(door, trick, token)
    lines = (mail, *first, own, b"DATA\r\n")
    replies = talk.say(b"".join(lines)) if door.pipelined else [one for line in lines for one in talk.say(line)]
    replies += [b""] * (sum(line.count(b"\n") for line in lines) - len(replies))  # a server that has hung up
    *said, data = replies
    answers: list[bytes] = []
    if data.startswith(b"354"):
        told = b"".join(lines).split(b"\n")
        granted = sum(line.startswith(b"RCPT") and _is_granted(reply) for line, reply in zip(told, said, strict=False))
        answers = talk.say(_content(marker), granted if door.lmtp else 1)
    return Tried(
        trick,
        door,
        marker,
        refusals=tuple(reply for reply in said if not _is_granted(reply)),
        granted=any(_is_granted(reply) for reply in said[-own.count(b"\n") :]),
        accepted=any(_is_granted(answer) for answer in answers),
    )


def relayed(tried: Iterable[Tried], taken: Iterable[Taken], owner: bytes) -> list[tuple[Trick | None, Taken]]:
    """What came to the next hop and is not the one copy for the owner of the inbox that a message was meant for."""
    by_marker = {one.marker: one for one in tried}
    seen: set[bytes] = set()
    found: list[tuple[Trick | None, Taken]] = []
    for message in taken:
        attempt = by_marker.get(message.marker or b"")
        meant = attempt is not None and (attempt.trick.ours or attempt.door.good is not None)
        if attempt is None or not meant or message.recipients != (owner,) or attempt.marker in seen:
            found.append((attempt and attempt.trick, message))
        else:
            seen.add(attempt.marker)
    return found


def _introduce(talk: Talk, door: Door) -> None:
    assert talk.reply().startswith(b"220 ")
    hello = b"LHLO client.stranger.test\r\n" if door.lmtp else b"EHLO client.stranger.test\r\n"
    assert talk.say(hello)[0].startswith(b"250 ")
    if door.login is None:
        return
    if not door.implicit_tls:
        talk.start_tls()
        talk.say(hello)
    plain = b64encode("\0{}\0{}".format(*door.login).encode())
    assert talk.say(b"AUTH PLAIN " + plain + b"\r\n")[0].startswith(b"235 ")


def _envelope(door: Door, trick: Trick, token: bytes) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """MAIL, the recipients that are named first, and the trick's own."""
    mail = b"MAIL FROM:" + trick.mail.replace(b"{token}", token) + (b" SMTPUTF8" if door.smtputf8 else b"") + b"\r\n"
    first = () if door.good is None else (b"RCPT TO:" + door.good + b"\r\n",)
    return mail, first, b"RCPT TO:" + trick.rcpt.replace(b"{token}", token) + b"\r\n"


def _content(marker: bytes) -> bytes:
    return (
        b"From: Anna <anna@stranger.test>\r\nTo: undisclosed-recipients:;\r\nSubject: %(marker)b\r\n"
        b"Message-ID: <%(marker)b@stranger.test>\r\nX-Trick: %(marker)b\r\n\r\nBuy %(marker)b!\r\n.\r\n"
    ) % {b"marker": marker}


def _is_granted(reply: bytes) -> bool:
    return reply.startswith(b"25")


class Taking(socketserver.ThreadingTCPServer):
    """Takes every message for everybody, and gives it to `take`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, take: Callable[[Taken], object], *, lmtp: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _TakingSession)
        self.take = take
        self.lmtp = lmtp
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _TakingSession(socketserver.StreamRequestHandler):
    server: Taking

    def handle(self) -> None:
        self.wfile.write(b"220 open.test ESMTP\r\n")
        sender, recipients = b"", []
        while line := self.rfile.readline():
            command = line.strip(b"\r\n")
            verb = command[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go\r\n")
                self.server.take(Taken(sender, tuple(recipients), self._content()))
                self.wfile.write(b"250 2.0.0 ok\r\n" * (len(recipients) if self.server.lmtp else 1))
                sender, recipients = b"", []
                continue
            if verb == b"MAIL":
                sender, recipients = command[len("MAIL FROM:") :].split(b" ")[0], []
            elif verb == b"RCPT":
                recipients.append(command[len("RCPT TO:") :])
            self.wfile.write(b"250 2.0.0 ok\r\n")
            if verb == b"QUIT":
                return

    def _content(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) and line != b".\r\n":
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


def carry_on(port: int) -> Callable[[Taken], object]:
    """What an open relay does with mail: hands it to the server at `port`, for whoever it was said to be."""

    def carry(message: Taken) -> None:
        with Talk(Door("next", port)) as talk:
            talk.reply()
            talk.say(b"EHLO open.test\r\n")
            for line in (b"MAIL FROM:" + message.sender, *(b"RCPT TO:" + path for path in message.recipients), b"DATA"):
                talk.say(line + b"\r\n")
            talk.say(message.content + b".\r\n", 1)

    return carry
