"""The words with which a session refuses. Pure."""

from routerd.intake.data import Defect
from routerd.message.envelope import Refused

OF_CONTENT = {
    Defect.TOO_BIG: Refused(552, "5.3.4", "Message is too big"),
    Defect.BARE_NEWLINE: Refused(550, "5.5.2", "Bare CR or LF in message; lines end in CR LF"),
    Defect.NUL: Refused(550, "5.6.0", "NUL in message"),
}
NO_ROOM = Refused(452, "4.3.1", "No room for the message now; try again later")
TRY_LATER = Refused(451, "4.3.0", "Try again later")
OVERLONG = Refused(500, "5.5.2", "Line too long")
BAD_LINE = Refused(500, "5.5.2", "Lines end in CR LF and hold no other control characters")
NOT_ASCII = Refused(500, "5.5.2", "Commands are ASCII")
UNKNOWN = Refused(500, "5.5.2", "Unknown command")
NOT_OFFERED = Refused(502, "5.5.1", "Command not offered")
NO_ARGUMENT = Refused(501, "5.5.4", "Command takes no argument")
HELLO_FIRST = Refused(503, "5.5.1", "Say hello first")
MAIL_FIRST = Refused(503, "5.5.1", "MAIL comes first")
TLS_FIRST = Refused(530, "5.7.0", "Say STARTTLS first")
NO_TALKER = Refused(421, "4.7.0", "This is no web server")

EARLY = Refused(554, "5.5.1", "You spoke before the greeting")

IDLE_TOO_LONG = Refused(421, "4.4.2", "Nothing came for too long")
TOO_SLOW = Refused(421, "4.4.2", "The message comes too slowly")
TOO_LONG = Refused(421, "4.4.2", "The session has lasted too long; connect again")
SHUTTING_DOWN = Refused(421, "4.3.2", "Shutting down; try again later")
