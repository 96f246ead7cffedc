"""What a client may waste of our time before it is sent away. Pure."""

from routerd.intake.protocol import refusals
from routerd.intake.protocol.events import CommandRefused, Declined
from routerd.intake.protocol.terms import Terms

CONTENT = "."
"""Stands for a verb where it is a message that is refused."""

LOGINS = 3  # that may fail: a client that tries one mechanism after the other needs two

LOGIN_FAILED = "login"
"""The word under which these are counted."""

_TOO_MANY_COMMANDS = CommandRefused("too_many_commands", refusals.TOO_MANY_COMMANDS, "")
_IDLE = CommandRefused("idle_commands", refusals.TOO_MUCH_IDLING, "")
_TOO_MANY_ERRORS = CommandRefused("too_many_errors", refusals.TOO_MANY_ERRORS, "")
_TOO_MANY_LOGINS = CommandRefused("too_many_logins", refusals.TOO_MANY_LOGINS, "")


class Allowance:
    """Counts over a whole session, but for idle commands, which a message makes up for, taken or not.

    A 4xx at RCPT is no error and not idle: who has many recipients gets many of them at once (RFC 5321 4.5.3.1.10).
    The commands in all and the session's length bound these.
    """

    __slots__ = ("_errors", "_failed_logins", "_idle", "_lines_left", "_terms", "_trusted")

    def __init__(self, terms: Terms, *, trusted: bool) -> None:
        self._terms = terms
        self._trusted = trusted
        self._lines_left = 0 if terms.commands is None else terms.commands + 1  # from 0 it never comes to 0 again
        self._errors = 0
        self._failed_logins = 0
        self._idle = 0

    def for_line(self) -> CommandRefused | None:
        """Counts a line of the client; what to say where it is one too many."""
        self._lines_left -= 1
        return None if self._lines_left else _TOO_MANY_COMMANDS

    def for_idling(self) -> CommandRefused | None:
        """The same for what brings no mail nearer."""
        self._idle += 1
        return _IDLE if self._idle > self._terms.idle_commands else None

    def for_refused(self, refused: CommandRefused, verb: str) -> CommandRefused | None:
        """Counts what was refused; what to say behind it where it was one too many."""
        if refused.reason == LOGIN_FAILED:
            self._failed_logins += 1
            if self._failed_logins >= LOGINS:
                return _TOO_MANY_LOGINS
        if refused.refused.code < 500:
            return None if verb == "RCPT" else self.for_idling()
        if self._trusted and (verb == CONTENT or isinstance(refused.refused, Declined)):
            return None  # a hop of ours may hand over much that is for nobody here, or broken; that is no attack
        self._errors += 1
        return _TOO_MANY_ERRORS if self._errors >= self._terms.errors else None

    def forgive_idling(self) -> None:
        self._idle = 0
