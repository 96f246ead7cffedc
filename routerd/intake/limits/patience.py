"""How long a client may take: what is overdue, by readings of a clock. Pure."""

from dataclasses import dataclass, replace

from routerd.config.intake_settings import Limits
from routerd.intake.protocol import refusals
from routerd.message.envelope import Refused

HURRIED_IDLE_SECONDS = 30.0
HURRIED_SESSION_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Of one kind of client, in seconds."""

    idle_seconds: float = 300.0  # RFC 5321 4.5.3.2.7: without a whole command, or without a byte of content
    least_bytes_per_second: float = 100.0  # of content; what comes faster earns no more than idle_seconds of patience
    session_seconds: float = 3600.0  # then no further command; a message that is coming may end
    handshake_seconds: float = 60.0
    proxy_header_seconds: float = 10.0
    unread_seconds: float = 60.0  # for a client that does not read what we say
    check_seconds: float = 5.0  # how often they are looked at


def timeouts_of(limits: Limits, *, trusted: bool) -> Timeouts:
    """Those that the config gives; the rest has no key."""
    own = limits.trusted if trusted else None
    idle = (own and own.idle) or limits.idle
    session = (own and own.session) or limits.session
    return Timeouts(
        idle_seconds=idle.total_seconds(),
        least_bytes_per_second=limits.least_rate,
        session_seconds=session.total_seconds(),
    )


def hurried(timeouts: Timeouts) -> Timeouts:
    """For strangers where few places are left: who does nothing with his makes room for others."""
    return replace(
        timeouts,
        idle_seconds=min(timeouts.idle_seconds, HURRIED_IDLE_SECONDS),
        session_seconds=min(timeouts.session_seconds, HURRIED_SESSION_SECONDS),
        handshake_seconds=min(timeouts.handshake_seconds, HURRIED_IDLE_SECONDS),
        unread_seconds=min(timeouts.unread_seconds, HURRIED_IDLE_SECONDS),
    )


@dataclass(slots=True)
class Readings:
    """When things happened in one session, by the loop's clock."""

    began_at: float
    heard_at: float  # the last whole command, or piece of content
    paid_until: float | None = None  # so long what came of the content is enough; None outside content
    unread_since: float | None = None  # the client does not read what we say
    closing_since: float | None = None
    spent_seconds: float = 0.0  # of ours, on what came since the last message; not by the loop's clock

    def hear_commands(self, now: float) -> None:
        """Whole ones came."""
        self.heard_at = now
        self.paid_until = None

    def hear_content(self, now: float, size_bytes: int, timeouts: Timeouts) -> None:
        """So much came, perhaps with commands before or behind it.

        Content pays for the time until more must come, but not for hours ahead: else a large message sent at once, and
        nearly nothing behind it, would keep its memory for as long as its sender likes.
        """
        self.heard_at = now
        most = now + timeouts.idle_seconds
        if self.paid_until is None:
            self.paid_until = most
        else:
            self.paid_until = min(self.paid_until + size_bytes / timeouts.least_bytes_per_second, most)


def is_mute(readings: Readings, timeouts: Timeouts, now: float) -> bool:
    """Whether the client has left unread for too long what we said, our last words too."""
    since = readings.closing_since if readings.closing_since is not None else readings.unread_since
    return since is not None and now - since > timeouts.unread_seconds


def overdue(readings: Readings, timeouts: Timeouts, now: float, *, in_content: bool) -> Refused | None:
    """Why a client whose turn it is has waited too long; not to be asked while it waits for us."""
    if readings.closing_since is not None or readings.unread_since is not None:
        return None
    if now - readings.heard_at > timeouts.idle_seconds:
        return refusals.IDLE_TOO_LONG
    if in_content:
        return refusals.TOO_SLOW if readings.paid_until is not None and now > readings.paid_until else None
    return refusals.TOO_LONG if now - readings.began_at > timeouts.session_seconds else None
