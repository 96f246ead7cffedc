"""Plays a scripted dialogue against a server that really listens, and compares what it says."""

import random
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dialog_script import CLOSED, NOTHING, OPEN, Action, Dialog, Expect, Send, Step, parse_bytes

SECONDS = 30  # how long a reply may take
_QUEUED = re.compile(r"queued as (\S+)")
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})([ -])([\x20-\x7e\x80-\xff]*)\r\n\Z")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3} ")


class DialogError(AssertionError):
    """The server did not say or do what the script expects."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where to knock, and from which address."""

    port: int
    client: str = "127.0.0.1"
    tls: bool = False  # from the first byte
    strict: bool = True  # hold each reply to what routerd promises of all of them


def play(dialog: Dialog, split: str, door: Door, *, ours: bool) -> list[str]:
    """Gives the ids under which messages were taken, each once. Raises DialogError."""
    steps = _steps_of(dialog, ours=ours)
    address = ("127.0.0.1", door.port)
    with socket.create_connection(address, timeout=SECONDS, source_address=(door.client, 0)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        player = _Player(connection, strict=door.strict)
        at = 0
        try:
            if door.tls:
                player.start_tls()
            for line, what in _acts(steps, split, dialog.name):
                at = line
                player.do(what)
        except DialogError as error:
            heard = "".join(f"\n    {line}" for line in player.transcript[-30:])
            raise DialogError(f"{dialog.name}:{at} ({split}): {error}{heard}") from None
        finally:
            player.close()
    return list(dict.fromkeys(player.ids))


def check_messages(dialog: Dialog, ids: Sequence[str], delivered: Mapping[str, Sequence[bytes]], *, ours: bool) -> None:
    """Whether what was taken and delivered is what the script says. Raises DialogError."""
    wanted = 0
    for step in dialog.steps:
        if not isinstance(step, Expect):
            continue
        text = step.ours if ours else step.theirs
        if step.what == "MESSAGES":
            wanted = int(text)
        elif step.what == "MESSAGE" and text != NOTHING:
            number, look, quoted = text.split(" ", 2)
            if int(number) > len(ids):
                raise DialogError(f"{dialog.name}:{step.line}: only {len(ids)} messages were taken")
            for copy in delivered[ids[int(number) - 1]]:
                _look_at(copy, look, parse_bytes(quoted), f"{dialog.name}:{step.line}")
    if len(ids) != wanted:
        raise DialogError(f"{dialog.name}: {len(ids)} messages were taken, not {wanted}")


def _look_at(copy: bytes, look: str, wanted: bytes, place: str) -> None:
    body = copy.partition(b"\n\n")[2]
    fits = {"body": body == wanted, "has": wanted in copy, "lacks": wanted not in copy}
    if not fits[look]:
        raise DialogError(
            f"{place}: the delivered message does not fit: {look} {wanted!r}\n{copy.decode(errors='replace')}"
        )


def _steps_of(dialog: Dialog, *, ours: bool) -> list[Step]:
    """With what one of the two does not do taken out, and with a QUIT where the script leaves the connection open."""
    steps: list[Step] = []
    for step in dialog.steps:
        if isinstance(step, Expect):
            text = step.ours if ours else step.theirs
            if step.what in ("MESSAGES", "MESSAGE") or text in (NOTHING, OPEN):
                continue
            steps.append(Expect(step.line, step.what, text, text))
        else:
            steps.append(step)
    last = steps[-1]
    if (isinstance(last, Expect) and last.what == "END") or (isinstance(last, Action) and last.what == "HANGUP"):
        return steps
    line = last.line
    return [*steps, Send(line, b"QUIT\r\n"), Expect(line, "S:", "221 2.0.0", ""), Expect(line, "END", CLOSED, "")]


def _acts(steps: Sequence[Step], split: str, name: str) -> list[tuple[int, "bytes | Action | Expect"]]:
    """The steps with what the client says cut as `split` has it; with the number of the line."""
    acts: list[tuple[int, bytes | Action | Expect]] = []
    group: list[Send] = []
    chance = random.Random(name)
    if split == "ahead":
        steps = _said_ahead(steps)
    for step in [*steps, None]:
        if isinstance(step, Send):
            group.append(step)
            continue
        if group:
            acts.extend((group[0].line, piece) for piece in _cut([one.data for one in group], split, chance))
            group = []
        if step is not None:
            acts.append((step.line, step))
    return acts


def _said_ahead(steps: Sequence[Step]) -> list[Step]:
    """All that the client says goes before all that it hears, as far as the next handshake."""
    ordered: list[Step] = []
    stretch: list[Step] = []
    for step in [*steps, None]:
        if step is None or isinstance(step, Action):
            ordered += sorted(stretch, key=lambda one: not isinstance(one, Send))
            stretch = []
            if step is not None:
                ordered.append(step)
        else:
            stretch.append(step)
    return ordered


def _cut(lines: Sequence[bytes], split: str, chance: random.Random) -> list[bytes]:
    data = b"".join(lines)
    if split == "lines":
        return list(lines)
    if split == "bytes":
        return [data[at : at + 1] for at in range(len(data))]
    if split == "random":
        cuts = sorted(chance.sample(range(1, len(data)), min(len(data) - 1, 12)))
        return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [data]


class _Player:
    """One connection as the script's client has it."""

    def __init__(self, connection: socket.socket, *, strict: bool) -> None:
        self.ids: list[str] = []
        self.transcript: list[str] = []
        self._connection = connection
        self._strict = strict
        self._heard = b""
        self._reply: list[str] = []  # lines of a reply that the script compares one by one
        self._hello: list[str] = []
        self._replies = 0

    def do(self, what: "bytes | Action | Expect") -> None:
        if isinstance(what, bytes):
            self._send(what)
        elif isinstance(what, Action):
            if what.what == "TLS":
                self.start_tls()
            else:
                self.close()
        elif what.what == "S:":
            self._expect_reply(what.ours)
        elif what.what == "OFFERS":
            self._expect_offers(what.ours)
        else:
            self._expect_end()

    def start_tls(self) -> None:
        if self._heard:
            raise DialogError(f"said in the clear behind the reply to STARTTLS: {self._heard!r}")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            self._connection = context.wrap_socket(self._connection)
        except OSError as error:
            raise DialogError(f"no handshake: {error}") from None

    def close(self) -> None:
        self._connection.close()

    def _send(self, data: bytes) -> None:
        self.transcript.append(f"C: {data!r}"[:200])
        try:
            self._connection.sendall(data)
        except OSError as error:  # the server has closed; what it said last is what the script looks at
            self.transcript.append(f"({error})")

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(65536)
        except TimeoutError:
            raise DialogError(f"nothing came for {SECONDS} s behind {self._heard!r}") from None
        except OSError as error:
            self.transcript.append(f"({error})")
            return b""

    def _read_line(self) -> str:
        while b"\n" not in self._heard:
            data = self._receive()
            if not data:
                raise DialogError(f"the server has closed the connection behind {self._heard!r}")
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        self.transcript.append(f"S: {line.decode('ascii', 'backslashreplace').rstrip()}")
        if not _REPLY_LINE.match(line + b"\n") or (self._strict and (len(line) > 511 or not line.isascii())):
            raise DialogError(f"no reply line, or longer than RFC 5321 4.5.3.1.5 allows: {line!r}")
        return line.decode("ascii", "replace").rstrip("\r")

    def _read_reply(self) -> list[str]:
        lines = [self._read_line()]
        while lines[-1][3] == "-":
            lines.append(self._read_line())
            if lines[-1][:3] != lines[0][:3]:
                raise DialogError(f"the codes of one reply differ: {lines}")
        self.ids += [found[1] for line in lines if (found := _QUEUED.search(line))]
        if re.match(r"250[ -][\w.-]+(?: |\Z)", lines[0]) and not _STATUS.match(lines[0][4:]):
            self._hello = [line[4:].upper() for line in lines[1:]]
        self._replies += 1
        if self._strict:
            self._check_status(lines)
        return lines

    def _check_status(self, lines: Sequence[str]) -> None:
        """RFC 2034 4: each line of a 2xx, 4xx or 5xx has its status, but for the greeting and hello's."""
        is_greeting = self._replies == 1 and lines[0].startswith("220 ")
        if lines[0][0] == "3" or is_greeting or lines[0][4:].split(" ")[0] == "mx1.example.com":
            return
        for line in lines:
            if not _STATUS.match(line[4:]) or line[4] != line[0]:
                raise DialogError(f"no enhanced status, or another class: {line}")

    def _expect_reply(self, wanted: str) -> None:
        if not self._reply:
            self._reply = self._read_reply()
        if wanted[3:4] == "-":
            line = self._reply.pop(0)
            if not self._reply:
                raise DialogError(f"expected {wanted!r}, but the reply ends with {line!r}")
        else:
            whole, self._reply = self._reply, []
            line = whole[0][:3] + " " + whole[0][4:]
        if not (line + " ").startswith(wanted + " "):
            raise DialogError(f"expected {wanted!r}, got {line!r}")

    def _expect_offers(self, wanted: str) -> None:
        for part in wanted.split(", "):
            name = part.removeprefix("NOT ").upper()
            if (name in self._hello) is part.startswith("NOT "):
                raise DialogError(f"expected {part!r} among {self._hello}")

    def _expect_end(self) -> None:
        if self._reply:
            raise DialogError(f"not compared: {self._reply}")
        while data := self._receive():
            self._heard += data
        if self._heard:
            raise DialogError(f"said behind its end: {self._heard!r}")
