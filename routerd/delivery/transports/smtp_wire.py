"""The client's side of SMTP (RFC 5321) and LMTP (RFC 2033) without I/O: bytes in, actions out.

The host writes what `Send` holds, feeds what comes back to `receive`, and tells `lost` when nothing will.
"""

import base64
import re
from collections import deque
from collections.abc import Callable

from routerd.config.settings import TlsPolicy
from routerd.delivery.outcome import Deferred, Delivered, Failed, Outcome, Stage, turned_down
from routerd.delivery.transports.reply import Reply, ReplyReader
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

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUARRELS = frozenset({500, 502, 503})  # it does not know the command, or lost its place: nothing about the copy
_PERMANENT = ("5.1.", "5.2.", "5.3.4", "5.6.", "5.7.")
# The answers of most next hops to most groups of commands.
_ALL_TAKEN = re.compile(rb"(?:250 [^\r\n]{0,500}\r\n){2}354 [^\r\n]{0,500}\r\n\Z")
_SIZE = re.compile(r"[0-9]{1,20}\Z")  # RFC 1870 4


class Client:
    """One connection. `usable`: it may carry another transaction."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._reader = ReplyReader()
        self._expected: deque[tuple[Stage, Callable[[Reply], list[Action]]]] = deque()
        self._script: deque[tuple[Stage, bytes, Callable[[Reply], list[Action]]]] = deque()
        self._extensions: dict[str, str] = {}
        self._latest = Stage.GREETING  # what was answered last
        self._encrypted = False
        self._transaction: Transaction | None = None
        self._outcomes: list[Outcome | None] = []
        self._answered = 0  # recipients whose RCPT, and in LMTP whose content, has its reply
        self._accepted: list[int] = []
        self._mid_content = False
        self._awaits_usual = False  # answers to MAIL, RCPT and DATA, and nothing of them has come
        self._dirty = False  # the server may hold on to parts of a transaction: RSET before the next
        self.usable = True
        self.replies = 0  # that were read to their end
        self.mail_was_answered = False  # in the latest transaction
        self._expect(Stage.GREETING, self._on_greeting)

    @property
    def awaiting(self) -> Stage | None:
        """What the next reply will answer; None when nothing is expected."""
        return self._expected[0][0] if self._expected else None

    def receive(self, data: bytes) -> list[Action]:
        """What follows from the server's bytes. Never raises."""
        actions: list[Action] = []
        if not self.usable:
            return actions
        if self._awaits_usual:
            self._awaits_usual = False
            if _ALL_TAKEN.match(data):  # read as a whole: reply by reply takes five times as long
                return self._on_all_taken()
        for reply in self._reader.feed(data):
            actions += self._take(reply)
            if not self.usable:
                return actions
        if self._reader.broken:
            actions += self._give_up(f"answered nonsense: {self._reader.broken}")
        return actions

    def start(self, transaction: Transaction) -> list[Action]:
        """Begins one message on a connection that is ready."""
        if self._transaction or self._expected or not self.usable:
            raise RuntimeError("the connection is not ready for a transaction")
        self._transaction = transaction
        self._outcomes = [None] * len(transaction.recipients)
        self._accepted = []
        self._answered = 0
        self.mail_was_answered = False
        refusal = self._refusal(transaction)
        if refusal:
            return self._finish_all(refusal)
        self._script.clear()
        if self._dirty:
            self._script.append((Stage.MAIL, b"RSET\r\n", self._on_rset))
        self._script.append((Stage.MAIL, self._mail_command(transaction), self._on_mail))
        for recipient in transaction.recipients:
            self._script.append((Stage.RCPT, b"RCPT TO:<%b>\r\n" % recipient.encode(), self._on_rcpt))
        self._script.append((Stage.DATA, b"DATA\r\n", self._on_data))
        actions = self._send_commands()
        self._awaits_usual = not (self._dirty or self._script or self._login.lmtp) and len(transaction.recipients) == 1
        self._dirty = True
        return actions

    def content_sent(self) -> None:
        """The final dot is on its way: from now on a reply is about the content."""
        self._mid_content = False

    def tls_started(self) -> list[Action]:
        """The channel is encrypted: what the server said before counts no more (RFC 3207 4.2)."""
        self._encrypted = True
        self._extensions = {}
        return self._say_hello()

    def tls_failed(self, why: str) -> Deferred:
        """The handshake failed."""
        self.usable = False
        return Deferred(f"TLS handshake failed: {why}", Stage.TLS)

    def lost(self, why: str) -> list[Action]:
        """Nothing more will come: `why` is such as "closed the connection"."""
        return self._give_up(why) if self.usable else []

    def quit(self) -> bytes:
        """The last command; its answer is not waited for."""
        self.usable = False
        return b"QUIT\r\n"

    # The way to Ready.

    def _on_greeting(self, reply: Reply) -> list[Action]:
        if reply.kind != 2:
            return self._break(Stage.GREETING, reply)
        return self._say_hello()

    def _say_hello(self) -> list[Action]:
        verb = b"LHLO" if self._login.lmtp else b"EHLO"
        return self._command(Stage.HELLO, b"%b %b\r\n" % (verb, self._login.hello.encode("ascii")), self._on_ehlo)

    def _on_ehlo(self, reply: Reply) -> list[Action]:
        if reply.kind == 2:
            for line in reply.lines[1:]:
                keyword, _, parameters = line.partition(" ")
                self._extensions[keyword.upper()] = parameters
            return self._secure()
        if reply.kind == 5 and not self._login.lmtp:
            return self._command(Stage.HELLO, b"HELO %b\r\n" % self._login.hello.encode("ascii"), self._on_helo)
        return self._break(Stage.HELLO, reply)

    def _on_helo(self, reply: Reply) -> list[Action]:
        return self._secure() if reply.kind == 2 else self._break(Stage.HELLO, reply)

    def _secure(self) -> list[Action]:
        if not self._encrypted and self._login.tls is not TlsPolicy.NONE:
            if "STARTTLS" in self._extensions:
                return self._command(Stage.TLS, b"STARTTLS\r\n", self._on_starttls)
            if self._login.tls is TlsPolicy.REQUIRED:
                return self._give_up("does not offer STARTTLS, which this route requires", Stage.TLS)
        return self._authenticate()

    def _on_starttls(self, reply: Reply) -> list[Action]:
        if reply.kind != 2:
            if self._login.tls is TlsPolicy.REQUIRED or reply.kind == 3:
                return self._break(Stage.TLS, reply)
            return self._authenticate()
        if self._reader.has_partial:
            return self._give_up("sent more before TLS than it may", Stage.TLS)  # injected: RFC 3207 6
        return [Upgrade()]

    def _authenticate(self) -> list[Action]:
        credentials = self._login.credentials
        if not credentials:
            return [Ready()]
        if not self._encrypted and not self._login.private:
            return self._give_up("offers no TLS, and a password is sent only inside it", Stage.AUTH)
        mechanisms = self._extensions.get("AUTH", "").upper().split()
        if "PLAIN" in mechanisms:
            secret = _base64(f"\0{credentials.user}\0{credentials.password}")
            return self._command(Stage.AUTH, b"AUTH PLAIN %b\r\n" % secret, self._on_auth)
        if "LOGIN" in mechanisms:
            return self._command(Stage.AUTH, b"AUTH LOGIN\r\n", self._on_login)
        return self._give_up("offers neither AUTH PLAIN nor AUTH LOGIN", Stage.AUTH)

    def _on_login(self, reply: Reply) -> list[Action]:
        if reply.code != 334 or not self._login.credentials:
            return self._break(Stage.AUTH, reply)
        return self._command(Stage.AUTH, _base64(self._login.credentials.user) + b"\r\n", self._on_login_user)

    def _on_login_user(self, reply: Reply) -> list[Action]:
        if reply.code != 334 or not self._login.credentials:
            return self._break(Stage.AUTH, reply)
        return self._command(Stage.AUTH, _base64(self._login.credentials.password) + b"\r\n", self._on_auth)

    def _on_auth(self, reply: Reply) -> list[Action]:
        return [Ready()] if reply.kind == 2 else self._break(Stage.AUTH, reply)

    # One transaction.

    def _refusal(self, transaction: Transaction) -> Failed | None:
        paths = (transaction.sender, *transaction.recipients)
        if any(_CONTROL.search(path) for path in paths):
            return Failed("an address holds a control character", Stage.PREPARE, status="5.6.0")
        if not all(path.isascii() for path in paths) and "SMTPUTF8" not in self._extensions:
            return Failed(
                "an address is not ASCII, and the next hop does not offer SMTPUTF8", Stage.MAIL, status="5.6.7"
            )
        most = self._most_bytes()
        if most and transaction.size_bytes > most:
            why = f"the next hop takes messages of {most} bytes at most, and this one has {transaction.size_bytes}"
            return Failed(why, Stage.MAIL, status="5.3.4")
        return None

    def _most_bytes(self) -> int:
        """Of a message, as the next hop says (RFC 1870 4). 0: it names no limit, or nothing that is one."""
        said = self._extensions.get("SIZE", "").strip()
        return int(said) if _SIZE.match(said) else 0

    def _mail_command(self, transaction: Transaction) -> bytes:
        parameters = ""
        if "SIZE" in self._extensions:
            parameters += f" SIZE={transaction.size_bytes}"
        if "SMTPUTF8" in self._extensions and not "".join((transaction.sender, *transaction.recipients)).isascii():
            parameters += " SMTPUTF8"
        if transaction.has_8bit and "8BITMIME" in self._extensions:
            parameters += " BODY=8BITMIME"  # where it is not offered, 8 bits go as they are
        return f"MAIL FROM:<{transaction.sender}>{parameters}\r\n".encode()

    def _send_commands(self) -> list[Action]:
        """All that is left of the script in one write where the server can take it (RFC 2920), else the next."""
        count = len(self._script) if "PIPELINING" in self._extensions else 1
        data = b""
        for _ in range(count):
            stage, command, handler = self._script.popleft()
            self._expect(stage, handler)
            data += command
        return [Send(data)]

    def _next_command(self) -> list[Action]:
        return self._send_commands() if self._script and not self._expected else []

    def _on_rset(self, reply: Reply) -> list[Action]:
        return self._next_command() if reply.kind == 2 else self._break(Stage.MAIL, reply)

    def _on_mail(self, reply: Reply) -> list[Action]:
        self.mail_was_answered = True
        if reply.kind == 3:
            return self._break(Stage.MAIL, reply)
        if reply.kind != 2:
            outcome = judged(Stage.MAIL, reply)
            self._outcomes = [outcome] * len(self._outcomes)
            return self._stop_script()
        return self._next_command()

    def _on_rcpt(self, reply: Reply) -> list[Action]:
        recipient, self._answered = self._answered, self._answered + 1
        if reply.kind == 3:
            return self._break(Stage.RCPT, reply)
        if reply.kind == 2 and self._outcomes[recipient] is None:
            self._accepted.append(recipient)
        elif self._outcomes[recipient] is None:
            self._outcomes[recipient] = judged(Stage.RCPT, reply)
        if not self._accepted and self._answered == len(self._outcomes):
            return self._stop_script()
        return self._next_command()

    def _stop_script(self) -> list[Action]:
        """Nobody is left to send it to: finish when what was sent ahead is answered."""
        self._script.clear()
        return [] if self._expected else self._finish()

    def _on_data(self, reply: Reply) -> list[Action]:
        if reply.kind == 3:
            if not self._accepted:
                self.usable = False  # waits for a message to nobody: hang up rather than send one
                return self._finish()
            return self._send_content()
        if reply.kind == 2:
            return self._break(Stage.DATA, reply)
        self._settle(judged(Stage.DATA, reply))
        return self._finish()

    def _on_all_taken(self) -> list[Action]:
        """What `_on_mail`, `_on_rcpt` and `_on_data` make of it when each is taken."""
        self.replies += len(self._expected)
        self._expected.clear()
        self._latest = Stage.DATA
        self.mail_was_answered = True
        self._accepted.append(0)
        return self._send_content()

    def _send_content(self) -> list[Action]:
        self._mid_content = True
        for _ in self._accepted if self._login.lmtp else (None,):
            self._expect(Stage.CONTENT, self._on_content)
        self._answered = 0
        return [SendContent()]

    def _on_content(self, reply: Reply) -> list[Action]:
        if self._mid_content or reply.kind == 3:
            return self._break(Stage.CONTENT, reply, "answered before the end of the message")
        outcome: Outcome
        if reply.kind == 2:
            outcome = Delivered("taken by the next hop", Stage.CONTENT, str(reply), reply.code, reply.status)
        else:
            outcome = judged(Stage.CONTENT, reply)
        if not self._login.lmtp:
            self._settle(outcome)
            self._dirty = reply.kind != 2
            return self._finish()
        self._outcomes[self._accepted[self._answered]] = outcome
        self._answered += 1
        if self._answered < len(self._accepted):
            return []
        self._dirty = False
        return self._finish()

    # How replies and endings are dealt with.

    def _take(self, reply: Reply) -> list[Action]:
        self.replies += 1
        if not self._expected:
            return self._give_up(f"spoke unasked: {reply}", code=reply.code)
        stage, handler = self._expected.popleft()
        self._latest = stage
        if reply.code == 421:
            if stage is Stage.MAIL:
                self.mail_was_answered = False  # it only says that it closes: another connection may do
            return self._break(stage, reply)
        return handler(reply)

    def _expect(self, stage: Stage, handler: Callable[[Reply], list[Action]]) -> None:
        self._expected.append((stage, handler))

    def _command(self, stage: Stage, command: bytes, handler: Callable[[Reply], list[Action]]) -> list[Action]:
        self._expect(stage, handler)
        return [Send(command)]

    def _break(self, stage: Stage, reply: Reply, why: str = "") -> list[Action]:
        words = f"answered out of place ({stage})" if reply.kind in (2, 3) else turned_down(stage, reply.code)
        return self._give_up(f"{why or words}: {reply}", stage, str(reply), reply.code, reply.status)

    def _give_up(
        self, why: str, stage: Stage | None = None, reply: str = "", code: int = 0, status: str = ""
    ) -> list[Action]:
        stage = stage or self.awaiting or self._latest
        self.usable = False
        self._expected.clear()
        self._script.clear()
        outcome = Deferred(f"next hop {why}", stage, reply, code, status)
        if not self._transaction:
            return [Broken(outcome)]
        return self._finish_all(outcome)

    def _settle(self, outcome: Outcome) -> None:
        self._outcomes = [outcome if known is None else known for known in self._outcomes]

    def _finish_all(self, outcome: Outcome) -> list[Action]:
        self._settle(outcome)
        return self._finish()

    def _finish(self) -> list[Action]:
        self._transaction = None
        return [Finished(tuple(outcome for outcome in self._outcomes if outcome is not None))]


def judged(stage: Stage, reply: Reply) -> Deferred | Failed:
    """What a 4xx or 5xx means for the copy. A 5xx at MAIL is trouble of the destination, but for the size."""
    status = reply.status
    final = reply.kind == 5 and (reply.code not in _QUARRELS or status.startswith(_PERMANENT))
    if stage is Stage.MAIL:
        final = final and (status == "5.3.4" or (reply.code == 552 and not status))
    kind = Failed if final else Deferred
    return kind(f"next hop {turned_down(stage, reply.code)}: {reply}", stage, str(reply), reply.code, status)


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode())
