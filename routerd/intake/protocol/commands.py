"""Each command: what it changes in the session, and the answer to it (RFC 5321 4.1.1, RFC 3207, RFC 4954). Pure."""

from collections.abc import Callable

from routerd.intake.protocol import refusals, replies
from routerd.intake.protocol.data import Defect
from routerd.intake.protocol.events import CheckLogin, CommandRefused, Phase
from routerd.intake.protocol.logging_in import auth
from routerd.intake.protocol.parameters import parse_helo, parse_mail, parse_rcpt
from routerd.intake.protocol.refusals import CommandError
from routerd.intake.protocol.standing import Standing
from routerd.intake.protocol.transaction import Transaction
from routerd.message.envelope import Purpose, Recipient, Refused

Answer = bytes | CommandRefused | CheckLogin
"""What is said; or why the command is refused; or what is to be asked before anything can be said."""

Command = Callable[[Standing, str], Answer]
"""Takes what stands behind the verb. Raises CommandError where that cannot be read."""


def _helo(session: Standing, argument: str) -> Answer:
    return _hello(session, argument, esmtp=False, lmtp=False)


def _ehlo(session: Standing, argument: str) -> Answer:
    return _hello(session, argument, esmtp=True, lmtp=False)


def _lhlo(session: Standing, argument: str) -> Answer:
    return _hello(session, argument, esmtp=True, lmtp=True)


def _hello(session: Standing, argument: str, *, esmtp: bool, lmtp: bool) -> Answer:
    if lmtp is not session.is_lmtp:
        raise CommandError(refusals.SAY_LHLO if session.is_lmtp else refusals.NO_LHLO)
    session.helo = parse_helo(argument)
    session.esmtp = esmtp
    session.transaction = None
    return replies.ehlo_reply(session.terms, in_tls=session.in_tls) if esmtp else replies.helo_reply(session.terms)


def _mail(session: Standing, argument: str) -> Answer:
    terms = session.terms
    out_of_sequence = _what_mail_lacks(session)
    if out_of_sequence is not None:
        return out_of_sequence
    mail = parse_mail(
        argument,
        esmtp=session.esmtp,
        smtputf8_offered=terms.smtputf8,
        auth_offered=terms.offers_auth(in_tls=session.in_tls),
    )
    if mail.size_bytes > terms.message_size:
        return CommandRefused("too_big", refusals.OF_CONTENT[Defect.TOO_BIG], mail.sender)
    no_room = session.room_for(mail.size_bytes)
    if no_room is not None:
        return CommandRefused(no_room.reason, no_room, mail.sender)
    session.transaction = Transaction(mail)
    return replies.SENDER_OK


def _what_mail_lacks(session: Standing) -> CommandRefused | None:
    terms = session.terms
    if not session.helo:
        return CommandRefused("sequence", refusals.HELLO_FIRST, "MAIL")
    if session.transaction is not None:
        return CommandRefused("sequence", refusals.MAIL_TWICE, "MAIL")
    if terms.auth and session.member is None:
        return CommandRefused("login_required", refusals.LOGIN_FIRST, "MAIL")
    if terms.messages is not None and session.messages >= terms.messages:
        return CommandRefused("too_many_messages", refusals.TOO_MANY_MESSAGES, "MAIL")
    return None


def _rcpt(session: Standing, argument: str) -> Answer:
    transaction = session.transaction
    if transaction is None:
        return CommandRefused("sequence", refusals.MAIL_FIRST, "RCPT")
    transaction.rcpt_refused = True
    address = parse_rcpt(argument, smtputf8=transaction.mail.smtputf8)
    if transaction.granted >= session.terms.recipients:
        return _not_granted("too_many_recipients", refusals.TOO_MANY_RECIPIENTS, argument, transaction)
    recipient = session.look_up(address)
    if session.client_refused is not None and not _is_postmaster(recipient):
        refused, reason = session.client_refused
        return _not_granted(reason, refused, argument, transaction)
    if isinstance(recipient, Refused):
        return _not_granted(recipient.reason, recipient, argument, transaction)
    declined = transaction.declines(recipient)
    if declined is not None:
        return _not_granted(declined.reason, declined, argument, transaction)
    transaction.grant(recipient)
    return replies.RECIPIENT_OK


def _not_granted(reason: str, refused: Refused, argument: str, transaction: Transaction) -> CommandRefused:
    """With the sender: by him the log is searched where somebody says that his mail does not arrive."""
    return CommandRefused(reason, refused, argument, transaction.mail.sender)


def _data(session: Standing, _: str) -> Answer:
    transaction = session.transaction
    if transaction is None:
        return CommandRefused("sequence", refusals.MAIL_FIRST, "DATA")
    if not transaction.granted:
        all_refused = transaction.rcpt_refused and not session.is_lmtp  # RFC 2033 4.2 wants 503
        return CommandRefused("sequence", refusals.NO_RECIPIENTS if all_refused else refusals.RCPT_FIRST, "DATA")
    no_room = session.room_for(0)
    if no_room is not None:
        return CommandRefused(no_room.reason, no_room, "DATA")
    session.phase = Phase.CONTENT
    return replies.SEND_CONTENT


def _rset(session: Standing, _: str) -> Answer:
    session.transaction = None
    return replies.OK


def _noop(_session: Standing, _argument: str) -> Answer:
    return replies.OK


def _quit(session: Standing, _: str) -> Answer:
    session.phase = Phase.CLOSED
    return replies.BYE


def _vrfy(_: Standing, argument: str) -> Answer:
    if not argument:
        raise CommandError(refusals.VRFY_WHAT)
    return replies.NOT_VERIFIED


def _help(session: Standing, _: str) -> Answer:
    return replies.help_reply(session.terms)


def _starttls(session: Standing, _: str) -> Answer:
    if session.in_tls:
        return CommandRefused("sequence", refusals.IN_TLS_ALREADY, "STARTTLS")
    if not session.terms.starttls:
        return CommandRefused("not_offered", refusals.NOT_OFFERED, "STARTTLS")
    session.phase = Phase.HANDSHAKE
    return replies.READY_FOR_TLS


def _not_offered(verb: str) -> Command:
    refused = CommandRefused("not_offered", refusals.NOT_OFFERED, verb)
    return lambda _session, _argument: refused


def _is_postmaster(recipient: object) -> bool:
    """RFC 5321 4.5.1: he can be told of it, whatever a client is refused for."""
    return isinstance(recipient, Recipient) and recipient.purpose is Purpose.POSTMASTER


COMMANDS: dict[str, Command] = {
    "HELO": _helo,
    "EHLO": _ehlo,
    "LHLO": _lhlo,
    "AUTH": auth,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _data,
    "RSET": _rset,
    "NOOP": _noop,
    "QUIT": _quit,
    "VRFY": _vrfy,
    "HELP": _help,
    "STARTTLS": _starttls,
    **{verb: _not_offered(verb) for verb in ("EXPN", "ETRN", "BDAT")},
}
