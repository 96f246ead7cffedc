"""Kinds of commands, and what forbids one whatever the state of the transaction. Pure."""

from routerd.intake import refusals
from routerd.message.envelope import Refused

IDLE = frozenset({"NOOP", "RSET", "VRFY", "HELP", "EHLO", "HELO", "LHLO"})  # what brings no mail nearer
_WITHOUT_TLS = frozenset({"EHLO", "LHLO", "STARTTLS", "NOOP", "QUIT"})  # RFC 3207 4
_WITHOUT_ARGUMENT = frozenset({"DATA", "RSET", "QUIT", "STARTTLS"})
_WEB = frozenset({"GET", "POST", "CONNECT", "PUT", "HEAD", "OPTIONS"})  # a browser made to speak to us


def unknown(verb: str) -> tuple[Refused, str]:
    """The refusal of what is no command, and the word under which it is counted."""
    return (refusals.NO_TALKER, "web") if verb in _WEB else (refusals.UNKNOWN, "syntax")


def out_of_order(verb: str, argument: str, *, need_tls: bool) -> tuple[Refused, str] | None:
    """The same for a command that may not come now, or not so. `verb` in upper case."""
    if need_tls and verb not in _WITHOUT_TLS:
        return refusals.TLS_FIRST, "tls_required"
    if argument and verb in _WITHOUT_ARGUMENT:
        return refusals.NO_ARGUMENT, "syntax"
    return None
