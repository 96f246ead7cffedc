"""Members' logins: a listener that asks for them has TLS and passwords, and a file of passwords has such a listener."""

from collections.abc import Iterator

from routerd.config.draft import Draft
from routerd.config.settings import Listener, ListenProtocol, ListenTls
from routerd.config.yaml_source import Problem

_IN_TLS = (ListenTls.REQUIRED, ListenTls.IMPLICIT)


def check(draft: Draft) -> Iterator[Problem]:
    for index, listener in enumerate(draft.settings.listen):
        at = ("listen", index)
        if listener.auth == "required" and draft.reading.known(at) == at and draft.reading.is_whole(*at):
            yield from _listener(draft, index, listener)
    yield from _unused(draft)


def _listener(draft: Draft, index: int, listener: Listener) -> Iterator[Problem]:
    place = ("listen", index, "auth")
    if listener.protocol is ListenProtocol.LMTP:
        yield draft.at(*place, message="members log in by SMTP; LMTP is for a server that hands mail over")
        return
    if listener.tls not in _IN_TLS:
        wrong = "'auth: required' needs 'tls: required' or 'tls: implicit', so that no password goes in the clear"
        yield draft.at(*place, message=wrong)
    if listener.reverse_name == "require":
        wrong = "'reverse_name: require' would refuse members: their addresses at home and abroad often have no name"
        yield draft.at("listen", index, "reverse_name", message=wrong)
    if listener.greet_delay:
        wrong = "'greet_delay' would have members wait at each message; it is for listeners that strangers use"
        yield draft.at("listen", index, "greet_delay", message=wrong)
    if listener.verify:
        wrong = "'verify: true' finds nothing where members log in: who wrote it is known; remove it"
        yield draft.at("listen", index, "verify", message=wrong)
    if "passwords" not in draft.first.values:
        wrong = "'auth: required' needs the members' passwords; add 'passwords: FILE' at the top of the file"
        yield draft.at(*place, message=wrong)


def _unused(draft: Draft) -> Iterator[Problem]:
    """Said only where no listener can have been meant to use it."""
    reading = draft.reading
    if draft.settings.passwords is None or any(listener.auth == "required" for listener in draft.settings.listen):
        return
    listeners = range(len(draft.settings.listen)) if reading.known(("listen",)) else ()
    if draft.is_said("listen") and all(reading.is_whole("listen", index) for index in listeners):
        wrong = "'passwords' has a meaning only with a listener of 'auth: required', where members log in"
        yield draft.at_key("passwords", message=wrong)
