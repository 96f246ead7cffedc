"""A line of the client: the command in it, whether that may come now, and the answer to it. Pure."""

from dataclasses import dataclass

from routerd.intake.protocol import refusals
from routerd.intake.protocol.commands import COMMANDS, Answer, Command
from routerd.intake.protocol.events import CommandRefused
from routerd.intake.protocol.lines import TOO_LONG
from routerd.intake.protocol.refusals import CommandError
from routerd.intake.protocol.sasl import RESPONSE_OCTETS
from routerd.intake.protocol.standing import Standing

COMMAND_OCTETS = 512  # RFC 5321 4.5.3.1.4, with CRLF
PATH_COMMAND_OCTETS = 2048  # MAIL and RCPT with the parameters of their extensions, those too that are refused
_LONGER_COMMANDS = {"MAIL": PATH_COMMAND_OCTETS, "RCPT": PATH_COMMAND_OCTETS, "AUTH": RESPONSE_OCTETS}
_IDLE = frozenset({"NOOP", "RSET", "VRFY", "HELP", "EHLO", "HELO", "LHLO"})  # what brings no mail nearer
_WITHOUT_TLS = frozenset({"EHLO", "LHLO", "STARTTLS", "NOOP", "QUIT"})  # RFC 3207 4
_WITHOUT_ARGUMENT = frozenset({"DATA", "RSET", "QUIT", "STARTTLS"})
_WEB = frozenset({"GET", "POST", "CONNECT", "PUT", "HEAD", "OPTIONS"})  # a browser made to speak to us


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is true of a verb in every session: looked up once a line, not in one table after the other."""

    command: Command
    most_octets: int  # of the line
    is_idle: bool
    waits_for_tls: bool
    is_bare: bool  # without an argument


_RULES = {
    verb: _Rule(
        command,
        _LONGER_COMMANDS.get(verb, COMMAND_OCTETS),
        verb in _IDLE,
        verb not in _WITHOUT_TLS,
        verb in _WITHOUT_ARGUMENT,
    )
    for verb, command in COMMANDS.items()
}


def longest_line(session: Standing) -> int:
    """In octets with CRLF, of any command or response that may come now."""
    return RESPONSE_OCTETS if session.terms.offers_auth(in_tls=session.in_tls) else PATH_COMMAND_OCTETS


def unfit_line(line: bytes, *, normalises: bool) -> CommandRefused | None:
    """Why a line cannot be read: lines end in CR LF and hold no CR, LF or NUL (RFC 5321 2.3.8).

    `normalises`: a bare LF ends a line too, as it does in content.
    """
    if line == TOO_LONG:
        return CommandRefused("syntax", refusals.OVERLONG, "")
    if not line.endswith(b"\r\n") and not normalises:
        return CommandRefused("bare_newline", refusals.BAD_LINE, "")
    if b"\0" in line or line.find(b"\r", 0, -2) >= 0:
        return CommandRefused("syntax", refusals.BAD_LINE, "")
    return None


def obey(session: Standing, line: bytes) -> tuple[Answer, str]:
    """The answer to a command, and its verb in upper case; "" where none could be read."""
    try:
        text = line.decode(session.codec).rstrip(" \t\r\n")
    except UnicodeDecodeError:
        return CommandRefused("syntax", refusals.NOT_ASCII, ""), ""
    word, _, argument = text.partition(" ")
    verb = word.upper() if word.isascii() else word  # "\u017ftarttls".upper() is a command
    rule = _RULES.get(verb)
    if len(line) > COMMAND_OCTETS and (rule is None or len(line) > rule.most_octets):
        return CommandRefused("syntax", refusals.OVERLONG, "" if rule is None else verb), verb
    if rule is None:
        return _unknown(session, verb), verb
    argument = argument.lstrip(" ")
    unfit = _unfit_now(session, rule, verb, argument)
    if unfit is not None:
        return unfit, verb
    try:
        return rule.command(session, argument), verb
    except CommandError as error:
        return CommandRefused("syntax", error.refused, argument), verb


def _unfit_now(session: Standing, rule: _Rule, verb: str, argument: str) -> CommandRefused | None:
    """Whatever the state of the transaction."""
    if rule.waits_for_tls and session.terms.tls_required and not session.in_tls:
        return CommandRefused("tls_required", refusals.TLS_FIRST, verb)
    if rule.is_bare and argument:
        return CommandRefused("syntax", refusals.NO_ARGUMENT, verb)
    return session.allowance.for_idling() if rule.is_idle else None


def _unknown(session: Standing, verb: str) -> CommandRefused:
    """What follows a login that was refused may be a password: where there are logins it is not repeated."""
    about = "" if session.terms.auth else verb
    if verb in _WEB:
        return CommandRefused("web", refusals.NO_TALKER, about)
    return CommandRefused("syntax", refusals.UNKNOWN, about)
