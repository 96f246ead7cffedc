"""What one listener tells and grants its clients, and the words it uses. Pure."""

from dataclasses import dataclass

from routerd.message.envelope import Accepted, Protocol, Refused

MAX_REPLY_TEXT = 400  # RFC 5321 4.5.3.1.5: 512 octets with code, status and CRLF
HELP = b"214 2.0.0 EHLO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP STARTTLS\r\n"


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one listener, the same for all its sessions until a reload."""

    hostname: str
    listener: str
    protocol: Protocol = Protocol.SMTP
    message_size: int = 50_000_000  # octets
    recipients: int = 1000  # per message
    messages: int | None = None  # in one session; None: not counted
    errors: int = 20  # in one session
    commands: int | None = None  # in one session; None: not counted
    idle_commands: int = 100  # NOOP, RSET, VRFY and their like between two messages
    starttls: bool = False  # there is a certificate
    tls_required: bool = False
    auth: bool = False  # only members who have logged in may send; offered inside TLS
    refuse_early: bool = False  # who speaks before the greeting is refused
    smtputf8: bool = False
    bare_newlines: str = "auto"  # auto | refuse | normalise
    header_size: int = 1_000_000  # octets
    header_fields: int = 1000
    line_size: int = 2_000_000  # octets, with its end

    def normalises(self, *, trusted: bool) -> bool:
        """Whether a bare CR or LF in content becomes CRLF for this client; otherwise it is refused."""
        return self.bare_newlines == "normalise" or (self.bare_newlines == "auto" and trusted)


def greeting(terms: Terms) -> bytes:
    return f"220 {terms.hostname} {'LMTP' if terms.protocol is Protocol.LMTP else 'ESMTP'} routerd\r\n".encode()


def ehlo_reply(terms: Terms, *, in_tls: bool) -> bytes:
    """What is offered (RFC 5321 4.1.1.1). CHUNKING and DSN are not: a rerouting inbox cannot keep DSN's promises."""
    lines = [terms.hostname, "PIPELINING", f"SIZE {terms.message_size}", "8BITMIME", "ENHANCEDSTATUSCODES"]
    if terms.starttls and not in_tls:
        lines.append("STARTTLS")
    if terms.smtputf8:
        lines.append("SMTPUTF8")
    *most, last = lines
    return ("".join(f"250-{line}\r\n" for line in most) + f"250 {last}\r\n").encode("ascii")


def acceptance(accepted: Accepted) -> bytes:
    return b"250 2.0.0 Ok: queued as %b\r\n" % accepted.id.encode("ascii", "replace")


def refusal(refused: Refused) -> bytes:
    """One reply line. Whatever the parts hold, it is one line of printable ASCII with a 4xx or 5xx code."""
    if not 400 <= refused.code <= 599:
        return b"451 4.3.0 Try again later\r\n"
    text = "".join(char if " " <= char <= "~" else "?" for char in f"{refused.status} {refused.text}"[:MAX_REPLY_TEXT])
    return f"{refused.code} {text}\r\n".encode("ascii")
