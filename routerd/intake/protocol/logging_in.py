"""AUTH, from the command to the answer of who knows the passwords (RFC 4954). Pure.

What is refused says nothing of an argument or a response: either may be a password in the wrong place.
"""

from routerd.intake.protocol import refusals, replies, sasl
from routerd.intake.protocol.allowance import LOGIN_FAILED
from routerd.intake.protocol.events import CheckLogin, CommandRefused, LoggedIn
from routerd.intake.protocol.refusals import CommandError
from routerd.intake.protocol.sasl import Exchange
from routerd.intake.protocol.standing import Standing
from routerd.message.envelope import Refused

Step = bytes | CommandRefused | CheckLogin


def auth(session: Standing, argument: str) -> Step:
    """The command, perhaps with the first response in it."""
    unfit = _what_auth_lacks(session)
    if unfit is not None:
        return unfit
    mechanism, _, initial = argument.partition(" ")
    if not mechanism or " " in initial:
        return _refused(refusals.AUTH_HOW)
    try:
        exchange = sasl.begin(mechanism)
        if not initial:
            return _go_on(session, exchange)
        return _go_on(session, exchange.respond_at_once(initial.encode()))
    except CommandError as error:
        return _refused(error.refused)


def respond(session: Standing, exchange: Exchange, line: bytes) -> Step:
    """The client's next line, without its line end."""
    session.exchange = None
    if line == sasl.CANCEL:
        return _refused(refusals.LOGIN_CANCELLED)
    try:
        return _go_on(session, exchange.respond(line))
    except CommandError as error:
        return _refused(error.refused)


def conclude(session: Standing, answer: LoggedIn | Refused) -> bytes | CommandRefused:
    """Whether the password holds."""
    if isinstance(answer, Refused):
        return CommandRefused(LOGIN_FAILED, answer, "AUTH")
    session.member = answer.member
    return replies.LOGGED_IN


def _what_auth_lacks(session: Standing) -> CommandRefused | None:
    terms = session.terms
    if not terms.auth:
        return CommandRefused("not_offered", refusals.NOT_OFFERED, "AUTH")
    if not session.in_tls:
        return CommandRefused("tls_required", refusals.TLS_BEFORE_LOGIN, "AUTH")
    unfit = None
    if not session.esmtp:
        unfit = refusals.EHLO_BEFORE_LOGIN
    elif session.member is not None:
        unfit = refusals.LOGGED_IN_ALREADY
    elif session.transaction is not None:
        unfit = refusals.LOGIN_IN_TRANSACTION
    return None if unfit is None else CommandRefused("sequence", unfit, "AUTH")


def _go_on(session: Standing, step: Exchange | CheckLogin) -> Step:
    if isinstance(step, CheckLogin):
        return step
    session.exchange = step
    return replies.challenge(step.challenge)


def _refused(refused: Refused) -> CommandRefused:
    return CommandRefused(LOGIN_FAILED if refused is refusals.ACTS_FOR_ANOTHER else "syntax", refused, "AUTH")
