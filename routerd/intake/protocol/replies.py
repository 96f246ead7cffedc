"""What a session says but for its refusals' words: reply lines as bytes (RFC 5321 4.2, RFC 2034). Pure."""

from routerd.intake.protocol.terms import Terms
from routerd.message.envelope import Accepted, Protocol, Refused

MAX_REPLY_TEXT = 400  # RFC 5321 4.5.3.1.5: 512 octets with code, status and CRLF

OK = b"250 2.0.0 Ok\r\n"
SENDER_OK = b"250 2.1.0 Ok\r\n"
RECIPIENT_OK = b"250 2.1.5 Ok\r\n"
SEND_CONTENT = b"354 End data with <CR><LF>.<CR><LF>\r\n"
BYE = b"221 2.0.0 Bye\r\n"
NOT_VERIFIED = b"252 2.0.0 Send some mail and see\r\n"
READY_FOR_TLS = b"220 2.0.0 Ready\r\n"
LOGGED_IN = b"235 2.7.0 You are logged in\r\n"


def greeting(terms: Terms) -> bytes:
    return f"220 {terms.hostname} {'LMTP' if terms.protocol is Protocol.LMTP else 'ESMTP'} routerd\r\n".encode()


def helo_reply(terms: Terms) -> bytes:
    return f"250 {terms.hostname}\r\n".encode("ascii")


def ehlo_reply(terms: Terms, *, in_tls: bool) -> bytes:
    """What is offered (RFC 5321 4.1.1.1). CHUNKING and DSN are not: a rerouting inbox cannot keep DSN's promises."""
    more = "250-STARTTLS\r\n" if terms.starttls and not in_tls else ""
    if terms.offers_auth(in_tls=in_tls):
        more += "250-AUTH PLAIN LOGIN\r\n"
    if terms.smtputf8:
        more += "250-SMTPUTF8\r\n"
    return (
        f"250-{terms.hostname}\r\n250-PIPELINING\r\n250-SIZE {terms.message_size}\r\n250-8BITMIME\r\n"
        f"{more}250 ENHANCEDSTATUSCODES\r\n"
    ).encode("ascii")


def help_reply(terms: Terms) -> bytes:
    hello = "LHLO" if terms.protocol is Protocol.LMTP else "HELO EHLO"
    more = (" STARTTLS" if terms.starttls else "") + (" AUTH" if terms.auth else "")
    return f"214 2.0.0 {hello} MAIL RCPT DATA RSET NOOP QUIT VRFY HELP{more}\r\n".encode("ascii")


def acceptance(accepted: Accepted) -> bytes:
    return b"250 2.0.0 Ok: queued as %b\r\n" % accepted.id.encode("ascii", "replace")


def challenge(base64: bytes) -> bytes:
    """RFC 4954 4: the space stands even where nothing follows it."""
    return b"334 %b\r\n" % base64


def refusal(refused: Refused) -> bytes:
    """One reply line. Whatever the parts hold, it is one line of printable ASCII with a 4xx or 5xx code."""
    if not 400 <= refused.code <= 599:
        return b"451 4.3.0 Try again later\r\n"
    text = f"{refused.status} {refused.text}"[:MAX_REPLY_TEXT]
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if " " <= char <= "~" else "?" for char in text)
    return f"{refused.code} {text}\r\n".encode("ascii")
