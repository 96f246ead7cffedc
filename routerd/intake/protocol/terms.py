"""What one listener grants its clients. Pure."""

from dataclasses import dataclass

from routerd.message.envelope import Protocol


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

    def offers_auth(self, *, in_tls: bool) -> bool:
        """Passwords are asked for inside TLS only."""
        return self.auth and in_tls
