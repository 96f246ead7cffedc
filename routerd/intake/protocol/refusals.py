"""The words with which a session refuses. Pure."""

from routerd.intake.protocol.data import Defect
from routerd.intake.protocol.events import Declined
from routerd.message.envelope import Refused


class CommandError(Exception):
    """A command cannot be taken; `refused` says why."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.text)
        self.refused = refused


OF_CONTENT = {
    Defect.TOO_BIG: Refused(552, "5.3.4", "Message is too big"),
    Defect.BARE_NEWLINE: Refused(550, "5.5.2", "Bare CR or LF in message; lines end in CR LF"),
    Defect.NUL: Refused(550, "5.6.0", "NUL in message"),
    Defect.HEADER_TOO_BIG: Refused(552, "5.3.4", "The message's header is too big"),
    Defect.TOO_MANY_FIELDS: Refused(554, "5.6.0", "Too many fields in the message's header"),
    Defect.LINE_TOO_LONG: Refused(554, "5.6.0", "A line of the message is too long"),
}
NO_MEMORY = Declined(452, "4.3.1", "Too many messages at once; try again later", "no_memory")
NO_SPACE = Declined(452, "4.3.1", "No room for the message now; try again later", "no_space")
STORE_SLOW = Declined(451, "4.3.0", "Messages are stored too slowly now; try again later", "store_slow")
OVERLOADED = Declined(421, "4.3.2", "Overloaded; try again later", "pressure")
TRY_LATER = Refused(451, "4.3.0", "Try again later")
TOO_MANY_COMMANDS = Refused(421, "4.7.0", "Too many commands in one session")
TOO_MANY_MESSAGES = Refused(421, "4.7.0", "Too many messages in one session; connect again")
TOO_MUCH_IDLING = Refused(421, "4.7.0", "Too many commands without mail")
TOO_MANY_ERRORS = Refused(421, "4.7.0", "Too many errors")
TOO_MANY_RECIPIENTS = Refused(452, "4.5.3", "Too many recipients")
BOUNCES_ONLY = Declined(550, "5.7.1", "Only bounces are taken here, from <>", "no_bounce")
NOT_TOGETHER = Declined(452, "4.5.3", "Not in one transaction with others; send it apart", "too_many_recipients")
OVERLONG = Refused(500, "5.5.2", "Line too long")
BAD_LINE = Refused(500, "5.5.2", "Lines end in CR LF and hold no other control characters")
NOT_ASCII = Refused(500, "5.5.2", "Commands are ASCII, or UTF-8 where SMTPUTF8 is offered")
UNKNOWN = Refused(500, "5.5.2", "Unknown command")
NOT_OFFERED = Refused(502, "5.5.1", "Command not offered")
NO_ARGUMENT = Refused(501, "5.5.4", "Command takes no argument")
HELLO_FIRST = Refused(503, "5.5.1", "Say hello first")
MAIL_TWICE = Refused(503, "5.5.1", "MAIL was said already")
RCPT_FIRST = Refused(503, "5.5.1", "RCPT comes first")
NO_RECIPIENTS = Refused(554, "5.5.1", "No valid recipients")
SAY_LHLO = Refused(500, "5.5.1", "This is LMTP; say LHLO")
NO_LHLO = Refused(500, "5.5.1", "This is not LMTP")
IN_TLS_ALREADY = Refused(503, "5.5.1", "This is TLS already")
SAY_WHO = Refused(501, "5.5.4", "Say your host name or an address literal")
VRFY_WHAT = Refused(501, "5.5.4", "Syntax: VRFY address")
MAIL_FIRST = Refused(503, "5.5.1", "MAIL comes first")
TLS_FIRST = Refused(530, "5.7.0", "Say STARTTLS first")

LOGIN_FIRST = Refused(530, "5.7.0", "Log in first")
TLS_BEFORE_LOGIN = Refused(538, "5.7.11", "Logging in needs TLS; say STARTTLS first")
EHLO_BEFORE_LOGIN = Refused(503, "5.5.1", "Say EHLO first")
LOGGED_IN_ALREADY = Refused(503, "5.5.1", "You are logged in already")
LOGIN_IN_TRANSACTION = Refused(503, "5.5.1", "Log in before MAIL")
AUTH_HOW = Refused(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
UNKNOWN_MECHANISM = Refused(504, "5.5.4", "Mechanisms are PLAIN and LOGIN")
BAD_BASE64 = Refused(501, "5.5.2", "Response is not base64")
BAD_RESPONSE = Refused(501, "5.5.2", "Response is not what the mechanism asks for")
OVERLONG_RESPONSE = Refused(500, "5.5.6", "Response is too long")
ACTS_FOR_ANOTHER = Refused(535, "5.7.8", "Nobody may act for another here")
LOGIN_CANCELLED = Refused(501, "5.7.0", "Login cancelled")
TOO_MANY_LOGINS = Refused(421, "4.7.0", "Too many logins failed")

NO_TALKER = Refused(421, "4.7.0", "This is no web server")

EARLY = Refused(554, "5.5.1", "You spoke before the greeting")

IDLE_TOO_LONG = Refused(421, "4.4.2", "Nothing came for too long")
TOO_SLOW = Refused(421, "4.4.2", "The message comes too slowly")
TOO_LONG = Refused(421, "4.4.2", "The session has lasted too long; connect again")
SHUTTING_DOWN = Refused(421, "4.3.2", "Shutting down; try again later")
